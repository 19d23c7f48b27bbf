"""Which installation of the App a repository belongs to, found by asking and kept true by webhooks.

``GET /repos/{owner}/{repo}/installation`` once an hour per repository; that the App is not
installed is believed for a minute, so that installing it mends things without a restart.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cachetools import TLRUCache, TTLCache

from ghapp.errors import Reject, Retry
from ghapp.github.flight import SingleFlight
from ghapp.ports import Clock

_KNOWN: Final = 3600.0
_UNKNOWN: Final = 60.0
_REPOSITORIES: Final = 10_000
SUSPENDED: Final = 600.0
"""Seconds until we ask again about an installation that is suspended."""

EVENTS: Final = frozenset(
    {"installation", "installation_repositories", "installation_target", "repository"}
)
"""Webhooks after which what we know may be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The App in one account."""

    id: int
    suspended: bool = False
    page: str = ""
    """Its settings at GitHub, where its owner accepts what the App asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What a webhook made doubtful."""

    doubtful: bool = False
    """Anything at all."""
    installation: int = 0
    """Whose answers are; 0: the webhook names none."""
    rights: bool = False
    """Its tokens are, too: they may do less than the installation may by now, or nothing."""


_INSTALLATION: Final = "the App's installation for "


def suspended(repository: str) -> Retry:
    """The owner can lift it at any time, so nothing is given up."""
    return Retry(
        f"{_INSTALLATION}{repository} is suspended; its owner can unsuspend it in the"
        " account's settings, under Applications",
        after=SUSPENDED,
        status=403,
    )


def because_suspended(account: str) -> str:
    """How the reason begins of all that waits as `suspended` for repositories of an account."""
    return f"{_INSTALLATION}{account}/"


class Installations:
    """Installations by repository. GitHub's names do not care about case, so neither do we."""

    def __init__(self, ask: Callable[[str], Awaitable[Installation]], *, clock: Clock) -> None:
        self._ask = ask
        self._flights: SingleFlight[Installation] = SingleFlight()
        now = lambda: clock().timestamp()  # noqa: E731 - what both caches call a timer
        self._known: TLRUCache[str, Installation] = TLRUCache(_REPOSITORIES, _until, timer=now)
        self._unknown: TTLCache[str, str] = TTLCache(_REPOSITORIES, _UNKNOWN, timer=now)

    async def of(self, slug: str) -> Installation:
        """The installation for ``owner/name``; raises Reject where there is none."""
        key = slug.lower()
        found = self._known.get(key)
        if found is None:
            reason = self._unknown.get(key)
            if reason is not None:
                raise Reject(reason, status=404)
            found = await self._flights.ask(key, lambda: self._fetch(slug))
        if found.suspended:
            raise suspended(slug)
        return found

    async def again(self, slug: str) -> Installation:
        """The same, asked now."""
        self._known.pop(slug.lower(), None)
        return await self.of(slug)

    def suspend(self, installation: int) -> None:
        """GitHub said so while answering something else."""
        for slug, found in list(self._known.items()):
            if found.id == installation:
                self._known[slug] = Installation(id=installation, suspended=True)

    def drop(self, installation: int) -> None:
        """Ask again about all its repositories."""
        for slug, found in list(self._known.items()):
            if found.id == installation:
                self._known.pop(slug, None)

    def forget(self, event: str, payload: Mapping[str, Any]) -> Forgotten:
        """Drop what a webhook made doubtful, and say what else is."""
        if event not in EVENTS:
            return Forgotten()
        number = _field(payload, "installation", "id")
        if isinstance(number, int):
            self.drop(number)
        owners = {owner.lower() for owner in _owners(payload)}
        for cache in (self._known, self._unknown):
            for slug in [slug for slug in cache if slug.partition("/")[0] in owners]:
                cache.pop(slug, None)
        return Forgotten(
            doubtful=True,
            installation=number if isinstance(number, int) else 0,
            rights=event in {"installation", "installation_repositories"},
        )

    async def close(self) -> None:
        """Let go of what is being asked."""
        await self._flights.close()

    async def _fetch(self, slug: str) -> Installation:
        try:
            found = await self._ask(slug)
        except Reject as error:
            if error.status == 404:
                self._unknown[slug.lower()] = error.reason
            raise
        self._known[slug.lower()] = found
        return found


def _until(_slug: str, found: Installation, now: float) -> float:
    return now + (SUSPENDED if found.suspended else _KNOWN)


_OWNER_FIELDS: Final = (
    ("installation", "account", "login"),
    ("account", "login"),
    ("repository", "owner", "login"),
    ("changes", "login", "from"),
    ("changes", "owner", "from", "user", "login"),
    ("changes", "owner", "from", "organization", "login"),
)


def _owners(payload: Mapping[str, Any]) -> set[str]:
    """Every account the webhook names, under its new name and its old."""
    found = (_field(payload, *path) for path in _OWNER_FIELDS)
    return {owner for owner in found if isinstance(owner, str)}


def _field(value: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
