"""Sends webhooks as GitHub does: signed, without retry, and with a log to redeliver from.

A delivery waits in a bounded queue until the worker posts it. The knobs make the unpleasant true
things happen on purpose: duplicates, reordering, deliveries that never arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count

import aiohttp

from .errors import Json
from .model import App

log = logging.getLogger(__name__)

TIMEOUT = 10.0
KEPT_SECONDS = 3 * 24 * 3600
QUEUE_LIMIT = 10_000
LOG_LIMIT = 50_000
BODY_LIMIT = 25 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to hand an event to an App; a redelivery is another with the same guid."""

    id: int
    guid: str
    app: App
    event: str
    action: str | None
    payload: Json
    body: bytes
    headers: dict[str, str]
    installation_id: int | None
    repository_id: int | None
    redelivery: bool
    delivered: float
    duration: float = 0.0
    status: str = "pending"
    status_code: int = 0
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""


class Hooks:
    """The queue, the worker and the log of deliveries of all Apps."""

    def __init__(
        self, *, clock: Callable[[], float], guid: Callable[[], str], workers: int = 1
    ) -> None:
        self.log: dict[int, Delivery] = {}
        self.observers: list[Callable[[Delivery], None]] = []
        self.workers = workers
        self._clock = clock
        self._guid = guid
        self._ids = count(1)
        self._waiting: deque[Delivery] = deque()
        self._busy = 0
        self._held = False
        self._drop = 0
        self._duplicate = 0
        self._poke = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    # -- knobs -------------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep deliveries back until `release`."""
        self._held = True

    def release(self, *, reverse: bool = False) -> None:
        """Let the held ones go, newest first if told so: GitHub promises no order."""
        self._held = False
        if reverse:
            self._waiting.reverse()
        self._poke.set()

    def drop(self, times: int = 1) -> None:
        """The next ones never arrive; the log says they failed."""
        self._drop += times

    def duplicate(self, times: int = 1) -> None:
        """The next ones arrive twice, under one guid."""
        self._duplicate += times

    # -- in ----------------------------------------------------------------------------------

    def send(
        self,
        app: App,
        event: str,
        payload: Json,
        *,
        installation_id: int | None = None,
        repository_id: int | None = None,
    ) -> None:
        """Queue one event for one App; an App without an address gets none."""
        if not app.webhook_url:
            return
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        if len(body) > BODY_LIMIT:
            return  # GitHub never sends these
        delivery = Delivery(
            id=next(self._ids),
            guid=self._guid(),
            app=app,
            event=event,
            action=payload.get("action"),
            payload=payload,
            body=body,
            headers={},
            installation_id=installation_id,
            repository_id=repository_id,
            redelivery=False,
            delivered=self._clock(),
        )
        for observe in self.observers:
            observe(delivery)
        self._enqueue(delivery)
        if self._duplicate:
            self._duplicate -= 1
            self._enqueue(replace(delivery, id=next(self._ids)))

    def redeliver(self, delivery_id: int) -> Delivery:
        """The same event again, with the same guid."""
        again = replace(
            self.log[delivery_id],
            id=next(self._ids),
            redelivery=True,
            delivered=self._clock(),
            status="pending",
            status_code=0,
        )
        self._enqueue(again)
        return again

    def _enqueue(self, delivery: Delivery) -> None:
        signed = replace(delivery, headers=_headers(delivery))
        if self._drop or len(self._waiting) >= QUEUE_LIMIT:
            self._drop = max(0, self._drop - 1)
            self._record(replace(signed, status="failed to connect to host", status_code=502))
            return
        self._waiting.append(signed)
        self._idle.clear()
        self._poke.set()

    # -- out ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver while this lasts."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            tasks = [asyncio.create_task(self._work(session)) for _ in range(self.workers)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Until nothing waits and nothing is on its way."""
        await self._idle.wait()

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            while self._held or not self._waiting:
                self._poke.clear()
                await self._poke.wait()
            delivery = self._waiting.popleft()
            self._busy += 1
            try:
                self._record(await self._post(session, delivery))
            finally:
                self._busy -= 1
                if not self._waiting and not self._busy:
                    self._idle.set()

    async def _post(self, session: aiohttp.ClientSession, delivery: Delivery) -> Delivery:
        url, loop = delivery.app.webhook_url or "", asyncio.get_running_loop()
        started = loop.time()
        outcome: Json
        try:
            async with session.post(
                url, data=delivery.body, headers=delivery.headers, allow_redirects=False
            ) as response:
                text = (await response.content.read(65536)).decode(errors="replace")
                outcome = {
                    "status": "OK" if response.status < 300 else _status(response.status),
                    "status_code": response.status,
                    "response_headers": dict(response.headers),
                    "response_body": text,
                }
        except TimeoutError:
            outcome = {"status": "timed out", "status_code": 504}
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.debug("webhook not delivered: %s", error)
            outcome = {"status": "failed to connect to host", "status_code": 502}
        return replace(delivery, duration=round(loop.time() - started, 2), **outcome)

    # -- the log -----------------------------------------------------------------------------

    def _record(self, delivery: Delivery) -> None:
        self.log[delivery.id] = delivery
        if len(self.log) > LOG_LIMIT:
            del self.log[next(iter(self.log))]

    def deliveries(self, app: App) -> list[Delivery]:
        """Those of the last three days, newest first."""
        oldest = self._clock() - KEPT_SECONDS
        kept: Iterable[Delivery] = self.log.values()
        mine = [entry for entry in kept if entry.app is app and entry.delivered >= oldest]
        return sorted(mine, key=lambda entry: entry.id, reverse=True)


def _status(code: int) -> str:
    return f"Invalid HTTP Response: {code}"


def _headers(delivery: Delivery) -> dict[str, str]:
    app = delivery.app
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/0000000",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(app.hook_id),
        "X-GitHub-Hook-Installation-Target-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
    }
    if app.webhook_secret:
        secret = app.webhook_secret.encode()
        for name, algorithm in (("", hashlib.sha1), ("-256", hashlib.sha256)):
            digest = hmac.new(secret, delivery.body, algorithm).hexdigest()
            headers[f"X-Hub-Signature{name}"] = f"{algorithm().name}={digest}"
    return headers
