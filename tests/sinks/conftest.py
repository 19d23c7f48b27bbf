"""What sinks that talk to GitHub are tested with: an App on the stand-in, and a clock of ours."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ghapp.demo.github import GitHub, Installation
from tests.github.fixtures import Opened, opened
from tests.github_fixtures import Clock
from tests.sinks.story import NOW


@pytest.fixture
def github_clock() -> Clock:
    return Clock(now=NOW.timestamp())


@pytest.fixture
def github_sleep(github_clock: Clock) -> Callable[[float], Awaitable[None]]:
    return github_clock.sleep


@pytest.fixture
async def app(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    """Gives up after two seconds."""
    async with opened(github, github_installation.app, github_clock, timeout=2.0) as one:
        yield one
