"""gcc and clang, and everybody who writes like them: ``file:line:column: error: message``.

https://www.gnu.org/prep/standards/html_node/Errors.html
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, level, place, text

_MESSAGE: Final = re.compile(
    rf"^{PATH}:{LINE}:(?:{COLUMN}:)? ?(?P<level>fatal error|error|warning|info|remark|style): ?"
    r"(?P<message>.*)$"
)
_NOTE: Final = re.compile(rf"^{PATH}:{LINE}:(?:{COLUMN}:)? note: ")
_SOURCE: Final = re.compile(r"^\s*[0-9]*\s*\||^\s+\S|^\s*$")
_CODE: Final = re.compile(r"\s*\[([\w.,=+-]{1,100})\]$")


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Each message; the source lines and notes below it are its details."""
    for index, line in enumerate(lines):
        message = _MESSAGE.match(line)
        if not message:
            continue
        rest = block(lines, index + 1, lambda row: _SOURCE.match(row) or _NOTE.match(row))
        code = _CODE.search(message["message"])
        finding = Finding(
            places=(place(message),),
            level=level(message["level"]),
            message=_CODE.sub("", message["message"]),
            title=code[1] if code else "",
            details=text(rest),
        )
        notes = [row for row, row_text in enumerate(rest) if _NOTE.match(row_text)]
        yield Hit(first=index, last=index + (notes[-1] + 1 if notes else 0), finding=finding)


MATCHER = Matcher(
    name="gcc",
    find=find,
    rank=9,
    documentation="gcc, clang and all that write `file:line:column: error: message`",
)
