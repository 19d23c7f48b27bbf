"""All runs of a commit as one table in Markdown: what is said below a pull request.

A row for each check, the newest run of each; what failed comes first. The comment begins with a
marker that nobody sees, by which it is found again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from ghapp.core import checks, markdown
from ghapp.core.effects import Check
from ghapp.core.model import Conclusion, Phase, without_credentials
from ghapp.core.moments import duration
from ghapp.core.seen import Seen

LIMIT: Final = 65_536
"""Of a comment; GitHub counts characters, and we bytes, of which there are never fewer."""
_TABLE_LIMIT: Final = 60_000
_URL_SAFE: Final = "/:?#@!$&*+,;=%~-._"
_HEAD: Final = ("| | Run | State | Duration |", "|---|---|---|---|")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How runs in one state look, and are counted."""

    rank: int
    icon: str
    word: str


_FAILED: Final = _Kind(0, "❌", "failed")
_ERRORED: Final = _Kind(1, "❗", "without a verdict")
_CANCELLED: Final = _Kind(2, "🚫", "cancelled")
_RUNNING: Final = _Kind(3, "🟡", "running")
_QUEUED: Final = _Kind(4, "⚪", "queued")
_SUCCEEDED: Final = _Kind(5, "✅", "succeeded")
_NEUTRAL: Final = _Kind(6, "⏭️", "skipped")
_CONCLUDED: Final = {
    Conclusion.SUCCESS: _SUCCEEDED,
    Conclusion.CANCELLED: _CANCELLED,
    Conclusion.NEUTRAL: _NEUTRAL,
    Conclusion.SKIPPED: _NEUTRAL,
}


def marker(name: str) -> str:
    """What a comment of this name begins with."""
    return f"<!-- checkrail.dev/runs {sha256(name.encode()).hexdigest()[:16]} -->"


def render(rows: Iterable[Seen], *, commit: str, name: str) -> str:
    """The comment; `rows` oldest first, and `name` is that of the marker."""
    runs = sorted(_newest(rows), key=lambda run: (_kind(run).rank, run[1].name))
    parts = [marker(name), f"{_counts(runs)} on {markdown.code(commit[:12])}", _table(runs)]
    return markdown.cut_bytes("\n\n".join(parts), LIMIT)


def summed_up(rows: Iterable[Seen], *, name: str, external_id: str) -> Check | None:
    """All runs of a commit as one check; None: there are none.

    A branch rule that requires this one check requires all of them, whatever they are called. What
    did not apply (neutral, skipped) is no obstacle, as with GitHub itself.
    """
    runs = sorted(_newest(rows), key=lambda run: (_kind(run).rank, run[1].name))
    if not runs:
        return None
    checks_ = [check for _, check in runs]
    done = all(check.status == "completed" for check in checks_)
    waiting = all(check.status == "queued" for check in checks_)
    ends = [check.completed_at for check in checks_ if check.completed_at]
    begins = [check.started_at for check in checks_ if check.started_at]
    return Check(
        name=name,
        external_id=external_id,
        status="completed" if done else "queued" if waiting else "in_progress",
        conclusion=_worst(runs) if done else None,
        title=_counts(runs),
        summary=markdown.cut_bytes(_table(runs), checks.OUTPUT_LIMIT),
        started_at=min(begins, default=None),
        completed_at=max(ends, default=None) if done else None,
    )


def _worst(runs: Sequence["_Run"]) -> Conclusion:
    """The runs come with the worst first."""
    kind = _kind(runs[0])
    if kind in (_FAILED, _ERRORED):
        return Conclusion.FAILURE
    return Conclusion.CANCELLED if kind is _CANCELLED else Conclusion.SUCCESS


_Run = tuple[Seen, Check]


def _newest(rows: Iterable[Seen]) -> Sequence[_Run]:
    """The run that each check is about now."""
    found = {row.series: (row, row.check) for row in rows if row.check is not None}
    return tuple(found.values())


def _kind(run: _Run) -> _Kind:
    row, check = run
    if check.status != "completed" or check.conclusion is None:
        return _QUEUED if check.status == "queued" else _RUNNING
    if row.look.phase is Phase.ERRORED:
        return _ERRORED
    return _CONCLUDED.get(check.conclusion, _FAILED)


def _counts(runs: Sequence[_Run]) -> str:
    """``❌ 1 failed · ✅ 3 succeeded``."""
    kinds = sorted((_kind(run) for run in runs), key=lambda kind: kind.rank)
    return " · ".join(
        f"{kind.icon} {kinds.count(kind)} {kind.word}" for kind in dict.fromkeys(kinds)
    )


def _table(runs: Sequence[_Run]) -> str:
    shown, left = list(_HEAD), _TABLE_LIMIT
    names = Counter(check.name for _, check in runs)
    for index, run in enumerate(runs):
        row = _row(run, alone=names[run[1].name] == 1)
        left -= len(row.encode()) + 1
        if left < 0:
            shown.append(f"| | … and {len(runs) - index} more | | |")
            break
        shown.append(row)
    return "\n".join(shown)


def _row(run: _Run, *, alone: bool) -> str:
    seen, check = run
    where = "" if alone else f" ({markdown.text(seen.look.subject.namespace, 63)})"
    title = markdown.text(without_credentials(check.title), checks.TITLE_LIMIT)
    return f"| {_kind(run).icon} | {_link(check)}{where} | {title} | {_took(check)} |"


def _link(check: Check) -> str:
    """Its page in angle brackets, where nothing but ``<``, ``>`` and line ends means anything."""
    name = markdown.text(check.name, checks.NAME_LIMIT)
    if not check.details_url.startswith(("https://", "http://")):
        return name
    return f"[{name}](<{quote(check.details_url, safe=_URL_SAFE)}>)"


def _took(check: Check) -> str:
    if not (check.started_at and check.completed_at):
        return ""
    return duration(check.completed_at - check.started_at)
