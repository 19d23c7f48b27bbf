"""The merge queue: what would be merged is a commit of its own, which is checked first.

Each group is built on the one before it. When one leaves the queue unmerged, those behind it are
invalid, and are built and checked anew.
"""

from __future__ import annotations

from . import events, merging, pulls, refs, render_checks
from .errors import ApiError, not_found
from .model import Account, Pull, Repository
from .world import World

PREFIX = "refs/heads/gh-readonly-queue/"


def enter(world: World, pull: Pull, sender: Account) -> str:
    """The group's commit, on a branch that nobody else may write to."""
    repo, git = pull.repository, pull.repository.git
    if pull.state != "open" or pull.draft or merging.conflicts(pull):
        raise ApiError(405, "Pull Request is not mergeable")
    groups = _groups(repo, pull.base)
    base = groups[-1] if groups else git.refs[f"refs/heads/{pull.base}"]
    tree = git.merged_tree(base, pull.head_sha)
    sha = git.commit(tree, [base], merging.default_title(pull), author=world.signature(sender))
    ref = f"{PREFIX}{pull.base}/pr-{pull.number}-{base}"
    refs.move_ref(world, repo, ref, sha, sender)
    _tell(world, repo, ref, sender, action="checks_requested")
    return sha


def leave(world: World, repo: Repository, sha: str, sender: Account, *, reason: str) -> None:
    """`merged`: the base branch is where the group was; `dequeued`, `invalidated`: it is not."""
    ref = next((ref for ref, at in _refs(repo).items() if at == sha), None)
    if ref is None:
        raise not_found()
    pull = _pull(repo, ref)
    behind = [each for each in _groups(repo, pull.base) if repo.git.reaches(sha, each)][1:]
    if reason == "merged":
        _merge(world, pull, sha, sender)
    _drop(world, repo, ref, sender, reason=reason)
    if reason != "merged":
        _rebuild(world, repo, behind, sender)


def _merge(world: World, pull: Pull, sha: str, sender: Account) -> None:
    base = f"refs/heads/{pull.base}"
    if pull.repository.git.read_commit(sha).parents[0] != pull.repository.git.refs[base]:
        raise ApiError(405, "Another group is before this one")
    merging.settle(world, pull, sha, sender)
    refs.move_ref(world, pull.repository, base, sha, sender)


def _rebuild(world: World, repo: Repository, groups: list[str], sender: Account) -> None:
    invalid = [ref for ref, at in _refs(repo).items() if at in groups]
    for ref in invalid:
        _drop(world, repo, ref, sender, reason="invalidated")
    for ref in invalid:
        enter(world, _pull(repo, ref), sender)


def _drop(world: World, repo: Repository, ref: str, sender: Account, *, reason: str) -> None:
    _tell(world, repo, ref, sender, action="destroyed", reason=reason)
    refs.move_ref(world, repo, ref, None, sender)


# -- who stands where -------------------------------------------------------------------------


def _refs(repo: Repository) -> dict[str, str]:
    """The branches of all groups, in the order in which they were made."""
    return {ref: sha for ref, sha in repo.git.refs.items() if ref.startswith(PREFIX)}


def _groups(repo: Repository, base: str) -> list[str]:
    """The commits of the groups for a branch, first in the queue first."""
    return [sha for ref, sha in _refs(repo).items() if _base(ref) == base]


def _base(ref: str) -> str:
    return ref.removeprefix(PREFIX).rpartition("/pr-")[0]


def _pull(repo: Repository, ref: str) -> Pull:
    return pulls.find(repo, int(ref.rpartition("/pr-")[2].partition("-")[0]))


def _tell(world: World, repo: Repository, ref: str, sender: Account, **facts: str) -> None:
    commit = repo.git.read_commit(repo.git.refs[ref])
    group = {
        "head_sha": commit.sha,
        "head_ref": ref,
        "base_sha": commit.parents[0],
        "base_ref": f"refs/heads/{_base(ref)}",
        "head_commit": render_checks.simple_commit(commit),
    }
    events.happened(world, repo, "merge_group", sender, merge_group=group, **facts)
