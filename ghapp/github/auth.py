"""How an App proves who it is: a JWT signed with its key, and with that, tokens of installations.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app

The key is parsed once (43-95 ms with PEM text each time, about 1 ms with a loaded key). Tokens are
opaque, live in memory only and are as narrow as the request they are for: one repository, and the
permissions of the endpoint.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

import jwt
from cachetools import TLRUCache
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ghapp.core.retry import http_date
from ghapp.errors import ConfigError, Reject, Retry
from ghapp.github.flight import SingleFlight
from ghapp.github.routes import Permissions
from ghapp.ports import Clock
from ghapp.secret import Secret

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]

_BACKDATED: Final = 60
"""Seconds; GitHub recommends it against clocks that drift."""
_LIFETIME: Final = 600
"""Seconds from `iat` to `exp`; more is refused."""
_CACHED: Final = 480
_EARLY: Final = 300.0
"""Seconds before its end at which a token is replaced."""
_TOKENS: Final = 10_000
_FRESH: Final = timedelta(seconds=5)
"""A new token may be unknown to some of GitHub's replicas for so long."""
_FRESH_PAUSES: Final = (1.0, 2.0)
_REFUSED: Final = 60.0


class Unauthorized(Reject):
    """GitHub answered 401; `date` is its clock."""

    def __init__(self, reason: str, *, date: str) -> None:
        super().__init__(reason, status=401)
        self.date = date


# --- the App itself ---------------------------------------------------------------------------


class AppKey:
    """The App's id and private key; signs its JWTs."""

    def __init__(self, app: str, pem: Secret) -> None:
        self.app = str(app)
        self._key = _parse(pem)
        self._skew = 0.0
        self._made = float("-inf")
        self._token = Secret("")

    def renewed(self, pem: Secret) -> "AppKey":
        """Another key of the same App; raises ConfigError where it is none."""
        other = AppKey(self.app, pem)
        other._skew = self._skew
        return other

    def token(self, now: datetime) -> Secret:
        """A JWT that is good for at least a minute more."""
        seconds = now.timestamp()
        if not 0 <= seconds - self._made < _CACHED:
            issued = int(seconds + self._skew) - _BACKDATED
            claims = {"iat": issued, "exp": issued + _LIFETIME, "iss": self.app}
            self._token = Secret(jwt.encode(claims, self._key, algorithm="RS256"))
            self._made = seconds
        return self._token

    def correct(self, date: str, now: datetime) -> bool:
        """Set our clock by GitHub's ``Date`` header; False when it tells nothing new."""
        theirs = http_date(date)
        if theirs is None:
            return False
        skew = theirs - now.timestamp()
        if abs(skew - self._skew) < 2:
            return False
        self._skew, self._made = skew, float("-inf")
        return True


def _parse(pem: Secret) -> RSAPrivateKey:
    name = "CHECKRAIL_GITHUB_PRIVATE_KEY"
    try:
        key = load_pem_private_key(pem.reveal().encode(), password=None)
    except (ValueError, TypeError) as error:  # TypeError: it has a password
        raise ConfigError(
            f"{name}: not a PEM private key without password ({type(error).__name__});"
            " give the file that GitHub let you download"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError(f"{name}: not an RSA key; GitHub Apps sign with RS256")
    return key


# --- its installations' tokens ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a token is for."""

    installation: int
    repository: str = ""
    """``owner/name`` in lower case; empty: all repositories of the installation."""
    permissions: Permissions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An installation's token."""

    secret: Secret
    minted: datetime
    expires: datetime


class Tokens:
    """A token per scope, minted once however many ask, replaced before it ends."""

    def __init__(
        self,
        mint: Callable[[Scope], Awaitable[Token]],
        *,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._mint = mint
        self._clock = clock
        self._sleep = sleep
        self._flights: SingleFlight[Token] = SingleFlight()
        self._cache: TLRUCache[Scope, Token] = TLRUCache(
            maxsize=_TOKENS,
            ttu=lambda _scope, token, _now: token.expires.timestamp() - _EARLY,
            timer=lambda: clock().timestamp(),
        )

    async def with_token(self, scope: Scope, send: Callable[[Secret], Awaitable[T]]) -> T:
        """`send` with a token; if GitHub no longer knows it, once more with a new one."""
        token = await self._get(scope)
        try:
            return await self._patiently(token, send)
        except Unauthorized:
            self._drop(scope, token)
        token = await self._get(scope)
        try:
            return await self._patiently(token, send)
        except Unauthorized as error:
            self._drop(scope, token)
            reason = f"{error.reason}; GitHub does not know a token it has just made"
            raise Retry(reason, after=_REFUSED, status=401) from error

    async def _patiently(self, token: Token, send: Callable[[Secret], Awaitable[T]]) -> T:
        """A fresh token may be unknown to a replica: a 401 is waited out while it is that."""
        for pause in _FRESH_PAUSES:
            try:
                return await send(token.secret)
            except Unauthorized:
                if self._clock() - token.minted >= _FRESH:
                    raise
                await self._sleep(pause)
        return await send(token.secret)

    def forget(self, installation: int) -> None:
        """Drop every token of an installation."""
        for scope in [scope for scope in self._cache if scope.installation == installation]:
            self._cache.pop(scope, None)

    def drop(self, scope: Scope) -> None:
        """Drop one token."""
        self._cache.pop(scope, None)

    async def close(self) -> None:
        """Let go of what is being minted."""
        await self._flights.close()

    async def _get(self, scope: Scope) -> Token:
        token = self._cache.get(scope)
        return token or await self._flights.ask(scope, lambda: self._fetch(scope))

    async def _fetch(self, scope: Scope) -> Token:
        token = await self._mint(scope)
        self._cache[scope] = token
        return token

    def _drop(self, scope: Scope, token: Token) -> None:
        """Unless somebody has already replaced it."""
        if self._cache.get(scope) is token:
            del self._cache[scope]
