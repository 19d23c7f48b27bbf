"""The real thing: `python -m ghapp` as a process of its own, killed or told to stop."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.world import SECRETS, World

ROOT = Path(__file__).parents[1]
START_LIMIT = 40.0
"""Seconds; a shared machine may be busy."""


def environ(w: World, **changes: str) -> dict[str, str]:
    """The environment that a deployment would give the product in this world."""
    settings = w.settings()
    key, secret = w.folder / "key.pem", w.folder / "secret"
    key.write_text(w.app.private_key)
    secret.write_text("\n".join(SECRETS))
    return {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": settings.environ["KUBECONFIG"],
        "CHECKRAIL_STORE": settings.store,
        "CHECKRAIL_LISTEN": f"127.0.0.1:{free_port()}",
        "CHECKRAIL_CONFIG": str(settings.config),
        "CHECKRAIL_CDEVENTS_SINK": settings.cdevents_sink,
        "CHECKRAIL_PROGRESS_INTERVAL": "0.2",
        "CHECKRAIL_LOG_FORMAT": "json",
        "CHECKRAIL_GITHUB_API_URL": w.github.base_url,
        "CHECKRAIL_GITHUB_APP_ID": str(w.app.id),
        "CHECKRAIL_GITHUB_PRIVATE_KEY_FILE": str(key),
        "CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE": str(secret),
        **changes,
    }


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """`checkrail`, running."""

    url: str
    inner: asyncio.subprocess.Process
    said: bytearray = field(default_factory=bytearray)
    """What it wrote to stderr so far."""

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log, a line each."""
        return [json.loads(line) for line in self.said.splitlines() if line.startswith(b"{")]

    async def ready(self) -> None:
        """Until it says so itself."""
        async with asyncio.timeout(START_LIMIT), aiohttp.ClientSession() as session:
            while self.inner.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.02)
        raise AssertionError(f"it ended with {self.inner.returncode}: {self.said.decode()}")

    async def kill(self) -> None:
        """SIGKILL: no last words."""
        if self.inner.returncode is None:
            self.inner.send_signal(signal.SIGKILL)
        await self.inner.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.inner.send_signal(signal.SIGTERM)
        return await self.inner.wait()

    async def listen(self) -> None:
        """Takes down what it says until it ends."""
        assert self.inner.stderr
        while chunk := await self.inner.stderr.read(65_536):
            self.said += chunk


@contextlib.asynccontextmanager
async def process(w: World, *arguments: str, **changes: str) -> AsyncIterator[Process]:
    """`checkrail run`, ready; killed at the end if it is still there."""
    async with begun(w, *arguments, **changes) as started:
        await started.ready()
        yield started


@contextlib.asynccontextmanager
async def begun(w: World, *arguments: str, **changes: str) -> AsyncIterator[Process]:
    """`checkrail run`, just begun; killed at the end if it is still there."""
    given = environ(w, **changes)
    url = f"http://{given['CHECKRAIL_LISTEN']}"
    inner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ghapp", "run", *arguments),
        cwd=ROOT,
        env=given,
        stderr=asyncio.subprocess.PIPE,
    )
    started = Process(url=url, inner=inner)
    listening = asyncio.create_task(started.listen())
    w.app.webhook_url = f"{url}/github/webhook"
    try:
        yield started
    finally:
        await started.kill()
        await listening
