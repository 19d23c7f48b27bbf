"""SARIF and JUnit reports: what real tools wrote, and what somebody wrote to hurt us.

`logs/` has reports by ruff, pytest (both families), Surefire and ESLint. Paths and limits of what
becomes of the findings are tested in `test_annotations.py`.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.annotations import Annotation, Finding, Level, Place, collect
from ghapp.core.mask import Mask
from ghapp.core.reports import JUnitReport, ReportError, SarifReport, read_junit, read_sarif
from ghapp.errors import CheckrailError

LOGS = Path(__file__).parent / "logs"


def shown(findings: tuple[Finding, ...]) -> list[tuple[str, int, str, str]]:
    """Path, line, title and the first line of the message of each annotation."""
    annotations: tuple[Annotation, ...] = collect(findings, mask=Mask()).shown
    return [(a.path, a.start_line, a.title, a.message.partition("\n")[0]) for a in annotations]


def test_a_report_error_is_one_of_ours() -> None:
    assert issubclass(ReportError, CheckrailError)


# --- SARIF ----------------------------------------------------------------------------------------


def log(*results: dict[str, Any], **run: Any) -> bytes:
    """A SARIF log of one run."""
    tool = {"driver": {"name": "scan", "rules": run.pop("rules", [])}}
    runs = [{"tool": tool, "results": list(results), **run}]
    return json.dumps({"version": "2.1.0", "runs": runs}).encode()


def result(uri: str = "src/a.py", text: str = "bad", **fields: Any) -> dict[str, Any]:
    """A result at line 3."""
    location = {"artifactLocation": {"uri": uri}, "region": {"startLine": 3}}
    return {
        "ruleId": "R1",
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
        **fields,
    }


def only(raw: bytes) -> Finding:
    """The only finding of a log."""
    (finding,) = read_sarif(raw).findings
    return finding


def test_ruffs_report() -> None:
    report = read_sarif((LOGS / "ruff.sarif").read_bytes())
    assert (report.tools, report.total) == (("ruff",), 2)
    one, two = collect(report.findings, mask=Mask()).shown
    assert (one.path, one.start_line, one.end_line, one.start_column) == ("app/cart.py", 1, 2, None)
    assert (two.start_line, two.start_column, two.end_column, two.level) == (1, 8, 9, Level.FAILURE)
    assert two.title.startswith("F401")


@pytest.mark.parametrize(
    ("fields", "rule", "level"),
    [
        ({"level": "error"}, {}, Level.FAILURE),
        ({"level": "warning"}, {}, Level.WARNING),
        ({"level": "note"}, {}, Level.NOTICE),
        ({"level": "none"}, {}, Level.NOTICE),
        ({"level": "newer"}, {}, Level.WARNING),
        ({}, {}, Level.WARNING),
        ({}, {"defaultConfiguration": {"level": "error"}}, Level.FAILURE),
        ({"level": "note"}, {"defaultConfiguration": {"level": "error"}}, Level.NOTICE),
        (
            {"ruleIndex": 0, "ruleId": "R1/part"},
            {"defaultConfiguration": {"level": "error"}},
            Level.FAILURE,
        ),
        ({"kind": "review", "level": "error"}, {}, Level.NOTICE),
    ],
)
def test_the_level_is_the_results_or_the_rules_or_warning(
    fields: dict[str, Any], rule: dict[str, Any], level: Level
) -> None:
    assert only(log(result(**fields), rules=[{"id": "R1", **rule}])).level is level


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "pass"},
        {"kind": "notApplicable"},
        {"kind": "informational"},
        {"baselineState": "absent"},
        {"suppressions": [{"kind": "inSource"}]},
        {"suppressions": [{"kind": "external", "status": "accepted"}]},
    ],
)
def test_what_is_no_problem_does_not_count(fields: dict[str, Any]) -> None:
    assert read_sarif(log(result(**fields))) == SarifReport(findings=(), tools=("scan",), total=0)


def test_a_suppression_that_was_refused_does_not_suppress() -> None:
    assert read_sarif(log(result(suppressions=[{"status": "rejected"}]))).total == 1


@pytest.mark.parametrize(
    ("uri", "bases", "path"),
    [
        ("src/a.py", {}, "src/a.py"),
        ("src/a%20b.py", {}, "src/a b.py"),
        ("file:///workspace/source/src/a.py", {}, "src/a.py"),
        ("a.py", {"ROOT": {"uri": "file:///workspace/source/src/"}}, "src/a.py"),
        (
            "a.py",
            {
                "ROOT": {"uri": "lib/", "uriBaseId": "TOP"},
                "TOP": {"uri": "file:///workspace/source"},
            },
            "lib/a.py",
        ),
        ("src/a.py", {"ROOT": {"uri": "file:///home/ci/checkout/"}}, "src/a.py"),
        ("src/a.py", {"ROOT": {"description": {"text": "the top"}}}, "src/a.py"),
        ("a.py", {"ROOT": {"uri": "src/", "uriBaseId": "ROOT"}}, "src/src/src/src/src/a.py"),
    ],
)
def test_a_base_is_resolved_as_far_as_it_is_known(
    uri: str, bases: dict[str, Any], path: str
) -> None:
    one = result()
    one["locations"][0]["physicalLocation"]["artifactLocation"] = {"uri": uri, "uriBaseId": "ROOT"}
    report = read_sarif(log(one, originalUriBaseIds=bases))
    assert shown(report.findings) == [(path, 3, "R1", "bad")]


def test_an_artifact_may_be_an_index() -> None:
    one = result()
    one["locations"][0]["physicalLocation"]["artifactLocation"] = {"index": 1}
    artifacts = [{"location": {"uri": "x"}}, {"location": {"uri": "src/b.py"}}]
    assert only(log(one, artifacts=artifacts)).places[0].path == "src/b.py"


def test_a_message_may_be_the_rules_with_arguments() -> None:
    rules = [
        {
            "id": "R1",
            "shortDescription": {"text": "No eval"},
            "messageStrings": {"default": {"text": "{0} calls {1} {7}"}},
        }
    ]
    finding = only(log(result(message={"id": "default", "arguments": ["f", "eval"]}), rules=rules))
    assert (finding.message, finding.title) == ("f calls eval {7}", "R1: No eval")


def test_a_result_without_a_place_is_counted_only() -> None:
    report = read_sarif(log(result(), result(locations=[]), result(uri="")))
    assert (len(report.findings), report.total) == (1, 3)


def test_every_run_counts() -> None:
    two = json.loads(log(result()))
    two["runs"].append({"tool": {"driver": {"name": "other"}}, "results": None})
    two["runs"].append({**two["runs"][0], "tool": {"driver": {"name": "third"}}})
    report = read_sarif(b"\xef\xbb\xbf" + json.dumps(two).encode())
    assert (report.tools, report.total) == (("scan", "other", "third"), 2)


def test_findings_are_limited_and_counted() -> None:
    report = read_sarif(log(*[result()] * 2_500))
    assert (len(report.findings), report.total) == (2_000, 2_500)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not SARIF"),
        (b"{", "not SARIF"),
        (b"[]", "not SARIF"),
        (b"\xff\xfe", "not SARIF"),
        (b'{"version": "2.1.0"}', "runs"),
        (b'{"version": "1.0.0", "runs": []}', "SARIF 1.0.0 is not read"),
        (b'{"version": "2.1.0", "runs": [{}]}', "tool"),
        (b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": 7}}}]}', "not SARIF"),
        (log(result()).replace(b'"startLine": 3', b'"startLine": 1e400'), "not SARIF"),
        (log(result()).replace(b'"startLine": 3', b'"startLine": ' + b"9" * 5_000), "not SARIF"),
        (b"[" * 200_000, "not SARIF"),
        (b'{"x":' * 200_000, "not SARIF"),
        (b" " * 10_000_001, "10,000,001 bytes"),
    ],
)
def test_what_is_not_sarif_is_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(ReportError, match=reason):
        read_sarif(raw)


# --- JUnit ----------------------------------------------------------------------------------------


JSON_ERROR = (
    "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: "
    "line 1 column 2 (char 1)"
)


def suite(inside: str, **attributes: str) -> bytes:
    """A report of one suite."""
    listed = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<testsuites><testsuite{listed}>{inside}</testsuite></testsuites>".encode()


@pytest.mark.parametrize(
    ("name", "summary", "found"),
    [
        (
            "pytest.xml",
            "4 tests: 2 failed, 2 in error",
            [
                ("tests/test_import.py", 1, "tests.test_import", "collection failure"),
                (
                    "tests/test_cart.py",
                    7,
                    "tests.test_cart.test_total",
                    "AssertionError: three is not four",
                ),
                (
                    "app/cart.py",
                    11,
                    "tests.test_cart.test_checkout[a/b]",
                    JSON_ERROR,
                ),
                (
                    "tests/test_cart.py",
                    17,
                    "tests.test_cart.test_needs_database",
                    'failed on setup with "OSError: no database"',
                ),
            ],
        ),
        (
            "pytest-xunit1.xml",
            "4 tests: 2 failed, 2 in error",
            [
                ("tests/test_import.py", 1, "tests.test_import", "collection failure"),
                (
                    "tests/test_cart.py",
                    7,
                    "tests.test_cart.test_total",
                    "AssertionError: three is not four",
                ),
                (
                    "tests/test_cart.py",
                    12,
                    "tests.test_cart.test_checkout[a/b]",
                    JSON_ERROR,
                ),
                (
                    "tests/test_cart.py",
                    17,
                    "tests.test_cart.test_needs_database",
                    'failed on setup with "OSError: no database"',
                ),
            ],
        ),
        (
            "surefire.xml",
            "2 tests: 1 failed, 1 in error",
            [
                (
                    "shop/src/test/java/com/acme/CartTest.java",
                    11,
                    "com.acme.CartTest.totals",
                    "expected: <4> but was: <3>",
                ),
                (
                    "shop/src/main/java/com/acme/Cart.java",
                    7,
                    "com.acme.CartTest.nothing",
                    'Cannot invoke "java.util.List.stream()" because "prices" is null',
                ),
            ],
        ),
    ],
)
def test_a_tools_report(name: str, summary: str, found: list[tuple[str, int, str, str]]) -> None:
    report = read_junit((LOGS / name).read_bytes())
    assert report.summary == summary
    assert sorted(shown(report.findings)) == sorted(found)


def test_eslints_report_has_its_lines_in_the_text() -> None:
    report = read_junit((LOGS / "eslint.xml").read_bytes())
    assert report.summary == "7 tests: 6 failed, 1 in error"
    assert [(path, line) for path, line, _, _ in shown(report.findings)] == [
        ("js/broken.js", 1),
        *(("js/cart.js", line) for line in (1, 2, 3, 4, 5, 6)),
    ]


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (suite('<testcase name="t" file="a.py" line="7"><failure/></testcase>'), ("a.py", 7)),
        (suite('<testcase name="t"><failure file="a.rb" lineno="7"/></testcase>'), ("a.rb", 7)),
        (suite('<testcase name="t"><error/></testcase>', file="a.ts"), ("a.ts", 1)),
        (suite('<testcase name="t" file="a.py" line="x"><failure/></testcase>'), ("a.py", 1)),
        (
            suite(
                "<testcase><failure>  at x (/workspace/source/a.test.js:5:9)</failure></testcase>"
            ),
            ("a.test.js", 5),
        ),
        (
            suite('<testcase name="t"><failure>\tcart_test.go:9: got 1</failure></testcase>'),
            ("cart_test.go", 9),
        ),
        (
            suite(
                '<testcase><failure>  File "/workspace/source/b.py", line 4</failure></testcase>'
            ),
            ("b.py", 4),
        ),
    ],
)
def test_a_place_comes_from_attributes_or_from_a_trace(raw: bytes, place: tuple[str, int]) -> None:
    ((path, line, _, _),) = shown(read_junit(raw).findings)
    assert (path, line) == place


def test_each_test_counts_once_as_the_worst_that_is_said_of_it() -> None:
    raw = suite(
        '<testcase name="ok"/><testcase name="skip"><skipped/></testcase>'
        '<testcase name="both"><failure/><error/></testcase>'
        '<testcase name="flaky" file="a.py"><flakyFailure message="once"/></testcase>'
        '<testcase name="bad"><rerunFailure/><failure/></testcase>'
    )
    report = read_junit(raw)
    assert report.summary == ("5 tests: 2 passed, 1 failed, 1 in error, 1 skipped, 1 flaky")
    (flaky,) = report.findings
    assert (flaky.level, flaky.message) == (Level.WARNING, "once")


def test_nobody_has_to_count_one_test_twice() -> None:
    assert read_junit(suite("<testcase/>")).summary == "1 test: 1 passed"
    assert read_junit(b"<testsuite/>") == JUnitReport(findings=())
    assert read_junit(b"<testsuite/>").summary == "0 tests"


def test_the_message_is_the_attribute_or_the_first_line() -> None:
    case = '<testcase file="a.py"><failure>\n  first\nsecond</failure></testcase>'
    (finding,) = read_junit(suite(case)).findings
    assert (finding.message, finding.places) == ("first", (Place(path="a.py"),))


def test_findings_of_tests_are_limited_and_counted() -> None:
    report = read_junit(suite('<testcase file="a.py"><failure/></testcase>' * 2_500))
    assert (len(report.findings), report.failures) == (2_000, 2_500)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;">]><testsuites>&c;</testsuites>"""
FILE = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><testsuite name="&f;"/>'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (BOMB, "document type"),
        (FILE, "document type"),
        (b'<!DOCTYPE x SYSTEM "http://evil.example/x.dtd"><testsuite/>', "document type"),
        (b"<testsuites>&a;</testsuites>", "not XML"),
        (b"", "not XML"),
        (b"<testsuites>", "not XML"),
        (b"{}", "not XML"),
        (b"<html/>", "a <html>"),
        (b"<" + b"x" * 100 + b"/>", "a <…>"),
        (b"<testsuites>" + b"<a>" * 60, "nested deeper than 50"),
        (b'<?xml version="1.0" encoding="no-such"?><testsuite/>', "not XML"),
        (b'<?xml version="1.0" encoding="utf-7"?><testsuite/>', "not XML"),
        (b"<testsuite>\x00</testsuite>", "not XML"),
        (b"<testsuite>\xff</testsuite>", "not XML"),
        (b" " * 10_000_001, "10,000,001 bytes"),
    ],
)
def test_what_is_not_junit_is_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(ReportError, match=reason):
        read_junit(raw)


def test_other_encodings_are_read() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><testsuite><testcase name="é"/></testsuite>'
    assert read_junit(text.encode("utf-16")).tests == 1


# --- anything at all ------------------------------------------------------------------------------

SARIF = (LOGS / "ruff.sarif").read_bytes()
JUNIT = (LOGS / "pytest.xml").read_bytes()


@given(st.binary(max_size=200), st.integers(0, 3_000), st.integers(0, 60))
def test_a_damaged_report_is_read_or_refused_and_nothing_else(
    junk: bytes, at: int, gone: int
) -> None:
    for whole, read in ((SARIF, read_sarif), (JUNIT, read_junit)):
        raw = whole[:at] + junk + whole[at + gone :]
        with suppress(ReportError):
            collect(read(raw).findings, mask=Mask())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(
            st.sampled_from(["runs", "tool", "driver", "name", "results", "locations", "message"]),
            part,
        )
    ),
    max_leaves=15,
)


@given(JSON)
def test_any_json_is_sarif_or_refused(runs: Any) -> None:
    with suppress(ReportError):
        read_sarif(json.dumps({"version": "2.1.0", "runs": runs}).encode())


def test_a_secret_in_a_report_is_masked() -> None:
    report = read_sarif(log(result(text="the key is hunter22")))
    (one,) = collect(report.findings, mask=Mask(["hunter22"])).shown
    assert one.message == "the key is ***"
