"""From drafts to documents: names, references, and the one document that all others need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ghapp.core.model import without_credentials
from ghapp.documents.reading import Steps, dotted
from ghapp.migrate._source import Fate, Note
from ghapp.migrate._texts import LONGEST_NAME, name_of
from ghapp.migrate._tool import GITHUB, Check, Draft, Json, Moved

API_VERSION: Final = "checkrail.dev/v1alpha1"
DEFAULT: Final = "default"
"""The ClusterNotification of this name is the environment's own; see `ghapp.documents.compiled`."""
_KEPT: Final = frozenset({("ClusterNotification", "", DEFAULT)})
_PROVIDERS: Final = frozenset({"Provider", "ClusterProvider"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What is said above a document, of one of the objects that it is made of."""

    headline: str
    notes: tuple[Note, ...] = ()


@dataclass(slots=True, kw_only=True)
class Written:
    """A document, and what is said in it."""

    value: Json
    shared: bool = False
    """Several objects may be told of in it."""
    sections: list[Section] = field(default_factory=list)

    @property
    def title(self) -> str:
        """``Notification apps/shop``."""
        metadata = self.value["metadata"]
        names = (metadata.get("namespace", ""), metadata["name"])
        return f"{self.value['kind']} {'/'.join(one for one in names if one)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one object, for the summary."""

    source: str
    documents: tuple[str, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """Everything that was made."""

    documents: tuple[Written, ...]
    without: tuple[Section, ...]
    """Objects of which no document was made, and why."""
    rows: tuple[Row, ...]


def arranged(moved: Sequence[Moved], check: Check) -> Arranged:
    """All documents, the Providers first: what is referred to has to have its name."""
    desk = _Desk(check)
    made: list[list[Written]] = [[] for _ in moved]
    refused: list[list[Note]] = [[] for _ in moved]
    for providers in (True, False):
        for index, one in enumerate(moved):
            for draft in one.documents:
                if (draft.kind in _PROVIDERS) == providers:
                    made[index] += desk.documents(draft, refused[index])
    rows, without = [], []
    for one, documents, wrong in zip(moved, made, refused, strict=True):
        section = Section(headline=_headline(one), notes=(*wrong, *one.notes))
        rows.append(_row(one, documents, section))
        if documents:
            _say(documents, section)
        else:
            without.append(section)
    return Arranged(
        documents=(*_default(desk), *desk.written), without=tuple(without), rows=tuple(rows)
    )


def _row(one: Moved, documents: Sequence[Written], section: Section) -> Row:
    titles = dict.fromkeys(document.title for document in documents)
    return Row(source=one.source, documents=tuple(titles), notes=section.notes)


def _say(documents: Sequence[Written], section: Section) -> None:
    """The first document that is the object's own says it all, the others where they come from."""
    home = next((one for one in documents if not one.shared), documents[0])
    home.sections.append(section)
    for document in documents:
        if document is not home:
            document.sections.append(Section(headline=section.headline))


def _headline(one: Moved) -> str:
    version = f"{one.api_version}, " if one.api_version else ""
    return f"{one.source} ({version}{one.origin})" if version else one.origin


@dataclass(slots=True)
class _Desk:
    """Where drafts become documents, one after the other."""

    check: Check
    taken: set[tuple[str, str, str]] = field(default_factory=lambda: set(_KEPT))
    numbers: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """The last number that was given to a name that others wish for, too."""
    by_id: dict[str, Written] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)

    def documents(self, draft: Draft, refused: list[Note]) -> Iterator[Written]:
        """The draft's document; none if it would be wrong, and why."""
        if draft.id and draft.id in self.by_id:
            yield self.by_id[draft.id]
            return
        name = self._name(draft)
        value = _document(draft.kind, draft.namespace, name, self._spec(draft, refused))
        wrong = _credentials(value) or self.check(value)
        refused += (
            Note(fate=Fate.TO_DO, text=f"no {draft.kind} was made of it: {one}") for one in wrong
        )
        if wrong:
            return
        self.taken.add((draft.kind, draft.namespace, name))
        document = Written(value=value, shared=draft.id == GITHUB)
        self.written.append(document)
        if draft.id:
            self.by_id[draft.id] = document
        yield document

    def _name(self, draft: Draft) -> str:
        """The one wished for, or with the first number that is free."""
        stem = draft.name if draft.exact else name_of(draft.name) or name_of(draft.kind)
        name, wished = stem, (draft.kind, draft.namespace, stem)
        while (draft.kind, draft.namespace, name) in self.taken:
            self.numbers[wished] = self.numbers.get(wished, 1) + 1
            end = f"-{self.numbers[wished]}"
            name = stem[: LONGEST_NAME - len(end)].strip("-") + end
        return name

    def _spec(self, draft: Draft, refused: list[Note]) -> Json:
        known = [self.by_id[one].value for one in draft.tells if one in self.by_id]
        if draft.kind == "TrustPolicy":
            names = [one["metadata"]["name"] for one in known]
            return {**draft.spec, "providers": names} if names else draft.spec
        if len(known) < len(draft.tells):
            text = "its Provider was not made, so it tells nobody: name one under providerRefs"
            refused.append(Note(fate=Fate.TO_DO, text=text))
        refs = [_reference(draft, one) for one in known]
        return {"providerRefs": refs, **draft.spec} if refs else draft.spec


def _credentials(value: Any, where: Steps = ()) -> tuple[str, ...]:
    """The fields with a URL that lets in whoever reads it; they are not shown."""
    if isinstance(value, dict):
        inside = [_credentials(name, where) for name in value]
        inside += [_credentials(one, (*where, name)) for name, one in value.items()]
    elif isinstance(value, list):
        inside = [_credentials(one, (*where, at)) for at, one in enumerate(value)]
    else:
        bare = not isinstance(value, str) or without_credentials(value) == value
        return () if bare else (f"{dotted(where)}: holds credentials; take them out",)
    return tuple(one for mistakes in inside for one in mistakes)


def _reference(draft: Draft, provider: Json) -> Json:
    """As short as it can be said: what is left out means one's own scope."""
    metadata = provider["metadata"]
    clusterwide = provider["kind"] == "ClusterProvider"
    reference = {"name": metadata["name"]}
    if clusterwide == bool(draft.namespace):
        reference["kind"] = provider["kind"]
    if not clusterwide and metadata["namespace"] != draft.namespace:
        reference["namespace"] = metadata["namespace"]
    return reference


_HUSH: Final = (
    "Without this document the environment of checkrail tells its own App, and its own receiver of "
    "events, of every run; those below would be shown twice."
)


def _default(desk: _Desk) -> Iterator[Written]:
    """Whatever was opted in to before must not be told of everything now."""
    if desk.by_id:
        yield Written(
            value=_document("ClusterNotification", "", DEFAULT, {}),
            sections=[Section(headline=_HUSH)],
        )


def _document(kind: str, namespace: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
