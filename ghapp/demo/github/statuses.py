"""Commit statuses: the older, simpler sibling of check runs."""

from __future__ import annotations

from collections.abc import Iterable

from . import events, render, render_code
from .errors import ApiError, Json, invalid, no_commit
from .model import Account, Repository, Status
from .world import World

STATES = ("error", "failure", "pending", "success")
DESCRIPTION_LIMIT = 140
CONTEXT_LIMIT = 255
OF_ONE_CONTEXT = 1000
_WIDEST = 0xFFFF


def create(world: World, repo: Repository, sha: str, body: Json, creator: Account) -> Status:
    """POST .../statuses/{sha}."""
    state, context = body.get("state"), body.get("context", "default")
    if state not in STATES:
        raise invalid("Status", "state", "state is not included in the list", code="invalid")
    if not repo.git.is_commit(sha):
        raise no_commit(sha)
    _too_long("description", body.get("description"), DESCRIPTION_LIMIT)
    _too_long("context", context, CONTEXT_LIMIT)
    for field in ("description", "context"):
        if any(ord(letter) > _WIDEST for letter in body.get(field) or ""):
            raise invalid("Status", field, f"{field} doesn't accept 4-byte Unicode")
    there = repo.statuses.setdefault(sha, [])
    same = [each for each in there if each.context.lower() == context.lower()]
    if len(same) >= OF_ONE_CONTEXT:
        raise ApiError(
            422,
            "Validation Failed",
            errors=[
                {
                    "resource": "Status",
                    "code": "custom",
                    "message": "This SHA and context has reached the maximum number of statuses.",
                }
            ],
        )
    status = Status(
        id=world.next_id(large=True),
        sha=sha,
        state=state,
        context=context,
        description=body.get("description"),
        target_url=body.get("target_url"),
        creator=creator,
        born=world.clock(),
    )
    there.append(status)
    _tell(world, repo, status)
    return status


def _too_long(field: str, text: str | None, limit: int) -> None:
    if len(text or "") > limit:
        raise invalid("Status", field, f"{field} is too long (maximum is {limit} characters)")


def newest_first(world: World, repo: Repository, sha: str) -> list[Status]:
    there = repo.statuses.get(sha, [])
    return [each for each in reversed(there) if world.is_visible(each.born)]


def latest(world: World, repo: Repository, sha: str) -> list[Status]:
    """The newest of each context, whatever its case."""
    by_context: dict[str, Status] = {}
    for status in newest_first(world, repo, sha):
        by_context.setdefault(status.context.lower(), status)
    return list(by_context.values())


def combined(statuses: Iterable[Status]) -> str:
    """failure if any failed, pending if any is, or if there is none."""
    states = {status.state for status in statuses}
    if states & {"error", "failure"}:
        return "failure"
    return "success" if states == {"success"} else "pending"


def _tell(world: World, repo: Repository, status: Status) -> None:
    commit = render_code.commit(world, repo, repo.git.read_commit(status.sha))
    body = render.envelope(
        world,
        repo,
        status.creator,
        id=status.id,
        sha=status.sha,
        name=repo.full_name,
        state=status.state,
        context=status.context,
        description=status.description,
        target_url=status.target_url,
        avatar_url=None,
        commit=commit,
        branches=[],
        created_at=world.iso(status.born),
        updated_at=world.iso(status.born),
    )
    events.tell(world, repo, "status", body)
    world.notice("status", repo, sha=status.sha, context=status.context)
