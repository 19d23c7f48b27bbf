"""The comment that answers another: numbered lines in Markdown, each of which can be replaced.

What the answer says is kept in the comment itself, behind marks that GitHub does not show. A line
begins where its mark stands alone, which no text inside of a line can do: those are one line each,
or a table of ours.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ghapp.core import markdown

LINE_LIMIT: Final = 2_000
"""Characters; thirty lines fit into a comment."""
_MARK: Final = re.compile(r"^<!-- checkrail:([0-9]{1,4}) -->\n", re.MULTILINE)


def sign(comment: int) -> str:
    """Says which comment this is the answer to."""
    return f"<!-- checkrail answers {comment} -->"


def written(comment: int, lines: Iterable[tuple[int, str]], before: str = "") -> str:
    """The answer with these lines, in the place of those that it had under their numbers."""
    known = {**_lines(before), **{number: _cut(text) for number, text in lines}}
    parts = [f"<!-- checkrail:{number} -->\n{text}" for number, text in sorted(known.items())]
    return "\n\n".join([sign(comment), *parts])


def _lines(body: str) -> Mapping[int, str]:
    _, *parts = _MARK.split(body.replace("\r\n", "\n"))
    return {int(parts[at]): parts[at + 1].strip() for at in range(0, len(parts), 2)}


def _cut(text: str) -> str:
    return markdown.cut(text.strip(), LINE_LIMIT)
