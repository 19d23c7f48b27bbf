"""Source by state: what each becomes on GitHub and as CDEvents, made by looking and deciding.

`docs/sources.md` is this table; it names for each state the test that goes into its details.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from ghapp.core.audience import Presentation
from ghapp.core.decide import Rules, decide
from ghapp.core.effects import EmitEvent, SetCheck
from ghapp.core.seen import Seen
from tests.adapters import recorded, test_flux_kustomization, test_job, test_tekton
from tests.adapters import test_flux_helmrelease as helm
from tests.adapters import test_tekton_customrun as custom
from tests.adapters.flux import SHA, applied, kustomization
from tests.adapters.test_tekton import VALIDATION, condition
from tests.core.builders import EVERYBODY

Json = dict[str, Any]
RULES = Rules(born=recorded.LONG_AGO, horizon=recorded.LONG_AGO)
ASKED = replace(EVERYBODY, presentation=Presentation(drift=True))
CLAIM = {"checkrail.dev/repository": "acme/shop", "checkrail.dev/commit": SHA}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A state that a source may be in."""

    words: str
    manifests: tuple[Json, ...]
    """Objects in that state; whichever of them it is, the same is told."""
    test: str
    before: tuple[Json, ...] = ()
    """States that it was in before."""
    children: tuple[Json, ...] = ()
    deleted: bool = False
    claimed: bool = True
    drift: bool = False
    """A Notification asks for drift."""


@dataclass(slots=True)
class Told:
    """What the world was told."""

    check: str = "no check"
    events: list[str] = field(default_factory=list)
    rows: dict[str, Seen] = field(default_factory=dict)


def told(state: State, manifest: Json) -> Told:
    """What is told of an object that was in the states before, and is in this one now."""
    result = Told()
    for earlier in state.before:
        _look(result, state, earlier, deleted=False)
    result.events.clear()
    _look(result, state, manifest, deleted=state.deleted)
    return result


def _look(result: Told, state: State, manifest: Json, *, deleted: bool) -> None:
    look = recorded.observe(
        _claimed(manifest) if state.claimed else manifest,
        children=state.children,
        deleted=deleted,
    )
    if look is None:
        return
    decision = decide(
        result.rows.get(look.subject.key),
        look,
        gone=deleted,
        audience=ASKED if state.drift else EVERYBODY,
        rules=RULES,
    )
    for seen in decision.seen:
        result.rows[seen.look.subject.key] = seen
    for effect in decision.effects:
        if isinstance(effect, SetCheck):
            result.check = effect.check.conclusion or effect.check.status
        if isinstance(effect, EmitEvent):
            outcome = effect.content.get("outcome")
            result.events.append(f"{effect.type} ({outcome})" if outcome else effect.type)


def _claimed(manifest: Json) -> Json:
    metadata = manifest["metadata"]
    notes = {**metadata.get("annotations", {}), **CLAIM}
    return {**manifest, "metadata": {**metadata, "annotations": notes}}


def reasons(*names: str) -> str:
    """Names as code."""
    return ", ".join(f"`{name}`" for name in names)


TIMED_OUT = {"statusMessage": "TaskRun cancelled as the PipelineRun it belongs to has timed out."}


def pipeline_runs() -> Iterator[State]:
    """tekton.dev PipelineRun."""
    table = "test_tekton.py::test_each_reason_of_a_pipeline_run_has_its_phase"
    queued = ("PipelineRunPending", "Started", "ResolvingPipelineRef")
    running = (
        "Running",
        "PipelineRunStopping",
        "CancelledRunningFinally",
        "StoppedRunningFinally",
        "PipelineRunTimeoutRunningFinally",
        "PipelineRunCouldntCancel",
        "PipelineRunCouldntTimeOut",
        "Cancelled",
    )
    run = test_tekton.run
    yield State(
        words=f"no condition; {reasons(*queued)}",
        manifests=(run(), *(run(condition("Unknown", one)) for one in queued)),
        test=table,
    )
    yield State(
        words=f"Unknown: {reasons(*running)}, any reason newer than this page",
        manifests=tuple(run(condition("Unknown", one)) for one in (*running, "Newer")),
        test=table,
    )
    yield State(
        words=reasons("Succeeded", "Completed"),
        manifests=tuple(run(condition("True", one)) for one in ("Succeeded", "Completed")),
        test=table,
    )
    skipped = [{"name": "deploy", "reason": "When Expressions evaluated to false"}]
    yield State(
        words="`Completed` without a task that ran",
        manifests=(run(condition("True", "Completed"), skippedTasks=skipped),),
        test="test_tekton.py::test_a_run_of_no_tasks_succeeds",
    )
    yield State(
        words="`Failed`, any reason newer than this page",
        manifests=tuple(run(condition("False", one)) for one in ("Failed", "Newer")),
        test=table,
    )
    yield State(
        words="`Cancelled`: at once, gracefully, or drained",
        manifests=(run(condition("False", "Cancelled")),),
        test=table,
    )
    yield State(
        words="`PipelineRunTimeout`",
        manifests=(run(condition("False", "PipelineRunTimeout")),),
        test=table,
    )
    yield State(
        words=f"could not start: {reasons(*VALIDATION)}",
        manifests=tuple(run(condition("False", one)) for one in VALIDATION),
        test="test_tekton.py::test_a_run_that_could_not_start_never_started",
    )
    yield State(
        words="the same, after tasks had run",
        manifests=tuple(
            run(condition("False", one), childReferences=test_tekton.CHILD) for one in VALIDATION
        ),
        test="test_tekton.py::test_a_run_that_could_not_go_on_had_started",
    )
    yield State(
        words="True or False without `completionTime`: it is tried again",
        manifests=tuple(
            run(condition(one, "Failed"), completionTime=None) for one in ("True", "False")
        ),
        test="test_tekton.py::test_a_run_without_completion_time_goes_on",
    )
    yield State(
        words="deleted while it runs",
        manifests=(run(condition("Unknown", "Running")),),
        deleted=True,
        test="test_tekton.py::test_a_run_deleted_on_its_way_is_cancelled_when_it_was_deleted",
    )
    yield State(
        words="made by another PipelineRun: a step of that",
        manifests=(run(condition("Unknown", "Running"), metadata=test_tekton.OWNED),),
        test="test_tekton.py::test_a_pipeline_inside_a_pipeline_is_a_step_and_no_run_of_its_own",
    )
    yield State(
        words="reported by Pipelines-as-Code itself (`check-run-id`)",
        manifests=(
            run(
                condition("True", "Succeeded"),
                metadata={"annotations": {"pipelinesascode.tekton.dev/check-run-id": "1"}},
            ),
        ),
        claimed=False,
        test="test_revision.py::test_what_pipelines_as_code_reports_itself_has_no_check_of_ours",
    )
    yield State(
        words='annotated `checkrail.dev/ignore: "true"`',
        manifests=(run(metadata={"annotations": {"checkrail.dev/ignore": "true"}}),),
        test="test_tekton.py::test_an_ignored_run_is_no_subject",
    )


def task_runs() -> Iterator[State]:
    """tekton.dev TaskRun that no PipelineRun owns."""
    table = "test_tekton.py::test_each_reason_of_a_task_run_has_its_phase"
    run = test_tekton.task_run
    yield State(
        words=f"no condition; {reasons(*test_tekton.TASK_QUEUED)}",
        manifests=(run(), *(run(condition("Unknown", one)) for one in test_tekton.TASK_QUEUED)),
        test=table,
    )
    running = ("Running", "TaskRunCancelled", "ToBeRetried")
    yield State(
        words=f"Unknown: {reasons(*running)}, any reason newer than this page",
        manifests=tuple(run(condition("Unknown", one)) for one in (*running, "Newer")),
        test=table,
    )
    yield State(words="`Succeeded`", manifests=(run(condition("True", "Succeeded")),), test=table)
    failed = ("Failed", "StepFailed", "SidecarFailed")
    yield State(
        words=f"{reasons(*failed)}, any reason newer than this page",
        manifests=tuple(run(condition("False", one)) for one in (*failed, "Newer")),
        test=table,
    )
    yield State(
        words="`FailureIgnored` (`onError: continue`)",
        manifests=(run(condition("False", "FailureIgnored")),),
        test=table,
    )
    yield State(
        words=f"no verdict: {reasons(*test_tekton.TASK_ERRORED)}",
        manifests=tuple(run(condition("False", one)) for one in test_tekton.TASK_ERRORED),
        test=table,
    )
    yield State(
        words=f"never ran: {reasons(*test_tekton.TASK_NEVER_RAN)}",
        manifests=tuple(run(condition("False", one)) for one in test_tekton.TASK_NEVER_RAN),
        test="test_tekton.py::test_a_task_run_whose_pod_never_ran_never_started",
    )
    yield State(
        words="`TaskRunCancelled`",
        manifests=(run(condition("False", "TaskRunCancelled")),),
        test=table,
    )
    yield State(
        words="`TaskRunTimeout`; `TaskRunCancelled` because its run has timed out",
        manifests=(
            run(condition("False", "TaskRunTimeout")),
            run(condition("False", "TaskRunCancelled"), spec=TIMED_OUT),
        ),
        test="test_tekton.py::test_a_task_run_that_timed_out_with_its_run_timed_out",
    )
    yield State(
        words="part of a PipelineRun: a step of that",
        manifests=(run(condition("Unknown", "Running"), task="unit"),),
        test="test_tekton.py::test_a_task_run_of_a_pipeline_run_is_no_run_of_its_own",
    )


def custom_runs() -> Iterator[State]:
    """tekton.dev CustomRun that no PipelineRun owns."""
    table = "test_tekton_customrun.py::test_one_condition_tells_all_there_is"
    rows = (
        ("no condition; `Started`", (custom.run(), custom.run(condition("Unknown", "Started")))),
        ("Unknown: any other reason", (custom.run(condition("Unknown", "Waiting")),)),
        ("True: any reason", (custom.run(condition("True", "Approved")),)),
        ("False: any other reason", (custom.run(condition("False", "Denied")),)),
        ("`CustomRunCancelled`", (custom.run(condition("False", "CustomRunCancelled")),)),
        ("`CustomRunTimedOut`", (custom.run(condition("False", "CustomRunTimedOut")),)),
    )
    for words, manifests in rows:
        yield State(words=words, manifests=manifests, test=table)


JOB_FAILURES = (
    "BackoffLimitExceeded",
    "PodFailurePolicy",
    "MaxFailedIndexesExceeded",
    "FailedIndexes",
)


def jobs() -> Iterator[State]:
    """batch Job."""
    job, table = test_job.job, "test_job.py::test_conditions_end_a_job_and_counters_only_start_it"
    rows = (
        (
            "no `startTime`, no pod ready yet, or suspended",
            (
                job(startTime=None),
                job(active=1, ready=0),
                job(("Suspended", "True", "JobSuspended")),
            ),
        ),
        (
            "a pod is ready, succeeded or failed; `SuccessCriteriaMet`, `FailureTarget`",
            (
                job(active=1, ready=1),
                job(active=0, failed=1),
                job(active=1, succeeded=1),
                job(("SuccessCriteriaMet", "True", "CompletionsReached")),
                job(("FailureTarget", "True", "BackoffLimitExceeded"), failed=3),
            ),
        ),
        (
            "`Complete`: `CompletionsReached`, `SuccessPolicy`",
            tuple(
                job(("Complete", "True", one)) for one in ("CompletionsReached", "SuccessPolicy")
            ),
        ),
        (
            f"`Failed`: {reasons(*JOB_FAILURES)}",
            tuple(job(("Failed", "True", one)) for one in JOB_FAILURES),
        ),
        ("`Failed`: `DeadlineExceeded`", (job(("Failed", "True", "DeadlineExceeded")),)),
    )
    for words, manifests in rows:
        yield State(words=words, manifests=manifests, test=table)
    marked = {"annotations": {"checkrail.dev/cancelled-by": "octocat"}}
    yield State(
        words="suspended by *Cancel* on its check",
        manifests=(job(("Suspended", "True", "JobSuspended"), metadata=marked),),
        test="test_job.py::test_a_job_that_somebody_cancelled_here_ends_with_its_pods",
    )
    yield State(
        words="deleted while it runs",
        manifests=(job(active=1, ready=1),),
        deleted=True,
        test="test_job.py::test_a_job_deleted_while_it_runs_is_cancelled",
    )
    done = job(("Complete", "True", "CompletionsReached"))
    yield State(
        words="deleted after its end (time to live)",
        manifests=(done,),
        before=(done,),
        deleted=True,
        test="test_job.py::test_a_finished_job_looks_the_same_once_its_time_to_live_is_over",
    )
    technical = {"annotations": {"pipelinesfeedback.keskad.pl/technical-job": "backup"}}
    yield State(
        words="a technical job (`pipelinesfeedback.keskad.pl/technical-job`)",
        manifests=(job(("Complete", "True", "CompletionsReached"), metadata=technical),),
        claimed=False,
        test="test_job.py::test_a_technical_job_is_told_without_a_check",
    )


def helm_releases() -> Iterator[State]:
    """helm.toolkit.fluxcd.io HelmRelease; CDEvents tell of the service."""
    states, phases = helm.STATES, "test_flux_helmrelease.py::test_each_state_has_its_phase"
    rows = (
        (
            "before the first action: prerequisites, `DependencyNotReady`, chart being fetched",
            (
                "not looked at yet",
                "looking around before the first install",
                "dependency",
                "chart being fetched",
            ),
        ),
        (
            "an action runs (`Running 'upgrade' action`)",
            ("upgrading", "unknown without more"),
        ),
        ("`ProgressingWithRetry` after `UpgradeFailed`", ("retrying",)),
        ("`UpgradeSucceeded`", ("deployed", "deployed, looking around")),
        ("`UpgradeFailed`, `InstallFailed`", ("failed",)),
        ("`RollbackSucceeded`: the upgrade did not land", ("rolled back",)),
        ("`TestFailed`", ("tests failed",)),
        (
            "no attempt: `ArtifactFailed`, `SourceNotReady`, `ValuesError`, `AccessDenied`, …",
            ("no chart", "no such chart", "bad values", "no access"),
        ),
        ("`HealthCheckCanceled`: something newer came", ("overtaken",)),
    )
    for words, names in rows:
        yield State(words=words, manifests=tuple(states[name][0] for name in names), test=phases)
    installed = helm.cond("Released", "True", "InstallSucceeded")
    first = helm.release(helm.READY, installed, history=[helm.snapshot(1, "deployed", "6.6.1")])
    kinds = "test_flux_helmrelease.py::test_an_install_deploys_and_an_upgrade_upgrades"
    yield State(words="`InstallSucceeded`", manifests=(first,), test=kinds)
    passed = helm.cond("TestSuccess", "True", "TestSucceeded")
    yield State(
        words="`TestSucceeded`",
        manifests=(helm.release(helm.READY, helm.RELEASED, passed, history=helm.TESTED),),
        test="test_flux_helmrelease.py::test_the_tests_of_a_chart_are_told_once_they_ran",
    )
    lenient: Json = {"test": {"enable": True, "ignoreFailures": True}}
    yield State(
        words="`TestFailed` with `ignoreFailures`",
        manifests=(
            helm.release(
                helm.READY, helm.RELEASED, helm.TESTS_FAILED, history=helm.TESTED, spec=lenient
            ),
        ),
        test="test_flux_helmrelease.py::test_tests_that_may_fail_leave_a_neutral_check",
    )
    yield from _helm_turns(first)


def _drifts(drifted: Json) -> Iterator[State]:
    corrected = helm.cond("Drifted", "False", "NoDriftDetected")
    (begun, ended) = (
        helm.release(helm.READY, helm.RELEASED, condition, history=helm.NOW)
        for condition in (drifted, corrected)
    )
    yield State(
        words="`DriftDetected`, where a Notification says `drift: true`",
        manifests=(begun,),
        before=(helm.STATES["deployed"][0],),
        drift=True,
        test="test_flux_helmrelease.py::test_drift_is_shown_and_fails_nothing",
    )
    yield State(
        words="`NoDriftDetected` after that",
        manifests=(ended,),
        before=(begun,),
        drift=True,
        test="test_flux_helmrelease.py::test_drift_is_shown_and_fails_nothing",
    )


def _helm_turns(first: Json) -> Iterator[State]:
    states = helm.STATES
    repaired = [helm.snapshot(3, "deployed", "6.6.1"), *helm.BROKEN]
    yield State(
        words="well again after a failure",
        manifests=(helm.release(helm.READY, helm.RELEASED, history=repaired),),
        before=(states["failed"][0],),
        test="test_told.py::test_flux_streams_tell_what_became_of_service_and_environment",
    )
    drifted = helm.cond("Drifted", "True", "DriftDetected", "Deployment/apps/podinfo changed")
    yield State(
        words="`DriftDetected` (shown among the steps)",
        manifests=(helm.release(helm.READY, helm.RELEASED, drifted, history=helm.NOW),),
        before=(states["deployed"][0],),
        test="test_flux_helmrelease.py::test_drift_is_shown_and_fails_nothing",
    )
    yield from _drifts(drifted)
    yield State(
        words="suspended before it came to an end",
        manifests=(helm.release(helm.LOOKING, attempted="", spec=helm.SUSPENDED),),
        test="test_flux_helmrelease.py::"
        "test_a_release_that_is_suspended_on_its_way_waits_for_a_person",
    )
    yield State(
        words="stalled: `RetriesExceeded`, `MissingRollbackTarget`",
        manifests=tuple(
            helm.release(
                helm.NOT_READY,
                helm.FAILED,
                helm.cond("Stalled", "True", reason),
                history=helm.BROKEN,
            )
            for reason in ("RetriesExceeded", "MissingRollbackTarget")
        ),
        test="test_flux_helmrelease.py::test_the_condition_tells_reason_and_sentence",
    )
    gone = helm.release(*helm.UNINSTALLED, metadata=helm.GONE)
    yield State(
        words="uninstalled, its object deleted (its verdict stays)",
        manifests=(gone,),
        before=(first,),
        deleted=True,
        test="test_flux_helmrelease.py::test_a_deleted_release_is_removed",
    )
    kept = helm.release(helm.READY, helm.RELEASED, history=helm.NOW, spec=helm.SUSPENDED)
    yield State(
        words="deleted while suspended: nothing is uninstalled",
        manifests=(kept,),
        before=(kept,),
        deleted=True,
        test="test_flux_helmrelease.py::test_a_suspended_release_stays_when_its_object_goes",
    )
    waiting = helm.release(helm.READY, helm.RELEASED, history=helm.NOW, metadata={"generation": 3})
    yield State(
        words="looked at again without an action, also for a later commit",
        manifests=(waiting, states["failed, looking around"][0]),
        before=(states["deployed"][0],),
        test="test_told.py::test_a_release_has_a_check_on_each_commit_that_ran_it_and_on_no_other",
    )


NO_ATTEMPT = ("ArtifactFailed", "AccessDenied", "FeatureGateDisabled", "DirectoryCreationFailed")


def kustomizations() -> Iterator[State]:
    """kustomize.toolkit.fluxcd.io Kustomization; CDEvents tell of the environment."""
    states = test_flux_kustomization.STATES
    phases = "test_flux_kustomization.py::test_each_state_has_its_phase"
    rows = (
        (
            "`DependencyNotReady`, the source's artifact being fetched, not looked at yet",
            ("not looked at yet", "dependency", "source being fetched"),
        ),
        ("`Progressing`", ("fetching", "building", "health checks")),
        ("`ReconciliationSucceeded`", ("applied", "applied and healthy")),
        (
            "`BuildFailed`, `ReconciliationFailed`, `PruneFailed`, `HealthCheckFailed`",
            ("build failed", "apply failed", "prune failed", "unhealthy"),
        ),
        ("any reason newer than this page", ("a reason newer than we are",)),
        (
            f"no attempt: {reasons(*NO_ATTEMPT)}; stalled",
            ("no source", "no access", "a feature that is off", "no folder", "stalled"),
        ),
        ("`HealthCheckCanceled`: something newer came", ("overtaken",)),
        ("suspended before it came to an end", ("suspended while it waits",)),
    )
    for words, names in rows:
        yield State(words=words, manifests=tuple(states[name][0] for name in names), test=phases)
    yield State(
        words="confirmed at an interval, without a change",
        manifests=(kustomization(applied(at="2026-05-07T05:33:00Z")),),
        before=(states["applied"][0],),
        test="tests/core/test_decide.py::test_intervals_without_a_change_tell_nothing",
    )
    yield State(
        words="well again after a failure",
        manifests=(states["applied"][0],),
        before=(states["unhealthy"][0],),
        test="test_told.py::test_flux_streams_tell_what_became_of_service_and_environment",
    )
    yield State(
        words="deleted (its verdict stays)",
        manifests=(states["applied"][0],),
        before=(states["applied"][0],),
        deleted=True,
        test="test_flux_kustomization.py::"
        "test_deleted_on_its_way_it_is_cancelled_and_after_its_end_it_stays",
    )


SOURCES = {
    "PipelineRun": pipeline_runs,
    "TaskRun": task_runs,
    "CustomRun": custom_runs,
    "Job": jobs,
    "HelmRelease": helm_releases,
    "Kustomization": kustomizations,
}
