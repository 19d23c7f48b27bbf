"""What is done once it is known that a person may: an effect, a vote, a hold.

What cannot be done in the state that the run is in is refused here, too: the person sees why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from ghapp.core import access, ballots, markdown
from ghapp.core.access import Need
from ghapp.core.ballots import Ballot
from ghapp.core.decide import Decision, Rules, gated
from ghapp.core.effects import Cancel, Promote, Reconcile, Rerun
from ghapp.core.model import Phase, Repository, Verb
from ghapp.core.pipeline import Next, next_environment, own_environment
from ghapp.core.seen import Gate, Notice, Seen
from ghapp.core.source import Asked
from ghapp.core.wishes import AGAIN, DOING, Facts, Outcome, Target, Wish, place_of
from ghapp.errors import Refused

_ACTS: Final[Mapping[Verb, type[Rerun] | type[Cancel] | type[Reconcile]]] = {
    Verb.RERUN: Rerun,
    Verb.RERUN_FAILED: Rerun,
    Verb.CANCEL: Cancel,
    Verb.RECONCILE: Reconcile,
}


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
class Deed:
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
        if verb is Verb.RERUN_FAILED and look.phase is Phase.SUCCEEDED:
            raise Refused("nothing of it has failed")
        if verb not in plans:
            raise Refused(f"a {look.subject.kind} has nothing of the kind")
        if self.target.away:
            raise Refused(self.target.away)
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
            request=self.wish.request,
            write=write,
            reply=self.wish.reply,
        )

    def _token(self) -> str:
        """What makes a request one and the same.

        A run is repeated once, however often the button of its check is pressed: the copy has a
        check of its own to press, and whoever presses again is told of it. A long-lived object is
        asked anew with every click.
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
        waiting = self._ballot(key)
        if self.wish.verb is Verb.APPROVE and not (waiting.votes or waiting.asked):
            return self._settled(f"nothing waits for an approval to go to {place}")
        may_vote, needed = self._votes_needed()
        if may_vote:
            ballot, count = self._vote(key, needed)
        else:
            after, count = ballots.asked(waiting), len(waiting.votes)
            ballot = after if after is not waiting else None
        if not may_vote or count < needed:
            gate = Gate(environment=place, votes=count, needed=needed)
            return self._counted(ballot, count, needed, gate)
        effect = self._promotion(following, seen.look.version, Verb.PROMOTE)
        return self._on_its_way(effect, ballot)

    def _votes_needed(self) -> tuple[bool, int]:
        """Whether this person has a vote, and how many there have to be.

        Whoever may promote has one, unless rules about *approve* ask for somebody else.
        """
        place = place_of(Verb.APPROVE, self.seen.look, self.rules)
        assert place is not None
        rules, person = self.rules.access, self.facts.person
        needed = access.approvals(access.needs(rules, access.ACTIONS[Verb.APPROVE], place))
        try:
            access.judge(access.written(rules, ("approve",), place), person, place=place)
        except Refused:
            return False, needed
        return True, needed

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
                return self._settled(f"nobody holds {following.environment.name}")
            return self._changed(ballots.emptied(ballot), None, f"{self.who} released {place}.")
        if ballot.votes:
            raise Refused(f"{ballot.voters[0]} holds {following.environment.name} already")
        if self.seen.closed:
            raise Refused("another version runs here by now; hold it on that one's check")
        after = replace(self._given(ballot), lasting=True)
        gate = Gate(environment=following.environment.name, held=self.facts.person.login)
        return self._changed(after, gate, f"{self.who} holds {place}: nothing is promoted there.")

    def _settled(self, reason: str) -> Outcome:
        """What this check still shows was settled on the check of another object that leads there:
        it is not shown any more. Where nothing is shown, the person is wrong."""
        gate = self.seen.gate
        if gate is None or not (gate.held or gate.waiting):
            raise Refused(reason)
        return self._changed(None, None, f"{self.who}: {markdown.text(reason)} any more.")

    # -- ballots -------------------------------------------------------------------------------

    def _ballot(self, key: str) -> Ballot:
        return self.facts.ballots.get(key) or Ballot(key=key)

    def _given(self, ballot: Ballot) -> Ballot:
        return ballots.given(ballot, self.facts.person.login, self.facts.at)

    def _vote(self, key: str, needed: int) -> tuple[Ballot | None, int]:
        """The ballot as it is afterwards, and how many have voted; the last vote uses it up."""
        ballot = self._ballot(key)
        if needed <= 1:
            after = ballots.emptied(ballot)
            return (after if after is not ballot else None), 1
        after = self._given(ballot)
        count = len(after.votes)
        if count >= needed:
            return Ballot(key=key, version=ballot.version + 1), count
        return (after if after is not ballot else None), count

    def _counted(
        self, ballot: Ballot | None, count: int, needed: int, gate: Gate | None
    ) -> Outcome:
        plural = "" if needed == 1 else "s"
        said = f"{self.who} asked to {DOING[self.wish.verb]}: {count} of {needed} approval{plural}."
        if ballot is None:
            said = f"{self.who} has asked already: {count} of {needed} approval{plural}."
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
