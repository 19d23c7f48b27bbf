"""Pull requests: opened once for a branch, edited, closed, and following their branches.

Merging is in merging.py.
"""

from __future__ import annotations

from . import events, render_pulls
from .errors import ApiError, Json, invalid, needs, not_found
from .model import Account, Pull, Repository
from .world import World


def open_pull(world: World, repo: Repository, body: Json, author: Account) -> Pull:
    """POST .../pulls."""
    if "title" not in body and "issue" not in body:
        raise missing_title()
    head_repo, branch = _head(world, repo, needs(body, "head"))
    base = needs(body, "base")
    head_sha = head_repo.git.refs.get(f"refs/heads/{branch}")
    base_sha = repo.git.refs.get(f"refs/heads/{base}")
    for field, sha in (("head", head_sha), ("base", base_sha)):
        if sha is None:
            error = {"resource": "PullRequest", "field": field, "code": "invalid"}
            raise ApiError(422, "Validation Failed", errors=[error])
    assert head_sha is not None
    assert base_sha is not None
    _refuse_useless(repo, head_repo, branch, base, head_sha, base_sha)
    pull = Pull(
        id=world.next_id(),
        number=max(repo.pulls, default=0) + 1,
        repository=repo,
        head_repository=head_repo,
        head=branch,
        head_sha=head_sha,
        base=base,
        base_sha=base_sha,
        title=body.get("title") or "",
        body=body.get("body"),
        author=author,
        draft=bool(body.get("draft")),
        born=world.clock(),
        updated=world.clock(),
    )
    repo.pulls[pull.number] = pull
    tell(world, pull, "opened", author)
    return pull


def missing_title() -> ApiError:
    error = {"resource": "PullRequest", "field": "title", "code": "missing_field"}
    return ApiError(422, "Validation Failed", errors=[error])


def _head(world: World, repo: Repository, head: str) -> tuple[Repository, str]:
    """`branch` or `owner:branch`."""
    owner, colon, branch = head.partition(":")
    if not colon or owner.lower() == repo.owner.login.lower():
        return repo, branch or owner
    for other in world.repositories.values():
        if other.fork_of is repo and other.owner.login.lower() == owner.lower():
            return other, branch
    raise ApiError(
        422,
        "Validation Failed",
        errors=[{"resource": "PullRequest", "field": "head", "code": "invalid"}],
    )


def _refuse_useless(
    repo: Repository, head_repo: Repository, branch: str, base: str, head_sha: str, base_sha: str
) -> None:
    for pull in repo.pulls.values():
        same = (pull.head_repository, pull.head, pull.base) == (head_repo, branch, base)
        if same and pull.state == "open":
            name = f"{head_repo.owner.login}:{branch}"
            raise _custom(f"A pull request already exists for {name}.")
    if repo.git.reaches(head_sha, base_sha):
        raise _custom(f"No commits between {base} and {branch}")


def _custom(message: str) -> ApiError:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return ApiError(422, "Validation Failed", errors=[error])


def find(repo: Repository, number: int) -> Pull:
    if number not in repo.pulls:
        raise not_found()
    return repo.pulls[number]


def update(world: World, pull: Pull, body: Json, sender: Account) -> None:
    """PATCH .../pulls/{number}."""
    state = body.get("state", pull.state)
    if state not in ("open", "closed"):
        raise invalid("PullRequest", "state", f"{state} is not a state", code="invalid")
    if state != pull.state and pull.merged is not None:
        raise invalid("PullRequest", "state", "state cannot be changed. It is merged.")
    if "base" in body:
        _rebase_on(pull, body["base"])
    pull.title = body.get("title", pull.title)
    pull.body = body.get("body", pull.body)
    pull.updated = world.clock()
    if state == "closed" and pull.state == "open":
        close(world, pull, sender)
    elif state == "open" and pull.state == "closed":
        pull.state, pull.closed = "open", None
        tell(world, pull, "reopened", sender)


def _rebase_on(pull: Pull, base: str) -> None:
    sha = pull.repository.git.refs.get(f"refs/heads/{base}")
    if sha is None:
        raise invalid("PullRequest", "base", f"{base} does not exist", code="invalid")
    pull.base, pull.base_sha = base, sha


def close(world: World, pull: Pull, sender: Account) -> None:
    pull.state, pull.closed, pull.updated = "closed", world.clock(), world.clock()
    tell(world, pull, "closed", sender)


def follow(world: World, repo: Repository, ref: str, sha: str | None, sender: Account) -> None:
    """A branch moved: open pull requests from it and into it move too."""
    branch = ref.removeprefix("refs/heads/")
    for host in list(world.repositories.values()):
        for pull in [each for each in host.pulls.values() if each.state == "open"]:
            if host is repo and pull.base == branch and sha is not None:
                pull.base_sha = sha
            if pull.head_repository is repo and pull.head == branch:
                _head_moved(world, pull, sha, sender)


def _head_moved(world: World, pull: Pull, sha: str | None, sender: Account) -> None:
    if sha is None:
        close(world, pull, sender)
        return
    before, pull.head_sha, pull.updated = pull.head_sha, sha, world.clock()
    tell(world, pull, "synchronize", sender, before=before, after=sha)


# -- telling ---------------------------------------------------------------------------------


def tell(world: World, pull: Pull, action: str, sender: Account, **facts: object) -> None:
    events.happened(
        world,
        pull.repository,
        "pull_request",
        sender,
        action=action,
        number=pull.number,
        pull_request=render_pulls.pull(world, pull),
        **facts,
    )
