"""GitHub check runs: a subject's check on its commit, in as few requests as there are states.

A check is created once and then updated under the id that the lane remembers; nothing is read in
between. Only where an earlier try may have got through unheard is the check looked up first, by
the ``external_id`` that names its subject: creating is not idempotent at GitHub.

Annotations go 50 a request, the first with the state of the check. GitHub appends them, so a set is
sent once for each check run: the lane remembers which, and after a try that ended between two
requests GitHub is asked how many it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from ghapp import log as logs
from ghapp.core import annotations, github_body, retry
from ghapp.core.annotations import Annotation
from ghapp.core.budget import Urgency
from ghapp.core.effects import Effect, SetCheck
from ghapp.core.github_body import Run
from ghapp.core.provider import GitHubApp
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.ports import Receipt, SinkType, Slot, UrgentGitHub

log = logs.get(__name__)

_NO_COMMIT: Final = "No commit found for SHA"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which App writes the checks."""

    app: GitHubApp | None = None
    """The GitHub App; left out: the one that the process is set up with."""


@dataclass(frozen=True, slots=True)
class GithubCheck:
    """The Checks tab of a commit."""

    settings: Settings
    github: UrgentGitHub

    def accepts(self, effect: Effect) -> bool:
        """Checks of repositories on this host."""
        return isinstance(effect, SetCheck) and self.github.serves(effect.repository)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt:
        """Update the check, or create it where there is none."""
        if not isinstance(effect, SetCheck):
            raise Reject(f"{key}: github-check takes checks only")
        known = await self._known(effect, slot)
        told = await self._updated(effect, known) if known else None
        return Receipt(slot=(told or await self._created(effect)).written)

    async def _known(self, effect: SetCheck, slot: Slot) -> "_There | None":
        """The check run and how many of the effect's annotations it has."""
        run = Run.read(slot.id or "")
        if not run.id or run.is_one_of(effect.spoiled):
            return await self._found(effect, slot)
        if run.has(effect.annotations):
            return _There(run=run, sent=len(effect.annotations))
        if slot.certain:
            return _There(run=run)
        return await self._looked(effect, run)

    async def _found(self, effect: SetCheck, slot: Slot) -> "_There | None":
        """The check of an earlier try that we heard nothing of; costs a GET, so only if needed."""
        if slot.certain and not effect.search:
            return None
        query = {"check_name": effect.check.name, "filter": "all"}
        app_id = self.github.app_id or await self.github.identify()
        path = f"{effect.repository.api_path}/commits/{quote(effect.commit, safe='')}/check-runs"
        pages = self.github.pages(
            f"{path}?{urlencode({**query, 'app_id': app_id})}",
            repository=effect.repository,
            items="check_runs",
            urgency=_urgency(effect),
        )
        runs = {str(run["id"]): run async for run in pages}
        known = github_body.pick(effect, runs.values())
        return _There.of(effect, Run(id=known), runs[known]) if known else None

    async def _looked(self, effect: SetCheck, run: Run) -> "_There | None":
        """A try may have ended between two requests: which annotations are there?"""
        try:
            there = await self._ask("GET", _path(effect, run), None, effect)
        except Reject as error:
            if error.status == 404:
                return None
            raise
        return _There.of(effect, run, there)

    async def _updated(self, effect: SetCheck, known: "_There") -> Run | None:
        """None when GitHub no longer has it: it keeps a thousand of one name per commit."""
        owed = effect.annotations[known.sent :]
        first, *rest = list(annotations.batches(owed)) or [()]
        try:
            await self._patched(effect, known.run, first)
        except Reject as error:
            if error.status == 404:
                return None
            raise
        return await self._rest(effect, known.run, rest)

    async def _created(self, effect: SetCheck) -> Run:
        first, *rest = list(annotations.batches(effect.annotations)) or [()]
        path = f"{effect.repository.api_path}/check-runs"
        try:
            made = await self._sent("POST", path, effect, first)
        except Reject as error:
            if error.status == 422 and _NO_COMMIT in error.reason:
                raise Reject(
                    f"{effect.repository.url} has no commit {effect.commit}: it was never pushed"
                    " there, or the run names the wrong repository",
                    status=422,
                ) from error
            raise
        except Retry as error:
            raise retry.listed(error) from error
        return await self._rest(effect, Run(id=str(made["id"])), rest)

    async def _rest(
        self, effect: SetCheck, run: Run, batches: Sequence[Sequence[Annotation]]
    ) -> Run:
        """The annotations that did not fit into the first request.

        Whatever stops us here, the next try must not begin at the beginning: it has to look.
        """
        try:
            for batch in batches:
                await self._patched(effect, run, batch)
        except DeliveryError as error:
            raise retry.unheard(error) from error
        return run if run.has(effect.annotations) else run.given(effect.annotations)

    async def _patched(self, effect: SetCheck, run: Run, some: Sequence[Annotation]) -> None:
        try:
            await self._sent("PATCH", _path(effect, run), effect, some)
        except Retry as error:
            raise (retry.listed(error) if some else error) from error

    async def _sent(
        self, method: str, path: str, effect: SetCheck, some: Sequence[Annotation]
    ) -> Any:
        """One request; where GitHub refuses the annotations, the check goes without them."""
        render = github_body.body if method == "POST" else github_body.update
        try:
            return await self._ask(method, path, render(effect, some), effect)
        except Reject as error:
            if error.status != 422 or not some or _NO_COMMIT in error.reason:
                raise
            log.warning("GitHub refused annotations", reason=error.reason, count=len(some))
        return await self._ask(method, path, render(effect), effect)

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, effect: SetCheck
    ) -> Any:
        return await self.github.request(
            method, path, body, repository=effect.repository, urgency=_urgency(effect)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _There:
    """A check run that exists, and how many of the effect's annotations it has."""

    run: Run
    sent: int = 0

    @classmethod
    def of(cls, effect: SetCheck, run: Run, there: Mapping[str, Any]) -> "_There":
        """As GitHub tells; a batch is there as a whole or not at all."""
        sent = github_body.annotated(there) - run.count
        return cls(run=run, sent=min(max(sent, 0), len(effect.annotations)))


def _urgency(effect: SetCheck) -> Urgency:
    """A verdict goes first; a first sign and an answer to a click go before mere progress."""
    if effect.check.status == "completed":
        return Urgency.FINAL
    return Urgency.PROGRESS if effect.progress else Urgency.ANSWER


def _path(effect: SetCheck, run: Run) -> str:
    return f"{effect.repository.api_path}/check-runs/{quote(run.id, safe='')}"


SINK = SinkType(
    "github-check",
    Settings,
    GithubCheck,
    provider="github",
    place=lambda settings: "" if settings.get("app") else "github-check",
    permissions={"checks:write": "creates and updates a check for each run, and hears its buttons"},
)
