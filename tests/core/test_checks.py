"""A subject as a check: names, verdicts, times, the step table, buttons, and GitHub's limits.

What GitHub's own rules say is tested against the stand-in; injection is in `test_markdown.py`.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import checks
from ghapp.core.audience import Presentation
from ghapp.core.checks import render
from ghapp.core.model import Conclusion, Observation, Phase, Step, Verb
from ghapp.core.moments import duration
from ghapp.core.pipeline import Next
from ghapp.core.seen import Gate, Notice
from tests.core.builders import T0, at, release_look, run_look
from tests.core.test_pipeline import PIPELINE


@pytest.mark.parametrize(
    ("phase", "status", "conclusion"),
    [
        (Phase.QUEUED, "queued", None),
        (Phase.RUNNING, "in_progress", None),
        (Phase.SUCCEEDED, "completed", Conclusion.SUCCESS),
        (Phase.FAILED, "completed", Conclusion.FAILURE),
        (Phase.CANCELLED, "completed", Conclusion.CANCELLED),
        (Phase.ERRORED, "completed", Conclusion.FAILURE),
    ],
)
def test_each_phase_has_its_status(phase: Phase, status: str, conclusion: Conclusion) -> None:
    check = render(run_look(phase))
    assert (check.status, check.conclusion) == (status, conclusion)


def test_an_adapter_may_know_better() -> None:
    check = render(run_look(Phase.ERRORED, conclusion=Conclusion.TIMED_OUT))
    assert (check.conclusion, check.title) == (Conclusion.TIMED_OUT, "Timed out after 30s")


def test_times_are_those_of_the_run() -> None:
    check = render(run_look(Phase.FAILED))
    assert (check.started_at, check.completed_at) == (at(1), at(31))


def test_a_run_whose_clock_went_back_does_not_end_before_it_began() -> None:
    check = render(run_look(Phase.FAILED, finished=T0 - timedelta(hours=1)))
    assert check.completed_at == check.started_at


def test_the_default_cluster_is_not_named_and_any_other_is() -> None:
    look = run_look()
    named = replace(look, subject=replace(look.subject, cluster="prod"))
    assert render(look).name == "tekton / build"
    assert render(named).name == "prod / tekton / build"


def test_the_title_names_the_step_that_failed() -> None:
    steps = (
        Step(name="lint", phase=Phase.FAILED, tolerated=True),
        Step(name="test", phase=Phase.FAILED, detail="exit code 2"),
    )
    assert render(run_look(Phase.FAILED, steps=steps)).title == "Failed: test (exit code 2)"


def test_failing_steps_come_first_in_the_table() -> None:
    steps = (Step(name="one", phase=Phase.SUCCEEDED), Step(name="two", phase=Phase.FAILED))
    summary = render(run_look(Phase.FAILED, steps=steps)).summary
    assert summary.index("two") < summary.index("one")


def test_notices_come_first() -> None:
    notice = Notice(at=T0, text="**bob**: cannot cancel this.")
    assert render(run_look(), notices=(notice,)).summary.startswith("> **bob**")


@given(
    names=st.lists(st.text(max_size=300), max_size=60),
    detail=st.text(max_size=3_000),
    message=st.text(max_size=200_000),
)
def test_whatever_the_text_the_check_keeps_githubs_limits(
    names: list[str], detail: str, message: str
) -> None:
    steps = tuple(Step(name=name, phase=Phase.FAILED, detail=detail) for name in names)
    check = render(run_look(Phase.FAILED, steps=steps, message=message, check_name=detail or "x"))
    for shown in (check, checks.closed_early(check, T0)):
        assert len(shown.summary.encode()) <= checks.OUTPUT_LIMIT
    assert len(check.title) <= checks.TITLE_LIMIT
    assert "\n" not in check.title
    assert len(check.name) <= checks.NAME_LIMIT
    assert len(check.buttons) <= checks.BUTTONS_LIMIT


def test_what_is_closed_early_has_room_for_the_reason() -> None:
    steps = tuple(Step(name=f"{n:0120}", phase=Phase.RUNNING) for n in range(2_000))
    words = Presentation(summary="x" * 20_000)
    check = render(run_look(steps=steps, message="m" * 2_000), presentation=words)
    closed = checks.closed_early(check, T0)
    assert len(closed.summary.encode()) <= checks.OUTPUT_LIMIT
    assert closed.summary.startswith("> It has not ended yet.")


def test_each_step_is_a_row_with_its_duration_and_what_hurts_is_the_first() -> None:
    steps = (
        Step(name="build", phase=Phase.SUCCEEDED, started=at(1), finished=at(63)),
        Step(name="test", phase=Phase.FAILED, started=at(63), finished=at(152), detail="exit 1"),
        Step(name="publish", phase=Phase.CANCELLED, skipped=True),
    )
    rows = render(run_look(Phase.FAILED, steps=steps)).summary.splitlines()
    assert [row for row in rows if row.startswith("|")] == [
        "| | Step | Duration | Detail |",
        "|---|---|---|---|",
        "| ❌ | test | 1m 29s | exit 1 |",
        "| ✅ | build | 1m 2s |  |",
        "| ⏭️ | publish |  |  |",
    ]


def test_two_thousand_steps_fit_and_the_rest_is_counted() -> None:
    steps = tuple(Step(name=f"step-{n}" * 8, phase=Phase.SUCCEEDED) for n in range(2_000))
    summary = render(run_look(Phase.SUCCEEDED, steps=steps)).summary
    assert len(summary.encode()) <= checks.OUTPUT_LIMIT
    assert "more | | |" in summary
    assert "ci/build-1" in summary


def following(name: str) -> Next:
    environment = replace(PIPELINE.spec.environments[1], name=name)
    promotion = PIPELINE.spec.promotion
    assert promotion
    return Next(pipeline=PIPELINE, environment=environment, promotion=promotion)


def test_what_succeeded_can_be_promoted_and_that_comes_first() -> None:
    check = render(release_look(Phase.SUCCEEDED), following=following("staging"))
    assert [button.label for button in check.buttons] == ["Promote to staging", "Reconcile"]


def test_what_did_not_succeed_cannot_be_promoted() -> None:
    check = render(release_look(Phase.FAILED), following=following("staging"))
    assert [button.identifier for button in check.buttons] == ["reconcile"]


@given(name=st.from_regex(r"[a-z]{1,60}", fullmatch=True))
def test_a_button_fits_whatever_the_environment_is_called(name: str) -> None:
    button = render(release_look(Phase.SUCCEEDED), following=following(name)).buttons[0]
    assert 0 < len(button.label) <= checks.LABEL_LIMIT
    assert len(button.description) <= checks.DESCRIPTION_LIMIT


def test_running_can_be_cancelled_and_finished_run_again() -> None:
    assert [b.identifier for b in render(run_look(Phase.RUNNING)).buttons] == [Verb.CANCEL]
    assert [b.identifier for b in render(run_look(Phase.FAILED)).buttons] == [Verb.RERUN]


def labels(look: Observation, *offered: Verb, **more: Any) -> list[str]:
    presentation = Presentation(buttons=offered or None)
    check = render(look, following=following("staging"), presentation=presentation, **more)
    return [button.label for button in check.buttons]


GOOD = release_look(Phase.SUCCEEDED)


def test_what_ran_well_before_can_be_rolled_back_to() -> None:
    assert labels(GOOD, earlier="1.0.0") == ["Promote to staging", "Roll back", "Reconcile"]
    assert labels(release_look(Phase.FAILED), earlier="1.0.0") == ["Reconcile", "Roll back"]
    assert labels(release_look(Phase.RUNNING), earlier="1.0.0") == ["Reconcile"]


def test_a_promotion_that_waits_is_approved_or_held() -> None:
    gate = Gate(environment="staging", votes=1, needed=2)
    assert labels(GOOD, gate=gate) == ["Approve staging", "Hold staging", "Reconcile"]
    assert "1 of 2 approvals" in render(GOOD, gate=gate).summary


def test_what_is_held_can_be_released_and_not_promoted() -> None:
    gate = Gate(environment="staging", held="ann")
    assert labels(GOOD, gate=gate) == ["Release staging", "Reconcile"]
    assert "`staging` is held by **ann**" in render(GOOD, gate=gate).summary


def test_documents_choose_among_what_is_possible() -> None:
    assert labels(GOOD, Verb.HOLD, Verb.PROMOTE) == ["Promote to staging", "Hold staging"]
    assert labels(GOOD, Verb.CANCEL, Verb.APPROVE, Verb.UNHOLD) == []
    waiting = Gate(environment="staging", votes=1, needed=2)
    assert labels(GOOD, Verb.PROMOTE, gate=waiting) == ["Approve staging"]
    held = Gate(environment="staging", held="ann")
    assert labels(GOOD, Verb.HOLD, gate=held) == ["Release staging"]
    failed = run_look(Phase.FAILED, verbs=(Verb.RERUN, Verb.RERUN_FAILED))
    assert labels(failed) == ["Re-run", "Re-run failed tasks"]
    assert labels(failed, Verb.RERUN_FAILED) == ["Re-run failed tasks"]


@pytest.mark.parametrize("state", checks.State)
def test_every_button_that_can_be_shown_keeps_githubs_limits(state: checks.State) -> None:
    for verb in checks.BUTTONS[state]:
        button = checks._button(verb, "a-rather-long-environment", "1.0.0-a.long.version+of.it")
        assert 0 < len(button.label) <= checks.LABEL_LIMIT
        assert 0 < len(button.description) <= checks.DESCRIPTION_LIMIT
        assert len(button.identifier) <= 20


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (123, "2m 3s"),
        (3_600, "1h"),
        (3_725, "1h 2m"),
        (90_061, "1d 1h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: int, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_the_page_of_a_run_is_its_own_or_the_template_filled_in() -> None:
    template = "https://tekton.example/#/namespaces/{namespace}/{plural}/{name}"
    assert render(run_look(), dashboard_url=template).details_url == (
        "https://tekton.example/#/namespaces/ci/pipelineruns/build-1"
    )
    own = run_look(dashboard_url="https://own.example/1")
    assert render(own, dashboard_url=template).details_url == "https://own.example/1"


def test_two_long_names_with_the_same_beginning_are_two_checks() -> None:
    names = [render(run_look(check_name=f"tekton / {'x' * 240}{end}")).name for end in "ab"]
    assert len(set(names)) == 2
    assert {len(name) for name in names} == {checks.NAME_LIMIT}


def test_results_are_a_small_table_below_the_steps() -> None:
    results = (("coverage", "81.4"), ("image", "ghcr.io/acme/shop|x"))
    summary = render(run_look(Phase.SUCCEEDED, results=results)).summary
    assert "| Result | Value |" in summary
    assert "| coverage | 81.4 |" in summary
    assert "shop\\|x" in summary
    assert summary.index("| | Step |") < summary.index("| Result |")


def test_many_results_do_not_push_out_what_else_there_is_to_say() -> None:
    results = tuple((f"result-{n}", "v" * 100) for n in range(500))
    summary = render(run_look(Phase.SUCCEEDED, results=results)).summary
    assert "more | |" in summary
    assert "ci/build-1" in summary
    assert len(summary.encode()) <= checks.OUTPUT_LIMIT


def test_no_password_of_a_url_is_shown() -> None:
    url = "https://bot:s3cret@github.com/acme/shop"
    look = run_look(
        Phase.FAILED,
        message=f"cannot clone {url}",
        reason=url,
        steps=(Step(name="clone", phase=Phase.FAILED, detail=f"no access to {url}"),),
        results=(("url", url),),
    )
    check = render(look)
    assert "s3cret" not in f"{check}"
    assert "github.com/acme/shop" in check.title
