"""Shapes of Tekton that only a cluster has: an older version alone, a pipeline in a pipeline.

What a single object means is tested in `tests/adapters`.
"""

from pathlib import Path
from typing import Any

from ghapp.demo.kube import KubeApi
from tests.world import ago, until, world


async def test_where_only_v1beta1_is_served_that_is_followed(tmp_path: Path) -> None:
    async with world(tmp_path, crds=False) as w:
        w.kube.serve("tekton.dev", "v1beta1", "pipelineruns", "PipelineRun")
        w.kube.serve("tekton.dev", "v1beta1", "taskruns", "TaskRun")
        async with w.running():
            run = w.pipelinerun(version="v1beta1")
            w.run_through(run, "Failed")
            check = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
            w.github.click_rerun(check.id, "dev")
            copy = await until(lambda: next(iter(copies(w.kube)), None))
    assert check.conclusion == "failure"
    assert copy["apiVersion"] == "tekton.dev/v1beta1"


async def test_a_pipeline_in_a_pipeline_is_a_step_of_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        outer = w.pipelinerun("outer")
        w.step(outer, "Running")
        inner = w.kube.create(inner_of(outer))
        done = {"type": "Succeeded", "status": "False", "reason": "Failed", "message": "1 failed"}
        status = {"conditions": [done], "startTime": ago(9), "completionTime": ago(2)}
        w.kube.patch("PipelineRun", "ci", "inner", {"status": status}, subresource="status")
        reference = {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "name": inner["metadata"]["name"],
            "pipelineTaskName": "deploy",
        }
        patch = {"status": {"childReferences": [reference]}}
        w.kube.patch("PipelineRun", "ci", "outer", patch, subresource="status")
        w.step(outer, "Failed", "False")
        check = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
        await until(lambda: "deploy" in (check.summary or ""))
    assert len(w.checks()) == 1
    assert "not seen" not in (check.summary or "")


def copies(kube: KubeApi) -> list[dict[str, Any]]:
    """Runs that repeat another."""
    runs = kube.list("PipelineRun", "ci")
    return [run for run in runs if "checkrail.dev/rerun-of" in run["metadata"]["annotations"]]


def inner_of(outer: dict[str, Any]) -> dict[str, Any]:
    """A PipelineRun that Tekton made for a task of another."""
    metadata = outer["metadata"]
    owner = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": "inner",
            "namespace": "ci",
            "ownerReferences": [owner],
            "annotations": metadata["annotations"],
            "labels": {"tekton.dev/pipelineTask": "deploy"},
        },
        "spec": {"pipelineRef": {"name": "deploy"}},
    }
