"""How many requests GitHub gets for a run of three tasks; `python -m bench.requests`.

Some runs at a time go through the product as in a cluster, with the default progress interval of
30 s. A run of 20 s is played in real time. A run of five minutes, of whose progress something is
told in between, is played ten times as fast, with the interval shortened as much; nothing was
promised for those. Requests for tokens are not counted: the first runs get them.
"""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from bench._drive import Play, cues
from bench._table import Row, report
from bench._world import REPOSITORIES, Asked, world

RUNS: Final = 20
INTERVAL: Final = 30.0
"""The default, of CHECKRAIL_PROGRESS_INTERVAL."""
SHORT: Final = 20.0
LONG: Final = 300.0
FASTER: Final = 10.0
GOAL: Final = 4


async def measure(seconds: float, *, faster: float = 1.0) -> list[Asked]:
    """What GitHub was asked for `RUNS` runs of so many seconds, played so many times as fast."""
    interval = str(INTERVAL / faster)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"CHECKRAIL_PROGRESS_INTERVAL": interval}
        async with world(Path(folder)) as far, far.product(**settings):
            far.latency = 0.05
            first = Play(far)
            await first.perform(cues(far, REPOSITORIES, rate=50, seconds=0.5))
            await first.settled(REPOSITORIES, limit=10)
            far.asked.clear()
            play = Play(far)
            await play.perform(
                cues(far, RUNS, rate=RUNS, seconds=seconds / faster, first=REPOSITORIES)
            )
            await play.settled(RUNS, limit=10)
            return list(far.asked)


def most(asked: list[Asked]) -> int:
    """Requests for the run that got the most."""
    return max(Counter(one.body.get("external_id") for one in asked).values(), default=0)


def row(name: str, asked: list[Asked], *, goal: int | None) -> Row:
    """What was asked, beside what was promised."""
    gets = sum(one.method == "GET" for one in asked)
    completed = sum(one.body.get("status") == "completed" for one in asked)
    met = most(asked) <= goal and not gets and completed == RUNS if goal else None
    return Row(
        what=f"requests to GitHub for a run of 3 tasks and {name}",
        budget=f"at most {goal}, no GET" if goal else "",
        measured=f"{len(asked) / RUNS:.1f}, at most {most(asked)}, {gets} GET",
        met=met,
    )


async def both() -> tuple[list[Asked], list[Asked]]:
    """The short runs and the long ones, at the same time."""
    return await asyncio.gather(measure(SHORT), measure(LONG, faster=FASTER))


def main() -> None:
    """Prints two rows."""
    short, long = asyncio.run(both())
    report(row("20 s", short, goal=GOAL), row("5 min", long, goal=None))


if __name__ == "__main__":
    main()
