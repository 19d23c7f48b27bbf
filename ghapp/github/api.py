"""One caller of GitHub's REST API, an installation or the App: requests out, verdicts back.

gidgethub reads answers and pages (`sansio`); what it leaves open is closed here: the version
header, Bearer, time and size limits, redirects of a POST, conditional requests, and errors of our
own tree.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urljoin

import aiohttp
from gidgethub import sansio
from yarl import URL

from ghapp.core.budget import NOT_MODIFIED, Cost, Urgency
from ghapp.core.retry import Answer, http_date, lacking, verdict
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.github.answers import Answers
from ghapp.github.auth import Unauthorized
from ghapp.github.flight import SingleFlight
from ghapp.github.limits import Door
from ghapp.github.routes import Route, cost, find
from ghapp.ports import Clock
from ghapp.secret import Secret, redact

Observe = Callable[[str, str, int, float], None]
"""(method, route, status, seconds) of each request; status 0: there was no answer."""

VERSION: Final = "2022-11-28"
"""Of the API: 2026-03-10 takes fields away (https://docs.github.com/en/rest/about-the-rest-api/breaking-changes)."""
ACCEPT: Final = "application/vnd.github+json"
BODY_LIMIT: Final = 32 * 1024 * 1024
"""Bytes. The largest we ask for: a webhook delivery holds a payload of up to 25 MB."""
_ERROR_LIMIT: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 307, 308})
_WRITE_REDIRECTS: Final = frozenset({301, 307, 308})
_READ: Final = frozenset({"GET", "HEAD"})
NEVER_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ClientSSLError,
    aiohttp.ConnectionTimeoutError,
)
_GOOD: Final = frozenset({200, 201, 202, 204})


class NotGranted(Reject):
    """The owner of the installation has not accepted a permission that this needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rim:
    """What all callers share: the session, and what stands around it."""

    session: aiohttp.ClientSession
    api_url: str
    user_agent: str
    timeout: aiohttp.ClientTimeout
    clock: Clock
    observe: Observe
    answers: Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, before it is known who signs it."""

    method: str
    path: str
    route: Route
    body: Mapping[str, Any] | None = None
    urgency: Urgency = Urgency.ANSWER

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        urgency: Urgency = Urgency.ANSWER,
    ) -> "Call":
        """Made of a path that really is one: it may hold names that others chose."""
        bare = path.partition("?")[0]
        if not bare.startswith("/") or not {"", ".", ".."}.isdisjoint(bare[1:].split("/")):
            raise Reject(f"{path!r} is not a path of GitHub's API")
        return cls(method=method, path=path, route=find(bare), body=body, urgency=urgency)

    @property
    def cost(self) -> Cost:
        """What it counts for."""
        return cost(self.route, self.method, self.urgency)

    @property
    def write(self) -> bool:
        """Whether it may change something."""
        return self.method not in _READ

    @property
    def repeats(self) -> bool:
        """Whether it is a question that is asked again and again."""
        return self.method == "GET" and self.route.repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer, and the address of the next part of it."""

    content: Any
    more: str | None = field(default=None)


class Caller:
    """An installation or the App; never shared between installations."""

    def __init__(self, rim: Rim, door: Door, *, name: str) -> None:
        self.door = door
        self._rim = rim
        self._name = name
        self._writes = 0
        self._flights: SingleFlight[Page] = SingleFlight()
        self.skew: float | None = None
        """Seconds that GitHub's clock was ahead of ours when it answered last."""

    async def send(self, call: Call, bearer: Secret) -> Page:
        """One request and its verdict: a Page, or Retry, Reject, Unauthorized.

        Equal questions that are asked at the same time are asked once; but nobody gets an answer
        to a question that was asked before a write ended, or they would not see what they wrote.
        """
        if call.repeats:
            key = (call.path, id(bearer), self._writes)
            return await self._flights.ask(key, partial(self._turned, call, bearer))
        return await self._turned(call, bearer)

    def forget(self) -> None:
        """Drop what was answered so far."""
        self._rim.answers.forget(self._name)

    async def close(self) -> None:
        """Let go of what is being asked."""
        await self._flights.close()

    async def _turned(self, call: Call, bearer: Secret) -> Page:
        async with self.door.turn(call.cost):
            try:
                self._writes += call.write
                return await self._timed(call, bearer)
            finally:
                self._writes += call.write

    async def _timed(self, call: Call, bearer: Secret) -> Page:
        started, status = asyncio.get_running_loop().time(), 0
        try:
            reply = await self._asked(call, bearer)
            status = reply.status
            return self._read(call, reply)
        except DeliveryError as error:
            status = error.status or 0
            raise
        except (ValueError, LookupError) as error:  # not the JSON that GitHub promises
            reason = f"GitHub answered {call.route.template} with something unreadable"
            raise Retry(f"{reason} ({type(error).__name__})", uncertain=call.write) from error
        finally:
            seconds = asyncio.get_running_loop().time() - started
            self._rim.observe(call.method, call.route.template, status, seconds)

    def _read(self, call: Call, reply: Reply) -> Page:
        content, _, more = sansio.decipher_response(200, reply.headers, reply.body)
        if call.repeats and reply.status == 200:
            self._rim.answers.keep(self._name, call.path, reply.headers, reply.body)
        return Page(content=content, more=more)

    async def _asked(self, call: Call, bearer: Secret) -> Reply:
        """GitHub's answer, if it is a good one; where nothing was modified, what it was before."""
        headers, body = self._headers(call, bearer), _encoded(call.body)
        known = self._rim.answers.get(self._name, call.path) if call.repeats else None
        url = self._rim.api_url + _escaped(call.path)
        asking = {**headers, "if-none-match": known.tag} if known else headers
        reply = await self._exchange(call, url, asking, body)
        target = _moved(call, url, reply)
        if target is not None:
            reply = await self._exchange(call, target, headers, body)
        strikes, text = self.door.budget.strikes, ""
        if reply.status >= 300:
            text = redact(reply.body[:_ERROR_LIMIT].decode(errors="replace"))
        self._heard(Answer(status=reply.status, headers=reply.headers, text=text))
        if reply.status in _GOOD:
            return reply
        if known is not None and reply.status == NOT_MODIFIED:
            return replace(reply, headers=known.headers, body=known.body)
        raise _error(call, reply, text, now=self._rim.clock(), strikes=strikes)

    def _headers(self, call: Call, bearer: Secret) -> dict[str, str]:
        headers = sansio.create_headers(self._rim.user_agent, accept=ACCEPT)
        headers["authorization"] = f"Bearer {bearer.reveal()}"
        headers["x-github-api-version"] = VERSION
        if call.body is not None:
            headers["content-type"] = "application/json; charset=utf-8"
        return headers

    def _heard(self, answer: Answer) -> None:
        theirs = http_date(answer.headers.get("date", ""))
        if theirs is not None:
            self.skew = theirs - self._rim.clock().timestamp()
        self.door.heard(answer)

    async def _exchange(
        self, call: Call, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """One trip. Redirects are not left to aiohttp: it turns POST + 301 into a GET."""
        try:
            async with self._rim.session.request(
                call.method,
                URL(url, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=self._rim.timeout,
            ) as response:
                raw = await _read(response)
                return Reply(status=response.status, headers=response.headers, body=raw)
        except NEVER_SENT as error:
            raise Retry(f"GitHub cannot be reached: {unreached(error)}") from error
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            reason = f"GitHub did not answer: {type(error).__name__}"
            raise Retry(reason, uncertain=call.write) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Reject(f"GitHub's answer is longer than {BODY_LIMIT} bytes")
    return bytes(body)


def unreached(error: aiohttp.ClientError) -> str:
    """Why there was no connection, and what a person can do about it."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}".rstrip()
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{error}; the CA of a private certificate goes into CHECKRAIL_GITHUB_CA_FILE"
    return str(error)


def _error(call: Call, reply: Reply, text: str, *, now: datetime, strikes: int) -> DeliveryError:
    status, headers = reply.status, reply.headers
    if 300 <= status < 400:
        host = URL(headers.get("location", "")).host
        return Reject(f"GitHub redirects to {host or 'nowhere'}: not followed", status=status)
    error = verdict(
        status,
        headers,
        text,
        now=now,
        far="GitHub answered",
        write=call.write,
        strikes=strikes,
    )
    if status == 401 and isinstance(error, Reject):
        return Unauthorized(error.reason, date=headers.get("date", ""))
    if lacking(Answer(status=status, headers=headers, text=text)):
        return NotGranted(error.reason, status=status)
    return error


def _moved(call: Call, url: str, reply: Reply) -> str | None:
    """Where a renamed repository is now: one step, and only on the same host.

    Anywhere else the token would be shown to strangers.
    """
    if reply.status not in (_WRITE_REDIRECTS if call.write else _REDIRECTS):
        return None
    try:
        target = URL(urljoin(url, reply.headers.get("location", "")), encoded=True)
        return str(target) if target.origin() == URL(url).origin() else None
    except ValueError:
        return None


def _encoded(body: Mapping[str, Any] | None) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


def _escaped(path: str) -> str:
    """A name may hold braces, which no URL does."""
    return path.replace("{", "%7B").replace("}", "%7D")
