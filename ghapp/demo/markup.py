"""Markdown as HTML, as GitHub shows it on a check: the only place where text becomes HTML here.

HTML in it is shown as text, but for a folded block with its summary and a sentence in plain text.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape, unescape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_MARKS: Final = {
    "✅": ("good", "succeeded"),
    "❌": ("bad", "failed"),
    "❗": ("bad", "could not finish"),
    "⚪": ("dull", "queued"),
    "🟡": ("attention", "running"),
    "🚫": ("skipped", "cancelled"),
    "⏭️": ("skipped", "skipped"),
    "⚠️": ("attention", "failed, and that does not matter"),
}
"""The emoji in checkrail's texts: drawn by the style sheet, as GitHub draws them as pictures."""

_FOLDED: Final = re.compile(
    r"<details(?P<open> open)?>\s*<summary>(?P<summary>(?:[^<]|</?code>){1,400})</summary>"
    r"(?:\s*<p>(?P<note>[^<]{1,1000})</p>\n)?(?P<inside>.*?)^</details>",
    re.DOTALL | re.MULTILINE,
)
_CODE: Final = re.compile(r"<code>([^<]*)</code>")


@lru_cache(maxsize=512)
def html_of(markdown: str) -> str:
    """Markdown as HTML; foreign HTML and dangerous links stay text, except a folded block."""
    done, end = "", 0
    for block in _FOLDED.finditer(markdown):
        done += _MARKDOWN.render(markdown[end : block.start()]) + _folded(block)
        end = block.end()
    return done + str(_MARKDOWN.render(markdown[end:]))


def _folded(block: re.Match[str]) -> str:
    plain, *codes = _CODE.split(block["summary"])
    summary = _text(plain)
    for code, after in zip(codes[::2], codes[1::2], strict=True):
        summary += f"<code>{_text(code)}</code>{_text(after)}"
    note = f"<p>{_text(block['note'])}</p>" if block["note"] else ""
    inside = note + _MARKDOWN.render(block["inside"])
    return f"<details{block['open'] or ''}><summary>{summary}</summary>{inside}</details>"


def _text(inline: str) -> str:
    """What stands in an HTML element, entities and all, without any other."""
    return _with_marks(escape(unescape(inline)))


def _with_marks(html: str) -> str:
    for emoji, (tone, meaning) in _MARKS.items():
        mark = f'<span class="mark {tone}" role="img" aria-label="{meaning}"></span>'
        html = html.replace(emoji, mark)
    return html


def _drawn(_: RendererHTML, tokens: Sequence[Token], index: int, *__: object) -> str:
    return _with_marks(escape(tokens[index].content, quote=True))


def _fence(_: RendererHTML, tokens: Sequence[Token], index: int, *__: object) -> str:
    """A log may be wider than the page, so it can be reached and scrolled with keys."""
    code = escape(tokens[index].content, quote=False)
    return f'<pre tabindex="0" role="region" aria-label="Log"><code>{code}</code></pre>\n'


def _renderer() -> MarkdownIt:
    """CommonMark with tables; no HTML, and no style attributes, which the page's policy refuses."""
    made = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
    made.add_render_rule("text", _drawn)
    made.add_render_rule("fence", _fence)
    made.add_render_rule("th_open", lambda *_: "<th>")
    made.add_render_rule("td_open", lambda *_: "<td>")
    return made


_MARKDOWN: Final = _renderer()
