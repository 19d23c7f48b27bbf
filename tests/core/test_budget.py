"""The budget of an installation: GitHub's limits are never exceeded, and every wait ends.

The properties play arbitrary traffic against it and count for themselves. The queue in front of it
is in tests/github/test_limits.py.
"""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.budget import (
    CONTENT_A_MINUTE,
    CONTENT_AN_HOUR,
    DEFERRED,
    POINTS_A_MINUTE,
    Budget,
    Cost,
    Standing,
    Urgency,
    Wait,
    Why,
    Window,
    ask,
    heard,
    standing,
)
from ghapp.core.retry import LONGEST, Answer

NOW = 1_800_000_000.0
READ = Cost(points=1, endpoint="GET /x")
WRITE = Cost(
    points=5, endpoint="PATCH /repos/{owner}/{repo}/check-runs/{id}", urgency=Urgency.FINAL
)
ANSWER = replace(WRITE, urgency=Urgency.ANSWER)
PULL = Cost(points=5, endpoint="POST /repos/{owner}/{repo}/pulls", content=True)
PROGRESS = replace(WRITE, urgency=Urgency.PROGRESS)
NEW = Budget(published=False)
ON_GITHUB = Budget(published=True)


def hourly(remaining: int, *, limit: int = 5000, reset: float = NOW + 600) -> Answer:
    return Answer(
        status=200,
        headers={
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": str(int(reset)),
        },
    )


def wait_of(budget: Budget, cost: Cost, now: float = NOW) -> Wait | None:
    return ask(budget, cost, now)[1]


def burst(budget: Budget, cost: Cost, *, now: float = NOW, most: int = 2000) -> tuple[Budget, int]:
    """How many go at once."""
    for sent in range(most):
        budget, wait = ask(budget, cost, now)
        if wait is not None:
            return budget, sent
    return budget, most


def test_a_new_budget_lets_a_burst_through() -> None:
    assert burst(NEW, WRITE)[1] == 2000


def test_when_the_hour_ends_is_said_by_githubs_clock_and_kept_by_ours() -> None:
    told = hourly(10, reset=NOW + 1200 + 600)  # its clock is twenty minutes ahead of ours
    date = datetime.fromtimestamp(NOW + 1200, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    ahead = replace(told, headers={**told.headers, "date": date})
    standing_ = standing(heard(NEW, ahead, NOW), NOW)
    assert standing_
    assert standing_.reset == NOW + 600


def test_on_github_a_burst_of_writes_ends_at_the_published_points() -> None:
    budget, sent = burst(ON_GITHUB, WRITE)
    assert sent == POINTS_A_MINUTE // 5
    wait = wait_of(budget, WRITE)
    assert wait is not None
    assert 59 <= wait.seconds <= 61
    assert WRITE.endpoint in wait.reason


def test_points_count_for_all_endpoints_together() -> None:
    budget, _ = burst(ON_GITHUB, WRITE)
    wait = wait_of(budget, READ)
    assert wait is not None
    assert wait.why == Why.POINTS


def test_what_notifies_people_is_kept_to_eighty_a_minute_anywhere() -> None:
    budget, sent = burst(NEW, PULL)
    assert sent == CONTENT_A_MINUTE
    assert wait_of(budget, WRITE) is None


@pytest.mark.parametrize(("cost", "kept"), [(PROGRESS, 500), (ANSWER, 250), (WRITE, 0)])
def test_when_the_hour_runs_out_progress_gives_way_to_answers_and_both_to_verdicts(
    cost: Cost, kept: int
) -> None:
    assert wait_of(heard(NEW, hourly(kept + 1), NOW), cost) is None
    wait = wait_of(heard(NEW, hourly(kept), NOW), cost)
    assert wait is not None
    if kept:
        assert (wait.seconds, wait.why) == (DEFERRED, Why.KEPT)
    else:
        assert wait.why == Why.HOUR


def test_of_a_minute_s_points_some_are_left_to_answers_and_more_to_verdicts() -> None:
    budget, progress = burst(ON_GITHUB, PROGRESS)
    budget, answers = burst(budget, ANSWER)
    budget, verdicts = burst(budget, WRITE)
    assert [5 * sent for sent in (progress, answers, verdicts)] == [630, 180, 90]
    wait = wait_of(budget, WRITE)
    assert wait is not None
    assert wait.why == Why.POINTS


def test_not_modified_costs_nothing_of_the_hour() -> None:
    budget = heard(NEW, hourly(1000), NOW)
    for _ in range(50):
        budget, wait = ask(budget, READ, NOW)
        assert wait is None
        budget = heard(budget, replace(hourly(1000), status=304), NOW)
    assert budget.remaining == 1000


def test_of_what_github_does_not_limit_there_is_no_standing() -> None:
    budget, _ = burst(NEW, WRITE, most=10)
    assert standing(budget, NOW) is None


def test_a_standing_says_how_long_the_hour_lasts_at_the_present_rate() -> None:
    budget, _ = burst(heard(NEW, hourly(1000, reset=NOW + 3600), NOW), WRITE, most=300)
    assert standing(budget, NOW) == Standing(
        limit=5000, remaining=700, reset=NOW + 3600, points=1500, lasts=700.0
    )
    found = standing(budget, NOW + 310)
    assert found is not None
    assert (found.points, found.lasts) == (0, inf)


@pytest.mark.parametrize(
    ("remaining", "later", "lasts"), [(0, 0.0, 0.0), (4000, 0.0, inf), (300, 3601.0, inf)]
)
def test_an_hour_that_ends_before_its_requests_do_lasts(
    remaining: int, later: float, lasts: float
) -> None:
    told = hourly(remaining + 300 if remaining else 0, reset=NOW + 3600)
    budget, _ = burst(heard(NEW, told, NOW), WRITE, most=300)
    found = standing(budget, NOW + later)
    assert found is not None
    assert found.lasts == lasts


def test_with_the_hour_used_up_nothing_goes_until_the_reset() -> None:
    budget = heard(NEW, hourly(0), NOW)
    wait = wait_of(budget, READ)
    assert wait is not None
    assert wait.seconds == 601
    assert wait_of(budget, READ, NOW + 601) is None


def test_our_own_requests_count_before_their_answers_are_heard() -> None:
    assert burst(heard(NEW, hourly(3), NOW), WRITE)[1] == 3


def test_answers_that_overtake_each_other_never_give_requests_back() -> None:
    budget = heard(heard(NEW, hourly(10), NOW), hourly(12), NOW)
    assert budget.remaining == 10
    assert heard(budget, hourly(4999, reset=NOW + 4000), NOW + 601).remaining == 4999


def test_another_resource_s_headers_do_not_count() -> None:
    graphql = hourly(0)
    headers = {**graphql.headers, "x-ratelimit-resource": "graphql"}
    assert heard(NEW, replace(graphql, headers=headers), NOW) == NEW


def test_a_secondary_refusal_stops_everything_then_keeps_the_published_limits() -> None:
    budget = heard(NEW, Answer(status=403, headers={"retry-after": "30"}), NOW)
    wait = wait_of(budget, READ)
    assert wait is not None
    assert wait.seconds == 30
    assert burst(budget, WRITE, now=NOW + 30)[1] == POINTS_A_MINUTE // 5
    assert burst(budget, WRITE, now=NOW + 30 + 3600)[1] == 2000


def test_refusals_in_a_row_wait_longer_and_echoes_of_one_do_not() -> None:
    no = Answer(status=429)
    once = heard(NEW, no, NOW)
    assert heard(once, no, NOW + 1).strikes == 1
    twice = heard(once, no, NOW + 61)
    assert (twice.strikes, twice.paused_until) == (2, NOW + 61 + 120)
    calm = heard(twice, Answer(status=200), NOW + 300)
    assert calm.strikes == 0
    assert heard(twice, Answer(status=200), NOW + 62).strikes == 2


def test_a_clock_that_went_back_does_not_make_the_pause_endless() -> None:
    budget = heard(NEW, Answer(status=429), NOW)
    wait = wait_of(budget, READ, NOW - 1e9)
    assert wait is not None
    assert wait.seconds <= LONGEST


TRAFFIC = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 60)), min_size=1, max_size=60)


def most_within(log: list[tuple[float, int]], seconds: float) -> int:
    """The most that was spent in any stretch of so many seconds."""
    best = total = start = 0
    for now, amount in log:
        total += amount
        while log[start][0] <= now - seconds:
            total -= log[start][1]
            start += 1
        best = max(best, total)
    return best


@given(TRAFFIC)
def test_never_more_points_in_a_minute_than_published(traffic: list[tuple[float, int]]) -> None:
    budget, now, log = ON_GITHUB, NOW, []
    for pause, wanted in traffic:
        now += pause
        for number in range(wanted):
            cost = (WRITE, READ, ANSWER)[number % 3]
            budget, wait = ask(budget, cost, now)
            if wait is None:
                log.append((now, cost.points))
    assert most_within(log, 60) <= POINTS_A_MINUTE


@given(TRAFFIC)
def test_never_more_content_than_eighty_a_minute_and_five_hundred_an_hour(
    traffic: list[tuple[float, int]],
) -> None:
    budget, now, log = NEW, NOW, []
    for pause, wanted in traffic:
        now += pause * 3
        for _ in range(wanted):
            budget, wait = ask(budget, PULL, now)
            if wait is None:
                log.append((now, 1))
    assert most_within(log, 60) <= CONTENT_A_MINUTE
    assert most_within(log, 3600) <= CONTENT_AN_HOUR


COSTS = st.sampled_from([READ, WRITE, ANSWER, PULL, PROGRESS])
ANSWERS = st.builds(
    Answer,
    status=st.sampled_from([200, 201, 403, 404, 429, 500]),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "retry-after": st.integers(0, 10**7).map(str),
            "x-ratelimit-limit": st.integers(0, 15_000).map(str),
            "x-ratelimit-remaining": st.integers(0, 15_000).map(str),
            "x-ratelimit-reset": st.integers(0, 10**12).map(str),
        },
    ),
    text=st.sampled_from(["", "secondary rate limit"]),
)
STEPS = st.lists(st.tuples(st.floats(-100, 4000), COSTS | ANSWERS), max_size=40)


@pytest.mark.parametrize("published", [True, False])
@given(steps=STEPS, cost=COSTS)
def test_whatever_happened_whoever_waits_as_told_gets_through(
    published: bool, steps: list[tuple[float, Cost | Answer]], cost: Cost
) -> None:
    budget, now = Budget(published=published), NOW
    for pause, step in steps:
        now += pause
        if isinstance(step, Cost):
            budget, _ = ask(budget, step, now)
        else:
            budget = heard(budget, step, now)
    waited = 0.0
    for _ in range(400):
        budget, wait = ask(budget, cost, now)
        if wait is None:
            break
        assert 0 < wait.seconds <= LONGEST + 1
        now, waited = now + wait.seconds, waited + wait.seconds
    assert wait is None
    assert waited <= 4 * LONGEST


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), max_size=100))
def test_a_window_stays_small(spent: list[tuple[float, int]]) -> None:
    window, now = Window(limit=900, seconds=60), NOW
    for pause, amount in spent:
        now += pause
        window = window.spend(amount, now)
    assert len(window.log) <= 62
