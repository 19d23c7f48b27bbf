"""The picture of a run's steps: what is in its address comes out of it, and nothing else does."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core import timeline as module
from ghapp.core.checks import render
from ghapp.core.model import Observation, Phase, Step
from ghapp.core.timeline import BARS, NAME_LIMIT, Bar, Timeline, address, read, svg, timeline
from tests.core.builders import at, run_look

URL = "https://checkrail.example.com"


def step(name: str, start: float, end: float | None, phase: Phase = Phase.SUCCEEDED) -> Step:
    return Step(
        name=name, phase=phase, started=at(start), finished=None if end is None else at(end)
    )


def ran(*steps: Step, phase: Phase = Phase.FAILED, **changes: Any) -> Observation:
    return run_look(phase, steps=steps, **changes)


BUILD, TEST = step("build", 1, 63), step("test", 63, 152, Phase.FAILED)


def asked(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query)


def shapes(picture: str) -> list[str]:
    """The texts that are to be read, in order."""
    texts = ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()) for text in texts]


def test_each_step_is_a_bar_from_its_begin_to_its_end() -> None:
    drawn = timeline(ran(TEST, BUILD))
    assert drawn == Timeline(
        bars=(Bar(0, 62, "s", "build"), Bar(62, 151, "f", "test")),
        steps=2,
    )
    assert address(f"{URL}/", drawn) == f"{URL}/timeline.svg?of=2&s=0.62.s.build&s=62.151.f.test"
    assert shapes(svg(drawn))[-6:] == ["✓", "build", "1m 2s", "✗", "test", "1m 29s"]


def test_the_check_of_a_run_that_is_over_shows_it() -> None:
    check = render(ran(BUILD, TEST), public_url=URL)
    assert f"]({URL}/timeline.svg?of=2&s=0.62.s.build&s=62.151.f.test)" in check.summary
    assert "timeline.svg" not in render(ran(BUILD, TEST)).summary


@pytest.mark.parametrize(
    "look",
    [
        ran(BUILD),
        ran(BUILD, step("skipped", 63, None)),
        ran(BUILD, TEST, phase=Phase.RUNNING),
        ran(step("a", 5, 5), step("b", 5, 5)),
        ran(step("a", 0, 5), step("b", 5, 10**8)),
    ],
    ids=["one", "one of two", "running", "no time", "an age"],
)
def test_where_it_says_no_more_than_the_table_there_is_none(look: Observation) -> None:
    assert timeline(look) is None
    assert "timeline.svg" not in render(look, public_url=URL).summary


def test_of_many_steps_the_longest_are_drawn() -> None:
    steps = [step(f"s{n}", n, n + 10 + n % 50) for n in range(200)]
    drawn = timeline(ran(*steps))
    assert drawn is not None
    assert (len(drawn.bars), drawn.steps) == (BARS, 200)
    assert min(bar.end - bar.start for bar in drawn.bars) > 40
    assert shapes(svg(drawn))[-1] == f"the {BARS} longest of 200 steps"


def test_a_clock_that_goes_back_draws_nothing_backwards() -> None:
    drawn = timeline(ran(step("a", 10, 4), step("b", 0, 8)))
    assert drawn is not None
    assert all(bar.start <= bar.end for bar in drawn.bars)


@given(
    steps=st.lists(
        st.builds(
            lambda name, start, took, phase, tolerated: Step(
                name=name,
                phase=phase,
                started=at(start),
                finished=at(start) + timedelta(seconds=took),
                tolerated=tolerated,
            ),
            st.text(min_size=1, max_size=60),
            st.integers(0, 10**6),
            st.integers(0, 10**6),
            st.sampled_from([phase for phase in Phase if phase.finished]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_the_steps_are_called_the_address_leads_to_their_picture(
    steps: list[Step],
) -> None:
    drawn = timeline(ran(*steps))
    if drawn is None:
        return
    url = address(URL, drawn)
    assert url.isascii()
    assert not any(sign in url for sign in " ()<>\\\"'`|")
    assert len(url) < 6_000
    assert read(asked(url)) == drawn
    shown = shapes(svg(drawn))
    assert all(bar.name in shown for bar in drawn.bars)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "of=2",
        "of=2&s=0.1.s.a",
        "s=0.1.s.a&s=0.1.s.b",
        "of=2&of=2&s=0.1.s.a&s=0.1.s.b",
        "of=1&s=0.1.s.a&s=0.1.s.b",
        "of=2&s=0.1.s.a&s=0.1.s.b&x=1",
        "of=2&s=0.0.s.a&s=0.0.s.b",
        "of=2&s=2.1.s.a&s=0.1.s.b",
        "of=2&s=0.1.x.a&s=0.1.s.b",
        "of=2&s=0.1.s.&s=0.1.s.b",
        "of=2&s=0.1.s&s=0.1.s.b",
        "of=2&s=-1.1.s.a&s=0.1.s.b",
        "of=2&s=0.1e9.s.a&s=0.1.s.b",
        "of=2&s=0.%D9%A1.s.a&s=0.1.s.b",
        "of=2&s=0.99999999.s.a&s=0.1.s.b",
        "of=2&s=0.1.s.a%00&s=0.1.s.b",
        "of=2&s=0.1.s.a%E2%80%AE&s=0.1.s.b",
        f"of=2&s=0.1.s.{'a' * (NAME_LIMIT + 1)}&s=0.1.s.b",
        "of=99&" + "&".join(f"s=0.1.s.{n}" for n in range(BARS + 1)),
    ],
)
def test_an_address_that_we_do_not_write_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(parse_qsl(query, keep_blank_values=True))


@given(
    pairs=st.lists(st.tuples(st.sampled_from(["s", "of", "x"]), st.text(max_size=20)), max_size=30)
)
def test_garbage_is_a_picture_or_a_value_error(pairs: list[tuple[str, str]]) -> None:
    try:
        drawn = read(pairs)
    except ValueError:
        return
    ET.fromstring(svg(drawn))


def test_a_name_is_text_and_never_markup() -> None:
    name = "</text><script>&\"'"
    drawn = Timeline(bars=(Bar(0, 1, "s", name), Bar(0, 2, "t", "b")), steps=2)
    assert name in shapes(svg(drawn))
    assert "<script" not in svg(drawn)


def test_every_state_has_a_colour_and_a_mark() -> None:
    for state in module._STATES:
        drawn = Timeline(bars=(Bar(0, 1, state, "a"), Bar(0, 2, "s", "b")), steps=2)
        assert f'class="{state}"' in svg(drawn)
        assert f".{state}{{fill:" in module._STYLE.replace(".c,.t{", ".c{fill:.t{")
