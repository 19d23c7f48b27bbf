"""Does a value have the shape of a msgspec Struct? Every mistake in it, not only the first.

`msgspec.convert` stops at the first mistake, which is right for what machines send. A document that
a person wrote is looked through to its end.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from msgspec import inspect

from ghapp.documents import Mistake, Steps

_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How the mistakes of one kind of document are put."""

    patterns: Mapping[str, str] = field(default_factory=dict)
    """Regular expression -> what a person calls it."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Unknown field -> what to do about it."""


def mistakes(
    value: Any, type_: inspect.Type, *, steps: Steps = (), words: Words = Words()
) -> Iterator[Mistake]:
    """All that is wrong with `value`."""
    match type_:
        case inspect.StructType():
            yield from _struct(value, type_, steps, words)
        case inspect.VarTupleType() | inspect.ListType():
            yield from _sequence(value, type_, steps, words)
        case inspect.UnionType():
            yield from _optional(value, type_, steps, words)
        case inspect.StrType():
            yield from _text(value, type_, steps, words)
        case inspect.LiteralType(values=allowed):
            if value not in allowed:
                choice = " or ".join(str(one) for one in allowed)
                yield Mistake(steps, f"expected {choice}, found {shown(value)}")
        case inspect.BoolType():
            yield from _expected(value, bool, steps)
        case inspect.AnyType():
            return
        case _:
            raise TypeError(f"{type(type_).__name__} is not used in documents; teach shape.py")


def _struct(value: Any, type_: inspect.StructType, steps: Steps, words: Words) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield from _expected(value, dict, steps)
        return
    fields = {one.encode_name: one for one in type_.fields}
    unknown = [name for name in value if name not in fields] if type_.forbid_unknown_fields else []
    for name in unknown:
        yield Mistake((*steps, name), f"unknown field; {_unknown(name, list(fields), words)}")
    for name, one in fields.items():
        if name in value:
            yield from mistakes(value[name], one.type, steps=(*steps, name), words=words)
        elif one.required:
            yield Mistake((*steps, name), "is missing")


def _unknown(name: str, known: list[str], words: Words) -> str:
    if name in words.fields:
        return words.fields[name]
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _sequence(
    value: Any,
    type_: inspect.VarTupleType | inspect.ListType,
    steps: Steps,
    words: Words,
) -> Iterator[Mistake]:
    if not isinstance(value, list):
        yield from _expected(value, list, steps)
        return
    if len(value) < (type_.min_length or 0):
        yield Mistake(steps, f"expected at least {type_.min_length} of them")
    for index, item in enumerate(value):
        yield from mistakes(item, type_.item_type, steps=(*steps, index), words=words)


def _optional(
    value: Any, type_: inspect.UnionType, steps: Steps, words: Words
) -> Iterator[Mistake]:
    if value is None and type_.includes_none:
        return
    for one in type_.types:
        if not isinstance(one, inspect.NoneType):
            yield from mistakes(value, one, steps=steps, words=words)


def _text(value: Any, type_: inspect.StrType, steps: Steps, words: Words) -> Iterator[Mistake]:
    if not isinstance(value, str):
        quote = f'; quote it: "{value}"' if isinstance(value, bool | int | float) else ""
        for mistake in _expected(value, str, steps):
            yield Mistake(steps, mistake.text + quote)
    elif len(value) < (type_.min_length or 0) and not value:
        yield Mistake(steps, "is empty")
    elif type_.max_length is not None and len(value) > type_.max_length:
        yield Mistake(steps, f"has {len(value)} characters; at most {type_.max_length} are allowed")
    elif type_.pattern and not re.search(type_.pattern, value):
        what = words.patterns.get(type_.pattern, f"text like {type_.pattern}")
        yield Mistake(steps, f"expected {what}, found {shown(value)}")


def _expected(value: Any, type_: type, steps: Steps) -> Iterator[Mistake]:
    if not isinstance(value, type_):
        yield Mistake(steps, f"expected {_NAMES[type_]}, found {shown(value)}")


def shown(value: Any) -> str:
    """A value as a message quotes it: text and numbers themselves, else what it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:60]}...")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:60] if isinstance(value, int | float) else _NAMES.get(type(value), "?")
