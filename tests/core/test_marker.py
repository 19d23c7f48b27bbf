"""Marked values: the scalar changes, nothing else does, and the result says what was meant.

Tables for every way to write a scalar; properties with files made of arbitrary lines around marked
ones, read back with a YAML 1.2 and a YAML 1.1 parser. Where the files come from is in
tests/sinks/test_promotion.py.
"""

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ghapp.core.marker import promote

MARKER = "apps:shop:staging"
COMMENT = '# {"$promotion": "apps:shop:staging"}'


def read(text: str, version: str) -> object:
    """The value under `version`, as a YAML parser of that version sees it."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    return yaml.load(io.StringIO(text))["version"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("version: 6.2.0", "version: 6.3.0"),
        ("  version:   6.2.0", "  version:   6.3.0"),
        ('version: "6.2.0"', 'version: "6.3.0"'),
        ("version: '6.2.0'", "version: '6.3.0'"),
        ("- 6.2.0", "- 6.3.0"),
        ("- - version: 6.2.0", "- - version: 6.3.0"),
        ('"version": 6.2.0', '"version": 6.3.0'),
        ("'a: b': 6.2.0", "'a: b': 6.3.0"),
        ("a key of words: 6.2.0", "a key of words: 6.3.0"),
        ("image.tag: 6.2.0", "image.tag: 6.3.0"),
        ("--flag: 6.2.0", "--flag: 6.3.0"),
        ("version: &v 6.2.0", "version: &v 6.3.0"),
        ("version: !!str 6.2.0", "version: !!str 6.3.0"),
        ("version: '>=6.2.0 <7'", "version: '6.3.0'"),
        ("version: some words", "version: 6.3.0"),
        ("version: a#b # why", "version: 6.3.0 # why"),
        ('version: "a # b"', 'version: "6.3.0"'),
        ('version: "a \\" b"', 'version: "6.3.0"'),
        ('version: "\\x41"', 'version: "6.3.0"'),
        ("version: 'it''s'", "version: '6.3.0'"),
        ("url: http://example.com:80/x", "url: 6.3.0"),
        ("version: 6.2.0,", "version: 6.3.0,"),
        ("version: ~", "version: 6.3.0"),
    ],
)
def test_the_whole_scalar_is_replaced_in_its_own_style(before: str, after: str) -> None:
    assert promote(f"{before} {COMMENT}", MARKER, "6.3.0") == (f"{after} {COMMENT}", 1)


@pytest.mark.parametrize(
    "before",
    [
        "version:",  # the value is on the lines below
        "- version:",
        "version: |",
        "version: >-",
        "version: {a: 6.2.0}",
        "version: [6.2.0]",
        "version: 6.2.0 }",
        "version: {{ .Values.tag }}",
        "version: *other",
        'version: "6.2.0',  # goes on below
        "a: b: 6.2.0",
        "# version: 6.2.0",
        "  6.2.0",
        "",
    ],
)
def test_a_line_without_one_scalar_of_its_own_is_left_alone(before: str) -> None:
    text = f"{before} {COMMENT}"
    assert promote(text, MARKER, "6.3.0") == (text, 0)


@pytest.mark.parametrize(
    "comment",
    [
        '# {"$promotion": "apps:shop:prod"}',
        '# {"$promotion": "apps:shop:staging:tag"}',
        '# {"$imagepolicy": "apps:shop:staging"}',
        '# {"$promotion": ["apps:shop:staging"]}',
        '# {"$promotion": apps:shop:staging}',
        '#{"$promotion": "apps:shop:staging"',
    ],
)
def test_another_marker_is_not_ours(comment: str) -> None:
    text = f"version: 6.2.0 {comment}"
    assert promote(text, MARKER, "6.3.0") == (text, 0)


@pytest.mark.parametrize(
    "comment",
    ['#{"$promotion":"apps:shop:staging"}', '# set by { "$promotion" : "apps:shop:staging" } !'],
)
def test_a_marker_may_be_written_loosely(comment: str) -> None:
    assert promote(f"v: 1 {comment}", MARKER, "v2") == (f"v: v2 {comment}", 1)


def test_a_marker_inside_a_string_is_not_a_comment() -> None:
    text = f"version: '6.2.0 {COMMENT}'"
    assert promote(text, MARKER, "6.3.0") == (text, 0)


@pytest.mark.parametrize(
    ("version", "written"),
    [
        ("1.10", '"1.10"'),
        ("6e2", '"6e2"'),
        ("12e03", '"12e03"'),
        ("yes", '"yes"'),
        ("Off", '"Off"'),
        ("null", '"null"'),
        ("0x1F", '"0x1F"'),
        ("1_000", '"1_000"'),
        ("2027-01-15", '"2027-01-15"'),
        ("12:30:45", '"12:30:45"'),
        ("a # b", '"a # b"'),
        ("a: b", '"a: b"'),
        (">=1.2", '">=1.2"'),
        ('say "hi" \\o/', '"say \\"hi\\" \\\\o/"'),
        ("v1.10", "v1.10"),
        ("1.10.0", "1.10.0"),
        ("1.2.3-rc.1+build.5", "1.2.3-rc.1+build.5"),
        ("sha-0a1b2c3", "sha-0a1b2c3"),
    ],
)
def test_a_plain_value_is_quoted_where_it_would_not_stay_text(version: str, written: str) -> None:
    assert promote(f"v: 1.9.0 {COMMENT}", MARKER, version) == (f"v: {written} {COMMENT}", 1)


def test_a_value_that_was_quoted_stays_quoted() -> None:
    assert promote(f'v: "1.9" {COMMENT}', MARKER, "1.10")[0] == f'v: "1.10" {COMMENT}'


def test_every_marked_value_in_every_document_of_a_template_is_set() -> None:
    before = (
        "{{- if .Values.on }}\r\n"
        f"a: 1.0.0   {COMMENT}\r\n"
        "---\n"
        "  b: {{ .Values.b }}\n"
        f'  c: "2.0.0"\t{COMMENT}\n'
        '  d: 2.0.0 # {"$promotion": "apps:shop:prod"}\n'
        "{{ end }}"
    )
    after, count = promote(before, MARKER, "3.0.0")
    assert count == 2
    assert after == before.replace("1.0.0   #", "3.0.0   #").replace('"2.0.0"', '"3.0.0"')


@pytest.mark.parametrize("line", ["a " * 2047, "a" * 4000, "a: " * 1300, "a: " + "x" * 9000])
def test_a_long_line_is_no_burden(line: str) -> None:
    promote(f"{line} {COMMENT}", MARKER, "1")


VERSIONS = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FF).filter(str.isprintable), min_size=1
).filter(lambda text: text == text.strip())
STYLES = st.sampled_from(["6.2.0", '"6.2.0"', "'6.2.0'", "x y", "1.9", "true"])


@given(version=VERSIONS, old=STYLES)
@example(version="1.10", old="1.9")
@example(version="=", old="6.2.0")
def test_the_result_reads_as_the_version_and_as_text(version: str, old: str) -> None:
    text, count = promote(f"version: {old} {COMMENT}\nother: 1\n", MARKER, version)
    assert count == 1
    if text != f"version: {old} {COMMENT}\nother: 1\n":
        assert read(text, "1.2") == version
        assert read(text, "1.1") == version


@given(version=VERSIONS, old=STYLES)
def test_a_second_time_changes_nothing(version: str, old: str) -> None:
    once = promote(f"version: {old} {COMMENT}", MARKER, version)
    assert promote(once[0], MARKER, version) == once


LINES = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30)
HEADS = st.sampled_from(["version: ", "  - ", "\t'k': ", "a.b-c:  ", "- x: &a !t "])
TAILS = st.sampled_from(["", "\r", " trailing", "  # more"])


@given(
    above=st.lists(LINES),
    below=st.lists(LINES),
    head=HEADS,
    old=STYLES,
    gap=st.sampled_from("\t "),
    tail=TAILS,
    version=VERSIONS,
)
def test_no_other_byte_changes(
    above: list[str],
    below: list[str],
    head: str,
    old: str,
    gap: str,
    tail: str,
    version: str,
) -> None:
    def whole(value: str) -> str:
        return "\n".join([*above, f"{head}{value}{gap}{COMMENT}{tail}", *below])

    text, count = promote(whole(old), MARKER, version)
    assert count == 1
    prefix, suffix = "\n".join([*above, head]), f"{gap}{COMMENT}{tail}"
    assert text.startswith(prefix)
    assert text.endswith("\n".join([suffix, *below]))


@given(st.text(), st.text(max_size=8))
def test_any_text_gives_text(text: str, marker: str) -> None:
    assert promote(text, marker, "1.0") == (text, 0)
    promote(f'v: {text} # {{"$promotion": "{marker}"}}', marker, "1.0")
