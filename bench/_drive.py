"""Plays runs in the Kubernetes stand-in, so many a second, and remembers when each state was told.

What GitHub is asked is matched to the state that it tells of by the check's external id and status.
"""

import asyncio
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Final

from bench._runs import Object, Run, life
from bench._world import World, until

State = tuple[str, str]
"""uid of the run, status of the check that its state makes."""
_STATUS: Final = {"": "queued", "Running": "in_progress", "Succeeded": "completed"}


@dataclass(frozen=True, slots=True)
class Cue:
    """A state of an object, and when to show it."""

    at: float
    """Seconds from the begin."""
    object: Object


@dataclass(slots=True)
class Play:
    """The runs of one measurement."""

    far: World
    told: dict[State, float] = field(default_factory=dict)
    """When the Kubernetes stand-in was given the state, by the monotonic clock."""

    async def perform(self, cues: Iterable[Cue]) -> None:
        """Shows each state when it is due."""
        began = time.monotonic()
        for cue in sorted(cues, key=lambda cue: cue.at):
            early = began + cue.at - time.monotonic()
            if early > 0:
                await asyncio.sleep(early)
            self._show(cue.object)

    def _show(self, made: Object) -> None:
        if made["kind"] == "PipelineRun":
            state = (made["metadata"]["uid"], _STATUS[_reason(made)])
            self.told.setdefault(state, time.monotonic())
        self.far.kube.replay("MODIFIED", made)

    async def settled(self, runs: int, *, limit: float) -> None:
        """Until so many runs are completed at GitHub, or `limit` seconds."""

        async def completed() -> bool:
            checks = (asked.body for asked in self.far.checks)
            return [check.get("status") for check in checks].count("completed") >= runs

        if not await until(completed, limit=limit, every=0.05):
            print(f"not all {runs} runs are completed after {limit:.0f} s", file=sys.stderr)

    def latencies(self) -> dict[State, float]:
        """Seconds from the state to the first request that tells of it."""
        took: dict[State, float] = {}
        for asked in self.far.checks:
            uid = str(asked.body.get("external_id", "")).rpartition("/")[2]
            state = (uid, str(asked.body.get("status")))
            if state in self.told:
                took.setdefault(state, asked.at - self.told[state])
        return took


def _reason(made: Object) -> str:
    conditions = made.get("status", {}).get("conditions", [{}])
    return str(conditions[0].get("reason", ""))


def cues(far: World, runs: int, *, rate: float, seconds: float, first: int = 0) -> list[Cue]:
    """The states of so many runs, `rate` of which begin each second and take `seconds`."""
    began = datetime.now(UTC) + timedelta(seconds=1)  # not in the second in which the store is born
    repositories = cycle(far.commits.items())
    found: list[Cue] = []
    for number in range(runs):
        repository, commit = next(repositories)
        run = Run(number=first + number, repository=repository, began=began, commit=commit)
        states = list(life(run))
        pace = seconds / (len(states) - 1)
        found += [Cue(number / rate + at * pace, made) for at, made in enumerate(states)]
    return found
