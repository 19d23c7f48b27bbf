"""`checkrail setup`, from its options on: which place, which wish, and then one of two flows."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final

import aiohttp

from ghapp.engine.kube import KubeClient
from ghapp.engine.kube import open_session as open_kube_session
from ghapp.engine.kube_config import load
from ghapp.errors import ConfigError
from ghapp.http import open_session
from ghapp.setup.cluster_secret import ClusterSecret, Stdout
from ghapp.setup.flow import Tell, register
from ghapp.setup.places import Folder, Place
from ghapp.setup.rotation import rotate
from ghapp.setup.wish import NAME_LIMIT, wish

_TARGET: Final = re.compile(r"(?P<namespace>[a-z0-9][-a-z0-9]{0,62})/(?P<name>[a-z0-9][-.a-z0-9]*)")


async def run_setup(
    *,
    environ: Mapping[str, str],
    organization: str,
    github: str,
    api_url: str,
    name: str,
    webhook_url: str,
    public: bool,
    port: int,
    output: str,
    to_cluster: str,
    force: bool,
    rotate_webhook_secret: bool,
    tell: Tell,
    confirm: Callable[[str], bool],
) -> None:
    """Registers an App, or rotates the webhook secret of one."""
    async with (
        open_session() as session,
        _place(environ, output, to_cluster, force=force) as place,
    ):
        if rotate_webhook_secret:
            await _rotate(place, session, tell=tell, confirm=confirm)
            return
        wanted = wish(
            github=github,
            api_url=api_url,
            organization=organization,
            name=name or f"checkrail-{organization}"[:NAME_LIMIT].rstrip("-"),
            webhook_url=webhook_url,
            public=public,
        )
        await register(wanted, place, session=session, tell=tell, port=port)


async def _rotate(
    place: Place, session: aiohttp.ClientSession, *, tell: Tell, confirm: Callable[[str], bool]
) -> None:
    async def ready() -> bool:
        tell(f"{place.name} has a new first secret; the old one below it still counts.")
        tell(
            "A running checkrail reads its file every 30 s, and a mounted Secret follows within two"
            " minutes: it logs `a secret was read again`. A folder has to be applied first."
        )
        return await asyncio.to_thread(confirm, "Does the running checkrail have it?")

    if await rotate(place, session=session, ready=ready):
        tell("GitHub signs with the new secret. Remove the old lines when nothing is on its way.")
    else:
        tell("GitHub was not told: it signs with the old secret, which still counts.")


@contextlib.asynccontextmanager
async def _place(
    environ: Mapping[str, str], output: str, to_cluster: str, *, force: bool
) -> AsyncIterator[Place]:
    if not to_cluster:
        yield Stdout() if output == "-" else Folder(path=Path(output), force=force)
        return
    target = _TARGET.fullmatch(to_cluster)
    if target is None:
        raise ConfigError(f"--to-cluster: {to_cluster!r} is not NAMESPACE/NAME")
    connection = await load(environ)
    async with open_kube_session() as session:
        kube = KubeClient(session=session, connection=connection)
        yield ClusterSecret(
            kube=kube, namespace=target["namespace"], secret=target["name"], force=force
        )
