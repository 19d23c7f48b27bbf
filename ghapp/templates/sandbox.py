"""Jinja with the doors shut: see `syntax` and `values` for the walls.

Jinja's own sandbox stands behind them. https://jinja.palletsprojects.com/en/stable/sandbox/
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, pass_context
from jinja2.runtime import Context

from ghapp.core import markdown
from ghapp.errors import ConfigError, RenderError
from ghapp.templates import TESTS, Mode, Template
from ghapp.templates.filters import FUNCTIONS, escaped, http_url, one_line
from ghapp.templates.syntax import Guarding, mistakes
from ghapp.templates.values import (
    BUDGET,
    GUARDS,
    Authored,
    Budget,
    Environment,
    slow_word,
    word_of,
)


def compile(source: str, *, limit: int, mode: Mode, names: frozenset[str]) -> Template:  # noqa: A001
    """See `ghapp.templates.compile`."""
    environment = _environment(mode)
    try:
        tree = environment.parse(source)
        wrong = mistakes(tree, names)
        if wrong:
            raise ConfigError(*wrong)
        template = environment.from_string(Guarding().template(tree))
    except TemplateSyntaxError as error:
        raise ConfigError(f"line {error.lineno}: {_sentence(error)}") from error
    except TemplateError as error:  # Jinja works out what is the same for every run
        raise ConfigError(f"can never be filled in: {error.message}") from error
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise ConfigError("is nested too deeply") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"holds what cannot be read: {error}") from error
    return _Compiled(source, limit, mode, names, template)


def _sentence(error: TemplateSyntaxError) -> str:
    """Jinja names what it misses as Jinja does: 'expected token', 'No filter named'."""
    return str(error.message).rstrip(".")


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A template of Jinja's, and what it may write."""

    source: str
    limit: int
    mode: Mode
    names: frozenset[str]
    _template: Any

    def render(self, run: Mapping[str, Any], **more: Any) -> str:
        """See `ghapp.templates.Template.render`."""
        given = {"cluster": run.get("cluster", ""), **more, "run": run}
        budget = {BUDGET: Budget()}
        try:
            written = self._written(self._template.generate(given | budget))
        except (TemplateError, RenderError) as error:
            raise RenderError(markdown.cut(str(error), 300)) from error
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise RenderError(markdown.cut(f"cannot be filled in: {error}", 300)) from error
        return _FINISH[self.mode](written, self.limit)

    def _written(self, pieces: Iterator[str]) -> str:
        """Up to the first piece beyond the limit: nobody reads on, so nothing is made of it."""
        kept: list[str] = []
        size = 0
        for piece in pieces:
            kept.append(piece)
            size += len(piece.encode("utf-8", "replace"))
            if size > self.limit:
                break
        return "".join(kept)


_ESCAPE: Final[Mapping[Mode, Callable[[str], str]]] = {
    Mode.MARKDOWN: escaped,
    Mode.PLAIN: one_line,
    Mode.URL: lambda text: quote(text, safe="", errors="replace"),
}


def _finished_url(text: str, limit: int) -> str:
    if len(text.encode()) > limit:
        raise RenderError(f"is a URL of more than {limit} bytes")
    return http_url(text)


_FINISH: Final[Mapping[Mode, Callable[[str, int], str]]] = {
    Mode.MARKDOWN: markdown.cut_bytes,
    Mode.PLAIN: lambda text, limit: markdown.cut_bytes(text, limit, "…"),
    Mode.URL: _finished_url,
}


@cache
def _environment(mode: Mode) -> Environment:
    escape = _ESCAPE[mode]

    @pass_context
    def finalize(context: Context, value: Any) -> str:
        if isinstance(value, Authored) or not isinstance(value, str):
            return word_of(context, value)
        return escape(slow_word(context, value))

    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,  # of HTML; `finalize` escapes
        finalize=finalize,
        optimized=False,  # or texts of the author would be folded into plain ones
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    environment.globals.clear()
    environment.filters = {**FUNCTIONS, **GUARDS}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    return environment
