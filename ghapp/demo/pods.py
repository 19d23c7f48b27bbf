"""The pods of the scripted controllers, as a kubelet tells of them, and what is in their logs."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ghapp.demo.tekton_model import Task

Object = dict[str, Any]
Printed = Callable[[str, str, int], str]
"""(commit, step, exit code) -> what it wrote."""


def owned_by(owner: Object) -> list[Object]:
    """The `ownerReferences` of what a controller makes for `owner`."""
    meta = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    reference |= {"name": meta["name"], "uid": meta["uid"]}
    return [{**reference, "controller": True, "blockOwnerDeletion": True}]


def told(phase: str, since: str, states: Mapping[str, Object]) -> Object:
    """A pod's status; `states` are those of its containers."""
    statuses = [{"name": name, "state": state} for name, state in states.items()]
    return {"phase": phase, "startTime": since, "containerStatuses": statuses}


def of_task(task_run: Object, task: Task, status: Object) -> Object:
    """The pod of a TaskRun with this status: a container for each step."""
    meta = task_run["metadata"]
    image, env = task.image, list(task.env)
    names = [f"step-{step}" for step in task.steps]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": status["podName"],
            "namespace": meta["namespace"],
            "labels": {**meta["labels"], "tekton.dev/taskRun": meta["name"]},
            "ownerReferences": owned_by(task_run),
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": name, "image": image, "env": env} for name in names],
        },
        "status": _of_steps(status),
    }


def _of_steps(status: Object) -> Object:
    """The kubelet's words for what a TaskRun's status says of its steps."""
    states = {f"step-{step['name']}": _state(step) for step in status["steps"]}
    codes = [state.get("terminated", {}).get("exitCode") for state in states.values()]
    if None not in codes:
        phase = "Failed" if any(codes) else "Succeeded"
    else:
        waits = all("waiting" in state for state in states.values())
        phase = "Pending" if waits else "Running"
    return told(phase, status["startTime"], states)


def _state(step: Object) -> Object:
    for kind in ("terminated", "running"):
        if kind in step:
            return {kind: step[kind]}
    return {"waiting": {"reason": "PodInitializing"}}


def logs_of(task: Task, status: Object, commit: str, printed: Printed) -> Iterator[tuple[str, str]]:
    """(container, what it wrote) of each step of a TaskRun that is over."""
    for index, step in enumerate(status["steps"]):
        if "terminated" in step:
            code = step["terminated"]["exitCode"]
            own = task.says[index] if task.says else printed(commit, step["name"], code)
            yield step["container"], own
