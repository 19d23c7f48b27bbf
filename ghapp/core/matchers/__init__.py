"""Where logs name a file and a line: one file here for each tool's way of saying it.

A matcher sees all lines of a log, cleaned and masked, and yields what it recognises. Nothing lists
the matchers: a module here says ``MATCHER = Matcher(...)`` and is found; modules whose name starts
with an underscore are what matchers share.

Several formats look alike (half of all tools imitate gcc), so a line belongs to whoever recognised
it first: those of the configuration, then by rank, then by name.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final

from ghapp.core import logtext
from ghapp.core.annotations import Finding
from ghapp.core.mask import Mask
from ghapp.core.matchers._matcher import Hit, Matcher

LINES_LIMIT: Final = 50_000
"""Of a longer log, the last lines are read."""
LINE_LIMIT: Final = 4_096
"""Characters of a line that are read: no regular expression sees more."""
LOOK: Final = 8_000
"""Steps that it takes to find out what an expression costs on a line: 25 µs, and once more when
the line is read."""
HITS_LIMIT: Final = 1_000
"""Findings of one matcher in one log."""


def scan(log: str, *, mask: Mask, own: Sequence[Matcher] = ()) -> tuple[Finding, ...]:
    """What tools said in `log`, in its order; `own` are the matchers of the configuration."""
    lines = _lines(mask.apply(logtext.clean(log)))
    taken: set[int] = set()
    hits: list[Hit] = []
    for matcher in (*own, *discover()):
        found = [hit for hit in _hits(matcher, lines) if hit.first not in taken]
        taken.update(line for hit in found for line in range(hit.first, hit.last + 1))
        hits += found
    return tuple(hit.finding for hit in sorted(hits, key=lambda hit: hit.first))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line[:LINE_LIMIT].rstrip() for line in text.split("\n")[-LINES_LIMIT:])


def within(
    own: Sequence[Matcher], logs: Sequence[str], budget: int
) -> tuple[tuple[Matcher, ...], tuple[Matcher, ...]]:
    """Those of the configuration that all of `logs` can be searched with, and the others: all of
    them together may do `budget` steps of work, whoever comes first is served first. Finding out
    what a matcher costs is work, too."""
    served: list[Matcher] = []
    others: list[Matcher] = []
    lines = [_lines(log) for log in logs]
    count = sum(map(len, lines))
    for matcher in own:
        pricing = matcher.looks * count * LOOK
        if pricing > budget:
            others.append(matcher)
            continue
        budget -= pricing
        price = sum(map(matcher.price, lines))
        affordable = price <= budget
        budget -= price if affordable else 0
        (served if affordable else others).append(matcher)
    return tuple(served), tuple(others)


def _hits(matcher: Matcher, lines: Sequence[str]) -> Iterator[Hit]:
    return islice(matcher.find(lines), HITS_LIMIT)


@cache
def discover() -> tuple[Matcher, ...]:
    """Every matcher of this folder, in the order in which they may claim lines."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    modules = [
        importlib.import_module(f"{__name__}.{name}") for name in names if not name.startswith("_")
    ]
    matchers: list[Matcher] = [module.MATCHER for module in modules]
    return tuple(sorted(matchers, key=lambda matcher: matcher.rank))
