"""What the watches said last, for as long as it matters: objects, their parts, and who is done.

A run that has been told to its end is forgotten but for its uid: ten thousand finished runs cost
their uids. `Cache` decides nothing and waits for nothing; it keeps values and tells which objects
have to be looked at again.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from ghapp.core.seen import Seen

DEPTH: Final = 6
"""Parts of parts of parts: a pipeline may be a task of a pipeline."""
STRANGERS: Final = 500
"""Runs whose parts are kept though nobody told of the run itself."""


@dataclass(slots=True)
class Entry:
    """An object to look at, and what is known of it."""

    object: Any
    namespace: str
    name: str
    raw: bytes | None = None
    """Whole, as the API server wrote it, where somebody asks about all of it."""
    gone: bool = False
    failed: int = 0
    """Looks in a row that failed for a reason of ours."""
    ended: float | None = None
    """When we first saw that it had ended, by the event loop's clock."""
    seen: Seen | None = None
    """The row as we last committed or read it; somebody else may have changed it since."""


@dataclass(slots=True)
class Cache:
    """The objects of one source, by uid, and their children by the parent's uid."""

    entries: dict[str, Entry] = field(default_factory=dict)
    children: dict[str, dict[str, Any]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    """Child uid to parent uid: a deleted child has to be found again."""
    strangers: dict[str, None] = field(default_factory=dict)
    """Parents that nobody told of, oldest first: they come later, or are not watched at all."""
    settled: dict[str, str] = field(default_factory=dict)
    """Objects whose end is told, and their namespace: whatever more is said changes nothing."""

    def put(
        self,
        uid: str,
        namespace: str,
        name: str,
        value: Any,
        *,
        raw: bytes | None = None,
        gone: bool = False,
    ) -> bool:
        """A look at an object; False when it is settled and needs none."""
        if uid in self.settled:
            if gone:
                self.settled.pop(uid, None)
            return False
        self.strangers.pop(uid, None)
        entry = self.entries.setdefault(uid, Entry(value, namespace, name))
        entry.object, entry.raw, entry.gone = value, raw, gone
        return True

    def settle(self, uid: str) -> None:
        """Its end is told: forget it, and its children."""
        entry = self.entries.pop(uid, None)
        self._drop_children(uid)
        if entry is not None and not entry.gone:
            self.settled[uid] = entry.namespace

    def forget(self, uid: str) -> None:
        """It is gone, and that is told."""
        self.entries.pop(uid, None)
        self.settled.pop(uid, None)
        self._drop_children(uid)

    def put_child(self, uid: str, parent: str, value: Any) -> bool:
        """A part of an object; False when the object is settled."""
        if parent in self.settled:
            return False
        self.children.setdefault(parent, {})[uid] = value
        self.parents[uid] = parent
        self.strangers.pop(uid, None)
        if parent not in self.entries and parent not in self.parents:
            self._keep_stranger(parent)
        return True

    def _keep_stranger(self, uid: str) -> None:
        """Parts may be heard of before what they are parts of; but with a selector those of most
        runs are parts of nothing that is watched, and must not be kept for ever."""
        self.strangers[uid] = None
        if len(self.strangers) > STRANGERS:
            self._drop_children(next(iter(self.strangers)))

    def drop_child(self, uid: str) -> str | None:
        """A part is gone; the uid of the object that it was part of.

        It stays in its parent's picture: a task that was cleaned away did run. Of a parent that is
        gone itself there is none: a finalizer lets the part be changed once more, and kept anew.
        """
        parent = self.parents.pop(uid, None)
        if parent is not None and parent not in self.entries and parent not in self.parents:
            self._drop_children(parent)
        return parent

    def children_of(self, uid: str) -> tuple[Any, ...]:
        """The parts of an object, and theirs, in no order."""
        found: list[Any] = []
        makers = [uid]
        for _ in range(DEPTH):
            parts = [each for maker in makers for each in self.children.get(maker, {}).items()]
            found += [part for _, part in parts]
            makers = [part for part, _ in parts]
        return tuple(found)

    def ancestors(self, uid: str) -> tuple[str, ...]:
        """The objects that a part belongs to: what it is a part of, what that is a part of, ..."""
        found: list[str] = []
        parent = self.parents.get(uid)
        while parent is not None and len(found) < DEPTH:
            found.append(parent)
            parent = self.parents.get(parent)
        return tuple(found)

    def absent(self, keys: frozenset[str], namespace: str) -> list[str]:
        """Objects that we know and a complete list of the namespace does not have."""
        for uid, inside in list(self.settled.items()):
            if uid not in keys and namespace in ("", inside):
                del self.settled[uid]
        return [
            uid
            for uid, entry in self.entries.items()
            if uid not in keys and namespace in ("", entry.namespace)
        ]

    def _drop_children(self, uid: str) -> None:
        self.strangers.pop(uid, None)
        for child in self.children.pop(uid, {}):
            self.parents.pop(child, None)
            if child not in self.entries:  # else it is looked at itself, and needs its parts
                self._drop_children(child)
