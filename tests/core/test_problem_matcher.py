"""Matchers of the configuration: GitHub's own ones work, dangerous ones are refused, time is bound.

How long an expression takes (`core.regexp`) is tested here too: nothing else uses it.
"""

import re
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghapp.core.annotations import Finding, Level, Place
from ghapp.core.mask import Mask
from ghapp.core.matchers import scan
from ghapp.core.problem_matcher import Pattern, ProblemMatcher, ProblemMatchers, matcher
from ghapp.core.regexp import cost
from ghapp.errors import ConfigError

# https://github.com/actions/setup-node/tree/main/.github and setup-go, setup-python.
ESLINT = r"""{"problemMatcher": [{"owner": "eslint-stylish", "pattern": [
  {"regexp": "^([^\\s].*)$", "file": 1},
  {"regexp": "^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*)\\s\\s+(.*)$",
   "line": 1, "column": 2, "severity": 3, "message": 4, "code": 5, "loop": true}]}]}"""
TSC = r"""{"problemMatcher": [{"owner": "tsc", "pattern": [
  {"regexp": "^([^\\s].*)\\((\\d+),(\\d+)\\):\\s+(error|warning|info)\\s+(\\w{1,2}\\d+):\\s*(.*)$",
   "file": 1, "line": 2, "column": 3, "severity": 4, "code": 5, "message": 6}]}]}"""
GO = r"""{"problemMatcher": [{"owner": "go", "pattern": [
  {"regexp": "^\\s*(\\.{0,2}[\\/\\\\].+\\.go):(?:(\\d+):(\\d+):? )?(.*)",
   "file": 1, "line": 2, "column": 3, "message": 4}]}]}"""
PYTHON = r"""{"problemMatcher": [{"owner": "python", "pattern": [
  {"regexp": "^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+),\\sin\\s(.*)$", "file": 1, "line": 2},
  {"regexp": "^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", "message": 2}]}]}"""


def problem(document: str) -> ProblemMatcher:
    """The only matcher of a document."""
    (only,) = msgspec.json.decode(document, type=ProblemMatchers).problemMatcher
    return only


def said(document: str, log: str) -> list[Finding]:
    """What one matcher finds."""
    return [hit.finding for hit in matcher(problem(document)).find(log.split("\n"))]


def one_line(regexp: str, severity: str = "error") -> ProblemMatcher:
    """A matcher whose whole match is file and message."""
    pattern = Pattern(regexp=regexp, file=0, message=0)
    return msgspec.convert(
        {"owner": "own", "severity": severity, "pattern": [pattern]}, ProblemMatcher
    )


def test_a_loop_goes_on_below_its_file() -> None:
    log = "a.js\n  1:2  error  'x' is bad  no-x\n  3:4  warning  y  no-y\n\nb.js\n 5:6 info z  no-z"
    assert said(ESLINT, log) == [
        Finding(
            places=(Place(path="a.js", line=1, column=2),),
            message="'x' is bad",
            title="eslint-stylish no-x",
        ),
        Finding(
            places=(Place(path="a.js", line=3, column=4),),
            level=Level.WARNING,
            message="y",
            title="eslint-stylish no-y",
        ),
        Finding(
            places=(Place(path="b.js", line=5, column=6),),
            level=Level.NOTICE,
            message="z",
            title="eslint-stylish no-z",
        ),
    ]


@pytest.mark.parametrize(
    ("document", "log", "path", "line", "message"),
    [
        (TSC, "src/a.ts(3,5): error TS2322: no", "src/a.ts", 3, "no"),
        (GO, "./cmd/main.go:9:2: undefined: x", "./cmd/main.go", 9, "undefined: x"),
        (PYTHON, "File \"a.py\", line 3, in f\n    raise E('no')", "a.py", 3, "no"),
    ],
)
def test_what_githubs_actions_ship_works(
    document: str, log: str, path: str, line: int, message: str
) -> None:
    (only,) = said(document, log)
    assert (only.places[0].path, only.places[0].line, only.message) == (path, line, message)


def test_patterns_match_lines_in_a_row_only() -> None:
    assert said(PYTHON, "File \"a.py\", line 3, in f\n\n    raise E('no')") == []


def test_a_project_file_gives_the_folder() -> None:
    document = (
        '{"problemMatcher": [{"owner": "msbuild", "severity": "warning", "pattern": [{"regexp":'
        r' "^([^ ]+) ([^ ]+): (.*)$", "fromPath": 1, "file": 2, "message": 3}]}]}'
    )
    (only,) = said(document, r"app\web\web.csproj Page.cs: slow")
    assert only.places == (Place(path="app/web/Page.cs"),)
    assert only.level is Level.WARNING
    (absolute,) = said(document, "app/x.csproj /workspace/source/Page.cs: slow")
    assert absolute.places == (Place(path="/workspace/source/Page.cs"),)


def test_the_configuration_comes_before_our_own_matchers() -> None:
    own = matcher(one_line(r"^src/a\.c:1:1: error: x$", severity="notice"))
    (only,) = scan("src/a.c:1:1: error: x", mask=Mask(), own=[own])
    assert (only.title, only.level) == ("own", Level.NOTICE)


# --- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regexp", "reason"),
    [
        (r"(a+)+b", r"\+ on a group that holds"),
        (r"(a|a)*b", r"\* on a group that holds"),
        (r"(?:\w+\s?)*$", r"\* on a group that holds"),
        (r"((a?)b){5}", r"\{5\} on a group that holds"),
        (r"(a*){2,}b", r"\{2,\} on a group that holds"),
        (r"(x)\1", r"\\1: references"),
        (r"(?P<a>x)(?P=a)", "references"),
        (r"(?=a)a", "look-arounds"),
        (r"a(?<!b)", "look-arounds"),
        (r"(?i)error", "flags"),
        (r"(?i:error)", "flags"),
        (r"(a)?(?(1)b|c)", "conditions"),
        (r".*.*.*.*.*x", "5 repetitions may end in more than one place"),
        ("a?" * 40 + "a" * 40, "too many alternatives"),
        ("(a|ab)" * 18, "too many alternatives"),
        ("(" * 21 + ")" * 21, "at most"),
        ("(", "is not a regular expression"),
        ("[[a]", "is not a regular expression"),
        (r"\8", "is not a regular expression"),
    ],
)
def test_what_could_take_for_ever_is_refused(regexp: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        matcher(one_line(regexp))


def test_all_mistakes_are_told_at_once() -> None:
    patterns = (
        Pattern(regexp="(a+)+", line=2, loop=True),
        Pattern(regexp="(a)", line=2),
    )
    with pytest.raises(ConfigError) as refused:
        matcher(ProblemMatcher(owner="mine", pattern=patterns))
    assert [mistake.partition(": ")[2][:40] for mistake in refused.value.mistakes] == [
        "+ on a group that holds a repetition or ",
        "line is group 2, but there are 1",
        "no pattern says which group is the file",
        "no pattern says which group is the messa",
        "loop is for the last of several patterns",
    ]


@given(
    st.text(st.sampled_from(r"ab.*+?{}1,2()|[]^$\dsx-:<=!P"), max_size=25) | st.text(max_size=20)
)
def test_any_text_is_an_expression_with_a_price_or_refused(regexp: str) -> None:
    price = cost(regexp)
    assert price.refused or price.steps("some line: 1") >= 0


SAFE = st.recursive(
    st.sampled_from(["a", "b", ".", r"\d", r"\s", "[ab]", "[^a]", ":", r"\.", "^", "$"]),
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "+?"])).map(
            "(?:%s)%s".__mod__
        ),
        st.tuples(part, part).map("".join),
        st.tuples(part, part).map("(%s|%s)".__mod__),
    ),
    max_leaves=8,
)


@given(SAFE, st.text(st.sampled_from("ab1 .:x"), max_size=12))
@settings(max_examples=300)
def test_a_line_that_matches_is_never_said_to_be_impossible(regexp: str, line: str) -> None:
    price = cost(regexp)
    if not price.refused and re.search(regexp, line):
        assert price.steps(line) > 0


@given(SAFE)
@settings(max_examples=150)
def test_an_expression_that_is_not_refused_is_quick_on_lines_made_to_hurt(regexp: str) -> None:
    price = cost(regexp)
    if price.refused:
        return
    for line in ("a" * 60 + "\x00", "ab" * 30 + "\x00", "1 " * 30 + "\x00", "." * 60 + ":\x00"):
        start = time.process_time()
        re.search(regexp, line)
        assert time.process_time() - start < max(price.steps(line) * 1e-6, 0.5)


@pytest.mark.parametrize("regexp", [r"^a*a*a*b", r"a*a*b", r"^(.*)\s\s+(.*) (.*)b$", r"^.*.*.*.*b"])
@pytest.mark.parametrize("line", ["a" * 900 + "c b", " " * 900 + "c b", "a b" * 30 + "c"])
def test_a_log_written_to_hurt_runs_out_of_budget_not_of_time(regexp: str, line: str) -> None:
    own = matcher(one_line(regexp))
    start = time.process_time()
    list(own.find([line] * 5_000))
    assert time.process_time() - start < 20


def test_when_the_budget_is_spent_the_end_of_the_log_was_read() -> None:
    own = matcher(one_line(r"^(.*)x(.*)y(.*)z(.*)!$"))
    expensive = "xyz" * 12
    lines = ["first xyz!", *[f"{expensive}!?"] * 20_000, "last xyz!"]
    assert [hit.first for hit in own.find(lines)] == [20_001]
