"""From watches to commits: every object is looked at as it is, once at a time, and never forgotten.

Three heights: a source alone, told events by hand, for what depends on the moment; a source behind
an API server that says what it is told to, for nonsense; the whole product between its far sides.
How to follow a resource is test_kube_follow, what adapters make of objects is tests/adapters, what
is owed for a look is tests/core/test_decide.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from adapters import tekton_pipelinerun
from ghapp.app import Checkrail
from ghapp.core import checks
from ghapp.core.decide import Rules
from ghapp.core.effects import SetCheck
from ghapp.core.model import Observation, Repository, Revision
from ghapp.core.seen import Seen
from ghapp.core.source import Adapter, Context
from ghapp.engine.desk import Desk
from ghapp.engine.kube_events import Changed, Gone, Head, Listed, Malformed
from ghapp.engine.kube_follow import Pace
from ghapp.engine.reconcile import Source
from ghapp.engine.watch import Watch
from ghapp.http import utc_now
from ghapp.metrics import Metrics
from ghapp.ports import Commit, Store
from ghapp.store import Unavailable, open_store
from tests.adapters import recorded
from tests.core.builders import told_to
from tests.engine import kube_rig
from tests.engine.kube_rig import Script
from tests.engine.test_outbox import Shelf
from tests.world import World, until, world

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
COMMIT = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
CHECKS = ("SetCheck",)


# -- a source alone -----------------------------------------------------------------------------


@dataclass
class Gate:
    """A store that holds up reads or commits, or fails commits; it notes who is inside."""

    inner: Store
    readable: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    reads: int = 0
    failing: int = 0
    inside: Counter[str] = field(default_factory=Counter)
    most: int = 0

    def __post_init__(self) -> None:
        self.open.set()
        self.readable.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def seen(self, key: str) -> Seen | None:
        self.reads += 1
        await self.readable.wait()
        return await self.inner.seen(key)

    async def commit(self, commit: Commit) -> None:
        if self.failing:
            self.failing -= 1
            raise Unavailable("the store's file cannot grow: the disk is full")
        names = [seen.look.subject.object_key for seen in commit.seen]
        self.inside.update(names)
        self.most = max(self.most, *self.inside.values())
        await self.open.wait()
        await self.inner.commit(commit)
        self.inside.subtract(names)


@dataclass
class Alone:
    """A source of PipelineRuns with a store and one sink; what happens is told by hand."""

    store: Gate
    shelf: Shelf
    source: Source

    async def told(self) -> list[str]:
        """Status or conclusion of the checks that are owed, oldest first."""
        return [effect.check.conclusion or effect.check.status for effect in await self.owed()]

    async def owed(self) -> list[SetCheck]:
        claimed = await self.store.claim("a", NOW + timedelta(days=1), 1000)
        return [row.effect for row in claimed if isinstance(row.effect, SetCheck)]

    @contextlib.asynccontextmanager
    async def working(self, workers: int = 4) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.source.work()) for _ in range(workers)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def idle(self) -> None:
        """Until nothing is marked any more."""
        await until(lambda: self.source.queue.idle, limit=5)


@contextlib.asynccontextmanager
async def alone(
    folder: Path, adapter: Adapter[Any] = tekton_pipelinerun.ADAPTER
) -> AsyncIterator[Alone]:
    store = Gate(await open_store(f"sqlite:///{folder / 'alone.db'}", now=NOW))
    shelf = Shelf(SetCheck)
    desk = Desk(
        store=store,
        standing=Rules(born=NOW, horizon=NOW, listening=told_to("a")),
        sinks={"a": shelf},
        clock=lambda: NOW,
        progress_interval=30,
    )
    yield Alone(store, shelf, Source(adapter=adapter, cluster="c", desk=desk, metrics=Metrics()))
    await store.close()


def changed(uid: str = "u", reason: str = "Running", status: str = "Unknown") -> Changed:
    """What the watch says of a run `build`."""
    manifest = manifest_of(uid, reason, status)
    reads = tekton_pipelinerun.ADAPTER.reads
    value = msgspec.json.decode(msgspec.json.encode(manifest), type=reads)
    return Changed(Head(namespace="ci", name=f"run-{uid}", uid=uid), {reads: value})


def gone(uid: str = "u", reason: str = "Running", status: str = "Unknown") -> Gone:
    last = changed(uid, reason, status)
    return Gone(last.head, last.objects)


def manifest_of(uid: str, reason: str = "Running", status: str = "Unknown") -> dict[str, Any]:
    condition = {"type": "Succeeded", "status": status, "reason": reason}
    ended = {"completionTime": "2026-11-21T09:00:31Z"} if status != "Unknown" else {}
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": f"run-{uid}",
            "namespace": "ci",
            "uid": uid,
            "creationTimestamp": "2026-11-21T09:00:00Z",
            "annotations": {
                "checkrail.dev/repository": "acme/shop",
                "checkrail.dev/commit": COMMIT,
            },
        },
        "spec": {"pipelineRef": {"name": "build"}},
        "status": {"conditions": [condition], "startTime": "2026-11-21T09:00:01Z", **ended},
    }


async def test_two_looks_at_one_object_never_happen_at_the_same_time(tmp_path: Path) -> None:
    async with alone(tmp_path) as rig, rig.working(workers=8):
        for number in range(60):
            await rig.source.heed(changed(f"u{number % 3}", f"Running{number}"), "")
            await asyncio.sleep(0)
        await rig.idle()
        assert rig.store.most == 1
        rows = [await rig.store.seen(f"c/PipelineRun/ci/run-u{n}/u{n}") for n in range(3)]
        assert [row.look.reason for row in rows if row] == ["Running57", "Running58", "Running59"]


async def test_fifty_changes_of_a_busy_run_are_few_looks(tmp_path: Path) -> None:
    async with alone(tmp_path) as rig:
        for number in range(50):
            await rig.source.heed(changed(reason=f"Running{number}"), "")
        async with rig.working():
            await rig.idle()
        row = await rig.store.seen("c/PipelineRun/ci/run-u/u")
        assert row
        assert (row.version, row.look.reason) == (1, "Running49")


async def test_what_goes_while_we_commit_is_looked_at_again(tmp_path: Path) -> None:
    async with alone(tmp_path) as rig, rig.working():
        rig.store.open.clear()
        await rig.source.heed(changed(), "")
        await until(lambda: rig.store.inside.total())
        await rig.source.heed(gone(), "")
        rig.store.open.set()
        await rig.idle()
        assert await rig.told() == ["cancelled"]
        assert rig.source.cache.entries == {}


async def test_what_goes_before_we_decide_is_looked_at_again(tmp_path: Path) -> None:
    async with alone(tmp_path) as rig, rig.working():
        rig.store.readable.clear()
        await rig.source.heed(changed(), "")
        await until(lambda: rig.store.reads)
        await rig.source.heed(gone(), "")
        rig.store.readable.set()
        await rig.idle()
        assert await rig.told() == ["cancelled"]
        assert rig.source.cache.entries == {}


async def test_what_a_list_lacks_ends_as_it_was_seen_last(tmp_path: Path) -> None:
    async with alone(tmp_path) as rig:
        await rig.source.heed(changed("running"), "")
        async with rig.working():
            await rig.idle()
        await rig.source.heed(changed("ended", "Succeeded", "True"), "")
        await rig.source.heed(Listed(frozenset()), "")
        async with rig.working():
            await rig.idle()
        assert sorted(await rig.told()) == ["cancelled", "success"]


async def test_a_last_state_that_cannot_be_read_still_ends_the_run(tmp_path: Path) -> None:
    async with alone(tmp_path) as rig, rig.working():
        await rig.source.heed(changed(), "")
        await rig.idle()
        await rig.source.heed(Malformed(changed().head, "nonsense", gone=True), "")
        await rig.idle()
        assert await rig.told() == ["cancelled"]


async def test_a_run_of_an_earlier_life_whose_last_state_cannot_be_read_ends_too(
    tmp_path: Path,
) -> None:
    async with alone(tmp_path) as rig:
        async with rig.working():
            await rig.source.heed(changed(), "")
            await rig.idle()
        rig.source.cache.forget("u")
        await rig.source.heed(Malformed(changed().head, "nonsense"), "")
        assert await rig.told() == ["in_progress"]
    async with alone(tmp_path) as rig:
        await rig.source.heed(Malformed(changed().head, "nonsense", gone=True), "")
        assert await rig.told() == ["cancelled"]


async def test_a_look_that_fails_is_repeated_and_named_and_holds_up_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def observe(run: Any, context: Context) -> Observation | None:
        if run.metadata.uid == "bad":
            raise ZeroDivisionError("a defect of ours")
        return tekton_pipelinerun.observe(run, context)

    adapter = replace(tekton_pipelinerun.ADAPTER, observe=observe)
    async with alone(tmp_path, adapter) as rig, rig.working(workers=1):
        await rig.source.heed(changed("bad"), "")
        await rig.source.heed(changed("good"), "")
        await rig.idle()
        assert await rig.told() == ["in_progress"]
        assert rig.source.cache.entries["bad"].failed == 1
        labels = {"kind": "PipelineRun", "result": "failed"}
        registry = rig.source.metrics.registry
        assert registry.get_sample_value("checkrail_looks_total", labels) == 1
        (record,) = [one for one in caplog.records if one.message == "a look failed"]
        assert facts(record)["object"] == "run-bad"


async def test_a_disk_that_was_full_delays_a_look_and_loses_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with alone(tmp_path) as rig, rig.working():
        rig.store.failing = 1
        await rig.source.heed(changed(), "")
        await until(lambda: "a look failed" in caplog.text)
        await rig.source.heed(changed(), "")
        await rig.idle()
        assert await rig.told() == ["in_progress"]
        assert rig.source.cache.entries["u"].failed == 0


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a line of the log."""
    found: dict[str, Any] = vars(record)["checkrail_fields"]
    return found


# -- nonsense -----------------------------------------------------------------------------------


def line(manifest: dict[str, Any], type_: str = "ADDED", version: str = "101") -> bytes:
    metadata = {**manifest.get("metadata", {}), "resourceVersion": version}
    return (
        msgspec.json.encode({"type": type_, "object": {**manifest, "metadata": metadata}}) + b"\n"
    )


def broken(uid: str, **parts: Any) -> dict[str, Any]:
    return {**manifest_of(uid), **parts}


NONSENSE: dict[str, bytes] = {
    "a line that is no JSON": b"{{{\n",
    "text that is no UTF-8": b'{"type":"ADDED","object":{"metadata":{"name":"\xff"}}}\n',
    "no metadata": b'{"type":"ADDED","object":{"spec":{}}}\n',
    "metadata that is null": b'{"type":"ADDED","object":{"metadata":null}}\n',
    "metadata that is a number": b'{"type":"ADDED","object":{"metadata":7}}\n',
    "an object that is a list": b'{"type":"ADDED","object":[]}\n',
    "no uid": line({"metadata": {"name": "run-nameless", "namespace": "ci"}}),
    "no name": line({"metadata": {"uid": "x", "namespace": "ci"}}),
    "a status that is text": line(broken("text", status="Running")),
    "conditions that are a number": line(broken("number", status={"conditions": 7})),
    "a time that is none": line(broken("time", status={"startTime": "yesterday"})),
    "annotations that are numbers": line(
        broken("notes", metadata={"name": "n", "uid": "n", "annotations": {"checkrail.dev/ref": 7}})
    ),
    "depth without end": b'{"type":"ADDED","object":{"status":' + b"[" * 90_000 + b"\n",
    "a line of five megabytes": b'{"type":"ADDED","object":"' + b"x" * 5 * 2**20 + b'"}\n',
    "an event of an unknown type": line(broken("type"), "TELEPORTED"),
}


@pytest.mark.parametrize("name", NONSENSE)
async def test_nonsense_is_counted_and_reported_and_the_stream_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    script = Script()
    script.watches.append(kube_rig.stream(NONSENSE[name], line(manifest_of("good"), version="102")))
    async with watched(script, tmp_path) as rig:
        await until(lambda: rig.store.seen("c/PipelineRun/ci/run-good/good"))
        assert await rig.told() == ["in_progress"]
        labels = {"resource": "tekton.dev/v1/pipelineruns"}
        registry = rig.source.metrics.registry
        assert registry.get_sample_value("checkrail_malformed_total", labels) == 1
        assert "an object that cannot be read" in caplog.text


async def test_an_object_that_cannot_be_read_is_reported_by_its_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()
    script.watches.append(kube_rig.stream(line(broken("bad", status="Running"))))
    async with watched(script, tmp_path):
        await until(lambda: "an object that cannot be read" in caplog.text)
    (record,) = [one for one in caplog.records if "cannot be read" in one.message]
    fields = facts(record)
    assert (fields["namespace"], fields["object"]) == ("ci", "run-bad")
    assert "status" in fields["reason"]


async def test_1_4_mb_of_status_are_told_like_any_other(tmp_path: Path) -> None:
    manifest = manifest_of("big", "Failed", "False")
    manifest["status"]["provenance"] = {"blob": "x" * 1_400_000}
    script = Script()
    script.watches.append(kube_rig.stream(line(manifest)))
    async with watched(script, tmp_path) as rig:
        await until(lambda: "big" in rig.source.cache.settled)
        assert await rig.told() == ["failure"]


async def test_a_message_of_a_megabyte_fits_on_a_check(tmp_path: Path) -> None:
    manifest = manifest_of("big", "Failed", "False")
    manifest["status"]["conditions"][0]["message"] = "ä" * 500_000
    script = Script()
    script.watches.append(kube_rig.stream(line(manifest)))
    async with watched(script, tmp_path) as rig:
        await until(lambda: "big" in rig.source.cache.settled)
        (check,) = await rig.owed()
        assert len(check.check.summary.encode()) <= checks.OUTPUT_LIMIT


@pytest.mark.parametrize(
    ("reason", "status", "told"),
    [("Teleported", "Unknown", "in_progress"), ("Teleported", "False", "failure")],
)
async def test_a_reason_of_the_future_is_told_by_its_status(
    tmp_path: Path, reason: str, status: str, told: str
) -> None:
    async with alone(tmp_path) as rig, rig.working():
        await rig.source.heed(changed(reason=reason, status=status), "")
        await rig.idle()
        assert await rig.told() == [told]


async def test_of_a_status_of_the_future_nothing_is_said(tmp_path: Path) -> None:
    async with alone(tmp_path) as rig, rig.working():
        await rig.source.heed(changed(status="Perhaps"), "")
        await rig.idle()
        assert await rig.told() == []


@contextlib.asynccontextmanager
async def watched(script: Script, folder: Path) -> AsyncIterator[Alone]:
    """The source at work, behind an API server that says what it is told to."""
    async with (
        alone(folder) as rig,
        kube_rig.served(script.app()) as url,
        kube_rig.client(url) as client,
    ):
        watch = Watch(
            desk=rig.source.desk,
            sources=(rig.source,),
            namespaces=("",),
            api=client,
            metrics=rig.source.metrics,
            pace=Pace(sleep=nap),
        )
        task = asyncio.create_task(watch.run())
        try:
            yield rig
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def nap(seconds: float) -> None:
    """However long somebody wants to wait, it is short."""
    await asyncio.sleep(min(seconds, 0.02))


# -- the whole ----------------------------------------------------------------------------------


def impatient(product: Checkrail) -> None:
    assert product.watch
    product.watch.pace = Pace(sleep=nap)


def runs_told(w: World) -> dict[str, str]:
    """Name of the check to its conclusion, or status."""
    return {check.name: check.conclusion or check.status for check in w.checks()}


def named(w: World, name: str, **more: Any) -> dict[str, Any]:
    """A run with a check of its own name."""
    return w.pipelinerun(name, annotations={"checkrail.dev/check-name": name}, **more)


async def test_what_was_there_before_the_start_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        named(w, "waiting")
        w.step(named(w, "running"), "Running")
        w.run_through(named(w, "ended"), "Failed")
        async with w.running():
            await until(lambda: len(w.checks()) == 3)
            await until(
                lambda: (
                    runs_told(w)
                    == {"waiting": "queued", "running": "in_progress", "ended": "failure"}
                )
            )
            await until(lambda: len(w.consumer.events) == 1 + 2 + 3)


async def test_what_was_deleted_while_we_were_down_is_closed_after_the_start(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        async with w.running():
            w.step(named(w, "running"), "Running")
            w.run_through(named(w, "ended"))
            await until(lambda: runs_told(w) == {"running": "in_progress", "ended": "success"})
            await until(lambda: len(w.consumer.events) == 5)
        w.kube.delete("PipelineRun", "ci", "running")
        w.kube.delete("PipelineRun", "ci", "ended")
        async with w.running():
            await until(lambda: runs_told(w)["running"] == "cancelled")
            await until(lambda: len(w.consumer.events) == 6)
        assert runs_told(w) == {"running": "cancelled", "ended": "success"}


async def test_what_ended_while_we_were_down_is_told_after_the_start(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.running():
            run = named(w, "run")
            await until(w.checks)
        w.run_through(run, "Failed")
        async with w.running():
            await until(lambda: runs_told(w) == {"run": "failure"})
            await until(lambda: len(w.consumer.events) == 3)
        assert len(w.checks()) == 1


async def test_a_running_run_that_is_deleted_is_cancelled_and_an_ended_one_stays(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running() as product:
        w.step(named(w, "running"), "Running")
        w.run_through(named(w, "ended"))
        await until(lambda: runs_told(w) == {"running": "in_progress", "ended": "success"})
        w.kube.delete("PipelineRun", "ci", "ended")
        w.kube.delete("PipelineRun", "ci", "running")
        await until(lambda: runs_told(w)["running"] == "cancelled")
        assert runs_told(w)["ended"] == "success"
        assert product.watch
        await until(lambda: not any(source.cache.entries for source in watch(product).sources))
        assert not any(source.cache.settled for source in watch(product).sources)


def watch(product: Checkrail) -> Watch:
    assert product.watch
    return product.watch


async def test_a_release_that_is_removed_is_told_as_removed_seen_or_not(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with w.running():
            for namespace in ("dev", "staging"):
                w.release(namespace=namespace)
            await until(lambda: w.consumer.types.count("service.deployed") == 2)
            w.kube.delete("HelmRelease", "dev", "shop")
            await until(lambda: w.consumer.types.count("service.removed") == 1)
        w.kube.delete("HelmRelease", "staging", "shop")
        async with w.running():
            await until(lambda: w.consumer.types.count("service.removed") == 2)


async def test_nothing_is_missed_when_history_is_compacted_in_the_middle(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(tune=impatient):
        steps = {name: named(w, name) for name in ("a", "b", "c")}
        for run in steps.values():
            w.step(run, "Running")
        await until(lambda: set(runs_told(w).values()) == {"in_progress"} and len(w.checks()) == 3)
        w.kube.faults.silent_watches = True
        w.step(steps["a"], "Succeeded", "True")
        w.kube.delete("PipelineRun", "ci", "b")
        named(w, "d")
        w.kube.compact()
        w.kube.faults.silent_watches = False
        w.kube.drop_watches()
        expected = {"a": "success", "b": "cancelled", "c": "in_progress", "d": "queued"}
        await until(lambda: runs_told(w) == expected)


async def test_parts_complete_the_table_of_steps(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        run = named(w, "run")
        w.step(run, "Running")
        task = w.kube.create(taskrun(run, "compile"))
        await until(lambda: "compile" in (summary(w)))
        condition = {
            "type": "Succeeded",
            "status": "False",
            "reason": "Failed",
            "message": "2 of 7",
        }
        times = {"startTime": "2026-11-21T09:00:01Z", "completionTime": "2026-11-21T09:00:05Z"}
        w.kube.patch(
            "TaskRun",
            "ci",
            task["metadata"]["name"],
            {"status": {"conditions": [condition], **times}},
            subresource="status",
        )
        await until(lambda: "| ❌ | compile | 4s |" in summary(w))
        w.step(run, "Failed", "False")
        await until(lambda: runs_told(w) == {"run": "failure"})
        assert "| ❌ | compile | 4s |" in summary(w)


async def test_an_end_whose_parts_say_nothing_more_is_told_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running():
        run = named(w, "run")
        w.step(run, "Running")
        task = w.kube.create(taskrun(run, "compile"))
        condition = {"type": "Succeeded", "status": "Unknown", "reason": "Running"}
        began = {"conditions": [condition], "startTime": "2026-11-21T09:00:01Z"}
        name = task["metadata"]["name"]
        w.kube.patch("TaskRun", "ci", name, {"status": began}, subresource="status")
        await until(lambda: "| 🟡 | compile |" in summary(w))
        w.step(run, "Cancelled", "False")
        await until(lambda: runs_told(w) == {"run": "cancelled"})
        assert "still running when the run ended" in summary(w)


def summary(w: World) -> str:
    return (w.checks()[0].summary or "") if w.checks() else ""


def taskrun(run: dict[str, Any], task: str) -> dict[str, Any]:
    """A TaskRun of a run."""
    name, uid = run["metadata"]["name"], run["metadata"]["uid"]
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {
            "name": f"{name}-{task}",
            "namespace": "ci",
            "labels": {
                "tekton.dev/pipelineRun": name,
                "tekton.dev/pipelineRunUID": uid,
                "tekton.dev/pipelineTask": task,
            },
            "ownerReferences": [
                {
                    "apiVersion": "tekton.dev/v1",
                    "kind": "PipelineRun",
                    "name": name,
                    "uid": uid,
                    "controller": True,
                }
            ],
        },
        "spec": {"taskRef": {"name": task}},
    }


async def test_what_ended_before_the_start_is_told_with_its_parts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        run = named(w, "run")
        w.kube.create(taskrun(run, "compile"))
        w.run_through(run, "Failed")
        async with w.running():
            await until(lambda: runs_told(w) == {"run": "failure"})
            assert "compile" in summary(w)


async def test_only_the_namespaces_that_were_set_are_watched(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(namespaces=("ci", "build")):
        w.kube.deny("list", "*", namespace="")
        elsewhere = {"namespace": "elsewhere"}
        named(w, "elsewhere", **elsewhere)
        named(w, "build", namespace="build")
        named(w, "ci")
        await until(lambda: len(w.checks()) == 2)
        assert set(runs_told(w)) == {"build", "ci"}


async def test_parts_that_may_not_be_listed_hold_up_nothing_for_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("list", "taskruns")
        w.run_through(named(w, "ended"), "Failed")
        async with w.running(tune=impatient):
            await until(lambda: runs_told(w) == {"ended": "failure"})
            assert "not listed in time, going on without it" in caplog.text


async def test_a_namespace_that_may_not_be_listed_holds_up_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("list", "pipelineruns", namespace="locked")
        w.run_through(named(w, "ended"), "Failed")
        async with w.running(namespaces=("ci", "locked"), tune=impatient):
            await until(lambda: runs_told(w) == {"ended": "failure"})


async def test_a_kind_that_is_installed_later_is_picked_up_and_one_may_vanish(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, crds=False) as w, w.running(tune=impatient) as product:
        await until(lambda: missing(product, "tekton.dev/v1/pipelineruns"))
        w.kube.create(CRD)
        w.step(named(w, "early"), "Running")
        await until(lambda: runs_told(w) == {"early": "in_progress"})
        before = missing(product, "tekton.dev/v1/pipelineruns")
        w.kube.delete("CustomResourceDefinition", "", CRD["metadata"]["name"])
        await until(lambda: missing(product, "tekton.dev/v1/pipelineruns") > before)
        w.kube.create(CRD)
        w.step(named(w, "late"), "Running")
        await until(lambda: runs_told(w).get("late") == "in_progress")
        assert runs_told(w)["early"] == "cancelled"


def missing(product: Checkrail, resource: str) -> float:
    labels = {"resource": resource, "type": "missing"}
    registry = product.metrics.registry
    return registry.get_sample_value("checkrail_watch_events_total", labels) or 0


CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "pipelineruns.tekton.dev"},
    "spec": {
        "group": "tekton.dev",
        "scope": "Namespaced",
        "names": {"plural": "pipelineruns", "singular": "pipelinerun", "kind": "PipelineRun"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


async def test_ten_thousand_runs_that_ended_long_ago_cost_github_nothing(tmp_path: Path) -> None:
    asked: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        answer: web.StreamResponse = await handler(request)
        return answer

    count = 10_000
    async with world(tmp_path, middlewares=[note]) as w:
        for number in range(count):
            w.kube.replay("ADDED", old_run(number, w.commit))
        for _ in range(2):
            async with w.running() as product:
                await settled(product, count)
                backlog = await product.store.backlog()
                assert backlog.pending == {}
                await until(lambda: asked)
        assert {path for path in asked if "/app/hook/" not in path} == set()
        assert w.consumer.received == []


async def settled(product: Checkrail, count: int) -> None:
    """Until so many PipelineRuns need no look any more, and no other is left."""
    (source,) = [s for s in watch(product).sources if s.adapter.name == "tekton-pipelinerun"]
    await until(lambda: len(source.cache.settled) == count)
    assert source.cache.entries == {}


def old_run(number: int, commit: str) -> dict[str, Any]:
    """Ended yesterday."""
    yesterday = (utc_now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = manifest_of(f"old-{number}", "Succeeded", "True")
    manifest["metadata"]["creationTimestamp"] = yesterday
    manifest["metadata"]["annotations"]["checkrail.dev/commit"] = commit
    manifest["status"] |= {"startTime": yesterday, "completionTime": yesterday}
    return manifest


# -- what real controllers wrote ----------------------------------------------------------------

STREAMS = [
    "tekton/success-two-tasks-results",
    "tekton/deleted-while-running",
    "tekton/cancelled",
    "tekton/pipelinerun-timeout",
    "tekton/retries-then-success",
    "tekton/couldnt-get-pipeline",
    "tekton/taskrun-standalone-failure",
    "jobs/backofflimit-exceeded",
    "jobs/ttl-after-finished",
    "jobs/deleted-while-running",
]


@pytest.mark.parametrize("name", STREAMS)
async def test_a_recorded_stream_ends_in_the_check_of_its_golden_look(
    tmp_path: Path, name: str
) -> None:
    events = recorded.events(recorded.FOLDER / f"{name}.jsonl")
    clock = Shifted(created(events) - timedelta(minutes=1))
    options = {"clock": lambda: clock().timestamp()}
    async with world(tmp_path, github_options=options) as w, w.running(clock=clock) as product:
        for event in events:
            claim(event["object"], w.commit)
            await replayed(w, product, event)
        (golden,) = goldens(name)
        check = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
        expected = checks.render(claimed(golden, w.commit))
        assert len(w.checks()) == 1
        assert (check.conclusion, check.title) == (expected.conclusion, expected.title)
        assert rows(check.summary or "") == rows(expected.summary)
        assert check.external_id == expected.external_id


@dataclass(frozen=True)
class Shifted:
    """A clock that began to go at another time."""

    at: datetime
    began: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.at + (utc_now() - self.began)


def created(events: list[dict[str, Any]]) -> datetime:
    stamps = [event["object"]["metadata"]["creationTimestamp"] for event in events]
    return datetime.fromisoformat(min(stamps))


def claim(manifest: dict[str, Any], commit: str) -> None:
    """Gives a run that has none the commit of our world."""
    notes = manifest["metadata"].setdefault("annotations", {})
    notes |= {"checkrail.dev/repository": "acme/shop", "checkrail.dev/commit": commit}


def claimed(look: Observation, commit: str) -> Observation:
    repository = Repository(host="github.com", owner="acme", name="shop")
    return msgspec.structs.replace(look, revision=Revision(repository=repository, commit=commit))


def goldens(name: str) -> list[Observation]:
    path = Path(recorded.__file__).parent / "golden" / f"{name.replace('/', '-')}.json"
    return msgspec.json.decode(path.read_bytes(), type=list[Observation])


def rows(summary: str) -> list[str]:
    """The table of steps."""
    return [line for line in summary.splitlines() if line.startswith("|")]


async def replayed(w: World, product: Checkrail, event: dict[str, Any]) -> None:
    """The cluster says it, and the product has heard it, if it listens to that kind."""
    before = heard(product)
    w.kube.replay(event["type"], event["object"])
    if event["object"]["kind"] in {"PipelineRun", "TaskRun", "Job", "Pod"}:
        await until(lambda: heard(product) > before)


def heard(product: Checkrail) -> float:
    family = next(
        one for one in product.metrics.registry.collect() if one.name == "checkrail_watch_events"
    )
    return sum(
        sample.value
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["type"] in {"changed", "gone"}
    )
