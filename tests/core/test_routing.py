"""Routing: every sink that wants an effect gets it, and only progress has to wait."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core.decide import noticed
from ghapp.core.effects import Effect, EmitEvent, SetCheck, ShowRuns
from ghapp.core.model import Phase
from ghapp.core.routing import route
from ghapp.core.seen import Notice
from tests.core.builders import COMMIT, RULES, T0, at, run_look, tell

INTERVAL = 30.0


def effects(*phases: Phase) -> list[Effect]:
    """What is owed for looks in these phases, one after the other."""
    before, owed = None, list[Effect]()
    for second, phase in enumerate(phases):
        look = run_look(phase, message=f"look {second}")
        decision = tell(before, look)
        before = decision.seen[-1] if decision.seen else before
        owed += decision.effects
    return owed


def dues(*phases: Phase) -> list[tuple[str, float]]:
    """Of the checks: their status, and how many seconds each is held."""
    sinks = {"github-check": lambda effect: isinstance(effect, SetCheck)}
    routed = route(effects(*phases), sinks, now=T0, progress_interval=INTERVAL)
    return [
        (effect.check.status, (due - T0).total_seconds())
        for effect, _, due in routed
        if isinstance(effect, SetCheck)
    ]


def test_a_sink_gets_what_it_wants_in_the_order_it_was_decided() -> None:
    owed = effects(Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED)
    sinks = {
        "github-check": lambda effect: isinstance(effect, SetCheck),
        "cdevents": lambda effect: isinstance(effect, EmitEvent),
        "not-named": lambda _: True,
    }
    routed = route(owed, sinks, now=T0, progress_interval=INTERVAL)
    found = {name: [effect for effect, to, _ in routed if to == name] for name in sinks}
    assert found["not-named"] == []
    assert found["github-check"] == [effect for effect in owed if isinstance(effect, SetCheck)]
    assert found["cdevents"] == [effect for effect in owed if isinstance(effect, EmitEvent)]


def test_progress_waits_and_a_new_status_does_not() -> None:
    told = dues(Phase.QUEUED, Phase.RUNNING, Phase.RUNNING, Phase.RUNNING, Phase.SUCCEEDED)
    assert told == [
        ("queued", 0),
        ("in_progress", 0),
        ("in_progress", INTERVAL),
        ("in_progress", INTERVAL),
        ("completed", 0),
    ]


def test_an_answer_to_a_click_does_not_wait() -> None:
    (seen,) = tell(None, run_look()).seen
    (answer,) = noticed(seen, Notice(at=at(5), text="done"), rules=RULES).effects
    sinks = {"github-check": lambda effect: isinstance(effect, SetCheck)}
    ((_, _, due),) = route([answer], sinks, now=T0, progress_interval=INTERVAL)
    assert due == T0


def news(*phases: Phase, **changes: Any) -> list[tuple[ShowRuns, float]]:
    """What is told to whoever shows all runs together, and how many seconds each is held."""
    sinks = {"github-check": lambda effect: isinstance(effect, ShowRuns)}
    owed = [
        replace(effect, **changes) if isinstance(effect, SetCheck) else effect
        for effect in effects(*phases)
    ]
    routed = route(owed, sinks, now=T0, progress_interval=INTERVAL)
    return [
        (effect, (due - T0).total_seconds())
        for effect, _, due in routed
        if isinstance(effect, ShowRuns)
    ]


def test_each_state_of_a_check_is_news_and_only_an_end_does_not_wait() -> None:
    told = news(Phase.QUEUED, Phase.RUNNING, Phase.RUNNING, Phase.FAILED)
    assert [held for _, held in told] == [INTERVAL, INTERVAL, INTERVAL, 0]
    assert len({effect.key for effect, _ in told}) == len(told)
    assert all(effect.newest for effect, _ in told)


def test_news_of_a_pull_request_stands_in_one_lane_whichever_commit_and_run_it_is_about() -> None:
    ((one, _),) = news(Phase.FAILED, pull_request=7)
    ((other, _),) = news(Phase.FAILED, pull_request=7, commit="f" * 40)
    ((unknown, _),) = news(Phase.FAILED)
    assert one.lane == other.lane == "runs/https://github.com/acme/shop/pull/7"
    assert unknown.lane == f"runs/https://github.com/acme/shop@{COMMIT}"


@given(st.floats(0, 3600), st.lists(st.sampled_from(Phase), max_size=6))
def test_nothing_is_held_longer_than_the_interval(interval: float, phases: list[Phase]) -> None:
    routed = route(
        effects(*phases), {"cdevents": lambda _: True}, now=T0, progress_interval=interval
    )
    longest = timedelta(seconds=interval)
    assert all(T0 <= due <= T0 + longest for _, _, due in routed)
    assert all(due == T0 for effect, _, due in routed if isinstance(effect, EmitEvent))
