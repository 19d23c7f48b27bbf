"""Pull requests of the stand-in, from opening to merging, and what is said on them."""

from __future__ import annotations

from typing import Any

import pytest

from ghapp.demo.github import GitHub, Pull, merging
from tests.github_contract import Contract
from tests.github_fixtures import Api, Inbox

PULLS = "/repos/acme/shop/pulls"


@pytest.fixture
def branch(github: GitHub, api: Api) -> str:
    github.push("acme/shop", "promote/staging", {"values.yaml": "tag: 2\n"}, "Promote", "dev")
    return "promote/staging"


@pytest.fixture
def opened(github: GitHub, branch: str) -> Pull:
    return github.open_pull("acme/shop", head=branch, title="Promote", login="dev")


async def test_a_pull_request_is_opened_read_listed_and_changed(
    github: GitHub, api: Api, branch: str, github_inbox: Inbox
) -> None:
    wish = {"head": branch, "base": "main", "title": "Promote shop", "body": "to staging"}
    made = await api.post(PULLS, wish)
    assert made.status == 201
    assert (made.body["commits"], made.body["changed_files"], made.body["additions"]) == (1, 1, 1)
    assert (made.body["mergeable"], made.body["user"]["login"]) == (True, "checkrail[bot]")
    listed = await api.get(f"{PULLS}?head=acme:{branch}&state=open&base=main")
    assert [each["number"] for each in listed.body] == [1]
    assert (await api.get(f"{PULLS}?head=acme:other")).body == []
    changed = await api.patch(f"{PULLS}/1", {"title": "Other", "state": "closed"})
    assert (changed.body["title"], changed.body["state"]) == ("Other", "closed")
    assert (await api.get(PULLS)).body == []
    assert len((await api.get(f"{PULLS}?state=all&sort=updated")).body) == 1
    assert (await api.patch(f"{PULLS}/1", {"state": "open"})).body["state"] == "open"
    await github.settled()
    assert github_inbox.actions("pull_request") == ["opened", "closed", "reopened"]


async def test_there_is_one_open_pull_request_for_a_branch(
    api: Api, opened: Pull, branch: str
) -> None:
    wish = {"head": branch, "base": "main", "title": "again"}
    refused = await api.post(PULLS, wish)
    assert refused.status == 422
    message = f"A pull request already exists for acme:{branch}."
    assert refused.body["errors"][0]["message"] == message
    await api.patch(f"{PULLS}/1", {"state": "closed"})
    assert (await api.post(PULLS, wish)).status == 201


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"head": "main"}, "No commits between main and main"),
        ({"head": "nope"}, "head"),
        ({"base": "nope"}, "base"),
        ({"head": "stranger:main"}, "head"),
        ({"title": None}, "title"),
    ],
)
async def test_a_pull_request_that_cannot_be_is_refused(
    api: Api,
    branch: str,
    github_contract_held: Contract | None,
    wish: dict[str, Any],
    words: str,
) -> None:
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    whole = {"head": branch, "base": "main", "title": "t", **wish}
    body = {key: value for key, value in whole.items() if value is not None}
    refused = await api.post(PULLS, body)
    assert refused.status == 422
    assert words in str(refused.body["errors"])


async def test_a_pull_request_follows_its_branch(
    github: GitHub, api: Api, opened: Pull, branch: str, github_inbox: Inbox
) -> None:
    before = opened.head_sha
    after = github.push("acme/shop", branch, {"values.yaml": "tag: 3\n"}, "more", "dev")
    assert (await api.get(f"{PULLS}/1")).body["head"]["sha"] == after
    await github.settled()
    heard = github_inbox.last("pull_request").body
    assert (heard["action"], heard["before"], heard["after"]) == ("synchronize", before, after)
    github.delete_branch("acme/shop", branch, "dev")
    assert (await api.get(f"{PULLS}/1")).body["state"] == "closed"


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
async def test_a_merge_puts_the_change_on_the_base_branch(
    github: GitHub, api: Api, opened: Pull, method: str, parents: int, github_inbox: Inbox
) -> None:
    github.push("acme/shop", "main", {"other": "x"}, "meanwhile", "dev")
    wish = {"sha": opened.head_sha, "merge_method": method, "commit_title": "T"}
    merged = await api.put(f"{PULLS}/1/merge", wish)
    assert (merged.status, merged.body["merged"]) == (200, True)
    assert github.file("acme/shop", "values.yaml") == b"tag: 2\n"
    assert github.file("acme/shop", "other") == b"x"
    git = github.repository("acme/shop").git
    assert git.refs["refs/heads/main"] == merged.body["sha"]
    assert len(git.read_commit(merged.body["sha"]).parents) == parents
    assert (await api.get(f"{PULLS}/1/merge")).status == 204
    shown = (await api.get(f"{PULLS}/1")).body
    assert (shown["state"], shown["merged"], shown["merged_by"]["login"]) == (
        "closed",
        True,
        "checkrail[bot]",
    )
    await github.settled()
    assert github_inbox.last("pull_request").body["pull_request"]["merged"] is True
    assert github_inbox.last("push").body["ref"] == "refs/heads/main"


async def test_a_merge_expects_the_head_that_was_seen(
    github: GitHub, api: Api, opened: Pull, branch: str
) -> None:
    seen = opened.head_sha
    github.push("acme/shop", branch, {"values.yaml": "tag: 3\n"}, "more", "dev")
    refused = await api.put(f"{PULLS}/1/merge", {"sha": seen})
    assert refused.status == 409
    assert (await api.get(f"{PULLS}/1/merge")).status == 404


async def test_what_cannot_be_merged_is_405(github: GitHub, api: Api, opened: Pull) -> None:
    opened.blocked = True
    assert (await api.put(f"{PULLS}/1/merge", {})).status == 405
    assert (await api.get(f"{PULLS}/1")).body["mergeable_state"] == "blocked"
    opened.blocked, opened.draft = False, True
    assert (await api.put(f"{PULLS}/1/merge", {})).status == 405
    opened.draft = False
    github.push("acme/shop", "main", {"values.yaml": "tag: 9\n"}, "conflict", "dev")
    assert (await api.get(f"{PULLS}/1")).body["mergeable_state"] == "dirty"
    assert (await api.put(f"{PULLS}/1/merge", {})).status == 405
    await api.patch(f"{PULLS}/1", {"state": "closed"})
    assert (await api.put(f"{PULLS}/1/merge", {})).status == 405


async def test_mergeable_is_unknown_while_github_computes(api: Api, opened: Pull) -> None:
    opened.computing = 2
    seen = [(await api.get(f"{PULLS}/1")).body["mergeable"] for _ in range(3)]
    assert seen == [None, None, True]


async def test_a_merge_in_the_background_has_a_result_to_fetch(
    github: GitHub, api: Api, opened: Pull
) -> None:
    asked = await api.put(f"{PULLS}/1/merge-async", {"sha": opened.head_sha})
    assert (asked.status, asked.body["status"]) == (202, "pending")
    result = await api.get(f"{PULLS}/1/merge-async/{asked.body['details']['uuid']}")
    assert result.body["status"] == "merged"
    again = await api.put(f"{PULLS}/1/merge-async", {})
    assert (again.status, again.body["details"]["sha"]) == (200, opened.merge_sha)
    assert (await api.get(f"{PULLS}/1/merge-async/nope")).status == 404


async def test_a_background_merge_that_fails_says_why_in_its_result(api: Api, opened: Pull) -> None:
    opened.blocked = True
    asked = await api.put(f"{PULLS}/1/merge-async", {})
    assert asked.status == 202
    result = await api.get(f"{PULLS}/1/merge-async/{asked.body['details']['uuid']}")
    assert result.body["status"] == "failed"
    assert (await api.put(f"{PULLS}/1/merge-async", {})).status == 409
    opened.draft = True
    assert (await api.put(f"{PULLS}/1/merge-async", {})).status == 400


async def test_auto_merge_waits_for_what_blocks(github: GitHub, opened: Pull) -> None:
    opened.repository.allow_auto_merge, opened.blocked = True, True
    merging.enable_auto_merge(github.world, opened, {"merge_method": "squash"}, opened.author)
    assert opened.merged is None
    merging.unblock(github.world, opened)
    assert opened.merged is not None


async def test_the_pull_requests_of_a_commit_are_found_but_not_those_of_forks(
    github: GitHub, api: Api, opened: Pull
) -> None:
    found = await api.get(f"/repos/acme/shop/commits/{opened.head_sha}/pulls")
    assert [each["number"] for each in found.body] == [1]
    github.fork("acme/shop", "guest")
    sha = github.push("guest/shop", "patch", {"c": "c"}, "c", "guest")
    pull = github.open_pull("acme/shop", head="guest:patch", title="c", login="guest")
    assert (await api.get(f"/repos/acme/shop/commits/{sha}/pulls")).body == []
    listed = (await api.get(f"{PULLS}?head=guest:patch")).body
    assert [each["head"]["sha"] for each in listed] == [sha]
    assert (await api.put(f"{PULLS}/{pull.number}/merge", {})).status == 200


async def test_people_merge_only_what_they_may_write(github: GitHub, opened: Pull) -> None:
    with pytest.raises(Exception, match="write rights"):
        github.merge_pull("acme/shop", 1, "eve")
    github.merge_pull("acme/shop", 1, "dev")
    assert opened.merged_by is github.world.account("dev")


# -- comments, labels, reviewers --------------------------------------------------------------


async def test_a_comment_is_made_edited_answered_and_deleted(
    github: GitHub, api: Api, opened: Pull, github_inbox: Inbox
) -> None:
    url = "/repos/acme/shop/issues"
    made = await api.post(f"{url}/1/comments", {"body": "promoted"})
    assert made.status == 201
    assert made.body["performed_via_github_app"]["slug"] == "checkrail"
    one = f"{url}/comments/{made.body['id']}"
    assert (await api.patch(one, {"body": "promoted to staging"})).status == 200
    assert (await api.get(one)).body["body"] == "promoted to staging"
    assert (await api.post(f"{one}/reactions", {"content": "eyes"})).status == 201
    assert (await api.post(f"{one}/reactions", {"content": "eyes"})).status == 200
    listed = (await api.get(f"{url}/1/comments")).body
    assert listed[0]["reactions"]["eyes"] == 1
    assert (await api.delete(one)).status == 204
    assert (await api.get(one)).status == 404
    await github.settled()
    assert github_inbox.actions("issue_comment") == ["created", "edited", "deleted"]


async def test_comments_are_listed_page_by_page_and_since_a_moment(
    github: GitHub, api: Api, opened: Pull
) -> None:
    for number in range(3):
        github.comment("acme/shop", 1, f"comment {number}", "dev")
    url = "/repos/acme/shop/issues/1/comments"
    first = await api.get(f"{url}?per_page=2")
    assert [each["body"] for each in first.body] == ["comment 0", "comment 1"]
    assert 'rel="next"' in first.headers["Link"]
    second = await api.get(f"{url}?per_page=2&page=2")
    assert [each["body"] for each in second.body] == ["comment 2"]
    assert (await api.get(f"{url}?since=2999-01-01T00:00:00Z")).body == []


async def test_a_comment_of_a_person_names_the_person(
    github: GitHub, api: Api, opened: Pull, github_inbox: Inbox
) -> None:
    github.comment("acme/shop", 1, "/checkrail rerun", "eve")
    await github.settled()
    heard = github_inbox.last("issue_comment").body
    assert (heard["comment"]["body"], heard["sender"]["login"]) == ("/checkrail rerun", "eve")
    assert heard["issue"]["pull_request"]["url"].endswith("/pulls/1")
    assert heard["comment"]["author_association"] == "COLLABORATOR"


async def test_labels_and_reviewers_are_added_once(github: GitHub, api: Api, opened: Pull) -> None:
    github.create_team("acme", "platform", ("ann",))
    url = "/repos/acme/shop/issues/1/labels"
    await api.post(url, {"labels": ["promotion"]})
    added = await api.post(url, {"labels": ["promotion", "staging"]})
    assert [each["name"] for each in added.body] == ["promotion", "staging"]
    assert (await api.get(url)).body == added.body
    wish = {"reviewers": ["eve"], "team_reviewers": ["platform"]}
    asked = await api.post(f"{PULLS}/1/requested_reviewers", wish)
    assert asked.status == 201
    assert [each["login"] for each in asked.body["requested_reviewers"]] == ["eve"]
    for wrong in ({"reviewers": ["nobody"]}, {"reviewers": ["dev"]}, {"team_reviewers": ["x"]}):
        assert (await api.post(f"{PULLS}/1/requested_reviewers", wrong)).status == 422
