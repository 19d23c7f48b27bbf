"""What is owed after a look: milestones, checks, occurrences, supersession, answers.

Adapters (what a look is) and stores (what a row is) have tests of their own.
"""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core.decide import NOTHING, Decision, Rules, decide, noticed, vanished
from ghapp.core.effects import Check, Effect, EmitEvent, SetCheck
from ghapp.core.model import Conclusion, Milestone, Observation, Occurrence, Phase, Step
from ghapp.core.seen import Notice, Seen
from tests.core.builders import RULES, T0, at, release_look, run_look

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
        return self.keep(decide(before, look, previous=previous, gone=gone, rules=self.rules))

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
