"""A run as documents are asked about it, and what may be asked: rules and templates.

The engines behind the two protocols (CEL, Jinja) live outside of the kernel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from ghapp.core.model import Observation
from ghapp.errors import CheckrailError


class _Metadata(Struct, frozen=True):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Labelled(Struct, frozen=True):
    metadata: _Metadata = _Metadata()


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A look, and what else of the object a document may ask about; decoded when it is asked."""

    look: Observation
    raw: bytes | None = None
    """The object as JSON; None: it is not known as a whole, or nobody asks about it."""
    memo: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What the engines behind the protocols keep of it, by name: several documents ask."""
    old_phase: str = ""
    """Before the present one; empty: there was none."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Of the object."""
        return self._labelled.metadata.labels or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """Of the object."""
        return self._labelled.metadata.annotations or {}

    @cached_property
    def object(self) -> Mapping[str, Any] | None:
        """All of it, without the bookkeeping of `managedFields`."""
        if self.raw is None:
            return None
        try:
            whole = msgspec.json.decode(self.raw, type=dict[str, Any])
        except _UNREADABLE as error:
            raise Failed(f"the object cannot be read as a whole: {error}") from error
        if isinstance(whole.get("metadata"), dict):
            whole["metadata"].pop("managedFields", None)
        return whole

    @cached_property
    def _labelled(self) -> _Labelled:
        if self.raw is None:
            return _Labelled()
        try:
            return msgspec.json.decode(self.raw, type=_Labelled)
        except _UNREADABLE as error:
            raise Failed(f"the object's labels cannot be read: {error}") from error


class Failed(CheckrailError):
    """A rule or template that cannot be worked out for a case; the message says why."""


class Rule(Protocol):
    """An expression, compiled."""

    @property
    def needs_object(self) -> bool:
        """Whether it looks at the object as a whole."""

    def matches(self, case: Case) -> bool:
        """Whether it holds; raises Failed."""


class Template(Protocol):
    """A text with places to fill in, compiled."""

    def render(self, case: Case) -> str:
        """The text; raises Failed."""
