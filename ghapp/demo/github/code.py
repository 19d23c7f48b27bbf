"""Writing files to a branch and merging branches: commits made from what somebody wants to see."""

from __future__ import annotations

from collections.abc import Mapping

from . import refs
from .errors import ApiError, no_commit
from .git import FILE, Conflict, Entry
from .model import Account, Repository
from .world import World


def commit_files(
    world: World,
    repo: Repository,
    branch: str,
    files: Mapping[str, str | bytes | None],
    message: str,
    author: Account,
    *,
    parent: str | None = None,
    from_scratch: bool = False,
) -> str:
    """A commit on top of a branch (or of `parent`); None deletes a file. The branch moves."""
    git, ref = repo.git, f"refs/heads/{branch}"
    if not from_scratch:
        parent = parent or git.refs.get(ref) or git.refs.get(f"refs/heads/{repo.default_branch}")
    checkout = git.files(parent) if parent else {}
    for path, content in files.items():
        if content is None:
            checkout.pop(path, None)
            continue
        raw = content.encode() if isinstance(content, str) else content
        mode = checkout[path].mode if path in checkout else FILE
        checkout[path] = Entry(mode, git.blob(raw))
    signature = world.signature(author)
    sha = git.commit(git.build(checkout), [parent] if parent else [], message, author=signature)
    refs.move_ref(world, repo, ref, sha, author)
    return sha


def merge_branches(
    world: World, repo: Repository, base: str, head: str, message: str, sender: Account
) -> str | None:
    """POST .../merges: the new commit, or None where there was nothing to merge."""
    git = repo.git
    ours, theirs = git.refs.get(f"refs/heads/{base}"), git.resolve(head)
    if ours is None:
        raise ApiError(404, "Base does not exist")
    if theirs is None:
        raise ApiError(404, "Head does not exist")
    if git.reaches(theirs, ours):
        return None
    try:
        tree = git.merged_tree(ours, theirs)
    except Conflict as conflict:
        raise ApiError(409, "Merge Conflict") from conflict
    sha = git.commit(tree, [ours, theirs], message, author=world.signature(sender))
    refs.move_ref(world, repo, f"refs/heads/{base}", sha, sender)
    return sha


def commit_of(repo: Repository, name: str) -> str:
    """The commit that a ref, branch, tag or id names; 422 as the Checks API answers."""
    sha = repo.git.resolve(name)
    if sha is None:
        raise no_commit(name)
    return sha
