"""Which commit is a Flux object about? Asked for in this order; the first that names one wins.

1. ``checkrail.dev/repository`` and ``checkrail.dev/commit``.
2. ``event.toolkit.fluxcd.io/commit``, which Flux puts into its own events; the repository comes
   from our annotation, else from the source of the Kustomization that applied the object.
3. The Kustomization that applied the object (labels ``kustomize.toolkit.fluxcd.io/…``): the
   revision it attempted last, of its source. A Kustomization itself: its own revision.
4. A chart out of Git (`reconcileStrategy: Revision`), or an OCI artifact that names its commit.
5. The HelmRelease that made this HelmRelease (labels ``helm.toolkit.fluxcd.io/…``): the same anew.

A Kustomization applies many objects, and a later commit of it need not concern this one: which
commit a run keeps is decided where looks are compared (`core.decide`).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from adapters._read import flux, meta
from adapters._read.flux import HelmChart, Kustomization, Reference
from adapters._read.helm import HelmRelease
from adapters._read.meta import Metadata
from adapters._read.revision import Offer, first, ours, traced
from ghapp.core.model import Revision
from ghapp.core.source import Find, Neighbour, Tried

ANNOTATION: Final = "event.toolkit.fluxcd.io"
KUSTOMIZATION: Final = "kustomize.toolkit.fluxcd.io"
SOURCE: Final = "source.toolkit.fluxcd.io"
PARENT: Final = "helm.toolkit.fluxcd.io"
PARENTS_LIMIT: Final = 3
"""HelmReleases inside HelmReleases; labels could name each other in a ring."""

NEIGHBOURS: Final = (
    *flux.SOURCES,
    Neighbour(resource=flux.KUSTOMIZATIONS, reads=Kustomization),
    Neighbour(resource=flux.CHARTS, reads=HelmChart),
    Neighbour(resource=flux.HELM_RELEASES, reads=HelmRelease),
)
"""What a HelmRelease is traced by."""


def of_release(release: HelmRelease, find: Find) -> Revision | None:
    """The commit of a HelmRelease."""
    return first(_release_offers(release, find, PARENTS_LIMIT))


def trace_release(release: HelmRelease, find: Find) -> tuple[Tried, ...]:
    """The rules that `of_release` asks."""
    return traced(_release_offers(release, find, PARENTS_LIMIT))


def of_kustomization(one: Kustomization, revision: str, find: Find) -> Revision | None:
    """The commit of a Kustomization that attempts `revision`."""
    return first(_kustomization_offers(one, revision, find))


def trace_kustomization(one: Kustomization, revision: str, find: Find) -> tuple[Tried, ...]:
    """The rules that `of_kustomization` asks."""
    return traced(_kustomization_offers(one, revision, find))


def _release_offers(release: HelmRelease, find: Find, depth: int) -> Iterator[Offer]:
    metadata = release.metadata
    notes = meta.annotations(metadata)
    yield ours(notes)
    owner = _owner_offer(metadata, find, notes.repository, _applied_at(release))
    yield _annotated(metadata, owner.repository)
    yield owner
    yield _chart_offer(release, find, notes.repository)
    yield from _parent_offers(release, find, depth)


def _kustomization_offers(one: Kustomization, revision: str, find: Find) -> Iterator[Offer]:
    notes = meta.annotations(one.metadata)
    yield ours(notes)
    own = _revision_offer(SOURCE, one, revision, find, notes.repository)
    yield _annotated(one.metadata, own.repository)
    yield own


def _annotated(metadata: Metadata, repository: str) -> Offer:
    notes = meta.annotations(metadata)
    return Offer(
        rule=ANNOTATION,
        repository=notes.repository or (repository if notes.flux_commit else ""),
        commit=flux.commit_of(notes.flux_commit, git=False),
        ref=notes.ref,
        pull_request=notes.pull_request or notes.flux_change_request,
        silent="" if notes.flux_commit else "it is not annotated with a commit",
    )


def _revision_offer(
    rule: str, one: Kustomization, revision: str, find: Find, repository: str
) -> Offer:
    spec, status = one.spec or flux.NO_SPEC, one.status or flux.NO_STATUS
    source = flux.source_of(spec.source_ref, one.metadata.namespace, find)
    applied = status.last_applied_revision == revision
    return flux.source_offer(
        rule,
        spec.source_ref,
        source,
        revision,
        origin=status.last_applied_origin_revision if applied else "",
        repository=repository,
    )


def _owner_offer(
    metadata: Metadata, find: Find, repository: str, applied_at: datetime | None
) -> Offer:
    labels = meta.labels(metadata)
    name = labels.kustomization
    if not name:
        return Offer(rule=KUSTOMIZATION, silent="no Kustomization applied it")
    namespace = labels.kustomization_namespace or metadata.namespace
    owner = find(flux.KUSTOMIZATIONS, namespace, name)
    if not isinstance(owner, Kustomization):
        silent = f"the Kustomization {namespace}/{name} was not seen"
        return Offer(rule=KUSTOMIZATION, silent=silent)
    if _older(owner, applied_at):
        silent = f"the Kustomization {namespace}/{name} has not told yet what it applied"
        return Offer(rule=KUSTOMIZATION, silent=silent)
    status = owner.status or flux.NO_STATUS
    attempted = status.last_attempted_revision or status.last_applied_revision
    named = repository or meta.annotations(owner.metadata).repository
    return _revision_offer(KUSTOMIZATION, owner, attempted, find, named)


def _applied_at(release: HelmRelease) -> datetime | None:
    """When kustomize-controller changed the object last, to the second."""
    times = (
        one.time
        for one in release.metadata.managed_fields or ()
        if one.manager == "kustomize-controller" and not one.subresource and one.time
    )
    return max(times, default=None)


def _older(owner: Kustomization, applied_at: datetime | None) -> bool:
    """Whether we know a state of the Kustomization from before it applied the object: its own
    stream may lag behind. While it applies something it is not ready, and says which revision."""
    status = owner.status or flux.NO_STATUS
    ready = meta.condition(status.conditions, "Ready")
    since = ready.last_transition_time if ready and ready.status != "Unknown" else None
    return bool(applied_at and since and since < applied_at)


def _chart_offer(release: HelmRelease, find: Find, repository: str) -> Offer:
    reference = release.spec.chart_ref if release.spec else None
    if reference and reference.kind == flux.OCI.kind:
        return _oci_offer(reference, release, find, repository)
    namespace, name = _chart(release, reference)
    chart = find(flux.CHARTS, namespace, name) if name else None
    if not isinstance(chart, HelmChart):
        return Offer(rule=SOURCE, silent="its chart was not seen")
    return _packaged_offer(chart, namespace, find, repository)


def _chart(release: HelmRelease, reference: Reference | None) -> tuple[str, str]:
    """Namespace and name of its HelmChart: the one it refers to, or the one made for it."""
    if reference:
        return reference.namespace or release.metadata.namespace, reference.name
    namespace, _, name = (release.status.helm_chart if release.status else "").partition("/")
    return namespace, name


def _oci_offer(reference: Reference, release: HelmRelease, find: Find, repository: str) -> Offer:
    source = flux.source_of(reference, release.metadata.namespace, find)
    held = source.artifact.revision if source else ""
    attempted = release.status.last_attempted_revision_digest if release.status else ""
    if attempted and not held.endswith(attempted):
        return Offer(rule=SOURCE, silent="its OCI artifact has another digest by now")
    return flux.source_offer(SOURCE, reference, source, held, repository=repository)


def _packaged_offer(chart: HelmChart, namespace: str, find: Find, repository: str) -> Offer:
    spec, status = chart.spec, chart.status
    reference = spec.source_ref if spec else None
    if reference is None or reference.kind != flux.GIT.kind:
        return Offer(rule=SOURCE, silent="its chart does not come from Git")
    if spec and spec.reconcile_strategy != "Revision":
        return Offer(rule=SOURCE, silent="its chart follows versions, not commits")
    source = flux.source_of(reference, namespace, find)
    made_of = status.observed_source_artifact_revision if status else ""
    return flux.source_offer(SOURCE, reference, source, made_of, repository=repository)


def _parent_offers(release: HelmRelease, find: Find, depth: int) -> Iterator[Offer]:
    metadata = release.metadata
    labels = meta.labels(metadata)
    name = labels.parent_release
    namespace = labels.parent_release_namespace or metadata.namespace
    itself = (namespace, name) == (metadata.namespace, metadata.name)
    if not name or itself or not depth:
        yield Offer(rule=PARENT, silent="no HelmRelease made it")
        return
    parent = find(flux.HELM_RELEASES, namespace, name)
    if not isinstance(parent, HelmRelease):
        yield Offer(rule=PARENT, silent=f"the HelmRelease {namespace}/{name} was not seen")
        return
    found = first(_release_offers(parent, find, depth - 1))
    if found is None:
        yield Offer(rule=PARENT, silent=f"the HelmRelease {namespace}/{name} names no commit")
        return
    yield Offer(
        rule=PARENT,
        repository=found.repository.url,
        commit=found.commit,
        ref=found.ref,
        pull_request=str(found.pull_request or ""),
    )
