"""Where a stack trace points: frames of Python, Go, Java and JavaScript, the likeliest first."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ghapp.core.annotations import Place

PYTHON: Final = re.compile(r'^\s*(?:\|\s*)*File "(?P<path>[^"]{1,500})", line (?P<line>[0-9]{1,9})')
GO: Final = re.compile(r"^\s+(?P<path>/[^\s:]{1,500}\.go):(?P<line>[0-9]{1,9})(?: \+0x|$)")
JAVA: Final = re.compile(
    r"^\s*at (?:[\w.@-]{1,200}/{1,2})?(?P<class>[\w.$]{1,300})\.[\w$<>]{1,200}"
    r"\((?P<file>[\w$-]{1,200}\.(?:java|kt|scala|groovy)):(?P<line>[0-9]{1,9})\)"
)
JAVASCRIPT: Final = re.compile(
    r"^\s*at (?:.{1,300}? \()?(?P<path>(?:file://|[A-Za-z]:)?[^\s:()]{1,500})"
    r":(?P<line>[0-9]{1,9}):(?P<column>[0-9]{1,9})\)?$"
)
_PLAIN: Final = re.compile(
    r"^\s*(?P<path>[^\s:()]{1,500}\.[A-Za-z]{1,8}):(?P<line>[0-9]{1,9})(?=[:\s]|$)"
)
_TEST_CLASS: Final = re.compile(r"^(?:Test.*|.*(?:Tests?|TestCase|IT|Spec))$")
_FRAMES_LIMIT: Final = 50


def places(rows: Sequence[str]) -> tuple[Place, ...]:
    """The frames of a trace in any of these languages; for Java see `java`."""
    found = list(_places(rows))
    python = [place for place, last_is_best in found if last_is_best][::-1]
    others = [place for place, last_is_best in found if not last_is_best]
    return tuple((python + others)[:_FRAMES_LIMIT])


def _places(rows: Sequence[str]) -> Iterator[tuple[Place, bool]]:
    """Python names the innermost frame last, everybody else first."""
    for row in rows:
        match = PYTHON.match(row) or _PLAIN.match(row)
        if match:
            yield frame(match), True
            continue
        match = GO.match(row) or JAVASCRIPT.match(row)
        if match:
            yield frame(match), False


def frame(match: re.Match[str]) -> Place:
    """The place of one frame."""
    return Place(path=match["path"], line=int(match["line"]))


def java(rows: Sequence[str], *, test: str, base: str = "") -> tuple[Place, ...]:
    """The frames of a Java trace that belong to the tested code.

    A frame has no path, only a class and a file name: it is where Maven and Gradle have it, below
    `base`, the module's folder. Frames of the test's own package family count (the same first two
    parts); libraries would be found at paths that do not exist.
    """
    family = test.split(".")[:2]
    frames = [match for row in rows if (match := JAVA.match(row))]
    own = [match for match in frames if match["class"].split(".")[:2] == family]
    return tuple(_java_place(match, base) for match in own[:_FRAMES_LIMIT])


def _java_place(match: re.Match[str], base: str) -> Place:
    file = match["file"]
    stem, _, extension = file.rpartition(".")
    package = match["class"].rpartition(".")[0].replace(".", "/")
    tree = "test" if _TEST_CLASS.match(stem) else "main"
    language = {"kt": "kotlin"}.get(extension, extension)
    parts = [base.rstrip("/"), "src", tree, language, package, file]
    path = "/".join(part for part in parts if part)
    return Place(path=path, line=int(match["line"]))
