"""Reads GraphQL queries: text in, operations and selections out. Types are nobody's business here.

The executable half of the language: operations, fragments, variables, aliases, arguments.
Directives are read and, but for @include and @skip, ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r'(?P<skip>[\s,\ufeff]+|#[^\n]*)|(?P<block>"""(?:[^"\\]|\\.|"(?!""))*""")'
    r'|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<name>[_A-Za-z]\w*)|(?P<mark>\.\.\.|[!$()\[\]{}:=@|&])"
)
DEPTH_LIMIT = 40


class GraphqlSyntaxError(ValueError):
    """The text is not GraphQL."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name` where a value is expected."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A field; or a fragment, when `name` is empty: its fields count where the type fits."""

    name: str = ""
    alias: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    directives: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    selections: tuple[Selection, ...] = ()
    on: str | None = None
    spread: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A query or mutation."""

    kind: str
    name: str
    defaults: Mapping[str, Any]
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """All operations and fragments of one text."""

    operations: tuple[Operation, ...]
    fragments: Mapping[str, Selection]


def parse(text: str) -> Document:
    return _Reader(_tokens(text)).document()


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise GraphqlSyntaxError(f"unexpected {text[at]!r} at character {at}")
        at = match.end()
        if match.lastgroup != "skip":
            found.append((match.lastgroup or "", match[0]))
    return found


class _Reader:
    """A recursive descent over the tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def document(self) -> Document:
        operations, fragments = [], {}
        while self._at < len(self._tokens):
            if self._peek() == "fragment":
                self._next()
                name = self._next()
                self._expect("on")
                on = self._next()
                self._directives()
                fragments[name] = Selection(on=on, selections=self._selections())
            else:
                operations.append(self._operation())
        return Document(tuple(operations), fragments)

    # -- tokens ------------------------------------------------------------------------------

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise GraphqlSyntaxError("unexpected end of query")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise GraphqlSyntaxError(f"expected {token!r}, found {found!r}")

    def _taken(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    # -- structure ---------------------------------------------------------------------------

    def _operation(self) -> Operation:
        kind, name, defaults = "query", "", {}
        if self._peek() != "{":
            kind = self._next()
            if kind not in ("query", "mutation"):
                raise GraphqlSyntaxError(f"expected a query or mutation, found {kind!r}")
            if self._peek() not in ("{", "(", "@"):
                name = self._next()
            if self._taken("("):
                defaults = self._variables()
            self._directives()
        selections = self._selections()
        return Operation(kind=kind, name=name, defaults=defaults, selections=selections)

    def _variables(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {}
        while not self._taken(")"):
            self._expect("$")
            name = self._next()
            self._expect(":")
            self._type()
            if self._taken("="):
                defaults[name] = self._value()
        return defaults

    def _type(self) -> None:
        if self._taken("["):
            self._type()
            self._expect("]")
        else:
            self._next()
        self._taken("!")

    def _selections(self) -> tuple[Selection, ...]:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise GraphqlSyntaxError("the query is too deep")
        self._expect("{")
        found = []
        while not self._taken("}"):
            found.append(self._selection())
        self._depth -= 1
        return tuple(found)

    def _selection(self) -> Selection:
        if self._taken("..."):
            return self._fragment()
        alias = name = self._next()
        if self._taken(":"):
            name = self._next()
        arguments = self._arguments()
        directives = self._directives()
        inner = self._selections() if self._peek() == "{" else ()
        return Selection(
            name=name, alias=alias, arguments=arguments, directives=directives, selections=inner
        )

    def _fragment(self) -> Selection:
        if self._peek() not in ("on", "{", "@"):
            return Selection(spread=self._next(), directives=self._directives())
        on = self._next() if self._taken("on") else None
        directives = self._directives()
        return Selection(on=on, directives=directives, selections=self._selections())

    def _arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._taken("("):
            while not self._taken(")"):
                name = self._next()
                self._expect(":")
                found[name] = self._value()
        return found

    def _directives(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        found = []
        while self._taken("@"):
            found.append((self._next(), self._arguments()))
        return tuple(found)

    def _value(self) -> Any:
        if self._at >= len(self._tokens):
            raise GraphqlSyntaxError("unexpected end of query")
        kind, token = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return json.loads(token)
        if kind == "text":
            return json.loads(token)
        if kind == "block":
            return token[3:-3].replace('\\"""', '"""').strip()
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(token, token)
        return self._compound(token)

    def _compound(self, token: str) -> Any:
        if token == "$":  # noqa: S105 - a mark of the language
            return Variable(self._next())
        if token == "[":  # noqa: S105
            items = []
            while not self._taken("]"):
                items.append(self._value())
            return items
        if token != "{":  # noqa: S105
            raise GraphqlSyntaxError(f"unexpected {token!r}")
        fields: dict[str, Any] = {}
        while not self._taken("}"):
            name = self._next()
            self._expect(":")
            fields[name] = self._value()
        return fields
