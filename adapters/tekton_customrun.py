"""Tekton CustomRuns that stand alone; those of a PipelineRun are its steps.

What a custom task does only its own controller knows: all it tells is one condition, times and
results. There is one version of them, v1beta1.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters._read import copies, meta, tekton
from adapters._read.meta import Condition
from adapters._read.revision import revision
from adapters._read.tekton import PIPELINE_RUN, TaskRun
from ghapp.core.model import Observation, Subject, SubjectType, Verb
from ghapp.core.source import Adapter, Asked, Context, Create, Patch, Resource
from ghapp.errors import Refused

RESOURCE: Final = Resource("tekton.dev", "v1beta1", "customruns", "CustomRun")
_CANCELLED: Final = "RunCancelled"


def observe(run: TaskRun, context: Context) -> Observation | None:
    """Where a standalone CustomRun stands."""
    if meta.ignored(run.metadata) or tekton.is_part(run):
        return None
    standing = tekton.task_standing(run.spec, run.status)
    if standing is None:
        return None
    status, spec = run.status or tekton.NO_STATUS, run.spec or tekton.NO_SPEC
    found = meta.condition(status.conditions, "Succeeded") or Condition()
    gone = context.deleted and not standing.phase.finished
    if gone:
        standing = tekton.deleted(run.metadata, standing, status)
    notes, labels = meta.annotations(run.metadata), meta.labels(run.metadata)
    claim = revision(notes, labels, spec.params, status.values)
    name = run_name(run)
    finished = standing.phase.finished
    stopping = spec.status == _CANCELLED
    return Observation(
        subject=meta.subject(run.metadata, kind=RESOURCE.kind, cluster=context.cluster),
        resource=RESOURCE.id,
        type=SubjectType.TASKRUN,
        phase=standing.phase,
        name=name,
        check_name=tekton.check_name(run.metadata, claim) or f"tekton / {name}",
        named=bool(tekton.check_name(run.metadata, claim)),
        created=meta.created(run.metadata, status.start_time),
        started=standing.started,
        finished=standing.finished,
        reason="Deleted" if gone else found.reason,
        message="It was deleted before it finished." if gone else found.message,
        conclusion=standing.conclusion,
        revision=claim,
        logs_when=meta.logs_when(run.metadata),
        results=tekton.results(status.values),
        environment=notes.environment.strip(),
        dashboard_url=meta.dashboard_url(run.metadata, kind=RESOURCE.kind),
        chain=meta.chain(run.metadata),
        rerun_of=notes.rerun_of_uid,
        verbs=() if gone or (stopping and not finished) else _verbs(finished=finished),
    )


def run_name(run: TaskRun) -> str:
    """What runs: the custom task, else as the run itself is named."""
    ref = (run.spec or tekton.NO_SPEC).custom_ref
    return (ref.name if ref else "") or meta.run_name(run.metadata)


def _verbs(*, finished: bool) -> tuple[Verb, ...]:
    return (Verb.RERUN,) if finished else (Verb.CANCEL,)


def rerun(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Create:
    """A clean copy of the run under a name of its own."""
    run = copies.same_object(manifest, subject, TaskRun)
    copies.refuse_child(run.metadata, kind=PIPELINE_RUN)
    return copies.copy(
        manifest,
        tekton.without_status(copies.plain(manifest, "spec")),
        resource=RESOURCE,
        subject=subject,
        asked=asked,
        runs=run_name(run),
        keep=lambda key: copies.not_tekton(key) or key in tekton.GIT_ANNOTATIONS,
    )


def cancel(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    """A wish: whether the custom task stops is its controller's decision."""
    del asked
    run = copies.same_object(manifest, subject, TaskRun)
    standing = tekton.task_standing(run.spec, run.status)
    if standing is None or standing.phase.finished:
        raise Refused(f"{subject.name} has already finished.", status=409)
    return copies.patch(RESOURCE, subject, {"spec": {"status": _CANCELLED}})


ADAPTER: Final = Adapter(
    name="tekton-customrun",
    resource=RESOURCE,
    reads=TaskRun,
    observe=observe,
    rerun=rerun,
    cancel=cancel,
    resolution=tekton.resolution,
    documentation="A CustomRun that no PipelineRun owns: one run of a custom task.",
)
