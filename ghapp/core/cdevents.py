"""CDEvents: what the world is told, by the specification's words.

Spec: https://github.com/cdevents/spec, v0.5.1; v0.4.1 for receivers that know no later one, as
Flux' notification-controller does not. Ids are deterministic (UUIDv5 over cluster, kind,
uid, type and turn), so that a repeat, a restart or a lost store sends the same id again and the
consumer drops it. The schemas win where they differ from the prose of the spec.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

from msgspec.structs import replace

from ghapp.core import drift
from ghapp.core.effects import EmitEvent, Link
from ghapp.core.model import (
    Milestone,
    Observation,
    Occurrence,
    Phase,
    Revision,
    SubjectType,
    without_credentials,
)

SPEC_VERSION: Final = "0.5.1"

TYPES: Final[Mapping[str, str]] = {
    "pipelinerun.queued": "0.3.0",
    "pipelinerun.started": "0.3.0",
    "pipelinerun.finished": "0.3.0",
    "taskrun.started": "0.3.0",
    "taskrun.finished": "0.3.0",
    "service.deployed": "0.3.0",
    "service.upgraded": "0.3.0",
    "service.rolledback": "0.3.0",
    "service.removed": "0.3.0",
    "incident.detected": "0.3.0",
    "incident.resolved": "0.3.0",
    "environment.modified": "0.3.0",
    "testsuiterun.finished": "0.3.0",
}
"""The versions of the event types in spec 0.5.1."""

CUSTOM: Final[Mapping[str, str]] = {drift.DRIFTED: "0.1.0", drift.CORRECTED: "0.1.0"}
"""Our own event types: TOOL-SUBJECT.PREDICATE, letters only but for digits in the tool's name."""
OLDER: Final = "0.4.1"
OLDER_TYPES: Final[Mapping[str, str]] = dict.fromkeys(TYPES, "0.2.0")
"""The versions of the event types in spec 0.4.1, which has all of ours."""

OUTCOMES: Final[Mapping[Phase, str]] = {
    Phase.SUCCEEDED: "success",
    Phase.FAILED: "failure",  # it ran and the verdict is bad
    Phase.CANCELLED: "cancel",
    Phase.ERRORED: "error",  # there is no verdict
}

_NAMESPACE: Final = UUID("6f1d9a52-6a0c-5a0e-9c57-3a1f0a1b7c11")
_MESSAGE_LIMIT: Final = 1000


def event_id(look: Observation, event_type: str, turn: str = "") -> str:
    """The id of an event, known before it is sent; `turn` tells apart events of one type."""
    subject = look.subject
    parts = (subject.cluster, subject.kind, subject.uid, event_type, turn)
    return str(uuid5(_NAMESPACE, "|".join(parts)))


def chain_id(look: Observation) -> str:
    """One chain from the commit to its deployment; without a commit, one per trigger or run.

    The spec wants a UUID v4, its schema any text: a deterministic one survives a lost store.
    """
    if look.revision:
        return str(uuid5(_NAMESPACE, f"{look.revision.repository.url}@{look.revision.commit}"))
    return look.chain or look.subject.uid


def milestone_event(look: Observation, milestone: Milestone, chain: str) -> EmitEvent | None:
    """The event of a run's milestone; None where CDEvents has none (a taskrun is never queued)."""
    event_type = f"{look.type}.{milestone}"
    if event_type not in TYPES:
        return None
    return _event(
        look,
        event_type,
        at=_when(look, milestone),
        subject_id=run_id(look),
        content=_run_content(look, milestone),
        chain=chain,
        links=_links(look, milestone),
        verdict=milestone is Milestone.FINISHED,
    )


def occurrence_event(
    look: Observation, occurrence: Occurrence, chain: str, incident: str
) -> EmitEvent:
    """The event of an occurrence; `incident` is the key of the incident that is open, or opens."""
    return _event(
        look,
        occurrence.type,
        at=occurrence.at,
        subject_id=_occurrence_subject(look, occurrence, incident),
        content=_occurrence_content(look, occurrence),
        chain=chain,
        turn=occurrence.key,
        verdict=True,
    )


def run_id(look: Observation) -> str:
    """The subject id of a run: the same in all of its events."""
    return f"{look.subject.namespace}/{look.subject.name}/{look.subject.uid}"


def source(look: Observation) -> str:
    """Where events come from: a URI reference that names the cluster."""
    return f"/clusters/{quote(look.subject.cluster, safe='')}"


def uri(look: Observation) -> str:
    """An absolute URI of the object: its page, or its place in the cluster's API."""
    if look.dashboard_url:
        return look.dashboard_url
    group_version, _, plural = look.resource.rpartition("/")
    path = f"{group_version}/namespaces/{look.subject.namespace}/{plural}/{look.subject.name}"
    return f"k8s://{quote(look.subject.cluster, safe='')}/apis/{quote(path)}"


def knows(event_type: str, spec_version: str) -> bool:
    """Whether a version of the specification has this type of event."""
    return event_type in CUSTOM or event_type in _TYPES[spec_version]


def render(effect: EmitEvent, spec_version: str = SPEC_VERSION) -> dict[str, Any]:
    """The whole CDEvent as JSON values, for a version of the specification that has its type."""
    if spec_version not in _TYPES:
        raise ValueError(f"CDEvents {spec_version} is not known; use one of {', '.join(_TYPES)}")
    return _RENDER[spec_version](effect)


def _current(effect: EmitEvent) -> dict[str, Any]:
    context: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": effect.id,
        "source": effect.source,
        "type": full_type(effect.type),
        "timestamp": timestamp(effect.at),
        "chainId": effect.chain,
    }
    if effect.links:
        context["links"] = [_link(link) for link in effect.links]
    event: dict[str, Any] = {
        "context": context,
        "subject": {"id": effect.subject_id, "content": dict(effect.content)},
    }
    if effect.custom:
        event["customData"] = dict(effect.custom)
        event["customDataContentType"] = "application/json"
    return event


def full_type(event_type: str) -> str:
    """As it stands in an event: ``dev.cdevents.pipelinerun.queued.0.3.0``."""
    if event_type in CUSTOM:
        return f"dev.cdeventsx.{event_type}.{CUSTOM[event_type]}"
    return f"dev.cdevents.{event_type}.{TYPES[event_type]}"


def _older(effect: EmitEvent) -> dict[str, Any]:
    """As 0.4.1 has it. What 0.5.1 changed of our events, found by comparing all schemas: the name
    of the version's field, the types' versions, ``subject.type``, ``url``, words of test outcomes.
    """
    event = _current(effect)
    kind = effect.type.partition(".")[0]
    context, content = event["context"], event["subject"]["content"]
    del context["specversion"]
    context["version"] = OLDER
    if effect.type not in CUSTOM:
        context["type"] = f"dev.cdevents.{effect.type}.{OLDER_TYPES[effect.type]}"
    event["subject"]["type"] = _OLDER_KINDS.get(kind, kind)
    if "uri" in content:
        content["url"] = content.pop("uri")
    if kind == "testsuiterun":
        content["outcome"] = _OLDER_OUTCOMES.get(content["outcome"], content["outcome"])
    return event


_OLDER_KINDS: Final[Mapping[str, str]] = {
    "pipelinerun": "pipelineRun",
    "taskrun": "taskRun",
    "testsuiterun": "testSuiteRun",
}
_OLDER_OUTCOMES: Final[Mapping[str, str]] = {"success": "pass", "failure": "fail"}
_TYPES: Final[Mapping[str, Mapping[str, str]]] = {SPEC_VERSION: TYPES, OLDER: OLDER_TYPES}
_RENDER: Final[Mapping[str, Callable[[EmitEvent], dict[str, Any]]]] = {
    SPEC_VERSION: _current,
    OLDER: _older,
}


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, whole seconds: Kubernetes knows no finer ones."""
    try:
        utc = at.astimezone(UTC)
    except OverflowError:
        utc = at.replace(tzinfo=UTC)  # the first or the last day there is, in another zone
    return utc.replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def _event(
    look: Observation,
    event_type: str,
    *,
    at: datetime,
    subject_id: str,
    content: dict[str, Any],
    chain: str,
    turn: str = "",
    links: tuple[Link, ...] = (),
    verdict: bool,
) -> EmitEvent:
    return EmitEvent(
        subject=look.subject,
        id=event_id(look, event_type, turn),
        type=event_type,
        source=source(look),
        at=at,
        subject_id=subject_id,
        content=content,
        chain=chain,
        links=links,
        custom=_custom(look, verdict),
    )


def _when(look: Observation, milestone: Milestone) -> datetime:
    """The time of the occurrence, never of the telling; no run ends before it begins."""
    started = max(look.started or look.created, look.created)
    match milestone:
        case Milestone.QUEUED:
            return look.created
        case Milestone.STARTED:
            return started
        case Milestone.FINISHED:
            return max(look.finished or started, started)


def _run_content(look: Observation, milestone: Milestone) -> dict[str, Any]:
    named = "pipelineName" if look.type is SubjectType.PIPELINERUN else "taskName"
    content: dict[str, Any] = {named: _shown(look.name), "uri": uri(look)}
    if milestone is Milestone.FINISHED:
        content["outcome"] = OUTCOMES[look.phase]
        if look.phase is not Phase.SUCCEEDED:
            content["errors"] = _sentence(look)
    return content


def _sentence(look: Observation) -> str:
    return _shown(look.message) or _shown(look.reason) or str(look.phase)


def _shown(words: str) -> str:
    """The source's own words, as much of them as anyone reads, and no URL's password."""
    return without_credentials(words)[:_MESSAGE_LIMIT]


def _occurrence_subject(look: Observation, occurrence: Occurrence, incident: str) -> str:
    match occurrence.type.partition(".")[0]:
        case "incident":
            return f"{run_id(look)}/incident/{incident}"
        case "environment":
            return environment_id(look)
        case "testsuiterun":
            return f"{look.subject.namespace}/{occurrence.subject}"
        case _:
            return _service_id(look)


def environment_id(look: Observation) -> str:
    """Where it runs: as its annotation says, else the namespace in its cluster."""
    return look.environment or f"{look.subject.cluster}/{look.subject.namespace}"


def _service_id(look: Observation) -> str:
    return f"{look.subject.namespace}/{look.name}"


def _occurrence_content(look: Observation, occurrence: Occurrence) -> dict[str, Any]:
    environment = {"id": environment_id(look), "source": source(look)}
    match occurrence.type.partition(".")[0]:
        case "environment":
            return {"name": environment["id"], "uri": uri(look)}
        case "testsuiterun":
            return {"environment": environment, **_suite_content(occurrence)}
        case "incident":
            return {"environment": environment, **_incident_content(look, occurrence)}
        case _ if occurrence.type == "service.removed":
            return {"environment": environment}
        case _ if occurrence.type in CUSTOM:
            described = {"description": _shown(occurrence.description)}
            return {"environment": environment, "artifactId": occurrence.artifact, **described}
        case _:
            return {"environment": environment, "artifactId": occurrence.artifact}


def _suite_content(occurrence: Occurrence) -> dict[str, Any]:
    content: dict[str, Any] = {
        "outcome": OUTCOMES[occurrence.outcome or Phase.ERRORED],
        "testSuite": {"id": occurrence.subject.rpartition("/")[2]},
    }
    if occurrence.description:
        content["reason"] = _shown(occurrence.description)
    return content


def _incident_content(look: Observation, occurrence: Occurrence) -> dict[str, Any]:
    content: dict[str, Any] = {
        "artifactId": occurrence.artifact,
        "description": _shown(occurrence.description) or _sentence(look),
    }
    if look.type is SubjectType.SERVICE:
        content["service"] = {"id": _service_id(look), "source": source(look)}
    return content


def _links(look: Observation, milestone: Milestone) -> tuple[Link, ...]:
    before = _previous(look, milestone)
    if before:
        return (Link(type="PATH", event_id=event_id(look, before)),)
    if look.rerun_of:
        origin = event_id(_with_uid(look, look.rerun_of), f"{look.type}.{Milestone.FINISHED}")
        return (Link(type="RELATION", kind="RERUN_OF", event_id=origin),)
    return ()


def _previous(look: Observation, milestone: Milestone) -> str | None:
    """The event before this one that was told: a run that never started has no started event."""
    reached = milestones(look)
    earlier = reached[: reached.index(milestone)]
    told = [name for name in (f"{look.type}.{each}" for each in earlier) if name in TYPES]
    return told[-1] if told else None


def milestones(look: Observation) -> tuple[Milestone, ...]:
    """What a run in this state has passed; it finished without starting if nothing ever ran."""
    if look.phase is Phase.QUEUED:
        return (Milestone.QUEUED,)
    if look.phase is Phase.RUNNING:
        return (Milestone.QUEUED, Milestone.STARTED)
    if look.started is None:
        return (Milestone.QUEUED, Milestone.FINISHED)
    return (Milestone.QUEUED, Milestone.STARTED, Milestone.FINISHED)


def _with_uid(look: Observation, uid: str) -> Observation:
    return replace(look, subject=replace(look.subject, uid=uid))


def _link(link: Link) -> dict[str, Any]:
    if link.type == "PATH":
        return {"linkType": "PATH", "from": {"contextId": link.event_id}}
    return {"linkType": link.type, "linkKind": link.kind, "target": {"contextId": link.event_id}}


def _custom(look: Observation, verdict: bool) -> dict[str, Any]:
    """Our own facts. Words of the source only with its verdict: an event that is told late must
    not say more than one that was told in time."""
    custom: dict[str, Any] = {"cluster": look.subject.cluster, "kind": look.subject.kind}
    if verdict:
        custom["reason"] = _shown(look.reason)
        custom["message"] = _shown(look.message)
    if look.revision:
        custom["git"] = _git(look.revision)
    return {name: value for name, value in custom.items() if value}


def _git(revision: Revision) -> dict[str, Any]:
    git: dict[str, Any] = {"repository": revision.repository.url, "commit": revision.commit}
    if revision.ref:
        git["ref"] = revision.ref
    if revision.pull_request is not None:
        git["pullRequest"] = revision.pull_request
    return git
