"""`kill -9` of the real process, again and again: nothing is lost, and nothing is told twice.

tests/sim kills before every side effect, inside one process; here it is a process of its own, its
file and its sockets. When it dies is drawn by lot: at a writing request to a far side, which is
then carried out unheard, or not at all.
"""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web

from ghapp.demo.github import CheckRun
from ghapp.store import open_store
from tests.process import Process, begun, free_port, process
from tests.store.values import NOW
from tests.world import World, until, world

SEED = 20_261_121
RUNS = 15
LIVES = 6
LONGEST_LIFE = 4.0
"""Seconds: a process that has nothing left to do is killed as well."""


@dataclass
class Assassin:
    """Kills at one of the next writing requests."""

    dice: Random
    victim: Process | None = None
    left: int = 0
    kills: list[str] = field(default_factory=list)
    ticks: int = 0

    def aim(self, victim: Process) -> None:
        self.victim, self.left = victim, self.dice.randrange(1, 25)

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        ours = request.headers.get("User-Agent", "").startswith("checkrail")
        if not ours or request.method in {"GET", "HEAD"}:
            return await handler(request)
        self.ticks += 1
        self.left -= 1
        if self.left != 0 or self.victim is None:
            return await handler(request)
        await request.read()
        self.victim.inner.send_signal(signal.SIGKILL)
        done = self.dice.random() < 0.7
        self.kills.append(f"{request.method} {request.path}: {'done' if done else 'lost'}")
        if not done:
            return web.Response(status=503)
        # The connection breaks, which would cancel this request; it has to be carried out.
        return await asyncio.shield(asyncio.ensure_future(handler(request)))


@dataclass
class Story:
    """What happens in the cluster and on the checks, in an order drawn by lot."""

    w: World
    dice: Random
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    clicked: set[str] = field(default_factory=set)
    """Names of the runs whose Re-run was clicked, at least once."""

    def acts(self) -> Iterator[Callable[[], None]]:
        """Each run is created, begins and ends; between the runs there is no order."""
        stages = [[self._create, self._begin, self._end] for _ in range(RUNS)]
        waiting = {f"run-{number}": acts for number, acts in enumerate(stages)}
        while waiting:
            name = self.dice.choice([*waiting])
            act = waiting[name].pop(0)
            if not waiting[name]:
                del waiting[name]
            yield lambda act=act, name=name: act(name)  # type: ignore[misc]

    def _create(self, name: str) -> None:
        self.runs[name] = self.w.pipelinerun(name, annotations={"checkrail.dev/check-name": name})

    def _begin(self, name: str) -> None:
        self.w.step(self.runs[name], "Running")

    def _end(self, name: str) -> None:
        self.ends[name] = self.dice.choice(("success", "failure"))
        good = self.ends[name] == "success"
        status = "True" if good else "False"
        self.w.step(self.runs[name], "Succeeded" if good else "Failed", status)

    def click(self) -> None:
        """Somebody clicks Re-run, perhaps twice, on a check that has failed."""
        failed = [check for check in self.w.checks() if check.conclusion == "failure"]
        for check in self.dice.sample(failed, min(2, len(failed))):
            self.clicked.add(check.name)
            for _ in range(self.dice.randrange(1, 3)):
                self.w.github.click_rerun(check.id, "dev")

    def copies(self) -> list[dict[str, Any]]:
        return [run for run in self.w.kube.list("PipelineRun", "ci") if of(run)]


def of(copy: dict[str, Any]) -> str:
    """The run that this one repeats; empty for an original."""
    notes = copy["metadata"].get("annotations", {})
    return str(notes.get("checkrail.dev/rerun-of", ""))


@pytest.mark.timeout(180)
async def test_killed_at_any_moment_it_tells_everything_once_and_in_order(tmp_path: Path) -> None:
    dice = Random(SEED)
    assassin = Assassin(dice)
    async with world(tmp_path, root_middlewares=[assassin.middleware]) as w:
        story = Story(w, dice)
        listen = f"127.0.0.1:{free_port()}"
        acts = [*story.acts()]
        for portion in portions(acts):
            await life(story, assassin, portion, listen)
        async with process(w, CHECKRAIL_LISTEN=listen):
            story.click()
            await until(lambda: len(story.copies()) == len(story.clicked))
            for copy in story.copies():
                w.run_through(copy)
            story.ends |= {copy["metadata"]["name"]: "success" for copy in story.copies()}
            await until(lambda: all_told(w, story))
        assert await parked(w) == []
    assert_all_is_well(w, story)
    assert assassin.kills
    print(f"{len(assassin.kills)} kills at {assassin.ticks} writes: {assassin.kills}")


def portions(acts: list[Callable[[], None]]) -> list[list[Callable[[], None]]]:
    size = len(acts) // LIVES + 1
    return [acts[at : at + size] for at in range(0, len(acts), size)]


async def life(
    story: Story, assassin: Assassin, portion: list[Callable[[], None]], listen: str
) -> None:
    """The process lives while a portion of the story happens, until it is killed."""
    half = len(portion) // 2
    for act in portion[:half]:
        act()
    async with begun(story.w, CHECKRAIL_LISTEN=listen) as product:
        assassin.aim(product)
        with contextlib.suppress(AssertionError):  # killed before it was ready
            await product.ready()
        for act in portion[half:]:
            act()
        story.click()
        with contextlib.suppress(TimeoutError):
            await until(lambda: product.inner.returncode is not None, limit=LONGEST_LIFE)


def all_told(w: World, story: Story) -> bool:
    told = {subject(check): check.conclusion for check in w.checks()}
    return told == story.ends and len(w.consumer.events) >= 3 * len(story.ends)


def subject(check: CheckRun) -> str:
    """The name of its run."""
    return (check.external_id or "").split("/")[2]


async def parked(w: World) -> list[str]:
    store = await open_store(w.settings().store, now=NOW)
    reasons = [dead.reason for dead in await store.dead()]
    await store.close()
    return reasons


def assert_all_is_well(w: World, story: Story) -> None:
    ids = Counter(check.external_id for check in w.checks())
    assert set(ids.values()) == {1}, "one check for each run"
    repeated = Counter(of(copy) for copy in story.copies())
    assert repeated == Counter(story.clicked), "one copy of each run that was clicked"
    for name, steps in milestones(w).items():
        assert steps == ["queued", "started", "finished"], name
    assert len(milestones(w)) == len(story.ends)


def milestones(w: World) -> dict[str, list[str]]:
    """Of each subject, in the order in which they came first."""
    found: dict[str, list[str]] = {}
    for event in w.consumer.events:
        step = event["context"]["type"].split(".")[3]
        found.setdefault(event["subject"]["id"], []).append(step)
    return found
