"""The web server's routes: GitHub's webhook, health, metrics.

A webhook is read (bounded), verified over its raw bytes, stored, and only then answered: 202 means
that it cannot be lost any more. Nothing else happens in the request, and nothing is parsed before
the signature holds.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from ghapp import log as logs
from ghapp.core.timeline import PATH, read, svg
from ghapp.core.webhook import BODY_LIMIT, SIGNATURE_HEADER, is_json_object, verify
from ghapp.errors import Refused
from ghapp.metrics import CONTENT_TYPE, Metrics
from ghapp.ports import Clock, Delivery, Store
from ghapp.secret import Secret

log = logs.get(__name__)

READ_LIMIT: Final = 30.0
"""Seconds to read a body; GitHub itself gives up after 10."""
READING_LIMIT: Final = 4 * BODY_LIMIT
"""Bytes of bodies in memory at one time: strangers must not fill it before they are verified.

What has come counts, not what was announced: an announcement costs a stranger nothing, and would
keep GitHub out.
"""
_PICTURE: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""Also who opens it by itself runs nothing."""
_EVENT: Final = re.compile(r"[a-z][a-z_]{0,99}")
"""A name that GitHub has for an event, and never one that `ghapp.posting` has: whoever may sign for
an App may not post as a cluster."""
HEADER_LIMIT: Final = 200
"""Characters of a delivery id that we store."""


def _no_secrets(source: str) -> Sequence[Secret]:
    """Nobody declares an App."""
    return ()


@dataclass(slots=True, kw_only=True)
class Server:
    """What this process answers to."""

    store: Store
    metrics: Metrics
    clock: Clock
    secrets: tuple[Secret, ...]
    """Webhook secrets; the first is current, the others are being rotated out."""
    secrets_of: Callable[[str], Sequence[Secret]] = _no_secrets
    """Those of the App that a Provider declares, by the Provider's id."""
    ready: Callable[[], Sequence[str]]
    """Reasons why this process is not ready; empty when it is."""
    read_limit: float = READ_LIMIT
    """Seconds that a body may take."""
    _reading: int = 0
    _keys: tuple[bytes, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self.use(self.secrets)

    def use(self, secrets: tuple[Secret, ...]) -> None:
        """Verifies by these from now on."""
        self.secrets = secrets
        self._keys = tuple(secret.reveal().encode() for secret in secrets)

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application; webhooks only where there is a secret to check them."""
        webhook = [web.post("/github/webhook", self._webhook)] if self._keys else []
        return [
            *webhook,
            web.post("/github/webhook/{source:.{1,520}}", self._webhook),
            web.get(PATH, _timeline),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._metrics),
        ]

    async def _webhook(self, request: web.Request) -> web.Response:
        try:
            delivery = await self._read_delivery(request)
        except Refused as refusal:
            log.warning("webhook refused", reason=refusal.reason, status=refusal.status)
            return web.json_response({"message": refusal.reason}, status=refusal.status)
        fresh = await self.store.accept(delivery)
        self.metrics.webhook("accepted" if fresh else "repeat")
        log.info(
            "webhook accepted", delivery=delivery.guid, webhook=delivery.event, repeat=not fresh
        )
        return web.json_response({"message": "accepted"}, status=202)

    async def _read_delivery(self, request: web.Request) -> Delivery:
        """The delivery; raises Refused and counts."""
        body = await self._read_body(request)
        source = request.match_info.get("source", "")
        if not verify(body, request.headers.get(SIGNATURE_HEADER, ""), self._keys_of(source)):
            self.metrics.webhook("forged")
            raise Refused("the signature does not match", status=401)
        event = request.headers.get("X-GitHub-Event", "")
        guid = request.headers.get("X-GitHub-Delivery", "")
        if not (_EVENT.fullmatch(event) and _is_word(guid)):
            raise self._malformed("X-GitHub-Event or X-GitHub-Delivery is missing or no word")
        if not is_json_object(body):
            hint = "set the webhook's content type to application/json"
            raise self._malformed(f"the body is not a JSON object; {hint}")
        return Delivery(guid=guid, event=event, body=body, received=self.clock(), source=source)

    def _keys_of(self, source: str) -> Sequence[bytes]:
        """Without any, nothing is genuine: of an App that nobody declares no more is said."""
        if not source:
            return self._keys
        return [secret.reveal().encode() for secret in self.secrets_of(source)]

    async def _read_body(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > BODY_LIMIT:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self.read_limit):
                await self._read_chunks(request, body)
        except TimeoutError as error:
            raise self._malformed("the body did not come in time", status=408) from error
        except (OSError, web.RequestPayloadError) as error:
            raise self._malformed("the body ended early") from error
        finally:
            self._reading -= len(body)
        return bytes(body)

    async def _read_chunks(self, request: web.Request, body: bytearray) -> None:
        async for chunk in request.content.iter_any():
            body += chunk
            self._reading += len(chunk)
            if len(body) > BODY_LIMIT:
                raise self._too_large()
            if self._reading > READING_LIMIT:
                self.metrics.webhook("too_large")
                raise Refused("too much is being read already; try again", status=503)

    def _too_large(self) -> Refused:
        self.metrics.webhook("too_large")
        return Refused(f"the body is larger than {BODY_LIMIT} bytes", status=413)

    def _malformed(self, reason: str, *, status: int = 400) -> Refused:
        self.metrics.webhook("malformed")
        return Refused(reason, status=status)

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        reasons = self.ready()
        return web.Response(
            text="\n".join(reasons or ("ok",)) + "\n", status=503 if reasons else 200
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        self.metrics.backlog(await self.store.backlog())
        return web.Response(body=self.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


async def _timeline(request: web.Request) -> web.Response:
    """A picture for a check; everything that is in it is in the address."""
    try:
        drawn = read((str(key), str(value)) for key, value in request.query.items())
    except ValueError as error:
        return web.Response(text=f"no picture: {error}\n", status=404)
    return web.Response(text=svg(drawn), content_type="image/svg+xml", headers=_PICTURE)


def _is_word(text: str) -> bool:
    """Whether it can be stored and logged as it is."""
    return 0 < len(text) <= HEADER_LIMIT and text.isascii() and text.isprintable()


@web.middleware
async def shield(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """An unexpected error is logged and answered with 500, without a word of what it was."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("a request failed", method=request.method, path=request.path)
        return web.json_response({"message": "internal error"}, status=500)
