"""The merge queue of the stand-in: groups, their webhooks, and what becomes of the base branch.

That the webhooks are as GitHub describes them is checked by the fixtures.
"""

import pytest

from ghapp.demo.github import GitHub
from ghapp.demo.github.errors import ApiError
from tests.github_fixtures import Api, Inbox

MAIN = "refs/heads/main"
PREFIX = "refs/heads/gh-readonly-queue/main/pr-"


@pytest.fixture
def queued(github: GitHub, api: Api) -> list[str]:
    """Two pull requests in the queue; the commits of their groups."""
    for name in ("a", "b"):
        github.push("acme/shop", name, {name: name}, f"Add {name}", "dev")
        github.open_pull("acme/shop", head=name, title=f"Add {name}", login="dev")
    return [github.merge_group("acme/shop", number, "dev") for number in (1, 2)]


def refs(github: GitHub) -> dict[str, str]:
    return github.repository("acme/shop").git.refs


def groups(inbox: Inbox) -> list[tuple[str, str | None, str]]:
    """(action, reason, commit) of each webhook."""
    bodies = [each.body for each in inbox.arrived if each.event == "merge_group"]
    return [(b["action"], b.get("reason"), b["merge_group"]["head_sha"]) for b in bodies]


async def test_a_group_is_a_branch_of_its_own_built_on_the_one_before(
    github: GitHub, api: Api, queued: list[str], github_inbox: Inbox
) -> None:
    first, second = queued
    main = refs(github)[MAIN]
    assert refs(github)[f"{PREFIX}1-{main}"] == first
    assert refs(github)[f"{PREFIX}2-{first}"] == second
    assert {"a", "b"} <= github.repository("acme/shop").git.files(second).keys()
    await github.settled()
    assert groups(github_inbox) == [
        ("checks_requested", None, first),
        ("checks_requested", None, second),
    ]
    told = github_inbox.last("merge_group").body["merge_group"]
    assert (told["base_sha"], told["base_ref"]) == (first, MAIN)
    assert told["head_ref"] == f"{PREFIX}2-{first}"


async def test_a_check_is_made_on_a_group_and_found_there(api: Api, queued: list[str]) -> None:
    made = {"name": "build", "head_sha": queued[0], "conclusion": "success"}
    assert (await api.post("/repos/acme/shop/check-runs", made)).status == 201
    found = await api.get(f"/repos/acme/shop/commits/{queued[0]}/check-runs")
    assert [run["name"] for run in found.body["check_runs"]] == ["build"]
    assert found.body["check_runs"][0]["pull_requests"] == []


async def test_a_group_that_is_merged_is_the_base_branch(
    github: GitHub, api: Api, queued: list[str], github_inbox: Inbox
) -> None:
    first, second = queued
    with pytest.raises(ApiError, match="Another group is before this one"):
        github.end_merge_group("acme/shop", second, "dev", reason="merged")
    for sha in queued:
        github.end_merge_group("acme/shop", sha, "dev", reason="merged")
        assert refs(github)[MAIN] == sha
    assert [github.pull("acme/shop", number).merge_sha for number in (1, 2)] == queued
    assert not [ref for ref in refs(github) if ref.startswith(PREFIX)]
    await github.settled()
    assert groups(github_inbox)[2:] == [
        ("destroyed", "merged", first),
        ("destroyed", "merged", second),
    ]


async def test_those_behind_one_that_leaves_are_built_anew(
    github: GitHub, api: Api, queued: list[str], github_inbox: Inbox
) -> None:
    first, second = queued
    github.end_merge_group("acme/shop", first, "dev", reason="dequeued")
    (again,) = [sha for ref, sha in refs(github).items() if ref.startswith(PREFIX)]
    assert again != second
    assert "a" not in github.repository("acme/shop").git.files(again)
    await github.settled()
    assert groups(github_inbox)[2:] == [
        ("destroyed", "dequeued", first),
        ("destroyed", "invalidated", second),
        ("checks_requested", None, again),
    ]


async def test_what_cannot_be_merged_is_not_queued(github: GitHub, queued: list[str]) -> None:
    github.close_pull("acme/shop", 2, "dev")
    with pytest.raises(ApiError, match="not mergeable"):
        github.merge_group("acme/shop", 2, "dev")
    with pytest.raises(ApiError, match="write rights"):
        github.merge_group("acme/shop", 1, "eve")
    with pytest.raises(ApiError, match="Not Found"):
        github.end_merge_group("acme/shop", "f" * 40, "dev")
