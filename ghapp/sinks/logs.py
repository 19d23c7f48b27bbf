"""The logs of a failed run, read from its pods: they go back on the run's check, masked.

Nothing leaves unmasked: the values of the Secrets that a pod could see are read first, and used for
nothing but to find them in its log. Where they may not be read, the text says so and only what
looks like a token is masked; where they cannot be read just now, the log is not shown.

Whatever is missing (the pod, the permission, the log) is a sentence on the check, not an error:
only a cluster in trouble is asked again, a few times, because nobody waits for a log for days.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Struct

from ghapp import log as logs
from ghapp.core import excerpts, pods
from ghapp.core.effects import Effect, ReadLogs
from ghapp.core.excerpts import Piece
from ghapp.core.model import LogSource, Subject
from ghapp.core.pods import Pod
from ghapp.core.source import Resource
from ghapp.errors import CheckrailError, Reject, Retry
from ghapp.ports import Access, Clusters, Kube, Receipt, SinkType, Slot

log = logs.get(__name__)

PODS: Final = Resource("", "v1", "pods", "Pod")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")

PIECES: Final = 5
"""Containers whose logs are read."""
LINES: Final = 500
BYTES: Final = 256 * 1024
"""Of one container: what is shown is a quarter of that at most, findings are in more of it."""
SECONDS: Final = 10.0
"""For one part, with its pod and Secrets; all five together stay below the outbox' limit."""
SECRETS_LIMIT: Final = 50
"""Secrets of one pod."""
TRIES: Final = 5
"""About a minute."""
LONGEST_PAUSE: Final = 30.0
"""Seconds, even if the API server names more."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """There is nothing to set."""


@dataclass(frozen=True, slots=True)
class Logs:
    """All clusters that are watched."""

    clusters: Clusters
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """A megabyte of regular expressions takes a second of a core: one after the other."""

    def accepts(self, effect: Effect) -> bool:
        """Wishes for logs."""
        return isinstance(effect, ReadLogs)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt:
        """Reads, masks, and brings back what the check shall say."""
        if not isinstance(effect, ReadLogs):
            raise Reject(f"{key}: logs takes wishes for logs only")
        reading = _Reading(
            kube=self.clusters.get(effect.subject.cluster),
            subject=effect.subject,
            last=slot.tries + 1 >= TRIES,
        )
        await reading.read(effect.logs)
        async with self._turn:  # in a thread: the loop has other things to do meanwhile
            excerpt = await asyncio.to_thread(
                excerpts.compose, reading.pieces, reading.secrets, reading.warnings
            )
        return Receipt(excerpt=excerpt)


SINK = SinkType(
    "logs",
    Settings,
    Logs,
    access=(
        Access(group="", resource="pods", verbs=("get", "list")),
        Access(group="", resource="pods/log", verbs=("get",)),
        Access(group="", resource="secrets", verbs=("get",)),
    ),
)


class _Missing(CheckrailError):
    """There is no log; the message is a sentence for the check."""


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What was read for one run, so far."""

    kube: Kube | None
    subject: Subject
    last: bool
    """What cannot be read now is not tried again."""
    pieces: list[Piece] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)
    warnings: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    """Secrets that were asked for."""

    async def read(self, sources: Sequence[LogSource]) -> None:
        """The failing parts; where the source names none, all."""
        failing = [source for source in sources if source.failed] or sources
        for source in failing[:PIECES]:
            await self._source(source)

    async def _source(self, source: LogSource) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                for pod in await self._pods(source):
                    await self._pod(source, pod)
        except (Retry, TimeoutError) as error:
            self._tired(source, error)
        except _Missing as missing:
            self._note(source, str(missing))

    def _tired(self, source: LogSource, error: Retry | TimeoutError) -> None:
        """A cluster in trouble: later, or never."""
        reason = error.reason if isinstance(error, Retry) else f"no answer within {SECONDS:.0f} s"
        if not self.last:
            after = error.after if isinstance(error, Retry) else None
            after = None if after is None else min(after, LONGEST_PAUSE)
            raise Retry(f"the log of {source.step} cannot be read now: {reason}", after=after)
        log.warning("gave up on a log", step=source.step, reason=reason)
        self._note(source, f"The cluster did not hand out the log: {reason}")

    def _note(self, source: LogSource, sentence: str) -> None:
        if len(self.pieces) < PIECES:
            name = _name(source.step, source.container)
            self.pieces.append(Piece(name=name, note=sentence))

    @property
    def _cluster(self) -> Kube:
        if self.kube is None:
            name = self.subject.cluster
            raise _Missing(f"checkrail is not connected to the cluster {name} any more.")
        return self.kube

    # -- pods ------------------------------------------------------------------------------------

    async def _pods(self, source: LogSource) -> tuple[Pod, ...]:
        if source.pod:
            return (await self._named(source.pod),)
        try:
            found = await self._cluster.pods(self.subject.namespace, source.selector)
        except Reject as error:
            raise _Missing(self._refused(error, "list", "pods")) from error
        read = [_read(manifest) for manifest in found]
        telling = pods.telling(read, owner=self.subject.uid, limit=PIECES)
        if not telling:
            raise _Missing("None of its pods is left, and their logs went with them.")
        return telling

    async def _named(self, name: str) -> Pod:
        try:
            return _read(await self._get(PODS, name))
        except Reject as error:
            if error.status == 404:
                raise _Missing(f"The pod {name} is gone, and its log with it.") from error
            raise _Missing(self._refused(error, "get", "pods")) from error

    async def _pod(self, source: LogSource, pod: Pod) -> None:
        names = (source.container,) if source.container else pods.failed(pod)
        for name in names[: PIECES - len(self.pieces)]:
            self.pieces.append(await self._piece(source, pod, name))

    async def _piece(self, source: LogSource, pod: Pod, container: str) -> Piece:
        raw, note = b"", ""
        try:
            await self._learn(pod)  # first: without them the log must not be shown
            raw = await self._log(pod, container)
        except _Missing as missing:
            note = str(missing)
        return Piece(
            name=_name(source.step, container),
            raw=raw,
            cut=len(raw) >= BYTES,
            detail=pods.ending(pod, container),
            note=note,
            workdir=pods.workdir(pod, container),
        )

    async def _log(self, pod: Pod, container: str) -> bytes:
        why = pods.waiting(pod, container)
        if why:
            raise _Missing(f"The container never started: {why}")
        try:
            raw = await self._cluster.log(
                self.subject.namespace,
                pod.metadata.name,
                container,
                tail_lines=LINES,
                limit_bytes=BYTES,
            )
        except Reject as error:
            if error.status == 404:
                name = pod.metadata.name
                raise _Missing(f"The pod {name} is gone, and its log with it.") from error
            raise _Missing(self._refused(error, "get", "pods/log")) from error
        if raw.startswith(_ROTATED) and b"\n" not in raw.strip():
            raise _Missing("The node does not have the log any more: it was rotated away.")
        return raw

    # -- secrets ---------------------------------------------------------------------------------

    async def _learn(self, pod: Pod) -> None:
        """What the pod could see of Secrets, so that it can be masked."""
        references = pods.secrets(pod)
        if len(references) > SECRETS_LIMIT:
            self._warn(f"This pod uses more than {SECRETS_LIMIT} Secrets, so not all are masked.")
        for reference in references[:SECRETS_LIMIT]:
            await self._secret(reference)

    async def _secret(self, reference: pods.Reference) -> None:
        asked = f"{reference.name} {sorted(reference.keys or ())}"
        if asked in self._known:
            return
        try:
            secret = await self._get(SECRETS, reference.name)
        except Reject as error:
            if error.status != 404:
                self._warn(_UNMASKED.format(self._refused(error, "get", "secrets")))
            elif not reference.optional:
                gone = f"The Secret {reference.name} is gone."
                self._warn(_UNMASKED.format(gone))
        else:
            self.secrets |= pods.values(secret, reference)
        self._known.add(asked)

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    # -- the cluster -----------------------------------------------------------------------------

    async def _get(self, resource: Resource, name: str) -> dict[str, Any]:
        if not _OBJECT_NAME.fullmatch(name):
            raise Reject(f"{name[:300]!r} is no name of a {resource.kind}", status=404)
        return await self._cluster.get(resource, self.subject.namespace, name)

    def _refused(self, error: Reject, verb: str, resource: str) -> str:
        """What the API server's refusal means, and what to do about it."""
        if error.status == 403:
            where = f"namespace {self.subject.namespace}"
            return (
                f"checkrail may not {verb} {resource} in {where}: `checkrail rbac` prints the role"
                " that it needs."
            )
        return f"The cluster did not hand it out: {error.reason}"


_ROTATED: Final = b"unable to retrieve container logs for "
"""The kubelet's way of saying so: an answer of 200 that is not the log (pkg/kubelet)."""
_OBJECT_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_UNMASKED: Final = (
    "{} So the values of its Secrets are not known here,"
    " and only what looks like a token is masked."
)


def _name(step: str, container: str) -> str:
    """Step and container, where the one does not say the other."""
    plain = container.removeprefix("step-")
    if not plain or plain == step:
        return step or plain
    return f"{step} / {plain}" if step else plain


def _read(manifest: Mapping[str, Any]) -> Pod:
    try:
        return pods.read(manifest)
    except msgspec.ValidationError as error:
        raise _Missing("Its pod is described in a way that this version does not know.") from error
