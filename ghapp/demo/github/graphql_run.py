"""Runs a parsed GraphQL operation over objects: picks fields, follows fragments, keeps errors."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError, Json
from .graphql_parse import Document, Operation, Selection, Variable

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Object:
    """A value with a type; a field is a value, or a function of its arguments."""

    kind: str
    fields: Mapping[str, Any]
    also: tuple[str, ...] = ()  # the interfaces it has


class GraphqlError(Exception):
    """An entry of `errors`; `kind` is what clients look at."""

    def __init__(self, message: str, kind: str = "UNPROCESSABLE") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


@dataclass(slots=True)
class Run:
    """One operation being run."""

    document: Document
    variables: Mapping[str, Any]
    errors: list[Json] = field(default_factory=list)

    def execute(self, operation: Operation, root: Object) -> Json:
        self.variables = {**operation.defaults, **self.variables}
        body: Json = {"data": self._object(root, operation.selections, ())}
        if self.errors:
            body["errors"] = self.errors
        return body

    def _object(
        self, thing: Object, selections: Sequence[Selection], path: tuple[Any, ...]
    ) -> Json:
        found: Json = {}
        for each in self._fields(thing, selections):
            value = self._field(thing, each, (*path, each.alias))
            both_objects = isinstance(value, dict) and isinstance(found.get(each.alias), dict)
            found[each.alias] = _merged(found[each.alias], value) if both_objects else value
        return found

    def _fields(self, thing: Object, selections: Sequence[Selection]) -> Iterator[Selection]:
        for each in selections:
            if not self._included(each):
                continue
            if each.spread is not None:
                each = self._spread(each.spread)
            if each.name:
                yield each
            elif each.on in (None, thing.kind, *thing.also):
                yield from self._fields(thing, each.selections)

    def _spread(self, name: str) -> Selection:
        if name not in self.document.fragments:
            raise GraphqlError(f"Fragment {name} was used, but not defined", "undefinedFragment")
        return self.document.fragments[name]

    def _included(self, each: Selection) -> bool:
        for name, arguments in each.directives:
            wanted = self._value(arguments.get("if", True))
            if (name == "skip" and wanted) or (name == "include" and not wanted):
                return False
        return True

    def _field(self, thing: Object, each: Selection, path: tuple[Any, ...]) -> Any:
        if each.name == "__typename":
            return thing.kind
        if each.name not in thing.fields:
            message = f"Field '{each.name}' doesn't exist on type '{thing.kind}'"
            return self._failed("undefinedField", message, path)
        value = thing.fields[each.name]
        try:
            if callable(value):
                value = value({name: self._value(v) for name, v in each.arguments.items()})
        except GraphqlError as error:
            return self._failed(error.kind, error.message, path)
        except ApiError as error:
            kind = {404: "NOT_FOUND", 403: "FORBIDDEN"}.get(error.status, "UNPROCESSABLE")
            return self._failed(kind, error.message, path)
        return self._shown(value, each, path)

    def _failed(self, kind: str, message: str, path: tuple[Any, ...]) -> None:
        self.errors.append({"type": kind, "path": list(path), "message": message})

    def _shown(self, value: Any, each: Selection, path: tuple[Any, ...]) -> Any:
        if isinstance(value, Object):
            return self._object(value, each.selections, path)
        if isinstance(value, list):
            return [self._shown(item, each, (*path, at)) for at, item in enumerate(value)]
        return value

    def _value(self, value: Any) -> Any:
        if isinstance(value, Variable):
            return self.variables.get(value.name)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            return {key: self._value(item) for key, item in value.items()}
        return value


def _merged(one: Json, other: Json) -> Json:
    """The same field asked for twice, with other subfields."""
    result = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


# -- connections ------------------------------------------------------------------------------


def connection(kind: str, nodes: Sequence[Object], **more: Any) -> Callable[[Arguments], Object]:
    """A list that is read page by page, from either end."""

    def page(arguments: Arguments) -> Object:
        start, end = _bounds(arguments, len(nodes))
        shown = list(nodes[start:end])
        info = Object(
            "PageInfo",
            {
                "hasNextPage": end < len(nodes),
                "hasPreviousPage": start > 0,
                "startCursor": _cursor(start) if shown else None,
                "endCursor": _cursor(end - 1) if shown else None,
            },
        )
        edges = [
            Object(f"{kind}Edge", {"node": node, "cursor": _cursor(start + at)})
            for at, node in enumerate(shown)
        ]
        fields = {"nodes": shown, "edges": edges, "totalCount": len(nodes), "pageInfo": info}
        return Object(f"{kind}Connection", {**fields, **more})

    return page


def _bounds(arguments: Arguments, size: int) -> tuple[int, int]:
    start, end = 0, size
    if arguments.get("after"):
        start = _position(arguments["after"]) + 1
    if arguments.get("before"):
        end = _position(arguments["before"])
    if arguments.get("first") is not None:
        end = min(end, start + arguments["first"])
    if arguments.get("last") is not None:
        start = max(start, end - arguments["last"])
    return start, max(start, end)


def _cursor(position: int) -> str:
    return base64.b64encode(f"cursor:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("cursor:"))
    except ValueError as error:
        raise GraphqlError(f"`{cursor}` does not appear to be a valid cursor.") from error
