"""Declared providers: their sinks, Secrets, pauses and tallies.

That what is owed waits, and is given up with its provider, is in `tests/e2e/test_documents.py`.
"""

import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ghapp.core.effects import Effect
from ghapp.core.provider import Provider
from ghapp.demo.kube import KubeApi
from ghapp.engine.providers import Credentials, Providers
from ghapp.errors import ConfigError
from ghapp.ports import Outcome, Receipt, Sink, Slot, Store
from ghapp.store import open_store
from tests.engine import kube_rig
from tests.store.values import NOW, event, put, state


@dataclass
class Told:
    """A sink that remembers what it was made of."""

    provider: Provider
    credentials: Credentials

    def accepts(self, effect: Effect) -> bool:
        return True

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        return None


def make(provider: Provider, credentials: Credentials) -> Sink:
    if provider.settings.get("wrong"):
        raise ConfigError("spec.cdevents: it is wrong")
    return Told(provider, credentials)


def lacks(provider: Provider, credentials: Credentials) -> str:
    return "" if not provider.secret or "token" in credentials else "its Secret has no token"


@dataclass
class Rig:
    api: KubeApi
    store: Store
    providers: Providers
    now: datetime = NOW
    news: list[str] = field(default_factory=list)

    def secret(self, **data: str) -> None:
        coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        meta = {"name": "s", "namespace": "ci"}
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": coded}
        known = self.api.list("Secret", "ci")
        self.api.patch("Secret", "ci", "s", {"data": coded}) if known else self.api.create(document)

    def sink(self, name: str = "provider/ci/bus") -> Told:
        found = self.providers[name]
        assert isinstance(found, Told)
        return found

    def problem(self) -> str:
        return self.providers.places["provider/ci/bus"].problem


@contextlib.asynccontextmanager
async def rigged(folder: Path, **options: Any) -> AsyncIterator[Rig]:
    api = kube_rig.kube_api()
    store = await open_store(f"sqlite:///{folder / 'providers.db'}", now=NOW)
    async with kube_rig.served(api.app()) as url, kube_rig.client(url) as client:
        providers = Providers(
            built_in={"cluster": Told(bus(), {})},
            make=make,
            lacks=lacks,
            kube=client,
            secrets_namespace="checkrail",
            store=store,
            clock=lambda: rig.now,
            changed=lambda: rig.news.append("changed"),
            reread_every=0.01,
        )
        rig = Rig(api, store, providers)
        yield rig
    await store.close()


def bus(*, secret: str = "", suspend: bool = False, **settings: Any) -> Provider:
    return Provider(
        id="provider/ci/bus",
        kind="Provider",
        namespace="ci",
        name="bus",
        type="cdevents",
        settings=settings,
        secret=secret,
        suspend=suspend,
    )


async def test_a_declared_provider_is_a_sink_beside_the_built_in_ones(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.providers.declare([bus(url="http://a")])
        assert set(rig.providers) == {"cluster", "provider/ci/bus"}
        assert rig.sink().provider.settings == {"url": "http://a"}
        await rig.providers.declare([bus(url="http://b")])
        assert rig.sink().provider.settings == {"url": "http://b"}
        await rig.providers.declare([])
        assert set(rig.providers) == {"cluster"}


async def test_what_did_not_change_keeps_its_sink(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.providers.declare([bus()])
        before = rig.sink()
        await rig.providers.declare([bus()])
        assert rig.sink() is before


async def test_wrong_settings_keep_the_sink_of_the_last_good_ones(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.providers.declare([bus(url="http://a")])
        await rig.providers.declare([bus(wrong=True)])
        assert rig.sink().provider.settings == {"url": "http://a"}
        assert rig.problem() == "spec.cdevents: it is wrong"


async def test_wrong_from_the_start_is_no_sink(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.providers.declare([bus(wrong=True)])
        assert "provider/ci/bus" not in rig.providers
        assert set(rig.providers) == {"cluster"}
        assert len(rig.providers) == 1


async def test_it_waits_for_its_secret_and_for_the_key_in_it(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.providers.declare([bus(secret="s")])
        assert rig.problem() == "there is no Secret ci/s"
        assert rig.providers.paused("provider/ci/bus")
        rig.secret(other="x")
        place = rig.providers.places["provider/ci/bus"]
        await rig.providers._reread(place)
        assert rig.problem() == "its Secret has no token"
        rig.secret(token="hidden")
        await rig.providers._reread(place)
        assert not rig.providers.paused("provider/ci/bus")
        assert rig.sink().credentials["token"].reveal() == "hidden"
        assert "hidden" not in repr(place)
        assert rig.news == ["changed", "changed"]


async def test_a_secret_that_cannot_be_read_now_leaves_what_was_read(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.secret(token="one")
        await rig.providers.declare([bus(secret="s")])
        before = rig.sink()
        rig.api.faults.fail_next(code=500, resource="secrets")
        await rig.providers._reread(rig.providers.places["provider/ci/bus"])
        assert rig.sink() is before
        assert not rig.providers.paused("provider/ci/bus")


async def test_a_suspended_provider_is_paused(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.providers.declare([bus(suspend=True)])
        assert rig.providers.paused("provider/ci/bus")
        assert not rig.providers.paused("cluster")


async def test_only_news_is_news(tmp_path: Path) -> None:
    """A status is not written for each delivery."""
    async with rigged(tmp_path) as rig:
        await rig.providers.declare([bus()])
        for result in ("done", "done", "done", "again", "again", "done", "parked"):
            rig.now += timedelta(seconds=1)
            rig.providers.heard(Outcome(sink="provider/ci/bus", result=result, reason="503"))
        tally = rig.providers.places["provider/ci/bus"].tally
        assert (tally.delivered, tally.parked, tally.failing) == (4, 1, True)
        assert len(rig.news) == 4  # the first success, the failure, the recovery, what was given up
        rig.providers.heard(Outcome(sink="cluster", result="done"))
        assert len(rig.news) == 4


@pytest.mark.parametrize("left", [True, False])
async def test_what_waits_for_nobody_is_given_up(tmp_path: Path, left: bool) -> None:
    async with rigged(tmp_path) as rig:
        await put(rig.store, event(1), sink="provider/ci/bus")
        await put(rig.store, state(1), sink="cluster")
        await rig.providers.declare([bus()] if left else [])
        await rig.providers.give_up_orphans()
        dead = await rig.store.dead()
        assert [row.sink for row in dead] == ([] if left else ["provider/ci/bus"])
        assert (await rig.store.backlog()).pending.get("cluster") == 1
