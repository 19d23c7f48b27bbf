"""Matchers of the configuration, in the form of GitHub's problem matchers.

https://github.com/actions/toolkit/blob/main/docs/problem-matchers.md

A log is written by whoever can open a pull request, and `re` backtracks: a careless expression and
a clever line could hold a processor for hours. So `core.regexp` refuses what can take exponential
time and says how many ways are left; each line is paid for in advance, at its worst price, from a
budget per log. Lines that cost too much are not looked at, and when the budget is spent, older ones
are not either. No clock is needed, and the bound holds for every input.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from msgspec import Meta

from ghapp.core.annotations import Finding, Place
from ghapp.core.matchers._matcher import Hit, Matcher, level
from ghapp.core.model import Value
from ghapp.core.regexp import GROUPS_LIMIT, LENGTH_LIMIT, Cost, cost
from ghapp.errors import ConfigError

LINE_LIMIT: Final = 1_000
"""Characters of a line that are read."""
LINE_WORK: Final = 20_000_000
"""Steps of `re` on one line: a tenth of a second or so."""
WORK: Final = 400_000_000
"""Steps for one matcher and one log: seconds, and only if the log was written for that."""

NO_FILE: Final = "no pattern says which group is the file"
NO_MESSAGE: Final = "no pattern says which group is the message"

Group = Annotated[int, Meta(ge=0, le=GROUPS_LIMIT)]
Severity = Literal["error", "warning", "notice"]


class Pattern(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line: the expression, and which of its groups says what."""

    regexp: Annotated[str, Meta(min_length=1, max_length=LENGTH_LIMIT)]
    """Regular expression that a line has to match; groups are numbered from 1."""
    kind: Literal["file", "location"] = "location"
    """Whether it names a file only, or a place in it."""
    file: Group | None = None
    """Group with the file's path."""
    fromPath: Group | None = None  # noqa: N815 - as the document spells it
    """Group with the path of a project file, in whose folder the path begins."""
    line: Group | None = None
    """Group with the line's number."""
    column: Group | None = None
    """Group with the column's number."""
    endLine: Group | None = None  # noqa: N815
    """Group with the number of the last line."""
    endColumn: Group | None = None  # noqa: N815
    """Group with the number of the last column."""
    severity: Group | None = None
    """Group with the word error, warning or notice."""
    code: Group | None = None
    """Group with the code of what was found."""
    message: Group | None = None
    """Group with what is to be told."""
    loop: bool = False
    """Match each further line, too; only for the last of several patterns."""


class ProblemMatcher(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool's way of naming a place."""

    owner: Annotated[str, Meta(min_length=1, max_length=100)]
    """Name of the tool."""
    pattern: Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=10)]
    """Patterns of as many lines in a row; together they say file, line and message."""
    severity: Severity = "error"
    """How bad it is, where the line does not say."""


class ProblemMatchers(Value, frozen=True, kw_only=True):
    """A problem-matcher file, as GitHub's actions ship them."""

    problemMatcher: tuple[ProblemMatcher, ...]  # noqa: N815


def matcher(document: ProblemMatcher) -> Matcher:
    """`document` at work; ConfigError names every mistake in it."""
    mistakes = [
        f"problem matcher {document.owner!r}, pattern {number}: {mistake}"
        for number, pattern in enumerate(document.pattern, 1)
        for mistake in _mistakes(pattern)
    ]
    mistakes += [f"problem matcher {document.owner!r}: {m}" for m in _misfits(document.pattern)]
    if mistakes:
        raise ConfigError(*mistakes)
    search = _Search(document, tuple(_line(pattern) for pattern in document.pattern))
    return Matcher(
        name=document.owner,
        find=search.find,
        documentation="problem matcher",
        price=search.price,
        looks=len(search.lines),
    )


# --- finding --------------------------------------------------------------------------------------

_FIELDS: Final = (
    "file",
    "fromPath",
    "line",
    "column",
    "endLine",
    "endColumn",
    "severity",
    "code",
    "message",
)
Said = dict[str, str]
Prices = tuple[int, ...]
"""Of a line, by pattern; 0: this pattern is not tried on it."""


@dataclass(frozen=True, slots=True)
class _Line:
    pattern: Pattern
    expression: re.Pattern[str]
    cost: Cost

    def price(self, line: str) -> int:
        """What looking at the line may cost; 0: it cannot match, or costs more than one may."""
        steps = self.cost.steps(line[:LINE_LIMIT])
        return steps if steps <= LINE_WORK else 0

    def read(self, line: str) -> Said | None:
        """What the groups say, or None; it has to have a price."""
        match = self.expression.search(line[:LINE_LIMIT])
        if not match:
            return None
        groups = ((field, getattr(self.pattern, field)) for field in _FIELDS)
        return {
            field: match[group] for field, group in groups if group is not None and match[group]
        }


def _line(pattern: Pattern) -> _Line:
    return _Line(pattern, re.compile(pattern.regexp), cost(pattern.regexp))


@dataclass(frozen=True, slots=True)
class _Search:
    """One problem matcher, ready."""

    document: ProblemMatcher
    lines: tuple[_Line, ...]

    def find(self, lines: Sequence[str]) -> Iterator[Hit]:
        """Each place where all patterns match lines in a row."""
        prices = [self._prices(line) for line in lines]
        index = _affordable(prices)
        while index < len(lines):
            hits = list(self._at(lines, prices, index))
            yield from hits
            index = hits[-1].last + 1 if hits else index + 1

    def price(self, lines: Sequence[str]) -> int:
        """What looking at all of them may cost."""
        return sum(sum(self._prices(line)) for line in lines)

    def _prices(self, line: str) -> Prices:
        return tuple(one.price(line) for one in self.lines)

    def _at(self, lines: Sequence[str], prices: Sequence[Prices], start: int) -> Iterator[Hit]:
        said: Said = {}
        for offset, line in enumerate(self.lines):
            at = start + offset
            seen = at < len(lines) and prices[at][offset]
            found = line.read(lines[at]) if seen else None
            if found is None:
                return
            said |= found
        yield from self._hit(start, at, said)
        if self.lines[-1].pattern.loop:
            yield from self._loop(lines, prices, at + 1, said)

    def _loop(
        self, lines: Sequence[str], prices: Sequence[Prices], start: int, said: Said
    ) -> Iterator[Hit]:
        last = self.lines[-1]
        for at in range(start, len(lines)):
            found = last.read(lines[at]) if prices[at][-1] else None
            if found is None:
                return
            yield from self._hit(at, at, said | found)

    def _hit(self, first: int, last: int, said: Said) -> Iterator[Hit]:
        if not said.get("file"):
            return
        finding = Finding(
            places=_places(said),
            level=level(said.get("severity") or self.document.severity),
            message=said.get("message", ""),
            title=" ".join(part for part in (self.document.owner, said.get("code", "")) if part),
        )
        yield Hit(first=first, last=last, finding=finding)


def _affordable(prices: Sequence[Prices]) -> int:
    """From which line on the budget lasts; errors stand at the end of a log."""
    budget = WORK
    for index in range(len(prices) - 1, -1, -1):
        budget -= sum(prices[index])
        if budget < 0:
            return index + 1
    return 0


def _places(said: Mapping[str, str]) -> tuple[Place, ...]:
    """`fromPath` is a project file: a relative path begins in its folder."""
    folder = said.get("fromPath", "").replace("\\", "/").rpartition("/")[0]
    file = said["file"]
    absolute = file.startswith(("/", "\\", "file:")) or file[1:2] == ":"
    return (
        Place(
            path=file if absolute or not folder else f"{folder}/{file}",
            line=_number(said.get("line")) or 1,
            end_line=_number(said.get("endLine")),
            column=_number(said.get("column")),
            end_column=_number(said.get("endColumn")),
        ),
    )


def _number(word: str | None) -> int | None:
    return int(word) if word and re.fullmatch(r"[0-9]{1,9}", word) else None


# --- mistakes -------------------------------------------------------------------------------------


def _mistakes(pattern: Pattern) -> Iterator[str]:
    refused = cost(pattern.regexp).refused
    yield from refused
    groups = 0 if refused else re.compile(pattern.regexp).groups
    for field in _FIELDS:
        group = getattr(pattern, field)
        if not refused and group is not None and group > groups:
            yield f"{field} is group {group}, but there are {groups}"


def _misfits(patterns: Sequence[Pattern]) -> Iterator[str]:
    if all(pattern.file is None for pattern in patterns):
        yield NO_FILE
    if all(pattern.message is None for pattern in patterns):
        yield NO_MESSAGE
    if any(pattern.loop for pattern in patterns[:-1]) or (len(patterns) == 1 and patterns[0].loop):
        yield "loop is for the last of several patterns"
