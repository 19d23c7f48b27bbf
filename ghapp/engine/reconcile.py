"""From what the watches say to what is committed: the newest look per object, one worker on each.

Fifty changes of a busy run are one look: a change only marks its object, a worker takes the object
as it is then. A run whose parts or neighbours are not listed yet waits for them, unless there is
nothing to tell of it. What is followed, and for whom, is `watch`'s matter.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from ghapp import log as logs
from ghapp.core import retry
from ghapp.core.decide import NOTHING, Decision, decide, vanished
from ghapp.core.model import Observation
from ghapp.core.seen import Seen
from ghapp.core.source import Adapter, Child, Context, Neighbour, Resource
from ghapp.engine.cache import Cache, Entry
from ghapp.engine.desk import Desk
from ghapp.engine.kube_events import Changed, Event, Gone, Listed, Malformed, Missing
from ghapp.engine.marks import Queue
from ghapp.engine.selection import Selection
from ghapp.engine.surroundings import Surroundings
from ghapp.metrics import Metrics

log = logs.get(__name__)

WORKERS: Final = 32
"""Looks at the same time; the store groups their commits, so a disk that takes 10 ms for each group
still takes 3,200 commits a second."""
RETRY_AFTER: Final = 5.0
"""Seconds until an object is looked at again whose look failed for a reason of ours; doubled."""


GRACE: Final = 2.0
"""Seconds that the end of a run waits for the ends of its parts."""
LATE: Final = timedelta(seconds=30)
"""After its end nothing of a run is on its way any more."""


@dataclass(slots=True, kw_only=True)
class Source:
    """One adapter at work in one cluster."""

    adapter: Adapter[Any]
    cluster: str
    desk: Desk
    metrics: Metrics
    cache: Cache = field(default_factory=Cache)
    surroundings: Surroundings = field(default_factory=Surroundings)
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    """All of its objects were listed once."""
    queue: Queue = field(default_factory=Queue)
    selection: Selection | None = None
    """Which of its objects are watched; None: all of them."""
    _unlisted: set[tuple[str, str, bool]] = field(default_factory=set)
    """(resource, namespace, as a part) whose first list is not complete."""
    _waiting: set[str] = field(default_factory=set)
    """Objects whose look needs children that are not listed yet."""

    def expect(self, namespaces: Sequence[str]) -> None:
        """Which first lists have to be complete before everything is known."""
        resources = [(self.adapter.resource.id, False)]
        resources += [(part.resource.id, True) for part in self.adapter.parts]
        self._unlisted = {
            (resource, namespace, part) for resource, part in resources for namespace in namespaces
        }

    # -- what the watches say -----------------------------------------------------------------

    async def heed(self, event: Event, namespace: str) -> None:
        """Something became of one of its objects, or all of them were listed."""
        match event:
            case Changed() | Gone():
                head, value = event.head, event.objects[self.adapter.reads]
                gone = isinstance(event, Gone)
                if gone and await self._left(head.uid, head.namespace, head.name):
                    self._forget(head.uid)
                elif self.cache.put(
                    head.uid, head.namespace, head.name, value, raw=event.raw, gone=gone
                ):
                    await self.queue.put(head.uid)
            case Listed(keys=keys):
                await self._bury(keys, namespace)
                await self._complete(self.adapter.resource, namespace, part=False)
            case Missing():
                await self._complete(self.adapter.resource, namespace, part=False)
            case Malformed(head=head, gone=gone):
                if gone:  # else its last readable state stands; the feed has noted it
                    await self._lose(head.uid, head.namespace, head.name)

    async def heed_child(self, event: Event, child: Child[Any], namespace: str) -> None:
        """Something became of a part of one of its objects."""
        if isinstance(event, Listed | Missing):
            await self._complete(child.resource, namespace, part=True)
        elif isinstance(event, Changed):
            await self._part_changed(event, child)
        elif isinstance(event, Gone):
            await self._mark(self.cache.drop_child(event.head.uid))

    async def heed_neighbour(self, event: Event, neighbour: Neighbour[Any], namespace: str) -> None:
        """Something became of what its objects refer to by name."""
        around, resource = self.surroundings, neighbour.resource
        lookers: set[str] = set()
        if isinstance(event, Changed):
            head, value = event.head, event.objects[neighbour.reads]
            lookers.update(around.put(head.uid, (resource.id, head.namespace, head.name), value))
        elif isinstance(event, Gone):
            lookers.update(around.drop(event.head.uid))
        elif isinstance(event, Listed):
            for uid in around.absent(resource, namespace, event.keys):
                lookers.update(around.drop(uid))
        for looker in lookers:
            await self._mark(looker)
        if isinstance(event, Listed | Missing):
            await self._complete(resource, namespace, part=True)

    async def _part_changed(self, event: Changed, child: Child[Any]) -> None:
        value = event.objects[child.reads]
        parent = child.parent(value)
        if parent is not None and self.cache.put_child(event.head.uid, parent, value):
            for whole in self.cache.ancestors(event.head.uid):
                await self._mark(whole)

    async def _mark(self, uid: str | None) -> None:
        if uid is not None and uid in self.cache.entries:
            await self.queue.put(uid)

    async def _complete(self, resource: Resource, namespace: str, *, part: bool) -> None:
        self._unlisted.discard((resource.id, namespace, part))
        if all(part for _, _, part in self._unlisted):
            self.listed.set()
        if not self._unlisted:
            await self._resume()

    async def hurry(self) -> None:
        """What could not be listed by now, for want of rights say, holds up nothing any more."""
        for resource, namespace, _ in sorted(self._unlisted):
            log.warning(
                "not listed in time, going on without it", resource=resource, namespace=namespace
            )
        self._unlisted.clear()
        self.listed.set()
        await self._resume()

    async def _resume(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for uid in waiting:
            await self.queue.put(uid)

    async def _bury(self, keys: frozenset[str], namespace: str) -> None:
        """What a complete list does not have is gone, though nobody saw it go."""
        for uid in self.cache.absent(keys, namespace):
            entry = self.cache.entries[uid]
            await self._lose(uid, entry.namespace, entry.name)
        for seen in await self._unfinished():
            subject = seen.look.subject
            known = subject.uid in keys or subject.uid in self.cache.entries
            if known or namespace not in ("", subject.namespace):
                continue
            if not await self._left(subject.uid, subject.namespace, subject.name):
                await self._vanish(seen)

    async def _left(self, uid: str, namespace: str, name: str) -> bool:
        """Whether an object that is not heard of any more is there, and only not selected."""
        if self.selection is None or uid in self.cache.settled:
            return False
        return await self.selection.left(self.adapter.resource, namespace, name, uid=uid)

    async def _lose(self, uid: str, namespace: str, name: str) -> None:
        """It is gone and nobody has its last state: what we saw last has to do."""
        if await self._left(uid, namespace, name):
            self._forget(uid)
            return
        entry = self.cache.entries.get(uid)
        if entry is not None:
            entry.gone = True
            await self.queue.put(uid)
            return
        self.cache.forget(uid)
        for seen in await self._unfinished():
            if seen.look.subject.uid == uid:
                await self._vanish(seen)

    async def _unfinished(self) -> list[Seen]:
        resource = self.adapter.resource
        ids = {version.id for version in resource.versions}
        found = await self.desk.store.unfinished(self.cluster, resource.kind)
        return [seen for seen in found if seen.look.resource in ids]

    def _forget(self, uid: str) -> None:
        self.cache.forget(uid)
        self.surroundings.forget(uid)

    async def _vanish(self, seen: Seen) -> None:
        async def owed() -> Decision:
            before = await self.desk.store.seen(seen.look.subject.key)
            if before is None or not before.open:
                return NOTHING
            return vanished(before, at=self.desk.clock(), rules=self.desk.rules)

        await self.desk.commit(owed)
        log.info("closed what had vanished", subject=seen.look.subject.key)

    # -- looking ------------------------------------------------------------------------------

    async def reconsider(self) -> None:
        """The documents changed: everything that is not told to its end is looked at again."""
        for uid in list(self.cache.entries):
            await self._mark(uid)

    async def work(self) -> None:
        """Looks at what is marked, until cancelled."""
        while True:
            uid = await self.queue.get()
            try:
                await self.look(uid)
            except Exception:
                entry = self.cache.entries.get(uid)
                log.exception("a look failed", uid=uid, object=entry.name if entry else "")
                self._look_again(uid, entry)
            finally:
                self.queue.done(uid)

    def _look_again(self, uid: str, entry: Entry | None) -> None:
        """After a pause that grows: a defect of ours may stay, and be reported each time."""
        self.metrics.look(self.adapter.resource.kind, "failed")
        failed = entry.failed if entry else 0
        if entry is not None:
            entry.failed += 1
        pause = retry.backoff(failed + 1, 1.0, base=RETRY_AFTER)
        asyncio.get_running_loop().call_later(pause, self.queue.put_nowait, uid)

    async def look(self, uid: str) -> None:
        """Observes an object as it is now, decides, commits."""
        entry = self.cache.entries.get(uid)
        if entry is None:
            return
        gone = entry.gone  # of this look; it may go while we commit, which is another look
        look = self._observe(uid, entry)
        if look is None:
            self.metrics.look(self.adapter.resource.kind, "skipped")
            self.metrics.skipped("not_a_run")
            if gone or not self.adapter.parts:  # nothing else would have us look at it again
                self._forget(uid)
            return
        if not gone and self._awaits_parts(uid, entry, look):
            return
        with logs.bind(subject=look.subject.key):
            if not await self._told(uid, entry, look, gone=gone):
                return
        entry.failed = 0
        if gone:
            self._forget(uid)
        elif entry.seen is not None and not entry.seen.open:
            self.cache.settle(uid)
            self.surroundings.forget(uid)

    def _awaits_parts(self, uid: str, entry: Entry, look: Observation) -> bool:
        """Whether the last words of its parts are on their way.

        Tekton ends a run that is cancelled or times out before the TaskRuns in it, and a watch of
        theirs may lag behind. The end is told once, so it waits a moment for the reasons in them.
        """
        cut_off = any(step.started and not step.finished for step in look.steps)
        if not (look.phase.finished and cut_off and self.adapter.children):
            return False
        if look.finished is None or self.desk.clock() - look.finished > LATE:
            return False
        loop = asyncio.get_running_loop()
        if entry.ended is None:
            entry.ended = loop.time()
            loop.call_later(GRACE, self.queue.put_nowait, uid)
        return loop.time() - entry.ended < GRACE

    def _observe(self, uid: str, entry: Entry) -> Observation | None:
        context = Context(
            cluster=self.cluster,
            children=self.cache.children_of(uid),
            deleted=entry.gone,
            find=self.surroundings.finder(uid),
        )
        look = self.adapter.observe(entry.object, context)
        return self.desk.trusted(look) if look else None

    async def _told(self, uid: str, entry: Entry, look: Observation, *, gone: bool) -> bool:
        """Commits what the look changes; False: it has to wait for the children's list."""
        early = bool(self._unlisted)
        held = False

        async def owed() -> Decision:
            nonlocal held
            decision = await self._owed(entry, look, gone=gone)
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

    async def _owed(self, entry: Entry, look: Observation, *, gone: bool) -> Decision:
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
        audience = self.desk.hear(look, entry.raw, before)
        decision = decide(
            before, look, previous=previous, gone=gone, audience=audience, rules=self.desk.rules
        )
        if decision.seen:
            entry.seen = None  # until it is committed: after a conflict it is read anew
        return decision
