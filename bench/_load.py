"""Sends signed webhooks from a process of its own.

    python -m bench._load PORT SECRET SECONDS RATE

RATE 0 keeps every connection busy; any other is how many deliveries a second are due, and then a
delivery that had to wait for a free connection counts from when it was due. What came of them is
printed as JSON. A client library would cost more than the server that is measured, so the requests
are bytes, made beforehand, over plain connections.
"""

import asyncio
import hashlib
import hmac
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import msgspec

CONNECTIONS: Final = 32
LATE: Final = 10.0
"""Seconds to wait for one answer."""
BODY_BYTES: Final = 10_000
"""What GitHub says of a check run: the run, its suite, the repository, the App, the sender."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    seconds: float
    """How long it took in all."""
    took: list[float]
    """Seconds, of each delivery that was accepted."""
    refused: int
    """Answers other than 202."""


class Sender(asyncio.Protocol):
    """A connection that has one delivery under way at a time."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bytes] | None = None
        self._heard = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    async def send(self, request: bytes) -> bool:
        """Whether it was accepted."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(LATE):
            return (await self._answer).startswith(b"HTTP/1.1 202")

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of it; its body is JSON and nothing follows it."""
        self._heard += data
        if self._answer and not self._answer.done() and self._heard.endswith(b"}"):
            self._answer.set_result(self._heard)
            self._heard = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))


class Requests:
    """Deliveries that differ in their guid only."""

    def __init__(self, secret: str) -> None:
        body = _body()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        self._head = (
            "POST /github/webhook HTTP/1.1\r\nHost: checkrail\r\n"
            "Content-Type: application/json\r\nX-GitHub-Event: check_run\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n"
            "X-GitHub-Delivery: "
        ).encode()
        self._tail = b"\r\n\r\n" + body

    def new(self) -> bytes:
        """The next one."""
        return self._head + str(uuid4()).encode() + self._tail


def _body() -> bytes:
    check = {"id": 1, "external_id": "", "app": {"id": 1}, "head_sha": "c" * 40, "output": {}}
    event = {
        "action": "created",
        "check_run": check,
        "repository": {"full_name": "acme/shop"},
        "sender": {"login": "checkrail[bot]"},
        "urls": "",
    }
    event["urls"] = "u" * (BODY_BYTES - len(msgspec.json.encode(event)))
    return msgspec.json.encode(event)


@asynccontextmanager
async def senders(port: int) -> AsyncIterator[asyncio.Queue[Sender]]:
    """Free connections."""
    free: asyncio.Queue[Sender] = asyncio.Queue()
    loop, transports = asyncio.get_running_loop(), []
    for _ in range(CONNECTIONS):
        transport, sender = await loop.create_connection(Sender, "127.0.0.1", port)
        transports.append(transport)
        free.put_nowait(sender)
    try:
        yield free
    finally:
        for transport in transports:
            transport.close()


async def flood(port: int, requests: Requests, seconds: float) -> Outcome:
    """As many as go."""
    took, refused = list[float](), 0
    began = time.perf_counter()

    async def busy(sender: Sender) -> None:
        nonlocal refused
        while (at := time.perf_counter()) < began + seconds:
            accepted = await sender.send(requests.new())
            refused += not accepted
            took.append(time.perf_counter() - at)

    async with senders(port) as free:
        await asyncio.gather(*(busy(free.get_nowait()) for _ in range(CONNECTIONS)))
    return Outcome(seconds=time.perf_counter() - began, took=took, refused=refused)


async def stream(port: int, requests: Requests, seconds: float, rate: float) -> Outcome:
    """So many a second, evenly."""
    took, refused = list[float](), 0
    began = time.perf_counter()

    async def one(free: asyncio.Queue[Sender], due: float) -> None:
        nonlocal refused
        sender = await free.get()
        refused += not await sender.send(requests.new())
        took.append(time.perf_counter() - due)
        free.put_nowait(sender)

    async with senders(port) as free, asyncio.TaskGroup() as group:
        for number in range(int(seconds * rate)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(free, due))
    return Outcome(seconds=time.perf_counter() - began, took=took, refused=refused)


async def main(port: int, secret: str, seconds: float, rate: float) -> None:
    """Prints the outcome."""
    requests = Requests(secret)
    outcome = await (
        stream(port, requests, seconds, rate) if rate else flood(port, requests, seconds)
    )
    print(msgspec.json.encode(outcome).decode())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
