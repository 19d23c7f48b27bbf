"""What is told of whole streams, from the first event to the last, by adapters and decisions.

However few events we got, however often, and wherever the process was restarted (what is known is
then what the store kept): the same final checks and the same CDEvents. Single looks are
test_streams' matter, single decisions tests/core/test_decide's.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ghapp.core.decide import Decision, Rules, decide
from ghapp.core.effects import EmitEvent, SetCheck
from ghapp.core.model import Conclusion, Observation
from ghapp.core.seen import Seen
from tests.adapters import recorded
from tests.adapters.flux_streams import FLUX
from tests.adapters.recorded import IDS, STREAMS, Event, World, uid_of
from tests.core.builders import EVERYBODY

STREAMS_BY_NAME: dict[str, Path] = dict(zip(IDS, STREAMS, strict=True))
NAMES = [name for name in IDS if not name.endswith("large-30-tasks")]
EVERYTHING = [*NAMES, *FLUX]
RULES = Rules(
    born=recorded.LONG_AGO,
    horizon=recorded.LONG_AGO,
)


CRDS = Path(__file__).parents[3] / "shared/data/crds/flux"
CLAIM = {
    "checkrail.dev/repository": "acme/shop",
    "checkrail.dev/commit": "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b",
}


def events_of(name: str) -> list[Event]:
    """The stream's events; what was recorded without a commit gets one, so that it has a check."""
    if name in FLUX:
        return list(FLUX[name].events)
    events = recorded.events(STREAMS_BY_NAME[name])
    for event in events:
        notes = event["object"]["metadata"].setdefault("annotations", {})
        notes |= CLAIM
    return events


@pytest.mark.parametrize("name", FLUX)
def test_our_streams_are_made_of_valid_objects(name: str) -> None:
    if not CRDS.is_dir():
        pytest.skip("Flux' CRDs (shared data) are not here")
    for event in FLUX[name].events:
        schema(event["object"]["apiVersion"], event["object"]["kind"]).validate(event["object"])


@cache
def schema(api_version: str, kind: str) -> jsonschema.Draft7Validator:
    """Of a kind of Flux'."""
    group = api_version.partition("/")[0]
    plural = "gitrepositories" if kind == "GitRepository" else f"{kind.lower()}s"
    (version,) = YAML(typ="safe").load(CRDS / f"{group}_{plural}.yaml")["spec"]["versions"]
    return jsonschema.Draft7Validator(version["schema"]["openAPIV3Schema"])


class Reporter:
    """Looks at all that is concerned after each event, and decides; may be restarted."""

    def __init__(self) -> None:
        self.world = World()
        self.rows: dict[str, Seen] = {}
        self.checks: dict[str, SetCheck] = {}
        self.ids: list[str] = []

    def apply(self, event: Event) -> None:
        self.world.apply(event)
        for uid, look in self.world.looks().items():
            self._keep(self._decide(look, gone=uid in self.world.deleted))

    def restart(self) -> None:
        """What is known is what the store kept, and a list of the objects as they are now."""
        self.rows = {
            key: msgspec.json.decode(msgspec.json.encode(row), type=Seen)
            for key, row in self.rows.items()
        }

    def _decide(self, look: Observation, *, gone: bool) -> Decision:
        before = self.rows.get(look.subject.key)
        previous = None
        if look.living and (before is None or before.closed):
            others = (
                row
                for key, row in reversed(self.rows.items())
                if row.look.subject.object_key == look.subject.object_key
                and key != look.subject.key
            )
            previous = next(others, None)
        return decide(before, look, previous=previous, gone=gone, audience=EVERYBODY, rules=RULES)

    def _keep(self, decision: Decision) -> None:
        for seen in decision.seen:
            self.rows.pop(seen.look.subject.key, None)
            self.rows[seen.look.subject.key] = seen
        for effect in decision.effects:
            if isinstance(effect, SetCheck):
                self.checks[effect.lane] = effect
            if isinstance(effect, EmitEvent):
                self.ids.append(effect.id)

    def told(self) -> tuple[Any, list[str]]:
        """The final check of each run, and every event, whatever the order of objects was."""
        return self._final_checks(), sorted(self.ids)

    def _final_checks(self) -> dict[tuple[str, str], Any]:
        """By run and commit: which attempt it was depends on how many were seen. A run that has
        no version yet is overtaken by its first attempt, if it was seen at all."""
        return {
            (effect.subject.key, effect.commit): (
                effect.check.status,
                effect.check.conclusion,
                effect.check.name,
                _title(effect.check.title),
            )
            for effect in self.checks.values()
            if not effect.subject.revision.startswith("generation-")
            or effect.check.conclusion is not Conclusion.NEUTRAL
        }


def _title(title: str) -> str:
    """Without how long it took, and without which step failed: Tekton writes some ends twice, a
    second apart, and a race in it makes a task that failed run again."""
    return title.partition(" in ")[0].partition(" after ")[0].partition(":")[0]


def report(events: Iterable[Event], *, restarts: frozenset[int] = frozenset()) -> Reporter:
    reporter = Reporter()
    for at, event in enumerate(events):
        if at in restarts:
            reporter.restart()
        reporter.apply(event)
    return reporter


@cache
def everything_told(name: str) -> tuple[Any, list[str]]:
    return report(events_of(name)).told()


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_event_is_told_twice(name: str) -> None:
    ids = everything_told(name)[1]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_prefix_followed_by_the_end_tells_the_same(name: str) -> None:
    events = events_of(name)
    last = {uid_of(event): at for at, event in enumerate(events)}
    passing = FLUX[name].passing if name in FLUX else None
    for cut in range(len(events)):
        rest = [
            event
            for at, event in enumerate(events)
            if at >= cut and (at in last.values() or (passing is not None and at not in passing))
        ]
        reporter = report([*events[:cut], *rest], restarts=frozenset({cut}))
        assert reporter.told() == everything_told(name), f"after {cut} events"


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_prefix_has_told_nothing_that_the_whole_does_not(name: str) -> None:
    reporter, known = Reporter(), set(everything_told(name)[1])
    for event in events_of(name):
        reporter.apply(event)
        assert set(reporter.ids) <= known


@st.composite
def mangled(draw: st.DrawFn) -> tuple[str, list[Event], frozenset[int]]:
    """A stream's name, what of it arrived, and before which events the process was restarted."""
    name = draw(st.sampled_from(EVERYTHING))
    events = events_of(name)
    last = {uid_of(event): at for at, event in enumerate(events)}
    needed = set(last.values())
    if name in FLUX:
        needed |= set(range(len(events))) - FLUX[name].passing
    times = draw(st.lists(st.integers(0, 2), min_size=len(events), max_size=len(events)))
    got = [event for at, event in enumerate(events) for _ in range(times[at] or (at in needed))]
    return name, got, frozenset(draw(st.sets(st.integers(0, len(got)), max_size=4)))


@given(mangled())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_missed_and_repeated_events_and_restarts_change_nothing_of_what_is_told(
    arrived: tuple[str, list[Event], frozenset[int]],
) -> None:
    name, got, restarts = arrived
    assert report(got, restarts=restarts).told() == everything_told(name)


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("helm-install", ["service.deployed"]),
        ("helm-upgrade-by-values", ["service.deployed", "service.upgraded"]),
        (
            "helm-failure-and-recovery",
            ["incident.detected", "service.upgraded", "incident.resolved"],
        ),
        ("helm-rollback", ["incident.detected", "service.rolledback"]),
        ("helm-tests-failed", ["service.upgraded", "testsuiterun.finished"]),
        ("helm-uninstalled", ["service.deployed", "service.removed"]),
        ("helm-drift", ["service.deployed"]),
        ("kustomization-intervals", ["environment.modified"]),
        ("kustomization-next-revision", ["environment.modified", "environment.modified"]),
        (
            "kustomization-failure-and-recovery",
            ["incident.detected", "environment.modified", "incident.resolved"],
        ),
    ],
)
def test_flux_streams_tell_what_became_of_service_and_environment(
    name: str, types: list[str]
) -> None:
    reporter, found = Reporter(), []
    for event in events_of(name):
        reporter.world.apply(event)
        for uid, look in reporter.world.looks().items():
            decision = reporter._decide(look, gone=uid in reporter.world.deleted)
            reporter._keep(decision)
            found += [
                effect.type
                for effect in decision.effects
                if isinstance(effect, EmitEvent) and effect.subject.name in {"podinfo", "apps"}
                if (effect.subject.kind == "HelmRelease") == name.startswith("helm")
            ]
    assert found == types


@pytest.mark.parametrize(
    ("name", "conclusions"),
    [
        ("helm-upgrade-by-values", {"8": "success", "84": "success"}),
        ("helm-commits-that-change-nothing", {"8f": "success"}),
    ],
)
def test_a_release_has_a_check_on_each_commit_that_ran_it_and_on_no_other(
    name: str, conclusions: dict[str, str]
) -> None:
    checks = everything_told(name)[0]
    found = {commit: check[1] for (key, commit), check in checks.items() if "HelmRelease" in key}
    assert sorted(found.values()) == sorted(conclusions.values())
    assert all(any(commit.startswith(start) for commit in found) for start in conclusions)
