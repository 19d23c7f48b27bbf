"""pytest: each failed test, in the styles long, short and line.

A section begins with ``____ test_name ____``, has lines ``E   what was wrong`` and names places as
``file:line: Exception`` or ``file:line: in function``, the innermost last.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding, Place
from ghapp.core.matchers._matcher import LINE, PATH, Hit, Matcher, text

_SESSION: Final = re.compile(r"^=+ (?P<name>ERRORS|FAILURES|.*) =+$")
_HEAD: Final = re.compile(r"^_{3,} (?P<name>\S.*?) _{3,}$")
_PLACE: Final = re.compile(rf"^{PATH}(?<=\.py):{LINE}: ?(?P<rest>in .*|[\w.]{{1,200}}(?:: .*)?)?$")
_WRONG: Final = re.compile(r"^E  (?: (?P<text>.*))?$")


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """What stands below ERRORS and FAILURES, a section a test."""
    inside, start = False, 0
    for index, line in enumerate(lines):
        session, head = _SESSION.match(line), _HEAD.match(line)
        if inside and (session or head):
            yield from _section(lines, start, index)
        if session:
            inside, start = session["name"] in {"ERRORS", "FAILURES"}, index
        elif head:
            start = index


def _section(lines: Sequence[str], start: int, end: int) -> Iterator[Hit]:
    head = _HEAD.match(lines[start])
    if not head:
        yield from _one_line_each(lines, start, end)
        return
    rows = lines[start + 1 : end]
    places = [match for row in rows if (match := _PLACE.match(row))]
    if places:
        message = _message(rows) or places[-1]["rest"] or ""
        finding = Finding(
            places=tuple(_at(match) for match in reversed(places)),
            message=message,
            title=head["name"],
            details=text(rows),
        )
        yield Hit(first=start, last=end - 1, finding=finding)


def _one_line_each(lines: Sequence[str], start: int, end: int) -> Iterator[Hit]:
    """``--tb=line``: no sections, a place and what was wrong."""
    for index in range(start + 1, end):
        match = _PLACE.match(lines[index])
        if match and ": " in (match["rest"] or ""):
            finding = Finding(places=(_at(match),), message=match["rest"], title="pytest")
            yield Hit(first=index, last=index, finding=finding)


def _message(rows: Sequence[str]) -> str:
    said = [match["text"] or "" for row in rows if (match := _WRONG.match(row))]
    return text(said).strip()


def _at(match: re.Match[str]) -> Place:
    return Place(path=match["path"], line=int(match["line"]))


MATCHER = Matcher(name="pytest", find=find, documentation="pytest (long, short, line)")
