"""Who owns a path of a repository: CODEOWNERS as GitHub reads it, OWNERS as Prow does.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
https://www.kubernetes.dev/docs/guide/owners/
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ghapp.core import globs

CODEOWNERS: Final = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks; the first one counts."""
FILE_LIMIT: Final = 3 * 1024 * 1024
"""Bytes; GitHub reads no larger CODEOWNERS."""
_ANYTHING: Final = "\0"
"""A file in a folder that is asked about: no real name has this character."""


_GAP: Final = re.compile(r"(?<!\\)\s+")
"""A blank after a backslash belongs to the path."""


def code_owners(text: str, path: str) -> tuple[str, ...]:
    """Logins and ``org/team`` of a CODEOWNERS file that own `path`; the last line that fits."""
    parts = _parts(path)
    owners: tuple[str, ...] = ()
    for line in text.splitlines():
        words = _GAP.split(line.partition("#")[0].strip())
        if words[0] and _fits(words[0].replace("\\ ", " "), parts):
            owners = tuple(word.removeprefix("@") for word in words[1:] if word.startswith("@"))
    return owners


def folders(path: str) -> tuple[str, ...]:
    """The folders in which OWNERS files may speak for `path`: its own first, the root last."""
    parts = _parts(path)[:-1]
    return tuple("/".join(parts[:count]) for count in range(len(parts), -1, -1))


def approvers(files: Iterable[Any], aliases: Any) -> tuple[str, ...]:
    """Of the OWNERS files of these folders, the nearest first; aliases are taken apart."""
    named: list[str] = []
    for file in files:
        if isinstance(file, Mapping):
            named += _words(file.get("approvers"))
            options = file.get("options")
            if isinstance(options, Mapping) and options.get("no_parent_owners") is True:
                break
    known = aliases.get("aliases") if isinstance(aliases, Mapping) else None
    groups = known if isinstance(known, Mapping) else {}
    return tuple(login for name in named for login in _words(groups.get(name)) or [name])


def _words(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _parts(path: str) -> list[str]:
    parts = path.strip("/").split("/") if path.strip("/") else []
    return [*parts, _ANYTHING] if path.endswith("/") else parts


def _fits(pattern: str, path: Sequence[str]) -> bool:
    """As in a .gitignore file: what fits a folder fits everything in it."""
    anchored = "/" in pattern.rstrip("/")
    wanted = [part for part in pattern.split("/") if part]
    if not anchored:
        wanted = ["**", *wanted]
    if pattern.endswith("/"):
        wanted = [*wanted, "**", "*"]
    elif wanted[-1:] == ["*"] and anchored:  # ``docs/*`` fits what is in docs, and no deeper
        return _all(wanted, path)
    return _all(wanted, path) or _all([*wanted, "**", "*"], path)


def _all(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """``**`` stands for any number of folders; going back to the last one is enough."""
    at = here = 0
    star, resume = -1, 0
    while at < len(path):
        if here < len(pattern) and pattern[here] == "**":
            star, resume, here = here, at, here + 1
        elif here < len(pattern) and globs.matches(path[at], pattern[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            resume += 1
            at, here = resume, star + 1
        else:
            return False
    return all(part == "**" for part in pattern[here:])
