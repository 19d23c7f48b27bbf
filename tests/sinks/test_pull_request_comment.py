"""githubPullRequestComment against the stand-in: one comment, always the newest table, only ours.

What the table looks like is tested in core/test_runs_table; the requests' bodies are held against
GitHub's description by the stand-in's fixtures.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ghapp.core import runs_table
from ghapp.core.effects import ShowRuns
from ghapp.core.model import Phase, Repository
from ghapp.core.retry import LISTED
from ghapp.core.routing import route
from ghapp.core.seen import Seen
from ghapp.demo.github import GitHub, Installation
from ghapp.demo.github.model import Comment, Pull
from ghapp.errors import Reject, Retry
from ghapp.ports import Slot
from ghapp.sinks.pull_request_comment import SINK, PullRequestComment, Settings
from tests.core.builders import SHOP, T0, audience, run_look
from tests.github.fixtures import Opened
from tests.sinks.story import Story

ME = "provider/ci/comments"


@dataclass
class Board:
    """The runs that there are, as a store has them."""

    stories: list[Story] = field(default_factory=list)

    async def on_commit(self, repository: Repository, commit: str) -> Sequence[Seen]:
        rows = [story.seen for story in self.stories if story.seen]
        return [row for row in rows if row.look.revision and row.look.revision.commit == commit]

    def run(self, commit: str, pipeline: str = "build", told: str = ME, **fixed: Any) -> Story:
        """A PipelineRun of a pipeline."""
        name = f"{pipeline}-{len(self.stories)}"
        subject = replace(run_look().subject, name=name, uid=name)
        looks = {"subject": subject, "name": pipeline, "check_name": f"tekton / {pipeline}"}
        made = Story(commit, audience=audience(told), fixed={**looks, **fixed})
        self.stories.append(made)
        return made


@pytest.fixture
def board() -> Board:
    return Board()


def comments_of(app: Opened, board: Board, **changes: Any) -> PullRequestComment:
    """A sink that remembers nothing."""
    fields: dict[str, Any] = {
        "settings": Settings(),
        "github": app.client,
        "runs": board,
        "clock": lambda: datetime.fromtimestamp(app.clock(), UTC),
        "provider": ME,
    }
    return PullRequestComment(**{**fields, **changes})


@pytest.fixture
def sink(app: Opened, board: Board) -> PullRequestComment:
    return comments_of(app, board)


@pytest.fixture
def pull(github: GitHub, github_installation: Installation) -> Pull:
    """Of dev, from branch `topic`."""
    github.push("acme/shop", "topic", {"a.txt": "a"}, "A change", "dev")
    return github.open_pull("acme/shop", head="topic", title="A change", login="dev")


def news(story: Story, phase: Phase, *, number: int | None = None, **changes: Any) -> ShowRuns:
    """The run goes on; what whoever shows all runs is told of it."""
    check = replace(story.check(phase, **changes), pull_request=number)
    sinks = {ME: lambda effect: isinstance(effect, ShowRuns)}
    ((effect, _, _),) = route([replace(check, to=(ME,))], sinks, now=T0, progress_interval=30)
    assert isinstance(effect, ShowRuns)
    return effect


async def show(
    sink: PullRequestComment, story: Story, phase: Phase, *, number: int | None = None
) -> ShowRuns:
    effect = news(story, phase, number=number)
    await sink.deliver(effect, key=effect.key, slot=Slot())
    return effect


def comments(github: GitHub) -> list[Comment]:
    return list(github.repository("acme/shop").comments.values())


async def test_all_runs_of_the_newest_commit_are_one_comment_edited_in_place(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    build, lint = board.run(pull.head_sha), board.run(pull.head_sha, "lint")
    await show(sink, build, Phase.RUNNING)
    (comment,) = comments(github)
    assert comment.author.login == "checkrail[bot]"
    await show(sink, lint, Phase.FAILED)
    await show(sink, build, Phase.SUCCEEDED)
    assert comments(github) == [comment]
    assert "❌ 1 failed · ✅ 1 succeeded" in comment.body
    assert comment.body.index("tekton / lint") < comment.body.index("tekton / build")


async def test_what_is_shown_is_what_is_true_now_and_not_what_was_told(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    build = board.run(pull.head_sha)
    old = news(build, Phase.RUNNING)
    build.check(Phase.FAILED)
    await sink.deliver(old, key=old.key, slot=Slot())
    assert "1 failed" in comments(github)[0].body


async def test_the_steady_state_is_one_edit_and_nothing_where_nothing_changed(
    app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    build = board.run(pull.head_sha)
    await show(sink, build, Phase.QUEUED, number=pull.number)
    app.seen.clear()
    effect = await show(sink, build, Phase.RUNNING, number=pull.number)
    assert app.seen.methods == {"PATCH": 1}
    await sink.deliver(effect, key=effect.key, slot=Slot())
    assert app.seen.methods == {"PATCH": 1}


async def test_a_commit_of_no_pull_request_costs_a_question_a_minute(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board
) -> None:
    head = github.repository("acme/shop").git.refs["refs/heads/main"]
    build = board.run(head)
    await show(sink, build, Phase.QUEUED)
    app.seen.clear()
    await show(sink, build, Phase.RUNNING)
    assert not app.seen.requests
    app.clock.advance(61)
    await show(sink, build, Phase.SUCCEEDED)
    assert app.seen.methods == {"GET": 1}
    assert comments(github) == []


async def test_many_who_ask_at_once_for_one_commit_ask_once_and_write_once(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    told = [news(board.run(pull.head_sha, f"job-{n}"), Phase.RUNNING) for n in range(8)]
    app.seen.clear()
    await asyncio.gather(*(sink.deliver(one, key=one.key, slot=Slot()) for one in told))
    assert len(comments(github)) == 1
    assert app.seen.count("GET", "/commits/{ref}/pulls") == 1
    assert app.seen.methods["PATCH"] == 0, "the first one showed them all"


async def test_after_a_push_the_runs_of_the_old_commit_are_not_shown_any_more(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    old = board.run(pull.head_sha)
    await show(sink, old, Phase.RUNNING)
    app.clock.advance(1)
    new = board.run(github.push("acme/shop", "topic", {"b.txt": "b"}, "More", "dev"), "test")
    await show(sink, new, Phase.RUNNING)
    await show(sink, old, Phase.FAILED)
    (comment,) = comments(github)
    assert "tekton / test" in comment.body
    assert "tekton / build" not in comment.body


@pytest.mark.parametrize("known", [True, False])
async def test_a_branch_that_was_pushed_back_is_shown_again(
    github: GitHub,
    app: Opened,
    sink: PullRequestComment,
    board: Board,
    pull: Pull,
    known: bool,
) -> None:
    first, number = pull.head_sha, pull.number if known else None
    old = board.run(first)
    await show(sink, old, Phase.QUEUED, number=number)
    new = board.run(github.push("acme/shop", "topic", {"b.txt": "b"}, "More", "dev"), "test")
    await show(sink, new, Phase.RUNNING, number=number)
    github.repository("acme/shop").git.refs["refs/heads/topic"] = first
    pull.head_sha = first
    app.clock.advance(61)
    await show(sink, old, Phase.RUNNING, number=number)
    assert "tekton / build" in comments(github)[0].body


async def test_the_number_that_a_run_says_is_enough(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    await show(sink, board.run(pull.head_sha), Phase.RUNNING, number=pull.number)
    assert len(comments(github)) == 1
    assert app.seen.count("GET", "/commits/{ref}/pulls") == 0
    await show(sink, board.run(pull.head_sha, "lint"), Phase.RUNNING, number=404)
    assert len(comments(github)) == 1


async def test_with_everything_forgotten_the_comment_is_found_again_on_any_page(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    for number in range(150):
        github.comment("acme/shop", pull.number, f"comment {number}", "dev")
    build = board.run(pull.head_sha)
    await show(sink, build, Phase.RUNNING)
    await show(comments_of(app, board), build, Phase.SUCCEEDED)
    assert len(comments(github)) == 151
    assert "1 succeeded" in comments(github)[-1].body


async def test_what_it_says_already_is_not_written_again_after_a_restart(
    app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    effect = await show(sink, board.run(pull.head_sha), Phase.RUNNING)
    app.seen.clear()
    await comments_of(app, board).deliver(effect, key=effect.key, slot=Slot(certain=False))
    assert set(app.seen.methods) == {"GET"}


async def test_somebody_elses_comment_with_the_marker_is_left_alone(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    quoted = f"{runs_table.marker(ME)}\n\nlook at this"
    github.comment("acme/shop", pull.number, quoted, "eve")
    await show(sink, board.run(pull.head_sha), Phase.RUNNING)
    theirs, _ours = comments(github)
    assert theirs.body == quoted


async def test_each_provider_and_each_name_has_a_comment_of_its_own(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    build = board.run(pull.head_sha)
    effect = await show(sink, build, Phase.RUNNING)
    named = comments_of(app, board, settings=Settings(name="eu"))
    await named.deliver(effect, key=effect.key, slot=Slot())
    stranger = comments_of(app, board, provider="provider/ci/other")
    await stranger.deliver(effect, key=effect.key, slot=Slot())
    assert len(comments(github)) == 2, "the other provider is told of no run"


async def test_runs_that_this_provider_is_not_told_of_are_not_shown(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    board.run(pull.head_sha, "secret", told="provider/other/checks").check(Phase.RUNNING)
    await show(sink, board.run(pull.head_sha), Phase.RUNNING)
    assert "secret" not in comments(github)[0].body


async def test_a_comment_that_was_made_unheard_is_not_made_twice(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    github.world.read_lag = 4
    app.clock.advance(10)  # so that what was there before can be seen
    github.faults.add("lose_answer", method="POST", path="/comments$")
    effect = news(board.run(pull.head_sha), Phase.RUNNING)
    with pytest.raises(Retry) as caught:
        await sink.deliver(effect, key=effect.key, slot=Slot())
    assert (caught.value.after or 0) >= LISTED
    app.clock.advance(caught.value.after or 0)
    await sink.deliver(effect, key=effect.key, slot=Slot(certain=False))
    assert len(comments(github)) == 1


async def test_a_comment_that_was_not_made_is_made_later(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    github.faults.add("status", method="POST", path="/comments$", status=422)
    effect = news(board.run(pull.head_sha), Phase.RUNNING)
    with pytest.raises(Reject):
        await sink.deliver(effect, key=effect.key, slot=Slot())
    await sink.deliver(effect, key=effect.key, slot=Slot())
    assert len(comments(github)) == 1


async def test_a_pull_request_whose_comments_are_not_there_yet_is_asked_again(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    github.faults.add("status", method="GET", path="/issues/.*/comments$", status=404)
    effect = news(board.run(pull.head_sha), Phase.RUNNING)
    with pytest.raises(Retry) as caught:
        await sink.deliver(effect, key=effect.key, slot=Slot())
    assert (caught.value.after or 0) >= LISTED
    await sink.deliver(effect, key=effect.key, slot=Slot())
    assert len(comments(github)) == 1


async def test_a_deleted_comment_is_written_anew(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    build = board.run(pull.head_sha)
    await show(sink, build, Phase.RUNNING)
    github.repository("acme/shop").comments.clear()
    await show(sink, build, Phase.SUCCEEDED)
    assert ["1 succeeded" in one.body for one in comments(github)] == [True]


async def test_a_closed_pull_request_gets_no_comment_but_an_old_one_comes_to_its_end(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    build = board.run(pull.head_sha)
    await show(sink, build, Phase.RUNNING, number=pull.number)
    github.close_pull("acme/shop", pull.number, "dev")
    app.clock.advance(61)
    await show(sink, build, Phase.SUCCEEDED, number=pull.number)
    assert "1 succeeded" in comments(github)[0].body
    github.repository("acme/shop").comments.clear()
    await show(sink, board.run(pull.head_sha, "late"), Phase.RUNNING, number=pull.number)
    assert comments(github) == []


async def test_a_commit_that_github_does_not_know_is_no_pull_requests(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    await show(sink, board.run("0" * 40), Phase.RUNNING)
    assert comments(github) == []


@pytest.mark.parametrize("known", [True, False])
async def test_that_the_app_is_not_installed_is_said(
    github: GitHub,
    github_installation: Installation,
    sink: PullRequestComment,
    board: Board,
    pull: Pull,
    known: bool,
) -> None:
    github.uninstall(github_installation, "ann")
    number = pull.number if known else None
    with pytest.raises(Reject, match="is not installed on acme/shop"):
        await show(sink, board.run(pull.head_sha), Phase.RUNNING, number=number)


async def test_to_find_the_pull_request_a_token_may_read_and_no_more(
    github: GitHub, app: Opened, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    await show(sink, board.run(pull.head_sha), Phase.RUNNING)
    app.clock.advance(61)
    await show(sink, board.run(pull.head_sha), Phase.FAILED, number=pull.number)
    granted = [dict(token.permissions) for token in github.world.tokens.values()]
    reading = {"contents": "read", "pull_requests": "read", "metadata": "read"}
    assert reading in granted
    assert {"pull_requests": "read", "metadata": "read"} in granted


async def test_five_hundred_runs_fit(
    github: GitHub, sink: PullRequestComment, board: Board, pull: Pull
) -> None:
    for number in range(500):
        board.run(pull.head_sha, f"job-{number}-{'ü' * 80}").check(Phase.RUNNING)
    await show(sink, board.run(pull.head_sha, "the-one"), Phase.FAILED)
    (comment,) = comments(github)
    assert len(comment.body) <= runs_table.LIMIT
    assert "tekton / the-one" in comment.body
    assert "more |" in comment.body


async def test_it_takes_news_and_nothing_else(sink: PullRequestComment, board: Board) -> None:
    run = board.run("0" * 40)
    check = run.check(Phase.RUNNING)
    assert not sink.accepts(check)
    assert sink.accepts(news(run, Phase.SUCCEEDED))
    with pytest.raises(Reject):
        await sink.deliver(check, key="k", slot=Slot())
    assert check.repository == SHOP


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"names": "x"}, SINK.settings)
