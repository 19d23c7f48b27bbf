"""Works through the webhooks that were accepted: parse, gather, plan, commit.

Gathering facts is the only IO; the judgement is `core.commands.plan`. A delivery is done in the
same transaction that holds its effects, so a crash anywhere repeats it under the same keys.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import msgspec

from ghapp import log as logs
from ghapp.core import retry
from ghapp.core.commands import Facts, Plans, Target, excuse, plan, verb_of
from ghapp.core.decide import NOTHING, Decision
from ghapp.core.effects import SetCheck
from ghapp.core.model import Repository, Verb
from ghapp.core.posted import is_posted
from ghapp.core.seen import Seen
from ghapp.core.source import Resource
from ghapp.core.webhook import InstallationChanged, Press, RerunAll, parse
from ghapp.engine.desk import Desk
from ghapp.engine.posted import Postbox
from ghapp.errors import Reject, Retry
from ghapp.metrics import CommandResult, Metrics
from ghapp.ports import Clusters, Delivery, GitHub

log = logs.get(__name__)

AT_ONCE: Final = 8
GATHER_LIMIT: Final = 30.0
"""Seconds to gather the facts of one command."""
GIVE_UP: Final = timedelta(hours=24)
"""A click that could not be judged for a day is not what anybody wants any more."""
IDLE: Final = 30.0
SOON: Final = 1.0
"""Seconds between looks while a delivery waits for its next try."""
_NEEDS_OBJECT: Final = frozenset({Verb.RERUN, Verb.CANCEL, Verb.RECONCILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """Turns deliveries into effects or answers."""

    desk: Desk
    github: GitHub
    clusters: Clusters
    resources: Mapping[str, Resource]
    """By `Resource.id`."""
    plans: Mapping[str, Plans]
    """By the resource's id: what the adapter can do to its objects."""
    postbox: Postbox
    """For what others than GitHub posted."""
    metrics: Metrics
    jitter: Callable[[], float]

    async def run(self) -> None:
        """Works until cancelled."""
        store = self.desk.store
        while True:
            arrived = asyncio.ensure_future(store.arrived())
            try:
                if pause := await self._pass():
                    await asyncio.wait({arrived}, timeout=pause)
            finally:
                arrived.cancel()

    async def _pass(self) -> float:
        """Works on what is due; seconds until something else may be."""
        try:
            if await self.step(self.desk.clock()):
                return 0.0
            return SOON if (await self.desk.store.backlog()).deliveries else IDLE
        except Exception:
            log.exception("cannot see which deliveries are due")
            return SOON

    async def step(self, now: datetime) -> int:
        """Works on what is due, once; how many deliveries that were."""
        due = await self.desk.store.deliveries(now, AT_ONCE)
        await asyncio.gather(*(self._settle(delivery) for delivery in due))
        return len(due)

    async def _settle(self, delivery: Delivery) -> None:
        with logs.bind(delivery=delivery.guid):
            try:
                await self._work(delivery)
            except Retry as error:
                await self._postpone(delivery, error)
            except Reject as error:
                await self._give_up(delivery, error.reason)
            except TimeoutError:
                await self._postpone(delivery, Retry("the facts did not come in time"))
            except Exception as error:
                log.exception("a delivery failed unexpectedly", webhook=delivery.event)
                await self._postpone(delivery, Retry(f"unexpected {type(error).__name__}"))

    async def _work(self, delivery: Delivery) -> None:
        if is_posted(delivery.event):
            await self.postbox.work(delivery)
            return
        command = self._read(delivery)
        if isinstance(command, InstallationChanged):
            self.github.forget(delivery.event, _payload(delivery.body))
        if command is None or isinstance(command, InstallationChanged):
            await self.desk.commit(_nothing, delivery=delivery.guid)
            return
        async with asyncio.timeout(GATHER_LIMIT):
            permission = await self._permission_if_ours(command)

        async def decide() -> Decision:
            return await self._decide(command, permission, delivery)

        async with asyncio.timeout(GATHER_LIMIT):
            decision = await self.desk.commit(decide, delivery=delivery.guid)
        self._tell(command, decision)

    def _read(self, delivery: Delivery) -> Press | RerunAll | InstallationChanged | None:
        try:
            return parse(delivery.event, delivery.body)
        except ValueError as error:
            log.warning("a delivery of an unknown shape", reason=str(error))
            return None

    def _tell(self, command: Press | RerunAll, decision: Decision) -> None:
        verb = verb_of(command)
        if verb is None:
            log.info("a button that is not ours", login=command.login)
            return
        result = _result(decision)
        self.metrics.command(verb, result)
        log.info("a click", verb=verb, login=command.login, result=result)

    async def _permission_if_ours(self, command: Press | RerunAll) -> str:
        """The sender's permission; asked only where there is something to decide."""
        if verb_of(command) is None or command.app != await self.github.identify():
            return "none"
        if not await self._concerned(command):
            return "none"
        return await self._permission(command)

    async def _permission(self, command: Press | RerunAll) -> str:
        login = quote(command.login, safe="")
        path = f"/repos/{command.repository}/collaborators/{login}/permission"
        try:
            answer = await self.github.request("GET", path, repository=_slug(command.repository))
        except Reject as error:
            if error.status == 404:
                return "none"  # not a user, or not of this repository
            raise
        return str(answer.get("permission", "none"))

    async def _decide(
        self, command: Press | RerunAll, permission: str, delivery: Delivery
    ) -> Decision:
        app = await self.github.identify()
        if verb_of(command) is None or command.app != app:
            return NOTHING
        targets = [await self._target(command, seen) for seen in await self._concerned(command)]
        facts = Facts(
            app=app,
            permission=permission,
            targets=tuple(targets),
            guid=delivery.guid,
            at=delivery.received,
        )
        return plan(command, facts, rules=self.desk.rules)

    async def _concerned(self, command: Press | RerunAll) -> Sequence[Seen]:
        """What the webhook may be about; of another host's repositories GitHub knows nothing."""
        store = self.desk.store
        if isinstance(command, RerunAll):
            found = await store.on_commit(_slug(command.repository), command.commit)
        else:
            seen = await store.by_external_id(command.external_id)
            found = (seen,) if seen else ()
        return [seen for seen in found if self._is_on_github(seen)]

    def _is_on_github(self, seen: Seen) -> bool:
        revision = seen.look.revision
        return revision is not None and self.github.serves(revision.repository)

    async def _target(self, command: Press | RerunAll, seen: Seen) -> Target:
        plans = self.plans.get(seen.look.resource, {})
        needed = verb_of(command) in _NEEDS_OBJECT and verb_of(command) in plans
        manifest = await self._manifest(seen) if needed else None
        return Target(seen=seen, manifest=manifest, plans=plans)

    async def _manifest(self, seen: Seen) -> Mapping[str, Any] | None:
        """The object, if it still is the one that the check tells of."""
        subject = seen.look.subject
        kube = self.clusters.get(subject.cluster)
        if kube is None:
            raise Retry(f"cluster {subject.cluster} is not configured here")
        resource = self.resources[seen.look.resource]
        try:
            found = await kube.get(resource, subject.namespace, subject.name)
        except Reject as error:
            if error.status == 404:
                return None
            raise
        return found if found.get("metadata", {}).get("uid") == subject.uid else None

    async def _postpone(self, delivery: Delivery, error: Retry) -> None:
        now = self.desk.clock()
        if now - delivery.received > GIVE_UP:
            await self._give_up(delivery, error.reason)
            return
        tries = delivery.tries + 1
        pause = retry.backoff(tries, self.jitter()) if error.after is None else error.after
        log.warning("a delivery has to wait", reason=error.reason, tries=tries, pause=pause)
        due = now + timedelta(seconds=pause)
        await self.desk.store.postpone(delivery.guid, due=due, reason=error.reason)

    async def _give_up(self, delivery: Delivery, reason: str) -> None:
        """What cannot be judged is not done, and whoever asked is told so."""
        log.error("gave up on a delivery", reason=reason, webhook=delivery.event)
        command = self._read(delivery)

        async def excuse_() -> Decision:
            if not isinstance(command, Press | RerunAll):
                return NOTHING
            targets = tuple(Target(seen=seen) for seen in await self._concerned(command))
            return excuse(command, reason, targets, at=delivery.received, rules=self.desk.rules)

        await self.desk.commit(excuse_, delivery=delivery.guid)
        if isinstance(command, Press | RerunAll) and (verb := verb_of(command)):
            self.metrics.command(verb, "failed")


def _result(decision: Decision) -> CommandResult:
    if any(not isinstance(effect, SetCheck) for effect in decision.effects):
        return "done"
    return "refused" if decision.seen else "not_ours"


async def _nothing() -> Decision:
    return NOTHING


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _slug(full_name: str) -> Repository:
    """A webhook does not say which host it comes from: ours, whatever its name is."""
    owner, _, name = full_name.rpartition("/")
    return Repository(host="", owner=owner, name=name)
