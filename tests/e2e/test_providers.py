"""Providers of each type, end to end: a document in a file, and what a person sees then.

The far sides are real sockets. What each sink does in bad weather is tested beside the sink.
"""

import base64
import contextlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.engine.test_inbox import worked_off
from tests.world import World, until, world

NOTIFICATION = """
apiVersion: checkrail.dev/v1alpha1
kind: ClusterNotification
metadata: {name: everything}
spec:
  providerRefs: [{name: place}]
"""


def provider(spec: str) -> str:
    """A ClusterProvider `place`, and everything told to it."""
    head = "apiVersion: checkrail.dev/v1alpha1\nkind: ClusterProvider\nmetadata: {name: place}\n"
    return f"{head}spec: {spec}\n---{NOTIFICATION}"


def document(tmp_path: Path, spec: str) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "place.yaml").write_text(provider(spec))
    return folder


def secret(w: World, **values: str) -> None:
    """Secret `place` in the namespace for ClusterProviders."""
    w.kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "place", "namespace": "checkrail"},
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()},
        }
    )


async def test_statuses_by_token_without_any_app(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        secret(w, token=w.github.create_user_token("dev"))
        spec = (
            "{type: githubStatus, secretRef: {name: place}, githubStatus: {apiUrl: "
            f"'{w.github.base_url}', contextPrefix: 'k8s / '}}}}"
        )
        async with w.running(github=None, config=document(tmp_path, spec)):
            run = w.pipelinerun()
            w.run_through(run, "Failed")
            there = w.github.repository("acme/shop").statuses
            last = await until(
                lambda: [one for one in there.get(w.commit, ()) if one.state == "failure"]
            )
        assert (last[0].context, last[0].creator.login) == ("k8s / tekton / build", "dev")
        assert len(there[w.commit]) <= 2, "pending once, and the verdict"
        assert w.checks() == []


async def test_statuses_go_by_the_proxy_of_their_own_address(tmp_path: Path) -> None:
    """A name that exists nowhere but in the proxy; the App's own address is reached directly."""
    async with world(tmp_path) as w, forward(w) as (proxy, asked):
        secret(w, token=w.github.create_user_token("dev"))
        spec = (
            "{type: githubStatus, secretRef: {name: place}, githubStatus: "
            "{apiUrl: 'http://github.far.example/github'}}"
        )
        environ = {**w.settings().environ, "HTTP_PROXY": proxy}
        async with w.running(config=document(tmp_path, spec), environ=environ):
            w.run_through(w.pipelinerun())
            there = w.github.repository("acme/shop").statuses
            await until(lambda: "success" in {one.state for one in there.get(w.commit, ())})
        assert asked == {"github.far.example"}


@contextlib.asynccontextmanager
async def forward(w: World) -> AsyncIterator[tuple[str, set[str]]]:
    """A proxy that knows one host, the stand-in: its URL, and which hosts it was asked for."""
    asked: set[str] = set()

    async def pass_on(request: web.Request) -> web.Response:
        asked.add(request.host)
        url = w.github.base_url.removesuffix("/github") + request.rel_url.path_qs
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        data = await request.read()
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, url, headers=headers, data=data) as answer,
        ):
            return web.json_response(await answer.json(), status=answer.status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    async with TestServer(app) as server:
        yield str(server.make_url("")), asked


async def test_statuses_by_the_app_beside_its_checks(tmp_path: Path) -> None:
    async with world(tmp_path, permissions={"statuses": "write"}) as w:
        config = document(tmp_path, "{type: githubStatus}")
        async with w.running(config=config):
            w.run_through(w.pipelinerun())
            there = w.github.repository("acme/shop").statuses
            await until(lambda: "success" in {one.state for one in there.get(w.commit, ())})
            await until(lambda: w.check("tekton / build") and w.checks()[0].conclusion)


async def test_a_release_is_a_deployment(tmp_path: Path) -> None:
    async with world(tmp_path, permissions={"deployments": "write"}) as w:
        spec = (
            "{type: githubDeployments, githubDeployments: "
            "{environmentUrl: 'https://{namespace}.example.com'}}"
        )
        async with w.running(config=document(tmp_path, spec)):
            w.release(version="1.1.0")
            made = w.github.repository("acme/shop").deployments
            await until(lambda: [one for one in made.values() if one.statuses])
            (first,) = made.values()
            assert (first.sha, first.environment) == (w.commit, "default/dev")
            assert first.statuses[-1].state == "success"
            assert first.statuses[-1].environment_url == "https://dev.example.com"
            w.release(version="1.2.0")
            await until(lambda: first.statuses[-1].state == "inactive")
            second = await until(lambda: [*made.values()][1:])
            await until(lambda: second[0].statuses and second[0].statuses[-1].state == "success")
            w.kube.delete("HelmRelease", "dev", "shop")
            await until(lambda: second[0].statuses[-1].state == "inactive")
        assert len(made) == 2


async def test_all_runs_of_a_pull_request_are_one_comment(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "A change", "dev")
        pull = w.github.open_pull("acme/shop", head="topic", title="A change", login="dev")
        config = document(tmp_path, "{type: githubPullRequestComment}")
        there = w.github.repository("acme/shop").comments
        async with w.running(config=config):
            w.run_through(w.pipelinerun(commit=head))
            number = {"checkrail.dev/pull-request": str(pull.number)}
            named = {"checkrail.dev/check-name": "lint"}
            w.run_through(w.pipelinerun(commit=head, annotations=number | named), "Failed")
            await until(
                lambda: [one for one in there.values() if "1 failed · ✅ 1 succeeded" in one.body]
            )
        async with w.running(config=config):  # it remembers nothing
            w.run_through(w.pipelinerun(commit=head, annotations={"checkrail.dev/check-name": "e"}))
            await until(
                lambda: [one for one in there.values() if "1 failed · ✅ 2 succeeded" in one.body]
            )
        assert len(there) == 1


async def test_a_pull_request_that_comes_after_its_runs_has_its_comment_too(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, permissions={"issues": "write"}) as w:
        head = w.github.push("acme/shop", "topic", {"a.txt": "a"}, "A change", "dev")
        there = w.github.repository("acme/shop").comments
        config = document(tmp_path, "{type: githubPullRequestComment}")
        async with w.running(config=config) as product:
            w.run_through(w.pipelinerun(commit=head))
            lint = w.pipelinerun(commit=head, annotations={"checkrail.dev/check-name": "lint"})
            w.step(lint, "Running")
            await until(lambda: len(w.github.check_runs("acme/shop", head)) == 2)
            await worked_off(product)
            w.github.open_pull("acme/shop", head="topic", title="A change", login="dev")

            def shows(text: str) -> Any:
                return until(lambda: [one for one in there.values() if text in one.body])

            await shows("🟡 1 running · ✅ 1 succeeded")
            w.run_through(lint, "Failed")
            await shows("❌ 1 failed · ✅ 1 succeeded")
        assert len(there) == 1


@dataclass
class Receiver:
    """Takes events that are signed, as a receiver of Flux does, and keeps their types."""

    key: bytes
    types: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        digest = hmac.new(self.key, body, "sha256").hexdigest()
        if request.headers.get("X-Signature") != f"sha256={digest}":
            return web.Response(status=401)
        if request.headers.get("Authorization") != "Bearer t0k3n":
            return web.Response(status=401)
        self.types.append(request.headers.get("Ce-Type", ""))
        return web.Response(status=202)


@contextlib.asynccontextmanager
async def receiving(key: str) -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver(key.encode())
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    async with TestServer(app) as server:
        yield receiver, str(server.make_url("/hook"))


async def test_signed_events_of_an_older_specification(tmp_path: Path) -> None:
    async with world(tmp_path) as w, receiving("k3y") as (receiver, url):
        secret(w, token="t0k3n", hmac="k3y")
        spec = (
            "{type: cdevents, secretRef: {name: place}, cdevents: "
            f"{{url: '{url}', specVersion: 0.4.1, timeout: 5s}}}}"
        )
        async with w.running(config=document(tmp_path, spec)):
            w.run_through(w.pipelinerun())
            await until(lambda: len(receiver.types) == 3)
        assert receiver.types == [
            f"dev.cdevents.pipelinerun.{what}.0.2.0" for what in ("queued", "started", "finished")
        ]
        assert len(w.consumer.events) == 3, "the consumer of the environment gets them too"


async def test_an_unusable_credential_stops_its_provider_and_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w, receiving("k3y") as (receiver, url):
        secret(w, headers="Host: elsewhere")
        spec = f"{{type: cdevents, secretRef: {{name: place}}, cdevents: {{url: '{url}'}}}}"
        async with w.running(config=document(tmp_path, spec)) as checkrail:
            w.run_through(w.pipelinerun())
            await until(lambda: len(w.consumer.events) == 3)
            place = checkrail.configuration.providers.places["clusterprovider/place"]
            assert place.problem == "its Secret: headers must not set Host: checkrail does"
        assert receiver.types == []


async def test_one_check_sums_all_runs_up_and_re_runs_them_all(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        config = document(tmp_path, "{type: githubAggregate, githubAggregate: {name: all}}")
        async with w.running(config=config):
            w.run_through(w.pipelinerun("one"), "Failed")
            check = await until(lambda: w.check("all"))
            await until(lambda: check.conclusion == "failure")
            w.github.click_rerun(check.id, "dev")
            await until(lambda: len(w.kube.list("PipelineRun", "ci")) == 2)
