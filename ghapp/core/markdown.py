"""Foreign text inside our Markdown: it must not break a table, ping people or load images.

What a commit or a log can control (task names, messages) is text, never markup. GitHub renders
GitHub Flavored Markdown: https://github.github.com/gfm/
"""

import re
from functools import lru_cache
from typing import Final

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_MENTION: Final = re.compile(r"@(?=[\w-])")
_REFERENCE: Final = re.compile(r"#(?=\d)")
_LINK: Final = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])")
_BLOCK: Final = re.compile(r"^(\d{0,9})((?<!\d)[-+=]|(?<=\d)[.)](?=\s|$))")
"""What would begin a list, a rule, or make the line above a heading."""
_UNFINISHED: Final = re.compile(r"(?i)(?:[@#]|\b(?:https?|ftp|mailto|www))$")
"""What the next piece of text could make a mention, a reference or a link of."""
_SPACE: Final = re.compile(r"\s+")
# Control characters and the bidirectional overrides (Trojan Source, CVE-2021-42574).
_HOSTILE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_JOINER: Final = "\u2060"
"""A word joiner: invisible, and enough to stop a mention, a reference or an automatic link."""


def text(foreign: str, limit: int = 300) -> str:
    """`foreign` as one line of plain text, at most `limit` characters before escaping."""
    return _text_again(foreign, limit) if len(foreign) <= _SHORT else _text(foreign, limit)


def _text(foreign: str, limit: int) -> str:
    line = _SPACE.sub(" ", plain(foreign)).strip()
    line = cut(line, limit)
    line = _MENTION.sub("@" + _JOINER, line)
    line = _REFERENCE.sub("#" + _JOINER, line)
    line = _LINK.sub(lambda match: match[0] + _JOINER, line)
    return _MARKUP.sub(r"\\\1", line)


def anywhere(foreign: str, limit: int = 300) -> str:
    """As `text`, where it may stand first on a line, or right before other foreign text."""
    line = _BLOCK.sub(r"\1\\\2", text(foreign, limit))
    return line + _JOINER if _UNFINISHED.search(line) else line


def code(foreign: str, limit: int = 300) -> str:
    """`foreign` as a code span; inside a table cell a pipe still has to be escaped."""
    return _code_again(foreign, limit) if len(foreign) <= _SHORT else _code(foreign, limit)


def _code(foreign: str, limit: int) -> str:
    line = cut(_SPACE.sub(" ", plain(foreign)).strip(), limit)
    if not line:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")


_SHORT: Final = 64
"""Characters of a name that is worth remembering: tasks are called the same in run after run."""
_text_again = lru_cache(maxsize=4096)(_text)
_code_again = lru_cache(maxsize=4096)(_code)


def who(login: str) -> str:
    """A person's name in bold: shown, not pinged; a webhook's sender may be called anything."""
    return f"**{text(login, 100)}**"


def plain(foreign: str) -> str:
    """Without control characters and without characters that turn the direction of reading."""
    return _HOSTILE.sub("\ufffd", foreign)


def cut(line: str, limit: int) -> str:
    """At most `limit` characters; a cut shows."""
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def cut_bytes(body: str, limit: int, note: str = "\n\n…") -> str:
    """At most `limit` UTF-8 bytes, cut between characters; `note` tells that it was cut.

    GitHub counts bytes: "summary exceeds a maximum bytesize of 65535" (github/docs#35252).
    """
    encoded = body.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode()
    room = max(limit - len(note.encode()), 0)
    return (encoded[:room].decode("utf-8", "ignore") + note)[: limit if limit < len(note) else None]
