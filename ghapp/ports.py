"""What the engine asks of the outside, as protocols: store, sinks, GitHub, Kubernetes, time.

Ports are small; a plug-in implements one of them in one file. Attributes are properties, so that
frozen classes fit.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ssl import SSLContext
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot
from ghapp.core.budget import Urgency
from ghapp.core.effects import Effect
from ghapp.core.model import Repository
from ghapp.core.seen import Excerpt, Seen
from ghapp.core.source import Resource

Clock = Callable[[], datetime]
"""Wall time, in UTC."""


# --- store ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """An effect for one sink, not before `due`."""

    effect: Effect
    sink: str
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What we know of an effect's place at the far side."""

    id: str | None = None
    """What the last delivery of this lane returned: a check run's id."""
    certain: bool = True
    """False: an earlier try may have got through unheard, so look before creating."""
    tries: int = 0
    """How often this effect was tried before, for a sink whose patience is shorter than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The head of a lane, taken for delivery."""

    row: int
    sink: str
    key: str
    lane: str
    effect: Effect
    slot: Slot
    tries: int
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a delivery brought back."""

    slot: str | None = None
    """Kept for the next effect of the lane."""
    notice: str = ""
    """An answer for the person who asked, in Markdown."""
    excerpt: Excerpt | None = None
    """What the logs said, for the subject's check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It is done, or was done already."""

    row: int
    slot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Not yet: the whole lane waits until `due`."""

    row: int
    due: datetime
    reason: str
    uncertain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """Never: a person has to look. The lane goes on."""

    row: int
    reason: str


Settled = Done | Again | Parked


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything that one decision changes, in one transaction.

    Each `Seen` is written only if the stored row has version ``seen.version - 1`` (or none, for 1):
    otherwise nothing of the commit is, and `errors.Conflict` is raised.
    """

    seen: tuple[Seen, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    """Written under the same condition."""
    audit: tuple[Audited, ...] = ()
    """Added to the audit log."""
    effects: tuple[Addressed, ...] = ()
    settled: Settled | None = None
    delivery: str | None = None
    """The guid of the webhook delivery that this finishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook, verified and stored."""

    guid: str
    event: str
    body: bytes
    received: datetime
    tries: int = 0
    source: str = ""
    """The id of the Provider whose App it is for; empty: the App of the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A parked effect, for a person to look at."""

    row: int
    sink: str
    key: str
    effect: Effect | None
    """None: it cannot be decoded any more."""
    reason: str
    tries: int
    created: datetime
    parked: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much waits, for /metrics: rows by sink, parked rows by sink, deliveries, oldest due."""

    pending: Mapping[str, int]
    parked: Mapping[str, int]
    deliveries: int
    oldest: datetime | None


class Runs(Protocol):
    """How the runs of a commit stand."""

    async def on_commit(self, repository: Repository, commit: str) -> Sequence[Seen]:
        """All rows whose check is on this commit, oldest first.

        An empty host, owner or name stands for any.
        """


class Store(Runs, Protocol):
    """What outlives the process. Every method is one transaction, durable when it returns."""

    @property
    def born(self) -> datetime:
        """When this store was made: what finished long before is not news."""

    async def seen(self, key: str) -> Seen | None:
        """The row of the subject with this key."""

    async def latest(self, object_key: str) -> Seen | None:
        """The newest row of a long-lived object, whichever its revision."""

    async def by_external_id(self, external_id: str) -> Seen | None:
        """The row behind a check."""

    async def unfinished(self, cluster: str, kind: str) -> Sequence[Seen]:
        """Rows that still wait for their end."""

    async def open_rows(self, after: str, limit: int) -> Sequence[Seen]:
        """Rows of which more may come, by key, from the first one beyond `after`."""

    async def ballots(self, keys: Sequence[str]) -> Sequence[Ballot]:
        """What people said to these; nothing for those that nobody said anything to."""

    async def audit(self, since: datetime, limit: int, *, login: str = "") -> Sequence[Audited]:
        """The newest entries of the audit log, newest first; empty `login`: of everybody."""

    async def commit(self, commit: Commit) -> None:
        """All of it or nothing; raises Conflict.

        An effect whose key is known is ignored, or tried again if it was parked.
        """

    async def accept(self, delivery: Delivery) -> bool:
        """Keep a webhook; False when its guid is known."""

    async def known(self, guids: Sequence[str]) -> frozenset[str]:
        """Which of these deliveries were accepted."""

    async def deliveries(self, now: datetime, limit: int) -> Sequence[Delivery]:
        """Accepted and not yet done, due, oldest first."""

    async def postpone(self, guid: str, *, due: datetime, reason: str) -> None:
        """Try this delivery again later."""

    async def claim(self, sink: str, now: datetime, limit: int) -> Sequence[Claimed]:
        """Heads of due lanes that nobody holds; held until settled or until the process ends."""

    async def next_due(self, sink: str) -> datetime | None:
        """When the next unheld row of the sink is due; None: nothing waits."""

    async def backlog(self) -> Backlog:
        """How much waits."""

    async def dead(self, row: int | None = None) -> Sequence[Dead]:
        """Parked effects, oldest first."""

    async def revive(self, row: int, now: datetime) -> bool:
        """Give a parked effect another chance; False when there is no such row."""

    async def drop(self, row: int) -> bool:
        """Forget a parked effect; False when there is no such row."""

    async def park_orphans(self, sinks: Collection[str], *, reason: str, now: datetime) -> int:
        """Give up what waits for any other sink than these; how many rows that were."""

    async def hurry(self, sinks: Collection[str], *, because: str, now: datetime) -> int:
        """What these sinks shall have later, for a reason that begins so, is due now; how many rows
        that were. Upper and lower case are one."""

    async def prune(self, before: datetime, *, audit: datetime) -> int:
        """Forget what was done or given up before then, subjects that ended, and what was asked for
        before `audit`; how many rows that were."""

    def changed(self) -> Awaitable[None]:
        """Resolves once effects were committed or settled after the call (this process only)."""

    def arrived(self) -> Awaitable[None]:
        """Resolves once a delivery was accepted after the call (this process only)."""

    async def close(self) -> None:
        """Finish what was begun and let go of the file."""


# --- the far sides ------------------------------------------------------------------------------


class GitHub(Protocol):
    """GitHub's REST API as an App: picks the installation by repository, its token, its budget.

    Paths are relative to the API (``/repos/o/r/check-runs``). Failures are `Retry` or `Reject` with
    GitHub's status and message; a refusal for rate reasons is a Retry that says when.
    """

    @property
    def app_id(self) -> int:
        """The App's numeric id; 0 as long as it was not asked for (see `identify`)."""

    async def identify(self) -> int:
        """Asks GitHub once which App this is, and returns its numeric id."""

    def serves(self, repository: Repository) -> bool:
        """Whether the repository is on this host."""

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repository: Repository | None,
    ) -> Any:
        """One call on behalf of the installation of `repository`, or of the App itself (None)."""

    def pages(
        self, path: str, *, repository: Repository | None, items: str | None = None
    ) -> AsyncIterator[Any]:
        """Each item of a paged listing; `items` names the list where the answer is an object."""

    def forget(self, event: str, payload: Mapping[str, Any]) -> None:
        """An installation or repository changed: drop what is cached about it."""


class UrgentGitHub(GitHub, Protocol):
    """The same, told who gives way to whom when little may be asked."""

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repository: Repository | None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> Any:
        """One call."""

    def pages(
        self,
        path: str,
        *,
        repository: Repository | None,
        items: str | None = None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> AsyncIterator[Any]:
        """Each item of a paged listing."""


class RepositoryApi(Protocol):
    """What of it needs no App: a token that somebody made does as well."""

    def serves(self, repository: Repository) -> bool:
        """Whether the repository is on this host."""

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repository: Repository | None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> Any:
        """One call about `repository`."""


class GitHubs(Protocol):
    """Every GitHub App that this process works as."""

    def of(self, source: str) -> GitHub:
        """The App that a Provider declares, by its id; empty: the environment's."""

    def serving(self, repository: Repository) -> GitHub | None:
        """An App of the operator's that is on the repository's host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one try to deliver, as its sink's owner hears of it."""

    sink: str
    result: Literal["done", "again", "parked"]
    reason: str = ""


class Kube(Protocol):
    """One cluster's API. Failures are `Retry` or `Reject` with the API's status and message."""

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """One object, whole."""

    async def create(
        self, resource: Resource, namespace: str, manifest: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Creates; an object of that name is a Reject with status 409."""

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Merge-patches."""

    async def patch_status(
        self, resource: Resource, namespace: str, name: str, status: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Merge-patches the status subresource."""

    async def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """The pods that a label selector names, as many as one page of a list has."""

    async def log(
        self, namespace: str, pod: str, container: str, *, tail_lines: int, limit_bytes: int
    ) -> bytes:
        """The end of a container's log: at most so many lines, and of those the last bytes."""

    async def whole_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int
    ) -> bytes:
        """A container's log from its beginning, at most so many bytes of it."""


Clusters = Mapping[str, Kube]
"""By the cluster's name."""

Resources = Mapping[str, Resource]
"""By `Resource.id`: what the adapters watch and write."""


class Http(Protocol):
    """A pooled client for sinks: statuses become Retry or Reject, redirects are not followed."""

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float | None = None,
        tls: SSLContext | None = None,
    ) -> int:
        """Posts; returns the 2xx status. `timeout` in seconds; `tls` says whom to trust."""


# --- sinks --------------------------------------------------------------------------------------


class Sink(Protocol):
    """Where effects go. `deliver` returns when the far side has it, and raises Retry or Reject."""

    def accepts(self, effect: Effect) -> bool:
        """Whether this sink wants the effect."""

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Bring it there, under `key`; the far side must drop a repeat."""


SettingsT = TypeVar("SettingsT", bound=Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Verbs that are needed on a resource in the cluster; RBAC is generated from these."""

    group: str
    resource: str
    verbs: tuple[str, ...]


def _own_place(settings: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class SinkType:
    """A sink as a plug-in: its name, the settings it takes, the class.

    The class is a dataclass; its fields are filled with the settings and with ports, by type.
    """

    name: str
    settings: type[Struct]
    build: Callable[..., Sink]
    provider: str = ""
    """The `spec.type` of a Provider that declares one; empty: it is built in and not declared."""
    secret_keys: Mapping[str, str] = field(default_factory=dict)
    """What it reads of the Provider's Secret: key -> meaning."""
    required_keys: tuple[str, ...] = ()
    """Without which nothing can be delivered."""
    permissions: Mapping[str, str] = field(default_factory=dict)
    """GitHub App permissions that it uses, with the reason: ``{"checks:write": "..."}``."""
    place: Callable[[Mapping[str, Any]], str] = _own_place
    """Settings -> the name of the built-in sink that such a Provider is the same place as; empty:
    it is a place of its own."""
    optional: bool = False
    """Its permissions are needed by those who declare one, and by nobody else."""
    access: tuple[Access, ...] = ()
    """What it needs in the cluster beside what the sources need."""
