"""What a Notification is: which runs it is about, where they are told, and how they look there.

A document may say *where* (`providerRefs`), *how* (names, texts, logs, buttons), or both. Several
may be about one run: the places add up, each is told once, and of each setting the last word
counts (`core.audience`).
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from ghapp.core.model import Milestone, Phase, Value, Verb
from ghapp.core.problem_matcher import ProblemMatcher
from ghapp.core.provider import Pattern, ProviderRef

Duration = Annotated[str, Meta(max_length=20, pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")]
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
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()


class LabelSelector(Written, frozen=True, kw_only=True):
    """As Kubernetes has it: all of it has to hold."""

    match_labels: dict[Key, Text] = field(default_factory=dict)
    match_expressions: Annotated[tuple[Requirement, ...], Meta(max_length=50)] = ()


class Named(Written, frozen=True, kw_only=True):
    """An annotation of the object, or a result of the run."""

    name: Key
    values: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()
    """Any of them; none: it only has to be there."""


class Filter(Written, frozen=True, kw_only=True):
    """Which runs, and what of them; what is left out admits everything, all the rest must hold."""

    kinds: Annotated[tuple[Pattern, ...], Meta(max_length=50)] = ()
    """``PipelineRun``, ``HelmRelease``."""
    namespaces: Annotated[tuple[Pattern, ...], Meta(max_length=500)] = ()
    """Patterns; of a ClusterNotification only: a Notification is about its own namespace."""
    clusters: Annotated[tuple[Pattern, ...], Meta(max_length=100)] = ()
    label_selector: LabelSelector | None = None
    annotations: Annotated[tuple[Named, ...], Meta(max_length=50)] = ()
    phases: tuple[Phase, ...] = ()
    """That the run is in now."""
    old_phases: tuple[Phase, ...] = ()
    """That it was in before: ``phases: [succeeded], oldPhases: [failed]`` is a recovery."""
    milestones: tuple[Milestone, ...] = ()
    """Which events are sent. Of what has no milestones (a deployment, an incident) each counts as
    finished."""
    results: Annotated[tuple[Named, ...], Meta(max_length=50)] = ()
    """Of the run, such as Tekton's."""
    expression: Expression | None = None


ANY: Final = Filter()
"""Admits everything."""


class Report(Written, frozen=True, kw_only=True):
    """Where a run leaves a report that machines read: in one of its results, or as the log of a
    step that prints it (the way out of a workspace that nobody else can read)."""

    format: Literal["junit", "sarif"]
    result: Text = ""
    step: Text = ""


class LogSettings(Written, frozen=True, kw_only=True):
    """What of a run's logs is shown on its check."""

    when: Literal["failed", "always", "never"] | None = None
    """always: of runs that succeeded, too."""
    steps: Annotated[int, Meta(ge=1, le=20)] | None = None
    """Containers that are read, the failing ones first."""
    lines: Count | None = None
    """That are shown of each, from its end."""
    line_length: Annotated[int, Meta(ge=20, le=2000)] | None = None
    """Characters; longer lines are cut in the middle."""
    matchers: Annotated[tuple[ProblemMatcher, ...], Meta(max_length=20)] | None = None
    """Beside those that are built in."""
    reports: Annotated[tuple[Report, ...], Meta(max_length=10)] | None = None


class NotificationSpec(Written, frozen=True, kw_only=True):
    """Which, where and how."""

    provider_refs: Annotated[tuple[ProviderRef, ...], Meta(max_length=20)] = ()
    """Where; none: this document only says how."""
    suspend: bool = False
    """As if it were not there."""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    """Among documents of one scope: the higher one has the last word."""
    filter: Filter = ANY
    check_name: Line | None = None
    """Template. The same for every run of the same thing, or no branch rule can require it."""
    dashboard_url: Line | None = None
    """Template of the run's page."""
    message: Line | None = None
    """Template of one line: the check's title."""
    summary: Template | None = None
    """Template in Markdown, shown before the table of steps."""
    logs: LogSettings | None = None
    progress_interval: Duration | None = None
    """Between two updates of a running check."""
    buttons: Annotated[tuple[Verb, ...], Meta(max_length=20)] | None = None
    """Which may be shown and pressed; an empty list: none."""
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
