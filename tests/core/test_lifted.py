"""Which webhooks take up what was given up, and of what; end to end: `test_repositories.py`."""

import json
from pathlib import Path
from typing import Any

import pytest

from ghapp.core.effects import React, Reply, SetCheck
from ghapp.core.lifted import Lifted, lifted, told_late
from ghapp.core.model import Repository
from tests.core.builders import run_look, tell

WEBHOOKS = Path(__file__).parents[3] / "shared" / "data" / "github" / "webhooks"
SHOP = Repository(host="github.com", owner="acme", name="shop")
ACCOUNT = {"installation": {"id": 1, "account": {"login": "Acme"}}}
ONE = {"repository": {"full_name": "Acme/Shop"}}


@pytest.mark.parametrize(
    ("event", "payload", "expected"),
    [
        ("installation", {"action": "created", **ACCOUNT}, True),
        ("installation", {"action": "new_permissions_accepted", **ACCOUNT}, True),
        ("installation", {"action": "unsuspend", **ACCOUNT}, True),
        ("installation", {"action": "suspend", **ACCOUNT}, False),
        ("installation", {"action": "deleted", **ACCOUNT}, False),
        (
            "installation_repositories",
            {"action": "added", "repositories_added": [{"full_name": "acme/shop"}], **ACCOUNT},
            True,
        ),
        (
            "installation_repositories",
            {"action": "added", "repositories_added": [{"full_name": "acme/other"}], **ACCOUNT},
            False,
        ),
        ("installation_repositories", {"action": "removed", **ACCOUNT}, False),
        ("repository", {"action": "unarchived", **ONE}, True),
        ("repository", {"action": "archived", **ONE}, False),
        ("repository", {"action": "unarchived", "repository": {"full_name": "eve/shop"}}, False),
        ("push", {"action": "created", **ACCOUNT}, False),
    ],
)
def test_what_makes_it_possible_again_to_tell_of_a_repository(
    event: str, payload: dict[str, Any], expected: bool
) -> None:
    found = lifted(event, payload)
    assert found.covers(SHOP) is expected
    assert found.anywhere or not expected


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"action": "added", "repositories_added": "acme/shop"},
        {"action": "added", "repositories_added": [None, 1, {"full_name": None}, {}]},
        {"action": ["added"]},
        {"action": "created", "installation": {"account": None}},
        {"action": "unarchived", "repository": []},
    ],
)
@pytest.mark.parametrize("event", ["installation", "installation_repositories", "repository"])
def test_what_is_not_shaped_as_github_says_makes_nothing_possible(
    event: str, payload: dict[str, Any]
) -> None:
    assert lifted(event, payload) == Lifted()


@pytest.mark.skipif(not WEBHOOKS.exists(), reason="GitHub's example deliveries are not at hand")
def test_official_examples_name_whom_they_concern() -> None:
    for name in ("created", "new_permissions_accepted", "unsuspend"):
        path = WEBHOOKS / "installation" / f"{name}.payload.json"
        payload = json.loads(path.read_bytes())
        account = payload["installation"]["account"]["login"].lower()
        assert lifted("installation", payload).accounts == {account}


def test_states_are_told_late_and_answers_are_not() -> None:
    (check,) = [one for one in tell(None, run_look()).effects if isinstance(one, SetCheck)]
    assert told_late(check) == SHOP
    reply = Reply(repository=SHOP, number=1, comment=1, since="", line=0, words="")
    assert told_late(React(reply=reply)) is None
    assert told_late(None) is None
