"""Flux HelmReleases: a long-lived object; each chart version it rolls out is a run of its own.

The run is named by its revision: the version the controller attempted last, or, once a newer
generation asks for another exact version, that one, waiting. Before any attempt a version range
or a chart reference names nothing that could be attempted, so the generation stands in, and the
attempt that follows supersedes it.

At each interval the controller looks around (Reconciling "Fulfilling prerequisites") without doing
anything, whatever the release's verdict; what it looks like is "queued", which changes nothing of
a run that has its verdict (`core.decide`). Only a running action is a new turn. Source:
fluxcd/helm-controller internal/controller, internal/reconcile.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters._read import copies, flux, flux_revision, helm, meta
from adapters._read.flux_request import FORCED, REQUESTED, RESET, request
from adapters._read.helm import HelmRelease, View, view_of
from adapters._read.helm_occurrences import occurrences
from adapters._read.meta import Condition
from ghapp.core.model import (
    Conclusion,
    Observation,
    Phase,
    Step,
    Subject,
    SubjectType,
    Verb,
)
from ghapp.core.source import Adapter, Asked, Context, Patch, Tried
from ghapp.errors import Refused

RESOURCE: Final = flux.HELM_RELEASES


def observe(release: HelmRelease, context: Context) -> Observation | None:
    """Where a release stands."""
    if meta.ignored(release.metadata):
        return None
    view = view_of(release)
    standing = _standing(view, deleted=context.deleted)
    if standing is None:
        return None
    notes, metadata = meta.annotations(view.metadata), view.metadata
    name = run_name(view)
    deployed = view.latest if view.latest and view.latest.status == "deployed" else None
    return Observation(
        subject=meta.subject(
            metadata, kind=RESOURCE.kind, cluster=context.cluster, revision=standing.revision
        ),
        resource=RESOURCE.id,
        type=SubjectType.SERVICE,
        phase=standing.phase,
        name=name,
        check_name=notes.check_name.strip() or f"flux / {metadata.namespace}/{metadata.name}",
        named=bool(notes.check_name.strip()),
        created=standing.started or _since(view) or meta.created(metadata),
        started=None if standing.phase is Phase.QUEUED else standing.started,
        finished=standing.finished,
        reason=standing.reason,
        message=standing.message,
        conclusion=standing.conclusion,
        revision=flux_revision.of_release(release, context.find),
        steps=_steps(view, standing.phase),
        occurrences=occurrences(view, gone=context.deleted),
        environment=notes.environment.strip(),
        environment_url=meta.web_url(notes.environment_url),
        version=helm.chart_version(deployed) if deployed else "",
        dashboard_url=meta.dashboard_url(metadata, kind=RESOURCE.kind),
        living=True,
        generation=standing.generation,
        turn=_turn(view) if standing.phase.finished else "",
        verbs=() if context.deleted or view.removing else _verbs(view, standing.phase),
    )


def run_name(view: View) -> str:
    """The Helm release, as helm-controller names it."""
    prefix = f"{view.spec.target_namespace}-" if view.spec.target_namespace else ""
    return view.spec.release_name or f"{prefix}{view.metadata.name}"


# --- phase --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Which run it is, and where that stands."""

    revision: str
    phase: Phase
    conclusion: Conclusion | None = None
    started: datetime | None = None
    finished: datetime | None = None
    reason: str = ""
    message: str = ""
    generation: int = 0


_NO_ATTEMPT: Final = frozenset({
    "ArtifactFailed", "SourceNotReady", "AccessDenied", "ValuesError", "ChartMutateError",
    "RESTClientError", "ResourceManagerError", "FactoryError", "ConfigFactoryErr", "StateError",
    "ReconcileError", "InvalidCELExpression",
})  # fmt: skip
"""It did not come to an action; the controller tries again and stays Reconciling meanwhile."""
_CANCELED: Final = "HealthCheckCanceled"


def _standing(view: View, *, deleted: bool) -> Standing | None:
    phase = _phase(view)
    if phase is None:
        return None
    waiting = "" if deleted or view.removing else _wanted(view)
    if waiting:
        phase = phase if phase is Phase.ERRORED else Phase.QUEUED
    reason, message = _words(view, phase)
    if deleted and not phase.finished:
        phase, reason, message = Phase.CANCELLED, "Deleted", "It was deleted before it finished."
    elif _halted(view, phase):
        phase, reason, message = Phase.CANCELLED, SUSPENDED, "Suspended; resume it to go on."
    started = _started(view, phase)
    finished = _finished(view, deleted=deleted) if phase.finished else None
    return Standing(
        revision=waiting or view.status.last_attempted_revision or _first_revision(view),
        phase=phase,
        conclusion=_conclusion(view, phase, reason),
        started=started,
        finished=max(finished, started) if finished and started else finished,
        reason=reason,
        message=message,
        generation=_generation(view, phase, attempted=not waiting),
    )


SUSPENDED: Final = "Suspended"


def _halted(view: View, phase: Phase) -> bool:
    """Suspended before it came to an end; an action that runs is still let finish."""
    return bool(view.spec.suspend) and not phase.finished and not view.action


def _generation(view: View, phase: Phase, *, attempted: bool) -> int:
    """Which state of the spec the verdict is about; the latest, where it did not come to one."""
    last = view.status.last_attempted_generation
    verdict = phase in {Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED}
    return last if attempted and verdict and last else view.metadata.generation


def _turn(view: View) -> str:
    """The newest Helm revision: each action writes one."""
    return helm.revision_key(view.latest) if view.latest else "none"


def _phase(view: View) -> Phase | None:
    """kstatus' rules, with Helm's actions told apart from the controller's looking around."""
    if view.stalled.true:
        return _verdict(view)
    if view.action or (view.reconciling.true and view.reconciling.reason == "ProgressingWithRetry"):
        return Phase.RUNNING
    match view.ready.status:
        case "":
            return Phase.QUEUED
        case "True":
            return Phase.QUEUED if view.reconciling.true and _stale(view) else Phase.SUCCEEDED
        case "Unknown":
            return Phase.QUEUED if view.reconciling.true else Phase.RUNNING
        case "False":
            return _not_ready(view)
        case _:
            return None


def _stale(view: View) -> bool:
    """Whether Ready still speaks of another version than the one attempted last."""
    attempted, latest = view.status.last_attempted_revision, view.latest
    return bool(attempted and latest and latest.chart_version and latest.chart_version != attempted)


def _not_ready(view: View) -> Phase:
    reason = view.ready.reason
    if reason == "DependencyNotReady" or _being_fetched(view.ready):
        return Phase.QUEUED
    if reason in _NO_ATTEMPT or not view.reconciling.true:
        return _verdict(view)
    return Phase.QUEUED


def _being_fetched(ready: Condition) -> bool:
    """The chart's source has not been looked at yet; this is so at the start of every upgrade."""
    return ready.reason == "SourceNotReady" and "has not been reconciled" in ready.message


def _verdict(view: View) -> Phase:
    reasons = {view.ready.reason, view.stalled.reason if view.stalled.true else ""}
    if reasons & _NO_ATTEMPT:
        return Phase.ERRORED
    if _CANCELED in reasons:
        return Phase.CANCELLED
    if helm.UNINSTALLED in reasons and view.removing:
        return Phase.CANCELLED  # it is not deployed any more, as somebody wished
    return Phase.FAILED


_HALTS: Final[Mapping[str, Conclusion]] = {
    _CANCELED: Conclusion.NEUTRAL,
    SUSPENDED: Conclusion.ACTION_REQUIRED,
}


def _conclusion(view: View, phase: Phase, reason: str) -> Conclusion | None:
    if phase is Phase.CANCELLED:
        return _HALTS.get(reason, Conclusion.CANCELLED)
    if phase is Phase.SUCCEEDED and view.tested.false and _tests_may_fail(view):
        return Conclusion.NEUTRAL
    return None


def _tests_may_fail(view: View) -> bool:
    return bool(view.spec.test and view.spec.test.ignore_failures)


_EXACT: Final = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)


def _wanted(view: View) -> str:
    """The exact version that a newer generation asks for and that was not attempted yet."""
    exact, status = _exact_version(view), view.status
    attempted = status.last_attempted_generation
    newer = attempted < view.metadata.generation if attempted else False
    return exact if newer and exact != status.last_attempted_revision else ""


def _exact_version(view: View) -> str:
    chart = view.spec.chart.spec if view.spec.chart else None
    version = chart.version if chart else ""
    return version if _EXACT.fullmatch(version) else ""


def _first_revision(view: View) -> str:
    return _exact_version(view) or f"generation-{view.metadata.generation}"


def _words(view: View, phase: Phase) -> tuple[str, str]:
    """Its reason and sentence; after a remediation, what made it necessary comes first."""
    if phase in {Phase.QUEUED, Phase.RUNNING} and not view.ready.false and view.reconciling.true:
        return view.reconciling.reason, view.reconciling.message
    said = [view.released.message] if view.released.false and view.remediated.status else []
    said += [view.ready.message, view.stalled.message if view.stalled.true else ""]
    sentences = dict.fromkeys(text.strip() for text in said if text.strip())
    return view.ready.reason or view.reconciling.reason, "\n\n".join(sentences)


def _since(view: View) -> datetime | None:
    known = view.reconciling if view.reconciling.true else view.ready
    return known.last_transition_time


def _started(view: View, phase: Phase) -> datetime | None:
    """A running action began when Reconciling said so; a past one when Helm wrote its revision."""
    if phase is Phase.QUEUED:
        return None
    if phase is Phase.RUNNING:
        return _since(view)
    attempt = helm.attempt(view)
    return attempt.last_deployed if attempt else None


def _finished(view: View, *, deleted: bool) -> datetime | None:
    last = view.metadata.deletion_timestamp if deleted and not view.ready.true else None
    return last or view.ready.last_transition_time or view.metadata.creation_timestamp


# --- steps --------------------------------------------------------------------------------------

_STEP_PHASES: Final[Mapping[str, Phase]] = {
    "True": Phase.SUCCEEDED,
    "False": Phase.FAILED,
    "Unknown": Phase.QUEUED,
}
_NAMES: Final = (("Install", "install"), ("Upgrade", "upgrade"), ("Rollback", "rollback"))


def _steps(view: View, phase: Phase) -> tuple[Step, ...]:
    """Helm's actions of this attempt: install or upgrade, test, rollback or uninstall."""
    if phase is Phase.QUEUED:
        return ()
    now = Step(name=view.action, phase=Phase.RUNNING, started=_since(view)) if view.action else None
    if now and view.replacing:
        return (now,)  # what conditions say is of the attempt before
    done = (
        _step(_action_name(view.released, "upgrade"), view.released),
        _step("test", view.tested, tolerated=_tests_may_fail(view) and view.tested.false),
        *_test_hooks(view),
        _step(_action_name(view.remediated, "uninstall"), view.remediated),
        _drift(view.drifted),
    )
    past = (step for step in done if step and not (now and step.name == now.name))
    return (*past, *((now,) if now and phase is Phase.RUNNING else ()))


_HOOK_PHASES: Final[Mapping[str, Phase]] = {
    "Succeeded": Phase.SUCCEEDED,
    "Failed": Phase.FAILED,
    "Running": Phase.RUNNING,
}


def _test_hooks(view: View) -> tuple[Step, ...]:
    """The chart's tests by name, once they ran."""
    tested = helm.tested(view) if view.tested.status else None
    if tested is None:
        return ()
    return tuple(
        Step(
            name=f"test {name}",
            phase=_HOOK_PHASES.get(hook.phase, Phase.QUEUED),
            started=hook.last_started,
            finished=hook.last_completed,
            tolerated=_tests_may_fail(view) and hook.phase == "Failed",
        )
        for name, hook in helm.hooks(tested)
    )


def _drift(said: Condition) -> Step | None:
    """That the cluster differs from what was deployed does not fail a release."""
    if not said.true:
        return None
    detail = meta.shown(said.message, 300) or said.reason
    return Step(name="drift", phase=Phase.FAILED, detail=detail, tolerated=True)


def _action_name(said: Condition, otherwise: str) -> str:
    return next((name for start, name in _NAMES if said.reason.startswith(start)), otherwise)


def _step(name: str, said: Condition, *, tolerated: bool = False) -> Step | None:
    phase = _STEP_PHASES.get(said.status)
    if phase is None:
        return None
    finished = said.last_transition_time if phase.finished else None
    detail = said.reason if phase is Phase.FAILED else ""
    return Step(name=name, phase=phase, finished=finished, detail=detail, tolerated=tolerated)


# --- what people ask for ------------------------------------------------------------------------


def _verbs(view: View, phase: Phase) -> tuple[Verb, ...]:
    if view.spec.suspend:
        return ()
    failed = phase in {Phase.FAILED, Phase.ERRORED}
    return (Verb.RECONCILE, Verb.RERUN) if failed else (Verb.RECONCILE,)


def reconcile(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    """Look again now; a release that failed is also forced, or looking would change nothing."""
    view = _asked_view(manifest, subject)
    more = (FORCED, RESET) if _stuck(view) else ()
    return request(RESOURCE, subject, asked, (REQUESTED, *more))


def rerun(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    """Install or upgrade once more, even if nothing changed; retries are counted anew."""
    view = _asked_view(manifest, subject)
    more = (FORCED, RESET) if _stuck(view) else (FORCED,)
    return request(RESOURCE, subject, asked, (REQUESTED, *more))


def _asked_view(manifest: Mapping[str, Any], subject: Subject) -> View:
    view = view_of(copies.same_object(manifest, subject, HelmRelease))
    if view.spec.suspend:
        raise Refused(f"{subject.name} is suspended in Flux; resume it first.", status=409)
    return view


def _stuck(view: View) -> bool:
    return view.stalled.true or _phase(view) in {Phase.FAILED, Phase.ERRORED}


def resolution(release: HelmRelease, context: Context) -> tuple[Tried, ...]:
    """Which rules were asked for the commit."""
    return flux_revision.trace_release(release, context.find)


ADAPTER: Final = Adapter(
    name="flux-helmrelease",
    resource=RESOURCE,
    reads=HelmRelease,
    observe=observe,
    neighbours=flux_revision.NEIGHBOURS,
    rerun=rerun,
    reconcile=reconcile,
    resolution=resolution,
    documentation="A HelmRelease: each chart version it rolls out is a run.",
)
