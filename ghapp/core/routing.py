"""Which sinks want an effect, and from when on.

What is told of a run goes to the providers that the decision named (`to`); what somebody asked for
goes to whatever does it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from ghapp.core.effects import Effect, EmitEvent, SetCheck

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
        if _is_for(effect, name) and accepts(effect)
    ]


def _is_for(effect: Effect, sink: str) -> bool:
    return not isinstance(effect, SetCheck | EmitEvent) or sink in effect.to


def _hold(effect: Effect, progress_interval: float) -> timedelta:
    if not (isinstance(effect, SetCheck) and effect.progress):
        return timedelta()
    return timedelta(seconds=progress_interval if effect.interval is None else effect.interval)
