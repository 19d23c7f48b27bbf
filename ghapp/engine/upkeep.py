"""What has to be done now and then: fetch webhooks that were missed, forget what is long done."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from ghapp import log as logs
from ghapp.errors import CheckrailError
from ghapp.github.deliveries import Sweep
from ghapp.ports import Clock, GitHub, Store

log = logs.get(__name__)

SWEEP_EVERY: Final = 300.0
"""Seconds. GitHub never redelivers by itself; the first sweep follows the start at once."""
PRUNE_EVERY: Final = 3_600.0
KEEP: Final = timedelta(days=14)
"""More than `desk.REMEMBERED`; GitHub gives up on an unfinished check after as long."""


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Two slow loops that may fail and go on."""

    store: Store
    github: GitHub | None
    clock: Clock
    sweep_every: float = SWEEP_EVERY
    _sweep: Sweep | None = field(default=None)

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(PRUNE_EVERY, self.prune))
            if self.github is not None:
                group.create_task(_every(self.sweep_every, self.sweep))

    async def sweep(self) -> int:
        """Accepts the deliveries that GitHub could not bring; how many that were."""
        if self.github is None:
            return 0
        if self._sweep is None:
            self._sweep = Sweep(self.github)
        missed = await self._sweep.missed(self.store.known, now=self.clock())
        for delivery in missed:
            if await self.store.accept(delivery):
                log.info("fetched a missed webhook", delivery=delivery.guid)
        return len(missed)

    async def prune(self) -> int:
        """Forgets what is long done; how many rows that were."""
        return await self.store.prune(self.clock() - KEEP)


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except CheckrailError as error:
            log.warning("upkeep failed, trying again later", reason=str(error))
        except Exception:
            log.exception("upkeep failed unexpectedly, trying again later")
        await asyncio.sleep(seconds)
