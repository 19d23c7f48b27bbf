"""Works through the deliveries that were accepted: reads each, hands it on, or tries again later.

What people ask for is judged in `requests`. A delivery is done in the same transaction that holds
its effects, so a crash anywhere repeats it under the same keys.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ghapp import log as logs
from ghapp.core import retry
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.effects import Effect
from ghapp.core.lifted import Lifted, lifted, told_late
from ghapp.core.posted import is_posted
from ghapp.core.webhook import (
    Command,
    Comment,
    Completed,
    GroupEnded,
    InstallationChanged,
    Press,
    PullOpened,
    RerunAll,
    parse,
)
from ghapp.engine.desk import Desk
from ghapp.engine.healing import Healing
from ghapp.engine.posted import Postbox
from ghapp.engine.pulls import Pulls
from ghapp.engine.requests import Requests
from ghapp.errors import Reject, Retry
from ghapp.github.apps import Apps
from ghapp.github.installations import because_suspended
from ghapp.ports import Delivery, GitHub

log = logs.get(__name__)

AT_ONCE: Final = 8
GIVE_UP: Final = timedelta(hours=24)
"""A click that could not be judged for a day is not what anybody wants any more."""
QUEUE_PAUSES: Final = tuple(2.0**look for look in range(10))
"""Seconds between looks at a commit that the merge queue gave up: 17 minutes in all."""
IDLE: Final = 30.0
SOON: Final = 1.0
"""Seconds between looks while a delivery waits for its next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """Turns deliveries into effects or answers."""

    desk: Desk
    apps: Apps
    """Whose webhooks these are."""
    requests: Requests
    """For what people ask for on GitHub, by way of the environment's App."""
    healing: Healing
    """For what became of our checks there."""
    pulls: Pulls
    """For what is shown below pull requests."""
    postbox: Postbox
    """For what others than GitHub posted."""
    jitter: Callable[[], float]
    queue_pauses: Sequence[float] = QUEUE_PAUSES

    async def run(self) -> None:
        """Works until cancelled."""
        store = self.desk.store
        while True:
            arrived = asyncio.ensure_future(store.arrived())
            try:
                if pause := await self._pass():
                    await asyncio.wait({arrived}, timeout=pause)
            finally:
                arrived.cancel()

    async def _pass(self) -> float:
        """Works on what is due; seconds until something else may be."""
        try:
            if await self.step(self.desk.clock()):
                return 0.0
            return SOON if (await self.desk.store.backlog()).deliveries else IDLE
        except Exception:
            log.exception("cannot see which deliveries are due")
            return SOON

    async def step(self, now: datetime) -> int:
        """Works on what is due, once; how many deliveries that were."""
        due = await self.desk.store.deliveries(now, AT_ONCE)
        await asyncio.gather(*(self._settle(delivery) for delivery in due))
        return len(due)

    async def _settle(self, delivery: Delivery) -> None:
        with logs.bind(delivery=delivery.guid):
            try:
                await self._work(delivery)
            except Retry as error:
                await self._postpone(delivery, error)
            except Reject as error:
                await self._give_up(delivery, error.reason)
            except TimeoutError:
                await self._postpone(delivery, Retry("the facts did not come in time"))
            except Exception as error:
                log.exception("a delivery failed unexpectedly", webhook=delivery.event)
                await self._postpone(delivery, Retry(f"unexpected {type(error).__name__}"))

    async def _work(self, delivery: Delivery) -> None:
        if is_posted(delivery.event) and not delivery.source:  # no App speaks for a cluster
            await self.postbox.work(delivery)
            return
        command, requests = self._read(delivery), self._requests(delivery)
        asked = isinstance(command, Press | RerunAll | Comment)
        if asked and self.desk.clock() - delivery.received > GIVE_UP:
            raise Reject("it was asked for more than a day ago, and came only now")
        match command:
            case Press() | RerunAll():
                await requests.click(command, delivery)
            case Comment():
                await requests.comment(command, delivery)
            case GroupEnded():
                await self._group_ended(command, delivery)
            case Completed():
                await self.healing.completed(command, delivery, requests.github)
            case PullOpened():
                await self.pulls.opened(command, delivery, requests.github)
            case InstallationChanged():
                payload = _payload(delivery.body)
                requests.github.forget(delivery.event, payload)
                await self._take_up(lifted(delivery.event, payload), requests.github)
                await self.desk.commit(_nothing, delivery=delivery.guid)
            case None:
                await self.desk.commit(_nothing, delivery=delivery.guid)

    async def _group_ended(self, command: GroupEnded, delivery: Delivery) -> None:
        """Judges it again for a while: a run that its trigger made late begins on a dead commit."""
        pauses = self.queue_pauses[delivery.tries :]
        await self._requests(delivery).group_ended(command, delivery, last=not pauses)
        if pauses:
            due = self.desk.clock() + timedelta(seconds=pauses[0])
            reason = "runs may begin on the commit that the merge queue gave up"
            await self.desk.store.postpone(delivery.guid, due=due, reason=reason)

    async def _take_up(self, now_possible: Lifted, github: GitHub) -> None:
        """What was given up, and may get through now, is tried again; why it was given up does not
        matter: at worst it is given up once more. What waits out a suspension waits no longer."""
        if not now_possible.anywhere:
            return
        store, now = self.desk.store, self.desk.clock()
        for account in now_possible.accounts:
            await store.hurry(list(self.desk.sinks), because=because_suspended(account), now=now)
        rows = [
            dead.row
            for dead in await store.dead()
            if dead.sink in self.desk.sinks and _may_be_told(dead.effect, now_possible, github)
        ]
        for row in rows:
            await store.revive(row, now)
        if rows:
            log.info("what GitHub refused is tried again", effects=len(rows))

    def _requests(self, delivery: Delivery) -> Requests:
        """As the App that the webhook was sent to."""
        return replace(self.requests, github=self.apps.of(delivery.source))

    def _read(self, delivery: Delivery) -> Command | None:
        try:
            return parse(delivery.event, delivery.body)
        except ValueError as error:
            log.warning("a delivery of an unknown shape", reason=str(error))
            return None

    async def _postpone(self, delivery: Delivery, error: Retry) -> None:
        now = self.desk.clock()
        if now - delivery.received > GIVE_UP:
            await self._give_up(delivery, error.reason)
            return
        tries = delivery.tries + 1
        pause = retry.backoff(tries, self.jitter()) if error.after is None else error.after
        log.warning("a delivery has to wait", reason=error.reason, tries=tries, pause=pause)
        due = now + timedelta(seconds=pause)
        await self.desk.store.postpone(delivery.guid, due=due, reason=error.reason)

    async def _give_up(self, delivery: Delivery, reason: str) -> None:
        """What cannot be judged is not done, and whoever asked is told so."""
        log.error("gave up on a delivery", reason=reason, webhook=delivery.event)
        await self._requests(delivery).excuse(self._read(delivery), reason, delivery)


def _may_be_told(effect: Effect | None, now_possible: Lifted, github: GitHub) -> bool:
    """An account of the same name on another host is another account."""
    where = told_late(effect)
    return where is not None and now_possible.covers(where) and github.serves(where)


async def _nothing() -> Decision:
    return NOTHING


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}
