"""Webhooks of the stand-in: signed, logged, redelivered, and unpleasant when told to be."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from ghapp.demo.github import GitHub
from tests.github_contract import Contract
from tests.github_fixtures import SECRET, Api, Clock, Inbox

DELIVERIES = "/app/hook/deliveries"


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


def push(github: GitHub, *names: str) -> None:
    for name in names:
        github.push("acme/shop", "main", {name: name}, name, "dev")


def heard(inbox: Inbox) -> list[str]:
    return [each.body["head_commit"]["message"] for each in inbox.arrived if each.event == "push"]


async def test_a_webhook_is_signed_over_its_raw_bytes_and_names_its_origin(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    push(github, "größer")
    await github.settled()
    came, app = github_inbox.last("push"), api.installation.app
    digest = hmac.new(SECRET.encode(), came.raw, hashlib.sha256).hexdigest()
    assert came.headers["X-Hub-Signature-256"] == f"sha256={digest}"
    assert came.headers["X-GitHub-Hook-ID"] == str(app.hook_id)
    assert came.headers["X-GitHub-Hook-Installation-Target-ID"] == str(app.id)
    assert came.headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert came.headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert "größer".encode() in came.raw


async def test_a_failed_delivery_is_not_repeated_but_logged_and_can_be_redelivered(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    await github.settled()
    github_inbox.status = 503
    push(github, "lost")
    await github.settled()
    failed = (await api.get(f"{DELIVERIES}?status=failure", token=api.jwt())).body
    assert {each["event"] for each in failed} == {"push", "check_suite"}
    assert {each["status_code"] for each in failed} == {503}
    mine = next(each for each in failed if each["event"] == "push")
    github_inbox.status = 200
    github_inbox.arrived.clear()
    again = await api.post(f"{DELIVERIES}/{mine['id']}/attempts", token=api.jwt())
    assert again.status == 202
    await github.settled()
    assert heard(github_inbox) == ["lost"]
    assert github_inbox.last("push").guid == mine["guid"]
    newest = (await api.get(DELIVERIES, token=api.jwt())).body[0]
    assert (newest["guid"], newest["redelivery"], newest["status"]) == (mine["guid"], True, "OK")


async def test_a_delivery_can_be_read_whole(github: GitHub, api: Api, github_inbox: Inbox) -> None:
    push(github, "one")
    await github.settled()
    listed = (await api.get(DELIVERIES, token=api.jwt())).body
    number = next(each["id"] for each in listed if each["event"] == "push")
    whole = (await api.get(f"{DELIVERIES}/{number}", token=api.jwt())).body
    came = github_inbox.last("push")
    assert whole["request"]["payload"] == came.body
    assert whole["request"]["headers"]["X-GitHub-Delivery"] == came.guid
    assert whole["repository_id"] == github.repository("acme/shop").id
    assert (await api.get(f"{DELIVERIES}/99999", token=api.jwt())).status == 404


async def test_the_log_is_paged_by_cursor_newest_first(github: GitHub, api: Api) -> None:
    push(github, "a", "b", "c")
    await github.settled()
    url: str | None = f"{DELIVERIES}?per_page=2"
    numbers: list[int] = []
    while url:
        page = await api.get(url, token=api.jwt())
        numbers += [each["id"] for each in page.body]
        link = page.headers.get("Link", "")
        url = link[1 : link.index(">")] if link else None
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 7  # installation, then push and check_suite three times


async def test_the_log_forgets_after_three_days(
    github: GitHub, api: Api, github_clock: Clock
) -> None:
    push(github, "a")
    await github.settled()
    github_clock.advance(3 * 24 * 3600 + 1)
    assert (await api.get(DELIVERIES, token=api.jwt())).body == []


async def test_a_receiver_that_is_down_is_an_entry_in_the_log(
    github: GitHub, api: Api, github_app_down: None
) -> None:
    push(github, "a")
    await github.settled()
    newest = (await api.get(DELIVERIES, token=api.jwt())).body[0]
    assert (newest["status"], newest["status_code"]) == ("failed to connect to host", 502)


@pytest.fixture
def github_app_down(api: Api) -> None:
    api.installation.app.webhook_url = "http://127.0.0.1:9/nobody"


async def test_held_deliveries_wait_and_may_come_in_reverse(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    await github.settled()
    github.hooks.hold()
    push(github, "a", "b", "c")
    assert heard(github_inbox) == []
    github.hooks.release(reverse=True)
    await github.settled()
    assert heard(github_inbox) == ["c", "b", "a"]


async def test_a_duplicate_comes_under_the_same_guid(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    await github.settled()
    github.hooks.duplicate()
    push(github, "twice")
    await github.settled()
    guids = [each.guid for each in github_inbox.arrived if each.event == "push"]
    assert len(guids) == 2
    assert len(set(guids)) == 1


async def test_a_dropped_delivery_is_known_to_the_log_alone(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    await github.settled()
    github.hooks.drop(2)
    push(github, "gone", "there")
    await github.settled()
    assert heard(github_inbox) == ["there"]
    failed = (await api.get(f"{DELIVERIES}?status=failure", token=api.jwt())).body
    assert len(failed) == 2


async def test_an_app_without_an_address_or_without_the_permission_hears_nothing(
    github: GitHub, api: Api, github_inbox: Inbox
) -> None:
    await github.settled()
    github_inbox.arrived.clear()
    del api.installation.permissions["contents"]
    push(github, "a")
    await github.settled()
    assert [each.event for each in github_inbox.arrived] == ["check_suite"]
    api.installation.app.webhook_url = None
    push(github, "b")
    await github.settled()
    assert len(github_inbox.arrived) == 1


async def test_every_kind_of_webhook_is_as_github_describes_it(
    github: GitHub, api: Api, contract: Contract
) -> None:
    """One of each; the contract at the end of the fixture judges the bodies."""
    sha = github.push("acme/shop", "feature", {"a": "a"}, "a", "dev")
    pull = github.open_pull("acme/shop", head="feature", title="a", login="dev")
    github.push("acme/shop", "feature", {"b": "b"}, "b", "dev")
    github.comment("acme/shop", pull.number, "/rerun", "dev")
    group = github.merge_group("acme/shop", pull.number, "dev")
    github.end_merge_group("acme/shop", group, "dev")
    github.close_pull("acme/shop", pull.number, "dev")
    await api.patch("/repos/acme/shop/pulls/1", {"state": "open"})
    await api.post("/repos/acme/shop/issues/1/labels", {"labels": ["bug"]})
    github.merge_pull("acme/shop", pull.number, "dev")
    deployment = await api.post(
        "/repos/acme/shop/deployments", {"ref": sha, "required_contexts": []}
    )
    statuses = f"/repos/acme/shop/deployments/{deployment.body['id']}/statuses"
    await api.post(statuses, {"state": "success"})
    await api.post("/repos/acme/shop/dispatches", {"event_type": "go"})
    github.delete_branch("acme/shop", "feature", "dev")
    github.archive_repository("acme/shop", "ann")
    github.unarchive_repository("acme/shop", "ann")
    github.rename_repository("acme/shop", "store", "ann")
    github.create_org("octo", owners=("ann",))
    github.install(api.installation.app, "octo")
    github.transfer_repository("acme/store", "octo", "ann")
    github.delete_repository("octo/store", "ann")
    await github.settled()
    judged = {name for name in contract.seen if name.startswith("webhook")}
    assert judged >= {
        "webhook check_suite.requested",
        "webhook deployment_status.created",
        "webhook installation.created",
        "webhook issue_comment.created",
        "webhook merge_group.checks_requested",
        "webhook merge_group.destroyed",
        "webhook pull_request.closed",
        "webhook pull_request.labeled",
        "webhook pull_request.opened",
        "webhook pull_request.reopened",
        "webhook pull_request.synchronize",
        "webhook push.None",
        "webhook repository.archived",
        "webhook repository.deleted",
        "webhook repository.renamed",
        "webhook repository.transferred",
        "webhook repository.unarchived",
        "webhook repository_dispatch.go",
    }


async def test_one_who_listens_to_notices_hears_of_every_change(github: GitHub, api: Api) -> None:
    notices = github.subscribe()
    push(github, "a")
    await api.post(
        "/repos/acme/shop/check-runs",
        {"name": "build", "head_sha": github.repository("acme/shop").git.refs["refs/heads/main"]},
    )
    kinds = [(await anext(notices)).kind for _ in range(3)]
    assert kinds == ["push", "check_suite", "check_run"]
