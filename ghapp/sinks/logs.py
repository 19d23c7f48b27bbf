"""The logs and reports of a run, read from its pods: they go back on the run's check, masked.

Nothing leaves unmasked: the values of the Secrets that a pod could see are read first, and used for
nothing but to find them in its log. Where they may not be read, the text says so and only what
looks like a token is masked; where they cannot be read just now, the log is not shown.

Whatever is missing (the pod, the permission, the log) is a sentence on the check, not an error:
only a cluster in trouble is asked again, a few times, because nobody waits for a log for days.
"""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec import Struct

from ghapp import log as logs
from ghapp.core import excerpts, pods
from ghapp.core.effects import Effect, ReadLogs, ReportSource
from ghapp.core.excerpts import Piece
from ghapp.core.model import LogSource, Subject
from ghapp.core.pods import Pod
from ghapp.core.run_reports import ReportText, shown_name
from ghapp.core.source import Resource
from ghapp.errors import CheckrailError, Reject, Retry
from ghapp.ports import Access, Clusters, Kube, Receipt, SinkType, Slot

log = logs.get(__name__)

PODS: Final = Resource("", "v1", "pods", "Pod")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")

PIECES: Final = 5
"""Containers whose logs are read, unless a Notification says how many."""
LINES: Final = 500
BYTES: Final = 256 * 1024
"""Of one container: what is shown is a quarter of that at most, findings are in more of it."""
REPORT_BYTES: Final = 2_000_000
"""Of one report."""
REPORTS_BYTES: Final = 2 * REPORT_BYTES
"""Of all reports of a run that are logs: several runs may be read at the same time."""
REPORT_PODS: Final = 20
"""Pods that may have written a result, and whose Secrets are read to mask them in it."""
SECONDS: Final = 10.0
"""For one part, with its pod and Secrets."""
ALL_SECONDS: Final = 50.0
"""For all parts together; the outbox waits for a minute."""
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
        limit = effect.settings.steps or PIECES
        reading = _Reading(
            kube=self.clusters.get(effect.subject.cluster),
            subject=effect.subject,
            last=slot.tries + 1 >= TRIES,
            limit=limit,
            lines=max(effect.settings.lines or LINES, LINES),
            size=BYTES * PIECES // max(limit, PIECES),
            deadline=asyncio.get_running_loop().time() + ALL_SECONDS,
        )
        await reading.read(effect)
        async with self._turn:  # in a thread: the loop has other things to do meanwhile
            excerpt = await asyncio.to_thread(
                excerpts.compose,
                reading.pieces,
                reading.secrets,
                reading.warnings,
                reports=reading.reports,
                settings=effect.settings,
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
    limit: int
    """Containers whose logs are read."""
    lines: int
    """Of each, at most."""
    size: int
    """Bytes of each: more of them share what is read of five."""
    deadline: float
    """By the event loop's clock."""
    pieces: list[Piece] = field(default_factory=list)
    reports: list[ReportText] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set, repr=False)
    warnings: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    """Secrets that were asked for."""
    _pods_seen: dict[str, Pod] = field(default_factory=dict)
    """By name: several containers may be in one."""
    _room: int = REPORTS_BYTES

    async def read(self, wish: ReadLogs) -> None:
        """The logs that are shown, and the reports."""
        for source in wish.logs:
            if len(self.pieces) >= self.limit:
                break
            sentence = await self._said(source.step, self._source(source))
            if sentence and len(self.pieces) < self.limit:
                name = shown_name(source.step, source.container)
                self.pieces.append(Piece(name=name, note=sentence, failed=source.failed))
        for report in wish.reports:
            sentence = await self._said(report.name, self._report(report))
            if sentence:
                self._read_report(report, note=sentence)

    async def _said(self, step: str, reading: Awaitable[None]) -> str:
        """Reads in time; what is missing, as a sentence."""
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(now + SECONDS, self.deadline)):
                await reading
        except (Retry, TimeoutError) as error:
            return self._tired(step, error)
        except _Missing as missing:
            return str(missing)
        return ""

    def _tired(self, step: str, error: Retry | TimeoutError) -> str:
        """A cluster in trouble: later, or never."""
        reason = error.reason if isinstance(error, Retry) else f"no answer within {SECONDS:.0f} s"
        if not self.last:
            after = error.after if isinstance(error, Retry) else None
            after = None if after is None else min(after, LONGEST_PAUSE)
            raise Retry(f"the log of {step} cannot be read now: {reason}", after=after)
        log.warning("gave up on a log", step=step, reason=reason)
        return f"The cluster did not hand out the log: {reason}"

    async def _source(self, source: LogSource) -> None:
        for pod in await self._pods(source):
            await self._pod(source, pod)

    @property
    def _cluster(self) -> Kube:
        if self.kube is None:
            name = self.subject.cluster
            raise _Missing(f"checkrail is not connected to the cluster {name} any more.")
        return self.kube

    # -- reports ---------------------------------------------------------------------------------

    async def _report(self, report: ReportSource) -> None:
        """A result is here already; of a log, the whole of it is the report."""
        if report.text is not None:
            if not report.parts:
                self._warn(_UNMASKED.format(f"Nobody knows which pod gave {report.name}."))
            await self._learn_of_all(report.parts)
            self._read_report(report, raw=report.text.encode("utf-8", "replace"))
            return
        if not report.parts:
            raise _Missing("It is not there: no such step or result came of this run.")
        for source in report.parts:
            for pod in await self._pods(source):
                await self._learn(pod)
                raw = await self._whole(pod, source.container)
                workdir = pods.workdir(pod, source.container)
                self._read_report(report, raw=raw, workdir=workdir)

    async def _learn_of_all(self, sources: Sequence[LogSource]) -> None:
        """What whoever may have written a result could see of Secrets."""
        if len(sources) > REPORT_PODS:
            self._warn(f"More than {REPORT_PODS} pods ran, so not all of their Secrets are masked.")
        for source in sources[:REPORT_PODS]:
            try:
                for pod in await self._pods(source):
                    await self._learn(pod)
            except _Missing as missing:
                self._warn(_UNMASKED.format(missing))

    async def _whole(self, pod: Pod, container: str) -> bytes:
        limit = min(REPORT_BYTES, self._room)
        raw = await self._log(pod, container, limit=limit + 1)
        if len(raw) > limit:
            raise _Missing(f"It is longer than the {limit:,} bytes that are left to be read.")
        self._room -= len(raw)
        return raw

    def _read_report(
        self, report: ReportSource, *, raw: bytes = b"", note: str = "", workdir: str = ""
    ) -> None:
        said = ReportText(
            format=report.format, name=report.name, raw=raw, note=note, workdir=workdir
        )
        self.reports.append(said)

    # -- pods ------------------------------------------------------------------------------------

    async def _pods(self, source: LogSource) -> tuple[Pod, ...]:
        if source.pod:
            return (await self._named(source.pod),)
        try:
            found = await self._cluster.pods(self.subject.namespace, source.selector)
        except Reject as error:
            raise _Missing(self._refused(error, "list", "pods")) from error
        read = [_read(manifest) for manifest in found]
        telling = pods.telling(
            read, owner=self.subject.uid, limit=self.limit, succeeded=not source.failed
        )
        if not telling:
            raise _Missing("None of its pods is left, and their logs went with them.")
        return telling

    async def _named(self, name: str) -> Pod:
        if name not in self._pods_seen:
            self._pods_seen[name] = await self._asked(name)
        return self._pods_seen[name]

    async def _asked(self, name: str) -> Pod:
        try:
            return _read(await self._get(PODS, name))
        except Reject as error:
            if error.status == 404:
                raise _Missing(f"The pod {name} is gone, and its log with it.") from error
            raise _Missing(self._refused(error, "get", "pods")) from error

    async def _pod(self, source: LogSource, pod: Pod) -> None:
        names = (source.container,) if source.container else pods.failed(pod)
        for name in names[: self.limit - len(self.pieces)]:
            self.pieces.append(await self._piece(source, pod, name))

    async def _piece(self, source: LogSource, pod: Pod, container: str) -> Piece:
        raw, note = b"", ""
        try:
            await self._learn(pod)  # first: without them the log must not be shown
            raw = await self._log(pod, container)
        except _Missing as missing:
            note = str(missing)
        return Piece(
            name=shown_name(source.step, container),
            raw=raw,
            cut=len(raw) >= self.size,
            detail=pods.ending(pod, container),
            note=note,
            workdir=pods.workdir(pod, container),
            failed=source.failed,
        )

    async def _log(self, pod: Pod, container: str, *, limit: int = 0) -> bytes:
        """The end of a log, or the first `limit` bytes of it."""
        why = pods.waiting(pod, container)
        if why:
            raise _Missing(f"The container never started: {why}")
        cluster, where = self._cluster, (self.subject.namespace, pod.metadata.name, container)
        try:
            if limit:
                raw = await cluster.whole_log(*where, limit_bytes=limit)
            else:
                raw = await cluster.log(*where, tail_lines=self.lines, limit_bytes=self.size)
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


def _read(manifest: Mapping[str, Any]) -> Pod:
    try:
        return pods.read(manifest)
    except msgspec.ValidationError as error:
        raise _Missing("Its pod is described in a way that this version does not know.") from error
