"""The CRDs: what an API server takes and refuses, in the same words as `checkrail validate`.

The Kubernetes stand-in asks their rules in CEL; tests/demo/test_kube_conformance.py does the same
with any API server. What is applied to a cluster beside them is in test_manifests.py.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import jsonschema
import kubernetes_validate
import msgspec
import pytest

from ghapp.core.model import Value
from ghapp.demo.kube import KubeApi, StatusError
from ghapp.documents import config, crds, meanings
from ghapp.documents.kinds import kinds
from ghapp.documents.validations import Validation
from ghapp.engine import statuses
from ghapp.engine.configuration import Document
from ghapp.engine.providers import Place, Tally
from ghapp.errors import ConfigError
from ghapp.ports import Backlog
from tests import examples
from tests.examples import RIGHT, WRONG, Json, Wrong, document

KUBERNETES = "1.34"
"""Nothing that the CRDs use is newer than this release."""

CRDS = {crd["spec"]["names"]["kind"]: crd for crd in crds.manifests()}


def schema_of(kind: str) -> Json:
    """What the API server holds a document against."""
    (version,) = CRDS[kind]["spec"]["versions"]
    schema: Json = version["schema"]["openAPIV3Schema"]
    return schema


def parts(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """A schema and all that are in it, with the way to each."""
    yield path, schema
    for name, one in schema.get("properties", {}).items():
        yield from parts(one, f"{path}.{name}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from parts(schema[word], f"{path}[]")


# --- their form ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CRDS)
def test_an_api_server_takes_the_definition(kind: str) -> None:
    kubernetes_validate.validate(CRDS[kind], KUBERNETES, strict=True)
    assert CRDS[kind]["spec"]["names"]["categories"] == ["checkrail"]


def test_every_kind_that_is_read_has_one() -> None:
    assert CRDS.keys() == kinds().keys()


WORDS = {
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-validations",
}


@pytest.mark.parametrize("kind", CRDS)
def test_a_schema_is_structural(kind: str) -> None:
    """Every value has a type, and nothing is said in words that Kubernetes forbids there."""
    for path, part in parts(schema_of(kind)):
        assert "type" in part, path
        assert part.keys() <= WORDS, path
        assert not {"properties", "additionalProperties"} <= part.keys(), path
        assert set(part.get("required", ())) <= part.get("properties", {}).keys(), path


@pytest.mark.parametrize("kind", CRDS)
def test_every_field_says_what_it_means(kind: str) -> None:
    for path, part in parts(schema_of(kind)):
        silent = [name for name, one in part.get("properties", {}).items() if not said(one)]
        assert silent == ([] if path else ["metadata"]), f"write a sentence beneath {path}"


def said(part: Json) -> str:
    """What a field means; empty: nobody said it."""
    return str(part.get("description", ""))


BOUNDS = {"array": "maxItems", "string": "maxLength", "integer": "maximum"}


@pytest.mark.parametrize("kind", CRDS)
def test_everything_that_people_write_is_bounded(kind: str) -> None:
    """Rules cost by the worst case; without bounds the API server refuses the definition."""
    for path, part in parts(schema_of(kind)["properties"]["spec"]):
        assert "enum" in part or BOUNDS.get(part["type"], "type") in part, path
        assert "additionalProperties" not in part or "maxProperties" in part, path


@pytest.mark.parametrize("kind", CRDS)
def test_a_default_says_only_that_nothing_is_asked_for(kind: str) -> None:
    defaults = [part["default"] for _, part in parts(schema_of(kind)) if "default" in part]
    assert not any(defaults)


def test_other_defaults_are_said_not_written() -> None:
    fields = schema_of("Provider")["properties"]["spec"]["properties"]
    assert fields["suspend"]["default"] is False
    mode = fields["cdevents"]["properties"]["mode"]
    assert "default" not in mode
    assert mode["description"].endswith("(Default: binary.)")


def test_a_field_that_was_made_while_running_has_the_meaning_of_what_it_is() -> None:
    class Written(Value, frozen=True, kw_only=True):
        """Written down."""

        field: str = ""
        """Of ``this``
        sentence."""
        silent: str = ""

    made = msgspec.defstruct("Made", [("more", int)], bases=(Written,))
    assert meanings.of(made) == {"field": "Of `this` sentence."}
    assert meanings.summary(Written) == "Written down."


@pytest.mark.parametrize("kind", CRDS)
def test_the_columns_show_what_there_is(kind: str) -> None:
    known = {path for path, _ in parts(schema_of(kind))}
    columns = CRDS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]
    for column in columns:
        path = column["jsonPath"].replace('[?(@.type=="Ready")]', "[]").replace("[0]", "[]")
        assert path in known or path == ".metadata.creationTimestamp"
    assert {"Ready", "Status", "Age"} <= {one["name"] for one in columns if "priority" not in one}


# --- what they take and refuse --------------------------------------------------------------------


@pytest.fixture(scope="module")
def api() -> KubeApi:
    """A cluster in which they are installed."""
    return KubeApi(crds=CRDS.values())


@pytest.mark.parametrize("name", examples.FILES)
def test_an_example_is_right_for_all_who_read_it(name: str) -> None:
    found = config.load(examples.FOLDER / name)
    assert len(found.declared) == len(examples.documents(name))
    api = KubeApi(crds=CRDS.values())
    for one in examples.documents(name):
        jsonschema.Draft202012Validator(schema_of(one["kind"])).validate(one)
        config.read_object(api.create(one))  # what the API server adds is read, too


def test_the_examples_show_every_kind() -> None:
    assert {one["kind"] for one in examples.everything()} == CRDS.keys()


def test_every_example_says_what_it_is_for() -> None:
    for name in examples.FILES:
        assert (examples.FOLDER / name).read_text().startswith("# ")


@pytest.mark.parametrize(("kind", "spec"), RIGHT)
def test_what_is_right_is_taken(kind: str, spec: Json) -> None:
    KubeApi(crds=[CRDS[kind]]).create(document(kind, spec))
    config.read_object(document(kind, spec))


def named(wrong: Wrong) -> str:
    return f"{wrong.kind} {wrong.field} {wrong.said[:20]}"


@pytest.mark.parametrize("wrong", WRONG, ids=named)
def test_what_a_rule_forbids_is_refused_with_its_field_and_what_to_do(
    api: KubeApi, wrong: Wrong
) -> None:
    with pytest.raises(StatusError) as caught:
        api.create(document(wrong.kind, wrong.spec))
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.details is not None
    (cause,) = caught.value.details["causes"]
    assert cause["field"] == wrong.field
    assert cause["message"].startswith(("Invalid value: ", "Required value: ", "Forbidden: "))


@pytest.mark.parametrize("wrong", WRONG, ids=named)
def test_files_are_held_to_the_same_rules(wrong: Wrong) -> None:
    with pytest.raises(ConfigError) as caught:
        config.read_object(document(wrong.kind, wrong.spec))
    (mistake,) = caught.value.mistakes
    assert wrong.said in mistake


def rules() -> list[tuple[str, Validation]]:
    """Every rule, with its kind."""
    return [(kind.name, rule) for kind in kinds().values() for rule in kind.validations]


@pytest.mark.parametrize(("kind", "rule"), rules(), ids=lambda one: getattr(one, "at", one))
def test_every_rule_is_broken_by_a_test(api: KubeApi, kind: str, rule: Validation) -> None:
    said = []
    for wrong in WRONG:
        if wrong.kind == kind:
            with pytest.raises(StatusError) as caught:
                api.create(document(kind, wrong.spec))
            said.append(caught.value.message)
    assert any(rule.message in one for one in said), rule.message


def test_a_rule_about_a_part_that_there_is_not_would_be_seen() -> None:
    for kind in kinds().values():
        known = {path.removeprefix(".") for path, _ in parts(schema_of(kind.name))}
        for rule in kind.validations:
            assert rule.at in known
            assert f"{rule.at}{rule.field}" in known


# --- statuses -------------------------------------------------------------------------------------

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def status(kind: str, place: Place | None = None) -> dict[str, Any]:
    """As `engine.statuses` writes it."""
    seen = Document(
        kind=kinds()[kind], namespace="apps", name="x", uid="u", generation=3, declared=None
    )
    found = [statuses.not_ready("CannotDeliver", "there is no Secret apps/x"), TRUSTED]
    counts = statuses.counts_of(place, BACKLOG, "p")
    return statuses.status_of(seen, found, now=NOW, counts=counts)


BACKLOG = Backlog(pending={"p": 2}, parked={}, deliveries=0, oldest=None)
TRUSTED = statuses.Condition(type="Trusted", true=False, reason="Denied", message="no policy")


@pytest.mark.parametrize(("kind", "spec"), {kind: (kind, spec) for kind, spec in RIGHT}.values())
def test_the_status_that_is_written_is_one_that_the_schema_takes(kind: str, spec: Json) -> None:
    api = KubeApi(crds=[CRDS[kind]])
    made = document(kind, spec)
    place = None
    if kinds()[kind].status.__name__ == "ProviderStatus":
        provider = config.read_object(made)
        tally = Tally(delivered=1, last_success=NOW, last_failure=NOW, failure="503")
        place = Place(provider=provider, tally=tally)  # type: ignore[arg-type]
    api.create(made)
    namespace = made["metadata"].get("namespace", "")
    wanted = status(kind, place)
    stored = api.patch(kind, namespace, "x", {"status": wanted}, subresource="status")
    assert stored["status"] == wanted, "nothing was pruned"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"delivered": -1}, "status.delivered"),
        ({"lastSuccess": "yesterday"}, "status.lastSuccess in body should be of type date-time"),
        ({"conditions": [{"type": "Ready"}]}, "status.conditions[0].status: Required value"),
    ],
)
def test_a_status_that_means_nothing_is_refused(change: Json, said: str) -> None:
    api = KubeApi(crds=[CRDS["Provider"]])
    api.create(document("Provider", {"type": "github"}))
    with pytest.raises(StatusError) as caught:
        api.patch("providers", "apps", "x", {"status": change}, subresource="status")
    assert said in caught.value.message


def test_a_condition_is_there_once() -> None:
    api = KubeApi(crds=[CRDS["Provider"]])
    api.create(document("Provider", {"type": "github"}))
    (ready, _) = status("Provider")["conditions"]
    twice = {"status": {"conditions": [ready, ready]}}
    with pytest.raises(StatusError, match=r'conditions\[1\]: Duplicate value: {"type": "Ready"}'):
        api.patch("providers", "apps", "x", twice, subresource="status")
