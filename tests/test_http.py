"""A POST and what its answer means, on real sockets.

Left to others: which status is which verdict in all detail (core/test_retry).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ghapp import __version__
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.http import BODY_LIMIT, HttpClient, open_session, unreachable

NOW = datetime(2026, 11, 21, 2, 33, 6, tzinfo=UTC)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def receiver(answer: Answer) -> AsyncIterator[tuple[HttpClient, str]]:
    """A client, and the URL of somebody who answers."""
    app = web.Application()
    app.router.add_post("/events", answer)
    async with TestServer(app) as server, open_session() as session:
        yield HttpClient(session, clock=lambda: NOW), str(server.make_url("/events?token=s3cret"))


def saying(status: int, text: str = "", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return answer


async def failure(answer: Answer) -> DeliveryError:
    async with receiver(answer) as (http, url):
        with pytest.raises(DeliveryError) as caught:
            await http.post(url, b"{}", {})
    assert "s3cret" not in str(caught.value)
    return caught.value


async def test_body_and_headers_arrive_and_any_2xx_is_success() -> None:
    heard: list[tuple[bytes, str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        agent, kind = request.headers["User-Agent"], request.headers["Content-Type"]
        heard.append((await request.read(), agent, kind))
        return web.Response(status=202)

    async with receiver(answer) as (http, url):
        status = await http.post(url, b"body", {"Content-Type": "application/json"})
    assert status == 202
    assert heard == [(b"body", f"checkrail/{__version__}", "application/json")]


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 415, 501])
async def test_these_are_final(status: int) -> None:
    error = await failure(saying(status, "no, thank you", Location="http://127.0.0.1:9/"))
    assert (type(error), error.status) == (Reject, status)
    assert "no, thank you" in error.reason


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_these_are_tried_again_and_may_have_got_through(status: int) -> None:
    error = await failure(saying(status))
    assert isinstance(error, Retry)
    assert error.uncertain
    assert error.status == status


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["30", "Sat, 21 Nov 2026 02:33:36 GMT"])
async def test_the_time_that_is_asked_for_is_given(status: int, asked: str) -> None:
    """A date is of the far side's clock."""
    error = await failure(saying(status, Retry_After=asked, Date="Sat, 21 Nov 2026 02:33:06 GMT"))
    assert isinstance(error, Retry)
    assert error.after == 30


async def test_an_answer_that_never_ends_is_cut_off() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        while True:
            await response.write(b"x" * BODY_LIMIT)

    error = await failure(answer)
    assert isinstance(error, Retry)
    assert len(error.reason) < 1000


async def test_a_lost_answer_may_have_got_through() -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    error = await failure(answer)
    assert isinstance(error, Retry)
    assert error.uncertain


async def test_a_connection_that_was_never_made_did_nothing() -> None:
    async with receiver(saying(200)) as (http, url):
        pass
    async with open_session() as session:
        with pytest.raises(Retry) as caught:
            await HttpClient(session, clock=lambda: NOW).post(url, b"", {})
    assert not caught.value.uncertain
    assert http.session.closed


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("not a url", {}),
        ("ftp://127.0.0.1/s3cret", {}),
        ("http:///s3cret", {}),
        ("http://127.0.0.1:99999/s3cret", {}),
        ("http://127.0.0.1:{port}/events", {"X-Token": "s3cret\r\nX-Injected: 1"}),
    ],
)
async def test_what_cannot_be_sent_is_final_and_not_printed(
    url: str, headers: dict[str, str]
) -> None:
    async with receiver(saying(200)) as (http, good):
        port = good.split(":")[2].split("/")[0]
        with pytest.raises(Reject) as caught:
            await http.post(url.replace("{port}", port), b"", headers)
    assert "s3cret" not in str(caught.value)


async def test_a_receiver_that_says_nothing_is_given_up() -> None:
    over = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with receiver(answer) as (http, url):
        with pytest.raises(Retry) as caught:
            await replace(http, timeout=aiohttp.ClientTimeout(total=0.05)).post(url, b"", {})
        over.set()
    assert caught.value.uncertain


async def test_accepted_is_accepted_however_long_the_rest_of_the_answer_takes() -> None:
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=202)
        await response.prepare(request)
        await response.write(b"{")
        await over.wait()
        return response

    async with receiver(answer) as (http, url):
        assert await http.post(url, b"", {}) == 202
        over.set()


def test_only_the_host_of_a_url_is_named() -> None:
    error = unreachable(aiohttp.ServerDisconnectedError(), "https://u:p@hooks.example/T0/s3cret")
    assert str(error) == "hooks.example did not answer: ServerDisconnectedError"
