"""Jobs by their conditions and counters: phases, names, the one step, buttons.

Whole runs are in test_streams; copies and patches in test_copies.
"""

from typing import Any

import pytest

from ghapp.core.model import Conclusion, Observation, Phase, Verb
from tests.adapters.recorded import observe

CREATED, STARTED, ENDED = "2026-05-04T02:00:00Z", "2026-05-04T02:00:11Z", "2026-05-04T02:03:00Z"


def job(
    *conditions: tuple[str, str, str],
    metadata: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "migrate-x7f",
            "namespace": "ci",
            "uid": "u1",
            "creationTimestamp": CREATED,
            **(metadata or {}),
        },
        "spec": spec or {},
        "status": {
            "startTime": STARTED,
            "conditions": [
                {"type": type_, "status": state, "reason": reason, "lastTransitionTime": ENDED}
                for type_, state, reason in conditions
            ],
            **status,
        },
    }


def look(*args: Any, **more: Any) -> Observation:
    found = observe(*args, **more)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("conditions", "status", "phase"),
    [
        ([], {"startTime": None}, Phase.QUEUED),
        ([], {"active": 1, "ready": 0}, Phase.QUEUED),
        ([], {"active": 1, "ready": 1}, Phase.RUNNING),
        ([], {"active": 0, "failed": 1}, Phase.RUNNING),
        ([], {"active": 1, "succeeded": 1}, Phase.RUNNING),
        ([("Suspended", "True", "JobSuspended")], {}, Phase.QUEUED),
        ([("Suspended", "False", "JobResumed")], {"ready": 1}, Phase.RUNNING),
        ([("SuccessCriteriaMet", "True", "CompletionsReached")], {}, Phase.RUNNING),
        ([("FailureTarget", "True", "BackoffLimitExceeded")], {"failed": 3}, Phase.RUNNING),
        ([("Complete", "True", "CompletionsReached")], {}, Phase.SUCCEEDED),
        ([("Complete", "True", "")], {}, Phase.SUCCEEDED),
        ([("Failed", "False", "")], {"ready": 1}, Phase.RUNNING),
        ([("Failed", "True", "BackoffLimitExceeded")], {}, Phase.FAILED),
        ([("Failed", "True", "PodFailurePolicy")], {}, Phase.FAILED),
        ([("Failed", "True", "MaxFailedIndexesExceeded")], {}, Phase.FAILED),
        ([("Failed", "True", "FailedIndexes")], {}, Phase.FAILED),
        ([("Failed", "True", "DeadlineExceeded")], {}, Phase.ERRORED),
        (
            [
                ("FailureTarget", "True", "BackoffLimitExceeded"),
                ("Failed", "True", "BackoffLimitExceeded"),
            ],
            {"failed": 3},
            Phase.FAILED,
        ),
    ],
)
def test_conditions_end_a_job_and_counters_only_start_it(
    conditions: list[tuple[str, str, str]], status: dict[str, Any], phase: Phase
) -> None:
    found = look(job(*conditions, **status))
    assert found.phase is phase
    assert (found.started is None) == (phase is Phase.QUEUED)


def test_a_failed_job_ended_when_its_condition_says_so() -> None:
    found = look(job(("Failed", "True", "DeadlineExceeded")))
    assert found.conclusion is Conclusion.TIMED_OUT
    assert found.finished is not None
    assert found.finished.isoformat() == ENDED.replace("Z", "+00:00")


def test_a_deadline_that_is_about_to_end_it_is_no_verdict_yet() -> None:
    found = look(job(("FailureTarget", "True", "DeadlineExceeded")))
    assert (found.phase, found.conclusion) == (Phase.RUNNING, None)


def test_a_job_that_somebody_cancelled_here_ends_with_its_pods() -> None:
    marked = {"annotations": {"checkrail.dev/cancelled-by": "octocat"}}
    stopping = look(job(metadata=marked, spec={"suspend": True}, ready=1, startTime=STARTED))
    assert (stopping.phase.finished, stopping.verbs) == (False, ())
    stopped = look(job(("Suspended", "True", "JobSuspended"), metadata=marked, startTime=None))
    assert (stopped.phase, stopped.finished is None) == (Phase.CANCELLED, False)
    done = look(job(("Complete", "True", ""), ("Suspended", "True", ""), metadata=marked))
    assert done.phase is Phase.SUCCEEDED


def test_a_job_deleted_while_it_runs_is_cancelled() -> None:
    found = look(job(active=1, ready=1), deleted=True)
    assert (found.phase, found.conclusion, found.reason, found.verbs) == (
        Phase.CANCELLED,
        Conclusion.CANCELLED,
        "Deleted",
        (),
    )
    assert found.started is not None


def test_a_finished_job_looks_the_same_once_its_time_to_live_is_over() -> None:
    done = job(("Complete", "True", "CompletionsReached"), completionTime=ENDED, succeeded=1)
    assert look(done, deleted=True) == look(done)


CRON = {"ownerReferences": [{"kind": "CronJob", "name": "nightly", "uid": "c", "controller": True}]}


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        (CRON, "nightly"),
        ({"generateName": "migrate-"}, "migrate"),
        ({}, "migrate-x7f"),
        (
            {"name": "m-r-0123abcd", "annotations": {"checkrail.dev/rerun-of": "m"}},
            "m",
        ),
        (
            {
                "name": "nightly-299-r-0123abcd",
                "annotations": {
                    "checkrail.dev/rerun-of": "nightly-299",
                    "checkrail.dev/rerun-name": "nightly",
                },
            },
            "nightly",
        ),
    ],
)
def test_every_run_of_the_same_thing_has_one_check_name(
    metadata: dict[str, Any], name: str
) -> None:
    found = look(job(metadata=metadata))
    assert (found.name, found.check_name) == (name, f"job / {name}")


@pytest.mark.parametrize(
    ("spec", "status", "name", "detail"),
    [
        ({}, {}, "pods 0/1", ""),
        ({"completions": 5}, {"succeeded": 3, "failed": 2}, "pods 3/5", "2 pods failed"),
        ({"parallelism": 3}, {"succeeded": 1}, "pods 1/3", ""),
        (
            {"completions": 6, "completionMode": "Indexed"},
            {"completedIndexes": "0,2-4", "failedIndexes": "1", "failed": 1},
            "indexes 4/6",
            "1 pod failed; failed indexes: 1",
        ),
        ({"completionMode": "Indexed"}, {"completedIndexes": "all"}, "indexes 0/1", ""),
    ],
)
def test_the_step_counts_pods_or_indexes(
    spec: dict[str, Any], status: dict[str, Any], name: str, detail: str
) -> None:
    (step,) = look(job(spec=spec, **status)).steps
    assert (step.name, step.detail) == (name, detail)


def test_a_technical_job_is_told_without_a_check() -> None:
    notes = {
        "pipelinesfeedback.keskad.pl/technical-job": "backup",
        "pipelinesfeedback.keskad.pl/https-repo-url": "https://github.com/acme/shop",
        "pipelinesfeedback.keskad.pl/commit": "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b",
    }
    found = look(job(("Complete", "True", "SuccessPolicy"), metadata={"annotations": notes}))
    assert (found.phase, found.reason, found.revision) == (Phase.SUCCEEDED, "SuccessPolicy", None)


def test_what_may_be_asked_depends_on_state_and_owner() -> None:
    done = ("Complete", "True", "")
    foreign = {"ownerReferences": [{"kind": "JobSet", "uid": "j", "controller": True}]}
    assert look(job()).verbs == (Verb.CANCEL,)
    assert look(job(done)).verbs == (Verb.RERUN,)
    assert look(job(done, metadata=CRON)).verbs == (Verb.RERUN,)
    assert look(job(done, metadata=foreign)).verbs == ()
    assert look(job(done, spec={"manualSelector": True})).verbs == ()
