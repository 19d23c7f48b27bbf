"""What there is to move over, read: from files, and from a cluster, which is only listed.

What becomes of it is the matter of `ghapp.migrate`; here are its rims: where objects come from, the
rules that a document of ours has to obey, and the result as text.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ghapp.core import selector
from ghapp.core.source import Resource
from ghapp.documents import config, reading
from ghapp.documents.reading import Document
from ghapp.documents.shape import shown
from ghapp.engine.kube import KubeClient, open_session
from ghapp.engine.kube_config import load
from ghapp.engine.kube_wire import decode
from ghapp.errors import CheckrailError, ConfigError
from ghapp.migrate._arrange import Row, arranged
from ghapp.migrate._source import Source
from ghapp.migrate._tool import USUAL, Around, Json, Options, Tool, move
from ghapp.migrate._yaml import as_yaml

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
MOST_FILES: Final = 10_000
"""In all folders together."""
MOST_OBJECTS: Final = 20_000
"""Of one kind in a cluster."""
NO_NAMESPACE: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was read."""

    sources: tuple[Source, ...] = ()
    others: int = 0
    """Objects that no tool reads."""
    unread: tuple[str, ...] = ()
    """Files in folders that are no documents, and why."""

    def __add__(self, other: "Found") -> "Found":
        return Found(
            sources=(*self.sources, *other.sources),
            others=self.others + other.others,
            unread=(*self.unread, *other.unread),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Our documents as text, and what to say about them."""

    text: str
    rows: tuple[Row, ...]


def moved(found: Found, tools: Sequence[Tool], options: Options) -> Result:
    """Everything in our form; raises ConfigError where the result could not be read again."""
    sources = _once(found.sources)
    around = Around.of(sources, options)
    results = [move(source, _tool(tools, source.value), around) for source in sources]
    whole = arranged(results, _mistakes)
    text = as_yaml(whole)
    if len(text.encode()) > reading.LONGEST:
        raise ConfigError("the documents are longer than 1 MiB; move fewer objects at a time")
    return Result(text=text, rows=whole.rows)


def _mistakes(value: Json) -> tuple[str, ...]:
    try:
        config.read_object(value)
    except ConfigError as error:
        return error.mistakes
    return ()


def _tool(tools: Sequence[Tool], value: Mapping[str, Any]) -> Tool:
    return next(tool for tool in tools if tool.reads(value))


def _once(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Raises ConfigError where two objects of one name differ: which of them is meant?"""
    known: dict[tuple[str, ...], Source] = {}
    mistakes = []
    for one in sources:
        key = (one.group, one.kind, one.namespace, one.name or one.origin)
        first = known.setdefault(key, one)
        if first is not one and _said(first.value) != _said(one.value):
            mistakes.append(f"{one.origin}: {one.id} was read from {first.origin}, and differs")
    if mistakes:
        raise ConfigError(*mistakes)
    return tuple(known.values())


def options(enabled_label: str | None, env: Mapping[str, str]) -> Options:
    """What the person said, else what the controllers of Pipelines Feedback were told."""
    if enabled_label is None:
        name, value = env.get(LABEL_NAME) or USUAL[0], env.get(LABEL_VALUE) or USUAL[1]
        enabled_label = f"{name}={value}"
    if not enabled_label:
        return Options(enabled_label=None)
    name, _, value = enabled_label.partition("=")
    if not _ONE_LABEL.fullmatch(enabled_label) or selector.problem(enabled_label):
        raise ConfigError(f"--enabled-label: expected NAME=VALUE, found {shown(enabled_label)}")
    return Options(enabled_label=(name, value))


_ONE_LABEL: Final = re.compile(r"[^=!,()\s]+=[^=!,()\s]*")
LABEL_NAME: Final = "LABEL_FEEDBACK_ENABLED_NAME"
LABEL_VALUE: Final = "LABEL_FEEDBACK_ENABLED_VALUE"
"""Of Pipelines Feedback's own controllers."""


def write(text: str, output: str, inputs: Sequence[Path]) -> None:
    """To a file, or to stdout; never over one of the inputs."""
    if output == "-":
        sys.stdout.write(text)
        return
    path = Path(output)
    if any(path.exists() and one.exists() and path.samefile(one) for one in inputs):
        raise ConfigError(f"--output: {path} is one of the files to read")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CheckrailError(f"{path}: cannot be written: {error.strerror}") from error


def _said(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a person wrote: a cluster adds to the rest."""
    return {name: one for name, one in value.items() if name not in _BY_CLUSTERS}


_BY_CLUSTERS: Final = frozenset({"apiVersion", "metadata", "status"})

# --- files ----------------------------------------------------------------------------------------


def read_files(paths: Sequence[Path], tools: Sequence[Tool], *, namespace: str = "") -> Found:
    """The tools' objects in files and folders; raises ConfigError with every mistake in them.

    A folder may hold what is no YAML, such as templates of charts: that is told, and no mistake.
    """
    reading = _Reading(tools, namespace)
    for path in paths:
        reading.path(path)
    if reading.mistakes:
        raise ConfigError(*reading.mistakes)
    return Found(
        sources=tuple(reading.sources), others=reading.others, unread=tuple(reading.unread)
    )


class _Reading:
    """What was read so far."""

    def __init__(self, tools: Sequence[Tool], namespace: str) -> None:
        self.tools = tools
        self.namespace = namespace
        self.sources: list[Source] = []
        self.others = 0
        self.files = 0
        self.unread: list[str] = []
        self.mistakes: list[str] = []

    def path(self, path: Path) -> None:
        if not path.is_dir():
            self.mistakes += self._file(path)
            return
        for file in _inside(path):
            self.files += 1
            if self.files > MOST_FILES:
                raise ConfigError(f"{path}: more than {MOST_FILES} files; name fewer folders")
            self.unread += self._file(file)

    def _file(self, path: Path) -> tuple[str, ...]:
        """Reads the objects; what is wrong with the file itself."""
        file = reading.read(path)
        if path.suffix == ".json" and file.mistakes and _is_short(path):
            # A tab is space in JSON, and stands in no text; YAML does not know it.
            file = reading.parse(path.read_bytes().replace(b"\t", b" "), str(path))
        for document in file.documents:
            self._document(document)
        return file.mistakes

    def _document(self, document: Document) -> None:
        for steps, value in _unfolded((), document.value):
            if not isinstance(value, dict) or not any(one.reads(value) for one in self.tools):
                self.others += 1
                continue
            inside = [one for one in document.mistakes if one.steps[: len(steps)] == steps]
            origin = document.place(steps)
            self.mistakes += (f"{document.place(one.steps)}: {one}" for one in inside)
            self.mistakes += self._source(value, origin)

    def _source(self, value: Json, origin: str) -> Iterator[str]:
        try:
            self.sources.append(_source(value, origin, self.namespace))
        except ConfigError as error:
            yield from error.mistakes


def _unfolded(steps: reading.Steps, value: Any) -> Iterator[tuple[reading.Steps, Any]]:
    """An object, or the objects of a list of them."""
    kind = value.get("kind") if isinstance(value, dict) else None
    items = value.get("items") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            yield from _unfolded((*steps, "items", index), item)
    else:
        yield steps, value


def _is_short(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= reading.LONGEST


def _inside(folder: Path) -> Iterator[Path]:
    """By name; links and what starts with a dot are not followed."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(files):
            file = Path(where, name)
            if file.suffix in SUFFIXES and not name.startswith("."):
                yield file


_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")


def _source(value: Json, origin: str, namespace: str) -> Source:
    """Raises ConfigError where it has no name."""
    if "kind" not in value:
        return Source(value=value, origin=origin)
    metadata = value.get("metadata")
    known = metadata if isinstance(metadata, dict) else {}
    name, its_own = known.get("name"), known.get("namespace") or ""
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{origin}: {shown(value['kind'])} has no metadata.name")
    for field, one in (("name", name), ("namespace", its_own or NO_NAMESPACE)):
        if not isinstance(one, str) or not _NAME.fullmatch(one):
            raise ConfigError(f"{origin}: metadata.{field} is no name that Kubernetes would take")
    source = Source(
        value=value, origin=origin, namespace=its_own or namespace or NO_NAMESPACE, name=name
    )
    if not its_own:
        text = f"it says none, so {source.namespace} is meant: another one is --namespace"
        source.to_do(text, "metadata", "namespace", beside=("metadata", "namespace"))
    return source


# --- a cluster ------------------------------------------------------------------------------------


async def read_cluster(
    env: Mapping[str, str], tools: Sequence[Tool], *, namespace: str = ""
) -> Found:
    """The tools' objects in the cluster that KUBECONFIG names; nothing is written."""
    connection = await load(env)
    sources: list[Source] = []
    async with open_session() as session:
        kube = KubeClient(session=session, connection=connection)
        for tool in tools:
            for resource in tool.resources:
                sources += await _listed(kube, resource, namespace)
    return Found(sources=tuple(sources))


async def _listed(kube: KubeClient, resource: Resource, namespace: str) -> list[Source]:
    """In the first version that is served; none where the tool is not installed."""
    for version in resource.versions:
        if await kube.served(version):
            objects = [one async for one in _pages(kube, version, namespace)]
            objects.sort(key=lambda one: (one.namespace, one.name))
            return objects
    return []


async def _pages(kube: KubeClient, resource: Resource, namespace: str) -> Any:
    after, count = "", 0
    while True:
        page = await kube.page(resource, namespace, after=after)
        for item in page.items or ():
            value = decode(bytes(item), dict[str, Any])
            whole = {"apiVersion": resource.api_version, "kind": resource.kind, **value}
            yield _source(whole, "in the cluster", "")
            count += 1
        after = page.metadata.next
        if not after:
            return
        if count > MOST_OBJECTS:
            raise CheckrailError(
                f"more than {MOST_OBJECTS} {resource.kind}s; name one namespace with --namespace"
            )
