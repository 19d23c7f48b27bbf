"""Group commit: one thread with one connection does what many callers ask, in few transactions.

A durable commit waits for the disk, and waiting once for a hundred callers costs as much as waiting
once for one. So callers hand in what they want done; the thread takes what is there, does it all in
one transaction, and tells them all together. While it waits for the disk the next group gathers, so
that groups grow by themselves as the load does, and nobody waits for a group to fill.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from ghapp.errors import CheckrailError
from ghapp.store import Unavailable
from ghapp.store._file import advice

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""What to do on the connection, inside the group's transaction; called in the thread."""

GROUP: Final = 256
"""Jobs of one transaction at most: what a caller may have to wait for besides its own."""
WAITING: Final = 2048
"""Jobs that are handed in and not answered, at most; more callers than that wait their turn."""
CLOSE_SECONDS: Final = 30.0
"""How long closing waits for the disk."""

_log: Final = logging.getLogger(__name__)


class Bell:
    """Wakes everybody who began to listen before it rang."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wakes all who listen; those who begin to listen later hear the next one."""
        self._event.set()
        self._event = asyncio.Event()

    def listen(self) -> "Listening":
        """Take it before you look, await it after: what happens in between is heard."""
        return Listening(self._event)


@dataclass(frozen=True, slots=True)
class Listening:
    """An awaitable that need not be awaited, and may be more than once."""

    _event: asyncio.Event

    def __await__(self) -> Generator[Any, Any, None]:
        if not self._event.is_set():
            yield from self._event.wait().__await__()


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    future: asyncio.Future[Any]
    bell: Bell | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    job: _Job
    value: Any = None
    error: Exception | None = None


class Group:
    """The thread. Used from the event loop in which it was made."""

    def __init__(self, connection: sqlite3.Connection, *, name: str, writes: bool) -> None:
        self._connection = connection
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        self._writes = writes
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._room = asyncio.BoundedSemaphore(WAITING)
        self._closed = False
        # A daemon, so that a program which forgets to close can end: all it loses is what nobody
        # was told is done.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, work: Work[T], *, bell: Bell | None = None) -> T:
        """Runs `work` in the next transaction; returns when that is durable, then rings `bell`."""
        return await (await self.submit(work, bell=bell))

    async def submit(self, work: Work[T], *, bell: Bell | None = None) -> asyncio.Future[T]:
        """As `do`, but returns as soon as there is room in the queue."""
        await self._room.acquire()
        if self._closed:
            self._room.release()
            raise Unavailable("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Job(work, future, bell))
        return future

    async def close(self) -> None:
        """Does what was handed in before, then lets go of the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)
        if self._thread.is_alive():
            raise Unavailable(f"the disk did not answer for {CLOSE_SECONDS:.0f} s")

    # --- in the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        while jobs := self._gather():
            self._answer(self._transaction(jobs))
        self._let_go()

    def _gather(self) -> list[_Job]:
        """Waits for a job, and takes along those that came meanwhile; nothing: it is over."""
        jobs: list[_Job] = []
        while len(jobs) < GROUP:
            try:
                job = self._queue.get(block=not jobs)
            except Empty:
                break
            if job is None:
                if jobs:
                    self._queue.put(None)  # once more, after these
                break
            jobs.append(job)
        return jobs

    def _transaction(self, jobs: Sequence[_Job]) -> list[_Outcome]:
        try:
            self._connection.execute(self._begin)
            outcomes = [self._one(job) for job in jobs]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            _log.exception("a transaction failed", extra={"jobs": len(jobs)})
            return [_Outcome(job, error=_unavailable(error)) for job in jobs]
        return outcomes

    def _one(self, job: _Job) -> _Outcome:
        """One job on its own savepoint: when it fails, it fails alone.

        Some errors (a full disk, failing IO) make SQLite roll back everything by itself. Then the
        savepoint is gone, and going back to it raises, which fails the group: nothing of it is
        kept, and nobody in it is told otherwise.
        """
        if self._writes:
            self._connection.execute("SAVEPOINT job")
        try:
            outcome = _Outcome(job, job.work(self._connection))
        except sqlite3.Error as error:
            outcome = _Outcome(job, error=_unavailable(error))
        except Exception as error:  # noqa: BLE001 - it is the caller's: told there, and only there
            outcome = _Outcome(job, error=error)
        if self._writes:
            if outcome.error is not None:
                self._connection.execute("ROLLBACK TO job")
            self._connection.execute("RELEASE job")
        return outcome

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            _log.exception("a transaction could not be rolled back")

    def _answer(self, outcomes: list[_Outcome]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._tell, outcomes)
        except RuntimeError:  # the event loop was closed: there is nobody left to tell
            _log.warning("the event loop ended before the store", extra={"jobs": len(outcomes)})

    def _let_go(self) -> None:
        try:
            if self._writes:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
        except sqlite3.Error:
            _log.exception("the store was closed untidily; nothing is lost")

    # --- in the event loop --------------------------------------------------------------------

    def _tell(self, outcomes: list[_Outcome]) -> None:
        bells: set[Bell] = set()
        for outcome in outcomes:
            self._room.release()
            job = outcome.job
            if outcome.error is None and job.bell is not None:
                bells.add(job.bell)
            if job.future.done():
                continue  # the caller did not wait for the answer
            if outcome.error is None:
                job.future.set_result(outcome.value)
            else:
                job.future.set_exception(outcome.error)
        for bell in bells:
            bell.ring()


def _unavailable(error: sqlite3.Error) -> CheckrailError:
    failure = Unavailable(f"the store's file {advice(error)}")
    failure.__cause__ = error
    return failure
