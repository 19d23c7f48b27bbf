"""The port `GitHub`: one host, one App, any number of installations.

A request names the repository it is for; which installation that is, its token and its budget are
found here. Failures are Retry or Reject; nothing is retried here but what only we can know about
(a fresh token, a renamed repository, our clock): the outbox does the rest.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

import aiohttp
from cachetools import LRUCache

from ghapp.core.budget import Standing, Urgency
from ghapp.core.model import Repository
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.github.answers import Answers
from ghapp.github.api import Call, Caller, NotGranted, Observe, Page, Rim
from ghapp.github.app import TheApp
from ghapp.github.auth import AppKey, Scope, Sleep, Token, Tokens
from ghapp.github.hosts import host_of, keeps_published_limits
from ghapp.github.installations import Installation, Installations, suspended
from ghapp.github.limits import Door, Waited
from ghapp.ports import Clock
from ghapp.secret import Secret

USER_AGENT: Final = f"checkrail/{version('checkrail')}"
TIMEOUT: Final = 20.0
"""Seconds for one request, answer included. GitHub itself gives up after 10."""
APP: Final = "app"
"""Who asks where no installation does, in metrics."""
_CONNECT: Final = 5.0
_CALLERS: Final = 10_000
_PAGES: Final = 100
_ARCHIVED: Final = "Repository was archived"


def _unobserved(*_: object) -> None:
    """Without metrics."""


class GitHubClient:
    """GitHub's REST API as an App."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_url: str,
        app: str,
        key: Secret,
        clock: Clock,
        observe: Observe = _unobserved,
        waited: Waited = _unobserved,
        sleep: Sleep = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        timeout: float = TIMEOUT,
    ) -> None:
        self.host = host_of(api_url)
        """Of the repositories that are served; None: any."""
        self._base = api_url.rstrip("/")
        self._rim = Rim(
            session=session,
            api_url=self._base,
            user_agent=USER_AGENT,
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT),
            clock=clock,
            observe=observe,
            answers=Answers(lambda: clock().timestamp()),
        )
        self._clock = clock
        self._jitter = jitter
        self._waited = waited
        self._asking_as_app = self._caller(APP)
        self._app = TheApp(self._asking_as_app, AppKey(app, key), clock=clock)
        self._callers: LRUCache[int, Caller] = LRUCache(_CALLERS)
        self._installations = Installations(self._app.installation_of, clock=clock)
        self._tokens = Tokens(self._mint, clock=clock, sleep=sleep)

    # --- the port ---------------------------------------------------------------------------

    @property
    def app_id(self) -> int:
        """The App's numeric id; 0 as long as it was not asked for."""
        return self._app.id

    @property
    def skew(self) -> float | None:
        """Seconds that GitHub's clock is ahead of ours; None as long as the App asked nothing."""
        return self._app.skew

    async def identify(self) -> int:
        """Asks GitHub once which App this is, and returns its numeric id."""
        return (await self._app.about()).id

    async def use_key(self, pem: Secret) -> None:
        """Signs with another private key from now on, if GitHub accepts it; else ConfigError."""
        await self._app.use_key(pem)

    def serves(self, repository: Repository) -> bool:
        """Whether the repository is on this client's host."""
        return self.host is None or repository.host.lower() == self.host

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repository: Repository | None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> Any:
        """One call on behalf of the installation of `repository`, or of the App itself (None)."""
        return (await self._send(Call.of(method, path, body, urgency=urgency), repository)).content

    async def pages(
        self,
        path: str,
        *,
        repository: Repository | None,
        items: str | None = None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> AsyncIterator[Any]:
        """Each item of a paged listing; `items` names the list where the answer is an object."""
        address = path + ("&" if "?" in path else "?") + "per_page=100"
        for _ in range(_PAGES):
            page = await self._send(Call.of("GET", address, urgency=urgency), repository)
            for item in _items(page.content, items, path):
                yield item
            if page.more is None:
                return
            address = self._relative(page.more)
        raise Reject(f"{path}: more than {_PAGES} pages")

    def forget(self, event: str, payload: Mapping[str, Any]) -> None:
        """An installation or repository changed: drop what is cached about it."""
        forgotten = self._installations.forget(event, payload)
        if forgotten.doubtful:
            self._app.forget()
        if forgotten.installation in self._callers:
            self._callers[forgotten.installation].forget()
        if forgotten.installation and forgotten.rights:
            self._tokens.forget(forgotten.installation)

    def standings(self) -> Mapping[str, Standing]:
        """How much may still be asked, by installation; those that GitHub limits."""
        callers = {str(number): caller for number, caller in self._callers.items()}
        callers[APP] = self._asking_as_app
        found = {name: caller.door.standing for name, caller in callers.items()}
        return {name: standing for name, standing in found.items() if standing is not None}

    async def close(self) -> None:
        """Let go of questions that are still under way. The session is its owner's."""
        for caller in self._callers.values():
            await caller.close()
        for part in (self._app, self._installations, self._tokens):
            await part.close()

    # --- one request ------------------------------------------------------------------------

    async def _send(self, call: Call, repository: Repository | None) -> Page:
        if repository is None:
            return await self._app.send(call)
        if not self.serves(repository):
            raise Reject(f"{repository.url} is not on {self.host}, the host that this App serves")
        found = await self._installations.of(repository.slug)
        scope = Scope(
            installation=found.id,
            repository=repository.slug.lower(),
            permissions=call.route.needs(call.method),
        )
        caller = self._callers.get(found.id)
        if caller is None:
            caller = self._callers[found.id] = self._caller(str(found.id))
        caller.door.check(call.cost)  # before a token is minted, and before the queue
        try:
            return await self._tokens.with_token(scope, lambda token: caller.send(call, token))
        except Reject as error:
            explained = self._explained(scope, found, error)
            if explained is None:
                raise
            if isinstance(error, NotGranted) and error.status == 403:
                await self._still_in(found, scope)
            raise explained from error

    async def _mint(self, scope: Scope) -> Token:
        """For one repository, unless GitHub does not know it here under the name that we have."""
        try:
            return await self._mint_for(scope, scope.repository.rpartition("/")[2])
        except NotGranted:
            raise
        except Reject as error:
            if error.status != 422:
                raise
        self._installations.drop(scope.installation)
        await self._installations.of(scope.repository)  # raises if it is no longer in it
        return await self._mint_for(scope, "")

    async def _mint_for(self, scope: Scope, name: str) -> Token:
        try:
            return await self._app.mint(scope, name)
        except Reject as error:
            stopped = self._stopped(scope, error)
            if error.status == 404:  # uninstalled, perhaps installed again under another number
                self._installations.drop(scope.installation)
                gone = f"installation {scope.installation} of the App is gone ({error.reason})"
                stopped = Retry(f"{gone}; asking which it is now", after=1.0, status=404)
            if stopped is None:
                raise
            raise stopped from error

    async def _still_in(self, found: Installation, scope: Scope) -> None:
        """Raises Retry where the repository went to another account, and so another installation.

        A webhook says so, but that may be late or lost.
        """
        if (await self._installations.again(scope.repository)).id != found.id:
            reason = f"{scope.repository} has moved to another installation of the App"
            raise Retry(reason, after=1.0, status=403)

    def _explained(self, scope: Scope, found: Installation, error: Reject) -> DeliveryError | None:
        """What a person has to do about a refusal, where we know it."""
        if isinstance(error, NotGranted):
            self._tokens.drop(scope)  # one that is minted once it is accepted may do more
            where = f" at {found.page}" if found.page else ""
            return Reject(f"{error.reason}{where}", status=error.status)
        if error.status == 403 and _ARCHIVED in error.reason:
            return Reject(
                f"{scope.repository} is archived, and GitHub takes nothing for it any more:"
                f" unarchive it, or report elsewhere ({error.reason})",
                status=403,
            )
        return self._stopped(scope, error)

    def _stopped(self, scope: Scope, error: Reject) -> Retry | None:
        """Where the refusal says that the whole installation is suspended."""
        if error.status != 403 or "has been suspended" not in error.reason:
            return None
        self._installations.suspend(scope.installation)
        return suspended(scope.repository)

    def _caller(self, name: str) -> Caller:
        published = keeps_published_limits(self._base)
        door = Door(
            published=published, clock=self._clock, jitter=self._jitter, waited=self._waited
        )
        return Caller(self._rim, door, name=name)

    def _relative(self, url: str) -> str:
        """The next page's path; GitHub gives whole URLs, and our token stays at home."""
        if not url.startswith(f"{self._base}/"):
            raise Reject("GitHub's next page is at another address: not followed")
        return url.removeprefix(self._base)


def _items(content: Any, items: str | None, path: str) -> list[Any]:
    found = content.get(items) if items and isinstance(content, dict) else content
    if not isinstance(found, list):
        raise Retry(f"GitHub answered {path} with something else than a list")
    return found
