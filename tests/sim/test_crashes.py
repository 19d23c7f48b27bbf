"""The product's promise: killed before any side effect and started again, the world is the same.

The same story is played once undisturbed and then once for each of its side effects, with a crash
right before it. A supervisor starts the process again, as Kubernetes would. In the end GitHub, the
cluster, the consumer of events and the repository must look alike. `tests/e2e/test_killed.py` does
it with a real process and SIGKILL; bad weather without crashes is tested beside the parts.
"""

import asyncio
import contextlib
import multiprocessing
import os
import re
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ghapp.app import Checkrail
from ghapp.documents import config
from ghapp.http import utc_now
from ghapp.store import open_store
from tests.sim.brittle import Bomb, Brittle, Crash, hang_up
from tests.world import World, until, world

POINTS_AT_LEAST = 40
"""The story has more side effects than this; fewer mean that it is not told any more."""

AT_ONCE = 4
"""Worlds at the same time in a process: each of them waits now and then."""

PROCESSES = min(os.cpu_count() or 1, 4)
"""They share the points: what is left of their time they reckon."""


@dataclass
class Lives:
    """The process, over all its lives."""

    now: Checkrail | None = None
    born: asyncio.Event = field(default_factory=asyncio.Event)

    async def idle(self) -> bool:
        """Whether it lives, has seen everything there is, and owes nothing."""
        if self.now is None or self.now.watch is None:
            return False
        if not self.now.configuration.ready.is_set():
            return False
        seen_all = all(
            source.queue.idle and not source._unlisted for source in self.now.watch.sources
        )
        backlog = await self.now.store.backlog()
        return seen_all and not any(backlog.pending.values()) and not backlog.deliveries


async def live(w: World, bomb: Bomb, lives: Lives) -> None:
    """One life of the process: until it dies, or the story is over."""
    settings = w.settings(progress_interval=0.0)
    store = await open_store(settings.store, now=utc_now())
    brittle = Brittle(store, bomb)
    checkrail = await Checkrail.build(settings, config.load(settings.config), brittle)
    checkrail.upkeep.sweep_every = 0.5  # a click that found us dead is fetched; minutes in life
    app = web.Application(middlewares=[hang_up])
    app.add_routes(checkrail.routes())
    async with TestServer(app) as server:
        w.app.webhook_url = str(server.make_url("/github/webhook"))
        lives.now = checkrail
        lives.born.set()
        running = asyncio.create_task(checkrail.run())
        dead = asyncio.create_task(bomb.exploded.wait())
        try:
            await asyncio.wait({running, dead}, return_when=asyncio.FIRST_COMPLETED)
            if running.done() and not bomb.exploded.is_set():
                running.result()  # it ended by itself, which it must not: say why
        finally:
            lives.now = None
            for task in (running, dead):
                task.cancel()
            await asyncio.gather(running, dead, return_exceptions=True)
            for deliveries in checkrail.outbox._running.values():
                for task in deliveries:
                    task.cancel()
            await checkrail.stack.aclose()
            await store.close()


@contextlib.asynccontextmanager
async def supervised(w: World, bomb: Bomb) -> AsyncIterator[Lives]:
    """Starts the process again whenever it has died."""
    lives = Lives()

    async def supervise() -> None:
        while True:
            await live(w, bomb, lives)
            bomb.rearm()

    async with asyncio.TaskGroup() as group:  # a supervisor that fails ends the story
        task = group.create_task(supervise())
        await lives.born.wait()
        yield lives
        task.cancel()


async def story(w: World) -> None:
    """A failing run, its repetition, a cancelled run, a refusal, a promotion, a deletion, and
    commands in a comment."""
    run = w.pipelinerun("first")
    w.run_through(run, "Failed")
    check = await until(lambda: next((c for c in w.checks() if c.conclusion == "failure"), None))
    w.github.click_rerun(check.id, "dev")
    copy = await until(lambda: next((r for r in runs(w) if r["metadata"]["name"] != "first"), None))
    w.run_through(copy)
    await until(lambda: any(c.conclusion == "success" for c in w.checks("tekton / build")))

    long = w.pipelinerun("long", annotations={"checkrail.dev/check-name": "long"})
    w.step(long, "Running")
    check = await until(lambda: next((c for c in w.checks("long") if c.actions), None))
    w.github.click_action(check.id, "cancel", "eve", forged=True)
    await until(lambda: "needs write access" in (w.checks("long")[0].summary or ""))
    w.github.click_action(check.id, "cancel", "dev", forged=True)
    await until(lambda: w.kube.get("PipelineRun", "ci", "long")["spec"].get("status"))
    w.step(long, "Cancelled", "False")
    await until(lambda: w.checks("long")[0].conclusion == "cancelled")

    w.release(version="1.1.0")
    check = await until(
        lambda: next((c for c in w.checks("flux / dev/shop") if c.conclusion == "success"), None)
    )
    w.github.click_action(check.id, "promote", "dev", forged=True)
    await until(lambda: w.github.repository("acme/gitops").pulls)

    w.step(w.pipelinerun("lost", annotations={"checkrail.dev/check-name": "lost"}), "Running")
    await until(lambda: w.checks("lost"))
    w.kube.delete("PipelineRun", "ci", "lost")
    await until(lambda: w.checks("lost")[0].conclusion == "cancelled")
    await discuss(w)


async def discuss(w: World) -> None:
    """A comment on a pull request: a run that is repeated, and a command that is refused."""
    commit = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "dev")
    pull = w.github.open_pull("acme/shop", head="topic", title="B", login="dev")
    named = {"checkrail.dev/check-name": "talk"}
    w.run_through(w.pipelinerun("talk", commit=commit, annotations=named), "Failed")
    await until(lambda: any(c.conclusion == "failure" for c in w.checks("talk")))
    w.github.comment("acme/shop", pull.number, "/retest\n/approve staging", "dev")
    await until(lambda: "Re-run as" in "".join(replies(w)))


def replies(w: World) -> list[str]:
    """What we said in comments; the copy's name is random."""
    comments = w.github.repository("acme/shop").comments.values()
    return [re.sub(r"-r-[0-9a-f]{8}", "", each.body) for each in comments if each.app]


def runs(w: World) -> list[dict[str, Any]]:
    return w.kube.list("PipelineRun", "ci")


async def quiet(lives: Lives, bomb: Bomb) -> None:
    """Until nothing is owed any more, and nothing happened while we looked."""
    async with asyncio.timeout(60):
        while True:
            before = bomb.ticks
            if await lives.idle():
                await asyncio.sleep(0.1)
                if bomb.ticks == before and await lives.idle():
                    return
            await asyncio.sleep(0.02)


def picture(w: World) -> dict[str, Any]:
    """What there is to see in the end, without what is random (uids, numbers, times)."""
    gitops = w.github.repository("acme/gitops")
    return {
        "checks": sorted(
            (run.name, run.status, run.conclusion, str([a["identifier"] for a in run.actions]))
            for run in w.checks()
        ),
        "answers": sorted(
            line.partition("`")[0].replace(w.github.base_url, "")
            for run in w.checks()
            for line in (run.summary or "").splitlines()
            if line.startswith(">")
        ),
        "events": dict(sorted(Counter(w.consumer.types).items())),
        "order": in_order(w),
        "runs": sorted(run["spec"].get("status", "") for run in runs(w)),
        "pulls": [(pull.title, pull.state) for pull in gitops.pulls.values()],
        "branches": sorted(gitops.git.refs),
        "replies": [re.sub(r"answers \d+", "", body) for body in replies(w)],
        "reactions": sorted(
            content
            for comment in w.github.repository("acme/shop").comments.values()
            for _, _, content, _ in comment.reactions
        ),
    }


async def audit_log(w: World) -> list[tuple[str, str, bool]]:
    """Who asked for what, and whether it was allowed: each of it once."""
    store = await open_store(w.settings().store, now=utc_now(), make=False)
    entries = await store.audit(datetime.min.replace(tzinfo=UTC), 100)
    await store.close()
    return sorted((one.login, one.verb.value, one.allowed) for one in entries)


def in_order(w: World) -> bool:
    """Whether each subject's events came first in their order."""
    rank = {"queued": 0, "started": 1, "finished": 2}
    seen: dict[str, list[int]] = {}
    for event in w.consumer.events:
        step = event["context"]["type"].split(".")[3]
        if step in rank:
            seen.setdefault(event["subject"]["id"], []).append(rank[step])
    return all(steps == sorted(steps) for steps in seen.values())


async def play(folder: Path, at: int) -> tuple[dict[str, Any], Bomb]:
    bomb = Bomb(at=at)
    folder.mkdir()  # noqa: ASYNC240 - before anything runs
    async with world(folder, middlewares=[], root_middlewares=[bomb.middleware]) as w:
        async with supervised(w, bomb) as lives:
            await story(w)
            await quiet(lives, bomb)
        return {**picture(w), "audit": await audit_log(w)}, bomb


async def play_all(folder: Path, points: Iterable[int]) -> list[tuple[int, dict[str, Any], str]]:
    """Of each point: its number, the world in the end, and before what the process was killed.

    That is nothing where the story had fewer side effects this time.
    """
    asyncio.get_running_loop().set_exception_handler(_forgive_the_dead)
    worlds = asyncio.Semaphore(AT_ONCE)

    async def one(point: int) -> tuple[int, dict[str, Any], str]:
        async with worlds:
            found, bomb = await play(folder / str(point), at=point)
        return point, found, "".join(bomb.what[point - 1 : point])

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(point)) for point in points]
    return [task.result() for task in tasks]


def share(folder: Path, points: Iterable[int]) -> list[tuple[int, dict[str, Any], str]]:
    """What one of the processes does; a warning is an error there, too."""
    warnings.simplefilter("error")
    return asyncio.run(play_all(folder, points))


@pytest.mark.filterwarnings(  # a process that was killed does not close its sockets
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.timeout(600)
def test_killed_before_any_side_effect_the_world_is_the_same(tmp_path: Path) -> None:
    expected, undisturbed = asyncio.run(play(tmp_path / "undisturbed", at=0))
    points = undisturbed.ticks
    assert points >= POINTS_AT_LEAST
    assert expected["order"]
    assert ("eve", "cancel", False) in expected["audit"]
    shares = [(tmp_path, range(first, points + 1, PROCESSES)) for first in range(1, PROCESSES + 1)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        played = [each for part in pool.starmap(share, shares) for each in part]
    assert sorted(point for point, _, _ in played) == [*range(1, points + 1)]
    for point, found, what in played:
        differs = {
            key: (found[key], expected[key]) for key in expected if found[key] != expected[key]
        }
        assert not differs, f"killed before {what} (number {point})"
    print(f"{points} crash points simulated")


def _forgive_the_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A task that died in the crash is not asked for its last words."""
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)
