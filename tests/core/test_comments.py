"""Which lines of a comment are commands; what becomes of them is `test_wishes.py`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core import comments
from ghapp.core.comments import COMMANDS_LIMIT, FORMS, Word, commands, help_text


def words(text: str) -> list[tuple[Word | None, str]]:
    return [(said.word, said.argument) for said in commands(text)]


@pytest.mark.parametrize(
    ("line", "word", "argument"),
    [
        ("/test", Word.TEST, ""),
        ("/TEST", Word.TEST, ""),
        ("  /test  ", Word.TEST, ""),
        ("/test build", Word.TEST, "build"),
        ("/test  tekton /  build", Word.TEST, "tekton / build"),
        ("/retest", Word.RETEST, ""),
        ("/cancel build", Word.CANCEL, "build"),
        ("/promote staging", Word.PROMOTE, "staging"),
        ("/approve", Word.APPROVE, ""),
        ("/hold prod-eu.1", Word.HOLD, "prod-eu.1"),
        ("/unhold", Word.UNHOLD, ""),
        ("/rollback prod", Word.ROLLBACK, "prod"),
        ("/ok-to-test 0a1b2c3", Word.OK_TO_TEST, "0a1b2c3"),
        ("/help", Word.HELP, ""),
        ("/checkrail test build", Word.TEST, "build"),
    ],
)
def test_a_command_is_a_line_of_its_own(line: str, word: Word, argument: str) -> None:
    assert words(line) == [(word, argument)]
    assert words(f"Looks good!\n\n{line}\r\nThanks") == [(word, argument)]


@pytest.mark.parametrize(
    "text",
    [
        "please /test",
        "/lgtm",
        "/testing",
        "/",
        "//test",
        "> /test",
        ">> /test",
        "    /test",
        "\t/test",
        "```\n/test\n```",
        "```sh\n/test\n```",
        "~~~\n/test\n```\n/test\n~~~",
        "````\n```\n/test\n```\n````",
        "```\n/test",
        "<!-- /test -->",
        "<!--\n/test\n-->",
        "see `/test`",
        "> Looks good\u2028/test",
        "> Looks good\x0b/test\x85/test",
        "<!-- a --> <!--\n/test\n-->",
        "text <!-- hidden\n/test\n--> shown",
        "<!--\n/test\n--> <!--\n/test",
        "\\`<!--`\n/test\n`-->`",
        "- ```\n  /test\n  ```",
        "1. - ~~~~\n     /test\n     ~~~\n     /test",
    ],
)
def test_what_is_quoted_code_or_somebody_elses_is_none(text: str) -> None:
    assert not words(text)


def test_after_code_and_comments_commands_count_again() -> None:
    assert words("```\n/cancel\n```\n<!-- x -->\n/test\n<!--\n-->\n/retest") == [
        (Word.TEST, ""),
        (Word.RETEST, ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "the mark `<!--` hides\n/test",
        "```\na --> b <!-- c\n```\n/test",
        "- ```\n  code\n  ```\n/test",
        "- item\n/test",
        "a\r/test\rb",
        "<!-- a --><!-- b -->\n/test",
    ],
)
def test_what_only_looks_as_if_it_hid_something_hides_nothing(text: str) -> None:
    assert words(text) == [(Word.TEST, "")]


@given(st.text(alphabet="`~<!->/test \n\r\u2028\\1.", max_size=80))
def test_no_command_is_inside_of_a_line_that_is_shown_as_a_quote(text: str) -> None:
    quoted = "> " + text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\n> ")
    assert not words(quoted)


def test_several_commands_are_several_and_too_many_are_not_done() -> None:
    assert words("/test a\n/test b\n/cancel") == [
        (Word.TEST, "a"),
        (Word.TEST, "b"),
        (Word.CANCEL, ""),
    ]
    assert len(words("/test\n" * 50)) == COMMANDS_LIMIT


@pytest.mark.parametrize(
    "line",
    [
        "/promote",
        "/promote ../../etc",
        "/promote Staging",
        "/promote a b",
        "/ok-to-test main",
        "/ok-to-test 0a1b",
        "/help me",
        "/test a`b",
        f"/hold {'a' * 300}",
    ],
)
def test_what_may_not_stand_behind_a_word_is_said(line: str) -> None:
    (said,) = commands(line)
    assert said.word is None
    assert said.problem.startswith("expected `/")


def test_only_to_us_an_unknown_word_is_a_mistake() -> None:
    (said,) = commands("/checkrail lgtm")
    assert "there is no command `lgtm`; there are test, retest" in said.problem
    assert said.explicit
    (said,) = commands("/checkrail")
    assert said.problem.startswith("there are test")


def test_the_help_names_every_command() -> None:
    assert set(FORMS) == set(Word)
    for word in Word:
        assert f"`/{word}" in help_text()


@given(st.text(max_size=500))
def test_whatever_is_written_it_is_read_or_passed_over(text: str) -> None:
    for said in commands(text):
        assert bool(said.word) != bool(said.problem)


def test_a_comment_as_long_as_comments_get_is_read_in_no_time() -> None:
    for text in ("/test " * 20_000, "`" * 70_000, "<!--" * 20_000, "> " * 40_000, "/\n" * 40_000):
        assert len(commands(text)) <= comments.COMMANDS_LIMIT
