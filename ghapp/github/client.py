"""The port `GitHub`: one host, one App, any number of installations.

A request names the repository it is for; which installation that is, its token and its budget are
found here. Failures are Retry or Reject; nothing is retried here but what only we can know about
(a fresh token, a renamed repository, our clock): the outbox does the rest.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from cachetools import LRUCache

from ghapp.core.model import Repository
from ghapp.errors import Reject, Retry
from ghapp.github import routes
from ghapp.github.api import Call, Caller, Observe, Page, Rim
from ghapp.github.auth import AppKey, Scope, Sleep, Token, Tokens, Unauthorized
from ghapp.github.flight import SingleFlight
from ghapp.github.hosts import host_of, keeps_published_limits
from ghapp.github.installations import Installation, Installations, suspended
from ghapp.github.limits import Door
from ghapp.ports import Clock
from ghapp.secret import Secret

USER_AGENT: Final = f"checkrail/{version('checkrail')}"
TIMEOUT: Final = 20.0
"""Seconds for one request, answer included. GitHub itself gives up after 10."""
_CONNECT: Final = 5.0
_CALLERS: Final = 10_000
_PAGES: Final = 100
_MISCONFIGURED: Final = 300.0
"""Seconds until we try again with an id or key that GitHub does not know: a person mends that."""


def _unobserved(method: str, route: str, status: int, seconds: float) -> None:
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
        )
        self._clock = clock
        self._jitter = jitter
        self._key = AppKey(app, key)
        self._app: Mapping[str, Any] | None = None
        self._app_asked: SingleFlight[Mapping[str, Any]] = SingleFlight()
        self._as_app = self._caller()
        self._callers: LRUCache[int, Caller] = LRUCache(_CALLERS)
        self._installations = Installations(self._ask_installation, clock=clock)
        self._tokens = Tokens(self._mint, clock=clock, sleep=sleep)

    # --- the port ---------------------------------------------------------------------------

    @property
    def app_id(self) -> int:
        """The App's numeric id; 0 as long as it was not asked for."""
        return int(self._app["id"]) if self._app else 0

    async def identify(self) -> int:
        """Asks GitHub once which App this is, and returns its numeric id."""
        return int((await self._about_app())["id"])

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
    ) -> Any:
        """One call on behalf of the installation of `repository`, or of the App itself (None)."""
        return (await self._send(method, path, body, repository)).content

    async def pages(
        self, path: str, *, repository: Repository | None, items: str | None = None
    ) -> AsyncIterator[Any]:
        """Each item of a paged listing; `items` names the list where the answer is an object."""
        address = path + ("&" if "?" in path else "?") + "per_page=100"
        for _ in range(_PAGES):
            page = await self._send("GET", address, None, repository)
            for item in _items(page.content, items, path):
                yield item
            if page.more is None:
                return
            address = self._relative(page.more)
        raise Reject(f"{path}: more than {_PAGES} pages")

    def forget(self, event: str, payload: Mapping[str, Any]) -> None:
        """An installation or repository changed: drop what is cached about it."""
        installation = self._installations.forget(event, payload)
        if installation is not None:
            self._tokens.forget(installation)

    async def close(self) -> None:
        """Let go of questions that are still under way. The session is its owner's."""
        for part in (self._app_asked, self._installations, self._tokens):
            await part.close()

    # --- one request ------------------------------------------------------------------------

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        repository: Repository | None,
    ) -> Page:
        _check_path(path)
        route = routes.find(path)
        call = Call(
            method=method,
            path=path,
            route=route.template,
            cost=routes.cost(route, method, body),
            body=body,
        )
        if repository is None:
            return await self._signed(call)
        return await self._on_behalf(call, route, repository)

    async def _on_behalf(self, call: Call, route: routes.Route, repository: Repository) -> Page:
        if not self.serves(repository):
            raise Reject(f"{repository.url} is not on {self.host}, the host that this App serves")
        found = await self._installations.of(repository.slug)
        scope = Scope(
            installation=found.id,
            repository=repository.slug.lower(),
            permissions=route.permissions,
        )
        caller = self._callers.get(found.id)
        if caller is None:
            caller = self._callers[found.id] = self._caller()
        caller.door.check(call.cost)  # before a token is minted, and before the queue
        try:
            return await self._tokens.with_token(scope, lambda token: caller.send(call, token))
        except Reject as error:
            stopped = self._suspended(scope, error)
            if stopped is None:
                raise
            raise stopped from error

    async def _signed(self, call: Call) -> Page:
        """As the App itself; a 401 may only mean that our clock is wrong."""
        try:
            return await self._with_jwt(call)
        except Unauthorized as error:
            if not self._key.correct(error.date, self._clock()):
                raise self._misconfigured(error.reason) from error
        try:
            return await self._with_jwt(call)
        except Unauthorized as error:
            raise self._misconfigured(error.reason) from error

    async def _with_jwt(self, call: Call) -> Page:
        return await self._as_app.send(call, self._key.token(self._clock()))

    def _misconfigured(self, reason: str) -> Retry:
        """Not a Reject: what waits shall go out once the setting is mended."""
        return Retry(
            f"{reason}; GitHub does not accept App {self._key.app}: check CHECKRAIL_GITHUB_APP_ID"
            " and the private key",
            after=_MISCONFIGURED,
            status=401,
        )

    def _caller(self) -> Caller:
        published = keeps_published_limits(self._base)
        door = Door(published=published, clock=self._clock, jitter=self._jitter)
        return Caller(self._rim, door)

    def _relative(self, url: str) -> str:
        """The next page's path; GitHub gives whole URLs, and our token stays at home."""
        if not url.startswith(f"{self._base}/"):
            raise Reject("GitHub's next page is at another address: not followed")
        return url.removeprefix(self._base)

    # --- questions asked as the App -----------------------------------------------------------

    async def _about_app(self) -> Mapping[str, Any]:
        if self._app is None:
            self._app = await self._app_asked.ask("app", lambda: self._ask("GET", "/app"))
        return self._app

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        content = (await self._send(method, path, body, None)).content
        if not isinstance(content, dict):
            raise Retry(f"GitHub answered {path} with something else than an object")
        return content

    async def _ask_installation(self, slug: str) -> Installation:
        try:
            found = await self._ask("GET", f"/repos/{quote(slug)}/installation")
        except Reject as error:
            if error.status != 404:
                raise
            raise await self._not_installed(slug, error) from error
        return Installation(id=int(found["id"]), suspended=bool(found.get("suspended_at")))

    async def _not_installed(self, slug: str, error: Reject) -> Retry | Reject:
        if "Integration not found" in error.reason:
            return self._misconfigured(error.reason)
        app = await self._about_app()
        return Reject(
            f"the App {app.get('slug')} is not installed on {slug} (or there is no such"
            f" repository); install it at {app.get('html_url')}/installations/new",
            status=404,
        )

    async def _mint(self, scope: Scope) -> Token:
        try:
            found = await self._mint_narrow(scope)
        except Reject as error:
            better = self._not_minted(scope, error)
            if better is None:
                raise
            raise better from error
        return Token(
            secret=Secret(str(found["token"])),
            minted=self._clock(),
            expires=_moment(str(found["expires_at"]), self._clock()),
        )

    async def _mint_narrow(self, scope: Scope) -> Mapping[str, Any]:
        """For one repository, unless GitHub does not know it here under the name that we have."""
        try:
            return await self._mint_for(scope, narrow=True)
        except Reject as error:
            if error.status != 422 or not scope.repository:
                raise
        self._installations.drop(scope.installation)
        await self._installations.of(scope.repository)  # raises if it is no longer in it
        return await self._mint_for(scope, narrow=False)

    async def _mint_for(self, scope: Scope, *, narrow: bool) -> Mapping[str, Any]:
        body: dict[str, Any] = {}
        if narrow and scope.repository:
            body["repositories"] = [scope.repository.rpartition("/")[2]]
        if scope.permissions is not None:
            body["permissions"] = dict(scope.permissions)
        return await self._ask(
            "POST", f"/app/installations/{scope.installation}/access_tokens", body
        )

    def _not_minted(self, scope: Scope, error: Reject) -> Retry | Reject | None:
        """Why there is no token, and what mends it."""
        if error.status == 404:  # uninstalled, perhaps installed again under another number
            self._installations.drop(scope.installation)
            reason = f"installation {scope.installation} of the App is gone; asking which it is now"
            return Retry(reason, after=1.0, status=404)
        if error.status == 422:
            wanted = " and ".join(f"{name}:{level}" for name, level in scope.permissions or ())
            return Reject(
                f"{error.reason}; the App lacks {wanted or 'access'} for {scope.repository}: grant"
                " it in the App's settings, then let the owner of the installation accept it",
                status=422,
            )
        return self._suspended(scope, error)

    def _suspended(self, scope: Scope, error: Reject) -> Retry | None:
        if error.status != 403 or "has been suspended" not in error.reason:
            return None
        self._installations.suspend(scope.installation)
        return suspended(scope.repository)


def _check_path(path: str) -> None:
    """A path comes from names that others chose: it must stay the path it looks like."""
    bare = path.partition("?")[0]
    if not bare.startswith("/") or not {"", ".", ".."}.isdisjoint(bare[1:].split("/")):
        raise Reject(f"{path!r} is not a path of GitHub's API")


def _items(content: Any, items: str | None, path: str) -> list[Any]:
    found = content.get(items) if items and isinstance(content, dict) else content
    if not isinstance(found, list):
        raise Retry(f"GitHub answered {path} with something else than a list")
    return found


def _moment(text: str, now: datetime) -> datetime:
    """``expires_at``; where it cannot be read, an hour, as documented."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now + timedelta(hours=1)
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
