"""Recorded watch streams, and a world that replays them: what a controller would have seen."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from adapters import (
    flux_helmrelease,
    flux_kustomization,
    job,
    tekton_customrun,
    tekton_pipelinerun,
    tekton_taskrun,
)
from ghapp.core.model import Observation
from ghapp.core.source import Adapter, Context, Find, Resource

FOLDER = Path(__file__).parent / "streams"
STREAMS = sorted(FOLDER.rglob("*.jsonl"))
IDS = [f"{path.parent.name}-{path.stem}" for path in STREAMS]

SOURCES = (
    flux_helmrelease,
    flux_kustomization,
    job,
    tekton_customrun,
    tekton_pipelinerun,
    tekton_taskrun,
)
ADAPTERS: dict[str, Adapter[Any]] = {
    source.ADAPTER.resource.kind: source.ADAPTER for source in SOURCES
}

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""Before any stream was recorded."""

Event = dict[str, Any]


def events(path: Path) -> list[Event]:
    """The stream's events, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def objects() -> Iterator[dict[str, Any]]:
    """Every object of every stream, in its last state."""
    for path in STREAMS:
        yield from {uid_of(event): event["object"] for event in events(path)}.values()


def uid_of(event: Event) -> str:
    """Of the object that an event is about."""
    return str(event["object"]["metadata"]["uid"])


def observe(
    manifest: dict[str, Any],
    *,
    children: Iterable[dict[str, Any]] = (),
    around: Iterable[dict[str, Any]] = (),
    deleted: bool = False,
) -> Observation | None:
    """One look at one object, decoded as a watch would; `around` is what it may refer to."""
    adapter = ADAPTERS[manifest["kind"]]
    uid = manifest["metadata"].get("uid", "")
    context = Context(
        cluster="default",
        children=tuple(_parts(adapter, uid, children)),
        deleted=deleted,
        find=finder(adapter, around),
    )
    return adapter.observe(decode(manifest, adapter.reads), context)


def finder(adapter: Adapter[Any], around: Iterable[dict[str, Any]]) -> Find:
    """Looks up what the adapter says it refers to, and nothing else."""
    reads = {neighbour.resource: neighbour.reads for neighbour in adapter.neighbours}
    known = {
        (one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]): one for one in around
    }

    def find(resource: Resource, namespace: str, name: str) -> Any:
        found = known.get((resource.kind, namespace, name))
        return decode(found, reads[resource]) if found else None

    return find


def decode(manifest: dict[str, Any], reads: type[Any]) -> Any:
    """From JSON, as it comes over the wire."""
    return msgspec.json.decode(msgspec.json.encode(manifest), type=reads)


def _parts(adapter: Adapter[Any], uid: str, children: Iterable[dict[str, Any]]) -> Iterator[Any]:
    for child in adapter.children:
        for manifest in children:
            if manifest["kind"] == child.resource.kind:
                decoded = decode(manifest, child.reads)
                if child.parent(decoded) == uid:
                    yield decoded


class World:
    """The newest state of every object; a look at each run that an event concerns."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.deleted: set[str] = set()

    def apply(self, event: Event) -> None:
        """One event happens."""
        self.objects[uid_of(event)] = event["object"]
        if event["type"] == "DELETED":
            self.deleted.add(uid_of(event))

    def looks(self) -> dict[str, Observation]:
        """What each run looks like now, by uid."""
        found: dict[str, Observation] = {}
        for uid, manifest in self.objects.items():
            if manifest["kind"] in ADAPTERS:
                everything = self.objects.values()
                look = observe(
                    manifest, children=everything, around=everything, deleted=uid in self.deleted
                )
                if look:
                    found[uid] = look
        return found


def replay(stream: Iterable[Event]) -> dict[str, Observation]:
    """What everything looks like after all of it."""
    world = World()
    for event in stream:
        world.apply(event)
    return world.looks()
