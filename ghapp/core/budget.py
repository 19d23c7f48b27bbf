"""How much one installation may still ask of GitHub: a value; `ask` before, `heard` after.

Three things are kept. What GitHub tells in its headers: requests left in this hour. What it told by
refusing: a pause for all requests of the installation. And what it publishes but never shows, the
secondary limits:

    900 points a minute, a write costs 5, a read 1
    80 requests a minute and 500 an hour that create content
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api

The last of the hour and of the points is kept back for what is urgent (`Urgency`): progress gives
way to answers, and both to verdicts. The second of the published limits is always kept; it counts
requests that notify people, as GitHub's descriptions of the endpoints say ("This endpoint triggers
notifications"): pull requests do, checks and git objects do not. The first is kept ahead of time
only on GitHub's own hosts (`published`); an Enterprise Server has no limits unless its
administrator sets some, and which is not told, so there we begin to keep them once we were refused.
Nothing is spaced out: a burst goes at once, until a limit is met.

Time is an argument, in seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from math import inf
from typing import Final

from ghapp.core.retry import LONGEST, Answer, limited, number, there

POINTS_A_MINUTE: Final = 900
"""At all endpoints together. GitHub publishes it under "too many requests to a single endpoint per
minute", but as what is "allowed for REST API endpoints", so it may count either way; going on while
limited "may result in banning", so the safe reading is kept, which keeps the other, too."""
CONTENT_A_MINUTE: Final = 80
CONTENT_AN_HOUR: Final = 500
DEFERRED: Final = 30.0
"""Longest wait of a request that gives way: its lane holds the verdict that may follow it."""
WARY: Final = 3600.0
"""After a secondary refusal the published limits are kept for so long, wherever it was."""
NOT_MODIFIED: Final = 304
_NEW_WINDOW: Final = 5.0
_SLICES: Final = 60


class Urgency(IntEnum):
    """Who gives way to whom when little may be asked; the lowest goes first."""

    FINAL = 0
    """A verdict, which a merge may wait for; and tokens, without which nothing goes."""
    ANSWER = 1
    """Somebody waits for it: what a click asked for, the first sign of a run, anything else."""
    PROGRESS = 2
    """What comes after it will say the same and more."""


HOUR_KEPT: Final = {Urgency.FINAL: 0.0, Urgency.ANSWER: 0.05, Urgency.PROGRESS: 0.1}
"""Share of the hour's requests that is left to what is more urgent."""
MINUTE_KEPT: Final = {Urgency.FINAL: 0.0, Urgency.ANSWER: 0.1, Urgency.PROGRESS: 0.3}
"""The same of the points of a minute, which a burst uses up much sooner."""


class Why(StrEnum):
    """What a request has to wait for."""

    PAUSED = "paused"
    """GitHub refused something for rate reasons."""
    HOUR = "hour"
    """The hour's requests are used up."""
    KEPT = "kept"
    """The last of the hour's requests are for what is more urgent."""
    POINTS = "points"
    """The published points of a minute."""
    CONTENT = "content"
    """The published number of requests that notify people."""
    QUEUE = "queue"
    """Too many are under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a request counts for."""

    points: int
    endpoint: str
    """Method and route, as people read it."""
    content: bool = False
    """It notifies people."""
    urgency: Urgency = Urgency.ANSWER


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was spent in the last so many seconds, in sixty slices; never more than `limit`."""

    limit: int
    seconds: float
    log: tuple[tuple[int, int], ...] = ()
    """(number of the slice, amount), oldest first."""

    def wait(self, amount: int, now: float, *, kept: float = 0.0) -> float:
        """Seconds until `amount` more is allowed and that share of the limit is left; 0: now."""
        free = self.limit * (1 - kept) - amount
        spent, alive = 0, self._alive(now)
        for slice_, used in reversed(alive):
            spent += used
            if spent > free:
                return max(self._end(slice_) - now, 0.001)
        return 0.0

    def spend(self, amount: int, now: float) -> "Window":
        """The window after `amount` was spent."""
        log, slice_ = self._alive(now), int(now // self._width)
        if log and log[-1][0] >= slice_:  # the clock may have gone back
            slice_, amount, log = log[-1][0], log[-1][1] + amount, log[:-1]
        return replace(self, log=(*log, (slice_, amount)))

    def total(self, now: float) -> int:
        """What was spent in the window that ends now."""
        return sum(used for _, used in self._alive(now))

    @property
    def _width(self) -> float:
        return self.seconds / _SLICES

    def _end(self, slice_: int) -> float:
        """When the last request of a slice no longer counts."""
        return (slice_ + 1) * self._width + self.seconds

    def _alive(self, now: float) -> tuple[tuple[int, int], ...]:
        return tuple(entry for entry in self.log if self._end(entry[0]) > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The state of one installation. A new one knows nothing and allows everything."""

    published: bool
    """The far side is GitHub's own host: its published limits hold from the start."""
    limit: int | None = None
    remaining: int | None = None
    reset: float = 0.0
    paused_until: float = 0.0
    strikes: int = 0
    wary_until: float = 0.0
    minute: Window = Window(limit=CONTENT_A_MINUTE, seconds=60.0)
    hour: Window = Window(limit=CONTENT_AN_HOUR, seconds=3600.0)
    points: Window = Window(limit=POINTS_A_MINUTE, seconds=60.0)
    recent: Window = Window(limit=0, seconds=300.0)
    """Requests; no limit, but the present rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not now."""

    seconds: float
    why: Why
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an installation stands, for whoever watches over it."""

    limit: int
    remaining: int
    reset: float
    """When the hour begins anew, in seconds since the epoch."""
    points: int
    """Of the last minute."""
    lasts: float
    """Seconds until the hour's requests are used up at the present rate; inf: they will not be."""


def ask(budget: Budget, cost: Cost, now: float) -> tuple[Budget, Wait | None]:
    """The budget after this request, or how long it has to wait (then nothing is spent)."""
    wait = _paused(budget, now) or _primary(budget, cost, now) or _secondary(budget, cost, now)
    return (budget, wait) if wait else (_spend(budget, cost, now), None)


def heard(budget: Budget, answer: Answer, now: float) -> Budget:
    """The budget after an answer; "not modified" costs nothing of the hour."""
    if answer.status == NOT_MODIFIED and budget.remaining is not None:
        budget = replace(budget, remaining=budget.remaining + 1)
    budget = _counted(budget, answer.headers, now)
    wait = limited(answer, now=now, strikes=budget.strikes)
    if wait is None:
        calm = (answer.good or answer.status == NOT_MODIFIED) and now >= budget.paused_until
        return replace(budget, strikes=0) if calm and budget.strikes else budget
    until = max(budget.paused_until, now + wait)
    if answer.headers.get("x-ratelimit-remaining") == "0" or now < budget.paused_until:
        return replace(budget, paused_until=until)  # no strike: the hour is used up, or an echo
    return replace(budget, paused_until=until, strikes=budget.strikes + 1, wary_until=until + WARY)


def standing(budget: Budget, now: float) -> Standing | None:
    """What is known by now; None where GitHub tells of no limit, as an Enterprise Server may."""
    if budget.limit is None or budget.remaining is None:
        return None
    left = budget.limit if budget.reset <= now else budget.remaining
    rate = budget.recent.total(now) / budget.recent.seconds
    lasts = left / rate if rate else inf
    return Standing(
        limit=budget.limit,
        remaining=left,
        reset=budget.reset,
        points=budget.points.total(now),
        lasts=inf if left and lasts >= budget.reset - now else lasts if left else 0.0,
    )


def _paused(budget: Budget, now: float) -> Wait | None:
    left = min(budget.paused_until - now, LONGEST)
    if left <= 0:
        return None
    return Wait(seconds=left, why=Why.PAUSED, reason="GitHub asked us to slow down")


def _primary(budget: Budget, cost: Cost, now: float) -> Wait | None:
    if budget.remaining is None or budget.reset <= now:
        return None
    left = min(budget.reset - now + 1, LONGEST)
    if budget.remaining <= 0:
        reason = "this hour's requests to GitHub are used up"
        return Wait(seconds=left, why=Why.HOUR, reason=reason)
    kept = HOUR_KEPT[cost.urgency]
    if kept and budget.remaining <= (budget.limit or 0) * kept:
        reason = "the last of this hour's requests to GitHub are kept for verdicts"
        return Wait(seconds=min(left, DEFERRED), why=Why.KEPT, reason=reason)
    return None


def _secondary(budget: Budget, cost: Cost, now: float) -> Wait | None:
    content = max(budget.minute.wait(1, now), budget.hour.wait(1, now)) if cost.content else 0.0
    points = 0.0
    if budget.published or now < budget.wary_until:
        points = budget.points.wait(cost.points, now, kept=MINUTE_KEPT[cost.urgency])
    longest = max(content, points)
    if longest <= 0:
        return None
    reason = f"GitHub's published limit is reached, so {cost.endpoint} has to wait"
    why = Why.CONTENT if content >= points else Why.POINTS
    return Wait(seconds=longest, why=why, reason=reason)


def _spend(budget: Budget, cost: Cost, now: float) -> Budget:
    left = None if budget.remaining is None else max(budget.remaining - 1, 0)
    budget = replace(
        budget,
        remaining=left,
        recent=budget.recent.spend(1, now),
        points=budget.points.spend(cost.points, now),
    )
    if not cost.content:
        return budget
    return replace(budget, minute=budget.minute.spend(1, now), hour=budget.hour.spend(1, now))


def _counted(budget: Budget, headers: Mapping[str, str], now: float) -> Budget:
    """What the headers tell; answers overtake each other, so within a window the lowest counts."""
    if headers.get("x-ratelimit-resource", "core") != "core":
        return budget
    limit, remaining, reset = (
        number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")
    )
    if limit is None or remaining is None or reset is None:
        return budget
    reset += now - there(headers, now)  # by our clock from here on
    left, reset = int(remaining), min(reset, now + LONGEST)
    if budget.remaining is not None and budget.reset > now and reset < budget.reset + _NEW_WINDOW:
        left = min(left, budget.remaining)
    return replace(budget, limit=int(limit), remaining=left, reset=reset)
