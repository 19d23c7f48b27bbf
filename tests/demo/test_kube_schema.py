"""Structural schemas, printer columns and ages, as pure functions; garbage in for every kind."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.demo.kube import KubeApi, StatusError, expressions, validations
from ghapp.demo.kube.columns import age, at
from ghapp.demo.kube.resources import BUILT_IN, Resource
from ghapp.demo.kube.schema import mistakes, shaped

Json = Any

SCHEMA: Json = {
    "type": "object",
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": {"type": "string", "default": "x", "minLength": 1},
                "b": {"type": "integer", "nullable": True, "default": 3},
                "c": {
                    "type": "array",
                    "maxItems": 2,
                    "items": {"type": "object", "properties": {}},
                },
                "d": {"x-kubernetes-int-or-string": True},
                "e": {"type": "object", "additionalProperties": {"type": "boolean"}},
                "f": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
                "g": {"type": "object", "x-kubernetes-embedded-resource": True},
            },
        },
    },
}

JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2) | st.sampled_from(["", "x"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from("abcdefgx"), below, max_size=4)
    ),
    max_leaves=10,
)


def objects(spec: Json) -> Json:
    return {"metadata": {"name": "x", "labels": {"a": "b"}}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "kept", "unknown"),
    [
        ({}, {"a": "x", "b": 3}, []),
        ({"a": "y", "z": 1}, {"a": "y", "b": 3}, ["spec.z"]),
        ({"a": None, "b": None}, {"a": "x", "b": None}, []),
        ({"c": [{"z": 1}]}, {"a": "x", "b": 3, "c": [{}]}, ["spec.c[0].z"]),
        ({"e": {"z": True}}, {"a": "x", "b": 3, "e": {"z": True}}, []),
        ({"g": {"kind": "K", "z": 1}}, {"a": "x", "b": 3, "g": {"kind": "K"}}, ["spec.g.z"]),
    ],
)
def test_shaping_sets_defaults_and_names_what_it_drops(
    spec: Json, kept: Json, unknown: list[str]
) -> None:
    assert shaped(objects(spec), SCHEMA) == (objects(kept), unknown)


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"a": "x", "b": 1, "c": [], "d": "5%", "e": {}, "f": 1}, []),
        ({}, ["spec.a"]),
        ({"a": ""}, ["spec.a"]),
        ({"a": "x", "b": 1.5}, ["spec.b"]),
        ({"a": "x", "b": 2.0}, []),
        ({"a": "x", "b": True}, ["spec.b"]),
        ({"a": "x", "c": [{}, {}, {}]}, ["spec.c"]),
        ({"a": "x", "c": {}}, ["spec.c"]),
        ({"a": "x", "d": 1.5}, ["spec.d"]),
        ({"a": "x", "e": {"z": 1}}, ["spec.e.z"]),
        ({"a": "x", "f": True}, ["spec.f"]),
        (None, ["spec"]),
    ],
)
def test_each_mistake_names_its_field(spec: Json, fields: list[str]) -> None:
    assert [cause.field for cause in mistakes(objects(spec), SCHEMA)] == fields


@given(JSON)
def test_shaping_twice_is_shaping_once(spec: Json) -> None:
    once, _ = shaped(objects(spec), SCHEMA)
    assert shaped(once, SCHEMA) == (once, [])


@given(JSON)
def test_any_value_is_judged(spec: Json) -> None:
    for cause in mistakes(objects(spec), SCHEMA):
        assert cause.field.startswith("spec")


def ruled(rule: str, **more: str) -> Json:
    """SCHEMA with a rule about the spec."""
    spec = SCHEMA["properties"]["spec"]
    with_rule = {**spec, "x-kubernetes-validations": [{"rule": rule, **more}]}
    return {**SCHEMA, "properties": {**SCHEMA["properties"], "spec": with_rule}}


@pytest.mark.parametrize(
    ("rule", "more", "said"),
    [
        ("self.a == 'x'", {}, []),
        ("self.a == 'y'", {}, ["spec: Invalid value: \"object\": failed rule: self.a == 'y'"]),
        ("self.a == 'y'", {"message": "no"}, ['spec: Invalid value: "object": no']),
        (
            "self.a == 'y'",
            {"message": "no", "fieldPath": ".a", "reason": "FieldValueForbidden"},
            ["spec.a: Forbidden: no"],
        ),
        (
            "self.b == 1",
            {"message": "no", "fieldPath": ".b"},
            ['spec: Invalid value: "object": no such key: b evaluating rule: no'],
        ),
        ("self.a == oldSelf.a", {}, []),
        ("self.e.__dash__ == true", {}, []),
    ],
)
def test_a_rule_is_asked_about_its_part(rule: str, more: dict[str, str], said: list[str]) -> None:
    value = objects({"a": "x", "e": {"__dash__": True}})
    found = validations.mistakes(value, ruled(rule, **more), [])
    assert [f"{cause.field}: {cause.message}" for cause in found] == said


def test_fields_are_spelled_as_rules_can_write_them() -> None:
    names = ["namespace", "a-b", "a.b", "a/b", "a__b"]
    fields: Json = {"properties": {name: {"type": "integer"} for name in names}}
    rule = (
        "self.__namespace__ + self.a__dash__b + self.a__dot__b + self.a__slash__b"
        " + self.a__underscores__b == 15"
    )
    assert expressions.holds(rule, dict(zip(names, [1, 2, 3, 4, 5], strict=True)), fields)


def test_a_wrong_shape_is_not_asked_and_that_is_said() -> None:
    schema = ruled("self.a == 'y'")
    missing = list(mistakes(objects({}), schema))
    (cause,) = validations.mistakes(objects({}), schema, missing)
    assert (cause.field, cause.message[:20]) == ("<nil>", "Invalid value: null:")


@given(JSON | st.integers() | st.lists(st.integers()), st.sampled_from(["a == 'x'", "b > self.c"]))
def test_any_value_may_be_asked_about(spec: Json, rule: str) -> None:
    for cause in validations.mistakes(objects(spec), ruled(f"self.{rule}"), []):
        assert cause.field in ("spec", "<nil>")


@given(JSON | st.text())
def test_any_rule_of_a_definition_is_taken_or_refused(rule: Json) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "as.x.dev"},
        "spec": {
            "group": "x.dev",
            "scope": "Namespaced",
            "names": {"plural": "as", "kind": "A"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {**SCHEMA, validations.KEY: [{"rule": rule}]}},
                }
            ],
        },
    }
    with contextlib.suppress(StatusError):
        KubeApi().create(crd)


KEYS = [
    "name",
    "generateName",
    "namespace",
    "labels",
    "finalizers",
    "ownerReferences",
    "template",
    "selector",
    "names",
    "versions",
    "group",
    "renewTime",
    "containers",
]

GARBAGE = st.dictionaries(
    st.sampled_from(["metadata", "spec", "status", "data", "stringData", "involvedObject"]),
    JSON | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5),
)

WRITABLE = [resource for resource in BUILT_IN if "update" in resource.verbs]


@given(st.sampled_from(WRITABLE), GARBAGE, GARBAGE)
def test_any_body_of_any_kind_is_stored_or_refused(
    resource: Resource, body: Json, change: Json
) -> None:
    api = KubeApi()
    given_metadata = body.get("metadata")
    metadata = given_metadata if isinstance(given_metadata, dict) else {}
    namespace = "ci" if resource.namespaced else ""
    with contextlib.suppress(StatusError):
        api.writes.create(resource, namespace, {**body, "metadata": {"name": "x", **metadata}})
        api.patch(resource.plural, namespace, "x", change)


RUN: Json = {
    "metadata": {"name": "r", "annotations": {"a.b/c": "d"}},
    "status": {
        "conditions": [{"type": "Ready", "status": "No"}, {"type": "Succeeded", "status": "True"}]
    },
    "list": [{"x": 1}, {"x": 2}],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".metadata.name", "r"),
        (".metadata.annotations.a\\.b/c", "d"),
        (".metadata.annotations['a.b/c']", "d"),
        ('.status.conditions[?(@.type=="Succeeded")].status', "True"),
        (".status.conditions[?(@.type=='Missing')].status", None),
        (".list[1].x", 2),
        (".list[*].x", 1),
        (".list[7].x", None),
        (".metadata.name.x", None),
        (".absent.x", None),
    ],
)
def test_a_column_is_found_by_its_path(path: str, found: Json) -> None:
    assert at(RUN, path) == found


@pytest.mark.parametrize(
    ("ago", "told"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(minutes=7, seconds=30), "7m30s"),
        (timedelta(minutes=99), "99m"),
        (timedelta(hours=3, minutes=20), "3h20m"),
        (timedelta(hours=30), "30h"),
        (timedelta(days=3, hours=4), "3d4h"),
        (timedelta(days=300), "300d"),
        (timedelta(days=365 * 3 + 5), "3y5d"),
        (timedelta(days=365 * 9), "9y"),
    ],
)
def test_an_age_is_told_as_kubectl_tells_it(ago: timedelta, told: str) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert age((now - ago).isoformat(), now) == told


@pytest.mark.parametrize("since", ["", "yesterday", "2026-01-01"])
def test_an_age_since_no_time_is_unknown(since: str) -> None:
    assert age(since, datetime(2026, 1, 2, tzinfo=UTC)) == "<unknown>"
