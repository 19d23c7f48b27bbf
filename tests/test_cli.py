"""The command as people and machines call it: a process, its output, its exit code.

What settings, documents and manifests may say is tests/test_settings, test_config, test_manifests;
what explaining makes of an object is tests/test_explain.
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from ghapp import cli, settings
from ghapp.core.audit import Audited
from ghapp.core.effects import Effect
from ghapp.core.model import Verb
from ghapp.ports import Commit, Parked
from ghapp.store import open_store
from tests import github_contract
from tests.core.test_cdevents import needs_schemas, validators
from tests.process import ROOT, environ, process
from tests.store.values import NOW, event, to
from tests.world import PIPELINE, until, world

needs_contract = pytest.mark.skipif(
    not github_contract.is_available(), reason=github_contract.NO_DATA
)


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """One object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def checkrail(*arguments: str, **more: str) -> Said:
    """Runs the command as a process, with nothing but `more` in its environment."""
    return piped(b"", *arguments, **more)


def piped(stdin: bytes, *arguments: str, **more: str) -> Said:
    """The same, with something to read."""
    ended = subprocess.run(
        [sys.executable, "-m", "ghapp", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **more},
        input=stdin,
        capture_output=True,
        timeout=40,
        check=False,
    )
    return Said(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def within(*arguments: str) -> Said:
    """Runs the command in here: for what only prints."""
    result = CliRunner().invoke(cli.checkrail, arguments, prog_name="checkrail")
    return Said(result.exit_code, result.stdout, result.stderr)


STOP_LIMIT = 6.0
"""Seconds; it takes less than one, but a machine may have more to do than this."""


# -- help ---------------------------------------------------------------------------------------


def commands(command: Any = cli.checkrail, name: str = "") -> Iterator[str]:
    """Every command, groups included: ``dead list``."""
    yield name
    for part, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, f"{name} {part}".strip())


@pytest.mark.parametrize("command", [*commands()])
def test_every_command_says_what_it_is_for_and_how_it_is_used(command: str) -> None:
    said = within(*command.split(), "--help")
    assert said.code == 0
    usage, _, rest = said.out.partition("\n\n")
    assert usage.startswith(f"Usage: checkrail {command}".strip())
    first = rest.strip().splitlines()[0]
    assert first[0].isupper()
    assert len(first.split()) > 3


def test_the_list_of_commands_is_the_contract() -> None:
    said = within("--help")
    for name in (
        "demo",
        "setup",
        "run",
        "doctor",
        "explain",
        "validate",
        "audit",
        "dead",
        "crds",
        "rbac",
    ):
        assert re.search(rf"^  {name} ", said.out, re.MULTILINE), name
    assert "Start with `checkrail demo`" in said.out


def test_help_names_every_setting_with_its_default() -> None:
    said = within("run", "--help")
    for variable in settings.VARIABLES:
        assert variable.name in said.out
        assert not variable.default or variable.default in said.out


def test_without_a_command_there_is_help_and_with_a_wrong_one_advice() -> None:
    assert "Usage: checkrail" in checkrail().err + checkrail().out
    wrong = checkrail("explode")
    assert (wrong.code, wrong.out) == (2, "")
    assert "No such command 'explode'" in wrong.err
    assert "Try 'checkrail --help'" in wrong.err


def test_an_option_that_does_not_exist_is_named() -> None:
    said = checkrail("run", "--rol", "all")
    assert said.code == 2
    assert "--rol" in said.err
    assert "--role" in said.err


# -- run: what is wrong is said before anything starts ------------------------------------------


def test_all_mistakes_are_reported_together_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "pipelines.yaml").write_text(PIPELINE)
    store = tmp_path / "checkrail.db"
    said = checkrail(
        "run",
        CHECKRAIL_WEBHOK_SECRET="x",
        CHECKRAIL_LISTEN="everywhere",
        CHECKRAIL_STORE=f"sqlite:///{store}",
        CHECKRAIL_CONFIG=str(tmp_path / "nowhere"),
        CHECKRAIL_PROGRESS_INTERVAL="soon",
        CHECKRAIL_GITHUB_APP_ID="1",
        CHECKRAIL_GITHUB_PRIVATE_KEY_FILE=str(tmp_path / "key.pem"),
        CHECKRAIL_LOG_LEVEL="loud",
    )
    assert (said.code, said.out) == (2, "")
    lines = said.err.splitlines()
    for expected in (
        "CHECKRAIL_WEBHOK_SECRET: unknown setting",
        "CHECKRAIL_LISTEN: 'everywhere' is not HOST:PORT",
        "nowhere does not exist",
        "CHECKRAIL_PROGRESS_INTERVAL: 'soon' is not a number of seconds",
        "CHECKRAIL_GITHUB_PRIVATE_KEY_FILE:",
        "CHECKRAIL_GITHUB_WEBHOOK_SECRET:",
        "CHECKRAIL_LOG_LEVEL: 'loud' is none of",
    ):
        assert any(expected in line for line in lines), expected
    assert all(line.startswith("checkrail: CHECKRAIL_") for line in lines)
    assert not store.exists()


def test_a_misspelled_setting_is_answered_with_the_right_one() -> None:
    said = checkrail("run", CHECKRAIL_LISTENN="x:1")
    assert said.code == 2
    assert "did you mean CHECKRAIL_LISTEN?" in said.err


def test_wrong_documents_are_reported_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PIPELINE.replace("kind: Pipeline", "kind: Pipelin"))
    (tmp_path / "b.yaml").write_text("kind: [")
    store = tmp_path / "checkrail.db"
    said = checkrail("run", CHECKRAIL_CONFIG=str(tmp_path), CHECKRAIL_STORE=f"sqlite:///{store}")
    assert said.code == 2
    assert re.search(r"a\.yaml:\d+", said.err)
    assert re.search(r"b\.yaml:\d+", said.err)
    assert "Traceback" not in said.err
    assert not store.exists()


def test_without_a_cluster_it_says_what_to_set(tmp_path: Path) -> None:
    said = checkrail("run", HOME=str(tmp_path), CHECKRAIL_STORE=f"sqlite:///{tmp_path / 's.db'}")
    assert said.code == 2
    assert "KUBECONFIG" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("key", ["not a key", "no RSA key", "nothing"])
async def test_an_unusable_key_is_a_mistake_and_is_never_printed(tmp_path: Path, key: str) -> None:
    pem = {
        "not a key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXNlY3JldA==\n-----END PRIVATE KEY-----",
        "no RSA key": ED25519,
        "nothing": "",
    }[key]
    async with world(tmp_path) as w:
        given = environ(w)
        (tmp_path / "key.pem").write_text(pem)
        said = await asyncio.to_thread(lambda: checkrail("run", **given))
    assert said.code == 2
    assert "CHECKRAIL_GITHUB_PRIVATE_KEY" in said.err
    assert "c2VjcmV0" not in said.err
    assert "Traceback" not in said.err


ED25519 = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----"""


async def test_a_port_that_is_taken_is_a_mistake_of_the_setting(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listen = f"127.0.0.1:{taken.getsockname()[1]}"
            given = environ(w, CHECKRAIL_LISTEN=listen)
            said = await asyncio.to_thread(lambda: checkrail("run", **given))
    assert said.code == 2
    assert f"CHECKRAIL_LISTEN: cannot listen on {listen}" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_in_good_order_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    async with world(tmp_path) as w, process(w) as product:
        w.step(w.pipelinerun(), "Running")
        await until(lambda: w.checks() and w.checks()[0].status == "in_progress")
        product.inner.send_signal(number)
        async with asyncio.timeout(STOP_LIMIT):
            assert await product.inner.wait() == 0
    events = [line["event"] for line in product.log]
    assert events[-1] == "stopped"
    assert "started" in events


async def test_what_is_logged_is_json_a_line_each_and_holds_no_secret(tmp_path: Path) -> None:
    async with world(tmp_path) as w, process(w) as product:
        w.run_through(w.pipelinerun("first"), "Failed")
        check = await until(lambda: next((c for c in w.checks() if c.conclusion), None))
        w.github.click_rerun(check.id, "dev")
        await until(lambda: len(w.checks()) == 2)
        assert await product.stop() == 0
    lines = product.said.decode().splitlines()
    assert len(product.log) == len(lines)
    assert {"delivered", "webhook accepted", "a click"} <= {line["event"] for line in product.log}
    for secret in ("current webhook secret", "BEGIN", "kube-token", "ghs_", "eyJ"):
        assert secret not in product.said.decode()


# -- explain ------------------------------------------------------------------------------------

RUN: dict[str, Any] = {
    "apiVersion": "tekton.dev/v1",
    "kind": "PipelineRun",
    "metadata": {
        "name": "build-1",
        "namespace": "ci",
        "uid": "5e1f0c9a-7a3e-4d52-9f55-2f6a3a0d1b11",
        "creationTimestamp": "2026-11-21T09:00:00Z",
        "annotations": {
            "checkrail.dev/repository": "acme/shop",
            "checkrail.dev/commit": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        },
    },
    "spec": {"pipelineRef": {"name": "build"}},
    "status": {
        "conditions": [{"type": "Succeeded", "status": "False", "reason": "Failed"}],
        "startTime": "2026-11-21T09:00:01Z",
        "completionTime": "2026-11-21T09:00:31Z",
    },
}
AS_YAML = """
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  name: build-1
  namespace: ci
  uid: 5e1f0c9a-7a3e-4d52-9f55-2f6a3a0d1b11
  creationTimestamp: 2026-11-21T09:00:00Z  # unquoted: YAML reads a time
  annotations:
    checkrail.dev/repository: acme/shop
    checkrail.dev/commit: 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567
spec: {pipelineRef: {name: build}}
status:
  conditions: [{type: Succeeded, status: "False", reason: Failed}]
  startTime: 2026-11-21T09:00:01Z
  completionTime: "2026-11-21T09:00:31Z"
"""
FORMS: Mapping[str, tuple[str, int]] = {
    "JSON": (json.dumps(RUN), 1),
    "indented JSON": (json.dumps(RUN, indent=2), 1),
    "YAML": (AS_YAML, 1),
    "a List": (json.dumps({"apiVersion": "v1", "kind": "List", "items": [RUN, RUN]}), 2),
    "a typed list": (json.dumps({"kind": "PipelineRunList", "items": [RUN]}), 1),
    "several documents": (f"---\n{AS_YAML}\n---\n---\n{json.dumps(RUN)}\n...\n", 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_explain_reads_every_form_alike(tmp_path: Path, form: str) -> None:
    text, count = FORMS[form]
    path = tmp_path / "run"
    path.write_text(text)
    said = within("explain", "-f", str(path), "-o", "json")
    assert said.code == 0
    assert len(said.objects) == count
    for found in said.objects:
        assert found["subject"] == {
            "kind": "PipelineRun",
            "cluster": "default",
            "namespace": "ci",
            "name": "build-1",
            "run": "5e1f0c9a-7a3e-4d52-9f55-2f6a3a0d1b11",
        }
        assert (found["phase"], found["milestones"]) == (
            "failed",
            ["queued", "started", "finished"],
        )
        assert found["revision"]["commit"] == "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
        assert found["check"]["conclusion"] == "failure"
        assert len(found["cdevents"]) == 3


def test_explain_says_whether_somebody_may_act_on_it(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(AS_YAML)

    def asked(*more: str) -> dict[str, Any]:
        said = within("explain", "-f", str(path), "-o", "json", "--as", "ann", *more)
        assert said.code == 0
        found: dict[str, Any] = said.objects[0]["access"]
        return found

    assert asked("--action", "rerun", "--permission", "write")["allowed"]
    refused = asked("--action", "rerun", "--permission", "read")
    assert (refused["allowed"], "needs write access" in refused["why"]) == (False, True)
    nowhere = asked("--action", "promote", "--permission", "admin")
    assert nowhere["why"] == "no Pipeline document says where to"


def test_explain_reads_what_comes_through_a_pipe() -> None:
    said = piped(AS_YAML.encode(), "explain", "-f", "-", "-o", "json")
    assert (said.code, len(said.objects), said.err) == (0, 1, "")


@needs_contract
def test_the_check_it_prints_is_the_body_that_github_takes(tmp_path: Path) -> None:
    validator = github_contract.request_validator("POST", "/repos/{owner}/{repo}/check-runs")
    assert validator
    found = explained(tmp_path)
    assert [error.message for error in validator.iter_errors(found["check"])] == []
    assert found["check"]["head_sha"] == "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"


@needs_schemas
def test_the_events_it_prints_are_cdevents_in_cloudevents(tmp_path: Path) -> None:
    for one in explained(tmp_path)["cdevents"]:
        assert one["specversion"] == "1.0"
        assert one["type"] == one["data"]["context"]["type"]
        errors = validators()[one["type"]].iter_errors(one["data"])
        assert [error.message for error in errors] == []


def explained(folder: Path) -> dict[str, Any]:
    (folder / "run.json").write_text(json.dumps(RUN))
    (found,) = within("explain", "-f", str(folder / "run.json"), "-o", "json").objects
    return found


def test_for_people_it_shows_the_check_as_github_does(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(AS_YAML)
    said = within("explain", "-f", str(tmp_path / "run.yaml"))
    assert said.code == 0
    for words in ("PipelineRun build-1", "failed", "tekton / build", "[ Re-run ]", "acme/shop"):
        assert words in said.out
    assert "dev.cdevents.pipelinerun.finished" in said.out


def test_explain_uses_the_cluster_the_dashboard_and_the_documents(tmp_path: Path) -> None:
    said = piped(
        AS_YAML.encode(),
        *("explain", "-f", "-", "-o", "json"),
        CHECKRAIL_CLUSTER="east",
        CHECKRAIL_DASHBOARD_URL="https://dash/{namespace}/{name}",
    )
    (found,) = said.objects
    assert found["subject"]["cluster"] == "east"
    assert found["check"]["name"] == "east / tekton / build"
    assert found["check"]["details_url"] == "https://dash/ci/build-1"


UNREADABLE = {
    "broken YAML": (b"kind: X\nmetadata: {name: [}\n", ":2:"),
    "broken JSON": (b'{"kind": "X",\n "metadata": {]}', ":2:"),
    "a map as a key": (b"kind: X\nspec: {? {a: b} : 1}", ":2:"),
    "nothing": (b"", "there is no object in it"),
    "text": (b"hello", "expected Kubernetes objects, found str"),
    "no text": (b"\xff\xfe\x00", "not YAML or JSON"),
    "an unknown tag": (b"kind: !!python/object:os.system x", ":1:"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_told_with_file_line_and_column(tmp_path: Path, name: str) -> None:
    content, expected = UNREADABLE[name]
    path = tmp_path / "object.yaml"
    path.write_bytes(content)
    said = checkrail("explain", "-f", str(path))
    assert (said.code, said.out) == (2, "")
    assert "object.yaml" in said.err
    assert expected in said.err
    assert "Traceback" not in said.err


def test_a_file_that_is_not_there_is_named() -> None:
    said = checkrail("explain", "-f", "/nowhere/object.yaml")
    assert (said.code, said.err) == (
        2,
        "checkrail: /nowhere/object.yaml: No such file or directory\n",
    )


ODD = {
    "a set": "spec: {a: !!set {b, c}}",
    "a number as a key": "spec: {1: 2, null: 3}",
    "itself": "spec: &a {me: *a}",
    "no number": "spec: {a: .nan, b: .inf}",
    "bytes": "spec: {a: !!binary aGVsbG8=}",
    "a date": "spec: {a: 2026-11-21}",
    "metadata that is a list": "metadata: [1]",
    "a name that is a number": "metadata: {name: 7}",
}


@pytest.mark.parametrize("name", ODD)
def test_yaml_that_is_more_than_json_is_explained_or_skipped(tmp_path: Path, name: str) -> None:
    path = tmp_path / "object.yaml"
    metadata = "" if "metadata:" in ODD[name] else "metadata: {name: x}\n"
    path.write_text(f"apiVersion: tekton.dev/v1\nkind: PipelineRun\n{metadata}{ODD[name]}\n")
    said = within("explain", "-f", str(path), "-o", "json")
    assert said.code == 0
    (found,) = said.objects
    assert found["subject"] is None or found["phase"] == "queued"


def test_a_wrong_dashboard_template_is_a_mistake() -> None:
    said = piped(b"kind: X", "explain", "-f", "-", CHECKRAIL_DASHBOARD_URL="https://{x}/")
    assert said.code == 2
    assert "CHECKRAIL_DASHBOARD_URL" in said.err


# -- validate, crds, rbac -----------------------------------------------------------------------


def test_validate_counts_what_is_right_and_tells_all_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(PIPELINE)
    assert within("validate", str(tmp_path)).out == "1 document, no mistakes\n"
    wrong = PIPELINE.replace("manual: true", "manual: perhaps").replace("dev}]", "DEV!}]")
    (tmp_path / "bad.yaml").write_text(wrong)
    (tmp_path / "worse.yaml").write_text("kind: [")
    said = checkrail("validate", str(tmp_path))
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert re.search(r"bad\.yaml:\d+:\d+: ", said.err)
    assert re.search(r"worse\.yaml:\d+:\d+: ", said.err)


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (("crds",), {"CustomResourceDefinition"}),
        (("rbac",), {"ServiceAccount", "ClusterRole", "ClusterRoleBinding"}),
        (
            ("rbac", "--namespaces", "ci, build"),
            {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"},
        ),
    ],
)
def test_manifests_are_printed_as_kubectl_takes_them(
    arguments: tuple[str, ...], kinds: set[str]
) -> None:
    said = within(*arguments)
    assert said.code == 0
    documents = list(YAML(typ="safe", pure=True).load_all(said.out))
    assert {document["kind"] for document in documents} == kinds


def test_output_that_nobody_reads_to_its_end_is_no_error() -> None:
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m ghapp rbac | head -c 10"],
        cwd=ROOT,
        capture_output=True,
        timeout=40,
        check=True,
    )
    assert b"Traceback" not in ended.stderr


# -- audit ---------------------------------------------------------------------------------------


def asked(login: str, *, minutes: int, allowed: bool = True, why: str = "may write") -> Audited:
    """An entry, so long ago."""
    return Audited(
        at=datetime.now(UTC) - timedelta(minutes=minutes),
        login=login,
        verb=Verb.PROMOTE,
        subject="HelmRelease/dev/shop",
        environment="staging",
        allowed=allowed,
        why=why,
        request=f"guid-{minutes}",
    )


async def audited(folder: Path, *entries: Audited) -> str:
    """A store with this audit log; its URL."""
    url = f"sqlite:///{folder / 'checkrail.db'}"
    store = await open_store(url, now=NOW)
    await store.commit(Commit(audit=entries))
    await store.close()
    return url


async def test_who_asked_for_what_is_told_newest_first(tmp_path: Path) -> None:
    refused = asked("Eve", minutes=5, allowed=False, why="[bold]read[/bold] is not enough")
    url = await audited(
        tmp_path, asked("ann", minutes=30), refused, asked("ann", minutes=60 * 24 * 8)
    )

    async def audit(*arguments: str) -> Said:
        return await asyncio.to_thread(
            checkrail, "audit", *arguments, CHECKRAIL_STORE=url, COLUMNS="200"
        )

    table = await audit()
    assert table.code == 0
    for words in ("Eve", "promote", "staging", "yes", "no", "[bold]read[/bold] is not enough"):
        assert words in table.out
    assert "minutes" not in table.err
    for arguments, found in (
        ((), ["guid-5", "guid-30"]),
        (("--since", "9d"), ["guid-5", "guid-30", "guid-11520"]),
        (("--since", "10m"), ["guid-5"]),
        (("--login", "eve"), ["guid-5"]),
        (("--limit", "1"), ["guid-5"]),
        (("--login", "bob"), []),
    ):
        listed = (await audit(*arguments, "-o", "json")).objects
        assert [entry["request"] for entry in listed] == found, arguments
    assert (await audit("--login", "bob")).out == "nobody asked for anything\n"
    assert "--limit shows more" in (await audit("--limit", "1")).err


@pytest.mark.parametrize("span", ["7", "d", "-1d", "7 days", "\u0667d", "123456d"])
def test_a_span_that_is_none_is_a_usage_error(span: str) -> None:
    said = checkrail("audit", f"--since={span}")
    assert said.code == 2
    assert "is no time span; write 90m, 12h or 7d" in said.err


@pytest.mark.parametrize("command", [("audit",), ("dead", "list")])
def test_a_store_that_is_not_there_is_an_error_and_is_not_made(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "elsewhere.db"
    said = checkrail(*command, CHECKRAIL_STORE=f"sqlite:///{path}")
    assert (said.code, said.out) == (2, "")
    assert f"there is no {path}; name the store of the running checkrail" in said.err
    assert not path.exists()


# -- dead ---------------------------------------------------------------------------------------


async def parked(folder: Path, *effects: Effect) -> str:
    """A store in which these effects are parked; its URL."""
    url = f"sqlite:///{folder / 'checkrail.db'}"
    store = await open_store(url, now=NOW)
    await store.commit(Commit(effects=to("cdevents", *effects)))
    for number in range(len(effects)):
        (row,) = await store.claim("cdevents", NOW, 1)
        reason = f"HTTP 400: [bold]no[/bold] {number}"
        await store.commit(Commit(settled=Parked(row=row.row, reason=reason)))
    await store.close()
    return url


async def test_parked_effects_are_listed_shown_tried_again_and_dropped(tmp_path: Path) -> None:
    url = await parked(tmp_path, event(1), event(2), event(3))

    async def dead(*arguments: str) -> Said:
        return await asyncio.to_thread(checkrail, "dead", *arguments, CHECKRAIL_STORE=url)

    table = await dead("list")
    assert table.code == 0
    for words in ("cdevents", "[bold]no[/bold]", "reason"):
        assert words in table.out
    listed = (await dead("list", "-o", "json")).objects
    assert [row["key"] for row in listed] == [event(n).key for n in (1, 2, 3)]
    first, second, _ = (str(row["id"]) for row in listed)
    shown = json.loads((await dead("show", first)).out)
    assert (shown["effect"], shown["reason"]) == ("EmitEvent", "HTTP 400: [bold]no[/bold] 0")
    assert shown["subject"] == event(1).subject.key
    assert (await dead("retry", first)).out == f"{first}: will be tried again\n"
    assert (await dead("drop", second)).out == f"{second}: dropped\n"
    for verb in ("show", "retry", "drop"):
        unknown = await dead(verb, second)
        assert (unknown.code, unknown.out) == (1, "")
        assert f"{second}: no such parked effect" in unknown.err
    assert len((await dead("list", "-o", "json")).objects) == 1

    store = await open_store(url, now=NOW)
    (again,) = await store.claim("cdevents", datetime.now(UTC), 10)
    assert again.key == event(1).key
    await store.close()


async def test_where_nothing_is_parked_it_says_so(tmp_path: Path) -> None:
    url = await parked(tmp_path)
    said = await asyncio.to_thread(checkrail, "dead", "list", CHECKRAIL_STORE=url)
    assert (said.code, said.out) == (0, "nothing is parked\n")


async def test_what_is_tried_again_is_delivered_by_the_process_that_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as w, process(w) as product:
        w.consumer.status = 400
        w.pipelinerun()
        url = w.settings().store

        async def dead(*arguments: str) -> Said:
            return await asyncio.to_thread(checkrail, "dead", *arguments, CHECKRAIL_STORE=url)

        await until(lambda: any(line["event"] == "effect parked" for line in product.log))
        listed: list[dict[str, Any]] = (await dead("list", "-o", "json")).objects
        (row,) = listed
        w.consumer.status = 202
        assert (await dead("retry", str(row["id"]))).code == 0
        await until(lambda: w.consumer.types == ["pipelinerun.queued"])


# -- setup ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to-cluster", "nonsense"), "--to-cluster: 'nonsense' is not NAMESPACE/NAME"),
        (("--github", "ftp://x"), "--github: 'ftp://x' is not an http or https URL"),
        (("--output", "/dev/null/x"), "/dev/null/x/github"),
        (("--rotate-webhook-secret", "--output", "/nonexistent"), "lacks private-key.pem"),
    ],
)
def test_a_set_up_that_cannot_be_is_refused_before_a_page_is_served(
    arguments: tuple[str, ...], said: str
) -> None:
    ended = checkrail("setup", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert "http://127.0.0.1" not in ended.err
