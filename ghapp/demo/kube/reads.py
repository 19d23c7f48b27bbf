"""Get, list and page: which objects, in which order, as of which version."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from ghapp.demo.kube import selectors, status
from ghapp.demo.kube.objects import Collection, Entry, Event, Lagging, Object, Store, decode, encode
from ghapp.demo.kube.resources import Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The objects that a list or watch is about."""

    namespace: str = ""
    labels: selectors.Labels = selectors.EVERY_LABEL
    fields: selectors.Fields = selectors.EVERY_FIELD

    def matches(self, entry: Entry) -> bool:
        obj = entry.object
        if self.namespace and obj["metadata"].get("namespace") != self.namespace:
            return False
        return self.labels.matches(obj) and self.fields.matches(obj)

    def told(self, event: Event) -> tuple[str, Entry] | None:
        """How a reader of this selection hears of a change: leaving it is a DELETED."""
        was = event.before is not None and self.matches(event.before)
        if event.after is not None and self.matches(event.after):
            return ("MODIFIED" if was else "ADDED"), event.after
        return ("DELETED", event.parted()) if was else None

    @property
    def everything(self) -> bool:
        return not self.labels.requirements and not self.fields.requirements


def selection(resource: Resource, namespace: str, query: Mapping[str, str]) -> Selection:
    """What the query asks for; a selector that is none is a 400."""
    try:
        return Selection(
            namespace=namespace,
            labels=selectors.labels(query.get("labelSelector", "")),
            fields=selectors.fields(query.get("fieldSelector", ""), served=resource.fields),
        )
    except selectors.SelectorError as wrong:
        raise status.bad_request(str(wrong)) from wrong


def number(query: Mapping[str, str], name: str) -> int:
    """A non-negative number of the query; 0 when it is absent."""
    text = query.get(name) or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise status.bad_request(f"invalid {name}: {text!r} is not a non-negative number")
    return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries, and the list metadata that goes with them."""

    entries: list[Entry]
    metadata: Object


def page(store: Store, resource: Resource, chosen: Selection, query: Mapping[str, str]) -> Page:
    """A list, or the part of it that `limit` and `continue` ask for, all as of one version."""
    collection = store.collection(resource.key)
    version, start = _from(store, query)
    found = _entries(collection, chosen, version)
    remaining = [entry for entry in found if entry.place > start]
    limit = number(query, "limit")
    metadata: Object = {"resourceVersion": str(version or store.version)}
    if not limit or len(remaining) <= limit:
        return Page(entries=remaining, metadata=metadata)
    shown = remaining[:limit]
    metadata["continue"] = _token(version or store.version, shown[-1])
    if chosen.everything:
        metadata["remainingItemCount"] = len(remaining) - limit
    return Page(entries=shown, metadata=metadata)


def _entries(collection: Collection, chosen: Selection, version: int | None) -> list[Entry]:
    try:
        entries = collection.select(chosen.namespace, version=version)
        return [entry for entry in entries if chosen.matches(entry)]
    except Lagging:
        raise status.expired(
            "The provided continue parameter is too old to display a consistent list result. "
            "You must start a new list without the continue parameter."
        ) from None


def _from(store: Store, query: Mapping[str, str]) -> tuple[int | None, tuple[str, str]]:
    """The version to list at (None: now) and the place to list after."""
    asked = number(query, "resourceVersion")
    if query.get("continue"):
        if asked:
            raise status.bad_request(
                "specifying resource version is not allowed when using continue"
            )
        return _read_token(query["continue"])
    if asked > store.version:
        raise status.too_large_version(asked, store.version)
    exact = query.get("resourceVersionMatch") == "Exact"
    return (asked if exact else None), ("", "")


def _token(version: int, last: Entry) -> str:
    token = encode({"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(last.place) + "\0"})
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def _read_token(text: str) -> tuple[int, tuple[str, str]]:
    try:
        token = decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        namespace, _, name = token["start"].rstrip("\0").partition("/")
        return int(token["rv"]), (namespace, name)
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise status.bad_request(
            f"invalid continue token: continue key is not valid: {wrong}"
        ) from wrong
