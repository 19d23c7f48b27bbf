"""People, branches, commits and their checks as GraphQL objects."""

from __future__ import annotations

from collections.abc import Iterable

from . import checks, render, statuses
from .graphql_run import Object, connection
from .model import Account, CheckRun, CheckSuite, Repository, Status
from .world import World

STATES = {"failure": "FAILURE", "error": "ERROR", "pending": "PENDING", "success": "SUCCESS"}


def account(world: World, who: Account) -> Object:
    shown = render.account(world, who)
    fields = {
        "id": shown["node_id"],
        "databaseId": who.id,
        "login": who.login.removesuffix("[bot]"),
        "name": who.name,
        "url": shown["html_url"],
        "avatarUrl": shown["avatar_url"],
        "email": who.email,
    }
    return Object(who.kind, fields, ("Actor", "Node", "RepositoryOwner", "Assignee"))


def ref(world: World, repo: Repository, name: str, sha: str) -> Object:
    fields = {
        "id": render.node_id("Ref", f"{repo.id}:refs/heads/{name}"),
        "name": name,
        "prefix": "refs/heads/",
        "target": lambda _: commit(world, repo, sha),
        "branchProtectionRule": None,
    }
    return Object("Ref", fields, ("Node",))


def commit(world: World, repo: Repository, sha: str) -> Object:
    read = repo.git.read_commit(sha)
    headline, _, body = read.message.partition("\n")
    author = Object(
        "GitActor",
        {"name": read.author.name, "email": read.author.email, "date": read.author.date,
         "user": None},
    )  # fmt: skip
    fields = {
        "id": render.node_id("Commit", sha),
        "oid": sha,
        "abbreviatedOid": sha[:7],
        "url": f"{render.web_page(world, repo)}/commit/{sha}",
        "message": read.message,
        "messageHeadline": headline,
        "messageBody": body.strip("\n"),
        "committedDate": read.committer.date,
        "authoredDate": read.author.date,
        "author": author,
        "authors": connection("GitActor", [author]),
        "statusCheckRollup": lambda _: rollup(world, repo, sha),
    }
    return Object("Commit", fields, ("Node", "GitObject"))


def rollup(world: World, repo: Repository, sha: str) -> Object | None:
    """All checks and statuses of a commit under one verdict; None where there are none."""
    runs = [run for suite in repo.suites_by_sha.get(sha, ()) for run in checks.latest_runs(suite)]
    said = statuses.latest(world, repo, sha)
    if not runs and not said:
        return None
    nodes = [check_run(world, run) for run in runs] + [status(world, each) for each in said]
    contexts = connection(
        "StatusCheckRollupContext",
        nodes,
        checkRunCount=len(runs),
        checkRunCountsByState=_counted("CheckRun", [_run_state(run) for run in runs]),
        statusContextCount=len(said),
        statusContextCountsByState=_counted("StatusContext", [STATES[each.state] for each in said]),
    )
    fields = {"state": _verdict(runs, said), "contexts": contexts}
    return Object("StatusCheckRollup", fields, ("Node",))


def _counted(kind: str, states: list[str]) -> list[Object]:
    return [
        Object(f"{kind}StateCount", {"state": state, "count": states.count(state)})
        for state in dict.fromkeys(states)
    ]


def _run_state(run: CheckRun) -> str:
    return (run.shown_conclusion or run.shown_status).upper()


def _verdict(runs: Iterable[CheckRun], said: Iterable[Status]) -> str:
    found = {_run_state(run) for run in runs} | {STATES[each.state] for each in said}
    if found & {"FAILURE", "ERROR", "TIMED_OUT", "CANCELLED", "ACTION_REQUIRED", "STALE"}:
        return "FAILURE"
    return "PENDING" if found & {"PENDING", "QUEUED", "IN_PROGRESS"} else "SUCCESS"


def check_run(world: World, run: CheckRun) -> Object:
    fields = {
        "id": render.node_id("CheckRun", run.id),
        "databaseId": run.id,
        "name": run.name,
        "status": run.shown_status.upper(),
        "conclusion": run.shown_conclusion.upper() if run.shown_conclusion else None,
        "startedAt": run.started,
        "completedAt": run.completed,
        "detailsUrl": run.details_url,
        "url": f"{render.web_page(world, run.repository)}/runs/{run.id}",
        "externalId": run.external_id,
        "title": run.title,
        "summary": run.summary,
        "text": run.text,
        "isRequired": False,
        "checkSuite": check_suite(world, run.suite),
    }
    return Object("CheckRun", fields, ("Node", "StatusCheckRollupContext"))


def check_suite(world: World, suite: CheckSuite) -> Object:
    app = Object(
        "App", {"name": suite.app.name, "slug": suite.app.slug, "databaseId": suite.app.id}
    )
    fields = {
        "id": render.node_id("CheckSuite", suite.id),
        "databaseId": suite.id,
        "status": suite.status.upper(),
        "conclusion": suite.conclusion.upper() if suite.conclusion else None,
        "app": app,
        "workflowRun": None,
    }
    return Object("CheckSuite", fields, ("Node",))


def status(world: World, each: Status) -> Object:
    fields = {
        "id": render.node_id("StatusContext", each.id),
        "context": each.context,
        "state": STATES[each.state],
        "targetUrl": each.target_url,
        "description": each.description,
        "createdAt": world.iso(each.born),
        "isRequired": False,
        "creator": account(world, each.creator),
        "avatarUrl": "",
    }
    return Object("StatusContext", fields, ("Node", "StatusCheckRollupContext"))
