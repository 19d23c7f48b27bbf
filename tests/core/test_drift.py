"""Drift of a release: told to who asks, each once, its end after its beginning, never too late.

What a drifted release looks like is tests/adapters/test_flux_helmrelease; the events are valid by
tests/core/test_cdevents.
"""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import drift
from ghapp.core.audience import Audience, Presentation
from ghapp.core.decide import NOTHING, decide
from ghapp.core.effects import EmitEvent
from ghapp.core.model import Observation, Occurrence, Phase
from ghapp.core.seen import Seen
from tests.core.builders import EVERYBODY, RULES, T0, at, release_look

ASKED = replace(EVERYBODY, presentation=Presentation(drift=True))
DEPLOYED = Occurrence(type="service.deployed", key="v1/deployed", at=T0, artifact="pkg:helm/shop@1")
FAILED = Occurrence(type="incident.detected", key="UpgradeFailed/v2", at=at(50), artifact="pkg:x")


def turn(number: int) -> Occurrence:
    """Drifted when even, put right when odd."""
    type_ = drift.CORRECTED if number % 2 else drift.DRIFTED
    return Occurrence(type=type_, key=drift.key(type_, f"t{number}"), at=at(number))


class Story:
    """A release, look after look, and what was told of it."""

    def __init__(self) -> None:
        self.row: Seen | None = None
        self.events: list[EmitEvent] = []

    def look(
        self,
        *numbers: int,
        audience: Audience = ASKED,
        phase: Phase = Phase.SUCCEEDED,
        more: tuple[Occurrence, ...] = (DEPLOYED,),
    ) -> None:
        found = (*more, *(turn(number) for number in numbers))
        self.see(release_look(phase, occurrences=found, revision=None), audience)

    def see(self, look: Observation, audience: Audience) -> None:
        decision = decide(self.row, look, audience=audience, rules=RULES)
        self.row = decision.seen[-1] if decision.seen else self.row
        self.events += [one for one in decision.effects if isinstance(one, EmitEvent)]

    @property
    def told(self) -> list[str]:
        return [event.type.partition(".")[2] for event in self.events]


def test_a_drift_and_its_end_are_told_once_each_to_who_asked() -> None:
    story = Story()
    for number in (0, 0, 1, 1, 2, 3, 3):
        story.look(number)
    assert story.told == ["deployed", "drifted", "corrected", "drifted", "corrected"]
    assert len({event.id for event in story.events}) == 5
    assert {event.to for event in story.events} == {("github-check", "cdevents")}
    assert story.events[1].content["description"] == ""
    assert story.events[1].subject_id == story.events[0].subject_id == "dev/shop"


def test_its_id_is_the_same_after_a_lost_store() -> None:
    first, second = Story(), Story()
    for story in (first, second):
        story.look(0)
    assert [event.id for event in first.events] == [event.id for event in second.events]


def test_nobody_is_told_who_did_not_ask() -> None:
    story = Story()
    for number in range(4):
        story.look(number, audience=EVERYBODY)
    assert story.told == ["deployed"]


def test_what_happened_before_somebody_asked_is_not_told_afterwards() -> None:
    story = Story()
    story.look(0, audience=EVERYBODY)
    story.look(0)
    story.look(1)
    assert story.told == ["deployed"]
    story.look(2)
    story.look(3)
    assert story.told == ["deployed", "drifted", "corrected"]


def test_an_end_that_nobody_asked_for_is_not_told_afterwards() -> None:
    story = Story()
    story.look(0)
    story.look(1, audience=EVERYBODY)
    story.look(1)
    assert story.told == ["deployed", "drifted"]


def test_an_end_that_is_seen_when_somebody_asks_again_is_told() -> None:
    story = Story()
    story.look(0)
    story.look(0, audience=EVERYBODY)
    story.look(1)
    assert story.told == ["deployed", "drifted", "corrected"]


def test_who_never_drifted_was_never_put_right_and_costs_no_commit() -> None:
    story = Story()
    story.look(1)
    row = story.row
    story.look(3)
    assert story.told == ["deployed"]
    assert story.row is row


def test_a_drift_of_long_ago_is_history_and_so_is_its_end() -> None:
    old = release_look(Phase.SUCCEEDED, created=at(-1_000_000), occurrences=(turn(0),))
    story = Story()
    story.see(old, ASKED)
    story.see(replace(old, occurrences=(turn(1),)), ASKED)
    assert story.events == []


def test_drift_neither_opens_nor_ends_an_incident_nor_names_its_artifact() -> None:
    story = Story()
    story.look(0, phase=Phase.FAILED, more=(FAILED,))
    assert story.told == ["detected", "drifted"]
    assert story.row is not None
    assert story.row.incident == FAILED.key
    story.look(1)
    assert story.told == ["detected", "drifted", "deployed", "resolved", "corrected"]
    assert story.events[3].content["artifactId"] == DEPLOYED.artifact


def test_drift_all_day_crowds_out_nothing_of_what_was_told() -> None:
    story = Story()
    for audience in (ASKED, EVERYBODY):
        for number in range(400):
            story.look(number, audience=audience)
    assert story.told.count("deployed") == 1
    assert story.row is not None
    assert len(story.row.occurrences) == 3


def test_a_drift_that_lasts_for_many_upgrades_is_told_once() -> None:
    story = Story()
    for number in range(120):
        upgraded = replace(DEPLOYED, key=f"v{number}/deployed")
        story.look(0, more=(upgraded,))
    assert story.told.count("drifted") == 1


def test_back_at_a_revision_the_drift_that_was_told_at_another_is_known() -> None:
    first, second = (release_look(Phase.SUCCEEDED, version) for version in ("1.0.0", "2.0.0"))
    rows: dict[str, Seen] = {}
    events: list[str] = []
    for look in (first, second, first):
        drifted = replace(look, occurrences=(turn(0),) if rows else ())
        before = rows.get(look.subject.key)
        others = [row for key, row in rows.items() if key != look.subject.key]
        previous = others[-1] if others and (before is None or before.closed) else None
        decision = decide(before, drifted, previous=previous, audience=ASKED, rules=RULES)
        rows |= {row.look.subject.key: row for row in decision.seen}
        events += [one.type for one in decision.effects if isinstance(one, EmitEvent)]
    assert events == [drift.DRIFTED]


def test_what_was_seen_already_changes_nothing() -> None:
    look = release_look(Phase.SUCCEEDED, revision=None, occurrences=(DEPLOYED, turn(0)))
    for audience in (ASKED, EVERYBODY):
        row = decide(None, look, audience=audience, rules=RULES).seen[-1]
        assert decide(row, look, audience=audience, rules=RULES) is NOTHING


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=30))
def test_however_often_it_is_looked_at_and_asked_for_ends_follow_beginnings(
    looks: list[tuple[int, bool]],
) -> None:
    story = Story()
    for number, asked in sorted(looks, key=lambda one: one[0]):
        story.look(number, audience=ASKED if asked else EVERYBODY)
    drifts = [event for event in story.events if event.type in drift.TYPES]
    assert len({event.id for event in drifts}) == len(drifts)
    types = [event.type for event in drifts]
    pairs = zip(["", *types], types, strict=False)
    assert all(before == drift.DRIFTED for before, now in pairs if now == drift.CORRECTED)
