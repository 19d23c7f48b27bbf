"""What is owed to the world after a look: pure, and the heart of checkrail.

A look is level-triggered: it may come once or fifty times, and whole stretches of a run may have
passed between two of them. So a decision compares the look with what was told (`Seen`) and owes
every milestone between the two, under ids that a repeat reproduces.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from ghapp.core import cdevents, checks, drift, excerpts
from ghapp.core.access import AccessPolicy
from ghapp.core.audience import NOBODY, Audience, Listening, phase_before
from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot
from ghapp.core.effects import Check, Deployed, Effect, EmitEvent, SetCheck
from ghapp.core.model import (
    Conclusion,
    Milestone,
    Observation,
    Occurrence,
    Phase,
    Revision,
    SubjectType,
)
from ghapp.core.pipeline import Pipeline, next_environment, own_environment
from ghapp.core.seen import Excerpt, Gate, Notice, Seen
from ghapp.core.trust import TrustPolicy

NOTICES_KEPT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decisions depend on besides the look."""

    born: datetime
    """When the store was made: a check of an older run may exist although we never made it."""
    horizon: datetime
    """What finished before is history, not news: a fresh store tells nobody of old runs."""
    pipelines: tuple[Pipeline, ...] = ()
    trust: tuple[TrustPolicy, ...] = ()
    access: tuple[AccessPolicy, ...] = ()
    listening: tuple[Listening, ...] = ()
    """The Notifications, whoever has the last word last."""
    dashboard_url: str = ""
    public_url: str = ""
    """Where GitHub and people reach this process; empty: nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to commit together: rows, and the effects that follow from them."""

    seen: tuple[Seen, ...] = ()
    effects: tuple[Effect, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    audit: tuple[Audited, ...] = ()

    def __add__(self, other: "Decision") -> "Decision":
        return Decision(
            seen=(*self.seen, *other.seen),
            effects=(*self.effects, *other.effects),
            ballots=(*self.ballots, *other.ballots),
            audit=(*self.audit, *other.audit),
        )


NOTHING: Final = Decision()


def decide(
    before: Seen | None,
    look: Observation,
    *,
    previous: Seen | None = None,
    gone: bool = False,
    audience: Audience = NOBODY,
    rules: Rules,
) -> Decision:
    """What a look changes.

    `previous` is the open row of a long-lived object's other run, if it has one; `gone` says that
    this was the object's last state; `audience` is who is told of it, and how.
    """
    known = replace(before, audience=audience) if before else None
    own = _own(known or _blank(look, previous, audience), look, previous, gone, rules)
    if previous is None or not previous.open or not own.seen:
        return own
    ended = _supersede(previous, look, rules)
    return Decision(seen=(*ended.seen, *own.seen), effects=(*ended.effects, *own.effects))


def vanished(before: Seen, *, at: datetime, rules: Rules) -> Decision:
    """The object is gone and nobody saw it go: an open check must not stay open for ever."""
    look = before.look
    if not look.phase.finished:
        look = replace(
            look,
            phase=Phase.CANCELLED,
            conclusion=Conclusion.CANCELLED,
            reason="Deleted",
            message="It was deleted before it finished.",
            finished=at,
            verbs=(),
        )
    if look.living:
        look = replace(look, occurrences=_removal(before, at), verbs=())
    decision = _tell(before, look, rules, closed=True)
    if decision is not NOTHING:
        return decision
    return _close(before)


def noticed(before: Seen, notice: Notice, *, rules: Rules) -> Decision:
    """Somebody asked for something: the answer is shown on the check."""
    if any(notice.text == shown.text for shown in before.notices):
        return NOTHING  # the same answer once more, after a crash
    notices = (*before.notices, notice)[-NOTICES_KEPT:]
    asked = replace(before, notices=notices)
    return _tell(asked, before.look, rules, closed=before.closed, urgent=True)


def gated(before: Seen, gate: Gate | None, notice: Notice, *, rules: Rules) -> Decision:
    """What stands between a version and its next environment has changed, and by whom."""
    others = tuple(shown for shown in before.notices if shown.text != notice.text)
    asked = replace(before, gate=gate, notices=(*others, notice)[-NOTICES_KEPT:])
    return _tell(asked, before.look, rules, closed=before.closed, urgent=True)


def excerpted(before: Seen, excerpt: Excerpt, *, attempt: int, rules: Rules) -> Decision:
    """The logs of an attempt were read: its check shows them."""
    after, revision = excerpts.enriched(before, excerpt, attempt=attempt), before.look.revision
    if after is None or after.check is None or revision is None:
        return NOTHING
    effect = set_check(before, after, after.check, revision, rules)
    return Decision(seen=(after,), effects=(effect,))


def _own(
    before: Seen, look: Observation, previous: Seen | None, gone: bool, rules: Rules
) -> Decision:
    if not before.version:
        if previous is None and _is_history(look, rules):
            return Decision(seen=(_silent(before, look, rules),))
        return _tell(before, look, rules, closed=gone)
    if _moved_on(before.look, look):
        return _move_on(before, look, rules, gone)
    returned = before.closed and previous is not None
    settled = _settle(before.look, look, returned=returned)
    if settled is None:
        return _close(before) if gone and before.open else NOTHING
    if previous:
        before = _after(before, previous)
    if before.look.phase.finished and (returned or _ran_again(before.look, settled)):
        before = _next_attempt(before, settled)
    return _tell(before, settled, rules, closed=gone)


def _blank(look: Observation, previous: Seen | None, audience: Audience) -> Seen:
    return Seen(
        look=look,
        version=0,
        audience=audience,
        chain=cdevents.chain_id(look),
        incident=previous.incident if previous else "",
        occurrences=previous.occurrences if previous else (),
        gate=_held(previous) if previous else None,
        earlier=_ran_well(previous) if previous else "",
    )


def _after(before: Seen, previous: Seen) -> Seen:
    """The object came back to a revision: what went on meanwhile belongs to it too."""
    ran, own = _ran_well(previous), before.look.subject.revision
    return replace(
        before,
        incident=previous.incident,
        occurrences=drift.carried(before.occurrences, previous.occurrences),
        gate=_held(previous),
        earlier=ran if ran and ran not in (before.look.version, own) else before.earlier,
    )


def _ran_well(previous: Seen) -> str:
    """The version to go back to, from what comes after `previous`."""
    return previous.look.version if previous.look.phase is Phase.SUCCEEDED else previous.earlier


def _held(previous: Seen) -> Gate | None:
    """A held environment stays so whatever comes; votes were for one version."""
    gate = previous.gate
    return replace(gate, votes=0, needed=0) if gate and gate.held else None


def _close(before: Seen) -> Decision:
    return Decision(seen=(replace(before, closed=True, version=before.version + 1),))


def _is_history(look: Observation, rules: Rules) -> bool:
    """Whether it was over before we came. That a long-lived object is well is confirmed at each
    interval; only since when it runs what it runs tells whether that is news."""
    well = look.living and look.phase is Phase.SUCCEEDED
    over = look.created if well else look.finished or look.created
    return look.phase.finished and over < rules.horizon


def _silent(blank: Seen, look: Observation, rules: Rules) -> Seen:
    """All of it counts as told, and nothing was."""
    return replace(
        blank,
        version=1,
        told=cdevents.milestones(look),
        occurrences=_history(look),
        check=_check(blank, look, rules),
        shown=blank.audience.providers,
    )


def _history(look: Observation) -> tuple[str, ...]:
    """The keys of what happened before we came. A drift is not told, so its end is not either."""
    known: tuple[str, ...] = ()
    for occurrence in look.occurrences:
        if not drift.is_drift(occurrence):
            known = (*known, occurrence.key)
        elif drift.owed(occurrence, known):
            known = drift.remembered(known, occurrence, told=False)
    return known


def _supersede(previous: Seen, look: Observation, rules: Rules) -> Decision:
    """The object went on to another revision: nothing more will come of the one before."""
    if previous.look.phase.finished:
        return _close(previous)
    ended = _superseded(previous.look, look, look.subject.revision)
    return _tell(previous, ended, rules, closed=True)


def _superseded(was: Observation, look: Observation, by: str) -> Observation:
    return replace(
        was,
        phase=Phase.CANCELLED,
        conclusion=Conclusion.NEUTRAL,
        reason="Superseded",
        message=f"Superseded by {by}.",
        finished=look.created,
        verbs=(),
    )


def _settle(was: Observation, look: Observation, *, returned: bool) -> Observation | None:
    """`look` with what is settled already kept; None when there is nothing new in it."""
    if was.phase.finished:
        return _after_the_end(was, look, returned=returned)
    if look.phase.rank < was.phase.rank:
        look = replace(look, phase=was.phase)  # suspended, or retried: still the same run
    return replace(look, revision=_pinned(was, look), started=look.started or was.started)


def _after_the_end(was: Observation, look: Observation, *, returned: bool) -> Observation | None:
    """A run's end is final. A living object looks around at each interval, which is no new turn;
    nor does its deletion take a verdict back: that is told as an occurrence."""
    if not was.living or look.phase is Phase.QUEUED:
        return None
    if look.phase is Phase.CANCELLED and not returned:
        return replace(was, occurrences=look.occurrences, verbs=look.verbs)
    if returned or _ran_again(was, look):
        return replace(look, revision=look.revision if returned else _pinned(was, look))
    if look.phase is Phase.RUNNING:
        return None
    look = replace(look, revision=was.revision or look.revision)
    return _still(was, look) if _same_verdict(was, look) else look


def _pinned(was: Observation, look: Observation) -> Revision | None:
    """The commit belongs to what was asked for: later ones that changed nothing do not count."""
    if _same_spec(was, look) or look.phase is Phase.CANCELLED:
        return was.revision or look.revision
    return look.revision or was.revision


def _same_spec(was: Observation, look: Observation) -> bool:
    known = was.generation and look.generation
    return not known or was.generation == look.generation


def _ran_again(was: Observation, look: Observation) -> bool:
    """Whether a long-lived object that had its verdict ran once more since, seen or not."""
    if was.turn and look.turn and was.turn != look.turn:
        return True
    if look.phase is Phase.RUNNING:
        return not (was.turn and look.turn)
    well = was.phase is look.phase is Phase.SUCCEEDED
    return not (well or _same_spec(was, look))


def _same_verdict(was: Observation, look: Observation) -> bool:
    return (was.phase, was.conclusion, was.reason) == (look.phase, look.conclusion, look.reason)


def _still(was: Observation, look: Observation) -> Observation:
    """The same verdict once more, an interval later: since when, and how long it took, stays."""
    same = _DURATION.sub("", was.message) == _DURATION.sub("", look.message)
    return replace(
        look,
        created=was.created,
        started=was.started,
        finished=was.finished,
        message=was.message if same else look.message,
    )


_DURATION: Final = re.compile(r"\b(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+\b")
"""As Go writes it: ``1m30.25s``."""


def _moved_on(was: Observation, look: Observation) -> bool:
    """Whether another commit is being rolled out under the same revision, and nobody saw the run
    for the commit before end: a check cannot move to another commit."""
    return (
        was.living
        and not was.phase.finished
        and look.phase is not Phase.CANCELLED
        and not _same_spec(was, look)
        and None not in (was.revision, look.revision)
        and was.revision != look.revision
    )


def _move_on(before: Seen, look: Observation, rules: Rules, gone: bool) -> Decision:
    assert look.revision is not None
    ended = _tell(before, _superseded(before.look, look, look.revision.commit), rules)
    (after,) = ended.seen
    anew = replace(_next_attempt(after, look), version=before.version)
    told = _tell(anew, look, rules, closed=gone)
    return Decision(seen=told.seen, effects=(*ended.effects, *told.effects))


def _next_attempt(before: Seen, look: Observation) -> Seen:
    """A living object that had finished runs again: a completed check is final, so a new one."""
    renewed = before.closed and before.look.type is SubjectType.ENVIRONMENT
    return replace(
        before,
        told=(),
        check=None,
        shown=(),
        spoiled=(),
        healed=0,
        overdue=False,
        notices=(),
        excerpt=None,
        closed=False,
        attempt=before.attempt + 1,
        chain=cdevents.chain_id(look),
        # What was applied before and is applied again modifies the environment again.
        occurrences=_resolved(before.occurrences) if renewed else before.occurrences,
    )


def _resolved(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key for key in keys if key.startswith(_RESOLVED))


def _tell(
    before: Seen, look: Observation, rules: Rules, *, closed: bool = False, urgent: bool = False
) -> Decision:
    """Everything that is owed between what was told and `look`."""
    told, milestones = _milestones(before, look)
    occurrences, incident, happened = _occurrences(before, look)
    check = _check(before, look, rules)
    over = look.living and closed and not before.closed
    to = _viewers(before, check, over=over)
    known = occurrences == before.occurrences and closed == before.closed
    if before.version and known and not (told or happened or to):
        return NOTHING
    after = replace(
        before,
        look=look,
        version=before.version + 1,
        told=(*before.told, *told),
        occurrences=occurrences,
        incident=incident,
        check=check,
        serial=before.serial + bool(to),
        shown=tuple(sorted({*before.shown, *to})),
        old_phase=phase_before(look, before.look if before.version else None, before.old_phase),
        closed=closed,
    )
    effects: tuple[Effect, ...] = (*milestones, *happened)
    if to and check is not None and look.revision is not None:
        check_effect = set_check(before, after, check, look.revision, rules)
        progress = check_effect.progress and not urgent
        effects = (replace(check_effect, progress=progress, to=to), *effects)
    logs = excerpts.wanted(before, look)
    return Decision(seen=(after,), effects=(*effects, logs) if logs else effects)


def _viewers(before: Seen, check: Check | None, *, over: bool) -> tuple[str, ...]:
    """The providers that have to be told of the check: all, or those that were not told yet.

    That nothing more will come of a long-lived object is news even where its check stays as it is:
    what was deployed is not there any more.
    """
    if check is None:
        return ()
    everybody = {*before.shown, *before.audience.providers}
    news = over or check != before.check
    return tuple(sorted(everybody if news else everybody - set(before.shown)))


def _listeners(audience: Audience, milestone: Milestone) -> tuple[str, ...]:
    return tuple(one.provider for one in audience.recipients if one.wants(milestone))


def _milestones(
    before: Seen, look: Observation
) -> tuple[tuple[Milestone, ...], tuple[Effect, ...]]:
    owed = tuple(m for m in cdevents.milestones(look) if m not in before.told)
    if look.living:
        return owed, ()  # CDEvents tells what became of it (its occurrences), not how it ran
    events = (
        (cdevents.milestone_event(look, milestone, before.chain), milestone) for milestone in owed
    )
    return owed, tuple(
        replace(event, to=_listeners(before.audience, milestone))
        for event, milestone in events
        if event
    )


def _occurrences(
    before: Seen, look: Observation
) -> tuple[tuple[str, ...], str, tuple[Effect, ...]]:
    """Keys told, the open incident, and the events; a recovery resolves what was open."""
    known, incident = before.occurrences, before.incident
    events: list[EmitEvent] = []
    for occurrence in look.occurrences:
        told = _numbered(before, look, occurrence)
        if drift.is_drift(occurrence) or told.key in known:
            continue
        known = (*known, told.key)
        if told.type == "incident.detected":
            incident = incident or told.key
        events.append(cdevents.occurrence_event(look, told, before.chain, incident))
    if incident and look.phase is Phase.SUCCEEDED:
        resolved = _resolution(look, incident)
        events.append(cdevents.occurrence_event(look, resolved, before.chain, incident))
        known, incident = (*known, resolved.key), ""
    known, drifts = _drift(before, look, known)
    to = _listeners(before.audience, Milestone.FINISHED)
    told_to = tuple(replace(event, to=to) for event in (*events, *drifts))
    return drift.kept(known, _OCCURRENCES_KEPT), incident, told_to


def _drift(
    before: Seen, look: Observation, known: tuple[str, ...]
) -> tuple[tuple[str, ...], list[EmitEvent]]:
    """Keys, and the events where somebody asks for them; otherwise they are past, not owed."""
    asked, events = before.audience.presentation.drift, []
    for occurrence in look.occurrences:
        if drift.is_drift(occurrence) and drift.owed(occurrence, known):
            known = drift.remembered(known, occurrence, told=asked)
            events.append(cdevents.occurrence_event(look, occurrence, before.chain, ""))
    return known, events if asked else []


def _numbered(before: Seen, look: Observation, occurrence: Occurrence) -> Occurrence:
    """What happens again after it was over is another occurrence, and needs another key."""
    turn = before.attempt if look.type is SubjectType.ENVIRONMENT else 0
    resolved = f"{_RESOLVED}{occurrence.key}"
    over = sum(key == resolved or key.startswith(f"{resolved}~") for key in before.occurrences)
    return replace(occurrence, key=f"{occurrence.key}~{turn}.{over}") if turn + over else occurrence


_RESOLVED: Final = "resolved/"
_OCCURRENCES_KEPT: Final = 50
"""An adapter reports the present state only, so older keys never come again."""


def _resolution(look: Observation, incident: str) -> Occurrence:
    happened = [one for one in look.occurrences if not drift.is_drift(one)]
    artifact = happened[-1].artifact if happened else ""
    return Occurrence(
        type="incident.resolved",
        key=f"{_RESOLVED}{incident}",
        at=look.finished or look.created,
        artifact=artifact or f"pkg:generic/{look.name}@{look.version or 'unknown'}",
        description=look.message,
    )


def _removal(before: Seen, at: datetime) -> tuple[Occurrence, ...]:
    if before.look.type is not SubjectType.SERVICE:
        return ()
    if not any(key for key in before.occurrences if not key.startswith(_RESOLVED)):
        return ()  # nothing was ever deployed
    return (Occurrence(type="service.removed", key=f"removed/{before.look.subject.uid}", at=at),)


def _check(before: Seen, look: Observation, rules: Rules) -> Check | None:
    if look.revision is None:
        return None
    home = own_environment(look, rules.pipelines) if before.earlier else None
    check = checks.render(
        look,
        notices=before.notices,
        following=next_environment(look, rules.pipelines),
        gate=before.gate,
        earlier=before.earlier if home else "",
        dashboard_url=rules.dashboard_url,
        public_url=rules.public_url,
        presentation=before.audience.presentation,
    )
    if before.overdue and before.check and before.check.completed_at and not look.phase.finished:
        return checks.closed_early(check, before.check.completed_at)  # GitHub opens none again
    return check


def set_check(
    before: Seen, after: Seen, check: Check, revision: Revision, rules: Rules
) -> SetCheck:
    """The effect that shows `check` to everybody who has seen it."""
    quiet = before.check is not None and before.check.status == check.status
    return SetCheck(
        subject=after.look.subject,
        repository=revision.repository,
        commit=revision.commit,
        check=excerpts.dressed(check, after.excerpt),
        serial=after.serial,
        attempt=after.attempt,
        progress=quiet and check.status != "completed",
        interval=after.audience.presentation.progress_interval,
        to=after.shown,
        annotations=after.excerpt.annotations if after.excerpt else (),
        search=after.look.created < rules.born,
        spoiled=after.spoiled,
        phase=after.look.phase,
        pull_request=revision.pull_request,
        deployed=_deployed(after.look, over=after.closed),
    )


def _deployed(look: Observation, *, over: bool) -> Deployed | None:
    if not look.living:
        return None
    environment = cdevents.environment_id(look)
    return Deployed(environment=environment, url=look.environment_url, over=over)
