"""Routes of check runs, check suites and commit statuses."""

from __future__ import annotations

from collections.abc import Iterable

from . import checks, render, render_checks, statuses
from .call import Call, Reply, get, paged, write
from .code import commit_of
from .errors import ApiError, not_found
from .model import CheckRun, CheckSuite

READ, WRITE = "checks=read", "checks=write"
REPO = "/repos/{owner}/{repo}"


def _run(call: Call) -> CheckRun:
    run = call.repo.runs.get(call.number("check_run_id"))
    if run is None or (call.method == "GET" and not call.world.is_visible(run.born)):
        raise not_found()
    return run


def _suite(call: Call) -> CheckSuite:
    suite = call.repo.suites.get(call.number("check_suite_id"))
    if suite is None:
        raise not_found()
    return suite


def _app_only(call: Call) -> None:
    if call.acting_app is None:
        raise ApiError(403, "You must authenticate via a GitHub App.")


def _create(call: Call) -> Reply:
    _app_only(call)
    run = checks.create_run(call.world, call.repo, call.the_app, call.body)
    body = render_checks.check_run(call.world, run)
    return Reply(status=201, body=body, headers={"Location": body["url"]})


def _update(call: Call) -> Reply:
    _app_only(call)
    run = checks.update_run(call.world, _run(call), call.the_app, call.body)
    return Reply(body=render_checks.check_run(call.world, run))


def _get(call: Call) -> Reply:
    return Reply(body=render_checks.check_run(call.world, _run(call)))


def _annotations(call: Call) -> Reply:
    run = _run(call)
    return paged(
        call, run.annotations, lambda note: render_checks.annotation(call.world, run, note)
    )


def _rerequest(call: Call) -> Reply:
    run = _run(call)
    if run.shown_status != "completed":
        raise ApiError(403, "This check run is not rerequestable")
    checks.rerequest_run(call.world, run, call.actor)
    return Reply(status=201, body={})


def _of_ref(call: Call) -> Reply:
    suites = call.repo.suites_by_sha.get(commit_of(call.repo, call.path["ref"]), [])
    wanted = call.query.get("app_id")
    return _listing(
        call, [suite for suite in suites[-1000:] if wanted in (None, str(suite.app.id))]
    )


def _of_suite(call: Call) -> Reply:
    return _listing(call, [_suite(call)])


def _listing(call: Call, suites: Iterable[CheckSuite]) -> Reply:
    """Newest first; `latest` keeps the newest of each name and App."""
    every = call.query.get("filter", "latest") == "all"
    name, status = call.query.get("check_name"), call.query.get("status")
    found = [
        run
        for suite in suites
        for run in (suite.runs if every else checks.latest_runs(suite))
        if name in (None, run.name)
        and status in (None, run.status)
        and call.world.is_visible(run.born)
    ]
    found.sort(key=lambda run: run.id, reverse=True)
    return paged(
        call, found, lambda run: render_checks.check_run(call.world, run), under="check_runs"
    )


# -- suites -----------------------------------------------------------------------------------


def _get_suite(call: Call) -> Reply:
    return Reply(body=render_checks.check_suite(call.world, _suite(call)))


def _suites_of_ref(call: Call) -> Reply:
    sha = commit_of(call.repo, call.path["ref"])
    app, name = call.query.get("app_id"), call.query.get("check_name")
    found = [
        suite
        for suite in call.repo.suites_by_sha.get(sha, [])
        if app in (None, str(suite.app.id))
        and (name is None or any(run.name == name for run in suite.runs))
    ]
    return paged(
        call,
        found,
        lambda suite: render_checks.check_suite(call.world, suite),
        under="check_suites",
    )


def _rerequest_suite(call: Call) -> Reply:
    checks.rerequest_suite(call.world, _suite(call), call.actor)
    return Reply(status=201, body={})


def _preferences(call: Call) -> Reply:
    repo = call.repo
    wanted = call.body.get("auto_trigger_checks", [])
    for each in wanted:
        if each["setting"]:
            repo.no_auto_suites.discard(each["app_id"])
        else:
            repo.no_auto_suites.add(each["app_id"])
    installed = {installation.app.id for installation in call.world.installations_of(repo)}
    settings = [
        {"app_id": number, "setting": number not in repo.no_auto_suites}
        for number in sorted(installed | repo.no_auto_suites)
    ]
    body = {
        "preferences": {"auto_trigger_checks": settings},
        "repository": render.repository(call.world, repo),
    }
    return Reply(body=body)


# -- statuses ---------------------------------------------------------------------------------


def _create_status(call: Call) -> Reply:
    entry = statuses.create(call.world, call.repo, call.path["sha"], call.body, call.actor)
    return Reply(status=201, body=render_checks.status(call.world, call.repo, entry))


def _statuses(call: Call) -> Reply:
    found = statuses.newest_first(call.world, call.repo, commit_of(call.repo, call.path["ref"]))
    return paged(call, found, lambda each: render_checks.status(call.world, call.repo, each))


def _combined(call: Call) -> Reply:
    repo, url = call.repo, render.repository_url(call.world, call.repo)
    sha = commit_of(repo, call.path["ref"])
    latest = statuses.latest(call.world, repo, sha)
    shown = [render_checks.simple_status(call.world, repo, each) for each in latest]
    body = {
        "state": statuses.combined(latest),
        "statuses": shown,
        "sha": sha,
        "total_count": len(shown),
        "repository": render.repository(call.world, repo),
        "commit_url": f"{url}/commits/{sha}",
        "url": f"{url}/commits/{sha}/status",
    }
    return Reply(body=body)


ROUTES = (
    write("POST", f"{REPO}/check-runs", _create, WRITE),
    get(f"{REPO}/check-runs/{{check_run_id}}", _get, READ),
    write("PATCH", f"{REPO}/check-runs/{{check_run_id}}", _update, WRITE),
    get(f"{REPO}/check-runs/{{check_run_id}}/annotations", _annotations, READ),
    write("POST", f"{REPO}/check-runs/{{check_run_id}}/rerequest", _rerequest, WRITE),
    write("PATCH", f"{REPO}/check-suites/preferences", _preferences, "administration=write"),
    get(f"{REPO}/check-suites/{{check_suite_id}}", _get_suite, READ),
    get(f"{REPO}/check-suites/{{check_suite_id}}/check-runs", _of_suite, READ),
    write("POST", f"{REPO}/check-suites/{{check_suite_id}}/rerequest", _rerequest_suite, WRITE),
    get(f"{REPO}/commits/{{ref}}/check-runs", _of_ref, READ),
    get(f"{REPO}/commits/{{ref}}/check-suites", _suites_of_ref, READ),
    get(f"{REPO}/commits/{{ref}}/statuses", _statuses, "statuses=read"),
    get(f"{REPO}/commits/{{ref}}/status", _combined, "statuses=read"),
    write("POST", f"{REPO}/statuses/{{sha}}", _create_status, "statuses=write"),
)
