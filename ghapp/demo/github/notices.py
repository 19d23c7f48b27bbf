"""Small notices of change, for a page that wants to follow along."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field

BACKLOG = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something changed: look again."""

    kind: str  # repository, push, check_run, check_suite, status, pull_request, comment, delivery
    repository: str | None
    facts: Mapping[str, object] = field(default_factory=dict)


class Listener:
    """An endless `async for` over notices; one who sleeps loses the oldest."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Notice] = asyncio.Queue(BACKLOG)

    def __aiter__(self) -> Listener:
        return self

    async def __anext__(self) -> Notice:
        return await self._queue.get()

    def hear(self, notice: Notice) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(notice)


class Notices:
    """Hands each notice to all who listen; a listener that is let go of is forgotten."""

    def __init__(self) -> None:
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()

    def publish(self, notice: Notice) -> None:
        for listener in list(self._listeners):
            listener.hear(notice)

    def subscribe(self) -> Listener:
        """Listens from this call on, not from the first `async for`."""
        listener = Listener()
        self._listeners.add(listener)
        return listener
