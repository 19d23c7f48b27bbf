"""Secrets that change while we run: their files are read again, and what is good is used.

Nothing restarts and no request is lost. What counts is what a file says, so it does not matter how
it changes: a mounted Secret is swapped by a symlink, an editor writes another inode. What is of no
use is logged and counted, once, and what was used before stays in use.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ghapp import log as logs
from ghapp.errors import CheckrailError, ConfigError
from ghapp.metrics import Metrics, SecretName
from ghapp.secret import Secret
from ghapp.settings import secret_lines

log = logs.get(__name__)

POLL: Final = 30.0
"""Seconds between two looks at the files; the kubelet itself takes a minute to swap a mount."""
FILE_LIMIT: Final = 64 * 1024
"""Bytes; a key has two thousand."""

Secrets = tuple[Secret, ...]


@dataclass(slots=True, kw_only=True)
class Watched:
    """A file with secrets, and who uses them."""

    name: SecretName
    path: Path
    parse: Callable[[str], Secrets]
    use: Callable[[Secrets], Awaitable[None]]
    """Raises ConfigError where they are of no use; any other error of ours: try again later."""
    used: Secrets
    """What is in use."""
    refused: Secrets | str = field(default="", repr=False)
    """What was of no use the last time, or why the file was not. It is tried again, as GitHub may
    know a new key a moment later, but told once."""


@dataclass(slots=True, kw_only=True)
class Rotation:
    """Looks at the files now and then."""

    watched: Sequence[Watched]
    metrics: Metrics
    every: float = POLL

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await asyncio.sleep(self.every)
            for one in self.watched:
                await self._look_safely(one)

    async def _look_safely(self, one: Watched) -> None:
        try:
            await self.look(one)
        except CheckrailError as error:
            log.warning("a secret that changed waits to be tried", file=one.name, reason=str(error))
        except Exception:
            log.exception("a secret could not be read again", file=one.name)

    async def look(self, one: Watched) -> None:
        """Uses what the file says, if that is news."""
        found: Secrets | str = ""
        try:
            found = one.parse(_content(one.path))
            if found != one.used:
                await one.use(found)
        except ConfigError as error:
            self._refuse(one, found, str(error))
            return
        one.refused = ""
        if found == one.used:
            return
        one.used = found
        self.metrics.secret_read(one.name, "used")
        log.info("a secret was read again", file=one.name, values=len(found))

    def _refuse(self, one: Watched, found: Secrets | str, reason: str) -> None:
        if (found or reason) == one.refused:
            return
        one.refused = found or reason
        self.metrics.secret_read(one.name, "refused")
        log.error(
            "a secret that changed is of no use, the one before stays in use",
            file=one.name,
            reason=reason,
        )


def lines(
    name: SecretName, path: Path | None, used: Secrets, use: Callable[[Secrets], None]
) -> list[Watched]:
    """A file with one secret a line; nothing to watch where there is none, or nobody uses it."""

    async def take(found: Secrets) -> None:
        use(found)

    if path is None or not used:
        return []
    return [Watched(name=name, path=path, parse=secret_lines, use=take, used=used)]


def key(path: Path | None, used: Secret, use: Callable[[Secret], Awaitable[None]]) -> list[Watched]:
    """A file with the App's private key, which is tried before it is used."""

    async def take(found: Secrets) -> None:
        await use(found[0])

    if path is None:
        return []
    whole = lambda content: (Secret(content),)  # noqa: E731 - what the others call parse
    return [Watched(name="private_key", path=path, parse=whole, use=take, used=(used,))]


def _content(path: Path) -> str:
    """What the file says; raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1).decode().strip()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file") from None
    if not content:
        raise ConfigError(f"{path} is empty")
    if len(content) > FILE_LIMIT:
        raise ConfigError(f"{path} is longer than {FILE_LIMIT} bytes")
    return content
