"""CDEvents on the wire, as CloudEvents: binary and structured, accepted and refused; credentials.

Two receivers: a broker, and the one of Flux' notification-controller with its rules. Left to
others: what a CDEvent says (core/test_cdevents), HTTP in general (test_http).
"""

import asyncio
import contextlib
import hmac
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ghapp import cloudevent
from ghapp.core import cdevents
from ghapp.core.effects import Cancel, EmitEvent
from ghapp.core.model import Milestone
from ghapp.core.source import Patch
from ghapp.errors import ConfigError, DeliveryError, Reject, Retry
from ghapp.http import HttpClient, open_session
from ghapp.ports import Slot
from ghapp.secret import Secret
from ghapp.sinks.cdevents import SINK, CDEvents, Settings, _credentials
from tests.core.builders import run_look

MODES: tuple[cloudevent.Mode, ...] = ("binary", "structured")


def started() -> EmitEvent:
    made = cdevents.milestone_event(run_look(), Milestone.STARTED, "chain")
    assert made is not None
    return made


@dataclass
class Receiver:
    """Keeps what it is sent, each id once, as a broker does."""

    url: str = ""
    status: int = 202
    silent: bool = False
    """It takes the request and never answers."""
    messages: list[HTTPMessage] = field(default_factory=list)
    events: dict[str, Any] = field(default_factory=dict)

    async def receive(self, request: web.Request) -> web.Response:
        sent = {name.lower(): value for name, value in request.headers.items()}
        message = HTTPMessage(headers=sent, body=await request.read())
        self.messages.append(message)
        if self.silent:
            await asyncio.Event().wait()
        event = from_http_event(message)
        if self.status < 300:
            self.events.setdefault(event.get_id(), event)
        return web.Response(status=self.status)


@contextlib.asynccontextmanager
async def served(receiver: Receiver, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Its address, while it listens."""
    app = web.Application()
    app.router.add_post("/in", receiver.receive)
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    try:
        yield str(server.make_url("/in"))
    finally:
        await server.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    async with served(made) as made.url:
        yield made


@dataclass(frozen=True)
class Authority:
    """A certificate for 127.0.0.1 that signs itself."""

    key: ec.EllipticCurvePrivateKey
    pem: str

    @classmethod
    def new(cls) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate.public_bytes(serialization.Encoding.PEM).decode())

    def server(self, folder: Path) -> ssl.SSLContext:
        """For a server that shows it."""
        private = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "server.pem").write_bytes(private + self.pem.encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        return context


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


# --- how it proves who it is ----------------------------------------------------------------------


def secret(**values: str) -> dict[str, Secret]:
    return {name.replace("__", "."): Secret(value) for name, value in values.items()}


async def test_token_signature_and_headers_go_with_each_event(
    receiver: Receiver, http: HttpClient
) -> None:
    held = secret(token="t0k3n", hmac="k3y", headers="X-Scope: prod\nx-count: 7\n")
    for mode in MODES:
        await deliver(CDEvents(Settings(url=receiver.url, mode=mode), http, held), started())
    for message in receiver.messages:
        digest = hmac.new(b"k3y", message.body, "sha256").hexdigest()
        assert message.headers["authorization"] == "Bearer t0k3n"
        assert message.headers["x-signature"] == f"sha256={digest}"
        assert (message.headers["x-scope"], message.headers["x-count"]) == ("prod", "7")


async def test_the_signature_is_that_of_flux_generic_hmac(
    receiver: Receiver, http: HttpClient
) -> None:
    """The test vector of notification-controller's internal/notifier/forwarder_test.go."""
    body = (
        b'{"involvedObject":{"kind":"GitRepository","namespace":"gitops-system","name":"webapp"},'
        b'"severity":"info","timestamp":"2022-09-30T06:40:29Z","message":"message","reason":'
        b'"reason","metadata":{"test":"metadata"},"reportingController":"source-controller",'
        b'"reportingInstance":"source-controller-xyz"}'
    )
    held = secret(hmac="7152fed34dd6149a7c75a276c510da27cb6f82b0")
    signed = CDEvents(Settings(url=receiver.url), http, held)._revealed(body)
    expected = "65b018549b1254e7226d1c08f9567ee45bc9de0fc4e7b1a40253f9a018b08be7"
    assert signed == {"X-Signature": f"sha256={expected}"}


@pytest.mark.parametrize("text", ['{"X-Scope": "prod"}', "X-Scope: prod", "---\nX-Scope: 'prod'"])
async def test_headers_are_yaml_or_json(receiver: Receiver, http: HttpClient, text: str) -> None:
    await deliver(CDEvents(Settings(url=receiver.url), http, secret(headers=text)), started())
    assert receiver.messages[0].headers["x-scope"] == "prod"


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({"headers": "- s3cret"}, "is not a map of at most 50 headers"),
        ({"headers": "s3cret: [1"}, "is not YAML or JSON"),
        ({"headers": "s3cret: !!python/object:os.system x"}, "is not YAML or JSON"),
        ({"headers": "x y: s3cret"}, "a name that no header can have"),
        ({"headers": "'': s3cret"}, "a name that no header can have"),
        ({"headers": 'X-A: "s3cret\\r\\nX-B: c"'}, "X-A is not one line"),
        ({"headers": "X-A: true"}, "X-A is not a text"),
        ({"headers": "X-A: {b: s3cret}"}, "X-A is not a text"),
        ({"headers": "Ce-Id: s3cret"}, "must not set Ce-Id"),
        ({"headers": "content-type: s3cret"}, "must not set content-type"),
        ({"headers": "HOST: s3cret"}, "must not set HOST"),
        ({"headers": "Transfer-Encoding: s3cret"}, "must not set Transfer-Encoding"),
        ({"headers": "X-A: s3cret\nx-a: s3cret"}, "the header x-a is set twice"),
        ({"headers": "authorization: s3cret", "token": "t"}, "authorization is set twice"),
        ({"headers": "x-signature: s3cret", "hmac": "t"}, "x-signature is set twice"),
        ({"headers": "x: s3cret" + " " * 40_000}, "headers is longer than 32768 bytes"),
        ({"headers": "".join(f"x{n}: s3cret\n" for n in range(51))}, "at most 50 headers"),
        ({"headers": "[" * 5_000}, "is not YAML or JSON"),
        ({"token": "s3cret\nx"}, "token holds what no header can hold"),
        ({"ca__crt": "s3cret"}, r"ca\.crt holds no certificate"),
        ({"ca__crt": "-----BEGIN CERTIFICATE-----\ns3cret"}, r"ca\.crt holds no certificate"),
    ],
)
def test_a_credential_that_cannot_be_used_is_said_and_never_shown(
    http: HttpClient, held: dict[str, str], why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        CDEvents(Settings(url="http://broker"), http, secret(**held))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text(max_size=60) | st.dictionaries(st.text(), st.text() | st.integers()).map(repr))
def test_headers_are_read_or_refused_whatever_is_in_them(text: str) -> None:
    with contextlib.suppress(ConfigError):
        _credentials(secret(headers=text))


def test_nothing_of_the_credentials_is_printed(http: HttpClient) -> None:
    held = secret(token="s3cret", hmac="s3cret", headers="X-A: s3cret")
    assert "s3cret" not in repr(CDEvents(Settings(url="http://broker"), http, held))


async def test_a_certificate_authority_of_ones_own_is_trusted_and_no_other(
    http: HttpClient, tmp_path: Path
) -> None:
    mine, others = Authority.new(), Authority.new()
    receiver = Receiver()
    async with served(receiver, mine.server(tmp_path)) as url:
        sink = CDEvents(Settings(url=url), http, secret(ca__crt=mine.pem))
        await deliver(sink, started())
        assert len(receiver.events) == 1
        for held in ({}, secret(ca__crt=others.pem)):
            with pytest.raises(Retry, match="certificate"):
                await deliver(CDEvents(Settings(url=url), http, held), started())
    assert len(receiver.messages) == 1


async def test_a_receiver_gets_as_long_as_is_set(http: HttpClient) -> None:
    receiver = Receiver(silent=True)
    async with served(receiver) as url:
        with pytest.raises(Retry, match="did not answer") as caught:
            await deliver(CDEvents(Settings(url=url, timeout="1s"), http), started())
    assert caught.value.uncertain


# --- versions, and Flux ---------------------------------------------------------------------------


@dataclass
class FluxReceiver:
    """notification-controller's Receiver of type cdevents, by its rules: the path is the secret,
    ``Ce-Type`` has to be listed exactly, the body has to be an event of CDEvents 0.4."""

    events: tuple[str, ...]
    path: str = "/hook/" + "5e" * 32
    reconciled: int = 0

    async def hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.path != self.path:
            return web.Response(status=404)
        if len(body) > 3 * 1024 * 1024:
            return web.Response(status=413)
        try:
            event = msgspec.json.decode(body, type=FluxEvent)
        except msgspec.DecodeError:
            return web.Response(status=400, text="invalid CDEvent")
        if request.headers.get("Ce-Type") not in self.events or not event.context.version:
            return web.Response(status=400, text="the event is not authorised")
        self.reconciled += 1
        return web.Response(status=200)


class FluxContext(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What its SDK knows of a context."""

    version: str
    id: str
    source: str
    type: str
    timestamp: str
    chain_id: str = ""
    links: list[Any] = []


class FluxSubject(msgspec.Struct, forbid_unknown_fields=True):
    """And of a subject."""

    id: str
    type: str
    content: dict[str, Any]


class FluxEvent(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """An event of spec 0.4."""

    context: FluxContext
    subject: FluxSubject
    custom_data: Any = None
    custom_data_content_type: str = ""


OLD_TYPE = "dev.cdevents.pipelinerun.started.0.2.0"


@pytest.mark.parametrize(
    ("settings", "works"),
    [
        ({"spec_version": "0.4.1"}, True),
        ({}, False),  # 0.5.1
        ({"spec_version": "0.4.1", "mode": "structured"}, False),
    ],
)
async def test_flux_takes_0_4_1_in_binary_mode(
    http: HttpClient, settings: dict[str, Any], works: bool
) -> None:
    flux = FluxReceiver(events=(OLD_TYPE,))
    app = web.Application()
    app.router.add_post("/hook/{digest}", flux.hook)
    async with TestServer(app) as server:
        sink = CDEvents(Settings(url=str(server.make_url(flux.path)), **settings), http)
        if works:
            await deliver(sink, started())
        else:
            with pytest.raises(Reject, match="400"):
                await deliver(sink, started())
        wrong = CDEvents(Settings(url=str(server.make_url("/hook/x")), **settings), http)
        with pytest.raises(Reject, match="404"):
            await deliver(wrong, started())
    assert flux.reconciled == works


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_an_older_version_has_its_own_type_and_the_same_id(
    receiver: Receiver, http: HttpClient, mode: cloudevent.Mode
) -> None:
    effect = started()
    await deliver(
        CDEvents(Settings(url=receiver.url, mode=mode, spec_version="0.4.1"), http), effect
    )
    event = receiver.events[effect.id]
    assert event.get_type() == OLD_TYPE
    assert event.get_data() == cdevents.render(effect, "0.4.1")


async def test_what_a_version_lacks_is_left_out(receiver: Receiver, http: HttpClient) -> None:
    effect = replace(started(), type="approval.created")
    await deliver(CDEvents(Settings(url=receiver.url), http), effect)
    assert receiver.messages == []


# --- settings -------------------------------------------------------------------------------------


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
        {"url": "https://broker", "specVersion": "0.4.0"},
        {"url": "https://broker", "timeout": "51s"},
        {"url": "https://broker", "timeout": "0s"},
        {"url": "https://broker", "timeout": "1m"},
        {"url": "https://broker", "timeout": 5},
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
