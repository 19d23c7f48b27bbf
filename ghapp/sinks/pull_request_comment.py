"""One comment below a pull request: a table of all runs on its newest commit, kept up to date.

An effect says that there is news; what is shown is read at that moment, so nothing is shown late.
The comment is found by a marker, among comments of our App only: somebody may quote it. Where it is
and what it says is remembered as long as the process lives; after that, and after a lost store, it
is looked for on every page of the comments, once.

Of a commit that is no pull request's head any more nothing is shown; a pull request that was closed
gets no new comment, but an old one still comes to its end. Pull requests from forks are found by
number only, where the run says it: GitHub does not list them by commit.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import quote

from cachetools import LRUCache
from msgspec import Meta, Struct

from ghapp.core import retry, runs_table
from ghapp.core.budget import Urgency
from ghapp.core.effects import Effect, ShowRuns
from ghapp.core.model import Repository
from ghapp.core.provider import GitHubApp
from ghapp.errors import Reject, Retry
from ghapp.github.flight import SingleFlight
from ghapp.ports import Clock, Receipt, Runs, SinkType, Slot, UrgentGitHub

BELIEVED: Final = timedelta(minutes=1)
"""For so long the answer is believed which pull requests a commit is the head of."""
PULLS: Final = 5
"""Pull requests with the same head that are told."""
REMEMBERED: Final = 10_000
_NO_COMMIT: Final = "No commit found for SHA"
_NOT_FOUND: Final = "Not Found"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which comment is ours."""

    name: Annotated[str, Meta(max_length=100)] = ""
    """Where several installations of checkrail that share an App write below the same pull
    requests, each needs a name of its own, or they overwrite each other's comment."""
    app: GitHubApp | None = None
    """Without it, the App that the process is set up with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request."""

    number: int
    head: str
    open: bool
    asked: datetime
    """When GitHub told."""

    @classmethod
    def of(cls, found: Mapping[str, Any], asked: datetime) -> "Pull":
        """As GitHub tells."""
        return cls(
            number=int(found["number"]),
            head=str(found["head"]["sha"]),
            open=found["state"] == "open",
            asked=asked,
        )


@dataclass(slots=True, kw_only=True)
class Comment:
    """Our comment below one pull request; `turn` is held by whoever writes it."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    looked_for: bool = False
    id: int | None = None
    body: str = ""
    pull: Pull | None = None
    """As it was last told of."""


Place = tuple[str, int]
"""Repository in lower case, and number."""


@dataclass(frozen=True, slots=True)
class PullRequestComment:
    """The pull requests of a repository."""

    settings: Settings
    github: UrgentGitHub
    runs: Runs
    clock: Clock
    provider: str
    _comments: "LRUCache[Place, Comment]" = field(
        default_factory=lambda: LRUCache(REMEMBERED), init=False, repr=False
    )
    _heads: "LRUCache[tuple[str, str], tuple[datetime, Sequence[Pull]]]" = field(
        default_factory=lambda: LRUCache(REMEMBERED), init=False, repr=False
    )
    """(repository, commit) -> when it was asked, and whose head it was."""
    _flights: SingleFlight[Sequence[Pull]] = field(
        default_factory=SingleFlight, init=False, repr=False
    )

    def accepts(self, effect: Effect) -> bool:
        """News of runs in repositories on this host."""
        return isinstance(effect, ShowRuns) and self.github.serves(effect.repository)

    async def deliver(self, effect: Effect, *, key: str, slot: Slot) -> Receipt | None:
        """Brings the comment up to date, or writes it."""
        if not isinstance(effect, ShowRuns):
            raise Reject(f"{key}: githubPullRequestComment takes news of runs only")
        if effect.pull_request is not None:
            # That there was none a moment ago is not true any more.
            self._heads.pop((effect.repository.url.lower(), effect.commit), None)
            await self._show(effect, effect.pull_request, None)
            return None
        for pull in await self._headed_by(effect.repository, effect.commit):
            await self._show(effect, pull.number, pull)
        return None

    # -- which pull request ----------------------------------------------------------------------

    async def _headed_by(self, repository: Repository, commit: str) -> Sequence[Pull]:
        """The open pull requests whose newest commit this is."""
        at = (repository.url.lower(), commit)
        asked, known = self._heads.get(at, (None, ()))
        if asked is None or not self._fresh(asked):
            asked = self.clock()
            known = await self._flights.ask(at, partial(self._asked, repository, commit, asked))
            self._heads[at] = (asked, known)
        return known

    async def _asked(self, repository: Repository, commit: str, asked: datetime) -> Sequence[Pull]:
        path = f"{repository.api_path}/commits/{quote(commit, safe='')}/pulls"
        try:
            pages = self.github.pages(path, repository=repository, urgency=Urgency.PROGRESS)
            pulls = [Pull.of(one, asked) async for one in pages]
        except Reject as error:
            if error.status == 422 and _NO_COMMIT in error.reason:
                return ()  # of a commit that was never pushed there is no pull request
            raise
        return tuple(pull for pull in pulls if pull.open and pull.head == commit)[:PULLS]

    async def _numbered(self, effect: ShowRuns, number: int, known: Pull | None) -> Pull | None:
        """The pull request that the run says it is about; it need not exist."""
        if known and known.head == effect.commit and self._fresh(known.asked):
            return known
        asked = self.clock()
        try:
            path = f"{effect.repository.api_path}/pulls/{number}"
            found = await self._ask("GET", path, None, effect.repository)
        except Reject as error:
            if error.status == 404 and _NOT_FOUND in error.reason:
                return None
            raise  # the App is not installed there, say
        return Pull.of(found, asked)

    def _fresh(self, asked: datetime) -> bool:
        return self.clock() - asked < BELIEVED

    # -- the comment -----------------------------------------------------------------------------

    async def _show(self, effect: ShowRuns, number: int, pull: Pull | None) -> None:
        at = (effect.repository.url.lower(), number)
        comment = self._comments.setdefault(at, Comment())
        async with comment.turn:
            pull = pull or await self._numbered(effect, number, comment.pull)
            if pull is None or _outdated(pull, comment.pull):
                return
            comment.pull = pull
            text = await self._text(effect.repository, pull.head)
            if text:
                await self._written(effect.repository, pull, comment, text)

    async def _text(self, repository: Repository, head: str) -> str:
        """The newest table; empty: this provider is told of no run on that commit."""
        rows = await self.runs.on_commit(repository, head)
        told = [row for row in rows if self.provider in row.shown]
        return runs_table.render(told, commit=head, name=self._name) if told else ""

    async def _written(
        self, repository: Repository, pull: Pull, comment: Comment, text: str
    ) -> None:
        if not comment.looked_for:
            await self._look_for(repository, pull, comment)
        if comment.id is not None and comment.body == text:
            return
        if comment.id is not None and await self._edited(repository, comment, text):
            return
        if pull.open:
            await self._created(repository, pull, comment, text)

    async def _look_for(self, repository: Repository, pull: Pull, comment: Comment) -> None:
        app = self.github.app_id or await self.github.identify()
        mark = runs_table.marker(self._name)
        path = f"{repository.api_path}/issues/{pull.number}/comments"
        pages = self.github.pages(path, repository=repository, urgency=Urgency.PROGRESS)
        try:
            async for one in pages:
                by = (one.get("performed_via_github_app") or {}).get("id")
                if by == app and str(one.get("body") or "").startswith(mark):
                    comment.id, comment.body = int(one["id"]), str(one["body"])
                    break
        except Reject as error:
            if error.status == 404 and _NOT_FOUND in error.reason:  # GitHub named it just now
                raise Retry(error.reason, after=retry.LISTED, status=404) from error
            raise
        comment.looked_for = True

    async def _edited(self, repository: Repository, comment: Comment, text: str) -> bool:
        """False when somebody deleted it."""
        path = f"{repository.api_path}/issues/comments/{comment.id}"
        try:
            await self._ask("PATCH", path, {"body": text}, repository)
        except Reject as error:
            if error.status != 404:
                raise
            comment.id = None
            return False
        comment.body = text
        return True

    async def _created(
        self, repository: Repository, pull: Pull, comment: Comment, text: str
    ) -> None:
        path = f"{repository.api_path}/issues/{pull.number}/comments"
        # Until we hear its number, another try has to look for it.
        comment.looked_for = False
        try:
            made = await self._ask("POST", path, {"body": text}, repository)
        except Retry as error:
            raise retry.listed(error) from error
        comment.id, comment.body, comment.looked_for = int(made["id"]), text, True

    async def _ask(
        self, method: str, path: str, body: dict[str, Any] | None, repository: Repository
    ) -> Any:
        """The checks themselves go first."""
        return await self.github.request(
            method, path, body, repository=repository, urgency=Urgency.PROGRESS
        )

    @property
    def _name(self) -> str:
        return f"{self.provider} {self.settings.name}".strip()


def _outdated(pull: Pull, newest: Pull | None) -> bool:
    """Whether there was a push since, and we have shown it."""
    return newest is not None and pull.head != newest.head and pull.asked < newest.asked


SINK = SinkType(
    "github-pull-request-comment",
    Settings,
    PullRequestComment,
    provider="githubPullRequestComment",
    permissions={
        "pull_requests:write": "writes one comment with all runs below a pull request",
        "contents:read": "finds the pull request of a commit",
    },
    optional=True,
)
