"""Which objects does `-l app=shop,tier!=db` or a field selector mean? Text in, a question out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Requirement = Callable[[Mapping[str, str]], bool]

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})")
_EXISTS = re.compile(rf"(?P<no>!?)\s*(?P<key>{_KEY})")
_FIELD = re.compile(r"(?P<path>[^=!]+)(?P<op>==|=|!=)(?P<value>.*)")
_COMMA_OUTSIDE = re.compile(r",(?![^()]*\))")


class SelectorError(ValueError):
    """The text is no selector."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A parsed label selector; an empty one selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, obj: Object) -> bool:
        if not self.requirements:
            return True
        labels = obj["metadata"].get("labels") or {}
        return all(requirement(labels) for requirement in self.requirements)


EVERY_LABEL = Labels()


def labels(text: str) -> Labels:
    """Equality (`a=b`, `a!=b`), sets (`a in (b,c)`, `a notin (b)`), presence (`a`, `!a`)."""
    if not text.strip():
        return EVERY_LABEL
    return Labels(tuple(_requirement(part.strip()) for part in _COMMA_OUTSIDE.split(text)))


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in found["values"].split(","))
        return _TESTS[found["op"]](found["key"], values)
    if found := _EQUAL.fullmatch(part):
        return _TESTS[found["op"]](found["key"], frozenset((found["value"],)))
    if found := _EXISTS.fullmatch(part):
        return _absent(found["key"]) if found["no"] else _present(found["key"])
    raise SelectorError(f"unable to parse requirement: {part!r}")


def _within(key: str, values: frozenset[str]) -> Requirement:
    return lambda labels: key in labels and labels[key] in values


def _without(key: str, values: frozenset[str]) -> Requirement:
    """An object that lacks the label is selected too: so it is in Kubernetes."""
    return lambda labels: key not in labels or labels[key] not in values


_TESTS: dict[str, Callable[[str, frozenset[str]], Requirement]] = {
    "in": _within,
    "=": _within,
    "==": _within,
    "notin": _without,
    "!=": _without,
}


def _present(key: str) -> Requirement:
    return lambda labels: key in labels


def _absent(key: str) -> Requirement:
    return lambda labels: key not in labels


@dataclass(frozen=True, slots=True)
class Fields:
    """A parsed field selector: (path, wanted value, must it be equal)."""

    requirements: tuple[tuple[tuple[str, ...], str, bool], ...] = ()

    def matches(self, obj: Object) -> bool:
        return all((_at(obj, path) == value) is equal for path, value, equal in self.requirements)


EVERY_FIELD = Fields()
ALWAYS = ("metadata.name", "metadata.namespace")


def fields(text: str, *, served: tuple[str, ...] = ()) -> Fields:
    """`metadata.name=a,status.phase!=Running`; only the always served fields and `served`."""
    if not text.strip():
        return EVERY_FIELD
    return Fields(tuple(_field(part.strip(), (*ALWAYS, *served)) for part in text.split(",")))


def _field(part: str, served: tuple[str, ...]) -> tuple[tuple[str, ...], str, bool]:
    found = _FIELD.fullmatch(part)
    if found is None:
        raise SelectorError(f"invalid selector: {part!r}; can't understand {part!r}")
    if found["path"] not in served:
        raise SelectorError(f"field label not supported: {found['path']}")
    return tuple(found["path"].split(".")), found["value"], found["op"] != "!="


def _at(obj: Object, path: tuple[str, ...]) -> str:
    found: Any = obj
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return "" if found is None else str(found)
