"""Small notices of change, for a page that wants to follow along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

BACKLOG = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something changed: look again."""

    kind: str  # repository, push, check_run, check_suite, status, pull_request, comment, delivery
    repository: str | None
    facts: Mapping[str, object] = field(default_factory=dict)


class Notices:
    """Hands each notice to all who listen; a listener that sleeps loses the oldest."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Notice]] = set()

    def publish(self, notice: Notice) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(notice)

    def subscribe(self) -> AsyncIterator[Notice]:
        """Listens from this call on, not from the first `async for`."""
        queue: asyncio.Queue[Notice] = asyncio.Queue(BACKLOG)
        self._listeners.add(queue)
        return self._follow(queue)

    async def _follow(self, queue: asyncio.Queue[Notice]) -> AsyncIterator[Notice]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)
