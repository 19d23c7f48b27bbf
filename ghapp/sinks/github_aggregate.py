"""One check for all runs of a commit, so that a branch rule can require it alone.

An effect says that there is news; what is shown is read at that moment, so nothing is shown late.
Which check run shows a commit is remembered as long as the process lives; after that it is looked
up once, by its ``external_id``. GitHub does not open a completed check run again, so when more runs
come after all were done, there is another one of the same name, and the newest is what counts.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from cachetools import LRUCache
from msgspec import Meta, Struct

from ghapp.core import github_body, retry, runs_table
from ghapp.core.effects import Check, Effect, ShowRuns
from ghapp.core.healed import AT_MOST
from ghapp.core.model import Repository
from ghapp.core.webhook import ALL_RUNS
from ghapp.errors import Reject, Retry
from ghapp.ports import GitHub, Receipt, Runs, SinkType, Slot

REMEMBERED: Final = 10_000


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What the check is called."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] = "checkrail"
    """As a branch rule requires it; never that of a run's own check."""


@dataclass(slots=True, kw_only=True)
class Shown:
    """The check run of one commit; `turn` is held by whoever writes it."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    looked_for: bool = False
    id: str = ""
    """Empty: there is none yet, or the last one was completed."""
    check: Check | None = None
    """As we wrote it last."""
    healed: int = 0

    def distrust(self, changed: int, wanted: Check | None) -> None:
        """Somebody changed this check run: it has to be written again, or to be replaced."""
        if self.id != str(changed) or wanted is None or self.healed >= AT_MOST:
            return
        self.healed, self.check = self.healed + 1, None
        if wanted.status != "completed":
            self.id = ""  # it was completed, and GitHub opens none again


@dataclass(frozen=True, slots=True)
class GithubAggregate:
    """The commits of a repository."""

    settings: Settings
    github: GitHub
    runs: Runs
    provider: str
    _shown: "LRUCache[tuple[str, str], Shown]" = field(
        default_factory=lambda: LRUCache(REMEMBERED), init=False, repr=False
    )
    """By repository in lower case, and commit."""

    def accepts(self, effect: Effect) -> bool:
        """News of runs in repositories on this host."""
        return isinstance(effect, ShowRuns) and self.github.serves(effect.repository)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Brings the check up to date, or creates it."""
        if not isinstance(effect, ShowRuns):
            raise Reject(f"{key}: githubAggregate takes news of runs only")
        at = (effect.repository.url.lower(), effect.commit)
        shown = self._shown.setdefault(at, Shown())
        async with shown.turn:
            rows = await self.runs.on_commit(effect.repository, effect.commit)
            told = [row for row in rows if self.provider in row.shown]
            check = runs_table.summed_up(
                told, name=self.settings.name, external_id=f"{ALL_RUNS}/{self.provider}"
            )
            shown.distrust(effect.changed, check)
            if check is not None and check != shown.check:
                await self._show(effect, shown, check)
        return None

    async def _show(self, effect: ShowRuns, shown: Shown, check: Check) -> None:
        if not shown.looked_for:
            await self._look_for(effect, shown, check)
        completed = shown.check is not None and shown.check.status == "completed"
        anew = not shown.id or (completed and check.status != "completed")
        if anew or not await self._updated(effect, shown, check):
            await self._created(effect, shown, check)
        shown.check = check

    async def _look_for(self, effect: ShowRuns, shown: Shown, check: Check) -> None:
        """The newest of ours, unless it was completed and this is not."""
        app = self.github.app_id or await self.github.identify()
        query = urlencode({"check_name": check.name, "filter": "latest", "app_id": app})
        path = f"{effect.repository.api_path}/commits/{quote(effect.commit, safe='')}/check-runs"
        pages = self.github.pages(
            f"{path}?{query}", repository=effect.repository, items="check_runs"
        )
        found = [run async for run in pages if run.get("external_id") == check.external_id]
        newest: Mapping[str, Any] = max(found, key=lambda run: int(run["id"]), default={})
        if newest and not (newest.get("status") == "completed" and check.status != "completed"):
            shown.id = str(newest["id"])
        shown.looked_for = True

    async def _updated(self, effect: ShowRuns, shown: Shown, check: Check) -> bool:
        """False when GitHub no longer has it."""
        path = f"{effect.repository.api_path}/check-runs/{quote(shown.id, safe='')}"
        try:
            await self._ask("PATCH", path, github_body.fields(check), effect.repository)
        except Reject as error:
            if error.status != 404:
                raise
            return False
        return True

    async def _created(self, effect: ShowRuns, shown: Shown, check: Check) -> None:
        body = {"name": check.name, "head_sha": effect.commit, **github_body.fields(check)}
        # Until we hear its number, another try has to look for it.
        shown.id, shown.looked_for = "", False
        try:
            made = await self._ask(
                "POST", f"{effect.repository.api_path}/check-runs", body, effect.repository
            )
        except Retry as error:
            raise retry.listed(error) from error
        shown.id, shown.looked_for = str(made["id"]), True

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, repository: Repository
    ) -> Any:
        return await self.github.request(method, path, body, repository=repository)


SINK = SinkType(
    "github-aggregate",
    Settings,
    GithubAggregate,
    provider="githubAggregate",
    permissions={"checks:write": "sums all runs of a commit up in one check"},
    optional=True,
)
