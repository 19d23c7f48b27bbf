"""Brings what was committed to where it goes: the one piece of delivery code.

Each sink has a loop of its own, so that a broken one holds up nobody else. A lane is delivered head
first; its head fails for now (the lane waits), for ever (it is parked, the lane goes on) or not at
all. Nothing is lost when the process dies anywhere in here: a row is settled only after the far
side answered, and what was answered but not settled is delivered again under the same key.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ghapp import log as logs
from ghapp.core import markdown, retry
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.discussion import amended
from ghapp.core.effects import Cancel, Effect, Promote, ReadLogs, Reconcile, Rerun
from ghapp.engine.desk import Desk
from ghapp.errors import Reject, Retry
from ghapp.metrics import DeliveryResult, Metrics
from ghapp.ports import Again, Claimed, Done, Outcome, Parked, Receipt, Settled, Sink

log = logs.get(__name__)

DELIVERY_LIMIT: Final = 60.0
"""Seconds for one delivery, however many requests it makes."""
AT_ONCE: Final = 16
"""Lanes of one sink that are delivered at the same time."""
GIVE_UP: Final = timedelta(days=3)
"""As long as GitHub keeps its own deliveries: by then nobody waits for it any more."""
UNEXPECTED_BORNE: Final = 5
"""An error that is not ours is a defect: after so many tries the effect is parked for a person."""
IDLE: Final = 5.0
"""Seconds between looks when nothing is known to be due: another process may share the store, and
whoever says `checkrail dead retry` waits for it to happen."""
AGAIN: Final = 5.0
"""Seconds until the store is asked again that could not answer."""
LONGEST_AGAIN: Final = 60.0
SILENT: Final = Receipt()
"""Nothing to keep and nobody to tell."""


def _never(sink: str) -> bool:
    """Where no sink is declared, none is paused."""
    return False


def _nobody(outcome: Outcome) -> None:
    """Nobody asks what became of deliveries."""


@dataclass(slots=True, kw_only=True)
class Outbox:
    """Delivers, settles, and answers whoever asked."""

    desk: Desk
    metrics: Metrics
    jitter: Callable[[], float]
    at_once: int = AT_ONCE
    paused: Callable[[str], bool] = _never
    """Whether what waits for a sink has to wait on."""
    heard: Callable[[Outcome], None] = _nobody
    """Told of the end of every try."""
    _running: dict[str, set[asyncio.Task[None]]] = field(default_factory=dict)

    @property
    def sinks(self) -> Mapping[str, Sink]:
        """By name."""
        return self.desk.sinks

    async def run(self) -> None:
        """Delivers until cancelled."""
        loops: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                edition = self.desk.edition
                sinks = set(self.sinks)
                for sink in sinks - loops.keys():
                    loops[sink] = group.create_task(self._run(sink), name=f"outbox {sink}")
                for sink in loops.keys() - sinks:
                    loops.pop(sink).cancel()
                await self.desk.revised(edition)

    async def step(self, now: datetime) -> int:
        """Delivers everything that is due at `now`, once; how many rows that were."""
        delivered = 0
        for sink in self.sinks:
            claimed = await self.desk.store.claim(sink, now, self.at_once)
            for row in claimed:
                await self._deliver(row)
            delivered += len(claimed)
        return delivered

    async def drain(self, limit: float) -> None:
        """Lets deliveries that are under way finish; what does not in `limit` seconds is redone."""
        tasks = [task for running in self._running.values() for task in running]
        if tasks:
            await asyncio.wait(tasks, timeout=limit)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, sink: str) -> None:
        running = self._running.setdefault(sink, set())
        while True:
            changed = asyncio.ensure_future(self.desk.store.changed())
            try:
                pause = await self._begin(sink, running)
                await asyncio.wait(
                    {changed, *running}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                changed.cancel()

    async def _begin(self, sink: str, running: set[asyncio.Task[None]]) -> float:
        """Begins what is due, as far as there is room; seconds until something else may be."""
        if self.paused(sink):
            return IDLE
        room = self.at_once - len(running)
        try:
            claimed = await self.desk.store.claim(sink, self.desk.clock(), room) if room else ()
            for row in claimed:
                task = asyncio.create_task(self._deliver(row), name=f"deliver {row.key}")
                running.add(task)
                task.add_done_callback(running.discard)
            return await self._pause(sink) if len(claimed) < room else IDLE  # full: one must end
        except Exception:
            log.exception("cannot see what is due", sink=sink)
            return AGAIN

    async def _pause(self, sink: str) -> float:
        due = await self.desk.store.next_due(sink)
        if due is None:
            return IDLE
        return min(max((due - self.desk.clock()).total_seconds(), 0.001), IDLE)

    async def _deliver(self, row: Claimed) -> None:
        with logs.bind(key=row.key, sink=row.sink):
            began = asyncio.get_running_loop().time()
            settled, receipt = await self._try(row)
            seconds = asyncio.get_running_loop().time() - began
            result = _RESULT[type(settled)]
            self.metrics.delivery(row.sink, result, seconds)
            reason = "" if isinstance(settled, Done) else settled.reason
            self.heard(Outcome(sink=row.sink, result=result, reason=reason))
            told = replace(receipt, notice=receipt.notice or _apology(row, settled))
            tries = 0
            while not await self._settle(
                row, settled, told if tries < UNEXPECTED_BORNE else SILENT
            ):
                tries += 1
                await asyncio.sleep(retry.backoff(tries, self.jitter(), cap=LONGEST_AGAIN))

    async def _try(self, row: Claimed) -> tuple[Settled, Receipt]:
        sink, slot = self.sinks.get(row.sink), replace(row.slot, tries=row.tries)
        if sink is None:  # it went in this moment
            return self._parked(row, "its Provider is gone"), SILENT
        try:
            async with asyncio.timeout(DELIVERY_LIMIT):
                receipt = await sink.deliver(row.effect, key=row.key, slot=slot)
        except Retry as error:
            return self._again(row, error.reason, error.after, error.uncertain), SILENT
        except Reject as error:
            return self._parked(row, error.reason), SILENT
        except TimeoutError:
            return self._again(row, "no answer in time", None, uncertain=True), SILENT
        except Exception as error:
            log.exception("a sink failed unexpectedly")
            reason = f"unexpected {type(error).__name__}"
            if row.tries + 1 >= UNEXPECTED_BORNE:
                return self._parked(row, reason), SILENT
            return self._again(row, reason, None, uncertain=True), SILENT
        log.info("delivered", tries=row.tries + 1)
        return Done(row=row.row, slot=receipt.slot if receipt else None), receipt or SILENT

    def _again(self, row: Claimed, reason: str, after: float | None, uncertain: bool) -> Settled:
        now = self.desk.clock()
        if now - row.created > GIVE_UP:
            return self._parked(row, f"gave up after {GIVE_UP.days} days: {reason}")
        pause = retry.backoff(row.tries, jitter=self.jitter()) if after is None else after
        log.warning("delivery failed for now", reason=reason, tries=row.tries + 1, pause=pause)
        return Again(
            row=row.row,
            due=now + timedelta(seconds=pause),
            reason=reason,
            uncertain=uncertain or not row.slot.certain,
        )

    def _parked(self, row: Claimed, reason: str) -> Parked:
        log.error("effect parked", reason=reason, tries=row.tries + 1, mend="checkrail dead")
        return Parked(row=row.row, reason=reason)

    async def _settle(self, row: Claimed, settled: Settled, told: Receipt) -> bool:
        """False when the store did not take it: the row stays held, and its lane stands still."""
        try:
            if told.excerpt and isinstance(row.effect, ReadLogs):
                await self.desk.enrich(row.effect, told.excerpt, settled)
            elif told.notice:
                later = _told_where_it_was_asked(row, told.notice)
                await self.desk.answer(row.effect.subject.key, told.notice, settled, later=later)
            else:
                await self.desk.commit(_nothing_more, settled=settled)
        except Exception:
            log.exception("could not settle a delivery")
            return False
        return True


_RESULT: Final[Mapping[type[Settled], DeliveryResult]] = {
    Done: "done",
    Again: "again",
    Parked: "parked",
}


async def _nothing_more() -> Decision:
    return NOTHING


def _told_where_it_was_asked(row: Claimed, notice: str) -> tuple[Effect, ...]:
    """Who asked in a comment is told there, too."""
    effect = row.effect
    if isinstance(effect, Rerun | Cancel | Reconcile | Promote) and effect.reply:
        return (amended(effect.reply, notice, turn=row.key),)
    return ()


def _apology(row: Claimed, settled: Settled) -> str:
    """Who asked is told when it cannot be done."""
    effect = row.effect
    if isinstance(settled, Parked) and isinstance(effect, Rerun | Cancel | Reconcile | Promote):
        wish = type(effect).__name__.lower()
        who, why = markdown.who(effect.login), markdown.text(settled.reason)
        return f"{who}: {wish} failed: {why}. An operator finds it with `checkrail dead list`."
    return ""
