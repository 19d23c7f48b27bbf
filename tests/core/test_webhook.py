"""Is it GitHub's, and what does it ask: signatures, and the official example deliveries.

The web server around it is tested in `tests/test_server.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.webhook import (
    INSTALLATION_EVENTS,
    Comment,
    Completed,
    GroupEnded,
    InstallationChanged,
    Press,
    PullOpened,
    RerunAll,
    is_json_object,
    parse,
    sign,
    verify,
)

WEBHOOKS = Path(__file__).parents[3] / "shared" / "data" / "github" / "webhooks"
NO_DATA = "GitHub's example deliveries are not at hand"
SECRETS = (b"current", b"previous")


@given(body=st.binary(), secret=st.sampled_from(SECRETS))
def test_a_body_signed_with_any_of_the_secrets_is_genuine(body: bytes, secret: bytes) -> None:
    assert verify(body, sign(body, secret), SECRETS)


@given(body=st.binary(), other=st.binary(), secret=st.sampled_from(SECRETS))
def test_another_body_is_not(body: bytes, other: bytes, secret: bytes) -> None:
    assert verify(other, sign(body, secret), SECRETS) == (body == other)


@given(body=st.binary(), signature=st.text())
def test_no_text_is_a_signature_by_chance(body: bytes, signature: str) -> None:
    assert not verify(body, signature, SECRETS)


def test_what_github_documents_as_an_example_holds() -> None:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert sign(b"Hello, World!", b"It's a Secret to Everybody") == expected


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6",
        sign(b"x", b"current").removeprefix("sha256="),
        sign(b"x", b"current") + "," + sign(b"x", b"previous"),
        "sha256=" + "é" * 64,
        sign(b"x", b"somebody else"),
    ],
)
def test_anything_else_is_refused(signature: str) -> None:
    assert not verify(b"x", signature, SECRETS)


def test_without_a_secret_nothing_is_genuine() -> None:
    assert not verify(b"x", sign(b"x", b""), ())


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff{}", b"null", b'{"a":1}x'])
def test_only_a_json_object_is_one(body: bytes) -> None:
    assert not is_json_object(body)
    assert is_json_object(b'{"a": {"b": [1, 2]}}')


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_json_bomb_is_refused_not_fatal(opening: bytes) -> None:
    assert not is_json_object(b'{"a":' + opening * 200_000)
    with pytest.raises(ValueError, match="unknown shape"):
        parse("check_run", opening * 200_000)


def examples() -> list[Path]:
    return sorted(WEBHOOKS.rglob("*.json"))


@pytest.mark.skipif(not examples(), reason=NO_DATA)
def test_every_official_example_is_understood_or_nothing() -> None:
    for path in examples():
        body, event = path.read_bytes(), path.parent.name
        command = parse(event, body)
        assert is_json_object(body), path
        action = json.loads(body).get("action")
        if event in INSTALLATION_EVENTS:
            assert isinstance(command, InstallationChanged), path
        elif event == "check_run" and action in {"rerequested", "requested_action"}:
            assert isinstance(command, Press), path
        elif event == "check_run" and action == "completed":
            assert isinstance(command, Completed), path
        elif event == "pull_request" and action in {"opened", "reopened", "synchronize"}:
            assert isinstance(command, PullOpened), path
        elif event == "check_suite" and action == "rerequested":
            assert isinstance(command, RerunAll), path
        else:
            assert command is None, path


@pytest.mark.skipif(not examples(), reason=NO_DATA)
def test_how_a_check_run_was_completed_is_read_from_an_official_delivery() -> None:
    path = WEBHOOKS / "check_run" / "completed.payload.json"
    run = json.loads(path.read_bytes())["check_run"]
    assert parse("check_run", path.read_bytes()) == Completed(
        check_run=run["id"],
        external_id=run["external_id"],
        commit=run["head_sha"],
        app=run["app"]["id"],
        repository="Codertocat/Hello-World",
        name=run["name"],
        conclusion=run["conclusion"],
        title="",  # the example has none
        began=run["started_at"],
    )


@pytest.mark.skipif(not examples(), reason=NO_DATA)
def test_a_click_is_read_from_an_official_delivery() -> None:
    path = WEBHOOKS / "check_run" / "requested_action.payload.json"
    payload = json.loads(path.read_bytes())
    command = parse("check_run", path.read_bytes())
    assert isinstance(command, Press)
    assert command.identifier == payload["requested_action"]["identifier"]
    assert command.check_run == payload["check_run"]["id"]
    assert command.commit == payload["check_run"]["head_sha"]
    assert command.app == payload["check_run"]["app"]["id"]
    assert command.repository == payload["repository"]["full_name"]
    assert command.login == payload["sender"]["login"]


@given(
    event=st.sampled_from(["check_run", "check_suite", "merge_group", "push"]),
    body=st.binary(max_size=200),
)
def test_garbage_gets_a_verdict_or_a_value_error_and_nothing_else(event: str, body: bytes) -> None:
    try:
        parse(event, body)
    except ValueError:
        return


# -- the merge queue ------------------------------------------------------------------------------


def group(**changes: Any) -> bytes:
    """The merge queue drops the commit of pull request 5; `changes` go one level down."""
    payload: dict[str, Any] = {
        "action": "destroyed",
        "reason": "dequeued",
        "merge_group": {
            "head_sha": "c" * 40,
            "head_ref": f"refs/heads/gh-readonly-queue/main/pr-5-{'b' * 40}",
        },
        "repository": {"full_name": "acme/shop"},
    }
    for name, value in changes.items():
        payload[name] = {**payload[name], **value} if isinstance(value, dict) else value
    return json.dumps(payload).encode()


@pytest.mark.parametrize("reason", ["dequeued", "invalidated", "a word of tomorrow"])
def test_a_commit_that_the_merge_queue_dropped_is_given_up(reason: str) -> None:
    assert parse("merge_group", group(reason=reason)) == GroupEnded(
        commit="c" * 40, repository="acme/shop", reason=reason
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "checks_requested"},
        {"reason": "merged"},
        {"merge_group": {"head_ref": "refs/heads/main"}},
        {"merge_group": None},
        {"repository": None},
    ],
)
def test_what_the_merge_queue_does_otherwise_stops_nothing(changes: dict[str, Any]) -> None:
    assert parse("merge_group", group(**changes)) is None


# -- comments -------------------------------------------------------------------------------------


def comment(**changes: Any) -> bytes:
    """A comment of dev on pull request 5; `changes` go one level down."""
    payload: dict[str, Any] = {
        "action": "created",
        "issue": {"number": 5, "pull_request": {"url": "u"}, "state": "open"},
        "comment": {
            "id": 99,
            "body": "/test",
            "created_at": "2026-11-21T09:05:00Z",
            "user": {"login": "dev", "type": "User"},
            "performed_via_github_app": None,
        },
        "repository": {"full_name": "acme/shop"},
        "sender": {"login": "dev"},
    }
    for name, value in changes.items():
        payload[name] = {**payload[name], **value} if isinstance(value, dict) else value
    return json.dumps(payload).encode()


def test_a_new_comment_on_a_pull_request_is_a_command() -> None:
    assert parse("issue_comment", comment()) == Comment(
        id=99,
        number=5,
        created="2026-11-21T09:05:00Z",
        text="/test",
        repository="acme/shop",
        login="dev",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "edited"},
        {"action": "deleted"},
        {"issue": {"pull_request": None}},
        {"comment": {"user": {"login": "checkrail[bot]", "type": "Bot"}}},
        {"comment": {"user": {"login": "checkrail[bot]"}}},
        {"comment": {"user": None}},
        {"comment": {"performed_via_github_app": {"id": 7}}},
    ],
)
def test_what_is_edited_or_an_apps_or_on_an_issue_is_none(changes: dict[str, Any]) -> None:
    assert parse("issue_comment", comment(**changes)) is None
