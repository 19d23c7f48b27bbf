"""Tekton's reasons as tables, and what a PipelineRun's name, steps, links and buttons are.

Whole runs are in test_streams; copies and patches in test_copies.
"""

from typing import Any

import pytest

from adapters.tekton_pipelinerun import ADAPTER, ChildPipelineRun
from ghapp.core.model import Conclusion, Observation, Phase, Step, Verb
from ghapp.core.source import Context
from tests.adapters.recorded import decode, observe

CREATED, STARTED, ENDED = "2026-05-04T02:00:00Z", "2026-05-04T02:00:11Z", "2026-05-04T02:19:14Z"
SHA = "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b"


def condition(status: str, reason: str, message: str = "") -> dict[str, str]:
    return {
        "type": "Succeeded",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ENDED,
    }


def run(
    *conditions: dict[str, str],
    metadata: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    if conditions and conditions[0]["status"] != "Unknown":
        status.setdefault("completionTime", ENDED)
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": "build-abc",
            "namespace": "ci",
            "uid": "u1",
            "creationTimestamp": CREATED,
            **(metadata or {}),
        },
        "spec": spec or {"pipelineRef": {"name": "build"}},
        "status": {"startTime": STARTED, "conditions": list(conditions), **status},
    }


def task_run(*conditions: dict[str, str], task: str = "", **more: Any) -> dict[str, Any]:
    made = run(*conditions, **more)
    made["kind"] = "TaskRun"
    if task:
        made["metadata"] |= {
            "name": f"build-abc-{task}",
            "uid": f"u1-{task}",
            "labels": {"tekton.dev/pipelineTask": task},
            "ownerReferences": [{"kind": "PipelineRun", "uid": "u1", "controller": True}],
        }
    return made


def look(*args: Any, **more: Any) -> Observation:
    found = observe(*args, **more)
    assert found is not None
    return found


CHILD = [{"name": "build-abc-unit", "kind": "TaskRun", "pipelineTaskName": "unit"}]
VALIDATION = [
    "PipelineValidationFailed",
    "CouldntGetPipeline",
    "CouldntGetTask",
    "CouldntGetPipelineResult",
    "ParameterMissing",
    "ParameterTypeMismatch",
    "ObjectParameterMissKeys",
    "ParamArrayIndexingInvalid",
    "InvalidParamValue",
    "InvalidWorkspaceBindings",
    "InvalidTaskRunSpecs",
    "InvalidPipelineResourceBindings",
    "PipelineInvalidGraph",
    "InvalidMatrixParameterTypes",
    "InvalidTaskResultReference",
    "InvalidPipelineResultReference",
    "RequiredWorkspaceMarkedOptional",
    "ResourceVerificationFailed",
    "CreateRunFailed",
    "CELEvaluationFailed",
]


@pytest.mark.parametrize(
    ("status", "reason", "phase", "conclusion"),
    [
        ("Unknown", "PipelineRunPending", Phase.QUEUED, None),
        ("Unknown", "Started", Phase.QUEUED, None),
        ("Unknown", "ResolvingPipelineRef", Phase.QUEUED, None),
        ("Unknown", "Running", Phase.RUNNING, None),
        ("Unknown", "PipelineRunStopping", Phase.RUNNING, None),
        ("Unknown", "PipelineRunTimeoutRunningFinally", Phase.RUNNING, None),
        ("Unknown", "CancelledRunningFinally", Phase.RUNNING, None),
        ("Unknown", "StoppedRunningFinally", Phase.RUNNING, None),
        ("Unknown", "PipelineRunCouldntCancel", Phase.RUNNING, None),
        ("Unknown", "PipelineRunCouldntTimeOut", Phase.RUNNING, None),
        ("Unknown", "Cancelled", Phase.RUNNING, None),
        ("Unknown", "NewerThanThisFile", Phase.RUNNING, None),
        ("True", "Succeeded", Phase.SUCCEEDED, None),
        ("True", "Completed", Phase.SUCCEEDED, None),
        ("False", "Failed", Phase.FAILED, None),
        ("False", "NewerThanThisFile", Phase.FAILED, None),
        ("False", "Cancelled", Phase.CANCELLED, None),
        ("False", "PipelineRunTimeout", Phase.ERRORED, Conclusion.TIMED_OUT),
    ],
)
def test_each_reason_of_a_pipeline_run_has_its_phase(
    status: str, reason: str, phase: Phase, conclusion: Conclusion | None
) -> None:
    found = look(run(condition(status, reason)))
    assert (found.phase, found.conclusion, found.reason) == (phase, conclusion, reason)
    assert (found.started is None) == (phase is Phase.QUEUED)


@pytest.mark.parametrize("reason", VALIDATION)
def test_a_run_that_could_not_start_never_started(reason: str) -> None:
    found = look(run(condition("False", reason, "[User error] no")))
    assert (found.phase, found.started, found.message) == (Phase.ERRORED, None, "[User error] no")
    assert found.finished is not None


@pytest.mark.parametrize("reason", VALIDATION)
def test_a_run_that_could_not_go_on_had_started(reason: str) -> None:
    found = look(run(condition("False", reason), childReferences=CHILD))
    assert found.phase is Phase.ERRORED
    assert found.started is not None


def test_a_failed_verification_is_a_failure() -> None:
    found = look(run(condition("False", "ResourceVerificationFailed")))
    assert found.conclusion is Conclusion.FAILURE


@pytest.mark.parametrize("status", ["True", "False"])
def test_a_run_without_completion_time_goes_on(status: str) -> None:
    found = look(run(condition(status, "Failed"), completionTime=None))
    assert (found.phase, found.finished) == (Phase.RUNNING, None)


def test_a_status_that_tekton_never_writes_says_nothing() -> None:
    assert observe(run(condition("Perhaps", "Running"))) is None
    assert observe(task_run(condition("Perhaps", "Running"))) is None


def test_a_run_cancelled_before_its_start_never_started() -> None:
    found = look(run(condition("False", "Cancelled"), startTime=None))
    assert (found.phase, found.started) == (Phase.CANCELLED, None)


@pytest.mark.parametrize("wish", ["true", "True ", " TRUE"])
def test_an_ignored_run_is_no_subject(wish: str) -> None:
    assert observe(run(metadata={"annotations": {"checkrail.dev/ignore": wish}})) is None


def test_a_run_deleted_on_its_way_is_cancelled_when_it_was_deleted() -> None:
    gone = run(condition("Unknown", "Running"), metadata={"deletionTimestamp": ENDED})
    found = look(gone, deleted=True)
    assert (found.phase, found.reason) == (Phase.CANCELLED, "Deleted")
    assert found.conclusion is Conclusion.CANCELLED
    assert found.finished is not None
    assert found.finished.isoformat() == ENDED.replace("Z", "+00:00")
    assert found.verbs == ()


def test_a_run_deleted_in_the_queue_never_started() -> None:
    found = look(run(), deleted=True)
    assert (found.phase, found.started) == (Phase.CANCELLED, None)


def test_a_finished_run_looks_the_same_once_it_is_deleted() -> None:
    done = run(condition("True", "Succeeded"))
    assert look(done, deleted=True) == look(done)


@pytest.mark.parametrize(
    ("metadata", "spec", "name"),
    [
        ({"generateName": "x-"}, {"pipelineRef": {"name": "build"}}, "build"),
        ({"labels": {"tekton.dev/pipeline": "shop-ci"}}, {"pipelineSpec": {}}, "shop-ci"),
        ({"generateName": "shop-ci-"}, {"pipelineSpec": {}}, "shop-ci"),
        ({}, {"pipelineSpec": {}}, "build-abc"),
        ({"generateName": "shop-"}, {"pipelineRef": {"resolver": "git"}}, "shop"),
        (
            {"generateName": "x-"},
            {"pipelineRef": {"resolver": "hub", "params": [{"name": "name", "value": "lint"}]}},
            "lint",
        ),
        (
            {
                "name": "a-r-0123abcd",
                "annotations": {"checkrail.dev/rerun-of": "a"},
                "labels": {"tekton.dev/pipeline": "a-r-0123abcd"},
            },
            {"pipelineSpec": {}},
            "a",
        ),
        (
            {
                "name": "a-x7f-r-0123abcd",
                "annotations": {
                    "checkrail.dev/rerun-of": "a-x7f",
                    "checkrail.dev/rerun-name": "a",
                },
            },
            {"pipelineSpec": {}},
            "a",
        ),
        ({"name": "a-r-0123abcd"}, {"pipelineSpec": {}}, "a-r-0123abcd"),
    ],
)
def test_a_run_is_named_for_what_runs(
    metadata: dict[str, Any], spec: dict[str, Any], name: str
) -> None:
    found = look(run(metadata=metadata, spec=spec))
    assert (found.name, found.check_name) == (name, f"tekton / {name}")


TRACKER = {
    "tekton.dev/git-status": "true",
    "tekton.dev/git-repo": "acme/shop",
    "tekton.dev/git-revision": SHA,
    "tekton.dev/status-context": "ci/build",
}
INTEGRATION = {
    "integrations.tekton.ornew.io/github-owner": "acme",
    "integrations.tekton.ornew.io/github-repo": "shop",
    "integrations.tekton.ornew.io/github-sha": SHA,
    "integrations.tekton.ornew.io/context-id": "build",
}


@pytest.mark.parametrize(
    ("notes", "name"),
    [
        ({"checkrail.dev/check-name": " unit tests "}, "unit tests"),
        (TRACKER, "ci/build"),
        ({**TRACKER, "tekton.dev/git-status": "false"}, "tekton / build"),
        (INTEGRATION, "tekton: build"),
        ({**TRACKER, "checkrail.dev/check-name": "mine"}, "mine"),
    ],
)
def test_a_check_keeps_the_name_that_its_reporter_gave_it(notes: dict[str, str], name: str) -> None:
    assert look(run(metadata={"annotations": notes})).check_name == name


@pytest.mark.parametrize(
    ("notes", "url"),
    [
        ({"checkrail.dev/dashboard-url": "https://d.example/r/1"}, "https://d.example/r/1"),
        ({"checkrail.dev/dashboard-url": "javascript:alert(1)"}, ""),
        ({"checkrail.dev/dashboard-url": "https://d.example/ x"}, ""),
        ({"tekton.dev/status-target-url": "http://d.example"}, "http://d.example"),
        (
            {"tekton.dev/status-target-url": "https://d/{{ .Namespace }}/{{.Kind}}/{{.Name}}"},
            "https://d/ci/PipelineRun/build-abc",
        ),
        ({"tekton.dev/status-target-url": "https://d/{{ .Secret }}"}, ""),
        (
            {"integrations.tekton.ornew.io/tekton-dashboard-base-url": "https://d/"},
            "https://d/#/namespaces/ci/pipelineruns/build-abc",
        ),
    ],
)
def test_only_a_plain_web_address_is_linked(notes: dict[str, str], url: str) -> None:
    assert look(run(metadata={"annotations": notes})).dashboard_url == url


def test_annotations_name_environment_chain_and_original() -> None:
    notes = {"checkrail.dev/environment": "prod", "checkrail.dev/rerun-of-uid": "u0"}
    labels = {"triggers.tekton.dev/triggers-eventid": "e1"}
    found = look(run(metadata={"annotations": notes, "labels": labels}))
    assert (found.environment, found.rerun_of, found.chain) == ("prod", "u0", "e1")


def test_what_may_be_asked_depends_on_the_state() -> None:
    stopping = {"pipelineRef": {"name": "build"}, "status": "CancelledRunFinally"}
    assert look(run()).verbs == (Verb.CANCEL,)
    assert look(run(condition("Unknown", "Running"))).verbs == (Verb.CANCEL,)
    assert look(run(condition("Unknown", "Running"), spec=stopping)).verbs == ()
    assert look(run(condition("False", "Failed"))).verbs == (Verb.RERUN,)


# --- steps --------------------------------------------------------------------------------------

PIPELINE = {
    "tasks": [{"name": "unit"}, {"name": "build"}, {"name": "deploy"}],
    "finally": [{"name": "notify"}],
}


def steps(parent: dict[str, Any], *children: dict[str, Any]) -> dict[str, Step]:
    return {step.name: step for step in look(parent, children=children).steps}


def test_tasks_that_wait_are_queued_and_those_skipped_say_why() -> None:
    skipped = [{"name": "deploy", "reason": "PipelineRun was stopping"}]
    found = steps(
        run(condition("Unknown", "Running"), pipelineSpec=PIPELINE, skippedTasks=skipped),
        task_run(condition("Unknown", "Running"), task="unit"),
    )
    assert list(found) == ["unit", "build", "deploy", "notify"]
    assert (found["unit"].phase, found["build"].phase) == (Phase.RUNNING, Phase.QUEUED)
    assert found["deploy"].skipped
    assert found["deploy"].detail == "PipelineRun was stopping"


def test_what_did_not_run_before_the_end_counts_as_skipped() -> None:
    found = steps(run(condition("False", "Cancelled"), pipelineSpec=PIPELINE))
    assert all(step.skipped and step.phase is Phase.CANCELLED for step in found.values())


def test_what_still_runs_at_the_end_is_cancelled() -> None:
    child = task_run(condition("Unknown", "Running"), task="unit")
    (step,) = look(run(condition("False", "Cancelled")), children=[child]).steps
    assert (step.phase, step.skipped) == (Phase.CANCELLED, False)


def failed(reason: str, message: str = "", **step: Any) -> Step:
    child = task_run(condition("False", reason, message), task="unit", steps=[step])
    return steps(run(condition("False", "Failed")), child)["unit"]


def ended(code: int, reason: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def test_a_failure_names_container_exit_code_and_reason() -> None:
    step = failed("StepFailed", name="unit", container="step-unit", **ended(2, "Error"))
    assert step.detail == "StepFailed: step-unit exited with code 2 (Error)"
    step = failed("StepOOM", name="unit", container="step-unit", **ended(137, "OOMKilled"))
    assert step.detail == "StepOOM: step-unit exited with code 137 (OOMKilled)"
    assert step.phase is Phase.ERRORED


def test_an_image_that_cannot_be_pulled_is_told_in_the_words_of_the_node() -> None:
    step = failed(
        "TaskRunImagePullFailed",
        "failed to pull the image",
        container="step-unit",
        **ended(1, "TaskRunImagePullFailed"),
    )
    assert step.detail == "TaskRunImagePullFailed: failed to pull the image"
    assert step.started is None


def test_a_step_that_may_fail_is_not_blamed() -> None:
    child = task_run(
        condition("False", "StepFailed"),
        task="unit",
        steps=[
            {"container": "step-lint", "terminationReason": "Continued", **ended(1, "Error")},
            {"container": "step-unit", **ended(2, "Error")},
        ],
    )
    step = steps(run(condition("False", "Failed")), child)["unit"]
    assert step.detail == "StepFailed: step-unit exited with code 2 (Error)"


def test_a_failure_that_is_ignored_is_tolerated() -> None:
    step = failed("FailureIgnored", container="step-unit", **ended(1, "Error"))
    assert (step.phase, step.tolerated) == (Phase.FAILED, True)


def test_a_long_message_is_cut() -> None:
    assert len(failed("PodEvicted", "x" * 5000).detail) == 300


def test_attempts_are_counted_and_began_with_the_first() -> None:
    retries = [{"startTime": STARTED}, {"startTime": "2026-05-04T02:10:00Z"}]
    child = task_run(
        condition("Unknown", "Pending"), task="unit", startTime=None, retriesStatus=retries
    )
    step = steps(run(condition("Unknown", "Running")), child)["unit"]
    assert (step.phase, step.detail) == (Phase.RUNNING, "attempt 3; Pending")
    assert step.started is not None
    assert step.started.isoformat() == STARTED.replace("Z", "+00:00")


def test_steps_of_a_matrix_are_named_by_their_values_else_by_number() -> None:
    matrix = {"params": [{"name": "os", "value": ["linux", "mac"]}]}
    pipeline = {"tasks": [{"name": "unit", "matrix": matrix}]}
    references = [
        {"name": f"build-abc-unit-{number}", "pipelineTaskName": "unit"} for number in (10, 2)
    ]
    parent = run(condition("Unknown", "Running"), pipelineSpec=pipeline, childReferences=references)
    assert list(steps(parent)) == ["unit (1)", "unit (2)"]
    child = task_run(task="unit", spec={"params": [{"name": "os", "value": "linux"}]})
    child["metadata"]["name"] = "build-abc-unit-2"
    assert list(steps(parent, child)) == ["unit (linux)", "unit (2)"]


def test_a_child_that_was_not_seen_is_told_as_far_as_known() -> None:
    def phase(*conditions: dict[str, str]) -> Phase:
        return steps(run(*conditions, childReferences=CHILD))["unit"].phase

    assert phase(condition("Unknown", "Running")) is Phase.RUNNING
    assert phase(condition("True", "Succeeded")) is Phase.SUCCEEDED
    assert phase(condition("False", "Failed")) is Phase.ERRORED


OWNED = {"ownerReferences": [{"kind": "PipelineRun", "uid": "u1", "controller": True}]}


def with_child(parent: dict[str, Any], child: dict[str, Any]) -> Step:
    """The step that a run inside a run is."""
    context = Context(cluster="default", children=(decode(child, ChildPipelineRun),))
    found = ADAPTER.observe(decode(parent, ADAPTER.reads), context)
    assert found is not None
    (step,) = found.steps
    return step


def test_a_pipeline_inside_a_pipeline_is_a_step_and_no_run_of_its_own() -> None:
    reference = [{"name": "build-abc-deploy", "kind": "PipelineRun", "pipelineTaskName": "deploy"}]
    parent = run(condition("Unknown", "Running"), childReferences=reference)
    child = run(
        condition("False", "Failed", "Tasks Completed: 2 (Failed: 1)"),
        metadata={"name": "build-abc-deploy", "uid": "u2", **OWNED},
    )
    assert observe(child) is None
    step = with_child(parent, child)
    assert (step.name, step.phase) == ("deploy", Phase.FAILED)
    assert step.detail == "Failed: Tasks Completed: 2 (Failed: 1)"
    waiting = run(condition("Unknown", "ResolvingPipelineRef"), metadata=child["metadata"])
    assert with_child(parent, waiting).phase is Phase.QUEUED


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        ("CustomRunCancelled", Phase.CANCELLED),
        ("CustomRunTimedOut", Phase.ERRORED),
        ("CustomRunWorkspaceNotSupported", Phase.ERRORED),
        ("ApprovalDenied", Phase.FAILED),
    ],
)
def test_a_custom_task_is_a_step_whatever_its_controller_calls_its_state(
    reason: str, phase: Phase
) -> None:
    child = task_run(condition("False", reason, "denied by alice"), task="approve")
    child |= {"apiVersion": "tekton.dev/v1beta1", "kind": "CustomRun"}
    step = steps(run(condition("False", "Failed")), child)["approve"]
    assert (step.phase, step.detail) == (phase, f"{reason}: denied by alice")


def test_a_run_of_no_tasks_succeeds() -> None:
    skipped = [{"name": "deploy", "reason": "When Expressions evaluated to false"}]
    found = look(run(condition("True", "Completed"), skippedTasks=skipped))
    assert (found.phase, found.conclusion) == (Phase.SUCCEEDED, None)
    assert [step.skipped for step in found.steps] == [True]


# --- results, and the version before ------------------------------------------------------------

RESULTS = [
    {"name": "coverage", "value": "81.4"},
    {"name": "images", "value": ["a", "b"]},
    {"name": "image", "value": {"url": "ghcr.io/acme/shop", "digest": "sha256:0"}},
    {"name": "clone", "value": "https://x-access-token:ghs_s3cret@github.com/acme/shop"},
    {"name": "log", "value": "https://u:s3cret" + "x" * 120 + "@h/p"},
    {"name": "", "value": "nameless"},
]


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (run, "results"),
        (run, "pipelineResults"),
        (task_run, "results"),
        (task_run, "taskResults"),
    ],
)
def test_results_are_text_without_passwords(made: Any, field: str) -> None:
    found = look(made(condition("True", "Succeeded"), **{field: RESULTS})).results
    assert found == (
        ("coverage", "81.4"),
        ("images", '["a","b"]'),
        ("image", '{"url":"ghcr.io/acme/shop","digest":"sha256:0"}'),
        ("clone", "https://github.com/acme/shop"),
        ("log", "https://h/p"),
    )


def test_a_long_result_is_whole_until_all_together_are_too_long() -> None:
    long = [{"name": "n" * 200, "value": "v" * 5000}] * 80
    found = look(run(condition("True", "Succeeded"), results=long)).results
    assert len(found) == 50
    assert {len(name) for name, _ in found} == {100}
    assert [len(value) for _, value in found] == [5_000] * 12 + [100] * 38


def test_results_name_the_commit_in_either_version() -> None:
    hints = [
        {"name": "CHAINS-GIT_URL", "value": "https://github.com/acme/shop"},
        {"name": "CHAINS-GIT_COMMIT", "value": SHA},
    ]
    for field in ("results", "pipelineResults"):
        named: dict[str, Any] = {field: hints}
        found = look(run(condition("True", "Succeeded"), **named))
        assert found.revision is not None
        assert found.revision.commit == SHA


@pytest.mark.parametrize("made", [run, task_run])
def test_an_object_of_the_version_before_stays_in_it(made: Any) -> None:
    old = made(condition("True", "Succeeded")) | {"apiVersion": "tekton.dev/v1beta1"}
    plural = "pipelineruns" if made is run else "taskruns"
    assert look(old).resource == f"tekton.dev/v1beta1/{plural}"
    assert look(old).phase is Phase.SUCCEEDED
    unsaid = {key: part for key, part in old.items() if key != "apiVersion"}
    assert look(unsaid).resource == f"tekton.dev/v1/{plural}"


# --- standalone TaskRuns ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"tekton.dev/pipelineRun": "build-abc"}},
        {"labels": {"tekton.dev/pipelineRunUID": "u1"}},
        {"ownerReferences": [{"kind": "PipelineRun", "uid": "u1", "controller": True}]},
    ],
)
def test_a_task_run_of_a_pipeline_run_is_no_run_of_its_own(metadata: dict[str, Any]) -> None:
    assert observe(task_run(condition("Unknown", "Running"), metadata=metadata)) is None


TASK_QUEUED = [
    "TaskRunPending",
    "Started",
    "ResolvingTaskRef",
    "ResolvingStepActionRef",
    "Pending",
    "PullImageFailed",
    "ExceededNodeResources",
    "ExceededResourceQuota",
]
TASK_NEVER_RAN = [
    "TaskRunImagePullFailed",
    "CreateContainerConfigError",
    "PodCreationFailed",
    "PodAdmissionFailed",
    "InvalidParamValue",
    "TaskRunResolutionFailed",
    "TaskRunValidationFailed",
    "TaskValidationFailed",
    "ResourceVerificationFailed",
    "InitContainerFailed",
    "InitContainerOOM",
]
TASK_ERRORED = [
    "StepOOM",
    "SidecarOOM",
    "PodEvicted",
    "TaskRunResultLargerThanAllowedLimit",
    "TaskRunStopSidecarFailed",
]


@pytest.mark.parametrize(
    ("status", "reason", "phase", "conclusion"),
    [
        *(("Unknown", reason, Phase.QUEUED, None) for reason in TASK_QUEUED),
        ("Unknown", "Running", Phase.RUNNING, None),
        ("Unknown", "ToBeRetried", Phase.RUNNING, None),
        ("Unknown", "TaskRunCancelled", Phase.RUNNING, None),
        ("Unknown", "NewerThanThisFile", Phase.RUNNING, None),
        ("True", "Succeeded", Phase.SUCCEEDED, None),
        ("False", "Failed", Phase.FAILED, None),
        ("False", "StepFailed", Phase.FAILED, None),
        ("False", "SidecarFailed", Phase.FAILED, None),
        ("False", "NewerThanThisFile", Phase.FAILED, None),
        ("False", "FailureIgnored", Phase.FAILED, Conclusion.NEUTRAL),
        ("False", "TaskRunCancelled", Phase.CANCELLED, None),
        ("False", "TaskRunTimeout", Phase.ERRORED, Conclusion.TIMED_OUT),
        *(("False", reason, Phase.ERRORED, None) for reason in TASK_ERRORED),
    ],
)
def test_each_reason_of_a_task_run_has_its_phase(
    status: str, reason: str, phase: Phase, conclusion: Conclusion | None
) -> None:
    found = look(task_run(condition(status, reason)))
    assert (found.phase, found.conclusion) == (phase, conclusion)
    assert (found.started is None) == (phase is Phase.QUEUED)


@pytest.mark.parametrize("reason", TASK_NEVER_RAN)
def test_a_task_run_whose_pod_never_ran_never_started(reason: str) -> None:
    found = look(task_run(condition("False", reason)))
    assert (found.phase, found.started) == (Phase.ERRORED, None)


def test_a_task_run_that_timed_out_with_its_run_timed_out() -> None:
    spec = {"statusMessage": "TaskRun cancelled as the PipelineRun it belongs to has timed out."}
    found = look(task_run(condition("False", "TaskRunCancelled"), spec=spec))
    assert (found.phase, found.conclusion) == (Phase.ERRORED, Conclusion.TIMED_OUT)


def test_tekton_gives_up_on_a_config_error_without_saying_when() -> None:
    stuck = task_run(condition("False", "CreateContainerConfigError"), completionTime=None)
    found = look(stuck)
    assert found.phase is Phase.ERRORED
    assert found.finished is not None
    retried = task_run(condition("False", "StepFailed"), completionTime=None)
    assert look(retried).phase is Phase.RUNNING


def test_the_steps_of_a_task_run_are_its_containers() -> None:
    found = look(
        task_run(
            condition("False", "StepFailed"),
            steps=[
                {"name": "lint", "terminationReason": "Continued", **ended(1, "Error")},
                {"name": "unit", **ended(2, "Error")},
                {"name": "pack", "terminationReason": "Skipped", **ended(1, "Error")},
                {"name": "push", "waiting": {"reason": "PodInitializing"}},
            ],
        )
    )
    assert [(step.name, step.phase, step.skipped, step.tolerated) for step in found.steps] == [
        ("lint", Phase.FAILED, False, True),
        ("unit", Phase.FAILED, False, False),
        ("pack", Phase.FAILED, True, False),
        ("push", Phase.QUEUED, False, False),
    ]
