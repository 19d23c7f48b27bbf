"""GitHub's rate limits as a model: requests an hour, and the secondary limits behind them.

The primary limit is seen in the x-ratelimit-* headers; the secondary ones are not. Each is None
where it is off, as on a GitHub Enterprise Server.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from .errors import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one caller may do."""

    requests_an_hour: int | None
    graphql_an_hour: int | None = 5000
    points_a_minute: int | None = None
    graphql_points_a_minute: int | None = None
    content_a_minute: int | None = None
    content_an_hour: int | None = None
    concurrent: int | None = None
    retry_after: bool = True  # does a secondary refusal say how long to wait?


OFF = Limits(requests_an_hour=None, graphql_an_hour=None)
RELAXED = Limits(requests_an_hour=15_000)
GITHUB_COM = Limits(
    requests_an_hour=5000,
    graphql_an_hour=5000,
    points_a_minute=900,
    graphql_points_a_minute=2000,
    content_a_minute=80,
    content_an_hour=500,
    concurrent=100,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a request counts for."""

    points: int
    content: bool = False
    resource: str = "core"


@dataclass(slots=True)
class Window:
    """Counts of the last so many seconds."""

    seconds: float
    entries: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0

    def sum(self, now: float) -> int:
        while self.entries and self.entries[0][0] <= now - self.seconds:
            self.total -= self.entries.popleft()[1]
        return self.total

    def add(self, now: float, amount: int) -> None:
        self.entries.append((now, amount))
        self.total += amount

    def frees_in(self, now: float) -> int:
        return max(1, round(self.entries[0][0] + self.seconds - now)) if self.entries else 1


@dataclass(slots=True)
class Budget:
    """What one caller has used."""

    used: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    """Answers of 304 since the beginning: they were free."""
    reset: float = 0.0
    points: dict[str, Window] = field(default_factory=dict)
    minute: Window = field(default_factory=lambda: Window(60))
    hour: Window = field(default_factory=lambda: Window(3600))


class Meter:
    """Counts every caller's requests and refuses what is too much."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.in_flight = 0
        self._budgets: dict[str, Budget] = {}

    def budget(self, caller: str, now: float) -> Budget:
        budget = self._budgets.setdefault(caller, Budget(reset=now + 3600))
        if budget.reset <= now:
            budget.used, budget.reset = {}, now + 3600
        return budget

    def charge(self, caller: str, cost: Cost, now: float) -> None:
        """Count a request, or refuse it."""
        budget = self.budget(caller, now)
        allowance = self._allowance(cost.resource)
        if allowance is not None and budget.used.get(cost.resource, 0) >= allowance:
            raise ApiError(403, f"API rate limit exceeded for {caller}.")
        self._secondary(budget, cost, now)
        budget.used[cost.resource] = budget.used.get(cost.resource, 0) + 1

    def forgive(self, caller: str, now: float) -> None:
        """A 304 to a conditional request is free."""
        budget = self.budget(caller, now)
        budget.unchanged += 1
        budget.used["core"] = max(0, budget.used.get("core", 0) - 1)

    def headers(self, caller: str, resource: str, now: float) -> dict[str, str]:
        shown = self.standing(caller, resource, now)
        if shown is None:
            return {}
        counted = {f"x-ratelimit-{name}": str(value) for name, value in shown.items()}
        return counted | {"x-ratelimit-resource": resource}

    def standing(self, caller: str, resource: str, now: float) -> dict[str, int] | None:
        """What GET /rate_limit says; None where limits are off."""
        allowance = self._allowance(resource)
        if allowance is None:
            return None
        budget = self.budget(caller, now)
        used = budget.used.get(resource, 0)
        return {
            "limit": allowance,
            "remaining": max(0, allowance - used),
            "used": used,
            "reset": int(budget.reset),
        }

    def exhaust(self, caller: str, now: float) -> None:
        """Use up the caller's hour."""
        self.budget(caller, now).used["core"] = self.limits.requests_an_hour or 0

    def _allowance(self, resource: str) -> int | None:
        limits = self.limits
        return limits.graphql_an_hour if resource == "graphql" else limits.requests_an_hour

    def _secondary(self, budget: Budget, cost: Cost, now: float) -> None:
        limits = self.limits
        if limits.concurrent is not None and self.in_flight > limits.concurrent:
            raise secondary(60 if limits.retry_after else None)
        points = budget.points.setdefault(cost.resource, Window(60))
        graphql = cost.resource == "graphql"
        rate = limits.graphql_points_a_minute if graphql else limits.points_a_minute
        self._within(points, rate, cost.points, now)
        if cost.content:
            self._within(budget.minute, limits.content_a_minute, 1, now)
            self._within(budget.hour, limits.content_an_hour, 1, now)
            budget.minute.add(now, 1)
            budget.hour.add(now, 1)
        points.add(now, cost.points)

    def _within(self, window: Window, limit: int | None, amount: int, now: float) -> None:
        if limit is not None and window.sum(now) + amount > limit:
            raise secondary(window.frees_in(now) if self.limits.retry_after else None)


def secondary(retry_after: int | None, status: int = 403) -> ApiError:
    """The refusal that says "slow down"; the header is not always there."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    message = (
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    )
    return ApiError(status, message, headers=headers)
