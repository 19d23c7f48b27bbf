"""Accounts, repositories, Apps and installations as GitHub's JSON."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from .errors import Json
from .model import ROLES, Account, App, Installation, Repository, Team
from .world import World

_ACCOUNT_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_REPOSITORY_COUNTS = (
    "forks_count",
    "stargazers_count",
    "watchers_count",
    "size",
    "open_issues_count",
    "forks",
    "open_issues",
    "watchers",
)
_FULL_COUNTS = ("subscribers_count", "network_count")


def node_id(kind: str, number: int | str) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def repository_url(world: World, repository: Repository) -> str:
    return f"{world.base_url}/repos/{repository.full_name}"


def web_page(world: World, repository: Repository) -> str:
    return f"{world.web_url}/{repository.full_name}"


def account(world: World, who: Account) -> Json:
    name = quote(who.login)  # a bot's has brackets
    url = f"{world.base_url}/users/{name}"
    return {
        "login": who.login,
        "id": who.id,
        "node_id": node_id(who.kind, who.id),
        "avatar_url": f"{world.web_url}/avatars/{who.id}.svg",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{world.web_url}/{name}",
        **{key: url + path for key, path in _ACCOUNT_LINKS.items()},
        "type": who.kind,
        "site_admin": False,
    }


def organization(world: World, who: Account) -> Json:
    url = f"{world.base_url}/orgs/{who.login}"
    return {
        "login": who.login,
        "id": who.id,
        "node_id": node_id(who.kind, who.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{world.web_url}/avatars/{who.id}.svg",
        "description": None,
    }


def repository(world: World, repo: Repository) -> Json:
    url, page = repository_url(world, repo), web_page(world, repo)
    host = world.web_url.partition("://")[2]
    return {
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
        "visibility": "private" if repo.private else "public",
        "owner": account(world, repo.owner),
        "html_url": page,
        "description": None,
        "fork": repo.fork_of is not None,
        "url": url,
        **{key: url + path for key, path in _REPOSITORY_LINKS.items()},
        "git_url": f"git://{host}/{repo.full_name}.git",
        "ssh_url": f"git@{host}:{repo.full_name}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        **dict.fromkeys(_REPOSITORY_COUNTS, 0),
        "default_branch": repo.default_branch,
        "topics": [],
        "is_template": False,
        "has_issues": True,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": True,
        "has_discussions": False,
        "archived": repo.archived,
        "disabled": False,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "pushed_at": world.iso(repo.pushed),
        "created_at": world.iso(repo.created),
        "updated_at": world.iso(repo.pushed),
    }


def full_repository(world: World, repo: Repository) -> Json:
    """What GET /repos/{owner}/{repo} adds."""
    return repository(world, repo) | {
        **dict.fromkeys(_FULL_COUNTS, 0),
        "allow_auto_merge": repo.allow_auto_merge,
        "allow_merge_commit": True,
        "allow_squash_merge": True,
        "allow_rebase_merge": True,
        "delete_branch_on_merge": False,
    }


def role_flags(role: str) -> Json:
    """The `permissions` block: pull, triage, push, maintain, admin."""
    names = dict(zip(("pull", "triage", "push", "maintain", "admin"), ROLES, strict=True))
    level = ROLES.index(role) if role in ROLES else -1
    return {key: ROLES.index(name) <= level for key, name in names.items()}


def app(world: World, which: App) -> Json:
    return {
        "id": which.id,
        "client_id": which.client_id,
        "slug": which.slug,
        "node_id": node_id("App", which.id),
        "owner": account(world, which.owner),
        "name": which.name,
        "description": "",
        "external_url": f"{world.web_url}/apps/{which.slug}",
        "html_url": f"{world.web_url}/apps/{which.slug}",
        "created_at": world.iso(which.created),
        "updated_at": world.iso(which.created),
        "permissions": which.permissions,
        "events": list(which.events),
    }


def _settings(who: Account) -> str:
    """Where an account's owner looks after what is installed in it."""
    return f"organizations/{who.login}/settings" if who.kind == "Organization" else "settings"


def installation(world: World, which: Installation) -> Json:
    by = which.suspended_by
    return {
        "id": which.id,
        "client_id": which.app.client_id,
        "account": account(world, which.account),
        "repository_selection": "all" if which.repositories is None else "selected",
        "access_tokens_url": f"{world.base_url}/app/installations/{which.id}/access_tokens",
        "repositories_url": f"{world.base_url}/installation/repositories",
        "html_url": f"{world.web_url}/{_settings(which.account)}/installations/{which.id}",
        "app_id": which.app.id,
        "app_slug": which.app.slug,
        "target_id": which.account.id,
        "target_type": which.account.kind,
        "permissions": dict(which.permissions),
        "events": list(which.app.events),
        "created_at": world.iso(which.created),
        "updated_at": world.iso(which.updated),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": account(world, by) if by else None,
        "suspended_at": None if which.suspended is None else world.iso(which.suspended),
    }


def team(world: World, which: Team) -> Json:
    url = f"{world.base_url}/organizations/{which.organization.id}/team/{which.id}"
    return {
        "id": which.id,
        "node_id": node_id("Team", which.id),
        "name": which.name,
        "slug": which.slug,
        "description": None,
        "permission": "pull",
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "url": url,
        "html_url": f"{world.web_url}/orgs/{which.organization.login}/teams/{which.slug}",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "type": "organization",
        "organization_id": which.organization.id,
        "parent": None,
    }


def envelope(world: World, repo: Repository | None, sender: Account, **facts: Any) -> Json:
    """The keys that nearly every webhook body has around its own."""
    body: Json = dict(facts)
    if repo is not None:
        body["repository"] = repository(world, repo)
        if repo.owner.kind == "Organization":
            body["organization"] = organization(world, repo.owner)
    body["sender"] = account(world, sender)
    return body
