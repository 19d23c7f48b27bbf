"""Logs as text and as Markdown: what a terminal would show, limits in bytes, nothing rendered.

Masking is in `test_mask.py`, what tools say about files in `test_annotations.py`.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ghapp.core import logtext
from ghapp.core.logtext import StepLog, clean, cut_middle, decode, fold, inner_lines, tail

RENDER = MarkdownIt("commonmark", {"html": True})
ANY_TEXT = st.text(st.characters(), max_size=300)
"""Surrogates included: they come from JSON."""
HOSTILE = st.text(
    st.sampled_from("\x1b\x9b\x9d[]0;8mKGA\\\x07\r\n\b\x00`~<>/#:é😀\u202e a"), max_size=200
)
STEPS = st.lists(
    st.builds(
        StepLog,
        name=ANY_TEXT,
        text=ANY_TEXT | HOSTILE | st.integers(0, 5_000).map(lambda size: "`é\n" * size),
        failed=st.booleans(),
        detail=ANY_TEXT,
        note=ANY_TEXT,
        lines=st.integers(1, 600),
        length=st.none() | st.integers(20, 200),
    ),
    max_size=12,
)


# --- what a terminal would show -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;31merror\x1b[0m: x", "error: x"),
        ("\x1b[01m\x1b[Kcart.c:4:\x1b[m\x1b[K no", "cart.c:4: no"),
        ("\x1b]8;;https://gcc.gnu.org/#x\x07-Wfoo\x1b]8;;\x07!", "-Wfoo!"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x07text", "text"),
        ("\x9b31mred\x9d0;title\x9c.", "red."),
        ("\x1bPq#0;2;0\x1b\\after a picture", "after a picture"),
        ("\x1b(Bcharset\x1b=\x1b7", "charset"),
        ("cut \x1b[31", "cut "),
        ("cut \x1b]8;;https://half", "cut "),
        ("cut \x1b", "cut "),
        ("10%\r50%\r100%\ndone", "100%\ndone"),
        ("100%\r      \rerror: x", "error: x"),
        ("dos\r\nlines\r\n", "dos\nlines\n"),
        ("50%\x1b[1G\x1b[0Kdone", "done"),
        ("ab\b\bxy|\b/\b-", "xy-"),
        ("\b\bstart", "start"),
        ("a\x00b\x07c\x0bd\x7fe\x85f\tg", "abcdef\tg"),
        ("evil \u202etxt.exe", "evil \ufffdtxt.exe"),
        ("half a pair \ud83d", "half a pair \ufffd"),
        ("line\u2028separator", "line\u2028separator"),
    ],
)
def test_a_log_reads_as_on_a_terminal(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_a_stray_escape_does_not_hide_the_rest_of_its_line() -> None:
    assert clean("ok \x1b]0;error: it broke\nnext") == "ok 0;error: it broke\nnext"


@given(ANY_TEXT | HOSTILE)
def test_cleaning_is_done_once_and_for_all(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", cleaned)


@given(st.text(), st.integers(0, 8), st.integers(0, 8))
def test_a_cut_log_has_no_broken_character(text: str, before: int, after: int) -> None:
    raw = text.encode()
    shown = decode(raw[before : max(len(raw) - after, before)])
    assert shown in text


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(raw: bytes) -> None:
    decode(raw).encode()


@pytest.mark.parametrize(
    ("begun", "ended", "kept"),
    [
        (True, True, b"half\nwhole\nhalf"),
        (False, True, b"whole\nhalf"),
        (True, False, b"half\nwhole\n"),
        (False, False, b"whole\n"),
    ],
)
def test_half_lines_are_left_out_where_a_log_was_cut(
    *, begun: bool, ended: bool, kept: bytes
) -> None:
    assert inner_lines(b"half\nwhole\nhalf", begun=begun, ended=ended) == kept


def test_a_log_that_is_half_a_line_is_nothing() -> None:
    assert inner_lines(b"half", begun=False, ended=True) == b""
    assert inner_lines(b"half", begun=True, ended=False) == b""
    assert inner_lines(b"whole", begun=True, ended=True) == b"whole"


# --- its end, within limits -----------------------------------------------------------------------


def test_the_end_is_kept_and_the_rest_counted() -> None:
    text = "\n".join(f"line {number}" for number in range(2_000))
    shown = tail(text, lines=3)
    assert shown == "[… 1,997 earlier lines …]\nline 1997\nline 1998\nline 1999"


def test_a_budget_is_spent_from_the_end() -> None:
    shown = tail("\n".join(f"{number:099}" for number in range(100)), budget=1_000)
    assert shown.startswith("[… 91 earlier lines …]\n")
    assert shown.endswith(f"{99:099}")


def test_a_long_line_loses_its_middle() -> None:
    line = "head " + "é" * 5_000 + " tail"
    cut = cut_middle(line, 200)
    assert (cut[:5], cut[-5:]) == ("head ", " tail")
    assert re.search(r"é … 9,8\d\d bytes … é", cut)


def test_the_last_line_is_shown_even_if_it_alone_is_too_long() -> None:
    assert tail("x" * 10_000_000, budget=500).count("bytes …") == 1


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("::group::Install\nnpm ci\n::endgroup::\nok", "▸ Install\nnpm ci\nok"),
        ("##[group]Build\n  ##[section]Link\n##[endgroup]", "▸ Build\n  ▸ Link"),
        ("::endgroup::", ""),
        ("a::group::b", "a::group::b"),
    ],
)
def test_groups_stay_readable(raw: str, shown: str) -> None:
    assert tail(raw) == shown


@given(ANY_TEXT | HOSTILE, st.integers(0, 400), st.integers(1, 20), st.integers(1, 100))
def test_a_tail_keeps_its_budget_in_bytes(text: str, budget: int, lines: int, width: int) -> None:
    assert len(tail(text, lines=lines, width=width, budget=budget).encode()) <= budget


@given(ANY_TEXT, st.integers(0, 200))
def test_a_line_keeps_its_width_in_bytes(line: str, limit: int) -> None:
    assert len(cut_middle(line, limit).encode()) <= limit


# --- as Markdown ----------------------------------------------------------------------------------


def test_failing_steps_come_first_and_stand_open() -> None:
    folded = fold(
        [
            StepLog(name="clone", text="ok"),
            StepLog(name="test", text="boom", failed=True, detail="exit code 2"),
            StepLog(name="lint", note="The log is gone with its pod."),
        ]
    )
    assert folded == (
        "<details open><summary>❌ step <code>test</code> · exit code 2</summary>\n\n"
        "```\nboom\n```\n\n</details>\n\n"
        "<details><summary>step <code>clone</code></summary>\n\n"
        "```\nok\n```\n\n</details>\n\n"
        "<details><summary>step <code>lint</code></summary>\n\n"
        "<p>The log is gone with its pod.</p>\n\n</details>\n\n"
    )


def test_failing_steps_get_most_of_the_room_and_nobody_nothing() -> None:
    text = "\n".join("x" * 99 for _ in range(1_000))
    steps = [StepLog(name=f"s{number}", text=text, failed=number == 2) for number in range(4)]
    sizes = [len(part) for part in fold(steps).split("</details>")[:4]]
    assert 45_000 < sizes[0] < 50_000
    assert all(4_000 < size < 6_000 for size in sizes[1:])


def test_what_one_step_does_not_need_another_gets() -> None:
    long = "\n".join("x" * 99 for _ in range(450))
    folded = fold([StepLog(name="a", text="short", failed=True), StepLog(name="b", text=long)])
    assert long in folded


def test_steps_that_do_not_fit_are_counted() -> None:
    steps = [StepLog(name=f"step-{number}", text="x\n" * 300) for number in range(1_000)]
    folded = fold(steps)
    shown = folded.count("<details>")
    assert folded.endswith(f"… and {1_000 - shown} more steps.\n")
    assert 150 < shown < 300


@given(STEPS, st.integers(0, 4_000) | st.just(65_535))
def test_a_fold_keeps_its_limit_in_bytes(steps: list[StepLog], limit: int) -> None:
    assert len(fold(steps, limit).encode()) <= limit


@given(STEPS)
def test_whatever_a_step_writes_the_page_is_sections_and_code(steps: list[StepLog]) -> None:
    tokens = RENDER.parse(fold(steps))
    fences = [token for token in tokens if token.type == "fence"]
    html = [token.content for token in tokens if token.type == "html_block"]
    assert {token.type for token in tokens} <= {"fence", "html_block"}
    assert len(fences) <= len(steps)
    assert all(
        re.fullmatch(
            r"<details( open)?><summary>(❌ )?step <code>[^<>]*</code>( · [^<>]*)?</summary>\n"
            r"|</details>\n?|<p>[^<>]*</p>\n",
            block,
        )
        for block in html
    )


HOSTILE_NAMES = [
    "</summary><img src=https://evil.example/x.png>",
    "@octocat please",
    "fixes #1 and https://evil.example",
    "a\n\n# heading",
    "\u202egnp.exe",
]


@pytest.mark.parametrize("hostile", HOSTILE_NAMES)
def test_a_hostile_name_is_only_a_name(hostile: str) -> None:
    summary = fold([StepLog(name=hostile, detail=hostile)])
    assert len(re.findall(r"<(?!/?(?:details|summary|code)>)", summary)) == 0
    assert not re.search(r"@\w|#\d|https:|\n# |\u202e", summary)


@pytest.mark.parametrize("ticks", [3, 5, 32, 33, 60_000])
def test_back_ticks_do_not_end_the_block(ticks: int) -> None:
    text = f"before\n{'`' * ticks}\n<img src=x>\n</details>"
    (block,) = (
        token
        for token in RENDER.parse(fold([StepLog(name="s", text=text)]))
        if token.type == "fence"
    )
    assert block.content.endswith("<img src=x>\n</details>\n")


def test_what_was_masked_does_not_grow_together_again() -> None:
    folded = fold([StepLog(name="s", text="ghp_\x00abc")])
    assert "ghp_\ufffdabc" in folded


def test_ten_megabytes_in_one_line_are_no_trouble() -> None:
    text = clean("\x1b[31m" + "é" * 5_000_000)
    assert len(fold([StepLog(name="s", text=text, failed=True)]).encode()) <= logtext.BUDGET


@given(st.text(max_size=300), st.integers(20, 60))
def test_a_shortened_line_has_its_two_ends_and_never_more_characters(
    line: str, length: int
) -> None:
    for before, after in zip(
        line.split("\n"), logtext.shorten(line, length).split("\n"), strict=True
    ):
        assert len(after) <= length
        head, mark, end = after.partition("…")
        assert after == before or (mark and before.startswith(head) and before.endswith(end))
