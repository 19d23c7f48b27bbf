"""The doors for events that others post: Flux' notification-controller, and Tekton.

As with GitHub's webhooks: read (bounded), verified over the raw bytes, stored, and only then
answered. Events are of clusters that are not watched, so each has to say of which one it is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from ghapp import log as logs
from ghapp.core import posted
from ghapp.errors import Refused
from ghapp.kubeconfigs import wrong_name
from ghapp.metrics import Metrics, PostedResult
from ghapp.ports import Clock, Delivery, Store
from ghapp.secret import Secret

log = logs.get(__name__)

READ_LIMIT: Final = 10.0
"""Seconds to read a body; notification-controller gives up after 15."""
READING_LIMIT: Final = 8 * posted.BODY_LIMIT
"""Bytes of bodies in memory at one time: strangers must not fill it before they are verified."""


@dataclass(slots=True, kw_only=True)
class Posting:
    """What may be posted, and by whom."""

    store: Store
    metrics: Metrics
    clock: Clock
    secrets: tuple[Secret, ...]
    """Without any, nothing may be posted."""
    read_limit: float = READ_LIMIT
    _reading: int = 0
    _keys: tuple[bytes, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self.use(self.secrets)

    def use(self, secrets: tuple[Secret, ...]) -> None:
        """Verifies by these from now on."""
        self.secrets = secrets
        self._keys = tuple(secret.reveal().encode() for secret in secrets)

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application; none where there is no secret to check them."""
        if not self._keys:
            return []
        return [
            web.post("/flux/events", self._door("flux")),
            web.post("/tekton/events", self._door("tekton")),
        ]

    def _door(self, source: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def take(request: web.Request) -> web.Response:
            try:
                delivery = await self._read_delivery(request, source)
            except _Refused as refusal:
                self.metrics.posted(source, refusal.result)
                log.warning("posted event refused", source=source, reason=refusal.reason)
                return web.json_response({"message": refusal.reason}, status=refusal.status)
            fresh = await self.store.accept(delivery)
            self.metrics.posted(source, "accepted" if fresh else "repeat")
            return web.json_response({"message": "accepted"}, status=202)

        return take

    async def _read_delivery(self, request: web.Request, source: str) -> Delivery:
        body = await self._read_body(request)
        signature = request.headers.get(posted.SIGNATURE_HEADER, "")
        bearer = request.headers.get("Authorization", "")
        if not posted.genuine(body, signature=signature, bearer=bearer, secrets=self._keys):
            raise _Refused("neither the signature nor the bearer token match", 401, "forged")
        event = posted.name_of(source, _cluster(request, body))
        guid = posted.guid_of(event, body)
        return Delivery(guid=guid, event=event, body=body, received=self.clock())

    async def _read_body(self, request: web.Request) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self.read_limit):
                await self._read_chunks(request, body)
        except TimeoutError as error:
            raise _Refused("the body did not come in time", 408, "malformed") from error
        except (OSError, web.RequestPayloadError) as error:
            raise _Refused("the body ended early", 400, "malformed") from error
        finally:
            self._reading -= len(body)
        return bytes(body)

    async def _read_chunks(self, request: web.Request, body: bytearray) -> None:
        announced = request.content_length or 0
        async for chunk in request.content.iter_any():
            body += chunk
            self._reading += len(chunk)
            if max(len(body), announced) > posted.BODY_LIMIT:
                limit = f"the body is larger than {posted.BODY_LIMIT} bytes"
                raise _Refused(limit, 413, "too_large")
            if self._reading > READING_LIMIT:
                raise _Refused("too much is being read already; try again", 503, "too_large")


class _Refused(Refused):
    """Not taken, and how that is counted."""

    def __init__(self, reason: str, status: int, result: PostedResult) -> None:
        super().__init__(reason, status=status)
        self.result = result


def _cluster(request: web.Request, body: bytes) -> str:
    """Of which cluster the event is: the address says so, or the event's own metadata."""
    try:
        said = posted.cluster_of(body)
    except ValueError as error:
        raise _Refused(str(error), 400, "malformed") from error
    name = request.query.get("cluster", "") or said
    if not name:
        raise _Refused(
            "say of which cluster this is: ?cluster=NAME in the Provider's address, or a key "
            "`cluster` in the Alert's spec.eventMetadata",
            422,
            "malformed",
        )
    if problem := wrong_name(name):
        raise _Refused(f"the cluster's name {problem}", 422, "malformed")
    return name
