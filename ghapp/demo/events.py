"""Where the demo's CDEvents arrive: a consumer that checks each one a little and drops repeats.

CloudEvents over HTTP, binary or structured mode; the data is a whole CDEvent, whose id and type
must be those of the envelope (cdevents/spec, cloudevents-binding.md).
"""

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

Json = dict[str, Any]

KEPT: Final = 120
"""Events that the page shows."""
_REMEMBERED: Final = 5_000
"""Ids by which repeats are noticed."""
_ATTRIBUTES: Final = ("specversion", "id", "source", "type", "subject", "time")
_STRUCTURED: Final = "application/cloudevents+json"


class Unfit(ValueError):
    """Not a CDEvent in a CloudEvent; says why."""


@dataclass(slots=True)
class Events:
    """The last events, newest first."""

    changed: Callable[[], None]
    newest: deque[Json] = field(default_factory=lambda: deque(maxlen=KEPT))
    received: int = 0
    repeats: int = 0
    _ids: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    async def receive(self, request: web.Request) -> web.Response:
        """POST /events: 202, or 400 with the reason."""
        try:
            event = read(request.headers, await request.read())
        except Unfit as unfit:
            return web.Response(status=400, text=f"{unfit}\n")
        self.keep(event)
        return web.Response(status=202)

    def keep(self, event: Json) -> None:
        """Remembers an event, once."""
        identity = event["source"], event["id"]
        if identity in self._ids:
            self.repeats += 1
            return
        self._ids[identity] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        self.received += 1
        self.newest.appendleft(event)
        self.changed()


def read(headers: Mapping[str, str], body: bytes) -> Json:
    """The envelope's attributes with the CDEvent as `data`, or Unfit."""
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Unfit(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Unfit("the body is not a JSON object")
    structured = headers.get("Content-Type", "").startswith(_STRUCTURED)
    event = _structured(found) if structured else _binary(headers, found)
    _check(event)
    return event


def _structured(found: Json) -> Json:
    return {name: found.get(name) for name in (*_ATTRIBUTES, "data")}


def _binary(headers: Mapping[str, str], data: Json) -> Json:
    values = {name: headers.get(f"ce-{name}") for name in _ATTRIBUTES}
    return {name: unquote(value) if value else None for name, value in values.items()} | {
        "data": data
    }


def _check(event: Json) -> None:
    absent = [name for name in _ATTRIBUTES if not isinstance(event[name], str) or not event[name]]
    if absent:
        raise Unfit(f"CloudEvents attributes are missing: {', '.join(absent)}")
    if event["specversion"] != "1.0":
        raise Unfit(f"CloudEvents {event['specversion']} is not 1.0")
    data = event["data"]
    context = data.get("context") if isinstance(data, dict) else None
    if not isinstance(context, dict):
        raise Unfit("the data is not a CDEvent: it has no context")
    for name in ("id", "type", "source"):
        if context.get(name) != event[name]:
            raise Unfit(f"context.{name} is {context.get(name)!r}, the envelope's {event[name]!r}")
