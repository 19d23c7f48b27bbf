"""Python's tracebacks: the innermost frame that is in the repository, and the exception."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding, Place
from ghapp.core.matchers._frames import PYTHON, frame
from ghapp.core.matchers._matcher import Hit, Matcher, text

_FRAMES: Final = 500
"""Lines of one traceback that are read."""
_EXCEPTION: Final = re.compile(r"^(?P<name>[A-Za-z_][\w.]{0,200})(?::|$)")


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Each traceback; a syntax error has frames, but no line that announces them."""
    index = 0
    while index < len(lines):
        if not PYTHON.match(lines[index]):
            index += 1
            continue
        end = _end(lines, index)
        hit = _hit(lines, index, end)
        if hit:
            yield hit
        index = max(end, index + 1)


def _end(lines: Sequence[str], start: int) -> int:
    """The first line after `start` that is neither a frame nor indented below one."""
    for index in range(start, min(start + _FRAMES, len(lines))):
        if lines[index][:1] not in {" ", "|"}:
            return index
    return min(start + _FRAMES, len(lines))


def _hit(lines: Sequence[str], start: int, end: int) -> Hit | None:
    """The lines before `end` are the frames; the one at `end` is the exception."""
    exception = _EXCEPTION.match(lines[end]) if end < len(lines) else None
    if not exception:
        return None
    frames = [match for row in lines[start:end] if (match := PYTHON.match(row))]
    places: tuple[Place, ...] = tuple(frame(match) for match in reversed(frames))
    finding = Finding(
        places=places,
        message=lines[end],
        title=exception["name"].rpartition(".")[2],
        details=text(lines[start : end + 1]),
    )
    return Hit(first=start, last=end, finding=finding)


MATCHER = Matcher(name="python", find=find, rank=1, documentation="Python tracebacks")
