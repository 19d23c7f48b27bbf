"""The product behind a web server of its own: what `checkrail run` does."""

import asyncio
from typing import Final

from aiohttp import web

from ghapp import log as logs
from ghapp.app import Checkrail
from ghapp.errors import ConfigError
from ghapp.server import shield
from ghapp.settings import Settings

log = logs.get(__name__)

KEEPALIVE: Final = 75.0
"""Seconds that a connection may be idle; ingress controllers let go after 60."""
SHUTDOWN: Final = 5.0
"""Seconds that requests get to end when the process is told to stop."""


async def serve(settings: Settings, role: str) -> None:
    """Serves and works until cancelled; then stops in order: web server, loops, store."""
    checkrail = await Checkrail.open(settings, role=role)
    try:
        runner = runner_of(application(checkrail))
        await runner.setup()
        try:
            await _listen(runner, settings)
            log.info("started", role=role, host=settings.host, port=settings.port)
            await checkrail.run()
        finally:
            await asyncio.shield(runner.cleanup())
    finally:
        await asyncio.shield(checkrail.close())
        log.info("stopped")


def application(checkrail: Checkrail) -> web.Application:
    """A web application with the product's routes and nothing else."""
    app = web.Application(middlewares=[shield])
    app.add_routes(checkrail.routes())
    return app


def runner_of(app: web.Application) -> web.AppRunner:
    """Serves an application to strangers.

    Bodies are taken as they come: a signature is over raw bytes, and unpacking what nobody has
    verified would be work done for anybody.
    """
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE,
        shutdown_timeout=SHUTDOWN,
    )


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.host or None, settings.port).start()
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(f"CHECKRAIL_LISTEN: cannot listen on {where}: {error}") from error
