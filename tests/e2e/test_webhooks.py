"""Whatever GitHub may send, through the real server and the inbox: 202, and nothing goes wrong.

The official examples are read in place, where they are beside the checkout. What is refused at the
door is tests/test_server; what a click does, tests/engine/test_inbox.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ghapp.app import Checkrail
from tests.engine.test_inbox import click, commands, finished, runs, send, summary, worked_off
from tests.world import World, until, world

WEBHOOKS = Path(__file__).parents[3] / "shared" / "data" / "github" / "webhooks"
EXAMPLES = sorted(WEBHOOKS.rglob("*.json"))
WRONG = ("ERROR", "CRITICAL")

official = pytest.mark.skipif(not EXAMPLES, reason="GitHub's examples are not in ../shared/data")


def accepted(product: Checkrail) -> float:
    labels = {"result": "accepted"}
    found = product.metrics.registry.get_sample_value("checkrail_webhooks_total", labels)
    return found or 0.0


async def goes_on(w: World) -> None:
    """A click on a check of ours does what it says."""
    before = len(runs(w))
    check = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
    w.github.click_rerun(check.id, "dev")
    await until(lambda: len(runs(w)) == before + 1)


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.levelname in WRONG]


@official
async def test_every_official_example_is_accepted_and_worked_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        await finished(w)
        await w.github.settled()
        before = accepted(product)
        for example in EXAMPLES:
            await send(w, example.parent.name, example.read_bytes())
        await worked_off(product)
        assert accepted(product) - before == len(EXAMPLES) >= 60
        assert troubles(caplog) == []
        assert len(runs(w)) == 1, "none of them is about a run of ours"
        await goes_on(w)


@official
async def test_an_official_click_on_a_check_of_ours_is_a_click(tmp_path: Path) -> None:
    """The example as it is, but for whose check it is and who clicks."""
    payload = json.loads((WEBHOOKS / "check_run" / "rerequested.payload.json").read_bytes())
    async with world(tmp_path) as w, w.running():
        check = await finished(w)
        ours = click(w, check)
        payload["check_run"] |= ours["check_run"]
        payload["repository"] |= ours["repository"]
        payload["sender"] |= ours["sender"]
        await send(w, "check_run", payload)
        await until(lambda: len(runs(w)) == 2)


# -- what is genuine and still not as it should be ----------------------------------------------


def comment(text: str) -> dict[str, Any]:
    return {
        "action": "created",
        "issue": {"number": 1, "pull_request": {"url": "https://api.github.com/x"}},
        "comment": {"id": 1, "body": text, "user": {"login": "dev"}},
        "repository": {"full_name": "acme/shop", "owner": {"login": "acme"}, "name": "shop"},
        "sender": {"login": "dev"},
    }


STRANGE: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown installation": ("installation", {"action": "created", "installation": {"id": 9}}),
    "an installation without a number": ("installation", {"action": "created"}),
    "repositories of an unknown installation": (
        "installation_repositories",
        {"action": "added", "installation": {"id": 9, "account": {"login": "who"}}},
    ),
    "an unknown repository": (
        "repository",
        {"action": "renamed", "repository": {"full_name": "who/what", "owner": {"login": "who"}}},
    ),
    "a comment as long as GitHub allows": ("issue_comment", comment("x" * 65_536)),
    "such a comment of four bytes a character": ("issue_comment", comment("\U0001f600" * 65_536)),
    "a comment without text": ("issue_comment", comment("")),
}


@pytest.mark.parametrize("name", STRANGE)
async def test_what_concerns_nobody_is_done_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        await finished(w)
        event, payload = STRANGE[name]
        await send(w, event, json.dumps(payload, ensure_ascii=False).encode())
        await worked_off(product)
        assert troubles(caplog) == []
        await goes_on(w)


LOGINS = (
    "a" * 300,
    "dev%2F..%2F..",
    "../../../app",
    "dev?x=1",
    "dev#",
    "\U0001f600",
    "[click](https://evil.example)",
    "@acme/owners",
    "<script>alert(1)</script>",
    "a`b`\n> c",
    "{owner}",
    "",
    " ",
)


@pytest.mark.parametrize("login", LOGINS)
async def test_whoever_has_an_odd_login_may_nothing_and_writes_nothing_into_the_check(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, login: str
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        check = await finished(w)
        await send(w, "check_run", {**click(w, check), "sender": {"login": login}})
        await until(lambda: commands(product, "rerun"))
        await worked_off(product)
        assert len(runs(w)) == 1
        assert commands(product, "rerun").keys() <= {"refused", "failed"}
        for harmful in ("](https://evil", "<script>", "@acme/owners", "\n> c"):
            assert harmful not in summary(check).replace("`@", "")
        await goes_on(w)
