"""A CEL expression as a tree, and how much work it can be at the most: read before it is evaluated.

The engine holds the interpreter while it evaluates, and its only limit is 10,000 turns of loops,
each of which may compare whole objects. So the work is estimated from the tree and from the sizes
of what is looked at, and what could take too long is not evaluated at all. Every estimate is an
upper bound: it goes through both branches of a condition and to the end of every loop.

The one idea in it: the elements of a list together are no larger than the list. A loop that looks
at all of each element reads the list once, not once per element.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Final, TypeAlias, assert_never

from ghapp.core.sizes import Sizes

TURNS: Final = 10_000
"""Turns of all loops of one evaluation, then the engine itself gives up."""
STEP: Final = 100
"""What evaluating one node costs. A unit is about 2 ns: the work of a byte in a slow search."""
CELL: Final = 16
"""What an element of a list that is made costs, so that loops cannot fill the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A literal; of text and bytes the length counts."""

    length: int
    text: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A variable, of ours or of a loop."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """``operand.field``, or a test for it."""

    operand: "Tree"
    field: str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function or an operator, under its name in the language's definition: ``_==_``."""

    function: str
    arguments: "tuple[Tree, ...]"
    """What it is called on comes first."""
    at: int
    """Where it stands: characters from the start of the source."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A list or a map that is written out."""

    parts: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """``range.all(name, …)`` and what is like it; they give a bool or a number."""

    name: str
    range: "Tree"
    result: str
    """The name of what is collected: a bool or a number."""
    body: "tuple[Tree, ...]"
    """Evaluated in every turn."""
    once: "tuple[Tree, ...]"
    """Evaluated before the first or after the last."""


Tree: TypeAlias = Constant | Name | Select | Call | Made | Loop


def names(tree: Tree) -> frozenset[str]:
    """Every variable in it, of ours or of loops."""
    own = frozenset([tree.name]) if isinstance(tree, Name) else frozenset[str]()
    return own.union(*map(names, _inside(tree)))


def calls(tree: Tree) -> tuple[Call, ...]:
    """Every call in it."""
    own = (tree,) if isinstance(tree, Call) else ()
    return own + tuple(call for part in _inside(tree) for call in calls(part))


def _inside(tree: Tree) -> tuple[Tree, ...]:
    match tree:
        case Constant() | Name():
            return ()
        case Select():
            return (tree.operand,)
        case Call():
            return tree.arguments
        case Made():
            return tree.parts
        case Loop():
            return (tree.range, *tree.body, *tree.once)
        case _:
            assert_never(tree)


# --- regular expressions --------------------------------------------------------------------------

_COUNTED: Final = re.compile(r"\{(\d{0,6}),?(\d{0,6})\}")
_CLASS: Final = 400
"""``\\pL`` is as many ranges of bytes."""


def states(pattern: str) -> int:
    """How many places a match can be at once, roughly: RE2 looks at each for each character.

    https://github.com/google/re2/wiki/WhyRE2: never exponential, but ``a{1000}`` is a thousand.
    """
    repeats = (max(int(low or 1), int(high or 1), 1) for low, high in _COUNTED.findall(pattern))
    return (1 + len(pattern) + _CLASS * pattern.lower().count(r"\p")) * prod(repeats)


# --- work -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bound:
    """A variable in scope."""

    sizes: Sizes
    reads: int = 1
    """How often all of `sizes` is read when it is read once in each turn of its own loop."""
    turns: int = 1
    """Of its own loop, all in all."""


_Scope: TypeAlias = Mapping[str, _Bound]
_SMALL: Final = _Bound(Sizes())
"""A bool, a number."""


def work(tree: Tree, sizes: Mapping[str, Sizes]) -> int:
    """The most that evaluating `tree` can cost; `sizes` are those of its variables."""
    return _work(tree, {name: _Bound(size) for name, size in sizes.items()}, 1)


def _capped(times: int) -> int:
    return min(times, TURNS)


def _work(tree: Tree, scope: _Scope, times: int) -> int:
    """Of evaluating `tree` `times` times."""
    step = STEP * _capped(times)
    match tree:
        case Loop():
            return step + _loop(tree, scope, times)
        case Made():
            step += CELL * len(tree.parts) * _capped(times)
        case Call():
            step += _call(tree, scope, times)
        case _:
            pass
    return step + sum(_work(part, scope, times) for part in _inside(tree))


def _loop(loop: Loop, scope: _Scope, times: int) -> int:
    whole = _whole(loop.range, scope)
    turns = times * max(whole.longest, 1)
    element = _Bound(whole, _reads(loop.range, scope, times), turns)
    inner = {**scope, loop.name: element, loop.result: _SMALL}
    return (
        _work(loop.range, scope, times)
        + sum(_work(part, inner, times) for part in loop.once)
        + sum(_work(part, inner, turns) for part in loop.body)
    )


def _call(call: Call, scope: _Scope, times: int) -> int:
    """What the function itself does, its arguments being there."""
    match call.function, call.arguments:
        case "matches", (text, Constant() as pattern):
            many = states(pattern.text or "")
            return many * (_text(text, scope, times) + _COMPILING * _capped(times))
        case "contains", (text, part):
            return _text(text, scope, times) * (4 + _whole(part, scope).text // 16)
        case "@in", (_, where):
            return _weight(where, scope, times)
        case function, (one, other) if function in _COMPARING:
            return min(_weight(one, scope, times), _weight(other, scope, times))
        case _:
            return sum(_text(part, scope, times) for part in call.arguments)


_COMPILING: Final = 32
"""For each state: an expression is compiled whenever it is used."""
_COMPARING: Final = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_CHOICE: Final = "_?_:_"
_INDEX: Final = "_[_]"


def _weight(tree: Tree, scope: _Scope, times: int) -> int:
    return _reads(tree, scope, times) * _whole(tree, scope).weight


def _text(tree: Tree, scope: _Scope, times: int) -> int:
    return _reads(tree, scope, times) * _whole(tree, scope).text


def _whole(tree: Tree, scope: _Scope) -> Sizes:
    """Of what the value of `tree` is a part of."""
    match tree:
        case Constant():
            return Sizes(text=tree.length)
        case Name():
            return scope.get(tree.name, _SMALL).sizes
        case Select():
            return _whole(tree.operand, scope)
        case Call() | Made():
            parts = [_whole(part, scope) for part in _gives(tree)]
            return Sizes(
                longest=max([len(parts), *(part.longest for part in parts)]),
                text=sum(part.text for part in parts),
                values=1 + sum(part.values for part in parts),
            )
        case Loop():
            return _SMALL.sizes
        case _:
            assert_never(tree)


def _reads(tree: Tree, scope: _Scope, times: int) -> int:
    """How often all of `_whole` is read when the value of `tree` is read `times` times."""
    match tree:
        case Name():
            bound = scope.get(tree.name, _SMALL)
            return _capped(bound.reads * max(times // bound.turns, 1))
        case Select():
            return _reads(tree.operand, scope, times)
        case Call() | Made():
            return max(
                (_reads(part, scope, times) for part in _gives(tree)), default=_capped(times)
            )
        case Constant() | Loop():
            return _capped(times)
        case _:
            assert_never(tree)


def _gives(tree: Call | Made) -> tuple[Tree, ...]:
    """What its value is or is made of; most functions give a bool or a number."""
    if isinstance(tree, Made):
        return tree.parts
    if tree.function == _CHOICE:
        return tree.arguments[1:]
    return tree.arguments[:1] if tree.function == _INDEX else ()
