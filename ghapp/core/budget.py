"""How much one installation may still ask of GitHub: a value; `ask` before, `heard` after.

Three things are kept. What GitHub tells in its headers: requests left in this hour, of which the
last tenth is kept back for verdicts and clicks. What it told by refusing: a pause for all requests
of the installation. And what it publishes but never shows, the secondary limits:

    900 points a minute at one endpoint, a write costs 5, a read 1
    80 requests a minute and 500 an hour that create content
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api

The second is always kept; it counts requests that notify people, as GitHub's descriptions of the
endpoints say ("This endpoint triggers notifications"): pull requests do, checks and git objects do
not. The first is kept ahead of time only on GitHub's own hosts (`published`); an Enterprise Server
has no limits unless its administrator sets some, and which is not told, so there we begin to keep
them once we were refused. Nothing is spaced out: a burst goes at once, until a limit is met.

Time is an argument, in seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ghapp.core.retry import LONGEST, Answer, limited, number

POINTS_A_MINUTE: Final = 900
CONTENT_A_MINUTE: Final = 80
CONTENT_AN_HOUR: Final = 500
KEPT_BACK: Final = 0.1
"""Share of the hour's requests that only verdicts and clicks may use."""
DEFERRED: Final = 30.0
"""Longest wait of a deferred request: its lane holds the verdict that may follow it."""
WARY: Final = 3600.0
"""After a secondary refusal the published limits are kept for so long, wherever it was."""
_NEW_WINDOW: Final = 5.0
_SLICES: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a request counts for."""

    points: int
    endpoint: str
    """Method and route; GitHub counts points "to a single endpoint"."""
    content: bool = False
    """It notifies people."""
    deferrable: bool = False
    """Progress: what comes after it will say the same and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was spent in the last so many seconds, in sixty slices; never more than `limit`."""

    limit: int
    seconds: float
    log: tuple[tuple[int, int], ...] = ()
    """(number of the slice, amount), oldest first."""

    def wait(self, amount: int, now: float) -> float:
        """Seconds until `amount` more is allowed; 0: now."""
        free = self.limit - amount
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
    points: Mapping[str, Window] = field(default_factory=dict)
    """By endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not now."""

    seconds: float
    reason: str


_NO_POINTS: Final = Window(limit=POINTS_A_MINUTE, seconds=60.0)


def ask(budget: Budget, cost: Cost, now: float) -> tuple[Budget, Wait | None]:
    """The budget after this request, or how long it has to wait (then nothing is spent)."""
    wait = _paused(budget, now) or _primary(budget, cost, now) or _secondary(budget, cost, now)
    return (budget, wait) if wait else (_spend(budget, cost, now), None)


def heard(budget: Budget, answer: Answer, now: float) -> Budget:
    """The budget after an answer."""
    budget = _counted(budget, answer.headers, now)
    wait = limited(answer, now=now, strikes=budget.strikes)
    if wait is None:
        calm = answer.good and now >= budget.paused_until
        return replace(budget, strikes=0) if calm and budget.strikes else budget
    until = max(budget.paused_until, now + wait)
    if answer.headers.get("x-ratelimit-remaining") == "0" or now < budget.paused_until:
        return replace(budget, paused_until=until)  # no strike: the hour is used up, or an echo
    return replace(budget, paused_until=until, strikes=budget.strikes + 1, wary_until=until + WARY)


def _paused(budget: Budget, now: float) -> Wait | None:
    left = min(budget.paused_until - now, LONGEST)
    return Wait(seconds=left, reason="GitHub asked us to slow down") if left > 0 else None


def _primary(budget: Budget, cost: Cost, now: float) -> Wait | None:
    if budget.remaining is None or budget.reset <= now:
        return None
    left = min(budget.reset - now + 1, LONGEST)
    if budget.remaining <= 0:
        return Wait(seconds=left, reason="this hour's requests to GitHub are used up")
    kept = (budget.limit or 0) * KEPT_BACK
    if cost.deferrable and budget.remaining <= kept:
        reason = "the last of this hour's requests to GitHub are kept for verdicts"
        return Wait(seconds=min(left, DEFERRED), reason=reason)
    return None


def _secondary(budget: Budget, cost: Cost, now: float) -> Wait | None:
    waits = [0.0]
    if cost.content:
        waits += [budget.minute.wait(1, now), budget.hour.wait(1, now)]
    if _counts_points(budget, now):
        waits.append(budget.points.get(cost.endpoint, _NO_POINTS).wait(cost.points, now))
    longest = max(waits)
    reason = f"GitHub's published limit for {cost.endpoint} is reached"
    return Wait(seconds=longest, reason=reason) if longest > 0 else None


def _counts_points(budget: Budget, now: float) -> bool:
    return budget.published or now < budget.wary_until


def _spend(budget: Budget, cost: Cost, now: float) -> Budget:
    left = None if budget.remaining is None else max(budget.remaining - 1, 0)
    budget = replace(budget, remaining=left)
    if cost.content:
        minute, hour = budget.minute.spend(1, now), budget.hour.spend(1, now)
        budget = replace(budget, minute=minute, hour=hour)
    if not _counts_points(budget, now):
        return budget
    window = budget.points.get(cost.endpoint, _NO_POINTS).spend(cost.points, now)
    return replace(budget, points={**budget.points, cost.endpoint: window})


def _counted(budget: Budget, headers: Mapping[str, str], now: float) -> Budget:
    """What the headers tell; answers overtake each other, so within a window the lowest counts."""
    if headers.get("x-ratelimit-resource", "core") != "core":
        return budget
    limit, remaining, reset = (
        number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")
    )
    if limit is None or remaining is None or reset is None:
        return budget
    left, reset = int(remaining), min(reset, now + LONGEST)
    if budget.remaining is not None and budget.reset > now and reset < budget.reset + _NEW_WINDOW:
        left = min(left, budget.remaining)
    return replace(budget, limit=int(limit), remaining=left, reset=reset)
