"""Posted events of clusters that are not watched: looked at, decided and committed as any look.

Of a cluster that is watched an event is only a hint: what the watch says is the truth, and comes
by itself. Events come late, twice and out of order, and each tells of one moment only: one that is
older than what is known of its object is passed over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ghapp import log as logs
from ghapp.core.decide import NOTHING, Decision, decide
from ghapp.core.model import Observation, Subject
from ghapp.core.posted import Posted, parse
from ghapp.core.seen import Seen
from ghapp.core.source import Adapter, Context
from ghapp.engine.desk import Desk
from ghapp.metrics import Metrics, PostedResult
from ghapp.ports import Clusters, Delivery

log = logs.get(__name__)

_TURN: Final = "posted"
"""Which run of its controller led to an event, the event does not say: as if it were one."""
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postbox:
    """Works on posted events, once they are stored."""

    desk: Desk
    clusters: Clusters
    """Which clusters are watched."""
    adapters: Mapping[tuple[str, str], Adapter[Any]]
    """By group and kind."""
    metrics: Metrics

    @classmethod
    def of(
        cls, adapters: Sequence[Adapter[Any]], *, desk: Desk, clusters: Clusters, metrics: Metrics
    ) -> "Postbox":
        """For all sources."""
        known = {(one.resource.group, one.resource.kind): one for one in adapters}
        return cls(desk=desk, clusters=clusters, adapters=known, metrics=metrics)

    async def work(self, delivery: Delivery) -> None:
        """Decides and commits, and the delivery with it."""
        source = delivery.event.partition("/")[0]
        posted = self._read(delivery)
        result: PostedResult = "ignored"

        async def owed() -> Decision:
            nonlocal result
            result, decision = await self._decide(posted) if posted else ("ignored", NOTHING)
            return decision

        await self.desk.commit(owed, delivery=delivery.guid)
        self.metrics.posted(source, result)
        log.info("a posted event", webhook=delivery.event, result=result)

    def _read(self, delivery: Delivery) -> Posted | None:
        try:
            return parse(delivery.event, delivery.body)
        except ValueError as error:
            log.warning("a posted event of an unknown shape", reason=str(error))
            return None

    async def _decide(self, posted: Posted) -> tuple[PostedResult, Decision]:
        adapter = self.adapters.get((posted.group, posted.kind))
        if posted.cluster in self.clusters:
            return "watched", NOTHING
        if adapter is None:
            return "ignored", NOTHING
        newest = await self._newest(posted)
        if posted.at and newest and posted.at < (newest.look.finished or newest.look.created):
            return "late", NOTHING
        if posted.latest:
            if newest is None:
                return "ignored", NOTHING  # of which of its revisions, nobody can say
            revision = newest.look.subject.revision
            posted.manifest["status"]["lastAttemptedRevision"] = revision
        look = self._observe(adapter, posted)
        if look is None:
            return "ignored", NOTHING
        raw = msgspec.json.encode(posted.manifest)
        decision = await self._owed(self.desk.trusted(look), newest, raw)
        return "told" if decision.effects else "unchanged", decision

    async def _newest(self, posted: Posted) -> Seen | None:
        """The newest run of a long-lived object."""
        if posted.at is None:
            return None
        about = posted.manifest["metadata"]
        subject = Subject(
            kind=posted.kind,
            cluster=posted.cluster,
            namespace=about["namespace"],
            name=about["name"],
            uid=about["uid"],
        )
        return await self.desk.store.latest(subject.object_key)

    def _observe(self, adapter: Adapter[Any], posted: Posted) -> Observation | None:
        """Nothing can be asked of an object in a cluster that we are not connected to."""
        context = Context(cluster=posted.cluster, deleted=posted.removed)
        try:
            found = msgspec.json.decode(msgspec.json.encode(posted.manifest), type=adapter.reads)
        except _UNREADABLE as error:
            log.warning("a posted object that cannot be read", reason=str(error))
            return None
        look = adapter.observe(found, context)
        return replace(look, verbs=(), turn=_TURN if look.living else "") if look else None

    async def _owed(self, look: Observation, newest: Seen | None, raw: bytes) -> Decision:
        key = look.subject.key
        before = await self.desk.store.seen(key)
        previous = newest if newest and newest.look.subject.key != key else None
        if before is not None and look.living:
            # An event says when it was emitted, and nothing of when its run came up, nor its commit
            # once more.
            look = replace(look, created=min(before.look.created, look.created))
        audience = self.desk.hear(look, raw, before)
        return decide(before, look, previous=previous, audience=audience, rules=self.desk.rules)
