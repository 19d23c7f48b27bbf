"""SQLite: everything in one file, for one process that delivers.

Writing and reading each have a thread and a connection (`_group.py`), so the event loop never waits
for the disk. Several replicas need a store on a server instead: a file on a network volume has no
working locks, and what is on its way is known to this process only (`_lanes.py`).
"""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Awaitable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot
from ghapp.core.model import Repository
from ghapp.core.seen import Seen
from ghapp.errors import Conflict
from ghapp.ports import Backlog, Claimed, Commit, Dead, Delivery
from ghapp.store import StoreType
from ghapp.store._file import config_errors, open_file, path_of
from ghapp.store._group import Bell, Group
from ghapp.store._lanes import SQL, Lanes, new_row
from ghapp.store._subjects import commit_columns, seen_columns, write_seen
from ghapp.store.codec import (
    Unreadable,
    decode_audited,
    decode_ballot,
    decode_effect,
    decode_seen,
    encode,
    micros,
    moment,
)

PRUNED_AT_ONCE: Final = 500
"""Rows of one table that one transaction forgets, so that nobody waits long behind it."""

_log: Final = logging.getLogger(__name__)


class SqliteStore:
    """`ghapp.ports.Store` in one SQLite file."""

    def __init__(
        self, writer: sqlite3.Connection, reader: sqlite3.Connection, *, now: datetime
    ) -> None:
        self._time = _Time(now)
        self._lanes = Lanes(writer)
        self._born = moment(writer.execute(SQL["born"]).fetchone()[0])
        self._changed, self._arrived = Bell(), Bell()
        self._given_back: list[Claimed] = []
        self._unreadable = 0
        self._writer = Group(writer, name="store-writer", writes=True)
        self._reader = Group(reader, name="store-reader", writes=False)

    @property
    def born(self) -> datetime:
        """When the file was made."""
        return self._born

    @property
    def unreadable(self) -> int:
        """How often a row of a subject was found that this version cannot read."""
        return self._unreadable

    # --- subjects -----------------------------------------------------------------------------

    async def seen(self, key: str) -> Seen | None:
        """The row of the subject with this key."""
        return await self._one("seen_by_key", {"key": key})

    async def latest(self, object_key: str) -> Seen | None:
        """The run of an object that began (or was taken up again) last."""
        return await self._one("seen_latest", {"object_key": object_key})

    async def by_external_id(self, external_id: str) -> Seen | None:
        """The row behind a check."""
        return await self._one("seen_by_external_id", {"external_id": external_id})

    async def on_commit(self, repository: Repository, commit: str) -> Sequence[Seen]:
        """All rows whose check is on this commit, oldest first."""
        return await self._several("seen_on_commit", commit_columns(repository, commit))

    async def unfinished(self, cluster: str, kind: str) -> Sequence[Seen]:
        """Rows of which more may come (`Seen.open`)."""
        return await self._several("seen_open", {"cluster": cluster, "kind": kind})

    async def open_rows(self, after: str, limit: int) -> Sequence[Seen]:
        """Rows of which more may come, by key, from the first one beyond `after`."""
        return await self._several("seen_open_page", {"after": after, "limit": limit})

    async def ballots(self, keys: Sequence[str]) -> Sequence[Ballot]:
        """What was said to each of these; one that cannot be read stops whoever asks."""
        rows = await self._read("ballots", keys=json.dumps(list(keys)))
        return [decode_ballot(value) for _, value in rows]

    async def audit(self, since: datetime, limit: int, *, login: str = "") -> Sequence[Audited]:
        """The newest entries of the audit log, newest first; raises Unreadable."""
        values = {"since": micros(since), "login": login.lower(), "limit": limit}
        return [decode_audited(value) for (value,) in await self._read("audit", **values)]

    async def _one(self, query: str, values: dict[str, Any]) -> Seen | None:
        found = await self._several(query, values)
        return found[0] if found else None

    async def _several(self, query: str, values: dict[str, Any]) -> list[Seen]:
        def read(db: sqlite3.Connection) -> list[Seen]:
            rows = db.execute(SQL[query], values).fetchall()
            return [seen for key, value in rows if (seen := self._decoded(key, value))]

        return await self._reader.do(read)

    def _decoded(self, key: str, value: bytes) -> Seen | None:
        try:
            return decode_seen(value)
        except Unreadable:
            self._unreadable += 1
            _log.warning("a subject's row cannot be read; it counts as new", extra={"key": key})
            return None

    # --- changes ------------------------------------------------------------------------------

    async def commit(self, commit: Commit) -> None:
        """All of it or nothing; raises Conflict."""
        now = self._time.now()
        seen = [seen_columns(one, now) for one in commit.seen]
        ballots = [_ballot_columns(one, now) for one in commit.ballots]
        audit = [_audit_columns(one) for one in commit.audit]
        effects = [new_row(one) for one in commit.effects]

        def write(db: sqlite3.Connection) -> None:
            for columns in seen:
                write_seen(db, columns)
            for columns in ballots:
                _write_ballot(db, columns)
            db.executemany(SQL["audit_insert"], audit)
            if commit.settled is not None:
                self._lanes.settle(db, commit.settled, now)
            for effect in effects:
                self._lanes.add(db, effect, now)
            if commit.delivery is not None:
                db.execute(SQL["delivery_done"], {"guid": commit.delivery, "now": now})

        await self._writer.do(write, bell=self._changed if effects or commit.settled else None)

    # --- deliveries ---------------------------------------------------------------------------

    async def accept(self, delivery: Delivery) -> bool:
        """Keep a webhook; False when its guid is known."""
        columns = {
            "guid": delivery.guid,
            "event": delivery.event,
            "received": micros(delivery.received),
            "tries": delivery.tries,
            "body": delivery.body,
            "source": delivery.source,
        }

        def write(db: sqlite3.Connection) -> bool:
            return db.execute(SQL["delivery_insert"], columns).rowcount == 1

        return await self._writer.do(write, bell=self._arrived)

    async def known(self, guids: Sequence[str]) -> frozenset[str]:
        """Which of these deliveries were accepted."""
        rows = await self._read("deliveries_known", guids=json.dumps(list(guids)))
        return frozenset(guid for (guid,) in rows)

    async def deliveries(self, now: datetime, limit: int) -> Sequence[Delivery]:
        """Accepted and not yet done, due, oldest first."""
        self._time.tell(now)
        rows = await self._read("deliveries_due", now=micros(now), limit=limit)
        return [
            Delivery(
                guid=guid,
                event=event,
                body=body,
                received=moment(received),
                tries=tries,
                source=source,
            )
            for guid, event, body, received, tries, source in rows
        ]

    async def postpone(self, guid: str, *, due: datetime, reason: str) -> None:
        """Try this delivery again later."""
        values = {"guid": guid, "due": micros(due), "reason": reason}
        await self._writer.do(lambda db: db.execute(SQL["delivery_postpone"], values).rowcount)

    # --- the outbox ---------------------------------------------------------------------------

    async def claim(self, sink: str, now: datetime, limit: int) -> Sequence[Claimed]:
        """Heads of due lanes that nobody holds; held until settled or until the process ends."""
        self._time.tell(now)
        due = micros(now)
        given_back, self._given_back = self._given_back, []

        def work(db: sqlite3.Connection) -> list[Claimed]:
            self._lanes.release(db, given_back)
            return self._lanes.claim(db, sink, due, limit)

        claiming = None
        try:
            claiming = await self._writer.submit(work)
            return await asyncio.shield(claiming)
        except BaseException:
            # The thread may have taken the rows although the caller is gone. Nobody will ever
            # settle what nobody was given, and its lanes would stand still until the next restart:
            # the next claim, whoever's it is, gives them back first.
            if claiming is None:
                self._given_back += given_back
            else:
                claiming.add_done_callback(partial(self._give_back, given_back))
            raise

    def _give_back(self, earlier: list[Claimed], claiming: asyncio.Future[list[Claimed]]) -> None:
        self._given_back += earlier if claiming.exception() else claiming.result()
        self._changed.ring()

    async def next_due(self, sink: str) -> datetime | None:
        """When the next lane of the sink that nobody holds is due; None: nothing waits."""
        return await self._writer.do(lambda db: self._lanes.next_due(db, sink))

    async def backlog(self) -> Backlog:
        """How much waits; the oldest due time is that of the lanes' heads."""

        def read(db: sqlite3.Connection) -> Backlog:
            oldest = db.execute(SQL["backlog_oldest"]).fetchone()[0]
            return Backlog(
                pending=dict(db.execute(SQL["backlog_pending"]).fetchall()),
                parked=dict(db.execute(SQL["backlog_parked"]).fetchall()),
                deliveries=db.execute(SQL["backlog_deliveries"]).fetchone()[0],
                oldest=None if oldest is None else moment(oldest),
            )

        return await self._reader.do(read)

    async def dead(self, row: int | None = None) -> Sequence[Dead]:
        """Parked effects, oldest first."""
        return [_dead(columns) for columns in await self._read("dead", row=row)]

    async def revive(self, row: int, now: datetime) -> bool:
        """Give a parked effect another chance; False when there is no such row."""
        self._time.tell(now)
        due = micros(now)
        return await self._writer.do(
            lambda db: self._lanes.revive(db, row, due), bell=self._changed
        )

    async def drop(self, row: int) -> bool:
        """Forget a parked effect; False when there is no such row."""
        return await self._writer.do(lambda db: self._lanes.drop(db, row))

    async def park_orphans(self, sinks: Collection[str], *, reason: str, now: datetime) -> int:
        """Give up what waits for any other sink than these; how many rows that were."""
        self._time.tell(now)
        values = {"sinks": json.dumps(sorted(sinks)), "reason": reason, "now": micros(now)}
        return await self._writer.do(
            lambda db: db.execute(SQL["effects_orphaned"], values).rowcount, bell=self._changed
        )

    async def hurry(self, sinks: Collection[str], *, because: str, now: datetime) -> int:
        """What these sinks shall have later, for a reason that begins so, is due now."""
        self._time.tell(now)
        values = {"sinks": json.dumps(sorted(sinks)), "because": because, "now": micros(now)}
        return await self._writer.do(
            lambda db: db.execute(SQL["effects_hurried"], values).rowcount, bell=self._changed
        )

    # --- the file -----------------------------------------------------------------------------

    async def prune(self, before: datetime, *, audit: datetime) -> int:
        """Forget what was done before then, in as many small transactions as it takes."""
        values = {"before": micros(before), "limit": PRUNED_AT_ONCE}
        tables = (
            "prune_effects",
            "prune_parked",
            "prune_deliveries",
            "prune_seen",
            "prune_ballots",
        )
        forgotten = [await self._prune(table, values) for table in tables]
        forgotten.append(await self._prune("prune_audit", {**values, "before": micros(audit)}))
        await self._prune("prune_slots", values)  # after what they belong to
        return sum(forgotten)

    async def _prune(self, query: str, values: dict[str, int]) -> int:
        def write(db: sqlite3.Connection) -> int:
            return db.execute(SQL[query], values).rowcount

        forgotten = some = await self._writer.do(write)
        while some == PRUNED_AT_ONCE:
            some = await self._writer.do(write)
            forgotten += some
        return forgotten

    def changed(self) -> Awaitable[None]:
        """Resolves once effects were committed or settled after the call.

        Take it before you look, and await it when there was nothing to do: what is committed in
        between is then not missed. It need not be awaited.
        """
        return self._changed.listen()

    def arrived(self) -> Awaitable[None]:
        """Resolves once a delivery was accepted after the call; use it as `changed`."""
        return self._arrived.listen()

    async def close(self) -> None:
        """Finish what was begun and let go of the file; what is asked later is Unavailable."""
        await self._reader.close()
        await self._writer.close()

    async def _read(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        def read(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return db.execute(SQL[query], values).fetchall()

        return await self._reader.do(read)


class _Time:
    """What time it is, as far as the store was told.

    Most methods are given no time, and need one only to stamp rows with: for `prune`, and for
    people to read. So the last moment we were told counts on by the monotonic clock. A simulation
    that lives a year in a minute gets stamps of its own year that way, and a store that slept
    through a quiet night does not believe that it is still evening.
    """

    def __init__(self, now: datetime) -> None:
        self._told, self._at = now, time.monotonic()

    def tell(self, now: datetime) -> None:
        """It is at least `now`."""
        if now > self._present():
            self._told, self._at = now, time.monotonic()

    def now(self) -> int:
        """In microseconds."""
        return micros(self._present())

    def _present(self) -> datetime:
        return self._told + timedelta(seconds=time.monotonic() - self._at)


def _ballot_columns(ballot: Ballot, now: int) -> dict[str, Any]:
    return {
        "key": ballot.key,
        "lasting": ballot.lasting,
        "version": ballot.version,
        "now": now,
        "value": encode(ballot),
    }


def _audit_columns(audited: Audited) -> dict[str, Any]:
    return {
        "at": micros(audited.at),
        "login": audited.login.lower(),
        "value": encode(audited),
    }


def _write_ballot(db: sqlite3.Connection, columns: dict[str, Any]) -> None:
    if db.execute(SQL["ballot_write"], columns).rowcount != 1:
        raise Conflict(f"{columns['key']}: somebody else voted in between")


def _dead(columns: tuple[Any, ...]) -> Dead:
    row, sink, key, value, reason, tries, created, settled = columns
    try:
        effect = decode_effect(value)
    except Unreadable:
        effect = None
    return Dead(
        row=row,
        sink=sink,
        key=key,
        effect=effect,
        reason=reason,
        tries=tries,
        created=moment(created),
        parked=moment(settled),
    )


async def open_sqlite(url: str, now: datetime, *, make: bool) -> SqliteStore:
    """Opens the file that `url` names, or makes it if it may; raises ConfigError."""
    path = path_of(url)
    writer, reader = await asyncio.to_thread(open_file, path, make=make)
    with config_errors(path):
        writer.execute(SQL["make_born"], {"now": micros(now)})
        return SqliteStore(writer, reader, now=now)


STORE: Final = StoreType(scheme="sqlite", open=open_sqlite)
