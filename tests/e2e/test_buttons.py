"""Buttons by state, end to end: what is shown, what a click does, once; what late clicks do.

The table of buttons is `tests/core/test_checks.py`, votes and holds `tests/core/test_wishes.py`,
which tasks may be left out `tests/adapters/test_tekton_resume.py`.
"""

from pathlib import Path
from typing import Any

from ghapp.app import Checkrail
from ghapp.demo.github import CheckRun
from tests.world import World, stamp, until, world


def buttons(check: CheckRun) -> list[str]:
    return [action["identifier"] for action in check.actions]


def runs(w: World) -> list[dict[str, Any]]:
    return w.kube.list("PipelineRun", "ci")


async def ended(w: World, count: int = 1) -> CheckRun:
    def found() -> CheckRun | None:
        done = [check for check in w.checks() if check.conclusion]
        return done[-1] if len(done) >= count else None

    check: CheckRun = await until(found)
    return check


def says(check: CheckRun, text: str) -> Any:
    return until(lambda: text in (check.summary or ""))


async def worked_off(product: Checkrail) -> None:
    async def idle() -> bool:
        backlog = await product.store.backlog()
        return not (backlog.deliveries or any(backlog.pending.values()))

    await until(idle)


def embedded(w: World) -> None:
    """A PipelineRun of two tasks; `build` succeeded with a result that `test` needs and failed."""
    annotations = {
        "checkrail.dev/repository": "acme/shop",
        "checkrail.dev/commit": w.commit,
        "checkrail.dev/check-name": "ci",
    }
    image = [{"name": "image", "value": "$(tasks.build.results.image)"}]
    tasks = [
        {"name": "build", "taskRef": {"name": "build"}},
        {"name": "test", "taskRef": {"name": "test"}, "params": image},
    ]
    run = w.kube.create(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": {"name": "first", "namespace": "ci", "annotations": annotations},
            "spec": {"pipelineSpec": {"tasks": tasks}},
        }
    )
    for task, status in (("build", "True"), ("test", "False")):
        _task_run(w, run, task, status)
    references = [
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun",
            "name": f"first-{task}",
            "pipelineTaskName": task,
        }
        for task in ("build", "test")
    ]
    w.kube.patch(
        "PipelineRun",
        "ci",
        "first",
        {"status": {"childReferences": references}},
        subresource="status",
    )
    w.step(run, "Running")
    w.step(run, "Failed", "False")


def _task_run(w: World, run: dict[str, Any], task: str, status: str) -> None:
    owner = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": "first"}
    w.kube.create(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun",
            "metadata": {
                "name": f"first-{task}",
                "namespace": "ci",
                "labels": {"tekton.dev/pipelineTask": task, "tekton.dev/pipelineRun": "first"},
                "ownerReferences": [{**owner, "uid": run["metadata"]["uid"], "controller": True}],
            },
            "spec": {"taskRef": {"name": task}},
        }
    )
    reason = "Succeeded" if status == "True" else "Failed"
    value = {
        "conditions": [{"type": "Succeeded", "status": status, "reason": reason}],
        "startTime": stamp(run, 1),
        "completionTime": stamp(run, 9),
        "results": [{"name": "image", "type": "string", "value": "ghcr.io/acme/shop:1"}],
    }
    w.kube.patch("TaskRun", "ci", f"first-{task}", {"status": value}, subresource="status")


async def test_failed_tasks_run_again_with_the_results_of_the_others(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        embedded(w)
        check = await ended(w)
        assert buttons(check) == ["rerun", "rerun-failed"]
        for _ in range(2):
            w.github.click_action(check.id, "rerun-failed", "dev")
        await until(lambda: len(runs(w)) == 2)
        await says(check, "asked by **dev**")
        await worked_off(product)
        (copy,) = [run for run in runs(w) if run["metadata"]["name"] != "first"]
        (task,) = copy["spec"]["pipelineSpec"]["tasks"]
        assert task["name"] == "test"
        assert task["params"] == [{"name": "image", "value": "ghcr.io/acme/shop:1"}]


async def test_what_cannot_be_left_out_safely_is_said_on_the_check(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        embedded(w)
        check = await ended(w)
        w.kube.patch(
            "TaskRun", "ci", "first-build", {"status": {"results": []}}, subresource="status"
        )
        w.github.click_action(check.id, "rerun-failed", "dev")
        await says(check, "the rest needs the result image of build, which is not known")
        assert len(runs(w)) == 1


async def test_a_held_environment_is_promoted_to_after_it_was_released(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.release(version="1.1.0")
        check = await ended(w)
        pulls = w.github.repository("acme/gitops").pulls
        w.github.click_action(check.id, "hold", "dev", forged=True)
        await until(lambda: buttons(check)[:1] == ["unhold"])
        w.github.click_action(check.id, "promote", "dev", forged=True)
        await says(check, "staging is held by dev; release it first")
        assert not pulls
        w.github.click_action(check.id, "unhold", "dev")
        await until(lambda: buttons(check)[:1] == ["promote"])
        w.github.click_action(check.id, "promote", "dev")
        await until(lambda: pulls)
        await worked_off(product)


async def test_roll_back_proposes_the_version_that_ran_well_before(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        marked = 'version: 1.2.0 # {"$promotion": "apps:shop:dev"}\n'
        w.github.push("acme/gitops", "main", {"dev/shop.yaml": marked}, "dev", "ann")
        w.release(version="1.1.0")
        await ended(w)
        w.release(version="1.2.0")
        check = await ended(w, 2)
        assert buttons(check) == ["promote", "rollback", "reconcile"]
        w.github.click_action(check.id, "rollback", "dev")
        pulls = w.github.repository("acme/gitops").pulls
        await until(lambda: pulls)
        (pull,) = pulls.values()
        assert pull.title == "Promote apps/shop in dev to 1.1.0"
        assert "It goes back to the version that ran well there before." in (pull.body or "")
        branch = "promotion-apps-shop-dev"
        changed = w.github.file("acme/gitops", "dev/shop.yaml", branch).decode()
        assert changed == marked.replace("1.2.0", "1.1.0")


async def test_late_clicks_on_a_pull_requests_check_are_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.commit = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "dev")
        pull = w.github.open_pull("acme/shop", head="topic", title="B", login="dev")
        notes = {"checkrail.dev/pull-request": str(pull.number)}
        w.run_through(w.pipelinerun("first", annotations=notes), "Failed")
        check = await ended(w)
        w.github.push("acme/shop", "topic", {"b.txt": "c"}, "C", "dev")
        w.github.click_rerun(check.id, "dev")
        await says(check, f"pull request {pull.number} has gone on to commit")
        w.github.close_pull("acme/shop", pull.number, "dev")
        w.github.click_action(check.id, "rerun", "dev")
        await says(check, f"pull request {pull.number} is closed")
        await worked_off(product)
        assert len(runs(w)) == 1
