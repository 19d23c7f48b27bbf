"""Does a value have the shape of a msgspec Struct? Every mistake in it, not only the first.

`msgspec.convert` stops at the first mistake, which is right for what machines send. A document that
a person wrote is looked through to its end.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct, inspect

from ghapp.documents import meanings
from ghapp.documents.reading import Mistake, Steps

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

    called: str = ""
    """What a person calls the text that is looked at: the `title` of its type."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Unknown field -> what to do about it."""


def mistakes(
    value: Any, type_: inspect.Type, *, steps: Steps = (), words: Words = Words()
) -> Iterator[Mistake]:
    """All that is wrong with `value`."""
    look = _LOOKS.get(type(type_))
    if look is None:
        raise TypeError(f"{type(type_).__name__} is not used in documents; teach shape.py")
    yield from look(value, type_, steps, words)


def _anything(value: Any, type_: inspect.AnyType, steps: Steps, words: Words) -> Iterator[Mistake]:
    yield from ()


def _literal(
    value: Any, type_: inspect.LiteralType, steps: Steps, words: Words
) -> Iterator[Mistake]:
    if value not in type_.values:
        choice = " or ".join(str(one) for one in type_.values)
        yield Mistake(steps, f"expected {choice}, found {shown(value)}")


def _enum(value: Any, type_: inspect.EnumType, steps: Steps, words: Words) -> Iterator[Mistake]:
    allowed = tuple(one.value for one in type_.cls)
    if value not in allowed:
        choice = ", ".join(str(one) for one in allowed)
        yield Mistake(steps, f"expected one of {choice}, found {shown(value)}")


def _bool(value: Any, type_: inspect.BoolType, steps: Steps, words: Words) -> Iterator[Mistake]:
    yield from _expected(value, bool, steps)


def _titled(value: Any, type_: inspect.Metadata, steps: Steps, words: Words) -> Iterator[Mistake]:
    title = (type_.extra_json_schema or {}).get("title", "")
    yield from mistakes(value, type_.type, steps=steps, words=replace(words, called=title))


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
            yield Mistake((*steps, name), f"is missing{_meaning(type_.cls, one)}")


def _meaning(struct: type[Struct], field: inspect.Field) -> str:
    """Helps whoever does not know what to write there."""
    meaning = meanings.of(struct).get(field.name, "")
    if not meaning and isinstance(field.type, inspect.StructType):
        meaning = meanings.summary(field.type.cls)
    if meaning[1:2].islower():  # no abbreviation
        meaning = meaning[:1].lower() + meaning[1:]
    return f": {meaning.rstrip('.')}" if meaning else ""


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
    if type_.max_length is not None and len(value) > type_.max_length:
        yield Mistake(steps, f"expected at most {type_.max_length} of them, found {len(value)}")
        return
    for index, item in enumerate(value):
        yield from mistakes(item, type_.item_type, steps=(*steps, index), words=words)


def _map(value: Any, type_: inspect.DictType, steps: Steps, words: Words) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield from _expected(value, dict, steps)
        return
    if type_.max_length is not None and len(value) > type_.max_length:
        yield Mistake(steps, f"expected at most {type_.max_length} of them, found {len(value)}")
        return
    for key, item in value.items():
        yield from mistakes(key, type_.key_type, steps=(*steps, key), words=words)
        yield from mistakes(item, type_.value_type, steps=(*steps, key), words=words)


def _number(value: Any, type_: inspect.IntType, steps: Steps, words: Words) -> Iterator[Mistake]:
    if isinstance(value, bool) or not isinstance(value, int):
        yield Mistake(steps, f"expected a whole number, found {shown(value)}")
    elif (type_.ge is not None and value < type_.ge) or (type_.le is not None and value > type_.le):
        yield Mistake(steps, f"expected {type_.ge} to {type_.le}, found {value}")


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
        what = words.called or f"text like {type_.pattern}"
        yield Mistake(steps, f"expected {what}, found {shown(value)}")


def _expected(value: Any, type_: type, steps: Steps) -> Iterator[Mistake]:
    if not isinstance(value, type_):
        yield Mistake(steps, f"expected {_NAMES[type_]}, found {shown(value)}")


_LOOKS: Final[Mapping[type, Callable[[Any, Any, Steps, Words], Iterator[Mistake]]]] = {
    inspect.StructType: _struct,
    inspect.Metadata: _titled,
    inspect.VarTupleType: _sequence,
    inspect.ListType: _sequence,
    inspect.DictType: _map,
    inspect.UnionType: _optional,
    inspect.StrType: _text,
    inspect.IntType: _number,
    inspect.LiteralType: _literal,
    inspect.EnumType: _enum,
    inspect.BoolType: _bool,
    inspect.AnyType: _anything,
}


def shown(value: Any) -> str:
    """A value as a message quotes it: text and numbers themselves, else what it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:60]}...")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:60] if isinstance(value, int | float) else _NAMES.get(type(value), "?")
