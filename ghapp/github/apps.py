"""Every GitHub App that this process works as: the environment's, and those that Providers declare.

An App is known by its source: the id of the Provider that declares it, or nothing for the one of
the environment. Its webhooks come in at a path of its own (`/github/webhook/SOURCE`), so that they
are verified with its secret and no other: whoever administrates one GitHub must not be able to
speak for another. Providers that declare the same App, with the same key, share its client: to
GitHub they are one, with one budget.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeGuard

import aiohttp

from ghapp import log as logs
from ghapp.core.budget import Standing
from ghapp.core.model import Repository
from ghapp.errors import ConfigError
from ghapp.github.absent import AbsentGitHub
from ghapp.github.client import GitHubClient
from ghapp.github.hosts import host_of
from ghapp.github.session import Ways
from ghapp.ports import UrgentGitHub
from ghapp.secret import Secret

log = logs.get(__name__)

ENVIRONMENT: Final = ""
"""The source of the App that the environment sets up."""

_TENANTS: Final = "provider/"
"""What the source of an App begins with that belongs to a namespace."""

Credentials = Mapping[str, Secret]
PRIVATE_KEY: Final = "private-key"
WEBHOOK_SECRET: Final = "webhook-secret"  # noqa: S105 - the name of a key
CA: Final = "ca.crt"
KEYS: Final = {
    PRIVATE_KEY: "the App's private key, PEM",
    WEBHOOK_SECRET: "its webhook secrets, one a line, the first is current",
    CA: "certificates that are trusted beside the system's, PEM",
}
"""What the Secret of a Provider with an App of its own holds."""

_NO_KEY: Final = "its private key is not there yet"

MakeClient = Callable[[aiohttp.ClientSession, str, str, Secret], GitHubClient]
"""(session, API URL, App, key) -> its client; raises ConfigError for a key that is none."""


_Way = tuple[str, str, Secret, str]
"""API URL, App, key and certificates: who has the same has the same client, and so one budget."""


@dataclass(slots=True, kw_only=True)
class _Client:
    """The client of an App, as long as a Provider declares it."""

    github: GitHubClient
    session: aiohttp.ClientSession
    users: int = 0

    async def close(self) -> None:
        await self.github.close()
        await self.session.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    """An App of a Provider, as it was declared."""

    way: _Way | None
    """None: without a key there is none."""
    github: UrgentGitHub
    secrets: tuple[Secret, ...]
    """Of its webhooks."""


@dataclass(slots=True)
class Apps:
    """All of them, by source."""

    home: UrgentGitHub
    """The environment's."""
    make: MakeClient
    ways: Ways = field(default_factory=Ways)
    _declared: dict[str, _Declared] = field(default_factory=dict)
    _clients: dict[_Way, _Client] = field(default_factory=dict)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    def of(self, source: str) -> UrgentGitHub:
        """The client of an App; one that is gone can be asked nothing."""
        if source == ENVIRONMENT:
            return self.home
        declared = self._declared.get(source)
        return declared.github if declared else AbsentGitHub("its Provider is gone")

    def serving(self, repository: Repository) -> UrgentGitHub | None:
        """An App of the operator's that is on the repository's host: a tenant's own App is for its
        own checks, and nobody else's errands."""
        for source in self:
            github = self.of(source)
            if not source.startswith(_TENANTS) and github.serves(repository):
                return github
        return None

    def secrets(self, source: str) -> tuple[Secret, ...]:
        """The webhook secrets of a declared App; none: there is no such App, or no secret yet."""
        declared = self._declared.get(source)
        return declared.secrets if declared else ()

    def __iter__(self) -> Iterator[str]:
        """The sources of all Apps that can be asked."""
        if _is_client(self.home):
            yield ENVIRONMENT
        yield from (source for source, one in self._declared.items() if _is_client(one.github))

    def standings(self) -> Mapping[str, Standing]:
        """How much may still be asked, by installation; of a declared App behind its source."""
        found: dict[str, Standing] = {}
        for source in self:
            github = self.of(source)
            for name, standing in github.standings().items() if _is_client(github) else ():
                found[f"{source} {name}".strip()] = standing
        return found

    def declare(
        self, source: str, *, api_url: str, app: str, credentials: Credentials
    ) -> UrgentGitHub:
        """The client of the App that this Provider declares, as it declares it now.

        Without its private key there is none yet, and what is owed waits. Raises ConfigError for a
        key or a certificate that is none; what was declared before stays then.
        """
        key, ca = credentials.get(PRIVATE_KEY), credentials.get(CA, Secret("")).reveal()
        way = None if key is None else (api_url.rstrip("/"), app, key, ca)
        github = self._taken(way) if way else AbsentGitHub(_NO_KEY, host_of(api_url))
        known = self._declared.get(source)
        self._declared[source] = _Declared(way=way, github=github, secrets=_secrets(credentials))
        if known:
            self._let_go(known)
        return github

    def drop(self, source: str) -> None:
        """Its Provider is gone, or declares no App any more."""
        known = self._declared.pop(source, None)
        if known:
            self._let_go(known)

    async def close(self) -> None:
        """Lets go of all that were declared."""
        for source in list(self._declared):
            self.drop(source)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _taken(self, way: _Way) -> GitHubClient:
        """The client of one more who declares it."""
        client = self._clients.get(way) or self._made(way)
        client.users += 1
        self._clients[way] = client
        return client.github

    def _made(self, way: _Way) -> _Client:
        api_url, app, key, ca = way
        session = self._session(api_url, ca)
        try:
            return _Client(github=self.make(session, api_url, app, key), session=session)
        except BaseException:
            self._close(session)
            raise

    def _session(self, api_url: str, ca: str) -> aiohttp.ClientSession:
        try:
            return self.ways.open(api_url, ca)
        except (ValueError, OSError) as error:
            raise ConfigError(f"{CA} holds no certificates: {error}") from error

    def _let_go(self, declared: _Declared) -> None:
        """Closes its client if nobody else declares it."""
        if declared.way is None:
            return
        client = self._clients[declared.way]
        client.users -= 1
        if not client.users:
            del self._clients[declared.way]
            self._close(client)

    def _close(self, one: _Client | aiohttp.ClientSession) -> None:
        task = asyncio.get_running_loop().create_task(one.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _secrets(credentials: Credentials) -> tuple[Secret, ...]:
    lines = credentials.get(WEBHOOK_SECRET, Secret("")).reveal().splitlines()
    return tuple(Secret(line.strip()) for line in lines if line.strip())


def _is_client(github: UrgentGitHub) -> TypeGuard[GitHubClient]:
    return isinstance(github, GitHubClient)
