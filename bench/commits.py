"""How many watch events a second become durable commits on one core; `python -m bench.commits`.

Everything from the bytes of a watch line to the answered commit is the product: the reader decodes
a PipelineRun of 12 KB, the adapter observes, `decide` decides, SQLite commits with synchronous=FULL
on the present disk. Every line is another state of one of many runs, told as a check and an event,
so that each is a commit of its own. Left out are the socket (`bench.watch`) and the delivery
(`bench.latency`). The process is bound to one core.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from adapters.tekton_pipelinerun import ADAPTER
from bench._runs import Run, pipelinerun
from bench._table import Row, median, report, spread
from ghapp.core.decide import Rules
from ghapp.core.effects import Effect, EmitEvent, SetCheck
from ghapp.core.source import Resource
from ghapp.documents.compiled import compile_documents
from ghapp.documents.config import Config
from ghapp.engine.desk import Desk
from ghapp.engine.kube_follow import Pace
from ghapp.engine.kube_wire import ListMeta, Page
from ghapp.engine.reconcile import Source
from ghapp.engine.watch import Watch
from ghapp.metrics import LookResult, Metrics
from ghapp.ports import Receipt, Slot
from ghapp.store import open_store

RUNS: Final = 2_500
"""In each try; three states of each."""
TRIES: Final = 3
BATCH: Final = 16
"""Lines that arrive together, about 200 KB: as much as a socket brings at once under load."""
GOAL: Final = 2_000
LIMIT: Final = 30.0
"""Seconds for one try."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where effects would go; nobody delivers here."""

    takes: type[Effect]

    def accepts(self, effect: Effect) -> bool:
        """What it takes."""
        return isinstance(effect, self.takes)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Never called."""
        raise NotImplementedError


@dataclass(slots=True)
class Lines:
    """An API server that has all its events ready: the port `kube_follow.Api`."""

    began: float = 0.0
    quiet: asyncio.Event = field(default_factory=asyncio.Event)

    async def served(self, resource: Resource) -> bool:
        """It serves all of them."""
        return True

    async def page(self, resource: Resource, namespace: str, *, after: str, selector: str) -> Page:
        """At first there is nothing."""
        return Page(metadata=ListMeta(resourceVersion="1"), items=[])

    async def watch(
        self, resource: Resource, namespace: str, version: str, *, selector: str
    ) -> AsyncGenerator[list[bytes | None]]:
        """All states of all runs, then silence."""
        if resource == ADAPTER.resource:
            self.began = time.perf_counter()
            lines = events()
            while batch := list(islice(lines, BATCH)):
                yield list(batch)
        await self.quiet.wait()


class Tally(Metrics):
    """The product's metrics; says when so many looks were committed with effects."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.full = asyncio.Event()
        self._missing = looks

    def look(self, kind: str, result: LookResult) -> None:
        """Counts."""
        super().look(kind, result)
        self._missing -= result == "told"
        if not self._missing:
            self.full.set()


def events() -> Iterator[bytes]:
    """All runs queued, then all running, then all succeeded: no run waits twice in the queue."""
    for state, started in (("", 0), ("Running", 1), ("Succeeded", 3)):
        line = _line(state, started)
        for number in range(RUNS):
            yield line.replace(_DIGITS, b"%06d" % number)


_NUMBER: Final = 987_654
_DIGITS: Final = str(_NUMBER).encode()


def _line(state: str, started: int) -> bytes:
    run = Run(number=_NUMBER, began=datetime.now(UTC), commit=f"{_NUMBER:040d}")
    made = pipelinerun(run, state, started=started)
    return msgspec.json.encode({"type": "MODIFIED", "object": made}) + b"\n"


EVERYBODY = compile_documents(Config(), ("github-check", "cdevents"), cluster="default").listening


async def measure() -> float:
    """Commits a second."""
    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(f"sqlite:///{Path(folder) / 'bench.db'}", now=datetime.now(UTC))
        metrics, lines = Tally(3 * RUNS), Lines()
        desk = Desk(
            store=store,
            standing=Rules(born=store.born, horizon=store.born, listening=EVERYBODY),
            sinks={"github-check": Sink(SetCheck), "cdevents": Sink(EmitEvent)},
            clock=lambda: datetime.now(UTC),
            progress_interval=30.0,
        )
        source = Source(adapter=ADAPTER, cluster="default", desk=desk, metrics=metrics)
        watch = Watch(
            desk=desk, sources=(source,), namespaces=("",), api=lines, metrics=metrics, pace=Pace()
        )
        task = asyncio.create_task(watch.run())
        try:
            async with asyncio.timeout(LIMIT):
                await metrics.full.wait()
            return 3 * RUNS / (time.perf_counter() - lines.began)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await store.close()


def main() -> None:
    """Prints the row."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rates = [asyncio.run(measure()) for _ in range(TRIES)]
    report(
        Row(
            what="observe -> commit of a 12 KB PipelineRun, durable, one core",
            budget=f"at least {GOAL:,}/s",
            measured=f"{spread(rates)}/s",
            met=median(rates) >= GOAL,
        )
    )


if __name__ == "__main__":
    main()
