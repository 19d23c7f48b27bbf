"""A cluster with ten thousand finished runs of three tasks, and how far the product is in it."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bench._runs import TASKS, Run, pipelinerun, taskrun
from bench._world import Product, World, until

RUNS: Final = 10_000
LIMIT: Final = 60.0
"""Seconds until all of them have to be looked at."""


def fill(far: World) -> None:
    """The runs finished five hours ago: history to a product that has just been installed."""
    began = datetime.now(UTC) - timedelta(hours=5)
    for number in range(RUNS):
        run = Run(number=number, began=began)
        far.kube.replay("ADDED", pipelinerun(run, "Succeeded", started=len(TASKS)))
        for task in TASKS:
            far.kube.replay("ADDED", taskrun(run, task, "Succeeded"))


async def looked_at(product: Product) -> None:
    """Until every run and every one of its TaskRuns was listed and looked at."""

    async def done() -> bool:
        return _all(await product.metrics())

    if not await until(done, limit=LIMIT, every=0.2):
        raise SystemExit(f"not all runs were looked at in {LIMIT:.0f} s")


def _all(metrics: dict[str, float]) -> bool:
    """New runs are told, to nobody; those that were told already are unchanged."""
    runs = sum(metrics.get(_LOOKS % ("PipelineRun", one), 0) for one in ("told", "unchanged"))
    return runs >= RUNS and metrics.get(_LOOKS % ("TaskRun", "skipped"), 0) >= RUNS * len(TASKS)


_LOOKS: Final = 'checkrail_looks_total{kind="%s",result="%s"}'
