"""The clusters beside the one at home: a folder of kubeconfigs, each with watches of its own.

Each cluster is a task that shares nothing with the others but the store: one that is down, slow or
refuses our credentials waits for itself alone, with back-off, and logs under its name. The folder
is looked at again every half minute: what appeared is watched, what vanished is let go of (its
open runs stay as they are: we do not know what becomes of them), and a kubeconfig that changed is
logged in with. Only when it points to another server are the watches begun anew: Cluster API's
providers rotate tokens every few minutes, and a list of everything each time would be a storm.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ghapp import kubeconfigs
from ghapp import log as logs
from ghapp.core import retry
from ghapp.core.source import Resource
from ghapp.engine.kube import MIB, KubeClient, open_session
from ghapp.engine.kube_config import from_kubeconfig
from ghapp.engine.kube_follow import LONGEST_BACKOFF, Pace
from ghapp.engine.kube_identity import Connection, Credentials, Identity
from ghapp.errors import ConfigError, Retry
from ghapp.metrics import Metrics
from ghapp.ports import Clock, Clusters, Kube

log = logs.get(__name__)

POLL: Final = 30.0
"""Seconds between two looks at the folder; the kubelet itself takes a minute to swap a mount."""

Watching = Callable[[str, KubeClient, Pace], Awaitable[None]]
"""(cluster, its client, pace) -> watches it until cancelled."""


@dataclass(slots=True, kw_only=True)
class Fleet:
    """Every cluster: the one at home, and what the folder names at this moment."""

    folder: Path
    home: str
    metrics: Metrics
    clock: Clock
    pace: Pace
    poll: float = POLL
    watch: Watching | None = None
    """None: clicks are carried out there, but another process watches."""
    _kubes: dict[str, Kube] = field(default_factory=dict)
    """By name; also those that are not logged in to yet."""
    _members: dict[str, "_Member"] = field(default_factory=dict)
    _said: frozenset[str] = frozenset()
    """Mistakes of the folder that were logged: each is said once, not every half minute."""

    @property
    def clusters(self) -> Clusters:
        """The API of each cluster: a live view, also of those that are not connected yet."""
        return MappingProxyType(self._kubes)

    def settle(self, kube: Kube) -> None:
        """Where home is; that one is watched by whoever calls."""
        self._kubes[self.home] = kube

    async def run(self) -> None:
        """Watches what the folder names, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._look(group)
                await self.pace.sleep(self.poll)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        try:
            found = await asyncio.to_thread(kubeconfigs.find, self.folder, home=self.home)
            stamps = await asyncio.to_thread(_stamps, found)
        except OSError as error:
            log.warning("the folder of kubeconfigs cannot be read", reason=str(error))
            return
        self._complain(found)
        for name in self._members.keys() - found.files.keys():
            self._let_go(name)
        for name, file in found.files.items():
            member = self._members.get(name)
            if member is None:
                self._join(group, name, file, stamps[name])
            else:
                member.heed(file, stamps[name])

    def _complain(self, found: kubeconfigs.Found) -> None:
        empty = (f"{self.folder / name}: no kubeconfig in it (yet)" for name in found.empty)
        said = frozenset((*found.mistakes, *empty))
        for mistake in sorted(said - self._said):
            log.warning("an entry that names no cluster to watch", reason=mistake)
        self._said = said

    def _join(self, group: asyncio.TaskGroup, name: str, file: Path, stamp: str) -> None:
        log.info("a cluster to watch", cluster=name)
        member = _Member(fleet=self, name=name, file=file, stamp=stamp)
        self._kubes[name] = Waiting(f"cluster {name} could not be logged in to yet")
        self._members[name] = member
        member.task = group.create_task(member.run(), name=f"cluster {name}")

    def _let_go(self, name: str) -> None:
        log.warning(
            "a cluster is not watched any more; its open runs stay as they are", cluster=name
        )
        member = self._members.pop(name)
        del self._kubes[name]
        if member.task is not None:
            member.task.cancel()

    def connect(self, name: str, kube: Kube) -> None:
        """Where a cluster's API is; unless the cluster was let go of meanwhile."""
        if name in self._members:
            self._kubes[name] = kube


@dataclass(slots=True, kw_only=True)
class _Member:
    """One cluster of the folder, for as long as the folder names it."""

    fleet: Fleet
    name: str
    file: Path
    stamp: str
    task: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def heed(self, file: Path, stamp: str) -> None:
        """What the folder says now."""
        if (file, stamp) != (self.file, self.stamp):
            self.file, self.stamp = file, stamp
            self._changed.set()

    async def run(self) -> None:
        """Connects and watches until cancelled, anew whenever it has moved."""
        metrics = self.fleet.metrics
        with logs.bind(cluster=self.name):
            if self.fleet.watch is not None:
                metrics.cluster(self.name, up=False)
            try:
                connection = await self._connection()
                while True:
                    connection = await self._stay(connection)
            finally:
                metrics.cluster_gone(self.name)

    async def _connection(self) -> Connection:
        """Where the cluster is, tried until it is known."""
        tries = 0
        while True:
            self._changed.clear()
            try:
                return await _login(self.file)
            except ConfigError as error:
                tries += 1
                log.warning("a cluster cannot be logged in to", reason=str(error), tries=tries)
            await self._pause(tries)

    async def _pause(self, tries: int) -> None:
        """Until it is worth another try: after a while, or when the file changed."""
        pace = self.fleet.pace
        delay = retry.backoff(tries, pace.jitter(), cap=LONGEST_BACKOFF)
        waits = [
            asyncio.ensure_future(pace.sleep(delay)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _stay(self, connection: Connection) -> Connection:
        """Watches until the kubeconfig points elsewhere; returns where."""
        credentials = Renewable(connection.credentials)
        connection = replace(connection, credentials=credentials)
        async with open_session() as session:
            client = KubeClient(session=session, connection=connection, clock=self.fleet.clock)
            self.fleet.connect(self.name, client)
            watching = asyncio.create_task(self._watch(client), name=f"watch {self.name}")
            try:
                return await self._moved(connection, credentials)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _moved(self, connection: Connection, credentials: "Renewable") -> Connection:
        """Renews the credentials as the kubeconfig changes, until it points elsewhere."""
        while True:
            await self._changed.wait()
            fresh = await self._connection()
            if _place(fresh) != _place(connection):
                log.info("a cluster has moved", url=fresh.base_url)
                return fresh
            log.info("a cluster's credentials were renewed")
            credentials.current = fresh.credentials

    async def _watch(self, client: KubeClient) -> None:
        """A defect of ours that one cluster brings to light does not end the others."""
        tries = 0
        while self.fleet.watch is not None:
            try:
                await self.fleet.watch(self.name, client, self.fleet.pace)
            except Exception:
                log.exception("watching a cluster failed unexpectedly", tries=tries + 1)
            tries += 1
            delay = retry.backoff(tries, self.fleet.pace.jitter(), cap=LONGEST_BACKOFF)
            await self.fleet.pace.sleep(delay)


def _place(connection: Connection) -> tuple[str, str | None, str | None]:
    return connection.base_url, connection.server_hostname, connection.proxy


async def _login(file: Path) -> Connection:
    """Where the cluster is; raises ConfigError."""
    _refuse_too_large(file)
    return await from_kubeconfig((file,))


def _refuse_too_large(file: Path) -> None:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    if size > MIB:
        raise ConfigError(f"{file}: is larger than {MIB} bytes, as no Secret can be")


def _stamps(found: kubeconfigs.Found) -> dict[str, str]:
    return {name: _stamp(file) for name, file in found.files.items()}


def _stamp(file: Path) -> str:
    """Changes when the content does; the kubelet swaps the files of a mount without changing it."""
    try:
        with file.open("rb") as stream:
            return hashlib.sha256(stream.read(MIB + 1)).hexdigest()
    except OSError as error:
        return str(error)


@dataclass(slots=True)
class Renewable:
    """Credentials that others can take the place of."""

    current: Credentials

    async def identity(self, rejected: Identity | None = None) -> Identity:
        """The present identity; a new one if the present one is the `rejected`."""
        return await self.current.identity(rejected)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A cluster that is not connected: whatever is asked of it has to wait."""

    reason: str

    async def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Not yet."""
        raise Retry(self.reason)

    async def create(self, resource: Resource, namespace: str, manifest: Any) -> dict[str, Any]:
        """Not yet."""
        raise Retry(self.reason)

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Any
    ) -> dict[str, Any]:
        """Not yet."""
        raise Retry(self.reason)

    async def patch_status(
        self, resource: Resource, namespace: str, name: str, status: Any
    ) -> dict[str, Any]:
        """Not yet."""
        raise Retry(self.reason)

    async def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        """Not yet."""
        raise Retry(self.reason)

    async def log(
        self, namespace: str, pod: str, container: str, *, tail_lines: int, limit_bytes: int
    ) -> bytes:
        """Not yet."""
        raise Retry(self.reason)

    async def whole_log(
        self, namespace: str, pod: str, container: str, *, limit_bytes: int
    ) -> bytes:
        """Not yet."""
        raise Retry(self.reason)
