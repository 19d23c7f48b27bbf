"""githubDeployments against the stand-in: one deployment a revision and environment, its statuses.

The requests' bodies are held against GitHub's description by the stand-in's fixtures.
"""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ghapp.core.decide import vanished
from ghapp.core.effects import SetCheck
from ghapp.core.model import Conclusion, Phase, Subject, SubjectType
from ghapp.core.retry import LISTED
from ghapp.demo.github import GitHub, Installation
from ghapp.demo.github.model import Deployment
from ghapp.errors import ConfigError, Reject, Retry
from ghapp.ports import Slot
from ghapp.sinks.github_deployment import SINK, GithubDeployment, Settings, state
from tests.core.builders import RULES, at, release_look
from tests.github.fixtures import Opened
from tests.sinks.story import Story, renamed


@pytest.fixture
def sink(app: Opened) -> GithubDeployment:
    return GithubDeployment(Settings(), app.client)


@pytest.fixture
def head(github: GitHub, github_installation: Installation) -> str:
    return github.repository("acme/shop").git.refs["refs/heads/main"]


def release(commit: str, version: str = "1.1.0", **fixed: Any) -> Story:
    """A HelmRelease `shop` in namespace dev that rolls out a chart version."""
    return Story(commit, made=release_look, fixed={"version": version, **fixed})


def kustomization(commit: str, revision: str = "", **fixed: Any) -> Story:
    """A Kustomization `apps` that applies a revision of its source."""
    subject = Subject(
        kind="Kustomization",
        cluster="default",
        namespace="flux-system",
        name="apps",
        uid="c0ffee00-0000-4000-8000-000000000002",
        revision=revision or f"main@sha1:{commit}",
    )
    look = {
        "subject": subject,
        "resource": "kustomize.toolkit.fluxcd.io/v1/kustomizations",
        "type": SubjectType.ENVIRONMENT,
        "name": "apps",
        "check_name": "flux / flux-system/apps",
    }
    return Story(commit, made=release_look, fixed={**look, **fixed})


def deployments(github: GitHub) -> list[Deployment]:
    return list(github.repository("acme/shop").deployments.values())


def states(deployment: Deployment) -> list[str]:
    return [status.state for status in deployment.statuses]


async def rolled_out(sink: GithubDeployment, story: Story, **changes: Any) -> None:
    for phase in (Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED):
        await story.told(sink, phase, **changes)


async def test_a_release_is_one_deployment_and_a_status_for_each_state(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await rolled_out(sink, release(head, dashboard_url="https://flux.example.com/shop"))
    (made,) = deployments(github)
    assert (made.sha, made.environment, made.task) == (head, "default/dev", "deploy")
    assert made.description == "HelmRelease dev/shop 1.1.0"
    assert (made.production, made.transient) == (False, False)
    assert states(made) == ["queued", "in_progress", "success"]
    last = made.statuses[-1]
    assert (last.description, last.log_url) == ("Succeeded in 30s", "https://flux.example.com/shop")


async def test_a_kustomization_is_deployed_as_a_release_is(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await rolled_out(sink, kustomization(head))
    (made,) = deployments(github)
    assert made.environment == "default/flux-system"
    assert made.description == f"Kustomization flux-system/apps main@sha1:{head}"
    assert states(made) == ["queued", "in_progress", "success"]
    later = github.push("acme/shop", "main", {"b.txt": "b"}, "Later", "dev")
    await rolled_out(sink, kustomization(later))
    await rolled_out(sink, release(head, environment="default/flux-system"))
    first, second, other = deployments(github)
    assert (first.sha, second.sha) == (head, later)
    assert [states(one)[-1] for one in (first, second, other)] == ["inactive", "success", "success"]


async def test_the_steady_state_reads_nothing_but_what_it_retires(
    sink: GithubDeployment, app: Opened, head: str
) -> None:
    story = release(head)
    await story.told(sink, Phase.QUEUED)
    app.seen.clear()
    await story.told(sink, Phase.RUNNING)
    await story.told(sink, Phase.RUNNING, message="on the way")
    assert app.seen.methods == {"POST": 1}
    await story.told(sink, Phase.SUCCEEDED)
    assert app.seen.methods == {"POST": 2, "GET": 1}


async def test_the_token_may_only_write_deployments(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await release(head).told(sink, Phase.RUNNING)
    (token,) = github.world.tokens.values()
    assert token.permissions == {"deployments": "write", "metadata": "read"}


async def test_red_checks_and_a_branch_behind_do_not_stop_it(
    github: GitHub, sink: GithubDeployment, app: Opened, head: str
) -> None:
    github.push("acme/shop", "main", {"b.txt": "b"}, "Later", "dev")
    body = {"name": "lint", "head_sha": head, "status": "completed", "conclusion": "failure"}
    story = release(head)
    check = story.check(Phase.RUNNING)
    await app.client.request(
        "POST", "/repos/acme/shop/check-runs", body, repository=check.repository
    )
    await story.deliver(sink, check)
    assert [made.sha for made in deployments(github)] == [head]


async def test_its_predecessor_is_retired_when_it_succeeds_and_not_before(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await rolled_out(sink, release(head))
    second = release(head, "1.2.0")
    await second.told(sink, Phase.RUNNING)
    first, other = deployments(github)
    assert states(first)[-1] == "success"
    await second.told(sink, Phase.SUCCEEDED)
    assert (states(first)[-1], states(other)[-1]) == ("inactive", "success")
    third = release(head, "1.3.0")
    await rolled_out(sink, third)
    assert states(first).count("inactive") == 1
    assert [states(one)[-1] for one in deployments(github)] == ["inactive", "inactive", "success"]


async def test_a_failed_revision_retires_nothing_and_is_not_retired(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await rolled_out(sink, release(head))
    await release(head, "1.2.0").told(sink, Phase.FAILED)
    assert [states(one)[-1] for one in deployments(github)] == ["success", "failure"]
    await rolled_out(sink, release(head, "1.3.0"))
    assert [states(one)[-1] for one in deployments(github)] == ["inactive", "failure", "success"]


async def test_two_services_in_one_environment_do_not_retire_each_other(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await rolled_out(sink, release(head))
    subject = replace(release_look().subject, name="web", uid="web-uid")
    await rolled_out(sink, release(head, subject=subject))
    assert [states(one)[-1] for one in deployments(github)] == ["success", "success"]


async def test_a_late_verdict_does_not_retire_its_successor(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    first = release(head)
    await first.told(sink, Phase.RUNNING)
    await rolled_out(sink, release(head, "1.2.0"))
    await first.told(sink, Phase.SUCCEEDED)
    assert [states(one)[-1] for one in deployments(github)] == ["inactive", "success"]


async def test_a_revision_that_comes_back_is_active_again_and_its_successor_is_not(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await rolled_out(sink, release(head))
    await rolled_out(sink, release(head, "1.2.0"))
    again = replace(release(head).check(Phase.SUCCEEDED), attempt=1)
    await sink.deliver(again, key=again.key, slot=Slot())
    assert [states(one)[-1] for one in deployments(github)] == ["success", "inactive"]
    await rolled_out(sink, release(head, "1.3.0"))
    ends = [states(one)[-1] for one in deployments(github)]
    assert ends == ["inactive", "inactive", "success"]


async def test_what_is_superseded_on_the_way_is_inactive(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    story = release(head)
    await story.told(sink, Phase.RUNNING)
    await story.told(sink, Phase.CANCELLED, conclusion=Conclusion.NEUTRAL)
    (made,) = deployments(github)
    assert states(made) == ["in_progress", "inactive"]


async def test_what_is_deleted_is_inactive_whatever_became_of_it(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    for number, phase in enumerate((Phase.SUCCEEDED, Phase.FAILED, Phase.RUNNING)):
        story = release(head, f"1.{number}.0")
        await story.told(sink, phase)
        assert story.seen is not None
        (end,) = (
            effect
            for effect in vanished(story.seen, at=at(500), rules=RULES).effects
            if isinstance(effect, SetCheck)
        )
        await story.deliver(sink, end)
    assert [states(one)[-1] for one in deployments(github)] == ["inactive"] * 3


async def test_what_nobody_heard_of_before_it_was_superseded_is_not_made(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    receipt = await release(head).told(sink, Phase.CANCELLED, conclusion=Conclusion.NEUTRAL)
    assert receipt is None
    assert deployments(github) == []


async def test_a_deployment_that_was_made_unheard_is_not_made_twice(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    github.faults.add("lose_answer", method="POST", path="/deployments$")
    story = release(head)
    check = story.check(Phase.RUNNING)
    with pytest.raises(Retry) as caught:
        await story.deliver(sink, check)
    assert caught.value.uncertain
    assert (caught.value.after or 0) >= LISTED
    await story.deliver(sink, check, certain=False)
    (made,) = deployments(github)
    assert states(made) == ["in_progress"]


async def test_a_deployment_is_not_looked_for_before_it_can_be_in_the_list(
    github: GitHub, sink: GithubDeployment, app: Opened, head: str
) -> None:
    github.world.read_lag = 4
    github.faults.add("lose_answer", method="POST", path="/deployments$")
    story = release(head)
    check = story.check(Phase.RUNNING)
    with pytest.raises(Retry) as caught:
        await story.deliver(sink, check)
    app.clock.advance(caught.value.after or 0)
    await story.deliver(sink, check, certain=False)
    assert len(deployments(github)) == 1


async def test_a_crash_between_deployment_and_status_leaves_one_deployment(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    github.faults.add("lose_request", method="POST", path="/statuses$")
    story = release(head)
    check = story.check(Phase.RUNNING)
    with pytest.raises(Retry):
        await story.deliver(sink, check)
    await story.deliver(sink, check, certain=False)
    assert [states(one) for one in deployments(github)] == [["in_progress"]]


@pytest.mark.parametrize("fault", ["secondary", "primary", "too_many", "status", "lose_request"])
async def test_a_deployment_whose_status_is_refused_is_not_made_twice(
    github: GitHub, sink: GithubDeployment, app: Opened, head: str, fault: str
) -> None:
    github.faults.add(fault, method="POST", path="/statuses$", status=422)
    story = release(head)
    check = story.check(Phase.RUNNING)
    with pytest.raises(Retry) as caught:
        await story.deliver(sink, check)
    assert caught.value.uncertain
    assert (caught.value.after or 0) >= LISTED
    app.clock.advance(caught.value.after or 0)
    await story.deliver(sink, check, certain=not caught.value.uncertain)
    assert [states(one) for one in deployments(github)] == [["in_progress"]]


async def test_a_deployment_whose_predecessor_cannot_be_looked_up_is_not_made_twice(
    github: GitHub, sink: GithubDeployment, app: Opened, head: str
) -> None:
    await rolled_out(GithubDeployment(Settings(), app.client), release(head))
    github.faults.add("secondary", method="GET", path="/deployments")
    story = release(head, "1.2.0")
    check = story.check(Phase.SUCCEEDED)
    with pytest.raises(Retry) as caught:
        await story.deliver(sink, check)
    app.clock.advance(caught.value.after or 0)
    await story.deliver(sink, check, certain=not caught.value.uncertain)
    assert [states(one)[-1] for one in deployments(github)] == ["inactive", "success"]


async def test_of_two_versions_that_are_due_at_once_the_later_one_is_there(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    first, second = release(head), release(head, "1.2.0")
    await asyncio.gather(
        first.told(sink, Phase.SUCCEEDED),
        second.told(sink, Phase.SUCCEEDED),
    )
    assert [states(one)[-1] for one in deployments(github)] == ["inactive", "success"]


async def test_a_predecessor_that_github_does_not_list_yet_is_retired(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await rolled_out(sink, release(head))
    github.world.read_lag = 60.0
    await rolled_out(sink, release(head, "1.2.0"))
    assert [states(one)[-1] for one in deployments(github)] == ["inactive", "success"]


async def test_what_could_not_be_told_in_time_does_not_retire_what_came_after_it(
    github: GitHub, sink: GithubDeployment, app: Opened, head: str
) -> None:
    late = release(head)
    owed = late.check(Phase.SUCCEEDED, started=at(1), finished=at(20))
    newer = release(head, "1.2.0")
    await newer.told(sink, Phase.SUCCEEDED, started=at(30), finished=at(50))
    await late.deliver(sink, owed)
    assert [states(one)[-1] for one in deployments(github)] == ["success", "inactive"]
    forgetful = GithubDeployment(Settings(), app.client)
    latest = release(head, "1.3.0")
    await latest.told(forgetful, Phase.SUCCEEDED, started=at(60), finished=at(70))
    assert [states(one)[-1] for one in deployments(github)] == ["inactive", "inactive", "success"]


async def test_a_status_that_is_refused_for_good_is_given_up(
    github: GitHub, sink: GithubDeployment, app: Opened, head: str
) -> None:
    github.faults.add("status", method="POST", path="/statuses$", status=422, times=2)
    story = release(head)
    check = story.check(Phase.RUNNING)
    with pytest.raises(Retry) as caught:
        await story.deliver(sink, check)
    app.clock.advance(caught.value.after or 0)
    with pytest.raises(Reject):
        await story.deliver(sink, check, certain=not caught.value.uncertain)
    assert len(deployments(github)) == 1


async def test_with_the_store_lost_the_deployment_is_found_again(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await release(head).told(sink, Phase.RUNNING)
    end = replace(release(head).check(Phase.SUCCEEDED), search=True)
    await sink.deliver(end, key=end.key, slot=Slot())
    assert [states(one) for one in deployments(github)] == [["in_progress", "success"]]


async def test_another_attempt_of_a_revision_is_the_same_deployment(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    await release(head).told(sink, Phase.FAILED)
    again = replace(release(head).check(Phase.SUCCEEDED), attempt=1)
    await sink.deliver(again, key=again.key, slot=Slot())
    assert [states(one) for one in deployments(github)] == [["failure", "success"]]


async def test_other_tools_deployments_are_left_alone(
    github: GitHub, sink: GithubDeployment, app: Opened, head: str
) -> None:
    story = release(head)
    check = story.check(Phase.SUCCEEDED)
    for payload in ("", "[1", '"x"', {"object": 5}, {"web_url": "x"}):
        body: dict[str, Any] = {
            "ref": head,
            "environment": "default/dev",
            "required_contexts": [],
            "payload": payload,
        }
        path = "/repos/acme/shop/deployments"
        await app.client.request("POST", path, body, repository=check.repository)
    await story.deliver(sink, check, certain=False)
    assert [states(one) for one in deployments(github)] == [[], [], [], [], [], ["success"]]


async def test_environments_have_their_own_words(github: GitHub, app: Opened, head: str) -> None:
    settings = Settings(
        environment_url="https://{name}.{environment}.example.com/{cluster}/{namespace}",
        production_environments=("prod*",),
        transient_environments=("preview-?",),
    )
    sink = GithubDeployment(settings, app.client)
    await release(head, environment="prod/eu").told(sink, Phase.RUNNING)
    await release(
        head, "1.2.0", environment="preview-7", environment_url="https://seven.example.com"
    ).told(sink, Phase.RUNNING)
    production, preview = deployments(github)
    assert (production.production, production.transient) == (True, False)
    assert (preview.production, preview.transient) == (False, True)
    url = "https://shop.prod%2Feu.example.com/default/dev"
    assert production.statuses[-1].environment_url == url
    assert preview.statuses[-1].environment_url == "https://seven.example.com"


async def test_long_words_are_cut_to_what_github_takes(
    github: GitHub, sink: GithubDeployment, head: str
) -> None:
    subject = replace(release_look().subject, name="n" * 253, revision="r" * 200)
    story = release(head, subject=subject)
    await story.deliver(sink, renamed(story.check(Phase.FAILED), title="ü" * 300))
    (made,) = deployments(github)
    assert (len(made.description or ""), len(made.statuses[-1].description)) == (140, 140)


async def test_a_commit_that_was_never_pushed_is_said(sink: GithubDeployment) -> None:
    with pytest.raises(Reject, match=r"has no commit 0000.*: was it pushed"):
        await release("0" * 40).told(sink, Phase.RUNNING)


@pytest.mark.parametrize(
    ("phase", "conclusion", "expected"),
    [
        (Phase.QUEUED, None, "queued"),
        (Phase.RUNNING, None, "in_progress"),
        (Phase.SUCCEEDED, None, "success"),
        (Phase.FAILED, None, "failure"),
        (Phase.ERRORED, Conclusion.TIMED_OUT, "failure"),
        (Phase.ERRORED, None, "error"),
        (Phase.CANCELLED, None, "error"),
        (Phase.CANCELLED, Conclusion.NEUTRAL, "inactive"),
    ],
)
def test_each_state_has_githubs_word(
    phase: Phase, conclusion: Conclusion | None, expected: str
) -> None:
    assert state(release("0" * 40).check(phase, conclusion=conclusion)) == expected


async def test_runs_that_end_are_no_deployments(sink: GithubDeployment) -> None:
    job = Story("0" * 40).check(Phase.RUNNING)
    assert not sink.accepts(job)
    assert sink.accepts(release("0" * 40).check(Phase.RUNNING))
    with pytest.raises(Reject, match="deployed objects only"):
        await sink.deliver(job, key="k", slot=Slot())


@pytest.mark.parametrize("template", ["https://{who}", "https://{name!r}", "https://{", "{name}"])
def test_a_template_that_cannot_be_filled_in_is_refused(app: Opened, template: str) -> None:
    with pytest.raises(ConfigError, match="environmentUrl"):
        GithubDeployment(Settings(environment_url=template), app.client)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"environment": "x"}, SINK.settings)
