"""Patterns as people write them for names: ``*`` stands for any characters, ``?`` for one.

Not by way of a regular expression: tenants write patterns, and ``*a*a*a*b`` would backtrack for
hours. Going back to the last star alone is enough, so the time is the product of both lengths.
"""

from collections.abc import Iterable


def matches(text: str, pattern: str) -> bool:
    """Whether the whole of `text` is as the pattern says."""
    at = here = 0
    star, resume = -1, 0
    while at < len(text):
        if here < len(pattern) and pattern[here] == "*":
            star, resume = here, at
            here += 1
        elif here < len(pattern) and pattern[here] in (text[at], "?"):
            at, here = at + 1, here + 1
        elif star >= 0:  # the last star takes one more
            resume += 1
            at, here = resume, star + 1
        else:
            return False
    return not pattern[here:].strip("*")


def any_matches(text: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits."""
    return any(matches(text, pattern) for pattern in patterns)
