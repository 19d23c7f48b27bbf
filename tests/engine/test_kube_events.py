"""Lines of a watch to values: whatever a line holds, the answer is a value, never an exception."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ghapp.engine.kube_events import Bookmark, Changed, Failed, Gone, Head, Malformed, Reader
from tests.engine.kube_rig import Run, line, recorded

READER = Reader((Run,))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
events = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "NEW"]),
        "object": st.fixed_dictionaries(
            {}, optional={"metadata": json_values, "status": json_values, "code": json_values}
        ),
    }
)


@given(st.binary() | json_values.map(msgspec.json.encode) | events.map(msgspec.json.encode))
def test_any_line_is_a_verdict_and_never_an_exception(text: bytes) -> None:
    said = READER.line(text)
    assert said is None or isinstance(said, Changed | Gone | Malformed | Bookmark | Failed)


def test_recorded_lines_are_what_they_are() -> None:
    lines = recorded("watch-bookmarks.jsonl").splitlines()
    said = [READER.line(one) for one in lines]
    assert [type(one) for one in said] == [Changed, Changed, Changed, Changed, Bookmark, Bookmark]
    assert said[4] == Bookmark("7042")


def test_a_recorded_error_has_its_code_and_how_long_to_wait() -> None:
    said = READER.line(recorded("watch-error-504-too-large-rv.jsonl"))
    assert isinstance(said, Failed)
    assert (said.status, said.after) == (504, 1)
    assert "Too large resource version" in said.reason


def test_a_thousand_levels_of_nesting_are_malformed() -> None:
    text = line("ADDED", "a", "1", status={"conditions": []}).replace(
        b'"conditions":[]', b'"conditions":' + b"[" * 100_000
    )
    assert isinstance(READER.line(text), Malformed)


def test_bytes_that_are_not_utf8_are_malformed() -> None:
    text = line("ADDED", "a", "1").replace(b'"name":"a"', b'"name":"\xff"')
    assert isinstance(READER.line(text), Malformed)


def test_nobody_need_ask_for_a_type() -> None:
    said = Reader(()).line(line("DELETED", "a", "1", status="whatever"))
    assert said == Gone(Head("ci", "a", "uid-of-a", "1"), {})


def test_empty_lines_say_nothing_and_lines_too_long_say_so() -> None:
    assert READER.line(b"") is None
    assert READER.line(b"  ") is None
    assert isinstance(READER.line(None), Malformed)
