"""Tekton TaskRuns that stand alone; those of a PipelineRun are its steps, not runs of their own."""

from collections.abc import Mapping
from typing import Any, Final

from adapters._read import copies, meta, tekton
from adapters._read.meta import Condition
from adapters._read.revision import revision
from adapters._read.tekton import PIPELINE_RUN, Standing, TaskRun
from ghapp.core.model import LogSource, Observation, Subject, SubjectType, Verb
from ghapp.core.source import Adapter, Asked, Context, Create, Patch, Resource
from ghapp.errors import Refused

RESOURCE: Final = Resource("tekton.dev", "v1", "taskruns", "TaskRun", ("v1beta1",))


def observe(run: TaskRun, context: Context) -> Observation | None:
    """Where a standalone TaskRun stands."""
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
    return Observation(
        subject=meta.subject(run.metadata, kind=RESOURCE.kind, cluster=context.cluster),
        resource=meta.served(RESOURCE, run.api_version).id,
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
        steps=tekton.own_steps(run.status),
        logs=() if gone or not standing.phase.finished else _logs(run, standing),
        logs_when=meta.logs_when(run.metadata),
        results=tekton.results(status.values),
        environment=notes.environment.strip(),
        dashboard_url=meta.dashboard_url(run.metadata, kind=RESOURCE.kind),
        chain=meta.chain(run.metadata),
        rerun_of=notes.rerun_of_uid,
        verbs=() if gone else _verbs(standing),
    )


def run_name(run: TaskRun) -> str:
    """What runs: the Task, else as the run itself is named."""
    ref = (run.spec or tekton.NO_SPEC).task_ref
    named = ref.name if ref else ""
    return named or meta.labels(run.metadata).task or meta.run_name(run.metadata)


def _logs(run: TaskRun, standing: Standing) -> tuple[LogSource, ...]:
    found = tekton.logs(run.status, bad=standing.phase in tekton.BAD)
    return tekton.most_telling(found)


def _verbs(standing: Standing) -> tuple[Verb, ...]:
    return (Verb.RERUN,) if standing.phase.finished else (Verb.CANCEL,)


def rerun(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Create:
    """A clean copy of the run under a name of its own."""
    run = copies.same_object(manifest, subject, TaskRun)
    copies.refuse_child(run.metadata, kind=PIPELINE_RUN)
    return copies.copy(
        manifest,
        tekton.without_status(copies.plain(manifest, "spec")),
        resource=meta.served(RESOURCE, run.api_version),
        subject=subject,
        asked=asked,
        runs=run_name(run),
        keep=lambda key: copies.not_tekton(key) or key in tekton.GIT_ANNOTATIONS,
    )


def cancel(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    """Tekton ends the pod and keeps the run; a finished run takes no change any more."""
    del asked
    run = copies.same_object(manifest, subject, TaskRun)
    standing = tekton.task_standing(run.spec, run.status)
    if standing is None or standing.phase.finished:
        raise Refused(f"{subject.name} has already finished.", status=409)
    resource = meta.served(RESOURCE, run.api_version)
    return copies.patch(resource, subject, {"spec": {"status": tekton.CANCELLED}})


ADAPTER: Final = Adapter(
    name="tekton-taskrun",
    resource=RESOURCE,
    reads=TaskRun,
    observe=observe,
    rerun=rerun,
    cancel=cancel,
    resolution=tekton.resolution,
    documentation="A TaskRun that no PipelineRun owns: one run of a Task.",
)
