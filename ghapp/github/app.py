"""The App itself, as GitHub knows it: what it is, where it is installed, tokens for that.

These are the questions that are signed with the App's own key and not with a token.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from ghapp.core.budget import Urgency
from ghapp.errors import ConfigError, Reject, Retry
from ghapp.github.api import Call, Caller, NotGranted, Page
from ghapp.github.auth import AppKey, Scope, Token, Unauthorized
from ghapp.github.flight import SingleFlight
from ghapp.github.installations import Installation
from ghapp.ports import Clock
from ghapp.secret import Secret

T = TypeVar("T")

_NOT_GRANTED: Final = "permissions requested are not granted"
MISCONFIGURED: Final = 300.0
"""Seconds until we try again with an id or key that GitHub does not know: a person mends that."""


class AboutApp(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of ``GET /app``."""

    id: int
    slug: str = ""
    html_url: str = ""


class AboutInstallation(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of ``GET /repos/{owner}/{repo}/installation``."""

    id: int
    html_url: str = ""
    suspended_at: str | None = None


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of a new token."""

    token: str
    expires_at: datetime


class TheApp:
    """One App, with its key."""

    def __init__(self, caller: Caller, key: AppKey, *, clock: Clock) -> None:
        self._caller = caller
        self._key = key
        self._clock = clock
        self._about: AboutApp | None = None
        self._asked: SingleFlight[AboutApp] = SingleFlight()

    @property
    def id(self) -> int:
        """Its number; 0 as long as it was not asked for."""
        return self._about.id if self._about else 0

    @property
    def skew(self) -> float | None:
        """Seconds that GitHub's clock is ahead of ours; None as long as nothing was asked."""
        return self._caller.skew

    async def about(self) -> AboutApp:
        """What GitHub says of it; asked once."""
        if self._about is None:
            question = partial(self._ask, AboutApp, "GET", "/app")
            self._about = await self._asked.ask("app", question)
        return self._about

    async def use_key(self, pem: Secret) -> None:
        """Signs with another key from now on, once GitHub has accepted it.

        Raises ConfigError where it never will, Retry where it could not be asked. Until then, and
        then too, the key before signs: an App may have several.
        """
        key = self._key.renewed(pem)
        try:
            await self._send(Call.of("GET", "/app"), key)
        except Unauthorized as error:
            raise ConfigError(f"{error.reason}: it is not a key of App {key.app}") from error
        self._key = key

    async def installation_of(self, slug: str) -> Installation:
        """Where it is installed for ``owner/name``; Reject 404: nowhere."""
        try:
            path = f"/repos/{quote(slug)}/installation"
            found = await self._ask(AboutInstallation, "GET", path)
        except Reject as error:
            if error.status != 404:
                raise
            raise await self._not_installed(slug, error) from error
        return Installation(
            id=found.id, suspended=found.suspended_at is not None, page=found.html_url
        )

    async def mint(self, scope: Scope, name: str) -> Token:
        """A token for the repository of this name, or for all of them where it is empty."""
        body: dict[str, Any] = {"repositories": [name]} if name else {}
        if scope.permissions is not None:
            body["permissions"] = dict(scope.permissions)
        path = f"/app/installations/{scope.installation}/access_tokens"
        try:
            found = await self._ask(Minted, "POST", path, body)
        except Reject as error:
            if error.status != 422 or _NOT_GRANTED not in error.reason:
                raise
            raise _not_granted(scope, error) from error
        return Token(secret=Secret(found.token), minted=self._clock(), expires=found.expires_at)

    async def send(self, call: Call) -> Page:
        """One request as the App."""
        try:
            return await self._send(call, self._key)
        except Unauthorized as error:
            raise self._misconfigured(error) from error

    def forget(self) -> None:
        """Drop what was answered about installations."""
        self._caller.forget()

    async def close(self) -> None:
        """Let go of what is being asked."""
        await self._asked.close()
        await self._caller.close()

    async def _send(self, call: Call, key: AppKey) -> Page:
        """A 401 may only mean that our clock is wrong."""
        try:
            return await self._caller.send(call, key.token(self._clock()))
        except Unauthorized as error:
            if not key.correct(error.date, self._clock()):
                raise
        return await self._caller.send(call, key.token(self._clock()))

    async def _ask(
        self, type_: type[T], method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> T:
        call = Call.of(method, path, body, urgency=Urgency.FINAL)  # without it, nothing goes
        content = (await self.send(call)).content
        try:
            return msgspec.convert(content, type_)
        except msgspec.ValidationError as error:
            raise Retry(f"GitHub answered {path} with something unexpected: {error}") from error

    async def _not_installed(self, slug: str, error: Reject) -> Retry | Reject:
        if "Integration not found" in error.reason:
            return self._misconfigured(error)
        app = await self.about()
        return Reject(
            f"the App {app.slug} is not installed on {slug} (or there is no such repository);"
            f" install it at {app.html_url}/installations/new",
            status=404,
        )

    def _misconfigured(self, error: Reject) -> Retry:
        """Not a Reject: what waits shall go out once the setting is mended."""
        return Retry(
            f"{error.reason}; GitHub does not accept App {self._key.app}: check"
            " CHECKRAIL_GITHUB_APP_ID and the private key",
            after=MISCONFIGURED,
            status=error.status,
        )


def _not_granted(scope: Scope, error: Reject) -> NotGranted:
    wanted = " and ".join(f"{name}:{level}" for name, level in scope.permissions or ())
    return NotGranted(
        f"{error.reason}; the App lacks {wanted or 'access'} for {scope.repository}: grant it in"
        " the App's settings, then let the owner of the installation accept it",
        status=422,
    )
