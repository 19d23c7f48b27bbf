"""log: one line an event, whatever is in it; no secret, no forged line, no exception.

What counts as a secret by its looks is shared with tests of `secret`; here it is seen that every
way into a log line goes through it.
"""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp import log
from ghapp.core.model import Verb
from ghapp.secret import Secret

TOKEN = "ghs_" + "a1B2" * 9
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"


def fail(error: Exception) -> None:
    """Raises it."""
    raise error


Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", *log.OURS)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    logging.captureWarnings(False)
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def lines() -> Lines:
    """What was logged since, as JSON; reading it proves one object a line."""
    stream = io.StringIO()
    log.setup("debug", "json", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def text() -> io.StringIO:
    stream = io.StringIO()
    log.setup("debug", "text", stream)
    return stream


def test_an_event_is_a_sentence_and_its_facts_are_fields(lines: Lines) -> None:
    log.get("ghapp.engine.outbox").info("delivered", key="check/1", tries=3, late=False)
    (line,) = lines()
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "info",
        "logger": "ghapp.engine.outbox",
        "event": "delivered",
        "key": "check/1",
        "tries": 3,
        "late": False,
    }


def test_a_percent_sign_is_just_a_percent_sign(lines: Lines) -> None:
    log.get("ghapp").info("100 %s done", done="%d")
    assert lines()[0]["event"] == "100 %s done"


def test_bound_fields_ride_along_and_end_with_the_block(lines: Lines) -> None:
    said = log.get("ghapp")
    with log.bind(delivery="guid-1"):
        with log.bind(subject="run-1"):
            said.info("both")
        said.info("one", delivery="mine wins")
    said.info("none")
    both, one, none = lines()
    assert (both["delivery"], both["subject"]) == ("guid-1", "run-1")
    assert one["delivery"] == "mine wins"
    assert "subject" not in one
    assert "delivery" not in none


async def test_bound_fields_stay_in_their_task(lines: Lines) -> None:
    async def work(name: str, other: asyncio.Event, mine: asyncio.Event) -> None:
        with log.bind(task=name):
            mine.set()
            await other.wait()
            log.get("ghapp").info("worked", name=name)

    a, b = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(work("a", a, b))
        group.create_task(work("b", b, a))
    assert {(line["task"], line["name"]) for line in lines()} == {("a", "a"), ("b", "b")}


def test_modules_that_use_the_standard_library_are_heard_with_their_extra_fields(
    lines: Lines,
) -> None:
    with log.bind(delivery="guid-1"):
        logging.getLogger("ghapp.engine").warning("interrupted %s", "now", extra={"status": 503})
    (line,) = lines()
    assert (line["event"], line["status"], line["delivery"]) == ("interrupted now", 503, "guid-1")


@pytest.mark.parametrize(
    "value",
    [
        Secret("hunter2-hunter2"),
        TOKEN,
        f"https://x-access-token:{TOKEN}@github.com/a/b",
        "github_pat_" + "a" * 40,
        "authorization: Bearer hunter2-hunter2",
        "Basic aHVudGVyMi1odW50ZXIy",
        PEM,
        {"headers": [("Authorization", "bearer hunter2-hunter2")], TOKEN: 1},
        [Secret("hunter2-hunter2")],
        TOKEN.encode(),
        ValueError(TOKEN),
        Path(TOKEN),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("style", ["json", "text"])
def test_no_secret_is_printed(value: object, style: str) -> None:
    stream = io.StringIO()
    log.setup("info", style, stream)
    log.get("ghapp").info("sent", value=value)
    said = stream.getvalue()
    assert "[REDACTED]" in said
    for secret in ("hunter2", TOKEN, "aHVudGVyMi", "MIIEow", "github_pat_a"):
        assert secret not in said


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_secret_is_printed_by_the_event_or_a_traceback(style: str) -> None:
    stream = io.StringIO()
    log.setup("info", style, stream)
    try:
        fail(ValueError(f"refused {TOKEN}"))
    except ValueError:
        log.get("ghapp").exception(f"failed with {TOKEN}")
    assert TOKEN not in stream.getvalue()
    assert "ValueError: refused [REDACTED]" in stream.getvalue()


def test_an_exception_is_a_field(lines: Lines) -> None:
    try:
        fail(KeyError("gone"))
    except KeyError:
        log.get("ghapp").exception("failed", key="k")
    (line,) = lines()
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("KeyError: 'gone'")
    assert line["key"] == "k"


def test_a_field_cannot_pose_as_one_of_ours(lines: Lines) -> None:
    log.get("ghapp").info("said", level="error", time="never")
    (line,) = lines()
    assert (line["level"], line["level_"], line["time_"]) == ("info", "error", "never")


FORGERY = 'x\n{"level": "info", "event": "forged"}\r\u2028\u0085\x1b[2J\u202e'


def test_a_value_cannot_start_a_line_of_json() -> None:
    stream = io.StringIO()
    log.setup("info", "json", stream)
    log.get("ghapp").info(FORGERY, **{"key": FORGERY, FORGERY: 1})
    (line,) = stream.getvalue().splitlines()
    assert stream.getvalue().isascii()
    assert json.loads(line)["key"] == FORGERY


def test_a_value_cannot_start_a_line_of_text_or_move_the_cursor(text: io.StringIO) -> None:
    log.get("ghapp").info(FORGERY, **{"key": FORGERY, FORGERY: 1})
    assert len(text.getvalue().splitlines()) == 1
    assert not set(text.getvalue()) & set("\r\x1b\u2028\u0085\u202e")


def test_the_lines_of_a_traceback_are_indented_so_that_none_passes_for_an_event(
    text: io.StringIO,
) -> None:
    try:
        fail(ValueError("x\n12:00:00.000 info    forged"))
    except ValueError:
        log.get("ghapp").exception("failed")
    first, *rest = text.getvalue().splitlines()
    assert "failed" in first
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_text_shows_plain_words_bare_and_the_rest_quoted(text: io.StringIO) -> None:
    log.get("ghapp").info("delivered", key="a/b", title="two words", n=3, none=None)
    assert 'delivered  key=a/b  title="two words"  n=3  none=null' in text.getvalue()


def test_a_long_line_of_text_is_one_line(text: io.StringIO) -> None:
    log.get("ghapp").info("delivered", key="word " * 200)
    assert len(text.getvalue().splitlines()) == 1


class Rude:
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class RudeError(Exception):
    """Cannot be shown either."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class Colour(StrEnum):
    """A value of a closed set."""

    RED = "red"


def _nested(depth: int) -> object:
    value: object = "core"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize(
    "value",
    [Rude(), {Rude(): Rude()}, RudeError(), _nested(500), float("nan"), "\ud800", b"\xff", 10**400],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_logged_the_line_is_written(
    value: object, style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    log.setup("info", style, stream)
    log.get("ghapp").info("said", value=value)
    assert "said" in stream.getvalue()
    assert capsys.readouterr().err == ""


def test_an_exception_that_cannot_be_shown_is_named(lines: Lines) -> None:
    try:
        fail(RudeError())
    except RudeError:
        log.get("ghapp").exception("failed")
    assert "RudeError" in lines()[0]["exception"]


def test_a_library_whose_arguments_do_not_fit_is_still_heard() -> None:
    record = logging.makeLogRecord({"msg": "%d of %d", "args": ("one",)})
    assert json.loads(log.JsonFormatter().format(record))["event"] == "%d of %d ['one']"


def test_values_are_shown_as_what_they_mean(lines: Lines) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    log.get("ghapp").info("said", at=at, verb=Verb.RERUN, colour=Colour.RED, pair=(1, {"a": at}))
    (line,) = lines()
    assert (line["at"], line["verb"], line["colour"]) == (at.isoformat(), "rerun", "red")
    assert line["pair"] == [1, {"a": at.isoformat()}]


def test_a_body_that_somebody_logs_does_not_fill_the_disk(lines: Lines) -> None:
    log.get("ghapp").info("got", body="x" * 1_000_000, many=list(range(1000)))
    (line,) = lines()
    assert len(line["body"]) < log.LONGEST_TEXT + 20
    assert line["body"].endswith("(1000000)")
    assert len(line["many"]) == log.MOST_ITEMS


def test_libraries_are_heard_from_warnings_on_and_we_from_the_chosen_level() -> None:
    stream = io.StringIO()
    log.setup("info", "json", stream)
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("aiohttp").warning("odd")
    log.get("ghapp.app").debug("detail")
    log.get("adapters.job").info("ours")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["odd", "ours"]


def test_setting_up_twice_does_not_log_twice() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.setup("info", "json", first)
    log.setup("info", "json", second)
    log.get("ghapp").info("once")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_without_a_terminal_it_is_json_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup()
    log.get("ghapp").info("said")
    assert json.loads(capsys.readouterr().err)["event"] == "said"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_text() -> None:
    stream = Terminal()
    log.setup(stream=stream)
    log.get("ghapp").info("said", key="k")
    assert not stream.getvalue().startswith("{")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(event=st.text(), fields=st.dictionaries(st.text(), anything, max_size=4))
def test_any_event_is_exactly_one_line_of_json(event: str, fields: dict[str, object]) -> None:
    record = logging.makeLogRecord({"msg": event, "checkrail_fields": fields})
    line = log.JsonFormatter().format(record)
    assert "\n" not in line
    assert line.isascii()
    assert isinstance(json.loads(line), dict)


@given(text=st.text())
def test_printable_text_is_one_line_and_moves_no_cursor(text: str) -> None:
    shown = log.printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or ord(character) == 127 for character in shown)
