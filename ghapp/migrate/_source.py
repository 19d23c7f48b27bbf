"""An object of another tool, while it is read: what was asked for is ticked off, the rest is told.

A rule reads by path, and every path that it reads or explains counts as dealt with. `rest` finds
what is left over, so that a field nobody thought of is named instead of lost.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ghapp.core.model import without_credentials
from ghapp.documents.reading import Steps, dotted

LONGEST_NOTE: Final = 600
"""Characters; a value that is quoted may be long."""


class Fate(StrEnum):
    """What became of a field."""

    TO_DO = "to do"
    DIFFERS = "differs"
    LEFT = "not carried over"
    NEEDLESS = "not needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a person has to know about a field; becomes a comment."""

    fate: Fate
    text: str
    about: str = ""
    """The field, as the source spells it."""
    beside: Steps = ()
    """Where in our document it is said; empty, or not there: above it."""

    def __str__(self) -> str:
        about = f"{self.about}: " if self.about else ""
        return one_line(f"{self.fate}: {about}{self.text}")


_BREAKS: Final = re.compile(
    r"[^\x21-\x7e\u00a1-\u1fff\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd"
    r"\U00010000-\U0010ffff]+"
)
"""Spaces, control characters, line breaks of any kind, halves of surrogate pairs, what turns the
direction of writing round."""


def one_line(text: str) -> str:
    """Text for a comment: whatever it quotes, it cannot end the comment nor let anybody in."""
    plain = " ".join(_BREAKS.sub(" ", without_credentials(text)).split())
    return plain if len(plain) <= LONGEST_NOTE else f"{plain[: LONGEST_NOTE - 3]}..."


_IDENTITY: Final[tuple[Steps, ...]] = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
)
_BY_THE_CLUSTER: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)


@dataclass(slots=True, kw_only=True)
class Source:
    """One object."""

    value: Mapping[str, Any]
    origin: str
    """Where it was read: ``alerts.yaml:12``, ``cluster``."""
    namespace: str = ""
    name: str = ""
    notes: list[Note] = field(default_factory=list)
    _ticked: set[Steps] = field(default_factory=set)

    @property
    def kind(self) -> str:
        """``Alert``; empty: a file that is no Kubernetes object."""
        kind = self.value.get("kind")
        return kind if isinstance(kind, str) else ""

    @property
    def group(self) -> str:
        """``notification.toolkit.fluxcd.io``."""
        version = self.value.get("apiVersion")
        return version.rpartition("/")[0] if isinstance(version, str) else ""

    @property
    def id(self) -> str:
        """``Alert flux-system/apps``."""
        return one_line(f"{self.kind} {self.namespace}/{self.name}") if self.kind else self.origin

    def fresh(self) -> "Source":
        """The same, nothing read: for a look from elsewhere."""
        return Source(
            value=self.value, origin=self.origin, namespace=self.namespace, name=self.name
        )

    # --- reading --------------------------------------------------------------------------------

    def at(self, *steps: str | int) -> Any:
        """The value at a path, or None; ticks nothing off."""
        found: Any = self.value
        for step in steps:
            if isinstance(found, Mapping) and isinstance(step, str):
                found = found.get(step)
            elif isinstance(found, list) and isinstance(step, int) and step < len(found):
                found = found[step]
            else:
                return None
        return found

    def tick(self, *steps: str | int) -> None:
        """Counts the path, and all below it, as dealt with."""
        self._ticked.add(steps)

    def text(self, *steps: str | int) -> str:
        """A text, or a number or truth value as one; empty: not there."""
        value = self.at(*steps)
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, int | float):
            value = str(value)
        return value if self._is(value, str, "text", steps) else ""

    def flag(self, *steps: str | int) -> bool | None:
        """A truth value; None: not there."""
        value = self.at(*steps)
        return value if self._is(value, bool, "true or false", steps) else None

    def number(self, *steps: str | int) -> int | None:
        """A whole number, also one that is written as text; None: not there."""
        value = self.at(*steps)
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value):
            value = int(value)
        if isinstance(value, bool):
            value = [value]  # what is true is no number
        return value if self._is(value, int, "a whole number", steps) else None

    def texts(self, *steps: str | int) -> list[str]:
        """A list of texts."""
        count = self.count(*steps)
        return [one for index in range(count) if (one := self.text(*steps, index))]

    def mapping(self, *steps: str | int) -> dict[str, str]:
        """Names with texts."""
        value = self.at(*steps)
        names = list(value) if self._is(value, Mapping, "an object", steps, whole=False) else []
        return {name: self.text(*steps, name) for name in names}

    def count(self, *steps: str | int) -> int:
        """How many items a list has; they are read one by one."""
        value = self.at(*steps)
        return len(value) if self._is(value, list, "a list", steps, whole=False) else 0

    def _is(self, value: Any, type_: type, what: str, steps: Steps, *, whole: bool = True) -> bool:
        if isinstance(value, type_):
            if whole or not value:
                self.tick(*steps)
            return True
        self.tick(*steps)
        if value is not None:
            self.left(f"expected {what}, found {_kind_of(value)}", *steps)
        return False

    # --- explaining -----------------------------------------------------------------------------

    def note(self, fate: Fate, text: str, *steps: str | int, beside: Steps = ()) -> None:
        """Says something about a field, and ticks it off with all that is in it.

        What differs was read, part by part; there may be more in it.
        """
        if steps and fate is not Fate.DIFFERS:
            self.tick(*steps)
        self.notes.append(Note(fate=fate, text=text, about=dotted(steps), beside=beside))

    def to_do(self, text: str, *steps: str | int, beside: Steps = ()) -> None:
        """A person has to do something."""
        self.note(Fate.TO_DO, text, *steps, beside=beside)

    def differs(self, text: str, *steps: str | int, beside: Steps = ()) -> None:
        """It is carried over, and not quite the same."""
        self.note(Fate.DIFFERS, text, *steps, beside=beside)

    def left(self, text: str, *steps: str | int, beside: Steps = ()) -> None:
        """It is not carried over."""
        self.note(Fate.LEFT, text, *steps, beside=beside)

    def needless(self, text: str, *steps: str | int) -> None:
        """It is not carried over, and nothing is missing; unless the field is not there."""
        if not steps or self.at(*steps) is not None:
            self.note(Fate.NEEDLESS, text, *steps)

    def left_if_there(self, text: str, *steps: str | int, beside: Steps = ()) -> None:
        """As `left`, of a field that may not be there."""
        if self.at(*steps) is not None:
            self.left(text, *steps, beside=beside)

    # --- what is left over ----------------------------------------------------------------------

    def rest(self) -> Iterator[Note]:
        """What no rule asked for; asked last."""
        for identity in _IDENTITY:
            self.tick(*identity)
        yield from self._metadata()
        above = {steps[:depth] for steps in self._ticked for depth in range(len(steps) + 1)}
        for steps in _unread((), self.value, self._ticked, above):
            yield Note(fate=Fate.LEFT, text="it has no counterpart", about=dotted(steps))

    def _metadata(self) -> Iterator[Note]:
        own = [("metadata", name) for name in _BY_THE_CLUSTER] + [("status",)]
        there = [steps for steps in own if self.kind and self.at(*steps) is not None]
        for steps in there:
            self.tick(*steps)
        if there:
            names = ", ".join(dotted(steps) for steps in there)
            yield Note(fate=Fate.NEEDLESS, text="written by the cluster", about=names)
        for name in ("labels", "annotations"):
            if self.kind and self.at("metadata", name):
                self.tick("metadata", name)
                text = "they say who owns the old object; write what the new one needs"
                yield Note(fate=Fate.LEFT, text=text, about=f"metadata.{name}")


def _unread(
    steps: Steps, value: Any, ticked: Collection[Steps], above: Collection[Steps]
) -> Iterator[Steps]:
    """The topmost paths below which nothing was read; `above` are those with something below."""
    if steps in ticked:
        return
    if steps not in above:
        yield steps
    elif isinstance(value, Mapping):
        for name, inside in value.items():
            yield from _unread((*steps, name), inside, ticked, above)
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from _unread((*steps, index), inside, ticked, above)


_KINDS: Final = {str: "text", bool: "true or false", list: "a list", dict: "an object"}


def _kind_of(value: Any) -> str:
    """What a value is, without the value: it may be a secret."""
    return _KINDS.get(type(value), "a number")
