"""A pod as its logs need it: tables of what failed, what waits, and which Secrets can be seen.

That the values found here are masked is tests/sinks/test_logs.
"""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core import pods
from ghapp.core.pods import Pod, Reference


def pod(*statuses: dict[str, Any], **spec: Any) -> Pod:
    containers = [{"name": status["name"]} for status in statuses]
    manifest = {
        "metadata": {"name": "p"},
        "spec": {"containers": containers, **spec},
        "status": {"containerStatuses": list(statuses)},
    }
    return pods.read(manifest)


def ended(name: str, code: int, reason: str = "Error") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason}}}


@pytest.mark.parametrize(
    ("statuses", "names"),
    [
        ([ended("a", 0), ended("b", 1)], ("b",)),
        ([ended("a", 2), ended("b", 1)], ("a", "b")),
        ([ended("a", 0), ended("b", 0)], ("a", "b")),
        ([{"name": "a"}], ("a",)),
    ],
)
def test_the_containers_that_failed_are_read_and_all_where_none_tells(
    statuses: list[dict[str, Any]], names: tuple[str, ...]
) -> None:
    assert pods.failed(pod(*statuses)) == names


def test_an_init_container_can_be_what_failed() -> None:
    init = {"initContainers": [{"name": "init"}]}
    found = pods.read(
        {
            "spec": {"containers": [{"name": "main"}], **init},
            "status": {"initContainerStatuses": [ended("init", 1)]},
        }
    )
    assert pods.failed(found) == ("init",)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (ended("a", 2), "exit code 2"),
        (ended("a", 137, "OOMKilled"), "exit code 137 (OOMKilled)"),
        (ended("a", 0, "Completed"), ""),
        ({"name": "a", "lastState": ended("a", 3)["state"]}, "exit code 3"),
        ({"name": "a", "state": None}, ""),
    ],
)
def test_an_ending_is_told_in_few_words(status: dict[str, Any], told: str) -> None:
    assert pods.ending(pod(status), "a") == told


def test_telling_pods_are_the_newest_that_failed_and_ours() -> None:
    def one(name: str, hour: int, phase: str = "Failed", owner: str = "u") -> Pod:
        metadata = {
            "name": name,
            "creationTimestamp": f"2026-11-21T{hour:02}:00:00Z",
            "ownerReferences": [{"uid": owner}],
        }
        return pods.read({"metadata": metadata, "status": {"phase": phase}})

    some = [one("old", 8), one("new", 9), one("well", 10, "Succeeded"), one("alien", 11, owner="x")]
    assert [pod.metadata.name for pod in pods.telling(some, owner="u", limit=5)] == ["new"]
    assert [pod.metadata.name for pod in pods.telling(some[2:], owner="u", limit=5)] == ["well"]
    assert pods.telling([], owner="u", limit=5) == ()


def ref(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}


def test_a_secret_is_named_once_with_all_that_can_be_seen_of_it() -> None:
    found = pods.read(
        {
            "spec": {
                "containers": [
                    {
                        "name": "a",
                        "env": [ref("one", "k", optional=True), ref("one", "l"), {"name": "X"}],
                        "envFrom": [{"secretRef": {"name": "two"}}, {"configMapRef": {}}],
                    },
                    {"name": "b", "env": [ref("two", "k")]},
                ],
                "volumes": [
                    {"secret": {"secretName": "three", "items": [{"key": "k"}]}},
                    {"secret": {"secretName": "four", "optional": True}},
                    {"projected": {"sources": [{"secret": {"name": "five"}}, {}]}},
                    {"emptyDir": {}},
                ],
            }
        }
    )
    assert pods.secrets(found) == (
        Reference(name="five"),
        Reference(name="four", optional=True),
        Reference(name="one", keys=frozenset({"k", "l"})),
        Reference(name="three", keys=frozenset({"k"})),
        Reference(name="two"),
    )


def secret(**values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"data": data}


def test_values_are_those_of_the_keys_that_can_be_seen() -> None:
    manifest = secret(a="value of a", b="value of b")
    assert pods.values(manifest, Reference(name="s")) == {"value of a", "value of b"}
    seen = Reference(name="s", keys=frozenset({"a", "absent"}))
    assert pods.values(manifest, seen) == {"value of a"}
    assert pods.values({}, Reference(name="s")) == set()


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('{"a": {"b": ["deep inside"]}}', "deep inside"),
        ('{"auth": "' + base64.b64encode(b"u:pass:word").decode() + '"}', "pass:word"),
        ("export A='some value'", "some value"),
        ('B: "yaml value"\n', "yaml value"),
    ],
)
def test_what_stands_in_a_file_is_a_value_too(text: str, inside: str) -> None:
    assert {text, inside} <= pods.values(secret(file=text), Reference(name="s"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value(content: bytes) -> None:
    manifest = {"data": {"k": base64.b64encode(content).decode()}}
    assert content.decode("utf-8", "replace") in pods.values(manifest, Reference(name="s"))


@given(st.text(max_size=50))
def test_what_is_no_base64_is_masked_as_it_is(content: str) -> None:
    assert pods.values({"data": {"k": content}}, Reference(name="s"))
