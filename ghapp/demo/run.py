"""The demo in one process: two stand-ins, a scripted cluster, the page, and the real product.

The product is composed as in production and talks to the stand-ins by HTTP over loopback; it gets a
kubeconfig and an App's key, and finds its documents in the cluster. Everything that is written goes
into one temporary folder, which goes when the demo ends.
"""

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from ghapp.app import Checkrail
from ghapp.demo import scene as scenes
from ghapp.demo import socket_door
from ghapp.demo.board import Board
from ghapp.demo.events import Events
from ghapp.demo.flux import Flux
from ghapp.demo.jobs import Jobs
from ghapp.demo.page import Page
from ghapp.demo.scene import Scene
from ghapp.demo.script import Developers, Triggers
from ghapp.demo.tekton import Tekton
from ghapp.errors import CheckrailError
from ghapp.secret import Secret
from ghapp.settings import GitHubSettings, Settings

PROGRESS_SECONDS: Final = 3.0
"""Between two updates of a running check: somebody is looking at it all the time."""
_SHUTDOWN_SECONDS: Final = 0.5

_KUBECONFIG: Final = """\
apiVersion: v1
kind: Config
clusters: [{{name: demo, cluster: {{server: "{server}"}}}}]
users: [{{name: demo, user: {{token: {token}}}}}]
contexts: [{{name: demo, context: {{cluster: demo, user: demo, namespace: ci}}}}]
current-context: demo
"""


async def run_demo(
    *,
    host: str,
    port: int,
    github_socket: Path | None,
    ready: Callable[[str], None],
    speed: float = 1.0,
) -> None:
    """Serves the demo until cancelled.

    `port` 0 takes any free one; `speed` 10 plays ten times as fast; `ready` is given what to print
    once everything answers. Raises CheckrailError where the port or the socket is taken.
    """
    with _bound(host, port) as listening, tempfile.TemporaryDirectory(prefix="checkrail-") as made:
        folder, url = Path(made), _url(listening)
        secret = secrets.token_hex(16)
        scene = scenes.build(url, webhook_secret=secret)
        settings = _settings(scene, folder, url, secret, speed)
        checkrail = await Checkrail.open(settings)
        async with (
            _closing(checkrail),
            _served(checkrail, scene, listening, speed) as page,
            socket_door.opened(github_socket, f"{url}/github"),
        ):
            ready(_welcome(scene, url, folder, github_socket))
            await _perform(checkrail, scene, page, speed)


async def _perform(checkrail: Checkrail, scene: Scene, page: Page, speed: float) -> None:
    """Everything that moves, until cancelled."""
    github, kube, fates = scene.github, scene.kube, scene.fates
    flux = Flux(github=github, kube=kube, charts=scene.charts, doomed=fates.doomed, speed=speed)
    printed = fates.printed
    tekton = Tekton(kube=kube, failing=fates.failing, printed=printed, speed=speed)
    jobs = Jobs(kube=kube, fails=fates.e2e_fails, printed=printed, speed=speed)
    async with asyncio.TaskGroup() as group:
        group.create_task(page.run())
        group.create_task(checkrail.run())
        group.create_task(flux.run())
        group.create_task(tekton.run())
        group.create_task(jobs.run())
        group.create_task(Triggers(github=github, kube=kube, fates=fates).run())
        group.create_task(page.developers.run())


@asynccontextmanager
async def _closing(checkrail: Checkrail) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.shield(checkrail.close())


@asynccontextmanager
async def _served(
    checkrail: Checkrail, scene: Scene, listening: socket.socket, speed: float
) -> AsyncIterator[Page]:
    """The web server with everything in it; listeners are sent home before it stops."""
    poke, board = asyncio.Event(), Board()
    page = Page(
        scene=scene,
        developers=Developers(github=scene.github, fates=scene.fates, speed=speed),
        events=Events(poke.set),
        board=board,
        poke=poke,
    )
    app = web.Application()
    app.add_routes(checkrail.routes())  # before the stand-in: /github/webhook is the product's
    app.add_routes(page.routes())
    app.add_subapp("/github", scene.github.app())
    app.add_subapp("/kube", scene.kube.app())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield page
    finally:
        board.end()
        scene.kube.drop_watches()
        await runner.cleanup()


# --- what the product is given --------------------------------------------------------------------


def _settings(scene: Scene, folder: Path, url: str, secret: str, speed: float) -> Settings:
    kubeconfig = _KUBECONFIG.format(server=f"{url}/kube", token=secrets.token_hex(16))
    (folder / "kubeconfig").write_text(kubeconfig, encoding="utf-8")
    return Settings(
        store=f"sqlite:///{folder / 'demo.db'}",
        github=GitHubSettings(
            api_url=f"{url}/github",
            app_id=str(scene.app.id),
            private_key=Secret(scene.app.private_key),
            webhook_secrets=(Secret(secret),),
        ),
        dashboard_url=f"{url}/object/{{plural}}/{{namespace}}/{{name}}",
        public_url=url,
        progress_interval=PROGRESS_SECONDS / speed,
        environ={"KUBECONFIG": str(folder / "kubeconfig")},
    )


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise CheckrailError(
            f"cannot listen on {host}:{port}: {_reason(error)}; choose another with --port"
        ) from error


def _reason(error: OSError) -> str:
    """Why, in the system's words; Python's own add the address once more."""
    return os.strerror(error.errno) if error.errno else str(error)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104


def _welcome(scene: Scene, url: str, folder: Path, github_socket: Path | None) -> str:
    """What a person at the terminal is told."""
    lines = [
        f"The demo is on {url}",
        "",
        "With kubectl:",
        f"  export KUBECONFIG={folder / 'kubeconfig'}",
        "  kubectl get pipelineruns,taskruns,jobs,helmreleases -A",
        "  kubectl get checkrail -A",
    ]
    if github_socket is not None:
        lines += [
            "With gh:",
            f"  gh config set http_unix_socket {github_socket}",
            f"  export GH_TOKEN={scene.tokens['alice']}",
            "  gh pr list --repo acme/gitops",
        ]
    return "\n".join([*lines, "", "Ctrl-C ends it."])
