"""The door of an installation: few at a time, and whoever has to wait comes back spread out."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ghapp.core.budget import Cost, Urgency, Why
from ghapp.core.retry import Answer
from ghapp.errors import Retry
from ghapp.github.limits import IN_FLIGHT, Door, Turns
from tests.github_fixtures import Clock

READ, WRITE = Cost(points=1, endpoint="GET /x"), Cost(points=5, endpoint="POST /x")


def door(clock: Clock, jitter: float = 0.0, *, published: bool = False) -> Door:
    return Door(
        published=published,
        clock=lambda: datetime.fromtimestamp(clock(), UTC),
        jitter=lambda: jitter,
        waited=lambda _: None,
    )


async def test_writes_and_reads_have_each_their_own_queue() -> None:
    one, inside, gate = door(Clock()), [0], asyncio.Event()
    most = 0

    async def pass_through(cost: Cost) -> None:
        nonlocal most
        async with one.turn(cost):
            inside[0] += 1
            most = max(most, inside[0])
            await gate.wait()
            inside[0] -= 1

    async with asyncio.TaskGroup() as group:
        for cost in (READ, WRITE) * (2 * IN_FLIGHT):
            group.create_task(pass_through(cost))
        await asyncio.sleep(0)
        gate.set()
    assert most == 2 * IN_FLIGHT


async def test_a_turn_that_fails_or_is_cancelled_is_given_back() -> None:
    one = door(Clock())

    async def fail() -> None:
        async with one.turn(WRITE):
            raise RuntimeError

    for _ in range(IN_FLIGHT + 1):
        with pytest.raises(RuntimeError):
            await fail()
    one.heard(Answer(status=429))
    for _ in range(IN_FLIGHT + 1):
        with pytest.raises(Retry):
            await fail()


@pytest.mark.parametrize(("jitter", "after"), [(0.0, 10.0), (0.5, 15.0), (1.0, 20.0)])
async def test_those_who_wait_come_back_spread_out_and_never_too_early(
    jitter: float, after: float
) -> None:
    one = door(Clock(), jitter)
    one.heard(Answer(status=429, headers={"retry-after": "10"}))
    with pytest.raises(Retry) as caught:
        one.check(READ)
    assert caught.value.after == after


async def test_who_only_looks_spends_nothing() -> None:
    one = door(Clock(), published=True)
    for _ in range(1000):
        one.check(WRITE)
    async with one.turn(WRITE):
        assert sum(used for _, used in one.budget.points.log) == 5


async def test_who_waits_goes_in_by_urgency_and_then_in_order_of_arrival() -> None:
    turns, order = Turns(1), list[str]()

    async def go(name: str, urgency: Urgency) -> None:
        await turns.take(urgency)
        order.append(name)
        turns.give()

    await turns.take(Urgency.PROGRESS)
    async with asyncio.TaskGroup() as group:
        for name, urgency in (
            ("progress", Urgency.PROGRESS),
            ("answer", Urgency.ANSWER),
            ("verdict 1", Urgency.FINAL),
            ("verdict 2", Urgency.FINAL),
        ):
            group.create_task(go(name, urgency))
        await asyncio.sleep(0)
        turns.give()
    assert order == ["verdict 1", "verdict 2", "answer", "progress"]


async def test_a_turn_that_comes_as_one_gives_up_is_somebody_else_s() -> None:
    turns = Turns(1)
    await turns.take(Urgency.FINAL)
    waiting = asyncio.create_task(turns.take(Urgency.FINAL))
    late = asyncio.create_task(turns.take(Urgency.PROGRESS))
    await asyncio.sleep(0)
    turns.give()
    waiting.cancel()
    async with asyncio.timeout(5):
        await late
    assert waiting.cancelled()


async def test_one_who_gave_up_waiting_takes_no_turn() -> None:
    turns = Turns(1)
    await turns.take(Urgency.FINAL)
    waiting = asyncio.create_task(turns.take(Urgency.FINAL))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    turns.give()
    async with asyncio.timeout(5):
        await turns.take(Urgency.PROGRESS)


async def test_each_wait_is_counted_with_its_reason() -> None:
    waits = list[Why]()
    one = Door(
        published=True,
        clock=lambda: datetime.fromtimestamp(Clock()(), UTC),
        jitter=lambda: 0.0,
        waited=waits.append,
    )
    for _ in range(180):
        async with one.turn(replace(WRITE, urgency=Urgency.FINAL)):
            pass
    with pytest.raises(Retry):
        one.check(WRITE)
    one.heard(Answer(status=429))
    with pytest.raises(Retry):
        one.check(READ)
    assert waits == [Why.POINTS, Why.PAUSED]
