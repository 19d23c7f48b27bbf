"""How many watch events a second go through `kube_follow.follow`; `python -m bench.watch`.

A thread plays the API server: one list, then one watch that sends prepared lines of 12 KB as fast
as the socket takes them. Everything else is the product: aiohttp, the line splitter, msgspec. It is
a part of `bench.latency`; nothing is promised of it alone.
"""

import asyncio
import socket
import threading
import time
from contextlib import aclosing
from typing import Final

import msgspec

from bench._table import Row, report
from ghapp.core.source import Resource
from ghapp.engine.kube import KubeClient, open_session
from ghapp.engine.kube_follow import Changed, follow
from ghapp.engine.kube_identity import Connection, Fixed

EVENTS: Final = 40_000
LINE: Final = 12_000
RUNS: Final = Resource("tekton.dev", "v1", "pipelineruns", "PipelineRun")


class _Condition(msgspec.Struct):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class _Status(msgspec.Struct):
    startTime: str | None = None  # noqa: N815
    conditions: list[_Condition] = []


class _Metadata(msgspec.Struct):
    name: str
    namespace: str
    uid: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Run(msgspec.Struct):
    """About what an adapter reads."""

    metadata: _Metadata
    status: _Status


def line() -> bytes:
    """An event as long as that of a real PipelineRun of three tasks."""
    tasks = [
        {"name": f"task-{i}", "taskSpec": {"steps": [{"image": "golang:1.24", "script": "x" * 80}]}}
        for i in range(60)
    ]
    event = {
        "type": "MODIFIED",
        "object": {
            "apiVersion": RUNS.api_version,
            "kind": RUNS.kind,
            "metadata": {
                "name": "build-and-test-75m46",
                "namespace": "ci",
                "uid": "0c126964-2b22-4221-99cd-b339f55eff25",
                "resourceVersion": "6990",
                "labels": {"tekton.dev/pipeline": "build-and-test"},
            },
            "status": {
                "startTime": "2026-11-21T02:33:06Z",
                "conditions": [{"type": "Succeeded", "status": "Unknown", "reason": "Running"}],
                "pipelineSpec": {"tasks": tasks},
                "padding": "",
            },
        },
    }
    event["object"]["status"]["padding"] = "p" * (LINE - 1 - len(msgspec.json.encode(event)))  # type: ignore[index]
    return msgspec.json.encode(event) + b"\n"


def _serve(listener: socket.socket) -> None:
    """A list, then a watch without end, until the client hangs up."""
    some = line() * 16
    chunk = f"{len(some):x}\r\n".encode() + some + b"\r\n"
    listing = b'{"metadata":{"resourceVersion":"1"},"items":[]}'
    client, _ = listener.accept()
    with client:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(listing), listing))
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                client.sendall(chunk)
        except OSError:
            return  # it has seen enough


async def measure(events: int = EVENTS) -> float:
    """Events a second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with open_session() as session, asyncio.timeout(60):
            api = KubeClient(
                session=session, connection=Connection(base_url=base_url, credentials=Fixed())
            )
            async with aclosing(follow(api, RUNS, "", (_Run,))) as stream:
                seen, began = 0, time.perf_counter()
                async for event in stream:
                    seen += isinstance(event, Changed)
                    if seen == events:
                        break
                return events / (time.perf_counter() - began)


def main() -> None:
    """Prints a row."""
    rate = asyncio.run(measure())
    what = f"watch: lines of {LINE / 1000:.0f} KB from the socket to decoded values"
    report(Row(what=what, budget="", measured=f"{rate:,.0f}/s"))


if __name__ == "__main__":
    main()
