"""The Kubernetes API stand-in itself: what it serves, and the methods for scripted controllers.

The methods go through the same rules as HTTP requests and make the same watch events. They are
synchronous: nothing here waits for anything. Use them on the event loop that serves the app.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from aiohttp import web

from ghapp.demo.kube import patch as patches
from ghapp.demo.kube import reads, status, validations
from ghapp.demo.kube.access import Access
from ghapp.demo.kube.endings import DeleteOptions, Endings
from ghapp.demo.kube.faults import Faults
from ghapp.demo.kube.logs import Logs
from ghapp.demo.kube.objects import Object, Store
from ghapp.demo.kube.resources import Registry, Resource
from ghapp.demo.kube.server import Server
from ghapp.demo.kube.watching import Subscription
from ghapp.demo.kube.writes import Options, Writes

Objects = list[Object]

FROM_THE_START = ("default", "kube-system", "kube-public", "kube-node-lease")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class KubeApi:
    """A Kubernetes API with memory.

    ``crds`` are CustomResourceDefinition documents to begin with; ``serve`` adds a resource without
    one. With a ``token``, requests need it as their bearer token. ``keep`` is how many events of
    each resource a watch can go back; ``bookmark_every`` the seconds between bookmarks.
    """

    def __init__(
        self,
        *,
        crds: Iterable[Object] = (),
        token: str | None = None,
        keep: int = 5_000,
        bookmark_every: float = 60.0,
        now: Callable[[], datetime] = _utc_now,
        dice: random.Random | None = None,
    ) -> None:
        self.now = now
        self.bookmark_every = bookmark_every
        self.access = Access(token)
        self.faults = Faults()
        self.logs = Logs()
        self.requests: Counter[tuple[str, str]] = Counter()
        """How often each (verb, resource) was asked for over HTTP."""
        self.registry = Registry()
        self.store = Store(keep=keep)
        self.endings = Endings(self.store, self.registry, now=now)
        chance = dice or random.SystemRandom()
        self.writes = Writes(self.store, self.registry, self.endings, now=now, dice=chance)
        for resource in self.registry:
            self.store.collection(resource.key)
        for namespace in FROM_THE_START:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for crd in crds:
            self.create(crd)

    def app(self) -> web.Application:
        """To be served alone, or under a prefix with ``add_subapp``."""
        return Server(self).app()

    @property
    def auto_namespaces(self) -> bool:
        """Whether a write into a namespace that does not exist creates it (True) or is a 404."""
        return self.writes.auto_namespaces

    @auto_namespaces.setter
    def auto_namespaces(self, create: bool) -> None:
        self.writes.auto_namespaces = create

    def serve(
        self,
        group: str,
        version: str,
        plural: str,
        kind: str,
        *,
        namespaced: bool = True,
        short_names: tuple[str, ...] = (),
        schema: Object | None = None,
    ) -> None:
        """Serve a custom resource, with a status subresource, without a CRD document."""
        resource = Resource(
            group=group,
            version=version,
            plural=plural,
            kind=kind,
            namespaced=namespaced,
            short_names=short_names,
            subresources=("status",),
            custom=True,
            needs_version=True,
            schema=schema,
            ruled=validations.ruled(schema),
        )
        self.registry.add(resource)
        self.store.collection(resource.key)

    # --- objects --------------------------------------------------------------------------------

    def create(self, obj: Object) -> Object:
        """Like POST: a status is dropped where there is a status subresource."""
        resource = self._of(obj)
        namespace = self._namespace(resource, obj)
        return self.writes.create(resource, namespace, obj).copy()

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """By kind, plural, short name or `plural.group`; raises a 404 `StatusError`."""
        resource = self._named(kind)
        entry = self.store.collection(resource.key).items.get((namespace, name))
        if entry is None:
            raise status.not_found(resource, name)
        return entry.copy()

    def list(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Objects:
        """Of one namespace, or of all."""
        resource = self._named(kind)
        query = {"labelSelector": labels, "fieldSelector": fields}
        chosen = reads.selection(resource, namespace, query)
        entries = reads.page(self.store, resource, chosen, {}).entries
        return [entry.copy() for entry in entries]

    def replace(self, obj: Object, *, subresource: str | None = None) -> Object:
        """Like PUT."""
        resource = self._of(obj)
        place = self._namespace(resource, obj), obj["metadata"]["name"]
        options = Options(subresource=subresource)
        return self.writes.update(resource, place, lambda _: obj, options, whole=True).copy()

    def patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        merge_patch: Object,
        *,
        subresource: str | None = None,
    ) -> Object:
        """Like a merge PATCH."""
        options = Options(subresource=subresource)
        entry = self.writes.update(
            self._named(kind),
            (namespace, name),
            lambda obj: patches.merge(obj, merge_patch),
            options,
        )
        return entry.copy()

    def delete(
        self, kind: str, namespace: str, name: str, *, propagation: str = "Background"
    ) -> None:
        """Like DELETE: finalizers hold the object, dependents go with it."""
        options = DeleteOptions(propagation=propagation)
        self.endings.delete(self._named(kind), (namespace, name), options)

    def replay(self, type_: str, obj: Object) -> None:
        """A recorded watch event: stored as it is, status, uid and times included."""
        resource = self._of(obj)
        if type_ == "DELETED":
            self.writes.replay_deleted(resource, obj)
        else:
            self.writes.replay(resource, obj)

    def subscribe(self, kind: str, *, namespace: str = "", labels: str = "") -> Subscription:
        """An async iterator of (ADDED | MODIFIED | DELETED, object), from what is there now on."""
        resource = self._named(kind)
        chosen = reads.selection(resource, namespace, {"labelSelector": labels})
        return Subscription(self.store, resource, chosen)

    def set_log(
        self, namespace: str, pod: str, container: str, text: str, *, previous: bool = False
    ) -> None:
        """What `kubectl logs` shows of a container."""
        self.logs.set(namespace, pod, container, text, previous=previous)

    # --- knobs ----------------------------------------------------------------------------------

    def deny(self, verb: str, resource: str, *, namespace: str | None = None) -> None:
        """Answer 403 to `verb` on a `plural`, `plural/subresource`, `plural.group`; `*` is any."""
        self.access.deny(verb, resource, namespace=namespace)

    def allow(self, verb: str, resource: str, *, namespace: str | None = None) -> None:
        """Take a denial back."""
        self.access.allow(verb, resource, namespace=namespace)

    def compact(self) -> None:
        """Expire the history: watches and continued lists from before are answered 410."""
        self.store.compact()

    def close_watches(self) -> None:
        """End all open watches, as a server does that restarts in good order."""
        self._end_watches(abrupt=False)

    def drop_watches(self) -> None:
        """Break the connections of all open watches."""
        self._end_watches(abrupt=True)

    def _end_watches(self, *, abrupt: bool) -> None:
        self.faults.abrupt = abrupt
        self.faults.closings += 1
        self.store.wake()

    # --- names ----------------------------------------------------------------------------------

    def _of(self, obj: Object) -> Resource:
        resource = self.registry.of(obj)
        if resource is None:
            kind, version = obj.get("kind"), obj.get("apiVersion")
            message = f'no matches for kind "{kind}" in version "{version}"'
            raise status.StatusError(404, "NotFound", message)
        return resource

    def _named(self, kind: str) -> Resource:
        resource = self.registry.named(kind)
        if resource is None:
            message = f'the server doesn\'t have a resource type "{kind}"'
            raise status.StatusError(404, "NotFound", message)
        return resource

    @staticmethod
    def _namespace(resource: Resource, obj: Object) -> str:
        return obj["metadata"].get("namespace") or "default" if resource.namespaced else ""
