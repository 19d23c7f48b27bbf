"""What `kubectl get providers,notifications` shows: whether each document works, and why not.

A condition keeps the time of its last change; a status is written only when it says something new,
conditions at once and counts now and then. What needs a person is also told as a Kubernetes Event,
once for each thing that is wrong.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from ghapp import log as logs
from ghapp.core.moments import stamp
from ghapp.core.notification import Notification
from ghapp.core.provider import Provider
from ghapp.core.source import Resource
from ghapp.engine.configuration import Document, Standing
from ghapp.engine.providers import Place, Providers
from ghapp.errors import CheckrailError, Reject
from ghapp.ports import Backlog, Clock, Kube, Store

log = logs.get(__name__)

EVENTS: Final = Resource("", "v1", "events", "Event")
SOON: Final = 1.0
"""Seconds at least between two rounds of writing."""
COUNTS_EVERY: Final = 30.0
"""Seconds: counts alone are no news."""
WRITE_LIMIT: Final = 15.0
MESSAGE_LIMIT: Final = 1_000
"""Characters; the API server takes 32,768 in a condition, and 1,024 in an Event."""
REMEMBERED: Final = 1_000
"""Events that were told, so that each is told once; their names are deterministic beyond that."""
CLUSTER_EVENTS: Final = "default"
"""Where Events about objects without a namespace go, as Kubernetes does it."""

Status = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that holds or does not."""

    type: str
    true: bool
    reason: str
    message: str


def ready(*, reason: str = "Ready", message: str = "in use") -> Condition:
    """All is well."""
    return Condition(type="Ready", true=True, reason=reason, message=message)


def not_ready(reason: str, message: str) -> Condition:
    """Something is not, and this is what."""
    return Condition(type="Ready", true=False, reason=reason, message=message[:MESSAGE_LIMIT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents:
    """What went wrong with documents since the process began."""

    failures: Mapping[str, str] = field(default_factory=dict)
    """By `Notification.id`: an expression or template that failed, and how, the last time."""
    denials: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """By namespace: commits that were not shown, and why the last one was not."""


def conditions(
    document: Document, standing: Standing, place: Place | None, incidents: Incidents
) -> Iterator[Condition]:
    """How a document does."""
    if document.mistakes:
        yield not_ready("InvalidSpec", "; ".join(document.mistakes))
        return
    if document.key in standing.shadowed:
        yield not_ready("NotInUse", "a local file declares another of this name")
        return
    match document.declared:
        case Provider() as provider:
            yield _provider(provider, place)
        case Notification() as notification:
            yield _notification(notification, standing, incidents)
            yield from _trusted(notification, incidents)
        case _:
            yield ready()


def _provider(provider: Provider, place: Place | None) -> Condition:
    if provider.suspend:
        return not_ready("Suspended", "nothing is delivered; what is owed waits")
    if place is None:
        return not_ready("CannotDeliver", "it does not count yet")
    if place.problem:
        return not_ready("CannotDeliver", place.problem)
    if place.tally.failing:
        return not_ready("DeliveryFailed", place.tally.failure)
    told = "delivers" if place.tally.last_success else "nothing was delivered yet"
    return ready(message=told)


def _notification(
    notification: Notification, standing: Standing, incidents: Incidents
) -> Condition:
    problems = standing.compiled.problems.get(notification.id)
    if problems:
        return not_ready("Incomplete", "; ".join(problems))
    if notification.spec.suspend:
        return not_ready("Suspended", "as if it were not there")
    failure = incidents.failures.get(notification.id)
    if failure:
        return not_ready("EvaluationFailed", failure)
    denied, _ = incidents.denials.get(notification.namespace, (0, ""))
    return ready(message=f"in use; {denied} looks not shown, see Trusted") if denied else ready()


def _trusted(notification: Notification, incidents: Incidents) -> Iterator[Condition]:
    denied = incidents.denials.get(notification.namespace)
    if denied:
        yield Condition(
            type="Trusted", true=False, reason="Denied", message=denied[1][:MESSAGE_LIMIT]
        )


def status_of(
    document: Document,
    found: Sequence[Condition],
    *,
    now: datetime,
    counts: Mapping[str, Any],
) -> Status:
    """The status as it shall be; a condition that holds as before keeps its time."""
    known = {
        one.get("type"): one
        for one in document.status.get("conditions") or ()
        if isinstance(one, dict)
    }
    return {
        "observedGeneration": document.generation,
        "conditions": [_written(one, known.get(one.type), document, now) for one in found],
        **counts,
    }


def _written(
    condition: Condition, before: Mapping[str, Any] | None, document: Document, now: datetime
) -> Status:
    status = "True" if condition.true else "False"
    same = before is not None and before.get("status") == status
    since = before.get("lastTransitionTime") if same and before else None
    return {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": document.generation,
        "lastTransitionTime": since or stamp(now),
    }


def counts_of(place: Place | None, backlog: Backlog, name: str) -> Status:
    """What a Provider's status counts."""
    if place is None:
        return {}
    tally = place.tally
    return {
        "delivered": tally.delivered,
        "waiting": backlog.pending.get(name, 0),
        "parked": backlog.parked.get(name, 0),
        "lastSuccess": stamp(tally.last_success) if tally.last_success else None,
        "lastFailure": stamp(tally.last_failure) if tally.last_failure else None,
        "lastFailureMessage": tally.failure[:MESSAGE_LIMIT] or None,
    }


def event_of(document: Document, condition: Condition, *, now: datetime) -> Status:
    """A Kubernetes Event about something that needs a person; its name is the same each time."""
    said = f"{document.uid}|{document.generation}|{condition.reason}|{condition.message}"
    namespace = document.namespace or CLUSTER_EVENTS
    resource = document.kind.resource
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{document.name[:200]}.{sha256(said.encode()).hexdigest()[:16]}",
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": document.name,
            "namespace": document.namespace,
            "uid": document.uid,
        },
        "type": "Warning",
        "reason": condition.reason,
        "message": condition.message,
        "source": {"component": "checkrail"},
        "reportingComponent": "checkrail",
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
    }


# --- writing --------------------------------------------------------------------------------------

_NEEDS_A_PERSON: Final = frozenset(
    {"InvalidSpec", "CannotDeliver", "DeliveryFailed", "Incomplete", "EvaluationFailed", "Denied"}
)


@dataclass(slots=True, kw_only=True)
class Statuses:
    """Writes the statuses of the documents in the cluster at home."""

    kube: Kube
    store: Store
    providers: Providers
    clock: Clock
    kinds: frozenset[str]
    """Whose statuses this process writes."""
    standing: Standing | None = None
    soon: float = SOON
    counts_every: float = COUNTS_EVERY
    _failures: dict[str, str] = field(default_factory=dict)
    _denials: dict[str, tuple[int, str]] = field(default_factory=dict)
    _dirty: asyncio.Event = field(default_factory=asyncio.Event)
    _told: dict[str, None] = field(default_factory=dict)
    """Events that were told, oldest first."""

    def tell(self, standing: Standing) -> None:
        """This counts now; what failed before may do so no longer."""
        if self.standing is None or self.standing.compiled != standing.compiled:
            self._failures.clear()
        self.standing = standing
        self._dirty.set()

    def blame(self, document: Notification, reason: str) -> None:
        """An expression or template of a document failed."""
        if self._failures.get(document.id) != reason:
            log.warning("a document failed", document=document.id, reason=reason)
            self._failures[document.id] = reason
            self._dirty.set()

    def denied(self, namespace: str, reason: str) -> None:
        """A run of the namespace claims a commit that it must not speak for."""
        count, before = self._denials.get(namespace, (0, ""))
        self._denials[namespace] = count + 1, reason
        if before != reason:
            self._dirty.set()

    def note(self) -> None:
        """There is news of a provider."""
        self._dirty.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):  # counts are looked at now and then
                async with asyncio.timeout(self.counts_every):
                    await self._dirty.wait()
            self._dirty.clear()
            await self.write()
            await asyncio.sleep(self.soon)

    async def write(self) -> None:
        """Writes every status that says something new."""
        if self.standing is None:
            return
        try:
            backlog = await self.store.backlog()
            for document in self.standing.documents.values():
                if document.kind.name in self.kinds:
                    await self._write(document, self.standing, backlog)
        except (CheckrailError, TimeoutError) as error:
            log.warning("a status cannot be written now", reason=str(error))

    async def _write(self, document: Document, standing: Standing, backlog: Backlog) -> None:
        declared = document.declared
        name = declared.id if isinstance(declared, Provider) else ""
        place = self.providers.places.get(name)
        incidents = Incidents(failures=self._failures, denials=self._denials)
        found = list(conditions(document, standing, place, incidents))
        now = self.clock()
        wanted = status_of(document, found, now=now, counts=counts_of(place, backlog, name))
        if not _news(wanted, document.status):
            return
        resource = document.kind.resource
        async with asyncio.timeout(WRITE_LIMIT):
            try:
                await self.kube.patch_status(resource, document.namespace, document.name, wanted)
            except Reject as error:
                log.warning("a status was refused", document=document.name, reason=error.reason)
        for condition in found:
            await self._event(document, condition, now)

    async def _event(self, document: Document, condition: Condition, now: datetime) -> None:
        if condition.true or condition.reason not in _NEEDS_A_PERSON:
            return
        event = event_of(document, condition, now=now)
        name = event["metadata"]["name"]
        if name in self._told:
            return
        self._told[name] = None
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        try:
            async with asyncio.timeout(WRITE_LIMIT):
                await self.kube.create(EVENTS, event["metadata"]["namespace"], event)
        except Reject as error:
            if error.status != 409:  # 409: a process before us has told it
                log.warning("an Event was refused", document=document.name, reason=error.reason)


def _news(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> bool:
    """Whether the cluster has to be told; a merge patch removes what is None."""
    return any(present.get(key) != value for key, value in wanted.items())
