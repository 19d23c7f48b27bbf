"""Where the parts of a run wrote: which logs a look names, in which order, how they are called.

What is read of them, and when, is tests/core/test_excerpts and tests/sinks/test_logs.
"""

from typing import Any

import pytest

from adapters._read.tekton import LOGS_LIMIT
from adapters.tekton_pipelinerun import ADAPTER, ChildPipelineRun
from ghapp.core.model import LogSource, LogsWhen, Observation
from ghapp.core.run_reports import shown_name
from ghapp.core.source import Context
from tests.adapters import test_job
from tests.adapters.recorded import decode
from tests.adapters.test_tekton import condition, ended, look, run, task_run

Json = dict[str, Any]
FAILED, SUCCEEDED = condition("False", "Failed"), condition("True", "Succeeded")
CANCELLED = condition("False", "Cancelled")


def step(name: str, code: int = 0, **more: Any) -> Json:
    word = "Error" if code else "Completed"
    return {"name": name, "container": f"step-{name}", **ended(code, word), **more}


def task(name: str, verdict: Json, *steps: Json) -> Json:
    return task_run(verdict, task=name, podName=f"{name}-pod", steps=list(steps))


BUILD = task("build", SUCCEEDED, step("compile"))
TEST = task(
    "test",
    FAILED,
    step("lint", 1, terminationReason="Continued"),
    step("unit", 2),
    step("report", 1, terminationReason="Skipped"),
)


def called(logs: tuple[LogSource, ...]) -> list[tuple[str, bool]]:
    """What each is called on a check, and whether it failed."""
    return [(shown_name(one.step, one.container), one.failed) for one in logs]


# --- which ----------------------------------------------------------------------------------------


def test_a_failed_run_names_what_failed_first_and_then_all_that_wrote() -> None:
    logs = look(run(FAILED), children=[BUILD, TEST]).logs
    assert called(logs) == [
        ("test / unit", True),
        ("build / compile", False),
        ("test / lint", False),
    ]
    assert {one.pod for one in logs} == {"test-pod", "build-pod"}


@pytest.mark.parametrize("verdict", [SUCCEEDED, CANCELLED])
def test_so_does_one_that_did_not_fail(verdict: Json) -> None:
    assert called(look(run(verdict), children=[BUILD]).logs) == [("build / compile", False)]


def test_a_run_that_goes_on_or_was_deleted_names_none() -> None:
    going = run(condition("Unknown", "Running"))
    assert look(going, children=[BUILD]).logs == ()
    assert look(going, children=[BUILD], deleted=True).logs == ()


def test_of_a_task_that_was_cut_off_what_did_not_end_failed() -> None:
    hanging = {"name": "hang", "container": "step-hang", "running": {}}
    timeout = task("test", condition("False", "TaskRunTimeout"), step("fast"), hanging)
    logs = look(run(condition("False", "PipelineRunTimeout")), children=[timeout]).logs
    assert called(logs) == [("test / hang", True), ("test / fast", False)]


def test_a_task_run_on_its_own_names_its_steps() -> None:
    alone = {**TEST, "metadata": run()["metadata"]}
    assert called(look(alone).logs) == [("unit", True), ("lint", False)]
    well = {**BUILD, "metadata": run()["metadata"]}
    assert called(look(well).logs) == [("compile", False)]


def test_of_a_hundred_tasks_what_failed_is_among_those_that_are_named() -> None:
    tasks = [task(f"t-{number}", SUCCEEDED, step("main")) for number in range(100)]
    logs = look(run(FAILED), children=[*tasks, TEST]).logs
    assert len(logs) == LOGS_LIMIT
    assert called(logs)[0] == ("test / unit", True)


@pytest.mark.parametrize(
    ("kind", "status", "failed"),
    [("Failed", {"failed": 1}, True), ("Complete", {"succeeded": 1}, False)],
)
def test_a_job_names_its_pods_by_label(kind: str, status: Json, failed: bool) -> None:
    (one,) = test_job.look(test_job.job((kind, "True", ""), **status)).logs
    assert one.selector == "batch.kubernetes.io/job-name=migrate-x7f"
    assert (one.pod, one.container, one.failed) == ("", "", failed)


def test_a_job_that_chooses_its_pods_or_still_runs_names_none() -> None:
    chosen = test_job.job(("Complete", "True", ""), spec={"manualSelector": True})
    assert test_job.look(chosen).logs == ()
    assert test_job.look(test_job.job(ready=1)).logs == ()


# --- whether it is asked for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "when"),
    [
        ("always", "always"),
        (" Never ", "never"),
        ("failed", "failed"),
        ("sometimes", None),
        ("", None),
    ],
)
def test_an_annotation_asks_for_the_log_and_an_unknown_word_says_nothing(
    word: str, when: LogsWhen | None
) -> None:
    noted = {"annotations": {"checkrail.dev/logs": word}}
    custom = {**run(SUCCEEDED, metadata=noted), "kind": "CustomRun"}
    custom["apiVersion"] = "tekton.dev/v1beta1"
    alone = {**run(SUCCEEDED, metadata=noted), "kind": "TaskRun"}
    looks: list[Observation] = [
        look(run(SUCCEEDED, metadata=noted)),
        look(alone),
        look(custom),
        test_job.look(test_job.job(metadata=noted)),
    ]
    assert [one.logs_when for one in looks] == [when] * 4


# --- pipelines in pipelines -----------------------------------------------------------------------


def owned(by: str, name: str) -> list[Json]:
    return [{"kind": by, "name": name, "uid": f"uid-{name}", "controller": True}]


def part(made: Json, name: str, task: str, owner: tuple[str, str]) -> Json:
    """`made` as a part of a run."""
    labels = {"tekton.dev/pipelineTask": task}
    metadata = {"name": name, "namespace": "ci", "uid": f"uid-{name}", "labels": labels}
    return {**made, "metadata": {**metadata, "ownerReferences": owned(*owner)}}


def logs_of(*parts: Json) -> tuple[LogSource, ...]:
    """What a failed run names that has these parts, and theirs."""
    reads = {child.resource.kind: child.reads for child in ADAPTER.children}
    children = tuple(decode(one, reads[one["kind"]]) for one in parts)
    root = decode(run(FAILED), ADAPTER.reads)
    found = ADAPTER.observe(root, Context(cluster="default", children=children))
    assert found is not None
    assert {one.name for one in found.steps} == {"deploy"}
    return found.logs


ROOT = ("PipelineRun", "build-abc")
CUSTOM = {**task_run(FAILED), "apiVersion": "tekton.dev/v1beta1", "kind": "CustomRun"}


def test_the_failing_step_of_a_pipeline_in_a_pipeline_is_named_with_its_way() -> None:
    child = part(run(FAILED), "inner", "deploy", ROOT)
    failing = part(TEST, "inner-test", "test", ("PipelineRun", "inner"))
    fine = part(BUILD, "inner-build", "build", ("PipelineRun", "inner"))
    assert called(logs_of(child, failing, fine)) == [
        ("deploy / test / unit", True),
        ("deploy / build / compile", False),
        ("deploy / test / lint", False),
    ]


def test_so_it_is_where_a_custom_task_made_the_pipeline_even_of_its_own_name() -> None:
    custom = part(CUSTOM, "inner", "deploy", ROOT)
    child = part(run(FAILED), "inner", "deploy", ("CustomRun", "inner"))
    failing = part(TEST, "inner-test", "test", ("PipelineRun", "inner"))
    assert called(logs_of(custom, child, failing))[0] == ("deploy / test / unit", True)


def test_what_is_not_known_of_a_child_is_not_named() -> None:
    assert logs_of(part(run(FAILED), "inner", "deploy", ROOT)) == ()
    assert logs_of(part(CUSTOM, "inner", "deploy", ROOT)) == ()


def test_pipelines_that_never_end_inside_each_other_end() -> None:
    parts = [part(run(FAILED), "p0", "deploy", ROOT)]
    parts += [
        part(run(FAILED), f"p{number}", "deploy", ("PipelineRun", f"p{number - 1}"))
        for number in range(1, 20)
    ]
    parts += [part(TEST, "deep", "test", ("PipelineRun", "p19"))]
    assert logs_of(*parts) == ()


def test_a_pipeline_run_belongs_to_the_run_or_the_custom_task_that_made_it() -> None:
    (parent,) = (one.parent for one in ADAPTER.children if one.reads is ChildPipelineRun)
    for by, uid in (("PipelineRun", "uid-x"), ("CustomRun", "uid-x"), ("CronJob", None)):
        child = decode(part(run(), "inner", "deploy", (by, "x")), ChildPipelineRun)
        assert parent(child) == uid
