"""When logs are wanted, what becomes of them on the check, and that nothing is shown unmasked.

The parts (cleaning, folding, masks, matchers) have tests of their own; reading is tests/sinks.
"""

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp.core import excerpts
from ghapp.core.annotations import Annotation, Level
from ghapp.core.audience import Presentation
from ghapp.core.decide import NOTHING, Decision, decide, excerpted, noticed
from ghapp.core.effects import ReadLogs, SetCheck
from ghapp.core.excerpts import ANNOTATION_BYTES, Piece, compose
from ghapp.core.logtext import BUDGET
from ghapp.core.model import LogSource, LogsWhen, Observation, Phase
from ghapp.core.notification import LogSettings, Report
from ghapp.core.problem_matcher import Pattern, ProblemMatcher
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


def wish(look: Observation, settings: LogSettings) -> ReadLogs | None:
    """What is wanted of a run that documents say this about."""
    audience = replace(EVERYBODY, presentation=Presentation(logs=settings))
    decision = decide(None, look, audience=audience, rules=RULES)
    return next(iter(wishes(decision)), None)


OTHERS = (LogSource(step="lint", pod="q", container="step-lint"),)
ALL = (*LOGS, *OTHERS)
JUNIT = Report(format="junit", result="tests")
TESTED = (("tests", "<testsuite/>"),)


@pytest.mark.parametrize(
    ("phase", "when", "noted", "logs"),
    [
        (Phase.FAILED, None, None, LOGS),
        (Phase.FAILED, "failed", None, LOGS),
        (Phase.ERRORED, "always", None, ALL),
        (Phase.FAILED, "never", None, None),
        (Phase.SUCCEEDED, None, None, None),
        (Phase.SUCCEEDED, "failed", None, None),
        (Phase.SUCCEEDED, "always", None, ALL),
        (Phase.CANCELLED, "always", None, ALL),
        (Phase.CANCELLED, None, None, None),
        (Phase.RUNNING, "always", None, None),
        (Phase.SUCCEEDED, None, "always", ALL),
        (Phase.SUCCEEDED, "never", "always", ALL),
        (Phase.FAILED, "always", "never", None),
        (Phase.FAILED, "always", "failed", LOGS),
        (Phase.FAILED, "never", "failed", LOGS),
        (Phase.SUCCEEDED, "always", "failed", None),
    ],
)
def test_a_notification_says_whose_logs_are_shown_and_the_run_itself_has_the_last_word(
    phase: Phase, when: LogsWhen | None, noted: LogsWhen | None, logs: tuple[LogSource, ...] | None
) -> None:
    found = wish(run_look(phase, logs=ALL, logs_when=noted), LogSettings(when=when))
    assert (found.logs if found else None) == logs


@pytest.mark.parametrize(
    ("phase", "when", "logs", "reports"),
    [
        (Phase.SUCCEEDED, None, (), 1),
        (Phase.FAILED, None, LOGS, 1),
        (Phase.SUCCEEDED, "always", ALL, 1),
        (Phase.CANCELLED, None, None, 0),
        (Phase.SUCCEEDED, "never", None, 0),
        (Phase.FAILED, "never", None, 0),
    ],
)
def test_a_report_is_read_of_a_run_that_succeeded_too_and_then_only_that(
    phase: Phase, when: LogsWhen | None, logs: tuple[LogSource, ...] | None, reports: int
) -> None:
    look = run_look(phase, logs=ALL, results=TESTED)
    found = wish(look, LogSettings(when=when, reports=(JUNIT,)))
    assert (found.logs if found else None) == logs
    assert len(found.reports if found else ()) == reports


def test_a_report_that_is_not_there_is_no_reason_to_read_anything() -> None:
    settings = LogSettings(reports=(JUNIT,))
    assert wish(run_look(Phase.SUCCEEDED, logs=ALL), settings) is None
    assert wish(run_look(Phase.FAILED), settings) is None
    failed = wish(run_look(Phase.FAILED, logs=ALL), settings)
    assert failed is not None
    assert [one.text for one in failed.reports] == [None]


def test_a_wish_carries_what_documents_say_and_outlives_the_process() -> None:
    settings = LogSettings(steps=3, lines=7, line_length=40, reports=(JUNIT,))
    found = wish(run_look(Phase.FAILED, logs=ALL, results=TESTED), settings)
    assert found is not None
    assert found.settings == settings
    assert msgspec.json.decode(msgspec.json.encode(found), type=ReadLogs) == found


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


def test_as_many_lines_as_wanted_are_shown_and_long_ones_lose_their_middle() -> None:
    log = "".join(f"{number} {'é' * 100} end\n" for number in range(50))
    settings = LogSettings(lines=3, line_length=21)
    text = compose([Piece(name="a", raw=log.encode())], (), (), settings=settings).text
    body = text.partition("```\n")[2].partition("\n```")[0].split("\n")
    assert body == [
        "[… 47 earlier lines …]",
        *(f"{number} ééééééé…éééééé end" for number in (47, 48, 49)),
    ]
    assert all(len(line) == 21 for line in body[1:])


def test_a_part_that_did_not_fail_is_folded_behind_those_that_did() -> None:
    pieces = [Piece(name="fine", raw=b"x\n", failed=False), Piece(name="bad", raw=b"y\n")]
    text = compose(pieces, (), ()).text
    assert text.index("bad") < text.index("fine")
    assert "<details><summary>step <code>fine</code>" in text


SHOUT = ProblemMatcher(
    owner="shout",
    pattern=(Pattern(regexp=r"^!! (\S+) (\d+) (.+)$", file=1, line=2, message=3),),
)
SLOW = ProblemMatcher(
    owner="slow", pattern=(Pattern(regexp=r"(.*)a(.*)b(.*)!", file=1, message=2),)
)


def test_matchers_of_the_configuration_work_beside_those_that_are_built_in() -> None:
    raw = b"!! shop/a.py 3 not like this\nshop/b.py:4:1: E501 too long\n"
    excerpt = compose([Piece(name="a", raw=raw)], (), (), settings=LogSettings(matchers=(SHOUT,)))
    assert [(one.path, one.start_line) for one in excerpt.annotations] == [
        ("shop/a.py", 3),
        ("shop/b.py", 4),
    ]


def test_a_matcher_that_a_log_makes_slow_is_left_out_and_said_so() -> None:
    raw = ("ab!" * 12 + "\n").encode() * 400 + b"!! shop/a.py 3 not like this\n"
    settings = LogSettings(matchers=(SLOW, SHOUT))
    excerpt = compose([Piece(name="a", raw=raw)], (), (), settings=settings)
    assert "⚠️ The problem matcher slow was left out" in excerpt.text
    assert [one.path for one in excerpt.annotations] == ["shop/a.py"]


def test_a_matcher_that_this_version_refuses_is_left_out_and_said_so() -> None:
    broken = ProblemMatcher(owner="odd", pattern=(Pattern(regexp="(", file=1, message=1),))
    excerpt = compose([Piece(name="a")], (), (), settings=LogSettings(matchers=(broken,)))
    assert "odd" in excerpt.text.partition("<details")[0]


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
