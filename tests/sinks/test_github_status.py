"""githubStatus against the stand-in: a status for each state, with a token or by the App.

The requests' bodies are held against GitHub's description by the stand-in's fixtures. Waiting and
repeating is the outbox'; what a Provider document looks like is tested with the documents.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec.structs import replace

from ghapp.core.effects import Cancel
from ghapp.core.model import Conclusion, Phase, Repository
from ghapp.core.provider import GitHubApp
from ghapp.core.retry import LISTED
from ghapp.core.source import Patch
from ghapp.demo.github import GitHub, Installation
from ghapp.errors import ConfigError, Reject, Retry
from ghapp.github.token_client import REFUSED, TokenClient
from ghapp.ports import RepositoryApi, Slot
from ghapp.secret import Secret
from ghapp.sinks.github_status import SINK, GithubStatus, Settings, state, status
from tests.core.builders import run_look
from tests.github.fixtures import Opened, Seen
from tests.github_fixtures import Clock
from tests.sinks.story import NOW, Story, renamed
from tests.sinks.test_pull_request_comment import ME, Board


def without_tokens(api_url: str, token: Secret) -> RepositoryApi:
    raise AssertionError("nobody gave a token")


@pytest.fixture
def sink(app: Opened) -> GithubStatus:
    return GithubStatus(Settings(), without_tokens, Board(), ME, github=app.client)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def by_token(
    github: GitHub, github_installation: Installation, github_clock: Clock, seen: Seen
) -> AsyncIterator[GithubStatus]:
    """Somebody's token, who may write to acme/shop; there is no App."""
    async with aiohttp.ClientSession() as session:

        def client(api_url: str, token: Secret) -> TokenClient:
            return TokenClient(
                session,
                api_url=api_url,
                token=token,
                clock=lambda: datetime.fromtimestamp(github_clock(), UTC),
                observe=seen,
                jitter=lambda: 0.0,
                timeout=2.0,
            )

        secret = {"token": Secret(github.create_user_token("dev"))}
        yield GithubStatus(Settings(api_url=github.base_url), client, Board(), ME, secret)


@pytest.fixture
def story(github: GitHub, github_installation: Installation) -> Story:
    return Story(github.repository("acme/shop").git.refs["refs/heads/main"])


def statuses(github: GitHub, story: Story) -> list[tuple[str, str, str | None]]:
    """(state, context, description) of the commit, oldest first."""
    there = github.repository("acme/shop").statuses.get(story.commit, [])
    return [(one.state, one.context, one.description) for one in there]


async def test_a_run_is_pending_and_then_its_verdict(
    github: GitHub, sink: GithubStatus, story: Story
) -> None:
    for phase in (Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED):
        await story.told(sink, phase, dashboard_url="https://tekton.example.com/build-1")
    assert statuses(github, story) == [
        ("pending", "tekton / build", "Queued: Queued"),
        ("success", "tekton / build", "Succeeded in 30s"),
    ]
    last = github.repository("acme/shop").statuses[story.commit][-1]
    assert last.target_url == "https://tekton.example.com/build-1"


async def test_progress_is_no_status_however_often_it_is_told(
    github: GitHub, sink: GithubStatus, story: Story
) -> None:
    for number in range(20):
        await story.told(sink, Phase.RUNNING, message=f"step {number}")
    assert len(statuses(github, story)) == 1


async def test_a_verdict_is_told_anew_only_when_its_words_change(
    github: GitHub, sink: GithubStatus, story: Story
) -> None:
    end = story.check(Phase.FAILED)
    await story.deliver(sink, end)
    await story.deliver(sink, renamed(end, summary="with logs now"))
    await story.deliver(sink, renamed(end, title="Failed: test (exit code 2)"))
    assert [what for _, _, what in statuses(github, story)] == [
        end.check.title,
        "Failed: test (exit code 2)",
    ]


@pytest.mark.parametrize("fault", ["lose_answer", "lose_request"])
async def test_what_was_told_unheard_is_not_told_twice(
    github: GitHub, sink: GithubStatus, story: Story, fault: str
) -> None:
    await story.told(sink, Phase.RUNNING)
    github.faults.add(fault, method="POST", path="/statuses/")
    end = story.check(Phase.SUCCEEDED)
    with pytest.raises(Retry) as unheard:
        await story.deliver(sink, end)
    assert (unheard.value.uncertain, unheard.value.after) == (True, LISTED)
    await story.deliver(sink, end, certain=False)
    assert [state for state, _, _ in statuses(github, story)] == ["pending", "success"]


@pytest.mark.parametrize(
    ("phase", "conclusion", "expected"),
    [
        (Phase.QUEUED, None, "pending"),
        (Phase.RUNNING, None, "pending"),
        (Phase.SUCCEEDED, None, "success"),
        (Phase.SUCCEEDED, Conclusion.NEUTRAL, "success"),
        (Phase.SUCCEEDED, Conclusion.SKIPPED, "success"),
        (Phase.FAILED, None, "failure"),
        (Phase.FAILED, Conclusion.ACTION_REQUIRED, "failure"),
        (Phase.ERRORED, Conclusion.TIMED_OUT, "failure"),
        (Phase.ERRORED, None, "error"),
        (Phase.CANCELLED, None, "error"),
    ],
)
def test_each_state_of_a_run_has_githubs_word(
    phase: Phase, conclusion: Conclusion | None, expected: str
) -> None:
    assert state(Story("0" * 40).check(phase, conclusion=conclusion)) == expected


def test_every_conclusion_has_a_state() -> None:
    end = Story("0" * 40).check(Phase.SUCCEEDED)
    for conclusion in Conclusion:
        assert state(renamed(end, conclusion=conclusion)) in ("success", "failure", "error")
    assert state(replace(end, phase=None)) == "success", "stored by an earlier version"


async def test_long_words_are_cut_to_what_github_takes(
    github: GitHub, app: Opened, story: Story
) -> None:
    sink = GithubStatus(
        Settings(context_prefix="p" * 100), without_tokens, Board(), ME, github=app.client
    )
    end = renamed(story.check(Phase.FAILED), name="n" * 200, title="ü" * 300)
    await story.deliver(sink, end)
    ((_, context, description),) = statuses(github, story)
    assert (len(context), len(description or "")) == (255, 140)


async def test_a_prefix_keeps_statuses_and_checks_of_one_name_apart(
    github: GitHub, app: Opened, story: Story
) -> None:
    sink = GithubStatus(
        Settings(context_prefix="k8s: "), without_tokens, Board(), ME, github=app.client
    )
    await story.told(sink, Phase.SUCCEEDED)
    assert [context for _, context, _ in statuses(github, story)] == ["k8s: tekton / build"]


async def test_the_apps_token_may_only_write_statuses(
    github: GitHub, sink: GithubStatus, story: Story
) -> None:
    await story.told(sink, Phase.SUCCEEDED)
    (token,) = github.world.tokens.values()
    assert token.permissions == {"statuses": "write", "metadata": "read"}


async def test_an_app_of_its_own_posts_and_no_token_is_asked_for(
    github: GitHub, app: Opened, story: Story
) -> None:
    held = {"private-key": Secret("PEM"), "token": Secret("left over")}
    settings = Settings(app=GitHubApp(id="7"))
    sink = GithubStatus(settings, without_tokens, Board(), ME, held, app.client)
    await story.told(sink, Phase.SUCCEEDED)
    there = github.repository("acme/shop").statuses[story.commit]
    assert [one.creator.login for one in there] == ["checkrail[bot]"]


async def test_with_a_token_no_app_is_needed(
    github: GitHub, by_token: GithubStatus, story: Story, seen: Seen
) -> None:
    for phase in (Phase.RUNNING, Phase.FAILED):
        await story.told(by_token, phase)
    assert [state for state, _, _ in statuses(github, story)] == ["pending", "failure"]
    there = github.repository("acme/shop").statuses[story.commit]
    assert {one.creator.login for one in there} == {"dev"}
    assert seen.methods == {"POST": 2}, "nothing but the statuses themselves"


async def test_a_token_that_expired_is_waited_for(
    github: GitHub, by_token: GithubStatus, story: Story
) -> None:
    github.world.tokens.clear()
    with pytest.raises(Retry, match="replace it in the Secret") as caught:
        await story.told(by_token, Phase.SUCCEEDED)
    assert caught.value.after == REFUSED


async def test_a_token_without_the_right_is_refused(
    github: GitHub, by_token: GithubStatus, story: Story
) -> None:
    github.set_role("acme/shop", "dev", "read")
    with pytest.raises(Reject):
        await story.told(by_token, Phase.SUCCEEDED)


async def test_a_token_waits_when_github_asks_for_peace(
    github: GitHub, by_token: GithubStatus, story: Story, seen: Seen
) -> None:
    github.faults.add("too_many", method="POST", path="/statuses/", retry_after=30)
    end = story.check(Phase.SUCCEEDED)
    with pytest.raises(Retry) as caught:
        await story.deliver(by_token, end)
    assert caught.value.after == 30
    with pytest.raises(Retry, match="slow down"):
        await story.deliver(by_token, end)
    assert len(seen.requests) == 1, "the second one stayed at home"


async def test_a_status_for_a_commit_that_was_never_pushed_is_refused(sink: GithubStatus) -> None:
    with pytest.raises(Reject, match="No commit found"):
        await Story("0" * 40).told(sink, Phase.SUCCEEDED)


async def test_github_keeps_a_thousand_and_then_says_so(
    github: GitHub, sink: GithubStatus, story: Story
) -> None:
    end = story.check(Phase.SUCCEEDED)
    await story.deliver(sink, renamed(end, title="earlier"))
    there = github.repository("acme/shop").statuses[story.commit]
    there.extend(there * 999)
    with pytest.raises(Reject, match="maximum number of statuses"):
        await story.deliver(sink, end)


async def test_it_takes_checks_on_its_own_host_and_nothing_else(
    sink: GithubStatus, by_token: GithubStatus, story: Story
) -> None:
    check = story.check(Phase.RUNNING)
    write = Patch(resource="r", namespace="n", name="a", uid="u", body={})
    cancel = Cancel(subject=run_look().subject, login="o", token="t", write=write)
    elsewhere = replace(check, repository=Repository(host="ghe.example.com", owner="a", name="b"))
    assert sink.accepts(check)
    assert not sink.accepts(cancel)
    with pytest.raises(Reject):
        await sink.deliver(cancel, key="k", slot=Slot())
    async with aiohttp.ClientSession() as session:
        public = TokenClient(
            session, api_url="https://api.github.com", token=Secret("t"), clock=lambda: NOW
        )
        with_token = GithubStatus(
            Settings(), lambda *_: public, Board(), ME, {"token": Secret("t")}
        )
        assert with_token.accepts(check)
        assert not with_token.accepts(elsewhere)
        with pytest.raises(Reject, match=r"is not on github\.com"):
            await public.request("GET", "/x", repository=elsewhere.repository)


def test_without_a_token_and_without_an_app_it_cannot_be_made(app: Opened) -> None:
    with pytest.raises(ConfigError, match="there is no GitHub App, so it needs a token"):
        GithubStatus(Settings(), without_tokens, Board(), ME)
    with pytest.raises(ConfigError, match="its Secret has no token"):
        GithubStatus(Settings(), without_tokens, Board(), ME, {"other": Secret("x")}, app.client)


def test_a_status_without_a_page_has_no_link() -> None:
    assert "target_url" not in status(Story("0" * 40).check(Phase.QUEUED))


@pytest.mark.parametrize(
    "given",
    [
        {"apiUrl": "api.github.com"},
        {"apiUrl": "https://user:secret@ghe/api/v3"},
        {"apiUrl": "https://ghe/api/v3?x"},
        {"contextPrefix": "p" * 101},
        {"context": "x"},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, SINK.settings)


async def test_a_verdict_that_comes_late_does_not_speak_for_the_run_that_came_after(
    github: GitHub, app: Opened, story: Story
) -> None:
    board = Board()
    sink = GithubStatus(Settings(), without_tokens, board, ME, github=app.client)
    first, again = board.run(story.commit), board.run(story.commit)
    await first.told(sink, Phase.RUNNING)
    late = first.check(Phase.FAILED)
    await again.told(sink, Phase.SUCCEEDED)
    await first.deliver(sink, late)
    assert [state for state, *_ in statuses(github, story)] == ["pending", "success"]


async def test_signs_that_github_takes_in_no_status_are_left_out(
    github: GitHub, sink: GithubStatus, story: Story
) -> None:
    effect = renamed(story.check(Phase.RUNNING), name="deploy 🚀 it", title="🚀 Failed: x 🎉")
    await story.deliver(sink, effect)
    assert statuses(github, story) == [("pending", "deploy it", "Failed: x")]
