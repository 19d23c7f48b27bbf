"""What an adapter is: the one file that teaches checkrail a new source.

An adapter declares the fields it reads as a msgspec Struct, so that a watch line is decoded once,
into those fields, and everything else in it costs nothing. `observe` is a pure function of the
object and of its children (the TaskRuns of a PipelineRun, say), which are watched beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ghapp.core.model import Observation, Subject, Value

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resource:
    """A served resource of the Kubernetes API."""

    group: str
    version: str
    plural: str
    kind: str
    older: tuple[str, ...] = ()
    """Versions to follow where `version` is not served, best first."""

    @property
    def versions(self) -> tuple["Resource", ...]:
        """Itself and its older versions, in the order in which they are tried."""
        older = (Resource(self.group, each, self.plural, self.kind) for each in self.older)
        return (self, *older)

    @property
    def api_version(self) -> str:
        """``tekton.dev/v1``, or ``v1`` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path of its API group version: ``/apis/tekton.dev/v1``."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def id(self) -> str:
        """``tekton.dev/v1/pipelineruns``: names the resource in logs, metrics and events."""
        return f"{self.api_version}/{self.plural}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of a collection or of one object."""
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.root}{inside}/{self.plural}" + (f"/{name}" if name else "")


Find = Callable[[Resource, str, str], Any]
"""(resource, namespace, name) -> the object, decoded as its `Neighbour` says, or None."""


def _find_nothing(resource: Resource, namespace: str, name: str) -> None:
    """Where nothing stands around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What stands around an object when it is observed."""

    cluster: str
    children: tuple[Any, ...] = ()
    """The objects of the adapter's `Child` resources that belong to this one, decoded."""
    deleted: bool = False
    """The object is gone; this was its last state."""
    find: Find = _find_nothing
    """Looks up what the object refers to by name, among the adapter's `Neighbour` resources, in
    what the watches said. An object is looked at again when what it looked up has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child(Generic[T]):
    """A resource that is watched because its objects are parts of another's run."""

    resource: Resource
    reads: type[T]
    parent: Callable[[T], str | None]
    """The uid of the object it belongs to, or None when it stands alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour(Generic[T]):
    """A resource that is watched because objects refer to it by name: a Kustomization's source."""

    resource: Resource
    reads: type[T]


Part = Child[Any] | Neighbour[Any]
"""What is watched beside a source's own objects."""


class Create(Value, tag="create", frozen=True, kw_only=True):
    """Create an object. Its name is deterministic: that it exists already means that it is done."""

    resource: str
    namespace: str
    manifest: dict[str, Any]


class Patch(Value, tag="patch", frozen=True, kw_only=True):
    """Merge-patch one object, if it still is the one with this uid."""

    resource: str
    namespace: str
    name: str
    uid: str
    body: dict[str, Any]


Write = Create | Patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """On whose behalf something is done."""

    login: str
    """Of the person who clicked."""
    token: str
    """Deterministic for one request: names a copy, marks a reconcile request."""
    at: str
    """RFC 3339; when the request came in."""
    pieces: tuple[Mapping[str, Any], ...] = ()
    """The objects that the adapter's `pieces` named, as far as there are any."""


Plan = Callable[[Mapping[str, Any], Subject, Asked], Write]
"""(manifest, subject, asked) -> what to write; raises Refused where it cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceRef:
    """An object that a run is made of, in the run's namespace."""

    resource: str
    """`Resource.id`."""
    name: str


Pieces = Callable[[Mapping[str, Any]], tuple[PieceRef, ...]]
"""manifest -> what `rerun_failed` has to know beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A rule that was asked for the commit of an object, and what came of it."""

    rule: str
    matched: bool
    why: str
    """What it found, or what it misses; never a URL as it was written."""


Trace = Callable[[T, Context], tuple[Tried, ...]]
"""(object, context) -> the rules that were asked for its commit, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Generic[T]):
    """One source."""

    name: str
    resource: Resource
    reads: type[T]
    observe: Callable[[T, Context], Observation | None]
    children: tuple[Child[Any], ...] = ()
    neighbours: tuple[Neighbour[Any], ...] = ()
    """Beside `children`: what else is watched for the sake of this source."""
    rerun: Plan | None = None
    rerun_failed: Plan | None = None
    """Again, without what succeeded."""
    pieces: Pieces | None = None
    cancel: Plan | None = None
    reconcile: Plan | None = None
    resolution: Trace[T] | None = None
    """Which rules were asked for the commit; for `explain` only."""
    documentation: str = ""
    """A sentence for the table of sources in the README."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything that is watched beside its own objects."""
        return (*self.children, *self.neighbours)
