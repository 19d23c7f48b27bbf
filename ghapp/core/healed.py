"""Checks that somebody else changed, with our App's key: they are told anew, as they should be.

GitHub tells of each check run that is completed, mostly by ourselves. Ours is compared with what
was told. A check run that was completed while its run goes on is of no more use, because GitHub
opens none again: another one of the same name takes its place. While a run goes on nothing else has
to be done, since its next state replaces whatever is there.
"""

from typing import Final

from msgspec.structs import replace

from ghapp.core.decide import NOTHING, Decision, Rules, set_check
from ghapp.core.effects import Check
from ghapp.core.moments import stamp
from ghapp.core.seen import Seen
from ghapp.core.webhook import Completed

AT_MOST: Final = 3
"""Whoever goes on changing it is at war with us, and we do not fight."""


def healed(before: Seen, there: Completed, *, rules: Rules) -> Decision:
    """The check of a run, told anew if GitHub shows something else.

    What GitHub says may be older than what we know: then the same is told once more, no harm.
    """
    told, revision = before.check, before.look.revision
    if told is None or revision is None or revision.commit != there.commit:
        return NOTHING
    if not _is_the_present_one(before, told, there) or agrees(told, there):
        return NOTHING
    if before.healed >= AT_MOST:
        return NOTHING
    going = told.status != "completed"
    after = replace(
        before,
        version=before.version + 1,
        serial=before.serial + 1,
        healed=before.healed + 1,
        spoiled=(*before.spoiled, there.check_run) if going else before.spoiled,
    )
    effect = replace(set_check(before, after, told, revision, rules), progress=False)
    return Decision(seen=(after,), effects=(effect,))


def agrees(told: Check, there: Completed) -> bool:
    """Whether a completed check run says what was told: the verdict, and its one line.

    Longer texts are not compared; GitHub may have its own way with them.
    """
    return (told.status, told.conclusion, told.title) == (
        "completed",
        there.conclusion,
        there.title,
    )


def _is_the_present_one(before: Seen, told: Check, there: Completed) -> bool:
    """Attempts share an external id and began at different times; what is spoiled was replaced."""
    if there.check_run in before.spoiled:
        return False
    return not before.attempt or there.began == stamp(told.started_at)
