"""A watch: what is there, then every change as a line, and bookmarks, until its time is up."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from ghapp.demo.kube import forms, reads, status
from ghapp.demo.kube.faults import Faults
from ghapp.demo.kube.forms import Form
from ghapp.demo.kube.objects import Entry, Event, Lagging, Log, Object, Store, encode
from ghapp.demo.kube.reads import Selection
from ghapp.demo.kube.resources import Resource

LONGEST = 1800.0
"""Seconds that a watch lives when it names no timeout; a real server's shortest."""

NAP = 5.0
"""Seconds after which a quiet watch looks whether its client is still there."""


class Subscription:
    """An in-process watch: what is there as ADDED, then every change. Lives until it is dropped."""

    def __init__(self, store: Store, resource: Resource, chosen: Selection) -> None:
        collection = store.collection(resource.key)
        self._chosen = chosen
        self._log = collection.log
        self._next = self._log.end
        self._ready = [
            ("ADDED", entry)
            for entry in collection.select(chosen.namespace)
            if chosen.matches(entry)
        ]
        self._ready.reverse()

    def __aiter__(self) -> AsyncIterator[tuple[str, Object]]:
        return self

    async def __anext__(self) -> tuple[str, Object]:
        while not self._ready:
            if self._log.ended and self._log.end == self._next:
                raise StopAsyncIteration
            await self._log.changed(self._next, within=NAP)
            events = self._log.since(self._next)
            self._next += len(events)
            self._ready = list(told(events, self._chosen))[::-1]
        type_, entry = self._ready.pop()
        return type_, entry.copy()


def told(events: list[Event], chosen: Selection) -> Iterator[tuple[str, Entry]]:
    for event in events:
        heard = chosen.told(event)
        if heard is not None:
            yield heard


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the query of a watch says about time."""

    version: int
    timeout: float
    bookmarks: bool
    initial: bool
    """Send what is there first, and a bookmark when that is done."""

    @classmethod
    def by(cls, query: Mapping[str, str]) -> "Asked":
        bookmarks = flag(query, "allowWatchBookmarks")
        initial = flag(query, "sendInitialEvents")
        if initial and not (bookmarks and query.get("resourceVersionMatch") == "NotOlderThan"):
            message = (
                "ListOptions.meta.k8s.io is invalid: resourceVersionMatch: Forbidden: "
                "sendInitialEvents needs resourceVersionMatch=NotOlderThan and allowWatchBookmarks"
            )
            raise status.StatusError(422, "Invalid", message)
        return cls(
            version=reads.number(query, "resourceVersion"),
            timeout=float(reads.number(query, "timeoutSeconds")) or LONGEST,
            bookmarks=bookmarks,
            initial=initial,
        )


def flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name) in ("1", "true", "True")


class Watch:
    """The lines of one watch, without the connection that they go to."""

    def __init__(
        self, store: Store, resource: Resource, chosen: Selection, asked: Asked, form: Form
    ) -> None:
        self._store = store
        self._resource = resource
        self._chosen = chosen
        self._asked = asked
        self._form = form
        self._log: Log = store.collection(resource.key).log
        self._next = 0

    @property
    def ended(self) -> bool:
        """Nothing is left to tell, and nothing will come."""
        return self._log.ended and self._log.end == self._next

    def first(self) -> bytes:
        """The lines with which it opens. Raises Lagging when history does not reach back so far."""
        if self._asked.version and not self._asked.initial:
            self._next = self._log.position(self._asked.version)
            return b""
        self._next = self._log.end
        entries = self._store.collection(self._resource.key).select(self._chosen.namespace)
        lines = [self._line("ADDED", entry) for entry in entries if self._chosen.matches(entry)]
        return b"".join([*lines, *self._end_of_initial()])

    def _end_of_initial(self) -> list[bytes]:
        marks = {"annotations": {"k8s.io/initial-events-end": "true"}}
        return [self.bookmark(marks)] if self._asked.initial else []

    def more(self) -> bytes:
        """The lines since the last look. Raises Lagging when it was too long ago."""
        events = self._log.since(self._next)
        self._next += len(events)
        return b"".join(
            self._line(type_, entry)
            for type_, entry in told(events, self._chosen)
            if entry.version > self._asked.version
        )

    async def changed(self, *, within: float) -> None:
        await self._log.changed(self._next, within=within)

    async def woken(self, *, within: float) -> None:
        """Like `changed`, whatever is waiting to be read."""
        await self._log.changed(self._log.end, within=within)

    def _line(self, type_: str, entry: Entry) -> bytes:
        return forms.line(self._form, self._resource, type_, entry)

    def bookmark(self, marks: Object | None = None) -> bytes:
        """Nothing older than this version is still to come."""
        metadata = {"resourceVersion": str(self._store.version), **(marks or {})}
        told_object = {
            "apiVersion": self._resource.api_version,
            "kind": self._resource.kind,
            "metadata": metadata,
        }
        return b'{"type":"BOOKMARK","object":%b}\n' % encode(told_object)

    def expired(self) -> bytes:
        """The last line of a watch that cannot be served: 410, inside the stream."""
        why = f"too old resource version: {self._asked.version} ({self._log.floor})"
        return b'{"type":"ERROR","object":%b}\n' % encode(status.expired(why).document())


async def lines(
    watch: Watch, *, timeout: float, bookmark_every: float | None, faults: Faults
) -> AsyncGenerator[bytes, None]:
    """What a connection has to be sent; empty when there is only time to look whether it stands."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    due = loop.time() + bookmark_every if bookmark_every else end
    closings = faults.closings
    try:
        yield watch.first()
        while not watch.ended and faults.closings == closings and loop.time() < end:
            nap = max(0.0, min(end, due, loop.time() + NAP) - loop.time())
            if faults.silent_watches:
                await watch.woken(within=min(nap, NAP) or NAP)
                yield b""
                continue
            text = watch.more()
            if bookmark_every and loop.time() >= due:
                due = loop.time() + bookmark_every
                text += watch.bookmark()  # nothing may come between the events and this promise
            yield text
            if not watch.ended:
                await watch.changed(within=nap)
    except Lagging:
        yield watch.expired()
