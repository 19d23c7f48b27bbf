"""Merging pull requests: directly, when nothing blocks any more, or in the background.

The methods differ as on GitHub: `merge` makes a commit with two parents, `squash` one with the
base as its parent, `rebase` replays the commits.
"""

from __future__ import annotations

from . import pulls, refs
from .errors import ApiError, Json, invalid
from .git import Conflict
from .model import Account, Pull
from .world import World

METHODS = ("merge", "squash", "rebase")


def conflicts(pull: Pull) -> bool:
    git = pull.repository.git
    try:
        git.merged_tree(pull.base_sha, pull.head_sha)
    except Conflict:
        return True
    return False


def merge(world: World, pull: Pull, body: Json, sender: Account) -> str:
    """PUT .../pulls/{number}/merge: the merge commit's id."""
    expected, method = body.get("sha"), body.get("merge_method", "merge")
    if method not in METHODS:
        raise invalid("PullRequest", "merge_method", f"{method} is not a merge method")
    if expected is not None and expected != pull.head_sha:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    if pull.state != "open" or pull.draft or pull.blocked or conflicts(pull):
        raise ApiError(405, _why_not(pull))
    title = body.get("commit_title") or default_title(pull)
    sha = _merge_commit(world, pull, method, f"{title}\n\n{body.get('commit_message', '')}", sender)
    settle(world, pull, sha, sender)
    refs.move_ref(world, pull.repository, f"refs/heads/{pull.base}", sha, sender)
    return sha


def default_title(pull: Pull) -> str:
    owner = pull.head_repository.owner.login
    return f"Merge pull request #{pull.number} from {owner}/{pull.head}"


def _why_not(pull: Pull) -> str:
    if pull.blocked and pull.state == "open":
        return "Repository rule violations found\n\nRequired status check is expected."
    return "Pull Request is not mergeable"


def _merge_commit(world: World, pull: Pull, method: str, message: str, sender: Account) -> str:
    git, who = pull.repository.git, world.signature(sender)
    base = git.refs[f"refs/heads/{pull.base}"]
    message = message.rstrip("\n")
    if method != "rebase":
        parents = [base] if method == "squash" else [base, pull.head_sha]
        return git.commit(git.merged_tree(base, pull.head_sha), parents, message, author=who)
    for sha in git.between(base, pull.head_sha):
        old = git.read_commit(sha)
        tree = git.merged_tree(base, sha)
        base = git.commit(tree, [base], old.message, author=old.author, committer=who)
    return base


def settle(world: World, pull: Pull, sha: str, sender: Account) -> None:
    now = world.clock()
    pull.state, pull.closed, pull.merged, pull.updated = "closed", now, now, now
    pull.merged_by, pull.merge_sha, pull.auto_merge = sender, sha, None
    pulls.tell(world, pull, "closed", sender)


# -- auto-merge and merge-async ---------------------------------------------------------------


def enable_auto_merge(world: World, pull: Pull, body: Json, sender: Account) -> None:
    """Waits for what blocks; refused where nothing does."""
    if not pull.repository.allow_auto_merge:
        raise ApiError(422, "Pull request Auto merge is not allowed for this repository")
    if not pull.blocked:
        raise ApiError(422, "Pull request Pull request is in clean status")
    pull.auto_merge = {
        "enabled_by": sender.login,
        "merge_method": body.get("merge_method", "merge"),
        "at": world.clock(),
    }


def unblock(world: World, pull: Pull) -> None:
    """What forbade merging is gone; auto-merge acts now."""
    pull.blocked = False
    if pull.auto_merge is not None and pull.state == "open":
        by = world.account(pull.auto_merge["enabled_by"])
        merge(world, pull, {"merge_method": pull.auto_merge["merge_method"]}, by)


def merge_async(world: World, pull: Pull, body: Json, sender: Account) -> tuple[int, Json]:
    """PUT .../pulls/{number}/merge-async: status and body. The work is done at once."""
    if pull.merged is not None:
        return 200, merged_result(pull)
    if pull.state != "open" or pull.draft:
        return 400, _failed("Pull Request is not mergeable")
    if pull.merge_requests:
        return 409, next(iter(pull.merge_requests.values()))
    details = {
        "message": "Merge request created",
        "uuid": world.guid(),
        "merge_method": body.get("merge_method", "default"),
        "merge_action": body.get("merge_action", "default"),
        "expected_head_sha": body.get("sha", pull.head_sha),
    }
    pending: Json = {"status": "pending", "details": details}
    try:
        merge(world, pull, body, sender)
    except ApiError as error:
        pull.merge_requests[details["uuid"]] = _failed(error.message)
    else:
        pull.merge_requests[details["uuid"]] = merged_result(pull)
    return 202, pending


def merged_result(pull: Pull) -> Json:
    details = {"message": "Pull Request successfully merged", "sha": pull.merge_sha}
    return {"status": "merged", "details": details}


def _failed(message: str) -> Json:
    return {"status": "failed", "details": {"message": message}}
