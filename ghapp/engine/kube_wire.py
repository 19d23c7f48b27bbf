"""What the API server writes, from bytes to values: pages, lines of a watch, refusals.

No network here; `kube` fetches the bytes, `kube_events` reads the objects.
"""

from typing import TypeVar

import msgspec

from ghapp.errors import Retry


class ListMeta(msgspec.Struct, frozen=True, rename={"next": "continue"}):
    """The metadata of a list."""

    resourceVersion: str = ""  # noqa: N815 - as the document spells it
    next: str = ""
    """A token for the next page; empty: this was the last."""


class Page(msgspec.Struct, frozen=True):
    """A part of a list, its objects not decoded yet."""

    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None
    """Go writes an empty list as null."""


class Named(msgspec.Struct, frozen=True):
    """A resource that is served, by its plural."""

    name: str = ""


class Discovery(msgspec.Struct, frozen=True):
    """What an API group version serves."""

    resources: list[Named] | None = None


class StatusDetails(msgspec.Struct, frozen=True):
    """More about a refusal."""

    retryAfterSeconds: float | None = None  # noqa: N815


class Status(msgspec.Struct, frozen=True):
    """What the API server says when it says no (also the object of a watch's ERROR event)."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails = StatusDetails()


class Lines:
    """Cuts a stream into lines; of one that is too long only the fact is kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that `chunk` completes; None stands for one above the limit."""
        *ends, rest = chunk.split(b"\n")
        done = []
        for end in ends:
            self._keep(end)
            done.append(b"".join(self._parts) if self._size <= self._limit else None)
            self._parts, self._size = [], 0
        self._keep(rest)
        return done

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
        else:
            self._parts.clear()


T = TypeVar("T")


def decode(answer: bytes, kind: type[T]) -> T:
    """An answer decoded; a 2xx that is no JSON comes from a proxy in between, not from the API."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError as error:
        raise Retry(f"the API server's answer cannot be read: {error}", uncertain=True) from error


def message(body: bytes) -> str:
    """What a refusal says: the message of its Status, or the text as it is."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.MsgspecError:
        return body[:1000].decode(errors="replace").strip()
    return f"{status.reason}: {status.message}" if status.reason else status.message
