"""What Tekton says of a run: one condition, its reason, and the times beside it.

Sources: tektoncd/pipeline docs/pipelineruns.md, docs/taskruns.md, pkg/apis/pipeline/v1. The list of
reasons is open: an unknown one is a failure when the condition is False, and running when Unknown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from adapters._read import meta
from adapters._read.meta import ChildMetadata, Condition, Metadata, Read, Time
from adapters._read.revision import INTEGRATION, STATUS_TRACKER, Named, trace
from ghapp.core.model import (
    Conclusion,
    LogSource,
    Phase,
    Revision,
    Step,
    without_credentials,
)
from ghapp.core.source import Context, Tried

PIPELINE_RUN: Final = "PipelineRun"
DETAIL_LIMIT: Final = 300
NAME_LIMIT: Final = 100
"""Characters of a result's name."""
GLANCE: Final = 100
"""Characters of a value for which there is no room: results are for programs."""
RESULTS_LIMIT: Final = 50
RESULTS_ROOM: Final = 64_000
"""Characters of all values of a run: Tekton's own limit is 4 KB a task, unless it is raised."""


class Terminated(Read, frozen=True, kw_only=True, gc=False):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    started_at: Time | None = None
    finished_at: Time | None = None


class Waiting(Read, frozen=True, kw_only=True, gc=False):
    """Why a container does not start."""

    reason: str = ""
    message: str = ""


class Running(Read, frozen=True, kw_only=True, gc=False):
    """Since when a container runs."""

    started_at: Time | None = None


class StepState(Read, frozen=True, kw_only=True, gc=False):
    """A step of a TaskRun: one container of its pod."""

    name: str = ""
    container: str = ""
    terminated: Terminated | None = None
    running: Running | None = None
    waiting: Waiting | None = None
    termination_reason: str = ""


class Attempt(Read, frozen=True, kw_only=True, gc=False):
    """An earlier try of a TaskRun that is retried."""

    start_time: Time | None = None


class TaskRunStatus(Read, frozen=True, kw_only=True, gc=False):
    """The status of a TaskRun, or as much of a CustomRun's as is the same."""

    conditions: tuple[Condition, ...] | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    pod_name: str = ""
    steps: tuple[StepState, ...] | None = None
    retries_status: tuple[Attempt, ...] | None = None
    results: tuple[Named, ...] | None = None
    task_results: tuple[Named, ...] | None = None
    """As v1beta1 calls them."""

    @property
    def values(self) -> tuple[Named, ...]:
        """The results, whatever the version calls them."""
        return self.results or self.task_results or ()


class TaskRef(Read, frozen=True, kw_only=True, gc=False):
    """A reference to a Task or a Pipeline; a resolver's has no name."""

    name: str = ""


class TaskRunSpec(Read, frozen=True, kw_only=True, gc=False):
    """The spec of a TaskRun."""

    status: str | None = None
    status_message: str | None = None
    task_ref: TaskRef | None = None
    custom_ref: TaskRef | None = None
    params: tuple[Named, ...] | None = None


class TaskRun(Read, frozen=True, kw_only=True, gc=False):
    """A TaskRun or CustomRun that may stand alone."""

    api_version: str = ""
    metadata: Metadata = Metadata()
    spec: TaskRunSpec | None = None
    status: TaskRunStatus | None = None


class ChildRun(Read, frozen=True, kw_only=True, gc=False):
    """A TaskRun, CustomRun or PipelineRun as a part of a PipelineRun."""

    metadata: ChildMetadata = ChildMetadata()
    spec: TaskRunSpec | None = None
    status: TaskRunStatus | None = None


NO_STATUS: Final = TaskRunStatus()
NO_SPEC: Final = TaskRunSpec()


def resolution(run: TaskRun, context: Context) -> tuple[Tried, ...]:
    """Which rules were asked for the commit of a TaskRun or CustomRun."""
    del context
    status, spec = run.status or NO_STATUS, run.spec or NO_SPEC
    notes, labels = meta.annotations(run.metadata), meta.labels(run.metadata)
    return trace(notes, labels, spec.params, status.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run stands, read off its condition."""

    phase: Phase
    conclusion: Conclusion | None = None
    started: datetime | None = None
    finished: datetime | None = None


def deleted(metadata: Metadata, standing: Standing, status: TaskRunStatus) -> Standing:
    """Deletion gives no last status: it ends when it was deleted, or when last heard of."""
    found = meta.condition(status.conditions, "Succeeded") or Condition()
    last = metadata.deletion_timestamp or last_time(
        metadata.creation_timestamp, status.start_time, found.last_transition_time
    )
    return Standing(
        phase=Phase.CANCELLED,
        conclusion=Conclusion.CANCELLED,
        started=standing.started,
        finished=last,
    )


def parent_uid(child: ChildRun) -> str | None:
    """The uid of the PipelineRun that a TaskRun belongs to."""
    owner = meta.controller(child.metadata)
    if owner and owner.kind == PIPELINE_RUN and owner.uid:
        return owner.uid
    return meta.child_labels(child.metadata).pipeline_run_uid or None


def is_part(run: TaskRun) -> bool:
    """Whether a TaskRun is a step of a PipelineRun; those carry its labels and annotations."""
    owners = run.metadata.owner_references or ()
    labels = meta.labels(run.metadata)
    owned = any(owner.kind == PIPELINE_RUN for owner in owners)
    return owned or bool(labels.pipeline_run or labels.pipeline_run_uid)


_QUEUED: Final = frozenset({
    "TaskRunPending", "Started", "ResolvingTaskRef", "ResolvingStepActionRef", "Pending",
    "PullImageFailed", "ExceededNodeResources", "ExceededResourceQuota",
})  # fmt: skip
_NEVER_RAN: Final = frozenset({
    "TaskRunImagePullFailed", "CreateContainerConfigError", "PodCreationFailed",
    "PodAdmissionFailed", "InvalidParamValue", "TaskRunResolutionFailed",
    "TaskRunValidationFailed", "TaskValidationFailed", "ResourceVerificationFailed",
    "InitContainerFailed", "InitContainerOOM",
})  # fmt: skip
"""There was no pod, or it never got to the first step."""
_NO_VERDICT: Final = _NEVER_RAN | {
    "StepOOM", "SidecarOOM", "PodEvicted", "TaskRunTimeout",
    "TaskRunResultLargerThanAllowedLimit", "TaskRunStopSidecarFailed",
    "CustomRunWorkspaceNotSupported",
}  # fmt: skip
"""The task did not fail: something kept it from coming to a verdict."""
_FINAL_WITHOUT_TIME: Final = "CreateContainerConfigError"
"""Tekton gives up on this one and never sets completionTime (pkg/pod/status.go); any other False
without a completionTime is tried again (docs/taskruns.md)."""
IGNORED: Final = "FailureIgnored"
CANCELLED: Final = "TaskRunCancelled"
TIMEOUT: Final = "TaskRunTimeout"
_CANCELS: Final = frozenset({CANCELLED, "CustomRunCancelled", "RunCancelled"})
_TIMEOUTS: Final = frozenset({TIMEOUT, "CustomRunTimedOut", "RunTimedOut"})
"""A custom task's controller gives its own reasons, but these (customrun_types.go)."""


def task_standing(spec: TaskRunSpec | None, status: TaskRunStatus | None) -> Standing | None:
    """Where a TaskRun stands; None: its condition says nothing that Tekton ever says.

    Between attempts startTime vanishes and the reason goes back: it started when the first one did,
    and it still runs.
    """
    status = status or NO_STATUS
    found = meta.condition(status.conditions, "Succeeded") or Condition(status="Unknown")
    if found.status not in {"True", "False", "Unknown"}:
        return None
    begun = _begun(status)
    finished = _finished(found, status)
    never = not status.retries_status and (found.reason in _NEVER_RAN or not found.reason)
    if finished is None:
        queued = found.reason in _QUEUED and not status.retries_status
        if queued or never:
            return Standing(phase=Phase.QUEUED)
        return Standing(phase=Phase.RUNNING, started=begun)
    phase, conclusion = _task_verdict(found, (spec or NO_SPEC).status_message or "")
    started = None if never and found.false else begun
    return Standing(phase=phase, conclusion=conclusion, started=started, finished=finished)


def _begun(status: TaskRunStatus) -> datetime | None:
    attempts = (attempt.start_time for attempt in status.retries_status or ())
    return next((time for time in attempts if time), status.start_time)


def _finished(found: Condition, status: TaskRunStatus) -> datetime | None:
    if found.status == "Unknown":
        return None
    if found.false and found.reason == _FINAL_WITHOUT_TIME:
        return status.completion_time or found.last_transition_time
    return status.completion_time


def _task_verdict(found: Condition, why: str) -> tuple[Phase, Conclusion | None]:
    if found.true:
        return Phase.SUCCEEDED, None
    cancelled = found.reason in _CANCELS
    timed_out = cancelled and "has timed out" in f"{why} {found.message}"
    if found.reason in _TIMEOUTS or timed_out:
        return Phase.ERRORED, Conclusion.TIMED_OUT
    if cancelled:
        return Phase.CANCELLED, None
    if found.reason == IGNORED:
        return Phase.FAILED, Conclusion.NEUTRAL
    if found.reason == "ResourceVerificationFailed":
        return Phase.ERRORED, Conclusion.FAILURE
    return (Phase.ERRORED if found.reason in _NO_VERDICT else Phase.FAILED), None


def task_step(name: str, run: ChildRun) -> Step | None:
    """A TaskRun as a step of its pipeline."""
    standing = task_standing(run.spec, run.status)
    if standing is None:
        return None
    status = run.status or NO_STATUS
    found = meta.condition(status.conditions, "Succeeded") or Condition()
    return Step(
        name=name,
        phase=standing.phase,
        started=standing.started,
        finished=standing.finished,
        detail=_detail(found, status),
        tolerated=found.false and found.reason == IGNORED,
    )


def _detail(found: Condition, status: TaskRunStatus) -> str:
    attempts = len(status.retries_status or ())
    parts = (f"attempt {attempts + 1}" if attempts else "", _cause(found, status))
    return meta.shown("; ".join(part for part in parts if part), DETAIL_LIMIT)


def _cause(found: Condition, status: TaskRunStatus) -> str:
    if found.true or found.reason in {"Running", "Started", ""}:
        return ""
    if not found.false:
        return found.reason
    said = next((said for said in map(_said, status.steps or ()) if said), found.message)
    message = found.message if found.reason in _CANCELS | _TIMEOUTS else said
    return f"{found.reason}: {message}" if message else found.reason


def _said(step: StepState) -> str:
    """What a step's container says of a failure; Tekton's own words about it are left out."""
    name, ended, waits = step.container or step.name, step.terminated, step.waiting
    if waits and waits.message:
        return f"{name}: {waits.message}"
    if ended is None or not ended.exit_code or step.termination_reason == "Continued":
        return ""
    if ended.reason.startswith("TaskRun"):
        return ""  # put there when the pod went away: nothing ran to this end
    why = f" ({ended.reason})" if ended.reason else ""
    return f"{name} exited with code {ended.exit_code}{why}"


def results(values: Iterable[Named] | None) -> tuple[tuple[str, str], ...]:
    """Results without the credentials of URLs; whole, for a report may be one of them, unless
    all together are more than anybody should send this way."""
    named = [one for one in values or () if one.name and one.value is not None]
    return tuple(_fitting(named[:RESULTS_LIMIT]))


def _fitting(named: Iterable[Named]) -> Iterator[tuple[str, str]]:
    room = RESULTS_ROOM
    for one in named:
        value = without_credentials(_value(one.value))
        value = value if len(value) <= room else meta.shown(value, GLANCE)
        room = max(room - len(value), 0)
        yield meta.shown(one.name, NAME_LIMIT), value


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text.strip()


LOGS_LIMIT: Final = 50
"""Places of logs that a look names: more than anybody reads, but one of them may be a report."""
BAD: Final = frozenset({Phase.FAILED, Phase.ERRORED})


def task_logs(label: str, run: ChildRun) -> tuple[LogSource, ...]:
    """Where a TaskRun wrote as a step of its pipeline."""
    standing = task_standing(run.spec, run.status)
    if standing is None:
        return ()
    found = meta.condition((run.status or NO_STATUS).conditions, "Succeeded") or Condition()
    return logs(run.status, label, bad=standing.phase in BAD and found.reason != IGNORED)


def logs(status: TaskRunStatus | None, label: str = "", *, bad: bool) -> tuple[LogSource, ...]:
    """Where the steps of a TaskRun wrote; of a bad one some failed: where none says so, those that
    did not end.

    They belong to the step `label`, or each to itself.
    """
    status = status or NO_STATUS
    ran = [state for state in status.steps or () if state.container and not _skipped(state)]
    if not status.pod_name:
        return ()
    failed = {state.container for state in ran if _broke(state)} if bad else set()
    if bad and not failed:
        failed = {state.container for state in ran if state.terminated is None}
    return tuple(
        LogSource(
            step=label or state.name or state.container,
            pod=status.pod_name,
            container=state.container,
            failed=state.container in failed,
        )
        for state in ran
    )


def most_telling(found: Iterable[LogSource]) -> tuple[LogSource, ...]:
    """Those that failed first, as many as a look names."""
    return tuple(sorted(found, key=lambda source: not source.failed)[:LOGS_LIMIT])


def _broke(state: StepState) -> bool:
    ended = state.terminated
    if ended is None or (ended.exit_code and state.termination_reason == "Continued"):
        return False
    return _step_phase(ended) in BAD


def _skipped(state: StepState) -> bool:
    return state.termination_reason == "Skipped"


def own_steps(status: TaskRunStatus | None) -> tuple[Step, ...]:
    """The steps of a TaskRun, in their order."""
    return tuple(_own_step(step) for step in (status or NO_STATUS).steps or ())


def _own_step(step: StepState) -> Step:
    name = step.name or step.container
    if step.terminated is None:
        phase = Phase.RUNNING if step.running else Phase.QUEUED
        started = step.running.started_at if step.running else None
        return Step(name=name, phase=phase, started=started, detail=_reason(step.waiting))
    ended, tolerated = step.terminated, step.termination_reason == "Continued"
    skipped = _skipped(step)
    return Step(
        name=name,
        phase=_step_phase(ended),
        started=None if skipped else ended.started_at,
        finished=None if skipped else ended.finished_at,
        detail=_ended(ended),
        skipped=skipped,
        tolerated=tolerated and ended.exit_code != 0,
    )


def _step_phase(ended: Terminated) -> Phase:
    if ended.reason == CANCELLED:
        return Phase.CANCELLED
    if ended.reason == "OOMKilled" or ended.reason.startswith("TaskRun"):
        return Phase.ERRORED
    return Phase.FAILED if ended.exit_code else Phase.SUCCEEDED


def _reason(waits: Waiting | None) -> str:
    if waits is None:
        return ""
    words = ": ".join(part for part in (waits.reason, waits.message) if part)
    return meta.shown(words, DETAIL_LIMIT)


def _ended(ended: Terminated) -> str:
    if not ended.exit_code:
        return ""
    if ended.reason.startswith("TaskRun"):
        return ended.reason
    why = f" ({ended.reason})" if ended.reason else ""
    return f"exit code {ended.exit_code}{why}"


def check_name(metadata: Metadata, revision: Revision | None) -> str:
    """What an annotation calls the check: its author, or the reporter before us; empty: none."""
    notes = meta.annotations(metadata)
    if notes.check_name.strip():
        return notes.check_name.strip()
    rule = revision.rule if revision else ""
    if rule == STATUS_TRACKER and notes.status_context.strip():
        return notes.status_context.strip()
    if rule == INTEGRATION and notes.integration_context.strip():
        return f"tekton: {notes.integration_context.strip()}"
    return ""


def last_time(*times: datetime | None) -> datetime | None:
    """The latest of the times that are known."""
    return max((time for time in times if time), default=None)


GIT_ANNOTATIONS: Final = frozenset({
    "tekton.dev/git-status", "tekton.dev/git-repo", "tekton.dev/git-revision",
    "tekton.dev/status-context", "tekton.dev/status-description", "tekton.dev/status-target-url",
})  # fmt: skip
"""What an author wrote for commit-status-tracker; all other ``tekton.dev/`` ones are Tekton's."""


def without_status(spec: dict[str, Any]) -> dict[str, Any]:
    """A run's spec without the wish to stop it."""
    return {key: part for key, part in spec.items() if key not in {"status", "statusMessage"}}
