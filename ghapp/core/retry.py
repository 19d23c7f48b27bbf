"""What an HTTP answer means for whoever asked: done, try again (and when), or never.

Written for GitHub, whose way of saying "slow down" is peculiar (403 as well as 429, with or without
a header), and right for any other HTTP sink. Nothing here waits: time, tries and chance are
arguments.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ghapp.errors import DeliveryError, Reject, Retry

LONGEST: Final = 3660.0
"""Seconds: no answer, however hostile, makes us wait longer. GitHub's windows last an hour."""
SECONDARY: Final = 60.0
"""Seconds to wait after a secondary limit that names none, doubled each time: GitHub's advice.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
"""
LISTED: Final = 5.0
"""Seconds until what was made is in GitHub's lists; sooner it seems to be missing."""
_LONGEST_SECONDARY: Final = 900.0
_MESSAGE: Final = 500
_TRANSIENT: Final = frozenset({408, 423, 425})
_NEVER: Final = frozenset({501, 505})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer as far as a verdict needs it; header names without case, or in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def good(self) -> bool:
        """Whether the far side did what it was asked to."""
        return 200 <= self.status < 300


def verdict(
    status: int,
    headers: Mapping[str, str],
    text: str,
    *,
    now: datetime,
    far: str = "HTTP",
    write: bool = True,
    strikes: int = 0,
) -> Retry | Reject:
    """The error to raise for an answer that is not 2xx; `text` is its body, or what it said.

    `far` begins the message. `write`: the request may have been carried out although the answer is
    an error, so the next try has to look first. `strikes` counts the secondary limits met in a row.
    """
    answer = Answer(status=status, headers=headers, text=text)
    reason, seconds = f"{far} {status}{_detail(answer)}", now.timestamp()
    wait = limited(answer, now=seconds, strikes=strikes)
    if wait is not None:
        return Retry(reason, after=wait, status=status)
    if status in _TRANSIENT or (status >= 500 and status not in _NEVER):
        after = _retry_after(answer, seconds)
        return Retry(reason, after=after, uncertain=write, status=status)
    return Reject(reason + _permission(answer), status=status)


def limited(answer: Answer, *, now: float, strikes: int = 0) -> float | None:
    """Seconds to wait, where the answer is a refusal for rate reasons; else None.

    The order is GitHub's: ``retry-after`` first, then ``x-ratelimit-reset`` if nothing remains,
    then at least a minute, doubled with each strike.
    """
    if answer.status not in (403, 429):
        return None
    after = _retry_after(answer, now)
    if after is not None:
        return after
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = number(answer.headers.get("x-ratelimit-reset"))
        if reset is not None:
            return _bounded(reset - there(answer.headers, now) + 1)
    if answer.status == 429 or _is_about_rate(answer.text):
        return float(min(SECONDARY * 2 ** min(strikes, 8), _LONGEST_SECONDARY))
    return None


def backoff(tries: int, jitter: float, *, base: float = 1.0, cap: float = 300.0) -> float:
    """Seconds to wait after the `tries`-th failure in a row: doubled each time, half of it chance.

    `jitter` is a random number in [0, 1].
    """
    whole = min(cap, base * float(2 ** (min(max(tries, 1), 32) - 1)))
    return whole * (0.5 + 0.5 * jitter)


def listed(error: Retry) -> Retry:
    """An unheard answer is looked for when what it did can be seen."""
    return unheard(error) if error.uncertain else error


def unheard(error: DeliveryError) -> Retry:
    """Whatever stopped us, something may have been made before: the next try has to look for it."""
    after = (error.after or 0.0) if isinstance(error, Retry) else 0.0
    return Retry(error.reason, after=max(after, LISTED), uncertain=True, status=error.status)


def number(text: str | None) -> float | None:
    """`text` as a number of plain digits, or None: headers are somebody else's."""
    if text is None or not (text.isascii() and text.isdecimal()) or len(text) > 15:
        return None
    return float(text)


def http_date(text: str) -> float | None:
    """An HTTP date (RFC 9110, section 5.6.7) in seconds since the epoch, or None."""
    try:
        moment = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp()


def there(headers: Mapping[str, str], now: float) -> float:
    """What time it is where the answer was written: moments in it are of that clock."""
    told = http_date(headers.get("date", "").strip())
    return now if told is None else told


def _retry_after(answer: Answer, now: float) -> float | None:
    """Seconds or a date: both are allowed, GitHub sends seconds."""
    text = answer.headers.get("retry-after", "").strip()
    seconds = number(text)
    if seconds is None:
        moment = http_date(text)
        seconds = None if moment is None else moment - there(answer.headers, now)
    return None if seconds is None else _bounded(seconds)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 1.0), LONGEST)


def _is_about_rate(text: str) -> bool:
    lowered = text.lower()
    return "rate limit" in lowered or "abuse detection" in lowered


def _detail(answer: Answer) -> str:
    """What the far side said, cut to a line that fits a log."""
    said = " ".join(_said(answer.text).split())
    if not said:
        return ""
    return f": {said}" if len(said) <= _MESSAGE else f": {said[:_MESSAGE]}..."


def _said(text: str) -> str:
    """The message of GitHub's error body with its details, or the text itself."""
    try:
        body = json.loads(text)
    except ValueError:
        return text
    except RecursionError:  # nested a thousand deep: nothing that a person could read
        return ""
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return text
    errors = body.get("errors")
    details = [_error(error) for error in errors] if isinstance(errors, list) else []
    return "; ".join([body["message"], *filter(None, details)])


def _error(error: Any) -> str:
    """One entry of ``errors``: a sentence, or the field and what is wrong with it."""
    if not isinstance(error, dict):
        return str(error)
    if error.get("message"):
        return str(error["message"])
    return " ".join(str(error[key]) for key in ("resource", "field", "code") if key in error)


def lacking(answer: Answer) -> str:
    """The permission that an App was not granted: "checks=write; statuses=write" are alternatives.

    https://docs.github.com/en/rest/authentication/permissions-required-for-github-apps
    """
    if answer.status != 403 or "not accessible by integration" not in answer.text:
        return ""
    needs = answer.headers.get("x-accepted-github-permissions", "")
    if not needs:
        return "a permission for this"  # an Enterprise Server need not say which
    words = needs.replace("=", ":").replace(";", " or").replace(",", " and ")
    return " ".join(words.split())


def _permission(answer: Answer) -> str:
    """What an App has to be granted, and by whom."""
    lacks = lacking(answer)
    if not lacks:
        return ""
    return (
        f"; the App lacks {lacks}: add it in the App's settings, then let the"
        " owner of the installation accept it"
    )
