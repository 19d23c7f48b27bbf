"""The object store alone: versions, history, snapshots, owners. What writes mean is elsewhere."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.demo.kube.objects import FIRST_VERSION, Lagging, Store

KEY = ("example.dev", "things")
OTHER = ("example.dev", "others")


def thing(name: str, namespace: str = "ns", owners: tuple[str, ...] = (), **more: Any) -> Any:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    if owners:
        metadata["ownerReferences"] = [{"uid": owner} for owner in owners]
    return {"apiVersion": "example.dev/v1", "kind": "Thing", "metadata": metadata, **more}


def names(store: Store, *, namespace: str = "", version: int | None = None) -> list[str]:
    return [e.place[1] for e in store.collection(KEY).select(namespace, version=version)]


def test_one_counter_runs_over_all_collections() -> None:
    store = Store(keep=10)
    first = store.put(KEY, thing("a"))
    second = store.put(OTHER, thing("b"))
    removed = store.remove(KEY, ("ns", "a"))
    versions = [entry.version for entry in (first, second, removed)]
    assert versions == [FIRST_VERSION + 1, FIRST_VERSION + 2, FIRST_VERSION + 3]


def test_a_stored_object_carries_its_version_and_the_given_one_is_untouched() -> None:
    given_object = thing("a")
    entry = Store(keep=10).put(KEY, given_object)
    assert entry.object["metadata"]["resourceVersion"] == str(entry.version)
    assert "resourceVersion" not in given_object["metadata"]


def test_a_copy_is_not_the_stored_object() -> None:
    entry = Store(keep=10).put(KEY, thing("a", spec={"list": [1]}))
    entry.copy()["spec"]["list"].append(2)
    assert entry.object["spec"]["list"] == [1]


def test_another_api_version_changes_the_bytes_and_nothing_else() -> None:
    entry = Store(keep=10).put(KEY, thing("a"))
    old, new = entry.raw("example.dev/v1beta1"), entry.raw("example.dev/v1")
    assert old.replace(b"v1beta1", b"v1") == new
    assert entry.raw("example.dev/v1") is new


def test_a_removed_object_is_told_in_its_last_state_at_the_version_of_its_end() -> None:
    store = Store(keep=10)
    store.put(KEY, thing("a", status="last"))
    gone = store.remove(KEY, ("ns", "a"))
    assert gone.object["status"] == "last"
    assert gone.object["metadata"]["resourceVersion"] == str(store.version)


def test_entries_come_in_the_order_of_namespace_and_name() -> None:
    store = Store(keep=10)
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y")):
        store.put(KEY, thing(name, namespace))
    assert names(store) == ["y", "z", "x"]
    assert names(store, namespace="a") == ["y", "z"]


def test_history_reaches_back_as_far_as_it_is_kept_and_not_further() -> None:
    store = Store(keep=2)
    log = store.collection(KEY).log
    for number in range(9):
        store.put(KEY, thing(f"n{number}"))
    log.shrink()
    kept = store.version - 2
    assert [event.version for event in log.since(log.position(kept))] == [kept + 1, kept + 2]
    with pytest.raises(Lagging):
        log.position(kept - 1)


def test_a_reader_whose_place_was_dropped_is_told_so() -> None:
    store = Store(keep=1)
    log = store.collection(KEY).log
    start = log.end
    for number in range(3):
        store.put(KEY, thing(f"n{number}"))
    with pytest.raises(Lagging):
        log.since(start)


def test_compaction_expires_old_versions_and_leaves_readers_their_place() -> None:
    store = Store(keep=10)
    log = store.collection(KEY).log
    before, place = store.version, log.end
    store.put(KEY, thing("a"))
    store.compact()
    with pytest.raises(Lagging):
        log.position(before)
    assert len(log.since(place)) == 1


async def test_a_reader_is_woken_by_the_next_event() -> None:
    store = Store(keep=10)
    log = store.collection(KEY).log
    waiting = asyncio.create_task(log.changed(log.end, within=10))
    asyncio.get_running_loop().call_soon(store.put, KEY, thing("a"))
    assert await waiting


async def test_a_reader_that_nothing_happens_for_goes_on_after_its_time() -> None:
    log = Store(keep=10).collection(KEY).log
    assert not await log.changed(log.end, within=0.0)


def test_a_forgotten_resource_tells_its_readers_that_it_ended() -> None:
    store = Store(keep=10)
    log = store.collection(KEY).log
    store.forget(KEY)
    assert log.ended


Step = tuple[str, int]
STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30)


@given(STEPS)
def test_a_snapshot_is_what_was_there_at_that_version(steps: list[Step]) -> None:
    store = Store(keep=100)
    seen = {store.version: dict[str, int]()}
    for name, value in steps:
        present = seen[store.version]
        if value:
            store.put(KEY, thing(name, spec=value))
            seen[store.version] = {**present, name: value}
        elif name in present:
            store.remove(KEY, ("ns", name))
            seen[store.version] = {n: v for n, v in present.items() if n != name}
    for version, expected in seen.items():
        entries = store.collection(KEY).select("", version=version)
        assert {entry.place[1]: entry.object["spec"] for entry in entries} == expected


@given(STEPS)
def test_the_events_since_a_version_lead_from_its_snapshot_to_the_present(
    steps: list[Step],
) -> None:
    store = Store(keep=100)
    start = store.version
    present = dict[str, int]()
    for name, value in steps:
        if value:
            store.put(KEY, thing(name, spec=value))
            present[name] = value
        elif present.pop(name, None):
            store.remove(KEY, ("ns", name))
    log = store.collection(KEY).log
    replayed = dict[str, int]()
    for event in log.since(log.position(start)):
        if event.after is None:
            del replayed[event.place[1]]
        else:
            replayed[event.place[1]] = event.after.object["spec"]
    assert replayed == present


OWNERS = st.lists(st.sampled_from(["u1", "u2", "u3"]), unique=True, max_size=3).map(tuple)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | OWNERS), max_size=30))
def test_dependents_are_those_whose_present_state_names_the_owner(
    steps: list[tuple[str, tuple[str, ...] | None]],
) -> None:
    store = Store(keep=100)
    present = dict[str, tuple[str, ...]]()
    for name, owners in steps:
        if owners is not None:
            store.put(KEY, thing(name, owners=owners))
            present[name] = owners
        elif name in present:
            store.remove(KEY, ("ns", name))
            del present[name]
    for owner in ("u1", "u2", "u3"):
        expected = [(KEY, ("ns", name)) for name in sorted(present) if owner in present[name]]
        assert store.dependents(owner) == expected
