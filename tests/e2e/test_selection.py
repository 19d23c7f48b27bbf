"""With a label selector: only selected runs are watched, and what leaves the selection is not gone.

The grammar is tested in `tests/core/test_selector.py`. What a 200-task run costs is in
`tests/e2e/test_large.py`.
"""

import asyncio
from pathlib import Path
from typing import Any

from ghapp.app import Checkrail
from ghapp.engine.kube_follow import Pace
from tests.world import World, stamp, until, world

SHOP = "team=shop"


def labelled(w: World, name: str, **labels: str) -> dict[str, Any]:
    return w.pipelinerun(name, labels=labels)


def relabel(w: World, name: str, **labels: str | None) -> None:
    w.kube.patch("PipelineRun", "ci", name, {"metadata": {"labels": labels}})


def states(w: World) -> dict[str, str]:
    """What GitHub shows, by the run's name."""
    return {
        (check.external_id or "").split("/")[2]: check.conclusion or check.status
        for check in w.checks()
    }


def known(product: Checkrail) -> set[str]:
    """The names of the runs that are being watched."""
    assert product.watch
    return {
        entry.name for source in product.watch.sources for entry in source.cache.entries.values()
    }


def child(w: World, run: dict[str, Any], task: str) -> None:
    """A TaskRun without the labels of its run, that has failed."""
    name = f"{run['metadata']['name']}-{task}"
    owner = {"kind": "PipelineRun", "name": run["metadata"]["name"], "controller": True}
    owner |= {"apiVersion": "tekton.dev/v1", "uid": run["metadata"]["uid"]}
    w.kube.create(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun",
            "metadata": {
                "name": name,
                "namespace": "ci",
                "labels": {"tekton.dev/pipelineTask": task},
                "ownerReferences": [owner],
            },
            "spec": {"taskRef": {"name": task}},
        }
    )
    failed = {"type": "Succeeded", "status": "False", "reason": "Failed", "message": "it broke"}
    status = {
        "conditions": [failed],
        "startTime": stamp(run, 1),
        "completionTime": stamp(run, 2),
        "steps": [
            {"name": "s", "container": "step-s", "terminated": {"exitCode": 7, "reason": "Error"}}
        ],
    }
    w.kube.patch("TaskRun", "ci", name, {"status": status}, subresource="status")


async def test_only_what_is_selected_is_told_and_its_parts_need_no_label(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(selector=SHOP):
        other, mine = labelled(w, "other", team="pay"), labelled(w, "mine", team="shop")
        for run in (other, mine):
            child(w, run, "unit")
            w.run_through(run, "Failed")
        await until(lambda: states(w) == {"mine": "failure"})
        assert "unit" in (w.checks()[0].summary or "")
        late = labelled(w, "late", team="shop")
        await until(lambda: "late" in states(w))
        w.run_through(late)
        await until(lambda: states(w) == {"mine": "failure", "late": "success"})


async def test_a_run_that_leaves_the_selection_is_not_told_as_cancelled(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(selector=SHOP) as product:
        run = labelled(w, "run", team="shop")
        w.step(run, "Running")
        await until(lambda: states(w) == {"run": "in_progress"})
        relabel(w, "run", team="pay")
        await until(lambda: known(product) == set())
        assert states(w) == {"run": "in_progress"}
        relabel(w, "run", team="shop")
        w.step(run, "Succeeded", "True")
        await until(lambda: states(w) == {"run": "success"})
        assert len(w.checks()) == 1


async def test_a_selected_run_that_is_deleted_is_told_as_cancelled(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(selector=SHOP):
        w.step(labelled(w, "run", team="shop"), "Running")
        await until(lambda: states(w) == {"run": "in_progress"})
        w.kube.delete("PipelineRun", "ci", "run")
        await until(lambda: states(w) == {"run": "cancelled"})


async def test_whether_a_run_is_gone_is_asked_until_there_is_an_answer(tmp_path: Path) -> None:
    def hurried(product: Checkrail) -> None:
        async def sleep(seconds: float) -> None:
            await asyncio.sleep(0.02 if seconds < 60 else seconds)

        assert product.watch
        product.watch.pace = Pace(sleep=sleep)

    async with world(tmp_path) as w, w.running(selector=SHOP, tune=hurried):
        w.step(labelled(w, "run", team="shop"), "Running")
        await until(lambda: states(w) == {"run": "in_progress"})
        w.kube.faults.fail_next(2, code=503, verb="get", resource="pipelineruns")
        w.kube.delete("PipelineRun", "ci", "run")
        await until(lambda: states(w) == {"run": "cancelled"})


async def test_where_it_must_not_be_asked_an_open_check_stays_open(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(selector=SHOP) as product:
        w.step(labelled(w, "run", team="shop"), "Running")
        await until(lambda: states(w) == {"run": "in_progress"})
        w.kube.deny("get", "pipelineruns")
        w.kube.delete("PipelineRun", "ci", "run")
        await until(lambda: known(product) == set())
        assert states(w) == {"run": "in_progress"}


async def test_a_selector_that_is_set_later_cancels_nothing(tmp_path: Path) -> None:
    """And what was really deleted meanwhile is told, selected or not."""
    async with world(tmp_path) as w:
        async with w.running():
            for name, team in (("mine", "shop"), ("other", "pay"), ("deleted", "pay")):
                w.step(labelled(w, name, team=team), "Running")
            await until(lambda: list(states(w).values()) == ["in_progress"] * 3)
        w.kube.delete("PipelineRun", "ci", "deleted")
        async with w.running(selector=SHOP):
            await until(lambda: states(w)["deleted"] == "cancelled")
            assert states(w) == {
                "mine": "in_progress",
                "other": "in_progress",
                "deleted": "cancelled",
            }
