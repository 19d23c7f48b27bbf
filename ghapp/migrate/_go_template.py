"""Go's text templates as ours: the little of them that people write into such settings.

Fields, `if`, `else`, `range`, `eq`, `ne`, `not` and texts; what else there is is not translated,
and the reason is said. https://pkg.go.dev/text/template
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ghapp.migrate._source import one_line

LONGEST: Final = 8_192
_OURS: Final = re.compile(r"\{[{%#]|[}%#]\}")
_WORD: Final = re.compile(r'\s*("[^"\n]*"|`[^`]*`|\$?[\w.]+|\(|\))')
_PATH: Final = re.compile(r"\$?[\w.]+")
_RANGE: Final = re.compile(r"range\s+(?:(\$\w+\s*,\s*)?\$(\w+)\s*:=\s*)?(\S+)")
_LOOP: Final = "each"
"""What a loop's item is called where Go calls it the dot."""


class NotTranslated(Exception):
    """There is something in it that our texts do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What a template may name."""

    fields: Mapping[str, str]
    """``.pipeline.GetName`` -> our expression."""
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Our expression of a list -> the fields of its items: ``Name`` -> ``name``."""
    silent: frozenset[str] = frozenset()
    """Fields that mean nothing any more: they are left out."""


def translate(source: str, vocabulary: Vocabulary) -> str:
    """The same text as ours; raises NotTranslated."""
    return _Translation(vocabulary).run(source)


@dataclass(slots=True)
class _Translation:
    vocabulary: Vocabulary
    open: list[str] = field(default_factory=list)
    """Blocks that are not ended: ``if``, ``for``."""
    items: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    """Of the loops around: Go's name (empty: the dot), ours, the item's fields."""

    def run(self, source: str) -> str:
        if len(source) > LONGEST:
            raise NotTranslated(f"it is longer than {LONGEST} characters")
        written = "".join(self._pieces(source))
        if self.open:
            raise NotTranslated(f"a {self.open[-1]} has no end")
        return written

    def _pieces(self, source: str) -> Iterator[str]:
        at = 0
        while (start := source.find("{{", at)) >= 0:
            end = source.find("}}", start)
            if end < 0:
                raise NotTranslated("a {{ is not closed")
            yield _literal(source[at:start])
            action = source[start + 2 : end]
            before, after = "-" * action.startswith("- "), "-" * action.endswith(" -")
            inside = action[2 * len(before) : len(action) - 2 * len(after)].strip()
            yield self._action(inside, before, after)
            at = end + 2
        yield _literal(source[at:])

    def _action(self, action: str, before: str, after: str) -> str:
        word, _, rest = action.partition(" ")
        if action.startswith("/*") and action.endswith("*/"):
            return ""
        if word in {"if", "range"}:
            return self._opening(word, action, rest, before, after)
        if word == "else":
            return self._else(rest.strip(), before, after)
        if action == "end":
            return self._end(before, after)
        if action in self.vocabulary.silent:
            return ""
        return f"{{{{{before} {self._value(action)} {after}}}}}"

    def _opening(self, word: str, action: str, rest: str, before: str, after: str) -> str:
        if word == "if":
            self.open.append("if")
            return f"{{%{before} if {self._condition(rest)} {after}%}}"
        found = _RANGE.fullmatch(action)
        if found is None or found[1]:
            raise NotTranslated(f"{{{{ {one_line(action)} }}}} is not understood")
        many = self._value(found[3])
        if many not in self.vocabulary.lists:
            raise NotTranslated(f"{one_line(found[3])} is no list here")
        name = f"{_LOOP}{len(self.items) or ''}"
        self.items.append((found[2] or "", name, self.vocabulary.lists[many]))
        self.open.append("for")
        return f"{{%{before} for {name} in {many} {after}%}}"

    def _else(self, rest: str, before: str, after: str) -> str:
        if not self.open:
            raise NotTranslated("an else is in no if")
        if not rest:
            return f"{{%{before} else {after}%}}"
        if not rest.startswith("if ") or self.open[-1] != "if":
            raise NotTranslated(f"{{{{ else {one_line(rest)} }}}} is not understood")
        return f"{{%{before} elif {self._condition(rest[3:])} {after}%}}"

    def _end(self, before: str, after: str) -> str:
        if not self.open:
            raise NotTranslated("there is an end too many")
        block = self.open.pop()
        if block == "for":
            self.items.pop()
        return f"{{%{before} end{block} {after}%}}"

    def _condition(self, text: str) -> str:
        words = _words(text)
        match words:
            case ["not", one]:
                return f"not {self._value(one)}"
            case ["eq" | "ne" as how, one, other]:
                return f"{self._value(one)} {'==' if how == 'eq' else '!='} {self._value(other)}"
            case [one]:
                return self._value(one)
            case _:
                raise NotTranslated(f"the condition {one_line(text)} is not understood")

    def _value(self, text: str) -> str:
        if len(text) > 1 and text[0] in '"`' and text[-1] == text[0]:
            return _quoted(text)
        if not _PATH.fullmatch(text) or not text:
            raise NotTranslated(f"{{{{ {one_line(text)} }}}} is not understood")
        known = self._of_item(text) or self.vocabulary.fields.get(text)
        if known is None:
            raise NotTranslated(f"{one_line(text)} has no counterpart")
        return known

    def _of_item(self, path: str) -> str:
        for theirs, ours, fields in reversed(self.items):
            if theirs and path.startswith(f"${theirs}."):
                return _item(ours, path[len(theirs) + 2 :], fields)
            if not theirs and path.startswith("."):
                return _item(ours, path[1:], fields)
        return ""


def _item(ours: str, name: str, fields: Mapping[str, str]) -> str:
    if name not in fields:
        raise NotTranslated(f"an item has no {one_line(name)} here")
    return f"{ours}.{fields[name]}"


def _words(text: str) -> list[str]:
    words, at = [], 0
    while at < len(text.rstrip()):
        found = _WORD.match(text, at)
        if found is None:
            raise NotTranslated(f"the condition {one_line(text)} is not understood")
        words.append(found[1])
        at = found.end()
    return [word for word in words if word not in {"(", ")"}] if _plain(words) else words


def _plain(words: list[str]) -> bool:
    """Whether parentheses only hold single values: ``eq (.x) "y"``."""
    return all(
        words[at + 2 : at + 3] == [")"] for at, word in enumerate(words) if word == "("
    ) and words.count("(") == words.count(")")


def _quoted(text: str) -> str:
    inside = text[1:-1]
    if any(sign in inside for sign in "\\\"'{}%\n"):
        raise NotTranslated("a quoted text holds signs that mean something else here")
    return f'"{inside}"'


def _literal(text: str) -> str:
    if _OURS.search(text):
        raise NotTranslated("it holds signs such as {% that mean something else here")
    return text
