"""What a Notification is: which runs it is about, where they are told, and how they look there.

A document may say *where* (`providerRefs`), *how* (names, texts, logs, buttons), or both. Several
may be about one run: the places add up, each is told once, and of each setting the last word
counts (`core.audience`).
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from ghapp.core.model import LogsWhen, Milestone, Phase, Value, Verb
from ghapp.core.problem_matcher import ProblemMatcher
from ghapp.core.provider import Pattern, ProviderRef

Duration = Annotated[
    str,
    Meta(
        max_length=20,
        pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$",
        title="a duration, such as 30s or 1m30s",
    ),
]
"""As Go and Flux write it: ``30s``, ``1m30s``."""
Key = Annotated[str, Meta(min_length=1, max_length=317)]
"""Of a label, an annotation or a result."""
Text = Annotated[str, Meta(max_length=4096)]
Line = Annotated[str, Meta(min_length=1, max_length=1024)]
"""A template of one line."""
Template = Annotated[str, Meta(min_length=1, max_length=8192)]
Expression = Annotated[str, Meta(min_length=1, max_length=2048)]
"""CEL over `run`, `object` and `oldPhase`."""
Count = Annotated[int, Meta(ge=1, le=1000)]


class Written(Value, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A part of a document: spelled as Kubernetes spells fields, and nothing unknown in it."""


class Requirement(Written, frozen=True, kw_only=True):
    """A requirement of a label selector."""

    key: Key
    """Name of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """What has to hold of the label's value."""
    values: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()
    """Values that In and NotIn compare with."""


class LabelSelector(Written, frozen=True, kw_only=True):
    """As Kubernetes has it: all of it has to hold."""

    match_labels: Annotated[dict[Key, Text], Meta(max_length=50)] = field(default_factory=dict)
    """Labels with exactly these values."""
    match_expressions: Annotated[tuple[Requirement, ...], Meta(max_length=50)] = ()
    """Requirements; all of them have to hold."""


class Named(Written, frozen=True, kw_only=True):
    """An annotation of the object, or a result of the run."""

    name: Key
    """Name of the annotation or result."""
    values: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()
    """Values of which it has to have one; none: it only has to be there."""


class Filter(Written, frozen=True, kw_only=True):
    """Which runs, and what of them; what is left out admits everything, all the rest must hold."""

    kinds: Annotated[tuple[Pattern, ...], Meta(max_length=50)] = ()
    """Kinds of the run's object: patterns, ``PipelineRun``, ``Helm*``."""
    namespaces: Annotated[tuple[Pattern, ...], Meta(max_length=500)] = ()
    """Namespaces that the run may be in: patterns. Only a ClusterNotification has them: a
    Notification is about its own namespace."""
    clusters: Annotated[tuple[Pattern, ...], Meta(max_length=100)] = ()
    """Clusters that the run may be in: patterns."""
    label_selector: LabelSelector | None = None
    """Labels that the run's object has to have."""
    annotations: Annotated[tuple[Named, ...], Meta(max_length=50)] = ()
    """Annotations that the run's object has to have; all of them."""
    phases: Annotated[tuple[Phase, ...], Meta(max_length=10)] = ()
    """Phases of which the run has to be in one now."""
    old_phases: Annotated[tuple[Phase, ...], Meta(max_length=10)] = ()
    """Phases of which it has to have been in one before the last change: ``phases: [succeeded],
    oldPhases: [failed]`` is a recovery."""
    milestones: Annotated[tuple[Milestone, ...], Meta(max_length=10)] = ()
    """Which events are sent; none: all of them. Of what has no milestones (a deployment, an
    incident) each counts as finished."""
    results: Annotated[tuple[Named, ...], Meta(max_length=50)] = ()
    """Results that the run has to have, such as Tekton's; all of them."""
    expression: Expression | None = None
    """A condition in CEL over `run`, `object` and `oldPhase`; an error counts as false."""


ANY: Final = Filter()
"""Admits everything."""


ReportFormat = Literal["junit", "sarif"]


class Report(Written, frozen=True, kw_only=True):
    """Where a run leaves a report that machines read: in one of its results, or as the log of a
    step that prints it (the way out of a workspace that nobody else can read)."""

    format: ReportFormat
    """How it is written."""
    result: Text = ""
    """Name of the result that it is in; or name a step."""
    step: Text = ""
    """Task, step or both that print it, as a check names them: ``test``, ``report``,
    ``test / report``; or name a result."""


class LogSettings(Written, frozen=True, kw_only=True):
    """What of a run's logs is shown on its check."""

    when: LogsWhen | None = None
    """Of which runs: failed ones, all of them (those that succeeded or were cancelled, too), or
    none, and then nothing is read at all."""
    steps: Annotated[int, Meta(ge=1, le=20)] | None = None
    """How many containers are read, the failing ones first."""
    lines: Count | None = None
    """How many lines are shown of each container, from its end."""
    line_length: Annotated[int, Meta(ge=20, le=2000)] | None = None
    """Characters of a line; longer ones are cut in the middle."""
    matchers: Annotated[tuple[ProblemMatcher, ...], Meta(max_length=20)] | None = None
    """Problem matchers as GitHub has them, beside those that are built in."""
    reports: Annotated[tuple[Report, ...], Meta(max_length=10)] | None = None
    """Reports that tools wrote, shown on the lines that they name; of failed runs and of those
    that succeeded."""


class NotificationSpec(Written, frozen=True, kw_only=True):
    """Which, where and how."""

    provider_refs: Annotated[tuple[ProviderRef, ...], Meta(max_length=20)] = ()
    """Where the runs are told; none: the document only says how they look."""
    suspend: bool = False
    """Take no notice of the document, as if it were not there."""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    """Who has the last word among documents of one scope: the higher one."""
    filter: Filter = ANY
    """Which runs, and what of them; none: all runs that the document may be about."""
    check_name: Line | None = None
    """Name of the check, a template. It has to be the same for every run of the same thing, or no
    branch rule can require it."""
    dashboard_url: Line | None = None
    """URL of the run's page, a template."""
    message: Line | None = None
    """Title of the check, a template of one line."""
    summary: Template | None = None
    """Markdown that is shown before the table of steps, a template."""
    logs: LogSettings | None = None
    """What of the logs is shown on the check."""
    progress_interval: Duration | None = None
    """Time between two updates of a running check, such as 30s; at most an hour."""
    buttons: Annotated[tuple[Verb, ...], Meta(max_length=20)] | None = None
    """Which buttons may be shown and pressed; an empty list: none."""
    drift: bool | None = None
    """Whether drift of a HelmRelease is told as events."""


NotificationKind = Literal["Notification", "ClusterNotification"]


class Notification(Value, frozen=True, kw_only=True):
    """A named document."""

    kind: NotificationKind
    namespace: str
    """Empty: a ClusterNotification."""
    name: str
    spec: NotificationSpec
    rank: int = 0
    """Where it comes from; the higher one has the last word: see `core.audience`."""

    @property
    def id(self) -> str:
        """``Notification apps/shop``; names it where a person reads."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


def seconds(duration: str) -> float:
    """A `Duration` in seconds; its shape was checked."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    total, number, unit = 0.0, "", ""
    for one in duration:
        if (one.isdigit() or one == ".") and unit:
            total, number, unit = total + float(number) * units[unit], "", ""
        if one.isdigit() or one == ".":
            number += one
        else:
            unit += one
    return total + float(number) * units[unit]
