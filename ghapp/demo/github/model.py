"""What the stand-in remembers: accounts, repositories, Apps, checks, pull requests and the rest.

Plain values with memory and no behaviour; the rules are in the modules named after them.
Times are seconds since the epoch, as the injected clock gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import Json
from .git import Git

ROLES = ("read", "triage", "write", "maintain", "admin")


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """A person, an organisation or a bot."""

    id: int
    login: str
    kind: str  # User, Organization or Bot
    name: str
    email: str
    created: float
    members: dict[str, str] = field(default_factory=dict)  # of an organisation: login -> role


@dataclass(slots=True, kw_only=True, eq=False)
class Team:
    """A team of an organisation."""

    id: int
    organization: Account
    slug: str
    name: str
    members: dict[str, tuple[str, str]] = field(default_factory=dict)  # login -> (role, state)


@dataclass(slots=True, kw_only=True, eq=False)
class App:
    """A GitHub App. The private key is kept only because the creator is handed it once."""

    id: int
    slug: str
    name: str
    owner: Account
    bot: Account
    client_id: str
    client_secret: str
    private_key: str
    permissions: dict[str, str]
    events: tuple[str, ...]
    webhook_url: str | None
    webhook_secret: str | None
    hook_id: int
    created: float
    further_keys: list[str] = field(default_factory=list)
    """An App may have several private keys, so that one can be exchanged for another."""


@dataclass(slots=True, kw_only=True, eq=False)
class Installation:
    """An App in an account: what it may do there, and in which repositories."""

    id: int
    app: App
    account: Account
    permissions: dict[str, str]
    repositories: set[int] | None  # ids; None means all
    created: float
    updated: float
    suspended: float | None = None
    suspended_by: Account | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Token:
    """An installation's token, or a person's when there is no installation."""

    value: str
    installation: Installation | None
    person: Account | None
    permissions: dict[str, str]
    repositories: frozenset[int] | None
    created: float
    expires: float | None


@dataclass(slots=True, kw_only=True, eq=False)
class CheckSuite:
    """The checks of one App on one commit."""

    id: int
    app: App
    repository: Repository
    head_sha: str
    head_branch: str | None
    before: str | None
    created: float
    updated: float
    runs: list[CheckRun] = field(default_factory=list)
    reset: bool = False  # re-requested and no run since: shown as queued
    status: str = "queued"
    conclusion: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class CheckRun:
    """One check. `shown_*` is what people see: a finished run never looks unfinished again."""

    id: int
    suite: CheckSuite
    name: str
    status: str
    conclusion: str | None
    external_id: str
    details_url: str
    started: str
    completed: str | None
    born: float
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[Json] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)
    actions: list[Json] = field(default_factory=list)
    shown_status: str = "queued"
    shown_conclusion: str | None = None

    @property
    def repository(self) -> Repository:
        return self.suite.repository

    @property
    def app(self) -> App:
        return self.suite.app


@dataclass(slots=True, kw_only=True, eq=False)
class Status:
    """A commit status."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: Account
    born: float


@dataclass(slots=True, kw_only=True, eq=False)
class Pull:
    """A pull request."""

    id: int
    number: int
    repository: Repository
    head_repository: Repository
    head: str
    head_sha: str
    base: str
    base_sha: str
    title: str
    body: str | None
    author: Account
    draft: bool
    born: float
    updated: float
    state: str = "open"
    closed: float | None = None
    merged: float | None = None
    merged_by: Account | None = None
    merge_sha: str | None = None
    labels: list[str] = field(default_factory=list)
    reviewers: list[Account] = field(default_factory=list)
    review_teams: list[Team] = field(default_factory=list)
    computing: int = 0  # how many more reads answer mergeable: null
    blocked: bool = False  # a rule (a required check or review) forbids merging
    auto_merge: Json | None = None
    merge_requests: dict[str, Json] = field(default_factory=dict)  # merge-async, by uuid


@dataclass(slots=True, kw_only=True, eq=False)
class Comment:
    """A comment on a pull request."""

    id: int
    pull: Pull
    author: Account
    app: App | None
    body: str
    born: float
    updated: float
    reactions: list[tuple[int, Account, str, float]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class DeploymentStatus:
    """One step of a deployment."""

    id: int
    state: str
    description: str
    environment: str
    environment_url: str
    log_url: str
    target_url: str
    creator: Account
    born: float


@dataclass(slots=True, kw_only=True, eq=False)
class Deployment:
    """A deployment of a commit to an environment."""

    id: int
    sha: str
    ref: str
    task: str
    environment: str
    payload: Json | str
    description: str | None
    creator: Account
    app: App | None
    born: float
    transient: bool
    production: bool
    statuses: list[DeploymentStatus] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Repository:
    """A repository and all that hangs on it."""

    id: int
    owner: Account
    name: str
    private: bool
    default_branch: str
    created: float
    pushed: float
    git: Git
    fork_of: Repository | None = None
    archived: bool = False
    allow_auto_merge: bool = False
    collaborators: dict[str, str] = field(default_factory=dict)  # login -> role
    suites: dict[int, CheckSuite] = field(default_factory=dict)
    suites_by_sha: dict[str, list[CheckSuite]] = field(default_factory=dict)
    runs: dict[int, CheckRun] = field(default_factory=dict)
    statuses: dict[str, list[Status]] = field(default_factory=dict)  # by sha, oldest first
    pulls: dict[int, Pull] = field(default_factory=dict)  # by number
    comments: dict[int, Comment] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)  # name -> id
    deployments: dict[int, Deployment] = field(default_factory=dict)
    environments: dict[str, int] = field(default_factory=dict)
    rules: dict[str, list[Json]] = field(default_factory=dict)  # by branch
    no_auto_suites: set[int] = field(default_factory=set)  # App ids
    dispatches: list[Json] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"
