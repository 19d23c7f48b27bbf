"""What the logs of a run say on its check: when they are wanted, and what is made of them.

The verdict never waits for the logs. It is told at once, and the same check is told once more when
they are read: a failing run costs one PATCH more (four requests, queued to the end), while holding
the verdict back would cost every failing run the time that its cluster takes to find a log, and all
of a node's time-outs where the node is gone, which is why many runs fail. If the logs are read
before the verdict got through (GitHub is slow, or says to wait), the newer state replaces the
older, and both are one request.

Nothing here reads anything; `sinks.logs` does.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ghapp.core import logtext, markdown, matchers, problem_matcher, run_reports
from ghapp.core.annotations import Annotation, Annotations, Finding, Place, Roots, collect
from ghapp.core.effects import Check, ReadLogs
from ghapp.core.logtext import StepLog
from ghapp.core.mask import Mask
from ghapp.core.matchers._matcher import Matcher
from ghapp.core.model import LogSource, LogsWhen, Milestone, Observation, Phase
from ghapp.core.notification import LogSettings
from ghapp.core.run_reports import ReportText, Told
from ghapp.core.seen import Excerpt, Seen
from ghapp.errors import ConfigError

ANNOTATION_BYTES: Final = 256 * 1024
"""Of all annotations of a check together: the row of the run carries them."""

# --- what is owed -------------------------------------------------------------------------------

_TROUBLE: Final = frozenset({Phase.FAILED, Phase.ERRORED})


def wanted(before: Seen, look: Observation) -> ReadLogs | None:
    """The wish to read logs and reports: once an attempt, when it turns out how it ended.

    Without a commit there is no check that could show them.
    """
    settings = before.audience.presentation.logs
    when = look.logs_when or settings.when or "failed"
    if Milestone.FINISHED in before.told or not look.phase.finished:
        return None
    if when == "never" or look.revision is None:
        return None
    logs = _shown(look, when)
    reports = run_reports.sources(look, settings.reports or ())
    if not (logs or any(map(run_reports.there, reports))):
        return None
    return ReadLogs(
        subject=look.subject,
        logs=logs,
        reports=reports,
        attempt=before.attempt,
        settings=settings,
    )


def _shown(look: Observation, when: LogsWhen) -> tuple[LogSource, ...]:
    """The failing parts of a run that failed; of one whose logs are always shown all, these first.

    The adapter puts them first.
    """
    if when == "always":
        return look.logs
    failing = tuple(source for source in look.logs if source.failed)
    return failing if look.phase in _TROUBLE else ()


def enriched(before: Seen, excerpt: Excerpt, *, attempt: int) -> Seen | None:
    """The row with what its logs say; None: it is there already, or about another attempt."""
    if before.attempt != attempt or before.check is None or before.excerpt == excerpt:
        return None
    return replace(before, excerpt=excerpt, version=before.version + 1, serial=before.serial + 1)


def dressed(check: Check, excerpt: Excerpt | None) -> Check:
    """`check` with the logs under it. The row keeps both apart: the text is long."""
    return replace(check, text=excerpt.text) if excerpt else check


# --- what the logs say --------------------------------------------------------------------------


class Piece(Struct, frozen=True, kw_only=True):
    """The log of one container as it was read, or why there is none."""

    name: str
    """Step and container."""
    raw: bytes = b""
    cut: bool = False
    """It does not begin at the beginning of a line."""
    detail: str = ""
    note: str = ""
    workdir: str = ""
    failed: bool = True


AS_USUAL: Final = LogSettings()


def compose(
    pieces: Sequence[Piece],
    secrets: Iterable[str],
    warnings: Sequence[str],
    *,
    reports: Sequence[ReportText] = (),
    settings: LogSettings = AS_USUAL,
) -> Excerpt:
    """Masked first, then cut and folded, and searched for findings on files."""
    texts = [_cleaned(piece) for piece in pieces]
    mask = Mask(secrets)
    for text in (*texts, *(logtext.clean(logtext.decode(report.raw)) for report in reports)):
        mask = mask.learn(text)  # before any is masked: a value declared in one may be in another
    masked = [mask.apply(text) for text in texts]
    told = [(report, run_reports.read(report)) for report in reports]
    own, notes = _matchers(settings, masked)
    found = _annotations(pieces, masked, mask, own=own, reports=told)
    head = _head(mask, ("⚠️", (*warnings, *notes)), ("📋", [one.line for _, one in told]))
    foot = f"{found.note}\n" if found.note else ""
    steps = [_step(piece, text, mask, settings) for piece, text in zip(pieces, masked, strict=True)]
    room = logtext.BUDGET - len((head + foot).encode())
    return Excerpt(text=head + logtext.fold(steps, room) + foot, annotations=found.shown)


def _head(mask: Mask, *groups: tuple[str, Iterable[str]]) -> str:
    """Sentences with an icon, a paragraph each."""
    return "".join(
        f"{icon} {markdown.text(mask.apply(sentence), 500)}\n\n"
        for icon, sentences in groups
        for sentence in sentences
    )


def _matchers(
    settings: LogSettings, texts: Sequence[str]
) -> tuple[tuple[Matcher, ...], tuple[str, ...]]:
    """Those of the configuration that these logs can be searched with, and what is wrong with the
    others: a log is written by whoever can open a pull request."""
    own: list[Matcher] = []
    notes: list[str] = []
    for document in settings.matchers or ():
        try:
            own.append(problem_matcher.matcher(document))
        except ConfigError as error:
            notes.append(f"{error}.")
    served, others = matchers.within(own, texts, problem_matcher.WORK)
    notes += [_TOO_LONG.format(matcher.name) for matcher in others]
    return served, tuple(notes)


_TOO_LONG: Final = "The problem matcher {} was left out: on this log it might take too long."


def _cleaned(piece: Piece) -> str:
    whole = logtext.inner_lines(piece.raw, begun=not piece.cut, ended=True)
    return logtext.clean(logtext.decode(whole))


def _step(piece: Piece, text: str, mask: Mask, settings: LogSettings) -> StepLog:
    note = piece.note
    if not note and not text.strip():
        note = _ONE_LINE if piece.cut else _NOTHING
    return StepLog(
        name=mask.apply(piece.name),
        text=text,
        failed=piece.failed,
        detail=mask.apply(piece.detail),
        note=mask.apply(note),
        lines=settings.lines or logtext.LINES,
        length=settings.line_length,
    )


_NOTHING: Final = "It wrote nothing, or its log was rotated away."
_ONE_LINE: Final = "The end of its log is one line that is too long to be shown."


def _annotations(
    pieces: Sequence[Piece],
    texts: Sequence[str],
    mask: Mask,
    *,
    own: Sequence[Matcher],
    reports: Sequence[tuple[ReportText, Told]],
) -> Annotations:
    findings = list(_reported(reports))
    for piece, text in zip(pieces, texts, strict=True):
        found = matchers.scan(text, mask=mask, own=own)
        findings += [_placed(finding, piece.workdir) for finding in found]
    workdirs = [piece.workdir for piece in pieces] + [report.workdir for report, _ in reports]
    roots = Roots(prefixes=_roots(workdirs))
    return _within(collect(findings, mask=mask, roots=roots), ANNOTATION_BYTES)


def _reported(reports: Iterable[tuple[ReportText, Told]]) -> Iterator[Finding]:
    """What the reports found, as much as one can bear."""
    found = (
        _placed(finding, report.workdir) for report, told in reports for finding in told.findings
    )
    return islice(found, run_reports.FINDINGS)


def _placed(finding: Finding, workdir: str) -> Finding:
    """Relative paths begin where the step did, unless that is only where Tekton puts steps."""
    if workdir.rstrip("/") in {"", _WORKSPACES}:
        return finding
    return replace(finding, places=tuple(_absolute(place, workdir) for place in finding.places))


def _absolute(place: Place, workdir: str) -> Place:
    first = place.path[:1]
    if first in {"/", "\\"} or "://" in place.path or place.path[1:2] == ":":
        return place
    return replace(place, path=f"{workdir.rstrip('/')}/{place.path.removeprefix('./')}")


_WORKSPACES: Final = "/workspace"


def _roots(workdirs: Iterable[str]) -> tuple[str, ...]:
    """Where the repository may lie: a working directory outside the workspaces is its top."""
    folders = dict.fromkeys(f"{workdir.rstrip('/')}/" for workdir in workdirs)
    return tuple(one for one in folders if one != "/" and not one.startswith(f"{_WORKSPACES}/"))


def _within(found: Annotations, limit: int) -> Annotations:
    """The worst ones that fit."""
    kept: list[Annotation] = []
    for annotation in found.shown:
        limit -= len(annotation.message.encode()) + len(annotation.raw_details.encode()) + 300
        if limit < 0:
            break
        kept.append(annotation)
    left_out = found.left_out + len(found.shown) - len(kept)
    return Annotations(shown=tuple(kept), left_out=left_out)
