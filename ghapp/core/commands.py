"""May this person do that, and what has to be done? Facts in, effects or an answer out.

A button's identifier is a verb, never an authority: the authority is what we stored about the check
and what GitHub says of the person. Who may not, sees why on the check.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from ghapp.core import markdown, trust
from ghapp.core.decide import NOTHING, Decision, Rules, noticed
from ghapp.core.effects import Cancel, Promote, Reconcile, Rerun
from ghapp.core.model import Observation, Phase, Repository, Verb
from ghapp.core.pipeline import next_environment
from ghapp.core.seen import Notice, Seen
from ghapp.core.source import Asked, Plan
from ghapp.core.webhook import Press, RerunAll
from ghapp.errors import Refused

MAY_WRITE: Final = frozenset({"admin", "write"})
"""Permissions on the repository that allow a click; GitHub folds maintain into write."""

Plans = Mapping[Verb, Plan]
"""What an adapter can do to its objects."""

_ACTS: Final[Mapping[Verb, type[Rerun] | type[Cancel] | type[Reconcile]]] = {
    Verb.RERUN: Rerun,
    Verb.RERUN_FAILED: Rerun,
    Verb.CANCEL: Cancel,
    Verb.RECONCILE: Reconcile,
}
AGAIN: Final = frozenset({Verb.RERUN, Verb.RERUN_FAILED})
"""What runs the code of a commit once more."""
_DOING: Final[Mapping[Verb, str]] = {
    Verb.RERUN: "re-run this",
    Verb.RERUN_FAILED: "re-run what failed",
    Verb.CANCEL: "cancel this",
    Verb.RECONCILE: "ask for a reconciliation",
    Verb.PROMOTE: "promote this",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A check that was clicked: what is known of it, its object, and what can be done to it."""

    seen: Seen
    manifest: Mapping[str, Any] | None = None
    """The object as it is now; None: it is gone, or the verb does not need it."""
    plans: Plans = field(default_factory=dict)
    pieces: tuple[Mapping[str, Any], ...] = ()
    """The objects that it is made of, where the verb needs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was gathered to judge a command: the only IO of the way back."""

    app: int
    """Our own App."""
    permission: str
    """Of the sender on the repository: admin, write, read or none."""
    targets: tuple[Target, ...]
    guid: str
    """Of the delivery."""
    at: datetime
    """When the delivery came in."""


def verb_of(command: Press | RerunAll) -> Verb | None:
    """The verb asked for; None: an identifier that we never offer."""
    if isinstance(command, RerunAll):
        return Verb.RERUN
    known = {verb.value: verb for verb in _DOING}
    return known.get(command.identifier)


def plan(command: Press | RerunAll, facts: Facts, *, rules: Rules) -> Decision:
    """The effects of a command, or the answer why not; nothing at all for what is not ours."""
    verb = verb_of(command)
    if verb is None or command.app != facts.app:
        return NOTHING
    decision = NOTHING
    for target in _concerned(command, facts.targets):
        one = _one(verb, command, target, facts, rules)
        decision = Decision(
            seen=(*decision.seen, *one.seen), effects=(*decision.effects, *one.effects)
        )
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
    text = _cannot(verb, command.login, reason)
    answers = [
        noticed(target.seen, Notice(at=at, text=text), rules=rules)
        for target in _concerned(command, targets)
    ]
    return Decision(
        seen=tuple(seen for answer in answers for seen in answer.seen),
        effects=tuple(effect for answer in answers for effect in answer.effects),
    )


def _cannot(verb: Verb, login: str, reason: str) -> str:
    return f"{markdown.who(login)}: cannot {_DOING[verb]}: {markdown.text(reason)}."


def _concerned(command: Press | RerunAll, targets: tuple[Target, ...]) -> list[Target]:
    """The targets that really are on this commit of this repository."""
    ours = [target for target in targets if _is_on(target.seen.look, command)]
    if isinstance(command, Press):
        return ours
    # Re-run all: of each check the newest run, once it has finished.
    newest = {_check_name(target.seen): target for target in ours}
    return [target for target in newest.values() if target.seen.look.phase.finished]


def _check_name(seen: Seen) -> str:
    """As GitHub shows it: documents may have given it another one than the adapter did."""
    return seen.check.name if seen.check else seen.look.check_name


def _is_on(look: Observation, command: Press | RerunAll) -> bool:
    revision = look.revision
    return (
        revision is not None
        and revision.commit == command.commit.lower()
        and revision.repository.slug.lower() == command.repository.lower()
    )


def _one(
    verb: Verb, command: Press | RerunAll, target: Target, facts: Facts, rules: Rules
) -> Decision:
    try:
        _authorize(command, facts)
        _admit(verb, target.seen, rules)
        effect = _effect(verb, command.login, target, facts, rules)
    except Refused as refusal:
        text = _cannot(verb, command.login, refusal.reason)
        return noticed(target.seen, Notice(at=facts.at, text=text), rules=rules)
    return Decision(effects=(effect,))


def _authorize(command: Press | RerunAll, facts: Facts) -> None:
    if facts.permission not in MAY_WRITE:
        raise Refused(
            f"it needs write access to {command.repository}, and you have {facts.permission}"
        )


def _admit(verb: Verb, seen: Seen, rules: Rules) -> None:
    """What documents say of the check now, not when its buttons were drawn."""
    _, trusted = trust.applied(seen.look, rules.trust)
    if trusted and not trusted.yes:
        raise Refused(trusted.why)
    offered = seen.audience.presentation.buttons
    if offered is not None and verb not in offered:
        raise Refused(f"the Notifications about this run do not offer {verb}")


def _effect(
    verb: Verb, login: str, target: Target, facts: Facts, rules: Rules
) -> Rerun | Cancel | Reconcile | Promote:
    if verb is Verb.PROMOTE:
        return _promote(login, target.seen, facts, rules)
    look = target.seen.look
    if verb is Verb.CANCEL and look.phase.finished:
        raise Refused("it has finished already")
    if verb in AGAIN and not look.phase.finished:
        raise Refused("it is still going; cancel it first")
    plans = target.plans
    if verb is Verb.RERUN and verb not in plans and Verb.RECONCILE in plans:
        verb = Verb.RECONCILE  # GitHub shows Re-run on every check
    if verb not in plans:
        raise Refused(f"a {look.subject.kind} has nothing of the kind")
    if target.manifest is None:
        raise Refused(f"the {look.subject.kind} {look.subject.name} is no longer in the cluster")
    asked = Asked(
        login=login,
        token=_token(verb, target.seen, facts.guid),
        at=facts.at.isoformat(),
        pieces=target.pieces,
    )
    write = plans[verb](target.manifest, look.subject, asked)
    return _ACTS[verb](subject=look.subject, login=login, token=asked.token, write=write)


def _token(verb: Verb, seen: Seen, guid: str) -> str:
    """What makes a request one and the same.

    A run is repeated once, however often the button of its check is pressed: the copy has a check
    of its own to press. A long-lived object is asked anew with every click.
    """
    once = f"{seen.look.subject.key}#{seen.attempt}" if not seen.look.living else guid
    return sha256(f"{verb}|{once}".encode()).hexdigest()[:16]


def _promote(login: str, seen: Seen, facts: Facts, rules: Rules) -> Promote:
    look = seen.look
    following = next_environment(look, rules.pipelines)
    if following is None:
        raise Refused("no Pipeline document says where to")
    if seen.closed or look.phase is not Phase.SUCCEEDED or not look.version:
        raise Refused("this version does not run here (any more)")
    target = following.promotion.strategy.pull_request
    return Promote(
        subject=look.subject,
        login=login,
        token=sha256(f"promote|{facts.guid}".encode()).hexdigest()[:16],
        pipeline=following.pipeline.id,
        environment=following.environment.name,
        version=look.version,
        repository=_repository(target.url),
        base_branch=target.baseBranch,
    )


def _repository(url: str) -> Repository:
    """``https://github.com/acme/gitops`` as a repository; the document's schema checked the URL."""
    host, _, path = url.partition("://")[2].partition("/")
    owner, _, name = path.strip("/").removesuffix(".git").rpartition("/")
    if not owner:
        raise Refused(f"the Pipeline document names no repository: {url}")
    return Repository(host=host.lower(), owner=owner, name=name)
