"""The merge queue, end to end: runs report on its commits, and stop when it gives them up.

What the stand-in's queue does is `tests/demo/test_github_queue.py`; which runs may be stopped,
`tests/core/test_commands.py`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ghapp.app import Checkrail
from ghapp.demo.github import CheckRun
from ghapp.http import utc_now
from tests.engine.test_inbox import commands, runs, summary, worked_off
from tests.world import EVENTS, World, until, world


@asynccontextmanager
async def queued(folder: Path, *names: str) -> AsyncIterator[tuple[World, list[str]]]:
    """Pull requests in the queue, and the commits of their groups."""
    granted = {"merge_queues": "read"}
    async with world(folder, permissions=granted, events=(*EVENTS, "merge_group")) as w:
        for name in names:
            w.github.push("acme/shop", name, {f"{name}.txt": name}, name, "dev")
            w.github.open_pull("acme/shop", head=name, title=name, login="dev")
        numbers = range(1, len(names) + 1)
        yield w, [w.github.merge_group("acme/shop", number, "dev") for number in numbers]


async def going(w: World, commit: str, name: str = "first") -> CheckRun:
    """The check of a run that goes on, on that commit."""
    w.step(w.pipelinerun(name, commit=commit), "Running")

    def found() -> CheckRun | None:
        shown = w.github.check_runs("acme/shop", commit)
        return next((check for check in shown if check.actions), None)

    check: CheckRun = await until(found)
    return check


def stopped(w: World) -> list[str]:
    return [r["metadata"]["name"] for r in runs(w) if r["spec"].get("status") == "Cancelled"]


def hurried(product: Checkrail) -> None:
    """Looks twice at what the queue gave up."""
    looking(product, 0.0)


def patient(product: Checkrail) -> None:
    """Looks at it for longer than the test takes."""
    looking(product, *[0.0] * 2, *[1.0] * 60)


def looking(product: Checkrail, *pauses: float) -> None:
    assert product.inbox
    product.inbox = replace(product.inbox, queue_pauses=pauses)


@pytest.mark.parametrize("reason", ["dequeued", "invalidated"])
async def test_what_runs_on_a_commit_that_the_queue_gave_up_is_cancelled(
    tmp_path: Path, reason: str
) -> None:
    async with queued(tmp_path, "a") as (w, (group,)), w.running(tune=hurried) as product:
        check = await going(w, group)
        w.github.end_merge_group("acme/shop", group, "dev", reason=reason)
        await until(lambda: stopped(w) == ["first"])
        await until(lambda: "asked by **github-merge-queue\\[bot\\]**" in summary(check))
        assert f"The merge queue gave this commit up ({reason})." in summary(check)
        await worked_off(product)
        assert commands(product, "cancel") == {"done": 1}
        assert summary(check).count("merge queue gave this commit up") == 1


async def test_a_run_that_begins_after_the_queue_gave_its_commit_up_is_cancelled_too(
    tmp_path: Path,
) -> None:
    async with queued(tmp_path, "a") as (w, (group,)), w.running(tune=patient) as product:
        w.github.end_merge_group("acme/shop", group, "dev", reason="dequeued")
        await w.github.settled()
        await until(lambda: looked_at_again(product))
        check = await going(w, group)
        await until(lambda: stopped(w) == ["first"])
        await until(lambda: "The merge queue gave this commit up (dequeued)." in summary(check))
        await until(lambda: commands(product, "cancel") == {"done": 1})
        (entry,) = await product.store.audit(datetime.min.replace(tzinfo=UTC), 9)
        assert (entry.login, entry.allowed) == ("github-merge-queue[bot]", True)


async def looked_at_again(product: Checkrail) -> bool:
    """Whether the end of the group was looked at, and will be once more."""
    waiting = await product.store.deliveries(utc_now() + timedelta(seconds=2), 9)
    return any(delivery.tries for delivery in waiting)


async def test_groups_behind_one_that_left_are_given_up_and_those_before_it_are_not(
    tmp_path: Path,
) -> None:
    async with queued(tmp_path, "a", "b", "c") as (w, groups), w.running(tune=hurried) as product:
        for group, name in zip(groups, ("first", "second", "third"), strict=True):
            await going(w, group, name)
        w.github.end_merge_group("acme/shop", groups[1], "dev", reason="dequeued")
        await until(lambda: stopped(w) == ["second", "third"])
        await worked_off(product)
        assert stopped(w) == ["second", "third"]


async def finished_already(w: World, group: str) -> None:
    w.run_through(w.pipelinerun("first", commit=group), "Failed")
    await until(lambda: any(c.conclusion for c in w.github.check_runs("acme/shop", group)))
    w.github.end_merge_group("acme/shop", group, "dev")


async def merged(w: World, group: str) -> None:
    await going(w, group)
    w.github.end_merge_group("acme/shop", group, "dev", reason="merged")


async def renewed(product: Checkrail, w: World) -> None:
    """Everything that GitHub sent is worked off."""
    await w.github.settled()
    await worked_off(product)


@pytest.mark.parametrize("end", [finished_already, merged])
async def test_what_was_merged_or_has_finished_is_left_alone(tmp_path: Path, end: object) -> None:
    async with queued(tmp_path, "a") as (w, (group,)), w.running(tune=hurried) as product:
        assert callable(end)
        await end(w, group)
        await renewed(product, w)
        assert stopped(w) == []
        assert commands(product, "cancel") == {}
