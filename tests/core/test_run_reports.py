"""The reports of a run: which of its results and steps they are, and what they say on its check.

How reports are parsed is tests/core/test_reports; how steps are read, tests/sinks/test_logs.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.annotations import Level
from ghapp.core.excerpts import Piece, compose
from ghapp.core.model import LogSource, Phase
from ghapp.core.notification import Report
from ghapp.core.run_reports import REPORTS, ReportText, read, sources, there
from tests.core.builders import run_look

JUNIT = (
    '<testsuite name="unit"><testcase name="a"/><testcase name="b" file="shop/cart.py" line="7">'
    '<failure message="1 != 2">{}</failure></testcase><testcase name="c"><skipped/></testcase>'
    "</testsuite>"
)
SARIF = json.dumps({
    "version": "2.1.0",
    "runs": [{
        "tool": {"driver": {"name": "gosec"}},
        "results": [{
            "message": {"text": "weak hash"},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": "shop/hash.go"}, "region": {"startLine": 3},
            }}],
        }],
    }],
})  # fmt: skip

# --- where they are -------------------------------------------------------------------------------


def part(step: str, container: str, pod: str = "p") -> LogSource:
    return LogSource(step=step, container=f"step-{container}", pod=pod)


PARTS = (
    part("unit", "run", pod="unit-pod"),
    part("unit", "report", pod="unit-pod"),
    part("scan", "main", pod="scan-pod"),
    part("report", "main", pod="report-pod"),
)


@pytest.mark.parametrize(
    ("name", "pods"),
    [
        ("unit / run", [("unit-pod", "step-run")]),
        ("run", [("unit-pod", "step-run")]),
        ("unit", [("unit-pod", "step-report")]),
        ("scan", [("scan-pod", "step-main")]),
        ("report", [("unit-pod", "step-report")]),
        ("main", [("scan-pod", "step-main"), ("report-pod", "step-main")]),
        ("nobody", []),
    ],
)
def test_a_step_is_named_in_full_or_by_itself_or_by_its_task(
    name: str, pods: list[tuple[str, str]]
) -> None:
    look = run_look(Phase.FAILED, logs=PARTS)
    found = sources(look, [Report(format="junit", step=name)])
    named = [(one.pod, one.container) for source in found for one in source.parts]
    assert named == pods
    assert [there(source) for source in found] == [True] * len(pods) or [
        there(source) for source in found
    ] == [False]


def test_of_a_job_a_step_is_a_container_of_its_pods() -> None:
    look = run_look(Phase.FAILED, logs=(LogSource(step="pods 0/1", selector="a=b"),))
    (found,) = sources(look, [Report(format="junit", step="tests")])
    assert found.parts == (LogSource(step="pods 0/1", selector="a=b", container="tests"),)
    assert found.name == "pods 0/1 / tests"


def test_a_result_comes_with_every_pod_that_may_have_written_it() -> None:
    look = run_look(Phase.SUCCEEDED, logs=PARTS, results=(("tests", JUNIT),))
    (found,) = sources(look, [Report(format="junit", result="tests")])
    assert (found.text, found.name) == (JUNIT, "tests")
    assert [one.pod for one in found.parts] == ["unit-pod", "scan-pod", "report-pod"]


@pytest.mark.parametrize(
    ("phase", "count"),
    [
        (Phase.FAILED, 1),
        (Phase.ERRORED, 1),
        (Phase.SUCCEEDED, 0),
        (Phase.CANCELLED, 0),
    ],
)
def test_a_missing_report_is_worth_a_word_where_the_run_failed(phase: Phase, count: int) -> None:
    look = run_look(phase, logs=PARTS)
    declared = [Report(format="junit", result="tests")]
    found = sources(look, declared)
    assert len(found) == count
    assert not any(map(there, found))


def test_a_matrix_has_a_report_each_within_bounds() -> None:
    parts = tuple(part(f"unit ({number})", "report", pod=f"p-{number}") for number in range(30))
    look = run_look(Phase.SUCCEEDED, logs=parts)
    found = sources(look, [Report(format="junit", step="report")])
    assert len(found) == REPORTS
    assert found[3].name == "unit (3) / report"


# --- what they say --------------------------------------------------------------------------------


def junit(raw: str = JUNIT, **more: str) -> ReportText:
    return ReportText(format="junit", name="tests", raw=raw.encode(), **more)


def sarif(raw: str = SARIF) -> ReportText:
    return ReportText(format="sarif", name="scan", raw=raw.encode())


def test_counts_are_a_line_and_findings_are_annotations() -> None:
    excerpt = compose([], (), (), reports=[junit(), sarif()])
    assert excerpt.text == (
        "📋 JUnit report tests: 3 tests: 1 passed, 1 failed, 1 skipped\n\n"
        "📋 SARIF report scan: 1 result of gosec\n\n"
    )
    assert [(one.path, one.start_line, one.message) for one in excerpt.annotations] == [
        ("shop/cart.py", 7, "1 != 2"),
        ("shop/hash.go", 3, "weak hash"),
    ]


def test_what_a_report_and_a_log_say_of_the_same_line_is_one_annotation() -> None:
    report = SARIF.replace("weak hash", "E501 too long")
    log = Piece(name="lint", raw=b"/workspace/source/shop/hash.go:3:1: E501 too long\n")
    for reports in ([sarif(report)], [sarif(report), sarif(report)]):
        excerpt = compose([log], (), (), reports=reports)
        assert [(one.path, one.start_line) for one in excerpt.annotations] == [("shop/hash.go", 3)]


def test_relative_paths_begin_where_the_step_ran() -> None:
    (one,) = compose([], (), (), reports=[junit(workdir="/workspace/source/web")]).annotations
    assert one.path == "web/shop/cart.py"
    (two,) = compose([], (), (), reports=[junit(workdir="/app")]).annotations
    assert two.path == "shop/cart.py"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (junit("{}"), "JUnit report tests cannot be read: this is not XML"),
        (junit("<html/>"), "the document is a \\<html\\>."),
        (junit(" \n"), "JUnit report tests: it is empty."),
        (sarif("<x/>"), "SARIF report scan cannot be read: this is not SARIF"),
        (
            ReportText(format="junit", name="t", note="The pod p is gone."),
            "JUnit report t: The pod p is gone.",
        ),
    ],
)
def test_a_broken_report_is_one_sentence(report: ReportText, said: str) -> None:
    text = compose([], (), (), reports=[report]).text
    assert said in text.replace("\\_", "_")
    assert text.count("\n") == 2


SECRET = "p<a&s\"s'w/ö-longenough"


@pytest.mark.parametrize(
    "raw",
    [
        JUNIT.format("got &#112;&lt;a&amp;s&quot;s&apos;w/ö-longenough!"),
        JUNIT.replace("1 != 2", "p&lt;a&amp;s&quot;s'w/ö-longenough").format(""),
        "<p&lt;/>",
    ],
)
def test_a_secret_that_xml_spells_otherwise_is_masked(raw: str) -> None:
    excerpt = compose([], [SECRET], (), reports=[junit(raw)])
    assert SECRET not in "".join((excerpt.text, *(shown(one) for one in excerpt.annotations)))
    assert not excerpt.annotations or "***" in "".join(map(shown, excerpt.annotations))


def shown(annotation: object) -> str:
    return "\n".join(str(getattr(annotation, name)) for name in ("message", "title", "raw_details"))


def test_a_secret_that_json_spells_otherwise_is_masked_wherever_it_stands() -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in SECRET)
    raw = SARIF.replace("weak hash", escaped).replace("gosec", escaped)
    excerpt = compose([], [SECRET], (), reports=[sarif(raw)])
    assert SECRET not in repr(excerpt) + excerpt.text + shown(excerpt.annotations[0])
    assert excerpt.annotations[0].message == "***"


def test_half_a_secret_that_a_broken_report_begins_with_is_not_repeated() -> None:
    secret = "s3cret" * 20
    for report in (junit(f"<{secret}/>"), sarif(f'{{"version": "{secret}", "runs": []}}')):
        assert "s3cret" not in compose([], [secret], (), reports=[report]).text


def test_a_value_that_a_report_declares_is_masked_in_the_logs() -> None:
    report = junit("::add-mask::declared!\n")
    text = compose([Piece(name="a", raw=b"declared!\n")], (), (), reports=[report]).text
    assert "declared!" not in text


def test_of_very_many_findings_as_many_are_kept_as_anybody_bears() -> None:
    case = '<testcase name="{0}" file="a.py" line="{0}"><failure message="no {0}"/></testcase>'
    raw = "<testsuite>" + "".join(case.format(number) for number in range(3_000)) + "</testsuite>"
    excerpt = compose([], (), (), reports=[junit(raw), junit(raw)])
    assert len(excerpt.annotations) == 300
    assert {one.level for one in excerpt.annotations} == {Level.FAILURE}
    assert "3,000 failed" in excerpt.text


@given(st.binary(max_size=300), st.sampled_from(["junit", "sarif"]))
def test_any_bytes_are_a_report_or_a_sentence(raw: bytes, format_: str) -> None:
    report = ReportText(format="junit" if format_ == "junit" else "sarif", name="x", raw=raw)
    assert read(report).line
    assert compose([], ["secret"], (), reports=[report]).text
