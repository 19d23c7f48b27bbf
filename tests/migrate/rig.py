"""What the tests of moving over share: YAML in, our documents and what is said about them out."""

import textwrap
from pathlib import Path
from typing import Any

import msgspec

from ghapp import discovery, moving
from ghapp.documents import config, reading
from ghapp.migrate._source import Note
from ghapp.migrate._tool import Options
from ghapp.moving import Found, Result

CASES = Path(__file__).parent / "cases"
TOOLS = discovery.tools()
USUAL = Options()


def found(path: Path, text: str, **more: Any) -> Found:
    """What is in a file with this text."""
    path.write_text(textwrap.dedent(text), encoding="utf-8", newline="")
    return moving.read_files([path], TOOLS, **more)


def moved(path: Path, text: str, options: Options = USUAL) -> Result:
    """What becomes of a file with this text."""
    return moving.moved(found(path, text), TOOLS, options)


def said(result: Result) -> list[str]:
    """Every note."""
    return [str(note) for row in result.rows for note in row.notes]


def notes(result: Result) -> list[Note]:
    """The same, not as text."""
    return [note for row in result.rows for note in row.notes]


def documents_of(result: Result) -> dict[str, Any]:
    """Our documents, by kind and name; each has to be one."""
    file = reading.parse(result.text.encode(), "result")
    assert not file.mistakes
    values = [document.value for document in file.documents]
    for value in values:
        config.read_object(value)
    named = {_title(value): value for value in values}
    assert len(named) == len(values)
    return named


def spec(result: Result, title: str) -> Any:
    """Of one document."""
    return documents_of(result)[title]["spec"]


def _title(value: Any) -> str:
    metadata = value["metadata"]
    names = (metadata.get("namespace"), metadata["name"])
    return f"{value['kind']} {'/'.join(name for name in names if name)}"


def as_json(value: object) -> str:
    """YAML, too."""
    return msgspec.json.encode(value).decode()
