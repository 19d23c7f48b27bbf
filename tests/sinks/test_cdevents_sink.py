"""CDEvents on the wire, as CloudEvents: binary and structured, accepted and refused.

Left to others: what a CDEvent says (core/test_cdevents), HTTP in general (test_http).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from msgspec.structs import replace

from ghapp import cloudevent
from ghapp.core import cdevents
from ghapp.core.effects import Cancel, EmitEvent
from ghapp.core.model import Milestone
from ghapp.core.source import Patch
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.http import HttpClient, open_session
from ghapp.ports import Slot
from ghapp.sinks.cdevents import SINK, CDEvents, Settings
from tests.core.builders import run_look


def started() -> EmitEvent:
    made = cdevents.milestone_event(run_look(), Milestone.STARTED, "chain")
    assert made is not None
    return made


@dataclass
class Receiver:
    """Keeps what it is sent, each id once, as a broker does."""

    url: str = ""
    status: int = 202
    messages: list[HTTPMessage] = field(default_factory=list)
    events: dict[str, Any] = field(default_factory=dict)

    async def receive(self, request: web.Request) -> web.Response:
        sent = {name.lower(): value for name, value in request.headers.items()}
        message = HTTPMessage(headers=sent, body=await request.read())
        self.messages.append(message)
        event = from_http_event(message)
        if self.status < 300:
            self.events.setdefault(event.get_id(), event)
        return web.Response(status=self.status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/in", made.receive)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/in"))
        yield made


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with open_session() as session:
        yield HttpClient(session)


async def deliver(sink: CDEvents, event: EmitEvent) -> None:
    assert await sink.deliver(event, key=event.key, slot=Slot()) is None


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_an_event_arrives_with_the_attributes_of_its_cdevent(
    receiver: Receiver, http: HttpClient, mode: cloudevent.Mode
) -> None:
    effect = started()
    await deliver(CDEvents(Settings(url=receiver.url, mode=mode), http), effect)
    event = receiver.events[effect.id]
    cdevent = cdevents.render(effect)
    assert event.get_data() == cdevent
    assert event.get_source() == cdevent["context"]["source"]
    assert event.get_type() == "dev.cdevents.pipelinerun.started.0.3.0"
    assert event.get_subject() == cdevent["subject"]["id"]
    assert event.get_time() == effect.at
    assert event.get_datacontenttype() == "application/json"


async def test_binary_is_headers_and_the_plain_cdevent(
    receiver: Receiver, http: HttpClient
) -> None:
    await deliver(CDEvents(Settings(url=receiver.url), http), started())
    message = receiver.messages[0]
    assert message.headers["content-type"] == "application/json"
    assert message.headers["ce-specversion"] == "1.0"
    assert message.headers["ce-time"] == cdevents.timestamp(started().at)
    assert msgspec.json.decode(message.body) == cdevents.render(started())


async def test_structured_is_one_document(receiver: Receiver, http: HttpClient) -> None:
    await deliver(CDEvents(Settings(url=receiver.url, mode="structured"), http), started())
    message = receiver.messages[0]
    assert message.headers["content-type"] == "application/cloudevents+json"
    assert not [name for name in message.headers if name.startswith("ce-")]
    document = msgspec.json.decode(message.body)
    assert document == cloudevent.structured(cdevents.render(started()))
    assert document["data"] == cdevents.render(started())
    assert document["time"] == document["data"]["context"]["timestamp"]


async def test_letters_that_no_header_can_hold_arrive_whole(
    receiver: Receiver, http: HttpClient
) -> None:
    effect = replace(started(), source="/ün sourcé", subject_id='a "b" 100%\r\nX: y')
    await deliver(CDEvents(Settings(url=receiver.url), http), effect)
    event = receiver.events[effect.id]
    assert (event.get_source(), event.get_subject()) == (effect.source, effect.subject_id)
    assert "x" not in receiver.messages[0].headers


async def test_a_repeat_has_the_same_id_so_that_the_receiver_drops_it(
    receiver: Receiver, http: HttpClient
) -> None:
    sink = CDEvents(Settings(url=receiver.url), http)
    await deliver(sink, started())
    await deliver(sink, started())
    assert len(receiver.messages) == 2
    assert len(receiver.events) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(410, Reject), (415, Reject), (302, Reject), (429, Retry), (503, Retry)]
)
async def test_a_refusal_is_what_the_webhook_specification_says(
    receiver: Receiver, http: HttpClient, status: int, kind: type[DeliveryError]
) -> None:
    receiver.status = status
    with pytest.raises(kind) as caught:
        await deliver(CDEvents(Settings(url=receiver.url), http), started())
    assert caught.value.status == status


async def test_it_takes_events_and_nothing_else(http: HttpClient) -> None:
    sink = CDEvents(Settings(url="http://broker/"), http)
    write = Patch(resource="r", namespace="n", name="a", uid="u", body={})
    assert sink.accepts(started())
    assert not sink.accepts(Cancel(subject=run_look().subject, login="o", token="t", write=write))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"url": "broker"},
        {"url": "ftp://broker"},
        {"url": "https://"},
        {"url": "https://user:secret@broker/"},
        {"url": "https://broker/a b"},
        {"url": "https://broker", "mode": "batch"},
        {"url": "https://broker", "spec_version": "0.1"},
        {"url": "https://broker", "retries": 3},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, SINK.settings)


@pytest.mark.parametrize(
    "url", ["http://broker", "https://broker:8443/ns/default?x=y", "http://[::1]:80/", "http://b?x"]
)
def test_settings_that_can_work_are_taken(url: str) -> None:
    assert msgspec.convert({"url": url}, SINK.settings) == Settings(url=url)
