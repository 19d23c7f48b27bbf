"""One cluster's API over one aiohttp session: read, create, patch, list and watch.

Not a client library: it knows no kinds, returns what the server wrote, and turns every failure into
`Retry` or `Reject` with the server's own message. What to make of a list and a watch is the matter
of `kube_follow`; where the API is and who we are there, of `kube_config`.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import aiohttp
import msgspec

from ghapp.core import retry
from ghapp.core.source import Resource
from ghapp.engine.kube_identity import Connection, Identity
from ghapp.engine.kube_wire import Discovery, Lines, Page, decode, message
from ghapp.errors import ConfigError, DeliveryError, Reject, Retry
from ghapp.http import USER_AGENT, read_body, unreachable, utc_now
from ghapp.ports import Clock

MIB: Final = 2**20

READ_BUFFER: Final = MIB
"""aiohttp pauses a connection at twice this. Its default of 64 KiB would wake us for each
twentieth of a large object."""

LINE_LIMIT: Final = 4 * MIB
"""etcd takes objects of 1.5 MiB; JSON escapes and the old state in an event may double that."""

BODY_LIMIT: Final = 16 * MIB
"""Of one answer; a page of a list that is longer is asked for again in smaller pages."""

PAGE: Final = 500
"""Objects in a page of a list, as kubectl asks."""

FIELD_MANAGER: Final = "checkrail"

PODS: Final = Resource("", "v1", "pods", "Pod")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long to wait, in seconds."""

    connect: float = 5
    request: float = 30
    """A whole answer; a page of a list may be slow on a busy server."""
    watch: int = 290
    """How long a watch is asked to last: less than the five minutes that many proxies allow."""
    silence: float = 75
    """A watch that says nothing for so long is dead: bookmarks come about once a minute."""


def open_session() -> aiohttp.ClientSession:
    """A session for one cluster's API.

    The number of connections is not limited here: each watch holds one for ever, so a limit below
    their number would lock out every write, and the callers are bounded themselves.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        read_bufsize=READ_BUFFER,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeClient:
    """The port `Kube`, and what `kube_follow` needs beside it."""

    session: aiohttp.ClientSession
    connection: Connection
    times: Times = Times()
    clock: Clock = utc_now

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One object, whole."""
        return decode(await self._ask("GET", resource.path(namespace, name)), dict[str, Any])

    async def create(
        self, resource: Resource, namespace: str, manifest: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Creates; an object of that name is a Reject with status 409."""
        path = resource.path(namespace)
        answer = await self._ask("POST", path, body=manifest, content="application/json")
        return decode(answer, dict[str, Any])

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Merge-patches; a `metadata.uid` in the body guards it (409 when it is another object)."""
        path = resource.path(namespace, name)
        content = "application/merge-patch+json"  # strategic merge does not exist for CRDs
        answer = await self._ask("PATCH", path, body=body, content=content)
        return decode(answer, dict[str, Any])

    async def patch_status(
        self, resource: Resource, namespace: str, name: str, status: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Merge-patches the status subresource: nothing else can be changed by that."""
        path = f"{resource.path(namespace, name)}/status"
        content = "application/merge-patch+json"
        answer = await self._ask("PATCH", path, body={"status": status}, content=content)
        return decode(answer, dict[str, Any])

    async def served(self, resource: Resource) -> bool:
        """Whether the API server knows the resource: its CRD is installed."""
        try:
            answer = await self._ask("GET", resource.root)
        except Reject as error:
            if error.status == 404:
                return False
            raise
        known = decode(answer, Discovery).resources or ()
        return any(one.name == resource.plural for one in known)

    async def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """The pods that a label selector names, as many as one page of a list has."""
        page = await self.page(PODS, namespace, selector=selector)
        return [decode(bytes(item), dict[str, Any]) for item in page.items or ()]

    async def log(
        self, namespace: str, pod: str, container: str, *, tail_lines: int, limit_bytes: int
    ) -> bytes:
        """The end of a container's log: at most so many lines, and of those the last bytes.

        The API's own ``limitBytes`` keeps the *first* bytes of those lines, so it only guards us
        against lines without end; then fewer lines are asked for, until their end comes through.
        """
        while True:
            query = {"tailLines": str(tail_lines), "limitBytes": str(BODY_LIMIT)}
            request = self._log_request(namespace, pod, container, query)
            kept, size = await self._end(request, limit_bytes)
            if size < BODY_LIMIT:
                return kept
            if tail_lines == 1:
                raise _TooLong(f"the last line of the log is longer than {BODY_LIMIT} bytes")
            tail_lines = max(1, tail_lines // 8)

    async def whole_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int
    ) -> bytes:
        """A container's log from its beginning, at most so many bytes of it."""
        query = {"limitBytes": str(limit_bytes)}
        request = self._log_request(namespace, pod, container, query)
        return await self._beginning(request, limit_bytes)

    def _log_request(
        self, namespace: str, pod: str, container: str, query: Mapping[str, str]
    ) -> "_Request":
        path = f"{PODS.path(namespace, pod)}/log"
        asked = self._request("GET", path, query={"container": container, **query})
        return replace(asked, headers={"Accept": "*/*"})  # it is no JSON

    async def _beginning(self, request: "_Request", limit: int) -> bytes:
        """The first bytes of an answer, whatever else the server wants to say."""
        kept = bytearray()
        async with await self._send(request) as response:
            try:
                async for chunk in response.content.iter_any():
                    kept += chunk
                    if len(kept) >= limit:
                        break
            except (aiohttp.ClientError, OSError) as error:
                raise unreachable(error, self.connection.base_url) from error
        return bytes(kept[:limit])

    async def _end(self, request: "_Request", limit: int) -> tuple[bytes, int]:
        """The last bytes of an answer, and how long it was."""
        kept, size = bytearray(), 0
        async with await self._send(request) as response:
            try:
                async for chunk in response.content.iter_any():
                    size += len(chunk)
                    kept += chunk
                    del kept[:-limit]
            except (aiohttp.ClientError, OSError) as error:
                raise unreachable(error, self.connection.base_url) from error
        return bytes(kept), size

    async def page(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        after: str = "",
        limit: int = PAGE,
        selector: str = "",
    ) -> Page:
        """A page of the list, or of what comes `after`; 410 when that token has expired."""
        more = {"continue": after} if after else {}
        chosen = {"labelSelector": selector} if selector else {}
        while True:
            query = {"limit": str(limit), **more, **chosen}
            try:
                return decode(await self._ask("GET", resource.path(namespace), query=query), Page)
            except _TooLong:
                if limit == 1:
                    raise
                limit = max(1, limit // 8)

    async def watch(
        self, resource: Resource, namespace: str, version: str, *, selector: str = ""
    ) -> AsyncGenerator[list[bytes | None]]:
        """The lines of a watch, some at a time; None stands for one that was too long.

        It ends when the server ends it or has been silent for too long, and raises Retry when the
        connection breaks. A half line is dropped: whoever resumes gets it again.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self.times.watch),
            "resourceVersion": version,
            **({"labelSelector": selector} if selector else {}),
        }
        timeout = aiohttp.ClientTimeout(
            total=self.times.watch + self.times.silence,
            sock_connect=self.times.connect,
            sock_read=self.times.silence,
        )
        path = resource.path(namespace)
        headers = {"Accept-Encoding": "identity"}  # a proxy that compresses may hold events back
        request = _Request("GET", path, query=query, headers=headers, timeout=timeout)
        lines = Lines(LINE_LIMIT)
        async with await self._send(request) as response:
            try:
                async for chunk in response.content.iter_any():
                    if batch := lines.feed(chunk):
                        yield batch
            except TimeoutError:
                return
            except (aiohttp.ClientError, OSError) as error:
                raise unreachable(error, self.connection.base_url) from error

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = "",
    ) -> bytes:
        """One request; the body of its 2xx answer."""
        request = self._request(method, path, query=query, body=body, content=content)
        async with await self._send(request) as response:
            try:
                answer = await read_body(response, BODY_LIMIT)
            except (aiohttp.ClientError, OSError) as error:
                raise unreachable(error, self.connection.base_url) from error
        if answer is None:
            raise _TooLong(f"{method} {path}: the answer is longer than {BODY_LIMIT} bytes")
        return answer

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: str = "",
    ) -> "_Request":
        return _Request(
            method,
            path,
            query=query or ({"fieldManager": FIELD_MANAGER} if content else {}),
            headers={"Content-Type": content} if content else {},
            body=None if body is None else msgspec.json.encode(body),
            timeout=aiohttp.ClientTimeout(
                total=self.times.request, sock_connect=self.times.connect
            ),
        )

    async def _send(self, request: "_Request") -> aiohttp.ClientResponse:
        """The response to a request, if it is a 2xx; on a 401 once more with a new token."""
        identity = await self._identity()
        response = await self._send_as(identity, request)
        if response.status == 401:
            renewed = await self._identity(rejected=identity)
            if renewed is not identity:
                response.close()
                response = await self._send_as(renewed, request)
        if 200 <= response.status < 300:
            return response
        raise await self._refusal(request, response)

    async def _send_as(self, identity: Identity, request: "_Request") -> aiohttp.ClientResponse:
        try:
            return await self.session.request(
                request.method,
                self.connection.base_url + request.path,
                params=request.query,
                headers={**request.headers, **identity.headers},
                data=request.body,
                timeout=request.timeout,
                ssl=identity.tls,
                server_hostname=self.connection.server_hostname,
                proxy=self.connection.proxy,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(error, self.connection.base_url) from error

    async def _identity(self, rejected: Identity | None = None) -> Identity:
        """Who we are; a plugin or a mounted file that fails now need not always fail."""
        try:
            return await self.connection.credentials.identity(rejected)
        except ConfigError as error:
            raise Retry(f"no credentials for the cluster: {error}") from error

    async def _refusal(
        self, request: "_Request", response: aiohttp.ClientResponse
    ) -> DeliveryError:
        """What an answer other than 2xx means."""
        async with response:
            try:
                body = await read_body(response, MIB) or b""
            except (aiohttp.ClientError, OSError) as error:
                return unreachable(error, self.connection.base_url)
        return retry.verdict(
            response.status,
            response.headers,
            message(body),
            now=self.clock(),
            far=f"Kubernetes {request.method} {request.path}",
            write=request.method != "GET",
        )


@dataclass(frozen=True, slots=True)
class _Request:
    """A request but for who sends it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    timeout: aiohttp.ClientTimeout
    body: bytes | None = None


class _TooLong(Reject):
    """An answer above the limit."""
