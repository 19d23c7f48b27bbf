"""A new webhook secret without a lost webhook: known to us first, then to GitHub.

The product verifies against every line of its file. So the new secret becomes the first line, the
old one stays below it, and only when what runs has read that is GitHub told. Whenever this is
interrupted, GitHub signs with one of the lines.
"""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import aiohttp

from ghapp.github import GitHubClient
from ghapp.http import utc_now
from ghapp.secret import Secret
from ghapp.setup.places import Credentials, Place

SECRET_BYTES: Final = 32
"""Of randomness: as many as SHA-256 has; more would be hashed down to that."""


def new_secret() -> Secret:
    """A secret that nobody else knows."""
    return Secret(secrets.token_hex(SECRET_BYTES))


async def renew(place: Place, session: aiohttp.ClientSession) -> None:
    """Puts a new secret before the others of the App in `place`; GitHub signs with the old one."""
    before = await place.load()
    async with _client(session, before) as client:
        await client.identify()  # with a wrong key we could not end what we begin
    after = (new_secret(), *before.webhook_secrets)
    await place.store(replace(before, webhook_secrets=after))


async def announce(place: Place, session: aiohttp.ClientSession) -> None:
    """Has GitHub sign with the first secret of the App in `place`, once whoever verifies has it."""
    credentials = await place.load()
    await set_webhook_secret(session, credentials, credentials.webhook_secrets[0])


async def set_webhook_secret(
    session: aiohttp.ClientSession, credentials: Credentials, secret: Secret
) -> None:
    """Tells GitHub with which secret to sign from now on."""
    async with _client(session, credentials) as client:
        body = {"secret": secret.reveal()}
        await client.request("PATCH", "/app/hook/config", body, repository=None)


@contextlib.asynccontextmanager
async def _client(
    session: aiohttp.ClientSession, credentials: Credentials
) -> AsyncIterator[GitHubClient]:
    client = GitHubClient(
        session,
        api_url=credentials.api_url,
        app=credentials.app_id,
        key=credentials.private_key,
        clock=utc_now,
    )
    try:
        yield client
    finally:
        await client.close()
