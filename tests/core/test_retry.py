"""What an answer means: a table of GitHub's own, and that any answer at all gets a bounded verdict.

That nothing is sent while GitHub wants peace is in test_budget.py and tests/github.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.retry import LONGEST, backoff, http_date, number, verdict
from ghapp.errors import Reject, Retry

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
SECONDARY = json.dumps({"message": "You have exceeded a secondary rate limit. Please wait."})


def judge(
    status: int, text: str = "", *, write: bool = True, strikes: int = 0, **headers: str
) -> Retry | Reject:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return verdict(status, named, text, now=NOW, write=write, strikes=strikes)


def wait(error: Retry | Reject) -> float | None:
    assert isinstance(error, Retry)
    return error.after


RESET = str(int(NOW.timestamp()) + 90)


@pytest.mark.parametrize(
    ("status", "headers", "text", "after"),
    [
        (403, {"retry_after": "30"}, SECONDARY, 30.0),
        (429, {"retry_after": "30"}, "", 30.0),
        (429, {"retry_after": "Fri, 15 Jan 2027 08:00:45 GMT"}, "", 45.0),
        (429, {"retry_after": "0"}, "", 1.0),
        (429, {"retry_after": "999999"}, "", LONGEST),
        (429, {"retry_after": "soon"}, "", 60.0),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": RESET}, "", 91.0),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1"}, "", 1.0),
        (403, {}, SECONDARY, 60.0),
        (403, {}, "You have triggered an abuse detection mechanism", 60.0),
        (429, {}, "", 60.0),
    ],
)
def test_a_refusal_for_rate_reasons_says_when_to_come_back(
    status: int, headers: dict[str, str], text: str, after: float
) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = verdict(status, named, text, now=NOW)
    assert isinstance(error, Retry)
    assert error.after == after
    assert not error.uncertain
    assert error.status == status


@pytest.mark.parametrize("minutes", [-20, 0, 20])
def test_moments_are_of_the_far_sides_clock_whatever_ours_says(minutes: int) -> None:
    date = NOW + timedelta(minutes=minutes)
    headers = {
        "date": date.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(date.timestamp()) + 90),
    }
    assert wait(verdict(403, headers, "", now=NOW)) == 91.0
    later = (date + timedelta(seconds=45)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    named = {"date": headers["date"], "retry-after": later}
    assert wait(verdict(429, named, "", now=NOW)) == 45.0


def test_each_secondary_limit_in_a_row_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    waits = [wait(judge(403, SECONDARY, strikes=strikes)) for strikes in range(6)]
    assert waits == [60, 120, 240, 480, 900, 900]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 408])
def test_a_broken_far_side_may_have_done_what_it_was_asked(status: int) -> None:
    write, read = judge(status), judge(status, write=False)
    assert isinstance(write, Retry)
    assert (write.uncertain, write.after) == (True, None)
    assert isinstance(read, Retry)
    assert not read.uncertain


def test_a_broken_far_side_that_names_a_time_gets_it() -> None:
    assert wait(judge(503, retry_after="7")) == 7


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 409, 410, 422, 451, 501])
def test_a_no_is_a_no(status: int) -> None:
    error = judge(status, '{"message": "No"}')
    assert isinstance(error, Reject)
    assert error.status == status
    assert error.reason == f"HTTP {status}: No"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"message": "Bad", "errors": [{"message": "too long"}]}', "Bad; too long"),
        (
            '{"message": "Bad", "errors": [{"resource": "Pull", "field": "head", "code": "bad"}]}',
            "Bad; Pull head bad",
        ),
        ('{"message": "Bad", "errors": ["a", {}]}', "Bad; a"),
        ('{"message": 1}', '{"message": 1}'),
        ("<h1>\n Oops</h1>", "<h1> Oops</h1>"),
        ("x" * 600, "x" * 500 + "..."),
    ],
)
def test_the_message_is_what_the_far_side_said(text: str, said: str) -> None:
    assert judge(422, text).reason == f"HTTP 422: {said}"


def test_a_missing_permission_is_named() -> None:
    error = judge(
        403,
        '{"message": "Resource not accessible by integration"}',
        x_accepted_github_permissions="issues=write; pull_requests=write,contents=read",
    )
    assert "the App lacks issues:write or pull_requests:write and contents:read" in error.reason


def test_a_missing_permission_is_told_even_where_it_is_not_named() -> None:
    error = judge(403, '{"message": "Resource not accessible by integration"}')
    assert "the App lacks a permission for this: add it in the App's settings" in error.reason


def test_another_403_does_not_blame_permissions() -> None:
    error = judge(403, '{"message": "Nope"}', x_accepted_github_permissions="checks=write")
    assert error.reason == "HTTP 403: Nope"


@given(
    status=st.integers(100, 999).filter(lambda status: not 200 <= status < 300),
    text=st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        st.text() | st.integers().map(str) | st.floats().map(str),
    ),
    strikes=st.integers(0, 10**6),
)
def test_every_answer_gets_a_verdict_and_no_wait_is_endless(
    status: int, text: str, headers: dict[str, str], strikes: int
) -> None:
    error = verdict(status, headers, text, now=NOW, strikes=strikes)
    assert error.status == status
    assert len(error.reason) < 1000
    if isinstance(error, Retry):
        assert error.after is None or 1 <= error.after <= LONGEST


def test_a_body_nested_beyond_reason_is_no_reason_to_fail() -> None:
    judge(500, "[" * 100_000)


@given(tries=st.integers(-5, 10**9), jitter=st.floats(0, 1))
def test_back_off_is_bounded_and_half_of_it_is_sure(tries: int, jitter: float) -> None:
    wait = backoff(tries, jitter)
    assert 0.5 <= wait <= 300
    assert backoff(tries, 0.0) <= wait <= backoff(tries, 1.0)


@given(tries=st.integers(0, 50), jitter=st.floats(0, 1))
def test_back_off_grows(tries: int, jitter: float) -> None:
    assert backoff(tries, jitter) <= backoff(tries + 1, jitter)


@given(st.text())
def test_headers_of_strangers_are_numbers_dates_or_nothing(text: str) -> None:
    assert number(text) is None or number(text) >= 0  # type: ignore[operator]
    http_date(text)


def test_a_date_is_a_date() -> None:
    assert http_date("Fri, 15 Jan 2027 08:00:00 GMT") == NOW.timestamp()
    assert http_date("2027-01-15") is None
