"""What create and update mean in Kubernetes; the server and the in-process methods both come here.

Deleting, and what follows from it, is in `endings.py`.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ghapp.demo.kube import incoming, rules, schema, status, validations
from ghapp.demo.kube import metadata as naming
from ghapp.demo.kube.causes import Cause
from ghapp.demo.kube.endings import CRDS, NAMESPACES, Endings, stamp
from ghapp.demo.kube.objects import Entry, Object, Place, Store
from ghapp.demo.kube.resources import Registry, Resource, from_crd
from ghapp.demo.kube.status import StatusError

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_PREFIX = 58
"""generateName is cut so that the whole fits into 63 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a write is to be done."""

    dry_run: bool = False
    strict: bool = False
    """Refuse fields that the schema does not know, instead of dropping them."""
    subresource: str | None = None


DEFAULT = Options()


class Writes:
    """Creates and updates."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        endings: Endings,
        *,
        now: Callable[[], datetime],
        dice: random.Random,
    ) -> None:
        self.auto_namespaces = True
        """A namespace that does not exist is created with the first object in it."""
        self._store = store
        self._registry = registry
        self._endings = endings
        self._now = now
        self._dice = dice

    # --- create ---------------------------------------------------------------------------------

    def create(
        self, resource: Resource, namespace: str, body: Object, options: Options = DEFAULT
    ) -> Entry:
        obj = incoming.typed(resource, body)
        given = incoming.placed(resource, namespace, obj["metadata"])
        if given.get("resourceVersion"):
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        metadata = self._born(resource, given)
        self._check_namespace(metadata.get("namespace", ""), dry_run=options.dry_run)
        if resource.has_status:
            obj.pop("status", None)
        judged = _judged(resource, {**obj, "metadata": metadata}, None, options)
        place = metadata.get("namespace", ""), metadata["name"]
        if place in self._store.collection(resource.key).items:
            raise status.already_exists(resource, metadata["name"])
        return self._stored(resource, judged, options)

    def _born(self, resource: Resource, given: Object) -> Object:
        """The metadata of a new object."""
        name = given.get("name") or self._generated(given.get("generateName") or "")
        if not name:
            message = "Required value: name or generateName is required"
            cause = Cause(field="metadata.name", reason="FieldValueRequired", message=message)
            raise status.invalid(resource, "", [cause])
        kept = {key: value for key, value in given.items() if key not in incoming.SERVER_SET}
        return {
            **kept,
            "name": name,
            "uid": str(uuid.UUID(int=self._dice.getrandbits(128), version=4)),
            "creationTimestamp": stamp(self._now()),
            **({"generation": 1} if resource.generation else {}),
        }

    def _generated(self, prefix: str) -> str:
        suffix = "".join(self._dice.choice(_LETTERS) for _ in range(5))
        return prefix[:_LONGEST_PREFIX] + suffix if prefix else ""

    def _check_namespace(self, namespace: str, *, dry_run: bool) -> None:
        if not namespace:
            return
        resource = self._registry.at("", "v1", "namespaces")
        assert resource is not None
        found = self._store.collection(NAMESPACES).items.get(("", namespace))
        if found is not None and found.deleting:
            why = f"unable to create new content in namespace {namespace}: it is being terminated"
            raise StatusError(403, "Forbidden", why)
        if found is None and not self.auto_namespaces:
            raise status.not_found(resource, namespace)
        if found is None and not dry_run:
            self.create(resource, "", {"metadata": {"name": namespace}})

    # --- update ---------------------------------------------------------------------------------

    def update(
        self,
        resource: Resource,
        place: Place,
        change: Callable[[Object], Object],
        options: Options = DEFAULT,
        *,
        whole: bool = False,
    ) -> Entry:
        """Apply `change` to the stored object. `whole`: a PUT, which may have to name a version."""
        before = self._store.collection(resource.key).items.get(place)
        if before is None:
            raise status.not_found(resource, place[1])
        seen = before.object
        if seen.get("apiVersion") != resource.api_version:
            seen = {**seen, "apiVersion": resource.api_version}
        after = incoming.typed(resource, change(seen))
        given = incoming.placed(resource, place[0], after["metadata"])
        incoming.check_identity(resource, before, given, whole=whole)
        merged = incoming.merged(resource, seen, {**after, "metadata": given}, options.subresource)
        judged = _judged(resource, merged, before.object, options)
        counted = incoming.counted(resource, seen, judged)
        return before if counted == seen else self._stored(resource, counted, options)

    def _stored(self, resource: Resource, obj: Object, options: Options) -> Entry:
        if options.dry_run:
            return Entry(obj, self._store.version)
        entry = Entry(obj, self._store.version)
        if entry.deleting and not entry.held and resource.key != NAMESPACES:
            return self._endings.vanish(resource.key, entry.place)
        entry = self._store.put(resource.key, obj)
        if resource.key == CRDS:
            self._serve(obj)
        elif resource.key == NAMESPACES:
            self._endings.finish_namespace(entry.place[1])
        return entry

    def _serve(self, crd: Object) -> None:
        spec = crd["spec"]
        self._registry.drop(spec["group"], spec["names"]["plural"])
        for resource in from_crd(crd):
            self._registry.add(resource)
            self._store.collection(resource.key)

    # --- recordings -----------------------------------------------------------------------------

    def replay(self, resource: Resource, obj: Object) -> Entry:
        """Store an object exactly as it was recorded; only the resourceVersion becomes ours."""
        self._check_namespace(obj["metadata"].get("namespace", ""), dry_run=False)
        return self._store.put(resource.key, obj)

    def replay_deleted(self, resource: Resource, obj: Object) -> Entry:
        """The recorded last state, and no more; dependents have recordings of their own."""
        place = self.replay(resource, obj).place
        return self._store.remove(resource.key, place)


def _judged(resource: Resource, obj: Object, before: Object | None, options: Options) -> Object:
    """The object as it will be stored, or every reason why not."""
    try:
        obj, causes = _shaped(resource, obj, options)
        if not options.subresource:
            rule = rules.of(resource.key)
            obj = rule.complete(obj, before)
            causes += rule.mistakes(obj, before)
    except (TypeError, AttributeError, KeyError, ValueError) as unfit:
        raise status.undecodable(resource, repr(unfit)) from unfit
    if causes:
        raise status.invalid(resource, obj["metadata"]["name"], causes)
    return obj


def _shaped(resource: Resource, obj: Object, options: Options) -> tuple[Object, list[Cause]]:
    causes = [*naming.mistakes(resource, obj["metadata"])]
    if resource.schema is None:
        return obj, causes
    obj, unknown = schema.shaped(obj, resource.schema)
    if options.strict:
        incoming.check_strict(resource, unknown)
    causes += schema.mistakes(obj, resource.schema)
    if resource.ruled:
        causes += list(validations.mistakes(obj, resource.schema, causes))
    return obj, causes
