"""The real client against the stand-in: opened for a test, with a clock that stands still.

Every request is counted by its method and route; waiting moves the clock and nothing else.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp

from ghapp.core.budget import Why
from ghapp.core.model import Repository
from ghapp.demo.github import App, GitHub
from ghapp.github import GitHubClient
from ghapp.ports import GitHub as GitHubPort
from ghapp.secret import Secret
from tests.github_fixtures import Clock

SHOP = Repository(host="github.com", owner="acme", name="shop")


@dataclass
class Only:
    """The one App that there is."""

    github: GitHubPort

    def of(self, source: str) -> GitHubPort:
        return self.github

    def serving(self, repository: Repository) -> GitHubPort | None:
        return self.github if self.github.serves(repository) else None


@dataclass
class Seen:
    """What went over the wire: (method, route, status), in order."""

    requests: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, method: str, route: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((method, route, status))

    def clear(self) -> None:
        self.requests.clear()

    @property
    def methods(self) -> Counter[str]:
        return Counter(method for method, _, _ in self.requests)

    def count(self, method: str, ending: str) -> int:
        return sum(m == method and route.endswith(ending) for m, route, _ in self.requests)


@dataclass
class Opened:
    """A client and what it did."""

    client: GitHubClient
    seen: Seen
    clock: Clock
    waits: list[Why]


@asynccontextmanager
async def opened(
    github: GitHub, app: App, clock: Clock, *, timeout: float = 5.0, app_id: str = ""
) -> AsyncIterator[Opened]:
    """A client of the App at the stand-in."""
    seen, waits = Seen(), list[Why]()
    async with aiohttp.ClientSession() as session:
        client = GitHubClient(
            session,
            api_url=github.base_url,
            app=app_id or str(app.id),
            key=Secret(app.private_key),
            clock=lambda: datetime.fromtimestamp(clock(), UTC),
            observe=seen,
            waited=waits.append,
            sleep=clock.sleep,
            jitter=lambda: 0.0,
            timeout=timeout,
        )
        yield Opened(client, seen, clock, waits)
        await client.close()
