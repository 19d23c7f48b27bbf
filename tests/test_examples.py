"""The examples do what their comments say: who is told of which run, and how it looks there.

That they are well-formed documents for files and for the cluster is in test_crds.py.
"""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from ghapp.core.audience import Audience, Heard, hear
from ghapp.core.case import Case
from ghapp.core.model import Milestone, Observation, Phase, Repository, Revision, Step, Verb
from ghapp.core.trust import may_speak
from ghapp.documents import config
from ghapp.documents.compiled import Compiled, compile_documents
from tests.core.builders import COMMIT, at, release_look, run_look
from tests.examples import FOLDER

ENVIRONMENT = ("github-check",)
"""The provider that the environment sets up."""


def compiled(name: str) -> Compiled:
    """The documents of an example, at work."""
    found = compile_documents(config.load(FOLDER / name), ENVIRONMENT, cluster="default")
    assert found.problems == {}, "every Provider that is named is there and may be used"
    return found


def heard(name: str, look: Observation, *, old_phase: str = "", manifest: Any = None) -> Heard:
    """What an example says of a run."""
    raw = None if manifest is None else json.dumps(manifest).encode()
    said = hear(compiled(name).listening, Case(look=look, old_phase=old_phase, raw=raw))
    assert said.failures == ()
    return said


def told(name: str, look: Observation, **more: Any) -> set[str]:
    """Those whom an example tells of a run, beside the built-in one."""
    return set(heard(name, look, **more).audience.providers) - set(ENVIRONMENT)


def inside(look: Observation, namespace: str) -> Observation:
    """The same run in a namespace."""
    return replace(look, subject=replace(look.subject, namespace=namespace))


def milestones(audience: Audience, provider: str) -> set[Milestone]:
    """The events that a provider gets."""
    (one,) = (each for each in audience.recipients if each.provider == provider)
    return {each for each in Milestone if one.wants(each)}


def test_one_tenant_everything_goes_to_the_bus_and_to_github() -> None:
    audience = heard("one-tenant.yaml", run_look()).audience
    assert set(audience.providers) == {"clusterprovider/events", "github-check"}


@pytest.mark.parametrize(
    ("namespace", "providers"),
    [
        ("shop", {"clusterprovider/events"}),
        ("search", {"provider/search/dashboard"}),
        ("shop-pr-17", set()),
    ],
)
def test_each_tenant_is_told_where_it_said(namespace: str, providers: set[str]) -> None:
    assert told("two-tenants.yaml", inside(run_look(), namespace)) == providers


@pytest.mark.parametrize(
    ("namespace", "host", "repository", "may"),
    [
        ("shop", "github.com", "acme/shop", True),
        ("shop-pr-17", "github.com", "acme/shop-api", True),
        ("shop", "github.com", "acme/search", False),
        ("search", "github.com", "acme/search", True),
        ("search", "ghe.example.com", "search/index", True),
        ("search", "github.com", "search/index", False),
        ("default", "github.com", "acme/shop", False),
    ],
)
def test_no_tenant_speaks_for_anothers_repository(
    namespace: str, host: str, repository: str, may: bool
) -> None:
    owner, _, name = repository.partition("/")
    verdict = may_speak(
        config.load(FOLDER / "two-tenants.yaml").trust,
        cluster="default",
        namespace=namespace,
        repository=Repository(host=host, owner=owner, name=name),
    )
    assert verdict.yes is may


@pytest.mark.parametrize(
    ("namespace", "phase", "providers"),
    [
        ("payments", Phase.FAILED, {"clusterprovider/on-call"}),
        ("payments-eu", Phase.ERRORED, {"clusterprovider/on-call"}),
        ("payments", Phase.SUCCEEDED, set()),
        ("shop", Phase.FAILED, set()),
    ],
)
def test_only_one_teams_failures_wake_anybody(
    namespace: str, phase: Phase, providers: set[str]
) -> None:
    look = inside(run_look(phase), namespace)
    assert told("failures-of-one-team.yaml", look) == providers
    if providers:
        audience = heard("failures-of-one-team.yaml", look).audience
        assert milestones(audience, "clusterprovider/on-call") == {Milestone.FINISHED}


def test_enterprise_takes_the_place_of_what_is_built_in() -> None:
    repository = Repository(host="ghe.example.com", owner="acme", name="shop")
    there = Revision(repository=repository, commit=COMMIT, ref="main", rule="checkrail.dev")
    name = "github-enterprise.yaml"
    assert heard(name, run_look(revision=there)).audience.providers == ("clusterprovider/ghe",)
    assert heard(name, run_look()).audience.providers == ("clusterprovider/github-com",)
    assert heard(name, release_look(revision=there)).audience.providers == ()


@pytest.mark.parametrize(
    ("before", "phase", "providers"),
    [
        ("failed", Phase.SUCCEEDED, {"provider/production/status-page"}),
        ("errored", Phase.SUCCEEDED, {"provider/production/status-page"}),
        ("succeeded", Phase.SUCCEEDED, set()),
        ("", Phase.SUCCEEDED, set()),
        ("running", Phase.FAILED, set()),
    ],
)
def test_a_recovery_is_told_and_nothing_else(
    before: str, phase: Phase, providers: set[str]
) -> None:
    look = inside(release_look(phase), "production")
    assert told("recovery.yaml", look, old_phase=before) == providers


def test_slow_runs_on_main_are_told() -> None:
    slow = run_look(Phase.SUCCEEDED, finished=at(2_000))
    branch = replace(slow, revision=replace(slow.revision, ref="refs/heads/topic"))  # type: ignore[type-var]
    step = Step(name="test", phase=Phase.FAILED, started=at(1), finished=at(700))
    assert told("expression.yaml", slow) == {"clusterprovider/slow-runs"}
    assert told("expression.yaml", branch) == set()
    assert told("expression.yaml", run_look(Phase.SUCCEEDED)) == set()
    assert told("expression.yaml", run_look(Phase.FAILED, steps=(step,)))
    assert told("expression.yaml", run_look(Phase.RUNNING, steps=(step,))) == set()


def test_an_expression_may_ask_about_the_whole_object() -> None:
    look = run_look()
    job = replace(look, subject=replace(look.subject, kind="Job"))

    def name(manifest: Any) -> str:
        said = heard("expression.yaml", job, manifest=manifest)
        return said.audience.presentation.check_name

    owned = {"metadata": {"ownerReferences": [{"name": "nightly-29"}]}}
    assert name(owned) == "nightly / build"
    assert name({"metadata": {}}) == ""
    assert name(None) == ""


def test_the_house_style_is_overridden_by_a_teams_own() -> None:
    failed = inside(run_look(Phase.FAILED), "shop")
    shown = heard("names-and-dashboard.yaml", failed).audience.presentation
    assert shown.check_name == "ci / build"
    page = "https://tekton.example.com/#/namespaces/shop/pipelineruns/build-1"
    assert shown.dashboard_url == page
    assert shown.message == "build failed after 30s"
    assert "- test: no reason given" in shown.summary
    assert shown.buttons == (Verb.RERUN, Verb.CANCEL)
    elsewhere = heard("names-and-dashboard.yaml", run_look()).audience.presentation
    assert (elsewhere.check_name, elsewhere.message) == ("ci / build", "")


def test_logs_are_shown_as_somebody_likes_them() -> None:
    logs = heard("logs-and-matchers.yaml", run_look()).audience.presentation.logs
    assert (logs.when, logs.steps, logs.lines, logs.line_length) == ("failed", 2, 80, 300)
    assert [one.owner for one in logs.matchers or ()] == ["house-lint", "stylish"]
    assert [one.format for one in logs.reports or ()] == ["junit", "sarif"]


def test_of_two_receivers_one_hears_only_how_deployments_ended() -> None:
    bus, deployments = "clusterprovider/bus", "clusterprovider/deployments"
    assert told("two-receivers.yaml", run_look()) == {bus}
    audience = heard("two-receivers.yaml", release_look()).audience
    assert {bus, deployments} <= set(audience.providers)
    assert milestones(audience, bus) == set(Milestone)
    assert milestones(audience, deployments) == {Milestone.FINISHED}
