"""What is owed after a look: milestones, checks, occurrences, supersession, answers.

Adapters (what a look is) and stores (what a row is) have tests of their own.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core.decide import NOTHING, Decision, Rules, decide, noticed, vanished
from ghapp.core.effects import Check, Deployed, Effect, EmitEvent, SetCheck
from ghapp.core.model import (
    Conclusion,
    Milestone,
    Observation,
    Occurrence,
    Phase,
    Revision,
    Step,
    SubjectType,
)
from ghapp.core.seen import Gate, Notice, Seen
from tests.core.builders import EVERYBODY, REVISION, RULES, T0, at, release_look, run_look, tell

ENDS = (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.ERRORED)


class Told:
    """Decides look after look, as the reconciler does, and keeps what was told."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self.rows: dict[str, Seen] = {}
        self.effects: list[Effect] = []

    def look(self, look: Observation, *, gone: bool = False) -> Decision:
        before = self.rows.get(look.subject.key)
        others = [
            row
            for key, row in self.rows.items()
            if row.look.subject.object_key == look.subject.object_key and key != look.subject.key
        ]
        previous = others[-1] if others and (before is None or before.closed) else None
        return self.keep(
            decide(before, look, previous=previous, gone=gone, audience=EVERYBODY, rules=self.rules)
        )

    def keep(self, decision: Decision) -> Decision:
        for seen in decision.seen:
            known = self.rows.pop(seen.look.subject.key, None)
            assert seen.version == (known.version if known else 0) + 1
            self.rows[seen.look.subject.key] = seen
        self.effects += decision.effects
        return decision

    @property
    def events(self) -> list[EmitEvent]:
        return [effect for effect in self.effects if isinstance(effect, EmitEvent)]

    @property
    def checks(self) -> list[SetCheck]:
        return [effect for effect in self.effects if isinstance(effect, SetCheck)]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


def a_run(end: Phase, steps: int = 3) -> list[Observation]:
    """Everything there is to see of a run."""
    names = [f"task-{number}" for number in range(steps)]
    progress = [
        run_look(
            Phase.RUNNING,
            steps=tuple(
                Step(name=name, phase=Phase.SUCCEEDED if index < done else Phase.RUNNING)
                for index, name in enumerate(names)
            ),
        )
        for done in range(steps)
    ]
    return [run_look(Phase.QUEUED), *progress, run_look(end)]


def final_check(told: Told) -> Check:
    return told.checks[-1].check


@given(
    end=st.sampled_from(ENDS),
    kept=st.lists(st.integers(0, 4), max_size=8).map(sorted),
)
def test_a_run_is_told_in_full_however_few_looks_we_got(end: Phase, kept: Sequence[int]) -> None:
    looks = a_run(end)
    full, few = Told(), Told()
    for look in looks:
        full.look(look)
    for index in kept:
        few.look(looks[index])
    few.look(looks[-1])
    assert [event.id for event in few.events] == [event.id for event in full.events]
    assert few.events == full.events
    assert final_check(few) == final_check(full)


@given(end=st.sampled_from(ENDS), late=st.integers(0, 4))
def test_after_the_end_no_look_changes_anything(end: Phase, late: int) -> None:
    looks = a_run(end)
    told = Told()
    told.look(looks[-1])
    before = list(told.effects)
    assert told.look(looks[late]) is NOTHING or late == len(looks)
    assert told.effects == before


def test_a_look_that_shows_nothing_new_is_not_committed() -> None:
    told = Told()
    told.look(run_look(Phase.RUNNING))
    assert told.look(run_look(Phase.RUNNING)) is NOTHING


def test_a_run_that_never_started_has_no_started_event() -> None:
    told = Told()
    told.look(run_look(Phase.ERRORED, started=None))
    assert told.types == ["pipelinerun.queued", "pipelinerun.finished"]


def test_a_run_never_goes_back() -> None:
    told = Told()
    told.look(run_look(Phase.RUNNING))
    told.look(run_look(Phase.QUEUED, message="suspended"))
    assert final_check(told).status == "in_progress"
    assert told.types == ["pipelinerun.queued", "pipelinerun.started"]


def test_progress_can_wait_and_a_change_of_status_cannot() -> None:
    told = Told()
    for look in a_run(Phase.SUCCEEDED):
        told.look(look)
    assert [effect.progress for effect in told.checks] == [False, False, True, True, False]


def test_without_a_commit_events_are_told_and_no_check_is_made() -> None:
    told = Told()
    told.look(run_look(Phase.SUCCEEDED, revision=None))
    assert told.checks == []
    assert len(told.events) == 3


def test_a_commit_that_is_known_only_at_the_end_gets_its_check_then() -> None:
    told = Told()
    told.look(run_look(Phase.RUNNING, revision=None))
    told.look(run_look(Phase.SUCCEEDED))
    assert [effect.check.status for effect in told.checks] == ["completed"]


def test_the_first_commit_stays() -> None:
    told = Told()
    look = run_look(Phase.RUNNING)
    told.look(look)
    assert look.revision
    other = replace(look.revision, commit="f" * 40)
    told.look(run_look(Phase.SUCCEEDED, revision=other))
    assert {effect.commit for effect in told.checks} == {look.revision.commit}


def test_what_finished_before_the_horizon_is_history() -> None:
    told = Told(Rules(born=at(7_200), horizon=at(3_600)))
    told.look(run_look(Phase.FAILED))
    assert told.effects == []
    assert next(iter(told.rows.values())).told == tuple(Milestone)


def test_what_still_runs_is_told_by_a_fresh_store_which_looks_for_the_old_check() -> None:
    told = Told(Rules(born=at(7_200), horizon=at(3_600)))
    told.look(run_look(Phase.RUNNING))
    assert [effect.search for effect in told.checks] == [True]


def test_a_vanished_run_is_closed_as_cancelled() -> None:
    told = Told()
    told.look(run_look(Phase.RUNNING))
    told.keep(vanished(next(iter(told.rows.values())), at=at(99), rules=RULES))
    assert final_check(told).conclusion is Conclusion.CANCELLED
    assert told.events[-1].content["outcome"] == "cancel"
    assert not next(iter(told.rows.values())).open


# -- long-lived objects ---------------------------------------------------------------------------

DEPLOYED = Occurrence(type="service.deployed", key="v1", at=T0, artifact="pkg:helm/shop@1.1.0")
INCIDENT = Occurrence(type="incident.detected", key="v2/failed", at=T0, artifact="pkg:helm/s@2")
UPGRADED = Occurrence(type="service.upgraded", key="v3", at=T0, artifact="pkg:helm/shop@1.2.0")


def test_a_release_tells_of_a_deployment_once() -> None:
    told = Told()
    for _ in range(3):
        told.look(release_look(Phase.SUCCEEDED, occurrences=(DEPLOYED,)))
    assert told.types == ["service.deployed"]
    assert len(told.checks) == 1


def test_looking_around_at_each_interval_is_not_a_new_turn() -> None:
    told = Told()
    told.look(release_look(Phase.SUCCEEDED))
    assert told.look(release_look(Phase.QUEUED)) is NOTHING


def test_a_release_that_recovers_turns_green_and_resolves_its_incident() -> None:
    told = Told()
    told.look(release_look(Phase.FAILED, occurrences=(INCIDENT,)))
    told.look(release_look(Phase.SUCCEEDED, occurrences=(UPGRADED,)))
    assert told.types == ["incident.detected", "service.upgraded", "incident.resolved"]
    assert told.events[0].subject_id == told.events[2].subject_id
    assert final_check(told).conclusion is Conclusion.SUCCESS


def test_an_incident_of_one_version_is_resolved_by_the_next() -> None:
    told = Told()
    told.look(release_look(Phase.FAILED, "2.0.0", occurrences=(INCIDENT,)))
    told.look(release_look(Phase.SUCCEEDED, "2.0.1", occurrences=(UPGRADED,)))
    assert told.types == ["incident.detected", "service.upgraded", "incident.resolved"]


def test_running_again_under_the_same_version_is_a_new_check() -> None:
    told = Told()
    told.look(release_look(Phase.FAILED))
    told.look(release_look(Phase.RUNNING))
    told.look(release_look(Phase.SUCCEEDED))
    assert [(effect.attempt, effect.check.status) for effect in told.checks] == [
        (0, "completed"),
        (1, "in_progress"),
        (1, "completed"),
    ]
    assert len({effect.lane for effect in told.checks}) == 2


def test_a_newer_version_ends_the_check_of_the_one_before() -> None:
    told = Told()
    told.look(release_look(Phase.RUNNING, "1.1.0"))
    told.look(release_look(Phase.RUNNING, "1.2.0"))
    ended = told.checks[1].check
    assert (ended.external_id.rpartition("@")[2], ended.conclusion) == (
        "1.1.0",
        Conclusion.NEUTRAL,
    )
    assert [row.open for row in told.rows.values()] == [False, True]


def test_going_back_to_an_older_version_is_told_again() -> None:
    told = Told()
    for version in ("1.1.0", "1.2.0", "1.1.0"):
        told.look(release_look(Phase.RUNNING, version))
        told.look(release_look(Phase.SUCCEEDED, version))
    open_rows = [row.look.subject.revision for row in told.rows.values() if row.open]
    assert open_rows == ["1.1.0"]
    assert told.checks[-1].attempt == 1


def test_a_vanished_release_is_removed_if_anything_was_deployed() -> None:
    told = Told()
    told.look(release_look(Phase.SUCCEEDED, occurrences=(DEPLOYED,)))
    told.keep(vanished(next(iter(told.rows.values())), at=at(99), rules=RULES))
    assert told.types == ["service.deployed", "service.removed"]
    assert not next(iter(told.rows.values())).open


# -- which commit a long-lived object's run is about ----------------------------------------------

LATER = replace(REVISION, commit="f" * 40)


def upgrade(
    phase: Phase, revision: Revision | None, generation: int = 2, turn: str = "", **changes: Any
) -> Observation:
    """A look at a release whose spec was changed `generation` times."""
    return release_look(phase, revision=revision, generation=generation, turn=turn, **changes)


def told_of(*looks: Observation) -> Told:
    told = Told()
    for look in looks:
        told.look(look)
    return told


def commits(told: Told) -> list[tuple[str, int, str]]:
    """Each check that was set: the commit's first digit, the attempt, how it stands."""
    return [
        (effect.commit[0], effect.attempt, effect.check.conclusion or effect.check.status)
        for effect in told.checks
    ]


def test_a_later_commit_that_does_not_run_the_release_neither_moves_nor_retells_its_check() -> None:
    told = told_of(
        upgrade(Phase.RUNNING, REVISION),
        upgrade(Phase.RUNNING, LATER),
        upgrade(Phase.SUCCEEDED, LATER, turn="v1"),
        upgrade(Phase.SUCCEEDED, LATER, generation=3, turn="v1"),
        upgrade(Phase.QUEUED, LATER, generation=3),
    )
    assert commits(told) == [("0", 0, "in_progress"), ("0", 0, "success")]


def test_a_later_commit_that_runs_the_release_has_a_check_of_its_own() -> None:
    told = told_of(
        upgrade(Phase.SUCCEEDED, REVISION, turn="v1"),
        upgrade(Phase.RUNNING, LATER, generation=3),
        upgrade(Phase.SUCCEEDED, LATER, generation=3, turn="v2"),
    )
    assert commits(told) == [("0", 0, "success"), ("f", 1, "in_progress"), ("f", 1, "success")]
    assert len({effect.lane for effect in told.checks}) == 2


def test_a_run_that_nobody_saw_run_is_told_by_what_it_left() -> None:
    told = told_of(
        upgrade(Phase.SUCCEEDED, REVISION, turn="v1"),
        upgrade(Phase.SUCCEEDED, LATER, generation=3, turn="v2"),
    )
    assert commits(told) == [("0", 0, "success"), ("f", 1, "success")]


def test_a_commit_that_breaks_what_was_well_is_the_one_that_is_blamed() -> None:
    told = told_of(
        upgrade(Phase.SUCCEEDED, REVISION, turn="v1"),
        upgrade(Phase.ERRORED, LATER, generation=3, turn="v1"),
        upgrade(Phase.ERRORED, LATER, generation=3, turn="v1"),
    )
    assert commits(told) == [("0", 0, "success"), ("f", 1, "failure")]


def test_what_breaks_by_itself_turns_red_and_green_again_where_it_was_green() -> None:
    told = told_of(
        upgrade(Phase.SUCCEEDED, REVISION, turn="v1"),
        upgrade(Phase.ERRORED, LATER, turn="v1"),
        upgrade(Phase.SUCCEEDED, LATER, turn="v1"),
    )
    assert commits(told) == [("0", 0, "success"), ("0", 0, "failure"), ("0", 0, "success")]


def test_running_again_for_the_same_spec_is_about_the_same_commit() -> None:
    told = told_of(
        upgrade(Phase.FAILED, REVISION, turn="v1"),
        upgrade(Phase.RUNNING, LATER),
        upgrade(Phase.SUCCEEDED, LATER, turn="v2"),
    )
    assert commits(told) == [("0", 0, "failure"), ("0", 1, "in_progress"), ("0", 1, "success")]


def test_another_commit_that_waits_ends_the_check_of_the_one_before() -> None:
    told = told_of(
        upgrade(Phase.QUEUED, REVISION),
        upgrade(Phase.QUEUED, LATER, generation=3),
        upgrade(Phase.RUNNING, LATER, generation=3),
    )
    assert commits(told) == [
        ("0", 0, "queued"),
        ("0", 0, "neutral"),
        ("f", 1, "queued"),
        ("f", 1, "in_progress"),
    ]
    assert next(iter(told.rows.values())).version == 3


def test_a_commit_that_deletes_a_release_is_not_what_was_rolled_out() -> None:
    told = Told()
    told.look(upgrade(Phase.RUNNING, REVISION))
    told.look(upgrade(Phase.CANCELLED, LATER, generation=3), gone=True)
    assert commits(told) == [("0", 0, "in_progress"), ("0", 0, "cancelled")]


def test_deleting_a_release_takes_its_verdict_not_back() -> None:
    told = Told()
    told.look(upgrade(Phase.SUCCEEDED, REVISION, turn="v1", occurrences=(DEPLOYED,)))
    removed = Occurrence(type="service.removed", key="removed", at=T0)
    last = upgrade(Phase.CANCELLED, LATER, generation=3, occurrences=(removed,), verbs=())
    told.look(last, gone=True)
    assert told.types == ["service.deployed", "service.removed"]
    assert [check[2] for check in commits(told)] == ["success", "success"]
    assert final_check(told).buttons == ()


def test_rows_from_before_specs_were_counted_are_not_told_again() -> None:
    told = told_of(
        upgrade(Phase.FAILED, REVISION, generation=0),
        upgrade(Phase.FAILED, LATER, generation=3, turn="v1"),
    )
    assert commits(told) == [("0", 0, "failure")]


def test_a_long_lived_object_that_has_been_well_for_long_is_history() -> None:
    rules = Rules(born=at(7_200), horizon=at(3_600))
    confirmed: dict[str, Any] = {"created": T0, "finished": at(9_000)}
    told = Told(rules)
    told.look(release_look(Phase.SUCCEEDED, occurrences=(DEPLOYED,), **confirmed))
    assert told.effects == []
    told = Told(rules)
    told.look(release_look(Phase.FAILED, occurrences=(INCIDENT,), **confirmed))
    assert told.types == ["incident.detected"]


# -- environments ---------------------------------------------------------------------------------

SICK = Occurrence(
    type="incident.detected", key="HealthCheckFailed/A", at=T0, artifact="pkg:generic/a@A"
)


def applied(
    phase: Phase, revision: str = "A", turn: str = "1", seconds: float = 0, **changes: Any
) -> Observation:
    """A look at a Kustomization that applies a revision."""
    modified = Occurrence(type="environment.modified", key=f"modified/{revision}", at=T0)
    return release_look(
        phase,
        revision,
        **{
            "type": SubjectType.ENVIRONMENT,
            "turn": turn,
            "created": T0,
            "finished": at(seconds) if phase.finished else None,
            "occurrences": (modified,) if phase is Phase.SUCCEEDED else (),
            **changes,
        },
    )


def test_intervals_without_a_change_tell_nothing() -> None:
    told = Told()
    told.look(applied(Phase.RUNNING))
    told.look(applied(Phase.SUCCEEDED, seconds=10))
    before = list(told.effects)
    for interval in range(1, 5):
        assert told.look(applied(Phase.RUNNING, started=at(interval * 600))) is NOTHING
        assert told.look(applied(Phase.SUCCEEDED, seconds=interval * 600 + 10)) is NOTHING
    assert told.effects == before
    assert told.types == ["environment.modified"]


def test_a_failure_that_is_tried_again_and_again_is_told_once() -> None:
    told = Told()
    for retry in range(4):
        told.look(applied(Phase.RUNNING, started=at(retry * 60)))
        message = f"health check failed after {30 + retry}.01s: shop is not ready"
        told.look(applied(Phase.FAILED, seconds=retry * 60, occurrences=(SICK,), message=message))
    assert told.types == ["incident.detected"]
    assert [check[2] for check in commits(told)] == ["in_progress", "failure"]


def test_another_cause_of_the_same_failure_is_shown() -> None:
    told = told_of(
        applied(Phase.FAILED, occurrences=(SICK,), message="shop is not ready"),
        applied(Phase.FAILED, occurrences=(SICK,), message="cart is not ready", seconds=60),
    )
    assert "cart is not ready" in final_check(told).summary
    assert told.types == ["incident.detected"]


def test_what_fails_recovers_and_fails_again_is_two_incidents() -> None:
    told = Told()
    for turn in range(2):
        told.look(applied(Phase.FAILED, occurrences=(SICK,), seconds=turn * 60))
        told.look(applied(Phase.SUCCEEDED, seconds=turn * 60 + 30))
    assert told.types == [
        "incident.detected",
        "environment.modified",
        "incident.resolved",
        "incident.detected",
        "incident.resolved",
    ]
    assert len({event.id for event in told.events}) == 5
    first, second = told.events[0].subject_id, told.events[3].subject_id
    assert first == told.events[2].subject_id != second == told.events[4].subject_id
    assert {check[1] for check in commits(told)} == {0}


def test_an_older_revision_that_is_applied_again_modifies_the_environment_again() -> None:
    told = told_of(*(applied(Phase.SUCCEEDED, revision) for revision in "ABABA"))
    assert told.types == ["environment.modified"] * 5
    assert len({event.id for event in told.events}) == 5
    assert [effect.attempt for effect in told.checks] == [0, 0, 1, 1, 2]


def test_another_spec_for_the_same_revision_is_another_run() -> None:
    told = told_of(applied(Phase.SUCCEEDED), applied(Phase.SUCCEEDED, turn="2"))
    assert told.types == ["environment.modified"] * 2
    assert [effect.attempt for effect in told.checks] == [0, 1]


def test_a_kustomization_that_vanished_removes_no_service() -> None:
    told = told_of(applied(Phase.SUCCEEDED))
    told.keep(vanished(next(iter(told.rows.values())), at=at(99), rules=RULES))
    assert told.types == ["environment.modified"]
    assert not next(iter(told.rows.values())).open


# -- answers --------------------------------------------------------------------------------------


def test_an_answer_is_shown_on_the_check_at_once_and_stays() -> None:
    told = Told()
    told.look(run_look(Phase.RUNNING))
    row = next(iter(told.rows.values()))
    told.keep(noticed(row, Notice(at=at(5), text="**bob**: cannot cancel this."), rules=RULES))
    assert "**bob**: cannot cancel this." in final_check(told).summary
    assert not told.checks[-1].progress
    told.look(run_look(Phase.SUCCEEDED))
    assert "**bob**" in final_check(told).summary


def test_the_same_answer_twice_is_shown_once() -> None:
    told = Told()
    told.look(run_look(Phase.RUNNING))
    notice = Notice(at=at(5), text="done")
    told.keep(noticed(next(iter(told.rows.values())), notice, rules=RULES))
    assert noticed(next(iter(told.rows.values())), notice, rules=RULES) is NOTHING


def test_the_chain_of_a_run_is_one_even_if_its_commit_is_known_late() -> None:
    told = Told()
    told.look(run_look(Phase.RUNNING, revision=None))
    told.look(run_look(Phase.SUCCEEDED))
    assert len({event.chain for event in told.events}) == 1


def test_old_rows_do_not_grow_without_end() -> None:
    told = Told()
    for number in range(120):
        occurrence = replace(UPGRADED, key=f"v{number}", at=T0 + timedelta(seconds=number))
        told.look(release_look(Phase.SUCCEEDED, occurrences=(occurrence,)))
    assert len(told.types) == 120
    assert len(next(iter(told.rows.values())).occurrences) <= 50


# --- what sinks other than checks need ------------------------------------------------------------


def test_a_state_says_which_pull_request_it_is_about_and_what_the_phase_is() -> None:
    told = Told()
    told.look(run_look(Phase.ERRORED, revision=replace(REVISION, pull_request=7)))
    (check,) = told.checks
    assert (check.phase, check.pull_request, check.deployed) == (Phase.ERRORED, 7, None)


def test_only_what_lives_on_deploys_and_its_annotation_or_its_place_says_where() -> None:
    url = "https://dev.example.com"
    for named, expected in (("", "default/dev"), ("staging", "staging")):
        told = Told()
        told.look(release_look(Phase.RUNNING, environment=named, environment_url=url))
        assert told.checks[0].deployed == Deployed(environment=expected, url=url)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED])
def test_that_a_deployed_object_is_gone_is_told_even_where_its_check_stays(phase: Phase) -> None:
    told = Told()
    told.look(release_look(phase, verbs=()))
    told.look(release_look(phase, verbs=()), gone=True)
    first, last = told.checks
    assert first.check == last.check
    assert [one.deployed.over for one in told.checks if one.deployed] == [False, True]
    told.look(release_look(phase, verbs=()), gone=True)
    assert len(told.checks) == 2, "once"


def test_that_a_run_is_gone_is_no_news_after_its_end() -> None:
    told = Told()
    told.look(run_look(Phase.SUCCEEDED))
    told.look(run_look(Phase.SUCCEEDED), gone=True)
    assert len(told.checks) == 1


# -- what ran well before, and what is held --------------------------------------------------------


def released(version: str, phase: Phase = Phase.SUCCEEDED, previous: Seen | None = None) -> Seen:
    """The row of HelmRelease `shop` in a version, after another one."""
    return tell(None, release_look(phase, version), previous=previous).seen[-1]


def test_a_release_knows_the_version_that_ran_well_before_it() -> None:
    first = released("1.0.0")
    assert not first.earlier
    second = released("1.1.0", Phase.FAILED, first)
    assert second.earlier == "1.0.0"
    third = released("1.2.0", previous=second)
    assert third.earlier == "1.0.0"
    assert released("1.3.0", previous=third).earlier == "1.2.0"


def test_rolled_back_it_does_not_lead_back_to_itself() -> None:
    first = released("1.0.0")
    second = released("1.1.0", Phase.FAILED, first)
    closed = replace(first, closed=True)
    (*_, again) = tell(closed, release_look(Phase.SUCCEEDED, "1.0.0"), previous=second).seen
    assert again.look.subject == first.look.subject
    assert not again.earlier


def test_what_is_held_stays_so_for_the_next_version_and_votes_do_not() -> None:
    first = released("1.0.0")
    held = replace(first, gate=Gate(environment="staging", held="ann", votes=1, needed=2))
    assert released("1.1.0", previous=held).gate == Gate(environment="staging", held="ann")
    voted = replace(first, gate=Gate(environment="staging", votes=1, needed=2))
    assert released("1.1.0", previous=voted).gate is None
