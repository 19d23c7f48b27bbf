"""What people do in GitHub's pages: push, click, open, merge, comment. Each is named by login.

The buttons are as strict as the pages: nobody clicks what is not shown, and only people with write
access see buttons. `forged=True` is the click of somebody who made the request by hand.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import checks, code, comments, events, merging, pulls, queue, refs, render
from .errors import ApiError, not_found
from .model import App, CheckRun, CheckSuite, Comment, Pull, Repository
from .world import World


def push(
    world: World,
    repository: str,
    branch: str,
    files: Mapping[str, str | bytes | None],
    message: str,
    author: str,
    *,
    force_from: str | None = None,
) -> str:
    """A commit on a branch (made from the default branch if new); its id is returned."""
    repo = world.repository(repository)
    return code.commit_files(
        world, repo, branch, files, message, world.account(author), parent=force_from
    )


def delete_branch(world: World, repository: str, branch: str, login: str) -> None:
    repo = world.repository(repository)
    refs.move_ref(world, repo, f"refs/heads/{branch}", None, world.account(login))


# -- buttons on checks ------------------------------------------------------------------------


def click_rerun(world: World, check_run_id: int, login: str, *, forged: bool = False) -> None:
    """Re-run: there only once the check has finished."""
    run = world.run(check_run_id)
    if not forged:
        _see_buttons(world, run.repository, login)
        if run.shown_status != "completed":
            raise ApiError(403, "This check run is not rerequestable")
    checks.rerequest_run(world, run, world.account(login))


def click_rerun_all(world: World, check_suite_id: int, login: str) -> None:
    suite = world.suite(check_suite_id)
    _see_buttons(world, suite.repository, login)
    checks.rerequest_suite(world, suite, world.account(login))


def click_rerun_failed(world: World, check_suite_id: int, login: str) -> list[CheckRun]:
    """One webhook for each failed run, as GitHub does."""
    suite = world.suite(check_suite_id)
    failed = [run for run in checks.latest_runs(suite) if is_failed(run)]
    for run in failed:
        click_rerun(world, run.id, login)
    return failed


def is_failed(run: CheckRun) -> bool:
    return run.shown_conclusion not in (None, "success", "neutral", "skipped")


def click_action(
    world: World, check_run_id: int, identifier: str, login: str, *, forged: bool = False
) -> None:
    """One of the App's own buttons."""
    run = world.run(check_run_id)
    if not forged:
        _see_buttons(world, run.repository, login)
        offered = [action["identifier"] for action in run.actions]
        if identifier not in offered:
            raise ApiError(422, f"{identifier} is not offered; these are: {', '.join(offered)}")
    events.check_run(world, run, "requested_action", world.account(login), identifier=identifier)


def _see_buttons(world: World, repo: Repository, login: str) -> None:
    world.demand(repo, world.account(login), "write")


def suite_of(world: World, repository: str, sha: str, app: App) -> CheckSuite:
    for suite in world.repository(repository).suites_by_sha.get(sha, ()):
        if suite.app is app:
            return suite
    raise not_found()


# -- pull requests ----------------------------------------------------------------------------


def open_pull(
    world: World,
    repository: str,
    *,
    head: str,
    base: str = "main",
    title: str,
    login: str,
    body: str | None = None,
    draft: bool = False,
) -> Pull:
    """`head` is a branch, or `owner:branch` of a fork."""
    wanted = {"head": head, "base": base, "title": title, "body": body, "draft": draft}
    return pulls.open_pull(world, world.repository(repository), wanted, world.account(login))


def merge_pull(
    world: World, repository: str, number: int, login: str, *, method: str = "merge"
) -> str:
    repo = world.repository(repository)
    _see_buttons(world, repo, login)
    wanted = {"merge_method": method}
    return merging.merge(world, pulls.find(repo, number), wanted, world.account(login))


def close_pull(world: World, repository: str, number: int, login: str) -> None:
    pulls.close(world, pulls.find(world.repository(repository), number), world.account(login))


def comment(world: World, repository: str, number: int, text: str, login: str) -> Comment:
    pull = pulls.find(world.repository(repository), number)
    return comments.create(world, pull, {"body": text}, world.account(login))


# -- repositories -----------------------------------------------------------------------------


def rename(world: World, repository: str, name: str, login: str) -> Repository:
    """Its former name goes on to lead here."""
    repo = world.repository(repository)
    before, repo.name = repo.name, name
    world.names[repo.full_name.lower()] = repo.id
    changes = {"repository": {"name": {"from": before}}}
    events.happened(
        world, repo, "repository", world.account(login), action="renamed", changes=changes
    )
    return repo


def transfer(world: World, repository: str, owner: str, login: str) -> Repository:
    """To another account; the name it had there goes on to lead here."""
    repo, new = world.repository(repository), world.account(owner)
    before, repo.owner = repo.owner, new
    world.names[repo.full_name.lower()] = repo.id
    is_org = before.kind == "Organization"
    shown = (render.organization if is_org else render.account)(world, before)
    changes = {"owner": {"from": {"organization" if is_org else "user": shown}}}
    events.happened(
        world, repo, "repository", world.account(login), action="transferred", changes=changes
    )
    return repo


def archive(world: World, repository: str, login: str, *, action: str) -> None:
    """`archived`: from now on it can only be read; `unarchived`: no longer."""
    repo = world.repository(repository)
    repo.archived = action == "archived"
    events.happened(world, repo, "repository", world.account(login), action=action)


def delete_repository(world: World, repository: str, login: str) -> None:
    repo = world.repository(repository)
    events.happened(world, repo, "repository", world.account(login), action="deleted")
    del world.repositories[repo.id]


def merge_group(world: World, repository: str, number: int, login: str) -> str:
    """Put a pull request into the merge queue; the commit of its group is returned."""
    pull = pulls.find(world.repository(repository), number)
    _see_buttons(world, pull.repository, login)
    return queue.enter(world, pull, world.account(login))


def end_merge_group(
    world: World, repository: str, sha: str, login: str, *, reason: str = "invalidated"
) -> None:
    """The queue gives a group up (`invalidated`, `dequeued`) or merges it (`merged`)."""
    repo = world.repository(repository)
    queue.leave(world, repo, sha, world.account(login), reason=reason)
