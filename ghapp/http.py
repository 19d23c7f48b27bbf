"""The one way out for sinks: a POST over a pooled session, and what its answer means.

Redirects are not followed (the CloudEvents webhook rules forbid it, and a POST would lose its
body), every wait has a limit and so has every body. Statuses become Retry or Reject in
`core.retry`; nothing here decides what to do about them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Final

import aiohttp
from yarl import URL

from ghapp import __version__
from ghapp.core import retry
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.ports import Clock

USER_AGENT: Final = f"checkrail/{__version__}"

TIMEOUT: Final = aiohttp.ClientTimeout(total=15, sock_connect=5)
BODY_LIMIT: Final = 64 * 1024
"""Bytes read of an answer; only its error message interests."""

CONNECTIONS: Final = 100
"""At once, over all sinks; aiohttp queues the rest."""


def open_session() -> aiohttp.ClientSession:
    """A session for sinks: no cookies, no proxies from the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        timeout=TIMEOUT,
    )


def utc_now() -> datetime:
    """Wall time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class HttpClient:
    """The port `Http`."""

    session: aiohttp.ClientSession
    clock: Clock = utc_now
    timeout: aiohttp.ClientTimeout = TIMEOUT

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float | None = None,
        tls: SSLContext | None = None,
    ) -> int:
        """Posts; returns the 2xx status, or raises Retry or Reject."""
        limits = self.timeout
        if timeout is not None:
            limits = aiohttp.ClientTimeout(total=timeout, sock_connect=limits.sock_connect)
        try:
            async with self.session.post(
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=limits,
                ssl=tls or True,
            ) as response:
                if 200 <= response.status < 300:
                    return response.status
                text = await read_body(response, BODY_LIMIT) or b""
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise unreachable(error, url) from error
        message = text.decode(errors="replace")
        host = URL(url).host or "HTTP"
        raise retry.verdict(response.status, response.headers, message, now=self.clock(), far=host)


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body, or None when it is longer than `limit`."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


NEVER_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""The connection was not even made: so the far side did nothing."""

UNSENDABLE: Final = (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError)


def unreachable(error: Exception, url: str) -> DeliveryError:
    """What a failure without an answer means. Only the host is named: a URL may hold a secret."""
    # A certificate error is a ValueError as well, but the far side's to mend.
    answerable = isinstance(error, aiohttp.ClientError | OSError)
    if isinstance(error, UNSENDABLE) or not answerable:
        return Reject(f"{type(error).__name__}: the URL or a header cannot be sent")
    why = str(error) if isinstance(error, NEVER_SENT) else type(error).__name__
    return Retry(
        f"{URL(url).host} did not answer: {why}", uncertain=not isinstance(error, NEVER_SENT)
    )
