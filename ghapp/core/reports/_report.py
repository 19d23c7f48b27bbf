"""What all reports share: their error and their limits."""

from typing import Final

from ghapp.errors import CheckrailError

SIZE_LIMIT: Final = 10_000_000
"""Bytes of a report; GitHub's code scanning takes as much."""
FINDINGS_LIMIT: Final = 2_000
"""Findings that are kept of one report; all are counted."""
_WORD: Final = 40
"""Characters."""


class ReportError(CheckrailError):
    """This is not a report that we read; the message says what is wrong with it."""


def bounded(raw: bytes) -> bytes:
    """`raw`, or a ReportError: it is too large."""
    if len(raw) > SIZE_LIMIT:
        raise ReportError(f"the report has {len(raw):,} bytes; at most {SIZE_LIMIT:,} are read")
    return raw


def named(word: str) -> str:
    """A word of the report in a message, if it is short: half a word may be half a secret, which
    no mask would find."""
    return word if len(word) <= _WORD else "…"
