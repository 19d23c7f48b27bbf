"""A store and a naive model of its lanes go through the same turns of fate and agree at each.

Covers order, replacement, back-off, doubt, parking, reviving and restarts in any combination. What
each of them means, one at a time, is in test_contract.py.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ghapp.core.effects import Effect
from ghapp.ports import Again, Commit, Done, Parked, Settled, Store
from ghapp.store import open_store
from tests.store import model
from tests.store.values import NOW, at, event, put, state, subject

SINKS = ("a", "b")
sinks = st.sampled_from(SINKS)
seconds = st.integers(0, 6)
choices = st.integers(0, 1000)


class StoreAgreesWithModel(RuleBasedStateMachine):
    """One store in a file of its own, opened again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.model = model.Lanes()
        self.rows: dict[tuple[str, str], int] = {}
        self.now = self.serial = 0
        self.store = self.open()

    def open(self) -> Store:
        url = f"sqlite:///{Path(self.folder.name) / 'store.db'}"
        return self.runner.run(open_store(url, now=NOW))

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    # --- what may happen ----------------------------------------------------------------------

    @rule(sink=sinks, lane=st.sampled_from("xyz"), check=st.booleans(), delay=seconds)
    def commit(self, sink: str, lane: str, check: bool, delay: int) -> None:
        self.serial += 1
        make = state if check else event
        self._put(sink, make(self.serial, subject(lane)), due=self.now + delay)

    @rule(sink=sinks, check=st.booleans(), serial=st.integers(1, 20))
    def repeat(self, sink: str, check: bool, serial: int) -> None:
        effect = (state if check else event)(serial, subject("x"))
        if (sink, effect.key) in self.model.keys:
            self._put(sink, effect, due=self.now)

    @rule(passed=seconds)
    def time_passes(self, passed: int) -> None:
        self.now += passed

    @rule(sink=sinks, limit=st.integers(1, 4))
    def claim(self, sink: str, limit: int) -> None:
        claimed = self.runner.run(self._claim(sink, limit))
        expected = self.model.claim(sink, self.now, limit)
        assert [self._shown(one) for one in claimed] == [
            (
                row.key,
                row.tries,
                self.model.certain(row),
                self.model.slots.get((sink, row.lane)),
            )
            for row in expected
        ]
        self.rows |= {(sink, one.key): one.row for one in claimed}

    @precondition(lambda self: self.model.held())
    @rule(choice=choices, slot=st.sampled_from([None, "7", "8"]))
    def done(self, choice: int, slot: str | None) -> None:
        row = self._held(choice)
        self._settle(Done(row=self._number(row), slot=slot))
        self.model.done(row, slot)

    @precondition(lambda self: self.model.held())
    @rule(choice=choices, delay=seconds, doubt=st.booleans())
    def again(self, choice: int, delay: int, doubt: bool) -> None:
        row, due = self._held(choice), self.now + delay
        number = self._number(row)
        self._settle(Again(row=number, due=at(due), reason="503", uncertain=doubt))
        self.model.again(row, due=due, doubt=doubt)

    @precondition(lambda self: self.model.held())
    @rule(choice=choices)
    def park(self, choice: int) -> None:
        row = self._held(choice)
        self._settle(Parked(row=self._number(row), reason="422"))
        self.model.park(row)

    @precondition(lambda self: self.model.parked())
    @rule(choice=choices)
    def revive(self, choice: int) -> None:
        row = self._parked(choice)
        assert self.runner.run(self._revive(self._number(row)))
        self.model.revive(row, self.now)

    @precondition(lambda self: self.model.parked())
    @rule(choice=choices)
    def drop(self, choice: int) -> None:
        row = self._parked(choice)
        assert self.runner.run(self._drop(self._number(row)))
        self.model.drop(row)

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.close())
        self.store = self.open()
        self.model.restart()

    # --- what must always hold ----------------------------------------------------------------

    @invariant()
    def they_agree(self) -> None:
        due, dead, backlog = self.runner.run(self._look())
        for sink, moment in zip(SINKS, due, strict=True):
            heads = self.model.free_heads(sink)
            assert moment == (at(heads[0].due) if heads else None)
        parked = self.model.parked()
        assert [(one.key, one.tries) for one in dead] == [(row.key, row.tries) for row in parked]
        waiting = [row.sink for row in self.model.rows if row.state == "pending"]
        assert backlog.pending == {sink: waiting.count(sink) for sink in set(waiting)}

    # --- asked of the store -------------------------------------------------------------------

    def _put(self, sink: str, effect: Effect, *, due: int) -> None:
        self.runner.run(put(self.store, effect, sink=sink, due=at(due)))
        self.model.add(sink, lane=effect.lane, key=effect.key, newest=effect.newest, due=due)

    def _settle(self, settled: Settled) -> None:
        self.runner.run(self._commit(Commit(settled=settled)))

    async def _commit(self, commit: Commit) -> None:
        await self.store.commit(commit)

    async def _claim(self, sink: str, limit: int) -> Any:
        return await self.store.claim(sink, at(self.now), limit)

    async def _revive(self, row: int) -> bool:
        return await self.store.revive(row, at(self.now))

    async def _drop(self, row: int) -> bool:
        return await self.store.drop(row)

    async def _look(self) -> Any:
        due = [await self.store.next_due(sink) for sink in SINKS]
        return due, await self.store.dead(), await self.store.backlog()

    def _held(self, choice: int) -> model.Row:
        held = self.model.held()
        return held[choice % len(held)]

    def _parked(self, choice: int) -> model.Row:
        parked = self.model.parked()
        return parked[choice % len(parked)]

    def _number(self, row: model.Row) -> int:
        return self.rows[row.sink, row.key]

    @staticmethod
    def _shown(claimed: Any) -> tuple[str, int, bool, str | None]:
        return claimed.key, claimed.tries, claimed.slot.certain, claimed.slot.id


TestStoreAgreesWithModel = StoreAgreesWithModel.TestCase
TestStoreAgreesWithModel.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
