"""The product as a whole: what each role does, what works without the rest, how it begins and ends.

Each part is tested beside its module; how the process stops is tests/test_cli.
"""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec import Struct

from ghapp.app import Checkrail
from ghapp.core.effects import Effect
from ghapp.core.model import Verb
from ghapp.core.source import Resource
from ghapp.discovery import adapters
from ghapp.documents import config
from ghapp.errors import ConfigError
from ghapp.plugs import build_sink, plans_of
from ghapp.ports import SinkType, Slot
from ghapp.secret import Secret
from ghapp.store import Unavailable, open_store
from tests.store.values import NOW
from tests.world import World, until, world

# -- roles --------------------------------------------------------------------------------------


async def status(w: World, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(w.url + path) as answer:
        return answer.status


async def test_the_controller_watches_and_leaves_webhooks_and_delivery_to_others(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running(role="controller") as product:
        assert await status(w, "/github/webhook") == 404
        assert product.inbox is None
        w.run_through(w.pipelinerun())
        await until(lambda: three_wait(product))
        assert w.checks() == []


async def three_wait(product: Checkrail) -> bool:
    return await pending_of(product, "cdevents") == 3


async def pending_of(product: Checkrail, sink: str) -> int:
    return (await product.store.backlog()).pending.get(sink, 0)


async def test_how_much_may_still_be_asked_of_github_is_shown(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        w.run_through(w.pipelinerun())
        await until(lambda: w.checks() and w.checks()[0].conclusion)
        (number,) = w.github.world.installations
        async with aiohttp.ClientSession() as session, session.get(f"{w.url}/metrics") as answer:
            page = await answer.text()
    for installation in ("app", number):
        label = f'{{installation="{installation}"}}'
        assert f"checkrail_github_rate_limit{label} 15000.0" in page
        assert f"checkrail_github_rate_remaining{label} 149" in page
        assert f"checkrail_github_budget_seconds{label}" in page
    assert 'checkrail_github_waits_total{reason="kept"} 0.0' in page


async def test_the_app_takes_webhooks_and_delivers_and_does_not_watch(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.running(role="controller") as product:
            w.run_through(w.pipelinerun(), "Failed")
            await until(lambda: pending_of(product, "cdevents"))
        lists = w.kube.requests["list", "pipelineruns"]
        async with w.running(role="app") as product:
            assert product.watch is None
            assert await status(w, "/github/webhook") == 401
            check = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
            await until(lambda: len(w.consumer.events) == 3)
            w.github.click_rerun(check.id, "dev")
            await until(lambda: len(w.kube.list("PipelineRun", "ci")) == 2)
        assert w.kube.requests["list", "pipelineruns"] == lists


async def test_without_an_app_events_are_sent_and_no_checks_are_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w, w.running(github=None):
        w.run_through(w.pipelinerun())
        await until(lambda: len(w.consumer.events) == 3)
        assert await status(w, "/github/webhook") == 404
        assert w.checks() == []
        assert "no GitHub App is set" in caplog.text


async def test_without_a_consumer_checks_are_made_and_no_events_are_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(cdevents_sink="") as product:
        w.run_through(w.pipelinerun())
        await until(lambda: w.checks() and w.checks()[0].conclusion)
        assert await pending_of(product, "cdevents") == 0
        assert w.consumer.received == []


async def test_the_clusters_name_stands_in_front_of_its_checks(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(cluster="east"):
        w.pipelinerun()
        await until(lambda: w.check("east / tekton / build"))
        event = await until(lambda: next(iter(w.consumer.events), None))
        assert "east" in event["context"]["source"]


# -- beginning and end --------------------------------------------------------------------------


async def test_what_cannot_be_built_lets_go_of_the_store(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        settings = w.settings()
        assert settings.github
        wrong = replace(settings.github, private_key=Secret("-----BEGIN PRIVATE KEY-----"))
        with pytest.raises(ConfigError, match="CHECKRAIL_GITHUB_PRIVATE_KEY"):
            await Checkrail.open(replace(settings, github=wrong))
        async with w.running():
            w.pipelinerun()
            await until(w.checks)


async def test_a_store_that_was_given_is_not_closed_when_building_fails(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        settings = replace(w.settings(), environ={"KUBECONFIG": str(tmp_path / "nowhere")})
        store = await open_store(settings.store, now=NOW)
        with pytest.raises(ConfigError, match="KUBECONFIG"):
            await Checkrail.build(settings, config.load(settings.config), store)
        assert await store.dead() == []
        await store.close()


async def test_deliveries_under_way_end_before_the_store_is_closed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.running() as product:
            slow = w.github.faults.add("slow", seconds=0.3, method="POST", path=r"/check-runs$")
            w.pipelinerun()
            await until(lambda: slow.hits)
        (check,) = w.checks()
        with pytest.raises(Unavailable):
            await product.store.backlog()
        async with w.running() as product:
            await until(lambda: product.running)
            assert await pending_of(product, "github-check") == 0
        assert w.checks() == [check]


class Broken:
    """A client with a defect."""

    async def served(self, resource: Resource) -> bool:
        raise ZeroDivisionError("a defect of ours")

    async def page(self, resource: Resource, namespace: str, **_: Any) -> Any:
        raise ZeroDivisionError("a defect of ours")

    def watch(self, resource: Resource, namespace: str, version: str, **_: Any) -> Any:
        raise ZeroDivisionError("a defect of ours")


async def test_when_one_loop_ends_unexpectedly_the_whole_ends_and_says_why(tmp_path: Path) -> None:
    """Half a product that looks alive would be worse than one that is started again."""
    async with world(tmp_path) as w:
        product = await Checkrail.open(w.settings())
        assert product.watch
        product.watch.api = Broken()
        with pytest.raises(ExceptionGroup) as ended:
            await asyncio.wait_for(product.run(), 10)
        assert ended.group_contains(ZeroDivisionError, match="a defect of ours")
        assert not product.running
        await product.close()


# -- putting together ---------------------------------------------------------------------------


class Options(Struct, frozen=True, kw_only=True):
    room: str


@dataclass
class Room:
    """A sink that needs some of what there is."""

    settings: Options
    http: object
    spare: str = "untouched"

    def accepts(self, effect: Effect) -> bool:
        return False

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> None:
        raise AssertionError(key)


def test_a_sink_is_given_its_settings_and_the_ports_that_it_names() -> None:
    http = object()
    ports: dict[str, Any] = {"http": http, "github": object()}
    sink = build_sink(SinkType("room", Options, Room), {"room": "ops"}, ports)
    assert isinstance(sink, Room)
    assert (sink.settings.room, sink.http, sink.spare) == ("ops", http, "untouched")


def test_what_can_be_done_to_a_run_is_what_its_source_can_do() -> None:
    plans = {adapter.resource.kind: set(plans_of(adapter)) for adapter in adapters()}
    assert plans["PipelineRun"] == {Verb.RERUN, Verb.RERUN_FAILED, Verb.CANCEL}
    assert Verb.RECONCILE in plans["HelmRelease"]
