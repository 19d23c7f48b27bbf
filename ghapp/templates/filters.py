"""The filters of templates: their meaning is in `FILTERS` of the package, here is what they do."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from jinja2 import pass_context
from jinja2.runtime import Context, Undefined

from ghapp.core import markdown
from ghapp.core.moments import duration
from ghapp.errors import RenderError
from ghapp.templates.values import (
    MOST_TEXT,
    Authored,
    Function,
    charge,
    fits,
    items_of,
    number_of,
    slow_word,
    word_of,
)


def _on_text(function: Callable[[str], str]) -> Function:
    @pass_context
    def filtered(context: Context, value: Any) -> str:
        return fits(function(word_of(context, value)))

    return filtered


@pass_context
def _default(context: Context, value: Any, other: Any = "") -> Any:
    missing = isinstance(value, Undefined) or value is None or value == ""
    return other if missing else value


@pass_context
def _truncate(context: Context, value: Any, length: int = 255) -> str:
    return markdown.cut(word_of(context, value), max(_count(length), 1))


@pass_context
def _replace(context: Context, value: Any, old: str, new: str) -> str:
    text, old, new = (word_of(context, each) for each in (value, old, new))
    if not old:
        raise RenderError("replace needs a text to replace")
    grown = len(text) + text.count(old) * (len(new) - len(old))
    if grown > MOST_TEXT:
        raise RenderError(f"replace makes a text of {grown} characters; at most {MOST_TEXT}")
    return text.replace(old, new)


@pass_context
def _round(context: Context, value: Any, digits: int = 0) -> float | int:
    rounded = round(number_of(value, "round"), max(min(_count(digits), 9), 0))
    return int(rounded) if rounded == int(rounded) else rounded


def _count(value: Any) -> int:
    return int(number_of(value, "a length"))


@pass_context
def _length(context: Context, value: Any) -> int:
    return len(value) if isinstance(value, str) else len(items_of(context, value))


@pass_context
def _items(context: Context, value: Any) -> list[tuple[str, Any]]:
    names = items_of(context, value)
    if not isinstance(value, Mapping):
        raise RenderError("items is for objects; this is a list")
    return [(name, value[name]) for name in names]


@pass_context
def _join(context: Context, value: Any, separator: str = "", field: str = "") -> str:
    glue, budgeted, size = word_of(context, separator), [], 0
    for item in items_of(context, value):
        word = word_of(context, _field(context, item, field))
        budgeted.append(word)
        size += len(word) + len(glue)
        if size > MOST_TEXT:
            raise RenderError(f"join makes a text of more than {MOST_TEXT} characters")
    return glue.join(budgeted)


def _field(context: Context, item: Any, field: str) -> Any:
    return context.environment.getitem(item, str(field)) if field else item


@pass_context
def _sort(context: Context, value: Any, field: str = "") -> list[Any]:
    items = items_of(context, value)
    keys = [_field(context, item, field) for item in items]
    for key in keys:
        if isinstance(key, list | tuple | Mapping):
            raise RenderError('objects are sorted by one of their fields: sort("name")')
        charge(context, 20)
    try:
        order = sorted(range(len(items)), key=keys.__getitem__)
    except TypeError as error:
        raise RenderError("cannot sort texts together with numbers or nulls") from error
    return [items[index] for index in order]


@pass_context
def _tojson(context: Context, value: Any) -> str:
    if isinstance(value, Undefined):
        str(value)
    encoder, parts, size = json.JSONEncoder(ensure_ascii=False), [], 0
    for part in encoder.iterencode(value):
        parts.append(part)
        size += len(part)
        charge(context, 10 + len(part) // 10)
        if size > MOST_TEXT:
            raise RenderError(f"tojson makes a text of more than {MOST_TEXT} characters")
    return "".join(parts)


@pass_context
def _duration(context: Context, value: Any) -> str:
    if value is None:
        return ""
    return duration(timedelta(seconds=min(number_of(value, "duration"), 10**10)))


_URL_SAFE: Final = ":/?#&=+,;%~$"
"""Beside letters, digits and ``_.-``: what a URL needs and Markdown does not read as markup."""


@pass_context
def _url(context: Context, value: Any) -> Authored:
    return Authored(http_url(slow_word(context, value)))


def http_url(text: str) -> str:
    """As it is where it is a URL that a browser may be sent to; empty stays empty."""
    text = text.strip()
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise RenderError(f"{text[:100]!r} is no URL") from error
    if not text:
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise RenderError(f"{text[:100]!r} is no http(s) URL without credentials")
    return quote(text, safe=_URL_SAFE, errors="replace")


def one_line(text: str) -> str:
    return " ".join(markdown.plain(text).split())


def escaped(text: str) -> str:
    return markdown.anywhere(text, MOST_TEXT)


@pass_context
def _code(context: Context, value: Any) -> Authored:
    return Authored(markdown.code(slow_word(context, value), MOST_TEXT))


@pass_context
def _escape_markdown(context: Context, value: Any) -> Authored:
    return Authored(escaped(slow_word(context, value)))


def _edge(at: int) -> Function:
    @pass_context
    def filtered(context: Context, value: Any) -> Any:
        some = value if isinstance(value, str) else items_of(context, value)
        return some[at] if some else context.environment.undefined("there is no item in it")

    return filtered


FUNCTIONS: Final[Mapping[str, Function]] = {
    "code": _code,
    "default": _default,
    "duration": _duration,
    "escape_markdown": _escape_markdown,
    "first": _edge(0),
    "items": _items,
    "join": _join,
    "last": _edge(-1),
    "length": _length,
    "lower": _on_text(str.lower),
    "replace": _replace,
    "round": _round,
    "sort": _sort,
    "title": _on_text(str.title),
    "tojson": _tojson,
    "trim": _on_text(str.strip),
    "truncate": _truncate,
    "upper": _on_text(str.upper),
    "url": _url,
}
