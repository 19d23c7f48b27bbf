"""Repository URLs in all their spellings, as one value: https, ssh, scp form, ``owner/name``."""

import re
from typing import Final

from ghapp.core.model import Repository

DEFAULT_HOST: Final = "github.com"
"""Whose ``owner/name`` is meant where no host is named."""

LENGTH_LIMIT: Final = 1024
_URL: Final = re.compile(
    r"(?:git\+)?(?:https?|ssh|git)://(?:[^@/\s]*@)?(?P<host>[^/:@\s]+)(?::\d+)?/(?P<path>.+)",
    re.IGNORECASE,
)
_SCP: Final = re.compile(r"(?:[^@/:\s]+@)(?P<host>[^/:@\s]+):(?P<path>.+)")
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_PART: Final = re.compile(r"[A-Za-z0-9._~+-]+")
_SAME: Final = {"www.github.com": DEFAULT_HOST, "ssh.github.com": DEFAULT_HOST}
"""ssh.github.com: SSH over the HTTPS port, https://docs.github.com/en/authentication."""


def repository(text: str) -> Repository | None:
    """The repository that `text` names, without credentials, port or ``.git``; None: it is none."""
    text = text.strip()
    if not text or len(text) > LENGTH_LIMIT:
        return None
    found = _URL.fullmatch(text) or _SCP.fullmatch(text)
    if found:
        return _make(found["host"], found["path"])
    first, _, rest = text.partition("/")
    if "." in first and "/" in rest.strip("/"):
        return _make(first, rest)  # github.com/acme/shop
    return _make(DEFAULT_HOST, text) if text.count("/") == 1 else None


def _make(host: str, path: str) -> Repository | None:
    host = _SAME.get(host.lower(), host.lower())
    path = re.split(r"[?#@]", path, maxsplit=1)[0].strip("/").removesuffix(".git")
    *owner, name = path.split("/")
    parts = (*owner, name)
    if not owner or not _HOST.fullmatch(host):
        return None
    if not all(_PART.fullmatch(part) and part.strip(".") for part in parts):
        return None
    return Repository(host=host, owner="/".join(owner), name=name)
