"""Workflow commands: ``::error file=app.py,line=1,title=Oops::message``.

Many tools print them when told that they run in GitHub Actions.
https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ghapp.core.annotations import Finding, Level, Place
from ghapp.core.matchers._matcher import Hit, Matcher

_COMMAND: Final = re.compile(r"(?i)^\s*::(error|warning|notice) ([^\n]*?)::(.*)$")
_LEVELS: Final = {
    "error": Level.FAILURE,
    "warning": Level.WARNING,
    "notice": Level.NOTICE,
}


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """Every command that names a file; what has none stays in the log."""
    for index, line in enumerate(lines):
        command = _COMMAND.match(line)
        properties = _properties(command[2]) if command else {}
        if command and properties.get("file"):
            finding = Finding(
                places=(_place(properties),),
                level=_LEVELS[command[1].lower()],
                message=_unescape(command[3]),
                title=properties.get("title", ""),
            )
            yield Hit(first=index, last=index, finding=finding)


def _properties(listed: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in listed.split(","))
    return {
        name.strip().lower(): _unescape(value.strip(), colon_and_comma=True)
        for name, _, value in pairs
    }


def _unescape(value: str, *, colon_and_comma: bool = False) -> str:
    """As the runner does: in properties two more are escaped, and the percent sign comes last."""
    if colon_and_comma:
        value = value.replace("%3A", ":").replace("%2C", ",")
    return value.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def _place(properties: Mapping[str, str]) -> Place:
    def number(name: str) -> int | None:
        value = properties.get(name, "")
        return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None

    return Place(
        path=properties["file"],
        line=number("line") or 1,
        end_line=number("endline"),
        column=number("col"),
        end_column=number("endcolumn"),
    )


MATCHER = Matcher(
    name="commands", find=find, documentation="GitHub's `::error file=…,line=…::message` commands"
)
