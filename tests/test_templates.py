"""Texts of users: what they may say, that values stay text, and that no text stops the process.

The model of a run is in tests/core/test_rule.py; what becomes of foreign text in Markdown in
tests/core/test_markdown.py. Times are asserted with a wide margin: what is promised is 0.3 s.
"""

import resource
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghapp import templates
from ghapp.core.model import Phase, Step
from ghapp.core.rule import run_facts
from ghapp.errors import ConfigError, RenderError
from ghapp.templates import FILTERS, Mode
from tests.core.builders import at, run_look
from tests.core.test_expression import JSON
from tests.core.test_markdown import tags

LONG = 3.0
"""Seconds: far more than the promise, far less than what it would take otherwise."""

RUN = run_facts(
    run_look(
        Phase.FAILED,
        message="cannot <b>find</b> @octocat",
        results=(
            ("items", "12"),
            ("page", "https://dash.example/a(b)?c=d#e"),
            ("evil", "javascript:x"),
        ),
        steps=(
            Step(name="test", phase=Phase.FAILED, detail="exit code 1", started=at(1)),
            Step(name="build", phase=Phase.SUCCEEDED),
        ),
    )
)


def render(source: str, *, limit: int = 1_000, mode: Mode = Mode.MARKDOWN, **run: Any) -> str:
    return templates.compile(source, limit=limit, mode=mode).render({**RUN, **run})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("nothing to fill in", "nothing to fill in"),
        ("**{{ run.pipeline }}** in {{ cluster }}", "**build** in default"),
        ("{{ run.pullRequest }}|{{ run.steps[0].skipped }}|{{ run.duration }}", "|false|30"),
        ("{{ run.commit[:7] }}", "0a1b2c3"),
        ("{{ run.results.items }}{{ run['results']['items'] }}", "1212"),
        ("{{ run.results.nope|default('**none**') }}", "**none**"),
        ("{{ run.environment|default('no env') }}", "no env"),
        ("{{ '✅' if run.phase == 'succeeded' else '**no**' }}", "**no**"),
        ("{% if 'items' in run.results and run.duration > 20 %}yes{% else %}no{% endif %}", "yes"),
        (
            "{% for s in run.steps if s.phase == 'failed' %}\n- {{ s.name }}\n{% endfor %}\nend",
            "- test\nend",
        ),
        ("{% for s in run.steps %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/2 2/2 "),
        ("{% for name, value in run.results|items %}{{ name }} {% endfor %}", "items page evil "),
        ("{% for a in run.steps %}{% for b in run.steps %}.{% endfor %}{% endfor %}", "...."),
        ("{{ run.steps|length }} {{ run.name|length }}", "2 7"),
        ("{{ run.steps|join(', ', 'name') }}", "test, build"),
        ("{{ (run.steps|sort('name')|first).name }}", "build"),
        ("{{ (run.steps|last).name }}", "build"),
        ("{{ run.name|upper }} {{ run.name|title|lower|trim }}", "BUILD-1 build-1"),
        ("{{ run.name|replace('build', 'test') }}", "test-1"),
        ("{{ run.name|truncate(4) }}", "bui…"),
        ("{{ run.duration|duration }}{{ run.pullRequest|duration }}", "30s"),
        ("{{ (run.duration / 7)|round(1) }} {{ 2.0|round }}", "4.3 2"),
        ("{{ run.duration * 2 - 1 + 3 }} {{ -run.duration }}", "62 -30"),
        ("{{ (run.namespace ~ '/' ~ run.name)|code }}", "`ci/build-1`"),
        ("{{ run.message|escape_markdown == run.message }}", "false"),
        ("{{ run.repository|tojson|length > 20 }}", "true"),
        ("{{ run.name is string }}{{ run.results.x is defined }}", "truefalse"),
        ("{# a note #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("[page]({{ run.results.page|url }})", "[page](https://dash.example/a%28b%29?c=d#e)"),
        ("{{ run.dashboardUrl|url }}", ""),
    ],
)
def test_what_a_text_says(source: str, expected: str) -> None:
    assert render(source) == expected


def test_other_names_can_be_given() -> None:
    template = templates.compile("{{ pipeline }}", limit=100, more={"pipeline"})
    assert template.render(RUN, pipeline="a|b") == "a\\|b"
    assert template.source == "{{ pipeline }}"


def test_every_filter_is_there_and_no_other() -> None:
    from ghapp.templates.filters import FUNCTIONS

    assert set(FUNCTIONS) == set(FILTERS)


# --- refused when it is read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ("{{ rum.name }}", "line 1: rum is unknown; there is cluster, run"),
        ("\n{{ name }}", "line 2: name is unknown; did you mean run.name?; there is cluster, run"),
        ("{{ run.naem }}", "line 1: a run has no naem; did you mean run.name?"),
        ("{{ run.repository.slog }}", "line 1: a run has no repository.slog; did you mean run.rep"),
        ("{{ run['naem'] }}", "line 1: a run has no naem; did you mean run.name?"),
        ("{{ .name }}", "line 1: {{ .name is of Go's templates; write {{ run.name }}"),
        ("a\n{{- .Values.x }}", "line 2: {{- .Values is of Go's templates; write {{ run.name }}"),
        ("{{ run.name|uper }}", "line 1: filter uper is unknown; did you mean upper?"),
        ("{{ run.name|attr('x') }}", "line 1: filter attr is unknown; there is code, default"),
        ("{{ '%s'|format(run) }}", "line 1: filter format is unknown"),
        ("{{ run.steps|map('upper') }}", "line 1: filter map is unknown"),
        ("{{ run.name|_authored }}", "line 1: filter _authored is unknown"),
        ("{{ run.name is sameas(1) }}", "line 1: test sameas is unknown"),
        ("{{ run.name.upper() }}", "line 1: functions and methods cannot be called"),
        ("{{ '{0.x}'.format(run) }}", "line 1: functions and methods cannot be called"),
        ("{{ range(10) }}", "line 1: functions and methods cannot be called"),
        ("{{ 2 ** 9 }}", "line 1: ** is not available in texts"),
        ("{{ 'a' % 9 }}", "line 1: % is not available in texts"),
        ("{{ {'a': 1} }}", "line 1: dict is not available in texts"),
        ("{{ self }}", "line 1: self is not available in texts"),
        ("{{ loop }}", "line 1: loop is unknown"),
        ("{% set x = 1 %}", "line 1: set is not available in texts"),
        ("{% macro m() %}{% endmacro %}", "line 1: macro is not available in texts"),
        ("{% call m() %}{% endcall %}", "line 1: call is not available in texts"),
        ("{% include 'x' %}", "line 1: include is not available in texts"),
        ("{% import 'x' as x %}", "line 1: import is not available in texts"),
        ("{% from 'x' import y %}", "line 1: fromimport is not available in texts"),
        ("{% extends 'x' %}", "line 1: extends is not available in texts"),
        ("{% block x %}{% endblock %}", "line 1: block is not available in texts"),
        ("{% with x = 1 %}{% endwith %}", "line 1: with is not available in texts"),
        ("{% filter upper %}{% endfilter %}", "line 1: filter is not available in texts"),
        (
            "{% autoescape true %}{% endautoescape %}",
            "line 1: autoescape is not available in texts",
        ),
        ("{% for run in run.steps %}{% endfor %}", "line 1: run is the name of something else"),
        ("{% for a, run in run.steps %}{% endfor %}", "line 1: run is the name of something else"),
        ("{% for x in run.steps recursive %}{% endfor %}", "line 1: recursive loops are not"),
        (
            "{% for a in run.steps %}" * 3 + "{% endfor %}" * 3,
            "line 1: at most 2 loops inside each other",
        ),
        ("{% if %}", "line 1: Expected an expression, got 'end of statement block'"),
        ("\n{% for x in run.steps %}", "line 2: Unexpected end of template"),
        ("{{ 1.name ~ 'a' }}", "can never be filled in: there is no 'name' in 1"),
        ("{{ " + "9" * 5_000 + " }}", "holds what cannot be read: Exceeds the limit"),
        ("x" * 8_193, "is longer than 8192 characters: 8193"),
    ],
)
def test_a_mistake_has_its_line_and_what_to_do(source: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        templates.compile(source, limit=100)
    assert len(caught.value.mistakes) == 1
    assert caught.value.mistakes[0].startswith(mistake)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        templates.compile("{{ run.nope }}\n{{ run.name|nope }}", limit=100)
    assert [mistake[:7] for mistake in caught.value.mistakes] == ["line 1:", "line 2:"]


DEEP = {
    "brackets": "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    "lists": "{{ " + "[" * 3_000 + "]" * 3_000 + " }}",
    "sums": "{{ 1" + "+1" * 3_000 + " }}",
    "negations": "{{ " + "not " * 1_900 + "1 }}",
    "conditions": "{% if 1 %}" * 350 + "{% endif %}" * 350,
    "fields": "{{ cluster" + ".a" * 3_000 + " }}",
    "filters": "{{ cluster" + "|upper" * 1_000 + " }}",
    "choices": "{{ " + "1 if 1 else " * 600 + "1 }}",
}


@pytest.mark.parametrize("source", DEEP.values(), ids=DEEP)
def test_what_is_nested_too_deeply_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="is nested too deeply"):
        templates.compile(source, limit=100)


# --- refused when it is filled in -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ run.results.nope }}", "there is no 'nope' in an object with items, page, evil"),
        ("{{ run.steps[7].name }}", "there is no item 7: there are 2"),
        ("{{ run.results.nope.x }}", "there is no 'nope' in an object"),
        ("{{ run.steps }}", "a list is no text; use join, tojson or a loop"),
        ("{{ run.repository }}", "an object with host, owner"),
        ("{% for x in run.name %}{% endfor %}", "'build-1' is no list"),
        ("{% for x in run.results.nope %}{% endfor %}", "there is no 'nope'"),
        ("{% if run.results.nope %}{% endif %}", "there is no 'nope'"),
        ("{{ run.results.nope == 1 }}", "there is no 'nope'"),
        ("{{ run.results.nope|upper }}", "there is no 'nope'"),
        ("{{ run.results.nope|length }}", "there is no 'nope'"),
        ("{{ run.results.nope|tojson }}", "there is no 'nope'"),
        ("{{ run.results.nope + 1 }}", "there is no 'nope'"),
        ("{{ run.steps == run.steps }}", "a list cannot be compared; compare what is in it"),
        ("{{ run.name < 1 }}", "cannot be filled in: '<' not supported"),
        ("{{ run.name + 'a' }}", "+ is for numbers, not for 'build-1'; join text with ~"),
        ("{{ 'a' * 1000000000 }}", "* is for numbers, not for 'a'"),
        ("{{ run.steps * 1000000000 }}", "* is for numbers, not for a list"),
        ("{{ 99999999999 * 99999999999 }}", "* gives a number that is too large"),
        ("{{ 1 / 0 }}", "cannot be filled in: division by zero"),
        ("{{ run.steps|sort }}", "objects are sorted by one of their fields"),
        ("{{ ['a', 1]|sort|first }}", "cannot sort texts together with numbers"),
        ("{{ run.steps|items }}", "items is for objects"),
        ("{{ run.name|replace('', 'x') }}", "replace needs a text to replace"),
        ("{{ run.name|replace }}", "cannot be filled in: "),
        ("{{ run.name|round }}", "round is for numbers"),
        ("{{ []|first }}", "there is no item in it"),
        ("{{ run.results.evil|url }}", "'javascript:x' is no http(s) URL without credentials"),
        ("{{ 'https://a:b@c.d'|url }}", "'https://a:b@c.d' is no http(s) URL without credentials"),
        (
            "{% for x in run.steps %}{{ loop.cycle }}{% endfor %}",
            "a loop has no cycle; it has first",
        ),
        ("{% for x in run.steps %}{{ loop }}{% endfor %}", "what is no value is no text"),
    ],
)
def test_what_cannot_be_filled_in_says_why(source: str, why: str) -> None:
    with pytest.raises(RenderError) as caught:
        render(source)
    assert str(caught.value).startswith(why)


def test_a_reason_is_short_whatever_the_value() -> None:
    with pytest.raises(RenderError) as caught:
        render("{{ run.results[run.message] }}", message="x" * 100_000)
    assert len(str(caught.value)) <= 300


ESCAPES = [
    "run.results.__class__",
    "''.__class__.__mro__",
    "''['__class__']",
    "[].__class__",
    "run.steps[0].__init__.__globals__",
    "run.steps.append",
    "run.results.keys",
    "(run.name ~ '').join",
    "cluster.format",
    "cluster.__class__.__base__.__subclasses__",
    "1.0.__class__",
    "run.results.nope.__class__.__init__",
    "(run.steps|first)['__class__']",
]


@pytest.mark.parametrize("expression", ESCAPES)
def test_nothing_leads_to_pythons_own_objects(expression: str) -> None:
    with pytest.raises(RenderError, match=r"^there is no '"):
        render("{{ " + expression + " }}")


def test_loops_have_no_way_out_either() -> None:
    for name in ("__class__", "_iterator", "cycle", "changed", "environment"):
        with pytest.raises(RenderError, match="a loop has no"):
            render("{% for x in run.steps %}{{ loop." + name + " }}{% endfor %}")


# --- values stay text -----------------------------------------------------------------------------

HOSTILE_VALUES = [
    "@octocat please look",
    "![pixel](https://evil.example/p.png)",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "| a | b |",
    "line\nbreak\r\n# heading",
    "`code`",
    "===",
    "- item",
    "1. item",
    "{{ run.uid }}",
]


@pytest.mark.parametrize("value", HOSTILE_VALUES)
@pytest.mark.parametrize("through", ["", "|upper|lower", "|escape_markdown", "|truncate(200)"])
def test_in_markdown_a_value_is_text(value: str, through: str) -> None:
    shown = render("{{ run.message" + through + " }}", message=value)
    assert "\n" not in shown
    assert "@octocat" not in shown
    assert set(tags(shown)) <= {"text", "text_special"}


@pytest.mark.parametrize(
    ("one", "other"), [("@", "octocat"), ("fixes #", "1"), ("https", "://e.x")]
)
def test_two_values_side_by_side_are_no_mention_and_no_link(one: str, other: str) -> None:
    shown = render("{{ run.reason }}{{ run.message }}", reason=one, message=other)
    assert one + other not in shown.replace("\\", "")


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_table_keeps_its_columns(one: str, other: str) -> None:
    source = "| {{ run.reason }} | {{ run.message|code }} |"
    shown = render(source, reason=one, message=other)
    assert "\n" not in shown
    assert shown.replace("\\|", "").count("|") == 3


def test_a_plain_text_is_one_line_without_control_characters() -> None:
    shown = render("{{ run.message }}", mode=Mode.PLAIN, message="a\n\tb \x1b[1m\u202e *c*")
    assert shown == "a b \ufffd[1m\ufffd *c*"


def test_in_a_url_values_are_encoded() -> None:
    source = "https://dash.example/{{ run.namespace }}?q={{ run.message }}"
    shown = render(source, mode=Mode.URL, message="a/b c&d=é")
    assert shown == "https://dash.example/ci?q=a%2Fb%20c%26d%3D%C3%A9"


def test_a_url_in_front_is_taken_as_it_is() -> None:
    shown = render("{{ run.results.page|url }}&x={{ run.name }}", mode=Mode.URL)
    assert shown == "https://dash.example/a%28b%29?c=d#e&x=build-1"


@pytest.mark.parametrize(
    "source",
    ["javascript:{{ run.name }}", "{{ run.results.page }}", "//{{ run.name }}", "https://[", "x y"],
)
def test_what_is_no_url_is_refused(source: str) -> None:
    with pytest.raises(RenderError, match=r"is no (http\(s\) )?URL"):
        render(source, mode=Mode.URL)


def test_a_url_is_never_cut() -> None:
    with pytest.raises(RenderError, match="is a URL of more than 20 bytes"):
        render("https://dash.example/{{ run.name }}", mode=Mode.URL, limit=20)


# --- limits ---------------------------------------------------------------------------------------


@given(st.text(max_size=300), st.integers(10, 200), st.sampled_from([Mode.MARKDOWN, Mode.PLAIN]))
def test_a_text_is_cut_between_characters(message: str, limit: int, mode: Mode) -> None:
    shown = render("é{{ run.message }}", limit=limit, mode=mode, message=message)
    assert len(shown.encode()) <= limit


STEPS = [{**RUN["steps"][0], "name": f"step-{index}"} for index in range(400)]
MEGABYTE = "a" * 1_000_000
EACH = "{% for a in run.steps %}"
PAIRS = EACH + "{% for b in run.steps %}"
END, ENDS = "{% endfor %}", "{% endfor %}{% endfor %}"

BOMBS = {
    "pairs": PAIRS + "{% if a.name == b.name %}{% endif %}" + ENDS,
    "sums in pairs": PAIRS + "{% if 1" + "+1" * 30 + " %}{% endif %}" + ENDS,
    "sorted again and again": EACH + "{% if run.steps|sort('name') %}{% endif %}" + END,
    "joined again and again": EACH + "{% if run.steps|join('', 'name') %}{% endif %}" + END,
    "escaped again and again": EACH + "{% if run.message|escape_markdown %}{% endif %}" + END,
    "as code again and again": EACH + "{% if run.message|code %}{% endif %}" + END,
    "as json again and again": EACH + "{% if run.steps|tojson %}{% endif %}" + END,
    "replaced again and again": EACH * 2
    + "{% if run.message|replace('a', 'b') %}{% endif %}"
    + ENDS,
    "compared again and again": PAIRS + "{% if run.message == run.message %}{% endif %}" + ENDS,
    "searched again and again": PAIRS + "{% if 'ab' in run.message %}{% endif %}" + ENDS,
    "cut out again and again": PAIRS + "{% if run.message[:60000] %}{% endif %}" + ENDS,
    "titles": EACH + "{% if " + "run.message|title|upper or " * 9 + "1 %}{% endif %}" + END,
    "doubling": "{{ run.message|replace('a', 'aa') }}",
    "doubling a little": "{{ cluster" + "|replace('l', 'llll')" * 15 + " }}",
    "joined to more than fits": "{{ run.message ~ run.message }}",
    "glued with much": "{{ run.steps|join(run.message, 'name') }}",
    "much as json": "{{ run|tojson }}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_no_text_stops_the_process(source: str) -> None:
    template = templates.compile(source, limit=60_000)
    before, memory = time.perf_counter(), _peak()
    with pytest.raises(RenderError, match=r"takes too long; nest fewer loops|makes a text of"):
        template.render({**RUN, "steps": STEPS, "message": MEGABYTE})
    assert time.perf_counter() - before < LONG
    assert _peak() - memory < 64 * 1024


def _peak() -> int:
    """KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_long_list_is_refused() -> None:
    with pytest.raises(RenderError, match="a list of 20000; at most 10000"):
        render(EACH + END, steps=[1] * 20_000)


@pytest.mark.parametrize("inside", ["{{ run.message }}", "written by the author, again and again "])
def test_nothing_is_made_that_would_be_cut_off(inside: str) -> None:
    shown = render(PAIRS + inside + ENDS, limit=500, steps=STEPS[:100], message=MEGABYTE)
    assert len(shown.encode()) <= 500
    assert shown.endswith("\n\n…")


# --- garbage --------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "for",
        "in",
        "if",
        "else",
        "endif",
        "endfor",
        "elif",
        "run",
        "run.steps",
        "run.name",
        "cluster",
        "x",
        "|upper",
        "|join",
        "|sort",
        "|first",
        "~",
        "+",
        "-",
        "*",
        "/",
        "==",
        "<",
        "not",
        "and",
        "or",
        "is",
        "defined",
        "none",
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        ".",
        "'a'",
        '"b"',
        "1",
        "2.5",
        "loop",
        "loop.index",
        "|default(1)",
        "|tojson",
        "|items",
        "[0]",
        "[1:]",
        "true",
        "__class__",
        "set",
        "macro",
        "block",
    ]
)


@settings(max_examples=400)
@given(
    st.lists(PIECES, max_size=14).map(" ".join) | st.text(max_size=60), JSON, st.sampled_from(Mode)
)
def test_garbage_is_a_text_or_an_error_of_ours(source: str, value: Any, mode: Mode) -> None:
    try:
        template = templates.compile(source, limit=200, mode=mode)
    except ConfigError:
        return
    try:
        shown = template.render({**RUN, "results": value, "steps": value, "name": value})
    except RenderError:
        return
    assert len(shown.encode()) <= 200


EXPRESSIONS = st.recursive(
    st.sampled_from(["run.steps", "run.results", "run.name", "1", "'a'", "none", "run.steps[0]"]),
    lambda inside: st.one_of(
        st.tuples(inside, st.sampled_from([*FILTERS])).map("({0[0]}|{0[1]})".format),
        st.tuples(inside, st.sampled_from([*FILTERS]), inside).map(
            "({0[0]}|{0[1]}({0[2]}))".format
        ),
        st.tuples(inside, st.sampled_from(["==", "<", "in", "~", "+", "*", "and"]), inside).map(
            "({0[0]} {0[1]} {0[2]})".format
        ),
        st.tuples(inside, inside).map("{0[0]}[{0[1]}]".format),
        inside.map("{}.name".format),
        inside.map("(-{})".format),
    ),
    max_leaves=6,
)


@settings(max_examples=400)
@given(EXPRESSIONS, JSON)
def test_whatever_is_done_with_whatever_value_ends_well(expression: str, value: Any) -> None:
    source = "{{ " + expression + " }}"
    with suppress(ConfigError, RenderError):
        render(source, steps=value, results={"a": value}, name=value)


def test_the_engine_is_loaded_with_the_first_template() -> None:
    code = """
import sys
from ghapp import templates
assert "jinja2" not in sys.modules
templates.compile("x", limit=10)
assert "jinja2" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
