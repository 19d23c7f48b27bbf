"""How many signed webhooks a second are accepted durably, and how fast; `python -m bench.webhooks`.

The product runs as in a cluster and does all its work meanwhile: each delivery is verified, stored
with synchronous=FULL before it is answered, logged, and then worked on by the inbox. Another
process sends deliveries of 10 KB over 32 connections: first as many as go, then 200 a second.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from bench._load import Outcome
from bench._table import Row, median, percentile, report, spread
from bench._world import SECRET, Product, world

TRIES: Final = 3
SECONDS: Final = 4.0
"""Of each try."""
RATE: Final = 200.0
GOAL: Final = 1_500
GOAL_MS: Final = 25.0


async def measure() -> tuple[list[float], list[float]]:
    """Deliveries a second under load, and the 99th percentile in milliseconds at `RATE`."""
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as far, far.product() as product:
            await sent(product, 1.0, 0.0)  # warm
            floods = [await sent(product, SECONDS, 0.0) for _ in range(TRIES)]
            streams = [await sent(product, SECONDS, RATE) for _ in range(TRIES)]
    rates = [len(flood.took) / flood.seconds for flood in floods]
    return rates, [percentile(stream.took, 99) * 1000 for stream in streams]


async def sent(product: Product, seconds: float, rate: float) -> Outcome:
    """What came of so many webhooks."""
    port = product.url.rpartition(":")[2]
    command = (sys.executable, "-m", "bench._load", port, SECRET, str(seconds), str(rate))
    load = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds + 30):
            told, _ = await load.communicate()
    except TimeoutError:
        load.kill()
        raise
    outcome = msgspec.json.decode(told, type=Outcome)
    if outcome.refused:
        raise SystemExit(f"{outcome.refused} deliveries were not accepted")
    return outcome


def main() -> None:
    """Prints two rows."""
    rates, slow = asyncio.run(measure())
    report(
        Row(
            what="signed webhooks, accepted durably",
            budget=f"at least {GOAL:,}/s",
            measured=f"{spread(rates)}/s",
            met=median(rates) >= GOAL,
        ),
        Row(
            what=f"signed webhook at {RATE:.0f}/s, p99",
            budget=f"under {GOAL_MS:.0f} ms",
            measured=f"{spread(slow, '{:.1f}')} ms",
            met=median(slow) < GOAL_MS,
        ),
    )


if __name__ == "__main__":
    main()
