"""ruff in both formats, and what writes as it does: flake8, pycodestyle, pylint.

Concise is ``file:line:column: F401 message``; the full one puts the place below the message, as
rustc does, and then the source.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, place, text

_CODE: Final = r"(?P<code>[A-Z]{1,6}[0-9]{2,5}|invalid-syntax)"
_FIX: Final = r":? (?:\[\*\] )?"
_CONCISE: Final = re.compile(
    rf"^{PATH}(?<=\.py|pyi|ynb):{LINE}:(?:{COLUMN}:)? {_CODE}{_FIX}(?P<message>.*)$"
)
_HEAD: Final = re.compile(rf"^{_CODE}{_FIX}(?P<message>.*)$")
_ARROW: Final = re.compile(rf"^ *--> {PATH}:{LINE}:{COLUMN}$")
_SOURCE: Final = re.compile(r"^ *[0-9]* *[|+-]|^help: ")


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Each violation, in either format."""
    for index, line in enumerate(lines):
        head = _HEAD.match(line)
        arrow = _ARROW.match(lines[index + 1]) if head and index + 1 < len(lines) else None
        if head and arrow:
            source = block(lines, index + 2, _SOURCE.match)
            yield _hit(index, head, arrow, source)
        elif concise := _CONCISE.match(line):
            yield _hit(index, concise, concise, ())


def _hit(index: int, said: re.Match[str], where: re.Match[str], source: Sequence[str]) -> Hit:
    finding = Finding(
        places=(place(where),), message=said["message"], title=said["code"], details=text(source)
    )
    last = index + (0 if said is where else 1 + len(source))
    return Hit(first=index, last=last, finding=finding)


MATCHER = Matcher(name="ruff", find=find, documentation="ruff (full, concise), flake8, pylint")
