"""One caller of GitHub's REST API, an installation or the App: requests out, verdicts back.

gidgethub builds the requests and reads pages; what it leaves open is closed here: the version
header, Bearer, time and size limits, redirects of a POST, and errors of our own tree.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urljoin

import aiohttp
from gidgethub.aiohttp import GitHubAPI
from yarl import URL

from ghapp.core.budget import Cost
from ghapp.core.retry import Answer, http_date, verdict
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.github.auth import Unauthorized
from ghapp.github.limits import Door
from ghapp.github.routes import Route, cost, find
from ghapp.ports import Clock
from ghapp.secret import Secret, redact

Observe = Callable[[str, str, int, float], None]
"""(method, route, status, seconds) of each request; status 0: there was no answer."""

Remaining = Callable[[str, int], None]
"""(installation, requests) that GitHub still allows in this hour, as far as we know."""

VERSION: Final = "2022-11-28"
"""Of the API: 2026-03-10 takes fields away (https://docs.github.com/en/rest/about-the-rest-api/breaking-changes)."""
ACCEPT: Final = "application/vnd.github+json"
BODY_LIMIT: Final = 32 * 1024 * 1024
"""Bytes. The largest we ask for: a webhook delivery holds a payload of up to 25 MB."""
_ERROR_LIMIT: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_WRITE_REDIRECTS: Final = frozenset({301, 307, 308})
_READ: Final = frozenset({"GET", "HEAD"})
_NEVER_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientSSLError,
    aiohttp.ConnectionTimeoutError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rim:
    """What all callers share: the session, and what stands around it."""

    session: aiohttp.ClientSession
    api_url: str
    user_agent: str
    timeout: aiohttp.ClientTimeout
    clock: Clock
    observe: Observe
    remaining: Remaining


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, before it is known who signs it."""

    method: str
    path: str
    route: Route
    body: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, method: str, path: str, body: Mapping[str, Any] | None = None) -> "Call":
        """Made of a path that really is one: it may hold names that others chose."""
        bare = path.partition("?")[0]
        if not bare.startswith("/") or not {"", ".", ".."}.isdisjoint(bare[1:].split("/")):
            raise Reject(f"{path!r} is not a path of GitHub's API")
        return cls(method=method, path=path, route=find(bare), body=body)

    @property
    def cost(self) -> Cost:
        """What it counts for."""
        return cost(self.route, self.method, self.body)

    @property
    def write(self) -> bool:
        """Whether it may change something."""
        return self.method not in _READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer, and the address of the next part of it."""

    content: Any
    more: str | None = field(default=None)


class Caller(GitHubAPI):
    """An installation or the App; never shared between installations."""

    def __init__(self, rim: Rim, door: Door, *, name: str) -> None:
        super().__init__(rim.session, rim.user_agent, base_url=rim.api_url)
        self.door = door
        self._rim = rim
        self._name = name
        self.skew: float | None = None
        """Seconds that GitHub's clock was ahead of ours when it answered last."""

    async def send(self, call: Call, bearer: Secret) -> Page:
        """One request and its verdict: a Page, or Retry, Reject, Unauthorized."""
        async with self.door.turn(call.cost):
            return await self._timed(call, bearer)

    async def _timed(self, call: Call, bearer: Secret) -> Page:
        started, status = asyncio.get_running_loop().time(), 0
        try:
            content, more, status = await self._make_request(
                call.method,
                _escaped(call.path),
                {},
                b"" if call.body is None else call.body,
                ACCEPT,
                extra_headers={
                    "authorization": f"Bearer {bearer.reveal()}",
                    "x-github-api-version": VERSION,
                },
            )
        except DeliveryError as error:
            status = error.status or 0
            raise
        except (ValueError, LookupError) as error:  # not the JSON that GitHub promises
            reason = f"GitHub answered {call.route.template} with something unreadable"
            raise Retry(f"{reason} ({type(error).__name__})", uncertain=call.write) from error
        finally:
            seconds = asyncio.get_running_loop().time() - started
            self._rim.observe(call.method, call.route.template, status, seconds)
        return Page(content=content, more=more)

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        answer = await self._exchange(method, url, headers, body)
        target = _moved(method, url, answer)
        if target is not None:
            answer = await self._exchange(method, target, headers, body)
        status, found, raw = answer
        text = redact(raw[:_ERROR_LIMIT].decode(errors="replace")) if status >= 300 else ""
        strikes = self.door.budget.strikes
        self._heard(Answer(status=status, headers=found, text=text))
        if status not in {200, 201, 202, 204}:
            raise _error(answer, text, method=method, now=self._rim.clock(), strikes=strikes)
        return answer

    def _heard(self, answer: Answer) -> None:
        theirs = http_date(answer.headers.get("date", ""))
        if theirs is not None:
            self.skew = theirs - self._rim.clock().timestamp()
        self.door.heard(answer)
        left = self.door.budget.remaining
        if left is not None:
            self._rim.remaining(self._name, left)

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One trip. Redirects are not left to aiohttp: it turns POST + 301 into a GET."""
        write = method not in _READ
        try:
            async with self._rim.session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=self._rim.timeout,
            ) as response:
                raw = await _read(response)
                return response.status, response.headers, raw
        except _NEVER_SENT as error:
            raise Retry(f"GitHub cannot be reached: {error}") from error
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            reason = f"GitHub did not answer: {type(error).__name__}"
            raise Retry(reason, uncertain=write) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Reject(f"GitHub's answer is longer than {BODY_LIMIT} bytes")
    return bytes(body)


def _error(
    answer: tuple[int, Mapping[str, str], bytes],
    text: str,
    *,
    method: str,
    now: datetime,
    strikes: int,
) -> DeliveryError:
    status, headers, _ = answer
    if 300 <= status < 400:
        host = URL(headers.get("location", "")).host
        return Reject(f"GitHub redirects to {host or 'nowhere'}: not followed", status=status)
    error = verdict(
        status,
        headers,
        text,
        now=now,
        far="GitHub answered",
        write=method not in _READ,
        strikes=strikes,
    )
    if status == 401 and isinstance(error, Reject):
        return Unauthorized(error.reason, date=headers.get("date", ""))
    return error


def _moved(method: str, url: str, answer: tuple[int, Mapping[str, str], bytes]) -> str | None:
    """Where a renamed repository is now: one step, and only on the same host.

    Anywhere else the token would be shown to strangers.
    """
    status, headers, _ = answer
    if status not in (_REDIRECTS if method in _READ else _WRITE_REDIRECTS):
        return None
    try:
        target = URL(urljoin(url, headers.get("location", "")), encoded=True)
        return str(target) if target.origin() == URL(url).origin() else None
    except ValueError:
        return None


def _escaped(path: str) -> str:
    """gidgethub expands ``{...}`` as a URI template; a name may hold braces."""
    return path.replace("{", "%7B").replace("}", "%7D")
