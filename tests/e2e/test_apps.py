"""Two GitHubs at once: the environment's App, and one that a ClusterProvider declares.

How an App is made and let go of is in `tests/github/test_apps.py`.
"""

import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from ghapp.core.webhook import sign
from ghapp.demo.github import App, CheckRun, GitHub
from tests.world import EVENTS, PERMISSIONS, SECRETS, World, private_key, until, world

SOURCE = "clusterprovider/ghe"
SECRET = "the other App's webhook secret"
DOCUMENTS = """
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: ghe}
spec:
  type: github
  secretRef: {name: ghe-app}
  github: {app: {id: "APP", apiUrl: "URL"}}
---
apiVersion: checkrail.dev/v1alpha1
kind: ClusterNotification
metadata: {name: edge}
spec: {filter: {namespaces: [edge]}, providerRefs: [{name: ghe}]}
---
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: home}
spec: {type: github}
---
apiVersion: checkrail.dev/v1alpha1
kind: ClusterNotification
metadata: {name: default}
spec: {filter: {namespaces: [ci]}, providerRefs: [{name: home}]}
"""


@dataclass
class Elsewhere:
    """Another GitHub, with an App of its own."""

    github: GitHub
    app: App
    commit: str

    def checks(self) -> list[CheckRun]:
        suites = self.github.repository("edge/app").suites.values()
        return [run for suite in suites for run in suite.runs]


@contextlib.asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    github = GitHub()
    async with TestServer(github.app([])) as server:
        github.base_url = str(server.make_url("")).rstrip("/")
        app = github.create_app(
            "edge", PERMISSIONS, EVENTS, webhook_secret=SECRET, private_key=private_key()
        )
        github.create_org("edge", owners=("ann",))
        github.create_repository("edge/app")
        github.set_role("edge/app", "dev", "write")
        github.install(app, "edge")
        yield Elsewhere(github, app, github.push("edge/app", "main", {"a": "a"}, "Change", "dev"))


def documents(w: World, there: Elsewhere) -> Path:
    path = w.folder / "apps.yaml"
    text = DOCUMENTS.replace("APP", str(there.app.id)).replace("URL", there.github.base_url)
    path.write_text(text)
    return path


def secret(w: World, **data: str) -> None:
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": "ghe-app", "namespace": "checkrail"}
    w.kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": coded})


def run_at_the_edge(w: World, there: Elsewhere, commit: str = "") -> dict[str, Any]:
    """A PipelineRun that has failed, on a commit of the other GitHub."""
    annotations = {
        "checkrail.dev/repository": "edge/app",
        "checkrail.dev/commit": commit or there.commit,
    }
    run = w.kube.create(
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": {"name": "edge-1", "namespace": "edge", "annotations": annotations},
            "spec": {"pipelineRef": {"name": "build"}},
        }
    )
    created = run["metadata"]["creationTimestamp"]
    condition = {"type": "Succeeded", "status": "False", "reason": "Failed", "message": "broke"}
    status = {"conditions": [condition], "startTime": created, "completionTime": created}
    w.kube.patch("PipelineRun", "edge", "edge-1", {"status": status}, subresource="status")
    return run


async def test_checks_and_buttons_of_two_apps_are_apart(tmp_path: Path) -> None:
    async with elsewhere() as there, world(tmp_path) as w:
        secret(w, **{"private-key": private_key(), "webhook-secret": SECRET})
        async with w.running(config=documents(w, there)):
            there.app.webhook_url = f"{w.url}/github/webhook/{SOURCE}"
            run_at_the_edge(w, there)
            w.run_through(w.pipelinerun("home"))
            await until(lambda: [one.conclusion for one in there.checks()] == ["failure"])
            await until(lambda: w.checks() and w.checks()[0].conclusion)
            assert len(w.checks()) == 1
            there.github.click_rerun(there.checks()[0].id, "dev")
            await until(lambda: len(w.kube.list("PipelineRun", "edge")) == 2)
            assert len(w.kube.list("PipelineRun", "ci")) == 1


async def test_a_command_is_answered_where_it_was_written(tmp_path: Path) -> None:
    async with elsewhere() as there, world(tmp_path) as w:
        secret(w, **{"private-key": private_key(), "webhook-secret": SECRET})
        async with w.running(config=documents(w, there)):
            there.app.webhook_url = f"{w.url}/github/webhook/{SOURCE}"
            there.github.push("edge/app", "topic", {"b": "b"}, "Another", "dev")
            pull = there.github.open_pull("edge/app", head="topic", title="Another", login="dev")
            run_at_the_edge(w, there, pull.head_sha)
            await until(lambda: [one.conclusion for one in there.checks()] == ["failure"])
            there.github.comment("edge/app", pull.number, "/retest", "dev")
            await until(lambda: len(w.kube.list("PipelineRun", "edge")) == 2)

            def answers() -> list[str]:
                comments = there.github.repository("edge/app").comments.values()
                return [one.body for one in comments if one.author.login == "edge[bot]"]

            await until(lambda: len(answers()) == 1 and "/retest" in answers()[0])


async def test_missed_webhooks_of_a_declared_app_are_fetched(tmp_path: Path) -> None:
    async with elsewhere() as there, world(tmp_path) as w:
        secret(w, **{"private-key": private_key(), "webhook-secret": SECRET})
        there.app.webhook_url = f"{w.kube_url}/nowhere"

        def often(product: Any) -> None:
            product.upkeep.sweep_every = 0.1

        async with w.running(config=documents(w, there), tune=often):
            run_at_the_edge(w, there)
            await until(lambda: [one.conclusion for one in there.checks()] == ["failure"])
            there.github.click_rerun(there.checks()[0].id, "dev")
            await until(lambda: len(w.kube.list("PipelineRun", "edge")) == 2)


async def test_one_github_cannot_speak_for_another(tmp_path: Path) -> None:
    """A webhook is verified with the secret of the App that it says it is for."""
    async with elsewhere() as there, world(tmp_path) as w:
        secret(w, **{"private-key": private_key(), "webhook-secret": SECRET})
        async with w.running(config=documents(w, there)), aiohttp.ClientSession() as http:
            w.run_through(w.pipelinerun("home"), "Failed")
            await until(lambda: w.checks() and w.checks()[0].conclusion)

            async def posted(path: str, secret: str) -> int:
                body = b"{}"
                headers = {
                    "X-GitHub-Event": "ping",
                    "X-GitHub-Delivery": f"{path}-{secret}",
                    "X-Hub-Signature-256": sign(body, secret.encode()),
                }
                url = f"{w.url}/github/webhook{path}"
                async with http.post(url, data=body, headers=headers) as answer:
                    return answer.status

            assert await posted("", SECRETS[0]) == 202
            assert await posted(f"/{SOURCE}", SECRET) == 202
            assert await posted("", SECRET) == 401
            assert await posted(f"/{SOURCE}", SECRETS[0]) == 401
            assert await posted("/clusterprovider/nobody", SECRET) == 401
            assert await posted("/clusterprovider/nobody", "") == 401


async def test_without_its_key_what_is_owed_waits_and_then_comes(tmp_path: Path) -> None:
    def impatient(product: Any) -> None:
        product.statuses.providers.reread_every = 0.05

    async with (
        elsewhere() as there,
        world(tmp_path) as w,
        w.running(config=documents(w, there), tune=impatient) as product,
    ):
        run_at_the_edge(w, there)

        async def waiting() -> bool:
            return (await product.store.backlog()).pending.get(SOURCE) == 1

        await until(waiting)
        assert there.checks() == []
        secret(w, **{"private-key": private_key(), "webhook-secret": SECRET})
        await until(lambda: [one.conclusion for one in there.checks()] == ["failure"])
