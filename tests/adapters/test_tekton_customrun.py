"""CustomRuns that stand alone; those of a pipeline are its steps (test_tekton)."""

from typing import Any

import pytest

from ghapp.core.model import Conclusion, Observation, Phase, Subject, SubjectType, Verb
from ghapp.core.source import Asked, Create, Patch
from ghapp.errors import Refused
from tests.adapters.recorded import ADAPTERS, observe
from tests.adapters.test_tekton import OWNED, STARTED, condition
from tests.adapters.test_tekton import run as pipeline_run

SPEC = {"customRef": {"apiVersion": "openshift-pipelines.org/v1alpha1", "name": "approve"}}


def run(*conditions: dict[str, str], **more: Any) -> dict[str, Any]:
    made = pipeline_run(*conditions, **{"spec": SPEC, **more})
    return made | {"apiVersion": "tekton.dev/v1beta1", "kind": "CustomRun"}


def look(*args: Any, **more: Any) -> Observation:
    found = observe(run(*args, **more))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("conditions", "phase", "conclusion"),
    [
        ([], Phase.QUEUED, None),
        ([condition("Unknown", "Started")], Phase.QUEUED, None),
        ([condition("Unknown", "Running")], Phase.RUNNING, None),
        ([condition("Unknown", "WaitingForApproval")], Phase.RUNNING, None),
        ([condition("True", "Approved")], Phase.SUCCEEDED, None),
        ([condition("False", "Denied")], Phase.FAILED, None),
        ([condition("False", "CustomRunCancelled")], Phase.CANCELLED, None),
        ([condition("False", "CustomRunTimedOut")], Phase.ERRORED, Conclusion.TIMED_OUT),
    ],
)
def test_one_condition_tells_all_there_is(
    conditions: list[dict[str, str]], phase: Phase, conclusion: Conclusion | None
) -> None:
    found = look(*conditions)
    assert (found.phase, found.conclusion) == (phase, conclusion)
    assert (found.type, found.name) == (SubjectType.TASKRUN, "approve")
    assert (found.check_name, found.resource) == (
        "tekton / approve",
        "tekton.dev/v1beta1/customruns",
    )


def test_a_custom_run_of_a_pipeline_is_no_run_of_its_own() -> None:
    assert observe(run(condition("Unknown", "Running"), metadata=OWNED)) is None


def test_an_embedded_custom_task_is_named_for_its_run() -> None:
    assert look(spec={"customSpec": {"kind": "Approval"}}).name == "build-abc"


def test_results_and_requests_are_those_of_any_run() -> None:
    results = [{"name": "approver", "value": "alice"}]
    done = look(condition("True", "Approved"), results=results)
    assert (done.results, done.verbs) == ((("approver", "alice"),), (Verb.RERUN,))
    assert look(condition("Unknown", "Running")).verbs == (Verb.CANCEL,)
    stopping = SPEC | {"status": "RunCancelled"}
    assert look(condition("Unknown", "Running"), spec=stopping).verbs == ()


def test_deleted_on_its_way_it_is_cancelled() -> None:
    found = observe(run(condition("Unknown", "Running")), deleted=True)
    assert found is not None
    assert (found.phase, found.reason, found.verbs) == (Phase.CANCELLED, "Deleted", ())


SUBJECT = Subject(kind="CustomRun", cluster="default", namespace="ci", name="build-abc", uid="u1")
ASKED = Asked(login="octocat", token="guid-1", at=STARTED)


def test_it_is_cancelled_by_a_wish_and_run_again_by_a_copy() -> None:
    adapter = ADAPTERS["CustomRun"]
    assert adapter.cancel is not None
    assert adapter.rerun is not None
    write = adapter.cancel(run(condition("Unknown", "Running")), SUBJECT, ASKED)
    assert isinstance(write, Patch)
    assert write.body["spec"] == {"status": "RunCancelled"}
    copy = adapter.rerun(run(condition("False", "Denied")), SUBJECT, ASKED)
    assert isinstance(copy, Create)
    assert (copy.manifest["apiVersion"], copy.manifest["spec"]) == ("tekton.dev/v1beta1", SPEC)
    with pytest.raises(Refused, match="already finished"):
        adapter.cancel(run(condition("False", "Denied")), SUBJECT, ASKED)
