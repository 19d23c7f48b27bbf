"""What the logs of a failed run say on its check: when they are wanted, and what is made of them.

The verdict never waits for the logs. It is told at once, and the same check is told once more when
they are read: a failing run costs one PATCH more (four requests, queued to the end), while holding
the verdict back would cost every failing run the time that its cluster takes to find a log, and all
of a node's time-outs where the node is gone, which is why many runs fail. If the logs are read
before the verdict got through (GitHub is slow, or says to wait), the newer state replaces the
older, and both are one request.

Nothing here reads anything; `sinks.logs` does.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ghapp.core import logtext, markdown, matchers
from ghapp.core.annotations import Annotation, Annotations, Finding, Place, Roots, collect
from ghapp.core.effects import Check, ReadLogs
from ghapp.core.logtext import StepLog
from ghapp.core.mask import Mask
from ghapp.core.model import Milestone, Observation, Phase
from ghapp.core.seen import Excerpt, Seen

ANNOTATION_BYTES: Final = 256 * 1024
"""Of all annotations of a check together: the row of the run carries them."""

# --- what is owed -------------------------------------------------------------------------------

_TROUBLE: Final = frozenset({Phase.FAILED, Phase.ERRORED})


def wanted(before: Seen, look: Observation) -> ReadLogs | None:
    """The wish to read the logs: once an attempt, when it turns out that it went wrong.

    Without a commit there is no check that could show them.
    """
    told = Milestone.FINISHED in before.told
    if told or look.phase not in _TROUBLE or not look.logs or look.revision is None:
        return None
    return ReadLogs(subject=look.subject, logs=look.logs, attempt=before.attempt)


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


def compose(pieces: Sequence[Piece], secrets: Iterable[str], warnings: Sequence[str]) -> Excerpt:
    """Masked first, then cut and folded, and searched for findings on files."""
    texts = [_cleaned(piece) for piece in pieces]
    mask = Mask(secrets)
    for text in texts:
        mask = mask.learn(text)  # before any is masked: a value declared in one may be in another
    masked = [mask.apply(text) for text in texts]
    found = _annotations(pieces, masked, mask)
    head = "".join(f"⚠️ {markdown.text(mask.apply(warning), 500)}\n\n" for warning in warnings)
    foot = f"{found.note}\n" if found.note else ""
    steps = [_step(piece, text, mask) for piece, text in zip(pieces, masked, strict=True)]
    room = logtext.BUDGET - len((head + foot).encode())
    return Excerpt(text=head + logtext.fold(steps, room) + foot, annotations=found.shown)


def _cleaned(piece: Piece) -> str:
    whole = logtext.inner_lines(piece.raw, begun=not piece.cut, ended=True)
    return logtext.clean(logtext.decode(whole))


def _step(piece: Piece, text: str, mask: Mask) -> StepLog:
    note = piece.note
    if not note and not text.strip():
        note = _ONE_LINE if piece.cut else _NOTHING
    return StepLog(
        name=mask.apply(piece.name),
        text=text,
        failed=True,
        detail=mask.apply(piece.detail),
        note=mask.apply(note),
    )


_NOTHING: Final = "It wrote nothing, or its log was rotated away."
_ONE_LINE: Final = "The end of its log is one line that is too long to be shown."


def _annotations(pieces: Sequence[Piece], texts: Sequence[str], mask: Mask) -> Annotations:
    findings: list[Finding] = []
    for piece, text in zip(pieces, texts, strict=True):
        findings += [_placed(found, piece.workdir) for found in matchers.scan(text, mask=mask)]
    roots = Roots(prefixes=_roots(pieces))
    return _within(collect(findings, mask=mask, roots=roots), ANNOTATION_BYTES)


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


def _roots(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """Where the repository may lie: a working directory outside the workspaces is its top."""
    folders = dict.fromkeys(f"{piece.workdir.rstrip('/')}/" for piece in pieces)
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
