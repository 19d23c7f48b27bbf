"""Foreign text in our Markdown: as GitHub would render it, it is text and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ghapp.core import markdown

RENDER = MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table")


def tags(source: str) -> list[str]:
    """Every element that the source renders to."""
    tokens = RENDER.parse(source)
    return [child.type for token in tokens for child in token.children or ()]


@given(st.text(max_size=400))
def test_foreign_text_is_only_ever_text(foreign: str) -> None:
    assert set(tags("x " + markdown.text(foreign))) <= {"text", "text_special", "softbreak"}


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_table_keeps_its_columns(one: str, two: str) -> None:
    source = f"| a | b |\n|---|---|\n| {markdown.text(one)} | {markdown.text(two)} |\n"
    cells = [token.type for token in RENDER.parse(source) if token.type == "td_open"]
    assert len(cells) == 2


@given(st.text(max_size=300))
def test_code_is_one_code_span(foreign: str) -> None:
    code = markdown.code(foreign)
    assert set(tags("x " + code)) <= {"text", "code_inline"}


@pytest.mark.parametrize(
    "hostile",
    [
        "@octocat please look",
        "![pixel](https://evil.example/p.png)",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "fixes #1",
        "https://evil.example",
        "| a | b |",
        "\u202eecnalab",
        "line\nbreak\r\n# heading",
    ],
)
def test_nobody_is_pinged_nothing_is_loaded(hostile: str) -> None:
    shown = markdown.text(hostile)
    assert "\n" not in shown
    assert "@octocat" not in shown
    assert "#1" not in shown
    assert "https:" not in shown
    assert "\u202e" not in shown
    assert set(tags("x " + shown)) <= {"text", "text_special"}


@given(st.text(max_size=500), st.integers(10, 400))
def test_a_cut_keeps_the_limit_in_bytes_and_whole_characters(body: str, limit: int) -> None:
    cut = markdown.cut_bytes(body, limit)
    assert len(cut.encode()) <= limit
    cut.encode().decode()


@given(st.text(max_size=200))
def test_anywhere_it_is_text_also_where_a_line_begins(foreign: str) -> None:
    assert set(tags(markdown.anywhere(foreign))) <= {"text", "text_special", "softbreak"}
    below = RENDER.parse("above\n" + markdown.anywhere(foreign))
    assert {token.type for token in below} == {"paragraph_open", "inline", "paragraph_close"}


@pytest.mark.parametrize("start", ["- a", "+ a", "===", "---", "1. a", "12) a", "7.", "-"])
def test_what_would_begin_a_block_does_not(start: str) -> None:
    for source in (markdown.anywhere(start), "above\n" + markdown.anywhere(start)):
        assert {token.type for token in RENDER.parse(source)} == {
            *("paragraph_open", "inline", "paragraph_close")
        }


@pytest.mark.parametrize("plain", ["1.2.3", "v1", "a - b", "2026-11-21", "octocat"])
def test_what_is_harmless_is_left_as_it_is(plain: str) -> None:
    assert markdown.anywhere(plain) == plain


@pytest.mark.parametrize(("one", "other"), [("@", "octocat"), ("see #", "1"), ("HTTPS", "://e.x")])
def test_with_what_follows_it_makes_nothing_new(one: str, other: str) -> None:
    joined = markdown.anywhere(one) + markdown.anywhere(other)
    assert one + other not in joined.replace("\\", "")
