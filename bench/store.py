"""How much the store takes: pairs of reading a subject and committing a look, and bare rows.

    python -m bench.store

The file is made in a temporary folder of the present disk, and is durable as in production. Nothing
is promised of the store alone; it is the largest part of `bench.commits`.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from bench._table import Row, percentile, report
from ghapp.core.effects import Check, EmitEvent, SetCheck
from ghapp.core.model import Observation, Phase, Repository, Revision, Step, Subject, SubjectType
from ghapp.core.seen import Seen
from ghapp.ports import Addressed, Commit, Done, Store
from ghapp.store import open_store

CALLERS: Final = 64
SECONDS: Final = 2.0

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REPOSITORY = Repository(host="github.com", owner="acme", name="shop")
CHECK = Check(
    name="tekton / build",
    external_id="x" * 80,
    status="in_progress",
    title="3 of 5 tasks",
    summary="| task | state |\n| --- | --- |\n" + "| compile | running for 20 s |\n" * 20,
)


def look(number: int) -> Observation:
    """A running pipeline with five tasks."""
    subject = Subject(
        kind="PipelineRun",
        cluster="default",
        namespace="ci",
        name=f"build-{number}",
        uid=f"6e2b3c4d-0000-4000-8000-{number:012d}",
    )
    return Observation(
        subject=subject,
        resource="tekton.dev/v1/pipelineruns",
        type=SubjectType.PIPELINERUN,
        phase=Phase.RUNNING,
        name="build",
        check_name="tekton / build",
        created=NOW,
        started=NOW,
        revision=Revision(repository=REPOSITORY, commit=f"{number:040x}"),
        steps=tuple(Step(name=f"task-{n}", phase=Phase.RUNNING, started=NOW) for n in range(5)),
    )


def told(seen: Seen) -> Commit:
    """A look with the state of a check and an event: two effects, as in production."""
    subject, serial = seen.look.subject, seen.version
    check = SetCheck(
        subject=subject, repository=REPOSITORY, commit="c" * 40, check=CHECK, serial=serial
    )
    event = EmitEvent(
        subject=subject,
        id=f"{subject.uid}-{serial}",
        type="pipelinerun.started",
        source="checkrail/default",
        at=NOW,
        subject_id=subject.key,
        content={"pipelineName": "build", "url": "https://ci.example/runs/1"},
        chain=subject.uid,
    )
    return Commit(
        seen=(seen,),
        effects=(
            Addressed(effect=check, sink="github-check", due=NOW),
            Addressed(effect=event, sink="cdevents", due=NOW),
        ),
    )


async def one_pair(store: Store, number: int) -> None:
    """Reads a subject's row and commits the next look; every subject is seen three times."""
    subject = look(number // 3)
    before = await store.seen(subject.subject.key)
    version = before.version + 1 if before else 1
    await store.commit(told(Seen(look=subject, version=version, check=CHECK)))


async def one_row(store: Store, number: int) -> None:
    """Commits one effect and nothing else."""
    _, event = told(Seen(look=look(number), version=1)).effects
    await store.commit(Commit(effects=(event,)))


async def rate(
    store: Store,
    turn: Callable[[Store, int], Awaitable[None]],
    *,
    callers: int,
    seconds: float,
) -> tuple[float, float]:
    """Turns a second, and the 99th percentile of one turn in milliseconds."""
    end, took = time.perf_counter() + seconds, []

    async def caller(mine: int) -> None:
        for number in count(mine * 1_000_000):
            begun = time.perf_counter()
            if begun > end:
                return
            await turn(store, number)
            took.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(caller(mine) for mine in range(callers)))
    elapsed = time.perf_counter() - begun
    return len(took) / elapsed, percentile(took, 99) * 1000


async def drain(store: Store, *, seconds: float) -> float:
    """Claimed and settled rows a second, with a thousand on their way at once."""
    end, done, begun = time.perf_counter() + seconds, 0, time.perf_counter()
    while time.perf_counter() < end:
        claimed = await store.claim("cdevents", NOW + timedelta(days=1), 1000)
        await asyncio.gather(*(store.commit(Commit(settled=Done(row=c.row))) for c in claimed))
        done += len(claimed)
        if not claimed:
            break
    return done / (time.perf_counter() - begun)


async def measure() -> tuple[Row, ...]:
    """Three rows."""
    with tempfile.TemporaryDirectory() as folder:
        store = await open_store(f"sqlite:///{Path(folder) / 'bench.db'}", now=NOW)
        pairs, pair = await rate(store, one_pair, callers=CALLERS, seconds=SECONDS)
        rows, row = await rate(store, one_row, callers=CALLERS, seconds=SECONDS)
        drained = await drain(store, seconds=SECONDS)
        await store.close()
    return (
        _row("read and commit of a subject, two effects", f"{pairs:,.0f}/s, p99 {pair:.0f} ms"),
        _row("commit of one effect", f"{rows:,.0f}/s, p99 {row:.0f} ms"),
        _row("claim and settle of one effect", f"{drained:,.0f}/s"),
    )


def _row(what: str, measured: str) -> Row:
    return Row(what=f"store, {CALLERS} callers: {what}", budget="", measured=measured)


def main() -> None:
    """Prints them."""
    report(*asyncio.run(measure()))


if __name__ == "__main__":
    main()
