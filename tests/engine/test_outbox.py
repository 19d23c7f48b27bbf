"""Delivery: lanes in order, each sink for itself, limited patience, an answer to who asked.

A real store; sinks with a memory and bad weather to order; the clock stands until it is moved.
What a store does with lanes is tests/store; with GitHub itself as the far side: the last section.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ghapp.app import Checkrail
from ghapp.core.decide import Rules, decide
from ghapp.core.effects import Cancel, Effect, EmitEvent, Promote, ReadLogs, SetCheck
from ghapp.core.model import Phase
from ghapp.core.seen import Excerpt
from ghapp.core.source import Patch
from ghapp.engine.desk import Desk
from ghapp.engine.outbox import AT_ONCE, GIVE_UP, UNEXPECTED_BORNE, Outbox
from ghapp.errors import Reject, Retry
from ghapp.metrics import Metrics
from ghapp.ports import Commit, Receipt, Sink, Slot, Store
from ghapp.store import Unavailable, open_store
from tests.core.builders import audience, run_look, told_to
from tests.store.values import NOW, event, state, subject
from tests.world import until, world

Weather = Exception | Receipt | None


@dataclass
class Shelf:
    """A far side that keeps what it got; `weather` is what happens first."""

    wants: type | tuple[type, ...] = (SetCheck, EmitEvent, Cancel, Promote)
    weather: deque[Weather] = field(default_factory=deque)
    got: list[str] = field(default_factory=list)
    """Keys, in the order of arrival."""
    effects: list[Effect] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    door: asyncio.Event = field(default_factory=asyncio.Event)
    """Nobody gets in while it is not set."""
    waiting: int = 0

    def __post_init__(self) -> None:
        self.door.set()

    async def gets(self, key: str) -> None:
        """Until it has it."""
        await until(lambda: key in self.got, limit=5)

    def accepts(self, effect: Effect) -> bool:
        return isinstance(effect, self.wants)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        self.waiting += 1
        await self.door.wait()
        self.waiting -= 1
        self.slots.append(slot)
        weather = self.weather.popleft() if self.weather else None
        if isinstance(weather, Exception):
            raise weather
        self.got.append(key)
        self.effects.append(effect)
        return weather


@dataclass
class Rig:
    """An outbox on a store, and a clock."""

    store: Store
    sinks: dict[str, Shelf]
    now: datetime = NOW
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        sinks: dict[str, Sink] = {**self.sinks}
        desk = Desk(
            store=self.store,
            standing=Rules(born=NOW, horizon=NOW),
            sinks=sinks,
            clock=lambda: self.now,
            progress_interval=30,
        )
        self.outbox = Outbox(desk=desk, metrics=Metrics(), jitter=lambda: 1.0)

    async def put(self, *effects: Effect) -> None:
        """Commits effects as a decision does: routed to the sinks that want them."""
        told = tuple(
            replace(one, to=tuple(self.sinks)) if isinstance(one, SetCheck | EmitEvent) else one
            for one in effects
        )
        addressed = self.outbox.desk._addressed(told)
        await self.store.commit(Commit(effects=addressed))

    async def after(self, seconds: float) -> int:
        """Lets time pass, and delivers what is due then; how many rows that were."""
        self.now += timedelta(seconds=seconds)
        return await self.outbox.step(self.now)

    async def parked(self) -> dict[str, str]:
        """Reasons, by key."""
        return {dead.key: dead.reason for dead in await self.store.dead()}

    def counted(self, sink: str, result: str) -> float:
        labels = {"sink": sink, "result": result}
        registry = self.outbox.metrics.registry
        return registry.get_sample_value("checkrail_deliveries_total", labels) or 0.0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.outbox.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path / 'outbox.db'}", now=NOW)
    yield opened
    await opened.close()


@pytest.fixture
def rig(store: Store) -> Rig:
    return Rig(store, {"a": Shelf()})


def keys(*effects: Effect) -> list[str]:
    return [effect.key for effect in effects]


def asked(login: str = "dev") -> Cancel:
    """A click on Cancel of the run of `run_look`."""
    about = run_look().subject
    write = Patch(
        resource="tekton.dev/v1/pipelineruns",
        namespace=about.namespace,
        name=about.name,
        uid=about.uid,
        body={"spec": {"status": "Cancelled"}},
    )
    return Cancel(subject=about, login=login, token="t1", write=write)


# -- order --------------------------------------------------------------------------------------


async def test_a_lane_keeps_its_order_whatever_happens_on_the_way(rig: Rig) -> None:
    owed = [event(number) for number in range(4)]
    rig.sinks["a"].weather.extend([None, Retry("later"), Retry("later"), None, Retry("later")])
    await rig.put(*owed)
    for _ in range(10):
        await rig.after(10)
    assert rig.sinks["a"].got == keys(*owed)


async def test_a_lane_that_waits_holds_up_no_other_lane(rig: Rig) -> None:
    slow, fast = event(1, subject("slow")), event(1, subject("fast"))
    rig.sinks["a"].weather.append(Retry("later", after=600))
    await rig.put(slow)
    await rig.after(0)
    await rig.put(fast)
    await rig.after(1)
    assert rig.sinks["a"].got == keys(fast)


async def test_a_broken_sink_holds_up_nobody_else(store: Store) -> None:
    rig = Rig(store, {"broken": Shelf(), "well": Shelf()})
    rig.sinks["broken"].weather.extend([Retry("down")] * 3)
    owed = [event(number) for number in range(3)]
    await rig.put(*owed)
    for _ in range(3):
        await rig.after(0)
    assert rig.sinks["well"].got == keys(*owed)
    assert rig.sinks["broken"].got == []
    await rig.after(3600)
    assert (await store.backlog()).pending == {"broken": 3}


async def test_a_sink_that_never_answers_holds_up_nobody_else(store: Store) -> None:
    rig = Rig(store, {"silent": Shelf(), "well": Shelf()})
    rig.sinks["silent"].door.clear()
    owed = [event(number, subject(f"run-{number}")) for number in range(AT_ONCE + 4)]
    async with rig.running():
        await rig.put(*owed)
        await until(lambda: sorted(rig.sinks["well"].got) == sorted(keys(*owed)))
        assert rig.sinks["silent"].waiting == AT_ONCE
        rig.sinks["silent"].door.set()
        await until(lambda: sorted(rig.sinks["silent"].got) == sorted(keys(*owed)))


async def test_what_is_committed_while_it_waits_is_delivered_at_once(rig: Rig) -> None:
    async with rig.running():
        for number in range(5):
            await rig.put(event(number))
            await rig.sinks["a"].gets(event(number).key)


async def test_of_a_check_only_the_newest_state_is_delivered(rig: Rig) -> None:
    rig.sinks["a"].weather.append(Retry("down"))
    await rig.put(state(1))
    await rig.after(0)
    for serial in (2, 3, 4):
        await rig.put(state(serial))
    await rig.after(60)
    assert rig.sinks["a"].got == keys(state(4))
    assert (await rig.store.backlog()).pending == {}


# -- patience -----------------------------------------------------------------------------------


async def test_it_comes_back_when_the_far_side_says(rig: Rig) -> None:
    rig.sinks["a"].weather.append(Retry("slow down", after=120))
    await rig.put(event(1))
    await rig.after(0)
    assert await rig.after(119) == 0
    assert await rig.after(2) == 1
    assert rig.sinks["a"].got == keys(event(1))


async def test_without_a_word_from_the_far_side_the_pauses_grow(rig: Rig) -> None:
    rig.sinks["a"].weather.extend([Retry("down")] * 12)
    await rig.put(event(1))
    pauses = []
    for _ in range(12):
        assert await rig.after(0) == 1
        due = await rig.store.next_due("a")
        assert due
        pauses.append((due - rig.now).total_seconds())
        rig.now = due
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (1, 300)


async def test_after_three_days_a_person_has_to_look(rig: Rig) -> None:
    rig.sinks["a"].weather.extend([Retry("still down", after=1)] * 3)
    await rig.put(event(1), event(2))
    await rig.after(0)
    await rig.after(GIVE_UP.total_seconds() - 10)
    assert await rig.parked() == {}
    await rig.after(60)
    assert await rig.parked() == {event(1).key: "gave up after 3 days: still down"}
    await rig.after(60)
    assert rig.sinks["a"].got == keys(event(2))


async def test_what_may_have_got_through_unheard_is_told_as_uncertain(rig: Rig) -> None:
    rig.sinks["a"].weather.extend([Retry("cut off", uncertain=True), Retry("refused")])
    await rig.put(state(1))
    for _ in range(3):
        await rig.after(10)
    assert [slot.certain for slot in rig.sinks["a"].slots] == [True, False, False]


async def test_a_state_that_follows_is_delivered_where_the_one_before_was(rig: Rig) -> None:
    rig.sinks["a"].weather.append(Receipt(slot="check-run-7"))
    await rig.put(state(1))
    await rig.after(0)
    await rig.put(state(2))
    await rig.after(0)
    assert [slot.id for slot in rig.sinks["a"].slots] == [None, "check-run-7"]


# -- what cannot be delivered -------------------------------------------------------------------


async def test_a_refusal_is_parked_with_its_reason_and_the_lane_goes_on(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.sinks["a"].weather.append(Reject("422: no such commit"))
    await rig.put(event(1), event(2))
    await rig.after(0)
    await rig.after(0)
    assert await rig.parked() == {event(1).key: "422: no such commit"}
    assert rig.sinks["a"].got == keys(event(2))
    assert rig.counted("a", "parked") == 1
    assert rig.counted("a", "done") == 1
    assert "effect parked" in caplog.text


async def test_a_parked_effect_that_is_tried_again_is_delivered(rig: Rig) -> None:
    rig.sinks["a"].weather.append(Reject("no"))
    await rig.put(event(1), event(2))
    await rig.after(0)
    await rig.after(0)
    (dead,) = await rig.store.dead()
    assert await rig.store.revive(dead.row, rig.now)
    await rig.after(0)
    assert rig.sinks["a"].got == keys(event(2), event(1))
    assert await rig.parked() == {}


async def test_a_defect_of_ours_is_borne_a_few_times_and_then_parked(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.sinks["a"].weather.extend([KeyError("id")] * UNEXPECTED_BORNE)
    await rig.put(event(1), event(2))
    for tries in range(UNEXPECTED_BORNE):
        assert await rig.parked() == {}, tries
        await rig.after(600)
    assert await rig.parked() == {event(1).key: "unexpected KeyError"}
    assert [slot.certain for slot in rig.sinks["a"].slots] == [True, *[False] * 4]
    assert "a sink failed unexpectedly" in caplog.text
    await rig.after(0)
    assert rig.sinks["a"].got == keys(event(2))


# -- answers ------------------------------------------------------------------------------------


async def test_who_asked_in_vain_is_told_on_the_check(store: Store) -> None:
    rig = Rig(store, {"cluster": Shelf(Cancel), "checks": Shelf(SetCheck)})
    await seen(rig)
    rig.sinks["cluster"].weather.append(Reject("403: pipelineruns is forbidden"))
    await rig.put(asked("dev"))
    await rig.after(0)
    await rig.after(0)
    (told,) = rig.sinks["checks"].effects
    assert isinstance(told, SetCheck)
    assert "**dev**: cancel failed: 403: pipelineruns is forbidden" in told.check.summary
    assert "checkrail dead" in told.check.summary
    assert list(await rig.parked()) == [asked().key]


async def test_who_asked_is_told_on_the_check_what_was_done(store: Store) -> None:
    rig = Rig(store, {"cluster": Shelf(Cancel), "checks": Shelf(SetCheck)})
    await seen(rig)
    rig.sinks["cluster"].weather.append(Receipt(notice="Cancelled, asked by `dev`."))
    await rig.put(asked())
    await rig.after(0)
    await rig.after(0)
    (told,) = rig.sinks["checks"].effects
    assert isinstance(told, SetCheck)
    assert "Cancelled, asked by `dev`." in told.check.summary
    assert (await store.backlog()).pending == {}


async def test_an_answer_to_a_run_that_is_forgotten_is_no_obstacle(store: Store) -> None:
    rig = Rig(store, {"cluster": Shelf(Cancel), "checks": Shelf(SetCheck)})
    rig.sinks["cluster"].weather.append(Receipt(notice="Cancelled."))
    await rig.put(asked())
    await rig.after(0)
    assert (await store.backlog()).pending == {}


async def test_what_waits_for_its_next_try_is_no_answer(store: Store) -> None:
    rig = Rig(store, {"cluster": Shelf(Cancel), "checks": Shelf(SetCheck)})
    await seen(rig)
    rig.sinks["cluster"].weather.append(Retry("down"))
    await rig.put(asked())
    await rig.after(0)
    await rig.after(0)
    assert rig.sinks["checks"].effects == []


async def seen(rig: Rig, phase: Phase = Phase.RUNNING) -> None:
    """The run was told, and is on its check."""
    decision = decide(
        None,
        run_look(phase),
        audience=audience(*rig.sinks),
        rules=Rules(born=NOW, horizon=NOW, listening=told_to(*rig.sinks)),
    )
    await rig.store.commit(Commit(seen=decision.seen))


# -- what the logs said -------------------------------------------------------------------------


async def test_what_the_logs_said_is_on_the_check_when_the_wish_is_settled(store: Store) -> None:
    rig = Rig(store, {"checks": Shelf(SetCheck), "logs": Shelf(ReadLogs)})
    await seen(rig, Phase.FAILED)
    rig.sinks["logs"].weather.append(Receipt(excerpt=Excerpt(text="the log")))
    await rig.put(ReadLogs(subject=run_look().subject, logs=()))
    await rig.after(0)
    assert (await store.backlog()).pending == {"checks": 1}
    await rig.after(0)
    (told,) = rig.sinks["checks"].effects
    assert isinstance(told, SetCheck)
    assert told.check.text == "the log"
    row = await store.seen(run_look().subject.key)
    assert row is not None
    assert row.excerpt == Excerpt(text="the log")


async def test_logs_of_a_run_that_is_forgotten_are_no_obstacle(store: Store) -> None:
    rig = Rig(store, {"logs": Shelf(ReadLogs)})
    rig.sinks["logs"].weather.append(Receipt(excerpt=Excerpt(text="the log")))
    await rig.put(ReadLogs(subject=run_look().subject, logs=()))
    await rig.after(0)
    assert (await store.backlog()).pending == {}


async def test_a_sink_hears_how_often_it_was_tried_before(rig: Rig) -> None:
    rig.sinks["a"].weather.extend([Retry("down", after=1.0)] * 2)
    await rig.put(event(1))
    for _ in range(3):
        await rig.after(1)
    assert [slot.tries for slot in rig.sinks["a"].slots] == [0, 1, 2]


# -- when the store is away ---------------------------------------------------------------------


@dataclass
class Shaky:
    """A store that fails to commit and to claim a few times."""

    inner: Store
    commits: int = 0
    claims: int = 0
    asked: int = 0
    """How often somebody wanted to know what is due."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def commit(self, commit: Commit) -> None:
        if commit.settled is not None and self.commits:
            self.commits -= 1
            raise Unavailable("the store's file cannot grow: the disk is full")
        await self.inner.commit(commit)

    async def next_due(self, sink: str) -> datetime | None:
        self.asked += 1
        return await self.inner.next_due(sink)

    async def claim(self, sink: str, now: datetime, limit: int) -> Any:
        self.asked += 1
        if self.claims:
            self.claims -= 1
            raise Unavailable("the store's file is locked by another process")
        return await self.inner.claim(sink, now, limit)


async def test_a_lane_goes_on_when_the_store_can_settle_again(store: Store) -> None:
    rig = Rig(Shaky(store, commits=1), {"a": Shelf()})
    rig.outbox.jitter = lambda: 0.0
    await rig.put(event(1), event(2))
    async with rig.running():
        await until(lambda: rig.sinks["a"].got == keys(event(1), event(2)))
    await rig.outbox.drain(5)
    assert (await store.backlog()).pending == {}


async def test_a_store_that_cannot_be_asked_ends_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(Shaky(store, claims=1), {"a": Shelf()})
    async with rig.running():
        await until(lambda: "cannot see what is due" in caplog.text)
        await rig.put(event(1))
        await until(lambda: rig.sinks["a"].got == keys(event(1)))


async def test_while_all_hands_are_busy_the_store_is_not_asked_again_and_again(
    store: Store,
) -> None:
    shaky = Shaky(store)
    rig = Rig(shaky, {"silent": Shelf(EmitEvent)})
    rig.sinks["silent"].door.clear()
    owed = [event(number, subject(f"run-{number}")) for number in range(AT_ONCE + 4)]
    async with rig.running():
        await rig.put(*owed)
        await until(lambda: rig.sinks["silent"].waiting == AT_ONCE)
        before = shaky.asked
        for number in range(50):
            await rig.put(event(number, subject("late")))  # which wakes the loop
        assert shaky.asked == before
        rig.sinks["silent"].door.set()
        await until(lambda: len(rig.sinks["silent"].got) == len(owed) + 50)


# -- the end of the process ---------------------------------------------------------------------


async def test_what_is_under_way_at_the_end_is_finished_and_settled(rig: Rig) -> None:
    rig.sinks["a"].door.clear()
    async with rig.running():
        await rig.put(event(1), event(2))
        await until(lambda: rig.sinks["a"].waiting)
    draining = asyncio.create_task(rig.outbox.drain(5))
    rig.sinks["a"].door.set()
    await draining
    assert rig.sinks["a"].got == keys(event(1))
    assert (await rig.store.backlog()).pending == {"a": 1}


async def test_what_does_not_end_in_time_is_done_by_the_next_process(
    tmp_path: Path, store: Store
) -> None:
    rig = Rig(store, {"a": Shelf()})
    rig.sinks["a"].door.clear()
    async with rig.running():
        await rig.put(state(1))
        await until(lambda: rig.sinks["a"].waiting)
    await rig.outbox.drain(0.01)
    assert rig.sinks["a"].got == []
    await store.close()

    reopened = await open_store(f"sqlite:///{tmp_path / 'outbox.db'}", now=NOW)
    after = Rig(reopened, {"a": Shelf()})
    await after.after(0)
    assert after.sinks["a"].got == keys(state(1))
    assert [slot.certain for slot in after.sinks["a"].slots] == [False]
    await reopened.close()


# -- GitHub as the far side ---------------------------------------------------------------------


async def test_while_github_is_down_checks_collapse_and_events_keep_their_order(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running(progress_interval=0.0) as product:
        run = w.pipelinerun("first")
        await until(lambda: w.check("tekton / build") and w.consumer.events)
        fault = w.github.faults.add("status", status=503, times=10_000, path="/check-runs")
        w.consumer.status = 503
        w.step(run, "Running")
        await until(lambda: fault.hits)
        w.step(run, "Succeeded", "True")
        await until(lambda: told(product) == 3)
        assert (await product.store.backlog()).pending == {"github-check": 1, "cdevents": 2}
        w.github.faults.clear()
        w.consumer.status = 202
        (check,) = await until(lambda: [one for one in w.checks() if one.conclusion])
        await until(lambda: len(w.consumer.events) == 3)
        assert w.consumer.types == [f"pipelinerun.{m}" for m in ("queued", "started", "finished")]
        assert (check.conclusion, len(w.checks())) == ("success", 1)


def updates(product: Checkrail) -> float:
    """How often a check was updated."""
    route = "/repos/{owner}/{repo}/check-runs/{id}"
    labels = {"method": "PATCH", "route": route, "status": "200"}
    registry = product.metrics.registry
    return registry.get_sample_value("checkrail_github_requests_total", labels) or 0


async def becomes_more(product: Checkrail, *, than: float) -> None:
    await until(lambda: told(product) > than)


def told(product: Checkrail) -> float:
    labels = {"kind": "PipelineRun", "result": "told"}
    return product.metrics.registry.get_sample_value("checkrail_looks_total", labels) or 0


async def test_progress_costs_next_to_nothing_and_the_end_comes_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(progress_interval=3600.0) as product:
        run = w.pipelinerun("first")
        await until(lambda: w.check("tekton / build"))
        w.step(run, "Running")
        await until(lambda: w.checks()[0].status == "in_progress")
        before = int(told(product))
        for number in range(30):
            w.step(run, f"Running{number}")
            await becomes_more(product, than=before + number)
        w.step(run, "Succeeded", "True")
        await until(lambda: w.checks()[0].conclusion == "success")
        await until(lambda: updates(product) == 2)
