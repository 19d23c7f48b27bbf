"""The scripted Tekton: watches PipelineRuns and plays them in real time, with pods and logs.

It treats every PipelineRun alike, whoever made it: the script, checkrail's Re-run, or a visitor
with kubectl. What a run does is decided by the script for commits that it knows; a step whose
script says `exit 1` fails in any case, and prints what its script says by `echo`. `spec.status` is
obeyed; the graceful kinds of stopping stop at once.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ghapp.demo import pods
from ghapp.demo import tekton_model as model
from ghapp.demo.kinds import COMMIT_NOTE, NONSENSE, SHOP_CI, notes_of
from ghapp.demo.kube import KubeApi, StatusError
from ghapp.demo.tekton_model import Look, Schedule, Task

Object = dict[str, Any]
Failing = Callable[[str, int], Mapping[str, int]]
"""(commit, how many earlier runs it had) -> the tasks that fail, with their exit codes."""

log = logging.getLogger(__name__)

_STOP: Final = frozenset({"Cancelled", "CancelledRunFinally", "StoppedRunFinally"})
_PENDING: Final = "PipelineRunPending"
_EXIT: Final = re.compile(r"^\s*exit\s+([1-9]\d{0,2})\s*$", re.MULTILINE)
_ECHO: Final = re.compile(r"^[ \t]*echo[ \t]+(['\"]?)(.*)\1[ \t]*$", re.MULTILINE)
_UNKNOWN_SECONDS: Final = 2.0
"""How long a task takes that the script does not know."""


@dataclass(slots=True, kw_only=True)
class Tekton:
    """The controller."""

    kube: KubeApi
    failing: Failing
    printed: pods.Printed
    speed: float
    _driven: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """By the uid of the run."""

    async def run(self) -> None:
        """Plays every run until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for change, run in self.kube.subscribe("pipelineruns"):
                try:
                    self._heed(change, run, group)
                except NONSENSE:
                    log.exception("%s is nothing that can be played", run["metadata"]["name"])

    def _heed(self, change: str, run: Object, group: asyncio.TaskGroup) -> None:
        uid, wish = run["metadata"]["uid"], _spec(run).get("status", "")
        if change == "DELETED":
            self._let_go(uid)
        elif finished(run):
            return
        elif wish in _STOP:
            self._let_go(uid)
            self._stop(run)
        elif wish != _PENDING and uid not in self._driven:
            self._driven[uid] = group.create_task(self._play(run))
            self._driven[uid].add_done_callback(lambda _: self._driven.pop(uid, None))

    def _let_go(self, uid: str) -> None:
        driver = self._driven.pop(uid, None)
        if driver is not None:
            driver.cancel()

    async def _play(self, run: Object) -> None:
        try:
            await self._drive(run)
        except NONSENSE:
            log.exception("%s is nothing that can be played", run["metadata"]["name"])

    async def _drive(self, run: Object) -> None:
        spec = pipeline_spec(run)
        if spec is None:
            self._refuse(run)
            return
        plan = self._plan(run, spec)
        start = self.kube.now()
        clock = model.linear(start, self.speed)
        for moment in plan.moments:
            wait = (clock(moment) - self.kube.now()).total_seconds()
            await asyncio.sleep(max(wait, 0))
            look = model.at(plan, moment, name=run["metadata"]["name"], clock=clock, spec=spec)
            if not self._show(run, look):
                return
            for part in plan.parts:
                self._show_pod(run, part.task, look.tasks.get(part.task.name))

    def _plan(self, run: Object, spec: Object) -> Schedule:
        commit = notes_of(run).get(COMMIT_NOTE, "")
        earlier = sum(
            notes_of(other).get(COMMIT_NOTE) == commit
            and other["metadata"]["uid"] != run["metadata"]["uid"]
            for other in self.kube.list("pipelineruns", run["metadata"]["namespace"])
        )
        scripted = dict(self.failing(commit, earlier)) if commit else {}
        return model.schedule(tasks_of(spec), scripted | _exits(spec))

    # -- what is written ----------------------------------------------------------------------

    def _show(self, run: Object, look: Look) -> bool:
        """Writes a look; False when the run is gone."""
        try:
            self._label(run)
            for task, status in look.tasks.items():
                self._show_task(run, task, status)
            if look.run is not None:
                self._write("pipelineruns", run["metadata"], run["metadata"]["name"], look.run)
        except StatusError as error:
            if error.code == 404:
                return False
            raise
        return True

    def _label(self, run: Object) -> None:
        meta = run["metadata"]
        labels = {"metadata": {"labels": {"tekton.dev/pipeline": pipeline_name(run)}}}
        self.kube.patch("pipelineruns", meta["namespace"], meta["name"], labels)

    def _show_task(self, run: Object, task: str, status: Object | None) -> None:
        made = task_run(run, task)
        self._ensure(made)
        if status is not None:
            self._write("taskruns", made["metadata"], made["metadata"]["name"], status)

    def _show_pod(self, run: Object, task: Task, status: Object | None) -> None:
        if status is None:
            return
        meta = run["metadata"]
        made = self.kube.get("taskruns", meta["namespace"], f"{meta['name']}-{task.name}")
        pod = pods.of_task(made, task, status)
        self._ensure(pod)
        namespace, name = meta["namespace"], pod["metadata"]["name"]
        commit = notes_of(run).get(COMMIT_NOTE, "")
        for container, text in pods.logs_of(task, status, commit, self.printed):
            self.kube.set_log(namespace, name, container, text)
        self._write("pods", meta, name, pod["status"])

    def _ensure(self, wanted: Object) -> None:
        """Creates it, unless it is there."""
        try:
            self.kube.create(wanted)
        except StatusError as error:
            if error.code != 409:
                raise

    def _write(self, kind: str, meta: Object, name: str, status: Object) -> None:
        found = self.kube.get(kind, meta["namespace"], name)
        self.kube.replace({**found, "status": status}, subresource="status")

    def _refuse(self, run: Object) -> None:
        name, now = run["metadata"]["name"], self.kube.now()
        wanted = _spec(run).get("pipelineRef", {}).get("name", "")
        why = f'Error retrieving pipeline for pipelinerun ci/{name}: pipelines "{wanted}" not found'
        verdict = model.condition("False", "CouldntGetPipeline", why, now)
        times = {"startTime": model.stamp(now), "completionTime": model.stamp(now)}
        self._show(run, Look(run={**times, "conditions": [verdict]}, tasks={}))

    def _stop(self, run: Object) -> None:
        meta = run["metadata"]
        prefix, chosen = f"{meta['name']}-", f"tekton.dev/pipelineRun={meta['name']}"
        tasks = {
            found["metadata"]["name"].removeprefix(prefix): found.get("status")
            for found in self.kube.list("taskruns", meta["namespace"], labels=chosen)
        }
        for pod in self.kube.list("pods", meta["namespace"], labels=chosen):
            self.kube.delete("pods", meta["namespace"], pod["metadata"]["name"])
        before = Look(run=run.get("status") or None, tasks=tasks)
        spec = pipeline_spec(run) or {}
        look = model.cancelled(before, name=meta["name"], now=self.kube.now(), spec=spec)
        self._show(run, look)


# --- reading runs ---------------------------------------------------------------------------------


def _spec(run: Object) -> Object:
    found = run.get("spec")
    return found if isinstance(found, dict) else {}


def finished(run: Object) -> bool:
    """Whether a run has its verdict."""
    conditions = run.get("status", {}).get("conditions", ())
    return any(each["type"] == "Succeeded" and each["status"] != "Unknown" for each in conditions)


def succeeded(run: Object) -> bool:
    """Whether its verdict is good."""
    conditions = run.get("status", {}).get("conditions", ())
    return any(each["type"] == "Succeeded" and each["status"] == "True" for each in conditions)


def pipeline_name(run: Object) -> str:
    """What runs."""
    meta = run["metadata"]
    named: str = _spec(run).get("pipelineRef", {}).get("name", "")
    return named or meta.get("generateName", "").removesuffix("-") or meta["name"]


def pipeline_spec(run: Object) -> Object | None:
    """The pipeline of a run: its own, or the one that it names; None: there is no such."""
    own: Object | None = _spec(run).get("pipelineSpec")
    if own is not None:
        return own
    return shop_ci() if _spec(run).get("pipelineRef", {}).get("name") == SHOP_CI else None


def shop_ci() -> Object:
    """The Pipeline `shop-ci` as Tekton shows it in a status."""
    names = [task.name for task in model.SHOP_CI if not task.final]
    after = dict(zip(names[1:], names, strict=False))
    tasks = [
        {"name": name, **({"runAfter": [after[name]]} if name in after else {}), **_ref(name)}
        for name in names
    ]
    final = [{"name": task.name, **_ref(task.name)} for task in model.SHOP_CI if task.final]
    return {"description": "Tests and builds the shop", "tasks": tasks, "finally": final}


def _ref(name: str) -> Object:
    return {"taskRef": {"kind": "Task", "name": name}}


def tasks_of(spec: Object) -> list[Task]:
    """The tasks of a pipeline; those of `shop-ci` take as long as they do."""
    known = {task.name: task for task in model.SHOP_CI}
    named = [(each, False) for each in spec.get("tasks", ())]
    named += [(each, True) for each in spec.get("finally", ())]
    return [
        known[each["name"]] if "taskRef" in each and each["name"] in known else _own(each, final)
        for each, final in named
    ]


def _own(task: Object, final: bool) -> Task:
    steps = task.get("taskSpec", {}).get("steps") or [{"name": "run"}]
    names = tuple(step.get("name") or f"unnamed-{index}" for index, step in enumerate(steps))
    return Task(
        name=task["name"],
        steps=names,
        seconds=_UNKNOWN_SECONDS,
        image=steps[0].get("image", "busybox:1.37"),
        final=final,
        env=tuple(variable for step in steps for variable in step.get("env", ())),
        says=tuple(_echoes(step.get("script", "")) for step in steps),
    )


def _echoes(script: str) -> str:
    return "".join(f"{line[2]}\n" for line in _ECHO.finditer(script))


def _exits(spec: Object) -> dict[str, int]:
    """Tasks whose own script says that they fail."""
    found: dict[str, int] = {}
    for task in (*spec.get("tasks", ()), *spec.get("finally", ())):
        for step in task.get("taskSpec", {}).get("steps", ()):
            leaves = _EXIT.search(step.get("script", ""))
            if leaves:
                found[task["name"]] = int(leaves[1])
    return found


def task_run(run: Object, task: str) -> Object:
    """The TaskRun that Tekton makes: it inherits labels and annotations and belongs to the run."""
    meta = run["metadata"]
    final = any(each.name == task and each.final for each in model.SHOP_CI)
    labels = {
        **meta.get("labels", {}),
        "app.kubernetes.io/managed-by": "tekton-pipelines",
        "tekton.dev/memberOf": "finally" if final else "tasks",
        "tekton.dev/pipeline": pipeline_name(run),
        "tekton.dev/pipelineRun": meta["name"],
        "tekton.dev/pipelineRunUID": meta["uid"],
        "tekton.dev/pipelineTask": task,
    }
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": f"{meta['name']}-{task}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": notes_of(run),
            "ownerReferences": pods.owned_by(run),
        },
        "spec": {"serviceAccountName": "default", "timeout": "1h0m0s", **_ref(task)},
    }
