"""The import contracts hold, and each of them can fail: a wall nobody ever ran into may be painted.

The tree is copied, one import that a contract forbids is added, and lint-imports has to name just
that contract. What the contracts say is in .importlinter.
"""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = Path(sys.executable).with_name("lint-imports")

BREACHES = {
    "layers": ("ghapp/ports.py", "from ghapp.settings import Settings"),
    "documents": ("ghapp/documents/reading.py", "from ghapp.documents import kinds"),
    "core": ("ghapp/core/decide.py", "import time"),
    "adapters": ("adapters/job.py", "from ghapp import documents"),
    "plain-adapters": ("adapters/job.py", "import random"),
    "adapters-apart": ("adapters/job.py", "from adapters import tekton_pipelinerun"),
    "sinks-apart": ("ghapp/sinks/cdevents.py", "from ghapp.sinks import github_check"),
    "tools-apart": ("ghapp/migrate/flux.py", "from ghapp.migrate import kube_trigger"),
    "plain-tools": ("ghapp/migrate/flux.py", "import socket"),
    "door-gidgethub": ("ghapp/http.py", "import gidgethub"),
    "door-sqlite3": ("ghapp/settings.py", "import sqlite3"),
    "door-kubernetes": ("ghapp/engine/kube.py", "import kubernetes_asyncio"),
    "door-cloudevents": ("ghapp/sinks/cdevents.py", "import cloudevents"),
    "door-prometheus": ("ghapp/server.py", "import prometheus_client"),
    "door-click": ("ghapp/serve.py", "import click"),
    "door-cel": ("ghapp/core/rule.py", "import cel_expr_python"),
    "door-jinja2": ("ghapp/documents/config.py", "import jinja2"),
    "tests-only": ("ghapp/demo/__init__.py", "import playwright"),
}
"""Contract -> a file of its subject, and an import that it must not have."""


def contracts() -> dict[str, str]:
    """Id -> name of each contract."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {
        section.removeprefix(prefix): parser[section]["name"]
        for section in parser.sections()
        if section.startswith(prefix)
    }


def broken(tree: Path, cache: Path) -> set[str]:
    """The names of the contracts that lint-imports finds broken in `tree`."""
    ran = subprocess.run(
        [LINT, "--cache-dir", cache],
        cwd=tree,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = set(re.findall(r"^(.+?) BROKEN", ran.stdout, re.MULTILINE))
    assert ran.returncode == (1 if found else 0), ran.stdout + ran.stderr
    assert "Contracts: " in ran.stdout, ran.stdout + ran.stderr
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / ".importlinter", copy)
    for package in ("ghapp", "adapters"):
        for path in (ROOT / package).rglob("*.py"):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return copy


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What import-linter remembers of unchanged files."""
    return tmp_path_factory.mktemp("cache")


def test_the_house_stands(tree: Path, cache: Path) -> None:
    assert broken(tree, cache) == set()


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_of_each_contract_is_caught(contract: str, tree: Path, cache: Path) -> None:
    name, line = BREACHES[contract]
    path = tree / name
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    found = broken(tree, cache)
    path.write_text(before)
    assert contracts()[contract] in found


def test_every_contract_is_broken_once() -> None:
    assert set(BREACHES) == set(contracts())


def test_every_module_has_its_layer() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    layers = parser["importlinter:contract:layers"]["layers"]
    placed = set(re.findall(r"^[^#\n]*$", layers, re.MULTILINE))
    named = {module for line in placed for module in re.findall(r"[\w.]+", line)}
    modules = {
        f"ghapp.{path.stem}"
        for path in (ROOT / "ghapp").iterdir()
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert modules - named == set(), "say in .importlinter where they belong"
