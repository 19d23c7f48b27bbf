"""Several clusters, with real sockets: each is watched, and none holds up another.

Which clusters a folder names is tested in `tests/test_kubeconfigs.py`; one cluster in bad weather,
in `tests/engine/test_kube_follow.py`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer, unused_port

from ghapp.app import Checkrail
from ghapp.demo.github import CheckRun
from ghapp.demo.kube import KubeApi
from ghapp.demo.kube.access import Access
from ghapp.doctor import examine
from ghapp.engine.kube_follow import Pace
from tests.world import World, until, world

TOKEN = "the other cluster's token"


@dataclass
class Cluster:
    """Another cluster: its objects outlive its API server, which can be down."""

    kube: KubeApi
    port: int = field(default_factory=unused_port)
    server: TestServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def up(self, port: int = 0) -> None:
        self.port = port or self.port
        self.server = TestServer(self.kube.app(), port=self.port)
        await self.server.start_server(shutdown_timeout=0.05)

    async def down(self) -> None:
        if self.server is not None:
            await self.server.close()
        self.server = None

    def mount(self, folder: Path, name: str, *, key: str = "value", token: str = TOKEN) -> Path:
        """Its kubeconfig, as a Secret is mounted."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / key).write_text(json.dumps(config))
        return folder / name / key


@contextlib.asynccontextmanager
async def cluster(*, up: bool = True, token: str = TOKEN) -> AsyncIterator[Cluster]:
    kube = KubeApi(token=token)
    kube.serve("tekton.dev", "v1", "pipelineruns", "PipelineRun")
    kube.serve("tekton.dev", "v1", "taskruns", "TaskRun")
    other = Cluster(kube)
    if up:
        await other.up()
    try:
        yield other
    finally:
        await other.down()


def hurried(product: Checkrail) -> None:
    """Looks at the folder, and tries again, twenty times a second; lists are waited for."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0.05 if seconds < 60 else seconds)

    assert product.fleet is not None
    product.fleet.pace = Pace(missing_interval=1, sleep=sleep, jitter=lambda: 0.0)


def folder(w: World) -> Path:
    clusters = w.folder / "clusters"
    clusters.mkdir(exist_ok=True)
    return clusters


@contextlib.contextmanager
def inside(w: World, other: Cluster) -> Iterator[World]:
    """What happens now happens in the other cluster."""
    at_home, w.kube = w.kube, other.kube
    try:
        yield w
    finally:
        w.kube = at_home


def start(w: World, other: Cluster, name: str = "build-1") -> dict[str, Any]:
    with inside(w, other):
        return w.pipelinerun(name)


def finish(w: World, other: Cluster, run: dict[str, Any], reason: str = "Succeeded") -> None:
    with inside(w, other):
        w.run_through(run, reason)


async def completed(w: World, name: str) -> CheckRun:
    check = await until(lambda: w.check(name))
    await until(lambda: check.conclusion)
    assert isinstance(check, CheckRun)
    return check


def is_up(product: Checkrail, name: str) -> float | None:
    return product.metrics.registry.get_sample_value("checkrail_cluster_up", {"cluster": name})


async def test_runs_of_all_clusters_become_checks_under_their_clusters_name(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, cluster() as prod, cluster() as stage:
        prod.mount(folder(w), "prod")
        stage.mount(folder(w), "stage", key="kubeconfig")
        async with w.running(clusters=folder(w), tune=hurried) as product:
            w.run_through(w.pipelinerun("build-1"))
            finish(w, prod, start(w, prod), "Failed")
            finish(w, stage, start(w, stage))
            names = ["tekton / build", "prod / tekton / build", "stage / tekton / build"]
            found = [await completed(w, name) for name in names]
            await until(lambda: len(w.consumer.events) == 9)
        assert [check.conclusion for check in found] == ["success", "failure", "success"]
        sources = {event["context"]["source"] for event in w.consumer.events}
        assert sources == {"/clusters/default", "/clusters/prod", "/clusters/stage"}
        assert len({event["context"]["id"] for event in w.consumer.events}) == 9
        assert len(w.checks()) == 3
        assert is_up(product, "default") == 1


async def test_one_uid_in_two_clusters_is_two_runs(tmp_path: Path) -> None:
    """A cluster restored from another's backup has its uids, too."""
    async with world(tmp_path) as w, cluster() as prod:
        prod.mount(folder(w), "prod")
        async with w.running(clusters=folder(w), tune=hurried):
            run = w.pipelinerun("build-1")
            prod.kube.replay("ADDED", run)
            finish(w, prod, run, "Failed")
            w.run_through(run)
            home = await completed(w, "tekton / build")
            there = await completed(w, "prod / tekton / build")
        assert (home.conclusion, there.conclusion) == ("success", "failure")


async def test_a_cluster_that_is_down_from_the_start_holds_up_nobody_and_joins_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w, cluster(up=False) as prod, cluster() as stage:
        prod.mount(folder(w), "prod")
        stage.mount(folder(w), "stage")
        run = start(w, prod)
        with caplog.at_level(logging.WARNING):
            async with w.running(clusters=folder(w), tune=hurried) as product:
                w.run_through(w.pipelinerun())
                finish(w, stage, start(w, stage))
                await completed(w, "tekton / build")
                await completed(w, "stage / tekton / build")
                await until(lambda: is_up(product, "stage") == 1)
                assert (is_up(product, "prod"), is_up(product, "default")) == (0, 1)
                finish(w, prod, run)
                await prod.up()
                check = await completed(w, "prod / tekton / build")
                await until(lambda: is_up(product, "prod") == 1)
        assert check.conclusion == "success"


async def test_a_cluster_that_goes_down_in_between_is_caught_up_with(tmp_path: Path) -> None:
    async with world(tmp_path) as w, cluster() as prod:
        prod.mount(folder(w), "prod")
        async with w.running(clusters=folder(w), tune=hurried) as product:
            run = start(w, prod)
            await until(lambda: w.check("prod / tekton / build"))
            await prod.down()
            await until(lambda: is_up(product, "prod") == 0)
            finish(w, prod, run)
            w.run_through(w.pipelinerun())
            await completed(w, "tekton / build")
            await prod.up()
            check = await completed(w, "prod / tekton / build")
        assert check.conclusion == "success"
        assert len(w.checks()) == 2


async def test_wrong_credentials_keep_only_their_cluster_out_until_they_are_mended(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, cluster() as prod:
        prod.mount(folder(w), "prod", token="expired")
        finish(w, prod, start(w, prod))
        async with w.running(clusters=folder(w), tune=hurried) as product:
            w.run_through(w.pipelinerun())
            await completed(w, "tekton / build")
            await until(lambda: is_up(product, "prod") == 0)
            prod.mount(folder(w), "prod")
            await completed(w, "prod / tekton / build")
            assert is_up(product, "prod") == 1


async def test_a_kubeconfig_of_no_use_keeps_only_its_cluster_out_until_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w, cluster() as prod:
        file = prod.mount(folder(w), "prod")
        mended = file.read_text()
        file.write_text("{not: [a kubeconfig")
        finish(w, prod, start(w, prod))
        with caplog.at_level(logging.WARNING):
            async with w.running(clusters=folder(w), tune=hurried):
                w.run_through(w.pipelinerun())
                await completed(w, "tekton / build")
                await until(lambda: "cannot be logged in to" in caplog.text)
                file.write_text(mended)
                await completed(w, "prod / tekton / build")


async def test_clusters_come_and_go_while_it_runs(tmp_path: Path) -> None:
    async with (
        world(tmp_path) as w,
        cluster() as prod,
        w.running(clusters=folder(w), tune=hurried) as product,
    ):
        file = prod.mount(folder(w), "prod")
        run = start(w, prod)
        check = await until(lambda: w.check("prod / tekton / build"))
        await until(lambda: is_up(product, "prod") == 1)
        file.unlink()
        file.parent.rmdir()
        await until(lambda: is_up(product, "prod") is None)
        assert product.fleet is not None
        assert list(product.fleet.clusters) == ["default"]
        finish(w, prod, run)
        w.run_through(w.pipelinerun())
        await completed(w, "tekton / build")
        assert check.conclusion is None, "an open run of it stays as it is"
        prod.mount(folder(w), "prod")
        await until(lambda: check.conclusion == "success")


async def test_a_cluster_that_moves_is_followed_to_its_new_address(tmp_path: Path) -> None:
    async with world(tmp_path) as w, cluster() as prod:
        prod.mount(folder(w), "prod")
        async with w.running(clusters=folder(w), tune=hurried):
            run = start(w, prod)
            check = await until(lambda: w.check("prod / tekton / build"))
            await prod.down()
            await prod.up(unused_port())
            prod.mount(folder(w), "prod")
            finish(w, prod, run)
            await until(lambda: check.conclusion == "success")


async def test_new_credentials_are_taken_without_a_new_list(tmp_path: Path) -> None:
    async with world(tmp_path) as w, cluster() as prod:
        prod.mount(folder(w), "prod")
        async with w.running(clusters=folder(w), tune=hurried):
            run = start(w, prod)
            check = await until(lambda: w.check("prod / tekton / build"))
            lists = prod.kube.requests["list", "pipelineruns"]
            prod.kube.access = Access("rotated")
            prod.mount(folder(w), "prod", token="rotated")
            prod.kube.close_watches()
            finish(w, prod, run, "Failed")
            await until(lambda: check.conclusion == "failure")
            w.github.click_rerun(check.id, "dev")
            await until(lambda: len(prod.kube.list("PipelineRun", "ci")) == 2)
            assert prod.kube.requests["list", "pipelineruns"] == lists


async def test_a_click_acts_in_the_cluster_of_its_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w, cluster() as prod, cluster() as stage:
        for name, other in (("prod", prod), ("stage", stage)):
            other.mount(folder(w), name)
        async with w.running(clusters=folder(w), tune=hurried):
            w.run_through(w.pipelinerun("build-1"), "Failed")
            for other in (prod, stage):
                finish(w, other, start(w, other), "Failed")
            names = ("tekton / build", "prod / tekton / build", "stage / tekton / build")
            checks = [await completed(w, name) for name in names]
            w.github.click_rerun(checks[1].id, "dev")
            await until(lambda: len(prod.kube.list("PipelineRun", "ci")) == 2)
            await until(lambda: len(w.checks("prod / tekton / build")) == 2)
        assert len(w.kube.list("PipelineRun", "ci")) == 1
        assert len(stage.kube.list("PipelineRun", "ci")) == 1


async def test_a_process_that_only_serves_clicks_acts_in_all_clusters(tmp_path: Path) -> None:
    async with world(tmp_path) as w, cluster() as prod:
        prod.mount(folder(w), "prod")
        async with w.running(clusters=folder(w), tune=hurried):
            finish(w, prod, start(w, prod), "Failed")
            check = await completed(w, "prod / tekton / build")
        async with w.running(clusters=folder(w), tune=hurried, role="app") as product:
            w.github.click_rerun(check.id, "dev")
            await until(lambda: len(prod.kube.list("PipelineRun", "ci")) == 2)
            assert is_up(product, "prod") is None, "who does not watch does not know"


async def test_the_doctor_asks_every_cluster(tmp_path: Path) -> None:
    async with world(tmp_path) as w, cluster() as prod:
        prod.mount(folder(w), "prod")
        (folder(w) / "bad.kubeconfig").write_text("{}")
        found = [finding async for finding in examine(w.settings(clusters=folder(w)))]

    def of(name: str) -> str:
        return "\n".join(finding.what for finding in found if finding.about == f"cluster {name}")

    assert "PipelineRuns are served" in of("prod")
    assert "bad.kubeconfig" in of("bad")
