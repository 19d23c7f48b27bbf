"""Adapters over streams that real controllers wrote: every look, the last look, missed looks.

Tables of reasons are in the tests of each adapter; what is done about a look is tests/core.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ghapp.core.model import Observation
from tests.adapters import recorded
from tests.adapters.flux_streams import FLUX
from tests.adapters.recorded import IDS, STREAMS, Event, World

GOLDEN = Path(__file__).parent / "golden"
SMALL = [path for path in STREAMS if path.stem != "large-30-tasks"]


@pytest.mark.parametrize("name", [*IDS, *FLUX])
def test_the_last_look_is_the_golden_one(name: str) -> None:
    events = FLUX[name].events if name in FLUX else recorded.events(STREAMS[IDS.index(name)])
    looks = recorded.replay(events).values()
    text = json.dumps(msgspec.to_builtins(list(looks)), indent=1, sort_keys=True) + "\n"
    golden = GOLDEN / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "if this is meant: GOLDEN=write"


def test_no_golden_case_is_left_behind() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*IDS, *FLUX}


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_a_finished_run_stays_as_it_finished(path: Path) -> None:
    world, ended = World(), dict[str, Observation]()
    for event in recorded.events(path):
        world.apply(event)
        for uid, look in world.looks().items():
            was = ended.get(uid)
            if was:
                assert _end(look) == _end(was)
            if look.phase.finished:
                ended[uid] = look


def _end(look: Observation) -> tuple[Any, ...]:
    """Not its times: Tekton's controller writes some ends twice, a second apart."""
    return (look.phase, look.conclusion, look.reason, look.started is None)


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_every_look_makes_sense(path: Path) -> None:
    world = World()
    for event in recorded.events(path):
        world.apply(event)
        for look in world.looks().values():
            assert (look.finished is not None) == look.phase.finished
            assert look.finished is None or look.finished >= (look.started or look.created)
            assert look.started is None or look.started >= look.created
            assert look.phase.rank > 0 or look.started is None
            assert look.name
            assert msgspec.json.decode(msgspec.json.encode(look), type=Observation) == look


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_names_and_start_do_not_change_while_a_run_goes_on(path: Path) -> None:
    world, known = World(), dict[str, Observation]()
    for event in recorded.events(path):
        world.apply(event)
        for uid, look in world.looks().items():
            was = known.setdefault(uid, look)
            assert (look.name, look.check_name, look.subject) == (
                was.name,
                was.check_name,
                was.subject,
            )
            if look.started and was.started:
                assert abs((look.started - was.started).total_seconds()) <= 1
            known[uid] = look if look.started else was


@st.composite
def missed(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """A stream, and what of it arrived: never the last state of an object lost, some twice."""
    events = recorded.events(draw(st.sampled_from(SMALL)))
    last = {recorded.uid_of(event): at for at, event in enumerate(events)}
    times = draw(st.lists(st.integers(0, 2), min_size=len(events), max_size=len(events)))
    got = [
        event for at, event in enumerate(events) for _ in range(times[at] or (at in last.values()))
    ]
    return events, got


@given(missed())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_missed_and_repeated_events_end_in_the_same_looks(
    streams: tuple[list[Event], list[Event]],
) -> None:
    everything, got = streams
    assert recorded.replay(got) == recorded.replay(everything)


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_the_order_of_child_references_changes_nothing(path: Path) -> None:
    events = recorded.events(path)
    turned = [json.loads(json.dumps(event)) for event in events]
    for event in turned:
        references = event["object"].get("status", {}).get("childReferences")
        if references:
            references.reverse()
    assert recorded.replay(turned) == recorded.replay(events)


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_a_run_without_its_children_at_hand_still_tells_its_end(path: Path) -> None:
    full = recorded.replay(recorded.events(path))
    for event in recorded.events(path):
        if event["object"]["kind"] in recorded.ADAPTERS:
            alone = recorded.observe(event["object"], deleted=event["type"] == "DELETED")
            if alone and alone.phase.finished:
                assert _end(alone) == _end(full[recorded.uid_of(event)])


def test_thirty_tasks_come_in_the_order_of_the_pipeline() -> None:
    (path,) = (path for path in STREAMS if path.stem == "large-30-tasks")
    (look,) = recorded.replay(recorded.events(path)).values()
    run = next(one for one in recorded.objects() if one["metadata"]["name"] == look.subject.name)
    spec = run["status"]["pipelineSpec"]
    tasks = [task["name"] for task in (*spec["tasks"], *spec.get("finally", ()))]
    assert [step.name for step in look.steps] == tasks
