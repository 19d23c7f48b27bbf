"""Which sinks want an effect, and from when on."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from ghapp.core.effects import Effect, SetCheck

Accepts = Callable[[Effect], bool]
"""Whether a sink wants an effect."""


def route(
    effects: Iterable[Effect],
    sinks: Mapping[str, Accepts],
    *,
    now: datetime,
    progress_interval: float,
) -> list[tuple[Effect, str, datetime]]:
    """(effect, sink, due) for each sink that wants it; progress waits, everything else is due.

    Progress that waits is replaced by newer progress and by the end, so it costs nothing.
    """
    return [
        (effect, name, now + _hold(effect, progress_interval))
        for effect in effects
        for name, accepts in sinks.items()
        if accepts(effect)
    ]


def _hold(effect: Effect, progress_interval: float) -> timedelta:
    held = isinstance(effect, SetCheck) and effect.progress
    return timedelta(seconds=progress_interval if held else 0)
