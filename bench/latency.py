"""How long from a watch event to the request that tells GitHub of it; `python -m bench.latency`.

The product runs as in a cluster, in a process of its own. 50 runs of three tasks begin each second,
in ten repositories behind one installation; each takes three seconds and has seventeen events of 5
to 12 KB, and GitHub takes 50 ms for each answer. Counted is from the moment in which the Kubernetes
stand-in is given a state that changes the check's status to the moment in which the GitHub stand-in
sees the request, so all that the stand-ins themselves need is in it. The first seconds (tokens,
connections) are not counted.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from bench._drive import Play, cues
from bench._table import Row, percentile, report
from bench._world import world

RATE: Final = 50.0
SECONDS: Final = 3.0
"""From the begin of a run to its end."""
WARM: Final = 150
RUNS: Final = 600
GITHUB: Final = 0.05
"""Seconds that GitHub takes."""
GOAL_MS: Final = {50: 50.0, 99: 250.0}


async def measure() -> list[float]:
    """Milliseconds, of each state that was told."""
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as far, far.product():
            far.latency = GITHUB
            warm, play = Play(far), Play(far)
            await warm.perform(cues(far, WARM, rate=RATE, seconds=SECONDS))
            await warm.settled(WARM, limit=10)
            await play.perform(cues(far, RUNS, rate=RATE, seconds=SECONDS, first=WARM))
            await play.settled(WARM + RUNS, limit=10)
    return [seconds * 1000 for seconds in play.latencies().values()]


def main() -> None:
    """Prints two rows."""
    took = asyncio.run(measure())
    report(
        *(
            Row(
                what=f"watch event -> request leaves for GitHub, {RATE:.0f} runs/s, p{share}",
                budget=f"under {goal:.0f} ms",
                measured=f"{percentile(took, share):.1f} ms of {len(took):,} states",
                met=percentile(took, share) < goal,
            )
            for share, goal in GOAL_MS.items()
        )
    )


if __name__ == "__main__":
    main()
