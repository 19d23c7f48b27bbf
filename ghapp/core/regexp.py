"""How long can a regular expression take? Read from its text, before any line is matched.

`re` backtracks, holds the interpreter while it does, and cannot be stopped. So an expression that a
person configured is read here first. Refused is what can take exponential time or what we cannot
judge: a repeated group that holds a repetition or alternatives (``(a+)+``, ``(a|a)*``),
look-arounds, back-references, conditions. What is left takes polynomial time: the product, over the
repetitions that may end in more than one place, of the places where they may. Those are where a
character stands that can both go on with the repetition and begin what follows: ``\\d+:`` ends
where the digits end, ``.*:`` may end at every colon of the line.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Final, TypeAlias

LENGTH_LIMIT: Final = 1_000
GROUPS_LIMIT: Final = 20
DEGREE_LIMIT: Final = 4
CHOICES_LIMIT: Final = 12

Characters: TypeAlias = frozenset[str]
Needs: TypeAlias = frozenset[frozenset[str]]
_SAMPLE: Final = "\t" + "".join(map(chr, range(32, 127))) + "éЖ中"
"""Sets are compared by which of these, and of the expression's own characters, they have."""
_KNOWN: Final = frozenset(_SAMPLE)
_NONE: Final[Characters] = frozenset()


@dataclass(frozen=True, slots=True)
class Cost:
    """What an expression costs on a line of some length, at the worst."""

    forks: tuple[Characters, ...] = ()
    """For each repetition that may end in several places: the characters that stand there."""
    choices: int = 0
    """Alternatives that are not told apart by their first character: each doubles the ways."""
    anchored: bool = False
    needs: Needs = frozenset()
    """Of each of these sets a line that matches has one word in it."""
    prefix: re.Pattern[str] | None = None
    """How every match begins, as far as that takes linear time."""
    refused: tuple[str, ...] = ()

    def steps(self, line: str) -> int:
        """The most that `re` may have to do on `line`; 0 when it cannot match anyway."""
        if not all(any(word in line for word in words) for words in self.needs):
            return 0
        if self.prefix and not self.prefix.search(line):
            return 0
        starts = 1 if self.anchored else len(line) + 1
        unknown = _unknown(line) if self.forks else 0
        ends = prod(1 + unknown + sum(map(line.count, fork & _KNOWN)) for fork in self.forks)
        return int(starts * 2**self.choices * ends * (len(line) + 1))


def _unknown(line: str) -> int:
    """Characters that are in no sample: they may be in any set."""
    if line.isascii() and line.isprintable():
        return 0
    return sum(letter not in _KNOWN for letter in line)


def cost(regexp: str) -> Cost:
    """What `regexp` costs; `refused` says all that is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "possible nested set": it may mean something else soon
            compiled = re.compile(regexp)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        return Cost(refused=(f"{regexp!r} is not a regular expression: {error}",))
    if compiled.groups > GROUPS_LIMIT or len(regexp) > LENGTH_LIMIT:
        return Cost(refused=(_TOO_LARGE,))
    reading = _Reading(regexp)
    node = reading.alternatives()
    forks, choices = node.cost(_NONE)
    refused = [*reading.refused, *_dangers(len(forks), choices)]
    return Cost(
        forks=forks,
        choices=choices,
        anchored=_anchored(regexp, node),
        needs=node.needs,
        prefix=_prefix(regexp, node, reading.starts),
        refused=tuple(dict.fromkeys(refused)),
    )


def _anchored(regexp: str, node: "_Node") -> bool:
    return regexp.startswith("^") and isinstance(node, _Row)


def _prefix(regexp: str, node: "_Node", starts: Sequence[int]) -> re.Pattern[str] | None:
    """The parts before the first one that may match in several ways."""
    costs = node.costs(_NONE) if isinstance(node, _Row) and _anchored(regexp, node) else []
    doubtful = next((at for at, cost in enumerate(costs) if cost != _STRAIGHT), None)
    return None if doubtful is None else re.compile(regexp[: starts[doubtful]])


_TOO_LARGE: Final = f"at most {LENGTH_LIMIT} characters and {GROUPS_LIMIT} groups"


def _dangers(degree: int, choices: int) -> Iterator[str]:
    if degree > DEGREE_LIMIT:
        yield (
            f"{degree} repetitions may end in more than one place (.* and what is like it); "
            f"at most {DEGREE_LIMIT}: say which characters may stand there, as in [^:]*:"
        )
    if choices > CHOICES_LIMIT:
        yield "too many alternatives that begin with the same character"


# --- the expression as a tree -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _One:
    """One character out of some; or a place between characters, which has none."""

    first: Characters
    nullable: bool = False
    word: str | None = None
    """The character, where no other will do."""

    @property
    def needs(self) -> Needs:
        return frozenset([frozenset([self.word])]) if self.word else frozenset()

    @property
    def simple(self) -> bool:
        return True

    def cost(self, _: Characters) -> "_Ways":
        return _STRAIGHT


@dataclass(frozen=True, slots=True)
class _Row:
    """One after the other."""

    parts: "tuple[_Node, ...]"

    @property
    def nullable(self) -> bool:
        return all(part.nullable for part in self.parts)

    @property
    def first(self) -> Characters:
        return self._first(0, _NONE)

    @property
    def word(self) -> str | None:
        words = [part.word for part in self.parts]
        return None if None in words else "".join(word or "" for word in words)

    @property
    def needs(self) -> Needs:
        own = frozenset([frozenset([self.word])]) if self.word else frozenset()
        return own.union(*(part.needs for part in self.parts))

    @property
    def simple(self) -> bool:
        return all(part.simple for part in self.parts)

    def _first(self, start: int, follow: Characters) -> Characters:
        """What can stand first behind the parts before `start`."""
        first = _NONE
        for part in self.parts[start:]:
            first |= part.first
            if not part.nullable:
                return first
        return first | follow

    def costs(self, follow: Characters) -> "list[_Ways]":
        return [part.cost(self._first(index + 1, follow)) for index, part in enumerate(self.parts)]

    def cost(self, follow: Characters) -> "_Ways":
        costs = self.costs(follow)
        forks = tuple(fork for forks, _ in costs for fork in forks)
        return forks, sum(choices for _, choices in costs)


@dataclass(frozen=True, slots=True)
class _Either:
    """One of several."""

    branches: "tuple[_Node, ...]"

    @property
    def nullable(self) -> bool:
        return any(branch.nullable for branch in self.branches)

    @property
    def first(self) -> Characters:
        return _NONE.union(*(branch.first for branch in self.branches))

    @property
    def word(self) -> str | None:
        return None

    @property
    def needs(self) -> Needs:
        words = frozenset(branch.word or "" for branch in self.branches)
        return frozenset() if "" in words else frozenset([words])

    @property
    def simple(self) -> bool:
        return False

    def cost(self, follow: Characters) -> "_Ways":
        costs = [branch.cost(follow) for branch in self.branches]
        firsts = [branch.first | (follow if branch.nullable else _NONE) for branch in self.branches]
        alike = sum(map(len, firsts)) > len(_NONE.union(*firsts))
        choices = len(self.branches).bit_length() if alike else 0
        any_fork = _NONE.union(*(fork for forks, _ in costs for fork in forks))
        most = max(len(forks) for forks, _ in costs)
        return (any_fork,) * most, choices + sum(more for _, more in costs)


@dataclass(frozen=True, slots=True)
class _Repeat:
    """As often as it says."""

    part: "_Node"
    least: int
    most: int | None

    @property
    def nullable(self) -> bool:
        return self.least == 0 or self.part.nullable

    @property
    def first(self) -> Characters:
        return self.part.first

    @property
    def word(self) -> str | None:
        return None

    @property
    def needs(self) -> Needs:
        return self.part.needs if self.least else frozenset()

    @property
    def simple(self) -> bool:
        return False

    def cost(self, follow: Characters) -> "_Ways":
        forks, choices = self.part.cost(follow | self.part.first)
        fork = self.part.first & follow
        if self.least == self.most or not fork:
            return forks, choices
        if self.most is not None and self.most - self.least < 32:
            return forks, choices + (self.most - self.least).bit_length()
        return (*forks, fork), choices


_Ways: TypeAlias = tuple[tuple[Characters, ...], int]
"""Forks and choices, as in `Cost`."""
_STRAIGHT: Final[_Ways] = ((), 0)
_Node: TypeAlias = _One | _Row | _Either | _Repeat

# --- reading it -----------------------------------------------------------------------------------

_TOKEN: Final = re.compile(
    r"(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<reference>\\[1-9][0-9]?(?![0-7])|\(\?P=\w+\))"
    r"|(?P<place>\\[AbBZ]|[\^$])"
    r"|(?P<escape>\\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|[0-7]{1,3}|.)|\.)"
    r"|(?P<open>\((?:\?(?:P<\w+>|:))?(?!\?))"
    r"|(?P<refused>\(\?(?:<?[=!]|[(>#]|[aiLmsux-]+[:)]))"
    r"|(?P<repeat>(?:[*+?]|\{[0-9]*,[0-9]*\}|\{[0-9]+\})[?+]?)"
    r"|(?P<close>\))|(?P<bar>\|)|(?P<letter>.)",
    re.DOTALL,
)


@dataclass(slots=True)
class _Reading:
    """Reads an expression that is known to compile; what is refused is read as far as needed."""

    regexp: str
    refused: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Where the parts of the last row begin: in the end that is the outermost one."""
    _at: int = 0

    def alternatives(self) -> _Node:
        """Up to the end or to a closing bracket, which is read too."""
        branches = [self._row()]
        while self._take("bar"):
            branches.append(self._row())
        self._take("close")
        return branches[0] if len(branches) == 1 else _Either(tuple(branches))

    def _row(self) -> _Node:
        parts: list[_Node] = []
        starts: list[int] = []
        while (token := self._peek()) and token.lastgroup not in {"bar", "close"}:
            self._at = token.end()
            if token.lastgroup == "repeat" and parts:
                parts.append(self._repeat(parts.pop(), token[0]))
            else:
                starts.append(token.start())
                parts.append(self._part(token))
        self.starts = starts
        return _Row(tuple(parts))

    def _part(self, token: re.Match[str]) -> _Node:
        match token.lastgroup:
            case "open":
                return self.alternatives()
            case "refused":
                self.refused.append(f"{token[0]}: look-arounds, conditions, flags are refused")
                return _One(_NONE, nullable=True) if token[0][-1] == ")" else self.alternatives()
            case "reference":
                self.refused.append(f"{token[0]}: references to groups are refused")
                return _One(_NONE, nullable=True)
            case "place":
                return _One(_NONE, nullable=True)
            case "letter" | "repeat":
                return _One(frozenset(token[0]), word=token[0])
            case _:
                sample = _SAMPLE + self.regexp
                letter = token[0][1] if re.fullmatch(r"\\\W", token[0]) else None
                return _One(frozenset(re.findall(token[0], sample, re.DOTALL)), word=letter)

    def _repeat(self, part: _Node, token: str) -> _Node:
        least, most = _times(token)
        if most != 1 and not part.simple:
            self.refused.append(f"{token} on a group that holds a repetition or alternatives")
        return _Repeat(part, least, most)

    def _peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self.regexp, self._at)

    def _take(self, kind: str) -> bool:
        token = self._peek()
        if token is None or token.lastgroup != kind:
            return False
        self._at = token.end()
        return True


def _times(token: str) -> tuple[int, int | None]:
    if token[0] != "{":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[token[0]]
    least, comma, most = token.rstrip("?+")[1:-1].partition(",")
    low = int(least or 0)
    return low, (int(most) if most else None) if comma else low
