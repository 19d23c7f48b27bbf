"""Tekton PipelineRuns: one run of a pipeline, with its TaskRuns as steps.

The run itself only says how far it is; why something failed stands in its TaskRuns, which are
watched beside it. The order of steps is the pipeline's, never that of `childReferences`, which
changes between looks.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import field
from msgspec.structs import replace

from adapters._read import copies, meta, tekton, tekton_family, tekton_resume
from adapters._read.meta import Condition, Metadata, Read
from adapters._read.revision import Named, revision, trace
from adapters._read.tekton import PIPELINE_RUN, ChildRun, Standing, TaskRef, TaskRunStatus
from adapters._read.tekton_family import Family
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
from ghapp.core.source import (
    Adapter,
    Asked,
    Child,
    Context,
    Create,
    Patch,
    PieceRef,
    Resource,
    Tried,
)
from ghapp.errors import Refused

RESOURCE: Final = Resource("tekton.dev", "v1", "pipelineruns", PIPELINE_RUN, ("v1beta1",))
TASK_RUNS: Final = Resource("tekton.dev", "v1", "taskruns", "TaskRun", ("v1beta1",))
CUSTOM_RUNS: Final = Resource("tekton.dev", "v1beta1", "customruns", "CustomRun")


class MatrixInclude(Read, frozen=True, kw_only=True, gc=False):
    """A combination that a matrix adds."""

    params: tuple[TaskRef, ...] | None = None


class Matrix(Read, frozen=True, kw_only=True, gc=False):
    """The names of the parameters that a task fans out over."""

    params: tuple[TaskRef, ...] | None = None
    include: tuple[MatrixInclude, ...] | None = None


class PipelineTask(Read, frozen=True, kw_only=True, gc=False):
    """A task of a pipeline."""

    name: str = ""
    matrix: Matrix | None = None


class PipelineSpec(Read, frozen=True, kw_only=True, gc=False):
    """The pipeline, as Tekton resolved it."""

    tasks: tuple[PipelineTask, ...] | None = None
    last: tuple[PipelineTask, ...] | None = field(default=None, name="finally")


class PipelineRef(Read, frozen=True, kw_only=True, gc=False):
    """Which pipeline: by name, or as a resolver finds it."""

    name: str = ""
    params: tuple[Named, ...] | None = None


class Spec(Read, frozen=True, kw_only=True, gc=False):
    """What was asked for."""

    status: str | None = None
    pipeline_ref: PipelineRef | None = None
    pipeline_spec: PipelineSpec | None = None
    params: tuple[Named, ...] | None = None


class ChildReference(Read, frozen=True, kw_only=True, gc=False):
    """A part of the run; its own status is not in here."""

    name: str = ""
    kind: str = ""
    api_version: str = ""
    pipeline_task_name: str = ""


class SkippedTask(Read, frozen=True, kw_only=True, gc=False):
    """A task that did not run, and why."""

    name: str = ""
    reason: str = ""


class Status(TaskRunStatus, frozen=True, kw_only=True, gc=False):
    """How far it is."""

    pipeline_spec: PipelineSpec | None = None
    child_references: tuple[ChildReference, ...] | None = None
    skipped_tasks: tuple[SkippedTask, ...] | None = None
    pipeline_results: tuple[Named, ...] | None = None
    """As v1beta1 calls them."""

    @property
    def values(self) -> tuple[Named, ...]:
        """The results, whatever the version calls them."""
        return self.results or self.pipeline_results or ()


class PipelineRun(Read, frozen=True, kw_only=True, gc=False):
    """A PipelineRun."""

    api_version: str = ""
    metadata: Metadata = Metadata()
    spec: Spec | None = None
    status: Status | None = None


class ChildPipelineRun(ChildRun, frozen=True, kw_only=True, gc=False):
    """A PipelineRun as a part of another one."""

    status: Status | None = None


NO_SPEC: Final = Spec()
NO_STATUS: Final = Status()


def observe(run: PipelineRun, context: Context) -> Observation | None:
    """Where a PipelineRun stands; one that another one made is a step of that."""
    if meta.ignored(run.metadata) or _is_part(run):
        return None
    standing = _standing(run.status)
    if standing is None:
        return None
    status, spec = run.status or NO_STATUS, run.spec or NO_SPEC
    found = meta.condition(status.conditions, "Succeeded") or Condition()
    gone = context.deleted and not standing.phase.finished
    if gone:
        standing = tekton.deleted(run.metadata, standing, status)
    notes, labels = meta.annotations(run.metadata), meta.labels(run.metadata)
    claim = revision(notes, labels, spec.params, status.values)
    name, parts = run_name(run), _family(run, context)
    steps = _steps(run, parts.own, standing.phase)
    return Observation(
        subject=meta.subject(run.metadata, kind=RESOURCE.kind, cluster=context.cluster),
        resource=meta.served(RESOURCE, run.api_version).id,
        type=SubjectType.PIPELINERUN,
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
        steps=steps,
        logs=() if gone or not standing.phase.finished else _logs(run, parts),
        logs_when=meta.logs_when(run.metadata),
        results=tekton.results(status.values),
        environment=notes.environment.strip(),
        dashboard_url=meta.dashboard_url(run.metadata, kind=RESOURCE.kind),
        chain=meta.chain(run.metadata),
        rerun_of=notes.rerun_of_uid,
        verbs=() if gone else _verbs(run, standing.phase, steps),
    )


def _is_part(run: PipelineRun) -> bool:
    return any(owner.kind == PIPELINE_RUN for owner in run.metadata.owner_references or ())


def run_name(run: PipelineRun) -> str:
    """What runs: the Pipeline, else what its author calls it; the same at every look.

    Which Pipeline a resolver fetches may be known only when it has answered; until then Tekton
    labels the run with the run's own name. So that label is read of embedded pipelines only.
    """
    ref, labelled = (run.spec or NO_SPEC).pipeline_ref, meta.labels(run.metadata).pipeline
    if ref:
        return ref.name or _resolved_name(ref) or meta.run_name(run.metadata)
    if meta.annotations(run.metadata).rerun_of or labelled == run.metadata.name:
        return meta.run_name(run.metadata)  # Tekton labels a copy with the copy's own name
    return labelled or meta.run_name(run.metadata)


def _resolved_name(ref: PipelineRef) -> str:
    """The resolvers `cluster`, `hub` and `bundles` are told the name; `git` gets a path."""
    names = (param.value for param in ref.params or () if param.name == "name")
    return next((name for name in names if isinstance(name, str)), "")


_QUEUED: Final = frozenset({"PipelineRunPending", "Started", "ResolvingPipelineRef"})
_NEVER_RAN: Final = frozenset({
    "PipelineValidationFailed", "CouldntGetPipeline", "CouldntGetTask", "CouldntGetPipelineResult",
    "ParameterMissing", "ParameterTypeMismatch", "ObjectParameterMissKeys",
    "ParamArrayIndexingInvalid", "InvalidParamValue", "InvalidWorkspaceBindings",
    "InvalidTaskRunSpecs", "InvalidPipelineResourceBindings", "PipelineInvalidGraph",
    "InvalidMatrixParameterTypes", "InvalidTaskResultReference", "InvalidPipelineResultReference",
    "RequiredWorkspaceMarkedOptional", "ResourceVerificationFailed", "CreateRunFailed",
    "CELEvaluationFailed",
})  # fmt: skip
"""It could not start; with TaskRuns beside it, it could not go on."""
_VERDICTS: Final[Mapping[str, tuple[Phase, Conclusion | None]]] = {
    "Cancelled": (Phase.CANCELLED, None),
    "PipelineRunTimeout": (Phase.ERRORED, Conclusion.TIMED_OUT),
    "ResourceVerificationFailed": (Phase.ERRORED, Conclusion.FAILURE),
}


def _standing(status: Status | None) -> Standing | None:
    """The table of docs/pipelineruns.md; None: no status that Tekton ever gives."""
    status = status or NO_STATUS
    found = meta.condition(status.conditions, "Succeeded")
    if found is None:
        return Standing(phase=Phase.QUEUED)
    if found.status not in {"True", "False", "Unknown"}:
        return None
    never = found.reason in _NEVER_RAN and not status.child_references
    if found.status == "Unknown" or status.completion_time is None:
        if found.reason in _QUEUED or never:
            return Standing(phase=Phase.QUEUED)
        return Standing(phase=Phase.RUNNING, started=status.start_time)
    phase, conclusion = _verdict(found)
    return Standing(
        phase=phase,
        conclusion=conclusion,
        started=None if never else status.start_time,
        finished=status.completion_time,
    )


def _verdict(found: Condition) -> tuple[Phase, Conclusion | None]:
    if found.true:
        return Phase.SUCCEEDED, None
    otherwise = Phase.ERRORED if found.reason in _NEVER_RAN else Phase.FAILED
    return _VERDICTS.get(found.reason, (otherwise, None))


_STOPPING: Final = frozenset({"Cancelled", "CancelledRunFinally", "StoppedRunFinally"})


def _verbs(run: PipelineRun, phase: Phase, steps: Sequence[Step]) -> tuple[Verb, ...]:
    if phase.finished:
        return (Verb.RERUN, Verb.RERUN_FAILED) if _partly(run, phase, steps) else (Verb.RERUN,)
    return () if (run.spec or NO_SPEC).status in _STOPPING else (Verb.CANCEL,)


def _partly(run: PipelineRun, phase: Phase, steps: Sequence[Step]) -> bool:
    """Whether some of it may be left out the next time; looked into when somebody asks for it."""
    spec = run.spec or NO_SPEC
    if phase is Phase.SUCCEEDED or spec.pipeline_ref or not spec.pipeline_spec:
        return False
    last = {task.name for task in spec.pipeline_spec.last or ()}
    good = [step for step in steps if step.phase is Phase.SUCCEEDED and not step.skipped]
    return any(step.name not in last for step in good)


# --- steps --------------------------------------------------------------------------------------


def _steps(run: PipelineRun, children: Sequence[ChildRun], phase: Phase) -> tuple[Step, ...]:
    """One step for each TaskRun, and one for each task that has none, in the pipeline's order."""
    status, spec = run.status or NO_STATUS, run.spec or NO_SPEC
    parts = _parts(status.child_references or (), children)
    skipped = {task.name: task for task in reversed(status.skipped_tasks or ())}
    steps: list[Step] = []
    for task in _tasks(status.pipeline_spec or spec.pipeline_spec, parts, skipped):
        if parts.get(task.name):
            steps.extend(_ran(task, parts[task.name], phase))
        else:
            steps.append(_did_not_run(task.name, skipped.get(task.name), phase))
    return tuple(steps)


Parts = Mapping[str, Mapping[str, ChildRun | None]]
"""By pipeline task, then by name: the child, or None where only its reference is known."""


def _parts(references: Iterable[ChildReference], children: Iterable[ChildRun]) -> Parts:
    parts: dict[str, dict[str, ChildRun | None]] = {}
    for reference in references:
        parts.setdefault(reference.pipeline_task_name, {})[reference.name] = None
    task_of = {name: task for task, names in parts.items() for name in names}
    for child in children:
        name = child.metadata.name
        task = task_of.get(name) or meta.child_labels(child.metadata).pipeline_task
        parts.setdefault(task, {})[name] = child
    return parts


def _tasks(
    pipeline: PipelineSpec | None, parts: Parts, skipped: Mapping[str, SkippedTask]
) -> tuple[PipelineTask, ...]:
    """The pipeline's tasks in its order; then those it does not name (any more), by name."""
    named = (*(pipeline.tasks or ()), *(pipeline.last or ())) if pipeline else ()
    known = {task.name for task in named}
    others = sorted((parts.keys() | skipped.keys()) - known)
    return (*named, *(PipelineTask(name=name) for name in others))


def _ran(task: PipelineTask, runs: Mapping[str, ChildRun | None], phase: Phase) -> Iterable[Step]:
    for label, name, child in _labelled(task, runs):
        step = _step(label, child) if child else None
        yield _at_the_end(step, phase) if step else _unseen(label, name, phase)


def _labelled(
    task: PipelineTask, runs: Mapping[str, ChildRun | None]
) -> Iterable[tuple[str, str, ChildRun | None]]:
    """What each run of a task is called as a step, its name, and itself."""
    names = sorted(runs, key=_natural)
    for number, name in enumerate(names, start=1):
        child = runs[name]
        label = task.name or name
        if task.matrix or len(names) > 1:
            label = f"{label} ({_combination(task.matrix, child) or number})"
        yield label, name, child


def _family(run: PipelineRun, context: Context) -> Family:
    children = (child for child in context.children if isinstance(child, ChildRun))
    return tekton_family.family(run.metadata.name, children, ChildPipelineRun)


NESTED: Final = 5
"""Pipelines inside each other whose logs are looked for; nobody draws more."""


def _logs(run: PipelineRun, parts: Family) -> tuple[LogSource, ...]:
    """Where the tasks wrote, in the pipeline's order; those that failed first."""
    status, spec = run.status or NO_STATUS, run.spec or NO_SPEC
    found = _written(status, spec.pipeline_spec, parts.own, parts, NESTED)
    return tekton.most_telling(islice(found, _LOOKED_THROUGH))


_LOOKED_THROUGH: Final = 1_000


def _written(
    status: Status,
    pipeline: PipelineSpec | None,
    children: Sequence[ChildRun],
    parts: Family,
    depth: int,
) -> Iterator[LogSource]:
    """The logs of a pipeline's tasks; of one that is a pipeline, the logs of that one's tasks."""
    known = _parts(status.child_references or (), children)
    for task in _tasks(status.pipeline_spec or pipeline, known, {}):
        for label, _, child in _labelled(task, known.get(task.name, {})):
            inner = _pipelines_of(child, parts) if child and depth else ()
            for one in inner:
                own = parts.of(PIPELINE_RUN, one.metadata.name)
                for source in _written(one.status or NO_STATUS, None, own, parts, depth - 1):
                    yield replace(source, step=f"{label} / {source.step}")
            if child and not isinstance(child, ChildPipelineRun):
                yield from tekton.task_logs(label, child)


def _pipelines_of(child: ChildRun, parts: Family) -> tuple[ChildPipelineRun, ...]:
    """The pipelines that a task is: itself, or what a custom task made."""
    if isinstance(child, ChildPipelineRun):
        return (child,)
    made = parts.of(tekton_family.CUSTOM_RUN, child.metadata.name)
    return tuple(one for one in made if isinstance(one, ChildPipelineRun))


def _step(label: str, child: ChildRun) -> Step | None:
    if not isinstance(child, ChildPipelineRun):
        return tekton.task_step(label, child)
    standing = _standing(child.status)
    if standing is None:
        return None
    found = meta.condition((child.status or NO_STATUS).conditions, "Succeeded") or Condition()
    failed = found.false and standing.phase.finished
    why = f"{found.reason}: {found.message}" if failed else ""
    return Step(
        name=label,
        phase=standing.phase,
        started=standing.started,
        finished=standing.finished,
        detail=meta.shown(why, tekton.DETAIL_LIMIT),
    )


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts ``test-2`` before ``test-10``."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((int(part) if part.isdecimal() else -1, part) for part in parts)


def _combination(matrix: Matrix | None, child: ChildRun | None) -> str:
    """The values that this TaskRun of a matrix got: ``linux, 1.24``."""
    if matrix is None or child is None or child.spec is None:
        return ""
    included = (param for include in matrix.include or () for param in include.params or ())
    names = {param.name: None for param in (*(matrix.params or ()), *included)}
    values = {param.name: param.value for param in child.spec.params or ()}
    texts = (values.get(name) for name in names)
    return ", ".join(text for text in texts if isinstance(text, str) and text)


def _at_the_end(step: Step, phase: Phase) -> Step:
    """A run that was cancelled, timed out or deleted is over before its TaskRuns say so."""
    if not phase.finished or step.phase.finished:
        return step
    return replace(step, phase=Phase.CANCELLED, detail="still running when the run ended")


def _unseen(label: str, name: str, phase: Phase) -> Step:
    if phase is Phase.SUCCEEDED:
        return Step(name=label, phase=phase)
    now = Phase.ERRORED if phase.finished else Phase.RUNNING
    return Step(name=label, phase=now, detail=f"{name} was not seen")


def _did_not_run(name: str, skipped: SkippedTask | None, phase: Phase) -> Step:
    if skipped:
        return Step(name=name, phase=Phase.CANCELLED, skipped=True, detail=skipped.reason)
    if phase.finished:
        return Step(name=name, phase=Phase.CANCELLED, skipped=True, detail="not started")
    return Step(name=name, phase=Phase.QUEUED)


# --- what people ask for ------------------------------------------------------------------------


def rerun(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Create:
    """A clean copy of the run under a name of its own."""
    return _copy(manifest, copies.plain(manifest, "spec"), subject, asked)


def rerun_failed(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Create:
    """A copy without the tasks that succeeded, where the others can do without them."""
    if len(pieces(manifest)) > tekton_resume.PARTS_LIMIT:
        raise Refused(f"it has more than {tekton_resume.PARTS_LIMIT} parts; Re-run repeats all")
    spec = tekton_resume.resumed(copies.plain(manifest, "spec"), asked.pieces)
    return _copy(manifest, spec, subject, asked)


def pieces(manifest: Mapping[str, Any]) -> tuple[PieceRef, ...]:
    """The TaskRuns and the like that the run says it is made of."""
    try:
        run = msgspec.convert(manifest, PipelineRun)
    except msgspec.ValidationError:
        return ()  # `rerun_failed` says so
    kinds = {each.kind: each for each in (TASK_RUNS, CUSTOM_RUNS, RESOURCE)}
    return tuple(
        PieceRef(resource=meta.served(kinds[child.kind], child.api_version).id, name=child.name)
        for child in (run.status or NO_STATUS).child_references or ()
        if child.kind in kinds
    )


def _copy(
    manifest: Mapping[str, Any], spec: Mapping[str, Any], subject: Subject, asked: Asked
) -> Create:
    run = copies.same_object(manifest, subject, PipelineRun)
    copies.refuse_child(run.metadata, kind=PIPELINE_RUN)
    return copies.copy(
        manifest,
        tekton.without_status(dict(spec)),
        resource=meta.served(RESOURCE, run.api_version),
        subject=subject,
        asked=asked,
        runs=run_name(run),
        keep=lambda key: copies.not_tekton(key) or key in tekton.GIT_ANNOTATIONS,
    )


def cancel(manifest: Mapping[str, Any], subject: Subject, asked: Asked) -> Patch:
    """Tekton stops the TaskRuns and keeps the run; a finished run takes no change any more."""
    del asked
    run = copies.same_object(manifest, subject, PipelineRun)
    standing = _standing(run.status)
    if standing is None or standing.phase.finished:
        raise Refused(f"{subject.name} has already finished.", status=409)
    resource = meta.served(RESOURCE, run.api_version)
    return copies.patch(resource, subject, {"spec": {"status": "Cancelled"}})


def resolution(run: PipelineRun, context: Context) -> tuple[Tried, ...]:
    """Which rules were asked for the commit."""
    del context
    status, spec = run.status or NO_STATUS, run.spec or NO_SPEC
    notes, labels = meta.annotations(run.metadata), meta.labels(run.metadata)
    return trace(notes, labels, spec.params, status.values)


ADAPTER: Final = Adapter(
    name="tekton-pipelinerun",
    resource=RESOURCE,
    reads=PipelineRun,
    observe=observe,
    children=(
        Child(resource=TASK_RUNS, reads=ChildRun, parent=tekton.parent_uid),
        Child(resource=CUSTOM_RUNS, reads=ChildRun, parent=tekton.parent_uid),
        Child(resource=RESOURCE, reads=ChildPipelineRun, parent=tekton_family.maker_uid),
    ),
    rerun=rerun,
    rerun_failed=rerun_failed,
    pieces=pieces,
    cancel=cancel,
    resolution=resolution,
    documentation="A PipelineRun: one run of a pipeline; its TaskRuns are the steps.",
)
