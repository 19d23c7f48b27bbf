"""What is to be done outside, as values that can be stored: the closed union `Effect`.

An effect says what is wanted, not which HTTP request does it. Each has a `key`, under which the far
side drops a repeat, and a `lane`, within which order is kept. Two disciplines: of checks only the
newest counts (`newest`), of everything else every one is delivered, in order.

Stored effects outlive the process that wrote them: a field added later needs a default, a changed
meaning needs a new tag.
"""

from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct

from ghapp.core.annotations import Annotation
from ghapp.core.model import Conclusion, LogSource, Phase, Repository, Subject
from ghapp.core.notification import LogSettings, ReportFormat
from ghapp.core.source import Create, Patch


class _Effect(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="effect"):
    """What all effects share."""

    @property
    def newest(self) -> bool:
        """Whether an undelivered older one of the lane is replaced by this one."""
        return False


class Button(Struct, frozen=True, kw_only=True):
    """A button on a check. Limits by GitHub: label 20, description 40, identifier 20 characters."""

    label: str
    description: str
    identifier: str


class Check(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A check run as it shall be, within GitHub's limits; made by `core.checks.render`."""

    name: str
    external_id: str
    status: str
    conclusion: Conclusion | None = None
    title: str
    summary: str
    text: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    details_url: str = ""
    buttons: tuple[Button, ...] = ()


class Deployed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a long-lived object brings its revision to."""

    environment: str
    url: str = ""
    """Where a person finds it running, as its annotation says; empty: not said."""
    over: bool = False
    """The object is gone, or went on to another revision."""


class SetCheck(_Effect, tag="set-check", frozen=True, kw_only=True):
    """Make a subject's check look like this."""

    subject: Subject
    repository: Repository
    commit: str
    check: Check
    serial: int
    """Counts the states of one check that were told."""
    attempt: int = 0
    """A completed check is final on GitHub: a long-lived object that runs again gets a new one."""
    progress: bool = False
    """Nothing but details changed since the last state: it can wait for the progress interval."""
    interval: float | None = None
    """Seconds that progress waits; None: as the process is set."""
    to: tuple[str, ...] = ()
    """The providers that are told."""
    annotations: tuple[Annotation, ...] = ()
    """On files and lines; GitHub appends what is sent, so the sink sends each set once."""
    search: bool = False
    """The check may exist already although we never made it (the store was lost)."""
    spoiled: tuple[int, ...] = ()
    """GitHub's check runs that somebody else completed: what is going on needs another one."""
    phase: Phase | None = None
    """Of the run; a check's conclusion alone does not tell a bad verdict from none."""
    pull_request: int | None = None
    """That the run says it is about."""
    deployed: Deployed | None = None
    """None: it deploys nothing."""

    @property
    def lane(self) -> str:
        """One check."""
        return f"check/{self.subject.key}#{self.attempt}"

    @property
    def key(self) -> str:
        """One state of one check."""
        return f"{self.lane}/{self.serial}"

    @property
    def newest(self) -> bool:
        """Checks: only the newest."""
        return True


class ReportSource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a report of a run is; nowhere, if there is neither a text nor a part."""

    format: ReportFormat
    name: str
    """Of the result, or of the step as a check names it."""
    text: str | None = None
    """Of the result; None: the log of `parts` is the report."""
    parts: tuple[LogSource, ...] = ()
    """Whose log it is; of a result: whose Secrets may be in it."""


class ShowRuns(_Effect, tag="show-runs", frozen=True, kw_only=True):
    """Show how all runs of a commit stand: one of them has news.

    It says that there is news and not which, so that whoever shows the runs shows the newest.
    """

    subject: Subject
    """The run that has news."""
    repository: Repository
    commit: str
    state: str
    """Key of the state of its check that is news."""
    pull_request: int | None = None
    progress: bool = False
    """No run ended: it can wait for the progress interval."""
    interval: float | None = None
    to: tuple[str, ...] = ()
    changed: int = 0
    """GitHub's check run that shows them and was changed by somebody else; 0: none."""

    @property
    def lane(self) -> str:
        """One page about one pull request, or about one commit where that is not known.

        That somebody changed a page must not be replaced by other news.
        """
        if self.changed:
            return f"runs/{self.repository.url}@{self.commit}~{self.changed}"
        if self.pull_request is None:
            return f"runs/{self.repository.url}@{self.commit}"
        return f"runs/{self.repository.url}/pull/{self.pull_request}"

    @property
    def key(self) -> str:
        """One piece of news."""
        return f"runs/{self.state}"

    @property
    def newest(self) -> bool:
        """It shows everything, so one is enough."""
        return True


class ReadLogs(_Effect, tag="read-logs", frozen=True, kw_only=True):
    """Read the logs and reports of a run that is over, for its check."""

    subject: Subject
    logs: tuple[LogSource, ...]
    """What is shown, most important first."""
    reports: tuple[ReportSource, ...] = ()
    attempt: int = 0
    settings: LogSettings = LogSettings()

    @property
    def lane(self) -> str:
        """One attempt of one run."""
        return f"logs/{self.subject.key}#{self.attempt}"

    @property
    def key(self) -> str:
        """Once."""
        return self.lane


class Link(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An embedded link of a CDEvent (spec 0.5.1, links.md): PATH from, or RELATION to, an event."""

    type: str
    event_id: str
    kind: str = ""


class EmitEvent(_Effect, tag="emit-event", frozen=True, kw_only=True):
    """Tell the world, as a CDEvent; rendered for a spec version by `core.cdevents`."""

    subject: Subject
    id: str
    type: str
    """Subject and predicate: ``pipelinerun.finished``."""
    source: str
    at: datetime
    subject_id: str
    content: dict[str, Any]
    chain: str
    links: tuple[Link, ...] = ()
    to: tuple[str, ...] = ()
    """The providers that are told."""
    custom: dict[str, Any] = {}

    @property
    def lane(self) -> str:
        """All events of one object, over all its runs."""
        return f"events/{self.subject.object_key}"

    @property
    def key(self) -> str:
        """The event's own id, which is deterministic."""
        return f"event/{self.id}"


class Reply(Struct, frozen=True, kw_only=True):
    """Where somebody asked in words, and is answered: one line of one comment."""

    repository: Repository
    number: int
    """Of the pull request."""
    comment: int
    """That asked."""
    since: str
    """When it was written, as GitHub writes it: no answer is older."""
    line: int
    words: str
    """What was asked, in Markdown; begins the line."""
    source: str = ""
    """The id of the Provider whose App heard it; empty: the environment's."""

    @property
    def subject(self) -> Subject:
        """The discussion as the store knows it: no row of a run has this key."""
        return Subject(
            kind="Comment",
            cluster=self.repository.host,
            namespace=self.repository.slug,
            name=str(self.number),
            uid=str(self.comment),
        )


class React(_Effect, tag="react", frozen=True, kw_only=True):
    """Show whoever wrote a comment that it was read."""

    reply: Reply

    @property
    def subject(self) -> Subject:
        """The discussion."""
        return self.reply.subject

    @property
    def lane(self) -> str:
        """One comment."""
        return f"react/{self.subject.key}"

    @property
    def key(self) -> str:
        """Once."""
        return self.lane


class Answer(_Effect, tag="answer", frozen=True, kw_only=True):
    """Lines of the one comment that answers another; the first answer has all of them."""

    reply: Reply
    lines: tuple[tuple[int, str], ...]
    """Number and Markdown; what has a number already is replaced."""
    turn: str = ""
    """Names a later state of a line; empty: the first answer."""

    @property
    def subject(self) -> Subject:
        """The discussion."""
        return self.reply.subject

    @property
    def lane(self) -> str:
        """One answer."""
        return f"answer/{self.subject.key}"

    @property
    def key(self) -> str:
        """One state of one line, or the first answer."""
        return f"{self.lane}/{self.turn}"


class _Asked(_Effect, frozen=True, kw_only=True):
    """What a person asked for with a click."""

    subject: Subject
    login: str
    token: str
    """What the far side knows it by: two of one token are done once. Part of the key."""
    request: str = ""
    """Names the click or the line, which is to be answered, if only with what was done before."""
    reply: Reply | None = None
    """Where it was asked for in words; None: with a button."""

    @property
    def lane(self) -> str:
        """What people ask of one run happens in the order they asked."""
        return f"asked/{self.subject.key}"

    @property
    def key(self) -> str:
        """One request."""
        told = f"{type(self).__name__.lower()}/{self.subject.key}/{self.token}"
        return f"{told}/{self.request}" if self.request else told


class Rerun(_Asked, tag="rerun", frozen=True, kw_only=True):
    """Run it again: create a clean copy of the run."""

    write: Create | Patch


class Cancel(_Asked, tag="cancel", frozen=True, kw_only=True):
    """Stop it."""

    write: Create | Patch


class Reconcile(_Asked, tag="reconcile", frozen=True, kw_only=True):
    """Ask Flux to look again, now."""

    write: Create | Patch


class Promote(_Asked, tag="promote", frozen=True, kw_only=True):
    """Open a pull request that brings `version` into the environment."""

    pipeline: str
    """``namespace:name`` of the Pipeline document."""
    environment: str
    """Where to."""
    version: str
    repository: Repository
    base_branch: str
    back: bool = False
    """It ran there before: a rollback."""

    @property
    def marker(self) -> str:
        """What marks the value to change: ``namespace:name:environment``."""
        return f"{self.pipeline}:{self.environment}"

    @property
    def lane(self) -> str:
        """One promotion at a time into one environment."""
        return f"promotion/{self.marker}"


Effect: TypeAlias = (
    SetCheck
    | ShowRuns
    | ReadLogs
    | EmitEvent
    | Rerun
    | Cancel
    | Reconcile
    | Promote
    | React
    | Answer
)
