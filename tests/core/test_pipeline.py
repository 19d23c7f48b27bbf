"""Where something can be promoted to; reading the documents is tested in `tests/test_config.py`."""

from msgspec.structs import replace

from ghapp.core.model import Phase
from ghapp.core.pipeline import (
    AppRef,
    Environment,
    Pipeline,
    PipelineSpec,
    Promotion,
    PullRequest,
    Strategy,
    Target,
    next_environment,
)
from tests.core.builders import release_look

GITOPS = Promotion(
    strategy=Strategy(
        pull_request=PullRequest(url="https://github.com/acme/gitops", baseBranch="main")
    )
)
PIPELINE = Pipeline(
    namespace="apps",
    name="shop",
    spec=PipelineSpec(
        appRef=AppRef(apiVersion="helm.toolkit.fluxcd.io/v2beta1", kind="HelmRelease", name="shop"),
        environments=tuple(
            Environment(name=name, targets=(Target(namespace=name),))
            for name in ("dev", "staging", "prod")
        ),
        promotion=GITOPS,
    ),
)


def test_the_next_environment_is_the_one_after() -> None:
    found = next_environment(release_look(Phase.SUCCEEDED), (PIPELINE,))
    assert found
    assert (found.environment.name, found.promotion) == ("staging", GITOPS)


def test_the_last_environment_has_none() -> None:
    look = release_look(Phase.SUCCEEDED)
    last = replace(look, subject=replace(look.subject, namespace="prod"))
    assert next_environment(last, (PIPELINE,)) is None


def test_another_release_of_the_namespace_is_not_promoted() -> None:
    look = release_look(Phase.SUCCEEDED)
    other = replace(look, subject=replace(look.subject, name="cart"))
    assert next_environment(other, (PIPELINE,)) is None


def test_flux_may_move_on_to_another_api_version() -> None:
    assert PIPELINE.spec.appRef.apiVersion.endswith("v2beta1")
    assert next_environment(release_look(Phase.SUCCEEDED), (PIPELINE,))


def test_without_a_strategy_there_is_nowhere_to_go() -> None:
    bare = replace(PIPELINE, spec=replace(PIPELINE.spec, promotion=None))
    assert next_environment(release_look(Phase.SUCCEEDED), (bare,)) is None
