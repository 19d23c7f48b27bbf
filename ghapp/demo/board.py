"""What the page shows, in named parts; who listens is told the parts that changed, newest only.

A listener that is slow misses states, never the latest one: it remembers names of parts, not
messages, so what it holds is bounded by the number of parts.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Final

LISTENERS: Final = 64
"""At most so many at a time; who comes later polls."""


class Full(RuntimeError):
    """No room for another listener."""


@dataclass(slots=True, eq=False)
class Listener:
    """One reader and the parts it has not seen."""

    unseen: set[str]
    poke: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Board:
    """The parts, as JSON text."""

    parts: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    _listeners: set[Listener] = field(default_factory=set)

    def show(self, parts: Mapping[str, str]) -> None:
        """Replaces the parts; listeners hear of what is new, other or gone."""
        changed = {name for name, text in parts.items() if self.parts.get(name) != text}
        changed |= self.parts.keys() - parts.keys()
        self.parts = dict(parts)
        if changed:
            for listener in self._listeners:
                listener.unseen |= changed
                listener.poke.set()

    def end(self) -> None:
        """Listeners go home."""
        self.ended = True
        for listener in self._listeners:
            listener.poke.set()

    async def follow(self, quiet: float) -> AsyncGenerator[dict[str, str | None], None]:
        """All parts, then what changes; {} when nothing did for so many seconds.

        A part that is gone is None.
        """
        if len(self._listeners) >= LISTENERS:
            raise Full
        listener = Listener(unseen=set(self.parts))
        listener.poke.set()
        self._listeners.add(listener)
        try:
            while not self.ended:
                yield await self._next(listener, quiet)
        finally:
            self._listeners.discard(listener)

    async def _next(self, listener: Listener, quiet: float) -> dict[str, str | None]:
        try:
            async with asyncio.timeout(quiet):
                await listener.poke.wait()
        except TimeoutError:
            return {}
        listener.poke.clear()
        unseen, listener.unseen = listener.unseen, set()
        return {name: self.parts.get(name) for name in sorted(unseen)}
