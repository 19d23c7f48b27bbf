"""Who may do what: what AccessPolicies ask of a person, and whether the person is that.

Without any policy whoever may write to a repository may do everything with its runs. A policy says
what is needed in its place: for these actions, there. Policies restrict, so all that are about a
request have to be satisfied, and their order and number do not matter. Where one is about it, the
default is not asked any more: a policy may also let people in who cannot write.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from msgspec import Meta

from ghapp.core import globs
from ghapp.core.model import Repository, Value, Verb
from ghapp.core.notification import Written
from ghapp.core.provider import Pattern
from ghapp.errors import Refused

Action = Literal[
    "test", "rerun", "cancel", "reconcile", "promote", "approve", "hold", "rollback", "ok-to-test"
]
Level = Literal["read", "triage", "write", "maintain", "admin"]

LEVELS: Final[Mapping[str, int]] = {
    "none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5,
}  # fmt: skip
"""GitHub's roles; one of an organisation's own counts as the role that it is based on."""

Patterns = Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=500)]
EVERYTHING: Final = ("*",)
Team = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=256,
        pattern=r"^[\w.-]+/[\w.-]+$",
        title="a team, as ORGANISATION/SLUG",
    ),
]
"""``ORGANISATION/SLUG``."""
Login = Annotated[str, Meta(min_length=1, max_length=100)]
OwnedPath = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=500,
        pattern=r"^/[^*?\s]*$",
        title="a path from the root, such as /deploy/, without wildcards",
    ),
]
"""From the root of the repository: ``/deploy/prod/``."""

ACTIONS: Final[Mapping[Verb, tuple[Action, ...]]] = {
    Verb.RERUN: ("rerun",),
    Verb.RERUN_FAILED: ("rerun",),
    Verb.CANCEL: ("cancel",),
    Verb.RECONCILE: ("reconcile",),
    Verb.PROMOTE: ("promote",),
    Verb.APPROVE: ("approve", "promote"),
    Verb.HOLD: ("hold",),
    Verb.UNHOLD: ("hold",),
    Verb.ROLLBACK: ("rollback",),
    Verb.OK_TO_TEST: ("ok-to-test",),
}
"""What a verb is, to policies. An approval may be the one that promotes, so it is that as well."""
VERB_OF: Final[Mapping[Action, Verb]] = {
    "test": Verb.RERUN,
    "rerun": Verb.RERUN,
    "cancel": Verb.CANCEL,
    "reconcile": Verb.RECONCILE,
    "promote": Verb.PROMOTE,
    "approve": Verb.APPROVE,
    "hold": Verb.HOLD,
    "rollback": Verb.ROLLBACK,
    "ok-to-test": Verb.OK_TO_TEST,
}
"""What each action does."""
ASKED_ABOUT: Final[Mapping[Verb, tuple[Action, ...]]] = {
    **ACTIONS,
    Verb.RERUN: ("rerun", "reconcile"),
    Verb.PROMOTE: ("promote", "approve"),
}
"""What has to be known of a person who asks for a verb: what may only be reconciled is not re-run,
and whoever asks for a promotion may have a vote in it."""
TEST: Final[tuple[Action, ...]] = ("test", "rerun")
"""A comment that runs something again: what is forbidden to the button is forbidden to it."""


def asked_as(action: Action) -> tuple[Action, ...]:
    """All that an action is, to policies."""
    return TEST if action == "test" else ACTIONS[VERB_OF[action]]


class AccessRule(Written, frozen=True, kw_only=True):
    """What is needed for some actions: one of `permission`, `teams`, `users` and `owners`, and
    each of the rest."""

    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=20)]
    """What this is needed for."""
    permission: Level | None = None
    """Permission on the repository of the commit, at least; write, where nobody else is named."""
    teams: Annotated[tuple[Team, ...], Meta(max_length=50)] = ()
    """Whoever is in one of these teams."""
    users: Annotated[tuple[Login, ...], Meta(max_length=500)] = ()
    """These people, by login."""
    owners: Annotated[tuple[OwnedPath, ...], Meta(max_length=20)] = ()
    """Whoever owns one of these paths, by CODEOWNERS, or else OWNERS, of the default branch."""
    not_author: bool = False
    """Not who made the commit or the pull request."""
    approvals: Annotated[int, Meta(ge=1, le=20)] = 1
    """How many different people have to ask for the same; the last one's wish is done."""


class AccessPolicySpec(Written, frozen=True, kw_only=True):
    """Where, and what is needed there."""

    clusters: Patterns = EVERYTHING
    """Clusters of the run: patterns."""
    namespaces: Patterns = EVERYTHING
    """Namespaces of the run: patterns."""
    repositories: Patterns = EVERYTHING
    """Repositories of the commit: patterns of ``OWNER/NAME``, or ``HOST/OWNER/NAME``; case does not
    matter."""
    environments: Patterns = EVERYTHING
    """Where a promotion leads, or where something runs: patterns; what runs in none fits ``*``
    only."""
    rules: Annotated[tuple[AccessRule, ...], Meta(min_length=1, max_length=100)]
    """What is needed there; all that are about an action have to be satisfied."""


class AccessPolicy(Value, frozen=True, kw_only=True):
    """A named policy."""

    name: str
    spec: AccessPolicySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a request is about, as far as policies go."""

    cluster: str
    namespace: str
    repository: Repository
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A rule that a request has to satisfy, and who says so."""

    said_by: str
    rule: AccessRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks, as GitHub knows them."""

    login: str
    role: str = "none"
    teams: frozenset[str] = frozenset()
    """Those that were asked about and that they are in, in lower case."""
    owns: frozenset[str] = frozenset()
    """The paths that were asked about and that they own."""
    authors: frozenset[str] | None = None
    """Who made the commit, and its pull request, in lower case; None: not known."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What could not be found out (a team, a path), and why."""


DEFAULT: Final = Need(
    said_by="the default", rule=AccessRule(actions=("rerun",), permission="write")
)


def needs(
    policies: Iterable[AccessPolicy], actions: tuple[Action, ...], place: Place
) -> tuple[Need, ...]:
    """Everything that a request has to satisfy."""
    return written(policies, actions, place) or (DEFAULT,)


def written(
    policies: Iterable[AccessPolicy], actions: tuple[Action, ...], place: Place
) -> tuple[Need, ...]:
    """What policies ask for; nothing, where none is about it."""
    return tuple(
        Need(said_by=f"AccessPolicy {policy.name}", rule=rule)
        for policy in policies
        if _covers(policy.spec, place)
        for rule in policy.spec.rules
        if set(rule.actions) & set(actions)
    )


def judge(needed: Iterable[Need], person: Person, *, place: Place) -> str:
    """Why the person may; raises Refused with why not."""
    return "; ".join(dict.fromkeys(_satisfied(need, person, place) for need in needed))


def approvals(needed: Iterable[Need]) -> int:
    """How many people have to ask for it."""
    return max((need.rule.approvals for need in needed), default=1)


def level(role: str) -> int:
    """How much a role may; unknown ones nothing."""
    return LEVELS.get(role, 0)


def may_write(role: str) -> bool:
    """Whether somebody with this role is no stranger."""
    return level(role) >= LEVELS["write"]


def _covers(spec: AccessPolicySpec, place: Place) -> bool:
    slug = place.repository.slug.lower()
    names = (slug, f"{place.repository.host}/{slug}")
    wanted = [pattern.lower() for pattern in spec.repositories]
    return (
        globs.any_matches(place.cluster, spec.clusters)
        and globs.any_matches(place.namespace, spec.namespaces)
        and globs.any_matches(place.environment, spec.environments)
        and any(globs.any_matches(name, wanted) for name in names)
    )


def _satisfied(need: Need, person: Person, place: Place) -> str:
    why = _admitted(need.rule, person)
    if why is None:
        raise Refused(_turned_away(need, person, place))
    if need.rule.not_author:
        if person.authors is None:
            raise Refused(f"{need.said_by} admits no author, and who that is is not known")
        if person.login.lower() in person.authors:
            raise Refused(f"{need.said_by} wants somebody else than the author")
    return f"{need.said_by}: {why}"


def _admitted(rule: AccessRule, person: Person) -> str | None:
    login = person.login.lower()
    least = _least(rule)
    if least and level(person.role) >= LEVELS[least]:
        return f"{person.role} access"
    if any(user.lower() == login for user in rule.users):
        return "named"
    team = next((team for team in rule.teams if team.lower() in person.teams), None)
    if team:
        return f"in {team}"
    path = next((path for path in rule.owners if path in person.owns), None)
    return f"owns {path}" if path else None


def _least(rule: AccessRule) -> Level | None:
    if rule.permission or rule.teams or rule.users or rule.owners:
        return rule.permission
    return "write"


def _turned_away(need: Need, person: Person, place: Place) -> str:
    rule = need.rule
    least = _least(rule)
    ways = [f"{least} access to {place.repository.slug}"] if least else []
    ways += [f"to be in {team}" for team in rule.teams]
    ways += [f"to own {path}" for path in rule.owners]
    ways += ["to be named"] if rule.users else []
    asked = [*rule.teams, *rule.owners]
    blind = [person.unknown[one] for one in asked if one in person.unknown]
    by = "" if need is DEFAULT else f"; {need.said_by} says so"
    also = f" ({'; '.join(dict.fromkeys(blind))})" if blind else ""
    return f"it needs {' or '.join(ways)}, and you have {person.role}{by}{also}"
