"""Many ask the same question at once; it is asked once, and all get its answer.

The question runs in a task of its own, so that one caller who gives up does not take the answer
from the others. cachetools has no such thing for asyncio.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """At most one running question per key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def ask(self, key: Hashable, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to `question`, or to the one under `key` that is already running."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(question))
            self._running[key] = task
            task.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let go of what still runs."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _land(self, key: Hashable, task: "asyncio.Task[T]") -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # if all who asked have gone, nobody else will look at it


async def _run(question: Callable[[], Awaitable[T]]) -> T:
    return await question()
