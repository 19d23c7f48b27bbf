"""The logs and reports of runs, against the Kubernetes stand-in: read, masked, or said instead.

Left to others: how a log is cleaned, cut and folded (core), what a check makes of it (e2e), the
answers of an API server in general (engine/test_kube).
"""

import base64
import html
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from ghapp.core import cdevents
from ghapp.core.annotations import Annotation
from ghapp.core.effects import ReadLogs, ReportSource
from ghapp.core.model import LogSource, Milestone, Subject
from ghapp.core.notification import LogSettings
from ghapp.core.seen import Excerpt
from ghapp.demo.kube import KubeApi
from ghapp.errors import Reject, Retry
from ghapp.ports import Slot
from ghapp.sinks.logs import LONGEST_PAUSE, PIECES, REPORT_BYTES, SINK, TRIES, Logs
from tests.core.builders import T0, run_look
from tests.engine.kube_rig import client, kube_api, served

SUBJECT = Subject(kind="TaskRun", cluster="prod", namespace="ci", name="t", uid="u-1")
POD, BOX = "t-pod", "step-unit"
HUNTER = "correct horse battery"


@pytest.fixture
def api() -> KubeApi:
    minutes = count()
    return kube_api(now=lambda: T0 + timedelta(minutes=next(minutes)))


@pytest.fixture
async def sink(api: KubeApi) -> AsyncIterator[Logs]:
    async with served(api.app()) as url, client(url) as kube:
        yield Logs(clusters={"prod": kube})


def make_pod(
    api: KubeApi,
    name: str = POD,
    *containers: dict[str, Any],
    statuses: list[dict[str, Any]] | None = None,
    owner: str = "",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> None:
    """A pod that failed with exit code 2 in each container, unless told otherwise."""
    boxes = [{"name": BOX, "image": "i", **one} for one in containers] or [
        {"name": BOX, "image": "i"}
    ]
    owners = [{"apiVersion": "v1", "kind": "Job", "name": "o", "uid": owner}] if owner else []
    metadata = {"name": name, "namespace": "ci", "labels": labels or {}, "ownerReferences": owners}
    spec = {"containers": boxes, **spec}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    default = [ended(box["name"], 2) for box in boxes]
    status = {"phase": "Failed", "containerStatuses": default if statuses is None else statuses}
    api.patch("Pod", "ci", name, {"status": status}, subresource="status")


def ended(name: str, code: int, reason: str = "Error") -> dict[str, Any]:
    terminated = {"exitCode": code, "reason": reason}
    return {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0,
            "state": {"terminated": terminated}}  # fmt: skip


def make_secret(api: KubeApi, name: str, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": "ci"}
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


UNIT = LogSource(step="unit", pod=POD, container=BOX, failed=True)


def wish(*sources: LogSource, **settings: Any) -> ReadLogs:
    return ReadLogs(subject=SUBJECT, logs=sources or (UNIT,), settings=LogSettings(**settings))


def reports(*sources: ReportSource) -> ReadLogs:
    """Nothing but reports."""
    return ReadLogs(subject=SUBJECT, logs=(), reports=sources)


async def told(sink: Logs, effect: ReadLogs | None = None, tries: int = 0) -> Excerpt:
    receipt = await sink.deliver(effect or wish(), key="key", slot=Slot(tries=tries))
    assert receipt.excerpt is not None
    assert not receipt.notice
    return receipt.excerpt


# --- what is shown ------------------------------------------------------------------------------


async def test_the_end_of_the_failing_steps_log_is_shown_as_it_is(api: KubeApi, sink: Logs) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, "one\n  two ünï\tcode\n\nthree\n")
    text = (await told(sink)).text
    assert text == (
        "<details open><summary>❌ step <code>unit</code> · exit code 2</summary>\n\n"
        "```\none\n  two ünï\tcode\n\nthree\n```\n\n</details>\n\n"
    )


async def test_findings_are_annotations_on_paths_of_the_repository(
    api: KubeApi, sink: Logs
) -> None:
    make_pod(api, POD, {"workingDir": "/workspace/source/backend"})
    api.set_log("ci", POD, BOX, "app/a.py:3:5: E501 too long\n/workspace/source/b.go:7:1: bad\n")
    found = (await told(sink)).annotations
    assert [(one.path, one.start_line) for one in found] == [("backend/app/a.py", 3), ("b.go", 7)]
    assert all(isinstance(one, Annotation) for one in found)


async def test_of_ten_megabytes_the_end_is_shown(api: KubeApi, sink: Logs) -> None:
    make_pod(api)
    lines = [f"line {number} {'x' * 80}" for number in range(110_000)]
    api.set_log("ci", POD, BOX, "\n".join([*lines, "the end"]))
    text = (await told(sink)).text
    assert text.rstrip().endswith("the end\n```\n\n</details>")
    assert len(text.encode()) <= 65_535
    assert "line 1 " not in text
    assert "line 109999 " in text


async def test_of_one_line_without_end_nothing_is_shown_because_half_a_secret_may_be_in_it(
    api: KubeApi, sink: Logs
) -> None:
    make_secret(api, "db", password=HUNTER)
    make_pod(api, POD, {"env": [env("db", "password")]})
    half = 256 * 1024 - len(HUNTER) // 2
    api.set_log("ci", POD, BOX, "x" * 999 + HUNTER + "y" * (half - 1))
    text = (await told(sink)).text
    assert HUNTER[len(HUNTER) // 2 :] not in text
    assert "one line that is too long" in text


@pytest.mark.parametrize(
    "log",
    ["```\n</details>\n<img src=https://evil.example/x.png>\n@dev #1\n", "~~~\n\x1b]8;;x\x07"],
)
async def test_a_log_stays_in_its_fence(api: KubeApi, sink: Logs, log: str) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, log)
    text = (await told(sink)).text
    head, fence, rest = text.partition("\n\n`")
    fence = "`" + rest[: len(rest) - len(rest.lstrip("`"))]
    body = rest.lstrip("`").rsplit(f"\n{fence}\n", 1)[0]
    assert "<img" not in head
    assert f"\n{fence}\n" not in f"{body}\n"
    assert text.count("<details") == 1
    assert "\x1b" not in text


async def test_bytes_that_are_no_text_are_shown_as_such(api: KubeApi) -> None:
    make_pod(api)

    @web.middleware
    async def binary(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("/log"):
            return web.Response(body=b"\x00\xff\xfe\x89PNG\r\n\x1a\n\xc3\n\xe2\x82end\n\x80")
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[binary])
    app.add_subapp("/kube", api.app())
    async with served(app) as url, client(f"{url}/kube") as kube:
        text = (await told(Logs(clusters={"prod": kube}))).text
    assert "PNG" in text
    assert "end" in text
    assert "\x00" not in text


async def test_the_pods_of_a_job_are_found_and_the_newest_that_failed_is_read(
    api: KubeApi, sink: Logs
) -> None:
    labels = {"batch.kubernetes.io/job-name": "migrate"}
    make_pod(api, "migrate-a", owner="u-1", labels=labels)
    make_pod(api, "migrate-b", owner="u-1", labels=labels)
    make_pod(api, "migrate-c", owner="another", labels=labels)
    for name in "abc":
        api.set_log("ci", f"migrate-{name}", BOX, f"log of {name}\n")
    source = LogSource(step="pods 0/1", selector="batch.kubernetes.io/job-name=migrate")
    text = (await told(sink, wish(source))).text
    assert "log of b" in text
    assert "log of a" not in text
    assert "log of c" not in text


async def test_of_an_indexed_job_each_failed_index_is_read(api: KubeApi, sink: Logs) -> None:
    for index in "01":
        labels = {"job": "m", "batch.kubernetes.io/job-completion-index": index}
        make_pod(api, f"m-{index}", owner="u-1", labels=labels)
        api.set_log("ci", f"m-{index}", BOX, f"log of {index}\n")
    text = (await told(sink, wish(LogSource(step="", selector="job=m")))).text
    assert "log of 0" in text
    assert "log of 1" in text


async def test_only_containers_that_failed_are_read(api: KubeApi, sink: Logs) -> None:
    boxes = ({"name": "good"}, {"name": "bad"})
    make_pod(api, POD, *boxes, statuses=[ended("good", 0), ended("bad", 137, "OOMKilled")])
    for name in ("good", "bad"):
        api.set_log("ci", POD, name, f"log of {name}\n")
    text = (await told(sink, wish(LogSource(step="pod", pod=POD, failed=True)))).text
    assert "<code>pod / bad</code> · exit code 137 (OOMKilled)" in text
    assert "log of good" not in text


async def test_no_more_than_five_containers_are_read(api: KubeApi, sink: Logs) -> None:
    sources = []
    for number in range(PIECES + 2):
        make_pod(api, f"p-{number}")
        api.set_log("ci", f"p-{number}", BOX, f"log of {number}\n")
        sources.append(LogSource(step=f"s{number}", pod=f"p-{number}", container=BOX, failed=True))
    text = (await told(sink, wish(*sources))).text
    assert text.count("<details") == PIECES
    for steps in (2, PIECES + 1):
        assert (await told(sink, wish(*sources, steps=steps))).text.count("<details") == steps


async def test_more_lines_than_usual_are_read_where_somebody_wants_to_see_them(
    api: KubeApi, sink: Logs
) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, "".join(f"{number}\n" for number in range(2_000)))
    for lines in (10, 900):
        text = (await told(sink, wish(lines=lines))).text
        assert f"\n{2_000 - lines}\n" in text
        assert f"\n{1_999 - lines}\n" not in text


async def test_of_few_lines_that_are_shown_findings_are_looked_for_in_all(
    api: KubeApi, sink: Logs
) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, "a.py:3:5: E501 too long\n" + "more\n" * 50)
    excerpt = await told(sink, wish(lines=2))
    assert "E501" not in excerpt.text
    assert len(excerpt.annotations) == 1


async def test_a_part_that_did_not_fail_is_shown_as_such(api: KubeApi, sink: Logs) -> None:
    make_pod(api, statuses=[ended(BOX, 0, "Completed")])
    api.set_log("ci", POD, BOX, "all is well\n")
    text = (await told(sink, wish(replace(UNIT, failed=False)))).text
    assert text.startswith("<details><summary>step <code>unit</code></summary>")
    assert "all is well" in text


async def test_of_a_job_that_succeeded_the_pod_that_did_is_read(api: KubeApi, sink: Logs) -> None:
    make_pod(api, "m-1", owner="u-1", labels={"job": "m"}, statuses=[ended(BOX, 0)])
    api.patch("Pod", "ci", "m-1", {"status": {"phase": "Succeeded"}}, subresource="status")
    make_pod(api, "m-2", owner="u-1", labels={"job": "m"})
    for name in ("m-1", "m-2"):
        api.set_log("ci", name, BOX, f"log of {name}\n")
    for failed, name in ((False, "m-1"), (True, "m-2")):
        source = LogSource(step="pods 1/1", selector="job=m", failed=failed)
        text = (await told(sink, wish(source))).text
        assert [f"log of {each}" in text for each in ("m-1", "m-2")] == [
            name == "m-1",
            name == "m-2",
        ]


# --- reports ------------------------------------------------------------------------------------

JUNIT = (
    '<testsuite><testcase name="a"/><testcase name="b" file="shop/cart.py" line="7">'
    '<failure message="{}"/></testcase></testsuite>'
)
COUNTS = "2 tests: 1 passed, 1 failed"


def step_report(*parts: LogSource) -> ReportSource:
    return ReportSource(format="junit", name="unit", parts=parts or (UNIT,))


def result_report(text: str, *parts: LogSource) -> ReportSource:
    return ReportSource(format="junit", name="tests", text=text, parts=parts or (UNIT,))


async def test_the_whole_log_of_a_step_is_its_report(api: KubeApi, sink: Logs) -> None:
    make_pod(api, POD, {"workingDir": "/workspace/source/web"})
    long = "<system-out>" + "line\n" * 100_000 + "</system-out><testcase"
    api.set_log("ci", POD, BOX, JUNIT.format("no").replace("<testcase", long, 1))
    excerpt = await told(sink, reports(step_report()))
    assert excerpt.text == f"📋 JUnit report unit: {COUNTS}\n\n"
    assert [(one.path, one.start_line) for one in excerpt.annotations] == [("web/shop/cart.py", 7)]


async def test_a_report_stands_before_the_logs(api: KubeApi, sink: Logs) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, "the log\n")
    both = replace(wish(), reports=(result_report(JUNIT.format("no")),))
    text = (await told(sink, both)).text
    assert text.index(COUNTS) < text.index("the log")


@pytest.mark.parametrize("kind", ["step", "result"])
async def test_secrets_are_masked_in_reports_wherever_they_are_read(
    api: KubeApi, sink: Logs, kind: str
) -> None:
    secret = "correct & <horse>"
    make_secret(api, "db", password=secret)
    make_pod(api, POD, {"env": [env("db", "password")]})
    raw = JUNIT.format(html.escape(f"got {secret}, ghp_{'a1B2' * 9}"))
    api.set_log("ci", POD, BOX, raw)
    source = step_report() if kind == "step" else result_report(raw)
    (one,) = (await told(sink, reports(source))).annotations
    assert one.message == "got ***, ***"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (ReportSource(format="junit", name="tests"), "no such step or result"),
        (step_report(replace(UNIT, pod="gone")), "The pod gone is gone, and its log with it."),
        (step_report(replace(UNIT, container="step-x")), "step-x is not valid for pod"),
        (step_report(), "JUnit report unit cannot be read: this is not XML"),
        (result_report("{"), "JUnit report tests cannot be read: this is not XML"),
        (result_report(""), "JUnit report tests: it is empty."),
    ],
)
async def test_a_report_that_is_missing_or_broken_is_one_sentence(
    api: KubeApi, sink: Logs, source: ReportSource, said: str
) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, "no report\n")
    text = await sentence(sink, reports(source))
    assert said in text
    assert text.count("\n\n") == 1


async def test_a_report_is_read_up_to_a_size_and_not_a_byte_more(api: KubeApi, sink: Logs) -> None:
    make_pod(api)
    filler = "x" * (REPORT_BYTES - len(JUNIT.format("")))
    api.set_log("ci", POD, BOX, JUNIT.format(filler))
    assert COUNTS in (await told(sink, reports(step_report()))).text
    api.set_log("ci", POD, BOX, JUNIT.format(filler + "x"))
    assert "longer than the 2,000,000 bytes" in (await told(sink, reports(step_report()))).text
    api.set_log("ci", POD, BOX, JUNIT.format(filler))
    text = (await told(sink, reports(*[step_report()] * 3))).text
    assert text.count(COUNTS) == 2
    assert "longer than the 0 bytes that are left" in text


async def test_where_secrets_may_not_be_read_or_pods_are_gone_a_result_is_shown_with_a_warning(
    api: KubeApi, sink: Logs
) -> None:
    make_secret(api, "db", password=HUNTER)
    make_pod(api, POD, {"env": [env("db", "password")]})
    api.deny("get", "secrets")
    gone = replace(UNIT, pod="gone")
    text = (await told(sink, reports(result_report(JUNIT.format("no"), UNIT, gone)))).text
    assert COUNTS in text
    assert text.count("only what looks like a token is masked") == 2


async def test_a_result_that_nobody_knows_the_pod_of_is_shown_with_a_warning(sink: Logs) -> None:
    source = ReportSource(format="junit", name="tests", text=JUNIT.format("no"))
    text = (await told(sink, reports(source))).text
    assert COUNTS in text
    assert "Nobody knows which pod gave tests." in text


@pytest.mark.parametrize("resource", ["pods", "secrets"])
async def test_as_long_as_secrets_cannot_be_read_a_report_is_not_shown(
    api: KubeApi, sink: Logs, resource: str
) -> None:
    make_secret(api, "db", password=HUNTER)
    make_pod(api, POD, {"env": [env("db", "password")]})
    effect = reports(result_report(JUNIT.format(HUNTER)))
    api.faults.fail_next(code=503, verb="get", resource=resource)
    with pytest.raises(Retry):
        await told(sink, effect)
    api.faults.fail_next(code=503, verb="get", resource=resource)
    excerpt = await told(sink, effect, tries=TRIES - 1)
    assert COUNTS not in excerpt.text
    assert excerpt.annotations == ()
    assert "The cluster did not hand out the log" in excerpt.text


async def test_containers_of_one_pod_ask_for_it_once(api: KubeApi, sink: Logs) -> None:
    boxes = ({"name": "a"}, {"name": "b"})
    make_pod(api, POD, *boxes)
    sources = [LogSource(step="unit", pod=POD, container=name) for name in "ab"]
    api.requests.clear()
    await told(sink, wish(*sources))
    assert dict(api.requests) == {("get", "pods"): 1, ("get", "pods/log"): 2}


# --- what is masked -----------------------------------------------------------------------------


def env(secret: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": secret, "key": key, **more}}}


VOLUME = {"name": "v", "secret": {"secretName": "db"}}
PROJECTED = {"name": "v", "projected": {"sources": [{"secret": {"name": "db"}}]}}


@pytest.mark.parametrize(
    ("container", "spec"),
    [
        ({"env": [env("db", "password")]}, {}),
        ({"envFrom": [{"secretRef": {"name": "db"}}]}, {}),
        ({}, {"volumes": [VOLUME]}),
        ({}, {"volumes": [PROJECTED]}),
        ({}, {"initContainers": [{"name": "i", "image": "i", "env": [env("db", "password")]}]}),
    ],
)
async def test_the_values_of_the_pods_secrets_are_masked(
    api: KubeApi, sink: Logs, container: dict[str, Any], spec: dict[str, Any]
) -> None:
    make_secret(api, "db", password=HUNTER)
    make_pod(api, POD, container, **spec)
    encoded = base64.b64encode(f"dev:{HUNTER}".encode()).decode()
    api.set_log("ci", POD, BOX, f"a {HUNTER}\nBasic {encoded}\nx.py:1:1: E501 {HUNTER}\n")
    excerpt = await told(sink)
    assert HUNTER not in repr(excerpt)
    assert base64.b64encode(HUNTER.encode()).decode()[4:-4] not in repr(excerpt)
    assert "***" in excerpt.text
    assert len(excerpt.annotations) == 1


async def test_a_key_that_the_pod_cannot_see_masks_nothing(api: KubeApi, sink: Logs) -> None:
    make_secret(api, "db", password=HUNTER, user="administrator")
    make_pod(api, POD, {"env": [env("db", "password")]})
    api.set_log("ci", POD, BOX, "administrator\n")
    assert "administrator" in (await told(sink)).text


async def test_what_stands_in_a_file_that_a_secret_holds_is_masked(
    api: KubeApi, sink: Logs
) -> None:
    auth = base64.b64encode(b"robot:registry-pass").decode()
    make_secret(
        api,
        "files",
        config=f'{{"auths": {{"r.example": {{"auth": "{auth}"}}}}}}',
        dotenv="export TOKEN='quoted value'\nSHORT=abc\n",
    )
    make_pod(api, volumes=[{"name": "v", "secret": {"secretName": "files"}}])
    api.set_log("ci", POD, BOX, "registry-pass\nquoted value\nabc\n")
    text = (await told(sink)).text
    assert "registry-pass" not in text
    assert "quoted value" not in text
    assert "abc" in text


async def test_tokens_and_declared_values_are_masked_in_all_steps(api: KubeApi, sink: Logs) -> None:
    token = "ghp_" + "a1B2" * 9
    make_pod(api, "one")
    make_pod(api, "two")
    api.set_log("ci", "one", BOX, f"declared-value\n{token}\n")
    api.set_log("ci", "two", BOX, "::add-mask::declared-value\ndone\n")
    sources = [LogSource(step=one, pod=one, container=BOX, failed=True) for one in ("one", "two")]
    text = (await told(sink, wish(*sources))).text
    assert "declared-value" not in text
    assert token not in text


async def test_without_permission_for_secrets_only_tokens_are_masked_and_the_text_says_so(
    api: KubeApi, sink: Logs
) -> None:
    make_secret(api, "db", password=HUNTER)
    make_pod(api, POD, {"env": [env("db", "password")]})
    token = "ghp_" + "a1B2" * 9
    api.set_log("ci", POD, BOX, f"out {token}\n")
    api.deny("get", "secrets")
    text = (await told(sink)).text
    assert "may not get secrets in namespace ci" in text
    assert "only what looks like a token is masked" in text
    assert token not in text
    assert "out ***" in text


async def test_a_secret_that_is_gone_is_named_unless_it_may_be_absent(
    api: KubeApi, sink: Logs
) -> None:
    make_pod(api, POD, {"env": [env("gone", "k"), env("never", "k", optional=True)]})
    api.set_log("ci", POD, BOX, "out\n")
    text = (await told(sink)).text
    assert "The Secret gone is gone" in text
    assert "never" not in text


async def test_as_long_as_secrets_cannot_be_read_the_log_is_not_shown(
    api: KubeApi, sink: Logs
) -> None:
    make_secret(api, "db", password=HUNTER)
    make_pod(api, POD, {"env": [env("db", "password")]})
    api.set_log("ci", POD, BOX, f"out {HUNTER}\n")
    for tries in range(TRIES - 1):
        api.faults.fail_next(code=503, verb="get", resource="secrets")
        with pytest.raises(Retry) as caught:
            await told(sink, tries=tries)
        assert HUNTER not in str(caught.value)
    api.faults.fail_next(code=503, verb="get", resource="secrets")
    text = (await told(sink, tries=TRIES - 1)).text
    assert "The cluster did not hand out the log" in text
    assert "out " not in text.partition("</summary>")[2].replace("hand out", "")


# --- what is said instead -----------------------------------------------------------------------


async def sentence(sink: Logs, effect: ReadLogs | None = None) -> str:
    return html.unescape((await told(sink, effect)).text)


async def test_a_pod_that_is_gone_is_said_to_be_gone(sink: Logs) -> None:
    assert "The pod t-pod is gone, and its log with it." in await sentence(sink)


async def test_a_job_whose_pods_are_gone_says_so(sink: Logs) -> None:
    source = LogSource(step="pods", selector="job-name=migrate")
    assert "None of its pods is left" in await sentence(sink, wish(source))


async def test_a_cluster_that_was_taken_away_is_said_to_be_gone() -> None:
    by_label = LogSource(step="pods", selector="a=b")
    for effect in (wish(), wish(by_label)):
        said = await sentence(Logs(clusters={}), effect)
        assert "checkrail is not connected to the cluster prod any more." in said


@pytest.mark.parametrize(
    ("verb", "resource"), [("get", "pods"), ("get", "pods/log"), ("list", "pods")]
)
async def test_a_missing_permission_is_named_with_what_to_do(
    api: KubeApi, sink: Logs, verb: str, resource: str
) -> None:
    make_pod(api)
    api.deny(verb, resource)
    listed = LogSource(step="pods", selector="job-name=migrate")
    said = await sentence(sink, wish(listed) if verb == "list" else None)
    assert f"checkrail may not {verb} {resource} in namespace ci" in said
    assert "checkrail rbac" in said


async def test_a_container_that_never_started_says_why(api: KubeApi, sink: Logs) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling <image>"}}
    make_pod(api, statuses=[{**ended(BOX, 0), "state": waiting}])
    said = await sentence(sink)
    assert "The container never started: ImagePullBackOff: Back-off pulling <image>" in said


async def test_a_container_that_crashed_and_waits_to_start_again_has_a_log(
    api: KubeApi, sink: Logs
) -> None:
    crashed = {"terminated": {"exitCode": 3, "reason": "Error"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    make_pod(api, statuses=[{**ended(BOX, 0), "state": waiting, "lastState": crashed}])
    api.set_log("ci", POD, BOX, "why it crashed\n")
    assert "why it crashed" in (await told(sink)).text


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "It wrote nothing, or its log was rotated away."),
        ("unable to retrieve container logs for containerd://0a1b", "it was rotated away"),
    ],
)
async def test_a_log_that_is_not_there_any_more_is_missed(
    api: KubeApi, sink: Logs, log: str, said: str
) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, log)
    assert said in await sentence(sink)


async def test_a_container_that_the_pod_does_not_have_is_a_sentence(
    api: KubeApi, sink: Logs
) -> None:
    make_pod(api)
    source = LogSource(step="unit", pod=POD, container="step-x", failed=True)
    assert "step-x is not valid for pod" in await sentence(sink, wish(source))


@pytest.mark.parametrize("name", ["../secrets/db", "a/b", "", "A" * 300, "x?y"])
async def test_a_pod_cannot_be_called_like_another_object(
    api: KubeApi, sink: Logs, name: str
) -> None:
    make_secret(api, "db", password=HUNTER)
    source = LogSource(step="unit", pod=name, selector="a=b", container=BOX, failed=True)
    text = (await told(sink, wish(source))).text
    assert HUNTER not in text
    assert "```" not in text


async def test_what_is_missing_in_one_step_does_not_hide_the_others(
    api: KubeApi, sink: Logs
) -> None:
    make_pod(api)
    api.set_log("ci", POD, BOX, "here\n")
    gone = LogSource(step="lint", pod="gone", container="step-lint", failed=True)
    there = LogSource(step="unit", pod=POD, container=BOX, failed=True)
    text = (await told(sink, wish(gone, there))).text
    assert "here" in text
    assert "is gone" in text


# --- a cluster in trouble -----------------------------------------------------------------------


async def test_a_cluster_in_trouble_is_asked_again_soon(api: KubeApi, sink: Logs) -> None:
    make_pod(api)
    api.faults.fail_next(code=503, retry_after=3_000, verb="get", resource="pods/log")
    with pytest.raises(Retry) as caught:
        await told(sink)
    assert caught.value.after == LONGEST_PAUSE


async def test_a_cluster_that_stays_in_trouble_is_a_sentence(api: KubeApi, sink: Logs) -> None:
    make_pod(api)
    api.faults.fail_next(code=500, verb="get", resource="pods")
    text = (await told(sink, tries=TRIES - 1)).text
    assert "The cluster did not hand out the log" in text


# --- the plug-in --------------------------------------------------------------------------------


async def test_it_takes_wishes_for_logs_and_nothing_else(sink: Logs) -> None:
    event = cdevents.milestone_event(run_look(), Milestone.STARTED, "chain")
    assert event is not None
    assert sink.accepts(wish())
    assert not sink.accepts(event)
    with pytest.raises(Reject):
        await sink.deliver(event, key="k", slot=Slot())


def test_the_plug_in_says_what_it_needs() -> None:
    assert SINK.build is Logs
    assert {access.resource: access.verbs for access in SINK.access} == {
        "pods": ("get", "list"),
        "pods/log": ("get",),
        "secrets": ("get",),
    }
