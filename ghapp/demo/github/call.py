"""One request to the API, understood: who asks, for which repository, with what body."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from yarl import URL

from .errors import ApiError, Json, not_found
from .limits import Meter
from .model import Account, App, Installation, Repository, Token
from .world import World, covers

T = TypeVar("T")


class Proof(StrEnum):
    """How a caller must show who they are."""

    NONE = "none"
    JWT = "jwt"
    INSTALLATION = "installation"
    TOKEN = "token"  # noqa: S105 - the name of a kind, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: JSON, or nothing."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as the routes see it."""

    world: World
    method: str
    url: URL
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Json
    headers: Mapping[str, str]
    app: App | None
    token: Token | None
    meter: Meter
    caller: str

    @property
    def names_repository(self) -> bool:
        """By name, or by number."""
        return "repo" in self.path or "repository_id" in self.path

    @property
    def repo(self) -> Repository:
        """The repository in the path, if the caller may know of it."""
        if "repository_id" in self.path:
            found = self.world.repositories.get(int(self.path["repository_id"]))
        else:
            found = self.world.former(f"{self.path['owner']}/{self.path['repo']}")
        if found is None or not self._may_see(found):
            raise not_found()
        return found

    def _may_see(self, repo: Repository) -> bool:
        if self.token is None:
            return self.app is not None or not repo.private
        if self.token.person is not None:
            return self.world.allowed(repo, self.token.person, "read")
        return not repo.private or self.in_scope(repo)

    def in_scope(self, repo: Repository) -> bool:
        """Is this one of the repositories that the installation token is for?"""
        token = self.token
        if token is None or token.installation is None or not covers(token.installation, repo):
            return False
        return token.repositories is None or repo.id in token.repositories

    @property
    def actor(self) -> Account:
        """Who does it; an App acts as its bot."""
        if self.token is None:
            raise ApiError(401, "Requires authentication")
        if self.token.person is not None:
            return self.token.person
        return self.installation.app.bot

    @property
    def installation(self) -> Installation:
        if self.token is None or self.token.installation is None:
            raise ApiError(403, "You must authenticate via a GitHub App.")
        return self.token.installation

    @property
    def the_app(self) -> App:
        """The App of the JWT or of the token."""
        return self.app or self.installation.app

    @property
    def acting_app(self) -> App | None:
        """The App, if one is acting and not a person."""
        installation = self.token.installation if self.token else None
        return installation.app if installation else self.app

    def number(self, name: str) -> int:
        text = self.path[name]
        if not text.isdecimal():
            raise not_found()
        return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A template as GitHub's API description writes it, and what answers there.

    `needs` is the permission in the words of X-Accepted-GitHub-Permissions: alternatives are
    parted by semicolons, things needed together by commas.
    """

    method: str
    path: str
    run: Callable[[Call], Reply]
    needs: str = ""
    proof: Proof = Proof.TOKEN
    notifies: bool = False  # counts as creating content for the secondary limits


def get(path: str, run: Callable[[Call], Reply], needs: str = "metadata=read") -> Route:
    return Route(method="GET", path=path, run=run, needs=needs)


def write(
    method: str, path: str, run: Callable[[Call], Reply], needs: str, *, notifies: bool = False
) -> Route:
    return Route(method=method, path=path, run=run, needs=needs, notifies=notifies)


# -- pages ------------------------------------------------------------------------------------


def page_size(call: Call) -> int:
    text = call.query.get("per_page", "30")
    return min(max(int(text), 1), 100) if text.isdecimal() else 30


def paged(
    call: Call,
    items: Sequence[T],
    render: Callable[[T], Any],
    *,
    under: str | None = None,
) -> Reply:
    """One page of a list, and the Link header to the others."""
    size = page_size(call)
    text = call.query.get("page", "1")
    page = max(int(text), 1) if text.isdecimal() else 1
    shown = [render(item) for item in items[(page - 1) * size : page * size]]
    last = max(1, -(-len(items) // size))
    body: Any = shown if under is None else {"total_count": len(items), under: shown}
    return Reply(body=body, headers=_links(call, page, last))


def _links(call: Call, page: int, last: int) -> dict[str, str]:
    targets: dict[str, int] = {}
    if page > 1:
        targets |= {"prev": page - 1, "first": 1}
    if page < last:
        targets |= {"next": page + 1, "last": last}
    return link_header({rel: call.url.update_query(page=str(to)) for rel, to in targets.items()})


def link_header(targets: Mapping[str, URL]) -> dict[str, str]:
    if not targets:
        return {}
    return {"Link": ", ".join(f'<{url}>; rel="{rel}"' for rel, url in targets.items())}
