"""A checked CEL expression, as its engine serialises it, read into a tree. Bytes in, a tree out.

The bytes are a ``cel.expr.CheckedExpr`` in Protocol Buffers' wire format, wrapped in an ``Any``;
both are public and stable (https://github.com/google/cel-spec/tree/master/proto/cel/expr,
https://protobuf.dev/programming-guides/encoding/). What is in there that is not known here is
refused: what cannot be judged is not evaluated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ghapp.core.expression import Call, Constant, Loop, Made, Name, Select, Tree

Message: TypeAlias = Mapping[int, list[bytes | int]]
"""Number of a field -> its values; nested messages and text are bytes."""

_FIXED: Final = {1: 8, 5: 4}
"""Wire type -> bytes."""


def read(serialized: bytes) -> Tree:
    """The expression; raises ValueError where it is not one, or holds what is not known here."""
    checked = _message(_bytes(_message(serialized), 2))
    places = _message(_bytes(checked, 5)).get(4, [])
    reading = _Reading(dict(_entry(place) for place in places if isinstance(place, bytes)))
    return reading.tree(_bytes(checked, 4))


def _entry(place: bytes) -> tuple[int, int]:
    """(id, characters from the start of the source)."""
    entry = _message(place)
    return _number(entry, 1), _number(entry, 2)


@dataclass(frozen=True, slots=True)
class _Reading:
    places: Mapping[int, int] = field(default_factory=dict)

    def tree(self, encoded: bytes) -> Tree:
        node = _message(encoded)
        at = self.places.get(_number(node, 2), 0)
        kinds = [number for number in node if number != 2]
        match kinds:
            case [3]:
                return _constant(_message(_bytes(node, 3)))
            case [4]:
                return Name(_string(_message(_bytes(node, 4)), 1))
            case [5]:
                inside = _message(_bytes(node, 5))
                return Select(self.tree(_bytes(inside, 1)), _string(inside, 2))
            case [6]:
                return self._call(_message(_bytes(node, 6)), at)
            case [7]:
                return Made(tuple(self._trees(_message(_bytes(node, 7)), 1)))
            case [8]:
                return self._map(_message(_bytes(node, 8)))
            case [9]:
                return self._loop(_message(_bytes(node, 9)))
            case _:
                raise ValueError(f"an expression of an unknown kind {kinds}")

    def _trees(self, message: Message, *numbers: int) -> Iterator[Tree]:
        for number in numbers:
            for part in message.get(number, []):
                if not isinstance(part, bytes):
                    raise ValueError("a number where an expression should be")  # noqa: TRY004
                yield self.tree(part)

    def _call(self, call: Message, at: int) -> Tree:
        return Call(_string(call, 2), tuple(self._trees(call, 1, 3)), at)

    def _map(self, made: Message) -> Tree:
        if 1 in made:
            raise ValueError(f"{_string(made, 1)} cannot be made here; write a map or a value")
        entries = [_message(each) for each in made.get(2, []) if isinstance(each, bytes)]
        return Made(tuple(part for each in entries for part in self._trees(each, 3, 4)))

    def _loop(self, loop: Message) -> Tree:
        if 8 in loop:
            raise ValueError("a loop with two variables; use one")
        return Loop(
            name=_string(loop, 1),
            range=self.tree(_bytes(loop, 2)),
            result=_string(loop, 3),
            body=tuple(self._trees(loop, 5, 6)),
            once=tuple(self._trees(loop, 4, 7)),
        )


def _constant(constant: Message) -> Constant:
    if 6 in constant:
        text = _string(constant, 6)
        return Constant(len(text.encode()), text)
    return Constant(len(_bytes(constant, 7)) if 7 in constant else 0)


# --- the wire format ----------------------------------------------------------------------------


def _bytes(message: Message, number: int) -> bytes:
    """The last one wins; a message that is not written is an empty one."""
    value = message.get(number, [b""])[-1]
    if not isinstance(value, bytes):
        raise ValueError(f"field {number} is a number")  # noqa: TRY004
    return value


def _string(message: Message, number: int) -> str:
    return _bytes(message, number).decode()


def _number(message: Message, number: int) -> int:
    value = message.get(number, [0])[-1]
    return value if isinstance(value, int) else 0


def _message(encoded: bytes) -> Message:
    fields: dict[int, list[bytes | int]] = {}
    at = 0
    while at < len(encoded):
        tag, at = _varint(encoded, at)
        kind = tag & 7
        value: bytes | int
        if kind == 0:
            value, at = _varint(encoded, at)
        else:
            length, at = (_FIXED[kind], at) if kind in _FIXED else _length(encoded, at, kind)
            value, at = encoded[at : at + length], at + length
        if at > len(encoded):
            raise ValueError("the message ends in the middle of a field")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _length(encoded: bytes, at: int, kind: int) -> tuple[int, int]:
    if kind != 2:
        raise ValueError(f"wire type {kind} is unknown")
    return _varint(encoded, at)


def _varint(encoded: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(encoded[at : at + 10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError("a number that does not end")
