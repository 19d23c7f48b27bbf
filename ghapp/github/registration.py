"""The end of GitHub's manifest flow: a code is exchanged, once, for a new App and its key.

https://docs.github.com/en/rest/apps/apps#create-a-github-app-from-a-manifest
Nobody signs this request: the code is the proof. So it does not go through `client`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp
import msgspec

from ghapp.core import retry
from ghapp.errors import Refused, Reject, Retry
from ghapp.github.api import ACCEPT, NEVER_SENT, VERSION, unreached
from ghapp.http import USER_AGENT, read_body, unreachable, utc_now
from ghapp.secret import Secret, redact

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, sock_connect=5)
BODY_LIMIT: Final = 1024 * 1024
"""Bytes of the answer: it holds a key and little else."""
NO_CODE: Final = frozenset({404, 422})
HEADERS: Final[Mapping[str, str]] = {
    "Accept": ACCEPT,
    "X-GitHub-Api-Version": VERSION,
    "User-Agent": USER_AGENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApp:
    """An App as GitHub hands it over; its key is never shown again."""

    id: int
    slug: str
    name: str
    html_url: str
    private_key: Secret
    webhook_secret: Secret | None
    """None where GitHub made none: the description allows it."""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    slug: str
    name: str
    html_url: str
    pem: str
    webhook_secret: str | None = None


async def exchange(session: aiohttp.ClientSession, api_url: str, code: str) -> NewApp:
    """The App behind a code.

    Raises Refused where GitHub does not know the code (any more), Retry where it could not be asked
    (`uncertain`: it may have answered, and then the code is used up), Reject for anything else.
    """
    target = f"{api_url}/app-manifests/{quote(code, safe='')}/conversions"
    status, headers, body = await _post(session, target)
    if status in NO_CODE:
        raise Refused("GitHub does not know this code (any more): it works once, within an hour")
    if status != 201:
        text = redact(body.decode(errors="replace"))
        raise retry.verdict(status, headers, text, now=utc_now(), far="GitHub answered")
    return _read(body)


async def _post(
    session: aiohttp.ClientSession, target: str
) -> tuple[int, Mapping[str, str], bytes]:
    try:
        async with session.post(
            target, headers=HEADERS, timeout=TIMEOUT, allow_redirects=False
        ) as response:
            body = await read_body(response, BODY_LIMIT)
    except NEVER_SENT as error:
        raise Retry(f"GitHub cannot be reached: {unreached(error)}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise unreachable(error, target) from error
    if body is None:
        raise Reject(f"GitHub's answer is longer than {BODY_LIMIT} bytes")
    return response.status, response.headers, body


def _read(body: bytes) -> NewApp:
    try:
        found = msgspec.json.decode(body, type=_Answer)
    except msgspec.MsgspecError:  # its message might quote what must not be shown
        raise Reject("GitHub answered with something else than an App") from None
    secret = Secret(found.webhook_secret) if found.webhook_secret else None
    return NewApp(
        id=found.id,
        slug=found.slug,
        name=found.name,
        html_url=found.html_url,
        private_key=Secret(found.pem),
        webhook_secret=secret,
    )
