"""What can go wrong with an API server, on demand: errors, lost connections, silence, delay."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """What happens to a request."""

    STATUS = "status"
    """It is answered with an error and nothing is done."""
    DROP = "drop"
    """The connection breaks and nothing is done."""
    DROP_ANSWER = "drop-answer"
    """It is done, and the connection breaks before the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planned failure, of the next request that fits."""

    failure: Failure
    code: int = 500
    retry_after: int | None = None
    verb: str | None = None
    resource: str | None = None

    def fits(self, verb: str, resource: str) -> bool:
        return self.verb in (None, verb) and self.resource in (None, resource)


class Faults:
    """The knobs. `verb` (get, list, watch, create, …) and `resource` (plural) narrow one down."""

    def __init__(self) -> None:
        self.latency = 0.0
        """Seconds that every request waits before it is looked at."""
        self.silent_watches = False
        """Watches stay open and send nothing, neither events nor bookmarks, until this is unset."""
        self.closings = 0
        """Counts the times that all open watches were ended."""
        self.abrupt = False
        """The last of them by a broken connection, not by the end of the stream."""
        self._planned: deque[Fault] = deque()

    def fail_next(
        self,
        times: int = 1,
        *,
        code: int = 500,
        retry_after: int | None = None,
        verb: str | None = None,
        resource: str | None = None,
    ) -> None:
        """The next requests are answered with this status."""
        fault = Fault(
            failure=Failure.STATUS, code=code, retry_after=retry_after, verb=verb, resource=resource
        )
        self._planned.extend([fault] * times)

    def drop_next(
        self, times: int = 1, *, verb: str | None = None, resource: str | None = None
    ) -> None:
        """The connections of the next requests break before anything is done."""
        self._planned.extend([Fault(failure=Failure.DROP, verb=verb, resource=resource)] * times)

    def drop_next_answer(
        self, times: int = 1, *, verb: str | None = None, resource: str | None = None
    ) -> None:
        """The next requests are done, and their connections break before the answer."""
        fault = Fault(failure=Failure.DROP_ANSWER, verb=verb, resource=resource)
        self._planned.extend([fault] * times)

    def clear(self) -> None:
        """All is well again."""
        self._planned.clear()
        self.latency = 0.0
        self.silent_watches = False

    def take(self, verb: str, resource: str) -> Fault | None:
        """The first planned fault that fits this request; it is used up."""
        for fault in self._planned:
            if fault.fits(verb, resource):
                self._planned.remove(fault)
                return fault
        return None
