"""A subject as a GitHub check run: title, summary, steps, times, buttons; within the limits.

Limits: https://docs.github.com/en/rest/checks/runs — summary and text 65,535 bytes each, three
actions with 20/40/20 characters. A name is the same for every run of the same thing, because a
branch rule requires checks by name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from msgspec.structs import replace

from ghapp.core import markdown
from ghapp.core.audience import PLAIN, Presentation
from ghapp.core.effects import Button, Check
from ghapp.core.model import (
    Conclusion,
    Observation,
    Phase,
    Step,
    Verb,
    without_credentials,
)
from ghapp.core.moments import duration
from ghapp.core.pipeline import Next
from ghapp.core.seen import Gate, Notice
from ghapp.core.timeline import address, timeline

OUTPUT_LIMIT: Final = 65_535
"""Bytes of summary and of text."""
NAME_LIMIT: Final = 100
TITLE_LIMIT: Final = 140
LABEL_LIMIT: Final = 20
DESCRIPTION_LIMIT: Final = 40
BUTTONS_LIMIT: Final = 3
_TABLE_LIMIT: Final = 48_000
"""Bytes of the step table, so that message, results and facts always fit beside it."""
_RESULTS_LIMIT: Final = 8_000
"""Bytes of the table of results."""

_MARK_LENGTH: Final = 6

DEFAULT_CLUSTER: Final = "default"

STATUS: Final[Mapping[Phase, str]] = {Phase.QUEUED: "queued", Phase.RUNNING: "in_progress"}
CONCLUSION: Final[Mapping[Phase, Conclusion]] = {
    Phase.SUCCEEDED: Conclusion.SUCCESS,
    Phase.FAILED: Conclusion.FAILURE,
    Phase.CANCELLED: Conclusion.CANCELLED,
    Phase.ERRORED: Conclusion.FAILURE,
}
_ICON: Final[Mapping[Phase, str]] = {
    Phase.QUEUED: "⚪",
    Phase.RUNNING: "🟡",
    Phase.SUCCEEDED: "✅",
    Phase.FAILED: "❌",
    Phase.CANCELLED: "🚫",
    Phase.ERRORED: "❗",
}
_WORD: Final[Mapping[Phase, str]] = {
    Phase.QUEUED: "Queued",
    Phase.RUNNING: "Running",
    Phase.SUCCEEDED: "Succeeded",
    Phase.FAILED: "Failed",
    Phase.CANCELLED: "Cancelled",
    Phase.ERRORED: "Could not finish",
}


def render(
    look: Observation,
    *,
    notices: Sequence[Notice] = (),
    following: Next | None = None,
    gate: Gate | None = None,
    earlier: str = "",
    dashboard_url: str = "",
    public_url: str = "",
    presentation: Presentation = PLAIN,
) -> Check:
    """The check run that tells of `look`.

    `following` is where it can be promoted to, `gate` what stands in the way, and `earlier` the
    version that it can be rolled back to. Without `public_url` there are no pictures.
    """
    done = look.phase.finished
    return Check(
        name=check_name(look, presentation.check_name),
        external_id=look.subject.external_id,
        status=STATUS.get(look.phase, "completed"),
        conclusion=(look.conclusion or CONCLUSION[look.phase]) if done else None,
        title=_title(presentation.message or _verdict(look)),
        summary=_summary(
            look,
            above=(*_quoted(notices), _standing(gate), presentation.summary),
            picture=_picture(look, public_url),
        ),
        started_at=look.started or look.created,
        completed_at=_completed(look) if done else None,
        details_url=details_url(look, dashboard_url, presentation.dashboard_url),
        buttons=_buttons(
            look, following=following, gate=gate, earlier=earlier, offered=presentation.buttons
        ),
    )


def closed_early(check: Check, at: datetime) -> Check:
    """The check of a run that has not ended, completed all the same: see `core.overdue`."""
    return replace(
        check,
        status="completed",
        conclusion=Conclusion.TIMED_OUT,
        title="It has not ended yet",
        summary=markdown.cut_bytes(f"{_CLOSED_EARLY}\n\n{check.summary}", OUTPUT_LIMIT),
        completed_at=at,
        buttons=(),
    )


_CLOSED_EARLY: Final = (
    "> It has not ended yet. GitHub gives up on unfinished checks after 14 days, so this one is "
    "closed; it gets its verdict when the run ends."
)


def check_name(look: Observation, otherwise: str = "") -> str:
    """The adapter's name for it, with the cluster in front where the cluster has a name.

    `otherwise` stands in place of both, unless the object itself says what its check is called.
    """
    cluster = look.subject.cluster
    prefix = "" if cluster == DEFAULT_CLUSTER else f"{cluster} / "
    chosen = prefix + look.check_name if look.named or not otherwise else otherwise
    name = markdown.plain(without_credentials(chosen))
    if len(name) <= NAME_LIMIT:
        return name
    # Two long names may differ at their ends only, and a branch rule asks for one of them.
    mark = sha256(name.encode("utf-8", "replace")).hexdigest()[:_MARK_LENGTH]
    return f"{markdown.cut(name, NAME_LIMIT - _MARK_LENGTH - 1)} {mark}"


def details_url(look: Observation, template: str, otherwise: str = "") -> str:
    """The run's page: its own, else `otherwise`, else the template filled in; empty: none."""
    known = look.dashboard_url or otherwise
    if known or not template:
        return known
    fields = {
        "cluster": look.subject.cluster,
        "namespace": look.subject.namespace,
        "name": look.subject.name,
        "kind": look.subject.kind,
        "plural": look.resource.rpartition("/")[2],
        "uid": look.subject.uid,
    }
    return template.format_map({name: quote(value, safe="") for name, value in fields.items()})


def _completed(look: Observation) -> datetime:
    begun = look.started or look.created
    return max(look.finished or begun, begun)


def _title(text: str) -> str:
    return markdown.cut(" ".join(markdown.plain(without_credentials(text)).split()), TITLE_LIMIT)


def _verdict(look: Observation) -> str:
    match look.phase:
        case Phase.QUEUED:
            return f"Queued: {look.reason}" if look.reason else "Queued"
        case Phase.RUNNING:
            return _progress(look)
        case Phase.SUCCEEDED:
            return f"Succeeded{_took(look)}"
        case Phase.CANCELLED:
            return f"Cancelled{_took(look, 'after')}"
        case Phase.FAILED | Phase.ERRORED:
            return _trouble(look)


def _progress(look: Observation) -> str:
    done = sum(step.phase.finished for step in look.steps)
    if not look.steps:
        return "Running"
    now = ", ".join(step.name for step in look.steps if step.phase is Phase.RUNNING)
    return f"Running: {done} of {len(look.steps)} steps done" + (f", now {now}" if now else "")


def _took(look: Observation, word: str = "in") -> str:
    if not (look.started and look.finished):
        return ""
    return f" {word} {duration(look.finished - look.started)}"


def _trouble(look: Observation) -> str:
    if look.conclusion is Conclusion.TIMED_OUT:
        return f"Timed out{_took(look, 'after')}"
    word = _WORD[look.phase]
    culprit = next((step for step in look.steps if _hurt(step)), None)
    if culprit:
        return f"{word}: {culprit.name}" + (f" ({culprit.detail})" if culprit.detail else "")
    return f"{word}: {look.reason}" if look.reason not in ("", word) else word


def _hurt(step: Step) -> bool:
    return step.phase in {Phase.FAILED, Phase.ERRORED} and not step.tolerated


def _quoted(notices: Iterable[Notice]) -> Iterator[str]:
    return (f"> {notice.text}" for notice in notices)


def _standing(gate: Gate | None) -> str:
    """What stands in the way of a promotion."""
    if gate is None:
        return ""
    place = markdown.code(gate.environment)
    if gate.held:
        return f"⏸️ {place} is held by {markdown.who(gate.held)}: nothing is promoted there."
    if gate.waiting:
        return f"⏳ The promotion to {place} has {gate.votes} of {gate.needed} approvals."
    return ""


def _summary(look: Observation, *, above: Sequence[str], picture: str) -> str:
    parts = [
        *above,
        _text(look.message, 1_000),
        _table(look.steps) if look.steps else "",
        picture,
        _results(look.results) if look.results else "",
        _facts(look),
    ]
    return markdown.cut_bytes("\n\n".join(part for part in parts if part), OUTPUT_LIMIT)


def _picture(look: Observation, public_url: str) -> str:
    """When each step ran."""
    drawn = timeline(look) if public_url else None
    if drawn is None:
        return ""
    return f"![When each of {len(drawn.bars)} steps ran]({address(public_url, drawn)})"


def _text(foreign: str, limit: int = 300) -> str:
    return markdown.text(without_credentials(foreign), limit)


def _table(steps: Sequence[Step]) -> str:
    """The failing steps first: they are why one opened the page."""
    ordered = sorted(steps, key=lambda step: not _hurt(step))
    rows = [_row(step) for step in ordered]
    shown = _fitting(rows, _TABLE_LIMIT)
    head = ["| | Step | Duration | Detail |", "|---|---|---|---|"]
    rest = len(rows) - len(shown)
    more = [f"| | … and {rest} more | | |"] if rest else []
    return "\n".join(head + shown + more)


def _results(results: Sequence[tuple[str, str]]) -> str:
    rows = [f"| {_text(name, 100)} | {_text(value, 100)} |" for name, value in results]
    shown = _fitting(rows, _RESULTS_LIMIT)
    rest = len(rows) - len(shown)
    more = [f"| … and {rest} more | |"] if rest else []
    return "\n".join(["| Result | Value |", "|---|---|", *shown, *more])


def _fitting(rows: Iterable[str], limit: int) -> list[str]:
    shown: list[str] = []
    for row in rows:
        limit -= len(row.encode()) + 1
        if limit < 0:
            break
        shown.append(row)
    return shown


def _row(step: Step) -> str:
    icon = "⏭️" if step.skipped else "⚠️" if step.tolerated else _ICON[step.phase]
    span = duration(step.finished - step.started) if step.started and step.finished else ""
    return f"| {icon} | {_text(step.name, 120)} | {span} | {_text(step.detail)} |"


def _facts(look: Observation) -> str:
    subject = look.subject
    name = markdown.code(f"{subject.namespace}/{subject.name}")
    facts = [f"{markdown.text(subject.kind)} {name}"]
    if subject.cluster != DEFAULT_CLUSTER:
        facts.append(f"cluster {markdown.code(subject.cluster)}")
    if look.version:
        facts.append(f"version {markdown.code(look.version)}")
    if look.reason:
        facts.append(f"reason {markdown.code(without_credentials(look.reason))}")
    return " · ".join(facts)


# --- buttons ------------------------------------------------------------------------------------


class State(StrEnum):
    """What decides about buttons."""

    GOING = "going"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    WAITING = "waiting"
    """It succeeded, and its promotion waits for approvals."""
    HELD = "held"
    """It succeeded, and nothing goes on to the next environment."""


BUTTONS: Final[Mapping[State, tuple[Verb, ...]]] = {
    State.GOING: (Verb.CANCEL, Verb.RECONCILE),
    State.FAILED: (Verb.RECONCILE, Verb.RERUN, Verb.RERUN_FAILED, Verb.ROLLBACK),
    State.SUCCEEDED: (Verb.PROMOTE, Verb.RERUN, Verb.ROLLBACK, Verb.RECONCILE),
    State.WAITING: (Verb.APPROVE, Verb.HOLD, Verb.ROLLBACK, Verb.RERUN, Verb.RECONCILE),
    State.HELD: (Verb.UNHOLD, Verb.ROLLBACK, Verb.RERUN, Verb.RECONCILE),
}
"""What one is most likely to want comes first; of what is possible, three are shown. A Notification
that says which buttons there are may take some away, and have others too."""

_COMES_WITH: Final[Mapping[Verb, Verb]] = {Verb.PROMOTE: Verb.APPROVE, Verb.HOLD: Verb.UNHOLD}
"""Who offers the one offers the other, or nobody could finish what was begun."""

_ONWARD: Final[Mapping[State, tuple[Verb, ...]]] = {
    State.SUCCEEDED: (Verb.PROMOTE, Verb.HOLD),
    State.WAITING: (Verb.APPROVE, Verb.HOLD),
    State.HELD: (Verb.UNHOLD,),
}
"""What can be asked about the next environment."""


def offered_verbs(chosen: Iterable[Verb]) -> frozenset[Verb]:
    """What may be pressed where documents choose the buttons."""
    verbs = frozenset(chosen)
    return verbs | {also for verb, also in _COMES_WITH.items() if verb in verbs}


def state(look: Observation, gate: Gate | None) -> State:
    """Where a check stands, as far as buttons go."""
    if not look.phase.finished:
        return State.GOING
    if look.phase is not Phase.SUCCEEDED:
        return State.FAILED
    if gate is not None and gate.held:
        return State.HELD
    return State.WAITING if gate is not None and gate.waiting else State.SUCCEEDED


def _buttons(
    look: Observation,
    *,
    following: Next | None,
    gate: Gate | None,
    earlier: str,
    offered: tuple[Verb, ...] | None,
) -> tuple[Button, ...]:
    now = state(look, gate)
    onward = _ONWARD.get(now, ()) if following else ()
    back = (Verb.ROLLBACK,) if earlier and look.phase.finished else ()
    possible = {*look.verbs, *onward, *back}
    wanted = BUTTONS[now]
    if offered is not None:
        chosen = offered_verbs(offered)
        wanted = tuple(verb for verb in dict.fromkeys((*wanted, *offered)) if verb in chosen)
    place = following.environment.name if following else ""
    shown = [_button(verb, place, earlier) for verb in wanted if verb in possible]
    return tuple(shown[:BUTTONS_LIMIT])


_WORDS: Final[Mapping[Verb, tuple[str, str, str]]] = {
    Verb.RERUN: ("Re-run", "", "Run exactly this again"),
    Verb.RERUN_FAILED: ("Re-run failed tasks", "", "Again, without what succeeded"),
    Verb.CANCEL: ("Cancel", "", "Stop this run now"),
    Verb.RECONCILE: ("Reconcile", "", "Ask Flux to look again now"),
    Verb.PROMOTE: ("Promote to {place}", "→ {place}", "Open a pull request for {place}"),
    Verb.APPROVE: ("Approve {place}", "✓ {place}", "Let it be promoted to {place}"),
    Verb.HOLD: ("Hold {place}", "Hold", "Promote nothing to {place}"),
    Verb.UNHOLD: ("Release {place}", "Release", "Promotions to {place} may go on"),
    Verb.ROLLBACK: ("Roll back", "", "A pull request back to {earlier}"),
}
"""Label, a shorter label where that is too long, description."""


def _button(verb: Verb, place: str, earlier: str) -> Button:
    label, shorter, description = (
        words.format(place=place, earlier=earlier) for words in _WORDS[verb]
    )
    if len(label) > LABEL_LIMIT:
        label = markdown.cut(shorter, LABEL_LIMIT)
    return Button(
        label=label,
        description=markdown.cut(markdown.plain(description), DESCRIPTION_LIMIT),
        identifier=verb.value,
    )
