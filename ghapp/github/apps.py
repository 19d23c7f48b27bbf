"""Every GitHub App that this process works as: the environment's, and those that Providers declare.

An App is known by its source: the id of the Provider that declares it, or nothing for the one of
the environment. Its webhooks come in at a path of its own (`/github/webhook/SOURCE`), so that they
are verified with its secret and no other: whoever administrates one GitHub must not be able to
speak for another.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
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

MakeClient = Callable[[aiohttp.ClientSession, str, str, Secret], GitHubClient]
"""(session, API URL, App, key) -> its client; raises ConfigError for a key that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    """An App of a Provider, as it was declared."""

    api_url: str
    app: str
    credentials: Credentials
    github: UrgentGitHub
    stack: AsyncExitStack

    @property
    def secrets(self) -> tuple[Secret, ...]:
        lines = self.credentials.get(WEBHOOK_SECRET, Secret("")).reveal().splitlines()
        return tuple(Secret(line.strip()) for line in lines if line.strip())


@dataclass(slots=True)
class Apps:
    """All of them, by source."""

    home: UrgentGitHub
    """The environment's."""
    make: MakeClient
    ways: Ways = field(default_factory=Ways)
    _declared: dict[str, _Declared] = field(default_factory=dict)
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
        key or a certificate that is none.
        """
        known = self._declared.get(source)
        same = known and (known.api_url, known.app, known.credentials) == (
            api_url,
            app,
            credentials,
        )
        if known and same:
            return known.github
        made = self._made(api_url, app, credentials)
        self._declared[source] = made
        if known:
            self._let_go(known)
        return made.github

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

    def _made(self, api_url: str, app: str, credentials: Credentials) -> _Declared:
        stack = AsyncExitStack()
        key, ca = credentials.get(PRIVATE_KEY), credentials.get(CA, Secret("")).reveal()
        github: UrgentGitHub = AbsentGitHub("its private key is not there yet", host_of(api_url))
        if key is not None:
            session = self._session(api_url, ca)
            stack.push_async_callback(session.close)
            try:
                client = self.make(session, api_url, app, key)
            except BaseException:
                self._let_go_of(stack)
                raise
            stack.push_async_callback(client.close)
            github = client
        return _Declared(
            api_url=api_url, app=app, credentials=credentials, github=github, stack=stack
        )

    def _session(self, api_url: str, ca: str) -> aiohttp.ClientSession:
        try:
            return self.ways.open(api_url, ca)
        except (ValueError, OSError) as error:
            raise ConfigError(f"{CA} holds no certificates: {error}") from error

    def _let_go(self, declared: _Declared) -> None:
        self._let_go_of(declared.stack)

    def _let_go_of(self, stack: AsyncExitStack) -> None:
        task = asyncio.get_running_loop().create_task(stack.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _is_client(github: UrgentGitHub) -> TypeGuard[GitHubClient]:
    return isinstance(github, GitHubClient)
