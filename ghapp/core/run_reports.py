"""The reports of a run: where they are, and what is made of them on its check.

A report is a result of the run or the whole log of one of its steps. What it says is foreign text
like any log: nothing of it gets out but its findings, which `annotations` masks when they are out
of their XML or JSON (an escaped secret is none that a mask would know), and its counts. So no word
of a broken report is repeated either.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from ghapp.core import reports
from ghapp.core.annotations import Finding
from ghapp.core.effects import ReportSource
from ghapp.core.model import LogSource, Observation, Phase
from ghapp.core.notification import Report, ReportFormat

REPORTS: Final = 10
"""Of one run: a step may be there several times, in a matrix."""
FINDINGS: Final = 2_000
"""Of all reports of a run."""

# --- where they are -------------------------------------------------------------------------------


def sources(look: Observation, declared: Sequence[Report]) -> tuple[ReportSource, ...]:
    """Where the reports of a run are. One that is missing is worth a word only if the run failed:
    then it tells that it did not come to its tests."""
    failed = look.phase in {Phase.FAILED, Phase.ERRORED}
    if not (failed or look.phase is Phase.SUCCEEDED):
        return ()
    found = (source for report in declared for source in _sources(look, report))
    return tuple(islice((one for one in found if failed or there(one)), REPORTS))


def there(source: ReportSource) -> bool:
    """Whether it is anywhere."""
    return source.text is not None or bool(source.parts)


def _sources(look: Observation, report: Report) -> Iterator[ReportSource]:
    if report.result:
        text = dict(look.results).get(report.result)
        parts = _one_of_each_pod(look.logs) if text is not None else ()
        yield ReportSource(format=report.format, name=report.result, text=text, parts=parts)
        return
    parts = steps_named(report.step, look.logs)
    for part in parts:
        name = shown_name(part.step, part.container)
        yield ReportSource(format=report.format, name=name, parts=(part,))
    if not parts:
        yield ReportSource(format=report.format, name=report.step)


def _one_of_each_pod(parts: Sequence[LogSource]) -> tuple[LogSource, ...]:
    return tuple({(part.pod, part.selector): part for part in parts}.values())


def steps_named(name: str, parts: Sequence[LogSource]) -> tuple[LogSource, ...]:
    """The parts that `name` means: ``task / step``, else a step, else the last step of a task.

    Of a Job's pods only the Job is known: there it is the name of a container.
    """
    called = (
        {(part.pod, part.container): part for part in parts if _full_name(part) == name},
        {(part.pod, part.container): part for part in parts if _step_name(part) == name},
        {part.pod: part for part in parts if part.step == name and part.container},
        {part.selector: _in_pods(part, name) for part in parts if not part.container},
    )
    return tuple(next((found for found in called if found), {}).values())


def _in_pods(part: LogSource, container: str) -> LogSource:
    return LogSource(step=part.step, pod=part.pod, selector=part.selector, container=container)


def _full_name(part: LogSource) -> str:
    return shown_name(part.step, part.container)


def _step_name(part: LogSource) -> str:
    return part.container.removeprefix("step-")


def shown_name(step: str, container: str) -> str:
    """Step and container, where the one does not say the other: ``test / unit``."""
    plain = container.removeprefix("step-")
    if not plain or plain == step:
        return step or plain
    return f"{step} / {plain}" if step else plain


# --- what they say --------------------------------------------------------------------------------


class ReportText(Struct, frozen=True, kw_only=True):
    """A report as it was read, or why there is none."""

    format: ReportFormat
    name: str
    raw: bytes = b""
    note: str = ""
    workdir: str = ""
    """Where the tool ran, if it is known."""


class Told(Struct, frozen=True, kw_only=True):
    """What a report says."""

    line: str
    """For a person; foreign words are in it."""
    findings: tuple[Finding, ...] = ()


_NAMES: Final[Mapping[ReportFormat, str]] = {"junit": "JUnit", "sarif": "SARIF"}


def read(report: ReportText) -> Told:
    """What it says; whatever is wrong with it is a sentence."""
    title = f"{_NAMES[report.format]} report {report.name}"
    if report.note:
        return Told(line=f"{title}: {report.note}")
    if not report.raw.strip():
        return Told(line=f"{title}: it is empty.")
    try:
        said, findings = _READERS[report.format](report.raw.strip())
    except reports.ReportError as error:
        return Told(line=f"{title} cannot be read: {error}.")
    return Told(line=f"{title}: {said}", findings=findings)


def _junit(raw: bytes) -> tuple[str, tuple[Finding, ...]]:
    report = reports.read_junit(raw)
    return report.summary, report.findings


def _sarif(raw: bytes) -> tuple[str, tuple[Finding, ...]]:
    report = reports.read_sarif(raw)
    return report.summary, report.findings


_READERS: Final[Mapping[ReportFormat, Callable[[bytes], tuple[str, tuple[Finding, ...]]]]] = {
    "junit": _junit,
    "sarif": _sarif,
}
