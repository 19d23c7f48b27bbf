"""The four kinds of patch, as pure functions; how they are asked for over HTTP is elsewhere."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.demo.kube.patch import PatchError, PatchTestFailed, apply, json_patch, merge, strategic

Json = Any

KEYS = st.sampled_from(["a", "b", "c", "name", "0", "x/y", "t~"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "s", "t"])
JSON: st.SearchStrategy[Json] = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=8,
)
MAPS = st.dictionaries(KEYS, JSON, max_size=4)

# --- merge patch: the examples of RFC 7386, appendix A ------------------------------------------


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_its_rfc_shows(target: Json, patch: Json, expected: Json) -> None:
    assert merge(target, patch) == expected


@given(JSON, JSON)
def test_merging_twice_is_merging_once(target: Json, patch: Json) -> None:
    once = merge(target, patch)
    assert merge(once, patch) == once


@given(MAPS, MAPS)
def test_a_merge_touches_neither_of_its_inputs(target: Json, patch: Json) -> None:
    kept = copy.deepcopy((target, patch))
    merge(target, patch)
    assert (target, patch) == kept


# --- JSON patch: the examples of RFC 6902, appendix A -------------------------------------------


@pytest.mark.parametrize(
    ("target", "operations", "expected"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "q"}], {"foo": "bar", "baz": "q"}),
        (
            {"foo": ["bar", "baz"]},
            [{"op": "add", "path": "/foo/1", "value": "qux"}],
            {"foo": ["bar", "qux", "baz"]},
        ),
        ({"baz": "q", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
        ({"baz": "q"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        ({"foo": [1, 2]}, [{"op": "replace", "path": "/foo/0", "value": 9}], {"foo": [9, 2]}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "qux"}], {"baz": "qux"}),
        ({"f": "b"}, [{"op": "add", "path": "/c", "value": {"g": {}}}], {"f": "b", "c": {"g": {}}}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"a": ["b"]}, [{"op": "add", "path": "/a/-", "value": ["c"]}], {"a": ["b", ["c"]]}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
        ({}, [], {}),
    ],
)  # fmt: skip
def test_json_patch_does_what_its_rfc_shows(target: Json, operations: Json, expected: Json) -> None:
    assert json_patch(target, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": True},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/l/5", "value": 1},
        {"op": "remove", "path": "/b"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "replace", "path": "/l/-", "value": 1},
        {"op": "remove", "path": "/l/01"},
        {"op": "remove", "path": "/l/" + "9" * 5000},
        {"op": "move", "from": "/l", "path": "/l/0"},
    ],
)
def test_a_json_patch_that_does_not_fit_the_object_fails_as_such(operation: Json) -> None:
    with pytest.raises(PatchTestFailed):
        json_patch({"a": 1, "l": [1]}, [operation])


@pytest.mark.parametrize(
    "operations",
    [
        {"metadata": {"labels": {}}},
        ["add"],
        [{"op": "insert", "path": "/a", "value": 1}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "path": 1, "value": 1}],
        [{"op": [], "path": "/a"}],
        "text",
        None,
    ],
)
def test_what_is_no_json_patch_is_refused(operations: Json) -> None:
    with pytest.raises(PatchError) as refusal:
        json_patch({}, operations)
    assert not isinstance(refusal.value, PatchTestFailed)


@given(MAPS, KEYS, JSON)
def test_adding_and_removing_a_key_leaves_nothing_behind(
    target: Json, key: str, value: Json
) -> None:
    target.pop(key, None)
    path = "/" + key.replace("~", "~0").replace("/", "~1")
    add, remove = {"op": "add", "path": path, "value": value}, {"op": "remove", "path": path}
    assert json_patch(target, [add, remove]) == target


OPERATION = st.dictionaries(
    st.sampled_from(["op", "path", "from", "value"]),
    JSON | st.sampled_from(["add", "remove", "replace", "move", "copy", "test"])
    | st.sampled_from(["", "/a", "/a/0", "/b/-", "/name/a", "/x~1y"]),
)  # fmt: skip


@given(MAPS, st.lists(OPERATION, max_size=4))
def test_any_list_patches_or_is_refused_and_the_target_is_untouched(
    target: Json, operations: Json
) -> None:
    kept = copy.deepcopy(target)
    with contextlib.suppress(PatchError):
        json_patch(target, operations)
    assert target == kept


# --- strategic merge patch ----------------------------------------------------------------------

POD = {
    "metadata": {"finalizers": ["a/x"], "labels": {"app": "shop"}},
    "spec": {
        "containers": [
            {"name": "app", "image": "shop:1", "env": [{"name": "A", "value": "1"}]},
            {"name": "proxy", "image": "proxy:1", "args": ["-v"]},
        ],
        "tolerations": [{"key": "old"}],
    },
}


@pytest.mark.parametrize(
    ("patch", "path", "expected"),
    [
        (
            {"spec": {"containers": [{"name": "app", "image": "shop:2"}]}},
            ("spec", "containers", 0),
            {"name": "app", "image": "shop:2", "env": [{"name": "A", "value": "1"}]},
        ),
        (
            {"spec": {"containers": [{"name": "app", "env": [{"name": "B", "value": "2"}]}]}},
            ("spec", "containers", 0, "env"),
            [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        ),
        (
            {"spec": {"containers": [{"name": "proxy", "$patch": "delete"}]}},
            ("spec", "containers"),
            [POD["spec"]["containers"][0]],  # type: ignore[index]
        ),
        (
            {"spec": {"containers": [{"name": "new"}, {"$patch": "replace"}]}},
            ("spec", "containers"),
            [{"name": "new"}],
        ),
        ({"spec": {"containers": [{"name": "proxy", "args": ["-q"]}]}},
         ("spec", "containers", 1, "args"), ["-q"]),
        ({"spec": {"tolerations": [{"key": "new"}]}}, ("spec", "tolerations"), [{"key": "new"}]),
        ({"metadata": {"finalizers": ["b/y", "a/x"]}}, ("metadata", "finalizers"), ["a/x", "b/y"]),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/x"]}},
         ("metadata", "finalizers"), []),
        ({"metadata": {"labels": {"app": None}}}, ("metadata", "labels"), {}),
        ({"metadata": {"labels": {"$patch": "replace", "x": "y"}}}, ("metadata", "labels"),
         {"x": "y"}),
        ({"metadata": {"labels": {"$retainKeys": ["x"], "x": "y"}}}, ("metadata", "labels"),
         {"x": "y"}),
    ],
)  # fmt: skip
def test_strategic_merge_knows_which_items_are_the_same(
    patch: Json, path: tuple[Any, ...], expected: Json
) -> None:
    found: Json = strategic(POD, patch)
    for step in path:
        found = found[step]
    assert found == expected


def test_set_element_order_orders_what_it_names_and_leaves_the_rest_at_the_end() -> None:
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "new"}, {"name": "app"}],
            "containers": [{"name": "new"}],
        }
    }
    names = [container["name"] for container in strategic(POD, patch)["spec"]["containers"]]
    assert names == ["new", "app", "proxy"]


@given(MAPS, MAPS)
def test_any_map_patches_strategically_or_is_refused_and_the_target_is_untouched(
    target: Json, patch: Json
) -> None:
    kept = copy.deepcopy(target)
    with contextlib.suppress(PatchError):
        strategic(target, patch)
    assert target == kept


# --- server-side apply --------------------------------------------------------------------------


def test_applying_lays_over_and_removes_nothing() -> None:
    there = {"metadata": {"name": "x"}, "spec": {"a": 1, "b": 2}}
    applied = {"spec": {"b": 3, "c": 4}}
    expected = {"metadata": {"name": "x"}, "spec": {"a": 1, "b": 3, "c": 4}}
    assert apply(there, applied, custom=True) == expected


def test_applying_merges_containers_of_a_built_in_kind_only() -> None:
    applied = {"spec": {"containers": [{"name": "proxy", "image": "proxy:2"}]}}
    built_in = apply(POD, applied, custom=False)["spec"]["containers"]
    custom = apply(POD, applied, custom=True)["spec"]["containers"]
    assert [container["name"] for container in built_in] == ["app", "proxy"]
    assert [container["name"] for container in custom] == ["proxy"]
