"""When each step of a run ran, as a picture: what waited for what, and where the time went.

GitHub takes a picture from an address and keeps it, so all that is drawn is in the address: any
replica can draw it, for ever, and nothing has to be looked up. It holds no more than the check says
beside it, and whoever makes an address up sees what they wrote.

    /timeline.svg?of=3&s=0.62.s.build&s=62.151.f.test     from second 0 to 62, succeeded, build
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from html import escape
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from ghapp.core.model import Observation, Phase, Step
from ghapp.core.moments import duration

PATH: Final = "/timeline.svg"
BARS: Final = 24
"""Of more steps the longest are drawn: GitHub doubles an address in its own, which has a limit."""
NAME_LIMIT: Final = 32
_LONGEST: Final = 10_000_000
"""Seconds; four months."""

_STATES: Final = {
    "s": ("✓", "succeeded"),
    "f": ("✗", "failed"),
    "e": ("!", "without a verdict"),
    "c": ("⊘", "cancelled"),
    "t": ("✗", "failed, and that does not matter"),
}
"""By letter: a mark for those who see no colours, and the word for it."""
_LETTER: Final = {
    Phase.SUCCEEDED: "s",
    Phase.FAILED: "f",
    Phase.ERRORED: "e",
    Phase.CANCELLED: "c",
}


class Bar(Struct, frozen=True, order=True):
    """A step: seconds since the first one began, and how it ended."""

    start: int
    end: int
    state: str
    name: str


class Timeline(Struct, frozen=True):
    """Steps by their begin."""

    bars: tuple[Bar, ...]
    steps: int
    """That there are in all."""


def timeline(look: Observation) -> Timeline | None:
    """Of a run that is over; None where a picture would say no more than the table does."""
    ran = [step for step in look.steps if step.started and step.finished]
    if not look.phase.finished or len(ran) < 2:
        return None
    bars = sorted(_bars(ran), key=lambda bar: bar.start - bar.end)[:BARS]
    if not 0 < max(bar.end for bar in bars) <= _LONGEST:
        return None
    return Timeline(bars=tuple(sorted(bars)), steps=len(ran))


def _bars(ran: Sequence[Step]) -> Iterable[Bar]:
    zero = min(step.started for step in ran if step.started)
    for step in ran:
        assert step.started
        assert step.finished
        start = int((step.started - zero).total_seconds())
        end = int((step.finished - zero).total_seconds())
        state = "t" if step.tolerated else _LETTER.get(step.phase, "s")
        name = "".join(c if c.isprintable() else "\ufffd" for c in step.name[:NAME_LIMIT])
        yield Bar(start=start, end=max(start, end), state=state, name=name)


def address(public_url: str, drawn: Timeline) -> str:
    """Where the picture is."""
    bars = "".join(
        f"&s={bar.start}.{bar.end}.{bar.state}.{quote(bar.name, safe='')}" for bar in drawn.bars
    )
    return f"{public_url.rstrip('/')}{PATH}?of={drawn.steps}{bars}"


def read(asked: Iterable[tuple[str, str]]) -> Timeline:
    """The decoded query of an address; raises ValueError for what `address` does not write."""
    pairs = list(asked)
    bars = tuple(_bar(value) for key, value in pairs if key == "s")
    counts = [value for key, value in pairs if key == "of"]
    if len(bars) + len(counts) != len(pairs) or len(counts) != 1:
        raise ValueError("a part of the address is unknown, or said twice")
    steps = _number(counts[0])
    if not 2 <= len(bars) <= min(BARS, steps) or max(bar.end for bar in bars) == 0:
        raise ValueError(f"from 2 to {BARS} steps are drawn, and they take time")
    return Timeline(bars=bars, steps=steps)


def _bar(text: str) -> Bar:
    start, end, state, name = (text.split(".", 3) + [""] * 4)[:4]
    bar = Bar(start=_number(start), end=_number(end), state=state, name=name)
    fits = 0 < len(name) <= NAME_LIMIT and name.isprintable()
    if bar.start > bar.end or state not in _STATES or not fits:
        raise ValueError("a step is START.END.STATE.NAME")
    return bar


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 8) or int(text) > _LONGEST:
        raise ValueError("that is no number of seconds or steps")
    return int(text)


# --- drawing ------------------------------------------------------------------------------------

_WIDTH, _ROW, _HEAD, _RIGHT = 640, 24, 28, 560
_LETTER_WIDTH: Final = 7.5
"""Of most fonts at this size, with something to spare."""

_STYLE: Final = (
    "text{font:12px -apple-system,BlinkMacSystemFont,'Segoe UI','Noto Sans',Helvetica,Arial,"
    "sans-serif;fill:#1f2328}.d{fill:#59636e}.g{stroke:#d1d9e0}.s{fill:#1a7f37}.f{fill:#cf222e}"
    ".e{fill:#bc4c00}.c,.t{fill:#818b98}@media(prefers-color-scheme:dark){text{fill:#f0f6fc}"
    ".d{fill:#9198a1}.g{stroke:#3d444d}.s{fill:#2ea043}.f{fill:#f85149}.e{fill:#db6d28}}"
)


def svg(drawn: Timeline) -> str:
    """The picture, readable on a light and on a dark page."""
    left = 32 + round(_LETTER_WIDTH * max(len(bar.name) for bar in drawn.bars))
    scale = _Scale(left=left, seconds=max(bar.end for bar in drawn.bars))
    bottom = _HEAD + _ROW * len(drawn.bars)
    height = bottom + (_ROW if drawn.steps > len(drawn.bars) else 4)
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>When each of {len(drawn.bars)} steps ran</title><style>{_STYLE}</style>",
        *(_tick(scale, part, bottom) for part in range(5)),
        *(_row(scale, bar, _HEAD + _ROW * index) for index, bar in enumerate(drawn.bars)),
    ]
    if drawn.steps > len(drawn.bars):
        words = f"the {len(drawn.bars)} longest of {drawn.steps} steps"
        parts.append(f'<text class="d" x="{left}" y="{bottom + 16}">{words}</text>')
    return "\n".join([*parts, "</svg>", ""])


class _Scale(Struct, frozen=True):
    """Where on the picture a second is."""

    left: int
    seconds: int

    def at(self, second: float) -> float:
        return round(self.left + (_RIGHT - self.left) * second / self.seconds, 1)


def _tick(scale: _Scale, part: int, bottom: int) -> str:
    second = scale.seconds * part / 4
    x = scale.at(second)
    line = f'<path class="g" d="M{x} {_HEAD - 6}V{bottom}"/>'
    label = _duration(round(second)) if part else "0"
    shown = part in (0, 4) or scale.seconds >= 40  # else the seconds would be rounded to the same
    text = f'<text class="d" x="{x}" y="14" text-anchor="middle">{label}</text>' if shown else ""
    return line + text


def _row(scale: _Scale, bar: Bar, top: int) -> str:
    x, end = scale.at(bar.start), scale.at(bar.end)
    mark, word = _STATES[bar.state]
    took, base = _duration(bar.end - bar.start), top + 16
    name = escape(bar.name)
    return (
        f'<text x="4" y="{base}">{mark}</text><text x="22" y="{base}">{name}</text>'
        f'<rect class="{bar.state}" x="{x}" y="{top + 4}" width="{max(end - x, 2):g}" height="16"'
        f' rx="3"><title>{name}: {word} after {took}</title></rect>'
        f'<text class="d" x="{_WIDTH - 4}" y="{base}" text-anchor="end">{took}</text>'
    )


def _duration(seconds: int) -> str:
    return duration(timedelta(seconds=seconds))
