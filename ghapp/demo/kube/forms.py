"""How an answer looks: whole objects, only their metadata, or the table of `kubectl get`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ghapp.demo.kube import columns
from ghapp.demo.kube.objects import Entry, Object, encode
from ghapp.demo.kube.resources import Resource


class Form(Protocol):
    """One way to write objects."""

    def one(self, resource: Resource, entry: Entry) -> bytes: ...

    def many(self, resource: Resource, entries: Sequence[Entry], metadata: Object) -> bytes: ...


def line(form: Form, resource: Resource, type_: str, entry: Entry) -> bytes:
    """A watch event."""
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), form.one(resource, entry))


@dataclass(frozen=True, slots=True)
class Whole:
    """The objects themselves; their bytes are cached in their entries."""

    def one(self, resource: Resource, entry: Entry) -> bytes:
        return entry.raw(resource.api_version)

    def many(self, resource: Resource, entries: Sequence[Entry], metadata: Object) -> bytes:
        items = [entry.raw(resource.api_version) for entry in entries]
        return _list(f"{resource.kind}List", resource.api_version, metadata, items)


@dataclass(frozen=True, slots=True)
class OnlyMetadata:
    """PartialObjectMetadata."""

    def one(self, resource: Resource, entry: Entry) -> bytes:
        return encode(_partial(entry))

    def many(self, resource: Resource, entries: Sequence[Entry], metadata: Object) -> bytes:
        items = [self.one(resource, entry) for entry in entries]
        return _list("PartialObjectMetadataList", "meta.k8s.io/v1", metadata, items)


def _partial(entry: Entry) -> Object:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": entry.object["metadata"],
    }


def _list(kind: str, api_version: str, metadata: Object, items: list[bytes]) -> bytes:
    head = encode({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return b'%b,"items":[%b]}' % (head[:-1], b",".join(items))


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows; ages are told as of now."""

    now: Callable[[], datetime]

    def one(self, resource: Resource, entry: Entry) -> bytes:
        version = entry.object["metadata"].get("resourceVersion", "")
        return self.many(resource, [entry], {"resourceVersion": version})

    def many(self, resource: Resource, entries: Sequence[Entry], metadata: Object) -> bytes:
        now = self.now()
        rows = [
            {"cells": columns.cells(resource, entry.object, now), "object": _partial(entry)}
            for entry in entries
        ]
        table = {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": columns.definitions(resource),
            "rows": rows,
        }
        return encode(table)


WHOLE = Whole()


def of(accept: str, *, now: Callable[[], datetime]) -> Form | None:
    """The first form in an Accept header that we can write; None when there is none."""
    for choice in accept.split(",") if accept else ["*/*"]:
        kind, *parameters = (part.strip() for part in choice.split(";"))
        asked = dict(part.split("=", 1) for part in parameters if "=" in part).get("as", "")
        if kind not in ("application/json", "application/*", "*/*", "application/yaml"):
            continue
        if asked == "Table":
            return Table(now)
        return OnlyMetadata() if asked.startswith("PartialObjectMetadata") else WHOLE
    return None
