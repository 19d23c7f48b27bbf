"""The configuration documents: a YAML file or a folder of them, read into values or refused.

Everything that is wrong is said at once, with file and line, before anything starts. The only kind
so far is `Pipeline`; it is also read under pipeline-controller's own name, so that its users can
bring their documents along.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, inspect

from ghapp import documents, shape
from ghapp.core import pipeline
from ghapp.core.pipeline import Pipeline, PipelineSpec
from ghapp.documents import Document, File, Mistake, Steps
from ghapp.errors import ConfigError

API_VERSION: Final = "checkrail.dev/v1alpha1"
WEAVE: Final = "pipelines.weave.works/v1alpha1"
"""pipeline-controller's, abandoned in 2023."""

API_VERSIONS: Final[Mapping[str, tuple[str, ...]]] = {"Pipeline": (API_VERSION, WEAVE)}
SUFFIXES: Final = frozenset({".yaml", ".yml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the documents say."""

    pipelines: tuple[Pipeline, ...] = ()


def load(*paths: Path | None) -> Config:
    """What the files and folders say; raises ConfigError with every mistake in all of them."""
    reading = _Reading()
    for path in paths:
        for file in _files(path) if path else ():
            reading.file(file)
    if reading.mistakes:
        raise ConfigError(*reading.mistakes)
    return Config(pipelines=tuple(reading.pipelines))


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
        yield documents.read(path)
        return
    for child in inside:
        if child.suffix in SUFFIXES and not child.name.startswith("."):
            yield documents.read(child)


@dataclass(slots=True)
class _Reading:
    """What was read so far: values, and mistakes instead of stopping."""

    pipelines: list[Pipeline] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    """NAMESPACE/NAME of a Pipeline -> where it stands."""

    def file(self, file: File) -> None:
        for document in file.documents:
            self._document(document)
        self.mistakes += file.mistakes

    def _document(self, document: Document) -> None:
        found = [*_mistakes(document), *self._twice(document)]
        found.sort(key=lambda one: document.line(one.steps))
        title = _title(document.value)
        self.mistakes += [
            f"{document.file}:{document.line(one.steps)}: {title}{one}" for one in found
        ]
        if not found:
            self.pipelines.append(_pipeline(document.value))

    def _twice(self, document: Document) -> Iterator[Mistake]:
        metadata = _object(document.value, "metadata")
        name = (metadata.get("namespace"), metadata.get("name"))
        if not all(isinstance(part, str) for part in name):
            return
        here = f"{document.file}:{document.line(('metadata', 'name'))}"
        first = self.places.setdefault(f"{name[0]}/{name[1]}", here)
        if first != here:
            yield Mistake(("metadata", "name"), f"is the name of another Pipeline already: {first}")


def _title(value: Any) -> str:
    """``Pipeline apps/shop: ``, as far as the document says it."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return ""
    metadata = _object(value, "metadata")
    names = [metadata.get(name) for name in ("namespace", "name")]
    name = "/".join(one for one in names if isinstance(one, str) and one)
    return f"{value['kind']} {name}: " if name else f"{value['kind']}: "


def _pipeline(value: Mapping[str, Any]) -> Pipeline:
    metadata = value["metadata"]
    return Pipeline(
        namespace=metadata["namespace"],
        name=metadata["name"],
        spec=msgspec.convert(value["spec"], PipelineSpec),
    )


def _mistakes(document: Document) -> Iterator[Mistake]:
    yield from document.mistakes
    value = document.value
    if not isinstance(value, dict):
        yield Mistake(
            (), f"expected an object with apiVersion and kind, found {shape.shown(value)}"
        )
        return
    wrong = list(_identity(value))
    yield from wrong
    if not any(mistake.steps == ("kind",) for mistake in wrong):
        yield from shape.mistakes(value, inspect.type_info(_Document), words=WORDS)
        yield from _rules(value)


class _Metadata(Struct):
    """Of a Kubernetes object; the many fields that a server adds are left alone."""

    name: pipeline.Name
    namespace: pipeline.Name


class _Document(Struct, forbid_unknown_fields=True):
    """A Pipeline as it is written."""

    apiVersion: Any  # noqa: N815 - checked before
    kind: Any
    metadata: _Metadata
    spec: PipelineSpec
    status: Any = None
    """Of an exported object; not read."""


def _pattern(annotated: Any) -> str:
    meta: Meta = annotated.__metadata__[0]
    return meta.pattern or ""


WORDS: Final = shape.Words(
    patterns={
        _pattern(pipeline.Name): "a name of lower-case letters, digits, '-' and '.'",
        _pattern(pipeline.HttpsUrl): "a URL without credentials, such as https://github.com/o/r",
        _pattern(pipeline.GitBranch): "the name of a branch",
    },
    fields={
        "clusterRef": "targets are in the cluster that checkrail runs in; remove it",
        "secretRef": "checkrail writes as its GitHub App; remove it",
        "notification": "the strategy is pull-request; nothing is sent on a promotion",
    },
)


def _identity(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """Kind and apiVersion: without the first nothing else can be said of a document."""
    kind, version = value.get("kind"), value.get("apiVersion")
    if kind is None:
        yield Mistake(("kind",), f"is missing; there is {', '.join(API_VERSIONS)}")
    elif not isinstance(kind, str) or kind not in API_VERSIONS:
        near = get_close_matches(str(kind), API_VERSIONS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(API_VERSIONS)}"
        yield Mistake(("kind",), f"{shape.shown(kind)} is unknown; {hint}")
    elif version is None:
        return  # said by the shape
    elif version not in API_VERSIONS[kind]:
        known = " or ".join(API_VERSIONS[kind])
        yield Mistake(("apiVersion",), f"expected {known}, found {shape.shown(version)}")


def _rules(value: Mapping[str, Any]) -> Iterator[Mistake]:
    """What the shape cannot say. The value may be misshapen: that is said elsewhere."""
    spec = _object(value, "spec")
    stops = [stop for stop in _list(spec, "environments") if isinstance(stop, dict)]
    yield from _repeated_names(stops)
    yield from _shared_namespaces(stops)
    promotions = list(_promotions(spec))
    if len(stops) > 1 and not promotions:
        yield Mistake(("spec", "promotion"), "is missing, here and in every environment")
    for steps, promotion in promotions:
        yield from _promotion(steps, promotion, weave=value.get("apiVersion") == WEAVE)


def _repeated_names(stops: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    counts: Counter[str] = Counter()
    for index, stop in enumerate(stops):
        name = str(stop.get("name"))
        counts[name] += 1
        if counts[name] == 2 and "name" in stop:
            steps = ("spec", "environments", index, "name")
            yield Mistake(steps, f"is the name of another environment already: {name}")


def _shared_namespaces(stops: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    """What runs in a namespace has to be in one environment, or nobody can say what comes next."""
    owners: dict[str, str] = {}
    for index, stop in enumerate(stops):
        for at, target in enumerate(_list(stop, "targets")):
            namespace = target.get("namespace") if isinstance(target, dict) else None
            if not isinstance(namespace, str):
                continue
            steps = ("spec", "environments", index, "targets", at, "namespace")
            if namespace in owners:
                yield Mistake(steps, f"{namespace} is a target of {owners[namespace]} already")
            owners.setdefault(namespace, str(stop.get("name")))


def _promotions(spec: Mapping[str, Any]) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    """The pipeline's own, and those of the environments."""
    owners: list[tuple[Steps, Any]] = [(("spec",), spec)]
    for index, stop in enumerate(_list(spec, "environments")):
        owners.append((("spec", "environments", index), stop))
    for steps, owner in owners:
        if isinstance(owner, dict) and isinstance(owner.get("promotion"), dict):
            yield (*steps, "promotion"), owner["promotion"]


AUTOMATIC: Final = (
    "checkrail promotes when somebody asks for it (a button on the check), not by itself"
)


def _promotion(steps: Steps, promotion: Mapping[str, Any], *, weave: bool) -> Iterator[Mistake]:
    manual = promotion.get("manual", not weave)
    if manual is False:
        why = "" if "manual" in promotion else f" (the default of {WEAVE})"
        yield Mistake((*steps, "manual"), f"false{why}: {AUTOMATIC}; write manual: true")
    url = _object(_object(promotion, "strategy"), "pull-request").get("url")
    if isinstance(url, str) and url.startswith("http") and not _names_repository(url):
        where = (*steps, "strategy", "pull-request", "url")
        yield Mistake(
            where, f"{shape.shown(url)} names no repository; expected https://HOST/OWNER/NAME"
        )


def _names_repository(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and len([one for one in parts.path.split("/") if one]) >= 2


def _object(value: Any, key: str) -> Mapping[str, Any]:
    inside = value.get(key) if isinstance(value, dict) else None
    return inside if isinstance(inside, dict) else {}


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    inside = value.get(key)
    return inside if isinstance(inside, list) else []
