"""Texts that users write, filled in with a run: Jinja's syntax, as little of it as texts need.

Whoever may write a text may not stop the process, and what a commit or a log controls must stay
text: in a Markdown template values are escaped, so that they cannot break a table, mention people
or load images. How that is held is in `sandbox` beside this, which is loaded
with the first template.

    **{{ run.pipeline }}** {{ run.phase }} after {{ run.duration|duration }}
    {% for step in run.steps if step.phase == "failed" %}
    - {{ step.name }}: {{ step.detail|default("no reason given") }}
    {% endfor %}
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

from ghapp.core.rule import documented
from ghapp.errors import ConfigError

LONGEST: Final = 8_192
"""Characters of a template; the worst of this length takes half a second to compile."""

GIVEN: Final[Mapping[str, str]] = {
    "run": "the run, as in the table of its fields",
    "cluster": "name of the run's cluster",
}
"""Names that every template has -> meaning."""

FILTERS: Final[Mapping[str, str]] = {
    "code": "as a code span; backquotes around a value would show its escapes",
    "default": "`default(other)`: `other` where the value is missing, null or empty",
    "duration": "seconds as `2m 3s`",
    "escape_markdown": "as plain text in Markdown; done by itself in Markdown templates",
    "first": "first item of a list, first character of a text",
    "items": "pairs of name and value, for loops: `for name, value in run.results|items`",
    "join": '`join(", ", "name")`: items as one text; of objects, the field with that name',
    "last": "last item of a list, last character of a text",
    "length": "number of items or characters",
    "lower": "in lower case",
    "replace": "`replace(old, new)`, everywhere",
    "round": "`round(digits)`",
    "sort": '`sort("name")`: sorted; objects by the field with that name',
    "title": "each word with a capital",
    "tojson": "as JSON, on one line",
    "trim": "without space around it",
    "truncate": "`truncate(length)`: at most so many characters, 255 by default",
    "upper": "in upper case",
    "url": "an http(s) URL as it is: `[page]({{ run.dashboardUrl|url }})`",
}
"""Name -> meaning."""

TESTS: Final = frozenset({"defined", "undefined", "none", "string", "number", "even", "odd"})


class Mode(StrEnum):
    """What becomes of values; what the author of a template wrote stays as it is."""

    MARKDOWN = "markdown"
    """Values are text, never markup; each on one line."""
    PLAIN = "plain"
    """For names and titles: values on one line, without control characters."""
    URL = "url"
    """Values are percent-encoded; the whole has to be an http(s) URL."""


class Template(Protocol):
    """A text with places to fill in."""

    @property
    def source(self) -> str:
        """As it was written."""

    def render(self, run: Mapping[str, Any], **more: Any) -> str:
        """Filled in with the facts of a run and with what else `compile` was told of.

        At most `limit` bytes, cut between characters; a URL that is longer is an error. Raises
        RenderError.
        """


_GO: Final = re.compile(r"\{\{-?\s*\.(\w*)")


def compile(  # noqa: A001 - the word for it; always used as templates.compile
    source: str, *, limit: int, mode: Mode = Mode.MARKDOWN, more: Collection[str] = ()
) -> Template:
    """The template; raises ConfigError with every mistake and its line.

    `limit` is in bytes; `more` are the names beside `GIVEN` that `render` will be given.
    """
    if len(source) > LONGEST:
        raise ConfigError(f"is longer than {LONGEST} characters: {len(source)}")
    go = _GO.search(source)
    if go:
        line = source.count("\n", 0, go.start()) + 1
        name = go[1] if go[1] in dict(documented()) else "name"
        raise ConfigError(f"line {line}: {go[0]} is of Go's templates; write {{{{ run.{name} }}}}")
    from ghapp.templates import sandbox

    return sandbox.compile(source, limit=limit, mode=mode, names=frozenset({*GIVEN, *more}))
