"""The words of the house as values: subject, phase, revision, step, observation.

Everything here is frozen, compares by value and can be stored. Nothing here knows where it came
from (an adapter) or where it goes (a sink).
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from urllib.parse import quote

from msgspec import Struct


class Value(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen value that the store can keep; fields added later need a default."""


class Phase(StrEnum):
    """Where a run stands. failed: it ran and the verdict is bad; errored: there is no verdict."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ERRORED = "errored"

    @property
    def rank(self) -> int:
        """0 queued, 1 running, 2 finished: a run never goes back."""
        return _RANK.get(self, 2)

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to come."""
        return self.rank == FINISHED


FINISHED: Final = 2
_RANK: Final = {Phase.QUEUED: 0, Phase.RUNNING: 1}


class Milestone(StrEnum):
    """What the world is told about a run, once each, in this order."""

    QUEUED = "queued"
    STARTED = "started"
    FINISHED = "finished"


class Conclusion(StrEnum):
    """The verdict of a completed check, as GitHub spells it.

    https://docs.github.com/en/rest/checks/runs — `stale` and `startup_failure` are GitHub's own.
    `neutral` and `skipped` satisfy a required check: never use them for "could not determine".
    """

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    TIMED_OUT = "timed_out"
    ACTION_REQUIRED = "action_required"


_HARMLESS: Final = frozenset({Conclusion.NEUTRAL, Conclusion.SKIPPED})


class SubjectType(StrEnum):
    """Which CDEvents subject tells of this source."""

    PIPELINERUN = "pipelinerun"
    TASKRUN = "taskrun"
    SERVICE = "service"
    ENVIRONMENT = "environment"


class Verb(StrEnum):
    """What a person can ask for; the identifier of a button, never an authority."""

    RERUN = "rerun"
    RERUN_FAILED = "rerun-failed"
    CANCEL = "cancel"
    RECONCILE = "reconcile"
    PROMOTE = "promote"
    APPROVE = "approve"
    HOLD = "hold"
    UNHOLD = "unhold"
    ROLLBACK = "rollback"
    OK_TO_TEST = "ok-to-test"


class Subject(Value, frozen=True, kw_only=True):
    """One run, not one object: a new uid, or a long-lived object's new revision, is a new one."""

    kind: str
    """As the object writes it: ``PipelineRun``."""
    cluster: str
    namespace: str
    name: str
    uid: str
    revision: str = ""
    """Only for long-lived objects (HelmRelease, Kustomization): what this run rolls out."""

    @property
    def object_key(self) -> str:
        """The object behind the run; long-lived objects have many runs."""
        return f"{self.cluster}/{self.kind}/{self.namespace}/{self.name}/{self.uid}"

    @property
    def key(self) -> str:
        """Unique over all clusters and all time."""
        return f"{self.object_key}@{self.revision}" if self.revision else self.object_key

    @property
    def external_id(self) -> str:
        """What GitHub echoes in webhooks about the check: ``KIND/NAMESPACE/NAME/UID[@REVISION]``.

        GitHub documents no length; names reach 253 characters, so above 255 bytes the name is left
        out (``KIND/NAMESPACE//UID``): the uid alone finds the run.
        """
        tail = f"@{self.revision}" if self.revision else ""
        full = f"{self.kind}/{self.namespace}/{self.name}/{self.uid}{tail}"
        return (
            full if len(full.encode()) <= 255 else f"{self.kind}/{self.namespace}//{self.uid}{tail}"
        )


_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s/'\"<>]+@")


def without_credentials(text: str) -> str:
    """`text` with its URLs as one may show them: what stands before the host is left out."""
    return _CREDENTIALS.sub("", text) if "@" in text else text


_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def commit_sha(text: str) -> str | None:
    """`text` as a full commit id in lower case, or None: it has 40 or 64 hex digits."""
    sha = text.strip().lower()
    return sha if _SHA.fullmatch(sha) else None


class Repository(Value, frozen=True, kw_only=True):
    """A repository on a host; ``owner`` may hold slashes (GitLab's sub-groups)."""

    host: str
    owner: str
    name: str

    @property
    def slug(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def url(self) -> str:
        """Where a person sees it; never carries credentials."""
        return f"https://{self.host}/{self.owner}/{self.name}"

    @property
    def api_path(self) -> str:
        """``/repos/OWNER/NAME``, as every path of GitHub's REST API about a repository begins."""
        return f"/repos/{quote(self.owner, safe='')}/{quote(self.name, safe='')}"


ANYWHERE: Final = Repository(host="", owner="", name="")
"""Stands for any repository where rows are asked for."""


class Revision(Value, frozen=True, kw_only=True):
    """The commit a run claims to be about. An adapter only claims it; trust decides."""

    repository: Repository
    commit: str
    ref: str = ""
    pull_request: int | None = None
    rule: str = ""
    """Which family of annotations said so; shown by ``explain``."""


class Step(Value, frozen=True, kw_only=True):
    """A part of a run: a Tekton task, a pod of a Job, a Helm action."""

    name: str
    phase: Phase
    started: datetime | None = None
    finished: datetime | None = None
    detail: str = ""
    """The source's own words: a reason, an exit code, why it was skipped."""
    skipped: bool = False
    tolerated: bool = False
    """It failed, and the run says that this does not matter."""


class LogSource(Value, frozen=True, kw_only=True):
    """Where a part of the run wrote its log."""

    step: str
    """The `Step` that it belongs to."""
    container: str = ""
    """Empty: every container of the pod that failed."""
    pod: str = ""
    selector: str = ""
    """A label selector, where the pod's name is not known: ``job-name=migrate``."""
    failed: bool = False


class Occurrence(Value, frozen=True, kw_only=True):
    """Something that happened to a long-lived subject, told once: a deployment, an incident."""

    type: str
    """Subject and predicate of the CDEvent: ``service.upgraded``, ``incident.detected``."""
    key: str
    """Unique among the occurrences of the object: the Helm revision and what became of it."""
    at: datetime
    artifact: str = ""
    """A package URL (purl): what is running now, or what failed to."""
    description: str = ""
    subject: str = ""
    """What it happened to, where that is neither the service nor the environment: a test suite."""
    outcome: Phase | None = None
    """How it ended, if it is something that ends: a test suite."""


LogsWhen = Literal["failed", "always", "never"]
"""Of which runs the log is shown: of those that failed, of all, of none."""


class Observation(Value, frozen=True, kw_only=True):
    """What an adapter saw of a subject at one moment: all that the house knows of it."""

    subject: Subject
    resource: str
    """Where the object lives: ``tekton.dev/v1/pipelineruns``."""
    type: SubjectType
    phase: Phase
    name: str
    """What runs, not this run of it: the pipeline, the CronJob, the release."""
    check_name: str
    """The same for every run of the same thing, so that it can be a required check."""
    named: bool = False
    """An annotation of the object gave the check its name."""
    created: datetime
    started: datetime | None = None
    """None as long as nothing ran; scheduling and validation do not count."""
    finished: datetime | None = None
    reason: str = ""
    """The source's own word for its state: ``PipelineRunTimeout``."""
    message: str = ""
    """The source's own sentence."""
    conclusion: Conclusion | None = None
    """Where the phase alone would give the wrong one: a timeout, a failure declared harmless."""
    revision: Revision | None = None
    steps: tuple[Step, ...] = ()
    logs: tuple[LogSource, ...] = ()
    """Where its parts wrote, once it is over: those that failed first."""
    logs_when: LogsWhen | None = None
    """What an annotation of the object says of its log; that is the last word."""
    results: tuple[tuple[str, str], ...] = ()
    """Named values that the run gave, as text; a report may be one of them."""
    occurrences: tuple[Occurrence, ...] = ()
    environment: str = ""
    """Named by annotation; empty: cluster and namespace name it."""
    environment_url: str = ""
    """Where a person finds running what it deploys; named by annotation."""
    version: str = ""
    """What a promotion of this subject would promote: a chart version."""
    dashboard_url: str = ""
    chain: str = ""
    """A seed of the CDEvents chain, shared with other runs: the Triggers event id."""
    rerun_of: str = ""
    """uid of the run that this one repeats."""
    living: bool = False
    """A long-lived object: it may fail and recover, and may run again under the same revision."""
    generation: int = 0
    """Of a long-lived object: which state of its spec this is about; its commit belongs to that."""
    turn: str = ""
    """Of a long-lived object: which run led to this; another turn was another run, even if nobody
    saw it run. Empty: not known."""
    verbs: tuple[Verb, ...] = ()
    """What may be asked of it in this state."""

    @property
    def fine(self) -> bool:
        """Whether it ended in a way that satisfies a required check."""
        return self.phase is Phase.SUCCEEDED or self.conclusion in _HARMLESS
