"""May this person have that done to this run, and what has to be done? Facts in, an outcome out.

A wish is one verb and one run, whether it came from a button (`commands`) or from a comment
(`discussion`). The authority is what we stored about the run, what documents say now, and what
GitHub says of the person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from msgspec.structs import replace

from ghapp.core import access, ballots, markdown, trust
from ghapp.core.access import Action, Need, Person, Place
from ghapp.core.ballots import Ballot
from ghapp.core.checks import offered_verbs
from ghapp.core.decide import Audited, Decision, Rules, gated
from ghapp.core.effects import Cancel, Promote, Reconcile, Reply, Rerun
from ghapp.core.model import Observation, Phase, Repository, Revision, Verb
from ghapp.core.pipeline import Next, environment_name, next_environment, own_environment
from ghapp.core.seen import Gate, Notice, Seen
from ghapp.core.source import Asked, Plan
from ghapp.errors import Refused

Plans = Mapping[Verb, Plan]
"""What an adapter can do to its objects."""

AGAIN: Final = frozenset({Verb.RERUN, Verb.RERUN_FAILED})
"""What runs the code of a commit once more."""
ONWARD: Final = frozenset({Verb.PROMOTE, Verb.APPROVE, Verb.HOLD, Verb.UNHOLD})
"""What is about the next environment, not about the one where something runs."""

_ACTS: Final[Mapping[Verb, type[Rerun] | type[Cancel] | type[Reconcile]]] = {
    Verb.RERUN: Rerun,
    Verb.RERUN_FAILED: Rerun,
    Verb.CANCEL: Cancel,
    Verb.RECONCILE: Reconcile,
}
DOING: Final[Mapping[Verb, str]] = {
    Verb.RERUN: "re-run this",
    Verb.RERUN_FAILED: "re-run what failed",
    Verb.CANCEL: "cancel this",
    Verb.RECONCILE: "ask for a reconciliation",
    Verb.PROMOTE: "promote this",
    Verb.APPROVE: "approve this",
    Verb.HOLD: "hold this",
    Verb.UNHOLD: "release this",
    Verb.ROLLBACK: "roll this back",
    Verb.OK_TO_TEST: "allow this to be tested",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A run that was asked about: what is known of it, its object, and what can be done to it."""

    seen: Seen
    manifest: Mapping[str, Any] | None = None
    """The object as it is now; None: it is gone, or the verb does not need it."""
    plans: Plans = field(default_factory=dict)
    pieces: tuple[Mapping[str, Any], ...] = ()
    """The objects that it is made of, where the verb needs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request, as GitHub has it now."""

    number: int
    head: str
    """Its newest commit."""
    author: str
    author_role: str = "none"
    """Of the author, on the repository; none, as long as nobody asked."""
    base: str = ""
    """The branch that it shall go into."""
    open: bool = True
    trial: str = ""
    """The commit that merges it for trial, or has merged it."""
    merged: bool = False

    @property
    def stranger(self) -> bool:
        """Whether its author may not write: what it holds is nobody's who is trusted."""
        return not access.may_write(self.author_role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was gathered to judge a request: the only IO of the way back."""

    app: int
    """Our own App."""
    person: Person
    targets: tuple[Target, ...]
    guid: str
    """Of the delivery."""
    at: datetime
    """When the delivery came in."""
    pulls: Mapping[int, Pull] = field(default_factory=dict)
    """By number, of this repository: those that the runs are about."""
    ballots: Mapping[str, Ballot] = field(default_factory=dict)
    """By key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of a run."""

    verb: Verb
    request: str
    """Names the request: two of one name are one and the same."""
    actions: tuple[Action, ...] = ()
    """As policies call it; none: as `access.ACTIONS` has it."""
    pull: Pull | None = None
    """Where it was asked; None: as the run says."""
    reply: Reply | None = None

    @property
    def asked_as(self) -> tuple[Action, ...]:
        """As policies call it."""
        return self.actions or access.ACTIONS[self.verb]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What follows from a wish, and what is said to it."""

    decision: Decision
    said: str
    """A sentence in Markdown."""
    settled: bool = True
    """False: an effect will tell more; `said` is for the meantime."""


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
    return _Judge(wish=wish, target=target, facts=facts, rules=rules).act(needed), why


def place_of(verb: Verb, look: Observation, rules: Rules) -> Place | None:
    """Where a wish takes effect, as policies see it; None: the run has no commit."""
    if look.revision is None:
        return None
    following = next_environment(look, rules.pipelines) if verb in ONWARD else None
    return Place(
        cluster=look.subject.cluster,
        namespace=look.subject.namespace,
        repository=look.revision.repository,
        environment=following.environment.name
        if following
        else environment_name(look, rules.pipelines),
    )


def ballot_keys(verb: Verb, seen: Seen, rules: Rules) -> tuple[str, ...]:
    """The ballots that a wish may read or write."""
    look, found = seen.look, [_own_key(verb, seen)]
    following = next_environment(look, rules.pipelines)
    if following:
        found += [ballots.hold_key(following.marker), _promotion_key(following, look.version)]
    home = own_environment(look, rules.pipelines)
    if home:
        found.append(_rollback_key(home, seen.earlier))
    return tuple(found)


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
    except Refused as refusal:
        allowed, why = False, refusal.reason
    count = access.approvals(needed)
    return Permit(allowed=allowed, why=why, approvals=count, environment=place.environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What has to be known of a person beside the role."""

    teams: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    authors: bool = False


def inquiry(wishes: Iterable[tuple[tuple[Action, ...], Place]], rules: Rules) -> Inquiry:
    """What policies ask about whoever wishes these, there."""
    found = [
        need.rule
        for actions, place in wishes
        for need in access.needs(rules.access, actions, place)
    ]
    return Inquiry(
        teams=frozenset(team for rule in found for team in rule.teams),
        owners=frozenset(path for rule in found for path in rule.owners),
        authors=any(rule.not_author for rule in found),
    )


def cannot(verb: Verb, login: str, reason: str) -> str:
    """What is said to whoever asked in vain."""
    return f"{markdown.who(login)}: cannot {DOING[verb]}: {markdown.text(reason)}."


def audited(
    verb: Verb, seen: Seen, facts: Facts, place: Place | None, *, allowed: bool, why: str
) -> Audited:
    """For the record."""
    return Audited(
        login=facts.person.login,
        verb=verb,
        subject=seen.look.subject.key,
        environment=place.environment if place else "",
        allowed=allowed,
        why=why,
    )


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
    ballot = facts.ballots.get(ballots.ok_to_test_key(revision.repository.slug, pull.head))
    if ballot is None or not ballot.votes:
        raise Refused(
            f"pull request {pull.number} is by {pull.author}, who may not write here; look at it,"
            f" and if it does no harm, comment /ok-to-test {pull.head[:7]}"
        )


# --- what is done ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """One wish, once it is known that the person may have it."""

    wish: Wish
    target: Target
    facts: Facts
    rules: Rules

    @property
    def seen(self) -> Seen:
        return self.target.seen

    @property
    def who(self) -> str:
        return markdown.who(self.facts.person.login)

    def act(self, needed: tuple[Need, ...]) -> Outcome:
        match self.wish.verb:
            case Verb.PROMOTE | Verb.APPROVE:
                return self._promote()
            case Verb.HOLD | Verb.UNHOLD:
                return self._hold()
            case Verb.ROLLBACK:
                return self._roll_back(access.approvals(needed))
            case _:
                return self._write(access.approvals(needed))

    # -- the cluster ---------------------------------------------------------------------------

    def _write(self, needed: int) -> Outcome:
        effect = self._asked_of_cluster()
        key = _own_key(self.wish.verb, self.seen)
        ballot, count = self._vote(key, needed)
        if count < needed:
            return self._counted(ballot, count, needed, self.seen.gate)
        return self._on_its_way(effect, ballot)

    def _asked_of_cluster(self) -> Rerun | Cancel | Reconcile:
        look, verb, plans = self.seen.look, self.wish.verb, self.target.plans
        if verb is Verb.CANCEL and look.phase.finished:
            raise Refused("it has finished already")
        if verb in AGAIN and not look.phase.finished:
            raise Refused("it is still going; cancel it first")
        if verb not in plans:
            raise Refused(f"a {look.subject.kind} has nothing of the kind")
        if self.target.manifest is None:
            kind, name = look.subject.kind, look.subject.name
            raise Refused(f"the {kind} {name} is no longer in the cluster")
        asked = Asked(
            login=self.facts.person.login,
            token=self._token(),
            at=self.facts.at.isoformat(),
            pieces=self.target.pieces,
        )
        write = plans[verb](self.target.manifest, look.subject, asked)
        return _ACTS[verb](
            subject=look.subject,
            login=asked.login,
            token=asked.token,
            write=write,
            reply=self.wish.reply,
        )

    def _token(self) -> str:
        """What makes a request one and the same.

        A run is repeated once, however often the button of its check is pressed: the copy has a
        check of its own to press. A long-lived object is asked anew with every click.
        """
        seen = self.seen
        living = f"{seen.look.subject.key}#{seen.attempt}"
        return _hashed(f"{self.wish.verb}|{self.wish.request if seen.look.living else living}")

    # -- promotions ----------------------------------------------------------------------------

    def _promote(self) -> Outcome:
        following = self._following()
        seen, place = self.seen, following.environment.name
        if seen.closed or seen.look.phase is not Phase.SUCCEEDED or not seen.look.version:
            raise Refused("this version does not run here (any more)")
        holders = self._ballot(ballots.hold_key(following.marker)).voters
        if holders:
            raise Refused(f"{place} is held by {holders[0]}; release it first")
        key = _promotion_key(following, seen.look.version)
        if self.wish.verb is Verb.APPROVE and not self._ballot(key).votes:
            raise Refused(f"nothing waits for an approval to go to {place}")
        needed = self._votes_needed()
        ballot, count = self._vote(key, needed)
        if count < needed:
            gate = Gate(environment=place, votes=count, needed=needed)
            return self._counted(ballot, count, needed, gate)
        effect = self._promotion(following, seen.look.version, Verb.PROMOTE)
        return self._on_its_way(effect, ballot)

    def _votes_needed(self) -> int:
        """Whoever asks first and whoever approves are counted by the same rules."""
        place = place_of(Verb.APPROVE, self.seen.look, self.rules)
        assert place is not None
        found = access.needs(self.rules.access, access.ACTIONS[Verb.APPROVE], place)
        return access.approvals(found)

    def _roll_back(self, needed: int) -> Outcome:
        home = own_environment(self.seen.look, self.rules.pipelines)
        if home is None:
            raise Refused("no Pipeline document says how a version comes here")
        if self.seen.closed:
            raise Refused("another version runs here by now")
        if not self.seen.look.phase.finished:
            raise Refused("it is still going")
        version = self.seen.earlier
        if not version:
            raise Refused("no version is known that ran well here before")
        ballot, count = self._vote(_rollback_key(home, version), needed)
        if count < needed:
            return self._counted(ballot, count, needed, self.seen.gate)
        return self._on_its_way(self._promotion(home, version, Verb.ROLLBACK), ballot)

    def _promotion(self, to: Next, version: str, verb: Verb) -> Promote:
        strategy = to.promotion.strategy.pull_request
        return Promote(
            subject=self.seen.look.subject,
            login=self.facts.person.login,
            token=_hashed(f"{verb}|{self.wish.request}"),
            back=verb is Verb.ROLLBACK,
            pipeline=to.pipeline.id,
            environment=to.environment.name,
            version=version,
            repository=_repository(strategy.url),
            base_branch=strategy.baseBranch,
            reply=self.wish.reply,
        )

    def _following(self) -> Next:
        following = next_environment(self.seen.look, self.rules.pipelines)
        if following is None:
            raise Refused("no Pipeline document says where to")
        return following

    # -- holds ---------------------------------------------------------------------------------

    def _hold(self) -> Outcome:
        following = self._following()
        place = markdown.code(following.environment.name)
        ballot = self._ballot(ballots.hold_key(following.marker))
        if self.wish.verb is Verb.UNHOLD:
            if not ballot.votes:
                raise Refused(f"nobody holds {following.environment.name}")
            return self._changed(ballots.emptied(ballot), None, f"{self.who} released {place}.")
        if ballot.votes:
            raise Refused(f"{ballot.voters[0]} holds {following.environment.name} already")
        after = replace(self._given(ballot), lasting=True)
        gate = Gate(environment=following.environment.name, held=self.facts.person.login)
        return self._changed(after, gate, f"{self.who} holds {place}: nothing is promoted there.")

    # -- ballots -------------------------------------------------------------------------------

    def _ballot(self, key: str) -> Ballot:
        return self.facts.ballots.get(key) or Ballot(key=key)

    def _given(self, ballot: Ballot) -> Ballot:
        return ballots.given(ballot, self.facts.person.login, self.facts.at)

    def _vote(self, key: str, needed: int) -> tuple[Ballot | None, int]:
        """The ballot as it is afterwards, and how many have voted; the last vote uses it up."""
        ballot = self._ballot(key)
        if needed <= 1:
            return (ballots.emptied(ballot) if ballot.votes else None), 1
        after = self._given(ballot)
        count = len(after.votes)
        if count >= needed:
            return Ballot(key=key, version=ballot.version + 1), count
        return (after if after is not ballot else None), count

    def _counted(
        self, ballot: Ballot | None, count: int, needed: int, gate: Gate | None
    ) -> Outcome:
        said = f"{self.who} asked to {DOING[self.wish.verb]}: {count} of {needed} approvals."
        if ballot is None:
            said = f"{self.who} has asked already: {count} of {needed} approvals."
        return self._changed(ballot, gate, said)

    def _changed(self, ballot: Ballot | None, gate: Gate | None, said: str) -> Outcome:
        notice = Notice(at=self.facts.at, text=said)
        shown = gated(self.seen, gate, notice, rules=self.rules)
        return Outcome(decision=shown + Decision(ballots=(ballot,) if ballot else ()), said=said)

    def _on_its_way(
        self, effect: Rerun | Cancel | Reconcile | Promote, ballot: Ballot | None
    ) -> Outcome:
        decision = Decision(effects=(effect,), ballots=(ballot,) if ballot else ())
        gate = self.seen.gate
        if gate is not None and gate.waiting and isinstance(effect, Promote):
            said = f"{self.who} gave the last of {gate.needed} approvals."
            notice = Notice(at=self.facts.at, text=said)
            decision = gated(self.seen, None, notice, rules=self.rules) + decision
        name = markdown.code(f"{effect.subject.namespace}/{effect.subject.name}")
        said = f"{effect.subject.kind} {name}: asked for by {self.who}."
        return Outcome(decision=decision, said=said, settled=False)


# --- small things ---------------------------------------------------------------------------------


def stamp(moment: datetime | None) -> str:
    """As GitHub writes a moment; such texts can be compared."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def _own_key(verb: Verb, seen: Seen) -> str:
    return ballots.vote_key(verb, f"{seen.look.subject.key}#{seen.attempt}")


def _promotion_key(to: Next, version: str) -> str:
    return ballots.vote_key("promote", f"{to.marker}@{version}")


def _rollback_key(to: Next, version: str) -> str:
    return ballots.vote_key("rollback", f"{to.marker}@{version}")


def _hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _repository(url: str) -> Repository:
    """``https://github.com/acme/gitops`` as a repository; the document's schema checked the URL."""
    host, _, path = url.partition("://")[2].partition("/")
    owner, _, name = path.strip("/").removesuffix(".git").rpartition("/")
    if not owner:
        raise Refused(f"the Pipeline document names no repository: {url}")
    return Repository(host=host.lower(), owner=owner, name=name)
