"""From a change to webhooks: which App hears of it, and what the body says."""

from __future__ import annotations

from typing import Any

from . import render, render_checks
from .errors import Json
from .model import Account, App, CheckRun, CheckSuite, Installation, Repository
from .world import World

ZERO = "0" * 40
NEEDS = {
    "check_run": "checks",
    "check_suite": "checks",
    "push": "contents",
    "pull_request": "pull_requests",
    "issue_comment": "issues pull_requests",
    "deployment": "deployments",
    "deployment_status": "deployments",
    "merge_group": "merge_queues",
    "repository_dispatch": "contents",
    "repository": "metadata",
    "status": "statuses",
}
IMPLICIT = ("check_run", "check_suite")


def tell(
    world: World,
    repo: Repository,
    event: str,
    body: Json,
    *,
    only: App | None = None,
) -> None:
    """Send an event of a repository to every App that is installed there and wants it."""
    for installation in world.installations_of(repo):
        if _hears(installation, event) and only in (None, installation.app):
            world.hooks.send(
                installation.app,
                event,
                body | {"installation": _installation(installation)},
                installation_id=installation.id,
                repository_id=repo.id,
            )


def _hears(installation: Installation, event: str) -> bool:
    if installation.suspended is not None:
        return False
    granted = any(name in installation.permissions for name in NEEDS[event].split())
    return granted and (event in IMPLICIT or event in installation.app.events)


def _installation(installation: Installation) -> Json:
    number = installation.id
    return {"id": number, "node_id": render.node_id("IntegrationInstallation", number)}


# -- checks -----------------------------------------------------------------------------------


def check_run(
    world: World, run: CheckRun, action: str, sender: Account, *, identifier: str | None = None
) -> None:
    """`rerequested` and `requested_action` go to the App that owns the run, and to no other."""
    body = render.envelope(
        world,
        run.repository,
        sender,
        action=action,
        check_run=render_checks.check_run_event(world, run),
    )
    if identifier is not None:
        body["requested_action"] = {"identifier": identifier}
    only = run.app if action in ("rerequested", "requested_action") else None
    tell(world, run.repository, "check_run", body, only=only)
    world.notice("check_run", run.repository, id=run.id, sha=run.suite.head_sha, action=action)


def check_suite(world: World, suite: CheckSuite, action: str, sender: Account) -> None:
    """`requested` and `rerequested` too are the owner's alone."""
    body = render.envelope(
        world,
        suite.repository,
        sender,
        action=action,
        check_suite=render_checks.check_suite_event(world, suite),
    )
    only = suite.app if action in ("requested", "rerequested") else None
    tell(world, suite.repository, "check_suite", body, only=only)
    world.notice("check_suite", suite.repository, id=suite.id, action=action)


# -- code -------------------------------------------------------------------------------------


def push(
    world: World,
    repo: Repository,
    sender: Account,
    *,
    ref: str,
    before: str | None,
    after: str | None,
) -> None:
    """A ref was made, moved or deleted."""
    old, git = before or ZERO, repo.git
    new = git.between(before, after) if before and after else [after] if after else []
    commits = [_pushed_commit(world, repo, sha) for sha in new[-2048:]]
    page = render.web_page(world, repo)
    body = render.envelope(
        world,
        repo,
        sender,
        ref=ref,
        before=old,
        after=after or ZERO,
        base_ref=None,
        created=before is None,
        deleted=after is None,
        forced=bool(before and after and not git.reaches(before, after)),
        compare=f"{page}/compare/{old[:12]}...{(after or ZERO)[:12]}",
        commits=commits,
        head_commit=_pushed_commit(world, repo, after) if after else None,
        pusher={"name": sender.login, "email": sender.email},
    )
    tell(world, repo, "push", body)
    world.notice("push", repo, ref=ref, sha=after)


def _pushed_commit(world: World, repo: Repository, sha: str) -> Json:
    commit = repo.git.read_commit(sha)
    changed = repo.git.changes(commit.parents[0] if commit.parents else None, sha)
    return render_checks.simple_commit(commit) | {
        "distinct": True,
        "url": f"{render.web_page(world, repo)}/commit/{sha}",
        "added": [path for path, (old, _) in changed.items() if old is None],
        "removed": [path for path, (_, new) in changed.items() if new is None],
        "modified": [path for path, (old, new) in changed.items() if old and new],
    }


# -- the rest ---------------------------------------------------------------------------------


def happened(
    world: World, repo: Repository, event: str, sender: Account, *, action: str, **facts: Any
) -> None:
    """An event whose own part was rendered by the caller."""
    body = render.envelope(world, repo, sender, action=action, **facts)
    tell(world, repo, event, body)
    world.notice(event, repo, action=action)
