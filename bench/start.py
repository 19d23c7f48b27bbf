"""How long from the start of the process to its readiness, and to having looked at everything.

    python -m bench.start

The product starts as in a cluster; ready is when /readyz answers 200. Then the cluster gets 10,000
finished PipelineRuns and their 30,000 TaskRuns, which a fresh store takes for history; the product
is started once more, on the store that now knows them, and lists and looks at them all again, the
TaskRuns too. Counted is from its start; of GitHub nothing may be asked but which webhooks were
missed. On the first of the two lists the stand-in spends more time than the product.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from bench._history import RUNS, fill, looked_at
from bench._table import Row, median, report, spread
from bench._world import World, world

STARTS: Final = 5
GOAL_READY: Final = 1.5
GOAL_LISTED: Final = 10.0
SWEEP: Final = "/app/hook/deliveries"
"""The webhooks that were missed are asked for at each start, whatever is in the cluster."""


async def measure() -> tuple[list[float], list[float], int]:
    """Seconds to ready; seconds to all looked at, fresh and again; requests to GitHub for that."""
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as far:
            ready = [await _ready(far) for _ in range(STARTS)]
            (Path(folder) / "checkrail.db").unlink()
            fill(far)
            far.asked.clear()
            listed = [await _listed(far), await _listed(far)]
            asked = [one for one in far.asked if not one.path.endswith(SWEEP)]
    return ready, listed, len(asked)


async def _ready(far: World) -> float:
    async with far.product() as product:
        return product.seconds_to_ready


async def _listed(far: World) -> float:
    began = time.monotonic()
    async with far.product() as product:
        await looked_at(product)
        return time.monotonic() - began


def main() -> None:
    """Prints two rows."""
    ready, (fresh, again), asked = asyncio.run(measure())
    report(
        Row(
            what="start to ready",
            budget=f"under {GOAL_READY} s",
            measured=f"{spread(ready, '{:.2f}')} s",
            met=median(ready) < GOAL_READY,
        ),
        Row(
            what=f"{RUNS:,} finished runs listed again, from the start of the process",
            budget=f"under {GOAL_LISTED:.0f} s, no request to GitHub",
            measured=f"{again:.1f} s (new to a fresh store {fresh:.1f} s), {asked} requests",
            met=again < GOAL_LISTED and not asked,
        ),
    )


if __name__ == "__main__":
    main()
