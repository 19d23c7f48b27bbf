"""A GitHub stand-in on a loopback port, an App in it, a caller, and a place for webhooks to arrive.

    pytest_plugins = ["tests.github_fixtures"]

Where GitHub's descriptions are at hand every exchange is held against them, and a test that said
something GitHub would not have said fails at its end. Override `github_clock`, `github_sleep` or
`github_limits` in a test module for a clock of one's own or for GitHub's real limits.
"""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from multidict import CIMultiDictProxy

from ghapp.demo.github import RELAXED, App, GitHub, Installation, Limits
from ghapp.demo.github.apps import new_private_key
from tests import github_contract

ALL_PERMISSIONS = {
    "actions": "write",
    "administration": "write",
    "checks": "write",
    "contents": "write",
    "deployments": "write",
    "issues": "write",
    "members": "read",
    "merge_queues": "read",
    "pull_requests": "write",
    "statuses": "write",
}
ALL_EVENTS = (
    "deployment_status",
    "issue_comment",
    "merge_group",
    "pull_request",
    "push",
    "repository",
    "repository_dispatch",
)
SECRET = "It's a Secret to Everybody"


@dataclass
class Clock:
    """A clock that stands until it is told to go on; sleeping moves it."""

    now: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def github_clock() -> Callable[[], float]:
    return time.time


@pytest.fixture
def github_sleep() -> Callable[[float], Awaitable[None]]:
    """How the stand-in waits when it is told to be slow; refuses until a module overrides it."""

    async def refuse(seconds: float) -> None:
        raise AssertionError(f"override github_sleep to make the stand-in wait {seconds} s")

    return refuse


@pytest.fixture
def github_limits() -> Limits:
    return RELAXED


@pytest.fixture
def github_contract_held() -> github_contract.Contract | None:
    return github_contract.Contract() if github_contract.is_available() else None


@pytest.fixture
def contract(
    github_contract_held: github_contract.Contract | None,
) -> github_contract.Contract:
    """The contract itself, for tests that are about it."""
    if github_contract_held is None:
        pytest.skip(github_contract.NO_DATA)
    return github_contract_held


@pytest.fixture
async def github(
    github_clock: Callable[[], float],
    github_sleep: Callable[[float], Awaitable[None]],
    github_limits: Limits,
    github_contract_held: github_contract.Contract | None,
) -> AsyncIterator[GitHub]:
    """The stand-in, served below /github."""
    stand_in = GitHub(clock=github_clock, sleep=github_sleep, limits=github_limits)
    held = github_contract_held
    if held is not None:
        stand_in.hooks.observers.append(held.delivery)
    root = web.Application()
    root.add_subapp("/github", stand_in.app([held.middleware] if held else []))
    async with TestServer(root) as server:
        stand_in.base_url = str(server.make_url("/github"))
        yield stand_in
    if held is not None:
        held.check()


@pytest.fixture(scope="session")
def github_private_key() -> str:
    """One key for all Apps of a test session: making one is slow."""
    return new_private_key()


@pytest.fixture
async def github_inbox() -> AsyncIterator[Inbox]:
    async with TestServer(_inbox_application(inbox := Inbox())) as server:
        inbox.url = str(server.make_url("/hook"))
        yield inbox


@pytest.fixture
def github_app(github: GitHub, github_private_key: str, github_inbox: Inbox) -> App:
    """The App `checkrail` with every permission and event; its webhooks go to `github_inbox`."""
    return github.create_app(
        "checkrail",
        ALL_PERMISSIONS,
        ALL_EVENTS,
        webhook_url=github_inbox.url,
        webhook_secret=SECRET,
        private_key=github_private_key,
    )


@pytest.fixture
def github_installation(github: GitHub, github_app: App) -> Installation:
    """Organisation `acme` (owner ann) with repository `acme/shop` (dev may write, eve may read)."""
    github.create_org("acme", owners=("ann",))
    github.create_repository("acme/shop", {"README.md": "# shop\n"})
    github.set_role("acme/shop", "dev", "write")
    github.set_role("acme/shop", "eve", "read")
    return github.install(github_app, "acme")


@pytest.fixture
async def api(github: GitHub, github_installation: Installation) -> AsyncIterator[Api]:
    """Asks as the installation of `checkrail` in `acme`; `api.jwt()` to ask as the App."""
    async with aiohttp.ClientSession() as session:
        caller = Api(github, session, github_installation)
        await caller.renew()
        yield caller


# -- the parts --------------------------------------------------------------------------------


@dataclass
class Arrived:
    """One webhook as it came in."""

    event: str
    guid: str
    headers: CIMultiDictProxy[str]
    raw: bytes
    body: dict[str, Any]


@dataclass
class Inbox:
    """Takes webhooks and keeps them; `status` is what it answers."""

    url: str = ""
    status: int = 202
    arrived: list[Arrived] = field(default_factory=list)

    def actions(self, event: str) -> list[str | None]:
        return [each.body.get("action") for each in self.arrived if each.event == event]

    def last(self, event: str) -> Arrived:
        return [each for each in self.arrived if each.event == event][-1]


def _inbox_application(inbox: Inbox) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        raw, headers = await request.read(), request.headers
        event, guid = headers["X-GitHub-Event"], headers["X-GitHub-Delivery"]
        inbox.arrived.append(Arrived(event, guid, headers, raw, await request.json()))
        return web.Response(status=inbox.status)

    application = web.Application(client_max_size=26 * 1024 * 1024)
    application.router.add_post("/hook", take)
    return application


@dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]


def app_jwt(app: App, now: float, **claims: Any) -> str:
    """A JWT as GitHub's documentation makes it; claims may be overridden."""
    standard = {"iat": int(now) - 60, "exp": int(now) + 540, "iss": app.client_id}
    return jwt.encode({**standard, **claims}, _key(app.private_key), algorithm="RS256")


@functools.lru_cache(maxsize=16)
def _key(pem: str) -> Any:
    return load_pem_private_key(pem.encode(), password=None)


class Api:
    """A plain caller: no retries, no redirects, no opinions."""

    def __init__(
        self, github: GitHub, session: aiohttp.ClientSession, installation: Installation
    ) -> None:
        self.github = github
        self.session = session
        self.installation = installation
        self.token = ""

    def jwt(self, **claims: Any) -> str:
        return app_jwt(self.installation.app, self.github.world.clock(), **claims)

    async def mint(self, **wanted: Any) -> str:
        path = f"/app/installations/{self.installation.id}/access_tokens"
        answer = await self.ask("POST", path, wanted, token=self.jwt())
        assert answer.status == 201, answer.body
        token: str = answer.body["token"]
        return token

    async def renew(self, **wanted: Any) -> None:
        self.token = await self.mint(**wanted)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        url = path if path.startswith("http") else self.github.base_url + path
        sent = {"Authorization": f"Bearer {token or self.token}", **(headers or {})}
        async with self.session.request(
            method, url, json=body, headers=sent, allow_redirects=False
        ) as response:
            text = await response.read()
            parsed = await response.json() if text else None
            return Answer(response.status, parsed, response.headers)

    async def get(self, path: str, **kwargs: Any) -> Answer:
        return await self.ask("GET", path, **kwargs)

    async def post(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return await self.ask("POST", path, body, **kwargs)

    async def patch(self, path: str, body: Any, **kwargs: Any) -> Answer:
        return await self.ask("PATCH", path, body, **kwargs)

    async def put(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return await self.ask("PUT", path, body, **kwargs)

    async def delete(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return await self.ask("DELETE", path, body, **kwargs)
