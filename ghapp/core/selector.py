"""Is this a label selector? Text in, what is wrong with it out; no label is looked at here.

The grammar is that of `kubectl get -l`: equality (``a=b``, ``a==b``, ``a!=b``), sets
(``a in (b,c)``, ``a notin (b)``) and presence (``a``, ``!a``), joined by commas.
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

import re
from typing import Final

_LABEL: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS: Final = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_KEY: Final = rf"(?:{_DNS}/)?{_LABEL}"
_VALUE: Final = rf"(?:{_LABEL})?"
_REQUIREMENT: Final = re.compile(
    rf"\s*(?:{_KEY}\s*(?:==?|!=)\s*{_VALUE}"
    rf"|{_KEY}\s+(?:in|notin)\s*\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)"
    rf"|!?\s*{_KEY})\s*"
)
_COMMA_OUTSIDE: Final = re.compile(r",(?![^()]*\))")
LONGEST: Final = 1_000
"""Characters: it goes into the URL of every list and watch."""


def problem(text: str) -> str | None:
    """What is wrong with a selector, or None."""
    if len(text) > LONGEST:
        return f"is longer than {LONGEST} characters"
    for requirement in _COMMA_OUTSIDE.split(text):
        if not _REQUIREMENT.fullmatch(requirement):
            return f"{requirement.strip()!r} is no label requirement, such as team=shop or !batch"
    return None
