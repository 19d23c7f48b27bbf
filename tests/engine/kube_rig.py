"""What the tests of the Kubernetes side share: loopback servers, a client, a clock that jumps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from ghapp.core.source import Resource
from ghapp.demo.kube import KubeApi
from ghapp.engine.kube import KubeClient, Times, open_session
from ghapp.engine.kube_follow import Changed, Event, Gone, Listed, Pace
from ghapp.engine.kube_identity import Connection, Credentials, Fixed, Identity

RUNS = Resource("tekton.dev", "v1", "pipelineruns", "PipelineRun")
PROTOCOL = Path(__file__).parent / "protocol"


def recorded(name: str) -> bytes:
    """What a real API server sent."""
    return (PROTOCOL / name).read_bytes()


class Condition(msgspec.Struct):
    type: str
    status: str


class Status(msgspec.Struct):
    conditions: list[Condition] = []


class Meta(msgspec.Struct):
    name: str


class Run(msgspec.Struct):
    """What an adapter might read."""

    metadata: Meta
    status: Status = msgspec.field(default_factory=Status)


def run(name: str, **more: Any) -> dict[str, Any]:
    """A manifest."""
    return {
        "apiVersion": RUNS.api_version,
        "kind": RUNS.kind,
        "metadata": {"name": name, "namespace": "ci"},
        **more,
    }


@dataclass
class Time:
    """Sleeping takes no time, and is remembered."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    _passed: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self._passed.set()
        await asyncio.sleep(0)

    async def slept_times(self, count: int) -> None:
        """Waits until somebody slept so often."""
        async with asyncio.timeout(10):
            while len(self.slept) < count:
                self._passed.clear()
                await self._passed.wait()

    def pace(self) -> Pace:
        return Pace(sleep=self.sleep, clock=lambda: self.now, jitter=lambda: 1.0)


def kube_api(**options: Any) -> KubeApi:
    """The stand-in, serving PipelineRuns."""
    api = KubeApi(**options)
    api.auto_namespaces = True
    api.serve(RUNS.group, RUNS.version, RUNS.plural, RUNS.kind)
    return api


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """An application on a loopback port; its address."""
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def client(
    url: str, *, token: str = "", credentials: Credentials | None = None, silence: float = 5
) -> AsyncIterator[KubeClient]:
    """A client of the server at `url`."""
    identity = Identity(headers={"Authorization": f"Bearer {token}"} if token else {})
    connection = Connection(base_url=url, credentials=credentials or Fixed(identity))
    async with open_session() as session:
        yield KubeClient(
            session=session,
            connection=connection,
            times=Times(connect=2, request=5, watch=20, silence=silence),
        )


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """A server that answers lists and watches as it is told, one after the other.

    With nothing left to say a list is empty and a watch stays open. It remembers what was asked.
    """

    def __init__(self) -> None:
        self.lists: list[Answer] = []
        self.watches: list[Answer] = []
        self.discoveries: list[Answer] = []
        self.asked: list[str] = []
        """``list``, ``watch RESOURCE_VERSION`` or ``discover``, in their order."""
        self._over = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(RUNS.root, self._discover)
        app.router.add_get(RUNS.path(), self._answer)
        app.on_shutdown.append(self._end)
        return app

    async def _end(self, _: web.Application) -> None:
        self._over.set()

    async def _discover(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("discover")
        answer = self.discoveries.pop(0) if self.discoveries else body(DISCOVERY)
        return await answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.asked.append("list")
            answer = self.lists.pop(0) if self.lists else body(EMPTY)
            return await answer(request)
        self.asked.append(f"watch {request.query['resourceVersion']}")
        if self.watches:
            return await self.watches.pop(0)(request)
        return await self._hold(request)

    async def _hold(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await self._over.wait()
        return response


EMPTY = b'{"metadata":{"resourceVersion":"100"},"items":[]}'
DISCOVERY = b'{"kind":"APIResourceList","resources":[{"name":"pipelineruns"}]}'


def body(content: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """A whole answer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, status=status, headers=headers)

    return answer


def stream(*parts: bytes, cut: bool = False) -> Answer:
    """The parts of a stream, then its end, or a broken connection."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if cut and request.transport is not None:
            request.transport.close()
        return response

    return answer


def line(type_: str, name: str, version: str, **more: Any) -> bytes:
    """An event about a run whose uid is made from its name."""
    metadata = {
        "name": name,
        "namespace": "ci",
        "uid": f"uid-of-{name}",
        "resourceVersion": version,
    }
    return msgspec.json.encode({"type": type_, "object": {"metadata": metadata, **more}}) + b"\n"


class World:
    """What somebody knows who believes every event: uid to version."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.lists = 0
        self._heard = asyncio.Event()

    def hear(self, event: Event) -> None:
        match event:
            case Changed(head):
                self.runs[head.uid] = head.resourceVersion
            case Gone(head):
                self.runs.pop(head.uid, None)
            case Listed(keys):
                self.lists += 1
                self.runs = {uid: seen for uid, seen in self.runs.items() if uid in keys}
        self._heard.set()

    async def becomes(self, expected: Callable[[], dict[str, str]]) -> None:
        """Waits until the world is as expected."""
        async with asyncio.timeout(20):
            while not self.lists or self.runs != expected():
                self._heard.clear()
                await self._heard.wait()
