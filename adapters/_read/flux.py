"""Flux' sources and what was made of them, as they are read, and the commit that stands behind one.

A revision names its commit in several ways: ``main@sha1:<40 hex>``, ``sha1:…``, ``main/<hex>`` as
older versions wrote it. ``latest@sha256:…`` is the digest of an OCI artifact and no commit, but a
Git repository may count in SHA-256. Source: fluxcd/pkg git, fluxcd/source-controller api/v1.
"""

from typing import Any, Final

from msgspec import field

from adapters._read.meta import Condition, ManagedFields, Metadata, Read, Time
from adapters._read.revision import Offer
from ghapp.core.source import Find, Neighbour, Resource

_GROUP: Final = "source.toolkit.fluxcd.io"
GIT: Final = Resource(_GROUP, "v1", "gitrepositories", "GitRepository")
OCI: Final = Resource(_GROUP, "v1", "ocirepositories", "OCIRepository")
CHARTS: Final = Resource(_GROUP, "v1", "helmcharts", "HelmChart")
KUSTOMIZATIONS: Final = Resource(
    "kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization"
)
HELM_RELEASES: Final = Resource("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")


class Upstream(Read, frozen=True, kw_only=True, gc=False):
    """What an OCI artifact says of where it comes from."""

    revision: str = field(default="", name="org.opencontainers.image.revision")
    source: str = field(default="", name="org.opencontainers.image.source")


class Artifact(Read, frozen=True, kw_only=True, gc=False):
    """What a source holds now."""

    revision: str = ""
    last_update_time: Time | None = None
    metadata: Upstream | None = None


class SourceSpec(Read, frozen=True, kw_only=True, gc=False):
    """Where a source is."""

    url: str = ""


class SourceStatus(Read, frozen=True, kw_only=True, gc=False):
    """What was fetched of it."""

    artifact: Artifact | None = None


class Source(Read, frozen=True, kw_only=True, gc=False):
    """A GitRepository or an OCIRepository."""

    spec: SourceSpec | None = None
    status: SourceStatus | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return self.spec.url if self.spec else ""

    @property
    def artifact(self) -> Artifact:
        """What it holds; an empty one before it was fetched."""
        return (self.status.artifact if self.status else None) or _NO_ARTIFACT


_NO_ARTIFACT: Final = Artifact()


class Reference(Read, frozen=True, kw_only=True, gc=False):
    """A reference to a source; without a namespace it is in the one of who refers."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class ChartSpec(Read, frozen=True, kw_only=True, gc=False):
    """Where a chart comes from."""

    source_ref: Reference | None = None
    reconcile_strategy: str = ""


class ChartStatus(Read, frozen=True, kw_only=True, gc=False):
    """What it was packaged from."""

    observed_source_artifact_revision: str = ""


class HelmChart(Read, frozen=True, kw_only=True, gc=False):
    """A chart, as source-controller packages it."""

    spec: ChartSpec | None = None
    status: ChartStatus | None = None


class FluxMetadata(Metadata, frozen=True, kw_only=True, gc=False):
    """Of an object that Flux may have applied."""

    managed_fields: tuple[ManagedFields, ...] | None = None


class HistoryMetadata(Read, frozen=True, kw_only=True, gc=False):
    """What a Kustomization's snapshot was made of."""

    revision: str = ""


class Snapshot(Read, frozen=True, kw_only=True, gc=False):
    """A reconciliation that a Kustomization remembers."""

    first_reconciled: Time | None = None
    metadata: HistoryMetadata | None = None


class Entry(Read, frozen=True, kw_only=True, gc=False):
    """An object that a Kustomization applied."""

    id: str = ""


class Inventory(Read, frozen=True, kw_only=True, gc=False):
    """What a Kustomization applied."""

    entries: tuple[Entry, ...] | None = None


class KustomizationSpec(Read, frozen=True, kw_only=True, gc=False):
    """What was asked for."""

    source_ref: Reference | None = None
    suspend: bool | None = None
    wait: bool | None = None
    health_checks: tuple[Reference, ...] | None = None


class KustomizationStatus(Read, frozen=True, kw_only=True, gc=False):
    """How far it is."""

    conditions: tuple[Condition, ...] | None = None
    last_applied_revision: str = ""
    last_applied_origin_revision: str = ""
    last_attempted_revision: str = ""
    inventory: Inventory | None = None
    history: tuple[Snapshot, ...] | None = None


class Kustomization(Read, frozen=True, kw_only=True, gc=False):
    """A Kustomization."""

    metadata: Metadata = Metadata()
    spec: KustomizationSpec | None = None
    status: KustomizationStatus | None = None


NO_STATUS: Final = KustomizationStatus()
NO_SPEC: Final = KustomizationSpec()

SOURCES: Final = (Neighbour(resource=GIT, reads=Source), Neighbour(resource=OCI, reads=Source))
_KINDS: Final = {GIT.kind: GIT, OCI.kind: OCI}


def commit_of(revision: str, *, git: bool) -> str:
    """The commit id in a revision, or what stands in its place; empty: a digest, or nothing.

    `git`: it is a Git repository's, where SHA-256 names commits too.
    """
    algorithm, colon, value = revision.rpartition("@")[2].rpartition(":")
    if colon:
        return value if algorithm == "sha1" or (git and algorithm == "sha256") else ""
    return value.rpartition("/")[2]


def pointer_of(revision: str) -> str:
    """The branch, tag or pull request that a revision was fetched by."""
    named, at, digest = revision.rpartition("@")
    if at:
        return "" if named == "HEAD" else named
    return "" if ":" in digest else digest.rpartition("/")[0].removeprefix("HEAD")


def source_of(reference: Reference | None, namespace: str, find: Find) -> Source | None:
    """The source that is referred to, as far as it is watched."""
    resource = _KINDS.get(reference.kind) if reference else None
    if reference is None or resource is None:
        return None
    found: Any = find(resource, reference.namespace or namespace, reference.name)
    return found if isinstance(found, Source) else None


def source_offer(
    rule: str,
    reference: Reference | None,
    source: Source | None,
    revision: str,
    *,
    origin: str = "",
    repository: str = "",
) -> Offer:
    """The commit behind a source's `revision`; `repository`, if it is given, outweighs the URL.

    `origin` is the commit that Flux itself remembers for an artifact that was made of one.
    """
    if reference is None or not revision:
        return Offer(rule=rule, silent="no source was attempted yet")
    git = reference.kind == GIT.kind
    upstream = _upstream(source, revision)
    said = revision if git else upstream.revision or origin
    url = (source.url if source else "") if git else upstream.source
    unseen = source is None and not repository and reference.kind in _KINDS
    pointer = pointer_of(said)
    return Offer(
        rule=rule,
        repository=repository or url,
        commit=commit_of(said, git=True),
        ref=pointer,
        pull_request=pointer if pointer.startswith(_PULLS) else "",
        silent=_unseen(reference) if unseen else "" if said else _no_commit(reference),
    )


_PULLS: Final = ("refs/pull/", "refs/merge-requests/", "pull/")


def _upstream(source: Source | None, revision: str) -> Upstream:
    """Of the artifact that has this revision; the source may hold a later one by now."""
    artifact = source.artifact if source else _NO_ARTIFACT
    same = artifact.revision == revision
    return (artifact.metadata if same else None) or _NO_UPSTREAM


_NO_UPSTREAM: Final = Upstream()


def _unseen(reference: Reference) -> str:
    return f"the {reference.kind} {reference.name} was not seen"


def _no_commit(reference: Reference) -> str:
    if reference.kind == OCI.kind:
        return "the OCI artifact names no commit (org.opencontainers.image.revision)"
    return f"a {reference.kind} has no commits"
