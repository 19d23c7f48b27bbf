"""Whatever JSON comes: an observation, nothing, or msgspec's complaint about a type; never more.

And what is told of it keeps the limits: no end before the begin, no text that is too long, no
password of a URL. Markup in foreign text is tests/core/test_markdown's matter.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghapp.core import cdevents, checks
from ghapp.core.decide import Rules, decide
from ghapp.core.effects import EmitEvent, SetCheck
from ghapp.core.model import Observation
from ghapp.core.source import Context
from tests.adapters import recorded
from tests.adapters.flux import applied, kustomization
from tests.adapters.recorded import ADAPTERS
from tests.adapters.test_flux_helmrelease import STATES as RELEASES
from tests.adapters.test_flux_kustomization import STATES as KUSTOMIZATIONS
from tests.core.builders import EVERYBODY

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "True",
            "False",
            "Unknown",
            "2026-05-04T02:00:11Z",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-11:00",
            "0-3,x",
            "https://bot:s3cret@github.com/acme/shop",
            "\u202egnp.exe \U0001f4a5",
            "n" * 253,
            "",
        ]
    )
)


def nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=8), values, max_size=3)


JSON = st.recursive(SCALARS, nested, max_leaves=8)
OBJECTS = [
    *recorded.objects(),
    *(state for state, _ in RELEASES.values()),
    *(state for state, _ in KUSTOMIZATIONS.values()),
]
RULES = Rules(born=recorded.LONG_AGO, horizon=datetime.min.replace(tzinfo=UTC))


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
        told(look)


def told(look: Observation) -> str:
    """All that the world is told of a look; within every limit."""
    decision = decide(None, look, audience=EVERYBODY, rules=RULES)
    msgspec.json.encode(decision.seen)
    checks_set = [effect.check for effect in decision.effects if isinstance(effect, SetCheck)]
    events = [effect for effect in decision.effects if isinstance(effect, EmitEvent)]
    for check in checks_set:
        assert check.started_at is not None
        assert check.completed_at is None or check.completed_at >= check.started_at
        assert len(check.name) <= checks.NAME_LIMIT
        assert len(check.summary.encode()) <= checks.OUTPUT_LIMIT
        assert len(check.external_id.encode()) <= 255 or look.living
    milestones = [event.at for event in events if not look.living]
    assert milestones == sorted(milestones)
    return f"{checks_set} {[cdevents.render(event) for event in events]}"


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


URL = "https://bot:s3cret@github.com/acme/shop"


@pytest.mark.parametrize("kind", ADAPTERS)
def test_no_password_of_a_url_is_told_wherever_it_stands(kind: str) -> None:
    """In every text of a real object but the names and versions that controllers made."""
    for manifest in (one for one in OBJECTS if one["kind"] == kind):
        for path in paths({key: manifest[key] for key in ("spec", "status")}):
            if path[-1] in {"lastAttemptedRevision", "chartVersion", "chartName"}:
                continue
            if path[-1] == "name" and "history" in path:
                continue
            poisoned = claimed(put(manifest, path, f"see {URL} for more"))
            try:
                look = recorded.observe(poisoned)
            except msgspec.ValidationError:
                continue
            assert look is None or "s3cret" not in told(look), path


CLAIM = {
    "checkrail.dev/repository": URL,
    "checkrail.dev/commit": "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b",
    "checkrail.dev/dashboard-url": "https://bot:s3cret@tekton.example/runs/1",
}


def claimed(manifest: dict[str, Any]) -> dict[str, Any]:
    """The object with a commit, so that it has a check."""
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": CLAIM}}


def test_a_name_as_long_as_names_get_and_right_to_left_text_are_told() -> None:
    notes = {**CLAIM, "checkrail.dev/check-name": "\u202egnp.exe \U0001f4a5" * 50}
    manifest = kustomization(
        applied(), metadata={"name": "n" * 253, "uid": "u" * 36, "annotations": notes}
    )
    look = recorded.observe(manifest)
    assert look is not None
    assert "\u202e" not in told(look)


@pytest.mark.parametrize("days", [-20_000, 0, 20_000])
def test_a_clock_that_is_far_off_makes_no_negative_duration(days: int) -> None:
    for manifest in (one for one in OBJECTS if one["kind"] in {"PipelineRun", "TaskRun", "Job"}):
        status = manifest.get("status", {})
        begun = "2026-05-04T02:00:11Z"
        moved = datetime.fromisoformat(begun) + timedelta(days=days)
        skewed = {**manifest, "status": {**status, "startTime": moved.isoformat()}}
        look = recorded.observe(claimed(skewed))
        assert look is None or not re.search(r" -[0-9]+[smhd]\b", told(look))
