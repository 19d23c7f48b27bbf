"""JUnit's XML: which tests failed, and where, if a trace or an attribute says so.

It has no standard; the best description is https://github.com/testmoapp/junitxml. Expat reads it,
and a document type is refused: without one there are no entities, neither bombs nor files, so the
standard library's parser is enough.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.parsers import expat

from ghapp.core.annotations import Finding, Level, Place
from ghapp.core.matchers import _frames
from ghapp.core.model import Value
from ghapp.core.reports._report import FINDINGS_LIMIT, ReportError, bounded, named


class JUnitReport(Value, frozen=True, kw_only=True):
    """What tests said."""

    findings: tuple[Finding, ...]
    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    flaky: int = 0
    """Passed, but not at once."""

    @property
    def summary(self) -> str:
        """``12 tests: 9 passed, 2 failed, 1 skipped``."""
        bad = self.failures + self.errors
        counts = {
            "passed": self.tests - bad - self.skipped,
            "failed": self.failures,
            "in error": self.errors,
            "skipped": self.skipped,
            "flaky": self.flaky,
        }
        told = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
        return f"{self.tests:,} test{'' if self.tests == 1 else 's'}" + (
            f": {told}" if told else ""
        )


_DEPTH_LIMIT: Final = 50
_ROOTS: Final = frozenset({"testsuites", "testsuite"})
_VERDICTS: Final[Mapping[str, Level]] = {
    "failure": Level.FAILURE,
    "error": Level.FAILURE,
    "flakyFailure": Level.WARNING,
    "flakyError": Level.WARNING,
}
_NUMBER: Final = re.compile(r"[0-9]{1,9}")


def read_junit(raw: bytes) -> JUnitReport:
    """The test cases of a JUnit XML report; the counts are ours, not those it claims."""
    reading = _Reading()
    try:
        reading.parser.Parse(bounded(raw), True)
    except ReportError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ReportError(f"this is not XML: {error}") from error
    return reading.report()


class _Reading:
    """Expat's callbacks: where we are in the document, and what was read so far."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self._depth = 0
        self._base = ""
        self._file = ""
        self._suite = ""
        self._case: Mapping[str, str] = {}
        self._verdicts: set[str] = set()
        self._verdict: Mapping[str, str] | None = None
        self._text: list[str] = []
        self._findings: list[Finding] = []
        self._counts = dict.fromkeys(("tests", "failure", "error", "skipped", "flaky"), 0)

    def report(self) -> JUnitReport:
        """What was read."""
        return JUnitReport(
            findings=tuple(self._findings),
            tests=self._counts["tests"],
            failures=self._counts["failure"],
            errors=self._counts["error"],
            skipped=self._counts["skipped"],
            flaky=self._counts["flaky"],
        )

    def _doctype(self, *_: Any) -> None:
        raise ReportError("a JUnit report has no document type: entities are refused")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            raise ReportError(f"the report is nested deeper than {_DEPTH_LIMIT} elements")
        if self._depth == 1 and tag not in _ROOTS:
            raise ReportError(f"this is not JUnit: the document is a <{named(tag)}>")
        if tag == "testsuite":
            self._file, self._base = attributes.get("file", ""), ""
            self._suite = attributes.get("name", "")
        elif tag == "testcase":
            self._case, self._verdicts = attributes, set()
        elif tag == "property" and attributes.get("name") == "basedir":
            self._base = attributes.get("value", "")
        elif tag in _VERDICTS:
            self._verdict, self._text = attributes, []
        self._verdicts.add(tag)

    def _characters(self, text: str) -> None:
        if self._verdict is not None:
            self._text.append(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag == "testcase":
            self._count()
        elif tag in _VERDICTS and self._verdict is not None:
            if len(self._findings) < FINDINGS_LIMIT:
                self._findings += self._found(tag, self._verdict, "".join(self._text))
            self._verdict = None

    def _count(self) -> None:
        """A test case counts once, as the worst thing that is said of it."""
        self._counts["tests"] += 1
        flaky = self._verdicts & {"flakyFailure", "flakyError"}
        worst = next((one for one in ("error", "failure", "skipped") if one in self._verdicts), "")
        if worst or flaky:
            self._counts[worst or "flaky"] += 1

    def _found(self, tag: str, verdict: Mapping[str, str], text: str) -> Iterator[Finding]:
        case = self._case
        owner, name = case.get("classname", ""), case.get("name", "")
        said = self._attributes(verdict) or _eslint(self._suite, text)
        places = _places(said, text, test=f"{owner}.{name}", base=self._base)
        if places:
            yield Finding(
                places=places,
                level=_VERDICTS[tag],
                message=verdict.get("message") or text.strip().partition("\n")[0] or tag,
                title=f"{owner}.{name}".strip(".") or tag,
                details=text,
            )

    def _attributes(self, verdict: Mapping[str, str]) -> Place | None:
        """The file is said at the test, at its suite or at the failure itself."""
        said = {"file": self._file, **self._case, **verdict}
        line = said.get("line", said.get("lineno", ""))
        number = int(line) if _NUMBER.fullmatch(line) else 1
        return Place(path=said["file"], line=number) if said["file"] else None


def _eslint(suite: str, text: str) -> Place | None:
    """ESLint's form: the suite is the file, the text begins with the line."""
    at = re.match(r"line ([0-9]{1,9}), col ([0-9]{1,9}), ", text)
    return Place(path=suite, line=int(at[1]), column=int(at[2])) if at else None


def _places(said: Place | None, text: str, *, test: str, base: str) -> tuple[Place, ...]:
    """A trace in the file that is said is exact; attributes may name the test's first line."""
    rows: Sequence[str] = text.split("\n")[:2_000]
    traced = _frames.places(rows) + _frames.java(rows, test=test, base=base)
    if said is None:
        return traced
    same = tuple(place for place in traced if place.path.endswith(said.path))
    return (*same[:1], said, *traced)
