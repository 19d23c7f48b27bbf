"""A process that dies at a chosen moment: before its n-th side effect, whichever that is.

A side effect is a transaction of the store or a writing request to a far side. Once the bomb has
gone off nothing has an effect any more, as after a SIGKILL: the store refuses, and the far sides
hang up, until the process is started again. Between an effect and its settlement lies a moment
before a side effect too (the settling transaction), so all interesting moments are covered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot
from ghapp.core.model import Repository
from ghapp.core.seen import Seen
from ghapp.ports import Backlog, Claimed, Commit, Dead, Delivery, Store


class Crash(BaseException):
    """The process is dead; no handler of errors may survive it."""


@dataclass
class Bomb:
    """Goes off before side effect number `at` (from 1); 0: never."""

    at: int = 0
    ticks: int = 0
    exploded: asyncio.Event = field(default_factory=asyncio.Event)
    what: list[str] = field(default_factory=list)

    def tick(self, what: str) -> None:
        """A side effect is about to happen."""
        if self.exploded.is_set():
            raise Crash(what)
        self.ticks += 1
        self.what.append(what)
        if self.ticks == self.at:
            self.exploded.set()
            raise Crash(what)

    def rearm(self) -> None:
        """The process was started again, and lives from now on."""
        self.at, self.exploded = 0, asyncio.Event()

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Before a far side does what it is asked to; it hangs up where we are dead."""
        ours = request.headers.get("User-Agent", "").startswith("checkrail")
        if ours and request.method not in {"GET", "HEAD"}:
            try:
                self.tick(f"{request.method} {request.path}")
            except Crash:
                return _cut(request)
        return await handler(request)


@web.middleware
async def hang_up(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A web request to the process dies with it."""
    try:
        return await handler(request)
    except Crash:
        return _cut(request)


def _cut(request: web.Request) -> web.Response:
    """Whoever asked hears nothing: the connection is gone."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


@dataclass
class Brittle:
    """A store that does nothing more once the process is dead."""

    inner: Store
    bomb: Bomb

    @property
    def born(self) -> datetime:
        return self.inner.born

    async def commit(self, commit: Commit) -> None:
        self.bomb.tick("commit")
        await self.inner.commit(commit)

    async def accept(self, delivery: Delivery) -> bool:
        self.bomb.tick("accept")
        return await self.inner.accept(delivery)

    async def postpone(self, guid: str, *, due: datetime, reason: str) -> None:
        self.bomb.tick("postpone")
        await self.inner.postpone(guid, due=due, reason=reason)

    async def park_orphans(self, sinks: Collection[str], *, reason: str, now: datetime) -> int:
        return await self.inner.park_orphans(sinks, reason=reason, now=now)

    async def hurry(self, sinks: Collection[str], *, because: str, now: datetime) -> int:
        return await self.inner.hurry(sinks, because=because, now=now)

    async def prune(self, before: datetime, *, audit: datetime) -> int:
        return await self.inner.prune(before, audit=audit)

    async def seen(self, key: str) -> Seen | None:
        return await self.inner.seen(key)

    async def latest(self, object_key: str) -> Seen | None:
        return await self.inner.latest(object_key)

    async def by_external_id(self, external_id: str) -> Seen | None:
        return await self.inner.by_external_id(external_id)

    async def on_commit(self, repository: Repository, commit: str) -> Sequence[Seen]:
        return await self.inner.on_commit(repository, commit)

    async def unfinished(self, cluster: str, kind: str) -> Sequence[Seen]:
        return await self.inner.unfinished(cluster, kind)

    async def open_rows(self, after: str, limit: int) -> Sequence[Seen]:
        return await self.inner.open_rows(after, limit)

    async def audit(self, since: datetime, limit: int, *, login: str = "") -> Sequence[Audited]:
        return await self.inner.audit(since, limit, login=login)

    async def ballots(self, keys: Sequence[str]) -> Sequence[Ballot]:
        return await self.inner.ballots(keys)

    async def known(self, guids: Sequence[str]) -> frozenset[str]:
        return await self.inner.known(guids)

    async def deliveries(self, now: datetime, limit: int) -> Sequence[Delivery]:
        return await self.inner.deliveries(now, limit)

    async def claim(self, sink: str, now: datetime, limit: int) -> Sequence[Claimed]:
        return await self.inner.claim(sink, now, limit)

    async def next_due(self, sink: str) -> datetime | None:
        return await self.inner.next_due(sink)

    async def backlog(self) -> Backlog:
        return await self.inner.backlog()

    async def dead(self, row: int | None = None) -> Sequence[Dead]:
        return await self.inner.dead(row)

    async def revive(self, row: int, now: datetime) -> bool:
        return await self.inner.revive(row, now)

    async def drop(self, row: int) -> bool:
        return await self.inner.drop(row)

    def changed(self) -> Any:
        return self.inner.changed()

    def arrived(self) -> Any:
        return self.inner.arrived()

    async def close(self) -> None:
        await self.inner.close()
