"""What becomes of webhooks, end to end: the right person, the right run, once; or why not.

Far sides on loopback, clicks as GitHub sends them. Judging alone is tests/core/test_commands,
signatures are tests/test_server, what a copy looks like is tests/adapters.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ghapp.app import Checkrail
from ghapp.core.webhook import SIGNATURE_HEADER, sign
from ghapp.demo.github import CheckRun
from ghapp.engine.inbox import GIVE_UP
from ghapp.ports import Delivery
from tests.world import SECRETS, World, until, world

NUMBERS = count(1)


async def finished(w: World, name: str = "first", reason: str = "Failed") -> CheckRun:
    """The check of a run that has ended."""
    w.run_through(w.pipelinerun(name), reason)
    return await ended(w)


async def ended(w: World) -> CheckRun:
    check: CheckRun = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
    return check


async def running(w: World, name: str = "first") -> CheckRun:
    """The check of a run that goes on."""
    w.step(w.pipelinerun(name), "Running")
    check: CheckRun = await until(lambda: next((c for c in w.checks() if c.actions), None))
    return check


def runs(w: World) -> list[dict[str, Any]]:
    return w.kube.list("PipelineRun", "ci")


def summary(check: CheckRun) -> str:
    return check.summary or ""


def hurried(product: Checkrail) -> None:
    """Second tries come soon."""
    assert product.inbox
    product.inbox = replace(product.inbox, jitter=lambda: 0.0)


def commands(product: Checkrail, verb: str) -> dict[str, float]:
    """How clicks ended, by result; only those that there were."""
    registry, name = product.metrics.registry, "checkrail_commands_total"
    results = ("done", "refused", "not_ours", "failed")
    found = {
        result: registry.get_sample_value(name, {"verb": verb, "result": result}) or 0.0
        for result in results
    }
    return {result: number for result, number in found.items() if number}


async def send(w: World, event: str, payload: dict[str, Any] | bytes) -> None:
    """A genuine delivery with this body."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": f"guid-{next(NUMBERS)}",
        SIGNATURE_HEADER: sign(body, SECRETS[0].encode()),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{w.url}/github/webhook", data=body, headers=headers) as answer,
    ):
        assert answer.status == 202


async def worked_off(product: Checkrail) -> None:
    """Until nothing waits in the inbox, nor in the outbox."""

    async def idle() -> bool:
        backlog = await product.store.backlog()
        return not (backlog.deliveries or backlog.pending)

    await until(idle)


# -- what can be asked --------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["Re-run", "button", "Re-run all", "Re-run failed"])
async def test_each_way_to_ask_for_a_repetition_makes_one_copy(tmp_path: Path, way: str) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        match way:
            case "Re-run":
                w.github.click_rerun(check.id, "dev")
            case "button":
                w.github.click_action(check.id, "rerun", "dev")
            case "Re-run all":
                w.github.click_rerun_all(check.suite.id, "dev")
            case _:
                w.github.click_rerun_failed(check.suite.id, "dev")
        await until(lambda: len(w.checks("tekton / build")) == 2)
        (copy,) = [run for run in runs(w) if run["metadata"]["name"] != "first"]
        assert copy["spec"]["pipelineRef"] == {"name": "build"}
        await until(lambda: copy["metadata"]["name"] in summary(check))
        assert commands(product, "rerun") == {"done": 1}


async def test_re_run_all_repeats_the_newest_finished_run_of_each_check(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        for name, check in (("a-1", "a"), ("a-2", "a"), ("b-1", "b")):
            w.run_through(w.pipelinerun(name, annotations={"checkrail.dev/check-name": check}))
            await until(lambda: len([c for c in w.checks() if c.conclusion]) == len(runs(w)))
        w.step(w.pipelinerun("c-1", annotations={"checkrail.dev/check-name": "c"}), "Running")
        await until(lambda: w.check("c"))
        w.github.click_rerun_all(w.checks()[0].suite.id, "dev")
        await until(lambda: len(runs(w)) == 6)
        originals = [
            run["metadata"]["annotations"].get("checkrail.dev/rerun-of") for run in runs(w)
        ]
        assert sorted(filter(None, originals)) == ["a-2", "b-1"]


async def test_cancel_stops_the_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await running(w)
        w.github.click_action(check.id, "cancel", "dev")
        await until(lambda: runs(w)[0]["spec"].get("status") == "Cancelled")
        await until(lambda: "Cancelled, asked by **dev**" in summary(check))
        assert commands(product, "cancel") == {"done": 1}


async def test_reconcile_asks_flux_anew_with_every_click(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.release()
        check = await ended(w)

        def asked() -> str:
            notes = w.kube.get("HelmRelease", "dev", "shop")["metadata"]["annotations"]
            return str(notes.get("reconcile.fluxcd.io/requestedAt", ""))

        w.github.click_action(check.id, "reconcile", "dev")
        first = await until(asked)
        w.github.click_action(check.id, "reconcile", "dev")
        await until(lambda: asked() != first)
        await until(lambda: "Reconciliation requested" in summary(check))
        assert commands(product, "reconcile") == {"done": 2}


async def test_promote_names_its_pull_request_on_the_check(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.release(version="1.1.0")
        check = await ended(w)
        w.github.click_action(check.id, "promote", "dev")
        pulls = w.github.repository("acme/gitops").pulls
        await until(lambda: "/pull/" in summary(check))
        (pull,) = pulls.values()
        assert f"acme/gitops/pull/{pull.number}" in summary(check)
        assert commands(product, "promote") == {"done": 1}


async def test_a_click_that_is_delivered_twice_is_done_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.release()
        check = await ended(w)
        w.github.hooks.duplicate()
        w.github.click_action(check.id, "reconcile", "dev")
        await w.github.settled()
        await until(lambda: commands(product, "reconcile"))
        await worked_off(product)
        assert commands(product, "reconcile") == {"done": 1}


async def test_whoever_clicks_again_is_told_of_the_copy_that_there_is(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.github.set_role("acme/shop", "ann", "write")
        check = await finished(w)
        w.github.click_rerun(check.id, "dev")
        await until(lambda: "asked by **dev**" in summary(check))
        w.github.click_rerun(check.id, "ann")
        await until(lambda: "asked by **ann**" in summary(check))
        await worked_off(product)
        assert len(runs(w)) == 2
        (copy,) = [run["metadata"]["name"] for run in runs(w) if run["metadata"]["name"] != "first"]
        assert summary(check).count(f"Re-run as `{copy}`") == 2


async def test_clicks_that_arrive_in_the_wrong_order_do_no_harm(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await running(w)
        w.github.hooks.hold()
        w.github.click_action(check.id, "cancel", "dev")
        w.step(runs(w)[0], "Cancelled", "False")
        await until(lambda: check.conclusion == "cancelled")
        w.github.click_rerun(check.id, "dev")
        w.github.hooks.release(reverse=True)
        await until(lambda: len(runs(w)) == 2)
        await until(lambda: "it has finished already" in summary(check))
        await worked_off(product)
        assert [run["spec"].get("status") for run in runs(w)] == [None, None]


# -- who may ------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["eve", "zoe"])
async def test_who_may_not_write_sees_why_and_nothing_is_done(tmp_path: Path, login: str) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.github.create_user("zoe")
        check = await running(w)
        w.github.click_action(check.id, "cancel", login, forged=True)
        await until(lambda: "it needs write access to acme/shop" in summary(check))
        assert f"**{login}**: cannot cancel this" in summary(check)
        assert "status" not in runs(w)[0]["spec"]
        assert commands(product, "cancel") == {"refused": 1}


async def test_who_is_nobody_to_a_private_repository_has_no_permission(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        w.github.create_user("zoe")
        w.github.create_repository("acme/secret", private=True)
        commit = w.github.push("acme/secret", "main", {"a": "a"}, "A change", "ann")
        notes = {"checkrail.dev/repository": "acme/secret", "checkrail.dev/commit": commit}
        w.run_through(w.pipelinerun("first", annotations=notes))
        check = await ended(w)
        w.github.click_rerun(check.id, "zoe", forged=True)
        await until(lambda: "and you have none" in summary(check))
        assert len(runs(w)) == 1


async def test_a_login_that_github_does_not_know_has_no_permission(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        check = await finished(w)
        await send(w, "check_run", {**click(w, check), "sender": {"login": "../nobody"}})
        await until(lambda: "and you have none" in summary(check))
        assert len(runs(w)) == 1


# -- which run ----------------------------------------------------------------------------------


def click(w: World, check: CheckRun, **changes: Any) -> dict[str, Any]:
    """The few fields of a click on Re-run that count; `changes` are to its check run."""
    run = {
        "id": check.id,
        "head_sha": check.suite.head_sha,
        "external_id": check.external_id,
        "app": {"id": w.app.id},
    }
    return {
        "action": "rerequested",
        "check_run": {**run, **changes},
        "repository": {"full_name": "acme/shop"},
        "sender": {"login": "dev"},
    }


@dataclass(frozen=True)
class Foreign:
    """A click that is not about a run of ours."""

    check_run: dict[str, Any]
    repository: str = "acme/shop"
    action: str = "rerequested"


NOT_OURS = {
    "another App's check": Foreign({"app": {"id": 4_711}}),
    "no App": Foreign({"app": None}),
    "a check that we never made": Foreign({"external_id": "PipelineRun/ci/other/uid"}),
    "a check without an id of ours": Foreign({"external_id": ""}),
    "null for an id": Foreign({"external_id": None}),
    "another commit": Foreign({"head_sha": "f" * 40}),
    "another repository": Foreign({}, repository="acme/gitops"),
    "a repository that is none": Foreign({}, repository="../.."),
}


@pytest.mark.parametrize("name", NOT_OURS)
async def test_a_click_that_is_not_about_our_run_does_nothing(tmp_path: Path, name: str) -> None:
    foreign = NOT_OURS[name]
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        payload = click(w, check, **foreign.check_run)
        await send(w, "check_run", {**payload, "repository": {"full_name": foreign.repository}})
        await until(lambda: commands(product, "rerun"))
        await worked_off(product)
        assert len(runs(w)) == 1
        assert ">" not in summary(check)
        assert commands(product, "rerun").keys() <= {"not_ours", "failed"}


async def test_a_button_that_we_never_offer_is_pressed_in_vain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        w.github.click_action(check.id, "delete-all", "dev", forged=True)
        await until(lambda: "a button that is not ours" in caplog.text)
        await worked_off(product)
        assert len(runs(w)) == 1


async def test_an_object_that_took_over_the_name_is_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        check = await finished(w)
        w.kube.delete("PipelineRun", "ci", "first")
        w.step(w.pipelinerun("first"), "Running")
        await until(lambda: len(w.checks()) == 2)
        w.github.click_rerun(check.id, "dev")
        await until(lambda: "the PipelineRun first is no longer in the cluster" in summary(check))
        assert len(runs(w)) == 1


async def test_a_run_that_is_gone_cannot_be_repeated_and_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        w.kube.delete("PipelineRun", "ci", "first")
        w.github.click_rerun(check.id, "dev")
        await until(lambda: "is no longer in the cluster" in summary(check))
        assert commands(product, "rerun") == {"refused": 1}


# -- bad weather --------------------------------------------------------------------------------


async def test_a_click_waits_while_github_does_not_tell_the_permission(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(tune=hurried) as product:
        check = await finished(w)
        fault = w.github.faults.add("status", status=502, path="/collaborators/")
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(runs(w)) == 2)
        assert fault.hits == 1
        assert commands(product, "rerun") == {"done": 1}


async def test_a_click_waits_while_the_cluster_is_away(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(tune=hurried) as product:
        check = await finished(w)
        w.kube.faults.fail_next(code=503, verb="get", resource="pipelineruns")
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(runs(w)) == 2)
        assert commands(product, "rerun") == {"done": 1}


async def test_a_click_that_the_cluster_forbids_to_judge_is_answered_at_once(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        w.kube.deny("get", "pipelineruns")
        w.github.click_rerun(check.id, "dev")
        await until(lambda: "cannot re-run this" in summary(check))
        assert "403" in summary(check)
        assert commands(product, "rerun") == {"failed": 1}
        await worked_off(product)


async def test_a_write_that_the_cluster_forbids_is_parked_and_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        w.kube.deny("create", "pipelineruns")
        w.github.click_rerun(check.id, "dev")
        await until(lambda: "rerun failed" in summary(check))
        assert "checkrail rbac" in summary(check)
        (dead,) = await product.store.dead()
        assert dead.sink == "cluster"


@pytest.mark.parametrize("answers", [True, False])
async def test_a_click_of_the_day_before_is_given_up_and_answered_whatever_github_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answers: bool
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        if not answers:
            w.github.faults.add("status", status=503, times=100, path="/collaborators/")
        body = json.dumps(click(w, check)).encode()
        long_ago = datetime.now(UTC) - GIVE_UP - timedelta(hours=1)
        old = Delivery(guid="old", event="check_run", body=body, received=long_ago)
        await product.store.accept(old)
        await until(lambda: "cannot re-run this" in summary(check))
        assert "gave up on a delivery" in caplog.text
        await worked_off(product)
        assert len(runs(w)) == 1


async def test_a_click_that_found_us_dead_is_fetched_after_the_start(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.running():
            check = await finished(w)
        w.github.click_rerun(check.id, "dev")
        await w.github.settled()
        assert w.github.hooks.deliveries(w.app)[0].status_code >= 500
        async with w.running() as product:
            await until(lambda: len(w.checks("tekton / build")) == 2)
            assert commands(product, "rerun") == {"done": 1}
        async with w.running() as product:
            await until(lambda: product.running)
            await worked_off(product)
        assert len(runs(w)) == 2


async def test_that_the_app_was_installed_is_known_as_soon_as_github_says_so(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, installed=False) as w, w.running() as product:
        w.run_through(w.pipelinerun("early"))
        (dead,) = await until(product.store.dead)
        assert "is not installed on acme/shop" in dead.reason
        w.github.install(w.app, "acme")
        await w.github.settled()
        await until(lambda: w.github.hooks.deliveries(w.app)[0].status_code == 202)
        await worked_off(product)
        w.run_through(w.pipelinerun("late"))
        await until(lambda: w.check("tekton / build"))


# -- deliveries of a shape that GitHub never sent -----------------------------------------------

ODD: dict[str, tuple[str, dict[str, Any] | bytes]] = {
    "numbers for words": ("check_run", {"action": 7, "check_run": {"id": "x"}}),
    "no check run": ("check_run", {"action": "rerequested"}),
    "half a check run": ("check_run", {"action": "rerequested", "check_run": {"id": 1}}),
    "no sender": ("check_suite", {"action": "rerequested", "check_suite": {"head_sha": "a"}}),
    "no words at all": ("check_run", {}),
    "text that is no UTF-8": ("check_run", b'{"action": "\xff\xfe"}'),
    "an installation that is a number": ("installation", {"installation": 7}),
    "an event of the future": ("teleportation", {"action": "beamed"}),
    "a ping": ("ping", {"zen": "Keep it logically awesome."}),
}


@pytest.mark.parametrize("name", ODD)
async def test_a_delivery_of_another_shape_is_done_with_and_harms_nothing(
    tmp_path: Path, name: str
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        await send(w, *ODD[name])
        await worked_off(product)
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(runs(w)) == 2)
