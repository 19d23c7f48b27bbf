"""What was measured beside what was promised, as a row of a table."""

import sys
from collections.abc import Sequence
from typing import Final

import msgspec

AS_JSON: Final = "--json"
"""The argument by which `python -m bench` asks a measurement for rows instead of a table."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One budget."""

    what: str
    budget: str
    measured: str
    met: bool | None = None
    """None: nothing was promised, it is good to know."""


def report(*rows: Row) -> None:
    """Prints what a measurement found: for a person, or for `python -m bench`."""
    if AS_JSON in sys.argv:
        print(msgspec.json.encode(rows).decode())
    else:
        print(table(rows))


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| what | budget | measured | met? |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.what} | {row.budget} | {row.measured} | {_MET[row.met]} |" for row in rows]
    return "\n".join(lines)


_MET: Final = {True: "yes", False: "**no**", None: ""}


def median(values: Sequence[float]) -> float:
    """The one in the middle."""
    return percentile(values, 50)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` percent of all do not exceed; nan where there are none."""
    ordered = sorted(values)
    at = min(int(len(ordered) * share / 100), len(ordered) - 1)
    return ordered[at] if ordered else float("nan")


def spread(values: Sequence[float], form: str = "{:,.0f}") -> str:
    """The median, and between what the tries lay: ``2,310 (2,190-2,340)``."""
    low, high = form.format(min(values)), form.format(max(values))
    return f"{form.format(median(values))} ({low}-{high})"
