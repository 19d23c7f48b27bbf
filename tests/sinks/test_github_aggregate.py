"""githubAggregate against the stand-in: one check per commit, which is what all its runs are.

What counts as which state is tested in core/test_runs_table; the requests' bodies are held against
GitHub's description by the stand-in's fixtures.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import runs_table
from ghapp.core.effects import ShowRuns
from ghapp.core.healed import AT_MOST
from ghapp.core.model import Conclusion, Phase
from ghapp.core.retry import LISTED
from ghapp.core.webhook import ALL_RUNS, RerunAll, parse
from ghapp.demo.github import CheckRun, GitHub, Installation
from ghapp.errors import Reject, Retry
from ghapp.ports import Slot
from ghapp.sinks.github_aggregate import GithubAggregate, Settings
from tests.github.fixtures import Opened
from tests.sinks.story import Story
from tests.sinks.test_pull_request_comment import ME, Board, news


@pytest.fixture
def board() -> Board:
    return Board()


def fresh(app: Opened, board: Board) -> GithubAggregate:
    """A sink that remembers nothing."""
    return GithubAggregate(Settings(), app.client, board, ME)


@pytest.fixture
def sink(app: Opened, board: Board) -> GithubAggregate:
    return fresh(app, board)


@pytest.fixture
def commit(github: GitHub, github_installation: Installation) -> str:
    return github.push("acme/shop", "main", {"a.txt": "a"}, "A change", "dev")


async def show(sink: GithubAggregate, story: Story, phase: Phase, **changes: Any) -> ShowRuns:
    effect = news(story, phase, **changes)
    await sink.deliver(effect, key=effect.key, slot=Slot())
    return effect


def shown(github: GitHub) -> list[CheckRun]:
    suites = github.repository("acme/shop").suites.values()
    return [run for suite in suites for run in suite.runs]


async def test_all_runs_are_one_check_that_ends_with_the_last_of_them(
    github: GitHub, sink: GithubAggregate, board: Board, commit: str
) -> None:
    build, lint = board.run(commit), board.run(commit, "lint")
    await show(sink, build, Phase.QUEUED)
    (check,) = shown(github)
    assert (check.name, check.status) == ("checkrail", "queued")
    await show(sink, lint, Phase.RUNNING)
    await show(sink, build, Phase.SUCCEEDED)
    assert (check.status, check.title) == ("in_progress", "🟡 1 running · ✅ 1 succeeded")
    await show(sink, lint, Phase.FAILED)
    assert shown(github) == [check]
    assert (check.status, check.conclusion) == ("completed", "failure")
    assert "tekton / lint" in (check.summary or "")


async def test_a_run_that_comes_after_all_were_done_opens_another_one(
    github: GitHub, sink: GithubAggregate, board: Board, commit: str
) -> None:
    await show(sink, board.run(commit), Phase.SUCCEEDED)
    again = board.run(commit)
    await show(sink, again, Phase.RUNNING)
    first, second = shown(github)
    assert (first.conclusion, second.status) == ("success", "in_progress")
    await show(sink, again, Phase.FAILED)
    assert [one.conclusion for one in shown(github)] == ["success", "failure"]


async def test_after_a_restart_it_goes_on_with_the_same_check(
    github: GitHub, app: Opened, sink: GithubAggregate, board: Board, commit: str
) -> None:
    build = board.run(commit)
    await show(sink, build, Phase.RUNNING)
    await show(fresh(app, board), build, Phase.SUCCEEDED)
    (check,) = shown(github)
    assert check.conclusion == "success"
    await show(fresh(app, board), board.run(commit, "late"), Phase.RUNNING)
    assert [one.status for one in shown(github)] == ["completed", "in_progress"]


async def test_an_answer_that_was_not_heard_makes_no_second_check(
    github: GitHub, sink: GithubAggregate, board: Board, commit: str
) -> None:
    build = board.run(commit)
    github.faults.add("lose_answer", method="POST", path="/check-runs$")
    with pytest.raises(Retry) as unheard:
        await show(sink, build, Phase.RUNNING)
    assert (unheard.value.uncertain, unheard.value.after) == (True, LISTED)
    await show(sink, build, Phase.SUCCEEDED)
    (check,) = shown(github)
    assert check.conclusion == "success"


async def changed(sink: GithubAggregate, effect: ShowRuns, check: CheckRun) -> None:
    """Somebody changed the check, which our App was told."""
    news = replace(effect, changed=check.id)
    await sink.deliver(news, key=news.key, slot=Slot())


async def test_a_verdict_that_somebody_changed_is_told_again(
    github: GitHub, sink: GithubAggregate, board: Board, commit: str
) -> None:
    effect = await show(sink, board.run(commit), Phase.FAILED)
    (check,) = shown(github)
    check.conclusion = check.shown_conclusion = "success"
    await changed(sink, effect, check)
    assert shown(github) == [check]
    assert check.conclusion == "failure"


async def test_what_somebody_completed_while_runs_go_on_is_replaced(
    github: GitHub, sink: GithubAggregate, board: Board, commit: str
) -> None:
    build = board.run(commit)
    effect = await show(sink, build, Phase.RUNNING)
    (check,) = shown(github)
    check.status = check.shown_status = "completed"
    await changed(sink, effect, check)
    await changed(sink, effect, check)  # the same news, once more
    await show(sink, build, Phase.FAILED)
    first, second = shown(github)
    assert (first, second.conclusion) == (check, "failure")


async def test_nobody_is_fought_for_ever(
    github: GitHub, sink: GithubAggregate, app: Opened, board: Board, commit: str
) -> None:
    effect = await show(sink, board.run(commit), Phase.FAILED)
    (check,) = shown(github)
    app.seen.clear()
    for _ in range(AT_MOST + 2):
        await changed(sink, effect, check)
    assert app.seen.methods == {"PATCH": AT_MOST}


async def test_what_says_nothing_new_costs_no_request(
    github: GitHub, app: Opened, sink: GithubAggregate, board: Board, commit: str
) -> None:
    effect = await show(sink, board.run(commit), Phase.RUNNING)
    before = len(app.seen.requests)
    await sink.deliver(effect, key=effect.key, slot=Slot())
    assert len(app.seen.requests) == before


async def test_runs_that_others_are_told_of_are_not_summed_up(
    github: GitHub, sink: GithubAggregate, board: Board, commit: str
) -> None:
    board.run(commit, "secret", told="provider/other/x").state(Phase.FAILED)
    await show(sink, board.run(commit), Phase.SUCCEEDED)
    (check,) = shown(github)
    assert check.conclusion == "success"


async def test_what_is_no_news_of_runs_is_refused(sink: GithubAggregate, board: Board) -> None:
    effect = board.run("a" * 40).check(Phase.RUNNING)
    assert not sink.accepts(effect)
    with pytest.raises(Reject):
        await sink.deliver(effect, key=effect.key, slot=Slot())


@given(st.lists(st.sampled_from(Phase), min_size=1, max_size=5))
def test_the_sum_is_as_good_as_its_worst_part(phases: list[Phase]) -> None:
    board = Board()
    for number, phase in enumerate(phases):
        board.run("c" * 40, f"p{number}").state(phase)
    rows = [story.seen for story in board.stories if story.seen]
    check = runs_table.summed_up(rows, name="all", external_id="x")
    assert check is not None
    done = all(phase.finished for phase in phases)
    assert (check.status == "completed") == done
    if done:
        bad = {Phase.FAILED, Phase.ERRORED} & set(phases)
        worst = Conclusion.CANCELLED if Phase.CANCELLED in phases else Conclusion.SUCCESS
        assert check.conclusion is (Conclusion.FAILURE if bad else worst)


def test_re_run_on_the_sum_means_what_failed_of_all_runs() -> None:
    body = (
        '{"action": "rerequested", "check_run": {"id": 1, "head_sha": "c", "external_id": "%s/x",'
        ' "app": {"id": 7}}, "repository": {"full_name": "a/b"}, "sender": {"login": "dev"}}'
    )
    command = parse("check_run", (body % ALL_RUNS).encode())
    assert command == RerunAll(commit="c", app=7, repository="a/b", login="dev", failed=True)
