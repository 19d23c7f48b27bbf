"""Java and Kotlin: javac, Maven's compiler, Surefire's failed tests, kotlinc."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from ghapp.core.annotations import Finding
from ghapp.core.matchers import _frames
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, level, place, text

_JAVAC: Final = re.compile(
    rf"^{PATH}(?<=\.java|scala):{LINE}: (?P<level>error|warning): (?P<message>.*)$"
)
_CARET: Final = re.compile(r"^ *\^$")
_MAVEN: Final = re.compile(
    rf"^\[(?P<level>ERROR|WARNING)\] {PATH}:\[{LINE},{COLUMN}\] (?P<message>.*)$"
)
_KOTLIN: Final = re.compile(rf"^(?P<level>[ew]): {PATH}:{LINE}:{COLUMN} (?P<message>.*)$")
_OLD_KOTLIN: Final = re.compile(
    rf"^(?P<level>[ew]): {PATH}: \({LINE}, {COLUMN}\): (?P<message>.*)$"  # before Kotlin 1.9
)
_KOTLIN_LEVELS: Final = {"e": "error", "w": "warning"}
_MORE: Final = re.compile(r"^(?:\[ERROR\])? {2,}(?P<text>\S.*)$")
_FAILED: Final = re.compile(
    r"^\[ERROR\] +(?:(?P<method>[\w$]{1,200})\((?P<old>[\w.$]{1,300})\)|(?P<test>[\w.$]{1,300})\S*)"
    r"(?: --)? +Time elapsed: .* <<< (?:FAILURE|ERROR)!"
)
_MODULE: Final = re.compile(
    r"(?:^|\s|\[)(?P<base>/[^\s:]{0,400}?)/(?:src/(?:main|test)|target)(?=/)"
)
_TRACE_LIMIT: Final = 200


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """All of them."""
    return chain(_javac(lines), _one_liners(lines), _surefire(lines))


def _javac(lines: Sequence[str]) -> Iterator[Hit]:
    for index, line in enumerate(lines):
        match = _JAVAC.match(line)
        if not match:
            continue
        source = block(lines, index + 1, lambda row: row.startswith(" "), 8)
        caret = next((row for row in source if _CARET.match(row)), "")
        reasons = [row.strip() for row in source[2:]] if caret else []
        finding = Finding(
            places=(place(match, column=len(caret) or None),),
            level=level(match["level"]),
            message="\n".join([match["message"], *reasons]),
            details=text(source[:2]) if caret else "",
        )
        yield Hit(first=index, last=index + len(source), finding=finding)


def _one_liners(lines: Sequence[str]) -> Iterator[Hit]:
    for index, line in enumerate(lines):
        match = _MAVEN.match(line) or _KOTLIN.match(line) or _OLD_KOTLIN.match(line)
        if not match:
            continue
        more = block(lines, index + 1, _MORE.match, 8)
        word = _KOTLIN_LEVELS.get(match["level"], match["level"])
        said = [row["text"] for line in more if (row := _MORE.match(line))]
        finding = Finding(
            places=(place(match),), level=level(word), message="\n".join([match["message"], *said])
        )
        yield Hit(first=index, last=index + len(more), finding=finding)


def _surefire(lines: Sequence[str]) -> Iterator[Hit]:
    """A failed test's headline, the exception and its trace."""
    base = ""
    for index, line in enumerate(lines):
        module = _MODULE.search(line) if "/src/" in line or "/target/" in line else None
        base = module["base"] if module else base
        failed = _FAILED.match(line)
        if not failed:
            continue
        trace = block(lines, index + 1, lambda row: not row.startswith("["), _TRACE_LIMIT)
        name = failed["test"] or f"{failed['old']}.{failed['method']}"
        places = _frames.java(trace, test=name, base=base)
        if places:
            said = block(trace, 0, lambda row: not row.startswith("\tat "))
            finding = Finding(
                places=places, message=text(said) or name, title=name, details=text(trace)
            )
            yield Hit(first=index, last=index + len(trace), finding=finding)


MATCHER = Matcher(
    name="java", find=find, documentation="javac, Maven (compiler, Surefire), kotlinc"
)
