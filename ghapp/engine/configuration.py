"""Keeps what the documents say up to date: files first, then whatever the cluster has.

The documents of the cluster at home are followed like everything else, and a change counts at once,
for all runs that are still open. Nothing is told of any run before they were all listed once: a
TrustPolicy that is not known yet would let through what it forbids.

An object that is wrong keeps the place of its last good state, and says so in its status.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from ghapp import log as logs
from ghapp.documents import config
from ghapp.documents.compiled import Compiled, compile_documents
from ghapp.documents.config import Config, Declared, read_object
from ghapp.documents.kinds import Kind
from ghapp.engine.desk import Desk
from ghapp.engine.kube_events import Changed, Event, Gone, Head, Listed, Malformed, Missing
from ghapp.engine.kube_follow import Api, Pace, follow
from ghapp.engine.providers import Providers
from ghapp.errors import ConfigError
from ghapp.metrics import Metrics

log = logs.get(__name__)

SETTLE: Final = 0.05
"""Seconds of quiet before a change counts: `kubectl apply -f folder/` is one change."""
LONGEST: Final = 1.0
"""Seconds, if it never gets quiet."""

REREAD_EVERY: Final = 30.0
"""Seconds between two looks at the files; the kubelet itself takes a minute to swap a mount."""
AGAIN: Final = 5.0
"""Seconds until documents are applied again that could not be."""
PATIENCE: Final = 30.0
"""Seconds until it is said that runs wait for documents that cannot be listed."""

Key: TypeAlias = tuple[str, str, str]
"""Kind, namespace and name of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An object of the cluster: its last good state, and what is wrong with its present one."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    generation: int
    declared: Declared | None
    mistakes: tuple[str, ...] = ()
    status: Mapping[str, Any] = field(default_factory=dict)
    """As the cluster has it."""

    @property
    def key(self) -> Key:
        """Names it."""
        return self.kind.name, self.namespace, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What counts at this moment."""

    documents: Mapping[Key, Document]
    compiled: Compiled
    shadowed: frozenset[Key] = frozenset()
    """Objects that do not count, because a local file declares another of their name."""


Tell = Callable[[Standing], None]


@dataclass(slots=True, kw_only=True)
class Configuration:
    """All documents."""

    files: Config
    """What the files said last."""
    path: Path | None
    """Where they are; looked at again, because a mounted ConfigMap changes."""
    kinds: Sequence[Kind]
    namespaces: tuple[str, ...]
    """To follow in; ("",) means all of them."""
    cluster: str
    """The name of the one at home."""
    built_in: tuple[str, ...]
    """Ids of the providers that the environment sets up."""
    api: Api
    desk: Desk
    providers: Providers
    metrics: Metrics
    pace: Pace
    tell: Tell
    """Called with what counts now."""
    reread_every: float = REREAD_EVERY
    settle: float = SETTLE
    documents: dict[Key, Document] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """All documents were listed once, and count."""
    _unlisted: set[tuple[str, str]] = field(default_factory=set)
    _dirty: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Follows the documents until cancelled."""
        places = [(kind, place) for kind in self.kinds for place in self._places(kind)]
        self._unlisted = {(kind.name, place) for kind, place in places}
        self._dirty.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._apply_for_ever())
            group.create_task(self.providers.run())
            group.create_task(self._complain())
            if self.path is not None:
                group.create_task(self._reread_for_ever(self.path))
            for kind, place in places:
                group.create_task(self._follow(kind, place))

    async def _complain(self) -> None:
        await asyncio.sleep(PATIENCE)
        kinds = sorted({kind for kind, _ in self._unlisted})
        if kinds:
            mend = "grant list and watch: `checkrail rbac` prints the role that is needed"
            log.warning("nothing is told before documents are listed", kinds=kinds, mend=mend)

    def _places(self, kind: Kind) -> tuple[str, ...]:
        return self.namespaces if kind.namespaced else ("",)

    # -- what the watches say -----------------------------------------------------------------

    async def _follow(self, kind: Kind, namespace: str) -> None:
        events = follow(self.api, kind.resource, namespace, pace=self.pace, keep_raw=_always)
        async with aclosing(events):
            async for event in events:
                self._heed(kind, namespace, event)

    def _heed(self, kind: Kind, namespace: str, event: Event) -> None:
        match event:
            case Changed(head=head, raw=raw):
                self._put(kind, head, raw or b"")
            case Gone(head=head) | Malformed(head=head, gone=True):
                self._drop((kind.name, head.namespace, head.name))
            case Listed(keys=uids):
                self._bury(kind, namespace, uids)
                self._listed(kind, namespace)
            case Missing():
                self._bury(kind, namespace, frozenset())
                self._listed(kind, namespace)
            case Malformed(head=head, error=error):
                self.metrics.malformed(kind.resource.id)
                log.warning("a document that cannot be read", document=head.name, reason=error)

    def _put(self, kind: Kind, head: Head, raw: bytes) -> None:
        key = (kind.name, head.namespace, head.name)
        before = self.documents.get(key)
        if before is not None and before.uid != head.uid:
            before = None
        after = _read(kind, head, raw, before)
        self.documents[key] = after
        if before is None or replace(before, status=after.status) != after:
            self._dirty.set()

    def _drop(self, key: Key) -> None:
        if self.documents.pop(key, None) is not None:
            self._dirty.set()

    def _bury(self, kind: Kind, namespace: str, uids: frozenset[str]) -> None:
        for key, document in list(self.documents.items()):
            here = kind.name == key[0] and namespace in ("", document.namespace)
            if here and document.uid not in uids:
                self._drop(key)

    def _listed(self, kind: Kind, namespace: str) -> None:
        if (kind.name, namespace) in self._unlisted:
            self._unlisted.discard((kind.name, namespace))
            self._dirty.set()

    # -- the files ------------------------------------------------------------------------------

    async def _reread_for_ever(self, path: Path) -> None:
        stamp = await asyncio.to_thread(config.stamp, path)
        while True:
            await asyncio.sleep(self.reread_every)
            found = await asyncio.to_thread(config.stamp, path)
            if found and found != stamp:
                stamp = found
                await self._reread(path)

    async def _reread(self, path: Path) -> None:
        """What is wrong now changes nothing: what the files said before still counts."""
        try:
            files = await asyncio.to_thread(config.load, path)
        except ConfigError as error:
            for mistake in error.mistakes:
                log.warning("a local file is wrong, what it said before counts", mistake=mistake)
            return
        if files != self.files:
            self.files = files
            self._dirty.set()

    # -- what counts ----------------------------------------------------------------------------

    async def _apply_for_ever(self) -> None:
        while True:
            await self._dirty.wait()
            await self._quiet()
            if self._unlisted:
                continue
            try:
                await self._apply()
            except Exception:
                log.exception("the documents cannot be applied, trying again")
                self._dirty.set()
                await asyncio.sleep(AGAIN)
            else:
                self.ready.set()

    async def _quiet(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + LONGEST
        while self._dirty.is_set() and loop.time() < end:
            self._dirty.clear()
            await asyncio.sleep(self.settle)
        self._dirty.clear()

    async def _apply(self) -> None:
        known = together(self.files, self.documents.values())
        compiled = compile_documents(known, self.built_in, cluster=self.cluster)
        await self.providers.declare(known.providers)
        standing = replace(
            self.desk.standing,
            pipelines=known.pipelines,
            trust=known.trust,
            access=known.access,
            listening=compiled.listening,
        )
        self.desk.revise(standing)
        log.info("documents count", documents=len(known.declared))
        await self.providers.give_up_orphans()
        shadowed = frozenset(
            document.key for document in self.documents.values() if _shadowed(self.files, document)
        )
        self.tell(Standing(documents=dict(self.documents), compiled=compiled, shadowed=shadowed))


def together(files: Config, documents: Iterable[Document]) -> Config:
    """Everything that is declared; what a file declares, no object of that name replaces.

    The operator who sets up the process has put the file there; whoever may write objects in a
    namespace must not be able to override it.
    """
    found = [
        document.declared
        for document in documents
        if document.declared is not None and not _shadowed(files, document)
    ]
    return Config.of((*files.declared, *found))


def _shadowed(files: Config, document: Document) -> bool:
    taken = {_identity(one) for one in files.declared}
    return document.declared is not None and _identity(document.declared) in taken


def _identity(declared: Declared) -> tuple[str, str, str]:
    kind = getattr(declared, "kind", type(declared).__name__)
    return kind, getattr(declared, "namespace", ""), declared.name


class _Seen(msgspec.Struct, frozen=True):
    metadata: "_Generation"
    status: dict[str, Any] | None = None


class _Generation(msgspec.Struct, frozen=True):
    generation: int = 0


def _read(kind: Kind, head: Head, raw: bytes, before: Document | None) -> Document:
    """The object read; where it is wrong, with its last good state."""
    seen = msgspec.json.decode(raw, type=_Seen)
    mistakes: tuple[str, ...] = ()
    try:
        declared: Declared | None = read_object(msgspec.json.decode(raw))
    except ConfigError as error:
        declared, mistakes = (before.declared if before else None), error.mistakes
    return Document(
        kind=kind,
        namespace=head.namespace,
        name=head.name,
        uid=head.uid,
        generation=seen.metadata.generation,
        declared=declared,
        mistakes=mistakes,
        status=seen.status or {},
    )


def _always() -> bool:
    return True
