"""tsc: ``file(line,column): error TS1: text``, pretty: ``file:line:column - error TS1: text``."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, level, place

_SAID: Final = r"(?P<level>error|warning) (?P<code>TS[0-9]{1,6}): (?P<message>.*)$"
_PLAIN: Final = re.compile(rf"^{PATH}\({LINE},{COLUMN}\): {_SAID}")
_PRETTY: Final = re.compile(rf"^{PATH}:{LINE}:{COLUMN} - {_SAID}")


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Each message; a chain of reasons is indented below it."""
    for index, line in enumerate(lines):
        match = _PLAIN.match(line) or _PRETTY.match(line)
        if not match:
            continue
        more = block(lines, index + 1, lambda row: row.startswith("  ") and row.strip())
        finding = Finding(
            places=(place(match),),
            level=level(match["level"]),
            message="\n".join([match["message"], *more]),
            title=match["code"],
        )
        yield Hit(first=index, last=index + len(more), finding=finding)


MATCHER = Matcher(name="typescript", find=find, documentation="tsc, plain and pretty")
