"""Repositories that move, end to end: renamed, transferred, forked, archived; branches, too.

What a click does otherwise is `tests/engine/test_inbox.py`; the merge queue, `test_queue.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ghapp.app import Checkrail
from ghapp.demo.github import CheckRun, Installation
from ghapp.ports import Dead
from tests.engine.test_inbox import commands, ended, runs, summary, worked_off
from tests.world import World, until, world


async def failed(w: World, name: str = "first", **annotations: str) -> CheckRun:
    """The check of a run that failed."""
    notes = {f"checkrail.dev/{key.replace('_', '-')}": text for key, text in annotations.items()}
    w.run_through(w.pipelinerun(name, annotations=notes), "Failed")
    return await ended(w)


def says(check: CheckRun, text: str) -> Any:
    return until(lambda: text in summary(check))


def renamed(w: World) -> str:
    return w.github.rename_repository("acme/shop", "store", "ann").full_name


def transferred(w: World) -> str:
    w.github.create_org("umbrella", owners=("ann",))
    w.github.install(w.app, "umbrella")
    return w.github.transfer_repository("acme/shop", "umbrella", "ann").full_name


# -- renamed and transferred ---------------------------------------------------------------------


@pytest.mark.parametrize("move", [renamed, transferred])
@pytest.mark.parametrize("way", ["Re-run", "Re-run all", "comment"])
async def test_what_is_asked_for_under_the_new_name_is_done(
    tmp_path: Path, move: Any, way: str
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.commit = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "dev")
        pull = w.github.open_pull("acme/shop", head="topic", title="B", login="dev")
        check = await failed(w)
        slug = move(w)
        match way:
            case "Re-run":
                w.github.click_rerun(check.id, "dev")
            case "Re-run all":
                w.github.click_rerun_all(check.suite.id, "dev")
            case _:
                w.github.comment(slug, pull.number, "/retest", "dev")
        await until(lambda: len(runs(w)) == 2)
        await worked_off(product)
        await says(check, "Re-run as")
        assert commands(product, "rerun") == {"done": 1}


async def test_it_is_known_after_a_restart_and_without_any_webhook_about_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        async with w.running() as product:
            check = await failed(w)
            await worked_off(product)
        w.app.webhook_url = None
        renamed(w)
        async with w.running():
            w.github.click_rerun(check.id, "dev")
            await until(lambda: len(runs(w)) == 2)


async def test_whoever_may_not_under_the_new_name_may_not(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        check = await failed(w)
        slug = transferred(w)
        w.github.set_role(slug, "dev", "read")
        w.github.click_rerun(check.id, "dev", forged=True)
        await says(check, "needs write access")
        assert len(runs(w)) == 1


async def test_a_name_that_somebody_else_took_does_not_lead_to_the_renamed_repository(
    tmp_path: Path,
) -> None:
    """Runs that call it acme/shop are not known to be acme/store's any more: nothing is guessed."""
    async with world(tmp_path) as w, w.running() as product:
        check = await failed(w)
        renamed(w)
        w.github.create_repository("acme/shop")
        w.github.click_rerun(check.id, "dev")
        await until(lambda: commands(product, "rerun"))
        assert commands(product, "rerun") == {"not_ours": 1}
        assert len(runs(w)) == 1


async def test_another_repository_with_the_same_commit_is_not_the_same_repository(
    tmp_path: Path,
) -> None:
    """A fork has the commits of its origin; its people have nothing to say in the origin."""
    async with world(tmp_path) as w, w.running() as product:
        await failed(w)
        fork = w.github.fork("acme/shop", "eve")
        w.github.install(w.app, "eve")
        w.pipelinerun("forked", annotations={"checkrail.dev/repository": fork.full_name})
        other = await until(lambda: next((c for c in w.checks() if c.repository is fork), None))
        w.github.click_rerun_all(other.suite.id, "eve")
        await until(lambda: commands(product, "rerun"))
        await worked_off(product)
        assert len(runs(w)) == 2


# -- forks and branches --------------------------------------------------------------------------


async def test_clicks_and_comments_on_a_forks_pull_request_work(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.github.fork("acme/shop", "eve")
        w.commit = w.github.push("eve/shop", "topic", {"b.txt": "b"}, "B", "eve")
        pull = w.github.open_pull("acme/shop", head="eve:topic", title="B", login="eve")
        check = await failed(w, pull_request=str(pull.number))
        w.github.click_rerun(check.id, "dev")
        await says(check, f"pull request {pull.number} is by eve, who may not write here")
        w.github.comment("acme/shop", pull.number, f"/ok-to-test {w.commit}", "dev")
        await until(lambda: commands(product, "ok-to-test"))
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(runs(w)) == 2)
        assert all(not webhook.payload["check_run"]["pull_requests"] for webhook in clicks(w))


def clicks(w: World) -> list[Any]:
    found = [one for one in w.github.hooks.deliveries(w.app) if one.action == "rerequested"]
    assert found
    return found


async def test_what_was_pushed_away_from_a_pull_request_is_not_run_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        w.commit = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "dev")
        pull = w.github.open_pull("acme/shop", head="topic", title="B", login="dev")
        check = await failed(w, pull_request=str(pull.number))
        main = w.github.repository("acme/shop").git.refs["refs/heads/main"]
        new = w.github.push("acme/shop", "topic", {"b.txt": "c"}, "C", "dev", force_from=main)
        w.github.click_rerun(check.id, "dev")
        await says(check, f"pull request {pull.number} has gone on to commit {new[:7]}")
        assert len(runs(w)) == 1


async def pushed_away(w: World) -> None:
    main = w.github.repository("acme/shop").git.refs["refs/heads/main"]
    w.github.push("acme/shop", "topic", {"b.txt": "c"}, "C", "dev", force_from=main)


async def created_again(w: World) -> None:
    w.github.delete_branch("acme/shop", "topic", "dev")
    w.github.push("acme/shop", "topic", {"b.txt": "c"}, "C", "dev")


@pytest.mark.parametrize("change", [pushed_away, created_again])
async def test_what_was_no_pull_requests_is_run_again_whatever_became_of_its_branch(
    tmp_path: Path, change: Any
) -> None:
    async with world(tmp_path) as w, w.running():
        w.commit = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "dev")
        check = await failed(w)
        await change(w)
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(runs(w)) == 2)


# -- archived, not granted, not installed ----------------------------------------------------------


async def given_up(product: Checkrail) -> list[Dead]:
    """What was, once nothing waits any more."""
    await until(product.store.dead)
    await worked_off(product)
    return list(await product.store.dead())


def told(w: World) -> Any:
    return until(lambda: [check for check in w.checks() if check.conclusion])


async def test_of_an_archived_repository_each_state_is_tried_once_and_why_not_is_said(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.github.archive_repository("acme/shop", "ann")
        w.run_through(w.pipelinerun("first"))
        found = await given_up(product)
        assert w.checks() == []
        for dead in found:
            assert dead.tries == 1
            assert "acme/shop is archived" in dead.reason
            assert "unarchive it" in dead.reason


async def test_it_goes_on_after_it_was_unarchived_although_the_webhook_was_lost(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.github.archive_repository("acme/shop", "ann")
        w.run_through(w.pipelinerun("first"))
        (*_, newest) = await given_up(product)
        w.github.hooks.drop()
        w.github.unarchive_repository("acme/shop", "ann")
        assert await product.store.revive(newest.row, datetime.now(UTC))
        await told(w)
        w.run_through(w.pipelinerun("second"))
        await until(lambda: len([check for check in w.checks() if check.conclusion]) == 2)


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way, how it begins and how it ends."""

    permissions: dict[str, str]
    installed: bool
    begin: Callable[[World], object]
    end: Callable[[World], object]
    reason: str


def only_gitops(w: World) -> None:
    w.github.install(w.app, "acme", ["acme/gitops"])


def installation(w: World) -> Installation:
    (found,) = w.github.world.installations.values()
    return found


def granted(w: World) -> None:
    w.app.permissions["checks"] = "write"
    w.github.accept_permissions(installation(w), "ann")


OBSTACLES = {
    "archived": Obstacle(
        {},
        True,
        lambda w: w.github.archive_repository("acme/shop", "ann"),
        lambda w: w.github.unarchive_repository("acme/shop", "ann"),
        "is archived",
    ),
    "not granted": Obstacle(
        {"checks": "read"}, True, lambda w: None, granted, "the App lacks checks:write"
    ),
    "not installed": Obstacle(
        {}, False, lambda w: None, lambda w: w.github.install(w.app, "acme"), "not installed"
    ),
    "not selected": Obstacle(
        {},
        False,
        only_gitops,
        lambda w: w.github.change_repositories(installation(w), add=["acme/shop"]),
        "not installed",
    ),
}


@pytest.mark.parametrize("name", OBSTACLES)
async def test_what_was_given_up_is_told_once_nothing_is_in_the_way_any_more(
    tmp_path: Path, name: str
) -> None:
    way = OBSTACLES[name]
    async with (
        world(tmp_path, permissions=way.permissions, installed=way.installed) as w,
        w.running() as product,
    ):
        way.begin(w)
        w.run_through(w.pipelinerun("first"))
        assert {way.reason in dead.reason for dead in await given_up(product)} == {True}
        assert w.checks() == []
        way.end(w)
        (check,) = await told(w)
        await worked_off(product)
        assert (check.conclusion, len(w.checks())) == ("success", 1)
        assert await product.store.dead() == []


async def test_what_waited_out_a_suspension_is_told_as_soon_as_it_is_lifted(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.github.suspend(installation(w), "ann")
        w.run_through(w.pipelinerun("first"))

        async def waits() -> bool:
            due = await product.store.next_due("github-check")
            return due is not None and due > datetime.now(UTC) + timedelta(seconds=500)

        await until(waits)
        assert w.checks() == []
        w.github.unsuspend(installation(w), "ann")
        await until(lambda: [check for check in w.checks() if check.conclusion], limit=10.0)
        assert await product.store.dead() == []
