"""A step's log as people can read it: what a terminal would show, its end, within a byte budget.

The order matters where secrets are near: `decode`, `clean`, then `mask.Mask.apply` on the whole
text, and only then `tail` and `fold`, which cut. Who masks after a cut leaves half a secret. That
is why nothing here that runs after the mask ever removes a character and so joins two halves.

Escape sequences: ECMA-48, https://ecma-international.org/publications-and-standards/standards/ecma-48/
and hyperlinks, https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda
"""

import codecs
import html
import re
from collections.abc import Sequence
from typing import Final

from ghapp.core import markdown
from ghapp.core.model import Value

LINES: Final = 500
"""Lines of one step that are shown."""
WIDTH: Final = 2_000
"""Bytes of one line; what is longer loses its middle."""
BUDGET: Final = 65_535
"""Bytes of one step, and of GitHub's ``output.text``."""


class StepLog(Value, frozen=True, kw_only=True):
    """The log of one step, cleaned and masked, or the reason why there is none."""

    name: str
    text: str = ""
    failed: bool = False
    detail: str = ""
    """The source's own words about the step: ``exit code 2``."""
    note: str = ""
    """A sentence in plain text: why the log is missing or where it was cut."""
    lines: int = LINES
    """That are shown, from its end."""
    length: int | None = None
    """Characters of a line; what is longer loses its middle. None: only bytes count."""


def fold(steps: Sequence[StepLog], limit: int = BUDGET) -> str:
    """`steps` as Markdown of at most `limit` bytes: a section each, failing ones open and first.

    Failing steps share three quarters of the room, the others what is left; none gets more than it
    needs. Steps for which not even a few lines fit are counted in a last sentence.
    """
    ordered = [_Section(step) for step in sorted(steps, key=lambda step: not step.failed)]
    fitting = _fitting(ordered, limit)
    if len(fitting) < len(ordered):
        fitting = _fitting(ordered, limit - _MORE_ROOM)
    more = len(ordered) - len(fitting)
    note = f"… and {more} more step{'s' if more > 1 else ''}.\n" if more else ""
    room = limit - (_MORE_ROOM if more else 0) - sum(part.overhead for part in fitting)
    rooms = _rooms([(part.step.failed, part.need) for part in fitting], room)
    folded = "".join(part.render(room) for part, room in zip(fitting, rooms, strict=True)) + note
    return folded if len(folded.encode()) <= limit else ""  # not even the sentence fits


def decode(raw: bytes) -> str:
    """UTF-8 that may begin and end anywhere: a character cut at an end is left out."""
    start = next((at for at in range(min(3, len(raw))) if raw[at] & 0xC0 != 0x80), min(3, len(raw)))
    text, _ = codecs.utf_8_decode(raw[start:], "replace", False)
    return text


def inner_lines(raw: bytes, *, begun: bool, ended: bool) -> bytes:
    """Without the half line at an end where the log was cut: it may hold half a secret.

    `begun` says that the first byte is the log's first, `ended` that the last is its last.
    """
    if b"\n" not in raw and not (begun and ended):
        return b""
    start = 0 if begun else raw.find(b"\n") + 1
    return raw[start:] if ended else raw[start : raw.rfind(b"\n") + 1]


# --- what a terminal would show -----------------------------------------------------------------

_TO_COLUMN_ONE: Final = re.compile(r"(?:\x1b\[|\x9b)[01]?G")
# A string (OSC, DCS, ...) that does not end in its line shows its text; a terminal would swallow it
# up to the next end of a string, but a log must not be hidden by one stray escape.
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?:[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|\Z))?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNSHOWABLE: Final = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` as a terminal would leave it: colours gone, progress bars at their last state."""
    text = _ESCAPES.sub("", _TO_COLUMN_ONE.sub("\r", text)).replace("\r\n", "\n")
    if "\r" in text or "\b" in text:
        text = "\n".join(_erased(_overwritten(line)) for line in text.split("\n"))
    return _UNSHOWABLE.sub("\ufffd", _CONTROL.sub("", text))


def _overwritten(line: str) -> str:
    """What the last carriage return left; a terminal would also keep longer leftovers."""
    if "\r" not in line:
        return line
    states = [state for state in line.split("\r") if state.strip()]
    return states[-1] if states else ""


def _erased(line: str) -> str:
    if "\b" not in line:
        return line
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)


# --- the end of it, within limits ---------------------------------------------------------------

_CUT: Final = " … {:,} bytes … "
_EARLIER: Final = "[… {:,} earlier lines …]"
_MARK_ROOM: Final = 48
"""Bytes that either mark needs at most."""
_GROUP: Final = re.compile(r"(?i)^(\s*)(?:##\[|::)(group|section)(?:\]|::)\s*(.*)$")
_END_GROUP: Final = re.compile(r"(?i)^\s*(?:##\[|::)endgroup(?:\]|::)\s*$")


def tail(text: str, *, lines: int = LINES, width: int = WIDTH, budget: int = BUDGET) -> str:
    """The last lines of `text`, at most `budget` bytes in all; what is left out is counted."""
    rows = [row for row in text.rstrip("\n").split("\n") if not _END_GROUP.match(row)]
    shown = [cut_middle(_readable(row), min(width, budget)) for row in rows[-max(lines, 1) :]]
    if len(rows) == len(shown) and sum(_size(row) + 1 for row in shown) <= budget + 1:
        return "\n".join(shown)
    room = budget - _MARK_ROOM
    kept = _last(shown, room)
    if not kept:
        return cut_middle(shown[-1], budget)
    earlier = len(rows) - len(kept)
    return "\n".join([_EARLIER.format(earlier), *kept] if earlier else kept)


def _last(rows: Sequence[str], room: int) -> list[str]:
    kept: list[str] = []
    for row in reversed(rows):
        room -= _size(row) + 1
        if room < 0:
            break
        kept.append(row)
    return kept[::-1]


def _readable(row: str) -> str:
    """A group's command line as its title."""
    group = _GROUP.match(row)
    return f"{group[1]}▸ {group[3]}" if group else row


def cut_middle(line: str, limit: int) -> str:
    """At most `limit` bytes of `line`: its two ends, and between them how much is missing."""
    encoded = line.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode()
    keep = limit - _MARK_ROOM
    if keep < 2:
        return encoded[: max(limit, 0)].decode("utf-8", "ignore")
    head = encoded[: keep - keep // 2].decode("utf-8", "ignore")
    end = encoded[len(encoded) - keep // 2 :].decode("utf-8", "ignore")
    return head + _CUT.format(len(encoded) - _size(head) - _size(end)) + end


def shorten(text: str, length: int) -> str:
    """`text` with at most `length` characters in each line: its two ends, and a mark."""
    return "\n".join(_shortened(row, length) for row in text.split("\n"))


def _shortened(row: str, length: int) -> str:
    if len(row) <= length:
        return row
    keep = length - 1
    return f"{row[: keep - keep // 2]}…{row[len(row) - keep // 2 :]}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


# --- as Markdown --------------------------------------------------------------------------------

_MORE_ROOM: Final = 48
"""Bytes of the sentence about the steps that did not fit."""
_ENOUGH: Final = 200
"""Bytes of a log below which a section is not worth its frame."""
_NAME_LIMIT: Final = 120
_NOTE_LIMIT: Final = 500
_TICKS: Final = re.compile(r"`{33,}")
_JOINER: Final = "\u2060"
_LIVE: Final = re.compile(r"(@)(?=[\w-])|(#)(?=\d)|(?i:\b(?:https?|ftp|mailto|www)(?=[:.]))")


class _Section:
    """One step's `<details>`: a frame of known size around a body that can be cut to any size."""

    def __init__(self, step: StepLog) -> None:
        self.step = step
        # Not removed but replaced: what was masked must not grow together again.
        body = _TICKS.sub("`" * 32 + "…", _shown(step.text).strip("\n"))
        body = shorten(body, step.length) if step.length else body
        self._body = body
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
        note = f"<p>{_inline(step.note, _NOTE_LIMIT)}</p>\n\n" if step.note else ""
        self._head = f"{_opening(step)}\n\n{note}" + (f"{fence}\n" if body else "")
        self._foot = (f"\n{fence}\n\n" if body else "") + "</details>\n\n"
        self.overhead = _size(self._head) + _size(self._foot)
        self.need = _needed(body, step.lines)

    def render(self, room: int) -> str:
        """At most ``overhead + room`` bytes."""
        shown = tail(self._body, lines=self.step.lines, budget=room) if self._body else ""
        return self._head + shown + self._foot


def _needed(body: str, lines: int) -> int:
    """Bytes of what is shown of `body` at the most."""
    rows = body.split("\n")
    more = len(rows) > lines
    return _size("\n".join(rows[-lines:])) + 1 + _MARK_ROOM if more else _size(body)


def _opening(step: StepLog) -> str:
    icon = "❌ " if step.failed else ""
    detail = f" · {_inline(step.detail)}" if step.detail else ""
    name = f"<code>{_inline(step.name)}</code>"
    return f"<details{' open' if step.failed else ''}><summary>{icon}step {name}{detail}</summary>"


def _inline(foreign: str, limit: int = _NAME_LIMIT) -> str:
    """`foreign` inside an HTML element: no tag, no ping, no link, one line."""
    line = markdown.cut(" ".join(_shown(foreign).split()), limit)
    return html.escape(_LIVE.sub(lambda match: match[0] + _JOINER, line))


def _shown(foreign: str) -> str:
    return _UNSHOWABLE.sub("\ufffd", markdown.plain(foreign))


def _fitting(parts: Sequence[_Section], limit: int) -> list[_Section]:
    """The first sections whose frames and a few lines fit."""
    kept: list[_Section] = []
    for part in parts:
        limit -= part.overhead + min(part.need, _ENOUGH)
        if limit < 0:
            break
        kept.append(part)
    return kept


def _rooms(needs: Sequence[tuple[bool, int]], room: int) -> list[int]:
    """How many bytes each gets, in order: (failed, need) in, rooms out."""
    failed = [need for bad, need in needs if bad]
    others = [need for bad, need in needs if not bad]
    for_others = max(min(sum(others), room // 4), room - sum(failed))
    for_others = min(for_others, sum(others))
    return _shares(failed, room - for_others) + _shares(others, for_others)


def _shares(needs: Sequence[int], room: int) -> list[int]:
    """`room` divided fairly: who needs less than an equal share leaves the rest to the others."""
    shares = [0] * len(needs)
    for served, index in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        shares[index] = min(needs[index], room // (len(needs) - served))
        room -= shares[index]
    return shares
