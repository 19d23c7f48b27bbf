"""A failed run's check shows what its log says: from the pod to the Checks page, over real sockets.

What can be said instead of a log, and every way in which a Secret can get into one, is in
sinks/test_logs; batches of annotations in all weathers are in sinks/test_github_check.
"""

import base64
import textwrap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ghapp.app import Checkrail
from ghapp.demo.github import CheckRun
from tests.world import World, stamp, until, world

SECRETS = {"env": "from-the-environment", "all": "from-all-of-it", "file": "from-a-volume"}
FINDING = "/workspace/source/src/shop.py:{}:5: E501 line too long\n"


@dataclass
class Wire:
    """Every request to GitHub, as it came."""

    requests: list[tuple[str, str, bytes]] = field(default_factory=list)

    @web.middleware
    async def tap(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path, await request.read()))
        response: web.StreamResponse = await handler(request)
        return response

    @property
    def checks(self) -> list[str]:
        """Methods of the requests about check runs."""
        return [method for method, path, _ in self.requests if "check-runs" in path]


@dataclass
class Story:
    """A run of three tasks, the last of which fails."""

    w: World
    wire: Wire
    checkrail: Checkrail
    run: dict[str, Any] = field(default_factory=dict)

    async def begin(self) -> None:
        self.run = self.w.pipelinerun("build-1")
        await until(self.w.checks)
        self.w.step(self.run, "Running")
        await until(lambda: self.check.status == "in_progress")

    async def fail(self) -> None:
        for task, code in (("clone", 0), ("lint", 0), ("test", 2)):
            self.taskrun(task, code)
        await self.heard(3)
        self.w.step(self.run, "Failed", "False")

    async def succeed(self) -> None:
        for task in ("clone", "lint", "test"):
            self.taskrun(task, 0)
        await self.heard(3)
        self.w.step(self.run, "Succeeded", "True")

    async def heard(self, parts: int) -> None:
        """Until the product knows how all parts ended."""
        watch = self.checkrail.watch
        assert watch is not None
        (source,) = (one for one in watch.sources if one.adapter.name == "tekton-pipelinerun")
        uid = self.run["metadata"]["uid"]
        await until(lambda: len(source.cache.children_of(uid)) == parts)
        await until(lambda: all(one.status for one in source.cache.children_of(uid)))

    def part(self, name: str, task: str, maker: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata of what a PipelineRun made."""
        owner, uid = maker["metadata"]["name"], maker["metadata"]["uid"]
        reference = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "name": owner}
        return {
            "name": name,
            "namespace": "ci",
            "labels": {"tekton.dev/pipelineTask": task, "tekton.dev/pipelineRunUID": uid},
            "ownerReferences": [{**reference, "uid": uid, "controller": True}],
        }

    def taskrun(self, task: str, code: int, maker: Mapping[str, Any] | None = None) -> None:
        """As Tekton leaves it."""
        name = f"build-1-{task}"
        metadata = self.part(name, task, maker or self.run)
        manifest = {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": metadata}
        verdict = ("False", "Failed") if code else ("True", "Succeeded")
        status = {
            "conditions": [{"type": "Succeeded", "status": verdict[0], "reason": verdict[1]}],
            "startTime": stamp(self.run, 2),
            "completionTime": stamp(self.run, 20),
            "podName": f"build-1-{task}-pod",
            "steps": [
                {
                    "name": "main",
                    "container": "step-main",
                    "terminated": {"exitCode": code, "reason": "Error" if code else "Completed"},
                }
            ],
        }
        self.w.kube.create(manifest)
        self.w.kube.patch("TaskRun", "ci", name, {"status": status}, subresource="status")

    def pod(self, log: str, **spec: Any) -> None:
        make_pod(self.w, "build-1-test-pod", "step-main", log, **spec)

    @property
    def check(self) -> CheckRun:
        (check,) = self.w.checks()
        return check

    async def told(self) -> CheckRun:
        """The check with its log."""
        await until(self.w.checks)
        await until(lambda: self.check.conclusion == "failure" and self.check.text)
        return self.check


def make_pod(w: World, name: str, container: str, log: str, **more: Any) -> None:
    metadata = {"name": name, "namespace": "ci", **more.pop("metadata", {})}
    box = {"name": container, "image": "i", **more.pop("box", {})}
    spec = {"containers": [box], **more}
    w.kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    state = {"terminated": {"exitCode": 2, "reason": "Error"}}
    ended = {"name": container, "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    status = {"phase": "Failed", "containerStatuses": [{**ended, "state": state}]}
    w.kube.patch("Pod", "ci", name, {"status": status}, subresource="status")
    w.kube.set_log("ci", name, container, log)


@asynccontextmanager
async def story(folder: Path, **settings: Any) -> AsyncIterator[Story]:
    wire = Wire()
    async with world(folder, middlewares=[wire.tap]) as w, w.running(**settings) as checkrail:
        yield Story(w, wire, checkrail)


NOTIFICATION = """
apiVersion: checkrail.dev/v1alpha1
kind: ClusterNotification
metadata: {name: logs}
spec:
"""


@asynccontextmanager
async def configured(folder: Path, spec: str, **settings: Any) -> AsyncIterator[Story]:
    """A story with a document that says how runs look."""
    document = folder / "notification.yaml"
    document.write_text(NOTIFICATION + textwrap.indent(textwrap.dedent(spec), "  "))
    async with story(folder, config=document, **settings) as s:
        yield s


def make_secrets(w: World) -> Mapping[str, Any]:
    """Three Secrets, and how a pod refers to them."""
    for name, value in SECRETS.items():
        data = {"key": base64.b64encode(value.encode()).decode()}
        metadata = {"name": name, "namespace": "ci"}
        w.kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    key = {"secretKeyRef": {"name": "env", "key": "key"}}
    return {
        "box": {
            "env": [{"name": "A", "valueFrom": key}],
            "envFrom": [{"secretRef": {"name": "all"}}],
        },
        "volumes": [{"name": "v", "secret": {"secretName": "file"}}],
    }


def seconds_ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def stored(folder: Path) -> bytes:
    """Every byte of the store, as it lies on the disk while it is open."""
    return b"".join(path.read_bytes() for path in folder.glob("checkrail.db*"))


async def test_a_failed_run_shows_its_log_and_its_findings_and_no_secret(tmp_path: Path) -> None:
    async with story(tmp_path) as s:
        said = "".join(f"{value} in the log\n" for value in SECRETS.values())
        s.pod(said + FINDING.format(7), **make_secrets(s.w))
        await s.begin()
        await s.fail()
        check = await s.told()
        assert check.title == "Failed: test (Failed: step-main exited with code 2 (Error))"
        assert check.text is not None
        assert check.text.count("*** in the log") == 3
        assert "<code>test / main</code> · exit code 2" in check.text
        (note,) = check.annotations
        assert (note["path"], note["start_line"]) == ("src/shop.py", 7)
        on_disk = stored(tmp_path)
        assert b"in the log" in on_disk
        for value in SECRETS.values():
            assert value.encode() not in on_disk
            assert not [path for _, path, body in s.wire.requests if value.encode() in body]


async def test_a_failing_run_costs_four_requests_and_no_look(tmp_path: Path) -> None:
    # Kubernetes tells whole seconds: what is made in the second of our start may be from before.
    clock = partial(seconds_ago, 2)
    async with story(tmp_path, progress_interval=30.0, clock=clock) as s:
        s.pod("the log\n" + FINDING.format(7))
        await s.begin()
        await s.fail()
        await s.told()
        assert s.wire.checks in (["POST", *["PATCH"] * 3], ["POST", *["PATCH"] * 2])


async def test_every_finding_is_there_once_even_when_an_answer_is_lost(tmp_path: Path) -> None:
    async with story(tmp_path) as s:
        s.pod("".join(FINDING.format(line) for line in range(1, 121)))
        await s.begin()
        s.w.kube.faults.fail_next(code=503, verb="get", resource="pods/log")
        await s.fail()
        await until(lambda: s.check.conclusion)  # the verdict is told; now the log follows
        s.w.github.faults.add("slow", method="PATCH", path="/check-runs")  # the first batch
        lost = s.w.github.faults.add("lose_answer", method="PATCH", path="/check-runs")
        await until(lambda: len(s.check.annotations) == 120)
        row = await until_settled(s)
        assert lost.hits == 1
        assert [note["start_line"] for note in s.check.annotations] == list(range(1, 121))
        assert row == 0


async def until_settled(s: Story) -> int:
    """Until nothing waits; how much does."""
    store = s.checkrail.store
    while (await store.backlog()).pending:
        await store.changed()
    return sum((await store.backlog()).pending.values())


@pytest.mark.parametrize(
    ("denied", "said"),
    [
        (None, "The pod build-1-test-pod is gone, and its log with it."),
        (("get", "pods/log"), "checkrail may not get pods/log in namespace ci"),
        (("get", "secrets"), "only what looks like a token is masked"),
    ],
)
async def test_what_cannot_be_read_is_a_sentence_on_the_check(
    tmp_path: Path, denied: tuple[str, str] | None, said: str
) -> None:
    async with story(tmp_path) as s:
        if denied:
            s.pod("the log\n", **make_secrets(s.w))
            s.w.kube.deny(*denied)
        await s.begin()
        await s.fail()
        check = await s.told()
        assert said in (check.text or "")
        assert await until_settled(s) == 0


async def test_a_log_that_tries_to_be_markup_stays_a_log(tmp_path: Path) -> None:
    async with story(tmp_path) as s:
        s.pod("```\n</details>\n![x](https://evil.example/x.png)\n@acme/team fixes #1\n")
        await s.begin()
        await s.fail()
        text = (await s.told()).text or ""
        assert "\n````\n```\n</details>\n![x]" in text
        assert text.endswith("fixes #1\n````\n\n</details>\n\n")


async def test_a_failed_job_shows_the_log_of_its_pod(tmp_path: Path) -> None:
    async with story(tmp_path) as s:
        annotations = {
            "checkrail.dev/repository": "acme/shop",
            "checkrail.dev/commit": s.w.commit,
        }
        box = {"name": "main", "image": "i"}
        template = {"spec": {"restartPolicy": "Never", "containers": [box]}}
        metadata = {"name": "migrate", "namespace": "ci", "annotations": annotations}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
        made = s.w.kube.create({**job, "spec": {"template": template}})
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "controller": True}
        owned = {
            "labels": {"batch.kubernetes.io/job-name": "migrate"},
            "ownerReferences": [{**owner, "uid": made["metadata"]["uid"]}],
        }
        make_pod(s.w, "migrate-x1", "main", "no such table\n", metadata=owned)
        failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
        target = {**failed, "type": "FailureTarget"}
        times = {"lastTransitionTime": stamp(made, 9), "lastProbeTime": stamp(made, 9)}
        status = {
            "startTime": stamp(made, 1),
            "failed": 1,
            "conditions": [{**target, **times}, {**failed, **times}],
        }
        s.w.kube.patch("Job", "ci", "migrate", {"status": status}, subresource="status")
        check = await s.told()
        assert "no such table" in (check.text or "")


async def test_with_logs_off_no_pod_log_or_secret_is_ever_asked_for(tmp_path: Path) -> None:
    async with story(tmp_path, logs=False) as s:
        s.pod("the log\n", **make_secrets(s.w))
        await s.begin()
        await s.fail()
        await until(lambda: s.check.conclusion)
        assert await until_settled(s) == 0
        asked = {resource for _, resource in s.w.kube.requests}
        assert not asked & {"pods", "pods/log", "secrets"}
        assert s.check.text is None


async def test_an_answer_to_a_click_leaves_the_log_where_it_is(tmp_path: Path) -> None:
    async with story(tmp_path) as s:
        s.pod("the log\n" + FINDING.format(7))
        await s.begin()
        await s.fail()
        check = await s.told()
        s.w.github.click_action(check.id, "rerun", "eve", forged=True)
        await until(lambda: "needs write access" in (check.summary or ""))
        assert "the log" in (check.text or "")
        assert len(check.annotations) == 1


# --- what documents say of logs -----------------------------------------------------------------

REPORT = (
    '<testsuite><testcase name="a"/><testcase name="b" file="src/shop.py" line="3">'
    '<failure message="{}"/></testcase></testsuite>'
)
REPORTS = """
    logs:
      reports:
        - {format: junit, step: test / main}
"""


async def test_a_run_that_succeeded_shows_its_test_report_and_not_its_log(tmp_path: Path) -> None:
    async with configured(tmp_path, REPORTS) as s:
        s.pod(REPORT.format("it is " + SECRETS["env"]), **make_secrets(s.w))
        await s.begin()
        await s.succeed()
        await until(lambda: s.check.text)
        assert s.check.conclusion == "success"
        assert s.check.text == "📋 JUnit report test / main: 2 tests: 1 passed, 1 failed\n\n"
        (note,) = s.check.annotations
        assert (note["path"], note["message"]) == ("src/shop.py", "it is ***")
        assert await until_settled(s) == 0
        assert SECRETS["env"].encode() not in stored(tmp_path)


async def test_logs_look_as_a_notification_says_and_may_be_shown_always(tmp_path: Path) -> None:
    settings = """
        logs:
          when: always
          lines: 2
          lineLength: 20
          matchers:
            - owner: shout
              pattern: [{regexp: "^!! (\\\\S+) (.+)$", file: 1, message: 2}]
    """
    async with configured(tmp_path, settings) as s:
        s.pod("first\n" + "x" * 99 + "\n!! src/shop.py not like this\n")
        await s.begin()
        await s.succeed()
        await until(lambda: s.check.text)
        assert "\n[… 1 earlier lines …]\nxxxxxxxxxx…xxxxxxxxx\n" in (s.check.text or "")
        assert [note["path"] for note in s.check.annotations] == ["src/shop.py"]


async def test_what_is_off_for_all_no_document_and_no_run_turns_on(tmp_path: Path) -> None:
    async with configured(tmp_path, "logs: {when: always}", logs=False) as s:
        s.pod("the log\n")
        s.run = s.w.pipelinerun("build-1", annotations={"checkrail.dev/logs": "always"})
        await until(s.w.checks)
        await s.fail()
        await until(lambda: s.check.conclusion)
        assert await until_settled(s) == 0
        assert s.check.text is None
        assert not {"pods", "pods/log"} & {resource for _, resource in s.w.kube.requests}


async def test_a_run_itself_has_the_last_word_on_its_log(tmp_path: Path) -> None:
    async with configured(tmp_path, "logs: {when: always}") as s:
        s.pod("the log\n")
        s.run = s.w.pipelinerun("build-1", annotations={"checkrail.dev/logs": "never"})
        await until(s.w.checks)
        await s.fail()
        await until(lambda: s.check.conclusion)
        assert await until_settled(s) == 0
        assert s.check.text is None
        assert not {"pods", "pods/log"} & {resource for _, resource in s.w.kube.requests}


async def test_a_pipeline_in_a_pipeline_shows_the_step_that_failed_in_it(tmp_path: Path) -> None:
    async with story(tmp_path) as s:
        s.pod("deep down\n")
        await s.begin()
        metadata = s.part("build-1-deploy", "deploy", s.run)
        manifest = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata}
        child = s.w.kube.create({**manifest, "spec": {"pipelineRef": {"name": "deploy"}}})
        s.taskrun("test", 2, child)
        s.w.step(child, "Failed", "False")
        await s.heard(2)
        s.w.step(s.run, "Failed", "False")
        check = await s.told()
        assert "<code>deploy / test / main</code> · exit code 2" in (check.text or "")
        assert "deep down" in (check.text or "")
        assert len(s.w.checks()) == 1


async def test_drift_of_a_release_is_told_to_consumers_who_ask_for_it(tmp_path: Path) -> None:
    async with configured(tmp_path, "drift: true") as s:
        s.w.release()
        told = ["service.deployed"]
        await until(lambda: s.w.consumer.types == told)
        drift(s.w, "True", "DriftDetected", seconds=90)
        told += ["flux-helmrelease.drifted"]
        await until(lambda: s.w.consumer.types == told)
        drift(s.w, "False", "NoDriftDetected", seconds=120)
        told += ["flux-helmrelease.corrected"]
        await until(lambda: s.w.consumer.types == told)


def drift(w: World, status: str, reason: str, *, seconds: float) -> None:
    """helm-controller compares the cluster with what Helm deployed."""
    (release,) = w.kube.list("HelmRelease", "dev")
    others = [one for one in release["status"]["conditions"] if one["type"] != "Drifted"]
    said = {"type": "Drifted", "status": status, "reason": reason, "message": "Deployment shop"}
    drifted = {**said, "lastTransitionTime": stamp(release, seconds)}
    value = {"status": {"conditions": [*others, drifted]}}
    w.kube.patch("HelmRelease", "dev", "shop", value, subresource="status")
