"""The parts of the page that need no browser: Markdown, the board, the consumer of events.

How they look together is in test_visitor.py.
"""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core import logtext
from ghapp.core.logtext import StepLog
from ghapp.demo.board import LISTENERS, Board, Full
from ghapp.demo.events import KEPT, Events, Unfit, read
from ghapp.demo.markup import html_of

Json = dict[str, Any]

# --- Markdown -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[x](javascript:alert(1))",
        "| <b onclick=x> |\n|---|\n| <i> |",
        "<details><summary><img src=x></summary>x</details>",
        "<details><summary>a</summary><script>x</script></details>",
        "<details><summary>a</summary>\n<script>x</script>\n</details>",
        "<details open><summary><code><script></code></summary>\n\nx\n</details>",
        "<details open><summary><code>&lt;img src=x&gt;</code></summary>\n\nx\n</details>",
        "<details><summary>a</summary>\n\n<p><img src=x></p>\n\nx\n</details>",
    ],
)
def test_foreign_markup_stays_text(markdown: str) -> None:
    html = html_of(markdown)
    assert not any(tag in html for tag in ("<script", "<img", "<b ", "<i>", 'href="javascript'))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_markdown_makes_an_element_that_runs_or_loads(markdown: str) -> None:
    html = html_of(markdown)
    assert "<script" not in html
    assert "style=" not in html or "style=" in markdown


def test_tables_have_no_style_attributes_because_the_policy_refuses_them() -> None:
    html = html_of("| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert "<td>1</td>" in html
    assert "style" not in html


def test_the_emoji_of_checkrail_are_drawn_and_named() -> None:
    html = html_of("| | Step |\n|---|---|\n| ✅ | test |\n| ❌ | build |")
    assert '<span class="mark good" role="img" aria-label="succeeded"></span>' in html
    assert "❌" not in html


def test_a_folded_block_is_a_folded_block() -> None:
    html = html_of("Before.\n\n<details><summary>meta</summary>*in*\n</details>\n\nAfter.")
    assert "<details><summary>meta</summary><p><em>in</em></p>" in html
    assert html.endswith("<p>After.</p>\n")


def test_the_log_of_a_step_looks_as_on_github() -> None:
    steps = [StepLog(name="a<b", text="<i>x</i>\n", failed=True, detail="exit code 1", note="Cut.")]
    html = html_of(logtext.fold(steps))
    assert html.startswith('<details open><summary><span class="mark bad"')
    assert "step <code>a&lt;b</code> · exit code 1</summary><p>Cut.</p>" in html
    assert "<code>&lt;i&gt;x&lt;/i&gt;\n</code></pre>" in html
    assert html.rstrip().endswith("</details>")


def test_a_log_that_is_wider_than_the_page_can_be_reached_with_keys() -> None:
    assert '<pre tabindex="0"' in html_of("```\nlog\n```")


# --- the board ----------------------------------------------------------------------------------


async def test_a_listener_hears_everything_once_and_then_what_changes() -> None:
    board = Board()
    board.show({"a": "1", "b": "2"})
    async with aclosing(board.follow(5)) as changes:
        assert await anext(changes) == {"a": "1", "b": "2"}
        board.show({"a": "1", "c": "3"})
        assert await anext(changes) == {"b": None, "c": "3"}


async def test_a_slow_listener_misses_states_but_not_the_latest() -> None:
    board = Board()
    board.show({"a": "0"})
    async with aclosing(board.follow(5)) as changes:
        await anext(changes)
        for number in range(1000):
            board.show({"a": str(number + 1)})
        assert await anext(changes) == {"a": "1000"}


async def test_a_quiet_board_says_so() -> None:
    board = Board()
    async with aclosing(board.follow(0.01)) as changes:
        await anext(changes)
        assert await anext(changes) == {}


async def test_who_listens_goes_home_at_the_end() -> None:
    board = Board()
    async with aclosing(board.follow(5)) as changes:
        await anext(changes)
        asyncio.get_running_loop().call_soon(board.end)
        assert [change async for change in changes] == [{}]


async def test_there_is_room_for_so_many_listeners_and_no_more() -> None:
    board = Board()
    there = [board.follow(5) for _ in range(LISTENERS)]
    for changes in there:
        await anext(changes)
    with pytest.raises(Full):
        await anext(board.follow(5))
    for changes in there:
        await changes.aclose()
    async with aclosing(board.follow(5)) as again:
        await anext(again)


# --- events -------------------------------------------------------------------------------------

HEAD = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/clusters/default",
    "ce-type": "dev.cdevents.pipelinerun.queued.0.3.0",
    "ce-subject": "ci/shop",
    "ce-time": "2026-01-01T00:00:00Z",
    "Content-Type": "application/json",
}
CONTEXT = {"id": "1", "source": "/clusters/default", "type": HEAD["ce-type"]}
BODY = {"context": CONTEXT, "subject": {"id": "ci/shop", "content": {}}}


def test_binary_and_structured_mode_are_the_same_event() -> None:
    binary = read(HEAD, json.dumps(BODY).encode())
    envelope = {name: text for name, text in binary.items() if name != "data"}
    structured = read(
        {"Content-Type": "application/cloudevents+json"},
        json.dumps({**envelope, "data": BODY}).encode(),
    )
    assert binary == structured
    assert binary["subject"] == "ci/shop"


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, b"{", "not JSON"),
        ({}, b"[]", "not a JSON object"),
        ({"ce-id": ""}, json.dumps(BODY).encode(), "missing: id"),
        ({"ce-specversion": "0.3"}, json.dumps(BODY).encode(), "0.3 is not 1.0"),
        ({}, b"{}", "no context"),
        ({"ce-id": "2"}, json.dumps(BODY).encode(), "context.id is '1', the envelope's '2'"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(
    headers: dict[str, str], body: bytes, reason: str
) -> None:
    with pytest.raises(Unfit, match=reason):
        read(HEAD | headers, body)


@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(sorted(HEAD)), st.text(max_size=9)))
def test_garbage_is_an_event_or_unfit(body: bytes, headers: dict[str, str]) -> None:
    try:
        found = read(HEAD | headers, body)
    except Unfit:
        return
    assert found["data"]["context"]["id"] == found["id"]


def test_a_repeat_is_counted_and_not_shown() -> None:
    pokes: list[None] = []
    events = Events(lambda: pokes.append(None))
    for id_ in ("1", "2", "1"):
        events.keep({"source": "s", "id": id_})
    assert [event["id"] for event in events.newest] == ["2", "1"]
    assert (events.received, events.repeats, len(pokes)) == (2, 1, 2)


def test_only_the_newest_events_are_kept() -> None:
    events = Events(lambda: None)
    for number in range(KEPT + 10):
        events.keep({"source": "s", "id": str(number)})
    assert len(events.newest) == KEPT
    assert events.newest[0]["id"] == str(KEPT + 9)
