"""The product's other promise: whatever GitHub does for a while, in the end it shows what is true.

A story of several runs is played while GitHub misbehaves by chance: it is slow, breaks, refuses for
rate reasons with and without a time, forgets a fresh token, or does what it was asked and never
says so. Then it gets well, and time passes. Crashes are tests/sim/test_crashes.

Each number is another weather; the same number is the same weather.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ghapp.app import Checkrail
from ghapp.demo.github.faults import Kind
from ghapp.http import utc_now
from tests.world import World, until, world

WEATHERS: Final = 12
OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "one": ("Succeeded", "success"),
    "two": ("Failed", "failure"),
    "three": ("Cancelled", "cancelled"),
    "four": ("Completed", "success"),
    "five": ("PipelineRunTimeout", "timed_out"),
}
"""By the check's name: why the run ends, and the conclusion that shows it."""
STATUS: Final = {"Running": "Unknown", "Succeeded": "True", "Completed": "True"}
TROUBLES: Final[tuple[dict[str, Any], ...]] = (
    {"kind": Kind.STATUS, "status": 502},
    {"kind": Kind.STATUS, "status": 500},
    {"kind": Kind.STATUS, "status": 401},
    {"kind": Kind.SLOW, "seconds": 0.05},
    {"kind": Kind.SECONDARY, "retry_after": 30},
    {"kind": Kind.SECONDARY},
    {"kind": Kind.TOO_MANY, "retry_after": 5},
    {"kind": Kind.TOO_MANY},
    {"kind": Kind.PRIMARY},
    {"kind": Kind.LOSE_REQUEST},
    {"kind": Kind.LOSE_ANSWER},
    {"kind": Kind.LOSE_ANSWER},
    {"kind": Kind.LOSE_ANSWER},
)
PATHS: Final = ("/check-runs$", "/check-runs/", "/access_tokens$", "/installation$", "check-runs")
PATIENCE: Final = 60
"""Times that time is moved on; the longest wait that GitHub can impose is an hour."""


@dataclass
class Calendar:
    """Wall time for everybody, and some hours on."""

    passed: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.passed

    def seconds(self) -> float:
        return self().timestamp()

    def advance(self, seconds: float) -> None:
        self.passed += timedelta(seconds=seconds)


def worsen(w: World, chance: random.Random) -> None:
    """Some more trouble."""
    for _ in range(chance.randint(1, 3)):
        trouble = chance.choice(TROUBLES)
        w.github.faults.add(**trouble, path=chance.choice(PATHS), times=chance.randint(1, 2))


async def story(w: World, product: Checkrail, calendar: Calendar, chance: random.Random) -> None:
    """Five runs at once, each in its own time; every step is seen, not every one is told."""
    runs = {name: w.pipelinerun(name, annotations=named(name)) for name in OUTCOMES}
    for heard, (name, reason) in enumerate(interleaved(chance), start=len(runs)):
        await heard_of(w, heard)
        worsen(w, chance)
        if chance.random() < 0.7:
            calendar.advance(chance.choice((1, 31, 301)))
            await product.outbox.step(calendar())
        w.step(runs[name], reason, STATUS.get(reason, "False"))
    await heard_of(w, 3 * len(runs))


async def heard_of(w: World, events: int) -> None:
    """Until the product has seen all that happened: each step is an event."""
    await until(lambda: len(w.consumer.events) == events)


def named(name: str) -> dict[str, str]:
    return {"checkrail.dev/check-name": name}


def interleaved(chance: random.Random) -> list[tuple[str, str]]:
    """Each run begins and then ends; whose turn it is, is chance."""
    turns = [name for name in OUTCOMES for _ in range(2)]
    chance.shuffle(turns)
    begun = set[str]()
    steps = []
    for name in turns:
        steps.append((name, OUTCOMES[name][0] if name in begun else "Running"))
        begun.add(name)
    return steps


async def settled(product: Checkrail, calendar: Calendar) -> None:
    """Time passes until nothing is owed any more."""
    for _ in range(PATIENCE):
        backlog = await product.store.backlog()
        if not backlog.pending and not backlog.deliveries:
            return
        calendar.advance(301)
        await product.outbox.step(calendar())
        await until(lambda: not any(product.outbox._running.values()))
    raise AssertionError(f"still owed: {await product.store.backlog()}")


@pytest.mark.parametrize("number", range(WEATHERS))
async def test_after_any_weather_each_run_has_one_check_that_says_how_it_ended(
    tmp_path: Path, number: int
) -> None:
    chance, calendar = random.Random(number), Calendar()
    options = {"clock": calendar.seconds}
    async with world(tmp_path, github_options=options) as w, w.running(clock=calendar) as product:
        w.github.world.read_lag = chance.choice((0.0, 4.0))
        await story(w, product, calendar, chance)
        w.github.faults.clear()
        await settled(product, calendar)
        told = sorted((run.name, run.status, run.conclusion) for run in w.checks())
        assert told == sorted((name, "completed", end) for name, (_, end) in OUTCOMES.items())
        assert await product.store.dead() == []
