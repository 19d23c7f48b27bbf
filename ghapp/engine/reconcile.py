"""From what the watches say to what is committed: the newest look per object, one worker on each.

Fifty changes of a busy run are one look: a change only marks its object, a worker takes the object
as it is then. Children (TaskRuns) are followed once their parents are listed, so that parts of runs
that are long told are never kept; a run whose parts are not listed yet waits for them, unless there
is nothing to tell of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from ghapp import log as logs
from ghapp.core.decide import NOTHING, Decision, decide, vanished
from ghapp.core.model import Observation
from ghapp.core.seen import Seen
from ghapp.core.source import Adapter, Child, Context, Resource
from ghapp.engine.cache import Cache, Entry
from ghapp.engine.desk import Desk
from ghapp.engine.kube_events import Changed, Event, Gone, Listed, Malformed, Missing
from ghapp.engine.kube_follow import Api, Pace, follow
from ghapp.engine.marks import Queue
from ghapp.metrics import Metrics, WatchType

log = logs.get(__name__)

WORKERS: Final = 16
"""Looks at the same time; the store groups their commits."""
_WATCHED: Final[Mapping[type[Event], WatchType]] = {
    Changed: "changed",
    Gone: "gone",
    Listed: "listed",
    Malformed: "malformed",
    Missing: "missing",
}
RETRY_AFTER: Final = 5.0
"""Seconds until an object is looked at again whose look failed for a reason of ours."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """One cluster: each resource is followed once, for all sources that read it."""

    sources: tuple["Source", ...]
    namespaces: tuple[str, ...]
    """To watch; ("",) means all of them."""
    api: Api
    metrics: Metrics
    pace: Pace

    async def run(self) -> None:
        """Follows and looks until cancelled."""
        feeds = self._feeds()
        for source in self.sources:
            source.expect(self.namespaces)
        async with asyncio.TaskGroup() as group:
            for resource, readers in feeds.items():
                for namespace in self.namespaces:
                    group.create_task(self._feed(resource, readers, namespace))
            for source in self.sources:
                for _ in range(WORKERS):
                    group.create_task(source.work())

    def _feeds(self) -> dict[Resource, list["Reader"]]:
        feeds: dict[Resource, list[Reader]] = {}
        for source in self.sources:
            for reader in source.readers():
                feeds.setdefault(reader.resource, []).append(reader)
        return feeds

    async def _feed(self, resource: Resource, readers: list["Reader"], namespace: str) -> None:
        for reader in readers:
            await reader.ready()
        reads = tuple(dict.fromkeys(reader.reads for reader in readers))
        events = follow(self.api, resource, namespace, reads, pace=self.pace)
        async with aclosing(events):
            async for event in events:
                self._note(event, resource)
                for reader in readers:
                    await reader.heed(event, namespace)

    def _note(self, event: Event, resource: Resource) -> None:
        self.metrics.watch_event(resource.id, _WATCHED[type(event)])
        if isinstance(event, Missing):
            log.info("not installed, waiting for it", resource=resource.id)
        if isinstance(event, Malformed):
            self.metrics.malformed(resource.id)
            log.warning(
                "an object that cannot be read",
                resource=resource.id,
                namespace=event.head.namespace,
                object=event.head.name,
                reason=event.error,
            )


@dataclass(frozen=True, slots=True)
class Reader:
    """Who wants to hear of a resource: a source of its objects, or of what they are parts of."""

    source: "Source"
    child: Child[Any] | None = None

    @property
    def resource(self) -> Resource:
        """What it wants to hear of."""
        return self.child.resource if self.child else self.source.adapter.resource

    @property
    def reads(self) -> type:
        """The fields it reads."""
        return self.child.reads if self.child else self.source.adapter.reads

    async def ready(self) -> None:
        """Parts are listed after what they are parts of."""
        if self.child:
            await self.source.listed.wait()

    async def heed(self, event: Event, namespace: str) -> None:
        """Passes an event on."""
        if self.child:
            await self.source.heed_child(event, self.child, namespace)
        else:
            await self.source.heed(event, namespace)


@dataclass(slots=True, kw_only=True)
class Source:
    """One adapter at work in one cluster."""

    adapter: Adapter[Any]
    cluster: str
    desk: Desk
    metrics: Metrics
    cache: Cache = field(default_factory=Cache)
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    """All of its objects were listed once."""
    queue: Queue = field(default_factory=Queue)
    _unlisted: set[tuple[str, str]] = field(default_factory=set)
    """(resource, namespace) whose first list is not complete."""
    _waiting: set[str] = field(default_factory=set)
    """Objects whose look needs children that are not listed yet."""

    def readers(self) -> list[Reader]:
        """For its objects and for their parts."""
        return [Reader(self), *(Reader(self, child) for child in self.adapter.children)]

    def expect(self, namespaces: Sequence[str]) -> None:
        """Which first lists have to be complete before everything is known."""
        self._unlisted = {
            (reader.resource.id, namespace) for reader in self.readers() for namespace in namespaces
        }

    # -- what the watches say -----------------------------------------------------------------

    async def heed(self, event: Event, namespace: str) -> None:
        """Something became of one of its objects, or all of them were listed."""
        match event:
            case Changed() | Gone():
                head, value = event.head, event.objects[self.adapter.reads]
                gone = isinstance(event, Gone)
                if self.cache.put(head.uid, head.namespace, head.name, value, gone=gone):
                    await self.queue.put(head.uid)
            case Listed(keys=keys):
                await self._bury(keys, namespace)
                await self._complete(self.adapter.resource, namespace)
            case Missing():
                await self._complete(self.adapter.resource, namespace)
            case Malformed():
                return  # noted by the feed; its last readable state stands

    async def heed_child(self, event: Event, child: Child[Any], namespace: str) -> None:
        """Something became of a part of one of its objects."""
        if isinstance(event, Listed | Missing):
            await self._complete(child.resource, namespace)
        elif isinstance(event, Changed):
            await self._part_changed(event, child)
        elif isinstance(event, Gone):
            await self._mark(self.cache.drop_child(event.head.uid))

    async def _part_changed(self, event: Changed, child: Child[Any]) -> None:
        value = event.objects[child.reads]
        parent = child.parent(value)
        if parent is not None and self.cache.put_child(event.head.uid, parent, value):
            await self._mark(parent)

    async def _mark(self, uid: str | None) -> None:
        if uid is not None and uid in self.cache.entries:
            await self.queue.put(uid)

    async def _complete(self, resource: Resource, namespace: str) -> None:
        self._unlisted.discard((resource.id, namespace))
        if all(unlisted != self.adapter.resource.id for unlisted, _ in self._unlisted):
            self.listed.set()
        if not self._unlisted:
            waiting, self._waiting = self._waiting, set()
            for uid in waiting:
                await self.queue.put(uid)

    async def _bury(self, keys: frozenset[str], namespace: str) -> None:
        """What a complete list does not have is gone, though nobody saw it go."""
        for uid in self.cache.absent(keys, namespace):
            self.cache.forget(uid)
        resource = self.adapter.resource
        for seen in await self.desk.store.unfinished(self.cluster, resource.kind):
            subject = seen.look.subject
            if subject.uid in keys or namespace not in ("", subject.namespace):
                continue
            if seen.look.resource == resource.id:
                await self._vanish(seen)

    async def _vanish(self, seen: Seen) -> None:
        async def owed() -> Decision:
            before = await self.desk.store.seen(seen.look.subject.key)
            if before is None or not before.open:
                return NOTHING
            return vanished(before, at=self.desk.clock(), rules=self.desk.rules)

        await self.desk.commit(owed)
        log.info("closed what had vanished", subject=seen.look.subject.key)

    # -- looking ------------------------------------------------------------------------------

    async def work(self) -> None:
        """Looks at what is marked, until cancelled."""
        while True:
            uid = await self.queue.get()
            again: float | None = None
            try:
                await self.look(uid)
            except Exception:
                log.exception("a look failed", uid=uid)
                self.metrics.look(self.adapter.resource.kind, "failed")
                again = RETRY_AFTER
            finally:
                self.queue.done(uid)
            if again is not None:
                loop = asyncio.get_running_loop()
                loop.call_later(again, self.queue.put_nowait, uid)

    async def look(self, uid: str) -> None:
        """Observes an object as it is now, decides, commits."""
        entry = self.cache.entries.get(uid)
        if entry is None:
            return
        gone = entry.gone
        look = self._observe(uid, entry)
        if look is None:
            self.metrics.look(self.adapter.resource.kind, "skipped")
            self.metrics.skipped("not_a_run")
            if gone:
                self.cache.forget(uid)
            return
        with logs.bind(subject=look.subject.key):
            if not await self._told(uid, entry, look):
                return
        if gone:
            self.cache.forget(uid)
        elif entry.seen is not None and not entry.seen.open:
            self.cache.settle(uid)

    def _observe(self, uid: str, entry: Entry) -> Observation | None:
        context = Context(
            cluster=self.cluster, children=self.cache.children_of(uid), deleted=entry.gone
        )
        return self.adapter.observe(entry.object, context)

    async def _told(self, uid: str, entry: Entry, look: Observation) -> bool:
        """Commits what the look changes; False: it has to wait for the children's list."""
        early = bool(self._unlisted)
        held = False

        async def owed() -> Decision:
            nonlocal held
            decision = await self._owed(entry, look)
            held = early and bool(decision.effects)
            return NOTHING if held else decision

        decision = await self.desk.commit(owed)
        if held:
            self._waiting.add(uid)
            if not self._unlisted:  # completed while we were deciding
                await self._mark(uid)
            return False
        mine = [seen for seen in decision.seen if seen.look.subject == look.subject]
        entry.seen = mine[-1] if mine else entry.seen
        self.metrics.look(look.subject.kind, "told" if decision.effects else "unchanged")
        if look.revision is None:
            self.metrics.skipped("no_commit")
        return True

    async def _owed(self, entry: Entry, look: Observation) -> Decision:
        store, key = self.desk.store, look.subject.key
        before = entry.seen
        # Read anew unless we know the row; a conflict drops what we know.
        if before is None or before.look.subject.key != key:
            before = await store.seen(key)
        entry.seen = before
        previous = None
        if look.living and (before is None or before.closed):
            previous = await store.latest(look.subject.object_key)
            if previous is not None and previous.look.subject.key == key:
                previous = None
        decision = decide(before, look, previous=previous, gone=entry.gone, rules=self.desk.rules)
        if decision.seen:
            entry.seen = None  # until it is committed: after a conflict it is read anew
        return decision
