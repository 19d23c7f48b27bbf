"""The product's other promise: whatever GitHub does for a while, in the end it shows what is true.

A story of several runs, releases, clicks and a comment is played while GitHub misbehaves by chance:
it is slow, breaks, refuses for rate reasons with and without a time, forgets a fresh token, does
what it was asked and never says so, or loses webhooks. Then it gets well, and time passes. What
there is to see then is what there is to see after fair weather. Crashes are tests/sim/test_crashes.

Each number is another weather; the same number is the same weather.
"""

import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ghapp.app import Checkrail
from ghapp.demo.github import Pull
from ghapp.demo.github.faults import Kind
from ghapp.demo.github.model import Deployment
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
AGAIN: Final = ("two", "five")
"""The first is repeated by a click, the second by a comment; then both succeed."""
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
PATHS: Final = (
    "",
    "/check-runs$",
    "/check-runs/",
    "/access_tokens$",
    "/installation$",
    "/statuses/",
    "/deployments$",
    "/deployments/",
    "/comments",
    "/reactions$",
    "/pulls",
    "/collaborators/",
    "/hook/deliveries",
)
"""What is troubled; the first is everything."""
PATIENCE: Final = 150
"""Times that time is moved on; the longest wait that GitHub can impose is an hour, and it may do so
several times."""
PROVIDERS: Final = ("githubStatus", "githubDeployments", "githubPullRequestComment")
PERMISSIONS: Final = {"statuses": "write", "deployments": "write"}
PROVIDER: Final = """
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {{name: {name}}}
spec: {{type: {type}}}
---"""
DOCUMENTS: Final = """
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: aggregate}
spec: {type: githubAggregate, githubAggregate: {name: everything}}
---
apiVersion: checkrail.dev/v1alpha1
kind: ClusterNotification
metadata: {name: everything}
spec:
  providerRefs: [{name: p0}, {name: p1}, {name: p2}, {name: aggregate}]
"""


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


@dataclass
class Day:
    """The product in its world, on one day."""

    w: World
    product: Checkrail
    calendar: Calendar
    chance: random.Random
    bad: bool
    pull: Pull

    def worsen(self) -> None:
        """Some more trouble."""
        if not self.bad:
            return
        for _ in range(self.chance.randint(1, 3)):
            trouble, path = self.chance.choice(TROUBLES), self.chance.choice(PATHS)
            self.w.github.faults.add(**trouble, path=path, times=self.chance.randint(1, 2))

    def webhooks(self) -> None:
        """The next one is lost, comes twice, or comes."""
        which = self.chance.choice((self.w.github.hooks.drop, self.w.github.hooks.duplicate, None))
        if self.bad and which:
            which()

    def clear(self) -> None:
        self.bad = False
        self.w.github.faults.clear()

    async def work(self, seconds: float) -> None:
        """Time passes, and whoever waited for it works."""
        self.calendar.advance(seconds)
        await self.w.github.settled()
        await self.product.upkeep.sweep()
        assert self.product.inbox
        await self.product.inbox.step(self.calendar())
        await self.product.outbox.step(self.calendar())

    async def heard_of(self, events: int) -> None:
        """Until the product has seen all that happened: each step of a run is an event."""
        await until(lambda: len(self.w.consumer.events) >= events)

    async def shown(self, what: Callable[[], Any]) -> Any:
        """Until that is to be seen, however long it takes."""
        for _ in range(PATIENCE):
            if found := what():
                return found
            await self.work(301)
            await until(lambda: not any(self.product.outbox._running.values()))
        raise AssertionError("it never came to be seen")

    async def settled(self) -> None:
        """Time passes until nothing is owed any more."""
        for _ in range(PATIENCE):
            backlog = await self.product.store.backlog()
            if not any(backlog.pending.values()) and not backlog.deliveries:
                return
            await self.work(301)
            await until(lambda: not any(self.product.outbox._running.values()))
        raise AssertionError(f"still owed: {await self.product.store.backlog()}")


# --- the story ------------------------------------------------------------------------------------


async def story(day: Day) -> None:
    """Five runs at once, each in its own time; every step is seen, not every one is told. Then one
    is cancelled and two are repeated, and a release follows another that is shown already."""
    runs = {name: day.w.pipelinerun(name, annotations=named(name)) for name in OUTCOMES}
    for heard, (name, reason) in enumerate(interleaved(day.chance), start=len(runs)):
        await day.heard_of(heard)
        await passing(day)
        day.w.step(runs[name], reason, STATUS.get(reason, "False"))
    heard = 3 * len(runs) - 1
    await day.heard_of(heard)
    await asked(day)
    heard += len(AGAIN)  # the copies wait
    await released(day, "1.1.0", heard + 1)
    await released(day, "1.2.0", heard + 2)
    heard += 2
    day.w.step(runs["three"], "Cancelled", "False")
    heard += 1
    for copy in copies(day.w):
        for reason in ("Running", "Succeeded"):
            await day.heard_of(heard)
            await passing(day)
            day.w.step(copy, reason, STATUS[reason])
            heard += 1
    await day.heard_of(heard)


async def released(day: Day, version: str, heard: int) -> None:
    await passing(day)
    day.w.release(version=version)
    await day.heard_of(heard)
    day.worsen()


async def passing(day: Day) -> None:
    """A while: it gets worse, and sometimes something is done about it."""
    day.worsen()
    if day.chance.random() < 0.7:
        await day.work(day.chance.choice((1, 31, 301)))


async def asked(day: Day) -> None:
    """What people ask for, and see done in the cluster."""
    w = day.w
    failed = await day.shown(lambda: [c for c in w.checks("two") if c.conclusion])
    day.worsen()
    day.webhooks()
    w.github.click_rerun(failed[-1].id, "dev")
    await day.shown(lambda: len(copies(w)) == 1)
    running = await day.shown(lambda: w.checks("three"))
    day.worsen()
    day.webhooks()
    w.github.click_action(running[-1].id, "cancel", "dev", forged=True)
    await day.shown(lambda: w.kube.get("PipelineRun", "ci", "three")["spec"].get("status"))
    day.worsen()
    day.webhooks()
    w.github.comment("acme/shop", day.pull.number, "/retest five", "dev")
    await day.shown(lambda: len(copies(w)) == len(AGAIN))


def copies(w: World) -> list[dict[str, Any]]:
    runs = w.kube.list("PipelineRun", "ci")
    return [run for run in runs if run["metadata"]["name"] not in OUTCOMES]


def named(name: str) -> dict[str, str]:
    return {"checkrail.dev/check-name": name}


def interleaved(chance: random.Random) -> list[tuple[str, str]]:
    """Each run begins and then ends, but the one that is cancelled; whose turn it is, is chance."""
    turns = [name for name in OUTCOMES for _ in range(2)]
    turns.remove("three")
    chance.shuffle(turns)
    begun = set[str]()
    steps = []
    for name in turns:
        steps.append((name, OUTCOMES[name][0] if name in begun else "Running"))
        begun.add(name)
    return steps


# --- what there is to see -------------------------------------------------------------------------


def picture(w: World) -> dict[str, Any]:
    """All that GitHub and the cluster show, without what is random (names of copies, numbers)."""
    shop = w.github.repository("acme/shop")
    every = w.checks()
    (newest, *_) = [run for run in reversed(every) if run.name == "everything"]
    last = {one.context: one.state for made in shop.statuses.values() for one in made}
    return {
        "checks": sorted(
            (run.name, run.status, str(run.conclusion), plain(w, run.title or ""))
            for run in every
            if run.name != "everything"
        ),
        "aggregate": (newest.status, newest.conclusion, plain(w, newest.title or "")),
        "statuses": last,
        "deployments": deployments(w),
        "comments": sorted(
            (plain(w, each.body), sorted(mark for _, _, mark, _ in each.reactions))
            for each in shop.comments.values()
        ),
        "runs": sorted(
            (plain(w, run["metadata"]["name"]), run["spec"].get("status", ""))
            for run in w.kube.list("PipelineRun", "ci")
        ),
    }


def deployments(w: World) -> list[tuple[str, str]]:
    """What was deployed, and how that stands."""
    made = w.github.repository("acme/shop").deployments.values()
    return sorted((version(one), one.statuses[-1].state if one.statuses else "") for one in made)


def version(one: Deployment) -> str:
    assert isinstance(one.payload, dict)
    return str(one.payload["external_id"]).rpartition("@")[2]


def plain(w: World, text: str) -> str:
    """Copies have random names; checks, comments and places their numbers."""
    text = text.replace(w.github.base_url, "").replace(w.commit[:12], "COMMIT")
    text = re.sub(r"-r-[0-9a-f]{8}", "-COPY", text)
    return re.sub(r"\b\d{3,}\b", "N", text)


@asynccontextmanager
async def weather(folder: Path, number: int, *, bad: bool) -> AsyncIterator[Day]:
    chance, calendar = random.Random(number), Calendar()
    options = {"clock": calendar.seconds}
    async with world(folder, github_options=options, permissions=PERMISSIONS) as w:
        w.commit = w.github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "dev")
        pull = w.github.open_pull("acme/shop", head="topic", title="B", login="dev")
        declared = [PROVIDER.format(name=f"p{i}", type=one) for i, one in enumerate(PROVIDERS)]
        (folder / "providers.yaml").write_text("".join(declared) + DOCUMENTS)
        w.github.world.read_lag = chance.choice((0.0, 4.0)) if bad else 0.0
        async with w.running(clock=calendar, config=folder) as product:
            yield Day(w, product, calendar, chance, bad, pull)


async def seen_after(folder: Path, number: int, *, bad: bool) -> dict[str, Any]:
    """What there is to see when the story is over."""
    async with weather(folder, number, bad=bad) as one:
        await story(one)
        one.clear()
        await one.settled()
        assert await one.product.store.dead() == []
        return picture(one.w)


_FAIR: dict[str, Any] = {}


@pytest.mark.parametrize("number", range(WEATHERS))
async def test_after_any_weather_there_is_to_see_what_there_is_after_a_fair_day(
    tmp_path: Path, number: int
) -> None:
    if not _FAIR:
        (tmp_path / "fair").mkdir()
        _FAIR.update(await seen_after(tmp_path / "fair", number, bad=False))
        ends = sorted((name, end) for name, (_, end) in OUTCOMES.items())
        ends += [(name, "success") for name in AGAIN]
        checks = [(name, end) for name, _, end, _ in _FAIR["checks"] if name in OUTCOMES]
        assert sorted(checks) == sorted(ends)
    (tmp_path / "bad").mkdir()
    found = await seen_after(tmp_path / "bad", number, bad=True)
    assert {key: found[key] for key in found if found[key] != _FAIR[key]} == {}
