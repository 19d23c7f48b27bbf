"""GitHub check runs: a subject's check on its commit, in as few requests as there are states.

A check is created once and then updated under the id that the lane remembers; nothing is read in
between. Only where an earlier try may have got through unheard is the check looked up first, by
the ``external_id`` that names its subject: creating is not idempotent at GitHub.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from ghapp.core import github_body
from ghapp.core.effects import Effect, SetCheck
from ghapp.core.model import Repository
from ghapp.errors import Reject, Retry
from ghapp.ports import GitHub, Receipt, SinkType, Slot

LISTED: Final = 5.0
"""Seconds until a check that was created is in GitHub's lists; sooner it seems to be missing."""
_NO_COMMIT: Final = "No commit found for SHA"


class Settings(Struct, frozen=True, kw_only=True):
    """Nothing to set: the App's own settings are the process'."""


@dataclass(frozen=True, slots=True)
class GithubCheck:
    """The Checks tab of a commit."""

    settings: Settings
    github: GitHub

    def accepts(self, effect: Effect) -> bool:
        """Checks of repositories on this host."""
        return isinstance(effect, SetCheck) and self.github.serves(effect.repository)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt:
        """Update the check, or create it where there is none."""
        if not isinstance(effect, SetCheck):
            raise Reject(f"{key}: github-check takes checks only")
        known = slot.id or await self._found(effect, slot)
        if known is not None and await self._updated(effect, known):
            return Receipt(slot=known)
        return Receipt(slot=await self._created(effect))

    async def _found(self, effect: SetCheck, slot: Slot) -> str | None:
        """The check of an earlier try that we heard nothing of; costs a GET, so only if needed."""
        if slot.certain and not effect.search:
            return None
        query = {"check_name": effect.check.name, "filter": "all"}
        app_id = self.github.app_id or await self.github.identify()
        path = f"{_repo(effect.repository)}/commits/{quote(effect.commit, safe='')}/check-runs"
        pages = self.github.pages(
            f"{path}?{urlencode({**query, 'app_id': app_id})}",
            repository=effect.repository,
            items="check_runs",
        )
        return github_body.pick(effect, [run async for run in pages])

    async def _updated(self, effect: SetCheck, known: str) -> bool:
        """False when GitHub no longer has it: it keeps a thousand of one name per commit."""
        path = f"{_repo(effect.repository)}/check-runs/{quote(known, safe='')}"
        try:
            await self._ask("PATCH", path, github_body.update(effect), effect)
        except Reject as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _created(self, effect: SetCheck) -> str:
        path = f"{_repo(effect.repository)}/check-runs"
        try:
            run = await self._ask("POST", path, github_body.body(effect), effect)
        except Reject as error:
            if error.status == 422 and _NO_COMMIT in error.reason:
                raise Reject(
                    f"{effect.repository.url} has no commit {effect.commit}: it was never pushed"
                    " there, or the run names the wrong repository",
                    status=422,
                ) from error
            raise
        except Retry as error:
            if not error.uncertain:
                raise
            after = max(error.after or 0.0, LISTED)
            raise Retry(error.reason, after=after, uncertain=True, status=error.status) from error
        return str(run["id"])

    async def _ask(self, method: str, path: str, body: dict[str, Any], effect: SetCheck) -> Any:
        return await self.github.request(method, path, body, repository=effect.repository)


def _repo(repository: Repository) -> str:
    return f"/repos/{quote(repository.owner, safe='')}/{quote(repository.name, safe='')}"


SINK = SinkType(
    "github-check",
    Settings,
    GithubCheck,
    permissions={"checks:write": "creates and updates a check for each run, and hears its buttons"},
)
