"""Whose part is whose, where a task of a pipeline is a pipeline itself.

Such a task is a PipelineRun (Tekton's pipelines in pipelines), or a CustomRun whose controller
makes one. The parts of these come with those of the run that is looked at, all in one; who made a
part says where it belongs. Names are enough: all of them live in one namespace, side by side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from adapters._read import meta
from adapters._read.tekton import PIPELINE_RUN, ChildRun

CUSTOM_RUN: Final = "CustomRun"


@dataclass(frozen=True, slots=True)
class Family:
    """The parts of a run, by who made them: its kind and name."""

    name: str
    """Of the run."""
    parts: dict[tuple[str, str], list[ChildRun]]

    def of(self, kind: str, name: str) -> tuple[ChildRun, ...]:
        """What a part of the run made itself."""
        return tuple(self.parts.get((kind, name), ()))

    @property
    def own(self) -> tuple[ChildRun, ...]:
        """What the run itself made."""
        return self.of(PIPELINE_RUN, self.name)


def family(name: str, children: Iterable[ChildRun], pipelines: type[ChildRun]) -> Family:
    """The parts of the run of that name; `pipelines` is what those are that are PipelineRuns."""
    everybody = tuple(children)
    makers = {
        (PIPELINE_RUN if isinstance(one, pipelines) else CUSTOM_RUN, one.metadata.name)
        for one in everybody
    }
    parts: dict[tuple[str, str], list[ChildRun]] = {}
    for one in everybody:
        owner = meta.controller(one.metadata)
        maker = (owner.kind, owner.name) if owner else None
        whose = maker if maker in makers else None
        parts.setdefault(whose or (PIPELINE_RUN, name), []).append(one)
    return Family(name, parts)


def maker_uid(child: ChildRun) -> str | None:
    """The uid of the PipelineRun or CustomRun that made a PipelineRun."""
    owner = meta.controller(child.metadata)
    known = owner is not None and owner.kind in {PIPELINE_RUN, CUSTOM_RUN}
    return owner.uid or None if owner and known else None
