"""What a promotion is: the `Pipeline` document, as pipeline-controller's users know it."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta

from ghapp.core.model import Observation, Value

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        title="a name of lower-case letters, digits, '-' and '.'",
    ),
]
Namespace = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=63,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        title="a name of lower-case letters, digits and '-'",
    ),
]
HttpsUrl = Annotated[
    str,
    Meta(
        min_length=9,
        max_length=2048,
        pattern=r"^https?://[^\s@]+$",
        title="a URL without credentials, such as https://github.com/o/r",
    ),
]
ApiVersion = Annotated[str, Meta(min_length=1, max_length=317)]
KindName = Annotated[str, Meta(min_length=1, max_length=63)]
GitBranch = Annotated[
    str,
    Meta(min_length=1, max_length=255, pattern=r"^[^\s~^:?*\[\\]+$", title="the name of a branch"),
]


class AppRef(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Flux object that is promoted. Its version is not compared: Flux' API moves on."""

    apiVersion: ApiVersion  # noqa: N815 - as the document spells it
    """Such as `helm.toolkit.fluxcd.io/v2`; nothing depends on the version."""
    kind: KindName
    """`HelmRelease` or `Kustomization`."""
    name: Name
    """Name of the object, the same in every environment."""


class Target(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place where an environment runs."""

    namespace: Namespace
    """Namespace that it runs in; it belongs to one environment only."""


class PullRequest(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pull request that changes the marked value."""

    url: HttpsUrl
    """The repository that holds the marked value: `https://HOST/OWNER/NAME`."""
    baseBranch: GitBranch  # noqa: N815
    """Branch that the pull request goes to."""
    type: Literal["github"] = "github"
    """Whose pull request it is."""


class Strategy(
    Value,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"pull_request": "pull-request"},
):
    """How it is promoted."""

    pull_request: PullRequest
    """A pull request that changes the value marked `{"$promotion": "NAMESPACE:NAME:ENVIRONMENT"}`.
    """


class Promotion(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How, and whether a person has to ask for it."""

    strategy: Strategy
    """How the next environment is changed."""
    manual: bool = True
    """Only true is honoured today: a promotion waits for the button."""


class Environment(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stop on the way to production."""

    name: Name
    """Name of the environment, as the marker in the YAML spells it."""
    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=20)]
    """Where it runs."""
    promotion: Promotion | None = None
    """Instead of the pipeline's own, when promoting into this environment."""


class PipelineSpec(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What, where, how."""

    appRef: AppRef  # noqa: N815
    """What is promoted."""
    environments: Annotated[tuple[Environment, ...], Meta(min_length=1, max_length=20)]
    """The stops on the way, in the order in which they are promoted."""
    promotion: Promotion | None = None
    """How it is promoted, for every environment that does not say it itself."""


class Pipeline(Value, frozen=True, kw_only=True):
    """A named pipeline; the environments are promoted in their order."""

    namespace: str
    name: str
    spec: PipelineSpec

    @property
    def id(self) -> str:
        """``namespace:name``, as the marker in the YAML spells it."""
        return f"{self.namespace}:{self.name}"


class Next(Value, frozen=True, kw_only=True):
    """Where a subject can be promoted to."""

    pipeline: Pipeline
    environment: Environment
    promotion: Promotion

    @property
    def marker(self) -> str:
        """What marks the value to change there: ``namespace:name:environment``."""
        return f"{self.pipeline.id}:{self.environment.name}"


def next_environment(look: Observation, pipelines: tuple[Pipeline, ...]) -> Next | None:
    """The environment after the one that `look` runs in, or None: not promoted, or the last."""
    for pipeline in _about(look, pipelines):
        stops = pipeline.spec.environments
        for here, there in pairwise(stops):
            promotion = there.promotion or pipeline.spec.promotion
            if promotion and _runs_in(look, here):
                return Next(pipeline=pipeline, environment=there, promotion=promotion)
    return None


def own_environment(look: Observation, pipelines: tuple[Pipeline, ...]) -> Next | None:
    """The environment that `look` runs in, if a promotion leads there: where one can go back."""
    for pipeline in _about(look, pipelines):
        for here in pipeline.spec.environments:
            promotion = here.promotion or pipeline.spec.promotion
            if promotion and _runs_in(look, here):
                return Next(pipeline=pipeline, environment=here, promotion=promotion)
    return None


def environment_name(look: Observation, pipelines: tuple[Pipeline, ...]) -> str:
    """Where `look` runs, as its Pipeline document calls it, else it itself; empty: in none."""
    here = (
        environment.name
        for pipeline in _about(look, pipelines)
        for environment in pipeline.spec.environments
        if _runs_in(look, environment)
    )
    return next(here, look.environment)


def _about(look: Observation, pipelines: tuple[Pipeline, ...]) -> Iterator[Pipeline]:
    group = look.resource.partition("/")[0]
    for pipeline in pipelines:
        ref = pipeline.spec.appRef
        same = (ref.apiVersion.partition("/")[0], ref.kind) == (group, look.subject.kind)
        if same and ref.name == look.subject.name:
            yield pipeline


def _runs_in(look: Observation, environment: Environment) -> bool:
    return any(target.namespace == look.subject.namespace for target in environment.targets)
