"""What becomes of a click on a check: effects, or an answer on the check.

A button's identifier is a verb, never an authority. Who may, and for what, is judged in `wishes`;
here a click is bound to the check, the commit and the attempt that it was made on.
"""

from collections.abc import Sequence
from dataclasses import replace as with_fields
from datetime import datetime
from typing import Final

from ghapp.core import markdown, trust
from ghapp.core.access import Person
from ghapp.core.ballots import Ballot
from ghapp.core.decide import NOTHING, Decision, Rules, noticed
from ghapp.core.deeds import Deed
from ghapp.core.judgement import judged
from ghapp.core.model import Observation, Verb
from ghapp.core.moments import stamp
from ghapp.core.seen import Notice, Seen
from ghapp.core.webhook import Comment, GroupEnded, Press, PullOpened, RerunAll
from ghapp.core.wishes import DOING, Facts, Target, Wish, audited, cannot, place_of
from ghapp.errors import Refused

PRESSED = frozenset(DOING) - {Verb.OK_TO_TEST}
"""Verbs that a button can have."""


def verb_of(command: Press | RerunAll) -> Verb | None:
    """The verb asked for; None: an identifier that we never offer."""
    if isinstance(command, RerunAll):
        return Verb.RERUN
    known = {verb.value: verb for verb in PRESSED}
    return known.get(command.identifier)


def plan(command: Press | RerunAll, facts: Facts, *, rules: Rules) -> Decision:
    """The effects of a command, or the answer why not; nothing at all for what is not ours."""
    verb = verb_of(command)
    if verb is None or command.app != facts.app:
        return NOTHING
    decision = NOTHING
    for target in concerned(command, facts.targets):
        now = with_fields(facts, ballots={**facts.ballots, **_newest(decision.ballots)})
        decision += _one(verb, command, target, now, rules)
    return decision


def excuse(
    command: Press | RerunAll,
    reason: str,
    targets: tuple[Target, ...],
    *,
    at: datetime,
    rules: Rules,
) -> Decision:
    """The answer where the facts of a command cannot be had: it is neither done nor refused."""
    verb = verb_of(command)
    if verb is None:
        return NOTHING
    text = cannot(verb, command.login, reason)
    decision = NOTHING
    for target in concerned(command, targets):
        decision += noticed(target.seen, Notice(at=at, text=text), rules=rules)
    return decision


def concerned(command: Press | RerunAll, targets: tuple[Target, ...]) -> list[Target]:
    """The targets that really are on this commit of this repository."""
    ours = [target for target in targets if is_on(target.seen.look, command)]
    if isinstance(command, Press):
        return ours
    # Re-run all: of each check the newest run, once it has finished.
    newest = {target.seen.series: target for target in ours}
    ended = [target for target in newest.values() if target.seen.look.phase.finished]
    failed = [target for target in ended if not target.seen.look.fine]
    return failed if command.failed and failed else ended


# -- the merge queue -----------------------------------------------------------------------------

MERGE_QUEUE: Final = "github-merge-queue[bot]"
"""As GitHub calls the one who makes and drops the commits of a merge queue."""


def facts_of_queue(
    command: GroupEnded, targets: Sequence[Target], guid: str, at: datetime
) -> Facts:
    """All that has to be known; a signature stands for the person."""
    person = Person(login=MERGE_QUEUE, role="none")
    return Facts(
        app=0,
        person=person,
        targets=tuple(targets),
        guid=guid,
        at=at,
        repository=command.repository,
    )


def give_up(command: GroupEnded, facts: Facts, *, rules: Rules) -> Decision:
    """Cancels the runs that are still going on a commit which will never be merged.

    It may be decided again for runs that began since: what was said of one is not said anew.
    """
    said = f"The merge queue gave this commit up ({markdown.text(command.reason)})"
    decision = NOTHING
    for target in facts.targets:
        told = any(notice.text.startswith(said) for notice in target.seen.notices)
        if is_on(target.seen.look, command) and _can_be_given_up(target, rules) and not told:
            decision += _given_up(command, target, facts, rules, said)
    return decision


def _can_be_given_up(target: Target, rules: Rules) -> bool:
    """Silently: nobody asked, so nobody waits for a reason why not."""
    look = target.seen.look
    going = not look.phase.finished and target.manifest is not None and Verb.CANCEL in target.plans
    return going and trust.applied(look, rules.trust)[0].revision is not None


def _given_up(
    command: GroupEnded, target: Target, facts: Facts, rules: Rules, said: str
) -> Decision:
    wish, seen = Wish(verb=Verb.CANCEL, request=facts.guid), target.seen
    place = place_of(wish.verb, seen.look, rules)
    why, done = f"merge queue: {command.reason}", NOTHING
    try:
        done = Deed(wish=wish, target=target, facts=facts, rules=rules).act(()).decision
    except Refused as refusal:
        why = refusal.reason
        said += f", but this cannot be cancelled: {markdown.text(why)}"
    audit = audited(wish.verb, seen, facts, place, allowed=done is not NOTHING, why=why)
    shown = noticed(seen, Notice(at=facts.at, text=f"{said}."), rules=rules)
    return shown + done + Decision(audit=(audit,))


# -- small things --------------------------------------------------------------------------------


def _newest(changed: tuple[Ballot, ...]) -> dict[str, Ballot]:
    return {ballot.key: ballot for ballot in changed}


def is_on(look: Observation, command: Press | RerunAll | GroupEnded) -> bool:
    """Whether a run is about this commit of this repository."""
    return is_on_commit(look, command.commit) and is_of(look, command)


def is_on_commit(look: Observation, commit: str) -> bool:
    """Whether a run is about this commit, of whatever repository."""
    return look.revision is not None and look.revision.commit == commit.lower()


def is_of(look: Observation, command: Press | RerunAll | GroupEnded | Comment | PullOpened) -> bool:
    """Whether a run is about this repository, under its present name or one that leads there."""
    revision = look.revision
    return revision is not None and revision.repository.slug.lower() in {
        command.repository.lower(),
        *command.formerly,
    }


def _one(
    verb: Verb, command: Press | RerunAll, target: Target, facts: Facts, rules: Rules
) -> Decision:
    if _is_stale(command, target.seen):
        text = cannot(
            verb, command.login, "this check is of an earlier attempt; use the newest one"
        )
        audit = audited(verb, target.seen, facts, None, allowed=False, why="an earlier attempt")
        shown = noticed(target.seen, Notice(at=facts.at, text=text), rules=rules)
        return shown + Decision(audit=(audit,))
    outcome = judged(Wish(verb=verb, request=facts.guid), target, facts, rules)
    if outcome.decision.seen or outcome.decision.effects or not outcome.settled:
        return outcome.decision
    shown = noticed(target.seen, Notice(at=facts.at, text=outcome.said), rules=rules)
    return outcome.decision + shown


def _is_stale(command: Press | RerunAll, seen: Seen) -> bool:
    """A long-lived object's attempts share an external id; their checks began at other times."""
    if not isinstance(command, Press) or not seen.attempt or seen.check is None:
        return False
    return bool(command.began) and command.began < stamp(seen.check.started_at)
