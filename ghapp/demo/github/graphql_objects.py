"""Repositories and pull requests as GraphQL objects, with the fields that `gh` reads."""

from __future__ import annotations

import base64
from typing import Any

from . import render, render_pulls
from .graphql_checks import account, commit, ref, rollup
from .graphql_run import Arguments, GraphqlError, Object, connection
from .model import Account, Comment, Pull, Repository
from .world import World


def none(kind: str) -> Any:
    """A connection with nothing in it."""
    return connection(kind, [])


def repository(world: World, repo: Repository, viewer: Account) -> Object:
    refs = {
        name.removeprefix("refs/heads/"): sha
        for name, sha in repo.git.refs.items()
        if name.startswith("refs/heads/")
    }
    role = world.role(repo, viewer)
    default = repo.default_branch
    parent = repository(world, repo.fork_of, viewer) if repo.fork_of else None
    fields = {
        "id": render.node_id("Repository", repo.id),
        "databaseId": repo.id,
        "name": repo.name,
        "nameWithOwner": repo.full_name,
        "owner": account(world, repo.owner),
        "url": render.web_page(world, repo),
        "description": "",
        "isPrivate": repo.private,
        "isFork": repo.fork_of is not None,
        "isArchived": repo.archived,
        "isInOrganization": repo.owner.kind == "Organization",
        "parent": parent,
        "hasIssuesEnabled": True,
        "hasWikiEnabled": False,
        "mergeCommitAllowed": True,
        "rebaseMergeAllowed": True,
        "squashMergeAllowed": True,
        "autoMergeAllowed": repo.allow_auto_merge,
        "deleteBranchOnMerge": False,
        "viewerPermission": role.upper() if role != "none" else None,
        "defaultBranchRef": ref(world, repo, default, refs[default]) if default in refs else None,
        "ref": lambda arguments: _ref_named(world, repo, arguments),
        "object": lambda arguments: _object_named(world, repo, arguments),
        "pullRequest": lambda arguments: _pull_numbered(world, repo, viewer, arguments),
        "pullRequests": lambda arguments: _pulls(world, repo, viewer, arguments),
        "issueOrPullRequest": lambda arguments: _pull_numbered(world, repo, viewer, arguments),
    }
    return Object("Repository", fields, ("Node",))


def _ref_named(world: World, repo: Repository, arguments: Arguments) -> Object | None:
    name = arguments["qualifiedName"].removeprefix("refs/heads/")
    sha = repo.git.refs.get(f"refs/heads/{name}")
    return ref(world, repo, name, sha) if sha else None


def _object_named(world: World, repo: Repository, arguments: Arguments) -> Object | None:
    sha = repo.git.resolve(arguments.get("oid") or arguments.get("expression") or "")
    return commit(world, repo, sha) if sha else None


def _pull_numbered(world: World, repo: Repository, viewer: Account, arguments: Arguments) -> Object:
    number = arguments["number"]
    found = repo.pulls.get(number)
    if found is None or not world.is_visible(found.born):
        message = f"Could not resolve to a PullRequest with the number of {number}."
        raise GraphqlError(message, "NOT_FOUND")
    return pull(world, found, viewer)


def _pulls(world: World, repo: Repository, viewer: Account, arguments: Arguments) -> Object:
    states = arguments.get("states") or ("OPEN", "CLOSED", "MERGED")
    wanted = states if isinstance(states, list | tuple) else (states,)
    found = [
        each
        for each in repo.pulls.values()
        if state(each) in wanted
        and arguments.get("headRefName") in (None, each.head)
        and arguments.get("baseRefName") in (None, each.base)
        and world.is_visible(each.born)
    ]
    if (arguments.get("orderBy") or {}).get("direction") == "DESC":
        found.reverse()
    nodes = [pull(world, each, viewer) for each in found]
    return connection("PullRequest", nodes)(arguments)


def state(which: Pull) -> str:
    return "MERGED" if which.merged is not None else which.state.upper()


def pull_of_node(world: World, node: str) -> Pull:
    number = number_of_node(node, "PullRequest")
    for repo in world.repositories.values():
        for each in repo.pulls.values():
            if str(each.id) == number:
                return each
    raise GraphqlError(f"Could not resolve to a node with the global id of '{node}'", "NOT_FOUND")


def number_of_node(node: str, kind: str) -> str:
    """What `render.node_id` put into a node id."""
    try:
        found, _, number = base64.b64decode(node).decode().partition(":")
    except ValueError:
        found, number = "", ""
    if found != kind or render.node_id(kind, number) != node:
        raise GraphqlError(f"Could not resolve to a node with the id of '{node}'", "NOT_FOUND")
    return number


# -- pull requests ----------------------------------------------------------------------------


def pull(world: World, which: Pull, viewer: Account) -> Object:
    fields = {
        **_pull_facts(world, which),
        **_pull_people(world, which, viewer),
        **_pull_code(world, which, viewer),
    }
    return Object("PullRequest", fields, ("Node", "IssueOrPullRequest"))


def _pull_facts(world: World, which: Pull) -> dict[str, Any]:
    shown = render_pulls.pull_simple(world, which)
    added, removed, files = render_pulls.size(which)
    mergeable = {True: "MERGEABLE", False: "CONFLICTING", None: "UNKNOWN"}
    return {
        "id": shown["node_id"],
        "fullDatabaseId": str(which.id),
        "number": which.number,
        "title": which.title,
        "body": which.body or "",
        "state": state(which),
        "closed": which.state == "closed",
        "url": shown["html_url"],
        "isDraft": which.draft,
        "locked": False,
        "createdAt": shown["created_at"],
        "updatedAt": shown["updated_at"],
        "closedAt": shown["closed_at"],
        "mergedAt": shown["merged_at"],
        "additions": added,
        "deletions": removed,
        "changedFiles": files,
        "mergeable": mergeable[render_pulls.mergeable(which)],
        "mergeStateStatus": render_pulls.mergeable_state(which).upper(),
        "reviewDecision": "",
        "isInMergeQueue": False,
        "isMergeQueueEnabled": False,
        "maintainerCanModify": False,
        "milestone": None,
        "autoMergeRequest": _auto_merge(world, which),
    }


def _auto_merge(world: World, which: Pull) -> Object | None:
    wish = which.auto_merge
    if wish is None:
        return None
    facts = {
        "enabledAt": world.iso(wish["at"]),
        "enabledBy": account(world, world.account(wish["enabled_by"])),
        "mergeMethod": wish["merge_method"].upper(),
        "commitHeadline": None,
        "commitBody": None,
        "authorEmail": None,
    }
    return Object("AutoMergeRequest", facts)


def _pull_people(world: World, which: Pull, viewer: Account) -> dict[str, Any]:
    repo = which.repository
    reviewers = [
        Object("ReviewRequest", {"requestedReviewer": account(world, who)})
        for who in which.reviewers
    ]
    labels = [
        Object("Label", {"id": shown["node_id"], "url": shown["url"], **_plain(shown)})
        for shown in (render_pulls.label(world, repo, name) for name in which.labels)
    ]
    comments = [
        comment(world, each, viewer) for each in repo.comments.values() if each.pull is which
    ]
    return {
        "author": account(world, which.author),
        "mergedBy": account(world, which.merged_by) if which.merged_by else None,
        "labels": connection("Label", labels),
        "comments": connection("IssueComment", comments),
        "reviewRequests": connection("ReviewRequest", reviewers),
        "assignees": none("User"),
        "assignedActors": none("Actor"),
        "reviews": none("PullRequestReview"),
        "latestReviews": none("PullRequestReview"),
        "projectCards": none("ProjectCard"),
        "projectItems": none("ProjectV2Item"),
        "closingIssuesReferences": none("Issue"),
        "reactionGroups": [],
    }


def _plain(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: shown[key] for key in ("name", "color", "description")}


def _pull_code(world: World, which: Pull, viewer: Account) -> dict[str, Any]:
    repo, head = which.repository, which.head_repository
    shas = repo.git.between(which.base_sha, which.head_sha) or [which.head_sha]
    commits = [Object("PullRequestCommit", {"commit": commit(world, repo, sha)}) for sha in shas]
    merged = which.merge_sha
    return {
        "headRefName": which.head,
        "headRefOid": which.head_sha,
        "headRef": ref(world, head, which.head, which.head_sha),
        "headRepository": repository(world, head, viewer),
        "headRepositoryOwner": account(world, head.owner),
        "baseRefName": which.base,
        "baseRefOid": which.base_sha,
        "baseRef": ref(world, repo, which.base, which.base_sha),
        "isCrossRepository": head is not repo,
        "commits": connection("PullRequestCommit", commits),
        "statusCheckRollup": lambda _: rollup(world, repo, which.head_sha),
        "mergeCommit": commit(world, repo, merged) if merged else None,
        "potentialMergeCommit": None,
        "files": none("PullRequestChangedFile"),
        "repository": lambda _: repository(world, repo, viewer),
    }


def comment(world: World, which: Comment, viewer: Account) -> Object:
    shown = render_pulls.comment(world, which)
    fields = {
        "id": shown["node_id"],
        "databaseId": which.id,
        "author": account(world, which.author),
        "authorAssociation": shown["author_association"],
        "body": which.body,
        "createdAt": shown["created_at"],
        "includesCreatedEdit": which.updated != which.born,
        "isMinimized": False,
        "minimizedReason": "",
        "reactionGroups": [],
        "url": shown["html_url"],
        "viewerDidAuthor": which.author is viewer,
    }
    return Object("IssueComment", fields, ("Node",))
