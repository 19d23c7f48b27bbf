"""shellcheck: for a terminal (a block a line, carets below it) and in gcc's format."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding, Place
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, level, place

_HEAD: Final = re.compile(rf"^In (?P<path>\S.{{0,500}}) line {LINE}:$")
_CARET: Final = re.compile(
    r"^(?P<indent> *)(?P<mark>\^-*\^?|\^-- ?) ?(?P<code>SC[0-9]{4}) \((?P<level>\w{1,10})\): "
    r"(?P<message>.*)$"
)
_GCC: Final = re.compile(
    rf"^{PATH}:{LINE}:{COLUMN}: (?P<level>error|warning|note): (?P<message>.*) "
    rf"\[(?P<code>SC[0-9]{{4}})\]$"
)


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Each remark of either format."""
    for index, line in enumerate(lines):
        head, remark = _HEAD.match(line), _GCC.match(line)
        if head:
            yield from _carets(lines, index, head)
        elif remark:
            yield _hit(index, place(remark), remark)


def _carets(lines: Sequence[str], start: int, head: re.Match[str]) -> Iterator[Hit]:
    """Below the headline the source line, below that the carets, each with its remark."""
    for offset, row in enumerate(block(lines, start + 2, _CARET.match)):
        caret = _CARET.match(row)
        if caret:
            column = len(caret["indent"]) + 1
            where = Place(path=head["path"], line=int(head["line"]), column=column)
            yield _hit(start + 2 + offset, where, caret)


def _hit(index: int, where: Place, said: re.Match[str]) -> Hit:
    finding = Finding(
        places=(where,), level=level(said["level"]), message=said["message"], title=said["code"]
    )
    return Hit(first=index, last=index, finding=finding)


MATCHER = Matcher(name="shellcheck", find=find, documentation="shellcheck (tty, gcc)")
