"""A run as sinks are told of it: looks in, states of its check out, as the product decides them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from ghapp.core.audience import Audience
from ghapp.core.decide import decide
from ghapp.core.effects import SetCheck
from ghapp.core.model import Observation, Phase, Revision
from ghapp.core.seen import Seen
from ghapp.ports import Receipt, Sink, Slot
from tests.core.builders import EVERYBODY, RULES, SHOP, run_look

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
"""What the clock of these tests says at first."""


@dataclass
class Story:
    """One run on a commit, and what a sink remembers of it."""

    commit: str
    made: Any = run_look
    audience: Audience = EVERYBODY
    seen: Seen | None = None
    slot: str | None = None
    fixed: dict[str, Any] = field(default_factory=dict)
    """Fields of the look that differ from the builder's."""

    def state(self, phase: Phase, **changes: Any) -> SetCheck | None:
        """The next state of its check, if the look changes it."""
        revision = Revision(repository=SHOP, commit=self.commit)
        look: Observation = self.made(phase, **{"revision": revision, **self.fixed, **changes})
        decision = decide(self.seen, look, audience=self.audience, rules=RULES)
        self.seen = decision.seen[-1] if decision.seen else self.seen
        return next((one for one in decision.effects if isinstance(one, SetCheck)), None)

    def check(self, phase: Phase, **changes: Any) -> SetCheck:
        """The next state, which there has to be."""
        found = self.state(phase, **changes)
        assert found is not None
        return found

    async def told(
        self, sink: Sink, phase: Phase, *, certain: bool = True, **changes: Any
    ) -> Receipt | None:
        """Delivers the next state, as the outbox does."""
        return await self.deliver(sink, self.check(phase, **changes), certain=certain)

    async def deliver(
        self, sink: Sink, effect: SetCheck, *, certain: bool = True
    ) -> Receipt | None:
        """Delivers a state; what comes back is remembered for the next one."""
        slot = Slot(id=self.slot, certain=certain)
        receipt = await sink.deliver(effect, key=effect.key, slot=slot)
        self.slot = (receipt.slot if receipt else None) or self.slot
        return receipt


def renamed(effect: SetCheck, **changes: Any) -> SetCheck:
    """The effect with another check."""
    return replace(effect, check=replace(effect.check, **changes))
