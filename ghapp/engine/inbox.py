"""Works through the deliveries that were accepted: reads each, hands it on, or tries again later.

What people ask for is judged in `requests`. A delivery is done in the same transaction that holds
its effects, so a crash anywhere repeats it under the same keys.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ghapp import log as logs
from ghapp.core import retry
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.model import Repository
from ghapp.core.posted import is_posted
from ghapp.core.webhook import Command, Comment, InstallationChanged, Press, RerunAll, parse
from ghapp.engine.desk import Desk
from ghapp.engine.posted import Postbox
from ghapp.engine.requests import Requests
from ghapp.errors import Reject, Retry
from ghapp.ports import Delivery, GitHub

log = logs.get(__name__)

AT_ONCE: Final = 8
GIVE_UP: Final = timedelta(hours=24)
"""A click that could not be judged for a day is not what anybody wants any more."""
IDLE: Final = 30.0
SOON: Final = 1.0
"""Seconds between looks while a delivery waits for its next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """Turns deliveries into effects or answers."""

    desk: Desk
    github: GitHub
    requests: Requests
    """For what people ask for on GitHub."""
    postbox: Postbox
    """For what others than GitHub posted."""
    jitter: Callable[[], float]

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
        if is_posted(delivery.event):
            await self.postbox.work(delivery)
            return
        command = self._read(delivery)
        match command:
            case Press() | RerunAll():
                await self.requests.click(command, delivery)
            case Comment():
                await self.requests.comment(command, delivery)
            case InstallationChanged():
                self.github.forget(delivery.event, _payload(delivery.body))
                await self.desk.commit(_nothing, delivery=delivery.guid)
            case None:
                await self.desk.commit(_nothing, delivery=delivery.guid)

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
        await self.requests.excuse(self._read(delivery), reason, delivery)


class NoGitHub:
    """Where no App is set: webhooks of an earlier one may wait in the store and concern nobody."""

    app_id = 0

    async def identify(self) -> int:
        """No App has this id."""
        return 0

    def serves(self, repository: Repository) -> bool:
        """None."""
        return False

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repository: Repository | None,
    ) -> Any:
        """Never."""
        raise Reject("no GitHub App is set")

    async def pages(
        self, path: str, *, repository: Repository | None, items: str | None = None
    ) -> AsyncIterator[Any]:
        """None."""
        nothing: tuple[Any, ...] = ()
        for each in nothing:
            yield each

    def forget(self, event: str, payload: Mapping[str, Any]) -> None:
        """Nothing is kept."""


async def _nothing() -> Decision:
    return NOTHING


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}
