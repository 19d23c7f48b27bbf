"""Checks that somebody changes with the App's key, end to end: they come to say the truth again.

What is compared is `tests/core/test_healed.py`; what the sinks do then is tested beside them.
"""

from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from ghapp.app import Checkrail
from ghapp.core.model import Repository
from ghapp.demo.github import CheckRun
from tests.e2e.test_providers import document
from tests.engine.test_inbox import worked_off
from tests.world import World, until, world


async def change(w: World, product: Checkrail, check: CheckRun, **body: Any) -> None:
    """Somebody with the App's key changes a check run."""
    assert product.inbox
    host = URL(w.github.base_url).host or ""
    shop = Repository(host=host, owner="acme", name="shop")
    path = f"{shop.api_path}/check-runs/{check.id}"
    await product.inbox.apps.home.request("PATCH", path, body, repository=shop)


def told_anew(product: Checkrail) -> float:
    return product.metrics.registry.get_sample_value("checkrail_healed_total") or 0


async def settled(w: World, product: Checkrail) -> None:
    """Everything that GitHub sent is worked off, and everything that was owed is told."""
    await w.github.settled()
    await worked_off(product)


async def test_a_verdict_that_was_changed_by_hand_is_told_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.run_through(w.pipelinerun(), "Failed")
        check = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
        await settled(w, product)
        assert told_anew(product) == 0
        await change(w, product, check, conclusion="success")
        assert check.conclusion == "success"
        await until(lambda: check.conclusion == "failure")
        await settled(w, product)
        assert told_anew(product) == 1
        assert w.checks() == [check]


async def test_a_check_that_was_completed_while_its_run_goes_on_gets_another_one(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        run = w.pipelinerun()
        w.step(run, "Running")
        first = await until(lambda: next((c for c in w.checks() if c.actions), None))
        await settled(w, product)
        await change(w, product, first, conclusion="success")
        second = await until(lambda: next((c for c in w.checks() if c is not first), None))
        assert (second.name, second.status) == (first.name, "in_progress")
        assert second.actions, "it has its buttons"
        w.run_through(run, "Failed")
        await until(lambda: second.conclusion == "failure")
        await settled(w, product)
        assert (told_anew(product), w.checks()) == (1, [first, second])


@pytest.mark.parametrize("going", [True, False])
async def test_the_check_that_sums_up_all_runs_is_told_again_too(
    tmp_path: Path, going: bool
) -> None:
    async with world(tmp_path) as w:
        config = document(tmp_path, "{type: githubAggregate}")
        async with w.running(config=config) as product:
            run = w.pipelinerun()
            if going:
                w.step(run, "Running")
            else:
                w.run_through(run, "Failed")
            wanted = "in_progress" if going else "completed"
            await until(lambda: [one for one in w.checks("checkrail") if one.status == wanted])
            await settled(w, product)
            (first,) = w.checks("checkrail")
            await change(w, product, first, conclusion="neutral")
            await until(lambda: w.checks("checkrail")[-1].conclusion != "neutral")
            assert len(w.checks("checkrail")) == (2 if going else 1)
            await settled(w, product)
            assert told_anew(product) == 1
