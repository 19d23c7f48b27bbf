"""How much memory the product needs in a cluster; `python -m bench.memory`.

Resident memory (VmRSS) of the product's process as a pod runs it: service account, TLS, GitHub App,
SQLite. First with nothing in the cluster, then with 10,000 finished PipelineRuns of 12 KB and their
30,000 TaskRuns of 5 KB: new to a fresh store, and listed again after a restart. What counts is what
stays a few seconds after the last look; the most that it was in between stands beside it.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from bench._history import RUNS, fill, looked_at
from bench._table import Row, report
from bench._world import World, world

SETTLED: Final = 3.0
"""Seconds after which the memory is read."""
GOAL_IDLE: Final = 90.0
GOAL_RUNS: Final = 60.0


async def measure() -> tuple[float, list[float], float]:
    """MB: idle; with all runs, fresh and after a restart; the most in between."""
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as far:
            async with far.product() as product:
                await asyncio.sleep(SETTLED)
                idle = product.resident()
            fill(far)
            (Path(folder) / "checkrail.db").unlink()
            fresh = await _with_runs(far)
            again = await _with_runs(far)
    return idle, [fresh[0], again[0]], max(fresh[1], again[1])


async def _with_runs(far: World) -> tuple[float, float]:
    """What stays, and the most in between."""
    async with far.product() as product:
        await looked_at(product)
        await asyncio.sleep(SETTLED)
        return product.resident(), product.most_resident()


def main() -> None:
    """Prints two rows."""
    idle, full, most = asyncio.run(measure())
    more = max(full) - idle
    report(
        Row(
            what="resident memory in a cluster, idle",
            budget=f"at most {GOAL_IDLE:.0f} MB",
            measured=f"{idle:.0f} MB",
            met=idle <= GOAL_IDLE,
        ),
        Row(
            what=f"more of it for {RUNS:,} finished runs",
            budget=f"at most {GOAL_RUNS:.0f} MB",
            measured=f"{more:.0f} MB (for a moment {most - idle:.0f} MB)",
            met=more <= GOAL_RUNS,
        ),
    )


if __name__ == "__main__":
    main()
