"""Check runs and suites of the stand-in: the rules an App meets; not the buttons."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ghapp.demo.github import GitHub
from ghapp.demo.github import checks as rules
from tests.github_contract import Contract
from tests.github_fixtures import ALL_PERMISSIONS, Answer, Api, Inbox

RUNS = "/repos/acme/shop/check-runs"
OUTPUT = {"title": "Building", "summary": "one of three"}


@pytest.fixture
def sha(github: GitHub, api: Api) -> str:
    return github.push("acme/shop", "feature", {"a.txt": "a"}, "Add a", "dev")


def run(sha: str, **more: Any) -> dict[str, Any]:
    return {"name": "tekton / build", "head_sha": sha, **more}


async def create(api: Api, sha: str, **more: Any) -> Any:
    made = await api.post(RUNS, run(sha, **more))
    assert made.status == 201, made.body
    return made.body


def says(answer: Answer) -> str:
    """Everything a refusal says, in one text."""
    errors = answer.body.get("errors", [])
    return " ".join([answer.body["message"], *(each.get("message", "") for each in errors)])


async def test_a_check_run_is_created_updated_and_finished(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox
) -> None:
    made = await create(api, sha, status="in_progress", external_id="x", output=OUTPUT)
    assert made["id"] > 2**32
    done = await api.patch(f"{RUNS}/{made['id']}", {"conclusion": "success"})
    assert done.body["status"] == "completed"
    assert done.body["conclusion"] == "success"
    assert done.body["completed_at"] is not None
    assert (await api.get(f"{RUNS}/{made['id']}")).body == done.body
    await github.settled()
    assert github_inbox.actions("check_run") == ["created", "completed"]
    assert github_inbox.actions("check_suite") == ["requested", "completed"]


async def test_an_update_keeps_what_it_does_not_name(api: Api, sha: str) -> None:
    made = await create(api, sha, status="in_progress", external_id="id", output=OUTPUT)
    changed = (await api.patch(f"{RUNS}/{made['id']}", {"details_url": "https://x.test/"})).body
    assert changed["output"]["title"] == "Building"
    assert changed["status"] == "in_progress"
    assert changed["external_id"] == "id"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"head_sha": "f" * 40}, "No commit found for SHA: " + "f" * 40),
        ({"name": None}, '"name" wasn\'t supplied'),
        ({"status": "completed"}, '"conclusion" wasn\'t supplied'),
        ({"status": "running"}, "running is not a member"),
        ({"conclusion": "great"}, "great is not a member"),
        ({"status": "waiting"}, "can only be set by GitHub"),
        ({"status": "requested"}, "can only be set by GitHub"),
        ({"status": "pending"}, "can only be set by GitHub"),
        ({"conclusion": "stale"}, "can only be set by GitHub"),
        ({"conclusion": "startup_failure"}, "can only be set by GitHub"),
        ({"output": {"summary": "s"}}, '"output.title" wasn\'t supplied'),
        ({"output": {"title": "t"}}, '"output.summary" wasn\'t supplied'),
        ({"output": {"title": "t", "summary": "é" * 32768}}, "summary exceeds a maximum bytesize"),
        ({"output": OUTPUT | {"text": "é" * 32768}}, "text exceeds a maximum bytesize of 65535"),
        (
            {"actions": [{"label": "a", "description": "b", "identifier": "c"}] * 4},
            "No more than 3",
        ),
        (
            {"actions": [{"label": "a" * 21, "description": "b", "identifier": "c"}]},
            "label is too long (maximum is 20)",
        ),
        (
            {"actions": [{"label": "a", "description": "b" * 41, "identifier": "c"}]},
            "description is too long (maximum is 40)",
        ),
        (
            {"actions": [{"label": "a", "description": "b", "identifier": "c" * 21}]},
            "identifier is too long (maximum is 20)",
        ),
    ],
)
async def test_what_github_refuses_is_refused(
    api: Api,
    sha: str,
    github_contract_held: Contract | None,
    body: dict[str, Any],
    words: str,
) -> None:
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    refused = await api.post(RUNS, run(sha) | body)
    assert refused.status == 422
    assert words in says(refused)


async def test_limits_of_text_are_counted_in_bytes(api: Api, sha: str) -> None:
    fits = "é" * 32767 + "e"
    made = await create(api, sha, output={"title": "t", "summary": fits, "text": fits})
    assert made["output"]["summary"] == fits


def note(line: int, **more: Any) -> dict[str, Any]:
    place = {"path": "a.txt", "start_line": line, "end_line": line}
    return {**place, "annotation_level": "warning", "message": f"line {line}", **more}


async def test_annotations_come_fifty_at_a_time_and_add_up(
    api: Api, sha: str, github_contract_held: Contract | None
) -> None:
    first = OUTPUT | {"annotations": [note(line) for line in range(1, 51)]}
    made = await create(api, sha, output=first)
    more = await api.patch(f"{RUNS}/{made['id']}", {"output": OUTPUT | {"annotations": [note(51)]}})
    assert more.body["output"]["annotations_count"] == 51
    page = await api.get(f"{RUNS}/{made['id']}/annotations?per_page=50&page=2")
    assert [each["message"] for each in page.body] == ["line 51"]
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    many = OUTPUT | {"annotations": [note(line) for line in range(51)]}
    refused = await api.patch(f"{RUNS}/{made['id']}", {"output": many})
    assert "No more than 50" in says(refused)


@pytest.mark.parametrize(
    "wrong",
    [
        note(1) | {"end_line": 2, "start_column": 3},
        note(1, title="t" * 256),
        note(1, raw_details="é" * 32769),
        note(1) | {"annotation_level": "error"},
        {key: value for key, value in note(1).items() if key != "path"},
    ],
)
async def test_a_wrong_annotation_is_refused(
    api: Api, sha: str, github_contract_held: Contract | None, wrong: dict[str, Any]
) -> None:
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    refused = await api.post(RUNS, run(sha, output=OUTPUT | {"annotations": [wrong]}))
    assert refused.status == 422


async def test_a_finished_run_is_never_shown_unfinished_again(
    github: GitHub, api: Api, sha: str
) -> None:
    made = await create(api, sha, conclusion="failure")
    again = await api.patch(f"{RUNS}/{made['id']}", {"status": "in_progress"})
    assert again.status == 200
    assert again.body["status"] == "in_progress"  # accepted ...
    kept = github.world.run(made["id"])
    assert (kept.shown_status, kept.shown_conclusion) == ("completed", "failure")  # ... not shown


async def test_buttons_are_replaced_as_a_set_and_cleared_by_an_empty_one(
    github: GitHub, api: Api, sha: str
) -> None:
    button = {"label": "Cancel", "description": "Stop it", "identifier": "cancel"}
    made = await create(api, sha, actions=[button])
    await api.patch(f"{RUNS}/{made['id']}", {"status": "in_progress"})
    assert github.world.run(made["id"]).actions == [button]
    await api.patch(f"{RUNS}/{made['id']}", {"actions": []})
    assert github.world.run(made["id"]).actions == []


async def test_only_the_app_that_made_a_run_changes_it(
    github: GitHub, api: Api, sha: str, github_private_key: str
) -> None:
    made = await create(api, sha)
    other = github.create_app("other", ALL_PERMISSIONS, private_key=github_private_key)
    api.installation = github.install(other, "acme")
    refused = await api.patch(
        f"{RUNS}/{made['id']}", {"conclusion": "success"}, token=await api.mint()
    )
    assert refused.status == 403
    assert github.world.run(made["id"]).status == "queued"


# -- suites and listings ----------------------------------------------------------------------


async def test_one_app_has_one_suite_for_a_commit(api: Api, sha: str) -> None:
    one, two = await create(api, sha), await create(api, sha, name="other")
    assert one["check_suite"] == two["check_suite"]
    suites = await api.get(f"/repos/acme/shop/commits/{sha}/check-suites")
    assert suites.body["total_count"] == 1
    assert suites.body["check_suites"][0]["head_branch"] == "feature"
    found = await api.get(f"/repos/acme/shop/check-suites/{one['check_suite']['id']}")
    assert found.body["latest_check_runs_count"] == 2


async def test_a_suite_concludes_with_the_worst_of_its_latest_runs(api: Api, sha: str) -> None:
    first = await create(api, sha, conclusion="failure")
    await create(api, sha, name="b", conclusion="success")
    url = f"/repos/acme/shop/check-suites/{first['check_suite']['id']}"
    assert (await api.get(url)).body["conclusion"] == "failure"
    again = await create(api, sha, status="in_progress")
    assert (await api.get(url)).body["status"] == "in_progress"
    await api.patch(f"{RUNS}/{again['id']}", {"conclusion": "success"})
    assert (await api.get(url)).body["conclusion"] == "success"


async def test_a_listing_shows_the_latest_of_each_name_or_all(api: Api, sha: str) -> None:
    old = await create(api, sha, conclusion="failure", external_id="1")
    new = await create(api, sha, external_id="2")
    url = f"/repos/acme/shop/commits/{sha}/check-runs"
    latest = (await api.get(url)).body
    assert [each["id"] for each in latest["check_runs"]] == [new["id"]]
    every = (await api.get(f"{url}?filter=all")).body
    assert [each["id"] for each in every["check_runs"]] == [new["id"], old["id"]]
    assert (await api.get(f"{url}?filter=all&status=completed")).body["total_count"] == 1
    assert (await api.get(f"{url}?check_name=nope")).body["total_count"] == 0
    assert (await api.get(f"{url}?app_id=1")).body["total_count"] == 0
    by_branch = (await api.get("/repos/acme/shop/commits/feature/check-runs")).body
    assert by_branch["total_count"] == 1
    of_suite = await api.get(f"/repos/acme/shop/check-suites/{new['check_suite']['id']}/check-runs")
    assert of_suite.body["total_count"] == 1


async def test_pages_are_linked_both_ways(api: Api, sha: str) -> None:
    for number in range(5):
        await create(api, sha, name=f"check {number}")
    url: str | None = f"/repos/acme/shop/commits/{sha}/check-runs?per_page=2"
    names = []
    while url:
        page = await api.get(url)
        names += [each["name"] for each in page.body["check_runs"]]
        links = page.headers.get("Link", "")
        following = re.search(r'<([^>]*)>; rel="next"', links)
        url = following[1] if following else None
    assert sorted(names) == [f"check {number}" for number in range(5)]
    assert 'rel="prev"' in links
    assert 'rel="first"' in links


async def test_of_one_name_a_suite_keeps_a_thousand_runs(
    github: GitHub, api: Api, sha: str
) -> None:
    first = await create(api, sha)
    repo, app = github.repository("acme/shop"), api.installation.app
    github.hooks.hold()
    for _ in range(rules.RUNS_OF_ONE_NAME):
        rules.create_run(github.world, repo, app, run(sha))
    assert len(repo.runs) == 1000
    assert (await api.get(f"{RUNS}/{first['id']}")).status == 404


async def test_no_suite_is_made_on_push_once_that_is_switched_off(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    wish = {"auto_trigger_checks": [{"app_id": api.installation.app.id, "setting": False}]}
    answer = await api.patch("/repos/acme/shop/check-suites/preferences", wish)
    assert answer.body["preferences"] == wish
    github.push("acme/shop", "main", {"b": "b"}, "b", "dev")
    await github.settled()
    assert github_inbox.actions("check_suite") == []
    assert len([each for each in github_inbox.arrived if each.event == "push"]) == 1


async def test_an_unfinished_run_goes_stale_after_fourteen_days(
    github: GitHub, api: Api, sha: str
) -> None:
    made = await create(api, sha, status="in_progress")
    kept = github.world.run(made["id"])
    rules.go_stale(github.world, kept.repository)
    assert kept.shown_conclusion is None
    kept.born -= rules.STALE_SECONDS
    rules.go_stale(github.world, kept.repository)
    assert kept.shown_conclusion == "stale"


async def test_a_pull_request_is_named_unless_it_comes_from_a_fork(
    github: GitHub, api: Api, sha: str
) -> None:
    github.open_pull("acme/shop", head="feature", title="Add a", login="dev")
    made = await create(api, sha)
    assert [each["number"] for each in made["pull_requests"]] == [1]
    github.fork("acme/shop", "guest")
    foreign = github.push("guest/shop", "patch", {"c": "c"}, "c", "guest")
    github.open_pull("acme/shop", head="guest:patch", title="c", login="guest")
    assert (await create(api, foreign))["pull_requests"] == []
