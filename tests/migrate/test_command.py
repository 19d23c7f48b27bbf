"""`checkrail migrate` as a command: what it writes where, what it refuses, how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from ghapp import moving
from ghapp.errors import ConfigError
from tests.migrate import rig
from tests.process import ROOT


def migrate(*arguments: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ghapp", "migrate", *arguments],
        cwd=cwd,
        env={"COLUMNS": "160", "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_documents_go_to_stdout_and_the_summary_to_stderr(tmp_path: Path) -> None:
    ended = migrate(str(rig.CASES / "flux.yaml"))
    assert ended.returncode == 0
    assert ended.stdout.startswith("# Written by `checkrail migrate`.")
    assert "ClusterProvider github" in ended.stderr
    assert "Alert flux-system/shop" in ended.stderr
    assert "no document" in ended.stderr
    assert "9 objects moved over" in ended.stderr
    (tmp_path / "moved.yaml").write_text(ended.stdout)
    valid = subprocess.run(
        [sys.executable, "-m", "ghapp", "validate", str(tmp_path / "moved.yaml")],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert valid.stdout == "6 documents, no mistakes\n"


def test_no_secret_is_on_either_stream() -> None:
    ended = migrate(str(rig.CASES))
    assert ended.returncode == 0
    assert "secretsecret" not in ended.stdout + ended.stderr


def test_a_file_can_be_written_again_and_a_folder_with_it_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_bytes((rig.CASES / "flux.yaml").read_bytes())
    written = []
    for _ in range(2):
        ended = migrate(".", "-o", "moved.yaml", cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (0, "")
        written.append((tmp_path / "moved.yaml").read_bytes())
    assert written[0] == written[1]
    assert "of other kinds not read" in ended.stderr


def test_of_a_folder_what_could_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "deployment.yaml").write_text("{{- if .Values.enabled }}\na: b\n{{- end }}\n")
    ended = migrate(str(tmp_path))
    assert ended.returncode == 0
    assert "0 objects moved over" in ended.stderr
    assert "not read: " in ended.stderr
    assert "deployment.yaml" in ended.stderr


def test_an_input_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_bytes((rig.CASES / "flux.yaml").read_bytes())
    ended = migrate("in.yaml", "-o", "./in.yaml", cwd=tmp_path)
    assert ended.returncode == 2
    assert "is one of the files to read" in ended.stderr
    assert (tmp_path / "in.yaml").read_bytes() == (rig.CASES / "flux.yaml").read_bytes()


def test_the_enabled_label_is_an_option() -> None:
    case = str(rig.CASES / "pipelines_feedback.yaml")
    said = migrate(case, "--enabled-label", "acme.example/report=yes").stdout
    assert "acme.example/report: 'yes'" in said


@pytest.mark.parametrize(
    ("option", "env", "label"),
    [
        (None, {}, ("pipelinesfeedback.keskad.pl/enabled", "true")),
        (None, {"NAME": "a.b/c"}, ("a.b/c", "true")),
        (None, {"VALUE": "yes"}, ("pipelinesfeedback.keskad.pl/enabled", "yes")),
        ("a.b/c=d", {"NAME": "x", "VALUE": "y"}, ("a.b/c", "d")),
        ("a=", {}, ("a", "")),
        ("", {"NAME": "x"}, None),
    ],
)
def test_else_the_label_is_the_one_that_the_controllers_were_told_of(
    option: str | None, env: dict[str, str], label: tuple[str, str] | None
) -> None:
    named = {f"LABEL_FEEDBACK_ENABLED_{name}": value for name, value in env.items()}
    assert moving.options(option, named).enabled_label == label


@pytest.mark.parametrize("option", ["a", "=b", "a!=b", "a=b,c=d", "a in (b)", "a==b", "a=b c"])
def test_what_is_no_label_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="expected NAME=VALUE"):
        moving.options(option, {})
    with pytest.raises(ConfigError, match="expected NAME=VALUE"):
        moving.options(None, {"LABEL_FEEDBACK_ENABLED_NAME": "a b"})


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "name files or folders, or --live"),
        (("nowhere.yaml",), "does not exist"),
        ((".importlinter",), "is not YAML"),
        (("tests/migrate/cases", "--enabled-label", "a"), "expected NAME=VALUE"),
        (("--live",), "no cluster to connect to"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(arguments: tuple[str, ...], why: str) -> None:
    ended = migrate(*arguments)
    assert ended.returncode == 2
    assert why in ended.stderr
    assert ended.stdout == ""


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    ended = migrate(str(rig.CASES / "flux.yaml"), "-o", str(tmp_path / "no" / "where.yaml"))
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
