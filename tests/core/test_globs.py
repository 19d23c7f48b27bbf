"""Patterns of names, held against what a regular expression says."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from ghapp.core import globs


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_it_says_what_the_regular_expression_says(pattern: str, text: str) -> None:
    wild = {"*": ".*", "?": "."}
    expression = "".join(wild.get(one, re.escape(one)) for one in pattern)
    assert globs.matches(text, pattern) == bool(re.fullmatch(expression, text))


def test_what_would_backtrack_for_hours_takes_no_time() -> None:
    began = time.process_time()
    assert not globs.matches("a" * 253, "*a" * 100 + "*b")
    assert time.process_time() - began < 1.0


def test_nothing_else_is_special() -> None:
    assert globs.matches("a.b[c]", "a.b[c]")
    assert not globs.matches("axb", "a.b")
    assert globs.any_matches("apps", ("x", "app?"))
    assert not globs.any_matches("apps", ())
