"""A CDEvent as a CloudEvent: which field goes into which attribute, header and body.

The binding: https://github.com/cdevents/spec/blob/v0.5.1/cloudevents-binding.md. The envelope is
made by the `cloudevents` package; nothing is sent here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

Mode: TypeAlias = Literal["binary", "structured"]
"""binary: attributes in ``ce-`` headers, the CDEvent is the body; structured: all in the body."""


def message(cdevent: Mapping[str, Any], mode: Mode) -> tuple[dict[str, str], bytes]:
    """Headers and body of the HTTP request that carries the event."""
    event = _envelope(cdevent)
    made = to_binary_event(event) if mode == "binary" else to_structured_event(event)
    return dict(made.headers), made.body


def structured(cdevent: Mapping[str, Any]) -> dict[str, Any]:
    """The whole CloudEvent as one JSON object."""
    _, body = message(cdevent, "structured")
    return msgspec.json.decode(body, type=dict[str, Any])


def _envelope(cdevent: Mapping[str, Any]) -> CloudEvent:
    context, subject = cdevent["context"], cdevent["subject"]
    attributes = {
        "id": context["id"],
        "source": context["source"],
        "type": context["type"],
        "subject": subject["id"],
        "time": datetime.fromisoformat(context["timestamp"]),
        "datacontenttype": "application/json",  # else the package writes no Content-Type at all
    }
    return CloudEvent(attributes, dict(cdevent))
