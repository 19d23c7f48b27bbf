"""YAML documents as plain values that remember the place where each of them stands.

ruamel.yaml's composer gives nodes with marks; here they become dicts, lists and scalars, and beside
them a map from path to line and column. Keys that are given twice are kept as mistakes: a parser
that lets the last one win hides half of what somebody wrote.
"""

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LONGEST: Final = 1024 * 1024
"""Bytes of a file: a ConfigMap cannot hold more."""

MOST_NODES: Final = 100_000
"""In one document, aliases unfolded: ten lines of aliases can mean a billion nodes."""

DEEPEST: Final = 60

Steps: TypeAlias = tuple[str | int, ...]
"""From the document to a value in it: ``("spec", "environments", 0, "name")``."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a place in a document."""

    steps: Steps
    text: str

    def __str__(self) -> str:
        return f"{dotted(self.steps)}: {self.text}" if self.steps else self.text


def dotted(steps: Steps) -> str:
    """``spec.environments[0].name``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file, as editors count: from 1, in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file."""

    file: str
    value: Any
    marks: Mapping[Steps, Mark]
    mistakes: tuple[Mistake, ...] = ()
    """Keys that are given twice, and values that YAML cannot read."""

    def mark(self, steps: Steps) -> Mark:
        """Where the value, or its key, stands; or what it would stand in if it were there."""
        while steps not in self.marks:
            steps = steps[:-1]
        return self.marks[steps]

    def place(self, steps: Steps) -> str:
        """``shop.yaml:12:5``."""
        return f"{self.file}:{self.mark(steps)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """The documents up to the first that is not YAML, and why it went no further."""

    documents: tuple[Document, ...] = ()
    mistakes: tuple[str, ...] = ()


def read(path: Path) -> File:
    """The documents of a file."""
    try:
        content = _bytes(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symlinks
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return File(mistakes=(f"{path}: cannot be read: {reason}",))
    if content is None:
        return File(mistakes=(f"{path}: is not a file",))
    if len(content) > LONGEST:
        return File(mistakes=(f"{path}: is longer than 1 MiB; split it into several files",))
    return parse(content, str(path))


def _bytes(path: Path) -> bytes | None:
    """One byte more than is allowed, at most; None: a folder, or a pipe that would never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        return None
    with path.open("rb") as file:
        return file.read(LONGEST + 1)


def parse(content: bytes, name: str) -> File:
    """The documents in these bytes; empty ones are left out."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        *before, last = content[: error.start].split(b"\n")
        mark = Mark(len(before) + 1, len(last.decode("utf-8", "replace")) + 1)
        return File(mistakes=(f"{name}:{mark}: is not UTF-8 text",))
    documents: list[Document] = []
    yaml = YAML(typ="safe", pure=True)
    try:
        for node in yaml.compose_all(text):
            document = _Unfolding(name, yaml.constructor.construct_object).document(node)
            documents += [] if document.value is None else [document]
    except (YAMLError, RecursionError, ValueError) as error:
        mistake = f"{name}{_marked(error)}: is not YAML: {_problem(error)}"
        return File(documents=tuple(documents), mistakes=(mistake,))
    return File(documents=tuple(documents))


def _marked(error: Exception) -> str:
    """``:LINE:COLUMN``, where the error knows it."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return f":{Mark(mark.line + 1, mark.column + 1)}" if mark else ""


def _problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MarkedYAMLError):
        return ", ".join(str(part) for part in (error.context, error.problem) if part)
    return str(error).partition("\n")[0]


_READ: Final = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null")}
"""Scalars that are not text. A timestamp is: no field of ours is one, and JSON has none."""


@dataclass(slots=True)
class _Unfolding:
    """One document on its way from nodes to values."""

    name: str
    scalar: Callable[[Node], Any]
    marks: dict[Steps, Mark] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    nodes: int = 0

    def document(self, node: Node) -> Document:
        value = self._value(node, ())
        return Document(
            file=self.name, value=value, marks=self.marks, mistakes=tuple(self.mistakes)
        )

    def _value(self, node: Node, steps: Steps) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES or len(steps) > DEEPEST:
            raise YAMLError(f"more than {MOST_NODES} values, or {DEEPEST} levels; aliases count")
        self.marks.setdefault(steps, _start(node))
        if isinstance(node, MappingNode):
            return dict(self._items(node, steps))
        if isinstance(node, SequenceNode):
            return [self._value(item, (*steps, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, steps)

    def _items(self, node: MappingNode, steps: Steps) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.mistakes.append(Mistake(steps, "a key has to be text"))
                continue
            here = (*steps, str(key.value))
            if key.value in seen:
                first, again = self.marks[here].line, _start(key).line
                twice = f"is given twice, first on line {first}, again on line {again}; remove one"
                self.mistakes.append(Mistake(here, twice))
                continue
            seen.add(key.value)
            self.marks[here] = _start(key)
            yield str(key.value), self._value(value, here)

    def _scalar(self, node: Node, steps: Steps) -> Any:
        if node.tag not in _READ:
            return str(node.value)
        try:
            return self.scalar(node)
        except (ValueError, YAMLError):
            self.mistakes.append(Mistake(steps, f"{node.value[:40]!r} cannot be read"))
            return None


def _start(node: Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)
