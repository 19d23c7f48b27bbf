"""Upkeep: what was missed is fetched, what is long done is forgotten, and failing ends nothing.

Which deliveries count as missed is tests/github/test_deliveries; what is forgotten, tests/store.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ghapp.app import Checkrail
from ghapp.demo.github import CheckRun
from ghapp.engine.upkeep import KEEP
from ghapp.github.deliveries import AT_ONCE
from ghapp.http import utc_now
from tests.world import World, until, world


def often(product: Checkrail) -> None:
    product.upkeep.sweep_every = 0.05


async def test_what_github_could_not_deliver_is_fetched_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with world(tmp_path) as w, w.running(tune=often) as product:
        await until(lambda: "fetched a missed webhook" in caplog.text)
        check = await failed(w)
        w.github.hooks.drop()
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(w.kube.list("PipelineRun", "ci")) == 2)
        sweeps = requests(product)
        await until(lambda: requests(product) > sweeps + 3)
        assert len(w.kube.list("PipelineRun", "ci")) == 2


async def failed(w: World) -> CheckRun:
    """The check of a run that failed."""
    w.run_through(w.pipelinerun("first"), "Failed")
    check: CheckRun = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
    return check


def requests(product: Checkrail) -> float:
    """How often the list of deliveries was read."""
    labels = {"method": "GET", "route": "/app/hook/deliveries", "status": "200"}
    registry = product.metrics.registry
    return registry.get_sample_value("checkrail_github_requests_total", labels) or 0


async def test_a_sweep_that_fails_is_followed_by_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        fault = w.github.faults.add("status", status=503, times=3, path="/app/hook/deliveries")
        async with w.running(tune=often) as product:
            await until(lambda: fault.hits == 3 and requests(product))
            assert "upkeep failed, trying again later" in caplog.text


async def test_after_a_long_outage_all_that_was_missed_is_fetched_in_one_sweep(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        for number in range(2 * AT_ONCE + 5):
            w.github.hooks.drop(1)
            w.github.hooks.send(w.app, "star", {"number": number})
        await w.github.settled()
        async with w.running() as product:
            await until(lambda: fetched(product) >= 2 * AT_ONCE + 5)
            await until(partial(nothing_is_missed, product))


async def nothing_is_missed(product: Checkrail) -> bool:
    return await product.upkeep.sweep() == 0


def fetched(product: Checkrail) -> float:
    """How many deliveries were read."""
    labels = {"method": "GET", "route": "/app/hook/deliveries/{id}", "status": "200"}
    registry = product.metrics.registry
    return registry.get_sample_value("checkrail_github_requests_total", labels) or 0


ODD = [{"id": 1, "guid": "g", "delivered_at": "2026-11-21T09:00:00", "status": "?", "event": "e"}]
"""A time without a zone cannot be compared with others."""


async def test_a_list_that_nobody_understands_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @web.middleware
    async def oddly(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("/app/hook/deliveries"):
            return web.json_response(ODD)
        answer: web.StreamResponse = await handler(request)
        return answer

    async with world(tmp_path, middlewares=[oddly]) as w, w.running(tune=often) as product:
        await until(lambda: requests(product) > 2)
        assert "upkeep failed unexpectedly" in caplog.text
        await failed(w)


@dataclass
class Calendar:
    """Wall time, some days on."""

    passed: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return utc_now() + self.passed


async def test_what_is_done_is_forgotten_after_a_while(tmp_path: Path) -> None:
    calendar = Calendar()
    async with world(tmp_path) as w, w.running(clock=calendar) as product:
        await failed(w)
        await until(lambda: len(w.consumer.events) == 3)
        subject = w.checks()[0].external_id
        assert subject
        assert await product.store.by_external_id(subject)
        calendar.passed = KEEP + timedelta(days=1)
        assert await product.upkeep.prune() > 0
        assert await product.store.by_external_id(subject) is None


async def test_what_was_forgotten_is_not_told_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.running():
            await failed(w)
            await until(lambda: len(w.consumer.events) == 3)
        async with w.running(clock=Calendar(timedelta(days=15))) as product:
            await product.upkeep.prune()
            await until(lambda: product.watch and product.watch.sources[0].listed.is_set())
            await until(lambda: looks(product, "PipelineRun"))
        assert len(w.checks()) == 1
        assert len(w.consumer.received) == 3


def looks(product: Checkrail, kind: str) -> float:
    registry = product.metrics.registry
    results = ("told", "unchanged", "skipped")
    labels = [{"kind": kind, "result": result} for result in results]
    name = "checkrail_looks_total"
    return sum(registry.get_sample_value(name, one) or 0 for one in labels)


async def test_without_an_app_there_is_nothing_to_fetch(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(github=None) as product:
        assert await product.upkeep.sweep() == 0


async def test_the_check_of_a_run_that_never_ends_is_closed_and_gets_its_verdict_after_all(
    tmp_path: Path,
) -> None:
    ahead = timedelta()

    def clock() -> datetime:
        return utc_now() + ahead

    def hourly(product: Checkrail) -> None:
        product.upkeep.overdue_every = 0.05

    async with world(tmp_path) as w, w.running(tune=hourly, clock=clock):
        run = w.pipelinerun()
        w.step(run, "Running")
        check = await until(lambda: w.check("tekton / build"))
        ahead = timedelta(days=13, hours=1)
        await until(lambda: check.conclusion == "timed_out")
        w.step(run, "Succeeded", "True")
        await until(lambda: check.conclusion == "success")
        assert w.checks() == [check]
