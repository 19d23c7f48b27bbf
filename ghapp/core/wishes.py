"""What people wish for, as values: one verb and one run, and all that is known when it is judged.

A wish comes from a button (`commands`) or from a comment (`discussion`); `judgement` says whether
the person may have it, `deeds` what is done then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ghapp.core import access, markdown
from ghapp.core.access import Action, Person, Place
from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot
from ghapp.core.decide import Decision, Rules
from ghapp.core.effects import Reply
from ghapp.core.model import Observation, Verb
from ghapp.core.pipeline import environment_name, next_environment
from ghapp.core.seen import Seen
from ghapp.core.source import Plan

Plans = Mapping[Verb, Plan]
"""What an adapter can do to its objects."""

AGAIN: Final = frozenset({Verb.RERUN, Verb.RERUN_FAILED})
"""What runs the code of a commit once more."""
ONWARD: Final = frozenset({Verb.PROMOTE, Verb.APPROVE, Verb.HOLD, Verb.UNHOLD})
"""What is about the next environment, not about the one where something runs."""

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
    away: str = ""
    """Why the object cannot be asked for, while others can; empty: it can."""
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
    repository: str = ""
    """``owner/name``, as it is called now; empty: as the run calls it."""
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
    revision = seen.look.revision
    return Audited(
        at=facts.at,
        login=facts.person.login,
        verb=verb,
        subject=seen.look.subject.key,
        repository=revision.repository.slug if revision else "",
        commit=revision.commit if revision else "",
        environment=place.environment if place else "",
        allowed=allowed,
        why=why,
        request=facts.guid,
    )
