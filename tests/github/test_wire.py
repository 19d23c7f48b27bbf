"""What goes over the wire, and what strange things may come back over it.

The far side is a small server that keeps every request and answers as it is told.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ghapp.core.model import Repository
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.github import GitHubClient
from ghapp.github.api import BODY_LIMIT
from ghapp.secret import Secret
from tests.github_fixtures import Clock

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Far:
    """A server with memory; `answers` by path, anything else is an empty object."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.requests.append(request)
        answer = self.answers.get(request.path)
        return web.json_response({}) if answer is None else await answer(request)

    def says(self, path: str, status: int = 200, text: str = "", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = {"content-type": "application/json", **named}

        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, text=text, headers=kind)

        self.answers[path] = answer

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    async with served() as one:
        yield one


def served() -> "_Served":
    return _Served()


class _Served:
    """A Far on a loopback port."""

    async def __aenter__(self) -> Far:
        far, app = Far(), web.Application(client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", far.take)
        self._server = TestServer(app)
        await self._server.start_server()
        far.url = str(self._server.make_url("")).rstrip("/")
        return far

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()


@pytest.fixture
async def client(far: Far, github_private_key: str) -> AsyncIterator[GitHubClient]:
    clock = Clock()
    async with aiohttp.ClientSession() as session:
        yield GitHubClient(
            session,
            api_url=f"{far.url}/api/v3/",
            app="1",
            key=Secret(github_private_key),
            clock=lambda: datetime.fromtimestamp(clock(), UTC),
            sleep=clock.sleep,
            timeout=5,
        )


async def ask(client: GitHubClient, method: str = "GET", path: str = "/app") -> object:
    body = {"a": "ü"} if method != "GET" else None
    return await client.request(method, path, body, repository=None)


async def test_each_request_says_version_agent_and_who_it_is_from(
    far: Far, client: GitHubClient
) -> None:
    await ask(client, "POST")
    (sent,) = far.requests
    assert sent.headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert sent.headers["User-Agent"] == f"checkrail/{version('checkrail')}"
    assert sent.headers["Accept"] == "application/vnd.github+json"
    assert sent.headers["Authorization"].startswith("Bearer eyJ")
    assert sent.headers["Content-Type"] == "application/json; charset=utf-8"
    assert far.bodies == [b'{"a": "\\u00fc"}']


async def test_the_api_may_live_below_a_path(far: Far, client: GitHubClient) -> None:
    await ask(client, path="/app?x=1")
    assert far.paths == ["GET /api/v3/app"]
    assert far.requests[0].query_string == "x=1"


async def test_names_arrive_as_they_were_quoted(far: Far, client: GitHubClient) -> None:
    await ask(client, path="/repos/a%2Fb/{x}/c%20d")
    assert far.requests[0].raw_path == "/api/v3/repos/a%2Fb/%7Bx%7D/c%20d"


@pytest.mark.parametrize(
    "path", ["app", "//evil.example/x", "/repos/../app", "/repos/./x", "/https://evil.example", "/"]
)
async def test_a_path_cannot_lead_elsewhere(far: Far, client: GitHubClient, path: str) -> None:
    with pytest.raises(Reject, match="not a path"):
        await ask(client, path=path)
    assert not far.requests


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_write_is_repeated_where_it_is_sent_on_this_host(
    far: Far, client: GitHubClient, status: int
) -> None:
    far.says("/api/v3/app", status, "{}", location="/api/v3/new")
    far.says("/api/v3/new", 201, '{"ok": true}')
    assert await ask(client, "POST") == {"ok": True}
    assert far.paths == ["POST /api/v3/app", "POST /api/v3/new"]
    assert far.bodies[0] == far.bodies[1]


async def test_a_write_that_is_answered_with_see_other_is_not_repeated(
    far: Far, client: GitHubClient
) -> None:
    far.says("/api/v3/app", 302, "{}", location="/api/v3/new")
    with pytest.raises(Reject, match="redirects"):
        await ask(client, "POST")
    assert len(far.requests) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_is_not_carried_to_another_host(
    far: Far, client: GitHubClient, method: str
) -> None:
    async with served() as other:
        far.says("/api/v3/app", 307, "{}", location=f"{other.url}/api/v3/app")
        with pytest.raises(Reject, match=r"redirects to 127\.0\.0\.1"):
            await ask(client, method)
        far.says("/api/v3/list", 200, "[1]", link=f'<{other.url}/api/v3/list?page=2>; rel="next"')
        with pytest.raises(Reject, match="another address"):
            _ = [item async for item in client.pages("/list", repository=None)]
        assert not other.requests


async def test_a_redirect_is_followed_once(far: Far, client: GitHubClient) -> None:
    far.says("/api/v3/app", 307, "{}", location="/api/v3/app")
    with pytest.raises(Reject):
        await ask(client)
    assert len(far.requests) == 2


async def test_a_list_without_end_is_cut_off(far: Far, client: GitHubClient) -> None:
    link = f'<{far.url}/api/v3/list?page=2>; rel="next"'
    far.says("/api/v3/list", 200, "[1]", link=link)
    with pytest.raises(Reject, match="more than 100 pages"):
        _ = [item async for item in client.pages("/list", repository=None)]
    assert len(far.requests) == 100


async def test_an_answer_without_end_is_cut_off(far: Far, client: GitHubClient) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(BODY_LIMIT // 2**20 + 8):
            await response.write(b"x" * 2**20)
        return response

    far.answers["/api/v3/app"] = endless
    with pytest.raises(Reject, match="longer than"):
        await ask(client)


@pytest.mark.parametrize(
    ("status", "text", "headers"),
    [
        (200, "{", {}),
        (200, "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1"), {}),
        (
            200,
            "{}",
            {"x_ratelimit_limit": "x", "x_ratelimit_remaining": "", "x_ratelimit_reset": ""},
        ),
        (200, "{}", {"content_type": "application/json; charset=nonsense"}),
        (200, "{}", {"link": "<<<>>>"}),
        (203, "{}", {}),
        (206, "{}", {}),
        (304, "", {}),
        (418, "[1, 2", {}),
        (422, "[]", {}),
        (422, '{"errors": 1}', {}),
        (429, "", {"retry_after": "-1"}),
        (599, "", {}),
        (799, "", {}),
    ],
)
async def test_garbage_is_a_verdict_and_never_another_error(
    far: Far, client: GitHubClient, status: int, text: str, headers: dict[str, str]
) -> None:
    far.says("/api/v3/app", status, text, **headers)
    for method in ("GET", "POST"):
        assert len(await reason_of(client, method)) < 1000


async def test_an_unreadable_answer_is_not_kept(far: Far, client: GitHubClient) -> None:
    path = "/repos/acme/shop/installation"
    for text in ("{", '{"id": 7}', ""):
        far.says(f"/api/v3{path}", 200 if text else 304, text, etag='W/"x"')
        if text == "{":
            with pytest.raises(Retry, match="unreadable"):
                await ask(client, path=path)
        else:
            assert await ask(client, path=path) == {"id": 7}
    assert [one.headers.get("If-None-Match") for one in far.requests] == [None, None, 'W/"x"']


async def test_what_was_never_asked_conditionally_cannot_be_unchanged(
    far: Far, client: GitHubClient
) -> None:
    far.says("/api/v3/repos/acme/shop/installation", 304)
    with pytest.raises(Reject, match="redirects to nowhere"):
        await ask(client, path="/repos/acme/shop/installation")


@pytest.mark.parametrize("text", ["[]", "{}", '{"id": "x"}', "null", '"x"'])
async def test_an_answer_of_another_shape_is_a_retry(
    far: Far, client: GitHubClient, text: str
) -> None:
    shop = Repository(host="127.0.0.1", owner="acme", name="shop")
    far.says("/api/v3/app", 200, text)
    far.says("/api/v3/repos/acme/shop/installation", 200, '{"id": 7}')
    far.says("/api/v3/app/installations/7/access_tokens", 201, text)
    with pytest.raises(Retry, match="unexpected"):
        await client.identify()
    with pytest.raises(Retry, match="unexpected"):
        await client.request("GET", "/repos/acme/shop", repository=shop)


async def reason_of(client: GitHubClient, method: str) -> str:
    try:
        await ask(client, method)
    except DeliveryError as error:
        return error.reason
    return ""


async def test_an_unreadable_yes_to_a_write_is_uncertain(far: Far, client: GitHubClient) -> None:
    far.says("/api/v3/app", 201, "{")
    with pytest.raises(Retry) as caught:
        await ask(client, "POST")
    assert caught.value.uncertain


async def test_what_github_answers_is_shown_without_tokens(far: Far, client: GitHubClient) -> None:
    far.says("/api/v3/app", 422, '{"message": "token ghs_' + "a" * 40 + ' is bad"}')
    with pytest.raises(Reject) as caught:
        await ask(client)
    assert caught.value.reason == "GitHub answered 422: token [REDACTED] is bad"
