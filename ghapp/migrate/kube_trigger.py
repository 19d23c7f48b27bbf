"""kube-trigger: what it does has no counterpart; each object is explained, none is an error."""

from typing import Final

from ghapp.core.source import Resource
from ghapp.migrate._source import Source, one_line
from ghapp.migrate._tool import Around, Draft, Page, Tool

GROUP: Final = "standard.oam.dev"
SERVICE: Final = Resource(GROUP, "v1alpha1", "triggerservices", "TriggerService")
LISTENER: Final = Resource(GROUP, "v1alpha1", "eventlisteners", "EventListener")


def move(source: Source, around: Around) -> tuple[Draft, ...]:
    """Nothing, and why."""
    if source.kind == LISTENER.kind:
        source.needless("a log of past events", "events")
        return ()
    source.tick("spec", "worker")
    triggers = ("spec", "triggers")
    for at in range(source.count(*triggers)):
        here = (*triggers, at)
        watched = source.text(*here, "source", "type") or "a source"
        done = source.text(*here, "action", "type") or "an action"
        text = f"{watched} to {done}: checkrail does nothing in a cluster that nobody asked for"
        source.left(one_line(text), *here)
    source.left("its runs, if they are Jobs, are shown as any other Job", "spec")
    return ()


TOOL: Final = Tool(
    name="kube-trigger",
    resources=(SERVICE, LISTENER),
    move=move,
    fields={
        "TriggerService": "no document; each trigger is explained",
        "EventListener": "not needed: a log of past events",
    },
    page=Page(
        about="It acts in the cluster when objects change; checkrail tells, and acts when asked.",
        better=("What its tasks start is a Job, and is shown as a check if it names its commit.",),
        missing=("Actions on events: patches, tasks, a cron source.",),
    ),
)
