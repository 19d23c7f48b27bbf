"""What each tool's configuration becomes, whole, as golden files; what holds for all of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ghapp import moving
from ghapp.documents import config
from ghapp.documents.reading import Steps, dotted
from ghapp.migrate._source import Fate, Source
from ghapp.migrate._tool import Options
from tests.migrate import rig

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name for path in rig.CASES.iterdir())


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments name the file as it was given."""
    monkeypatch.chdir(rig.CASES)


def text(*names: str) -> str:
    paths = [Path(name) for name in names]
    return moving.moved(moving.read_files(paths, rig.TOOLS), rig.TOOLS, Options()).text


def compared(name: str, written: str) -> None:
    golden = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(written, encoding="utf-8")
    assert written == golden.read_text(encoding="utf-8"), "if this is meant: GOLDEN=write"


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_a_tool_is_golden(name: str) -> None:
    compared(name.replace(".json", "-file.yaml"), text(name))


def test_what_becomes_of_all_of_them_together_is_golden() -> None:
    compared("together.yaml", text("."))


def test_every_golden_file_has_its_case() -> None:
    assert len(list(GOLDEN.iterdir())) == len(CASES) + 1


@pytest.mark.parametrize("name", [*CASES, "."])
def test_the_result_is_valid_and_the_same_every_time(name: str, tmp_path: Path) -> None:
    written = text(name)
    assert written == text(name)
    path = tmp_path / "moved.yaml"
    path.write_text(written, encoding="utf-8")
    config.load(path)


@pytest.mark.parametrize("name", CASES)
def test_no_secret_is_repeated(name: str) -> None:
    found = moving.read_files([Path(name)], rig.TOOLS)
    result = moving.moved(found, rig.TOOLS, Options())
    assert "secretsecret" not in result.text + "".join(rig.said(result))


@pytest.mark.parametrize("name", CASES)
def test_what_is_left_of_a_field_that_nobody_thought_of_is_a_note(name: str) -> None:
    for source in moving.read_files([Path(name)], rig.TOOLS).sources:
        for path in _objects(source.value, ()):
            changed = _with(source.value, path)
            again = moving.Found(
                sources=(
                    Source(
                        value=changed,
                        origin="x",
                        namespace=source.namespace,
                        name=source.name,
                    ),
                )
            )
            result = moving.moved(again, rig.TOOLS, Options())
            whole = {dotted((*path, NEW)[: depth + 1]) for depth in range(len(path) + 1)}
            told = {note.about for note in rig.notes(result) if note.fate is not Fate.DIFFERS}
            carried = any(NEW in str(one) for one in rig.documents_of(result).values())
            assert carried or told & whole, f"{source.id}: {dotted(path)}.{NEW} is lost"


NEW = "xNew"


def _objects(value: Any, path: Steps) -> Iterator[Steps]:
    """Where something can be added."""
    if isinstance(value, dict):
        yield path
        for name, inside in value.items():
            yield from _objects(inside, (*path, name))
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from _objects(inside, (*path, index))


def _with(value: Any, path: Steps) -> Any:
    if not path:
        return {**value, NEW: "x"}
    changed: Any = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = _with(value[path[0]], path[1:])
    return changed
