"""Objects with memory: every write gets the next resourceVersion and is an event to read later.

One counter runs over the whole store, as etcd's revision does. A stored object is never changed in
place: a write stores a new one, so that old events keep showing what was true at the time, and so
that its bytes are encoded once however many watchers and readers there are.

What a write means (names, status, finalizers, …) is decided in `writes.py` and `endings.py`.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

Object = dict[str, Any]
Key = tuple[str, str]
"""Group and plural."""
Place = tuple[str, str]
"""Namespace (empty for cluster-wide objects) and name."""

FIRST_VERSION = 1000
"""Where the counter starts: so that version 1 is too old for a watch, as on any real server."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Lagging(Exception):
    """The reader asked for events that are no longer kept."""


@dataclass(slots=True, eq=False)
class Entry:
    """One version of one object, and its encoded forms."""

    object: Object
    version: int
    _encoded: dict[str, bytes] = field(default_factory=dict)

    def raw(self, api_version: str) -> bytes:
        """As JSON; in another version of the API only the apiVersion is another."""
        found = self._encoded.get(api_version)
        if found is None:
            found = self._encoded[api_version] = encode({**self.object, "apiVersion": api_version})
        return found

    @property
    def place(self) -> Place:
        metadata = self.object["metadata"]
        return metadata.get("namespace", ""), metadata["name"]

    @property
    def uid(self) -> str:
        uid: str = self.object["metadata"]["uid"]
        return uid

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.object["metadata"]

    @property
    def held(self) -> bool:
        """A finalizer keeps it from going."""
        return bool(self.object["metadata"].get("finalizers"))

    def copy(self) -> Object:
        copied: Object = decode(self.raw(self.object["apiVersion"]))
        return copied

    def stamped(self, version: int) -> "Entry":
        """The same object as it is told at a later version: what a DELETED event carries."""
        metadata = {**self.object["metadata"], "resourceVersion": str(version)}
        return Entry({**self.object, "metadata": metadata}, version)


@dataclass(slots=True, eq=False)
class Event:
    """A change of one object: created (no `before`), changed, or removed (no `after`)."""

    version: int
    before: Entry | None
    after: Entry | None
    _parted: Entry | None = None

    @property
    def place(self) -> Place:
        entry = self.after or self.before
        assert entry is not None
        return entry.place

    def parted(self) -> Entry:
        """The last state before the object went (from the store, or from a reader's selection)."""
        if self._parted is None:
            assert self.before is not None
            self._parted = self.before.stamped(self.version)
        return self._parted


class Log:
    """The events of one resource, the newest `keep` of them."""

    def __init__(self, *, keep: int, floor: int) -> None:
        self.keep = keep
        self.floor = floor
        """The oldest version from which a reader misses nothing."""
        self.ended = False
        """The resource is served no more: readers stop."""
        self._events: list[Event] = []
        self._dropped = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def end(self) -> int:
        return self._dropped + len(self._events)

    def append(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) > 2 * self.keep:  # in halves: cutting a list is not free
            self.shrink()
        self.wake()

    def shrink(self) -> None:
        surplus = max(0, len(self._events) - self.keep)
        if surplus:
            self.floor = max(self.floor, self._events[surplus - 1].version)
            del self._events[:surplus]
            self._dropped += surplus

    def position(self, version: int) -> int:
        """Where the events newer than `version` begin."""
        if version < self.floor:
            raise Lagging
        return self._dropped + bisect_right(self._events, version, key=lambda event: event.version)

    def since(self, position: int) -> list[Event]:
        if position < self._dropped:
            raise Lagging
        return self._events[position - self._dropped :]

    def wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def changed(self, position: int, *, within: float) -> bool:
        """Whether there was anything beyond `position`, or a `wake`, in that many seconds."""
        if self.end > position:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(within):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True


class Collection:
    """All objects of one resource, over all its namespaces and versions."""

    def __init__(self, *, keep: int, floor: int) -> None:
        self.items: dict[Place, Entry] = {}
        self.log = Log(keep=keep, floor=floor)

    def select(self, namespace: str, *, version: int | None = None) -> Iterator[Entry]:
        """Entries in the order of their keys; of one namespace, or of all when it is empty."""
        items = self.items if version is None else self._at(version)
        for place in sorted(items):
            if not namespace or place[0] == namespace:
                yield items[place]

    def _at(self, version: int) -> dict[Place, Entry]:
        """The objects as they were: the present, with the newer events taken back."""
        items = dict(self.items)
        for event in reversed(self.log.since(self.log.position(version))):
            if event.before is None:
                items.pop(event.place, None)
            else:
                items[event.place] = event.before
        return items


class Store:
    """Collections by (group, plural), one version counter, and who owns whom."""

    def __init__(self, *, keep: int) -> None:
        self.version = FIRST_VERSION
        self.keep = keep
        self._collections: dict[Key, Collection] = {}
        self._owned: dict[str, set[tuple[Key, Place]]] = {}

    def collection(self, key: Key) -> Collection:
        found = self._collections.get(key)
        if found is None:
            found = self._collections[key] = Collection(keep=self.keep, floor=self.version)
        return found

    def collections(self) -> Iterator[tuple[Key, Collection]]:
        return iter(list(self._collections.items()))

    def places(self) -> Iterator[Place]:
        for _, collection in self.collections():
            yield from collection.items

    def forget(self, key: Key) -> None:
        """Stop keeping a resource whose definition went."""
        collection = self._collections.pop(key, None)
        if collection is not None:
            collection.log.ended = True
            collection.log.wake()

    def put(self, key: Key, obj: Object) -> Entry:
        """Store a new state of an object, at the next version."""
        collection = self.collection(key)
        self.version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        entry = Entry({**obj, "metadata": metadata}, self.version)
        before = collection.items.get(entry.place)
        collection.items[entry.place] = entry
        self._index(key, entry, before)
        collection.log.append(Event(self.version, before, entry))
        return entry

    def remove(self, key: Key, place: Place) -> Entry:
        """Take an object out; answers its last state."""
        collection = self.collection(key)
        before = collection.items.pop(place)
        self.version += 1
        self._unindex(key, before)
        event = Event(self.version, before, None)
        collection.log.append(event)
        return event.parted()

    def dependents(self, uid: str) -> list[tuple[Key, Place]]:
        return sorted(self._owned.get(uid, ()))

    def compact(self) -> None:
        """Forget the history: a new watch from any older version is told that it is gone."""
        for _, collection in self.collections():
            collection.log.floor = self.version

    def wake(self) -> None:
        for _, collection in self.collections():
            collection.log.wake()

    def _index(self, key: Key, entry: Entry, before: Entry | None) -> None:
        owners = entry.object["metadata"].get("ownerReferences")
        if before is not None and before.object["metadata"].get("ownerReferences") != owners:
            self._unindex(key, before)
        for owner in owners or ():
            self._owned.setdefault(owner["uid"], set()).add((key, entry.place))

    def _unindex(self, key: Key, entry: Entry) -> None:
        for owner in entry.object["metadata"].get("ownerReferences") or ():
            owned = self._owned.get(owner["uid"], set())
            owned.discard((key, entry.place))
            if not owned:
                self._owned.pop(owner["uid"], None)
