"""The door of one installation: a few requests at a time, and none while GitHub wants peace.

What may be sent is decided by `core.budget`; here are the clock and the queue.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from ghapp import log as logs
from ghapp.core.budget import Budget, Cost, Standing, Urgency, Why, ask, heard, standing
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


Waited = Callable[[Why], None]
"""Told of each request that was sent back to wait."""


class Turns:
    """So many at a time; whoever waits goes in by urgency, then in order of arrival."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._order = count()
        self._waiting: list[tuple[Urgency, int, asyncio.Future[None]]] = []

    async def take(self, urgency: Urgency) -> None:
        """Waits for a turn, which `give` ends."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came in the same moment: somebody else shall have it
                self.give()
            raise

    def give(self) -> None:
        """A turn is over."""
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():  # else who waited has gone
                turn.set_result(None)
                return
        self._free += 1


class Door:
    """Lets requests through, or raises Retry with the time to come back."""

    def __init__(
        self, *, published: bool, clock: Clock, jitter: Callable[[], float], waited: Waited
    ) -> None:
        self.budget = Budget(published=published)
        self._clock = clock
        self._jitter = jitter
        self._waited = waited
        self._reads = Turns(IN_FLIGHT)
        self._writes = Turns(IN_FLIGHT)

    @property
    def standing(self) -> Standing | None:
        """How the installation stands now."""
        return standing(self.budget, self._clock().timestamp())

    @asynccontextmanager
    async def turn(self, cost: Cost) -> AsyncIterator[None]:
        """While this lasts, one request of this cost may be under way."""
        turns = self._reads if cost.points == 1 else self._writes
        try:
            async with asyncio.timeout(QUEUED):
                await turns.take(cost.urgency)
        except TimeoutError:
            self._waited(Why.QUEUE)
            raise Retry(f"{cost.endpoint}: too many requests before this one", after=1.0) from None
        try:
            self._ask(cost, spend=True)
            yield
        finally:
            turns.give()

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
            self._waited(wait.why)
            spread = min(wait.seconds * (SPREAD - 1), _LONGEST_SPREAD) * self._jitter()
            raise Retry(wait.reason, after=wait.seconds + spread)
        if spend:
            self.budget = budget
