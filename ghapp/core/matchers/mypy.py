"""mypy: ``file:line: error: message  [code]``, with columns and ends where it was told to."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, level, place

_MESSAGE: Final = re.compile(
    rf"^{PATH}(?<=\.py|pyi):{LINE}:"
    rf"(?:{COLUMN}:(?:(?P<end_line>[0-9]{{1,9}}):(?P<end_column>[0-9]{{1,9}}):)?)?"
    r" (?P<level>error|warning): (?P<message>.*?)(?:  \[(?P<code>[a-z0-9-]{1,60})\])?$"
)
_NOTE: Final = re.compile(rf"^{PATH}(?<=\.py|pyi):[0-9:]{{1,40}} note: (?P<message>.*)$")


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Each error; the notes that follow it explain it."""
    for index, line in enumerate(lines):
        message = _MESSAGE.match(line)
        if not message:
            continue
        notes = block(lines, index + 1, _NOTE.match)
        said = [note["message"] for row in notes if (note := _NOTE.match(row))]
        finding = Finding(
            places=(place(message),),
            level=level(message["level"]),
            message="\n".join([message["message"], *said]),
            title=f"mypy {message['code'] or ''}".strip(),
        )
        yield Hit(first=index, last=index + len(notes), finding=finding)


MATCHER = Matcher(name="mypy", find=find, documentation="mypy")
