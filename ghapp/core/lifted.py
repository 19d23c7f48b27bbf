"""Which webhooks say that GitHub takes again what it refused before, and about which repositories.

What was given up because the App was not installed, lacked a permission or found the repository
archived need not wait for a person then. Only states are told late: a check that says how a run
went is still true. What somebody asked for (a promotion, an answer) was refused in so many words,
and whoever still wants it asks again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ghapp.core.effects import Effect, SetCheck, ShowRuns
from ghapp.core.model import Repository

_WHOLE_ACCOUNT: Final = frozenset(
    {
        ("installation", "created"),
        ("installation", "new_permissions_accepted"),
        ("installation", "unsuspend"),
    }
)
_ADDED: Final = ("installation_repositories", "added")
_UNARCHIVED: Final = ("repository", "unarchived")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """Where GitHub may take again what it refused; names in lower case."""

    accounts: frozenset[str] = frozenset()
    repositories: frozenset[str] = frozenset()
    """``owner/name``."""

    @property
    def anywhere(self) -> bool:
        """Whether it is anywhere at all."""
        return bool(self.accounts or self.repositories)

    def covers(self, repository: Repository) -> bool:
        """Whether it is there."""
        owner, slug = repository.owner.lower(), repository.slug.lower()
        return owner in self.accounts or slug in self.repositories


def told_late(effect: Effect | None) -> Repository | None:
    """Where an effect would be told, if it is one that is still true later."""
    return effect.repository if isinstance(effect, SetCheck | ShowRuns) else None


def lifted(event: str, payload: Mapping[str, Any]) -> Lifted:
    """What a webhook about installations and repositories makes possible again."""
    kind = (event, str(payload.get("action")))
    if kind in _WHOLE_ACCOUNT:
        account = _field(_field(payload, "installation"), "account")
        return Lifted(accounts=_names([account], "login"))
    if kind == _ADDED:
        added = _field(payload, "repositories_added")
        return Lifted(repositories=_names(added if isinstance(added, list) else [], "full_name"))
    if kind == _UNARCHIVED:
        return Lifted(repositories=_names([_field(payload, "repository")], "full_name"))
    return Lifted()


def _names(things: Iterable[Any], key: str) -> frozenset[str]:
    found = (_field(thing, key) for thing in things)
    return frozenset(name.lower() for name in found if isinstance(name, str) and name)


def _field(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None
