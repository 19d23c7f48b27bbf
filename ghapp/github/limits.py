"""The door of one installation: a few requests at a time, and none while GitHub wants peace.

What may be sent is decided by `core.budget`; here are the clock and the queue.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from ghapp import log as logs
from ghapp.core.budget import Budget, Cost, ask, heard
from ghapp.core.retry import Answer
from ghapp.errors import Retry
from ghapp.ports import Clock

log = logs.get(__name__)

IN_FLIGHT: Final = 10
"""Reads, and as many writes, at a time: GitHub allows 100 in all, Octokit uses 10."""
QUEUED: Final = 30.0
"""Seconds to wait for a turn; then the outbox should rather look after something else."""
SPREAD: Final = 2.0
"""Those who were told to wait come back spread over up to so many times that wait, not at once."""
_LONGEST_SPREAD: Final = 30.0


class Door:
    """Lets requests through, or raises Retry with the time to come back."""

    def __init__(self, *, published: bool, clock: Clock, jitter: Callable[[], float]) -> None:
        self.budget = Budget(published=published)
        self._clock = clock
        self._jitter = jitter
        self._reads = asyncio.Semaphore(IN_FLIGHT)
        self._writes = asyncio.Semaphore(IN_FLIGHT)

    @asynccontextmanager
    async def turn(self, cost: Cost) -> AsyncIterator[None]:
        """While this lasts, one request of this cost may be under way."""
        queue = self._reads if cost.points == 1 else self._writes
        try:
            async with asyncio.timeout(QUEUED):
                await queue.acquire()
        except TimeoutError:
            raise Retry(f"{cost.endpoint}: too many requests before this one", after=1.0) from None
        try:
            self._ask(cost, spend=True)
            yield
        finally:
            queue.release()

    def check(self, cost: Cost) -> None:
        """Raises Retry if a request of this cost would have to wait; spends nothing."""
        self._ask(cost, spend=False)

    def heard(self, answer: Answer) -> None:
        """Learn from an answer."""
        before, now = self.budget, self._clock().timestamp()
        self.budget = heard(before, answer, now)
        if self.budget.paused_until > max(before.paused_until, now):
            seconds = round(self.budget.paused_until - now)
            log.warning("github asked to slow down", status=answer.status, seconds=seconds)

    def _ask(self, cost: Cost, *, spend: bool) -> None:
        budget, wait = ask(self.budget, cost, self._clock().timestamp())
        if wait is not None:
            spread = min(wait.seconds * (SPREAD - 1), _LONGEST_SPREAD) * self._jitter()
            raise Retry(wait.reason, after=wait.seconds + spread)
        if spend:
            self.budget = budget
