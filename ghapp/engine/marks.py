"""Which objects have to be looked at: each once however often marked, one worker on each."""

import asyncio
from typing import Final

QUEUE_LIMIT: Final = 1_000
"""Keys that may wait; above it the watches wait, and with them the API server."""


class Queue:
    """Keys that wait, each once; one marked while it is worked on waits again afterwards."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._some = asyncio.Semaphore(0)  # one permit for each that waits, and so one worker
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, key: str) -> None:
        """Marks a key; a new one waits as long as too many wait already."""
        while not (key in self._waiting or key in self._busy or self._room.is_set()):
            await self._room.wait()
        self.put_nowait(key)

    def put_nowait(self, key: str) -> None:
        """Marks a key."""
        if key in self._busy:
            self._again.add(key)
            return
        if key not in self._waiting:
            self._waiting[key] = None
            self._some.release()
        if len(self._waiting) >= QUEUE_LIMIT:
            self._room.clear()

    async def get(self) -> str:
        """The key that waits longest; it is not given out again before `done`."""
        await self._some.acquire()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._busy.add(key)
        if len(self._waiting) < QUEUE_LIMIT:
            self._room.set()
        return key

    def done(self, key: str) -> None:
        """Given back; marked in between, it waits again."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.put_nowait(key)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is worked on."""
        return not (self._waiting or self._busy)
