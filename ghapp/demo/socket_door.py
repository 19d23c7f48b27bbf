"""GitHub's stand-in on a unix socket: where `gh config set http_unix_socket PATH` leads.

gh keeps speaking to api.github.com; each request is passed on to the stand-in on its port, so both
doors open into the same room.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from ghapp.errors import CheckrailError

_LIMIT: Final = 26 * 1024 * 1024
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
_HOP_BY_HOP: Final = frozenset({
    "connection", "content-encoding", "content-length", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


@asynccontextmanager
async def opened(path: Path | None, target: str) -> AsyncIterator[None]:
    """Serves the socket while this lasts; without a path, nothing."""
    if path is None:
        yield
        return
    async with aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=True) as session:
        app = web.Application(client_max_size=_LIMIT)
        app.router.add_route("*", "/{path:.*}", _Door(session, target).pass_on)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await _listen(runner, path)
            yield
        finally:
            await runner.cleanup()
            _remove(path)


async def _listen(runner: web.AppRunner, path: Path) -> None:
    try:
        await web.UnixSite(runner, str(path)).start()
    except OSError as error:
        raise CheckrailError(f"--github-socket {path}: cannot listen there: {error}") from error


def _remove(path: Path) -> None:
    if path.is_socket():
        path.unlink(missing_ok=True)


class _Door:
    """Passes requests on."""

    def __init__(self, session: aiohttp.ClientSession, target: str) -> None:
        self._session = session
        self._target = target

    async def pass_on(self, request: web.Request) -> web.Response:
        """The stand-in's answer to the same request."""
        headers = {key: text for key, text in request.headers.items() if _passes(key)}
        url = f"{self._target}{request.raw_path}"
        async with self._session.request(
            request.method, url, data=await request.read(), headers=headers, allow_redirects=False
        ) as answer:
            kept = [(key, text) for key, text in answer.headers.items() if _passes(key)]
            return web.Response(
                status=answer.status, body=await answer.read(), headers=_multi(kept)
            )


def _passes(header: str) -> bool:
    return header.lower() not in _HOP_BY_HOP


def _multi(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """One line a header; a repeated one is joined, as HTTP allows."""
    joined: dict[str, str] = {}
    for key, text in pairs:
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined
