"""How long from a watch event to the request that tells GitHub of it; `python -m bench.latency`.

The product runs as in a cluster, in a process of its own. 50 runs of three tasks begin each second,
in ten repositories behind one installation; each takes three seconds and has seventeen events of 5
to 12 KB, and GitHub takes 50 ms for each answer. Counted is from the moment in which the Kubernetes
stand-in is given a state that changes the check's status to the moment in which the GitHub stand-in
sees the request, so all that the stand-ins themselves need is in it. A first try, in which tokens
are made, is not counted.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from bench._drive import Play, State, cues
from bench._table import Row, median, percentile, report, spread
from bench._world import world

RATE: Final = 50.0
SECONDS: Final = 3.0
"""From the begin of a run to its end."""
WARM: Final = 150
RUNS: Final = 300
"""In each try."""
TRIES: Final = 3
GITHUB: Final = 0.05
"""Seconds that GitHub takes."""
GOAL_MS: Final = {50: 50.0, 99: 250.0}


Took = dict[State, float]
"""Seconds, of each state that was told: one that a newer one overtakes is not, and need not be."""


async def measure() -> list[Took]:
    """What it took in each try."""
    tries: list[Took] = []
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as far, far.product():
            far.latency = GITHUB
            begun = 0
            for runs in (WARM, *[RUNS] * TRIES):
                play = Play(far)
                await play.perform(cues(far, runs, rate=RATE, seconds=SECONDS, first=begun))
                begun += runs
                await play.settled(begun, limit=10)
                tries.append(play.latencies())
    return tries[1:]


def main() -> None:
    """Prints two rows."""
    tries = asyncio.run(measure())
    report(*(_row(tries, share, goal) for share, goal in GOAL_MS.items()))


def _row(tries: list[Took], share: int, goal: float) -> Row:
    found = [percentile([*took.values()], share) * 1000 for took in tries]
    ends = [[status for _, status in took].count("completed") for took in tries]
    return Row(
        what=f"watch event -> request leaves for GitHub, {RATE:.0f} runs/s, p{share}",
        budget=f"under {goal:.0f} ms",
        measured=f"{spread(found, '{:.1f}')} ms",
        met=median(found) < goal and min(ends) == RUNS,
    )


if __name__ == "__main__":
    main()
