"""The connections to GitHub: pooled, no cookies, perhaps by way of a proxy and with a private CA.

Nothing is taken from the environment here (aiohttp's ``trust_env`` would look for passwords in
``~/.netrc`` too): `settings` reads it, once.
"""

import ssl
from typing import Final

import aiohttp

from ghapp.secret import Secret

CONNECTIONS: Final = 64
"""At once; of GitHub's own hosts more than 100 requests at a time are refused."""


def open_session(*, ca: str = "", proxy: Secret | None = None) -> aiohttp.ClientSession:
    """`ca`: certificates in PEM that are trusted beside the system's; `proxy`: its URL."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=_trust(ca) if ca else True),
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=proxy.reveal() if proxy else None,
    )


def _trust(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=ca)
    return context
