"""Check runs, check suites and commit statuses as GitHub's JSON."""

from __future__ import annotations

from . import render
from .errors import Json
from .git import Commit
from .model import CheckRun, CheckSuite, Pull, Repository, Status
from .world import World


def check_run(world: World, run: CheckRun) -> Json:
    repo = run.repository
    url = f"{render.repository_url(world, repo)}/check-runs/{run.id}"
    return {
        "id": run.id,
        "name": run.name,
        "node_id": render.node_id("CheckRun", run.id),
        "head_sha": run.suite.head_sha,
        "external_id": run.external_id,
        "url": url,
        "html_url": f"{render.web_page(world, repo)}/runs/{run.id}",
        "details_url": run.details_url,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": run.started,
        "completed_at": run.completed,
        "output": {
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "annotations_count": len(run.annotations),
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": run.suite.id},
        "app": render.app(world, run.app),
        "pull_requests": pulls_of(world, repo, run.suite.head_sha),
    }


def check_run_event(world: World, run: CheckRun) -> Json:
    """As webhooks show it: with more of the suite."""
    return check_run(world, run) | {"check_suite": _suite_in_run(world, run.suite)}


def _suite_in_run(world: World, suite: CheckSuite) -> Json:
    whole = check_suite(world, suite)
    keep = (
        "id node_id head_branch head_sha status conclusion url before after pull_requests app"
        " created_at updated_at"
    )
    return {key: whole[key] for key in keep.split()}


def annotation(world: World, run: CheckRun, note: Json) -> Json:
    page = render.web_page(world, run.repository)
    return {
        "path": note["path"],
        "blob_href": f"{page}/blob/{run.suite.head_sha}/{note['path']}",
        "start_line": note["start_line"],
        "end_line": note["end_line"],
        "start_column": note.get("start_column"),
        "end_column": note.get("end_column"),
        "annotation_level": note["annotation_level"],
        "title": note.get("title"),
        "message": note["message"],
        "raw_details": note.get("raw_details"),
    }


def check_suite(world: World, suite: CheckSuite) -> Json:
    repo = suite.repository
    url = f"{render.repository_url(world, repo)}/check-suites/{suite.id}"
    return {
        "id": suite.id,
        "node_id": render.node_id("CheckSuite", suite.id),
        "head_branch": suite.head_branch,
        "head_sha": suite.head_sha,
        "status": suite.status,
        "conclusion": suite.conclusion,
        "url": url,
        "before": suite.before,
        "after": suite.head_sha,
        "pull_requests": pulls_of(world, repo, suite.head_sha),
        "app": render.app(world, suite.app),
        "repository": render.repository(world, repo),
        "created_at": world.iso(suite.created),
        "updated_at": world.iso(suite.updated),
        "head_commit": simple_commit(repo.git.read_commit(suite.head_sha)),
        "latest_check_runs_count": len({run.name for run in suite.runs}),
        "check_runs_url": f"{url}/check-runs",
        "rerequestable": True,
        "runs_rerequestable": True,
    }


def check_suite_event(world: World, suite: CheckSuite) -> Json:
    whole = check_suite(world, suite)
    del whole["repository"]
    return whole


def simple_commit(commit: Commit) -> Json:
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "message": commit.message,
        "timestamp": commit.author.date,
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
    }


def pulls_of(world: World, repo: Repository, sha: str) -> list[Json]:
    """The open pull requests with this head; those from forks are never listed."""
    return [
        pull_minimal(world, pull)
        for pull in repo.pulls.values()
        if pull.head_sha == sha and pull.state == "open" and pull.head_repository is repo
    ]


def pull_minimal(world: World, pull: Pull) -> Json:
    base, head = pull.repository, pull.head_repository
    return {
        "id": pull.id,
        "number": pull.number,
        "url": f"{render.repository_url(world, base)}/pulls/{pull.number}",
        "head": {"ref": pull.head, "sha": pull.head_sha, "repo": _tiny(world, head)},
        "base": {"ref": pull.base, "sha": pull.base_sha, "repo": _tiny(world, base)},
    }


def _tiny(world: World, repo: Repository) -> Json:
    return {"id": repo.id, "url": render.repository_url(world, repo), "name": repo.name}


# -- statuses ---------------------------------------------------------------------------------


def status(world: World, repo: Repository, entry: Status) -> Json:
    return simple_status(world, repo, entry) | {"creator": render.account(world, entry.creator)}


def simple_status(world: World, repo: Repository, entry: Status) -> Json:
    at = world.iso(entry.born)
    return {
        "id": entry.id,
        "node_id": render.node_id("StatusContext", entry.id),
        "url": f"{render.repository_url(world, repo)}/statuses/{entry.sha}",
        "avatar_url": f"{world.web_url}/avatars/{entry.creator.id}.svg",
        "state": entry.state,
        "description": entry.description,
        "target_url": entry.target_url,
        "context": entry.context,
        "created_at": at,
        "updated_at": at,
    }
