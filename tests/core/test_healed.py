"""A check that somebody else changed: told anew, whatever GitHub's webhook shows, and no more."""

from typing import Any

import pytest
from msgspec.structs import replace

from ghapp.core.decide import NOTHING, Decision
from ghapp.core.effects import SetCheck
from ghapp.core.healed import AT_MOST, healed
from ghapp.core.model import Phase
from ghapp.core.moments import stamp
from ghapp.core.overdue import PATIENCE, overdue
from ghapp.core.seen import Seen
from ghapp.core.webhook import Completed
from tests.core.builders import COMMIT, EVERYBODY, RULES, T0, at, release_look, run_look, tell


def told(phase: Phase, **changes: Any) -> Seen:
    return tell(None, run_look(phase, **changes)).seen[-1]


def there(seen: Seen, **changes: Any) -> Completed:
    """What GitHub says of it, as we told it."""
    check = seen.check
    assert check is not None
    as_told = Completed(
        check_run=1,
        external_id=check.external_id,
        commit=COMMIT,
        app=1,
        repository="acme/shop",
        name=check.name,
        conclusion=check.conclusion or "success",
        title=check.title,
        began=stamp(check.started_at),
    )
    return replace(as_told, **changes)


def heal(seen: Seen, **changes: Any) -> Decision:
    return healed(seen, there(seen, **changes), rules=RULES)


def effect(decision: Decision) -> SetCheck:
    (one,) = decision.effects
    assert isinstance(one, SetCheck)
    return one


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.finished])
def test_our_own_word_that_comes_back_is_no_news(phase: Phase) -> None:
    assert heal(told(phase)) == NOTHING


@pytest.mark.parametrize("changes", [{"conclusion": "success"}, {"title": "all is well"}])
def test_a_verdict_that_was_changed_is_told_again(changes: dict[str, str]) -> None:
    seen = told(Phase.FAILED)
    decision = heal(seen, **changes)
    again = effect(decision)
    assert again.check == seen.check
    assert (again.spoiled, again.progress) == ((), False)
    assert set(again.to) == set(EVERYBODY.providers)
    assert again.serial == seen.serial + 1
    assert heal(decision.seen[-1]) == NOTHING


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.RUNNING])
def test_what_was_completed_while_the_run_goes_on_is_replaced(phase: Phase) -> None:
    decision = heal(told(phase), check_run=77)
    assert effect(decision).spoiled == (77,)
    seen = decision.seen[-1]
    assert heal(seen, check_run=77) == NOTHING, "the same webhook, once more"
    later = tell(seen, run_look(Phase.FAILED))
    assert [one.spoiled for one in later.effects if isinstance(one, SetCheck)] == [(77,)]
    assert heal(later.seen[-1], check_run=77, conclusion="success") == NOTHING, "it is hidden"


def test_nobody_is_fought_for_ever() -> None:
    seen = told(Phase.RUNNING)
    for number in range(AT_MOST):
        seen = heal(seen, check_run=number + 1).seen[-1]
    assert heal(seen, check_run=99) == NOTHING
    assert seen.spoiled == tuple(range(1, AT_MOST + 1))


def test_a_check_that_was_closed_early_is_as_it_was_told() -> None:
    late = T0 + PATIENCE + (at(60) - T0)
    closed = overdue(told(Phase.RUNNING), at=late, rules=RULES).seen[-1]
    assert heal(closed) == NOTHING
    assert effect(heal(closed, conclusion="success")).check == closed.check


def test_the_check_of_an_earlier_attempt_is_left_alone() -> None:
    first = tell(None, release_look(Phase.FAILED, turn="1")).seen[-1]
    again = release_look(Phase.RUNNING, turn="2", started=at(600), finished=None)
    second = tell(first, again).seen[-1]
    assert second.attempt == 1
    assert heal(second, began=stamp(at(1)), conclusion="success") == NOTHING
    assert effect(heal(second, began=stamp(at(600)))).spoiled == (1,)
    ended = tell(second, release_look(Phase.FAILED, turn="2", started=at(600), finished=at(700)))
    assert heal(ended.seen[-1], began=stamp(at(1)), conclusion="success") == NOTHING
    third = tell(ended.seen[-1], release_look(Phase.RUNNING, turn="3", started=at(900)))
    assert (third.seen[-1].spoiled, third.seen[-1].healed) == ((), 0)


@pytest.mark.parametrize(
    "seen", [told(Phase.FAILED), replace(told(Phase.FAILED), check=None)], ids=["commit", "check"]
)
def test_of_another_commit_and_without_a_check_nothing_is_told(seen: Seen) -> None:
    other = Completed(
        check_run=1,
        external_id="e",
        commit="f" * 40 if seen.check else COMMIT,
        app=1,
        repository="acme/shop",
        name="n",
        conclusion="success",
        title="t",
    )
    assert healed(seen, other, rules=RULES) == NOTHING
