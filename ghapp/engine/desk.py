"""Where decisions become commits: rules, routing and the one transaction, shared by all loops."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from ghapp import log as logs
from ghapp.core import trust
from ghapp.core.audience import Audience, constant, hear, needs_object, phase_before
from ghapp.core.case import Case
from ghapp.core.decide import Decision, Rules, excerpted, noticed
from ghapp.core.effects import Effect, ReadLogs
from ghapp.core.model import Observation
from ghapp.core.notification import Notification
from ghapp.core.routing import route
from ghapp.core.seen import Excerpt, Notice, Seen
from ghapp.errors import Conflict
from ghapp.ports import Addressed, Clock, Commit, Settled, Sink, Store

log = logs.get(__name__)

REMEMBERED: Final = timedelta(days=13)
"""Less than upkeep keeps rows; GitHub gives up on an unfinished check after 14 days."""
CONFLICTS_BORNE: Final = 20
"""Two loops may decide on one row; each look anew succeeds unless the other is faster each time."""


Blame = Callable[[Notification, str], None]
"""A document has an expression or a template that failed, and how."""


def _nobody_to_blame(document: Notification, reason: str) -> None:
    log.warning("a document failed", document=document.id, reason=reason)


def _nobody_denied(namespace: str, reason: str) -> None:
    log.info("a commit is not shown", namespace=namespace, reason=reason)


@dataclass(slots=True, kw_only=True)
class Desk:
    """Commits decisions, addressed to the sinks that want them."""

    store: Store
    standing: Rules
    """As the documents are now; see `rules` and `revise`."""
    sinks: Mapping[str, Sink]
    """May change while it runs."""
    clock: Clock
    progress_interval: float
    """Seconds."""
    blame: Blame = _nobody_to_blame
    denied: Callable[[str, str], None] = _nobody_denied
    """A namespace claims a commit that it must not speak for, and why it must not."""
    edition: int = 0
    """How often the documents changed."""
    whole_objects: bool = False
    """Whether a document asks about more of an object than its adapter reads."""
    _always: Audience | None = None
    """What is said of every run alike, where that is all."""
    _revised: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._settle(self.standing)

    @property
    def rules(self) -> Rules:
        """The rules of this moment: what finished before `REMEMBERED` is history.

        Rows older than that may be forgotten while their objects are still in the cluster; those
        must not be told anew.
        """
        horizon = max(self.standing.horizon, self.clock() - REMEMBERED)
        return replace(self.standing, horizon=horizon)

    def revise(self, rules: Rules) -> None:
        """From now on these count; whoever waits for `revised` looks again."""
        self.standing, self.edition = rules, self.edition + 1
        self._settle(rules)
        self._revised.set()
        self._revised = asyncio.Event()

    def _settle(self, rules: Rules) -> None:
        self.whole_objects = needs_object(rules.listening)
        self._always = constant(rules.listening)

    async def revised(self, since: int) -> int:
        """Returns the edition once it is another than `since`."""
        while self.edition == since:
            await self._revised.wait()
        return self.edition

    def trusted(self, look: Observation) -> Observation:
        """`look` without the commit that its namespace must not speak for."""
        told, verdict = trust.applied(look, self.standing.trust)
        if verdict and not verdict.yes:
            self.denied(look.subject.namespace, verdict.why)
        return told

    def hear(self, look: Observation, raw: bytes | None, before: Seen | None) -> Audience:
        """Who is told of a run, and how, as the documents are now.

        `raw` is the whole object, where it is known; `before`, what was told of the run.
        """
        if self._always is not None:
            return self._always
        was, remembered = (before.look, before.old_phase) if before else (None, "")
        case = Case(look=look, raw=raw, old_phase=phase_before(look, was, remembered))
        heard = hear(self.standing.listening, case)
        for document, reason in heard.failures:
            self.blame(document, reason)
        return heard.audience

    async def commit(
        self,
        decide: Callable[[], Awaitable[Decision]],
        *,
        settled: Settled | None = None,
        delivery: str | None = None,
    ) -> Decision:
        """Decides and commits; decides again when somebody else committed in between."""
        for _ in range(CONFLICTS_BORNE):
            decision = await decide()
            something = decision.seen or decision.effects or decision.ballots or decision.audit
            if not (something or settled or delivery):
                return decision
            try:
                await self.store.commit(self._commit(decision, settled, delivery))
            except Conflict:
                continue
            return decision
        raise Conflict(f"gave up after {CONFLICTS_BORNE} decisions; somebody else is always faster")

    async def enrich(self, wish: ReadLogs, excerpt: Excerpt, settled: Settled) -> None:
        """Settles a wish for logs and shows on the subject's check what they say, together."""

        async def decide() -> Decision:
            before = await self.store.seen(wish.subject.key)
            if before is None:
                return Decision()
            return excerpted(before, excerpt, attempt=wish.attempt, rules=self.rules)

        await self.commit(decide, settled=settled)

    async def answer(
        self, subject_key: str, text: str, settled: Settled, *, later: tuple[Effect, ...] = ()
    ) -> None:
        """Settles an effect and shows an answer on the subject's check, together.

        `later` is what else has to be told because of it.
        """

        async def decide() -> Decision:
            before = await self.store.seen(subject_key)
            if before is None:
                return Decision(effects=later)
            shown = noticed(before, Notice(at=self.clock(), text=text), rules=self.rules)
            return shown + Decision(effects=later)

        await self.commit(decide, settled=settled)

    def _commit(self, decision: Decision, settled: Settled | None, delivery: str | None) -> Commit:
        return Commit(
            seen=decision.seen,
            ballots=decision.ballots,
            audit=decision.audit,
            effects=self._addressed(decision.effects),
            settled=settled,
            delivery=delivery,
        )

    def _addressed(self, effects: tuple[Effect, ...]) -> tuple[Addressed, ...]:
        accepts = {name: sink.accepts for name, sink in self.sinks.items()}
        routed = route(effects, accepts, now=self.clock(), progress_interval=self.progress_interval)
        return tuple(Addressed(effect=effect, sink=sink, due=due) for effect, sink, due in routed)
