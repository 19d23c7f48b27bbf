"""What becomes of a comment: which runs a word means, the answer's lines, and strangers' commits.

Which lines are commands is `test_comments.py`; who may is `test_access.py` and `test_wishes.py`.
"""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import comments, discussion
from ghapp.core.access import AccessPolicy, AccessPolicySpec, AccessRule, Person
from ghapp.core.answers import written
from ghapp.core.ballots import Ballot, ok_to_test_key
from ghapp.core.decide import Decision, Rules
from ghapp.core.discussion import LINES_LIMIT, amended, for_us, plan
from ghapp.core.effects import Answer, Cancel, Promote, React, Rerun, SetCheck
from ghapp.core.model import Observation, Phase, Verb
from ghapp.core.seen import Seen
from ghapp.core.webhook import Comment
from ghapp.core.wishes import Facts, Pull, Target
from tests.core.builders import COMMIT, RULES, at, release_look, run_look, tell
from tests.core.test_commands import PLANS
from tests.core.test_pipeline import PIPELINE

PULL = Pull(number=5, head=COMMIT, author="zoe", author_role="write")
WITH_PIPELINE = dataclasses.replace(RULES, pipelines=(PIPELINE,))
LATER = "2026-11-21T09:05:00Z"


def named(check: str, phase: Phase = Phase.FAILED, **changes: Any) -> Observation:
    look = run_look(phase, name=check, check_name=f"tekton / {check}", **changes)
    return replace(look, subject=replace(look.subject, name=f"{check}-{phase}", uid=check + phase))


def row(look: Observation, rules: Rules = RULES) -> Seen:
    return tell(None, look, rules=rules).seen[-1]


def say(
    text: str,
    *looks: Observation,
    pull: Pull = PULL,
    login: str = "dev",
    role: str = "write",
    rules: Rules = WITH_PIPELINE,
    created: str = LATER,
    ballots: tuple[Ballot, ...] = (),
    rows: tuple[Seen, ...] = (),
) -> Decision:
    command = Comment(
        id=99, number=5, created=created, text=text, repository="acme/shop", login=login
    )
    known = (*rows, *(row(look, rules) for look in looks))
    facts = Facts(
        app=7,
        person=Person(login=login, role=role),
        targets=tuple(Target(seen=seen, manifest={}, plans=PLANS) for seen in known),
        guid="guid-1",
        at=at(300),
        pulls={5: pull},
        ballots={ballot.key: ballot for ballot in ballots},
    )
    return plan(command, comments.commands(text), pull, facts, rules=rules)


def lines(decision: Decision) -> list[str]:
    (answer,) = [effect for effect in decision.effects if isinstance(effect, Answer)]
    assert [number for number, _ in answer.lines] == list(range(len(answer.lines)))
    return [text for _, text in answer.lines]


def again(decision: Decision) -> list[str]:
    return [one.subject.name for one in decision.effects if isinstance(one, Rerun)]


FAILED, GOOD = named("lint"), named("build", Phase.SUCCEEDED)
GOING = named("scan", Phase.RUNNING)


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("/test", ["lint-failed", "build-succeeded"]),
        ("/test build", ["build-succeeded"]),
        ("/test tekton / build", ["build-succeeded"]),
        ("/retest", ["lint-failed"]),
        ("/retest lint", ["lint-failed"]),
        ("/retest build", []),
        ("/test nothing", []),
        ("/test scan", []),
        ("/test lint\n/test lint", ["lint-failed", "lint-failed"]),
    ],
)
def test_which_runs_are_repeated(text: str, repeated: list[str]) -> None:
    decision = say(text, FAILED, GOOD, GOING)
    assert again(decision) == repeated
    tokens = {one.token for one in decision.effects if isinstance(one, Rerun)}
    assert len(tokens) == len(set(repeated)), "asked twice is done once"


def test_only_the_newest_run_of_a_check_counts() -> None:
    newer = replace(FAILED, subject=replace(FAILED.subject, name="newer", uid="newer"))
    assert again(say("/retest", FAILED, newer)) == ["newer"]


def test_cancel_stops_what_is_running() -> None:
    decision = say("/cancel", FAILED, GOING)
    assert [one.subject.name for one in decision.effects if isinstance(one, Cancel)] == [
        "scan-running"
    ]


def test_each_run_is_a_line_of_the_one_answer() -> None:
    said = lines(say("/test\n/cancel lint\n/promote prod\n/promote", FAILED, GOOD))
    assert len(said) == 5
    assert said[0].startswith("`/test`: `tekton / lint`: PipelineRun `ci/lint-failed`: asked for")
    assert said[2] == "`/cancel lint`: nothing on this commit is running."
    assert said[3] == "`/promote prod`: nothing on this commit can be promoted there."
    assert said[4] == "`/promote`: expected `/promote ENVIRONMENT`"


def test_who_may_not_is_told_in_the_answer_and_not_on_the_check() -> None:
    decision = say("/test", FAILED, login="eve", role="read")
    (line,) = lines(decision)
    assert "**eve**: cannot re-run this: it needs write access to acme/shop" in line
    assert not decision.seen
    assert [one.allowed for one in decision.audit] == [False]


def test_an_effect_knows_which_line_it_answers() -> None:
    decision = say("/cancel build\n/test", FAILED, GOOD)
    replies = [one.reply for one in decision.effects if isinstance(one, Rerun) and one.reply]
    assert [reply.line for reply in replies] == [1, 2]
    later = amended(replies[1], "Re-run as `x`.", turn="t")
    assert later.lines == ((2, "`/test`: `tekton / build`: Re-run as `x`."),)
    (answer,) = [effect for effect in decision.effects if isinstance(effect, Answer)]
    assert later.lane == answer.lane
    assert later.key != answer.key


def test_too_many_runs_are_not_started_by_one_word() -> None:
    many = [named(f"check-{number}") for number in range(LINES_LIMIT + 1)]
    decision = say("/test", *many)
    assert not again(decision)
    assert "it is about 31 runs; name one of them" in lines(decision)[0]


def test_help_is_a_table() -> None:
    (line,) = lines(say("/help", FAILED))
    assert "| `/promote ENVIRONMENT` |" in line


# -- promotions -----------------------------------------------------------------------------------

SHOP = release_look(Phase.SUCCEEDED)


def test_a_version_is_promoted_to_the_environment_that_is_named() -> None:
    (promote,) = [one for one in say("/promote staging", SHOP).effects if isinstance(one, Promote)]
    assert (promote.environment, promote.version) == ("staging", "1.1.0")
    assert not any(isinstance(one, Promote) for one in say("/promote prod", SHOP).effects)


def test_what_one_line_holds_the_next_one_does_not_promote() -> None:
    decision = say("/hold staging\n/promote staging\n/unhold\n/promote staging", SHOP)
    assert len([one for one in decision.effects if isinstance(one, Promote)]) == 1
    said = lines(decision)
    assert "holds `staging`" in said[0]
    assert "staging is held by dev" in said[1]
    assert "released" in said[2]
    assert [seen.version for seen in decision.seen] == [2, 3]
    assert [ballot.version for ballot in decision.ballots] == [1, 2]


def test_two_votes_of_one_comment_are_one() -> None:
    rule = AccessRule(actions=("promote",), permission="write", approvals=2)
    policy = AccessPolicy(name="p", spec=AccessPolicySpec(rules=(rule,)))
    rules = dataclasses.replace(WITH_PIPELINE, access=(policy,))
    decision = say("/promote staging\n/approve staging\n/approve", SHOP, rules=rules)
    assert not any(isinstance(one, Promote) for one in decision.effects)
    assert "1 of 2 approvals" in lines(decision)[2]


def test_back_to_the_version_before() -> None:
    before = row(release_look(Phase.SUCCEEDED, "1.0.0"), WITH_PIPELINE)
    seen = tell(None, SHOP, previous=before, rules=WITH_PIPELINE).seen[-1]
    (promote,) = [
        one for one in say("/rollback dev", rows=(seen,)).effects if isinstance(one, Promote)
    ]
    assert (promote.environment, promote.version) == ("dev", "1.0.0")


# -- strangers ------------------------------------------------------------------------------------

STRANGER = dataclasses.replace(PULL, author_role="read")


def ok(text: str, **changes: Any) -> tuple[tuple[str, ...], str]:
    """The keys of what is remembered, and what is said."""
    decision = say(text, FAILED, **{"pull": STRANGER, **changes})
    return tuple(ballot.key for ballot in decision.ballots), lines(decision)[0]


KEY = ok_to_test_key("acme/shop", COMMIT)


def test_a_strangers_commit_is_run_again_after_ok_to_test_only() -> None:
    assert not again(say("/test", FAILED, pull=STRANGER))
    assert again(say("/ok-to-test\n/test", FAILED, pull=STRANGER)) == ["lint-failed"]


def test_the_commit_that_was_looked_at_is_allowed_and_no_other() -> None:
    assert ok(f"/ok-to-test {COMMIT}")[0] == (KEY,)
    assert ok(f"/ok-to-test {COMMIT.upper()}")[0] == (KEY,)
    keys, said = ok("/ok-to-test 0a1b2c3")
    assert not keys, "another commit may be made that begins so"
    assert f"write the whole commit, if it is this one: /ok-to-test {COMMIT}" in said
    keys, said = ok("/ok-to-test fffffff")
    assert not keys
    assert "the newest commit is 0a1b2c3, not fffffff" in said


def test_without_a_commit_it_has_to_be_older_than_the_comment() -> None:
    assert ok("/ok-to-test")[0] == (KEY,)
    keys, said = ok("/ok-to-test", created="2026-11-21T08:59:00Z")
    assert not keys
    assert f"say which commit you have looked at: /ok-to-test {COMMIT}" in said


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"login": "eve", "role": "triage"}, "it needs write access"),
        ({"login": "Zoe", "role": "write"}, "nobody does that for a pull request of one"),
        ({"pull": dataclasses.replace(STRANGER, open=False)}, "pull request 5 is closed"),
    ],
)
def test_not_everybody_may_allow_it(changes: dict[str, Any], why: str) -> None:
    keys, said = ok(f"/ok-to-test {COMMIT}", **changes)
    assert not keys
    assert why in said


def test_a_later_push_needs_it_anew() -> None:
    allowed = Ballot(key=ok_to_test_key("acme/shop", "c" * 40), version=1)
    assert not again(say("/test", FAILED, pull=STRANGER, ballots=(allowed,)))


# -- whether it is for us -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "looks", "ours"),
    [
        ("/test", (), 0),
        ("/checkrail test", (), 1),
        ("/checkrail lgtm", (), 1),
        ("/test", (FAILED,), 1),
        ("/promote", (FAILED,), 0),
        ("/promote", (SHOP,), 1),
        ("/hold until Friday", (FAILED,), 0),
        ("/hold until Friday", (SHOP,), 1),
        ("/help me", (FAILED,), 1),
        ("/approve", (FAILED,), 0),
        ("/hold cancel", (SHOP,), 0),
        ("/approve\n/checkrail approve", (FAILED,), 1),
        ("/approve", (SHOP,), 1),
        ("/hold staging", (SHOP,), 1),
        ("/lgtm", (SHOP,), 0),
    ],
)
def test_other_tools_have_commands_of_the_same_names(
    text: str, looks: tuple[Observation, ...], ours: int
) -> None:
    rows = [row(look, WITH_PIPELINE) for look in looks]
    assert len(for_us(comments.commands(text), rows, WITH_PIPELINE)) == ours


def test_that_it_was_read_is_shown_once() -> None:
    command = Comment(
        id=99, number=5, created=LATER, text="/test", repository="acme/shop", login="dev"
    )
    (react,) = discussion.acknowledge(command).effects
    assert isinstance(react, React)
    assert react.key == discussion.acknowledge(command).effects[0].key


def test_what_cannot_be_judged_is_said_for_each_command() -> None:
    command = Comment(id=99, number=5, created=LATER, text="", repository="acme/shop", login="dev")
    said = comments.commands("/test\n/cancel")
    (answer,) = discussion.excuse(command, said, "GitHub is away").effects
    assert isinstance(answer, Answer)
    assert len(answer.lines) == 2
    assert "cannot be judged: GitHub is away" in answer.lines[0][1]


def test_policies_are_asked_about_every_run_that_is_meant() -> None:
    command = Comment(id=99, number=5, created=LATER, text="", repository="acme/shop", login="dev")
    said = comments.commands("/test\n/ok-to-test\n/promote staging\n/help")
    found = discussion.asked_about(command, said, [row(FAILED), row(SHOP)], WITH_PIPELINE)
    assert {place.environment for _, place in found} == {"", "dev", "staging"}
    assert discussion.verbs(said) == (Verb.RERUN, Verb.OK_TO_TEST, Verb.PROMOTE)


# -- the text of the answer -----------------------------------------------------------------------


def test_lines_of_an_answer_are_replaced_one_by_one() -> None:
    first = written(99, [(0, "a\n\n| t |"), (1, "b")])
    second = written(99, [(1, "c")], first.replace("\n", "\r\n"))
    assert second == written(99, [(0, "a\n\n| t |"), (1, "c")])
    assert second.startswith("<!-- checkrail answers 99 -->")
    assert written(99, [(0, "x")], "somebody wrote over it") == written(99, [(0, "x")])


def test_an_answer_fits_into_a_comment() -> None:
    assert len(written(99, [(n, "x" * 9_000) for n in range(LINES_LIMIT)])) < 65_536


# -- what never happens ---------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        "/test",
        "/retest lint",
        "/cancel",
        "/ok-to-test",
        "/ok-to-test fffffff",
        "/promote staging",
        "/approve",
        "/hold",
        "/unhold staging",
        "/rollback",
        "/help",
        "/checkrail nonsense",
        "> /test",
        "words",
    ]
)


@settings(max_examples=200)
@given(
    said=st.lists(LINES, max_size=12),
    role=st.sampled_from(["none", "read", "triage", "write", "admin"]),
    stranger=st.booleans(),
    is_open=st.booleans(),
)
def test_whatever_is_written_only_what_is_allowed_is_done_and_everything_is_answered(
    said: list[str], role: str, stranger: bool, is_open: bool
) -> None:
    pull = Pull(
        number=5,
        head=COMMIT,
        author="zoe",
        author_role="read" if stranger else "write",
        open=is_open,
    )
    decision = say("\n".join(said), FAILED, GOING, SHOP, role=role, pull=pull)
    done = [one for one in decision.effects if not isinstance(one, Answer | SetCheck)]
    if role not in ("write", "admin"):
        assert not done
        assert not decision.ballots
        assert not decision.seen
    if not is_open:
        assert not any(isinstance(one, Rerun) for one in done)
    if stranger and "/ok-to-test" not in said:
        assert not any(isinstance(one, Rerun) for one in done)
    assert len(lines(decision)) >= len(comments.commands("\n".join(said)))
    assert len({one.key for one in decision.effects}) <= len(decision.effects)
