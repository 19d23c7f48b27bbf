"""What people do in GitHub's pages, as the App hears of it: clicks on checks."""

from __future__ import annotations

from typing import Any

import pytest

from ghapp.demo.github import GitHub
from ghapp.demo.github.errors import ApiError
from tests.github_fixtures import ALL_PERMISSIONS, Api, Inbox

RUNS = "/repos/acme/shop/check-runs"
BUTTON = {"label": "Promote", "description": "Promote to staging", "identifier": "promote"}


@pytest.fixture
def sha(github: GitHub, api: Api) -> str:
    return github.push("acme/shop", "feature", {"a.txt": "a"}, "Add a", "dev")


async def create(api: Api, sha: str, name: str = "build", **more: Any) -> int:
    made = await api.post(RUNS, {"name": name, "head_sha": sha, **more})
    number: int = made.body["id"]
    return number


async def test_rerun_tells_the_app_and_changes_nothing(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox
) -> None:
    number = await create(api, sha, conclusion="failure")
    github.click_rerun(number, "dev")
    await github.settled()
    heard = github_inbox.last("check_run").body
    assert (heard["action"], heard["sender"]["login"]) == ("rerequested", "dev")
    assert heard["installation"]["id"] == api.installation.id
    assert heard["check_run"]["check_suite"]["head_branch"] == "feature"
    assert github.world.run(number).shown_conclusion == "failure"


async def test_a_running_check_has_no_rerun_button(github: GitHub, api: Api, sha: str) -> None:
    number = await create(api, sha, status="in_progress")
    with pytest.raises(ApiError, match="not rerequestable"):
        github.click_rerun(number, "dev")
    assert (await api.post(f"{RUNS}/{number}/rerequest")).status == 403


async def test_rerun_failed_is_one_webhook_for_each_failed_run(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox
) -> None:
    failed = {await create(api, sha, "a", conclusion="failure")}
    failed.add(await create(api, sha, "b", conclusion="timed_out"))
    await create(api, sha, "c", conclusion="success")
    github.click_rerun_failed(github.suite("acme/shop", sha, api.installation.app).id, "dev")
    await github.settled()
    bodies = [each.body for each in github_inbox.arrived if each.event == "check_run"]
    assert {each["check_run"]["id"] for each in bodies if each["action"] == "rerequested"} == failed


async def test_rerun_all_is_one_webhook_of_the_suite_which_starts_over(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox
) -> None:
    await create(api, sha, conclusion="success")
    suite = github.suite("acme/shop", sha, api.installation.app)
    github.click_rerun_all(suite.id, "dev")
    await github.settled()
    assert github_inbox.actions("check_suite")[-1] == "rerequested"
    assert (suite.status, suite.conclusion) == ("queued", None)


async def test_both_rerequests_can_be_made_over_rest(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox
) -> None:
    number = await create(api, sha, conclusion="success")
    suite = github.suite("acme/shop", sha, api.installation.app)
    assert (await api.post(f"{RUNS}/{number}/rerequest")).status == 201
    assert (await api.post(f"/repos/acme/shop/check-suites/{suite.id}/rerequest")).status == 201
    await github.settled()
    assert github_inbox.actions("check_run")[-1] == "rerequested"
    assert github_inbox.actions("check_suite")[-1] == "rerequested"


async def test_a_button_works_while_the_check_is_running(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox
) -> None:
    number = await create(api, sha, status="in_progress", actions=[BUTTON])
    github.click_action(number, "promote", "dev")
    await github.settled()
    heard = github_inbox.last("check_run").body
    assert heard["requested_action"] == {"identifier": "promote"}
    assert heard["check_run"]["status"] == "in_progress"


async def test_nobody_clicks_what_is_not_offered_unless_by_forgery(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox
) -> None:
    number = await create(api, sha, actions=[BUTTON])
    with pytest.raises(ApiError, match="delete-all is not offered; these are: promote"):
        github.click_action(number, "delete-all", "dev")
    github.click_action(number, "delete-all", "eve", forged=True)
    await github.settled()
    assert github_inbox.last("check_run").body["requested_action"]["identifier"] == "delete-all"


async def test_people_without_write_access_see_no_buttons(
    github: GitHub, api: Api, sha: str
) -> None:
    number = await create(api, sha, conclusion="failure", actions=[BUTTON])
    with pytest.raises(ApiError, match="write rights"):
        github.click_action(number, "promote", "eve")
    with pytest.raises(ApiError, match="write rights"):
        github.click_rerun(number, "eve")


async def test_a_click_is_told_to_the_owning_app_alone(
    github: GitHub, api: Api, sha: str, github_inbox: Inbox, github_private_key: str
) -> None:
    other = github.create_app(
        "other", ALL_PERMISSIONS, webhook_url=github_inbox.url, private_key=github_private_key
    )
    github.install(other, "acme")
    number = await create(api, sha, conclusion="failure")
    github.click_rerun(number, "dev")
    await github.settled()
    app_ids = [
        (each.body["action"], each.headers["X-GitHub-Hook-Installation-Target-ID"])
        for each in github_inbox.arrived
        if each.event == "check_run"
    ]
    mine, theirs = str(api.installation.app.id), str(other.id)
    assert ("created", theirs) in app_ids
    assert ("completed", theirs) in app_ids
    assert [app for action, app in app_ids if action == "rerequested"] == [mine]
