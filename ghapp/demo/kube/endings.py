"""What deleting means in Kubernetes: finalizers hold, owners take their dependents with them.

Simplified: dependents and the contents of a namespace go at once and not by a controller; an owner
that never existed collects nothing; pods have no grace period, for there is no kubelet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ghapp.demo.kube import status
from ghapp.demo.kube.objects import Entry, Key, Object, Place, Store
from ghapp.demo.kube.resources import Registry, Resource

CRDS: Key = ("apiextensions.k8s.io", "customresourcedefinitions")
NAMESPACES: Key = ("", "namespaces")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """How a delete is to be done, and of which object at the latest."""

    dry_run: bool = False
    propagation: str = "Background"
    uid: str | None = None
    version: str | None = None


DEFAULT = DeleteOptions()


def stamp(time: datetime) -> str:
    """A time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class Endings:
    """Deletes, and what follows from them."""

    def __init__(self, store: Store, registry: Registry, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._registry = registry
        self._now = now

    def delete(
        self, resource: Resource, place: Place, options: DeleteOptions = DEFAULT
    ) -> tuple[Entry, bool]:
        """The object's last state, and whether it is gone (or held)."""
        entry = self._store.collection(resource.key).items.get(place)
        if entry is None:
            raise status.not_found(resource, place[1])
        _check_preconditions(resource, entry, options)
        if options.dry_run:
            return entry, True
        if options.propagation == "Orphan":
            self._orphan(entry.uid)
        elif options.propagation == "Foreground":
            self._collect(entry.uid)
        return self._end(resource.key, place)

    def _end(self, key: Key, place: Place) -> tuple[Entry, bool]:
        items = self._store.collection(key).items
        entry = items[place]
        if not entry.held and key != NAMESPACES:
            return self.vanish(key, place), True
        if not entry.deleting:
            entry = self._store.put(key, self._doomed(entry.object, key))
        if key == NAMESPACES:
            self._empty(place[1])
            self.finish_namespace(place[1])
        return entry, place not in items

    def _doomed(self, obj: Object, key: Key) -> Object:
        """The object, marked as one that is going."""
        metadata = {**obj["metadata"], "deletionTimestamp": stamp(self._now())}
        metadata["deletionGracePeriodSeconds"] = 0
        if "generation" in metadata:
            metadata["generation"] += 1
        ending = {"status": {"phase": "Terminating"}} if key == NAMESPACES else {}
        return {**obj, **ending, "metadata": metadata}

    def vanish(self, key: Key, place: Place) -> Entry:
        """Take the object out, and with it what only it owned or defined."""
        if key == CRDS:
            self._unserve(self._store.collection(key).items[place].object)
        gone = self._store.remove(key, place)
        self._collect(gone.uid)
        if place[0]:
            self.finish_namespace(place[0])
        return gone

    def _unserve(self, crd: Object) -> None:
        key = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        items = self._store.collection(key).items
        for place in list(items):
            if place in items:  # it may have gone with its owner
                self.vanish(key, place)
        self._registry.drop(*key)
        self._store.forget(key)

    # --- owners ---------------------------------------------------------------------------------

    def _collect(self, uid: str) -> None:
        """End the dependents whose last owner this was."""
        for key, place in self._store.dependents(uid):
            entry = self._store.collection(key).items.get(place)
            if entry is None:
                continue  # went with another dependent
            others = _other_owners(entry.object, uid)
            if others:
                self._store.put(key, _owned_by(entry.object, others))
            else:
                self._end(key, place)

    def _orphan(self, uid: str) -> None:
        for key, place in self._store.dependents(uid):
            obj = self._store.collection(key).items[place].object
            self._store.put(key, _owned_by(obj, _other_owners(obj, uid)))

    # --- namespaces -----------------------------------------------------------------------------

    def _empty(self, namespace: str) -> None:
        for key, collection in self._store.collections():
            for place in [place for place in collection.items if place[0] == namespace]:
                if place in collection.items:
                    self._end(key, place)

    def finish_namespace(self, name: str) -> None:
        """The last object of a namespace that is being deleted has gone: it goes too."""
        namespace = self._store.collection(NAMESPACES).items.get(("", name))
        if namespace is None or not namespace.deleting or namespace.held:
            return
        if not any(place[0] == name for place in self._store.places()):
            self.vanish(NAMESPACES, ("", name))


def _check_preconditions(resource: Resource, entry: Entry, options: DeleteOptions) -> None:
    name, version = entry.place[1], entry.object["metadata"]["resourceVersion"]
    if options.uid not in (None, entry.uid):
        raise status.failed_precondition(resource, name, "UID", options.uid, entry.uid)
    if options.version not in (None, version):
        raise status.failed_precondition(
            resource, name, "ResourceVersion", options.version, version
        )


def _other_owners(obj: Object, uid: str) -> list[Object]:
    return [owner for owner in obj["metadata"].get("ownerReferences", ()) if owner["uid"] != uid]


def _owned_by(obj: Object, owners: list[Object]) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "ownerReferences"}
    return {**obj, "metadata": {**metadata, **({"ownerReferences": owners} if owners else {})}}
