"""A GitHub that cannot be asked: no App is set, or its key is not there yet.

It stands where a client would, so that nobody has to ask whether there is one.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from ghapp.core.budget import Urgency
from ghapp.core.model import Repository
from ghapp.errors import Retry


@dataclass(frozen=True, slots=True)
class AbsentGitHub:
    """The port `GitHub`, in vain."""

    reason: str = "no GitHub App is set"
    host: str | None = ""
    """Of the repositories that it would serve; None: any; empty: none."""

    @property
    def app_id(self) -> int:
        """None."""
        return 0

    async def identify(self) -> int:
        """No App has this id."""
        return 0

    def serves(self, repository: Repository) -> bool:
        """What is owed to a repository of this host waits."""
        return self.host is None or repository.host.lower() == self.host

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repository: Repository | None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> Any:
        """Not yet."""
        raise Retry(self.reason)

    async def pages(
        self,
        path: str,
        *,
        repository: Repository | None,
        items: str | None = None,
        urgency: Urgency = Urgency.ANSWER,
    ) -> AsyncIterator[Any]:
        """Not yet."""
        nothing: tuple[Any, ...] = ()
        for each in nothing:
            yield each
        raise Retry(self.reason)

    def forget(self, event: str, payload: Mapping[str, Any]) -> None:
        """Nothing is kept."""
