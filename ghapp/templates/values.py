"""The second wall and the third: what can be asked of values, and how much may be done with them.

Items of maps and lists, and arithmetic with numbers; no attributes, so no way to Python's own
objects. Whatever takes time is charged to a budget: texts by their length, loops by turns times
what is in them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from jinja2 import pass_context
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ghapp.errors import RenderError

MOST_WORK: Final = 2_000_000
"""For one rendering, 0.3 s. A unit is about 100 ns: half a node of a loop's body, a character
that is escaped, ten that are copied."""
MOST_TEXT: Final = 65_536
"""Characters of one value; what is longer is cut before anything is done with it."""
MOST_ITEMS: Final = 10_000
"""Of one list."""
LARGEST: Final = 10**15
"""Of numbers in arithmetic."""

_LOOP: Final = frozenset({"index", "index0", "first", "last", "length"})


class Environment(ImmutableSandboxedEnvironment):
    """Items of maps and lists, numbers; nothing else can be asked for."""

    intercepted_binops = frozenset({"+", "-", "*", "/"})
    intercepted_unops = frozenset({"-"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a map, or a fact of a loop; never an attribute."""
        if isinstance(obj, LoopContext):
            if attribute in _LOOP:
                return getattr(obj, attribute)
            return self.undefined(f"a loop has no {attribute}; it has {', '.join(sorted(_LOOP))}")
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``results["name"]``, ``steps[0]``, ``commit[:7]``."""
        match obj, argument:
            case Undefined(), _:
                return obj
            case Mapping(), str() if argument in obj:
                return obj[str(argument)]
            case (str(), slice()) | (str(), int()):
                return self._item(obj[:MOST_TEXT], argument)
            case (list(), slice()) | (list(), int()):
                return self._item(obj[:MOST_ITEMS], argument)
            case _:
                return self.undefined(f"there is no {argument!r} in {shown(obj)}")

    def _item(self, some: Sequence[Any], argument: int | slice) -> Any:
        try:
            return some[argument]
        except IndexError:
            return self.undefined(f"there is no item {argument}: there are {len(some)}")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """With numbers only: text times a number is a bomb."""
        one, other = number_of(left, operator), number_of(right, operator)
        return number_of(self.binop_table[operator](one, other), operator)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """Minus."""
        return -number_of(arg, operator)


def number_of(value: Any, operator: str) -> int | float:
    """A number of a size that one can work with; raises RenderError."""
    if isinstance(value, Undefined):
        str(value)  # says what is missing
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RenderError(f"{operator} is for numbers, not for {shown(value)}; join text with ~")
    if not -LARGEST < value < LARGEST:
        raise RenderError(f"{operator} gives a number that is too large")
    return value


def shown(value: Any) -> str:
    """A value in a message."""
    match value:
        case Mapping():
            return f"an object with {', '.join(list(map(str, value))[:30]) or 'nothing in it'}"
        case list() | tuple():
            return "a list"
        case None:
            return "null"
        case str() | int() | float():
            return repr(value)[:60]
        case _:
            return "what is no value"


# --- work ---------------------------------------------------------------------------------------

BUDGET: Final = " budget"
"""No name in a template can have a space."""


@dataclass(slots=True)
class Budget:
    """What one rendering may still do."""

    left: int = MOST_WORK

    def charge(self, units: int) -> None:
        """Raises RenderError when there is nothing left."""
        self.left -= units
        if self.left < 0:
            raise RenderError("takes too long; nest fewer loops, or write less in them")


class Authored(str):
    """Text that the template's author wrote, or that is escaped already."""

    __slots__ = ()


Function: TypeAlias = Callable[..., Any]


def charge(context: Context, units: int) -> None:
    """Takes from the budget of this rendering."""
    context[BUDGET].charge(units)


def word_of(context: Context, value: Any) -> str:
    """A value as text, charged for."""
    match value:
        case Undefined():
            return str(value)  # raises: says what is missing
        case None:
            word = ""
        case bool():
            word = str(value).lower()
        case float():
            word = f"{value:.15g}"
        case int() | str():
            word = value[:MOST_TEXT] if isinstance(value, str) else str(value)
        case _:
            raise RenderError(f"{shown(value)} is no text; use join, tojson or a loop")
    charge(context, 20 + len(word) // 10)
    return word


def items_of(context: Context, value: Any) -> list[Any]:
    """Items of a list, names of an object; charged for."""
    match value:
        case Undefined():
            str(value)
            return []
        case list() | tuple() if len(value) <= MOST_ITEMS:
            items = list(value)
        case Mapping() if len(value) <= MOST_ITEMS:
            items = list(value)
        case list() | tuple() | Mapping():
            raise RenderError(f"a list of {len(value)}; at most {MOST_ITEMS}")
        case _:
            raise RenderError(f"{shown(value)} is no list")
    charge(context, 10 + len(items))
    return items


def fits(text: str) -> str:
    """The text, unless it is too long to go on with."""
    if len(text) > MOST_TEXT:
        raise RenderError(f"makes a text of {len(text)} characters; at most {MOST_TEXT}")
    return text


def slow_word(context: Context, value: Any) -> str:
    """A value as text that goes through several regular expressions."""
    word = word_of(context, value)
    charge(context, len(word))
    return word


# --- guards, which `syntax` puts into templates -------------------------------------------------


@pass_context
def _turns(context: Context, value: Any, nodes_inside: int) -> list[Any]:
    items = items_of(context, value)
    charge(context, len(items) * nodes_inside * 2)
    return items


@pass_context
def _authored(_: Context, value: str) -> Authored:
    return Authored(value)


@pass_context
def _joined(context: Context, parts: list[Any]) -> str:
    return fits("".join(word_of(context, part) for part in parts))


@pass_context
def _compared(context: Context, value: Any, operator: str) -> Any:
    """Lists are for ``in``: comparing two trees may take as long as they are large."""
    if isinstance(value, str):
        charge(context, len(value) // 20)  # a search that starts over at each character
    elif isinstance(value, list | tuple | Mapping):
        if operator not in {"in", "notin"}:
            raise RenderError(f"{shown(value)} cannot be compared; compare what is in it")
        items_of(context, value)
    return value


GUARDS: Final[Mapping[str, Function]] = {
    "_authored": _authored,
    "_compared": _compared,
    "_joined": _joined,
    "_turns": _turns,
}
"""Not for templates: what is not in `FILTERS` is refused before these are put in."""
