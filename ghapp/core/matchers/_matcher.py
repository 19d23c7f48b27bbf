"""What a matcher is, and the few words that all of them share."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ghapp.core.annotations import Finding, Level, Place

PATH: Final = r"(?P<path>(?:file://|[A-Za-z]:(?=[\\/]))?[^\s:()\[\]'\"`,=][^\s:()\"`]{0,500})"
"""A path in a line: without spaces and colons, or nobody could say where it ends."""
LINE: Final = r"(?P<line>[0-9]{1,9})"
COLUMN: Final = r"(?P<column>[0-9]{1,9})"

LEVELS: Final[Mapping[str, Level]] = {
    "fatal error": Level.FAILURE,
    "fatal": Level.FAILURE,
    "error": Level.FAILURE,
    "warning": Level.WARNING,
    "warn": Level.WARNING,
}
"""A tool's word, in lower case; any other is a notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A finding and the lines, both included, that it was read from."""

    first: int
    last: int
    finding: Finding


def _nothing(lines: Sequence[str]) -> int:
    del lines
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """A tool's way of naming a place, as a plug-in."""

    name: str
    find: Callable[[Sequence[str]], Iterator[Hit]]
    rank: int = 0
    """The higher, the later: who comes later gets only the lines that nobody claimed."""
    documentation: str = ""
    """A phrase for the table of matchers in the README."""
    price: Callable[[Sequence[str]], int] = _nothing
    """Steps of work that looking at these lines costs at most; of those that are built in, none
    that counts."""
    looks: int = 0
    """Expressions whose price has to be found out for each line."""


def level(word: str) -> Level:
    """The level that a tool's word stands for."""
    return LEVELS.get(word.lower(), Level.NOTICE)


def place(match: re.Match[str], *, path: str = "", column: int | None = None) -> Place:
    """The place in a match with the groups path, line, column, end_line and end_column.

    `path` and `column` are for formats that say them in another line.
    """
    groups = match.groupdict()

    def number(name: str) -> int | None:
        return int(groups[name]) if groups.get(name) else None

    return Place(
        path=path or groups["path"],
        line=number("line") or 1,
        column=column or number("column"),
        end_line=number("end_line"),
        end_column=number("end_column"),
    )


def block(
    lines: Sequence[str], start: int, belongs: Callable[[str], object], limit: int = 40
) -> list[str]:
    """The lines from `start` on for which `belongs` is true, at most `limit`."""
    rows: list[str] = []
    for line in lines[start : start + limit]:
        if not belongs(line):
            break
        rows.append(line)
    return rows


def text(rows: Sequence[str]) -> str:
    """`rows` as one text, without the indentation that they share."""
    filled = [row for row in rows if row.strip()]
    indent = min((len(row) - len(row.lstrip()) for row in filled), default=0)
    return "\n".join(row[indent:] for row in rows).strip("\n")
