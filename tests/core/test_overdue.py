"""The check of a run that never ends: closed once, and still given its verdict."""

from datetime import timedelta

from ghapp.core.decide import NOTHING, noticed
from ghapp.core.effects import SetCheck
from ghapp.core.model import Conclusion, Phase
from ghapp.core.overdue import PATIENCE, overdue
from ghapp.core.seen import Notice, Seen
from tests.core.builders import EVERYBODY, RULES, T0, at, release_look, run_look, tell

LATE = T0 + PATIENCE + timedelta(minutes=1)


def running() -> Seen:
    return tell(None, run_look(Phase.RUNNING)).seen[-1]


def test_a_run_that_goes_on_for_too_long_has_its_check_closed_once() -> None:
    decision = overdue(running(), at=LATE, rules=RULES)
    (effect,) = decision.effects
    assert isinstance(effect, SetCheck)
    assert (effect.check.status, effect.check.conclusion) == ("completed", Conclusion.TIMED_OUT)
    assert (effect.check.completed_at, effect.check.buttons) == (LATE, ())
    assert "GitHub gives up" in effect.check.summary
    assert set(effect.to) == set(EVERYBODY.providers)
    assert overdue(decision.seen[-1], at=LATE, rules=RULES) == NOTHING


def test_before_its_time_and_after_its_end_nothing_happens() -> None:
    assert overdue(running(), at=at(3_600), rules=RULES) == NOTHING
    ended = tell(None, run_look(Phase.FAILED)).seen[-1]
    assert overdue(ended, at=LATE, rules=RULES) == NOTHING


def test_without_a_commit_there_is_nothing_to_close() -> None:
    seen = tell(None, run_look(Phase.RUNNING, revision=None)).seen[-1]
    assert overdue(seen, at=LATE, rules=RULES) == NOTHING


def test_what_happens_while_it_is_closed_does_not_open_it() -> None:
    closed = overdue(running(), at=LATE, rules=RULES).seen[-1]
    for decision in (
        tell(closed, run_look(Phase.RUNNING, message="still")),
        noticed(closed, Notice(at=LATE, text="no"), rules=RULES),
    ):
        (effect,) = decision.effects
        assert isinstance(effect, SetCheck)
        assert (effect.check.status, effect.check.completed_at) == ("completed", LATE)
    assert tell(closed, run_look(Phase.RUNNING)) == NOTHING


def test_its_verdict_comes_to_the_same_check() -> None:
    closed = overdue(running(), at=LATE, rules=RULES).seen[-1]
    ended = tell(closed, run_look(Phase.SUCCEEDED))
    (check,) = [effect for effect in ended.effects if isinstance(effect, SetCheck)]
    assert check.check.conclusion is Conclusion.SUCCESS
    assert check.attempt == 0
    assert check.lane == f"check/{closed.look.subject.key}#0"


def test_a_young_roll_out_of_something_old_is_left_alone() -> None:
    look = release_look(Phase.RUNNING, started=LATE - timedelta(minutes=1))
    assert look.created == T0
    seen = tell(None, look).seen[-1]
    assert overdue(seen, at=LATE, rules=RULES) == NOTHING
    assert overdue(seen, at=LATE + PATIENCE, rules=RULES).effects


def test_a_roll_out_that_has_not_begun_is_left_alone() -> None:
    seen = tell(None, release_look(Phase.QUEUED, started=None)).seen[-1]
    assert overdue(seen, at=LATE, rules=RULES) == NOTHING
