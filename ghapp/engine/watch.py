"""Follows each resource of a cluster once, and passes on what is heard to those who read it."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from ghapp import log as logs
from ghapp.core.source import Child, Neighbour, Part, Resource
from ghapp.engine.desk import Desk
from ghapp.engine.kube_events import Changed, Event, Gone, Listed, Malformed, Missing
from ghapp.engine.kube_follow import Api, Pace, follow
from ghapp.engine.reconcile import WORKERS, Source
from ghapp.errors import CheckrailError
from ghapp.metrics import Metrics, WatchType

log = logs.get(__name__)

PATIENCE: Final = 60.0
"""Seconds from the start until looks no longer wait for lists that do not come."""
AGAIN: Final = 5.0
"""Seconds until what could not be taken in is tried again."""

_WATCHED: Final[Mapping[type[Event], WatchType]] = {
    Changed: "changed",
    Gone: "gone",
    Listed: "listed",
    Malformed: "malformed",
    Missing: "missing",
}


@dataclass(slots=True, kw_only=True)
class Watch:
    """One cluster: each resource is followed once, for all sources that read it.

    With a selector, a resource whose objects are runs as well as parts of runs is followed twice:
    the parts of a selected run need not be selected themselves.
    """

    desk: Desk
    sources: tuple[Source, ...]
    namespaces: tuple[str, ...]
    """To watch; ("",) means all of them."""
    api: Api
    metrics: Metrics
    pace: Pace
    _relist: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Follows and looks until cancelled."""
        feeds = self._feeds()
        for source in self.sources:
            source.expect(self.namespaces)
        async with asyncio.TaskGroup() as group:
            for (resource, selector), readers in feeds.items():
                for namespace in self.namespaces:
                    group.create_task(
                        self._for_ever(resource, readers, namespace, selector=selector)
                    )
            group.create_task(self._heed_documents())
            for source in self.sources:
                group.create_task(self._hurry(source))
                for _ in range(WORKERS):
                    group.create_task(source.work())

    async def _heed_documents(self) -> None:
        """What the documents say may change at any time, and then counts for all open runs."""
        edition, whole = self.desk.edition, self.desk.whole_objects
        while True:
            edition = await self.desk.revised(edition)
            wanted, whole = self.desk.whole_objects and not whole, self.desk.whole_objects
            if wanted:  # what is known of the objects does not do: they are listed again
                self._relist.set()
                self._relist = asyncio.Event()
                continue
            for source in self.sources:
                await source.reconsider()

    async def _hurry(self, source: Source) -> None:
        await self.pace.sleep(PATIENCE)
        await source.hurry()

    def _feeds(self) -> dict[tuple[Resource, str], list["Reader"]]:
        feeds: dict[tuple[Resource, str], list[Reader]] = {}
        for source in self.sources:
            for reader in (Reader(source, part) for part in (None, *source.adapter.parts)):
                feeds.setdefault((reader.resource, reader.selector), []).append(reader)
        return feeds

    async def _for_ever(
        self, resource: Resource, readers: list["Reader"], namespace: str, *, selector: str
    ) -> None:
        """A feed, begun anew whenever everything has to be listed again."""
        while True:
            relist = asyncio.create_task(self._relist.wait())
            feed = asyncio.create_task(self._feed(resource, readers, namespace, selector=selector))
            try:
                await asyncio.wait({feed, relist}, return_when=asyncio.FIRST_COMPLETED)
                if feed.done():
                    return feed.result()
            finally:
                relist.cancel()
                feed.cancel()
                await asyncio.gather(relist, feed, return_exceptions=True)

    async def _feed(
        self, resource: Resource, readers: list["Reader"], namespace: str, *, selector: str
    ) -> None:
        for reader in readers:
            await reader.ready()
        reads = tuple(dict.fromkeys(reader.reads for reader in readers))
        events = follow(
            self.api,
            resource,
            namespace,
            reads,
            selector=selector,
            pace=self.pace,
            keep_raw=lambda: self.desk.whole_objects,
        )
        async with aclosing(events):
            async for heard in events:
                event = _told_apart(heard)
                self._note(event, resource)
                for reader in readers:
                    await self._heed(reader, event, namespace)

    async def _heed(self, reader: "Reader", event: Event, namespace: str) -> None:
        """As long as the store is away, the stream waits: what it told must not be forgotten."""
        while True:
            try:
                return await reader.heed(event, namespace)
            except CheckrailError as error:
                log.warning("cannot take in what was told, trying again", reason=str(error))
                await self.pace.sleep(AGAIN)
            except Exception:
                log.exception("an event that nobody understands", resource=reader.resource.id)
                self.metrics.malformed(reader.resource.id)
                return None

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


def _told_apart(event: Event) -> Event:
    """An object without a name or uid cannot be told from others: as good as unreadable."""
    if isinstance(event, Changed | Gone) and not (event.head.uid and event.head.name):
        return Malformed(event.head, "it has no metadata.name or no metadata.uid")
    return event


@dataclass(frozen=True, slots=True)
class Reader:
    """Who wants to hear of a resource: a source of its objects, of their parts or neighbours."""

    source: Source
    part: Part | None = None

    @property
    def resource(self) -> Resource:
        """What it wants to hear of."""
        return self.part.resource if self.part else self.source.adapter.resource

    @property
    def selector(self) -> str:
        """Which of it: the selector is about runs, not about what belongs to them."""
        selection = self.source.selection if self.part is None else None
        return selection.selector if selection else ""

    @property
    def reads(self) -> type:
        """The fields it reads."""
        return self.part.reads if self.part else self.source.adapter.reads

    async def ready(self) -> None:
        """Parts are listed after what they are parts of: those of runs long told are not kept.

        Where they are of one kind (a pipeline in a pipeline) they come in one list.
        """
        if isinstance(self.part, Child) and self.part.resource != self.source.adapter.resource:
            await self.source.listed.wait()

    async def heed(self, event: Event, namespace: str) -> None:
        """Passes an event on."""
        if isinstance(self.part, Child):
            await self.source.heed_child(event, self.part, namespace)
        elif isinstance(self.part, Neighbour):
            await self.source.heed_neighbour(event, self.part, namespace)
        else:
            await self.source.heed(event, namespace)
