"""Everything that becomes of a resource's objects, for ever: list, then watch, then never let go.

The recipe is client-go's reflector: a paged list; a watch from the list's version; after its end,
another from the last version seen; a new list when that version has expired. kubernetes-asyncio's
own `Watch` retries a 410 with the expired version and reconnects at once at the end of a stream
(611 times a second), and a watch behind a load balancer can go silent without an end
(kopf #1267, #1268): hence a limit on silence, and a space between any two requests.

Nothing is cached here. Who iterates sees the newest state of each object sooner or later, however
the connection behaves: that is all, and `Listed` tells them what is gone.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from ghapp import log as logs
from ghapp.core import retry
from ghapp.core.source import Resource
from ghapp.engine.kube_events import (
    Bookmark,
    Changed,
    Event,
    Failed,
    Gone,
    Head,
    Listed,
    Malformed,
    Missing,
    Reader,
    never,
)
from ghapp.engine.kube_wire import Page
from ghapp.errors import DeliveryError, Retry

__all__ = [
    "Api",
    "Changed",
    "Event",
    "Gone",
    "Head",
    "Listed",
    "Malformed",
    "Missing",
    "Pace",
    "follow",
]

log = logs.get(__name__)


class Api(Protocol):
    """What of `kube.KubeClient` is needed."""

    async def served(self, resource: Resource) -> bool:
        """Whether the API server knows the resource."""

    async def page(self, resource: Resource, namespace: str, *, after: str, selector: str) -> Page:
        """A page of the list."""

    def watch(
        self, resource: Resource, namespace: str, version: str, *, selector: str
    ) -> AsyncGenerator[list[bytes | None]]:
        """The lines of a watch, some at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast to go on when there is nothing to hurry for."""

    spacing: float = 1.0
    """Seconds from the begin of a stream that brought nothing to the begin of the next."""
    missing_interval: float = 60.0
    """Seconds between two looks for a CRD that is not installed."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random


async def follow(
    api: Api,
    resource: Resource,
    namespace: str = "",
    reads: Sequence[type] = (),
    *,
    selector: str = "",
    pace: Pace = Pace(),
    keep_raw: Callable[[], bool] = never,
) -> AsyncGenerator[Event]:
    """All that happens to the resource's objects, in one namespace or in all (empty).

    With a label `selector`, an object that is not selected any more is as good as `Gone`.
    `keep_raw` is asked for each object: somebody may begin to want them whole.
    """
    reader = Reader(reads, keep_raw=keep_raw)
    course = _Course(api, resource, namespace, selector, reader=reader, pace=pace)
    while True:
        try:
            async with aclosing(course.leg()) as events:
                async for event in events:
                    yield event
        except DeliveryError as error:
            if error.status == 404:
                yield Missing(resource)
            await course.recover(error)


RESUMABLE: Final = (None, 429, 502, 503)
"""After these the version is still good: we were not heard, or are asked to wait. Any other failure
of a watch means a new list, as in client-go: the version may have expired (410), be from the future
after etcd was restored (504 Too large resource version), or never have been one (400)."""

LONGEST_BACKOFF: Final = 60.0
"""Seconds between tries: a minute after somebody mended the cluster, we go on."""

LONGEST_WAIT: Final = 300.0
"""Seconds, where the server asks for more."""

SILENT_STREAMS: Final = 4
"""So many streams in a row that said nothing at all, not even a bookmark: then look again. A watch
from a version of the future, as after a restored etcd, stays open and says nothing."""


class _Course:
    """Where a follower stands: its version, and how often it failed since it last got on."""

    def __init__(
        self,
        api: Api,
        resource: Resource,
        namespace: str,
        selector: str,
        *,
        reader: Reader,
        pace: Pace,
    ) -> None:
        self._api = api
        self._versions = resource.versions
        self._resource = resource
        self._namespace = namespace
        self._selector = selector
        self._reader = reader
        self._pace = pace
        self._version = ""
        self._tries = 0
        self._silent = 0
        self._verb = "list"

    def leg(self) -> AsyncGenerator[Event]:
        """A list if no version is known, else a watch from there to its end."""
        self._verb = "watch" if self._version else "list"
        return self._watch() if self._version else self._list()

    async def recover(self, error: DeliveryError) -> None:
        """Waits as long as the failure asks for, and decides where to go on."""
        if error.status not in RESUMABLE:
            self._version = ""
        if error.status == 404:
            await self._until_served()
            return
        self._report(error)
        self._tries += 1
        asked = error.after if isinstance(error, Retry) else None
        delay = retry.backoff(self._tries, self._pace.jitter(), cap=LONGEST_BACKOFF)
        await self._pace.sleep(max(delay, self._pace.spacing, min(asked or 0.0, LONGEST_WAIT)))

    async def _list(self) -> AsyncGenerator[Event]:
        keys: set[str] = set()
        version = after = ""
        while True:
            page = await self._api.page(
                self._resource, self._namespace, after=after, selector=self._selector
            )
            version = version or page.metadata.resourceVersion
            for item in page.items or ():
                event = self._reader.object(item, Changed)
                keys.add(event.head.uid)
                yield event
            after = page.metadata.next
            if not after:
                break
        if not version:
            raise Retry("the list has no resourceVersion")
        self._version = version
        self._silent = 0
        yield Listed(frozenset(keys - {""}))

    async def _watch(self) -> AsyncGenerator[Event]:
        began, before, heard = self._pace.clock(), self._version, False
        stream = self._api.watch(self._resource, self._namespace, before, selector=self._selector)
        async with aclosing(stream) as batches:
            async for batch in batches:
                heard = True
                for line in batch:
                    event = self._heed(line)
                    if event is not None:
                        yield event
        self._tries = 0
        self._silent = 0 if heard else self._silent + 1
        if self._silent >= SILENT_STREAMS:
            self._version = ""
        if self._version == before or not self._version:
            await self._pause(began)

    def _heed(self, line: bytes | None) -> Event | None:
        """What a line says; moves on to its version. Raises Retry on an ERROR event."""
        event = self._reader.line(line)
        if isinstance(event, Failed):
            self._version = ""  # whatever the code, this stream and our version are over
            raise Retry(f"watch: {event.reason}", status=event.status, after=event.after)
        if isinstance(event, Bookmark):
            self._move(event.version)
            return None
        if event is not None:
            self._move(event.head.resourceVersion)
        return event

    def _move(self, version: str) -> None:
        if version and version != self._version:
            self._version = version
            self._tries = 0

    async def _pause(self, began: float) -> None:
        """Lets `spacing` pass since a stream began that brought nothing."""
        left = began + self._pace.spacing - self._pace.clock()
        if left > 0:
            await self._pace.sleep(left)

    async def _until_served(self) -> None:
        """Looks for the resource, in any version, now and then; ends when even that is refused."""
        log.info("resource is not served, waiting for its CRD", **self._fields())
        self._tries = 0
        # The version that was just missing is not asked for again before a pause.
        others = [each for each in self._versions if each != self._resource]
        while True:
            try:
                for version in others:
                    if await self._api.served(version):
                        self._resource = version
                        return
            except DeliveryError as error:
                self._report(error)
                return  # the next list tells more
            await self._pace.sleep(self._pace.missing_interval)
            others = list(self._versions)

    def _report(self, error: DeliveryError) -> None:
        fields = {**self._fields(), "status": error.status, "reason": error.reason}
        if error.status == 403:
            mend = "grant list and watch: `checkrail rbac` prints the role that is needed"
            log.warning("not allowed to follow a resource", mend=mend, **fields)
        elif error.status == 401:
            mend = "the token was refused: is it expired, or another cluster's?"
            log.warning("not known to the API server", mend=mend, **fields)
        else:
            log.info("following is interrupted", **fields)

    def _fields(self) -> dict[str, object]:
        return {
            "resource": self._resource.id,
            "namespace": self._namespace or "(all)",
            "verb": self._verb,
        }
