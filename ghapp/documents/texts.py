"""The texts that a Notification may hold: how values are written in each, how long it may be."""

from collections.abc import Mapping
from typing import Final

from ghapp import templates
from ghapp.core.checks import NAME_LIMIT, TITLE_LIMIT
from ghapp.templates import Mode, Template

TEXTS: Final[Mapping[str, tuple[Mode, int]]] = {
    "check_name": (Mode.PLAIN, NAME_LIMIT),
    "dashboard_url": (Mode.URL, 2_048),
    "message": (Mode.PLAIN, TITLE_LIMIT),
    "summary": (Mode.MARKDOWN, 16_384),
}
"""By the field of the spec: mode, and bytes of the result."""


def compile(name: str, text: str) -> Template:  # noqa: A001 - as in `templates`
    """The template in this field; raises ConfigError."""
    mode, limit = TEXTS[name]
    return templates.compile(text, limit=limit, mode=mode)
