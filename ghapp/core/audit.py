"""The audit log: who asked for what, when, what was said to it, and why.

It is committed with the decision that it tells of, so that nothing was done which is not in it.
"""

from datetime import datetime

from ghapp.core.model import Value, Verb


class Audited(Value, frozen=True, kw_only=True):
    """Somebody asked for something, and what was said to it."""

    at: datetime
    """When GitHub brought the request."""
    login: str
    verb: Verb
    subject: str
    """Key of the run, or ``owner/name@commit``."""
    repository: str = ""
    """``owner/name``, as the run calls it; empty: it has no commit any more."""
    commit: str = ""
    environment: str = ""
    """Where it takes effect; empty: in none."""
    allowed: bool
    why: str
    request: str
    """The delivery that it came with, as GitHub's delivery log names it."""
