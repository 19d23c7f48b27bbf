"""The Apps that Providers declare: each with a client, a session and webhook secrets.

That their webhooks and buttons work is in `tests/e2e/test_apps.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from ghapp.core.model import Repository
from ghapp.demo.github.apps import new_private_key
from ghapp.errors import ConfigError, Retry
from ghapp.github.absent import AbsentGitHub
from ghapp.github.apps import CA, ENVIRONMENT, PRIVATE_KEY, WEBHOOK_SECRET, Apps
from ghapp.github.client import GitHubClient
from ghapp.http import utc_now
from ghapp.ports import UrgentGitHub
from ghapp.secret import Secret
from tests.world import private_key

SOURCE = "clusterprovider/ghe"
GHE = Repository(host="ghe.example.org", owner="acme", name="shop")
DOTCOM = Repository(host="github.com", owner="acme", name="shop")
HOME = AbsentGitHub()


@pytest.fixture
def made() -> list[aiohttp.ClientSession]:
    """The sessions of all clients that were made, oldest first."""
    return []


@pytest.fixture
async def apps(made: list[aiohttp.ClientSession]) -> AsyncIterator[Apps]:
    def make(session: aiohttp.ClientSession, api_url: str, app: str, key: Secret) -> GitHubClient:
        client = GitHubClient(session, api_url=api_url, app=app, key=key, clock=utc_now)
        made.append(session)
        return client

    one = Apps(HOME, make)
    yield one
    await one.close()


def declare(apps: Apps, source: str = SOURCE, **changes: Any) -> UrgentGitHub:
    given: dict[str, Any] = {
        "api_url": "https://ghe.example.org/api/v3",
        "app": "7",
        "credentials": {PRIVATE_KEY: Secret(private_key())},
    }
    return apps.declare(source, **{**given, **changes})


async def test_the_environments_app_has_no_name(apps: Apps) -> None:
    assert apps.of(ENVIRONMENT) is HOME
    assert list(apps) == []


async def test_a_declared_app_has_a_client_for_its_host(apps: Apps) -> None:
    github = declare(apps)
    assert apps.of(SOURCE) is github
    assert list(apps) == [SOURCE]
    assert github.serves(GHE)
    assert not github.serves(DOTCOM)
    assert apps.standings() == {}


async def test_what_did_not_change_keeps_its_client(apps: Apps) -> None:
    first = declare(apps)
    assert declare(apps) is first
    assert declare(apps, app="8") is not first


async def test_another_webhook_secret_keeps_the_client_its_budget_and_its_session(
    apps: Apps, made: list[aiohttp.ClientSession]
) -> None:
    key = Secret(private_key())
    before = {PRIVATE_KEY: key, WEBHOOK_SECRET: Secret("old")}
    first = declare(apps, credentials=before)
    after = {PRIVATE_KEY: key, WEBHOOK_SECRET: Secret("new\nold")}
    assert declare(apps, credentials=after) is first
    assert apps.secrets(SOURCE) == (Secret("new"), Secret("old"))
    await asyncio.sleep(0)
    (session,) = made
    assert not session.closed


async def test_two_providers_with_one_app_share_one_client_and_so_one_budget(
    apps: Apps, made: list[aiohttp.ClientSession]
) -> None:
    first = declare(apps)
    other = "provider/shop/ghe"
    credentials = {PRIVATE_KEY: Secret(private_key()), WEBHOOK_SECRET: Secret("s")}
    url = "https://ghe.example.org/api/v3/"
    assert declare(apps, other, credentials=credentials, api_url=url) is first
    assert (apps.secrets(SOURCE), apps.secrets(other)) == ((), (Secret("s"),))
    apps.drop(SOURCE)
    assert apps.of(other) is first
    await asyncio.sleep(0)
    assert [session.closed for session in made] == [False]
    apps.drop(other)
    await apps.close()
    assert [session.closed for session in made] == [True]
    assert declare(apps) is not first


@pytest.mark.parametrize(
    "change",
    [
        {"app": "8"},
        {"api_url": "https://other.example.org/api/v3"},
        {"credentials": {PRIVATE_KEY: Secret(new_private_key())}},
    ],
)
async def test_another_app_host_or_key_is_another_client(
    apps: Apps, made: list[aiohttp.ClientSession], change: dict[str, Any]
) -> None:
    first = declare(apps)
    assert declare(apps, "provider/shop/ghe", **change) is not first
    assert declare(apps, **change) is apps.of("provider/shop/ghe")
    await apps.close()
    assert [session.closed for session in made] == [True, True]


async def test_without_its_key_what_is_owed_to_its_host_waits(apps: Apps) -> None:
    github = declare(apps, credentials={WEBHOOK_SECRET: Secret("s")})
    assert github.serves(GHE)
    assert not github.serves(DOTCOM)
    assert list(apps) == []
    with pytest.raises(Retry, match="private key is not there yet"):
        await github.request("GET", "/app", repository=None)
    assert isinstance(declare(apps), GitHubClient)


async def test_its_webhooks_are_verified_with_its_secrets_and_no_other(apps: Apps) -> None:
    assert apps.secrets(SOURCE) == ()
    credentials = {
        PRIVATE_KEY: Secret(private_key()),
        WEBHOOK_SECRET: Secret(" current \n\nprevious\n"),
    }
    declare(apps, credentials=credentials)
    assert apps.secrets(SOURCE) == (Secret("current"), Secret("previous"))
    assert apps.secrets("clusterprovider/other") == ()
    assert apps.secrets(ENVIRONMENT) == ()


@pytest.mark.parametrize("wrong", [{PRIVATE_KEY: "no key"}, {CA: "no certificate"}])
async def test_a_key_or_certificate_that_is_none_is_a_mistake(
    apps: Apps, wrong: dict[str, str]
) -> None:
    good = declare(apps)
    given = {PRIVATE_KEY: private_key(), **wrong}
    with pytest.raises(ConfigError) as said:
        declare(apps, credentials={name: Secret(value) for name, value in given.items()})
    assert apps.of(SOURCE) is good
    assert private_key()[40:80] not in str(said.value)


async def test_what_is_gone_can_be_asked_nothing(apps: Apps) -> None:
    declare(apps)
    apps.drop(SOURCE)
    apps.drop(SOURCE)
    assert list(apps) == []
    assert apps.secrets(SOURCE) == ()
    with pytest.raises(Retry, match="Provider is gone"):
        await apps.of(SOURCE).request("GET", "/app", repository=None)


async def test_errands_are_run_by_the_operators_apps_and_not_by_a_tenants(apps: Apps) -> None:
    declare(apps)
    assert apps.serving(GHE) is apps.of(SOURCE)
    assert apps.serving(DOTCOM) is None
    apps.drop(SOURCE)
    apps.declare(
        "provider/evil/ghe",
        api_url="https://ghe.example.org/api/v3",
        app="8",
        credentials={PRIVATE_KEY: Secret(private_key())},
    )
    assert apps.serving(GHE) is None
