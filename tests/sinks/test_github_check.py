"""github-check against the stand-in: one check run per check, whatever goes wrong on the way.

The requests' bodies are held against GitHub's description by the stand-in's fixtures. How errors
become Retry or Reject in general is in tests/github; waiting and repeating is the outbox'.
"""

import contextlib
from datetime import timedelta

import pytest

from ghapp.core import annotations, github_body
from ghapp.core.annotations import Annotation, Level
from ghapp.core.budget import Why
from ghapp.core.effects import Button, Cancel, Check, SetCheck
from ghapp.core.model import Conclusion, Subject
from ghapp.core.source import Patch
from ghapp.demo.github import CheckRun, GitHub, Installation
from ghapp.errors import Reject, Retry
from ghapp.ports import Receipt, Slot
from ghapp.sinks.github_check import SINK, GithubCheck, Settings
from tests.github.fixtures import SHOP, Opened
from tests.sinks.story import NOW

SUBJECT = Subject(kind="PipelineRun", cluster="default", namespace="ci", name="run-1", uid="u-1")


@pytest.fixture
def sink(app: Opened) -> GithubCheck:
    return GithubCheck(Settings(), app.client)


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
    tops = ("attempt", "search", "spoiled", "commit", "serial", "annotations", "progress")
    top = {k: v for k, v in changes.items() if k in tops}
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
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    receipt = await told(sink, effect(github, "queued"))
    app.seen.clear()
    await told(sink, effect(github), Slot(id=receipt.slot))
    await told(sink, effect(github, "completed"), Slot(id=receipt.slot))
    (run,) = runs(github)
    assert receipt.slot == str(run.id)
    assert (run.status, run.conclusion, run.title) == ("completed", "success", "Succeeded")
    assert run.completed == "2027-01-15T08:02:00Z"
    assert app.seen.methods == {"PATCH": 2}


async def test_the_first_check_of_a_process_asks_only_for_installation_and_token(
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    await told(sink, effect(github))
    assert [(method, status) for method, _, status in app.seen.requests] == [
        ("GET", 200),
        ("POST", 201),
        ("POST", 201),
    ]


async def test_the_token_may_only_write_checks_of_this_repository(
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    github.create_repository("acme/other")
    await told(sink, effect(github))
    (token,) = github.world.tokens.values()
    assert token.permissions == {"checks": "write", "metadata": "read"}
    assert token.repositories == frozenset({github.repository("acme/shop").id})


async def test_when_little_may_be_asked_progress_waits_then_answers_and_verdicts_never(
    github: GitHub, sink: GithubCheck, app: Opened, github_installation: Installation
) -> None:
    receipt = await told(sink, effect(github))
    caller = f"installation ID {github_installation.id}"
    passed = []
    for used in (13_600, 14_300):  # of 15,000
        github.meter.budget(caller, app.clock.now).used["core"] = used
        await told(sink, effect(github, "completed"), Slot(id=receipt.slot))
        for progress in (True, False):
            with contextlib.suppress(Retry):
                await told(sink, effect(github, progress=progress), Slot(id=receipt.slot))
                passed.append((used, progress))
    assert passed == [(13_600, False)]
    assert app.waits == [Why.KEPT] * 3


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
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    github.world.read_lag = 4
    github.faults.add("lose_answer", method="POST", path="/check-runs$")
    with pytest.raises(Retry) as caught:
        await told(sink, effect(github))
    app.clock.advance(caught.value.after or 0)
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


async def test_what_somebody_else_completed_is_replaced_by_another_check_run(
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    receipt = await told(sink, effect(github))
    (first,) = runs(github)
    app.seen.clear()
    wanted = effect(github, spoiled=(first.id,), serial=2)
    second = await told(sink, wanted, Slot(id=receipt.slot))
    assert app.seen.methods == {"POST": 1}
    await told(sink, effect(github, "completed", spoiled=(first.id,)), Slot(id=second.slot))
    assert [run.id for run in runs(github)] == [first.id, int(second.slot or "")]
    assert runs(github)[1].conclusion == "success"


async def test_what_replaces_a_spoiled_check_run_is_not_made_twice(
    github: GitHub, sink: GithubCheck
) -> None:
    receipt = await told(sink, effect(github))
    (first,) = runs(github)
    first.status = first.shown_status = "completed"
    wanted = effect(github, "completed", spoiled=(first.id,))
    github.faults.add("lose_answer", method="POST", path="/check-runs$")
    with pytest.raises(Retry):
        await told(sink, wanted, Slot(id=receipt.slot))
    again = await told(sink, wanted, Slot(id=receipt.slot, certain=False))
    assert [str(run.id) for run in runs(github)] == [str(first.id), again.slot]


async def test_an_unknown_commit_is_refused_with_a_sentence(
    github: GitHub, sink: GithubCheck
) -> None:
    with pytest.raises(Reject, match=r"https://github.com/acme/shop has no commit 0{40}") as caught:
        await told(sink, effect(github, commit="0" * 40))
    assert caught.value.status == 422


# --- annotations ---------------------------------------------------------------------------------


def findings(count: int, path: str = "a.py") -> tuple[Annotation, ...]:
    return tuple(
        Annotation(
            path=path, start_line=line, end_line=line, level=Level.FAILURE, message=f"no. {line}"
        )
        for line in range(1, count + 1)
    )


def lines(run: CheckRun) -> list[int]:
    return [note["start_line"] for note in run.annotations]


def failed(github: GitHub, count: int, **changes: object) -> SetCheck:
    verdict = {"conclusion": Conclusion.FAILURE, "annotations": findings(count)}
    return effect(github, "completed", **{**verdict, **changes})


async def persistent(
    sink: GithubCheck, app: Opened, wanted: SetCheck, slot: Slot | None = None
) -> Receipt:
    """Told as the outbox does it: again after each Retry, and then perhaps not certain."""
    slot = slot or Slot()
    for _ in range(6):
        try:
            return await told(sink, wanted, slot)
        except Retry as error:
            app.clock.advance(error.after or 1)
            slot = Slot(id=slot.id, certain=slot.certain and not error.uncertain)
    raise AssertionError("it never got through")


async def test_annotations_go_fifty_a_request_the_first_with_the_state(
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    receipt = await told(sink, effect(github))
    app.seen.clear()
    await told(sink, failed(github, 120), Slot(id=receipt.slot))
    (run,) = runs(github)
    assert lines(run) == list(range(1, 121))
    assert run.conclusion == "failure"
    assert app.seen.methods == {"PATCH": 3}


async def test_a_check_that_is_made_late_has_its_annotations_too(
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    await told(sink, failed(github, 60))
    (run,) = runs(github)
    assert lines(run) == list(range(1, 61))
    assert (app.seen.count("POST", "/check-runs"), app.seen.methods["PATCH"]) == (1, 1)


async def test_a_set_is_sent_once_for_each_check_run(
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    receipt = await told(sink, failed(github, 70))
    app.seen.clear()
    for certain in (True, False):
        later = failed(github, 70, summary=f"somebody clicked {certain}")
        again = await told(sink, later, Slot(id=receipt.slot, certain=certain))
        assert again.slot == receipt.slot
    (run,) = runs(github)
    assert len(run.annotations) == 70
    assert run.summary == "somebody clicked False"
    assert app.seen.methods == {"PATCH": 2}


async def test_what_the_slot_says_of_annotations_outlives_states_without_any(
    github: GitHub, sink: GithubCheck
) -> None:
    receipt = await told(sink, failed(github, 3))
    receipt = await told(sink, effect(github, "completed"), Slot(id=receipt.slot))
    await told(sink, failed(github, 3), Slot(id=receipt.slot))
    assert len(runs(github)[0].annotations) == 3


async def test_another_set_is_added_to_the_first(github: GitHub, sink: GithubCheck) -> None:
    receipt = await told(sink, failed(github, 3))
    other = failed(github, 2, annotations=findings(2, path="b.py"))
    receipt = await told(sink, other, Slot(id=receipt.slot))
    await told(sink, other, Slot(id=receipt.slot, certain=False))
    paths = [note["path"] for note in runs(github)[0].annotations]
    assert paths == ["a.py"] * 3 + ["b.py"] * 2


@pytest.mark.parametrize("fault", ["lose_answer", "lose_request"])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("made", [True, False])
async def test_whatever_gets_lost_between_batches_each_annotation_is_there_once(
    github: GitHub, sink: GithubCheck, app: Opened, fault: str, after: int, *, made: bool
) -> None:
    slot = Slot(id=(await told(sink, effect(github))).slot) if made else None
    method = "POST" if not made and after == 0 else "PATCH"
    skip = after if made else max(after - 1, 0)
    github.faults.add("slow", method=method, path="/check-runs", times=skip)  # these go well
    github.faults.add(fault, method=method, path="/check-runs")
    receipt = await persistent(sink, app, failed(github, 120), slot)
    (run,) = runs(github)
    assert lines(run) == list(range(1, 121))
    app.seen.clear()
    await told(sink, failed(github, 120), Slot(id=receipt.slot))
    assert (len(run.annotations), app.seen.methods) == (120, {"PATCH": 1})


async def test_a_refusal_for_rate_reasons_between_batches_repeats_none(
    github: GitHub, sink: GithubCheck, app: Opened
) -> None:
    slot = Slot(id=(await told(sink, effect(github))).slot)
    github.faults.add("slow", method="PATCH", path="/check-runs")  # this one goes well
    github.faults.add("secondary", method="PATCH", path="/check-runs")
    await persistent(sink, app, failed(github, 120), slot)
    assert lines(runs(github)[0]) == list(range(1, 121))


async def test_killed_after_the_last_batch_nothing_is_sent_again(
    github: GitHub, sink: GithubCheck
) -> None:
    first = await told(sink, effect(github))
    await told(sink, failed(github, 120), Slot(id=first.slot))
    await told(sink, failed(github, 120), Slot(id=first.slot, certain=False))
    assert len(runs(github)[0].annotations) == 120


async def test_a_check_that_github_dropped_gets_its_annotations_anew(
    github: GitHub, sink: GithubCheck
) -> None:
    for certain in (True, False):
        await told(sink, failed(github, 60, serial=1), Slot(id="99:abc:3", certain=certain))
        assert len(runs(github)[-1].annotations) == 60


async def test_annotations_that_github_refuses_do_not_keep_the_verdict_from_being_told(
    github: GitHub, sink: GithubCheck, caplog: pytest.LogCaptureFixture
) -> None:
    receipt = await told(sink, effect(github))
    wrong = (*findings(2), Annotation(path="", start_line=1, end_line=1, level=Level.NOTICE,
                                      message="x", title="t" * 300))  # fmt: skip
    await told(sink, failed(github, 0, annotations=wrong), Slot(id=receipt.slot))
    (run,) = runs(github)
    assert (run.conclusion, run.annotations) == ("failure", [])
    assert "GitHub refused annotations" in caplog.text


def test_a_slot_is_read_as_it_was_written_and_a_bare_id_too() -> None:
    run = github_body.Run(id="7").given(findings(2))
    assert github_body.Run.read(run.written) == run
    assert github_body.Run.read("7") == github_body.Run(id="7")
    assert github_body.Run(id="7").written == "7"
    assert github_body.Run.read("7:x:y").count == 0


def test_a_body_has_the_annotations_that_it_is_given(
    github: GitHub, github_installation: Installation
) -> None:
    wanted = failed(github, 3, text="the log")
    output = github_body.update(wanted, wanted.annotations[:2])["output"]
    assert output["annotations"] == [annotations.body(one) for one in wanted.annotations[:2]]
    assert output["text"] == "the log"
    assert "annotations" not in github_body.body(wanted)["output"]


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
