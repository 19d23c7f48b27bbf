"""A small world on loopback: a Kubernetes API, a GitHub, a CDEvents consumer, and the product.

The far sides outlive the product, which can be started, killed and started again on the same
store. What happened is asserted on the far sides, never on calls.
"""

import asyncio
import contextlib
import inspect
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from ghapp.app import Checkrail
from ghapp.demo.github import App, CheckRun, GitHub
from ghapp.demo.github.apps import new_private_key
from ghapp.demo.kube import KubeApi
from ghapp.http import utc_now
from ghapp.ports import Clock
from ghapp.secret import Secret
from ghapp.serve import application, runner_of
from ghapp.settings import GitHubSettings, Settings
from tests import github_contract

TOKEN = "kube-token"
QUICKLY = 0.005
"""Seconds until documents count: each start waits for it twice, and here nobody applies folders."""
SECRETS = ("current webhook secret", "previous webhook secret")
PERMISSIONS = {
    "checks": "write",
    "contents": "write",
    "pull_requests": "write",
    "issues": "read",
    "members": "read",
    "metadata": "read",
}
EVENTS = ("issue_comment", "pull_request", "repository")

PIPELINE = """
apiVersion: checkrail.dev/v1alpha1
kind: Pipeline
metadata: {name: shop, namespace: apps}
spec:
  appRef: {apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, name: shop}
  environments:
    - name: dev
      targets: [{namespace: dev}]
    - name: staging
      targets: [{namespace: staging}]
  promotion:
    manual: true
    strategy:
      pull-request: {type: github, url: https://github.com/acme/gitops, baseBranch: main}
"""
STAGING = """apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: staging}
spec:
  chart:
    spec:
      chart: shop
      version: 1.0.0 # {"$promotion": "apps:shop:staging"}
"""


def ago(seconds: float) -> str:
    """A moment of the recent past, as Kubernetes writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def until(what: Callable[[], Any], *, limit: float = 60.0) -> Any:
    """Waits until `what` is true, and returns it; fails after `limit` seconds."""
    async with asyncio.timeout(limit):
        while True:
            value = what()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)


def stamp(created: Mapping[str, Any], seconds: float) -> str:
    """So long after an object was created: what ended long before the product came is no news."""
    moment = datetime.fromisoformat(created["metadata"]["creationTimestamp"])
    return (moment + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Consumer:
    """Takes CDEvents in binary mode and keeps every delivery, repeats included."""

    url: str = ""
    status: int = 202
    received: list[dict[str, Any]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Each event once, in the order of first arrival: what a consumer makes of repeats."""
        return list({event["context"]["id"]: event for event in self.received}.values())

    @property
    def types(self) -> list[str]:
        return [
            event["context"]["type"].split(".", 2)[2].rsplit(".", 3)[0] for event in self.events
        ]

    async def take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        if self.status < 300:
            assert request.headers["ce-id"] == event["context"]["id"]
            self.received.append(event)
        return web.Response(status=self.status)


@dataclass
class World:
    """The far sides, and what a person would see there."""

    kube: KubeApi
    github: GitHub
    consumer: Consumer
    app: App
    folder: Path
    kube_url: str
    commit: str = ""
    """Head of acme/shop."""
    url: str = ""
    """Of the product that is running."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def settings(self, **changes: Any) -> Settings:
        """Settings of the product for this world."""
        kubeconfig = self.folder / "kubeconfig"
        if not kubeconfig.exists():
            kubeconfig.write_text(json.dumps(_kubeconfig(self.kube_url)))
            (self.folder / "pipeline.yaml").write_text(PIPELINE)
        values: dict[str, Any] = {
            "store": f"sqlite:///{self.folder / 'checkrail.db'}",
            "host": "127.0.0.1",
            "port": 0,
            "config": self.folder / "pipeline.yaml",
            "cdevents_sink": self.consumer.url,
            "progress_interval": 0.2,
            "environ": {"KUBECONFIG": str(kubeconfig)},
            "github": GitHubSettings(
                api_url=self.github.base_url,
                app_id=str(self.app.id),
                private_key=Secret(self.app.private_key),
                webhook_secrets=tuple(Secret(secret) for secret in SECRETS),
            ),
        }
        return Settings(**{**values, **changes})

    @contextlib.asynccontextmanager
    async def running(
        self,
        *,
        role: str = "all",
        clock: Clock = utc_now,
        tune: Callable[[Checkrail], None] = lambda _: None,
        **changes: Any,
    ) -> AsyncIterator[Checkrail]:
        """The product, started; told to stop at the end. `tune` changes its patience."""
        checkrail = await Checkrail.open(self.settings(**changes), role=role, clock=clock)
        checkrail.configuration.settle = QUICKLY
        tune(checkrail)
        async with served(checkrail) as self.url:
            self.app.webhook_url = f"{self.url}/github/webhook"
            task = asyncio.create_task(checkrail.run())
            try:
                yield checkrail
            finally:
                task.cancel()
                (end,) = await asyncio.gather(task, return_exceptions=True)
                await checkrail.close()
        assert isinstance(end, asyncio.CancelledError), f"it ended by itself: {end!r}"

    # -- what happens in the cluster --------------------------------------------------------------

    def pipelinerun(
        self, name: str = "", *, commit: str = "", version: str = "v1", **metadata: Any
    ) -> dict[str, Any]:
        """Creates a PipelineRun `build` on the head of acme/shop."""
        annotations = {
            "checkrail.dev/repository": "acme/shop",
            "checkrail.dev/commit": commit or self.commit,
        }
        return self.kube.create(
            {
                "apiVersion": f"tekton.dev/{version}",
                "kind": "PipelineRun",
                "metadata": {
                    "name": name or f"build-{next(self._numbers)}",
                    "namespace": "ci",
                    "annotations": {**annotations, **metadata.pop("annotations", {})},
                    **metadata,
                },
                "spec": {"pipelineRef": {"name": "build"}},
            }
        )

    def step(self, run: Mapping[str, Any], reason: str, status: str = "Unknown") -> None:
        """Moves a PipelineRun on, as Tekton's controller would write it."""
        value: dict[str, Any] = {
            "conditions": [
                {
                    "type": "Succeeded",
                    "status": status,
                    "reason": reason,
                    "message": f"it is {reason}",
                    "lastTransitionTime": stamp(run, 9),
                }
            ],
            "startTime": stamp(run, 1),
        }
        if status != "Unknown":
            value["completionTime"] = stamp(run, 31)
        name = run["metadata"]["name"]
        self.kube.patch("PipelineRun", "ci", name, {"status": value}, subresource="status")

    def run_through(self, run: Mapping[str, Any], reason: str = "Succeeded") -> None:
        """A whole run."""
        self.step(run, "Running")
        self.step(run, reason, "True" if reason in {"Succeeded", "Completed"} else "False")

    def release(self, namespace: str = "dev", version: str = "1.1.0") -> None:
        """Creates or upgrades HelmRelease `shop`, up to Ready."""
        annotations = {
            "checkrail.dev/repository": "acme/shop",
            "checkrail.dev/commit": self.commit,
        }
        document = {
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "metadata": {"name": "shop", "namespace": namespace, "annotations": annotations},
            "spec": {"chart": {"spec": {"chart": "shop", "version": version}}, "interval": "1m"},
        }
        existing = self.kube.list("HelmRelease", namespace)
        helm_version = len(existing[0]["status"]["history"]) + 1 if existing else 1
        if existing:
            created = self.kube.patch("HelmRelease", namespace, "shop", {"spec": document["spec"]})
        else:
            created = self.kube.create(document)
        history = existing[0]["status"]["history"] if existing else []
        self.kube.patch(
            "HelmRelease",
            namespace,
            "shop",
            {"status": _released(version, helm_version, history, created)},
            subresource="status",
        )

    # -- what a person sees -----------------------------------------------------------------------

    def checks(self, name: str = "") -> list[CheckRun]:
        """Our check runs, oldest first."""
        repositories = self.github.world.repositories.values()
        suites = [suite for repository in repositories for suite in repository.suites.values()]
        runs = [run for suite in suites for run in suite.runs if not name or run.name == name]
        return sorted(runs, key=lambda run: run.id)

    def check(self, name: str) -> CheckRun | None:
        """The newest check of a name."""
        return next(iter(reversed(self.checks(name))), None)


def _released(
    version: str, helm_version: int, history: list[Any], created: Mapping[str, Any]
) -> dict[str, Any]:
    at = stamp(created, 40 * helm_version)
    reason = "InstallSucceeded" if helm_version == 1 else "UpgradeSucceeded"
    message = f"Helm {'install' if helm_version == 1 else 'upgrade'} succeeded"
    condition = {"status": "True", "reason": reason, "message": message, "lastTransitionTime": at}
    snapshot = {
        "digest": f"sha256:{helm_version:064x}",
        "name": "shop",
        "namespace": "dev",
        "version": helm_version,
        "status": "deployed",
        "chartName": "shop",
        "chartVersion": version,
        "firstDeployed": at,
        "lastDeployed": at,
    }
    return {
        "conditions": [{"type": "Ready", **condition}, {"type": "Released", **condition}],
        "lastAttemptedRevision": version,
        "lastAttemptedGeneration": helm_version,
        "observedGeneration": helm_version,
        "history": [snapshot, *history],
    }


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "world",
        "clusters": [{"name": "world", "cluster": {"server": url}}],
        "users": [{"name": "world", "user": {"token": TOKEN}}],
        "contexts": [{"name": "world", "context": {"cluster": "world", "user": "world"}}],
    }


@contextlib.asynccontextmanager
async def served(checkrail: Checkrail) -> AsyncIterator[str]:
    """The product's web server on a loopback port, as `checkrail run` has it; its address."""
    runner = runner_of(application(checkrail))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


_KEY = ""


def private_key() -> str:
    """One key for all worlds of a process: making one is slow."""
    global _KEY
    _KEY = _KEY or new_private_key()
    return _KEY


@contextlib.asynccontextmanager
async def world(
    folder: Path,
    *,
    middlewares: list[Any] | None = None,
    root_middlewares: list[Any] | None = None,
    installed: bool = True,
    crds: bool = True,
    github_options: Mapping[str, Any] | None = None,
    permissions: Mapping[str, str] | None = None,
    events: tuple[str, ...] = EVENTS,
) -> AsyncIterator[World]:
    """The far sides, on loopback ports: acme/shop (dev may write, eve may read) and acme/gitops.

    What is asked of GitHub, what it answers and what it tells is held against its description.
    """
    kube = KubeApi(token=TOKEN)
    if crds:
        kube.serve("tekton.dev", "v1", "pipelineruns", "PipelineRun")
        kube.serve("tekton.dev", "v1", "taskruns", "TaskRun")
        kube.serve("tekton.dev", "v1beta1", "customruns", "CustomRun")
        kube.serve("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease")
    github, consumer = GitHub(**(github_options or {})), Consumer()
    held = github_contract.Contract() if github_contract.is_available() else None
    if held is not None:
        github.hooks.observers.append(held.delivery)
    root = web.Application(client_max_size=2**26, middlewares=root_middlewares or [])
    inner = [held.middleware] if held else []
    root.add_subapp("/github", github.app([*(middlewares or []), *inner]))
    root.add_subapp("/kube", kube.app())
    root.router.add_post("/events", consumer.take)
    async with TestServer(root) as server:
        github.base_url = str(server.make_url("/github"))
        consumer.url = str(server.make_url("/events"))
        app = github.create_app(
            "checkrail",
            PERMISSIONS | dict(permissions or {}),
            events,
            webhook_url=str(server.make_url("/nowhere")),
            webhook_secret=SECRETS[0],
            private_key=private_key(),
        )
        github.create_org("acme", owners=("ann",))
        github.create_repository("acme/shop")
        github.create_repository("acme/gitops", {"staging/shop.yaml": STAGING})
        for login, role in (("dev", "write"), ("eve", "read")):
            github.set_role("acme/shop", login, role)
        if installed:
            github.install(app, "acme")
        commit = github.push("acme/shop", "main", {"a.txt": "a"}, "A change", "dev")
        yield World(
            kube=kube,
            github=github,
            consumer=consumer,
            app=app,
            folder=folder,
            kube_url=str(server.make_url("/kube")),
            commit=commit,
        )
    if held is not None:
        held.check()
