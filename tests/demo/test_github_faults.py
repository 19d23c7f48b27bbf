"""Each knob of the stand-in does what it says, to the requests it names and to no others."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from ghapp.demo.github import GitHub, Kind
from tests.github_fixtures import Api, Clock

RUNS = "/repos/acme/shop/check-runs"


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
def github_sleep(github_clock: Clock) -> Any:
    return github_clock.sleep


def main(github: GitHub) -> str:
    return github.repository("acme/shop").git.refs["refs/heads/main"]


async def test_a_fault_strikes_only_what_it_names_and_only_so_often(
    github: GitHub, api: Api
) -> None:
    fault = github.faults.add(
        Kind.STATUS, status=502, method="POST", path=r"^/repos/acme/shop/check-runs$", times=2
    )
    wish = {"name": "build", "head_sha": main(github)}
    assert (await api.get("/repos/acme/shop")).status == 200
    assert [(await api.post(RUNS, wish)).status for _ in range(3)] == [502, 502, 201]
    assert fault.hits == 2
    assert len(github.check_runs("acme/shop", main(github))) == 1


@pytest.mark.parametrize("retry_after", [None, 7])
async def test_a_secondary_limit_comes_with_or_without_a_time(
    github: GitHub, api: Api, retry_after: int | None
) -> None:
    github.faults.add("secondary", retry_after=retry_after)
    refused = await api.get("/repos/acme/shop")
    assert refused.status == 403
    assert "secondary rate limit" in refused.body["message"]
    assert refused.headers.get("retry-after") == (None if retry_after is None else "7")
    assert refused.headers["x-ratelimit-remaining"] != "0"


async def test_the_other_refusals(github: GitHub, api: Api, github_clock: Clock) -> None:
    github.faults.add(Kind.TOO_MANY, retry_after=3)
    github.faults.add(Kind.PRIMARY)
    github.faults.add(Kind.STATUS, status=500)
    github.faults.add(Kind.STATUS, status=401)
    answers = [await api.get("/repos/acme/shop") for _ in range(5)]
    assert [each.status for each in answers] == [429, 403, 500, 401, 200]
    assert answers[0].headers["retry-after"] == "3"
    assert answers[1].headers["x-ratelimit-remaining"] == "0"
    assert int(answers[1].headers["x-ratelimit-reset"]) == github_clock() + 3600


async def test_a_lost_answer_leaves_the_work_done(github: GitHub, api: Api) -> None:
    github.faults.add(Kind.LOSE_ANSWER, method="POST")
    wish = {"name": "build", "head_sha": main(github), "external_id": "once"}
    with pytest.raises(aiohttp.ClientError):
        await api.post(RUNS, wish)
    assert [run.external_id for run in github.check_runs("acme/shop", main(github))] == ["once"]


async def test_a_lost_request_leaves_nothing_done(github: GitHub, api: Api) -> None:
    github.faults.add(Kind.LOSE_REQUEST, method="POST")
    with pytest.raises(aiohttp.ClientError):
        await api.post(RUNS, {"name": "build", "head_sha": main(github)})
    assert github.check_runs("acme/shop", main(github)) == []


async def test_a_hanging_request_goes_on_when_it_is_released(github: GitHub, api: Api) -> None:
    fault = github.faults.add(Kind.HANG, path=r"/acme/shop$")
    waiting = asyncio.create_task(api.get("/repos/acme/shop"))
    while not fault.hits:  # others are answered meanwhile
        assert (await api.get("/repos/acme/shop/pulls")).status == 200
    assert not waiting.done()
    github.faults.release()
    assert (await waiting).status == 200


async def test_a_slow_answer_takes_the_time_it_was_told_to(
    github: GitHub, api: Api, github_clock: Clock
) -> None:
    github.faults.add(Kind.SLOW, seconds=12)
    assert (await api.get("/repos/acme/shop")).status == 200
    assert github_clock.slept == [12]


async def test_faults_can_be_cleared(github: GitHub, api: Api) -> None:
    github.faults.add(Kind.STATUS, times=100)
    github.faults.clear()
    assert (await api.get("/repos/acme/shop")).status == 200


async def test_a_fresh_token_is_not_known_everywhere_at_once(
    github: GitHub, api: Api, github_clock: Clock
) -> None:
    github.world.token_lag = 5
    token = await api.mint()
    assert (await api.get("/repos/acme/shop", token=token)).status == 401
    github_clock.advance(5)
    assert (await api.get("/repos/acme/shop", token=token)).status == 200


async def test_a_read_does_not_see_a_write_until_the_lag_is_over(
    github: GitHub, api: Api, github_clock: Clock
) -> None:
    github_clock.advance(10)
    github.world.read_lag = 3
    sha = github.push("acme/shop", "feature", {"a": "a"}, "a", "dev")
    github.open_pull("acme/shop", head="feature", title="a", login="dev")
    made = await api.post(RUNS, {"name": "build", "head_sha": sha})
    unseen = [
        f"/repos/acme/shop/commits/{sha}/check-runs",
        "/repos/acme/shop/pulls",
        "/repos/acme/shop/git/matching-refs/heads/feature",
    ]
    for path in unseen:
        assert (await api.get(path)).body in ([], {"total_count": 0, "check_runs": []})
    missing = [
        f"{RUNS}/{made.body['id']}",
        "/repos/acme/shop/pulls/1",
        "/repos/acme/shop/git/ref/heads/feature",
    ]
    assert [(await api.get(path)).status for path in missing] == [404] * 3
    github_clock.advance(3)
    assert [(await api.get(path)).status for path in missing + unseen] == [200] * 6


async def test_a_renamed_repository_redirects_reads_and_writes_to_its_number(
    github: GitHub, api: Api
) -> None:
    repo = github.rename_repository("acme/shop", "store", "ann")
    read = await api.get("/repos/acme/shop/pulls?state=all")
    assert read.status == 301
    assert read.headers["Location"] == (f"{github.base_url}/repositories/{repo.id}/pulls?state=all")
    wish = {"name": "build", "head_sha": main_of(repo)}
    moved = await api.post(RUNS, wish)
    assert moved.status == 307
    assert (await api.get(read.headers["Location"])).status == 200
    assert (await api.post(moved.headers["Location"], wish)).status == 201
    assert (await api.get("/repos/acme/store")).body["full_name"] == "acme/store"


def main_of(repo: Any) -> str:
    sha: str = repo.git.refs["refs/heads/main"]
    return sha


async def test_a_name_taken_again_no_longer_redirects(github: GitHub, api: Api) -> None:
    github.rename_repository("acme/shop", "store", "ann")
    github.create_repository("acme/shop")
    assert (await api.get("/repos/acme/shop")).body["full_name"] == "acme/shop"


async def test_a_transferred_repository_redirects_to_its_number(github: GitHub, api: Api) -> None:
    number = github.repository("acme/shop").id
    github.transfer_repository("acme/shop", "octo", "ann")
    moved = await api.get("/repos/acme/shop")
    assert moved.status == 301
    assert moved.headers["Location"].endswith(f"/repositories/{number}")
    assert (await api.get(moved.headers["Location"])).body["full_name"] == "octo/shop"
    assert (await api.post(f"/repositories/{number}/dispatches", {"event_type": "x"})).status == 403


async def test_an_archived_repository_can_only_be_read(github: GitHub, api: Api) -> None:
    github.archive_repository("acme/shop", "ann")
    assert (await api.get("/repos/acme/shop")).body["archived"]
    no = await api.post("/repos/acme/shop/dispatches", {"event_type": "x"})
    assert (no.status, no.body["message"]) == (403, "Repository was archived so is read-only.")
    github.unarchive_repository("acme/shop", "ann")
    assert (await api.post("/repos/acme/shop/dispatches", {"event_type": "x"})).status == 204


async def test_a_deleted_repository_is_gone(github: GitHub, api: Api) -> None:
    github.delete_repository("acme/shop", "ann")
    assert (await api.get("/repos/acme/shop")).status == 404
