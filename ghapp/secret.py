"""A value that cannot be printed by accident, and a last net for text that others wrote.

Keys, tokens and webhook secrets travel wrapped; only the line that puts one on the wire reveals it.
"""

import hmac
import re
from typing import Final

REDACTED: Final = "[REDACTED]"


class Secret:
    """Text that shows as ``[REDACTED]`` wherever it is printed, formatted or logged."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself; only for the request that needs it."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


# GitHub's tokens (since 2026 with dots, dashes and underscores in them), any JWT, any PEM block:
# https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
_SECRETS: Final = re.compile(
    r"gh[pousr]_[A-Za-z0-9._-]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def redact(text: str) -> str:
    """`text` without anything that looks like a token or a private key."""
    return _SECRETS.sub(REDACTED, text)
