"""Moving over from a cluster: the stand-in's API, which is listed and nothing else."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from ghapp import moving
from ghapp.demo.kube import KubeApi
from ghapp.documents import reading
from ghapp.errors import CheckrailError
from ghapp.migrate._tool import Options
from tests.engine.kube_rig import served
from tests.migrate import rig


@dataclass
class Cluster:
    """A stand-in with the objects of the cases, and what was asked of it."""

    kube: KubeApi
    env: dict[str, str]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def add(self, case: str, *kinds: str) -> None:
        """Serves the kinds of a case, and creates its objects."""
        file = reading.parse((rig.CASES / case).read_bytes(), case)
        for document in file.documents:
            for value in document.value.get("items", [document.value]):
                if not kinds or value["kind"] in kinds:
                    self.create(value)

    def create(self, value: Any) -> None:
        group, _, version = value["apiVersion"].rpartition("/")
        one = next(
            one
            for tool in rig.TOOLS
            for one in tool.resources
            if (one.group, one.kind) == (group, value["kind"])
        )
        if self.kube.registry.of(value) is None:
            self.kube.serve(group, version, one.plural, one.kind)
        self.kube.create(value)


@contextlib.asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    asked: list[tuple[str, str]] = []

    @web.middleware
    async def heard(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked.append((request.method, request.path))
        return await handler(request)

    kube = KubeApi()
    kube.auto_namespaces = True
    root = web.Application(middlewares=[heard])
    root.add_subapp("/kube", kube.app())
    async with served(root) as url:
        config = folder / "kubeconfig"
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "clusters": [{"name": "c", "cluster": {"server": f"{url}/kube"}}],
                    "users": [{"name": "c", "user": {}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
                }
            )
        )
        yield Cluster(kube, {"KUBECONFIG": str(config)}, asked)


ALERT = {
    "kind": "Alert",
    "metadata": {"name": "a", "namespace": "apps"},
    "spec": {"eventSources": [{"kind": "HelmRelease", "name": "*"}]},
}


async def test_objects_of_a_cluster_become_what_they_become_from_files(tmp_path: Path) -> None:
    async with cluster(tmp_path) as one:
        one.add("pipelines_feedback.yaml")
        found = await moving.read_cluster(one.env, rig.TOOLS)
    live = moving.moved(found, rig.TOOLS, Options())
    files = moving.read_files([rig.CASES / "pipelines_feedback.yaml"], rig.TOOLS)
    assert rig.documents_of(live) == rig.documents_of(moving.moved(files, rig.TOOLS, Options()))
    assert "in the cluster" in live.text
    assert "secretsecret" not in live.text
    assert "written by the cluster" in live.text


async def test_what_is_in_a_file_and_in_the_cluster_is_one_object(tmp_path: Path) -> None:
    async with cluster(tmp_path) as one:
        one.add("pipelines_feedback.yaml")
        live = await moving.read_cluster(one.env, rig.TOOLS)
    found = moving.read_files([rig.CASES / "pipelines_feedback.yaml"], rig.TOOLS) + live
    assert len(moving.moved(found, rig.TOOLS, Options()).rows) == 2


async def test_a_cluster_is_only_read_and_no_secret_is_looked_at(tmp_path: Path) -> None:
    async with cluster(tmp_path) as one:
        for case in ("tekton_integration.yaml", "pipeline_controller.yaml", "kube_trigger.yaml"):
            one.add(case)
        one.asked.clear()
        found = await moving.read_cluster(one.env, rig.TOOLS)
    assert len(found.sources) == 11
    assert {method for method, _ in one.asked} == {"GET"}
    assert not any("secrets" in path for _, path in one.asked)


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2", "v1beta3"])
async def test_whatever_version_is_served_is_read(version: str, tmp_path: Path) -> None:
    async with cluster(tmp_path) as one:
        one.create({"apiVersion": f"notification.toolkit.fluxcd.io/{version}", **ALERT})
        found = await moving.read_cluster(one.env, rig.TOOLS)
    result = moving.moved(found, rig.TOOLS, Options())
    assert "Notification apps/a" in rig.documents_of(result)
    assert f"notification.toolkit.fluxcd.io/{version}" in result.text


async def test_many_objects_come_page_by_page_and_in_order(tmp_path: Path) -> None:
    async with cluster(tmp_path) as one:
        for number in range(1_001):
            metadata = {"name": f"r{number:04}", "namespace": f"n{number % 3}"}
            one.create(
                {
                    "apiVersion": "pipelinesascode.tekton.dev/v1alpha1",
                    "kind": "Repository",
                    "metadata": metadata,
                    "spec": {"url": "https://github.com/acme/shop"},
                }
            )
        found = await moving.read_cluster(one.env, rig.TOOLS)
        only = await moving.read_cluster(one.env, rig.TOOLS, namespace="n1")
    names = [(source.namespace, source.name) for source in found.sources]
    assert len(names) == 1_001
    assert names == sorted(names)
    assert {source.namespace for source in only.sources} == {"n1"}


async def test_a_cluster_without_any_of_the_tools_has_nothing(tmp_path: Path) -> None:
    async with cluster(tmp_path) as one:
        found = await moving.read_cluster(one.env, rig.TOOLS)
    assert found.sources == ()


async def test_what_may_not_be_listed_is_an_error_that_says_so(tmp_path: Path) -> None:
    async with cluster(tmp_path) as one:
        one.create({"apiVersion": "notification.toolkit.fluxcd.io/v1beta3", **ALERT})
        one.kube.deny("list", "alerts")
        with pytest.raises(CheckrailError, match="alerts"):
            await moving.read_cluster(one.env, rig.TOOLS)
