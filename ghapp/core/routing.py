"""Which sinks want an effect, and from when on.

What is told of a run goes to the providers that the decision named (`to`); what somebody asked for
goes to whatever does it. A new state of a check is news, too, for whoever shows all runs of its
commit together: such a sink accepts `ShowRuns`, and its rows are replaced by newer ones of the same
pull request, whichever run they are about.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from ghapp.core.effects import Effect, EmitEvent, SetCheck, ShowRuns

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
        for effect in _with_news(effects)
        for name, accepts in sinks.items()
        if _is_for(effect, name) and accepts(effect)
    ]


def _with_news(effects: Iterable[Effect]) -> Iterator[Effect]:
    for effect in effects:
        yield effect
        if isinstance(effect, SetCheck):
            yield _news(effect)


def _news(effect: SetCheck) -> ShowRuns:
    return ShowRuns(
        subject=effect.subject,
        repository=effect.repository,
        commit=effect.commit,
        state=effect.key,
        pull_request=effect.pull_request,
        progress=effect.check.status != "completed",
        interval=effect.interval,
        to=effect.to,
    )


def _is_for(effect: Effect, sink: str) -> bool:
    return not isinstance(effect, SetCheck | ShowRuns | EmitEvent) or sink in effect.to


def _hold(effect: Effect, progress_interval: float) -> timedelta:
    if not (isinstance(effect, SetCheck | ShowRuns) and effect.progress):
        return timedelta()
    return timedelta(seconds=progress_interval if effect.interval is None else effect.interval)
