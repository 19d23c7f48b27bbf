"""A PipelineRun as a function of time: which TaskRuns there are, and what every status says.

Pure: a `Schedule` is made once from the tasks and from which of them shall fail; `at` shows the run
at any moment of it. The shapes are those of recorded streams of Tekton Pipelines v1.15. Tasks run
one after the other; a failing one skips the rest, and the `finally` tasks run all the same.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ghapp.demo.shop import SIGNED_IN

Object = dict[str, Any]
Clock = Callable[[float], datetime]
"""Seconds of the schedule -> the time of day."""

FIRST_STATUS: Final = 0.6
"""Seconds until the controller has written a run's first status."""
_PENDING, _RUNNING, _NEXT = 0.3, 1.0, 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task of a pipeline and how long it takes."""

    name: str
    steps: tuple[str, ...]
    seconds: float
    image: str = "python:3.13"
    final: bool = False
    env: tuple[Object, ...] = ()
    """Of each step."""
    says: tuple[str, ...] = ()
    """What each step prints; empty: the script knows."""


SHOP_CI: Final = (
    Task(name="clone", steps=("clone",), seconds=1.6, image="alpine/git:2.49.1"),
    Task(name="test", steps=("unit", "checkout"), seconds=4.8, env=SIGNED_IN),
    Task(name="build", steps=("build", "push"), seconds=4.0, image="moby/buildkit:v0.25.1"),
    Task(name="notify", steps=("post",), seconds=0.8, image="curlimages/curl:8.12.1", final=True),
)
"""What a commit of the shop goes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A task's place in the schedule, in seconds from the creation of the run."""

    task: Task
    created: float
    exit_code: int

    @property
    def pending(self) -> float:
        """When its pod is made."""
        return self.created + _PENDING

    @property
    def running(self) -> float:
        """When its first step runs."""
        return self.created + _RUNNING

    @property
    def ended(self) -> float:
        """When its last step is done."""
        return self.running + self.task.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All of a run, from its creation to its end."""

    parts: tuple[Part, ...]
    skipped: tuple[str, ...]
    total: int
    finally_from: float

    @property
    def end(self) -> float:
        """When the run is over."""
        return max((part.ended for part in self.parts), default=FIRST_STATUS) + _NEXT

    @property
    def moments(self) -> tuple[float, ...]:
        """When something changes."""
        times = {0.0, FIRST_STATUS, self.end}
        for part in self.parts:
            times |= {part.created, part.pending, part.running, part.ended, *_handovers(part)}
        return tuple(sorted(times))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the API shows at a moment; None: no status yet."""

    run: Object | None
    tasks: Mapping[str, Object | None]


def schedule(tasks: Iterable[Task], failing: Mapping[str, int]) -> Schedule:
    """`failing` names the tasks that shall fail, with their exit codes."""
    ordered = sorted(tasks, key=lambda task: task.final)
    clock, broken, finally_from = 0.3, False, 0.0
    parts: list[Part] = []
    skipped: list[str] = []
    for task in ordered:
        if broken and not task.final:
            skipped.append(task.name)
            continue
        if task.final and not finally_from:
            finally_from = clock
        parts.append(Part(task=task, created=clock, exit_code=failing.get(task.name, 0)))
        broken = broken or bool(parts[-1].exit_code)
        clock = parts[-1].ended + _NEXT
    return Schedule(
        parts=tuple(parts), skipped=tuple(skipped), total=len(ordered), finally_from=finally_from
    )


def _handovers(part: Part) -> list[float]:
    """When one step hands over to the next."""
    count = len(part.task.steps)
    return [part.running + part.task.seconds * index / count for index in range(1, count)]


# --- the run ------------------------------------------------------------------------------------


def at(plan: Schedule, moment: float, *, name: str, clock: Clock, spec: Object) -> Look:
    """The run and its TaskRuns at `moment`."""
    there = [part for part in plan.parts if part.created <= moment]
    tasks = {part.task.name: _task_status(part, moment, name, clock) for part in there}
    run = None if moment < FIRST_STATUS else _run_status(plan, there, moment, name, clock, spec)
    return Look(run=run, tasks=tasks)


def _run_status(
    plan: Schedule, there: list[Part], moment: float, name: str, clock: Clock, spec: Object
) -> Object:
    over = moment >= plan.end
    status: Object = {
        "startTime": stamp(clock(0)),
        "pipelineSpec": spec,
        "childReferences": [_child(part, name) for part in there],
        "conditions": [_verdict(plan, there, moment, clock)],
        "provenance": {"featureFlags": {"enableAPIFields": "beta"}},
    }
    if plan.skipped and any(part.exit_code and part.ended <= moment for part in there):
        reason = "PipelineRun was stopping"
        status["skippedTasks"] = [{"name": task, "reason": reason} for task in plan.skipped]
    if plan.finally_from and moment >= plan.finally_from:
        status["finallyStartTime"] = stamp(clock(plan.finally_from))
    if over:
        status["completionTime"] = stamp(clock(plan.end))
    return status


def _child(part: Part, name: str) -> Object:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "name": f"{name}-{part.task.name}",
        "pipelineTaskName": part.task.name,
    }


def _verdict(plan: Schedule, there: list[Part], moment: float, clock: Clock) -> Object:
    done = [part for part in there if part.ended <= moment]
    failed = sum(1 for part in done if part.exit_code)
    skipped = len(plan.skipped) if failed else 0
    counts = f"Tasks Completed: {len(done)} (Failed: {failed}, Cancelled 0)"
    if moment < plan.end:
        left = plan.total - len(done) - skipped
        message = f"{counts}, Incomplete: {left}, Skipped: {skipped}"
        return condition("Unknown", "Running", message, clock(moment))
    state, reason = ("False", "Failed") if failed else ("True", "Succeeded")
    return condition(state, reason, f"{counts}, Skipped: {skipped}", clock(plan.end))


# --- its tasks ----------------------------------------------------------------------------------


def _task_status(part: Part, moment: float, run: str, clock: Clock) -> Object | None:
    if moment < part.pending:
        return None
    status: Object = {
        "startTime": stamp(clock(part.pending)),
        "podName": f"{run}-{part.task.name}-pod",
        "conditions": [_task_verdict(part, moment, clock)],
        "steps": _steps(part, moment, run, clock),
    }
    if moment >= part.ended:
        status |= {"completionTime": stamp(clock(part.ended)), "artifacts": {}}
    return status


def _task_verdict(part: Part, moment: float, clock: Clock) -> Object:
    if moment < part.running:
        return condition("Unknown", "Pending", "Pending", clock(part.pending))
    if moment < part.ended:
        message = "Not all Steps in the Task have finished executing"
        return condition("Unknown", "Running", message, clock(part.running))
    if part.exit_code:
        message = f'"step-{part.task.steps[-1]}" exited with code {part.exit_code}: Error'
        return condition("False", "StepFailed", message, clock(part.ended))
    return condition("True", "Succeeded", "All Steps have completed executing", clock(part.ended))


def _steps(part: Part, moment: float, run: str, clock: Clock) -> list[Object]:
    if moment < part.running:
        return [{"name": step, "provenance": {}} for step in part.task.steps]
    bounds = [part.running, *_handovers(part), part.ended]
    last = len(part.task.steps) - 1
    return [
        _step(part, step, (bounds[index], bounds[index + 1]), moment, run, clock)
        | _ending(part.exit_code if index == last else 0, moment >= bounds[index + 1])
        for index, step in enumerate(part.task.steps)
    ]


def _step(
    part: Part, step: str, span: tuple[float, float], moment: float, run: str, clock: Clock
) -> Object:
    begun, ended = span
    image = part.task.image.partition(":")[0]
    common: Object = {
        "name": step,
        "container": f"step-{step}",
        "imageID": f"docker.io/{image}@sha256:{_digest(part.task.image)}",
        "provenance": {},
    }
    if moment < begun:
        return common | {"running": {"startedAt": stamp(clock(part.running))}}
    if moment < ended:
        return common | {"running": {"startedAt": stamp(clock(begun))}}
    failed = part.exit_code and step == part.task.steps[-1]
    terminated = {
        "containerID": f"containerd://{_digest(run + part.task.name + step)}",
        "exitCode": part.exit_code if failed else 0,
        "reason": "Error" if failed else "Completed",
        "startedAt": stamp(clock(begun)),
        "finishedAt": stamp(clock(ended)),
    }
    return common | {"terminated": terminated}


def _ending(exit_code: int, over: bool) -> Object:
    return {"terminationReason": "Error" if exit_code else "Completed"} if over else {}


# --- a cancelled one ----------------------------------------------------------------------------


def cancelled(look: Look, *, name: str, now: datetime, spec: Object) -> Look:
    """`look` after `spec.status: Cancelled` was obeyed: what ran is terminated, nothing follows."""
    message = f'PipelineRun "{name}" was cancelled'
    before = look.run or {"startTime": stamp(now), "pipelineSpec": spec, "childReferences": []}
    run = before | {
        "completionTime": stamp(now),
        "conditions": [condition("False", "Cancelled", message, now)],
    }
    tasks = {task: _stopped(status, f"{name}-{task}", now) for task, status in look.tasks.items()}
    return Look(run=run, tasks=tasks)


def _stopped(status: Object | None, name: str, now: datetime) -> Object:
    if status is not None and "completionTime" in status:
        return status
    message = (
        f'TaskRun "{name}" was cancelled. '
        "TaskRun cancelled as the PipelineRun it belongs to has been cancelled."
    )
    before = status or {"startTime": stamp(now), "steps": []}
    return before | {
        "completionTime": stamp(now),
        "conditions": [condition("False", "TaskRunCancelled", message, now)],
        "steps": [_killed(step, name, now) for step in before["steps"]],
    }


def _killed(step: Object, name: str, now: datetime) -> Object:
    if "terminated" in step:
        return step
    running = step.get("running", {"startedAt": stamp(now)})
    terminated = {
        "exitCode": 1,
        "reason": "TaskRunCancelled",
        "message": f"Step {step['name']} terminated as pod {name}-pod is terminated",
        "startedAt": running["startedAt"],
        "finishedAt": stamp(now),
    }
    kept = {key: value for key, value in step.items() if key != "running"}
    return kept | {"terminated": terminated, "terminationReason": "TaskRunCancelled"}


# --- small things -------------------------------------------------------------------------------


def condition(state: str, reason: str, message: str, when: datetime) -> Object:
    """Tekton's one condition."""
    return {
        "type": "Succeeded",
        "status": state,
        "reason": reason,
        "message": message,
        "lastTransitionTime": stamp(when),
    }


def stamp(when: datetime) -> str:
    """As Kubernetes writes times: UTC, whole seconds."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def linear(start: datetime, speed: float = 1.0) -> Clock:
    """A schedule that begins at `start` and goes `speed` times as fast as real time."""
    return lambda seconds: start + timedelta(seconds=seconds / speed)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
