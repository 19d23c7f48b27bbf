"""Stored values: they come back as they went in, and garbage is our own error and no other."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.effects import Effect, Promote, Rerun
from ghapp.core.source import Create
from ghapp.store.codec import Unreadable, decode_effect, decode_seen, encode, micros, moment
from tests.store.values import REPOSITORY, check, event, row, state, subject

EFFECTS: tuple[Effect, ...] = (
    event(1),
    state(1),
    Rerun(
        subject=subject(),
        login="octocat",
        token="t",
        write=Create(resource="v1/pods", namespace="ci", manifest={"a": [1, None, {"b": "é"}]}),
    ),
    Promote(
        subject=subject(),
        login="octocat",
        token="t",
        pipeline="apps:shop",
        environment="staging",
        version="1.2.3",
        repository=REPOSITORY,
        base_branch="main",
    ),
)


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: type(effect).__name__)
def test_an_effect_comes_back_as_it_was(effect: Effect) -> None:
    assert decode_effect(encode(effect)) == effect


def test_a_row_comes_back_as_it_was() -> None:
    seen = row(subject(revision="3"), version=7, told=check())
    assert decode_seen(encode(seen)) == seen


@given(st.binary())
def test_garbage_is_unreadable_and_nothing_else(stored: bytes) -> None:
    for decode in (decode_seen, decode_effect):
        with pytest.raises(Unreadable):
            decode(stored)


@given(st.integers(0, 500), st.binary(max_size=3))
def test_a_damaged_value_is_a_value_or_unreadable(position: int, damage: bytes) -> None:
    whole = encode(row(subject(), told=check()))
    with suppress(Unreadable):
        decode_seen(whole[:position] + damage + whole[position + len(damage) :])


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1900, 1, 2), timezones=zones))  # noqa: DTZ001 - a bound
def test_a_moment_comes_back_to_the_microsecond(when: datetime) -> None:
    assert moment(micros(when)) == when
    assert moment(micros(when)).tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        micros(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
