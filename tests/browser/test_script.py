"""The scripted controllers' statuses: possible histories only, in the shapes that were recorded.

Pure; that the controllers write them at the right moments is in tests/e2e/test_demo.py.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import flux_helmrelease, job, tekton_pipelinerun
from ghapp.core import excerpts
from ghapp.core import pods as read_pods
from ghapp.core.excerpts import Piece
from ghapp.core.model import Observation, Phase
from ghapp.core.source import Context
from ghapp.demo import documents, flux, flux_model, jobs, pods, script, shop, tekton, tekton_model
from ghapp.demo.tekton_model import SHOP_CI, Task
from ghapp.documents import config

Json = dict[str, Any]

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
COMMIT = "0123456789012345678901234567890123456789"

TASKS = st.lists(
    st.builds(
        Task,
        name=st.text("abc", min_size=1, max_size=3),
        steps=st.tuples(st.just("one"), st.just("two")),
        seconds=st.floats(0.1, 9),
        final=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda task: task.name,
)


def recorded(name: str) -> dict[str, Json]:
    """The last state of each object of a recording, by name."""
    path = FIXTURES / "tekton" / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    lines = (json.loads(line)["object"] for line in path.read_text().splitlines())
    return {found["metadata"]["name"]: found for found in lines}


def look(failing: dict[str, int], moment: float | None = None) -> tekton_model.Look:
    plan = tekton_model.schedule(SHOP_CI, failing)
    clock = tekton_model.linear(START)
    at = plan.end if moment is None else moment
    return tekton_model.at(plan, at, name="run", clock=clock, spec=tekton.shop_ci())


# --- Tekton -------------------------------------------------------------------------------------


def test_a_failed_run_has_the_fields_of_a_recorded_one() -> None:
    found = recorded("failure-skip-finally")
    run = next(each for each in found.values() if each["kind"] == "PipelineRun")["status"]
    task = next(each for each in found.values() if each["metadata"]["name"].endswith("-test"))
    made = look({"test": 1})
    assert made.run is not None
    assert made.run.keys() == run.keys()
    assert made.run["conditions"][0].keys() == run["conditions"][0].keys()
    assert made.run["childReferences"][0].keys() == run["childReferences"][0].keys()
    test = made.tasks["test"]
    assert test is not None
    assert test.keys() | {"provenance", "taskSpec"} == task["status"].keys()
    assert test["steps"][0].keys() == task["status"]["steps"][0].keys()
    terminated = task["status"]["steps"][0]["terminated"]
    assert test["steps"][0]["terminated"].keys() == terminated.keys()


def test_a_cancelled_run_says_what_a_recorded_one_says() -> None:
    found = recorded("cancelled")
    run = next(each for each in found.values() if each["kind"] == "PipelineRun")
    task = next(each for each in found.values() if each["kind"] == "TaskRun")
    name = run["metadata"]["name"]
    made = tekton_model.cancelled(look({}, 5), name=name, now=START, spec={})
    test = made.tasks["test"]
    assert made.run is not None
    assert test is not None
    for ours, theirs in ((made.run, run), (test, task)):
        mine, recorded_one = ours["conditions"][0], theirs["status"]["conditions"][0]
        assert {**mine, "lastTransitionTime": ""} == {**recorded_one, "lastTransitionTime": ""}


@given(TASKS, st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 9)))
def test_a_run_never_goes_back(tasks: list[Task], failing: dict[str, int]) -> None:
    plan = tekton_model.schedule(tasks, failing)
    clock = tekton_model.linear(START)
    before: Json = {}
    for moment in plan.moments:
        now = tekton_model.at(plan, moment, name="run", clock=clock, spec={})
        for name, status in {**now.tasks, "run itself": now.run}.items():
            done = bool(status and "completionTime" in status)
            assert done or not before.get(name)
            before[name] = done
    assert all(before.values())


@given(TASKS, st.sets(st.text("abc", min_size=1, max_size=3)))
def test_what_fails_skips_the_rest_but_not_what_is_final(
    tasks: list[Task], failing: set[str]
) -> None:
    plan = tekton_model.schedule(tasks, dict.fromkeys(failing, 1))
    ran = [part.task for part in plan.parts]
    assert {task.name for task in tasks} == {task.name for task in ran} | set(plan.skipped)
    assert [task for task in tasks if task.final] == [task for task in ran if task.final]
    assert sum(part.exit_code > 0 for part in plan.parts if not part.task.final) <= 1


@pytest.mark.parametrize(("failing", "phase"), [({}, Phase.SUCCEEDED), ({"test": 1}, Phase.FAILED)])
def test_checkrail_reads_a_scripted_run_as_what_it_is(
    failing: dict[str, int], phase: Phase
) -> None:
    run = script.pipeline_run(COMMIT)
    stamp = tekton_model.stamp(START)
    run["metadata"] |= {"name": "run", "uid": "u", "creationTimestamp": stamp}
    found = msgspec.convert({**run, "status": look(failing).run}, tekton_pipelinerun.ADAPTER.reads)
    seen = tekton_pipelinerun.observe(found, Context(cluster="default"))
    assert seen is not None
    assert (seen.phase, seen.check_name) == (phase, "tekton / shop-ci")
    assert seen.revision is not None
    assert seen.revision.commit == COMMIT


# --- pods and logs ------------------------------------------------------------------------------


def pod_at(moment: float | None, failing: dict[str, int]) -> Json | None:
    """The pod of the task `test` at a moment."""
    run = script.pipeline_run(COMMIT)
    run["metadata"] |= {"name": "run", "uid": "u"}
    child = tekton.task_run(run, "test")
    child["metadata"]["uid"] = "v"
    status = look(failing, moment).tasks.get("test")
    task = next(task for task in SHOP_CI if task.name == "test")
    return pods.of_task(child, task, status) if status else None


def test_a_pod_goes_from_pending_to_its_end() -> None:
    plan = tekton_model.schedule(SHOP_CI, {"test": 1})
    found = [pod_at(moment, {"test": 1}) for moment in plan.moments]
    phases = [pod["status"]["phase"] for pod in found if pod]
    assert list(dict.fromkeys(phases)) == ["Pending", "Running", "Failed"]
    ended = pod_at(None, {})
    assert ended is not None
    assert ended["status"]["phase"] == "Succeeded"


def test_checkrail_finds_in_a_scripted_pod_what_failed_and_which_secret_it_saw() -> None:
    pod = read_pods.read(pod_at(None, {"test": 1}) or {})
    assert read_pods.failed(pod) == ("step-checkout",)
    (reference,) = read_pods.secrets(pod)
    assert read_pods.values(shop.secret(), reference) == {shop.PASSWORD}


@pytest.mark.parametrize("step", ["checkout", "e2e"])
def test_a_failed_step_is_careless_and_names_a_line_that_is_there(step: str) -> None:
    text = shop.printed(step, failed=True, path="mail/order.py", trouble="ValueError: no")
    excerpt = excerpts.compose([Piece(name=step, raw=text.encode())], {shop.PASSWORD}, ())
    assert shop.PASSWORD in text
    assert shop.PASSWORD not in excerpt.text
    assert "***" in excerpt.text
    (note,) = excerpt.annotations
    assert (note.path, "ValueError: no" in note.message) == ("mail/order.py", True)
    line = shop.changed_file("Translate", 1).splitlines()[note.start_line - 1]
    assert line.strip() in text


def test_the_tests_of_the_shop_fail_where_their_log_says() -> None:
    text = shop.printed("checkout", failed=True, path="a.py", trouble="x")
    line = shop.FILES["tests/test_journeys.py"].splitlines()[6]
    assert f"tests/test_journeys.py:7: in test_a_visitor_buys_tea\n{line}" in text


def test_a_visitors_step_prints_what_its_script_echoes() -> None:
    steps = [{"script": "#!/bin/sh\necho 'a b'\n  echo \"c\"\necho d\nexit 3\n"}, {}]
    (task,) = tekton.tasks_of({"tasks": [{"name": "own", "taskSpec": {"steps": steps}}]})
    assert task.says == ("a b\nc\nd\n", "")


# --- documents ----------------------------------------------------------------------------------


def test_the_documents_are_what_checkrail_reads() -> None:
    declared = documents.declared("http://127.0.0.1:1")
    assert all(config.read_object(document) for document in declared)
    urls = [d["spec"]["cdevents"]["url"] for d in declared if d["kind"].endswith("Provider")]
    assert urls == ["http://127.0.0.1:1/events"] * 2


# --- Jobs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("failed", "phase"), [(0, Phase.SUCCEEDED), (2, Phase.FAILED)])
def test_checkrail_reads_a_scripted_job_as_what_it_is(failed: int, phase: Phase) -> None:
    stamp = tekton_model.stamp(START)
    given_job = script.e2e_job(COMMIT)
    given_job["metadata"] |= {"name": "e2e-x", "uid": "u", "creationTimestamp": stamp}
    status = jobs.over(stamp, tekton_model.stamp(START + timedelta(seconds=8)), failed)
    found = msgspec.convert({**given_job, "status": status}, job.ADAPTER.reads)
    seen = job.observe(found, Context(cluster="default"))
    assert seen is not None
    assert (seen.phase, seen.check_name) == (phase, "job / e2e")


# --- Flux ---------------------------------------------------------------------------------------


def release(version: str, status: Json | None = None) -> Json:
    made = flux.release_of("staging", version, COMMIT)
    made["metadata"] |= {"uid": "u", "generation": 1}
    made["metadata"]["creationTimestamp"] = tekton_model.stamp(START)
    return {**made, "status": status or {}}


def seen_of(found: Json) -> Observation:
    decoded = msgspec.convert(found, flux_helmrelease.ADAPTER.reads)
    seen = flux_helmrelease.observe(decoded, Context(cluster="default"))
    assert seen is not None
    return seen


def test_checkrail_reads_a_scripted_upgrade_as_what_it_is() -> None:
    installed = release("1.4.0")
    installed["status"] = flux_model.acting(installed, "install", START)
    installed["status"] = flux_model.deployed(installed, START)
    assert seen_of(installed).phase is Phase.SUCCEEDED
    upgrade = release("1.4.1", installed["status"])
    upgrade["metadata"]["generation"] = 2
    phases = []
    upgrade["status"] = flux_model.looking(upgrade, START)
    phases.append(seen_of(upgrade).phase)
    upgrade["status"] = flux_model.acting(upgrade, "upgrade", START)
    phases.append(seen_of(upgrade).phase)
    upgrade["status"] = flux_model.deployed(upgrade, START + timedelta(seconds=4))
    phases.append(seen_of(upgrade).phase)
    assert phases == [Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED]
    assert [one.type for one in seen_of(upgrade).occurrences] == ["service.upgraded"]
    assert seen_of(upgrade).version == "1.4.1"


def test_checkrail_reads_a_scripted_rollback_as_a_failure_with_an_incident() -> None:
    before = release("1.4.0")
    before["status"] = flux_model.deployed(before, START)
    broken = release("1.4.1", before["status"])
    broken["status"] = flux_model.acting(broken, "upgrade", START)
    broken["status"] = flux_model.failed(broken, START)
    assert seen_of(broken).phase is Phase.RUNNING
    broken["status"] = flux_model.rolled_back(broken, START)
    seen = seen_of(broken)
    assert seen.phase is Phase.FAILED
    assert {one.type for one in seen.occurrences} == {"incident.detected", "service.rolledback"}
    assert broken["status"]["history"][0]["chartVersion"] == "1.4.0"


def test_the_version_in_a_file_changes_and_its_marker_stays() -> None:
    text = flux.release_file("prod", "1.4.0")
    changed = flux.with_version(text, "1.4.7")
    assert flux.version_in(changed) == "1.4.7"
    assert changed == text.replace("1.4.0", "1.4.7")
    assert '# {"$promotion": "apps:shop:prod"}' in changed


def test_charts_are_numbered_in_the_order_of_their_publication() -> None:
    charts = flux.Charts()
    assert [charts.publish(commit) for commit in "abc"] == ["1.4.0", "1.4.1", "1.4.2"]
    assert charts.commits["1.4.1"] == "b"


# --- the script ---------------------------------------------------------------------------------


def test_a_flaky_commit_passes_when_it_is_run_again_and_a_broken_one_does_not() -> None:
    flaky = script.Change(title="", author="", path="", fate=script.Fate.FLAKY)
    broken = script.Change(title="", author="", path="", fate=script.Fate.BROKEN)
    fates = script.Fates({"flaky": flaky, "broken": broken})
    assert [dict(fates.failing("flaky", earlier)) for earlier in (0, 1)] == [{"test": 1}, {}]
    assert [dict(fates.failing("broken", earlier)) for earlier in (0, 1)] == [{"test": 1}] * 2
    assert fates.failing("a visitor's", 0) == {}
