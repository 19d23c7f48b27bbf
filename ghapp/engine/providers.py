"""The places that effects go to, as the documents declare them: they come, change and go.

A Provider becomes a sink as soon as it is declared, and its credentials are read from its Secret
now and again. As long as nothing can be delivered (it is suspended, or its Secret is not there)
what is owed to it waits. A document that is wrong changes nothing: the sink that its last good
state made stays. When a Provider is gone, what waits for it is given up, for a person to see.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from ghapp import log as logs
from ghapp.core.provider import Provider
from ghapp.core.source import Resource
from ghapp.errors import ConfigError, DeliveryError, Reject
from ghapp.ports import Clock, Kube, Outcome, Sink, Store
from ghapp.secret import Secret

log = logs.get(__name__)

SECRETS: Final = Resource("", "v1", "secrets", "Secret")
REREAD_EVERY: Final = 30.0
"""Seconds between two looks at a Secret; watching all of a namespace's would need the right to read
all of them."""
READ_LIMIT: Final = 15.0
"""Seconds for one Secret."""
_GONE: Final = "its Provider is gone, or not set up any more"

Credentials = Mapping[str, Secret]
Make = Callable[[Provider, Credentials], Sink]
"""Builds a sink; raises ConfigError where the settings do not do."""
Lacks = Callable[[Provider, Credentials], str]
"""What is missing in the Secret; empty: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of deliveries since the process began."""

    delivered: int = 0
    parked: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    failure: str = ""
    """Why, the last time."""

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        if self.last_failure is None:
            return False
        return self.last_success is None or self.last_failure > self.last_success


@dataclass(slots=True, kw_only=True)
class Place:
    """A declared Provider at work."""

    provider: Provider
    sink: Sink | None = None
    credentials: Credentials = field(default_factory=dict)
    problem: str = ""
    """Why nothing is delivered; empty: all is well."""
    tally: Tally = field(default_factory=Tally)

    @property
    def paused(self) -> bool:
        """Whether what is owed waits."""
        return self.provider.suspend or bool(self.problem)


def _nobody() -> None:
    """Nobody writes statuses."""


def _nothing_left(name: str) -> None:
    """Nothing else was made for it."""


@dataclass(slots=True, kw_only=True)
class Providers(Mapping[str, Sink]):
    """Every sink there is at this moment, by its name in the store."""

    built_in: Mapping[str, Sink]
    """What the environment sets up, and what does what people ask for."""
    make: Make
    lacks: Lacks
    kube: Kube
    """Of the cluster at home, where the Secrets are."""
    secrets_namespace: str
    """Where a ClusterProvider's Secret is."""
    store: Store
    clock: Clock
    changed: Callable[[], None] = _nobody
    """Called when sinks came, went or may deliver again, and when there is news for a status."""
    gone: Callable[[str], None] = _nothing_left
    """Told of the id of a provider that is there no more."""
    reread_every: float = REREAD_EVERY
    places: dict[str, Place] = field(default_factory=dict)
    """Declared ones, by id."""

    def __getitem__(self, name: str) -> Sink:
        if name in self.built_in:
            return self.built_in[name]
        sink = self.places[name].sink
        if sink is None:
            raise KeyError(name)
        return sink

    def __iter__(self) -> Iterator[str]:
        yield from self.built_in
        yield from (name for name, place in self.places.items() if place.sink is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def paused(self, name: str) -> bool:
        """Whether what is owed to this sink waits."""
        place = self.places.get(name)
        return place is not None and place.paused

    async def declare(self, providers: Sequence[Provider]) -> None:
        """These are there now, and no others."""
        wanted = {one.id: one for one in providers}
        for name in [name for name in self.places if name not in wanted]:
            del self.places[name]
            self.gone(name)
        for name, provider in wanted.items():
            place = self.places.get(name)
            if place is None or place.provider != provider:
                await self._settle(provider, place)

    async def give_up_orphans(self) -> None:
        """What waits for a sink that there is not will never be delivered."""
        known = {*self.built_in, *self.places}
        given_up = await self.store.park_orphans(known, reason=_GONE, now=self.clock())
        if given_up:
            log.warning("gave up what waited for providers that are gone", effects=given_up)

    async def run(self) -> None:
        """Reads the Secrets again and again, until cancelled."""
        while True:
            await asyncio.sleep(self.reread_every)
            for place in list(self.places.values()):
                if place.provider.secret and self.places.get(place.provider.id) is place:
                    await self._reread(place)

    def heard(self, outcome: Outcome) -> None:
        """A delivery ended."""
        place = self.places.get(outcome.sink)
        if place is None:
            return
        was, now, well = place.tally, self.clock(), not place.tally.failing
        match outcome.result:
            case "done":
                place.tally = replace(was, delivered=was.delivered + 1, last_success=now)
            case "again":
                place.tally = replace(was, last_failure=now, failure=outcome.reason)
            case "parked":
                place.tally = replace(
                    was, parked=was.parked + 1, last_failure=now, failure=outcome.reason
                )
        if outcome.result == "parked" or well is place.tally.failing or not was.last_success:
            self.changed()  # else only counts have changed, which nobody waits for

    # -- one provider ----------------------------------------------------------------------------

    async def _settle(self, provider: Provider, place: Place | None) -> None:
        place = place or Place(provider=provider)
        place.provider = provider
        self.places[provider.id] = place
        credentials, problem = await self._credentials(provider)
        self._build(place, place.credentials if credentials is None else credentials, problem)

    async def _reread(self, place: Place) -> None:
        credentials, problem = await self._credentials(place.provider)
        if credentials is None:
            log.warning("cannot read a Secret", provider=place.provider.id, reason=problem)
            return  # what was read before may still do
        if credentials == place.credentials and problem == place.problem:
            return
        self._build(place, credentials, problem)
        self.changed()

    def _build(self, place: Place, credentials: Credentials, problem: str) -> None:
        """The sink of the present settings and credentials; else the one before it stays."""
        place.credentials = credentials
        problem = problem or self.lacks(place.provider, credentials)
        try:
            place.sink = self.make(place.provider, credentials)
        except ConfigError as error:
            problem = problem or str(error)
        place.problem = problem
        if problem:
            log.warning("a provider cannot deliver", provider=place.provider.id, reason=problem)

    async def _credentials(self, provider: Provider) -> tuple[Credentials | None, str]:
        """What its Secret holds, and what is wrong with that; None: it cannot be read now."""
        if not provider.secret:
            return {}, ""
        namespace = provider.namespace or self.secrets_namespace
        try:
            async with asyncio.timeout(READ_LIMIT):
                found = await self.kube.get(SECRETS, namespace, provider.secret)
        except Reject as error:
            return {}, refused(error, namespace, provider.secret)
        except (DeliveryError, TimeoutError) as error:
            return None, f"Secret {namespace}/{provider.secret} cannot be read now: {error}"
        return decoded(found), ""


def refused(error: Reject, namespace: str, name: str) -> str:
    """Why there are no credentials."""
    if error.status == 404:
        return f"there is no Secret {namespace}/{name}"
    mend = "; `checkrail rbac` prints the role that is needed" if error.status == 403 else ""
    return f"Secret {namespace}/{name} cannot be read: {error.reason}{mend}"


def decoded(secret: Mapping[str, Any]) -> Credentials:
    """Its values; what is no text is left out."""
    found = {}
    for key, coded in (secret.get("data") or {}).items():
        try:
            found[key] = Secret(base64.b64decode(coded).decode().strip())
        except (binascii.Error, UnicodeDecodeError, TypeError):
            log.warning("a value of a Secret is no text", key=key)
    return found
