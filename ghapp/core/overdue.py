"""Checks of runs that never end: closed by us, before GitHub does it in its own way.

GitHub marks what is not completed after 14 days as `stale`, takes its buttons away and says nothing
of why (https://docs.github.com/en/rest/guides/using-the-rest-api-to-interact-with-checks). So a day
before, the check is completed and says what is the matter. When the run ends after all, the same
check gets its verdict.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from ghapp.core import checks
from ghapp.core.decide import NOTHING, Decision, Rules, set_check
from ghapp.core.model import Observation
from ghapp.core.seen import Seen

PATIENCE: Final = timedelta(days=13)


def overdue(before: Seen, *, at: datetime, rules: Rules) -> Decision:
    """Completes the check of a run that should have ended long ago."""
    look, check = before.look, before.check
    if check is None or look.revision is None or check.status == "completed" or before.overdue:
        return NOTHING
    began = _began(look)
    if began is None or at - began < PATIENCE:
        return NOTHING
    closed = checks.closed_early(check, at)
    after = replace(
        before,
        check=closed,
        overdue=True,
        version=before.version + 1,
        serial=before.serial + 1,
    )
    return Decision(
        seen=(after,), effects=(set_check(before, after, closed, look.revision, rules),)
    )


def _began(look: Observation) -> datetime | None:
    """Not before its check. A long-lived object may roll out what was made long ago, so only when
    it began to tells; None: it has not, or nobody knows."""
    return look.started if look.living else look.created
