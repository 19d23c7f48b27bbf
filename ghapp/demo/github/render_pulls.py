"""Pull requests, labels and comments as GitHub's JSON."""

from __future__ import annotations

from . import render
from .errors import Json
from .git import Conflict
from .model import Account, Comment, Pull, Repository
from .world import World

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def pull_simple(world: World, which: Pull) -> Json:
    """As lists show it."""
    repo = which.repository
    return {
        "id": which.id,
        "node_id": render.node_id("PullRequest", which.id),
        "number": which.number,
        **_addresses(world, which),
        "state": which.state,
        "locked": False,
        "active_lock_reason": None,
        "title": which.title,
        "body": which.body,
        "user": render.account(world, which.author),
        "labels": [label(world, repo, name) for name in which.labels],
        "milestone": None,
        "created_at": world.iso(which.born),
        "updated_at": world.iso(which.updated),
        "closed_at": _maybe(world, which.closed),
        "merged_at": _maybe(world, which.merged),
        "merge_commit_sha": which.merge_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [render.account(world, who) for who in which.reviewers],
        "requested_teams": [render.team(world, team) for team in which.review_teams],
        "draft": which.draft,
        "head": _side(world, which.head_repository, which.head, which.head_sha),
        "base": _side(world, repo, which.base, which.base_sha),
        "author_association": association(world, repo, which.author),
        "auto_merge": _auto_merge(world, which),
    }


def _addresses(world: World, which: Pull) -> Json:
    repository = render.repository_url(world, which.repository)
    url, issue = f"{repository}/pulls/{which.number}", f"{repository}/issues/{which.number}"
    page = f"{render.web_page(world, which.repository)}/pull/{which.number}"
    links = {
        "html": page,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{repository}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{repository}/statuses/{which.head_sha}",
    }
    return {
        "url": url,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        **{f"{name}_url": href for name, href in links.items()},
        "_links": {"self": {"href": url}, **{k: {"href": href} for k, href in links.items()}},
    }


def pull(world: World, which: Pull) -> Json:
    """As it is shown alone."""
    repo = which.repository
    added, removed, files = size(which)
    return pull_simple(world, which) | {
        "merged": which.merged is not None,
        "mergeable": mergeable(which),
        "rebaseable": mergeable(which),
        "mergeable_state": mergeable_state(which),
        "merged_by": render.account(world, which.merged_by) if which.merged_by else None,
        "comments": sum(each.pull is which for each in repo.comments.values()),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(repo.git.between(which.base_sha, which.head_sha)),
        "additions": added,
        "deletions": removed,
        "changed_files": files,
    }


def mergeable(which: Pull) -> bool | None:
    """None while GitHub is still computing, and once it is closed."""
    if which.computing > 0 or which.state != "open":
        return None
    try:
        which.repository.git.merged_tree(which.base_sha, which.head_sha)
    except Conflict:
        return False
    return True


def mergeable_state(which: Pull) -> str:
    verdict = mergeable(which)
    if verdict is None:
        return "unknown"
    if not verdict:
        return "dirty"
    return "draft" if which.draft else "blocked" if which.blocked else "clean"


def size(which: Pull) -> tuple[int, int, int]:
    """Lines added, lines removed, files changed, counted roughly as a diff would."""
    git = which.repository.git
    changed = git.changes(git.merge_base(which.base_sha, which.head_sha), which.head_sha)
    added = removed = 0
    for old, new in changed.values():
        before, after = (
            set((git.content(entry.sha) or b"").splitlines()) if entry else set()
            for entry in (old, new)
        )
        added += len(after - before)
        removed += len(before - after)
    return added, removed, len(changed)


def _side(world: World, repo: Repository, branch: str, sha: str) -> Json:
    return {
        "label": f"{repo.owner.login}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": render.account(world, repo.owner),
        "repo": render.repository(world, repo),
    }


def _auto_merge(world: World, which: Pull) -> Json | None:
    wish = which.auto_merge
    if wish is None:
        return None
    return {
        "enabled_by": render.account(world, world.account(wish["enabled_by"])),
        "merge_method": wish["merge_method"],
        "commit_title": which.title,
        "commit_message": which.body or "",
    }


def _maybe(world: World, at: float | None) -> str | None:
    return None if at is None else world.iso(at)


def association(world: World, repo: Repository, who: Account) -> str:
    if repo.owner is who:
        return "OWNER"
    if who.login in repo.owner.members:
        return "MEMBER"
    return "COLLABORATOR" if who.login in repo.collaborators else "NONE"


def label(world: World, repo: Repository, name: str) -> Json:
    number = repo.labels.setdefault(name, world.next_id())
    return {
        "id": number,
        "node_id": render.node_id("Label", number),
        "url": f"{render.repository_url(world, repo)}/labels/{name}",
        "name": name,
        "description": "",
        "color": "ededed",
        "default": False,
    }


def comment(world: World, which: Comment) -> Json:
    repo, number = which.pull.repository, which.pull.number
    url = f"{render.repository_url(world, repo)}/issues/comments/{which.id}"
    page = f"{render.web_page(world, repo)}/pull/{number}"
    return {
        "id": which.id,
        "node_id": render.node_id("IssueComment", which.id),
        "url": url,
        "html_url": f"{page}#issuecomment-{which.id}",
        "issue_url": f"{render.repository_url(world, repo)}/issues/{number}",
        "body": which.body,
        "user": render.account(world, which.author),
        "created_at": world.iso(which.born),
        "updated_at": world.iso(which.updated),
        "author_association": association(world, repo, which.author),
        "performed_via_github_app": render.app(world, which.app) if which.app else None,
        "reactions": _reactions(url, [content for _, _, content, _ in which.reactions]),
    }


def _reactions(url: str, given: list[str]) -> Json:
    counts = {content: given.count(content) for content in REACTIONS}
    return {"url": f"{url}/reactions", "total_count": len(given), **counts}


def issue(world: World, which: Pull) -> Json:
    """The issue side of a pull request, as issue_comment events show it."""
    repo, number = which.repository, which.number
    url = f"{render.repository_url(world, repo)}/issues/{number}"
    page = f"{render.web_page(world, repo)}/pull/{number}"
    return {
        "id": which.id,
        "node_id": render.node_id("Issue", which.id),
        "number": number,
        "url": url,
        "repository_url": render.repository_url(world, repo),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": page,
        "title": which.title,
        "body": which.body,
        "user": render.account(world, which.author),
        "labels": [label(world, repo, name) for name in which.labels],
        "state": which.state,
        "state_reason": None,
        "locked": False,
        "active_lock_reason": None,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": sum(each.pull is which for each in repo.comments.values()),
        "created_at": world.iso(which.born),
        "updated_at": world.iso(which.updated),
        "closed_at": _maybe(world, which.closed),
        "author_association": association(world, repo, which.author),
        "performed_via_github_app": None,
        "draft": which.draft,
        "reactions": _reactions(url, []),
        "pull_request": {
            "url": f"{render.repository_url(world, repo)}/pulls/{number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": _maybe(world, which.merged),
        },
    }
