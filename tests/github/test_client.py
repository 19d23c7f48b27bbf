"""The client against the stand-in: every way in which GitHub, the network or an owner says no.

The stand-in has memory, so what is asserted is what GitHub has afterwards. What the wire looks like
is in test_wire.py; tokens and clocks are in test_auth.py.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ghapp.core.budget import Urgency, Why
from ghapp.core.model import Repository
from ghapp.demo.github import App, GitHub, Installation, Limits
from ghapp.errors import Reject, Retry
from tests.github.fixtures import SHOP, Opened, opened
from tests.github_fixtures import Clock

RUNS = "/repos/acme/shop/check-runs"


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    async with opened(github, github_installation.app, github_clock) as one:
        yield one


def body(github: GitHub, status: str = "in_progress", sha_of: str = "acme/shop") -> dict[str, str]:
    sha = github.repository(sha_of).git.refs["refs/heads/main"]
    done = {"conclusion": "success"} if status == "completed" else {}
    return {"name": "build", "head_sha": sha, "status": status, **done}


async def create(
    world: Opened, github: GitHub, status: str = "in_progress", sha_of: str = "acme/shop"
) -> int:
    made = await world.client.request("POST", RUNS, body(github, status, sha_of), repository=SHOP)
    return int(made["id"])


# --- who we are -----------------------------------------------------------------------------------


async def test_the_app_is_asked_for_once(github: GitHub, world: Opened) -> None:
    assert world.client.app_id == 0
    answers = await asyncio.gather(*(world.client.identify() for _ in range(10)))
    (app,) = github.world.apps.values()
    assert {*answers, world.client.app_id} == {app.id}
    assert world.seen.requests == [("GET", "/app", 200)]


async def test_many_first_requests_look_up_and_mint_once(github: GitHub, world: Opened) -> None:
    await asyncio.gather(*(create(world, github) for _ in range(30)))
    assert world.seen.count("GET", "/installation") == 1
    assert world.seen.count("POST", "/access_tokens") == 1
    assert len(github.repository("acme/shop").runs) == 30


async def test_names_do_not_care_about_case(github: GitHub, world: Opened) -> None:
    await create(world, github)
    shouting = Repository(host="github.com", owner="ACME", name="Shop")
    await world.client.request("GET", "/repos/ACME/Shop", repository=shouting)
    assert world.seen.count("GET", "/installation") == 1


# --- not installed, suspended, renamed ------------------------------------------------------------


async def test_a_repository_without_the_app_is_refused_with_the_way_to_install_it(
    github: GitHub, world: Opened
) -> None:
    github.create_repository("octo/lib")
    lib = Repository(host="github.com", owner="octo", name="lib")
    with pytest.raises(Reject) as caught:
        await world.client.request("GET", "/repos/octo/lib", repository=lib)
    assert caught.value.status == 404
    assert "the App checkrail is not installed on octo/lib" in caught.value.reason
    assert f"{github.world.web_url}/apps/checkrail/installations/new" in caught.value.reason


async def test_that_the_app_is_missing_is_believed_for_a_minute(
    github: GitHub, world: Opened, github_app: App
) -> None:
    github.create_repository("octo/lib")
    lib = Repository(host="github.com", owner="octo", name="lib")
    for _ in range(3):
        with pytest.raises(Reject):
            await world.client.request("GET", "/repos/octo/lib", repository=lib)
    assert world.seen.count("GET", "/installation") == 1
    github.install(github_app, "octo")
    world.clock.advance(61)
    await world.client.request("GET", "/repos/octo/lib", repository=lib)


async def test_the_webhook_of_an_installation_makes_it_known_at_once(
    github: GitHub, world: Opened, github_app: App
) -> None:
    github.create_repository("octo/lib")
    lib = Repository(host="github.com", owner="octo", name="lib")
    with pytest.raises(Reject):
        await world.client.request("GET", "/repos/octo/lib", repository=lib)
    github.hooks.observers.append(lambda each: world.client.forget(each.event, each.payload))
    github.install(github_app, "octo")
    await world.client.request("GET", "/repos/octo/lib", repository=lib)


async def test_a_suspended_installation_is_tried_again_after_ten_minutes(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    github.suspend(github_installation, "ann")
    for _ in range(3):
        with pytest.raises(Retry, match="suspended") as caught:
            await create(world, github)
        assert caught.value.after == 600
    assert len(world.seen.requests) == 1
    github.hooks.observers.append(lambda each: world.client.forget(each.event, each.payload))
    github.unsuspend(github_installation, "ann")
    await create(world, github)


async def test_without_a_webhook_the_end_of_a_suspension_is_seen_after_ten_minutes(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    github.suspend(github_installation, "ann")
    with pytest.raises(Retry) as caught:
        await create(world, github)
    github.unsuspend(github_installation, "ann")
    world.clock.advance(caught.value.after or 0)
    await create(world, github)


async def test_a_suspension_in_the_middle_is_understood(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    await create(world, github)
    github.suspend(github_installation, "ann")
    with pytest.raises(Retry, match="suspended") as caught:
        await create(world, github)
    assert caught.value.after == 600
    world.seen.clear()
    with pytest.raises(Retry, match="suspended"):
        await create(world, github)
    assert not world.seen.requests


async def test_an_installation_that_is_gone_is_looked_up_anew(
    github: GitHub, world: Opened, github_installation: Installation, github_app: App
) -> None:
    await create(world, github)
    github.uninstall(github_installation, "ann")
    github.install(github_app, "acme")
    with pytest.raises(Retry, match="is gone"):
        await create(world, github)
    await create(world, github)


async def test_a_repository_that_was_taken_out_says_that_the_app_is_not_installed(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    github.create_repository("acme/other")
    await create(world, github)
    github.change_repositories(github_installation, remove=["acme/shop"])
    world.clock.advance(3400)  # the token has ended, what we know of the installation has not
    with pytest.raises(Reject, match="not installed on acme/shop"):
        await create(world, github)


async def test_a_renamed_repository_is_followed_for_reads_and_writes(
    github: GitHub, world: Opened
) -> None:
    run = await create(world, github)
    github.rename_repository("acme/shop", "store", "ann")
    path = f"{RUNS}/{run}"
    done = {"status": "completed", "conclusion": "success"}
    await world.client.request("PATCH", path, done, repository=SHOP)
    found = await world.client.request("GET", path, repository=SHOP)
    assert found["conclusion"] == "success"


async def test_after_a_rename_a_new_token_is_minted_although_its_name_is_unknown_there(
    github: GitHub, world: Opened
) -> None:
    github.rename_repository("acme/shop", "store", "ann")
    wanted = body(github, sha_of="acme/store")
    made = await world.client.request("POST", RUNS, wanted, repository=SHOP)
    assert list(github.repository("acme/store").runs) == [made["id"]]


async def test_a_permission_that_was_not_granted_is_named(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    github_installation.permissions["checks"] = "read"
    with pytest.raises(Reject, match=r"the App lacks checks:write for acme/shop") as caught:
        await create(world, github)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("owner", "page"),
    [("acme", "/organizations/acme/settings/installations/"), ("octo", "/settings/installations/")],
)
async def test_where_a_missing_permission_is_accepted_is_told(
    github: GitHub, world: Opened, github_app: App, owner: str, page: str
) -> None:
    if owner == "octo":
        github.create_repository("octo/shop")
        github.install(github_app, "octo")
    shop = Repository(host="github.com", owner=owner, name="shop")
    (installation,) = github.world.installations_of(github.repository(f"{owner}/shop"))
    installation.permissions["checks"] = "read"
    with pytest.raises(Reject) as minted:
        await world.client.request("POST", f"/repos/{owner}/shop/check-runs", {}, repository=shop)
    installation.permissions.pop("issues")
    installation.permissions.pop("pull_requests")
    path = f"/repos/{owner}/shop/issues/1/comments"
    with pytest.raises(Reject) as asked:
        await world.client.request("POST", path, {"body": "x"}, repository=shop)
    where = f"let the owner of the installation accept it at {github.world.web_url}{page}"
    assert minted.value.reason.endswith(f"{where}{installation.id}")
    assert asked.value.reason.endswith(f"{where}{installation.id}")
    assert "the App lacks checks:write for" in minted.value.reason
    assert "the App lacks issues:write or pull_requests:write" in asked.value.reason


@pytest.mark.parametrize("told", [True, False])
async def test_once_a_permission_is_accepted_it_goes_on_by_itself(
    github: GitHub, world: Opened, github_installation: Installation, told: bool
) -> None:
    """Whether or not the webhook comes."""
    if told:
        github.hooks.observers.append(lambda each: world.client.forget(each.event, each.payload))
    comments = "/repos/acme/shop/issues/1/comments"
    github.push("acme/shop", "feature", {"a": "a"}, "a", "dev")
    github.open_pull("acme/shop", head="feature", title="a", login="dev")
    for name in ("checks", "issues", "pull_requests"):
        github_installation.permissions[name] = "read"
    for _ in range(2):
        with pytest.raises(Reject, match="accept it at"):
            await create(world, github)
        with pytest.raises(Reject, match="accept it at"):
            await world.client.request("POST", comments, {"body": "x"}, repository=SHOP)
    github.accept_permissions(github_installation, "ann")
    await create(world, github)
    await world.client.request("POST", comments, {"body": "x"}, repository=SHOP)


async def test_a_permission_that_is_missing_costs_few_requests(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    github_installation.permissions["checks"] = "read"
    for _ in range(2):
        with pytest.raises(Reject):
            await create(world, github)
    assert world.seen.methods == {"POST": 2, "GET": 1}


async def test_uninstalled_and_installed_again_it_goes_on_by_itself(
    github: GitHub, world: Opened, github_installation: Installation, github_app: App
) -> None:
    github.hooks.observers.append(lambda each: world.client.forget(each.event, each.payload))
    await create(world, github)
    github.uninstall(github_installation, "ann")
    with pytest.raises(Reject, match="not installed on acme/shop"):
        await create(world, github)
    github.install(github_app, "acme")
    await create(world, github)


async def test_a_repository_that_was_taken_out_and_put_back_goes_on_by_itself(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    github.create_repository("acme/other")
    github.hooks.observers.append(lambda each: world.client.forget(each.event, each.payload))
    await create(world, github)
    github.change_repositories(github_installation, remove=["acme/shop"])
    with pytest.raises(Reject, match="not installed on acme/shop"):
        await create(world, github)
    github.change_repositories(github_installation, add=["acme/shop"])
    await create(world, github)


# --- moved and archived ---------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
async def test_a_repository_that_went_to_another_account_is_followed_to_its_installation(
    github: GitHub, world: Opened, github_app: App, told: bool
) -> None:
    """Whether or not the webhook comes."""
    if told:
        github.hooks.observers.append(lambda each: world.client.forget(each.event, each.payload))
    run = await create(world, github)
    github.create_user("octo")
    installation = github.install(github_app, "octo")
    github.transfer_repository("acme/shop", "octo", "ann")
    done = {"status": "completed", "conclusion": "success"}
    if not told:
        with pytest.raises(Retry, match="moved to another installation") as caught:
            await world.client.request("PATCH", f"{RUNS}/{run}", done, repository=SHOP)
        assert caught.value.after == 1
    await world.client.request("PATCH", f"{RUNS}/{run}", done, repository=SHOP)
    assert github.repository("octo/shop").runs[run].conclusion == "success"
    assert str(installation.id) in world.client.standings()


async def test_a_repository_that_went_where_the_app_is_not_says_so(
    github: GitHub, world: Opened
) -> None:
    github.hooks.observers.append(lambda each: world.client.forget(each.event, each.payload))
    await create(world, github)
    github.transfer_repository("acme/shop", "octo", "ann")
    world.client.forget("repository", {"repository": {"owner": {"login": "acme"}}})
    with pytest.raises(Reject, match="not installed on acme/shop"):
        await create(world, github, sha_of="octo/shop")


async def test_an_archived_repository_is_named_and_works_again_once_it_is_none(
    github: GitHub, world: Opened
) -> None:
    run = await create(world, github)
    github.archive_repository("acme/shop", "ann")
    with pytest.raises(Reject, match="acme/shop is archived, and GitHub takes nothing") as caught:
        await create(world, github)
    assert "unarchive it" in caught.value.reason
    assert caught.value.status == 403
    assert (await world.client.request("GET", f"{RUNS}/{run}", repository=SHOP))["id"] == run
    github.unarchive_repository("acme/shop", "ann")
    await create(world, github)


async def test_a_repository_on_another_host_is_refused_before_anything_is_sent(
    github: GitHub, github_app: App, github_clock: Clock
) -> None:
    github.base_url = "https://api.github.com"
    elsewhere = Repository(host="gitlab.com", owner="acme", name="shop")
    async with opened(github, github_app, github_clock) as world:
        assert world.client.serves(SHOP)
        assert not world.client.serves(elsewhere)
        with pytest.raises(Reject, match=r"gitlab.com/acme/shop is not on github.com"):
            await world.client.request("GET", "/repos/acme/shop", repository=elsewhere)
        assert not world.seen.requests


# --- trouble --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lose_answer", "lose_request", "hang", "status"])
async def test_a_write_without_an_answer_is_uncertain_and_a_read_is_not(
    github: GitHub, github_installation: Installation, github_clock: Clock, kind: str
) -> None:
    async with opened(github, github_installation.app, github_clock, timeout=0.2) as world:
        run = await create(world, github)
        github.faults.add(kind, path="/check-runs/", times=9, status=502)
        with pytest.raises(Retry) as write:
            await world.client.request("PATCH", f"{RUNS}/{run}", {}, repository=SHOP)
        with pytest.raises(Retry) as read:
            await world.client.request("GET", f"{RUNS}/{run}", repository=SHOP)
        assert (write.value.uncertain, read.value.uncertain) == (True, False)


async def test_where_nobody_listens_nothing_was_done(
    github: GitHub, github_app: App, github_clock: Clock, unused_tcp_port: int
) -> None:
    github.base_url = f"http://127.0.0.1:{unused_tcp_port}"
    async with opened(github, github_app, github_clock) as world:
        with pytest.raises(Retry, match="cannot be reached") as caught:
            await world.client.request("POST", "/app", {}, repository=None)
        assert not caught.value.uncertain
        assert world.seen.requests == [("POST", "/app", 0)]


async def test_what_github_finds_wrong_is_passed_on_in_its_words(
    github: GitHub, world: Opened
) -> None:
    wrong = {**body(github), "head_sha": "0" * 40}
    with pytest.raises(Reject, match="GitHub answered 422: No commit found for SHA") as caught:
        await world.client.request("POST", RUNS, wrong, repository=SHOP)
    assert caught.value.status == 422


@pytest.mark.parametrize(("kind", "status"), [("secondary", 403), ("too_many", 429)])
@pytest.mark.parametrize(("header", "after"), [(30, 30.0), (None, 60.0)])
async def test_while_github_wants_peace_nothing_is_sent(
    github: GitHub, world: Opened, kind: str, status: int, header: int | None, after: float
) -> None:
    await create(world, github)
    github.faults.add(kind, method="POST", path="/check-runs$", retry_after=header)
    with pytest.raises(Retry) as first:
        await create(world, github)
    assert (first.value.status, first.value.after, first.value.uncertain) == (status, after, False)
    world.seen.clear()
    world.clock.advance(after - 1)
    with pytest.raises(Retry, match="slow down") as second:
        await world.client.request("GET", "/repos/acme/shop", repository=SHOP)
    assert second.value.after == 1.0
    assert not world.seen.requests
    world.clock.advance(1)
    await create(world, github)


async def test_a_second_limit_in_a_row_waits_twice_as_long(github: GitHub, world: Opened) -> None:
    github.faults.add("secondary", method="POST", path="/check-runs$", times=2)
    waits = []
    for _ in range(2):
        with pytest.raises(Retry) as caught:
            await create(world, github)
        waits.append(caught.value.after)
        world.clock.advance(caught.value.after or 0)
    assert waits == [60, 120]


async def test_what_remains_of_the_hour_is_told(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    await create(world, github)
    left = {name: one.remaining for name, one in world.client.standings().items()}
    assert left == {"app": 14_998, str(github_installation.id): 14_999}


async def test_one_installation_s_pause_is_not_another_s(
    github: GitHub, world: Opened, github_app: App
) -> None:
    github.create_repository("octo/lib")
    github.install(github_app, "octo")
    github.faults.add("secondary", method="POST", path="acme/shop/check-runs$")
    with pytest.raises(Retry):
        await create(world, github)
    lib = Repository(host="github.com", owner="octo", name="lib")
    await world.client.request("GET", "/repos/octo/lib", repository=lib)


async def test_with_the_hour_used_up_the_wait_is_until_the_reset(
    github: GitHub, world: Opened, github_installation: Installation
) -> None:
    await create(world, github)
    now = world.clock.now
    github.meter.exhaust(f"installation ID {github_installation.id}", now)
    with pytest.raises(Retry) as caught:
        await create(world, github)
    assert caught.value.after == 3601
    world.seen.clear()
    with pytest.raises(Retry):
        await create(world, github)
    assert not world.seen.requests
    world.clock.advance(3601)
    await create(world, github)


# --- pages ----------------------------------------------------------------------------------------


async def test_every_page_is_read_in_order(github: GitHub, world: Opened) -> None:
    for number in range(205):
        made = {**body(github), "name": f"check {number}"}
        await world.client.request("POST", RUNS, made, repository=SHOP)
    world.seen.clear()
    path = f"/repos/acme/shop/commits/{body(github)['head_sha']}/check-runs?filter=all"
    names = [
        run["name"] async for run in world.client.pages(path, repository=SHOP, items="check_runs")
    ]
    assert sorted(names) == sorted(f"check {number}" for number in range(205))
    assert world.seen.methods == {"GET": 3}


async def test_a_listing_that_is_none_is_told(github: GitHub, world: Opened) -> None:
    pages = aiter(world.client.pages("/repos/acme/shop", repository=SHOP))
    with pytest.raises(Retry, match="something else than a list"):
        await anext(pages)


async def test_pages_of_a_renamed_repository_go_on_at_its_new_address(
    github: GitHub, world: Opened
) -> None:
    for number in range(101):
        made = {**body(github), "name": f"check {number}"}
        await world.client.request("POST", RUNS, made, repository=SHOP)
    sha = body(github)["head_sha"]
    github.rename_repository("acme/shop", "store", "ann")
    pages = world.client.pages(
        f"/repos/acme/shop/commits/{sha}/check-runs", repository=SHOP, items="check_runs"
    )
    assert len([run async for run in pages]) == 101


class TestWithGitHubsOwnLimits:
    """As on github.com, but without knowing that it is: the limits are learned."""

    @pytest.fixture
    def github_limits(self) -> Limits:
        return Limits(requests_an_hour=1000, points_a_minute=900, retry_after=False)

    async def test_progress_gives_way_to_verdicts_when_the_hour_runs_out(
        self, github: GitHub, world: Opened, github_installation: Installation
    ) -> None:
        run = await create(world, github)
        caller = f"installation ID {github_installation.id}"
        github.meter.budget(caller, world.clock.now).used["core"] = 905
        await world.client.request("GET", f"{RUNS}/{run}", repository=SHOP)
        with pytest.raises(Retry, match="kept for verdicts"):
            await world.client.request(
                "PATCH",
                f"{RUNS}/{run}",
                {"status": "in_progress"},
                repository=SHOP,
                urgency=Urgency.PROGRESS,
            )
        assert world.waits == [Why.KEPT]
        done = {"status": "completed", "conclusion": "success"}
        await world.client.request("PATCH", f"{RUNS}/{run}", done, repository=SHOP)

    async def test_a_flood_is_refused_once_and_then_kept_within_the_limits(
        self, github: GitHub, world: Opened
    ) -> None:
        made = 0
        for _ in range(20):
            for _ in range(200):
                try:
                    await create(world, github, "completed")
                    made += 1
                except Retry as error:
                    world.clock.advance(error.after or 1.0)
                    break
            if made > 400:
                break
        assert made > 400
        assert [status for _, _, status in world.seen.requests].count(403) == 1

    async def test_a_flood_over_several_routes_is_kept_within_the_limits_too(
        self, github: GitHub, world: Opened
    ) -> None:
        """Points count for all of them together."""
        run = await create(world, github)
        sha = body(github)["head_sha"]
        requests = (
            ("POST", RUNS, body(github, "completed")),
            ("PATCH", f"{RUNS}/{run}", {"output": {"title": "x", "summary": "y"}}),
            ("GET", f"/repos/acme/shop/commits/{sha}/check-runs", None),
        )
        done = 0
        while done < 600:
            method, path, wanted = requests[done % 3]
            try:
                await world.client.request(method, path, wanted, repository=SHOP)
                done += 1
            except Retry as error:
                world.clock.advance(error.after or 1.0)
        assert [status for _, _, status in world.seen.requests].count(403) == 1
