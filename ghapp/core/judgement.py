"""May this person have that done to this run? Facts in, an outcome out.

The authority is what we stored about the run, what documents say now, and what GitHub says of the
person and of the pull request.
"""

from dataclasses import dataclass
from dataclasses import replace as with_fields
from typing import Final

from ghapp.core import access, ballots, trust
from ghapp.core.access import Action, Person, Place
from ghapp.core.checks import offered_verbs
from ghapp.core.decide import Decision, Rules
from ghapp.core.deeds import Deed
from ghapp.core.model import Revision, Verb
from ghapp.core.pipeline import next_environment, own_environment
from ghapp.core.seen import Seen
from ghapp.core.wishes import (
    AGAIN,
    ONWARD,
    Facts,
    Outcome,
    Plans,
    Pull,
    Target,
    Wish,
    audited,
    cannot,
    place_of,
)
from ghapp.errors import Refused


def judged(wish: Wish, target: Target, facts: Facts, rules: Rules) -> Outcome:
    """What becomes of a wish: an effect, a vote, or the reason why not."""
    wish = _possible(wish, target.plans)
    place = place_of(wish.verb, target.seen.look, rules)
    try:
        outcome, why = _allowed(wish, target, place, facts, rules)
    except Refused as refusal:
        said = cannot(wish.verb, facts.person.login, refusal.reason)
        audit = audited(wish.verb, target.seen, facts, place, allowed=False, why=refusal.reason)
        return Outcome(decision=Decision(audit=(audit,)), said=said)
    audit = audited(wish.verb, target.seen, facts, place, allowed=True, why=why)
    return with_fields(outcome, decision=outcome.decision + Decision(audit=(audit,)))


def _possible(wish: Wish, plans: Plans) -> Wish:
    """GitHub shows Re-run on every check; what can only be reconciled is reconciled, by whoever
    may do both."""
    if wish.verb is not Verb.RERUN or Verb.RERUN in plans or Verb.RECONCILE not in plans:
        return wish
    return with_fields(wish, verb=Verb.RECONCILE, actions=(*wish.asked_as, "reconcile"))


def _allowed(
    wish: Wish, target: Target, place: Place | None, facts: Facts, rules: Rules
) -> tuple[Outcome, str]:
    if place is None:
        raise Refused("it is about no commit any more")
    needed = access.needs(rules.access, wish.asked_as, place)
    why = access.judge(needed, facts.person, place=place)
    _admit(wish.verb, target.seen, rules)
    if wish.verb in AGAIN:
        _check_pull(wish, target.seen, facts)
    return Deed(wish=wish, target=target, facts=facts, rules=rules).act(needed), why


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What documents say of a person who asks, before it is looked at what can be done."""

    allowed: bool
    why: str
    approvals: int
    environment: str


def permit(
    verb: Verb, actions: tuple[Action, ...], seen: Seen, person: Person, rules: Rules
) -> Permit:
    """For `explain`: the same judgement without anything being done."""
    place = place_of(verb, seen.look, rules)
    if place is None:
        return Permit(allowed=False, why="it is about no commit", approvals=0, environment="")
    needed = access.needs(rules.access, actions, place)
    allowed = True
    try:
        why = access.judge(needed, person, place=place)
        _admit(verb, seen, rules)
        _expect_possible(verb, seen, rules)
    except Refused as refusal:
        allowed, why = False, refusal.reason
    count = access.approvals(needed)
    return Permit(allowed=allowed, why=why, approvals=count, environment=place.environment)


def _expect_possible(verb: Verb, seen: Seen, rules: Rules) -> None:
    """As far as that can be told without asking anybody."""
    look = seen.look
    if verb in ONWARD and next_environment(look, rules.pipelines) is None:
        raise Refused("no Pipeline document says where to")
    if verb is Verb.ROLLBACK and own_environment(look, rules.pipelines) is None:
        raise Refused("no Pipeline document says how a version comes here")
    can = {*look.verbs, *([Verb.RERUN] if Verb.RECONCILE in look.verbs else [])}
    if verb in _OF_THE_CLUSTER and verb not in can:
        raise Refused(f"a {look.subject.kind} that is {look.phase} has nothing of the kind")


_OF_THE_CLUSTER: Final = frozenset({*AGAIN, Verb.CANCEL, Verb.RECONCILE})


# --- what documents and pull requests say ---------------------------------------------------------


def _admit(verb: Verb, seen: Seen, rules: Rules) -> None:
    """What documents say of the check now, not when its buttons were drawn."""
    _, trusted = trust.applied(seen.look, rules.trust)
    if trusted and not trusted.yes:
        raise Refused(trusted.why)
    offered = seen.audience.presentation.buttons
    if offered is not None and verb not in offered_verbs(offered):
        raise Refused(f"the Notifications about this run do not offer {verb}")


def _check_pull(wish: Wish, seen: Seen, facts: Facts) -> None:
    """What runs again is the newest commit of an open pull request, and nobody's who may not."""
    revision = seen.look.revision
    assert revision is not None
    pull = wish.pull or facts.pulls.get(revision.pull_request or 0)
    if pull is None and revision.pull_request:
        raise Refused(f"its pull request {revision.pull_request} cannot be found")
    if pull is None or (pull.merged and revision.commit == pull.trial):
        return
    name = f"pull request {pull.number}"
    if not pull.open:
        raise Refused(f"{name} is closed")
    if revision.commit not in (pull.head, pull.trial):
        raise Refused(f"{name} has gone on to commit {pull.head[:7]}")
    if pull.stranger:
        _check_tested(pull, revision, facts)


def _check_tested(pull: Pull, revision: Revision, facts: Facts) -> None:
    slug = facts.repository or revision.repository.slug
    ballot = facts.ballots.get(ballots.ok_to_test_key(slug, pull.head))
    if ballot is None or not ballot.votes:
        raise Refused(
            f"pull request {pull.number} is by {pull.author}, who may not write here; look at it,"
            f" and if it does no harm, comment /ok-to-test {pull.head}"
        )
