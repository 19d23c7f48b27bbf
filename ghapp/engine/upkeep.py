"""What is done now and then: fetch missed webhooks, close endless checks, forget the past."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from ghapp import log as logs
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.overdue import overdue
from ghapp.engine.desk import Desk
from ghapp.errors import CheckrailError
from ghapp.github.apps import Apps
from ghapp.github.deliveries import Sweep
from ghapp.ports import Clock

log = logs.get(__name__)

SWEEP_EVERY: Final = 300.0
"""Seconds. GitHub never redelivers by itself; the first sweep follows the start at once."""
PRUNE_EVERY: Final = 3_600.0
PAGE: Final = 500
"""Rows that are looked through at a time."""
KEEP: Final = timedelta(days=14)
"""More than `desk.REMEMBERED`; GitHub gives up on an unfinished check after as long."""
KEEP_AUDIT: Final = timedelta(days=400)
"""As long as GitHub keeps checks (https://docs.github.com/en/rest/checks/runs)."""


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Slow loops that may fail and go on."""

    desk: Desk
    apps: Apps | None
    """Whose webhooks are fetched; None: by another process."""
    clock: Clock
    close_overdue: bool = True
    """Whether this process tells of runs."""
    sweep_every: float = SWEEP_EVERY
    overdue_every: float = PRUNE_EVERY
    _sweeps: dict[str, Sweep] = field(default_factory=dict)
    """By the source of the App."""

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(PRUNE_EVERY, self.prune))
            if self.close_overdue:
                group.create_task(_every(self.overdue_every, self.overdue))
            if self.apps is not None:
                group.create_task(_every(self.sweep_every, self.sweep))

    async def sweep(self) -> int:
        """Accepts the deliveries that GitHub could not bring; how many that were.

        One App after the other, bit by bit until nothing is left of what was listed: one that
        cannot be asked now, or has much to bring, holds up no other.
        """
        missed, sources = 0, list(self.apps or ())
        while sources:
            for source in tuple(sources):
                try:
                    found, more = await self._swept(source)
                except CheckrailError as error:
                    log.warning("upkeep failed, trying again later", app=source, reason=str(error))
                    found, more = 0, False
                missed += found
                if not more:
                    sources.remove(source)
        return missed

    async def _swept(self, source: str) -> tuple[int, bool]:
        """How many were brought, and whether more are left."""
        assert self.apps is not None
        github, known = self.apps.of(source), self._sweeps.get(source)
        if known is None or known.github is not github:
            known = self._sweeps[source] = Sweep(github, source)
        store = self.desk.store
        missed = await known.missed(store.known, now=self.clock())
        for delivery in missed:
            if await store.accept(delivery):
                log.info("fetched a missed webhook", delivery=delivery.guid)
        return len(missed), known.more

    async def prune(self) -> int:
        """Forgets what is long done; how many rows that were."""
        now = self.clock()
        return await self.desk.store.prune(now - KEEP, audit=now - KEEP_AUDIT)

    async def overdue(self) -> int:
        """Closes the checks of runs that never end; how many that were."""
        closed, last = 0, ""
        while rows := await self.desk.store.open_rows(last, PAGE):
            last = rows[-1].look.subject.key
            for seen in rows:
                closed += await self._overdue(seen.look.subject.key)
        return closed

    async def _overdue(self, key: str) -> bool:
        async def owed() -> Decision:
            before = await self.desk.store.seen(key)
            rules, now = self.desk.rules, self.clock()
            return overdue(before, at=now, rules=rules) if before else NOTHING

        decision = await self.desk.commit(owed)
        if decision.effects:
            log.info("closed the check of a run that does not end", subject=key)
        return bool(decision.effects)


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except CheckrailError as error:
            log.warning("upkeep failed, trying again later", reason=str(error))
        except Exception:
            log.exception("upkeep failed unexpectedly, trying again later")
        await asyncio.sleep(seconds)
