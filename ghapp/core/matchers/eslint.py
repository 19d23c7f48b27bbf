"""ESLint: stylish (a file, then its problems indented) and unix (a line each, as gcc nearly)."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Finding, Level, Place
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, level, place

_FILE: Final = re.compile(r"^(?P<path>(?:[A-Za-z]:)?[^\s:][^:]{0,500}\.\w{1,10})$")
_PROBLEM: Final = re.compile(
    rf"^\s+{LINE}:{COLUMN}\s+(?P<level>error|warning)\s+(?P<message>\S.*)$"
)
_RULE: Final = re.compile(r"\s{2,}(?P<rule>[@\w/.-]{1,200})$")
_UNIX: Final = re.compile(
    rf"^{PATH}:{LINE}:{COLUMN}: (?P<message>.*) "
    r"\[(?P<level>Error|Warning)(?:/(?P<rule>[^\]\s]+))?\]$"
)


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Each problem of either format."""
    path = ""
    for index, line in enumerate(lines):
        problem = _PROBLEM.match(line) if path else None
        unix = _UNIX.match(line)
        if problem:
            where = place(problem, path=path)
            said, rule = _split(problem["message"])
            yield _hit(index, where, problem["level"], said, rule)
        elif unix:
            yield _hit(index, place(unix), unix["level"], unix["message"], unix["rule"] or "")
        else:
            file = _FILE.match(line)
            path = file["path"] if file else ""


def _split(message: str) -> tuple[str, str]:
    """The message and the rule behind it; a syntax error has no rule."""
    rule = _RULE.search(message)
    return (message[: rule.start()], rule["rule"]) if rule else (message, "")


def _hit(index: int, where: Place, word: str, said: str, rule: str) -> Hit:
    found: Level = level(word)
    finding = Finding(places=(where,), level=found, message=said, title=rule or "ESLint")
    return Hit(first=index, last=index, finding=finding)


MATCHER = Matcher(name="eslint", find=find, documentation="ESLint (stylish, unix)")
