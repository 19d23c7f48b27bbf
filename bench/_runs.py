"""Tekton runs of three tasks, as the API server writes them: as long, and in the same order.

Shaped after the recorded streams in `tests/adapters/streams`; scripts and managedFields, which real
runs have plenty of, bring a PipelineRun to 12 KB and a TaskRun to 5 KB.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

TASKS: Final = ("clone", "test", "build")
RUN_BYTES: Final = 12_000
TASK_BYTES: Final = 5_000

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the pipeline `build`."""

    number: int
    repository: str = "acme/shop"
    began: datetime
    commit: str = ""
    """Empty: made of the number."""

    @property
    def name(self) -> str:
        return f"build-{self.number:06d}"

    @property
    def uid(self) -> str:
        return f"6e2b3c4d-0000-4000-8000-{self.number:012d}"

    def at(self, second: int) -> str:
        """RFC 3339, so many seconds after it began."""
        return (self.began + timedelta(seconds=second)).astimezone(UTC).strftime(_STAMP)


_STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"


def life(run: Run) -> Iterator[Object]:
    """Every state of the run and of its parts in the order in which they are written."""
    yield pipelinerun(run, "")
    for number, task in enumerate(TASKS):
        yield taskrun(run, task, "")
        yield pipelinerun(run, "Running", started=number + 1)
        yield taskrun(run, task, "Pending")
        yield taskrun(run, task, "Running")
        yield taskrun(run, task, "Succeeded")
    yield pipelinerun(run, "Succeeded", started=len(TASKS))


def pipelinerun(run: Run, reason: str, *, started: int = 0) -> Object:
    """A state of the PipelineRun, of whose tasks so many have begun; empty reason: just created."""
    annotations = {
        "checkrail.dev/repository": run.repository,
        "checkrail.dev/commit": run.commit or f"{run.number:040x}",
    }
    return _padded(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": {
                "name": run.name,
                "generateName": "build-",
                "namespace": "ci",
                "uid": run.uid,
                "resourceVersion": "1",
                "generation": 1,
                "creationTimestamp": run.at(0),
                "annotations": annotations,
                "labels": {"tekton.dev/pipeline": "build"},
            },
            "spec": {"pipelineRef": {"name": "build"}, "timeouts": {"pipeline": "1h0m0s"}},
            **({"status": _run_status(run, reason, started)} if reason else {}),
        },
        RUN_BYTES,
    )


def _run_status(run: Run, reason: str, started: int) -> Object:
    return {
        **_status(run, reason, f"Tasks Completed: {started}, Skipped: 0"),
        "childReferences": [
            {
                "apiVersion": "tekton.dev/v1",
                "kind": "TaskRun",
                "name": f"{run.name}-{task}",
                "pipelineTaskName": task,
            }
            for task in TASKS[:started]
        ],
        "pipelineSpec": {"tasks": [{"name": task, "taskSpec": _SPEC} for task in TASKS]},
    }


def taskrun(run: Run, task: str, reason: str) -> Object:
    """A state of one of its TaskRuns."""
    owner = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = {
        "tekton.dev/pipeline": "build",
        "tekton.dev/pipelineRun": run.name,
        "tekton.dev/pipelineRunUID": run.uid,
        "tekton.dev/pipelineTask": task,
    }
    return _padded(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "TaskRun",
            "metadata": {
                "name": f"{run.name}-{task}",
                "namespace": "ci",
                "uid": f"{TASKS.index(task) + 1:08d}-0000-4000-8000-{run.number:012d}",
                "resourceVersion": "1",
                "generation": 1,
                "creationTimestamp": run.at(1),
                "labels": labels,
                "ownerReferences": [owner],
            },
            "spec": {"taskRef": {"name": task}, "timeout": "1h0m0s"},
            **({"status": _task_status(run, reason)} if reason else {}),
        },
        TASK_BYTES,
    )


def _task_status(run: Run, reason: str) -> Object:
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": run.at(1), "finishedAt": run.at(2)}
    states: Mapping[str, Object] = {
        "Pending": {"waiting": {"reason": "PodInitializing"}},
        "Running": {"running": {"startedAt": run.at(1)}},
        "Succeeded": {"terminated": ended},
    }
    status = _status(run, reason, "All Steps have completed executing")
    return {**status, "steps": [{"name": "main", "container": "step-main", **states[reason]}]}


def _status(run: Run, reason: str, message: str) -> Object:
    done = reason == "Succeeded"
    condition = {
        "type": "Succeeded",
        "status": "True" if done else "Unknown",
        "reason": reason,
        "message": message,
        "lastTransitionTime": run.at(2),
    }
    completion = {"completionTime": run.at(2)} if done else {}
    return {"conditions": [condition], "startTime": run.at(1), **completion}


_SPEC: Final = {
    "params": [{"name": "revision", "type": "string", "default": "main"}],
    "steps": [
        {"name": "main", "image": "golang:1.24", "script": "#!/bin/sh\nset -eu\n" + "go vet\n" * 40}
    ],
}


def _padded(made: Object, length: int) -> Object:
    """With as many managedFields, which nobody reads, as bring it to `length` bytes of JSON."""
    field: Object = {"f:status": {"f:conditions": {}, "f:startTime": {}, "f:taskRuns": {}}}
    entry = {"manager": "controller", "operation": "Update", "time": _EPOCH, "fieldsV1": field}
    made["metadata"]["managedFields"] = []
    missing = length - len(msgspec.json.encode(made))
    count = max(0, missing // (len(msgspec.json.encode(entry)) + 1))
    made["metadata"]["managedFields"] = [entry] * count
    return made


_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC).strftime(_STAMP)
