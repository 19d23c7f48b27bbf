"""Who is told of a run, and how it looks there: what all Notifications together say of it.

Each document that is about a run is asked. The places add up: a Provider that several documents
name is told once. Of each setting the last word counts, in this order:

    1. what is built in, and the environment (`CHECKRAIL_*`)
    2. documents of local files
    3. ClusterNotifications of the cluster
    4. Notifications of the run's own namespace
    5. annotations on the run itself

and within one of these by priority, then by name. A template or an expression that fails counts
for nothing, and its document says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import fields as struct_fields
from msgspec.structs import replace

from ghapp.core import globs
from ghapp.core.case import Case, Failed, Rule, Template
from ghapp.core.model import Milestone, Observation, Phase, Value, Verb
from ghapp.core.notification import (
    ANY,
    Filter,
    LabelSelector,
    LogSettings,
    Named,
    Notification,
    Requirement,
    seconds,
)

BUILT_IN: Final = 0
LOCAL_FILE: Final = 1
CLUSTER: Final = 2
NAMESPACE: Final = 3
"""Ranks of `Notification.rank`; what an annotation of the run says stands above all of them."""

RANKS: Final[Mapping[int, str]] = {
    BUILT_IN: "environment",
    LOCAL_FILE: "file",
    CLUSTER: "cluster",
    NAMESPACE: "namespace",
}


class Recipient(Value, frozen=True, kw_only=True):
    """A provider that is told of a run."""

    provider: str
    """`Provider.id`."""
    milestones: tuple[Milestone, ...] = tuple(Milestone)
    """The events that it wants."""
    now: bool = True
    """Whether it is told of the run as it is now; else only of milestones that are past."""

    def wants(self, milestone: Milestone) -> bool:
        """Whether an event of this milestone is sent to it."""
        return milestone in self.milestones


class Presentation(Value, frozen=True, kw_only=True):
    """How a run looks on its check; empty and None: as it looks by itself."""

    check_name: str = ""
    dashboard_url: str = ""
    message: str = ""
    summary: str = ""
    logs: LogSettings = LogSettings()
    progress_interval: float | None = None
    """Seconds."""
    buttons: tuple[Verb, ...] | None = None
    drift: bool = False


class Audience(Value, frozen=True, kw_only=True):
    """Who is told of a run, and how it looks there."""

    recipients: tuple[Recipient, ...] = ()
    presentation: Presentation = Presentation()

    @property
    def providers(self) -> tuple[str, ...]:
        """The ids of those who are told of the run as it is now."""
        return tuple(recipient.provider for recipient in self.recipients if recipient.now)


PLAIN: Final = Presentation()
NOBODY: Final = Audience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A Notification at work: its providers found, its texts compiled."""

    document: Notification
    providers: tuple[str, ...] = ()
    """The ids of those that exist and that it may use."""
    rule: Rule | None = None
    templates: Mapping[str, Template] = field(default_factory=dict)
    """By the field of the spec."""

    @property
    def needs_object(self) -> bool:
        """Whether more of the object has to be known than what its adapter reads."""
        chosen = self.document.spec.filter
        asks = self.rule is not None and self.rule.needs_object
        return bool(asks or chosen.label_selector or chosen.annotations)

    @property
    def steady(self) -> bool:
        """Whether it is about a run from its begin to its end, or not at all."""
        chosen = self.document.spec.filter
        asks = self.rule or chosen.phases or chosen.old_phases or chosen.results
        return not asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value that counts, and who had the last word on it."""

    name: str
    """The field of the spec: ``check_name``, ``logs.lines``."""
    value: Any
    said_by: str
    """`Notification.id`."""
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What all documents together say of a run."""

    audience: Audience
    matched: tuple[Notification, ...] = ()
    settings: tuple[Setting, ...] = ()
    failures: tuple[tuple[Notification, str], ...] = ()
    """Documents with an expression or template that failed, and how."""


UNHEARD: Final = Heard(audience=NOBODY)


def hear(listening: Iterable[Listening], case: Case) -> Heard:
    """Asks every document about a run; the documents come in the order of their last word."""
    matched: list[Listening] = []
    admitted: list[tuple[Listening, tuple[Milestone, ...], bool]] = []
    failures: list[tuple[Notification, str]] = []
    for each in listening:
        try:
            now = _about(each, case)
            milestones = tuple(_milestones(each, case, now=now))
        except Failed as error:
            failures.append((each.document, str(error)))
            continue
        admitted.append((each, milestones, now))
        if now:
            matched.append(each)
    settings = tuple(_settings(matched, case, failures))
    return Heard(
        audience=Audience(recipients=_recipients(admitted), presentation=_presentation(settings)),
        matched=tuple(each.document for each in matched),
        settings=settings,
        failures=tuple(failures),
    )


def constant(listening: tuple[Listening, ...]) -> Audience | None:
    """What is said of every run alike, where that is all that is said; None: it depends on the run.

    As long as nobody has written a document this is the case, and costs nothing then.
    """
    for each in listening:
        spec = each.document.spec
        if each.document.namespace or spec.filter is not ANY or spec.suspend or each.templates:
            return None
        if any(getattr(spec, name) is not None for name in (*_VALUES, "logs")):
            return None
    everybody = [(each, _ALL, True) for each in listening]
    return Audience(recipients=_recipients(everybody))


def needs_object(listening: Iterable[Listening]) -> bool:
    """Whether any of them asks about more of an object than its adapter reads."""
    return any(each.needs_object for each in listening)


def in_order(documents: Iterable[Notification]) -> list[Notification]:
    """Whoever has the last word comes last."""
    return sorted(documents, key=lambda one: (one.rank, one.spec.priority, one.name))


# --- which runs -----------------------------------------------------------------------------------


def _about(listening: Listening, case: Case) -> bool:
    """Whether the document is about this run, now. The expression is asked last: it costs most."""
    document, look = listening.document, case.look
    if document.spec.suspend or document.namespace not in ("", look.subject.namespace):
        return False
    if document.spec.filter is ANY:
        return True
    if not _admits(document.spec.filter, case):
        return False
    return listening.rule is None or listening.rule.matches(case)


_ALL: Final = tuple(Milestone)
_REACHED: Final[Mapping[Milestone, Phase]] = {
    Milestone.QUEUED: Phase.QUEUED,
    Milestone.STARTED: Phase.RUNNING,
}
"""The phase that a milestone began; of the last one the verdict is."""


def _milestones(listening: Listening, case: Case, *, now: bool) -> Iterator[Milestone]:
    """The events that the document asks for.

    Several milestones may be owed between two looks. Each is judged by the phase that it began, or
    what is told would depend on how often we happened to look.
    """
    chosen = listening.document.spec.filter
    for milestone in chosen.milestones or _ALL:
        if now if listening.steady else _about(listening, _at(milestone, case)):
            yield milestone


def _at(milestone: Milestone, case: Case) -> Case:
    """The case as it was when the run reached a milestone that is past."""
    look, phase = case.look, _REACHED.get(milestone)
    if phase is None or phase.rank >= look.phase.rank:
        return case
    then = replace(look, phase=phase, finished=None, conclusion=None, reason="", message="")
    return Case(look=then, raw=case.raw, old_phase=phase_before(then, None, ""))


def _admits(chosen: Filter, case: Case) -> bool:
    look = case.look
    subject = look.subject
    return (
        _any(chosen.kinds, subject.kind)
        and _any(chosen.namespaces, subject.namespace)
        and _any(chosen.clusters, subject.cluster)
        and (not chosen.phases or look.phase in chosen.phases)
        and (not chosen.old_phases or case.old_phase in chosen.old_phases)
        and all(_named(wish, dict(look.results)) for wish in chosen.results)
        and all(_named(wish, case.annotations) for wish in chosen.annotations)
        and (chosen.label_selector is None or selects(chosen.label_selector, case.labels))
    )


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or globs.any_matches(text, patterns)


def _named(wish: Named, there: Mapping[str, str]) -> bool:
    value = there.get(wish.name)
    return value is not None and (not wish.values or value in wish.values)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether an object with these labels is selected; an empty selector selects everything."""
    equal = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return equal and all(_requires(one, labels) for one in selector.match_expressions)


def _requires(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":  # as Kubernetes has it: an object without the label is not in them either
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None


# --- where ----------------------------------------------------------------------------------------


def _recipients(
    admitted: Iterable[tuple[Listening, tuple[Milestone, ...], bool]],
) -> tuple[Recipient, ...]:
    """Each provider once; of its events those that any of the documents asks for."""
    wanted: dict[str, set[Milestone]] = {}
    present: set[str] = set()
    for listening, milestones, now in admitted:
        for provider in listening.providers if now or milestones else ():
            wanted.setdefault(provider, set()).update(milestones)
            present.update({provider} if now else ())
    return tuple(
        Recipient(
            provider=provider,
            milestones=tuple(one for one in Milestone if one in milestones),
            now=provider in present,
        )
        for provider, milestones in sorted(wanted.items())
    )


# --- how ------------------------------------------------------------------------------------------

_TEXTS: Final = ("check_name", "dashboard_url", "message", "summary")
_VALUES: Final = ("progress_interval", "buttons", "drift")


def _settings(
    matched: Iterable[Listening], case: Case, failures: list[tuple[Notification, str]]
) -> Iterator[Setting]:
    """Each setting that anybody set, with its last word."""
    last: dict[str, Setting] = {}
    for each in matched:
        try:
            said = dict(_said(each, case))
        except Failed as error:
            failures.append((each.document, str(error)))
            continue
        for name, value in said.items():
            document = each.document
            last[name] = Setting(name=name, value=value, said_by=document.id, rank=document.rank)
    yield from last.values()


def _said(listening: Listening, case: Case) -> Iterator[tuple[str, Any]]:
    spec = listening.document.spec
    for name in _TEXTS:
        template = listening.templates.get(name)
        if template is not None:
            yield name, template.render(case)
    for name in _VALUES:
        value = getattr(spec, name)
        if value is not None:
            yield name, value
    for one in struct_fields(LogSettings) if spec.logs else ():
        value = getattr(spec.logs, one.name)
        if value is not None:
            yield f"logs.{one.name}", value


def _presentation(settings: Iterable[Setting]) -> Presentation:
    said = {setting.name: setting.value for setting in settings}
    if not said:
        return PLAIN
    logs = {name[5:]: value for name, value in said.items() if name.startswith("logs.")}
    interval = said.get("progress_interval")
    return Presentation(
        check_name=said.get("check_name", ""),
        dashboard_url=said.get("dashboard_url", ""),
        message=said.get("message", ""),
        summary=said.get("summary", ""),
        logs=replace(LogSettings(), **logs),
        progress_interval=seconds(interval) if interval else None,
        buttons=said.get("buttons"),
        drift=said.get("drift", False),
    )


def phase_before(look: Observation, before: Observation | None, remembered: str) -> str:
    """The phase that the run was in before the present one; empty: none.

    A run goes one way, whatever of it we saw. A long-lived object comes from anywhere: what counts
    is its phase before the last change, which is `remembered` with the row, so that two looks at an
    unchanged object say the same.
    """
    if not look.living:
        return _phase_before_in_a_run(look)
    if before is None:
        return ""
    return remembered if before.phase is look.phase else before.phase.value


def _phase_before_in_a_run(look: Observation) -> str:
    if look.phase is Phase.QUEUED:
        return ""
    ran = look.phase.finished and look.started
    return (Phase.RUNNING if ran else Phase.QUEUED).value
