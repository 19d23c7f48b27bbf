"""How much work an expression can be: trees are made by hand here, the engine is in test_cel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core import checked
from ghapp.core.expression import Call, Constant, Loop, Name, Select, Tree, names, states, work
from ghapp.core.sizes import DEEPEST, MOST_VALUES, Sizes, measured

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=4), inside),
    max_leaves=20,
)


def every(item: str, of: Tree, body: Tree) -> Tree:
    """``of.all(item, body)``."""
    return Loop(item, of, "@result", (body,), ())


def equal(one: Tree, other: Tree) -> Tree:
    return Call("_==_", (one, other), 0)


RUN, OBJECT = Name("run"), Name("object")
ITEM, PART = Name("item"), Name("part")


def cost(tree: Tree, *, entries: int = 100, values: int = 1_000) -> int:
    large = Sizes(longest=entries, text=10 * values, values=values)
    return work(tree, {"run": Sizes(), "object": large})


def test_comparing_with_a_literal_costs_nothing() -> None:
    literal = equal(Select(OBJECT, "kind"), Constant(3, "Job"))
    assert cost(literal, values=100_000) < 1_000
    assert cost(equal(OBJECT, OBJECT), values=100_000) > 10_000_000


def test_the_elements_of_a_list_are_no_larger_than_the_list() -> None:
    once = cost(equal(OBJECT, OBJECT))
    each = cost(every("item", OBJECT, equal(ITEM, ITEM)))
    every_time = cost(every("item", OBJECT, equal(OBJECT, OBJECT)))
    assert each < 2 * once
    assert every_time > 99 * once


def test_a_loop_in_a_loop_reads_what_it_goes_through_each_time() -> None:
    once = cost(equal(OBJECT, OBJECT))
    pairs = every("item", OBJECT, every("part", OBJECT, equal(ITEM, PART)))
    parts = every("item", OBJECT, every("part", ITEM, equal(PART, PART)))
    assert 99 * once < cost(pairs) < 130 * once
    assert cost(parts) < 30 * once


def test_nothing_is_counted_beyond_what_the_engine_does() -> None:
    tree: Tree = equal(ITEM, Constant(1))
    for _ in range(5):
        tree = every("item", OBJECT, tree)
    assert cost(tree, entries=10_000) < 100_000_000


@given(st.integers(1, 5_000), st.integers(1, 5_000), st.integers(1, 5_000))
def test_more_is_never_cheaper(entries: int, values: int, more: int) -> None:
    pair = every("item", OBJECT, every("part", Select(ITEM, "a"), equal(ITEM, PART)))
    assert cost(pair, entries=entries, values=values) <= cost(
        pair, entries=entries + more, values=values + more
    )


def test_names_are_found_in_every_corner() -> None:
    tree = every("item", Select(RUN, "steps"), equal(ITEM, Call("_[_]", (OBJECT, RUN), 0)))
    assert names(tree) == {"run", "object", "item"}


@pytest.mark.parametrize(
    ("pattern", "many"),
    [
        ("", 1),
        ("abc", 4),
        ("a{1000}", 8_000),
        ("a{2,30}", 240),
        ("(a{10}){10}", 1_200),
        (r"\pL", 404),
        ("a{0}", 5),
    ],
)
def test_states_of_a_regular_expression(pattern: str, many: int) -> None:
    assert states(pattern) == many


# --- sizes ----------------------------------------------------------------------------------------


def test_sizes_of_an_object() -> None:
    assert measured({"a": [1, 2, 3], "é": "xyz"}) == Sizes(longest=3, text=1 + 2 + 3, values=6)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([0] * (MOST_VALUES + 1), "more than"),
        (object(), "not of JSON"),
        ((1, 2), "not of JSON"),
        ({1: 2}, "a name that is not text: 1"),
        ("\ud800", "not Unicode"),
        ({"\ud800": 1}, "not Unicode"),
    ],
)
def test_what_no_engine_should_see_is_refused(value: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        measured(value)


def test_a_tower_or_a_loop_is_refused() -> None:
    tower: list[object] = []
    for _ in range(DEEPEST + 1):
        tower = [tower]
    loop: dict[str, object] = {}
    loop["self"] = loop
    for value in (tower, loop):
        with pytest.raises(ValueError, match="levels"):
            measured(value)


@given(JSON)
def test_every_json_value_has_sizes_and_rounding_only_adds(value: object) -> None:
    sizes = measured(value)
    rounded = sizes.rounded()
    assert sizes.values <= rounded.values < 2 * sizes.values
    assert sizes.weight <= rounded.weight


# --- the wire format ------------------------------------------------------------------------------


def field(number: int, value: bytes) -> bytes:
    """A nested message or text, shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def expression(encoded: bytes) -> bytes:
    return field(2, field(4, encoded))


def test_an_expression_is_read_from_bytes() -> None:
    tree = checked.read(expression(field(5, field(1, field(4, field(1, b"run"))) + field(2, b"x"))))
    assert isinstance(tree, Select)
    assert tree.field == "x"
    assert names(tree) == {"run"}


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"", "unknown kind"),
        (expression(field(10, b"")), "unknown kind"),
        (expression(field(8, field(1, b"google.Any"))), "google.Any cannot be made"),
        (expression(field(9, field(8, b"y"))), "two variables"),
        (b"\x12\x7f", "in the middle"),
        (b"\x13", "wire type 3"),
        (b"\xff" * 12, "does not end"),
    ],
)
def test_what_is_not_known_is_refused(encoded: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        checked.read(encoded)


@given(st.binary(max_size=60))
def test_garbage_is_no_expression(encoded: bytes) -> None:
    for some in (encoded, expression(encoded)):
        try:
            checked.read(some)
        except ValueError:
            continue
