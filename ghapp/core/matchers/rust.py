"""rustc, cargo and clippy: the message, below it an arrow with the place; and panics of tests."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from ghapp.core.annotations import Finding
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, level, place, text

_HEAD: Final = re.compile(r"^(?P<level>error|warning)(?:\[(?P<code>\w{1,20})\])?: (?P<message>.*)$")
_ARROW: Final = re.compile(rf"^ *--> {PATH}:{LINE}:{COLUMN}$")
_SOURCE: Final = re.compile(r"^ *[0-9]* *(?:\||=|\.\.\.)|^ *(?:-->|:::) ")
_PANIC: Final = re.compile(
    rf"^thread '(?P<thread>[^']{{1,300}})'(?: \([0-9]+\))? panicked at "
    rf"(?:'(?P<message>.*)', )?{PATH}:{LINE}:{COLUMN}:?$"
)


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Both."""
    return chain(_messages(lines), _panics(lines))


def _messages(lines: Sequence[str]) -> Iterator[Hit]:
    for index, line in enumerate(lines[:-1]):
        head = _HEAD.match(line)
        arrow = _ARROW.match(lines[index + 1]) if head else None
        if head and arrow:
            source = block(lines, index + 2, _SOURCE.match)
            finding = Finding(
                places=(place(arrow),),
                level=level(head["level"]),
                message=head["message"],
                title=head["code"] or "",
                details=text(source),
            )
            yield Hit(first=index, last=index + 1 + len(source), finding=finding)


def _panics(lines: Sequence[str]) -> Iterator[Hit]:
    """Since Rust 1.73 the message stands below the place, before that in front of it."""
    for index, line in enumerate(lines):
        panic = _PANIC.match(line)
        if not panic:
            continue
        inline = panic["message"]
        below = [] if inline is not None else block(lines, index + 1, _goes_on)
        said = below if inline is None else [inline]
        finding = Finding(
            places=(place(panic),), message=text(said), title=f"panic in {panic['thread']}"
        )
        yield Hit(first=index, last=index + len(below), finding=finding)


def _goes_on(row: str) -> bool:
    return bool(row) and not row.startswith(("note: ", "stack backtrace:"))


MATCHER = Matcher(name="rust", find=find, documentation="rustc, cargo, clippy, panics")
