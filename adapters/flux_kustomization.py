"""Flux Kustomizations: a long-lived object; each revision of its source that it applies is a run.

At each interval, and after a failure more often, the controller goes through all of it once more:
Ready turns Unknown and back, and nothing is new as long as revision, spec and outcome are the
same. The turn says so: it is the generation of the spec (`core.decide`). Before an attempt, what
fails concerns the revision that the source holds, not the one attempted last. Source:
fluxcd/kustomize-controller internal/controller/kustomization_controller.go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from adapters._read import copies, flux, flux_revision, meta
from adapters._read.flux import Kustomization, KustomizationSpec, KustomizationStatus, Source
from adapters._read.flux_request import REQUESTED, request
from adapters._read.meta import Condition, Metadata
from ghapp.core.model import (
    Conclusion,
    Observation,
    Occurrence,
    Phase,
    Revision,
    Step,
    Subject,
    SubjectType,
    Verb,
)
from ghapp.core.source import Adapter, Asked, Context, Patch, Tried
from ghapp.errors import Refused

RESOURCE: Final = flux.KUSTOMIZATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A Kustomization with its conditions and its source at hand."""

    metadata: Metadata
    spec: KustomizationSpec
    status: KustomizationStatus
    source: Source | None
    ready: Condition
    reconciling: Condition
    stalled: Condition
    healthy: Condition


def observe(one: Kustomization, context: Context) -> Observation | None:
    """Where a Kustomization stands with the revision that it attempts."""
    if meta.ignored(one.metadata):
        return None
    view = _view(one, context)
    phase = _phase(view)
    if phase is None:
        return None
    phase, word = _word(view, phase, deleted=context.deleted)
    revision = _revision(view)
    claim = flux_revision.of_kustomization(one, revision, context.find)
    metadata, notes = one.metadata, meta.annotations(one.metadata)
    created = _created(view, revision)
    finished = _finished(view, deleted=context.deleted) if phase.finished else None
    ended = max(finished, created) if finished else None
    return Observation(
        subject=meta.subject(
            metadata, kind=RESOURCE.kind, cluster=context.cluster, revision=revision
        ),
        resource=RESOURCE.id,
        type=SubjectType.ENVIRONMENT,
        phase=phase,
        name=metadata.name,
        check_name=notes.check_name.strip() or f"flux / {metadata.namespace}/{metadata.name}",
        named=bool(notes.check_name.strip()),
        created=created,
        started=view.ready.last_transition_time if phase is Phase.RUNNING else None,
        finished=ended,
        reason=word.reason,
        message=word.message,
        conclusion=_CONCLUSIONS.get(word.reason) if phase is Phase.CANCELLED else None,
        revision=claim,
        steps=_steps(view, phase),
        occurrences=_occurrences(view, revision, claim, ended),
        environment=notes.environment.strip(),
        environment_url=meta.web_url(notes.environment_url),
        dashboard_url=meta.dashboard_url(metadata, kind=RESOURCE.kind),
        living=True,
        turn=str(metadata.generation),
        verbs=_verbs(view, deleted=context.deleted),
    )


def _view(one: Kustomization, context: Context) -> View:
    spec, status = one.spec or flux.NO_SPEC, one.status or flux.NO_STATUS
    found = {condition.type: condition for condition in reversed(status.conditions or ())}
    return View(
        metadata=one.metadata,
        spec=spec,
        status=status,
        source=flux.source_of(spec.source_ref, one.metadata.namespace, context.find),
        ready=found.get("Ready", _NOWHERE),
        reconciling=found.get("Reconciling", _NOWHERE),
        stalled=found.get("Stalled", _NOWHERE),
        healthy=found.get("Healthy", _NOWHERE),
    )


_NOWHERE: Final = Condition()


# --- which revision, which phase ----------------------------------------------------------------

_NO_ATTEMPT: Final = frozenset({
    "ArtifactFailed", "AccessDenied", "InvalidCELExpression", "FeatureGateDisabled",
    "DirectoryCreationFailed",
})  # fmt: skip
"""It did not come to building anything."""
_WAITING: Final = "DependencyNotReady"
_CANCELED: Final = "HealthCheckCanceled"
_SUSPENDED: Final = "Suspended"
_CONCLUSIONS: Final[Mapping[str, Conclusion]] = {
    _CANCELED: Conclusion.NEUTRAL,
    _SUSPENDED: Conclusion.ACTION_REQUIRED,
    "Deleted": Conclusion.CANCELLED,
}
_ATTEMPTS: Final = re.compile(r"\bfor revision (\S{1,512}) with a timeout")


def _revision(view: View) -> str:
    """What is attempted; before anything was, what the source holds, or the generation."""
    status, held = view.status, view.source.artifact.revision if view.source else ""
    if view.ready.status == "Unknown" and view.reconciling.true:
        attempts = _ATTEMPTS.search(view.reconciling.message)
        if attempts:
            return attempts[1]
    before = view.ready.false and view.ready.reason in _NO_ATTEMPT | {_WAITING}
    attempted = held if before and held else status.last_attempted_revision
    return attempted or held or f"generation-{view.metadata.generation}"


def _phase(view: View) -> Phase | None:
    if view.stalled.true:
        return Phase.ERRORED
    match view.ready.status:
        case "":
            return Phase.QUEUED
        case "True":
            return Phase.SUCCEEDED
        case "Unknown":
            return Phase.RUNNING
        case "False":
            return _not_ready(view.ready)
        case _:
            return None


def _not_ready(ready: Condition) -> Phase:
    """It tries again after each failure, for ever; that is no reason to keep the verdict back."""
    fetching = ready.reason == "ArtifactFailed" and "artifact not found, retrying" in ready.message
    if ready.reason == _WAITING or fetching:
        return Phase.QUEUED
    if ready.reason == _CANCELED:
        return Phase.CANCELLED
    return Phase.ERRORED if ready.reason in _NO_ATTEMPT else Phase.FAILED


def _word(view: View, phase: Phase, *, deleted: bool) -> tuple[Phase, Condition]:
    """The phase, and the condition that tells why."""
    if deleted and not phase.finished:
        message = "It was deleted before it finished."
        return Phase.CANCELLED, Condition(reason="Deleted", message=message)
    if view.spec.suspend and phase is Phase.QUEUED:
        message = "Suspended; resume it to go on."
        return Phase.CANCELLED, Condition(reason=_SUSPENDED, message=message)
    if phase is Phase.RUNNING and view.reconciling.true:
        return phase, view.reconciling
    return phase, view.ready if view.ready.reason or not view.stalled.true else view.stalled


# --- times --------------------------------------------------------------------------------------


def _created(view: View, revision: str) -> datetime:
    """When the revision came up, as far as anyone still knows."""
    artifact = view.source.artifact if view.source else None
    fetched = artifact.last_update_time if artifact and artifact.revision == revision else None
    return fetched or _first_applied(view, revision) or meta.created(view.metadata)


def _first_applied(view: View, revision: str) -> datetime | None:
    """Of what this revision is built to; it may have been built to the same before."""
    history = view.status.history or ()
    snapshots = (one for one in history if one.metadata and one.metadata.revision == revision)
    return next((one.first_reconciled for one in snapshots), None)


def _finished(view: View, *, deleted: bool) -> datetime | None:
    gone = view.metadata.deletion_timestamp if deleted and not view.ready.true else None
    since = view.ready.last_transition_time or view.stalled.last_transition_time
    return gone or since or meta.created(view.metadata)


# --- occurrences --------------------------------------------------------------------------------

_FAILURES: Final = frozenset({
    "ReconciliationFailed", "BuildFailed", "PruneFailed", "HealthCheckFailed",
})  # fmt: skip


def _occurrences(
    view: View, revision: str, claim: Revision | None, ended: datetime | None
) -> tuple[Occurrence, ...]:
    """The environment was modified, once a revision; or something is wrong with it."""
    ready, at = view.ready, ended or meta.created(view.metadata)
    if ready.true and view.status.last_applied_revision == revision:
        applied = _first_applied(view, revision)
        since = applied if applied and applied >= _created(view, revision) else at
        return (Occurrence(type="environment.modified", key=f"modified/{revision}", at=since),)
    if ready.false and ready.reason in _FAILURES:
        incident = Occurrence(
            type="incident.detected",
            key=f"{ready.reason}/{revision}",
            at=at,
            artifact=_purl(view.metadata.name, revision, claim),
            description=ready.message,
        )
        return (incident,)
    return ()


def _purl(name: str, revision: str, claim: Revision | None) -> str:
    """A package URL: https://github.com/package-url/purl-spec."""
    if claim and claim.repository.host == "github.com":
        return f"pkg:github/{quote(claim.repository.slug.lower())}@{claim.commit}"
    return f"pkg:generic/{quote(name, safe='')}@{quote(revision, safe='')}"


# --- steps --------------------------------------------------------------------------------------


def _steps(view: View, phase: Phase) -> tuple[Step, ...]:
    """Applying, and the health checks if there are any."""
    if phase in {Phase.QUEUED, Phase.ERRORED, Phase.CANCELLED}:
        return ()
    checked = bool(view.spec.wait or view.spec.health_checks)
    checking = checked and "health checks" in view.reconciling.message
    sick = view.ready.reason == "HealthCheckFailed"
    apply = phase if not (checking or sick) else Phase.SUCCEEDED
    applied = Step(name="apply", phase=apply, detail=_applied(view, apply))
    if not (checked or sick) or apply is Phase.FAILED:
        return (applied,)
    health = phase if apply is Phase.SUCCEEDED else Phase.QUEUED
    detail = view.healthy.reason if health is Phase.FAILED else ""
    return (applied, Step(name="health checks", phase=health, detail=detail))


def _applied(view: View, phase: Phase) -> str:
    if phase is Phase.FAILED:
        return view.ready.reason
    if phase is Phase.RUNNING:
        return view.reconciling.message.partition(" for revision ")[0][:100]
    inventory = view.status.inventory
    count = len(inventory.entries or ()) if inventory else 0
    return f"{count} {'object' if count == 1 else 'objects'}" if count else ""


# --- what people ask for ------------------------------------------------------------------------


def _verbs(view: View, *, deleted: bool) -> tuple[Verb, ...]:
    removing = deleted or view.metadata.deletion_timestamp is not None
    return () if removing or view.spec.suspend else (Verb.RECONCILE,)


def reconcile(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    """Apply it again now."""
    one = copies.same_object(manifest, subject, Kustomization)
    if one.spec and one.spec.suspend:
        raise Refused(f"{subject.name} is suspended in Flux; resume it first.", status=409)
    return request(RESOURCE, subject, asked, (REQUESTED,))


def resolution(one: Kustomization, context: Context) -> tuple[Tried, ...]:
    """Which rules were asked for the commit."""
    revision = _revision(_view(one, context))
    return flux_revision.trace_kustomization(one, revision, context.find)


ADAPTER: Final = Adapter(
    name="flux-kustomization",
    resource=RESOURCE,
    reads=Kustomization,
    observe=observe,
    neighbours=flux.SOURCES,
    reconcile=reconcile,
    resolution=resolution,
    documentation="A Kustomization: each revision of its source that it applies is a run.",
)
