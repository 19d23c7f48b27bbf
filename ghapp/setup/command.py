"""`checkrail setup`, from its options on: which place, and what is done there."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from ghapp import settings
from ghapp.engine.kube import KubeClient
from ghapp.engine.kube import open_session as open_kube_session
from ghapp.engine.kube_config import load
from ghapp.errors import ConfigError
from ghapp.github.session import open_session
from ghapp.setup.cluster_secret import ClusterSecret, Stdout
from ghapp.setup.flow import Tell, register
from ghapp.setup.places import Folder, Place
from ghapp.setup.rotation import announce, renew
from ghapp.setup.wish import Wish

_TARGET: Final = re.compile(r"(?P<namespace>[a-z0-9][-a-z0-9]{0,62})/(?P<name>[a-z0-9][-.a-z0-9]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """What the options say of where secrets are kept."""

    environ: Mapping[str, str]
    output: str
    to_cluster: str
    force: bool

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """The place, for as long as it is needed."""
        if not self.to_cluster:
            stdout = self.output == "-"
            yield Stdout() if stdout else Folder(path=Path(self.output), force=self.force)
            return
        target = _TARGET.fullmatch(self.to_cluster)
        if target is None:
            raise ConfigError(f"--to-cluster: {self.to_cluster!r} is not NAMESPACE/NAME")
        connection = await load(self.environ)
        async with open_kube_session() as session:
            yield ClusterSecret(
                kube=KubeClient(session=session, connection=connection),
                namespace=target["namespace"],
                secret=target["name"],
                force=self.force,
            )

    def session(self, api_url: str) -> aiohttp.ClientSession:
        """The way to GitHub that the product would take."""
        way = settings.way(api_url, self.environ)
        return open_session(ca=way.ca, proxy=way.proxy)

    async def register(self, wanted: Wish, *, port: int, tell: Tell) -> bool:
        """Makes an App and keeps its secrets; True when it is done."""
        async with self.session(wanted.api_url) as session, self.place() as place:
            await register(wanted, place, session=session, tell=tell, port=port)
        return True

    async def renew(self, *, tell: Tell) -> bool:
        """The first half of a rotation; True when it is done."""
        async with self._kept() as (place, session):
            await renew(place, session)
        tell(f"{place.name} has a new first secret; the old one below it still counts.")
        tell(_WAIT)
        return True

    async def announce(self, *, tell: Tell) -> bool:
        """The second half; True when it is done."""
        async with self._kept() as (place, session):
            await announce(place, session)
        tell("GitHub signs with the new secret. In an hour the old lines can be taken out.")
        return True

    @contextlib.asynccontextmanager
    async def _kept(self) -> AsyncIterator[tuple[Place, aiohttp.ClientSession]]:
        """The place with an App in it, and the way to that App's GitHub."""
        async with self.place() as place:
            kept = await place.load()
            async with self.session(kept.api_url) as session:
                yield place, session


_WAIT: Final = (
    "Apply it, if it is a folder. A running checkrail reads its file every 30 s, and a mounted "
    "Secret follows within two minutes; it logs: a secret was read again."
)
