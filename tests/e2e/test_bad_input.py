"""What cannot be mended by trying again: a clear reason in the log, in /metrics and in `dead`.

An unreadable key and other wrong settings never get this far: tests/test_cli. What each refusal of
GitHub means is tests/github.
"""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from ghapp.app import Checkrail
from ghapp.engine.kube_follow import Pace
from tests.engine.test_reconcile import nap
from tests.process import process
from tests.test_cli import checkrail
from tests.world import World, until, world


async def measured(w: World, name: str, **labels: str) -> float:
    """A sample of /metrics."""
    async with aiohttp.ClientSession() as session, session.get(f"{w.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    found = [
        line for line in lines if line.startswith(name) and all(part in line for part in wanted)
    ]
    return sum(float(line.rpartition(" ")[2]) for line in found)


async def reasons(product: Checkrail) -> list[str]:
    return [dead.reason for dead in await product.store.dead()]


async def goes_on(w: World) -> None:
    """Nothing of it keeps the rest from working: events are still sent."""
    run = w.pipelinerun()
    w.run_through(run)
    name = f"/{run['metadata']['name']}/"
    await until(lambda: [name in e["subject"]["id"] for e in w.consumer.events].count(True) == 3)


async def test_an_app_that_is_not_installed_is_told_with_where_to_install_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, installed=False) as w, w.running() as product:
        w.run_through(w.pipelinerun())
        (reason,) = set(await until(lambda: reasons(product)))
        assert "the App checkrail is not installed on acme/shop" in reason
        assert "/installations/new" in reason
        assert await measured(w, "checkrail_outbox_parked", sink="github-check") > 0
        assert "effect parked" in caplog.text
        await goes_on(w)


async def test_a_repository_without_access_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, installed=False) as w:
        w.github.create_repository("acme/other")
        w.github.install(w.app, "acme", ["acme/other"])
        async with w.running() as product:
            w.run_through(w.pipelinerun())
            (reason,) = set(await until(lambda: reasons(product)))
            assert "is not installed on acme/shop" in reason
            assert "effect parked" in caplog.text
            await goes_on(w)
            notes = {"checkrail.dev/repository": "acme/other", "checkrail.dev/commit": other(w)}
            w.run_through(w.pipelinerun(annotations=notes))
            await until(lambda: w.checks() and w.checks()[0].conclusion)


def other(w: World) -> str:
    return w.github.repository("acme/other").git.refs["refs/heads/main"]


async def test_a_repository_or_commit_that_does_not_exist_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.run_through(w.pipelinerun(commit="f" * 40))
        (reason,) = set(await until(lambda: reasons(product)))
        assert "commit" in reason
        assert "f" * 40 in reason
        notes = {"checkrail.dev/repository": "acme/nowhere"}
        w.run_through(w.pipelinerun(annotations=notes))
        await until(lambda: any_about(product, "acme/nowhere"))
        await goes_on(w)


async def any_about(product: Checkrail, word: str) -> bool:
    return any(word in reason for reason in await reasons(product))


async def test_permissions_that_were_not_granted_are_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        (installation,) = w.github.world.installations.values()
        installation.permissions = {"metadata": "read"}
        async with w.running() as product:
            w.run_through(w.pipelinerun())
            (reason,) = set(await until(lambda: reasons(product)))
            assert "the App lacks" in reason
            assert "checks:write" in reason
            assert f"accept it at {w.github.world.web_url}/organizations/acme/settings" in reason
            await goes_on(w)


async def test_a_github_that_never_accepts_us_is_told_and_nothing_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        w.github.faults.add("status", status=401, times=1_000_000)
        async with w.running() as product:
            w.run_through(w.pipelinerun())
            await until(lambda: "does not accept App" in logged(caplog))
            assert "CHECKRAIL_GITHUB_APP_ID and the private key" in logged(caplog)
            requests = "checkrail_github_requests_total"
            assert await measured(w, requests, status="401") > 0
            await until(lambda: waiting(w))
            assert await reasons(product) == []
            await goes_on(w)
            asked = await measured(w, requests, status="401")
            assert asked < 50, "it is not asked again and again"


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All fields of all lines."""
    return "\n".join(str(vars(one).get("checkrail_fields", "")) for one in caplog.records)


async def waiting(w: World) -> bool:
    return await measured(w, "checkrail_outbox_pending", sink="github-check") > 0


async def test_a_wrong_app_id_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w, process(w, CHECKRAIL_GITHUB_APP_ID="4711") as product:
        w.pipelinerun()

        def said() -> str:
            return json.dumps(product.log)

        await until(lambda: "GitHub does not accept App 4711" in said())
        assert product.inner.returncode is None


async def test_a_consumer_of_events_that_is_gone_for_good_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.consumer.status = 410
        w.run_through(w.pipelinerun())
        await until(lambda: any_about(product, "410"))
        await until(lambda: w.checks() and w.checks()[0].conclusion)
        assert await measured(w, "checkrail_outbox_parked", sink="cdevents") > 0


async def test_what_is_parked_is_shown_by_the_command(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w:
        async with w.running() as product:
            w.pipelinerun()
            await until(lambda: reasons(product))
        url = w.settings().store
        said = await asyncio.to_thread(
            lambda: checkrail("dead", "list", "-o", "json", CHECKRAIL_STORE=url)
        )
        (row,) = said.objects
        assert (row["sink"], row["effect"]) == ("github-check", "SetCheck")
        assert "is not installed on acme/shop" in row["reason"]


async def test_a_cluster_that_does_not_let_us_in_is_told_and_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        for verb in ("list", "watch", "get"):
            w.kube.deny(verb, "*")
        async with w.running(tune=hurried) as product:
            await until(lambda: "not allowed to follow a resource" in caplog.text)
            assert "checkrail rbac" in logged(caplog)
            for verb in ("list", "watch", "get"):
                w.kube.allow(verb, "*")
            w.run_through(w.pipelinerun())
            await until(lambda: w.checks() and w.checks()[0].conclusion)
            assert product.running


def hurried(product: Checkrail) -> None:
    assert product.watch
    product.watch.pace = Pace(sleep=nap)
