"""Whatever JSON comes: an observation, nothing, or msgspec's complaint about a type; never more."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghapp.core.model import Observation
from ghapp.core.source import Context
from tests.adapters import recorded
from tests.adapters.recorded import ADAPTERS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=12)
    | st.sampled_from(
        ["True", "False", "Unknown", "2026-05-04T02:00:11Z", "0001-01-01T00:00:00Z", "0-3,x", ""]
    )
)


def nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=8), values, max_size=3)


JSON = st.recursive(SCALARS, nested, max_leaves=8)
OBJECTS = list(recorded.objects())


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [one for key, part in value.items() for one in paths(part, (*path, key))]
    if isinstance(value, list):
        return found + [one for at, part in enumerate(value) for one in paths(part, (*path, at))]
    return found


def put(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """`value` with another part at `path`."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    """A real object with some of its parts replaced by anything."""
    manifest = draw(st.sampled_from([one for one in OBJECTS if one["kind"] in ADAPTERS]))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(
            st.sampled_from(paths({k: manifest[k] for k in ("metadata", "status", "spec")}))
        )
        manifest = put(manifest, path, draw(JSON))
        if any(not isinstance(manifest.get(part), dict) for part in ("metadata", "status", "spec")):
            break
    return dict(manifest)


def check(manifest: dict[str, Any], kind: str, *, deleted: bool) -> None:
    adapter = ADAPTERS[kind]
    try:
        decoded = recorded.decode(manifest, adapter.reads)
    except msgspec.MsgspecError:
        return
    children = tuple(c for child in adapter.children for c in _children(manifest, child.reads))
    context = Context(cluster="c", children=children, deleted=deleted)
    look = adapter.observe(decoded, context)
    assert look is None or isinstance(look, Observation)
    if look:
        assert isinstance(look.created, datetime)
        msgspec.json.encode(look)


def _children(manifest: dict[str, Any], reads: type[Any]) -> list[Any]:
    try:
        return [recorded.decode(manifest, reads)]
    except msgspec.MsgspecError:
        return []


@given(broken(), st.booleans())
@settings(max_examples=400, deadline=None)
def test_a_broken_object_is_an_observation_or_a_complaint(
    manifest: dict[str, Any], deleted: bool
) -> None:
    check(manifest, manifest["kind"], deleted=deleted)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "kind"]), JSON))
@settings(max_examples=200, deadline=None)
def test_any_object_is_an_observation_or_a_complaint(manifest: dict[str, Any]) -> None:
    for kind in ADAPTERS:
        check(manifest, kind, deleted=False)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_manifest_that_was_never_applied_can_be_looked_at(kind: str) -> None:
    manifest = {"kind": kind, "metadata": {"generateName": "x-", "creationTimestamp": None}}
    look = recorded.observe(manifest)
    assert look is not None
    assert look.phase == "queued"


@pytest.mark.parametrize("time", ["2026-05-04T02:00:11", "yesterday", "", 0])
def test_a_time_without_a_zone_is_no_time(time: object) -> None:
    manifest = {"kind": "Job", "metadata": {"creationTimestamp": time}}
    with pytest.raises(msgspec.ValidationError):
        recorded.decode(manifest, ADAPTERS["Job"].reads)
