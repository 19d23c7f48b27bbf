"""What happened, as one line: a fixed sentence, and facts as fields.

    log = get(__name__)
    log.info("delivered", key=effect.key, sink=sink.name, tries=3)

It is the standard library's logging, set up once, as JSON or as text for people. Whatever runs
inside ``with bind(delivery=guid):`` carries that field along. No field can print a secret, forge a
second line or make the program fail.
"""

import json
import logging
import math
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final, TextIO

from rich.console import Console
from rich.text import Text

from ghapp.secret import REDACTED, redact

LONGEST_TEXT: Final = 8 * 1024
"""Characters of one field: a body that somebody logs must not fill the disk."""

LONGEST_TRACEBACK: Final = 16 * 1024
"""Characters; the end is kept, because it says what was raised."""

MOST_ITEMS: Final = 50
DEEPEST: Final = 4

_bound: ContextVar[Mapping[str, object]] = ContextVar("_bound", default={})  # noqa: B039 - never written to


class Log:
    """A logger whose facts are keyword arguments."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, /, **fields: object) -> None:
        """For who looks for a mistake of ours."""
        self._say(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """The course of things."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """It goes on, but somebody should look."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Something was not done."""
        self._say(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """An error, with the exception that is being handled."""
        self._say(logging.ERROR, event, fields, raised=True)

    def _say(
        self, level: int, event: str, fields: Mapping[str, object], *, raised: bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {_FIELDS: {**_bound.get(), **fields}}
            self._logger.log(level, event, extra=extra, exc_info=raised, stacklevel=3)


def get(name: str) -> Log:
    """The log of a module; `name` is its ``__name__``."""
    return Log(logging.getLogger(name))


@contextmanager
def bind(**fields: object) -> Iterator[None]:
    """Whatever is logged inside, in this task and those it starts, carries these fields."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


OURS: Final = ("ghapp", "adapters")
"""Loggers of ours; other libraries speak up from warnings on only, unless we debug."""


def setup(level: str = "info", style: str = "", stream: TextIO | None = None) -> None:
    """Log to `stream` (stderr); `style` is json or text, empty: text on a terminal.

    Called again, it replaces what it did before.
    """
    stream = stream if stream is not None else sys.stderr
    handler = _Handler(stream)
    text = style == "text" or (not style and stream.isatty())
    handler.setFormatter(TextFormatter(stream) if text else JsonFormatter())
    handler.addFilter(_carry_bound)
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(logging.INFO if chosen == logging.DEBUG else max(chosen, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(chosen)
    logging.captureWarnings(True)


class _Handler(logging.StreamHandler[TextIO]):
    """Told apart from the handlers of others, so that `setup` replaces only its own."""


_FIELDS: Final = "checkrail_fields"


def _carry_bound(record: logging.LogRecord) -> bool:
    """Records of the plain standard library (ours, with ``extra``, or a library's) get them too."""
    if not hasattr(record, _FIELDS):
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        setattr(record, _FIELDS, {**_bound.get(), **extra})
    return True


_STANDARD: Final = frozenset(
    vars(logging.makeLogRecord({})) | {"message": None, "asctime": None, "taskName": None}
)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, the fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """ASCII only: neither a line separator nor a stray surrogate leaves this process."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
        }
        if raised := _raised(record):
            line["exception"] = raised
        for key, value in _fields(record):
            line[f"{key}_" if key in line else key] = value
        return json.dumps(line)


_STYLES: Final = {"debug": "dim", "info": "green", "warning": "yellow", "error": "bold red"}


class TextFormatter(logging.Formatter):
    """For people: one line, in colours where the stream has them; a traceback is indented."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)

    def format(self, record: logging.LogRecord) -> str:
        """Rich wraps nothing here: a line stays a line."""
        level = record.levelname.lower()
        line = Text.assemble(
            (f"{_time(record)[11:23]} ", "dim"),
            (f"{level:<8}", _STYLES.get(level, "")),
            printable(_event(record)),
            *(
                part
                for key, value in _fields(record)
                for part in ((f"  {printable(key)}=", "cyan"), _shown(value))
            ),
            (f"  {record.name}", "dim"),
        )
        for traced in _raised(record).splitlines():
            line.append(f"\n    {printable(traced)}", "red")
        with self._console.capture() as captured:
            self._console.print(line, soft_wrap=True, end="")
        return captured.get()


def _time(record: logging.LogRecord) -> str:
    when = datetime.fromtimestamp(record.created, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(record: logging.LogRecord) -> str:
    try:
        return _clean(record.getMessage())
    except Exception:  # noqa: BLE001 - a library's arguments do not fit its format: say what is there
        return _clean(f"{record.msg} {_plain(record.args)}")


def _raised(record: logging.LogRecord) -> str:
    """The traceback, or nothing."""
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    try:
        lines = "".join(traceback.format_exception(*record.exc_info))
    except Exception:  # noqa: BLE001 - an exception whose own text raises
        lines = record.exc_info[1].__class__.__name__
    return redacted(lines.rstrip())[-LONGEST_TRACEBACK:]


def _fields(record: logging.LogRecord) -> Iterable[tuple[str, object]]:
    fields: Mapping[str, object] = getattr(record, _FIELDS, {})
    return [(key, _plain(value)) for key, value in fields.items()]


def _plain(value: object, depth: int = 0) -> Any:
    """`value` as JSON has it, without secrets, bounded; whatever it is, this returns."""
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, str) and not isinstance(value, Enum):
        return _clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth < DEEPEST and isinstance(value, Mapping):
        items = list(value.items())[:MOST_ITEMS]
        return {_clean(_text(key)): _plain(item, depth + 1) for key, item in items}
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in list(value)[:MOST_ITEMS]]
    return _clean(_text(value))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value[: LONGEST_TEXT + 1].decode(errors="replace")
    try:
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return str(value.value) if isinstance(value, Enum) else str(value)
    except Exception:  # noqa: BLE001 - a log call must not fail because a value cannot be shown
        return f"<{type(value).__name__} that cannot be shown>"


def _clean(text: str) -> str:
    text = redacted(text)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... ({len(text)})"


# ``Authorization: Bearer ...`` and its like, whatever the token looks like; GitHub's own tokens,
# JWTs and PEM blocks are known to `ghapp.secret`.
_CREDENTIALS: Final = re.compile(r"(?i)\b(bearer|basic)(\s+)[a-z0-9._~+/-]{8,}=*")


def redacted(text: str) -> str:
    """`text` without anything that looks like a secret."""
    return _CREDENTIALS.sub(rf"\1\2{REDACTED}", redact(text))


def _shown(value: object) -> str:
    """A field for people: bare where it is one word, else as JSON."""
    if isinstance(value, str) and re.fullmatch(r"[^\s\"'=]+", value):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))


# Controls, line and paragraph separators, surrogates, and the marks that reverse what a terminal
# shows (https://trojansource.codes).
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """`text` with everything that would move the cursor or start a line written out."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)
