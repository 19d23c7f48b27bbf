"""A run of 200 tasks: what is written of it to GitHub, how often, and how much that is.

Which tasks a table leaves out where they do not fit is tested in `tests/core/test_checks.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.world import World, stamp, until, world

TASKS = 200
LIMIT = 65_535
"""Bytes that GitHub takes of a summary, and of a text."""


@dataclass
class Ledger:
    """What the product asks GitHub."""

    writes: list[int] = field(default_factory=list)
    """Bytes of each write of a check run."""
    reads: int = 0

    @web.middleware
    async def note(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if "/check-" in request.path:
            if request.method == "GET":
                self.reads += 1
            else:
                self.writes.append(len(await request.read()))
        return await handler(request)


@dataclass
class Busy:
    """A PipelineRun and its TaskRuns, moved on as Tekton does."""

    w: World
    run: dict[str, Any]
    references: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, number: int) -> None:
        """A task starts."""
        task = f"integration-test-{number:03}"
        name = f"{self.run['metadata']['name']}-{task}"
        owner = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "controller": True}
        owner |= {"name": self.run["metadata"]["name"], "uid": self.run["metadata"]["uid"]}
        self.w.kube.create(
            {
                "apiVersion": "tekton.dev/v1",
                "kind": "TaskRun",
                "metadata": {
                    "name": name,
                    "namespace": "ci",
                    "labels": {"tekton.dev/pipelineTask": task},
                    "ownerReferences": [owner],
                },
                "spec": {"taskRef": {"name": "integration-test"}},
            }
        )
        self._task(name, "Unknown", "Running", startTime=stamp(self.run, 1))
        reference = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "name": name}
        self.references.append({**reference, "pipelineTaskName": task})
        self._run("Unknown", "Running")

    def end(self, number: int) -> None:
        """A task ends; each tenth fails."""
        name = self.references[number]["name"]
        times = {"startTime": stamp(self.run, 1), "completionTime": stamp(self.run, 20)}
        if number % 10:
            self._task(name, "True", "Succeeded", **times)
        else:
            ended = {"exitCode": 1, "reason": "Error"}
            step = {"name": "run", "container": "step-run", "terminated": ended}
            self._task(name, "False", "Failed", steps=[step], **times)

    def finish(self) -> None:
        self._run("False", "Failed", completionTime=stamp(self.run, 30))

    def _task(self, name: str, status: str, reason: str, **more: Any) -> None:
        condition = {"type": "Succeeded", "status": status, "reason": reason, "message": "so it is"}
        value = {"conditions": [condition], **more}
        self.w.kube.patch("TaskRun", "ci", name, {"status": value}, subresource="status")

    def _run(self, status: str, reason: str, **more: Any) -> None:
        condition = {"type": "Succeeded", "status": status, "reason": reason}
        condition["message"] = f"Tasks Completed: {len(self.references)}"
        value: dict[str, Any] = {
            "conditions": [condition],
            "startTime": stamp(self.run, 1),
            "childReferences": self.references,
            **more,
        }
        name = self.run["metadata"]["name"]
        self.w.kube.patch("PipelineRun", "ci", name, {"status": value}, subresource="status")


async def play(w: World) -> None:
    """All of the run, as fast as everything else keeps up."""
    busy = Busy(w, w.pipelinerun("nightly"))
    await until(lambda: w.check("tekton / build"))
    for number in range(TASKS):
        busy.begin(number)
        if number >= 20:
            busy.end(number - 20)
        await asyncio.sleep(0)
    for number in range(TASKS - 20, TASKS):
        busy.end(number)
    busy.finish()


async def test_within_an_interval_only_the_milestones_are_written_and_the_end_at_once(
    tmp_path: Path,
) -> None:
    ledger = Ledger()
    async with (
        world(tmp_path, middlewares=[ledger.note]) as w,
        w.running(progress_interval=3600.0, logs=False),
    ):
        await play(w)
        check = await until(lambda: w.checks()[0].conclusion and w.checks()[0])
        assert check.conclusion == "failure"
        assert len(w.checks()) == 1
    # Kubernetes tells a creation in whole seconds: one in the store's first second may be older
    # than the store, and its check is looked up once.
    assert ledger.reads <= 1
    assert 2 <= len(ledger.writes) <= 3, "queued, in progress unless it was over, and the end"


async def test_progress_is_written_once_an_interval_at_most(tmp_path: Path) -> None:
    ledger, interval = Ledger(), 0.25
    async with (
        world(tmp_path, middlewares=[ledger.note]) as w,
        w.running(progress_interval=interval, logs=False),
    ):
        began = asyncio.get_running_loop().time()
        await play(w)
        await until(lambda: w.checks()[0].conclusion)
        seconds = asyncio.get_running_loop().time() - began
    assert len(ledger.writes) <= 3 + seconds / interval


async def test_all_that_is_written_fits_and_what_failed_is_in_it(tmp_path: Path) -> None:
    ledger = Ledger()
    async with (
        world(tmp_path, middlewares=[ledger.note]) as w,
        w.running(progress_interval=3600.0, logs=False),
    ):
        await play(w)
        check = await until(lambda: w.checks()[0].conclusion and w.checks()[0])
        summary, text = check.summary or "", check.text or ""
        assert max(len(summary.encode()), len(text.encode())) <= LIMIT
        for number in range(0, TASKS, 10):
            assert f"integration-test-{number:03}" in summary + text
    assert max(ledger.writes) <= 2 * LIMIT
