"""What a tool is that can be moved over from, and what its rules return."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ghapp.core.source import Resource
from ghapp.migrate._source import Note, Source

Json: TypeAlias = dict[str, Any]

GITHUB: Final = "github"
"""The `Draft.id` of the one ClusterProvider of type github: whichever tool asks for checks, they
are made by one App, and a run that several documents are about is shown once."""


USUAL: Final = ("pipelinesfeedback.keskad.pl/enabled", "true")
"""Name and value of the label that Pipelines Feedback asks for, where nobody chose another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the person who moves says."""

    enabled_label: tuple[str, str] | None = USUAL
    """Name and value of the label that Pipelines Feedback asks of runs; None: of all runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document in the making: its name is wished for, its references are not written yet."""

    kind: str
    name: str
    """As it would best be; becomes a valid one, with a number where two wish the same."""
    exact: bool = False
    """Its name means something elsewhere: it is kept, or there is no document."""
    namespace: str = ""
    """Empty: it belongs to no namespace."""
    spec: Json = field(default_factory=dict)
    id: str = ""
    """What other drafts call it; drafts with the same one are one document."""
    tells: tuple[str, ...] = ()
    """Ids of the drafts of Providers that it refers to; of a TrustPolicy: that may be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of one object."""

    source: str
    """``Alert flux-system/apps``."""
    origin: str
    api_version: str
    documents: tuple[Draft, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What else there is: an object may mean something only together with another."""

    named: Mapping[tuple[str, str, str, str], Source]
    """Objects, by group, kind, namespace and name."""
    files: tuple[Source, ...] = ()
    """What is no Kubernetes object."""
    options: Options = Options()

    @classmethod
    def of(cls, sources: Iterable[Source], options: Options) -> "Around":
        """All of these."""
        objects = [one for one in sources if one.kind]
        return cls(
            named={(one.group, one.kind, one.namespace, one.name): one for one in objects},
            files=tuple(one for one in sources if not one.kind),
            options=options,
        )

    def find(self, group: str, kind: str, namespace: str, name: str) -> Source | None:
        """Another object, none of it read."""
        found = self.named.get((group, kind, namespace, name))
        return found.fresh() if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the documentation says beside the table of fields, in Markdown sentences."""

    about: str
    better: tuple[str, ...]
    missing: tuple[str, ...]


Check: TypeAlias = Callable[[Json], tuple[str, ...]]
"""A document of ours -> what is wrong with it."""

Move: TypeAlias = Callable[[Source, Around], tuple[Draft, ...]]
"""What becomes of an object; what is to be said about it goes into the object's notes."""


def _nothing_else(_: Mapping[str, Any]) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool, as a plug-in: ``TOOL = Tool(...)``."""

    name: str
    resources: tuple[Resource, ...]
    """Whose objects it reads, in any version; those that are served are listed in a cluster."""
    move: Move
    fields: Mapping[str, str]
    """Their field -> what becomes of it; the table of its documentation."""
    page: Page
    reads_also: Callable[[Mapping[str, Any]], bool] = _nothing_else
    """Whether it also reads an object that is of none of its kinds, such as a plain file."""

    def reads(self, value: Mapping[str, Any]) -> bool:
        """Whether this is an object of the tool's."""
        version, kind = value.get("apiVersion"), value.get("kind")
        if isinstance(version, str) and isinstance(kind, str):
            group = version.rpartition("/")[0]
            if any((one.group, one.kind) == (group, kind) for one in self.resources):
                return True
        return self.reads_also(value)


def move(source: Source, tool: Tool, around: Around) -> Moved:
    """What becomes of one object; every field of it is in the documents or in the notes."""
    documents = tool.move(source, around)
    rest = tuple(source.rest())
    version = source.value.get("apiVersion")
    return Moved(
        source=source.id,
        origin=source.origin,
        api_version=version if source.kind and isinstance(version, str) else "",
        documents=documents,
        notes=(*source.notes, *rest),
    )


def app_provider() -> Draft:
    """The ClusterProvider of checks."""
    return Draft(kind="ClusterProvider", name="github", spec={"type": "github"}, id=GITHUB)
