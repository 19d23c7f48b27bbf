"""SQL from .sql files: each statement has a name and a sentence, and is found by its name.

-- name: seen_by_key
-- The row of one subject.
SELECT value FROM seen WHERE key = :key;
"""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

_HEAD: Final = re.compile(r"^-- name: *(\w+)\n((?:-- .*\n)+)", re.MULTILINE)


def load(file: str) -> Mapping[str, str]:
    """The statements of a file of this folder, by name."""
    return parse(files(__package__).joinpath(file).read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, str]:
    """The statements of `text`, by name, without their comments' head."""
    found: dict[str, str] = {}
    for name, statement in _sections(text):
        if name in found:
            raise ValueError(f"two statements are called {name}")
        found[name] = statement
    return MappingProxyType(found)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    heads = list(_HEAD.finditer(text))
    if text.count("-- name:") != len(heads):
        raise ValueError("a name is not followed by a sentence")
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=True):
        yield head[1], text[head.end() : end].strip()
