"""GitHub's REST API with a token that somebody made: no App, no key, no installations.

For those who may make a token but no App. The same caller does the work, with a budget of its own;
what is left out is all that is asked about an App.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp

from ghapp.core.budget import Urgency
from ghapp.core.model import Repository
from ghapp.errors import Reject, Retry
from ghapp.github.answers import Answers
from ghapp.github.api import Call, Caller, Observe, Rim
from ghapp.github.auth import Unauthorized
from ghapp.github.client import TIMEOUT, USER_AGENT
from ghapp.github.hosts import host_of, keeps_published_limits
from ghapp.github.limits import Door, Waited
from ghapp.ports import Clock
from ghapp.secret import Secret

REFUSED: Final = 300.0
"""Seconds until a token that GitHub does not accept is tried again: a person replaces it."""
_CONNECT: Final = 5.0


def _unobserved(*_: object) -> None:
    """Without metrics."""


class TokenClient:
    """The port `RepositoryApi`, with one token for all repositories of one host."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_url: str,
        token: Secret,
        clock: Clock,
        observe: Observe = _unobserved,
        waited: Waited = _unobserved,
        jitter: Callable[[], float] = random.random,
        timeout: float = TIMEOUT,
    ) -> None:
        self.host = host_of(api_url)
        """Of the repositories that are served; None: any."""
        rim = Rim(
            session=session,
            api_url=api_url.rstrip("/"),
            user_agent=USER_AGENT,
            timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT),
            clock=clock,
            observe=observe,
            answers=Answers(lambda: clock().timestamp()),
        )
        published = keeps_published_limits(api_url)
        door = Door(published=published, clock=clock, jitter=jitter, waited=waited)
        self._caller = Caller(rim, door, name="token")
        self._token = token

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
        """One call; `repository` is the one that it is about."""
        if repository is not None and not self.serves(repository):
            raise Reject(f"{repository.url} is not on {self.host}, the host that the token is for")
        try:
            call = Call.of(method, path, body, urgency=urgency)
            return (await self._caller.send(call, self._token)).content
        except Unauthorized as error:
            # Not a Reject: what waits shall go out once the token is replaced.
            raise Retry(
                f"{error.reason}; GitHub does not accept the token: replace it in the Secret",
                after=REFUSED,
                status=401,
            ) from error
