"""Refs move: the one place through which every branch is made, moved or deleted.

Whatever moved it (a person's push, the Git Data API, the Contents API, GraphQL, a merge), the same
webhooks follow.
"""

from __future__ import annotations

from . import checks, events, pulls
from .errors import ApiError
from .model import Account, Repository
from .world import World


def move_ref(
    world: World,
    repo: Repository,
    ref: str,
    sha: str | None,
    sender: Account,
) -> None:
    """Make, move or (with None) delete a ref, and tell who wants to know."""
    before = repo.git.refs.get(ref)
    if before == sha:
        return
    repo.git.set_ref(ref, sha, at=world.clock())
    repo.pushed = world.clock()
    events.push(world, repo, sender, ref=ref, before=before, after=sha)
    if sha is not None and ref.startswith("refs/heads/"):
        checks.request_suites(world, repo, sha, sender)
    pulls.follow(world, repo, ref, sha, sender)


def update_ref(
    world: World, repo: Repository, ref: str, sha: str, sender: Account, *, force: bool
) -> None:
    """What PATCH .../git/refs/{ref} may do."""
    before = repo.git.refs.get(ref)
    if before is None:
        raise ApiError(422, "Reference does not exist")
    if not repo.git.is_commit(sha):
        raise ApiError(422, "Object does not exist")
    if not force and not repo.git.reaches(before, sha):
        raise ApiError(422, "Update is not a fast forward")
    move_ref(world, repo, ref, sha, sender)


def create_ref(world: World, repo: Repository, ref: str, sha: str, sender: Account) -> None:
    if not ref.startswith("refs/") or ref.count("/") < 2:
        raise ApiError(422, "Reference name must start with 'refs/' and have at least two slashes.")
    if not repo.git.is_commit(sha):
        raise ApiError(422, "Object does not exist")
    if ref in repo.git.refs:
        raise ApiError(422, "Reference already exists")
    move_ref(world, repo, ref, sha, sender)
