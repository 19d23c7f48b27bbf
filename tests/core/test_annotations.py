"""What tools said about files: golden logs of each tool, paths, folding, order, GitHub's limits.

The logs in `logs/` were written by the tools themselves (gcc 12, Go 1.26, pytest 9, mypy 2, ruff,
tsc 5, ESLint 8, javac 17, Maven 3.8 with Surefire 3.2, shellcheck 0.11, rustc 1.95) on small wrong
programs; `others.log` and `go-verbose.log` are written after the formats' descriptions. Matchers of
the configuration are in `test_problem_matcher.py`, reports in `test_reports.py`.
"""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core import logtext
from ghapp.core.annotations import (
    TEXT_LIMIT,
    TITLE_LIMIT,
    Annotation,
    Finding,
    Level,
    Place,
    Roots,
    batches,
    body,
    collect,
    relative,
)
from ghapp.core.mask import Mask
from ghapp.core.matchers import discover, scan

LOGS = Path(__file__).parent / "logs"
NO_SECRETS = Mask()


def found(log: str, mask: Mask = NO_SECRETS) -> tuple[Annotation, ...]:
    """The annotations of a log."""
    return collect(scan(log, mask=mask), mask=mask).shown


@pytest.mark.parametrize("name", sorted(path.name for path in LOGS.glob("*.log")))
def test_a_log_gives_its_golden_annotations(name: str) -> None:
    log = logtext.decode((LOGS / name).read_bytes())
    text = json.dumps([body(one) for one in found(log)], indent=1, ensure_ascii=False) + "\n"
    golden = LOGS / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "if this is meant: GOLDEN=write"


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in LOGS.glob("*.log.json")} == {p.name for p in LOGS.glob("*.log")}


def test_each_matcher_has_a_name_and_a_phrase_of_its_own() -> None:
    matchers = discover()
    assert len({matcher.name for matcher in matchers}) == len(matchers) >= 12
    assert all(matcher.documentation for matcher in matchers)


@pytest.mark.parametrize("name", sorted(path.name for path in LOGS.glob("*.log")))
def test_every_log_can_be_cut_anywhere(name: str) -> None:
    raw = (LOGS / name).read_bytes()
    for cut in range(0, len(raw), max(len(raw) // 60, 1)):
        found(logtext.decode(raw[cut:]))
        found(logtext.decode(raw[:cut]))


FRAGMENTS = st.sampled_from(
    [
        *("src/a.c:3:5: error: x [-Wy]", "::error file=a.py,line=1::m", "  at a.B.c(B.java:3)"),
        *("Traceback (most recent call last):", '  File "a.py", line 3', "ValueError: x"),
        *("error[E0308]: m", " --> src/a.rs:1:1", "--- FAIL: T (0.1s)", "    a_test.go:3: x"),
        *(
            "FAIL\texample.com/a/b\t1s",
            "=== FAILURES ===",
            "___ test_a ___",
            "E   assert",
            "panic: x",
        ),
        *("a.py:3: in f", "In a.sh line 3:", "^-- SC1000 (info): m", "a.ts(1,2): error TS1: m"),
        *("/workspace/source/a.js", "  1:2  error  m  rule", "[ERROR] /a/A.java:[1,2] m", ""),
        *(
            "[ERROR] a.B.c -- Time elapsed: 1 s <<< FAILURE!",
            "::error file=../x::",
            "\x00",
            "\u202e",
        ),
    ]
)


@given(st.lists(FRAGMENTS | st.text(max_size=30), max_size=25))
def test_any_mixture_of_lines_gives_annotations_that_github_takes(lines: list[str]) -> None:
    for annotation in found("\n".join(lines)):
        assert_within_limits(annotation)


def assert_within_limits(annotation: Annotation) -> None:
    """What GitHub's schema asks of an item of ``output.annotations``."""
    item = body(annotation)
    assert not item["path"].startswith(("/", "../", "./"))
    assert 1 <= item["start_line"] <= item["end_line"] < 2**31
    assert 0 < len(item["message"].encode()) <= 65_535
    assert len(item.get("title", "")) <= TITLE_LIMIT
    assert len(item.get("raw_details", "").encode()) <= 65_535
    columns = {"start_column", "end_column"} & set(item)
    assert not columns or item["start_line"] == item["end_line"]
    assert "end_column" not in item or 1 <= item["start_column"] <= item["end_column"]
    assert item["annotation_level"] in {"notice", "warning", "failure"}


ANY_NUMBER = st.integers(-(2**40), 2**40) | st.none()


@given(
    st.builds(
        Finding,
        places=st.tuples(
            st.builds(
                Place,
                path=st.text(st.characters(), max_size=30) | st.just("a.c"),
                line=st.integers(-(2**40), 2**40),
                end_line=ANY_NUMBER,
                column=ANY_NUMBER,
                end_column=ANY_NUMBER,
            )
        ),
        level=st.sampled_from(Level),
        message=st.text(st.characters(), max_size=50) | st.just("é" * 70_000),
        title=st.text(st.characters(), max_size=50) | st.just("😀" * 300),
        details=st.text(st.characters(), max_size=50) | st.just("\ud800" * 70_000),
    )
)
def test_any_finding_is_an_annotation_within_the_limits_or_none(finding: Finding) -> None:
    for annotation in collect([finding, finding], mask=NO_SECRETS).shown:
        assert_within_limits(annotation)
        assert annotation.count == 2


# --- whose path it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("src/a.c", "src/a.c"),
        ("./src/./a.c", "src/a.c"),
        ("src//a.c", "src/a.c"),
        ("/workspace/source/src/a.c", "src/a.c"),
        ("/workspace/shared-data/src/a.c", "src/a.c"),
        ("/workspace/main.go", "main.go"),
        ("file:///workspace/source/a%20b.c", "a b.c"),
        ("file://localhost/workspace/source/a.c", "a.c"),
        (r"C:\workspace\source\win\a.cpp", "win/a.cpp"),
        ("file:///C:/workspace/source/a.cpp", "a.cpp"),
        (r"src\win\a.cpp", "src/win/a.cpp"),
        ("/home/runner/work/shop/shop/a.c", "a.c"),
        ("/builds/acme/shop/a.c", "a.c"),
        ("src/..a/b...c", "src/..a/b...c"),
        ("../a.c", None),
        ("src/../../a.c", None),
        ("/workspace/source/../../etc/passwd", None),
        ("/etc/passwd", None),
        ("/usr/include/stdio.h", None),
        (r"C:\Windows\a.cpp", None),
        (r"\\server\share\a.c", None),
        ("https://evil.example/a.c", None),
        ("<string>", None),
        ("<frozen runpy>", None),
        ("/workspace/source", None),
        ("/workspace/source/", None),
        (".venv/lib/python3.11/site-packages/x.py", None),
        ("node_modules/x/index.js", None),
        ("a\x00.c", None),
        ("a\nb.c", None),
        ("\u202egnp.c", None),
        ("a" * 1_001, None),
        ("", None),
        (".", None),
        ("/", None),
        ("file://", None),
    ],
)
def test_a_path_is_in_the_repository_or_it_is_none(path: str, inside: str | None) -> None:
    assert relative(path, Roots()) == inside


def test_a_known_folder_comes_before_the_usual_ones() -> None:
    roots = Roots(prefixes=("/workspace/source/checkout", "/src/"))
    assert relative("/workspace/source/checkout/a.c", roots) == "a.c"
    assert relative("/src/a.c", roots) == "a.c"
    assert relative("/workspace/source/a.c", roots) == "a.c"


def test_relative_paths_begin_in_the_working_directory() -> None:
    roots = Roots(workdir="/workspace/source/rust")
    assert relative("src/main.rs", roots) == "rust/src/main.rs"
    assert relative("/workspace/source/a.c", roots) == "a.c"
    assert relative("src/main.rs", Roots(workdir="/home/elsewhere")) is None


@given(st.text(st.sampled_from("./\\abC:%2eE fil"), max_size=40) | st.text(max_size=40))
def test_no_path_ever_leaves_the_repository(path: str) -> None:
    inside = relative(path, Roots())
    if inside is not None:
        assert not {"", ".", ".."} & set(inside.split("/"))


def test_the_first_place_inside_counts() -> None:
    outside, inside = Place(path="/usr/lib/x.py", line=9), Place(path="app/x.py", line=3)
    (annotation,) = collect([Finding(places=(outside, inside), message="m")], mask=NO_SECRETS).shown
    assert (annotation.path, annotation.start_line) == ("app/x.py", 3)


# --- folded, ordered, limited ---------------------------------------------------------------------


def finding(message: str, level: Level = Level.FAILURE, line: int = 1) -> Finding:
    """Something about a line of a.c."""
    return Finding(places=(Place(path="a.c", line=line),), level=level, message=message)


def test_the_same_words_about_a_line_are_one_annotation() -> None:
    twice = [finding("bad thing", Level.WARNING), finding("other"), finding("bad  thing.")]
    one, other = collect(twice, mask=NO_SECRETS).shown
    assert (one.message, one.count, one.level) == ("bad thing", 2, Level.FAILURE)
    assert (other.message, other.count) == ("other", 1)
    assert body(one)["title"] == "(2 times)"


def test_failures_come_first_and_otherwise_the_order_stays() -> None:
    levels = [Level.NOTICE, Level.WARNING, Level.FAILURE, Level.WARNING, Level.FAILURE]
    given_ = [finding(str(number), level) for number, level in enumerate(levels)]
    assert [one.message for one in collect(given_, mask=NO_SECRETS).shown] == list("24130")


def test_too_many_are_cut_and_a_note_says_so() -> None:
    many = [finding("w", Level.WARNING, line) for line in range(1, 302)]
    result = collect([*many, finding("f")], mask=NO_SECRETS)
    assert len(result.shown) == 300
    assert result.shown[0].level is Level.FAILURE
    assert result.note == "2 more annotations are not shown."
    assert collect(many[:300], mask=NO_SECRETS).note == ""


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (50, [50]), (120, [50, 50, 20])])
def test_fifty_go_with_a_request(count: int, sizes: list[int]) -> None:
    shown = collect(
        [finding("m", line=line) for line in range(1, count + 1)], mask=NO_SECRETS
    ).shown
    parts = list(batches(shown))
    assert [len(part) for part in parts] == sizes
    assert [one for part in parts for one in part] == list(shown)


@pytest.mark.parametrize(
    ("place", "range_"),
    [
        (Place(path="a", line=0), (1, 1, None, None)),
        (Place(path="a", line=5, end_line=3), (5, 5, None, None)),
        (Place(path="a", line=5, end_line=7, column=1, end_column=2), (5, 7, None, None)),
        (Place(path="a", line=5, column=3, end_column=2), (5, 5, 3, None)),
        (Place(path="a", line=5, column=3, end_column=3), (5, 5, 3, 3)),
        (Place(path="a", line=5, end_column=3), (5, 5, None, None)),
        (Place(path="a", line=2**40, column=2**40), (2**31 - 1, 2**31 - 1, None, None)),
    ],
)
def test_columns_only_within_one_line(
    place: Place, range_: tuple[int, int, int | None, int | None]
) -> None:
    (one,) = collect([Finding(places=(place,), message="m")], mask=NO_SECRETS).shown
    assert (one.start_line, one.end_line, one.start_column, one.end_column) == range_


def test_long_texts_are_cut_in_bytes() -> None:
    long = Finding(
        places=(Place(path="a.c"),), message="é" * 50_000, title="t" * 500, details="é" * 50_000
    )
    (one,) = collect([long], mask=NO_SECRETS).shown
    assert TEXT_LIMIT - 10 < len(one.message.encode()) <= TEXT_LIMIT
    assert len(one.raw_details.encode()) <= TEXT_LIMIT
    assert len(one.title) == TITLE_LIMIT


# --- masked and harmless --------------------------------------------------------------------------


def test_annotations_are_masked_like_everything_else() -> None:
    secret = "hunter22-and-more"
    log = f"a.c:1:1: error: password {secret} is wrong\n  1 | login({secret});\n"
    (one,) = found(log, Mask([secret]))
    assert one.message == "password *** is wrong"
    assert secret not in json.dumps(body(one))


def test_a_secret_is_masked_before_it_could_be_cut() -> None:
    secret = "hunter22-and-more"
    log = "a.c:1:1: error: " + "x" * 4_070 + secret
    (one,) = found(log, Mask([secret]))
    assert "hunter" not in one.message


def test_a_path_with_a_secret_in_it_gives_none() -> None:
    assert found("conf/hunter22.c:1:1: error: x", Mask(["hunter22"])) == ()


def test_a_value_declared_in_the_log_is_masked() -> None:
    (one,) = found("::add-mask::hunter22\na.c:1:1: error: hunter22")
    assert one.message == "***"


def test_control_characters_and_overrides_do_not_get_through() -> None:
    (one,) = found("::error file=a.c,title=\u202ea%00::\x1b[31mred\x00 \u202eevil%0Aline")
    assert one.message == "red \ufffdevil\nline"
    assert "\u202e" not in one.title


def test_a_command_speaks_only_for_itself() -> None:
    text = "::error file=a.c,line=99999999999999999999,endLine=x::%2525 %3A"
    (one,) = found(text)
    assert (one.start_line, one.end_line, one.message) == (1, 1, "%25 %3A")


HOSTILE_LINES = [
    *("x" * 10_000_000, " " * 1_000_000, "a/" * 500_000, ":1" * 500_000, "\x1b]" * 500_000),
    *("panic: x\n" * 50_000, "___ a ___\n" * 50_000, "a.c:1:1: error: x\n" * 50_000),
    *('  File "a.py", line 3\n' * 50_000, 'File "a.py", line 3\n' * 50_000),
    *("::error file=a::" * 60_000, "thread 'a' panicked at 'x', " * 40_000),
    "In a.sh line 3:\n\n" + "^-- SC1000 (info): m\n" * 50_000,
    "error: x\n --> a.rs:1:1\n" * 25_000,
]


@pytest.mark.parametrize("hostile", HOSTILE_LINES, ids=[repr(line[:12]) for line in HOSTILE_LINES])
def test_a_hostile_log_takes_linear_time(hostile: str) -> None:
    start = time.process_time()
    for annotation in found(hostile):
        assert_within_limits(annotation)
    # About a second on a quiet core; quadratic time would be hours.
    assert time.process_time() - start < 15
