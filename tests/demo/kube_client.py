"""A plain HTTP client for the Kubernetes tests: it adds nothing to what the server says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiohttp import ClientResponse, ClientSession

Json = Any
LIMIT = 10.0
"""Seconds within which whatever a test waits for has to happen."""

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and a decoded body."""

    code: int
    body: Json
    headers: dict[str, str]

    @property
    def reason(self) -> str:
        reason: str = self.body.get("reason", "")
        return reason

    @property
    def version(self) -> str:
        version: str = self.body["metadata"]["resourceVersion"]
        return version


class Watching:
    """An open watch, read event by event."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def next(self) -> Json | None:
        """The next event; None when the stream has ended."""
        async with asyncio.timeout(LIMIT):
            line = await self.response.content.readline()
        return json.loads(line) if line else None

    async def kinds(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next events."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"]["name"]) for event in events if event]


@dataclass(frozen=True, slots=True)
class Kube:
    """A Kubernetes API at a URL."""

    url: str
    session: ClientSession
    namespace: str = "default"

    def path(self, plural: str, name: str = "", sub: str = "", *, group: str = "") -> str:
        """Where an object of this client's namespace is; `group` with its version."""
        root = f"/apis/{group}" if group else "/api/v1"
        parts = [part for part in (plural, name, sub) if part]
        return f"{root}/namespaces/{self.namespace}/{'/'.join(parts)}"

    async def get(self, path: str, accept: str = "application/json", **query: str) -> Answer:
        return await self._ask("GET", path, query=query, headers={"Accept": accept})

    async def post(self, path: str, body: Json, **query: str) -> Answer:
        return await self._ask("POST", path, body, query=query)

    async def put(self, path: str, body: Json, **query: str) -> Answer:
        return await self._ask("PUT", path, body, query=query)

    async def delete(self, path: str, body: Json = None, **query: str) -> Answer:
        return await self._ask("DELETE", path, body, query=query)

    async def patch(self, path: str, body: Json, kind: str = MERGE, **query: str) -> Answer:
        return await self._ask("PATCH", path, body, query=query, headers={"Content-Type": kind})

    async def _ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: dict[str, str],
        headers: dict[str, str] | None = None,
    ) -> Answer:
        text = None if body is None else BytesIO(json.dumps(body).encode())
        sent = {"Content-Type": "application/json", **(headers or {})}
        async with (
            asyncio.timeout(LIMIT),
            self.session.request(
                method, self.url + path, data=text, params=query, headers=sent
            ) as response,
        ):
            raw = await response.read()
            is_json = response.content_type == "application/json"
            decoded = json.loads(raw) if is_json else raw.decode()
            return Answer(response.status, decoded, dict(response.headers))

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[Watching]:
        asked = self.session.get(self.url + path, params={"watch": "1", **query})
        async with asyncio.timeout(LIMIT):
            response = await asked
        async with response:
            yield Watching(response)
