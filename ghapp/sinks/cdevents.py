"""CDEvents: every milestone and occurrence, posted to one URL as a CloudEvent.

The event's id is deterministic, so a receiver drops a repeat. What counts as accepted, and what a
refusal means, is the CloudEvents webhook specification's: any 2xx; 410 is "never again", 429 says
when (https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ghapp.cloudevent import Mode, message
from ghapp.core import cdevents
from ghapp.core.effects import Effect, EmitEvent
from ghapp.ports import Http, Receipt, SinkType, Slot

Url = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=r"^https?://[^\s/?#@]+([/?]\S*)?$",
        title="a URL without credentials, such as https://broker.example.com/events",
    ),
]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Where CDEvents go, and how."""

    url: Url
    """URL of the receiver: a broker's ingress, an event listener."""
    mode: Mode = "binary"
    """How the CloudEvent is laid out in the request; all receivers must know both."""
    spec_version: Literal["0.5.1"] = "0.5.1"
    """Version of CDEvents."""


@dataclass(frozen=True, slots=True)
class CDEvents:
    """One receiver."""

    settings: Settings
    http: Http

    def accepts(self, effect: Effect) -> bool:
        """Events, and nothing else."""
        return isinstance(effect, EmitEvent)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Posts the event; its id is the part of `key` that the receiver knows."""
        assert isinstance(effect, EmitEvent)
        cdevent = cdevents.render(effect, self.settings.spec_version)
        headers, body = message(cdevent, self.settings.mode)
        await self.http.post(self.settings.url, body, headers)
        return None


SINK = SinkType("cdevents", Settings, CDEvents, provider="cdevents")
