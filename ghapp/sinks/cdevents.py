"""CDEvents: every milestone and occurrence, posted to one URL as a CloudEvent.

The event's id is deterministic, so a receiver drops a repeat. What counts as accepted, and what a
refusal means, is the CloudEvents webhook specification's: any 2xx; 410 is "never again", 429 says
when (https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md).

Credentials are those that Flux' notification-controller takes for its own providers, under the
same keys where it has them: a bearer token, headers, a certificate authority. With ``hmac`` each
request is signed as its provider `generic-hmac` signs.
"""

import hmac
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ghapp import log as logs
from ghapp.cloudevent import Mode, message
from ghapp.core import cdevents
from ghapp.core.effects import Effect, EmitEvent
from ghapp.core.notification import seconds
from ghapp.errors import ConfigError
from ghapp.ports import Http, Receipt, SinkType, Slot
from ghapp.secret import Secret

log = logs.get(__name__)

Url = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=r"^https?://[^\s/?#@]+([/?]\S*)?$",
        title="a URL without credentials, such as https://broker.example.com/events",
    ),
]
Timeout = Annotated[str, Meta(max_length=3, pattern=r"^([1-9]|[1-4][0-9]|50)s$", title="1s to 50s")]
"""``1s`` to ``50s``: a delivery has a minute in all."""

HEADERS: Final = 50
HEADERS_BYTES: Final = 32 * 1024
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
"""A token of RFC 9110, section 5.6.2."""
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_OURS: Final = re.compile(
    r"(?i)ce-.*|content-.*|host|connection|transfer-encoding|te|trailer|upgrade|expect|keep-alive"
)
"""What the binding says, or what delimits the request."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Where CDEvents go, and how."""

    url: Url
    """URL of the receiver: a broker's ingress, an event listener."""
    mode: Mode = "binary"
    """How the CloudEvent is laid out in the request. A receiver of Flux' notification-controller
    takes binary only."""
    spec_version: Literal["0.5.1", "0.4.1"] = "0.5.1"
    """Version of CDEvents; notification-controller takes 0.4.1."""
    timeout: Timeout = "15s"
    """Seconds that one request may take, answer included."""


@dataclass(frozen=True, slots=True)
class CDEvents:
    """One receiver."""

    settings: Settings
    http: Http
    secret: Mapping[str, Secret] = field(default_factory=dict)
    _headers: Mapping[str, Secret] = field(init=False, repr=False)
    _tls: ssl.SSLContext | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ConfigError where a credential cannot be used."""
        object.__setattr__(self, "_headers", _credentials(self.secret))
        object.__setattr__(self, "_tls", _authority(self.secret.get("ca.crt")))

    def accepts(self, effect: Effect) -> bool:
        """Events, and nothing else."""
        return isinstance(effect, EmitEvent)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Posts the event; its id is the part of `key` that the receiver knows."""
        assert isinstance(effect, EmitEvent)
        settings = self.settings
        if not cdevents.knows(effect.type, settings.spec_version):
            log.info("CDEvents lacks this event", type=effect.type, version=settings.spec_version)
            return None
        headers, body = message(cdevents.render(effect, settings.spec_version), settings.mode)
        await self.http.post(
            settings.url,
            body,
            {**headers, **self._revealed(body)},
            timeout=seconds(settings.timeout),
            tls=self._tls,
        )
        return None

    def _revealed(self, body: bytes) -> dict[str, str]:
        """The headers that prove who we are, for this request."""
        headers = {name: value.reveal() for name, value in self._headers.items()}
        key = self.secret.get("hmac")
        if key:
            digest = hmac.new(key.reveal().encode(), body, "sha256").hexdigest()
            headers["X-Signature"] = f"sha256={digest}"
        return headers


# --- what its Secret holds ------------------------------------------------------------------------


def _credentials(secret: Mapping[str, Secret]) -> dict[str, Secret]:
    """The headers of every request; no message repeats a value."""
    headers = dict(_read_headers(secret["headers"])) if secret.get("headers") else {}
    token = secret.get("token")
    if token:
        if not _VALUE.fullmatch(token.reveal()):
            raise ConfigError("its Secret: token holds what no header can hold; is it one line?")
        headers["Authorization"] = Secret(f"Bearer {token.reveal()}")
    _once(headers, also=("X-Signature",) if secret.get("hmac") else ())
    return headers


def _once(headers: Mapping[str, Secret], *, also: tuple[str, ...]) -> None:
    """The case of a header's name does not matter."""
    names = [name.lower() for name in (*headers, *also)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"its Secret: the header {twice[0]} is set twice; keep token and hmac, or set it in"
            " headers"
        )


def _read_headers(secret: Secret) -> Iterator[tuple[str, Secret]]:
    """``headers``: a map in YAML or JSON, as Flux has it."""
    text = secret.reveal()
    if len(text.encode()) > HEADERS_BYTES:
        raise ConfigError(f"its Secret: headers is longer than {HEADERS_BYTES} bytes")
    found = _loaded(text)
    if not isinstance(found, dict) or len(found) > HEADERS:
        raise ConfigError(
            f"its Secret: headers is not a map of at most {HEADERS} headers, in YAML or JSON"
        )
    for name, value in found.items():
        yield str(name), _header(str(name), value)


def _loaded(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        # Its own message would quote the text.
        raise ConfigError(
            f"its Secret: headers is not YAML or JSON ({type(error).__name__})"
        ) from None


def _header(name: str, value: object) -> Secret:
    if not _NAME.fullmatch(name):
        raise ConfigError("its Secret: headers has a name that no header can have")
    if _OURS.fullmatch(name):
        raise ConfigError(f"its Secret: headers must not set {name}: checkrail does")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(f"its Secret: the header {name} is not a text; put it in quotes")
    if not _VALUE.fullmatch(str(value)):
        raise ConfigError(f"its Secret: the header {name} is not one line of text")
    return Secret(str(value))


def _authority(pem: Secret | None) -> ssl.SSLContext | None:
    """Trusts this authority and no other, as Flux does; None: those of the system."""
    if not pem:
        return None
    try:
        return ssl.create_default_context(cadata=pem.reveal())
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"its Secret: ca.crt holds no certificate in PEM form ({type(error).__name__})"
        ) from None


SINK = SinkType(
    "cdevents",
    Settings,
    CDEvents,
    provider="cdevents",
    secret_keys={
        "token": "sent as `Authorization: Bearer TOKEN`",
        "hmac": "signs the body: `X-Signature: sha256=HEX`, as Flux' `generic-hmac`",
        "headers": "more headers: a map in YAML or JSON",
        "ca.crt": "the only certificate authority that is trusted, in PEM form",
    },
)
