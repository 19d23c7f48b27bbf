"""Questions that repeat: asked again for nothing, asked once at a time, and no answer is old.

The stand-in counts what it answered with 304 and does not charge it, as GitHub does.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ghapp.core.model import Repository
from ghapp.demo.github import App, GitHub, Installation
from ghapp.errors import Reject
from ghapp.github.answers import BODY, KEPT, SIZE, Answers
from tests.github.fixtures import SHOP, Opened, opened
from tests.github_fixtures import Clock
from tests.world import until

SHOP_PATH = "/repos/acme/shop"
PERMISSION = f"{SHOP_PATH}/collaborators/dev/permission"


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    async with opened(github, github_installation.app, github_clock) as one:
        yield one


async def ask(world: Opened, path: str = PERMISSION, repository: Repository = SHOP) -> Any:
    return await world.client.request("GET", path, repository=repository)


def statuses(world: Opened, ending: str) -> list[int]:
    return [status for _, route, status in world.seen.requests if route.endswith(ending)]


# --- asked again ----------------------------------------------------------------------------------


async def test_an_answer_that_did_not_change_costs_nothing_of_the_hour(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    answers = [await ask(world) for _ in range(10)]
    assert answers == [answers[0]] * 10
    assert answers[0]["permission"] == "write"
    counted = github.meter.budget(f"installation ID {github_installation.id}", world.clock.now)
    assert (counted.unchanged, counted.used) == (9, {"core": 1})
    assert statuses(world, "/permission") == [200, *[304] * 9]
    assert world.client.standings()[str(github_installation.id)].remaining == 14_999


async def test_a_permission_that_was_taken_away_is_seen_at_once(
    github: GitHub, world: Opened
) -> None:
    assert (await ask(world))["permission"] == "write"
    github.set_role("acme/shop", "dev", "read")
    assert (await ask(world))["permission"] == "read"
    github.set_role("acme/shop", "dev", "write")
    assert (await ask(world))["permission"] == "write"


async def test_everything_that_repeats_is_asked_conditionally(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    github.push("acme/shop", "main", {"CODEOWNERS": "* @acme/platform\n"}, "Owners", "ann")
    github.create_team("acme", "platform", ("ann",))
    sha = github.repository("acme/shop").git.refs["refs/heads/main"]
    paths = (
        SHOP_PATH,
        PERMISSION,
        f"{SHOP_PATH}/contents/CODEOWNERS",
        f"{SHOP_PATH}/commits/{sha}/check-runs?check_name=x",
        "/orgs/acme/teams/platform/memberships/ann",
    )
    for path in paths * 2:
        await ask(world, path)
    counted = github.meter.budget(f"installation ID {github_installation.id}", world.clock.now)
    assert (counted.unchanged, counted.used) == (len(paths), {"core": len(paths)})


async def test_where_the_app_is_installed_is_asked_conditionally(
    github: GitHub, world: Opened, github_app: App
) -> None:
    await ask(world)
    world.clock.advance(3601)
    await ask(world)
    assert statuses(world, "/installation") == [200, 304]
    assert github.meter.budget(f"app ID {github_app.id}", world.clock.now).unchanged == 1


async def test_what_one_installation_was_answered_is_not_another_s(
    github: GitHub, world: Opened, github_app: App
) -> None:
    github.create_repository("octo/lib")
    github.install(github_app, "octo")
    lib = Repository(host="github.com", owner="octo", name="lib")
    await ask(world)
    await ask(world, repository=lib)
    assert statuses(world, "/permission") == [200, 200]


async def test_a_no_is_not_kept(github: GitHub, world: Opened) -> None:
    path = f"{SHOP_PATH}/collaborators/nobody/permission"
    for _ in range(2):
        with pytest.raises(Reject):
            await ask(world, path)
    github.create_user("nobody")
    assert (await ask(world, path))["permission"] == "read"


async def test_a_list_goes_on_where_it_went_on_before(github: GitHub, world: Opened) -> None:
    sha = github.repository("acme/shop").git.refs["refs/heads/main"]
    for number in range(3):
        made = {"name": f"c{number}", "head_sha": sha}
        await world.client.request("POST", f"{SHOP_PATH}/check-runs", made, repository=SHOP)
    path = f"{SHOP_PATH}/commits/{sha}/check-runs?filter=all"
    for _ in range(2):
        pages = world.client.pages(path, repository=SHOP, items="check_runs")
        assert len([run async for run in pages]) == 3
    assert statuses(world, "/commits/{ref}/check-runs") == [200, 304]


async def test_after_a_webhook_about_the_repository_it_is_asked_anew(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    await ask(world)
    payload = {"installation": {"id": github_installation.id}}
    world.client.forget("repository", payload)
    await ask(world)
    assert statuses(world, "/permission") == [200, 200]


# --- asked at the same time -----------------------------------------------------------------------


async def test_equal_questions_at_once_are_asked_once(github: GitHub, world: Opened) -> None:
    answers = await asyncio.gather(*(ask(world) for _ in range(20)))
    assert {each["permission"] for each in answers} == {"write"}
    assert statuses(world, "/permission") == [200]


async def test_who_wrote_in_between_gets_an_answer_of_after_that(
    github: GitHub, world: Opened
) -> None:
    sha = github.repository("acme/shop").git.refs["refs/heads/main"]
    path = f"{SHOP_PATH}/commits/{sha}/check-runs"
    github.faults.add("hang", method="GET", path="/check-runs$")
    before = asyncio.create_task(ask(world, path))
    await until(lambda: statuses(world, "/access_tokens"))
    made = {"name": "build", "head_sha": sha}
    await world.client.request("POST", f"{SHOP_PATH}/check-runs", made, repository=SHOP)
    assert (await ask(world, path))["total_count"] == 1
    assert not before.done()
    github.faults.release()
    await before


# --- how much is kept -----------------------------------------------------------------------------


def kept(answers: Answers) -> int:
    return sum(answers.get("1", f"/{number}") is not None for number in range(1000))


def test_what_is_kept_is_bounded_in_number_length_and_time() -> None:
    clock = Clock()
    answers = Answers(clock)
    for number in range(1000):
        answers.keep("1", f"/{number}", {"etag": "x"}, b"x" * BODY)
    assert 0 < kept(answers) <= SIZE // BODY
    answers.keep("1", "/999", {"etag": "y"}, b"x" * (BODY + 1))
    assert answers.get("1", "/999") is None, "what is too long is not kept, nor what it was before"
    answers.keep("1", "/0", {}, b"")
    assert answers.get("1", "/0") is None, "without a tag there is nothing to ask with"
    clock.advance(KEPT + 1)
    assert kept(answers) == 0


def test_what_one_caller_was_answered_can_be_dropped() -> None:
    answers = Answers(Clock())
    for caller in ("1", "2"):
        answers.keep(caller, "/", {"ETag": "x", "etag": "x"}, b"{}")
    answers.forget("1")
    assert answers.get("1", "/") is None
    assert answers.get("2", "/") is not None
