"""The configuration documents, read into values or refused: from files, and from the cluster.

Everything that is wrong with files is said at once, with file, line and column, before anything
starts. An object of the cluster was let pass by the API server's schema, so it is wrong only where
a schema cannot say it; then it alone is left out. `kinds` says which kinds there are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct, inspect

from ghapp.core import audience, pipeline
from ghapp.core.access import AccessPolicy
from ghapp.core.notification import Notification
from ghapp.core.pipeline import Pipeline
from ghapp.core.provider import Provider, provider_id
from ghapp.core.trust import TrustPolicy
from ghapp.documents import reading, shape
from ghapp.documents.kinds import Kind, kinds, provider_types
from ghapp.documents.reading import Document, File, Mistake
from ghapp.errors import ConfigError

SUFFIXES: Final = frozenset({".yaml", ".yml"})

Declared: TypeAlias = Pipeline | Provider | Notification | TrustPolicy | AccessPolicy
"""What a document says, read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What all documents together say."""

    pipelines: tuple[Pipeline, ...] = ()
    providers: tuple[Provider, ...] = ()
    notifications: tuple[Notification, ...] = ()
    trust: tuple[TrustPolicy, ...] = ()
    access: tuple[AccessPolicy, ...] = ()

    @classmethod
    def of(cls, declared: Iterable[Declared]) -> "Config":
        """Sorted by what they are."""
        known = tuple(declared)
        return cls(
            pipelines=tuple(one for one in known if isinstance(one, Pipeline)),
            providers=tuple(one for one in known if isinstance(one, Provider)),
            notifications=tuple(one for one in known if isinstance(one, Notification)),
            trust=tuple(one for one in known if isinstance(one, TrustPolicy)),
            access=tuple(one for one in known if isinstance(one, AccessPolicy)),
        )

    @property
    def declared(self) -> tuple[Declared, ...]:
        """All of it."""
        return (
            *self.pipelines,
            *self.providers,
            *self.notifications,
            *self.trust,
            *self.access,
        )


NO_DOCUMENTS: Final = Config()


def load(*paths: Path | None) -> Config:
    """What the files and folders say; raises ConfigError with every mistake in all of them."""
    reading = _Reading()
    for path in paths:
        for file in _files(path) if path else ():
            reading.file(file)
    if reading.mistakes:
        raise ConfigError(*reading.mistakes)
    return Config.of(reading.declared)


Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]


def stamp(path: Path) -> Stamp:
    """Changes when a file does, or the folder; one that cannot be looked at has none."""
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        states = [(str(one), one.stat()) for one in inside]
    except OSError:
        return ()
    return tuple((name, state.st_mtime_ns, state.st_size, state.st_ino) for name, state in states)


def read_object(value: Mapping[str, Any]) -> Declared:
    """An object of the cluster; raises ConfigError with every mistake in it."""
    found = list(_mistakes(value))
    if found:
        raise ConfigError(*(str(mistake) for mistake in found))
    kind = kinds()[value["kind"]]
    return _declared(kind, value, audience.NAMESPACE if kind.namespaced else audience.CLUSTER)


def _files(path: Path) -> Iterator[File]:
    """A folder's own YAML files, by name.

    A mounted ConfigMap is a folder of links into ``..data``, which is a link itself: names that
    start with a dot are not ours, and folders in it are not looked into, so that no loop matters.
    """
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else None
    except OSError as error:
        yield File(mistakes=(f"{path}: cannot be read: {error.strerror}",))
        return
    if inside is None:
        yield reading.read(path)
        return
    for child in inside:
        if child.suffix in SUFFIXES and not child.name.startswith("."):
            yield reading.read(child)


@dataclass(slots=True)
class _Reading:
    """What was read so far: values, and mistakes instead of stopping."""

    declared: list[Declared] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    """KIND NAMESPACE/NAME -> where it stands."""

    def file(self, file: File) -> None:
        for document in file.documents:
            self._document(document)
        self.mistakes += file.mistakes

    def _document(self, document: Document) -> None:
        found = [*document.mistakes, *_mistakes(document.value), *self._twice(document)]
        found.sort(key=lambda one: document.mark(one.steps))
        title = _title(document.value)
        self.mistakes += [f"{document.place(one.steps)}: {title}{one}" for one in found]
        if not found:
            kind = kinds()[document.value["kind"]]
            self.declared.append(_declared(kind, document.value, audience.LOCAL_FILE))

    def _twice(self, document: Document) -> Iterator[Mistake]:
        title = _title(document.value)
        metadata = _object(document.value, "metadata")
        if not isinstance(metadata.get("name"), str) or not title:
            return
        here = document.place(("metadata", "name"))
        first = self.places.setdefault(title, here)
        if first != here:
            kind = document.value["kind"]
            yield Mistake(("metadata", "name"), f"is the name of another {kind} already: {first}")


def _title(value: Any) -> str:
    """``Pipeline apps/shop: ``, as far as the document says it."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return ""
    metadata = _object(value, "metadata")
    names = [metadata.get(name) for name in ("namespace", "name")]
    name = "/".join(one for one in names if isinstance(one, str) and one)
    return f"{value['kind']} {name}: " if name else f"{value['kind']}: "


def _declared(kind: Kind, value: Mapping[str, Any], rank: int) -> Declared:
    name, namespace = value["metadata"]["name"], value["metadata"].get("namespace", "")
    spec: Any = msgspec.convert(value["spec"], kind.spec)
    match kind.name:
        case "Pipeline":
            return Pipeline(namespace=namespace, name=name, spec=spec)
        case "TrustPolicy":
            return TrustPolicy(name=name, spec=spec)
        case "AccessPolicy":
            return AccessPolicy(name=name, spec=spec)
        case "Notification" | "ClusterNotification" as which:
            return Notification(kind=which, namespace=namespace, name=name, spec=spec, rank=rank)
        case "Provider" | "ClusterProvider" as which:
            return Provider(
                id=provider_id(which, namespace, name),
                kind=which,
                namespace=namespace,
                name=name,
                type=spec.type,
                settings=value["spec"].get(spec.type) or {},
                secret=spec.secret_ref.name if spec.secret_ref else "",
                suspend=spec.suspend,
                place=provider_types()[spec.type].place(value["spec"].get(spec.type) or {}),
            )
    raise TypeError(f"{kind.name} is not read")


def _mistakes(value: Any) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield Mistake(
            (), f"expected an object with apiVersion and kind, found {shape.shown(value)}"
        )
        return
    wrong = list(_identity(value))
    yield from wrong
    if not any(mistake.steps == ("kind",) for mistake in wrong):
        kind = kinds()[value["kind"]]
        yield from shape.mistakes(value, _shape_of(kind.name), words=WORDS)
        yield from kind.rules(value)


class _Metadata(Struct):
    """Of a Kubernetes object; the many fields that a server adds are left alone."""

    name: pipeline.Name
    """Name of the document."""
    namespace: pipeline.Name
    """Namespace that it is in."""


class _ClusterMetadata(Struct):
    """Of an object that belongs to no namespace."""

    name: pipeline.Name
    """Name of the document."""


@cache
def _shape_of(name: str) -> inspect.Type:
    """A whole document of the kind, as it is written."""
    kind = kinds()[name]
    fields: list[Any] = [
        ("apiVersion", Any),
        ("kind", Any),  # both were checked before
        ("metadata", _Metadata if kind.namespaced else _ClusterMetadata),
        ("spec", kind.spec),
        ("status", Any, None),  # of an exported object; not read
    ]
    return inspect.type_info(msgspec.defstruct("Document", fields, forbid_unknown_fields=True))


WORDS: Final = shape.Words(
    fields={
        "clusterRef": "targets are in the cluster that checkrail runs in; remove it",
        "secretRef": "checkrail writes as its GitHub App; remove it",
        "notification": "the strategy is pull-request; nothing is sent on a promotion",
    },
)


def _identity(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Kind and apiVersion: without the first nothing else can be said of a document."""
    kind, version = value.get("kind"), value.get("apiVersion")
    there_are = f"there are {', '.join(kinds())}"
    if kind is None:
        yield Mistake(("kind",), f"is missing; {there_are}")
    elif not isinstance(kind, str) or kind not in kinds():
        near = get_close_matches(str(kind), kinds(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else there_are
        yield Mistake(("kind",), f"{shape.shown(kind)} is unknown; {hint}")
    elif version is None:
        return  # said by the shape
    elif version not in kinds()[kind].api_versions:
        known = " or ".join(kinds()[kind].api_versions)
        yield Mistake(("apiVersion",), f"expected {known}, found {shape.shown(version)}")


def _object(value: Any, key: str) -> Mapping[str, Any]:
    inside = value.get(key) if isinstance(value, dict) else None
    return inside if isinstance(inside, dict) else {}
