"""CDEvents: valid by the official schemas of 0.5.1 and 0.4.1, deterministic ids, one chain, links.

When an event is owed is `decide`'s matter; how it is sent is the sink's.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from ghapp.core import cdevents
from ghapp.core.cdevents import chain_id, milestone_event, occurrence_event, render
from ghapp.core.effects import EmitEvent
from ghapp.core.model import Milestone, Observation, Occurrence, Phase, SubjectType
from tests.core.builders import T0, at, release_look, run_look

SCHEMAS = Path(__file__).parents[3] / "shared" / "data" / "cdevents"
VERSIONS = ("0.5.1", "0.4.1")
needs_schemas = pytest.mark.skipif(
    not SCHEMAS.is_dir(), reason="the official CDEvents schemas are not at hand"
)


@cache
def validators(version: str = cdevents.SPEC_VERSION) -> dict[str, Any]:
    """A validator for each event type of a version, by `context.type`."""
    files = sorted((SCHEMAS / version / "schemas").rglob("*.json"))
    schemas = [json.loads(path.read_text()) for path in files]
    registry: Any = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    found = {}
    for schema in schemas:
        context = schema.get("properties", {}).get("context", {}).get("properties", {})
        for name in context.get("type", {}).get("enum", ()):
            found[name] = _validator(schema, registry)
    custom = _validator(
        json.loads((SCHEMAS / version / "custom" / "schema.json").read_text()), registry
    )
    return {**found, **{cdevents.full_type(name): custom for name in cdevents.CUSTOM}}


def _validator(schema: Any, registry: Any) -> Draft202012Validator:
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, registry=registry, format_checker=checker)


def everything() -> list[EmitEvent]:
    """Each event that can be owed, in each shape."""
    events = []
    for kind in (SubjectType.PIPELINERUN, SubjectType.TASKRUN):
        for phase in Phase:
            look = run_look(phase, type=kind, rerun_of="0ld")
            found = (
                milestone_event(look, milestone, "chain") for milestone in cdevents.milestones(look)
            )
            events += [event for event in found if event]
    for name in (
        "service.deployed",
        "service.upgraded",
        "service.rolledback",
        "service.removed",
        "incident.detected",
        "incident.resolved",
    ):
        occurrence = Occurrence(type=name, key="v1", at=T0, artifact="pkg:helm/shop@1.1.0")
        look = release_look(Phase.FAILED, revision=None)
        events.append(occurrence_event(look, occurrence, "chain", "v1"))
    for outcome in (Phase.SUCCEEDED, Phase.FAILED):
        events.append(occurrence_event(release_look(outcome), suite(outcome), "chain", ""))
    for name in ("environment.modified", "incident.detected", "incident.resolved"):
        occurrence = Occurrence(type=name, key="A", at=T0, artifact="pkg:generic/apps@A")
        events.append(occurrence_event(environment_look(), occurrence, "chain", "A"))
    for name in cdevents.CUSTOM:
        drifted = Occurrence(type=name, key="T", at=T0, artifact="pkg:helm/shop@1.1.0")
        events.append(occurrence_event(release_look(Phase.SUCCEEDED), drifted, "chain", ""))
    return events


def suite(outcome: Phase) -> Occurrence:
    """Helm tests that ran."""
    return Occurrence(
        type="testsuiterun.finished",
        key="v2/tests",
        at=T0,
        subject="shop.v2/helm-test",
        outcome=outcome,
        description="2 test hooks completed",
    )


def environment_look(**changes: Any) -> Observation:
    """A Kustomization in namespace dev."""
    return release_look(Phase.FAILED, type=SubjectType.ENVIRONMENT, **changes)


@needs_schemas
@pytest.mark.parametrize("version", VERSIONS)
def test_every_event_satisfies_its_official_schema(version: str) -> None:
    for event in everything():
        rendered = render(event, version)
        errors = list(validators(version)[rendered["context"]["type"]].iter_errors(rendered))
        assert errors == [], rendered


@needs_schemas
@pytest.mark.parametrize(
    ("version", "types"), [("0.5.1", cdevents.TYPES), ("0.4.1", cdevents.OLDER_TYPES)]
)
def test_the_types_are_those_of_the_specification(version: str, types: dict[str, str]) -> None:
    known = set(validators(version))
    assert {f"dev.cdevents.{name}.{number}" for name, number in types.items()} <= known


def test_an_older_version_says_the_same_in_its_own_words() -> None:
    for event in everything():
        new, old = render(event), render(event, "0.4.1")
        same = ("id", "source", "timestamp", "chainId", "links")
        assert [old["context"].get(name) for name in same] == [
            new["context"].get(name) for name in same
        ]
        assert old["subject"]["id"] == new["subject"]["id"]
        assert old.get("customData") == new.get("customData")
        assert cdevents.knows(event.type, "0.4.1")
    assert render(everything()[0]) == render(everything()[0]), "rendering changes no effect"


def test_our_own_types_are_named_as_the_specification_wants() -> None:
    assert [cdevents.full_type(name) for name in cdevents.CUSTOM] == [
        "dev.cdeventsx.flux-helmrelease.drifted.0.1.0",
        "dev.cdeventsx.flux-helmrelease.corrected.0.1.0",
    ]


def test_an_id_tells_apart_clusters_runs_types_and_turns_and_nothing_else() -> None:
    look = run_look(Phase.RUNNING)
    same = run_look(Phase.FAILED, message="later, and told otherwise")
    assert cdevents.event_id(look, "x") == cdevents.event_id(same, "x")
    assert cdevents.event_id(look, "x") != cdevents.event_id(look, "y")
    assert cdevents.event_id(look, "x") != cdevents.event_id(look, "x", "v2")


def test_a_build_and_the_deployment_of_its_commit_share_a_chain() -> None:
    assert chain_id(run_look()) == chain_id(release_look())


def test_without_a_commit_the_trigger_or_the_run_is_the_chain() -> None:
    assert chain_id(run_look(revision=None, chain="event-7")) == "event-7"
    assert chain_id(run_look(revision=None)) == run_look().subject.uid


def test_each_event_of_a_run_links_to_the_one_before() -> None:
    look = run_look(Phase.SUCCEEDED)
    events = [milestone_event(look, milestone, "c") for milestone in Milestone]
    links = [event.links for event in events if event]
    ids = [event.id for event in events if event]
    assert links[0] == ()
    assert [link[0].event_id for link in links[1:]] == ids[:-1]


def test_a_copy_names_the_end_of_the_run_that_it_repeats() -> None:
    original = run_look(Phase.FAILED)
    copy = run_look(Phase.QUEUED, rerun_of=original.subject.uid)
    first = milestone_event(copy, Milestone.QUEUED, "c")
    assert first
    assert first.links[0].event_id == cdevents.event_id(original, "pipelinerun.finished")


def test_an_unknown_specification_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.9\.9"):
        render(everything()[0], "0.9.9")


def test_the_subject_of_an_event_is_what_it_happened_to() -> None:
    def subject(look: Observation, occurrence: Occurrence) -> str:
        return occurrence_event(look, occurrence, "c", "k").subject_id

    modified = Occurrence(type="environment.modified", key="A", at=T0)
    detected = Occurrence(type="incident.detected", key="k", at=T0)
    assert subject(environment_look(), modified) == "default/dev"
    assert subject(environment_look(environment="staging"), modified) == "staging"
    assert subject(environment_look(), detected).endswith("/incident/k")
    assert subject(release_look(), suite(Phase.FAILED)) == "dev/shop.v2/helm-test"
    upgraded = Occurrence(type="service.upgraded", key="v2", at=T0)
    assert subject(release_look(), upgraded) == "dev/shop"


def test_tests_of_a_chart_have_an_outcome_and_a_suite() -> None:
    content = occurrence_event(release_look(), suite(Phase.FAILED), "c", "").content
    assert (content["outcome"], content["testSuite"]) == ("failure", {"id": "helm-test"})
    assert content["reason"] == "2 test hooks completed"


def test_an_incident_of_an_environment_blames_no_service() -> None:
    detected = Occurrence(type="incident.detected", key="k", at=T0, artifact="pkg:generic/a@A")
    assert "service" not in occurrence_event(environment_look(), detected, "c", "k").content
    assert "service" in occurrence_event(release_look(), detected, "c", "k").content


def test_no_run_ends_before_it_begins_nor_begins_before_it_was_made() -> None:
    look = run_look(Phase.FAILED, created=at(60), started=at(30), finished=T0)
    events = [milestone_event(look, milestone, "c") for milestone in Milestone]
    assert [event.at for event in events if event] == [at(60)] * 3


def test_no_event_tells_a_password_or_all_of_a_long_message() -> None:
    message = "cannot clone https://bot:s3cret@github.com/acme/shop: " + "x" * 5_000
    failed = run_look(Phase.FAILED, message=message)
    told = milestone_event(failed, Milestone.FINISHED, "c")
    detected = Occurrence(type="incident.detected", key="k", at=T0, description=message)
    for event in (told, occurrence_event(release_look(), detected, "c", "k")):
        assert event
        text = json.dumps(render(event))
        assert "s3cret" not in text
        assert "https://github.com/acme/shop" in text
        assert len(text) < 4_000
