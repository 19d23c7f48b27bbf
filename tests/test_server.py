"""The web server: what is genuine is stored and then answered, everything else is counted.

Real sockets and a real store. What a delivery asks for is tests/core/test_webhook and
tests/engine/test_inbox.
"""

import asyncio
import contextlib
import gzip
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from ghapp.core.webhook import BODY_LIMIT, SIGNATURE_HEADER, sign
from ghapp.metrics import Metrics
from ghapp.ports import Store
from ghapp.secret import Secret
from ghapp.serve import runner_of
from ghapp.server import READING_LIMIT, Server, shield
from ghapp.store import open_store
from tests.process import process
from tests.world import until, world

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
CURRENT, PREVIOUS = b"It's a Secret to Everybody", b"what it was before"
BODY = b'{"action": "created", "zen": "Keep it logically awesome."}'
MIB = 2**20


@dataclass
class Rig:
    """A server on a loopback port, and a caller."""

    server: Server
    store: Store
    url: str
    session: aiohttp.ClientSession

    async def post(self, body: bytes = BODY, **headers: str | None) -> int:
        """Posts as GitHub does, but for `headers`; None leaves one out. The status."""
        given = {**genuine(body), **{name.replace("_", "-"): v for name, v in headers.items()}}
        sent = {name: value for name, value in given.items() if value is not None}
        url = f"{self.url}/github/webhook"
        async with self.session.post(url, data=BytesIO(body), headers=sent) as answer:
            assert "message" in await answer.json()
            return answer.status

    def malformed(self) -> bool:
        labels = {"result": "malformed"}
        registry = self.server.metrics.registry
        return registry.get_sample_value("checkrail_webhooks_total", labels) == 1

    async def counted(self) -> dict[str, int]:
        """Webhooks by verdict, as /metrics says it; those that never came are left out."""
        async with self.session.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        found = [line for line in lines if line.startswith("checkrail_webhooks_total{")]
        counts = {line.split('"')[1]: int(float(line.split()[-1])) for line in found}
        assert {"accepted", "repeat", "forged", "malformed", "too_large"} == set(counts)
        return {verdict: count for verdict, count in counts.items() if count}

    async def stored(self) -> list[str]:
        return [delivery.guid for delivery in await self.store.deliveries(NOW, 100)]


def genuine(body: bytes, *, secret: bytes = CURRENT, guid: str = "guid-1") -> dict[str, Any]:
    """The headers of a delivery."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "check_run",
        "X-GitHub-Delivery": guid,
        SIGNATURE_HEADER: sign(body, secret),
    }


@contextlib.asynccontextmanager
async def serving(
    folder: Path, *, secrets: Sequence[bytes] = (CURRENT, PREVIOUS), **more: Any
) -> AsyncIterator[Rig]:
    store = await open_store(f"sqlite:///{folder / 'server.db'}", now=NOW)
    server = Server(
        store=store,
        metrics=Metrics(),
        clock=lambda: NOW,
        secrets=tuple(Secret(secret.decode()) for secret in secrets),
        ready=lambda: (),
        **more,
    )
    app = web.Application(middlewares=[shield])
    app.add_routes(server.routes())
    runner = runner_of(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield Rig(server, store, url, session)
    finally:
        await runner.cleanup()
        await store.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with serving(tmp_path) as one:
        yield one


# -- what is genuine ----------------------------------------------------------------------------


async def test_a_genuine_delivery_is_stored_as_it_came(rig: Rig) -> None:
    assert await rig.post() == 202
    (delivery,) = await rig.store.deliveries(NOW, 10)
    assert (delivery.guid, delivery.event, delivery.body) == ("guid-1", "check_run", BODY)
    assert delivery.received == NOW
    assert await rig.counted() == {"accepted": 1}


async def test_the_previous_secret_is_good_while_secrets_are_being_changed(rig: Rig) -> None:
    assert await rig.post(**genuine(BODY, secret=PREVIOUS)) == 202
    assert await rig.counted() == {"accepted": 1}


async def test_the_same_delivery_twice_is_stored_once_and_welcome_twice(rig: Rig) -> None:
    assert [await rig.post(), await rig.post()] == [202, 202]
    assert await rig.stored() == ["guid-1"]
    assert await rig.counted() == {"accepted": 1, "repeat": 1}


async def test_the_largest_delivery_that_github_sends_is_accepted(rig: Rig) -> None:
    body = json.dumps({"text": "x" * (25 * MIB - 20)}).encode()
    assert await rig.post(body) == 202


async def test_202_means_that_it_survives_a_kill(tmp_path: Path) -> None:
    async with world(tmp_path) as w, process(w) as product, aiohttp.ClientSession() as session:
        secret = (tmp_path / "secret").read_text().splitlines()[0].encode()
        headers = genuine(BODY, secret=secret, guid="guid-of-the-killed")
        url = f"{product.url}/github/webhook"
        async with session.post(url, data=BODY, headers=headers) as answer:
            await product.kill()
            assert answer.status == 202
        store = await open_store(w.settings().store, now=NOW)
        assert await store.known(["guid-of-the-killed"]) == {"guid-of-the-killed"}
        await store.close()


# -- what is not --------------------------------------------------------------------------------

SHA1 = "sha1=" + hmac.new(CURRENT, BODY, sha1).hexdigest()
FOREIGN = sign(BODY, b"somebody else's secret")
DEEP = b'{"a":' * 200_000 + b"1" + b"}" * 200_000
FORM = b"payload=" + BODY.hex().encode()

REFUSED: dict[str, tuple[bytes, dict[str, str | None], int, str]] = {
    "forged": (BODY, {SIGNATURE_HEADER: FOREIGN}, 401, "forged"),
    "unsigned": (BODY, {SIGNATURE_HEADER: None}, 401, "forged"),
    "an empty signature": (BODY, {SIGNATURE_HEADER: ""}, 401, "forged"),
    "half a signature": (BODY, {SIGNATURE_HEADER: sign(BODY, CURRENT)[:-1]}, 401, "forged"),
    "signed with SHA-1 only": (
        BODY,
        {SIGNATURE_HEADER: None, "X-Hub-Signature": SHA1},
        401,
        "forged",
    ),
    "SHA-1 in the new header": (BODY, {SIGNATURE_HEADER: SHA1}, 401, "forged"),
    "two signatures in one": (
        BODY,
        {SIGNATURE_HEADER: f"{FOREIGN}, {sign(BODY, CURRENT)}"},
        401,
        "forged",
    ),
    "shortened on the way": (BODY[:20], {SIGNATURE_HEADER: sign(BODY, CURRENT)}, 401, "forged"),
    "one byte changed": (b"x" + BODY, {SIGNATURE_HEADER: sign(BODY, CURRENT)}, 401, "forged"),
    "nothing at all": (b"", {SIGNATURE_HEADER: None}, 401, "forged"),
    "signed emptiness": (b"", {}, 400, "malformed"),
    "not JSON": (b"hello", {}, 400, "malformed"),
    "an array": (b"[{}]", {}, 400, "malformed"),
    "two objects": (BODY + BODY, {}, 400, "malformed"),
    "a JSON bomb": (DEEP, {}, 400, "malformed"),
    "half of a surrogate pair": (b'{"action": "\\ud800"}', {}, 400, "malformed"),
    "an open JSON bomb": (b"[" * MIB, {}, 400, "malformed"),
    "form-encoded": (
        FORM,
        {"Content-Type": "application/x-www-form-urlencoded"},
        400,
        "malformed",
    ),
    "compressed": (gzip.compress(BODY), {"Content-Encoding": "gzip"}, 400, "malformed"),
    "no event": (BODY, {"X-GitHub-Event": None}, 400, "malformed"),
    "no delivery id": (BODY, {"X-GitHub-Delivery": None}, 400, "malformed"),
    "an empty delivery id": (BODY, {"X-GitHub-Delivery": ""}, 400, "malformed"),
    "an event of a cluster": (BODY, {"X-GitHub-Event": "tekton/default"}, 400, "malformed"),
    "an event that is no name": (BODY, {"X-GitHub-Event": "Check-Run"}, 400, "malformed"),
    "a long event": (BODY, {"X-GitHub-Event": "e" * 201}, 400, "malformed"),
    "a long delivery id": (BODY, {"X-GitHub-Delivery": "d" * 201}, 400, "malformed"),
    "a delivery id that is no text": (BODY, {"X-GitHub-Delivery": "\udcff"}, 400, "malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_genuine_is_refused_counted_and_forgotten(rig: Rig, name: str) -> None:
    body, headers, status, verdict = REFUSED[name]
    assert await rig.post(body, **headers) == status
    assert await rig.counted() == {verdict: 1}
    assert await rig.stored() == []


@pytest.mark.parametrize("right_first", [True, False])
async def test_a_second_signature_header_changes_nothing(rig: Rig, right_first: bool) -> None:
    both = [sign(BODY, CURRENT), FOREIGN] if right_first else [FOREIGN, sign(BODY, CURRENT)]
    lines = "".join(f"{SIGNATURE_HEADER}: {one}\r\n" for one in both)
    head = f"X-GitHub-Event: ping\r\nX-GitHub-Delivery: g\r\n{lines}Content-Length: {len(BODY)}\r\n"
    async with raw(rig, head) as wire:
        await wire.say(BODY)
        assert await wire.status() == (202 if right_first else 401)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (SIGNATURE_HEADER, "sha256=é", 401),
        (SIGNATURE_HEADER, f"{sign(BODY, CURRENT)}é", 401),
        ("X-Hub-Signature", "sha1=é", 202),
        ("X-GitHub-Event", "pingé", 400),
        ("X-GitHub-Delivery", "😀", 400),
        ("User-Agent", "GitHub-Hookshot/é", 202),
    ],
)
async def test_headers_that_are_not_ascii_get_a_verdict(
    rig: Rig, name: str, value: str, status: int
) -> None:
    headers = {**genuine(BODY), "Content-Length": str(len(BODY)), name: value}
    head = "".join(f"{key}: {text}\r\n" for key, text in headers.items())
    async with raw(rig, head) as wire:
        await wire.say(BODY)
        assert await wire.status() == status
    assert await rig.post(guid="another") == 202


async def test_a_forged_click_causes_no_request_and_nothing_in_the_cluster(tmp_path: Path) -> None:
    asked: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        asked.append(request.path)
        answer: web.StreamResponse = await handler(request)
        return answer

    async with world(tmp_path, middlewares=[note]) as w, w.running() as product:
        w.run_through(w.pipelinerun("first"), "Failed")
        check = await until(lambda: w.checks() and w.checks()[0].conclusion and w.checks()[0])
        await until(lambda: len(w.consumer.events) == 3)
        w.app.webhook_secret = "somebody else's secret"
        w.github.click_rerun(check.id, "dev")
        await w.github.settled()
        (last, *_) = w.github.hooks.deliveries(w.app)
        assert last.status_code == 401
        assert await product.store.known([last.guid]) == frozenset()
        assert [path for path in asked if "/collaborators/" in path] == []
        assert len(w.kube.list("PipelineRun", "ci")) == 1


# -- large, slow and broken off -----------------------------------------------------------------


@dataclass
class Wire:
    """A connection on which a request has begun."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        """Says it, as far as somebody listens."""
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def status(self) -> int:
        async with asyncio.timeout(20):
            return int((await self.reader.readline()).split()[1])


@contextlib.asynccontextmanager
async def raw(rig: Rig, head: str) -> AsyncIterator[Wire]:
    port = int(rig.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST /github/webhook HTTP/1.1\r\nHost: us\r\n{head}\r\n".encode())
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_30_mb_are_refused_as_soon_as_they_are_announced(rig: Rig) -> None:
    async with raw(rig, f"Content-Length: {30 * MIB}\r\n") as wire:
        assert await wire.status() == 413
    assert await rig.counted() == {"too_large": 1}


async def test_after_what_was_too_large_the_next_is_welcome(rig: Rig) -> None:
    assert await rig.post(b"{}" + b" " * BODY_LIMIT) == 413
    assert await rig.post() == 202
    assert await rig.counted() == {"too_large": 1, "accepted": 1}


async def test_30_mb_without_an_announcement_are_refused_when_they_are_too_many(rig: Rig) -> None:
    async with raw(rig, "Transfer-Encoding: chunked\r\n") as wire:
        answer = asyncio.create_task(wire.status())
        for _ in range(30):
            await wire.say(b"100000\r\n" + b"x" * MIB + b"\r\n")
        assert await answer == 413
    assert await rig.counted() == {"too_large": 1}
    assert await rig.stored() == []


async def test_a_body_that_ends_early_is_no_delivery(rig: Rig) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in genuine(BODY).items())
    async with raw(rig, f"{headers}Content-Length: {len(BODY) + 10}\r\n") as wire:
        await wire.say(BODY)
    await until(rig.malformed)
    assert await rig.stored() == []


async def test_a_body_that_does_not_come_is_not_waited_for_long(tmp_path: Path) -> None:
    async with serving(tmp_path, read_limit=0.05) as rig:
        async with raw(rig, "Content-Length: 100\r\n") as wire:
            await wire.say(b"abc")
            assert await wire.status() == 408
        assert await rig.counted() == {"malformed": 1}


async def test_chunks_that_are_none_are_a_bad_request(rig: Rig) -> None:
    async with raw(rig, "Transfer-Encoding: chunked\r\n") as wire:
        await wire.say(b"zz\r\nabc\r\n")
        assert await wire.status() == 400


async def test_many_large_forgeries_at_once_do_not_fill_the_memory(rig: Rig) -> None:
    announced = f"Content-Length: {25 * MIB}\r\n"
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(raw(rig, announced)) for _ in range(6)]

        async def send(wire: Wire) -> None:
            for _ in range(25):
                await wire.say(b"x" * (MIB - 1))

        sending = [asyncio.create_task(send(wire)) for wire in wires]
        answers = [asyncio.create_task(wire.status()) for wire in wires]
        refused = await until(lambda: [one for one in answers if one.done()])
        assert {await one for one in refused} == {503}
        await until(lambda: sum(one.done() for one in answers) == 6 - READING_LIMIT // (25 * MIB))
        for wire, task in zip(wires, sending, strict=True):
            task.cancel()
            wire.writer.close()
        await asyncio.gather(*sending, *answers, return_exceptions=True)
    await until(lambda: rig.server._reading == 0)
    assert await rig.post() == 202


async def test_what_is_only_announced_keeps_nobody_out(rig: Rig) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(raw(rig, f"Content-Length: {BODY_LIMIT}\r\n"))
        assert await rig.post() == 202


# -- the other routes ---------------------------------------------------------------------------


async def test_without_a_secret_there_is_nowhere_to_post_to(tmp_path: Path) -> None:
    async with serving(tmp_path, secrets=()) as rig:
        url = f"{rig.url}/github/webhook"
        async with rig.session.post(url, data=BODY, headers=genuine(BODY)) as answer:
            assert answer.status == 404
        assert await rig.stored() == []


async def test_it_is_ready_while_it_works_and_alive_all_the_time(tmp_path: Path) -> None:
    async with world(tmp_path) as w, aiohttp.ClientSession() as session:

        async def ask(path: str) -> tuple[int, str]:
            async with session.get(w.url + path) as answer:
                return answer.status, await answer.text()

        async with w.running() as product:
            await until(lambda: product.running)
            assert await ask("/healthz") == (200, "ok\n")
            assert await ask("/readyz") == (200, "ok\n")
            product.running = False
            assert await ask("/healthz") == (200, "ok\n")
            status, reason = await ask("/readyz")
            assert (status, "not running" in reason) == (503, True)


async def test_all_counters_stand_at_zero_before_anything_happens(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(), aiohttp.ClientSession() as session:
        async with session.get(f"{w.url}/metrics") as answer:
            assert answer.content_type == "text/plain"
            lines = (await answer.text()).splitlines()
        for expected in (
            'checkrail_deliveries_total{result="parked",sink="github-check"} 0.0',
            'checkrail_outbox_parked{sink="cdevents"} 0.0',
            'checkrail_malformed_total{resource="tekton.dev/v1/taskruns"} 0.0',
            'checkrail_looks_total{kind="Job",result="failed"} 0.0',
        ):
            assert expected in lines


async def test_a_store_that_is_away_is_an_error_that_says_nothing_of_itself(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.store.close()
    url = f"{rig.url}/github/webhook"
    async with rig.session.post(url, data=BODY, headers=genuine(BODY)) as answer:
        assert answer.status == 500
        assert await answer.json() == {"message": "internal error"}
    assert "a request failed" in caplog.text


# -- pictures -----------------------------------------------------------------------------------


async def test_a_picture_is_drawn_of_what_its_address_says(rig: Rig) -> None:
    url = f"{rig.url}/timeline.svg?of=2&s=0.62.s.build&s=62.151.f.%3Cscript%3E"
    async with rig.session.get(url) as answer:
        assert (answer.status, answer.content_type) == (200, "image/svg+xml")
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "immutable" in answer.headers["Cache-Control"]
        picture = await answer.text()
    assert "&lt;script&gt;" in picture
    assert "<script" not in picture


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("of=2&s=0.1.s.a", 404),
        ("of=2&s=0.1.s.a&s=%FF%FE", 404),
        ("s=" + "a" * 9_000, 400),  # longer than any line of a request may be
    ],
)
async def test_what_is_no_picture_is_not_found(rig: Rig, query: str, status: int) -> None:
    async with rig.session.get(URL(f"{rig.url}/timeline.svg?{query}", encoded=True)) as answer:
        assert answer.status == status
        assert "<script" not in await answer.text()
