"""The product behind a web server of its own: what `checkrail run` does."""

import asyncio

from aiohttp import web

from ghapp import log as logs
from ghapp.app import Checkrail
from ghapp.errors import ConfigError
from ghapp.server import shield
from ghapp.settings import Settings

log = logs.get(__name__)


async def serve(settings: Settings, role: str) -> None:
    """Serves and works until cancelled; then stops in order: web server, loops, store."""
    checkrail = await Checkrail.open(settings, role=role)
    try:
        runner = web.AppRunner(application(checkrail), access_log=None, shutdown_timeout=5)
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


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    try:
        await web.TCPSite(runner, settings.host or None, settings.port).start()
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(f"CHECKRAIL_LISTEN: cannot listen on {where}: {error}") from error
