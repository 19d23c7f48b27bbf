"""github-reply against the stand-in: one reaction, one answer, whatever goes wrong on the way."""

from collections.abc import AsyncIterator

import pytest

from ghapp.core.effects import Answer, Cancel, React, Reply
from ghapp.core.model import Repository
from ghapp.core.source import Patch
from ghapp.demo.github import GitHub, Installation
from ghapp.errors import Reject, Retry
from ghapp.ports import Slot
from ghapp.sinks.github_reply import SINK, GithubReply, Settings
from tests.github.fixtures import Only, Opened, opened
from tests.github_fixtures import Clock

SHOP = Repository(host="", owner="acme", name="shop")
NEW = Slot()


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(
    github: GitHub, github_installation: Installation, github_clock: Clock
) -> AsyncIterator[Opened]:
    async with opened(github, github_installation.app, github_clock, timeout=2.0) as one:
        yield one


@pytest.fixture
def sink(world: Opened) -> GithubReply:
    return GithubReply(Settings(), Only(world.client))


@pytest.fixture
def reply(github: GitHub) -> Reply:
    """To a comment of dev's on a pull request."""
    github.push("acme/shop", "topic", {"b.txt": "b"}, "B", "dev")
    pull = github.open_pull("acme/shop", head="topic", title="B", login="dev")
    asked = github.comment("acme/shop", pull.number, "/test", "dev")
    return Reply(
        repository=SHOP,
        number=pull.number,
        comment=asked.id,
        since=github.world.iso(asked.born),
        line=0,
        words="",
    )


def answer(reply: Reply, *lines: tuple[int, str], turn: str = "") -> Answer:
    return Answer(reply=reply, lines=lines, turn=turn)


def bodies(github: GitHub) -> list[str]:
    """What Apps have said."""
    comments = github.repository("acme/shop").comments.values()
    return [comment.body for comment in comments if comment.app]


async def test_a_reaction_is_there_once(sink: GithubReply, github: GitHub, reply: Reply) -> None:
    for _ in range(2):
        await sink.deliver(React(reply=reply), key="k", slot=NEW)
    (asked,) = github.repository("acme/shop").comments.values()
    assert [content for _, _, content, _ in asked.reactions] == ["eyes"]


async def test_one_comment_answers_and_its_lines_go_on(
    sink: GithubReply, github: GitHub, reply: Reply
) -> None:
    made = await sink.deliver(answer(reply, (0, "one"), (1, "two")), key="k", slot=NEW)
    assert made
    slot = Slot(id=made.slot)
    for _ in range(2):
        later = await sink.deliver(answer(reply, (1, "done"), turn="t"), key="l", slot=slot)
        assert later == made
    (body,) = bodies(github)
    assert "one" in body
    assert "two" not in body
    assert body.endswith("done")


async def test_an_answer_that_was_made_unheard_is_found(
    sink: GithubReply, github: GitHub, reply: Reply, github_clock: Clock
) -> None:
    github.faults.add("lose_answer", path="/comments", method="POST")
    effect = answer(reply, (0, "one"))
    with pytest.raises(Retry) as failed:
        await sink.deliver(effect, key="k", slot=NEW)
    assert failed.value.uncertain
    assert failed.value.after
    await github_clock.sleep(failed.value.after)
    await sink.deliver(effect, key="k", slot=Slot(certain=False))
    assert len(bodies(github)) == 1


async def test_nobody_elses_comment_is_taken_for_the_answer(
    sink: GithubReply, github: GitHub, reply: Reply
) -> None:
    text = f"<!-- checkrail answers {reply.comment} -->"
    github.comment("acme/shop", reply.number, text, "dev")
    await sink.deliver(answer(reply, (0, "one")), key="k", slot=Slot(certain=False))
    assert len(bodies(github)) == 1


async def test_an_answer_that_was_deleted_stays_so(
    sink: GithubReply, github: GitHub, reply: Reply
) -> None:
    made = await sink.deliver(answer(reply, (0, "one")), key="k", slot=NEW)
    assert made
    assert made.slot
    del github.repository("acme/shop").comments[int(made.slot)]
    slot = Slot(id=made.slot)
    assert await sink.deliver(answer(reply, (0, "two"), turn="t"), key="l", slot=slot) is None
    assert not bodies(github)


async def test_a_reaction_to_what_was_deleted_is_none(
    sink: GithubReply, github: GitHub, reply: Reply
) -> None:
    github.repository("acme/shop").comments.clear()
    assert await sink.deliver(React(reply=reply), key="k", slot=NEW) is None


async def test_other_effects_are_not_its_business(sink: GithubReply, reply: Reply) -> None:
    patch = Patch(resource="r", namespace="n", name="n", uid="u", body={})
    cancel = Cancel(subject=reply.subject, login="dev", token="t", write=patch)
    assert not sink.accepts(cancel)
    assert sink.accepts(React(reply=reply))
    with pytest.raises(Reject):
        await sink.deliver(cancel, key="k", slot=NEW)


def test_what_it_needs_is_declared() -> None:
    assert set(SINK.permissions) == {"pull_requests:write"}
