"""Go's templates as ours: what is translated, what is not and why, and that no text takes long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.migrate._go_template import NotTranslated, Vocabulary, translate
from ghapp.migrate._texts import text_problem

WORDS = Vocabulary(
    fields={".name": "run.name", ".status": "run.phase", ".stages": "run.steps"},
    lists={"run.steps": {"Name": "name", "Status": "phase"}},
    silent=frozenset({".id"}),
)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("plain", "plain"),
        ("a {{ .name }} b", "a {{ run.name }} b"),
        ("{{.name}}", "{{ run.name }}"),
        ("{{- .name -}}", ""),
        ("{{- .name }} {{ .name -}}", ""),
        ("{{- /* why */ -}}x", "x"),
        ("{{ .id }}x", "x"),
        ("{{ if .name }}x{{ end }}", "{% if run.name %}x{% endif %}"),
        (
            '{{ if eq .status "failed" }}x{{ else if ne (.status) `new` }}y{{ else }}z{{ end }}',
            '{% if run.phase == "failed" %}x{% elif run.phase != "new" %}y{% else %}z{% endif %}',
        ),
        ("{{ if not .name }}x{{ end }}", "{% if not run.name %}x{% endif %}"),
        (
            "{{ range .stages }}{{ .Name }}{{ end }}",
            "{% for each in run.steps %}{{ each.name }}{% endfor %}",
        ),
        (
            "{{ range $s := .stages }}{{ $s.Status }}{{ end }}",
            "{% for each in run.steps %}{{ each.phase }}{% endfor %}",
        ),
        (
            "{{- range $i, $s := .stages }}{{ end }}",
            "",
        ),
    ],
)
def test_what_is_translated(theirs: str, ours: str) -> None:
    if ours:
        assert translate(theirs, WORDS) == ours
        assert text_problem("summary", ours) == ""
    elif "$i" in theirs:
        with pytest.raises(NotTranslated, match="not understood"):
            translate(theirs, WORDS)
    else:
        found = translate(theirs, WORDS).replace(" }}", "}}").replace("{{ ", "{{")
        assert "run.name" in found
        assert text_problem("summary", translate(theirs, WORDS)) == ""


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ("{{ .other }}", ".other has no counterpart"),
        ("{{ .name | upper }}", "not understood"),
        ("{{ printf .name }}", "not understood"),
        ("{{ .name", "not closed"),
        ("{{ end }}", "an end too many"),
        ("{{ else }}", "in no if"),
        ("{{ if .name }}", "no end"),
        ("{{ range .name }}{{ end }}", "no list"),
        ("{{ range .stages }}{{ .Other }}{{ end }}", "has no Other"),
        ("{{ if and .name .status }}x{{ end }}", "not understood"),
        ('{{ if eq .name "a{b" }}x{{ end }}', "mean something else"),
        ("{% set x %}", "mean something else"),
        ("{{ $ }}", "not understood"),
        ("{{ }}", "not understood"),
        ("x" * 9_000, "longer than"),
    ],
)
def test_what_is_not_translated_and_why(theirs: str, why: str) -> None:
    with pytest.raises(NotTranslated, match=why):
        translate(theirs, WORDS)


PIECES = [
    "{{",
    "}}",
    "{{ ",
    " }}",
    "{{- ",
    " -}}",
    "if ",
    "else",
    "end",
    "range ",
    ".name",
    "$x",
    " ",
]
PIECES += [".stages", ".Name", "eq ", '"a"', "`", "(", ")", "\n", "{%", "}", ":=", "/*", "*/", "é"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_is_translated_or_refused(theirs: str) -> None:
    try:
        ours = translate(theirs, WORDS)
    except NotTranslated:
        return
    assert isinstance(ours, str)


@pytest.mark.parametrize(
    "piece", ["{{", "{{ ", "{{ if eq ", "(", "{{ .name }}", "{{range .stages}}"]
)
def test_no_text_takes_long(piece: str) -> None:
    theirs = (piece * 8_192)[:8_192]
    try:
        translate(theirs, WORDS)
    except NotTranslated:
        return
