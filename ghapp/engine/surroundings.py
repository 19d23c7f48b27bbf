"""What objects refer to by name, as the watches said last, and who looked it up.

A HelmRelease tells its commit by way of a Kustomization and that one's source; when those change,
the releases that looked at them are looked at again, and nobody else.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ghapp.core.source import Find, Resource

Key: TypeAlias = tuple[str, str, str]
"""(`Resource.id`, namespace, name)."""


@dataclass(slots=True)
class Surroundings:
    """The neighbours of one source's objects."""

    found: dict[Key, Any] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    """By the neighbour's uid: the names under which it was put."""
    lookers: defaultdict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The uids of the objects that looked a key up, whether it was there or not."""
    looked: dict[str, set[Key]] = field(default_factory=dict)
    """The same, the other way round."""

    def put(self, uid: str, key: Key, value: Any) -> frozenset[str]:
        """A neighbour as it is now; who has to look again: nobody, if it says what it said."""
        if self.found.get(key) == value:
            return frozenset()
        self.found[key], self.keys[uid] = value, key
        return self._lookers(key)

    def drop(self, uid: str) -> frozenset[str]:
        """A neighbour is gone; who has to look again."""
        key = self.keys.pop(uid, None)
        if key is None:
            return frozenset()
        self.found.pop(key, None)
        return self._lookers(key)

    def absent(self, resource: Resource, namespace: str, uids: frozenset[str]) -> list[str]:
        """Neighbours that we know and a complete list of the namespace does not have."""
        return [
            uid
            for uid, (of, inside, _) in self.keys.items()
            if of == resource.id and namespace in ("", inside) and uid not in uids
        ]

    def finder(self, uid: str) -> Find:
        """A fresh look of an object: what it looks up from now on is what it depends on."""
        self.forget(uid)

        def find(resource: Resource, namespace: str, name: str) -> Any:
            key = (resource.id, namespace, name)
            self.lookers[key].add(uid)
            self.looked.setdefault(uid, set()).add(key)
            return self.found.get(key)

        return find

    def forget(self, uid: str) -> None:
        """An object is not looked at any more."""
        for key in self.looked.pop(uid, ()):
            self.lookers[key].discard(uid)
            if not self.lookers[key]:
                del self.lookers[key]

    def _lookers(self, key: Key) -> frozenset[str]:
        return frozenset(self.lookers.get(key, ()))
