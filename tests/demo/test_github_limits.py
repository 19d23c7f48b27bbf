"""GitHub's rate limits, as the stand-in keeps them with a clock of the test's own."""

from __future__ import annotations

import pytest

from ghapp.demo.github import GITHUB_COM, OFF, GitHub, Limits
from ghapp.demo.github.errors import ApiError
from ghapp.demo.github.limits import Cost, Meter
from tests.github_fixtures import Api, Clock

READ, WRITE, TALK = Cost(points=1), Cost(points=5), Cost(points=5, content=True)


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
def github_limits() -> Limits:
    return Limits(requests_an_hour=5, points_a_minute=900)


def charge(meter: Meter, cost: Cost, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        meter.charge("me", cost, now)


def refusal(meter: Meter, cost: Cost, now: float = 0.0) -> ApiError:
    with pytest.raises(ApiError) as refused:
        meter.charge("me", cost, now)
    return refused.value


# -- the model --------------------------------------------------------------------------------


def test_a_write_costs_five_points_so_180_fit_in_a_minute() -> None:
    meter = Meter(GITHUB_COM)
    charge(meter, WRITE, 180)
    refused = refusal(meter, WRITE, now=20)
    assert refused.status == 403
    assert "secondary rate limit" in refused.message
    assert refused.headers == {"retry-after": "40"}
    charge(meter, WRITE, 1, now=60)


def test_reads_and_writes_share_their_points_and_graphql_has_its_own() -> None:
    meter = Meter(GITHUB_COM)
    charge(meter, READ, 899)
    refusal(meter, WRITE)
    charge(meter, READ, 1)
    refusal(meter, READ)
    charge(meter, Cost(points=1, resource="graphql"), 2000)
    refusal(meter, Cost(points=1, resource="graphql"))


def test_content_is_made_eighty_times_a_minute_and_five_hundred_an_hour() -> None:
    meter = Meter(GITHUB_COM)
    charge(meter, TALK, 80)
    refusal(meter, TALK)
    charge(meter, WRITE, 80)  # what tells nobody goes on
    for minute in range(1, 6):
        charge(meter, TALK, 80, now=minute * 61)
    charge(meter, TALK, 20, now=400)
    assert refusal(meter, TALK, now=400).headers == {"retry-after": "3200"}


def test_a_hundred_requests_at_once_are_enough() -> None:
    meter = Meter(GITHUB_COM)
    meter.in_flight = 101
    refusal(meter, READ)
    meter.in_flight = 100
    charge(meter, READ, 1)


def test_retry_after_can_be_left_out_as_github_sometimes_does() -> None:
    meter = Meter(Limits(requests_an_hour=None, points_a_minute=1, retry_after=False))
    charge(meter, READ, 1)
    assert refusal(meter, READ).headers == {}


def test_callers_do_not_use_each_others_budget() -> None:
    meter = Meter(Limits(requests_an_hour=1))
    charge(meter, READ, 1)
    meter.charge("another", READ, 0.0)
    refusal(meter, READ)


def test_nothing_is_counted_where_limits_are_off() -> None:
    meter = Meter(OFF)
    charge(meter, WRITE, 10_000)
    assert meter.headers("me", "core", 0.0) == {}


# -- over HTTP --------------------------------------------------------------------------------


async def test_the_headers_count_down_to_a_403_and_start_over_after_the_hour(
    api: Api, github_clock: Clock
) -> None:
    answers = [await api.get("/repos/acme/shop/pulls") for _ in range(6)]
    assert [each.headers["x-ratelimit-remaining"] for each in answers] == list("432100")
    assert [each.status for each in answers] == [200] * 5 + [403]
    assert "API rate limit exceeded" in answers[-1].body["message"]
    reset = int(answers[-1].headers["x-ratelimit-reset"])
    assert answers[-1].headers["x-ratelimit-resource"] == "core"
    github_clock.advance(reset - github_clock() - 1)
    assert (await api.get("/repos/acme/shop/pulls")).status == 403
    github_clock.advance(1)
    assert (await api.get("/repos/acme/shop/pulls", token=await api.mint())).status == 200


async def test_asking_for_the_limits_is_free(api: Api) -> None:
    for _ in range(10):
        shown = await api.get("/rate_limit")
    assert shown.body["rate"]["remaining"] == 5


async def test_an_unchanged_answer_is_304_and_free(github: GitHub, api: Api) -> None:
    first = await api.get("/repos/acme/shop")
    known = {"If-None-Match": first.headers["ETag"]}
    for _ in range(10):
        again = await api.get("/repos/acme/shop", headers=known)
        assert again.status == 304
        assert again.headers["x-ratelimit-remaining"] == "4"
    github.push("acme/shop", "main", {"x": "x"}, "x", "dev")
    github.repository("acme/shop").pushed += 1
    assert (await api.get("/repos/acme/shop", headers=known)).status == 200


async def test_the_budget_can_be_used_up_on_purpose(
    github: GitHub, api: Api, github_clock: Clock
) -> None:
    github.meter.exhaust(f"installation ID {api.installation.id}", github_clock())
    assert (await api.get("/repos/acme/shop")).status == 403
