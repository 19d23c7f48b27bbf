"""Kubernetes Jobs: one run of a task, seldom of more than one pod at a time.

Only conditions end a Job. The counters lag and go back: no active pod and no failed one may just
be the pause between two tries. Source: kubernetes/kubernetes pkg/controller/job.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from adapters._read import copies, meta
from adapters._read.meta import CANCELLED_BY, Condition, Metadata, Read, Time
from adapters._read.revision import revision, trace
from ghapp.core.model import (
    Conclusion,
    LogSource,
    Observation,
    Phase,
    Step,
    Subject,
    SubjectType,
    Verb,
)
from ghapp.core.source import Adapter, Asked, Context, Create, Patch, Resource, Tried
from ghapp.errors import Refused

RESOURCE: Final = Resource("batch", "v1", "jobs", "Job")
CRON_JOB: Final = "CronJob"


class Spec(Read, frozen=True, kw_only=True, gc=False):
    """What was asked for."""

    completions: int | None = None
    parallelism: int | None = None
    completion_mode: str | None = None
    suspend: bool | None = None
    manual_selector: bool | None = None


class Status(Read, frozen=True, kw_only=True, gc=False):
    """How far it is."""

    conditions: tuple[Condition, ...] | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    active: int | None = None
    ready: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    completed_indexes: str | None = None
    failed_indexes: str | None = None


class Job(Read, frozen=True, kw_only=True, gc=False):
    """A Job."""

    metadata: Metadata = Metadata()
    spec: Spec | None = None
    status: Status | None = None


NO_SPEC: Final = Spec()
NO_STATUS: Final = Status()


def observe(job: Job, context: Context) -> Observation | None:
    """Where a Job stands."""
    if meta.ignored(job.metadata):
        return None
    status = job.status or NO_STATUS
    phase, word = _phase(job), _word(job)
    conclusion, finished = _CONCLUSIONS.get(word.reason), _finished(job, phase)
    gone = context.deleted and not phase.finished
    started = None if phase is Phase.QUEUED else status.start_time
    if gone:
        phase, conclusion, finished = Phase.CANCELLED, Conclusion.CANCELLED, _last(job)
        word = Condition(reason="Deleted", message="It was deleted before it finished.")
    notes = meta.annotations(job.metadata)
    name = run_name(job)
    return Observation(
        subject=meta.subject(job.metadata, kind=RESOURCE.kind, cluster=context.cluster),
        resource=RESOURCE.id,
        type=SubjectType.TASKRUN,
        phase=phase,
        name=name,
        check_name=notes.check_name.strip() or f"job / {name}",
        named=bool(notes.check_name.strip()),
        created=meta.created(job.metadata, status.start_time),
        started=started,
        finished=finished,
        reason=word.reason,
        message=word.message,
        conclusion=conclusion if phase.finished else None,
        revision=revision(notes, meta.labels(job.metadata)),
        steps=_steps(job, phase),
        logs=() if gone or not phase.finished else _logs(job, phase),
        logs_when=meta.logs_when(job.metadata),
        environment=notes.environment.strip(),
        dashboard_url=meta.dashboard_url(job.metadata, kind=RESOURCE.kind),
        chain=meta.chain(job.metadata),
        rerun_of=notes.rerun_of_uid,
        verbs=() if gone else _verbs(job, phase),
    )


def run_name(job: Job) -> str:
    """What runs: the CronJob, else as the Job itself is named."""
    owner = meta.controller(job.metadata)
    if owner and owner.kind == CRON_JOB and owner.name:
        return owner.name
    return meta.run_name(job.metadata)


_CONCLUSIONS: Final[Mapping[str, Conclusion]] = {"DeadlineExceeded": Conclusion.TIMED_OUT}


def _phase(job: Job) -> Phase:
    """Complete or Failed end it, and nothing else does; one of them never changes again."""
    status = job.status or NO_STATUS
    failed = _true(status, "Failed")
    if _true(status, "Complete"):
        return Phase.SUCCEEDED
    if failed:
        return Phase.ERRORED if failed.reason == "DeadlineExceeded" else Phase.FAILED
    if _stopped(job):
        return Phase.CANCELLED
    if _true(status, "SuccessCriteriaMet") or _true(status, "FailureTarget"):
        return Phase.RUNNING  # it has done its work and waits for its pods to end
    suspended = _true(status, "Suspended") or (job.spec or NO_SPEC).suspend
    if suspended or status.start_time is None:
        return Phase.QUEUED
    return Phase.RUNNING if _ran(status) else Phase.QUEUED


def _ran(status: Status) -> bool:
    """Whether a pod got to run, as far as the counters still tell."""
    return any((status.ready or 0, status.succeeded or 0, status.failed or 0))


def _stopped(job: Job) -> Condition | None:
    """Suspended because somebody clicked *Cancel* here: for us that is its end."""
    status = job.status or NO_STATUS
    if not meta.annotations(job.metadata).cancelled_by:
        return None
    if _true(status, "Complete") or _true(status, "Failed"):
        return None
    return _true(status, "Suspended")


def _true(status: Status, type_: str) -> Condition | None:
    found = meta.condition(status.conditions, type_)
    return found if found and found.true else None


_WORDS: Final = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet", "Suspended")
"""The most telling first: the first condition of the list need not be the one that ends it."""


def _word(job: Job) -> Condition:
    status = job.status or NO_STATUS
    found = (_true(status, type_) for type_ in _WORDS)
    return next((one for one in found if one), Condition())


def _finished(job: Job, phase: Phase) -> datetime | None:
    status = job.status or NO_STATUS
    if not phase.finished:
        return None
    return status.completion_time or _word(job).last_transition_time or _last(job)


def _last(job: Job) -> datetime | None:
    """When it was deleted, or the last time that it tells."""
    status, metadata = job.status or NO_STATUS, job.metadata
    conditions = (one.last_transition_time for one in status.conditions or ())
    times = (metadata.creation_timestamp, status.start_time, *conditions)
    known = [time for time in times if time]
    return metadata.deletion_timestamp or max(known, default=None)


# --- steps --------------------------------------------------------------------------------------


def _steps(job: Job, phase: Phase) -> tuple[Step, ...]:
    """One step for all pods: their states are theirs to tell, their numbers the Job's."""
    status, spec = job.status or NO_STATUS, job.spec or NO_SPEC
    wanted = spec.completions or spec.parallelism or 1
    done = status.succeeded or 0
    indexed = spec.completion_mode == "Indexed"
    if indexed and status.completed_indexes:
        done = max(done, _count(status.completed_indexes))
    step = Step(
        name=f"{'indexes' if indexed else 'pods'} {done}/{wanted}",
        phase=phase,
        started=status.start_time if phase.finished or phase is Phase.RUNNING else None,
        finished=_finished(job, phase),
        detail=_detail(status),
    )
    return (step,)


def _logs(job: Job, phase: Phase) -> tuple[LogSource, ...]:
    """Its pods are not watched; whoever reads their logs finds them by the Job's name.

    The API server does not label the pods of a Job that chooses them itself.
    """
    if (job.spec or NO_SPEC).manual_selector:
        return ()
    (step,) = _steps(job, phase)
    selector = f"batch.kubernetes.io/job-name={job.metadata.name}"
    failed = phase in {Phase.FAILED, Phase.ERRORED}
    return (LogSource(step=step.name, selector=selector, failed=failed),)


def _detail(status: Status) -> str:
    failed = status.failed or 0
    pods = f"{failed} {'pod' if failed == 1 else 'pods'} failed" if failed else ""
    indexes = f"failed indexes: {status.failed_indexes}" if status.failed_indexes else ""
    return "; ".join(part for part in (pods, indexes) if part)


def _count(indexes: str) -> int:
    """How many indexes ``0,2-4`` names; 0 when it names something else."""
    count = 0
    for part in indexes.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            return 0
        count += max(int(last or first) - int(first) + 1, 0)
    return count


def _verbs(job: Job, phase: Phase) -> tuple[Verb, ...]:
    if not phase.finished:
        return () if meta.annotations(job.metadata).cancelled_by else (Verb.CANCEL,)
    owner = meta.controller(job.metadata)
    alone = owner is None or owner.kind == CRON_JOB
    return (Verb.RERUN,) if alone and not (job.spec or NO_SPEC).manual_selector else ()


# --- what people ask for ------------------------------------------------------------------------

_SERVER_LABELS: Final = frozenset({
    "controller-uid", "job-name", "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
})  # fmt: skip
"""The API server puts its own here, and refuses those of another Job."""


def rerun(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Create:
    """A clean copy of the Job under a name of its own; no CronJob counts it as its own."""
    job = copies.same_object(manifest, subject, Job)
    owner = meta.controller(job.metadata)
    if owner and owner.kind != CRON_JOB:
        copies.refuse_child(job.metadata, kind=owner.kind)
    if (job.spec or NO_SPEC).manual_selector:
        raise Refused(
            f"{subject.name} chooses its pods itself (manualSelector: true): a second Job with the "
            "same selector would fight with it over them."
        )
    return copies.copy(
        manifest,
        _clean_spec(copies.plain(manifest, "spec")),
        resource=RESOURCE,
        subject=subject,
        asked=asked,
        runs=run_name(job),
        keep=lambda _: True,
    )


def _clean_spec(spec: dict[str, Any]) -> dict[str, Any]:
    template = copies.plain(spec, "template")
    metadata = copies.plain(template, "metadata")
    labels = copies.plain(metadata, "labels")
    metadata["labels"] = {k: text for k, text in labels.items() if k not in _SERVER_LABELS}
    metadata.pop("creationTimestamp", None)
    clean = {key: part for key, part in spec.items() if key != "selector"}
    return {**clean, "template": {**template, "metadata": metadata}, "suspend": False}


def cancel(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    """Suspending ends the pods and keeps the Job and its logs' names; the mark says whose wish."""
    job = copies.same_object(manifest, subject, Job)
    if _phase(job).finished:
        raise Refused(f"{subject.name} has already finished.", status=409)
    marks = {CANCELLED_BY: asked.login}
    body = {"metadata": {"annotations": marks}, "spec": {"suspend": True}}
    return copies.patch(RESOURCE, subject, body)


def resolution(job: Job, context: Context) -> tuple[Tried, ...]:
    """Which rules were asked for the commit."""
    del context
    return trace(meta.annotations(job.metadata), meta.labels(job.metadata))


ADAPTER: Final = Adapter(
    name="job",
    resource=RESOURCE,
    reads=Job,
    observe=observe,
    rerun=rerun,
    cancel=cancel,
    resolution=resolution,
    documentation="A Job: one run of a task; a CronJob's Jobs are runs of the same thing.",
)
