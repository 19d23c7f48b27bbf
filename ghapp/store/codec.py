"""Values as a store keeps them: MessagePack for what we decide on, integers for moments.

Times are whole microseconds since 1970 in UTC, so that a datetime comes back exactly as it went in.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from msgspec import msgpack

from ghapp.core.audit import Audited
from ghapp.core.ballots import Ballot
from ghapp.core.effects import Effect
from ghapp.core.seen import Seen
from ghapp.errors import CheckrailError

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ENCODER: Final = msgpack.Encoder()
_SEEN: Final = msgpack.Decoder(Seen)
_BALLOT: Final = msgpack.Decoder(Ballot)
_AUDITED: Final = msgpack.Decoder(Audited)
_EFFECT: Final[msgpack.Decoder[Effect]] = msgpack.Decoder(Effect)


class Unreadable(CheckrailError):
    """Stored by another version, or damaged: this version cannot make a value of it."""


def encode(value: Seen | Effect | Ballot | Audited) -> bytes:
    """As it is stored."""
    return _ENCODER.encode(value)


def decode_seen(stored: bytes) -> Seen:
    """What was stored; raises Unreadable."""
    return _decoded(_SEEN, stored, "row")


def decode_ballot(stored: bytes) -> Ballot:
    """What was stored; raises Unreadable."""
    return _decoded(_BALLOT, stored, "ballot")


def decode_audited(stored: bytes) -> Audited:
    """What was stored; raises Unreadable."""
    return _decoded(_AUDITED, stored, "entry of the audit log")


def decode_effect(stored: bytes) -> Effect:
    """What was stored; raises Unreadable."""
    return _decoded(_EFFECT, stored, "effect")


def _decoded(decoder: msgpack.Decoder[T], stored: bytes, what: str) -> T:
    try:
        return decoder.decode(stored)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the stored {what} cannot be read: {error}") from error


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970; a datetime without a zone is a TypeError."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """The reverse of `micros`."""
    return _EPOCH + micros * _MICROSECOND
