"""What GitHub answered to questions that repeat, kept to ask again for nothing.

A GET with ``If-None-Match`` that is answered 304 does not count for the hour's requests:
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#use-conditional-requests-if-appropriate

GitHub is asked each time, so what is kept is never believed by itself: no answer is old. It is kept
by caller, because what one installation may see another may not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cachetools import TTLCache

KEPT: Final = 2 * 3600.0
"""Seconds; where the App is installed is asked once an hour (`installations`)."""
BODY: Final = 64 * 1024
"""Bytes of one answer; what is longer is asked anew."""
SIZE: Final = 4 * 1024 * 1024
"""Bytes in all."""
_OVERHEAD: Final = 512
"""Bytes that an entry takes beside its body, about."""
_HEADERS: Final = ("content-type", "link")
"""What reading an answer needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One answer."""

    tag: str
    headers: Mapping[str, str]
    body: bytes


class Answers:
    """By caller and URL; the longest unused go when there are too many."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._kept: TTLCache[tuple[str, str], Kept] = TTLCache(
            SIZE, KEPT, timer=timer, getsizeof=lambda kept: len(kept.body) + _OVERHEAD
        )

    def get(self, caller: str, url: str) -> Kept | None:
        """What was answered last."""
        return self._kept.get((caller, url))

    def keep(self, caller: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keeps an answer that has a tag and is not too long."""
        tag = headers.get("etag", "")
        if not tag or len(body) > BODY:
            self._kept.pop((caller, url), None)
            return
        needed = {name: headers[name] for name in _HEADERS if name in headers}
        self._kept[caller, url] = Kept(tag=tag, headers=needed, body=body)

    def forget(self, caller: str) -> None:
        """Drops all that one caller was answered."""
        for key in [key for key in self._kept if key[0] == caller]:
            self._kept.pop(key, None)
