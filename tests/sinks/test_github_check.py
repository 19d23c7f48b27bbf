"""github-check against the stand-in: one check run per check, whatever goes wrong on the way.

The requests' bodies are held against GitHub's description by the stand-in's fixtures. How errors
become Retry or Reject in general is in tests/github; waiting and repeating is the outbox'.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ghapp.core import github_body
from ghapp.core.effects import Button, Cancel, Check, SetCheck
from ghapp.core.model import Conclusion, Subject
from ghapp.core.source import Patch
from ghapp.demo.github import CheckRun, GitHub, Installation
from ghapp.errors import Reject, Retry
from ghapp.ports import Receipt, Slot
from ghapp.sinks.github_check import SINK, GithubCheck, Settings
from tests.github.fixtures import SHOP, Opened, opened
from tests.github_fixtures import Clock

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
SUBJECT = Subject(kind="PipelineRun", cluster="default", namespace="ci", name="run-1", uid="u-1")


@pytest.fixture
def github_clock() -> Clock:
    return Clock(now=NOW.timestamp())


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    async with opened(github, github_installation.app, github_clock, timeout=2.0) as one:
        yield one


@pytest.fixture
def sink(world: Opened) -> GithubCheck:
    return GithubCheck(Settings(), world.client)


def effect(github: GitHub, status: str = "in_progress", **changes: object) -> SetCheck:
    done = status == "completed"
    fields: dict[str, object] = {
        "name": "tekton / build",
        "external_id": SUBJECT.external_id,
        "status": status,
        "conclusion": Conclusion.SUCCESS if done else None,
        "title": "Succeeded" if done else "Running",
        "summary": "2 of 3 steps",
        "started_at": NOW,
        "completed_at": NOW + timedelta(minutes=2) if done else None,
        "buttons": ()
        if done
        else (Button(label="Cancel", description="Stop", identifier="cancel"),),
    }
    top = {k: v for k, v in changes.items() if k in ("attempt", "search", "commit", "serial")}
    check = {**fields, **{k: v for k, v in changes.items() if k not in top}}
    defaults = {"commit": github.repository("acme/shop").git.refs["refs/heads/main"], "serial": 1}
    return SetCheck(
        subject=SUBJECT,
        repository=SHOP,
        check=Check(**check),  # type: ignore[arg-type]
        **{**defaults, **top},  # type: ignore[arg-type]
    )


async def told(sink: GithubCheck, wanted: SetCheck, slot: Slot | None = None) -> Receipt:
    return await sink.deliver(wanted, key=wanted.key, slot=slot or Slot())


def runs(github: GitHub) -> list[CheckRun]:
    return list(github.repository("acme/shop").runs.values())


async def test_a_run_from_queued_to_finished_is_three_writes_and_no_read(
    github: GitHub, sink: GithubCheck, world: Opened
) -> None:
    receipt = await told(sink, effect(github, "queued"))
    world.seen.clear()
    await told(sink, effect(github), Slot(id=receipt.slot))
    await told(sink, effect(github, "completed"), Slot(id=receipt.slot))
    (run,) = runs(github)
    assert receipt.slot == str(run.id)
    assert (run.status, run.conclusion, run.title) == ("completed", "success", "Succeeded")
    assert run.completed == "2027-01-15T08:02:00Z"
    assert world.seen.methods == {"PATCH": 2}


async def test_the_first_check_of_a_process_asks_only_for_installation_and_token(
    github: GitHub, sink: GithubCheck, world: Opened
) -> None:
    await told(sink, effect(github))
    assert [(method, status) for method, _, status in world.seen.requests] == [
        ("GET", 200),
        ("POST", 201),
        ("POST", 201),
    ]


async def test_the_token_may_only_write_checks_of_this_repository(
    github: GitHub, sink: GithubCheck, world: Opened
) -> None:
    github.create_repository("acme/other")
    await told(sink, effect(github))
    (token,) = github.world.tokens.values()
    assert token.permissions == {"checks": "write", "metadata": "read"}
    assert token.repositories == frozenset({github.repository("acme/shop").id})


async def test_buttons_are_replaced_with_each_state(github: GitHub, sink: GithubCheck) -> None:
    receipt = await told(sink, effect(github))
    (run,) = runs(github)
    assert [action["identifier"] for action in run.actions] == ["cancel"]
    await told(sink, effect(github, "completed"), Slot(id=receipt.slot))
    assert run.actions == []


async def test_a_check_that_was_made_without_our_hearing_is_not_made_twice(
    github: GitHub, sink: GithubCheck
) -> None:
    github.faults.add("lose_answer", method="POST", path="/check-runs$")
    with pytest.raises(Retry) as caught:
        await told(sink, effect(github))
    assert caught.value.uncertain
    receipt = await told(sink, effect(github), Slot(certain=False))
    (run,) = runs(github)
    assert receipt.slot == str(run.id)


async def test_a_check_is_not_looked_for_before_it_can_be_in_the_list(
    github: GitHub, sink: GithubCheck, world: Opened
) -> None:
    github.world.read_lag = 4
    github.faults.add("lose_answer", method="POST", path="/check-runs$")
    with pytest.raises(Retry) as caught:
        await told(sink, effect(github))
    world.clock.advance(caught.value.after or 0)
    await told(sink, effect(github), Slot(certain=False))
    assert len(runs(github)) == 1


async def test_a_finished_check_that_was_made_unheard_is_not_made_twice(
    github: GitHub, sink: GithubCheck
) -> None:
    for attempt in (0, 1):
        wanted = effect(github, "completed", attempt=attempt, title=f"attempt {attempt}")
        if attempt:
            wanted = effect(
                github,
                "completed",
                attempt=1,
                started_at=NOW + timedelta(hours=1),
                completed_at=NOW + timedelta(hours=2),
            )
        github.faults.add("lose_answer", method="POST", path="/check-runs$")
        with pytest.raises(Retry):
            await told(sink, wanted)
        await told(sink, wanted, Slot(certain=False))
        assert len(runs(github)) == attempt + 1


async def test_after_a_broken_request_the_check_is_made(github: GitHub, sink: GithubCheck) -> None:
    github.faults.add("lose_request", method="POST", path="/check-runs$")
    with pytest.raises(Retry) as caught:
        await told(sink, effect(github))
    assert caught.value.uncertain
    await told(sink, effect(github), Slot(certain=False))
    assert len(runs(github)) == 1


async def test_with_the_store_lost_the_check_is_found_again(
    github: GitHub, sink: GithubCheck
) -> None:
    receipt = await told(sink, effect(github))
    again = await told(sink, effect(github, "completed", search=True))
    assert again.slot == receipt.slot
    assert [run.conclusion for run in runs(github)] == ["success"]


async def test_another_runs_check_of_the_same_name_is_left_alone(
    github: GitHub, sink: GithubCheck
) -> None:
    await told(sink, effect(github, external_id="PipelineRun/ci/run-0/u-0"))
    await told(sink, effect(github, "completed", search=True))
    assert [run.status for run in runs(github)] == ["in_progress", "completed"]


async def test_a_later_attempt_is_a_new_check_and_the_finished_one_stays(
    github: GitHub, sink: GithubCheck
) -> None:
    await told(sink, effect(github, "completed", conclusion=Conclusion.FAILURE))
    later = effect(github, attempt=1, search=True, started_at=NOW + timedelta(hours=1))
    await told(sink, later)
    assert [run.shown_status for run in runs(github)] == ["completed", "in_progress"]


async def test_a_later_attempt_does_not_take_the_running_check_of_the_one_before(
    github: GitHub, sink: GithubCheck
) -> None:
    await told(sink, effect(github))
    later = effect(github, attempt=1, search=True, started_at=NOW + timedelta(hours=1))
    await told(sink, later)
    assert len(runs(github)) == 2


async def test_a_check_that_github_dropped_is_made_anew(github: GitHub, sink: GithubCheck) -> None:
    receipt = await told(sink, effect(github), Slot(id="99"))
    (run,) = runs(github)
    assert receipt.slot == str(run.id) != "99"


async def test_an_unknown_commit_is_refused_with_a_sentence(
    github: GitHub, sink: GithubCheck
) -> None:
    with pytest.raises(Reject, match=r"https://github.com/acme/shop has no commit 0{40}") as caught:
        await told(sink, effect(github, commit="0" * 40))
    assert caught.value.status == 422


async def test_only_checks_are_accepted(github: GitHub, sink: GithubCheck) -> None:
    write = Patch(resource="v1/pods", namespace="ci", name="x", uid="u", body={})
    cancel = Cancel(subject=SUBJECT, login="dev", token="t", write=write)
    assert sink.accepts(effect(github))
    assert not sink.accepts(cancel)
    with pytest.raises(Reject):
        await sink.deliver(cancel, key=cancel.key, slot=Slot())


def test_the_plug_in_says_what_it_needs() -> None:
    assert SINK.name == "github-check"
    assert SINK.build is GithubCheck
    assert set(SINK.permissions) == {"checks:write"}


def test_the_body_has_no_empty_fields_but_always_the_buttons(
    github: GitHub, github_installation: Installation
) -> None:
    body = github_body.body(effect(github, "completed"))
    assert body["actions"] == []
    assert None not in body.values()
    assert "details_url" not in body
    assert "text" not in body["output"]
    assert "head_sha" not in github_body.update(effect(github))


def test_a_run_of_another_attempt_is_told_apart_by_its_times(
    github: GitHub, github_installation: Installation
) -> None:
    done = {
        "id": 7,
        "external_id": SUBJECT.external_id,
        "status": "completed",
        "started_at": "2027-01-15T08:00:00Z",
        "completed_at": "2027-01-15T08:01:00Z",
    }
    assert github_body.pick(effect(github, "completed"), [done]) == "7"
    assert github_body.pick(effect(github, "completed", attempt=1), [done]) is None
    assert github_body.pick(effect(github), [done]) is None
    assert github_body.pick(effect(github), []) is None
