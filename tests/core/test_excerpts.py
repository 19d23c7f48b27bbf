"""When logs are wanted, what becomes of them on the check, and that nothing is shown unmasked.

The parts (cleaning, folding, masks, matchers) have tests of their own; reading is tests/sinks.
"""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import excerpts
from ghapp.core.annotations import Annotation, Level
from ghapp.core.decide import NOTHING, Decision, decide, excerpted, noticed
from ghapp.core.effects import ReadLogs, SetCheck
from ghapp.core.excerpts import ANNOTATION_BYTES, Piece, compose
from ghapp.core.logtext import BUDGET
from ghapp.core.model import LogSource, Observation, Phase
from ghapp.core.seen import Excerpt, Notice, Seen
from tests.core.builders import EVERYBODY, RULES, at, release_look, run_look, tell

LOGS = (LogSource(step="test", pod="p", container="step-test", failed=True),)
EXCERPT = Excerpt(
    text="the log",
    annotations=(
        Annotation(path="a.py", start_line=1, end_line=1, level=Level.FAILURE, message="no"),
    ),
)


def failed(**changes: object) -> Seen:
    return seen(tell(None, run_look(Phase.FAILED, logs=LOGS, **changes)))


def seen(decision: Decision) -> Seen:
    return decision.seen[-1]


def wishes(decision: Decision) -> list[ReadLogs]:
    return [effect for effect in decision.effects if isinstance(effect, ReadLogs)]


def the_check(decision: Decision) -> SetCheck:
    (found,) = (effect for effect in decision.effects if isinstance(effect, SetCheck))
    return found


# --- when ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.ERRORED])
def test_when_it_turns_out_that_a_run_went_wrong_its_logs_are_wanted_beside_the_verdict(
    phase: Phase,
) -> None:
    before = seen(tell(None, run_look(Phase.RUNNING)))
    decision = tell(before, run_look(phase, logs=LOGS))
    assert [wish.logs for wish in wishes(decision)] == [LOGS]
    assert the_check(decision).check.status == "completed"
    assert the_check(decision).check.text == ""


@pytest.mark.parametrize(
    "look",
    [
        run_look(Phase.SUCCEEDED, logs=LOGS),
        run_look(Phase.CANCELLED, logs=LOGS),
        run_look(Phase.RUNNING, logs=LOGS),
        run_look(Phase.FAILED, logs=()),
        run_look(Phase.FAILED, logs=LOGS, revision=None),
    ],
)
def test_logs_that_nobody_would_see_are_not_wanted(look: Observation) -> None:
    assert wishes(tell(None, look)) == []


def test_logs_are_wanted_once_however_much_happens_after_the_end() -> None:
    before = failed()
    assert wishes(tell(before, run_look(Phase.FAILED, logs=LOGS))) == []
    assert wishes(noticed(before, Notice(at=at(40), text="no"), rules=RULES)) == []


def test_a_run_of_long_ago_is_not_read() -> None:
    rules = dataclasses.replace(RULES, horizon=at(3_600))
    assert wishes(tell(None, run_look(Phase.FAILED, logs=LOGS), rules=rules)) == []


def test_each_attempt_of_a_long_lived_object_is_read_anew() -> None:
    first = decide(
        None, release_look(Phase.FAILED, logs=LOGS, turn="1"), audience=EVERYBODY, rules=RULES
    )
    told = excerpted(seen(first), EXCERPT, attempt=0, rules=RULES)
    again = decide(
        seen(told), release_look(Phase.FAILED, logs=LOGS, turn="2"), audience=EVERYBODY, rules=RULES
    )
    assert seen(again).excerpt is None
    assert the_check(again).check.text == ""
    assert [wish.key for wish in wishes(again)] != [wish.key for wish in wishes(first)]
    assert len(wishes(again)) == 1


# --- what the check shows -----------------------------------------------------------------------


def test_what_was_read_is_told_as_another_state_of_the_same_check() -> None:
    before = failed()
    told = excerpted(before, EXCERPT, attempt=0, rules=RULES)
    effect = the_check(told)
    assert (effect.check.text, effect.annotations) == ("the log", EXCERPT.annotations)
    assert (effect.serial, seen(told).version) == (before.serial + 1, before.version + 1)
    assert (effect.lane, effect.progress) == (f"check/{before.look.subject.key}#0", False)
    assert replace(effect.check, text="") == before.check
    assert told.effects == (effect,)


def test_the_row_keeps_the_text_once() -> None:
    after = seen(excerpted(failed(), EXCERPT, attempt=0, rules=RULES))
    assert after.excerpt == EXCERPT
    assert after.check is not None
    assert after.check.text == ""


def test_a_later_answer_shows_log_and_annotations_too() -> None:
    after = seen(excerpted(failed(), EXCERPT, attempt=0, rules=RULES))
    effect = the_check(noticed(after, Notice(at=at(40), text="no"), rules=RULES))
    assert (effect.check.text, effect.annotations) == ("the log", EXCERPT.annotations)


def test_what_was_read_twice_or_too_late_changes_nothing() -> None:
    after = seen(excerpted(failed(), EXCERPT, attempt=0, rules=RULES))
    assert excerpted(after, EXCERPT, attempt=0, rules=RULES) is NOTHING
    assert excerpted(replace(after, attempt=1), EXCERPT, attempt=0, rules=RULES) is NOTHING


# --- what the logs say --------------------------------------------------------------------------


def test_nothing_is_shown_before_it_is_masked_whatever_it_is() -> None:
    secret = "hunter2-hunter2"
    piece = Piece(
        name=f"step {secret}",
        raw=f"{secret}\na.py:1:1: E501 {secret}\n".encode(),
        detail=secret,
        note=secret,
    )
    excerpt = compose([piece], [secret], [f"warned of {secret}"])
    assert secret not in repr(excerpt)
    assert len(excerpt.annotations) == 1


def test_a_value_that_a_later_step_declares_is_masked_in_an_earlier_one() -> None:
    pieces = [Piece(name="a", raw=b"declared!\n"), Piece(name="b", raw=b"::add-mask::declared!\n")]
    assert "declared!" not in compose(pieces, (), ()).text


def test_the_half_line_at_the_cut_is_left_out() -> None:
    text = compose([Piece(name="a", raw=b"half a secret\nwhole\n", cut=True)], (), ()).text
    assert "half" not in text
    assert "whole" in text


@pytest.mark.parametrize(
    ("workdir", "said", "path"),
    [
        ("", "src/a.py", "src/a.py"),
        ("/workspace", "src/a.py", "src/a.py"),
        ("/workspace/source", "src/a.py", "src/a.py"),
        ("/workspace/source", "./src/a.py", "src/a.py"),
        ("/workspace/source/web/", "src/a.py", "web/src/a.py"),
        ("/workspace/source/web", "/workspace/source/api/a.py", "api/a.py"),
        ("/app", "src/a.py", "src/a.py"),
        ("/app", "/app/src/a.py", "src/a.py"),
        ("/app", "/usr/lib/a.py", None),
    ],
)
def test_paths_are_those_of_the_repository(workdir: str, said: str, path: str | None) -> None:
    piece = Piece(name="a", raw=f"{said}:3:1: E501 too long\n".encode(), workdir=workdir)
    assert [one.path for one in compose([piece], (), ()).annotations] == ([path] if path else [])


def test_more_annotations_than_anybody_reads_are_counted() -> None:
    lines = "".join(f"a.py:{line}:1: E501 {'x' * 3_000} {line}\n" for line in range(1, 201))
    excerpt = compose([Piece(name="a", raw=lines.encode())], (), ())
    size = sum(len(one.message) + len(one.raw_details) for one in excerpt.annotations)
    assert 0 < size <= ANNOTATION_BYTES
    assert f"{200 - len(excerpt.annotations)} more annotations are not shown." in excerpt.text


@given(
    st.lists(
        st.builds(
            Piece,
            name=st.text(max_size=20),
            raw=st.binary(max_size=300),
            cut=st.booleans(),
            note=st.text(max_size=50),
        ),
        max_size=3,
    ),
    st.lists(st.text(max_size=50), max_size=2),
)
def test_any_bytes_make_a_text_within_the_limit(pieces: list[Piece], warnings: list[str]) -> None:
    assert len(compose(pieces, ["secret"], warnings).text.encode()) <= BUDGET


def test_dressing_a_check_without_an_excerpt_leaves_it_as_it_is() -> None:
    check = failed().check
    assert check is not None
    assert excerpts.dressed(check, None) is check
