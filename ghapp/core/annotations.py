"""Findings as annotations: what a tool said about a line of the repository, within GitHub's limits.

A finding (`core.matchers` read it from a log, `core.reports` from a report) names places as its
tool saw them. Here they become paths of the repository, or the finding is left out: GitHub takes an
annotation on any path and shows it nowhere. Texts are cleaned, masked and only then cut.

Limits: https://docs.github.com/en/rest/checks/runs — 50 annotations a request, message and
raw_details 64 KB, title 255 characters, columns only where a single line is meant.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote

from msgspec.structs import replace

from ghapp.core import logtext, markdown
from ghapp.core.mask import Mask
from ghapp.core.model import Value

BATCH: Final = 50
CAP: Final = 300
"""Annotations of one check: nobody reads more, and each batch is a request."""
TITLE_LIMIT: Final = 255
TEXT_LIMIT: Final = 64_000
"""Bytes of message and raw_details; "64 KB", whichever kilobyte is meant."""
_LAST_LINE: Final = 2**31 - 1


class Level(StrEnum):
    """How bad it is, as GitHub spells it."""

    FAILURE = "failure"
    WARNING = "warning"
    NOTICE = "notice"


class Place(Value, frozen=True, kw_only=True):
    """Where, as the tool wrote it."""

    path: str
    line: int = 1
    end_line: int | None = None
    column: int | None = None
    end_column: int | None = None


class Finding(Value, frozen=True, kw_only=True):
    """What a tool said."""

    places: tuple[Place, ...]
    """The best first: the first one that is in the repository counts."""
    level: Level = Level.FAILURE
    message: str
    title: str = ""
    details: str = ""


class Annotation(Value, frozen=True, kw_only=True):
    """What GitHub shows beside a line."""

    path: str
    start_line: int
    end_line: int
    start_column: int | None = None
    end_column: int | None = None
    level: Level
    message: str
    title: str = ""
    raw_details: str = ""
    count: int = 1
    """How often it was found."""


class Roots(Value, frozen=True, kw_only=True):
    """Where the repository lay when the tool ran."""

    prefixes: tuple[str, ...] = ()
    """Absolute folders, tried before the usual ones: ``/workspace/source``."""
    workdir: str = ""
    """The step's working directory, where it is known: relative paths begin there."""


class Annotations(Value, frozen=True, kw_only=True):
    """The worst ones, and how many more there are."""

    shown: tuple[Annotation, ...] = ()
    left_out: int = 0

    @property
    def note(self) -> str:
        """A sentence about those that are not shown; empty when all are."""
        if not self.left_out:
            return ""
        many = self.left_out > 1
        return f"{self.left_out:,} more annotation{'s are' if many else ' is'} not shown."


def collect(
    findings: Iterable[Finding], *, mask: Mask, roots: Roots | None = None, cap: int = CAP
) -> Annotations:
    """`findings` as annotations, failures first; the same words about a line are one."""
    unique: dict[tuple[str, int, str], Annotation] = {}
    for finding in findings:
        annotation = annotate(finding, mask=mask, roots=roots or Roots())
        if not annotation:
            continue
        words = " ".join(annotation.message.split()).rstrip(".")
        key = (annotation.path, annotation.start_line, words)
        unique[key] = _folded(unique[key], annotation) if key in unique else annotation
    ordered = sorted(unique.values(), key=lambda found: _RANK[found.level])
    return Annotations(shown=tuple(ordered[:cap]), left_out=max(len(ordered) - cap, 0))


_RANK: Final = {level: rank for rank, level in enumerate(Level)}


def annotate(finding: Finding, *, mask: Mask, roots: Roots) -> Annotation | None:
    """`finding` on a path of the repository, or None: it is about something else."""
    located = ((place, relative(place.path, roots)) for place in finding.places)
    place, path = next(((place, path) for place, path in located if path), (None, None))
    if not (place and path) or mask.apply(path) != path:
        return None
    start, end, column, end_column = _range(place)
    return Annotation(
        path=path,
        start_line=start,
        end_line=end,
        start_column=column,
        end_column=end_column,
        level=finding.level,
        message=_text(finding.message, mask).strip() or "(no message)",
        title=markdown.cut(" ".join(_text(finding.title, mask).split()), TITLE_LIMIT),
        raw_details=_text(finding.details, mask),
    )


def _folded(known: Annotation, again: Annotation) -> Annotation:
    worst = min(known.level, again.level, key=_RANK.__getitem__)
    return replace(known, level=worst, count=known.count + again.count)


def _range(place: Place) -> tuple[int, int, int | None, int | None]:
    """Lines from 1 up, the end not before the start; columns only within one line."""
    start = min(max(place.line, 1), _LAST_LINE)
    end = min(max(place.end_line or start, start), _LAST_LINE)
    column, last = place.column, place.end_column
    if start != end or column is None or not 1 <= column <= _LAST_LINE:
        return start, end, None, None
    return start, end, column, last if last and column <= last <= _LAST_LINE else None


def _text(foreign: str, mask: Mask) -> str:
    return markdown.cut_bytes(mask.apply(logtext.clean(foreign)).strip("\n"), TEXT_LIMIT)


# --- as requests --------------------------------------------------------------------------------


def batches(
    annotations: Sequence[Annotation], size: int = BATCH
) -> Iterator[tuple[Annotation, ...]]:
    """In order, at most `size` a request: a PATCH appends to what is there."""
    for at in range(0, len(annotations), size):
        yield tuple(annotations[at : at + size])


def body(annotation: Annotation) -> dict[str, Any]:
    """An annotation as an item of ``output.annotations``."""
    fields: dict[str, Any] = {
        "path": annotation.path,
        "start_line": annotation.start_line,
        "end_line": annotation.end_line,
        "start_column": annotation.start_column,
        "end_column": annotation.end_column,
        "annotation_level": annotation.level.value,
        "message": annotation.message,
        "title": _title(annotation) or None,
        "raw_details": annotation.raw_details or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _title(annotation: Annotation) -> str:
    if annotation.count == 1:
        return annotation.title
    times = f"({annotation.count} times)"
    title = markdown.cut(annotation.title, TITLE_LIMIT - len(times) - 1)
    return f"{title} {times}".strip()


# --- whose path it is ---------------------------------------------------------------------------

_USUAL_ROOTS: Final = re.compile(
    r"/workspace/[^/]+/(?=.)"  # a Tekton workspace
    r"|/workspace/(?=[^/]+\.[^/]+$)"  # a file at the top of a Job's volume
    r"|/github/workspace/|/home/runner/work/[^/]+/[^/]+/"  # GitHub Actions
    r"|/builds/[^/]+/[^/]+/"  # GitLab CI
)
_DRIVE: Final = re.compile(r"^/?[A-Za-z]:(?=/)")
_URL: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_FOREIGN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff<>|\"*?]")
_OTHERS: Final = frozenset({"..", "site-packages", "dist-packages", "node_modules", ".git"})
"""Folders in a workspace that no repository has: what was installed there."""
_PATH_LIMIT: Final = 1_000


def relative(path: str, roots: Roots) -> str | None:
    """`path` from the top of the repository, or None: it is outside, or nobody can tell."""
    plain = _plain(path)
    if plain is None:
        return None
    if not plain.startswith("/") and roots.workdir:
        plain = f"{roots.workdir.rstrip('/')}/{plain}"
    if plain.startswith("/"):
        plain = _inside(plain, roots)
    segments = [segment for segment in plain.split("/") if segment not in {"", "."}]
    if not segments or _OTHERS.intersection(segments):
        return None
    return "/".join(segments)


def _plain(path: str) -> str | None:
    """With slashes, without scheme and drive."""
    path = path.strip()
    if path[:7].lower() == "file://":
        path = unquote(path[7:]).removeprefix("localhost")
    if len(path) > _PATH_LIMIT or _URL.match(path) or _FOREIGN.search(path):
        return None
    if "\\" in path:
        path = path.replace("\\", "/")
    path = _DRIVE.sub("", path)
    while path.startswith("./"):
        path = path[2:]
    return path or None


def _inside(path: str, roots: Roots) -> str:
    """What follows the repository's folder; empty: it is not below one."""
    for prefix in roots.prefixes:
        folder = prefix.rstrip("/") + "/"
        if folder != "/" and path.startswith(folder):
            return path[len(folder) :]
    root = _USUAL_ROOTS.match(path)
    return path[root.end() :] if root else ""
