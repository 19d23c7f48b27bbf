"""Knobs that make GitHub misbehave on purpose, for so many requests that match.

    github.faults.add(SECONDARY, method="POST", path=r"/check-runs$", times=2)

A path is matched as the caller sent it, without the prefix under which the stand-in is mounted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import ApiError
from .limits import secondary


class Kind(StrEnum):
    """What goes wrong."""

    SECONDARY = "secondary"  # 403, secondary rate limit
    PRIMARY = "primary"  # 403, remaining 0
    TOO_MANY = "too_many"  # 429
    STATUS = "status"  # whatever status is given: 500, 502, 503, 401, ...
    HANG = "hang"  # no answer until `release`
    LOSE_REQUEST = "lose_request"  # the connection breaks, nothing was done
    LOSE_ANSWER = "lose_answer"  # the work is done, then the connection breaks
    SLOW = "slow"  # the answer comes after `seconds`


@dataclass(slots=True, kw_only=True)
class Fault:
    """One kind of trouble for the next `times` matching requests."""

    kind: Kind
    times: int
    method: str | None = None
    path: re.Pattern[str] = field(default_factory=lambda: re.compile(""))
    retry_after: int | None = None
    status: int = 500
    seconds: float = 0.0
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        if self.hits >= self.times or self.method not in (None, method):
            return False
        return self.path.search(path) is not None


class Faults:
    """The troubles that are still to come; the first that matches is taken."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._faults: list[Fault] = []
        self._sleep = sleep
        self._released = asyncio.Event()

    def add(
        self,
        kind: Kind | str,
        *,
        times: int = 1,
        method: str | None = None,
        path: str = "",
        retry_after: int | None = None,
        status: int = 500,
        seconds: float = 0.0,
    ) -> Fault:
        """Make trouble; the Fault that is returned counts its hits."""
        fault = Fault(
            kind=Kind(kind),
            times=times,
            method=method,
            path=re.compile(path),
            retry_after=retry_after,
            status=status,
            seconds=seconds,
        )
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        self._faults.clear()
        self.release()

    def release(self) -> None:
        """Let hanging requests go on."""
        self._released.set()
        self._released = asyncio.Event()

    def take(self, method: str, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.matches(method, path):
                fault.hits += 1
                return fault
        return None

    async def wait(self, fault: Fault) -> None:
        """The part of a fault that costs time."""
        if fault.kind is Kind.HANG:
            await self._released.wait()
        if fault.kind is Kind.SLOW:
            await self._sleep(fault.seconds)


def refusal(fault: Fault, reset: float) -> ApiError | None:
    """The answer that a fault gives instead of the true one."""
    if fault.kind is Kind.SECONDARY:
        return secondary(fault.retry_after)
    if fault.kind is Kind.TOO_MANY:
        return secondary(fault.retry_after, 429)
    if fault.kind is Kind.PRIMARY:
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(reset))}
        return ApiError(403, "API rate limit exceeded.", headers=headers)
    if fault.kind is Kind.STATUS:
        return ApiError(fault.status, STATUS_TEXTS.get(fault.status, "Server Error"))
    return None


STATUS_TEXTS = {
    401: "Bad credentials",
    404: "Not Found",
    500: "Server Error",
    502: "Server Error",
    503: "No server is currently available to service your request.",
}
