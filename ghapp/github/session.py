"""The connections to GitHub: pooled, no cookies, perhaps by way of a proxy and with a private CA.

Nothing is taken from the environment here (aiohttp's ``trust_env`` would look for passwords in
``~/.netrc`` too): `settings` reads it, once.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from ghapp.core.proxy import proxy_for
from ghapp.errors import ConfigError
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


@dataclass(slots=True, kw_only=True)
class Ways:
    """The way to any GitHub: the proxy that the environment has for its address, and whom to trust.

    The environment's own GitHub may have a certificate of a private CA.
    """

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    home: str = ""
    """URL of the API of the environment's GitHub."""
    ca: str = ""
    """Certificates that are trusted there."""
    _shared: dict[tuple[Secret, str], aiohttp.ClientSession] = field(default_factory=dict)

    def open(self, api_url: str, ca: str = "") -> aiohttp.ClientSession:
        """A session of its own; raises ConfigError for an address or a proxy that is none."""
        proxy, known = self._to(api_url)
        return open_session(ca=ca or known, proxy=proxy)

    def shared(self, api_url: str) -> aiohttp.ClientSession:
        """The one of all who go the same way; `close` closes it. Raises ConfigError."""
        way = self._to(api_url)
        if way not in self._shared:
            self._shared[way] = open_session(proxy=way[0], ca=way[1])
        return self._shared[way]

    async def close(self) -> None:
        """Closes what is shared."""
        await asyncio.gather(*(session.close() for session in self._shared.values()))

    def _to(self, api_url: str) -> tuple[Secret, str]:
        """Which proxy, and which certificates beside the system's."""
        try:
            proxy = proxy_for(api_url, self.environ)
            home = _origin(api_url) == _origin(self.home)
        except ValueError as error:  # a port that is none
            raise ConfigError(f"{api_url}: {error}") from error
        if proxy and not proxy.startswith(("http://", "https://")):
            name = f"{urlsplit(api_url).scheme.upper()}_PROXY"  # there may be a password in it
            raise ConfigError(f"{name}: not an http or https URL of a proxy")
        return Secret(proxy), self.ca if home else ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _trust(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=ca)
    return context
