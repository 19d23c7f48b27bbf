"""Where the secrets of an App are kept: what such a place is, and the folder.

Asked before GitHub is (`check`): an App whose key cannot be kept must not be made, because GitHub
shows the key once. The Secret in a cluster is in `cluster_secret`.
"""

import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ghapp.errors import ConfigError
from ghapp.secret import Secret

KEY, WEBHOOK, APP_ID, API_URL = "private-key.pem", "webhook-secret", "app-id", "api-url"
ENV: Final = "app.env"
IGNORE: Final = ".gitignore"
"""So that no repository keeps a key by accident."""
FOLDER: Final = "github"
DEFAULT_API: Final = "https://api.github.com"
FILE_LIMIT: Final = 64 * 1024
"""Bytes that are read of a file of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the product needs to be an App."""

    app_id: str
    api_url: str
    private_key: Secret
    webhook_secrets: tuple[Secret, ...]
    """The first is current."""

    @property
    def lines(self) -> str:
        """The webhook secrets as the product reads them: one a line."""
        return "".join(f"{secret.reveal()}\n" for secret in self.webhook_secrets)


class Place(Protocol):
    """Keeps the credentials of one App."""

    @property
    def name(self) -> str:
        """For people."""

    def use(self, settings: str) -> str:
        """How the product gets at them; `settings` are the others that it needs."""

    @property
    def options(self) -> str:
        """The options of `checkrail setup` that lead there again; empty: nothing does."""

    async def check(self) -> None:
        """Raises ConfigError or a DeliveryError where `store` would fail, or destroy a key."""

    async def store(self, credentials: Credentials) -> None:
        """Keeps them; all that is there of another App is replaced."""

    async def load(self) -> Credentials:
        """What is kept; raises ConfigError where that is not all of it."""


# --- a folder -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """``FOLDER/github/``, as kustomize/overlays/standalone has it; files that only we can read."""

    path: Path
    force: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return str(self.path / FOLDER)

    def use(self, settings: str) -> str:
        """A copy of the overlay is ready to be applied; elsewhere settings name the files."""
        if (self.path / "kustomization.yaml").exists():
            return f"`kubectl apply -k {self.path}` deploys checkrail with it."
        folder = self.path / FOLDER
        return (
            "Put the folder into a copy of `kustomize/overlays/standalone`, or start checkrail "
            f"with {settings}, `CHECKRAIL_GITHUB_PRIVATE_KEY_FILE={folder / KEY}` and "
            f"`CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE={folder / WEBHOOK}`."
        )

    @property
    def options(self) -> str:
        """Names the folder."""
        return f"--output {shlex.quote(str(self.path))}"

    async def check(self) -> None:
        """Raises ConfigError where a key is already, or nothing can be written."""
        folder = self.path / FOLDER
        kept = [folder / name for name in (KEY, WEBHOOK) if _content(folder / name)]
        if kept and not self.force:
            raise ConfigError(
                f"{kept[0]} is there already and would be lost; choose another --output, "
                "or say --force"
            )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder}: {error.strerror}; choose another --output") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(f"{folder} cannot be written to; choose another --output")

    async def store(self, credentials: Credentials) -> None:
        """Writes each file whole or not at all."""
        folder = self.path / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / KEY, credentials.private_key.reveal())
        _write(folder / WEBHOOK, credentials.lines)
        _write(folder / ENV, _env(credentials, _content(folder / ENV)))
        if not (folder / IGNORE).exists():
            _write(folder / IGNORE, "*\n")

    async def load(self) -> Credentials:
        """What the three files say."""
        folder = self.path / FOLDER
        env = dict(
            line.split("=", 1) for line in _content(folder / ENV).splitlines() if "=" in line
        )
        return credentials_of(
            self.name,
            {
                KEY: _content(folder / KEY),
                WEBHOOK: _content(folder / WEBHOOK),
                APP_ID: env.get("CHECKRAIL_GITHUB_APP_ID", ""),
                API_URL: env.get("CHECKRAIL_GITHUB_API_URL", ""),
            },
        )


def _env(credentials: Credentials, before: str) -> str:
    """What says which App it is; other settings that somebody keeps there stay."""
    lines = {"CHECKRAIL_GITHUB_APP_ID": credentials.app_id}
    if credentials.api_url != DEFAULT_API:
        lines["CHECKRAIL_GITHUB_API_URL"] = credentials.api_url
    ours = ("CHECKRAIL_GITHUB_APP_ID", "CHECKRAIL_GITHUB_API_URL")
    others = [line for line in before.splitlines() if line.partition("=")[0].strip() not in ours]
    return "".join(f"{line}\n" for line in [*(f"{k}={v}" for k, v in lines.items()), *others])


def _content(path: Path) -> str:
    """Empty where there is no such file."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(FILE_LIMIT).strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _write(path: Path, text: str) -> None:
    """At no moment is there half a file, or one that others may read."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def credentials_of(where: str, kept: Mapping[str, str]) -> Credentials:
    missing = [key for key in (KEY, WEBHOOK, APP_ID) if not kept.get(key)]
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(missing)}; was it written by checkrail setup?")
    return Credentials(
        app_id=kept[APP_ID],
        api_url=kept.get(API_URL) or DEFAULT_API,
        private_key=Secret(f"{kept[KEY]}\n"),
        webhook_secrets=tuple(
            Secret(line.strip()) for line in kept[WEBHOOK].splitlines() if line.strip()
        ),
    )
