"""Go: build and vet (``file.go:line:column: message``), failed tests and panics.

`go test` names a file without its folder and tells the package only after its tests; the folder
follows from the import path, whose head is the module.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from ghapp.core.annotations import Finding, Place
from ghapp.core.matchers._frames import GO, frame
from ghapp.core.matchers._matcher import COLUMN, LINE, PATH, Hit, Matcher, block, place, text

_MESSAGE: Final = re.compile(rf"^(?:vet: )?{PATH}(?<=\.go):{LINE}:(?:{COLUMN}:)? (?P<message>.+)$")
_PACKAGE: Final = re.compile(r"^(?P<verdict>FAIL|ok  )\t(?P<path>\S{1,300})(?:\t| \[|$)")
_RUN: Final = re.compile(r"^\s*=== (?:RUN|CONT|NAME|PAUSE)\s+(?P<name>\S.*)$")
_RESULT: Final = re.compile(r"^\s*--- (?P<verdict>FAIL|PASS|SKIP): (?P<name>\S+) \(")
_LOGGED: Final = re.compile(
    r"^(?P<indent> +)(?P<file>[^\s:/]{1,200}\.go):(?P<line>[0-9]{1,9}): ?(?P<message>.*)$"
)
_PANIC: Final = re.compile(r"^(?:panic|fatal error): (?P<message>.*)$")
_OVER: Final = re.compile(r"^(?:FAIL|ok  )\t|^(?:panic|fatal error): ")
_TRACE: Final = re.compile(r"^\s*Error Trace:\s+(?P<path>/\S{1,500}\.go):(?P<line>[0-9]{1,9})")
_STACK_LIMIT: Final = 200
_FORGES: Final = frozenset({"github.com", "gitlab.com", "bitbucket.org", "codeberg.org"})


def find(lines: Sequence[str]) -> Iterator[Hit]:
    """All three."""
    return chain(_messages(lines), _tests(lines), _panics(lines))


def _messages(lines: Sequence[str]) -> Iterator[Hit]:
    for index, line in enumerate(lines):
        match = _MESSAGE.match(line)
        if match:
            more = block(lines, index + 1, lambda row: row.startswith("\t"))
            message = "\n".join([match["message"], *(row.strip() for row in more)])
            finding = Finding(places=(place(match),), message=message)
            yield Hit(first=index, last=index + len(more), finding=finding)


def _tests(lines: Sequence[str]) -> Iterator[Hit]:
    """A package's tests are known to have failed, and where it lies, at its last line."""
    start = 0
    for index, line in enumerate(lines):
        package = _PACKAGE.match(line)
        if package and package["verdict"] == "FAIL":
            yield from _logged(lines, start, index, folder=_folder(package["path"]))
        if package:
            start = index + 1


def _logged(lines: Sequence[str], start: int, end: int, *, folder: str) -> Iterator[Hit]:
    """What failed tests wrote; with -v the lines of passed ones stand among them."""
    results = [match for line in lines[start:end] if (match := _RESULT.match(line))]
    failed = {match["name"] for match in results if match["verdict"] == "FAIL"}
    test = ""
    for index in range(start, end):
        turn = _RUN.match(lines[index]) or _RESULT.match(lines[index])
        logged = _LOGGED.match(lines[index])
        if turn:
            test = turn["name"]
        elif logged and test in failed:
            yield _log_hit(lines, index, logged, test=test, folder=folder)


def _log_hit(
    lines: Sequence[str], index: int, logged: re.Match[str], *, test: str, folder: str
) -> Hit:
    deeper = logged["indent"] + "    "
    more = block(lines, index + 1, lambda row: row.startswith(deeper))
    message = "\n".join(part for part in (logged["message"], text(more)) if part)
    own = Place(path=f"{folder}{logged['file']}", line=int(logged["line"]))
    traced = [frame(match) for row in more if (match := _TRACE.match(row))]  # testify
    finding = Finding(places=(*traced, own), message=message, title=test)
    return Hit(first=index, last=index + len(more), finding=finding)


def _panics(lines: Sequence[str]) -> Iterator[Hit]:
    for index, line in enumerate(lines):
        panic = _PANIC.match(line)
        if not panic:
            continue
        stack = block(lines, index + 1, lambda row: not _OVER.match(row), _STACK_LIMIT)
        frames = tuple(frame(match) for row in stack if (match := GO.match(row)))
        if frames:
            finding = Finding(
                places=frames, message=line, title="panic", details=text(stack).strip()
            )
            yield Hit(first=index, last=index, finding=finding)


def _folder(package: str) -> str:
    """The folder of an import path, with a slash at its end; empty for the module's top.

    A module on a forge is ``host/owner/name``, elsewhere mostly ``host/name``; one without a dot in
    its first part is local and one part long. ``/v2`` belongs to the module, not to the folder.
    """
    parts = package.split("/")
    head = 3 if parts[0] in _FORGES else 2 if "." in parts[0] else 1
    rest = parts[head:]
    if rest and re.fullmatch(r"v[0-9]{1,3}", rest[0]):
        rest = rest[1:]
    return "".join(f"{part}/" for part in rest)


MATCHER = Matcher(name="go", find=find, documentation="go build, vet, test, panics; golangci-lint")
