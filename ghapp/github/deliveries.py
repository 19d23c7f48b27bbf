"""Webhooks that never arrived, fetched from GitHub's own list of deliveries.

GitHub does not deliver twice by itself, and keeps its list for three days (Enterprise Server:
seven): https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
The list holds the payloads, so nothing has to be delivered again: what we missed is accepted from
here, under the guid that it has anyway. What was accepted is durable and will be worked on, so it
is not brought again, even if GitHub did not hear that we had it.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ghapp import log as logs
from ghapp.errors import Reject
from ghapp.ports import Delivery, GitHub

log = logs.get(__name__)

Known = Callable[[Sequence[str]], Awaitable[frozenset[str]]]
"""Which of these guids were accepted."""

KEPT: Final = timedelta(days=3)
OVERLAP: Final = timedelta(minutes=10)
"""How far below its mark a sweep looks: deliveries may be listed late and out of order."""
ENTRIES: Final = 10_000
"""Attempts that are read of one list: a hundred pages."""
AT_ONCE: Final = 100
"""Deliveries that are brought at a time, and..."""
AT_ONCE_BYTES: Final = 64 * 1024 * 1024
"""...their size together."""

_NOBODY_ASKS: Final = frozenset({401, 403})
"""Statuses with which no delivery of this App can be read."""
_LIST: Final = "/app/hook/deliveries"
_FAILED: Final = f"{_LIST}?status=failure"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver, as GitHub lists it; a guid may have several."""

    id: int
    guid: str
    delivered_at: datetime
    status: str
    event: str


def missed(attempts: Iterable[Attempt]) -> Sequence[Attempt]:
    """The first attempt of each guid that was never answered with 2xx, oldest first."""
    first: dict[str, Attempt] = {}
    heard = set()
    for attempt in sorted(attempts, key=lambda each: (each.delivered_at, each.id)):
        first.setdefault(attempt.guid, attempt)
        if attempt.status == "OK":
            heard.add(attempt.guid)
    return [attempt for guid, attempt in first.items() if guid not in heard]


class Sweep:
    """Looks through the list from the newest down to where an earlier look ended.

    What is missing is brought bit by bit, and the list is read again once all of it was. The mark
    moves only when all of the list was read and nothing was missing: what was brought may not have
    been kept.
    """

    def __init__(self, github: GitHub, source: str = "", *, entries: int = ENTRIES) -> None:
        self.github = github
        self._source = source
        self._entries = entries
        self._mark: datetime | None = None
        self._left: Sequence[Attempt] = ()

    @property
    def more(self) -> bool:
        """Whether more was missing than was brought."""
        return bool(self._left)

    async def missed(self, known: Known, *, now: datetime) -> Sequence[Delivery]:
        """What GitHub could not deliver and we do not know, oldest first."""
        if self._left:
            return await self._fetch(await _unknown(self._left, known))
        floor = max(self._mark - OVERLAP, now - KEPT) if self._mark else now - KEPT
        try:
            attempts, whole = await self._attempts(floor)
        except Reject as error:
            if error.status != 404:
                raise
            log.info("this GitHub keeps no list of webhook deliveries", reason=error.reason)
            return ()
        found = await self._fetch(await _unknown(missed(attempts), known))
        if not found and attempts and whole:
            self._mark = max(attempt.delivered_at for attempt in attempts)
        return found

    async def _attempts(self, floor: datetime) -> tuple[Sequence[Attempt], bool]:
        """Down to `floor`, and whether those are all that matter.

        Where there are too many, those that failed are read by themselves, and so further down. A
        GitHub that cannot tell them apart lists the same ones again.
        """
        found, whole = await self._listed(_LIST, floor)
        if whole:
            return found, True
        failed, whole = await self._listed(_FAILED, floor)
        if not whole:
            log.warning("more webhook deliveries than one sweep reads", read=self._entries)
        return [*found, *failed], whole

    async def _listed(self, path: str, floor: datetime) -> tuple[Sequence[Attempt], bool]:
        """Newest first, and whether `floor` was reached."""
        found: list[Attempt] = []
        read = 0
        async for entry in self.github.pages(path, repository=None):
            read += 1
            attempt = _attempt(entry)
            if attempt is not None and attempt.delivered_at < floor:
                break
            if attempt is not None:
                found.append(attempt)
            if read >= self._entries:
                return found, False
        return found, True

    async def _fetch(self, attempts: Sequence[Attempt]) -> Sequence[Delivery]:
        """The first of them; the others are left for the next time."""
        found: list[Delivery] = []
        size = read = 0
        for attempt in attempts:
            read += 1
            body = await self._payload(attempt)
            if body is None:
                continue
            size += len(body)
            found.append(
                Delivery(
                    guid=attempt.guid,
                    event=attempt.event,
                    body=body,
                    received=attempt.delivered_at,
                    source=self._source,
                )
            )
            if len(found) >= AT_ONCE or size >= AT_ONCE_BYTES:
                break
        self._left = attempts[read:]
        return found

    async def _payload(self, attempt: Attempt) -> bytes | None:
        """The webhook's body; None when GitHub no longer has it."""
        path = f"/app/hook/deliveries/{attempt.id}"
        try:
            detail = await self.github.request("GET", path, repository=None)
        except Reject as error:
            if error.status in _NOBODY_ASKS:
                raise
            # It is gone, or too large to be read: those behind it must not wait for it.
            log.warning("a missed webhook is lost", delivery=attempt.guid, reason=error.reason)
            return None
        return _body(detail)


async def _unknown(attempts: Sequence[Attempt], known: Known) -> Sequence[Attempt]:
    """Those that were not accepted."""
    ours = await known([attempt.guid for attempt in attempts]) if attempts else frozenset[str]()
    return [attempt for attempt in attempts if attempt.guid not in ours]


def _attempt(entry: Any) -> Attempt | None:
    try:
        return msgspec.convert(entry, Attempt)
    except msgspec.ValidationError as error:
        log.warning("an unreadable entry in the list of webhook deliveries", reason=str(error))
        return None


def _body(detail: Any) -> bytes | None:
    request = detail.get("request") if isinstance(detail, Mapping) else None
    payload = request.get("payload") if isinstance(request, Mapping) else None
    if not isinstance(payload, Mapping):
        return None
    return json.dumps(payload, separators=(",", ":")).encode()  # ASCII: half a surrogate pair, too
