"""The rules of check runs and check suites: what an App may write, and what follows from it.

Many of these are not in GitHub's published schemas: limits in bytes, what a status needs, who may
set it, and that a finished run never looks unfinished again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import events
from .errors import ApiError, Json, invalid, missing, needs, no_commit
from .model import Account, App, CheckRun, CheckSuite, Repository
from .world import World

STATUSES = ("queued", "in_progress", "completed")
RESERVED = ("waiting", "requested", "pending", "stale", "startup_failure")
CONCLUSIONS = (
    "success",
    "failure",
    "neutral",
    "cancelled",
    "skipped",
    "timed_out",
    "action_required",
)
WORST_FIRST = (
    "startup_failure",
    "failure",
    "timed_out",
    "cancelled",
    "action_required",
    "stale",
    "success",
    "neutral",
    "skipped",
)
LEVELS = ("notice", "warning", "failure")
TEXT_BYTES = 65535
NOTE_BYTES = 64 * 1024
NOTES_A_REQUEST = 50
ACTIONS = 3
ACTION_LIMITS = {"label": 20, "description": 40, "identifier": 20}
RUNS_OF_ONE_NAME = 1000
STALE_SECONDS = 14 * 24 * 3600


# -- suites -----------------------------------------------------------------------------------


def suite_for(world: World, repo: Repository, app: App, sha: str) -> CheckSuite:
    """The suite of an App for a commit; there is never a second."""
    for suite in repo.suites_by_sha.get(sha, ()):
        if suite.app is app:
            return suite
    now = world.clock()
    branch = next((ref for ref, at in repo.git.refs.items() if at == sha), None)
    parents = repo.git.read_commit(sha).parents
    suite = CheckSuite(
        id=world.next_id(large=True),
        app=app,
        repository=repo,
        head_sha=sha,
        head_branch=branch.removeprefix("refs/heads/") if branch else None,
        before=parents[0] if parents else None,
        created=now,
        updated=now,
    )
    repo.suites[suite.id] = suite
    repo.suites_by_sha.setdefault(sha, []).append(suite)
    return suite


def request_suites(world: World, repo: Repository, sha: str, sender: Account) -> None:
    """What a push does: every App with checks:write is asked for a suite."""
    for installation in world.installations_of(repo):
        app = installation.app
        wanted = installation.permissions.get("checks") == "write"
        if wanted and app.id not in repo.no_auto_suites:
            events.check_suite(world, suite_for(world, repo, app, sha), "requested", sender)


def rerequest_suite(world: World, suite: CheckSuite, sender: Account) -> None:
    suite.reset, suite.status, suite.conclusion = True, "queued", None
    events.check_suite(world, suite, "rerequested", sender)


def latest_runs(suite: CheckSuite) -> list[CheckRun]:
    """The newest run of each name."""
    return list({run.name: run for run in suite.runs}.values())


def _summarize(world: World, suite: CheckSuite, sender: Account) -> None:
    latest, before = latest_runs(suite), suite.status
    suite.updated = world.clock()
    if all(run.shown_status == "completed" for run in latest):
        found = {run.shown_conclusion for run in latest}
        suite.status = "completed"
        suite.conclusion = next((verdict for verdict in WORST_FIRST if verdict in found), None)
    else:
        waiting = all(run.shown_status == "queued" for run in latest)
        suite.status, suite.conclusion = "queued" if waiting else "in_progress", None
    if suite.status == "completed" and before != "completed":
        events.check_suite(world, suite, "completed", sender)


# -- runs -------------------------------------------------------------------------------------


def create_run(world: World, repo: Repository, app: App, body: Json) -> CheckRun:
    """POST .../check-runs."""
    name, sha = needs(body, "name"), needs(body, "head_sha")
    status, conclusion = _state(body, default="queued")
    _check(body)
    if not repo.git.is_commit(sha):
        raise no_commit(sha)
    suite = suite_for(world, repo, app, sha)
    run = CheckRun(
        id=world.next_id(large=True),
        suite=suite,
        name=name,
        status=status,
        conclusion=conclusion,
        external_id="",
        details_url=f"{world.web_url}/apps/{app.slug}",
        started=world.iso(),
        completed=None,
        born=world.clock(),
        shown_status=status,
        shown_conclusion=conclusion,
    )
    _write(world, run, body)
    suite.reset = False
    suite.runs.append(run)
    repo.runs[run.id] = run
    _forget_oldest(suite, name)
    events.check_run(world, run, "created", app.bot)
    _finished(world, run, app.bot, was="new")
    return run


def update_run(world: World, run: CheckRun, app: App, body: Json) -> CheckRun:
    """PATCH .../check-runs/{id}; only for the App that made it."""
    if run.app is not app:
        raise ApiError(403, "Invalid app_id `" + str(app.id) + "` - check run can only be modified"
                       " by the GitHub App that created it.")  # fmt: skip
    before, verdict = run.shown_status, run.shown_conclusion
    status, conclusion = _state(body, default=run.status)
    _check(body)
    if "name" in body:
        run.name = needs(body, "name")
    if "status" in body or "conclusion" in body:
        run.status, run.conclusion = status, conclusion
    if before != "completed" or status == "completed":
        run.shown_status, run.shown_conclusion = run.status, run.conclusion
    _write(world, run, body)
    anew = verdict != run.shown_conclusion  # not documented; assumed to be told like the first one
    _finished(world, run, app.bot, was="changed" if anew else before)
    if before == "completed" or run.shown_status != "completed":
        world.notice("check_run", run.repository, id=run.id, action="updated")
    return run


def rerequest_run(world: World, run: CheckRun, sender: Account) -> None:
    """Ask for another run; this one does not change."""
    run.suite.reset = True
    events.check_run(world, run, "rerequested", sender)


def go_stale(world: World, repo: Repository) -> None:
    """What GitHub does with runs that nobody finished for 14 days."""
    for run in repo.runs.values():
        old = run.born <= world.clock() - STALE_SECONDS
        if old and run.shown_status != "completed":
            run.status = run.shown_status = "completed"
            run.conclusion = run.shown_conclusion = "stale"


def _finished(world: World, run: CheckRun, sender: Account, *, was: str) -> None:
    if run.shown_status == "completed" and was != "completed":
        events.check_run(world, run, "completed", sender)
    _summarize(world, run.suite, sender)


def _forget_oldest(suite: CheckSuite, name: str) -> None:
    same = [run for run in suite.runs if run.name == name]
    for old in same[:-RUNS_OF_ONE_NAME]:
        suite.runs.remove(old)
        del suite.repository.runs[old.id]


def _write(world: World, run: CheckRun, body: Json) -> None:
    run.external_id = body.get("external_id", run.external_id)
    run.details_url = body.get("details_url", run.details_url)
    run.started = body.get("started_at", run.started)
    run.actions = body.get("actions", run.actions)
    if run.status == "completed":
        run.completed = body.get("completed_at") or run.completed or world.iso()
    output = body.get("output")
    if output is not None:
        run.title, run.summary = output["title"], output["summary"]
        run.text = output.get("text", run.text)
        run.images = output.get("images", run.images)
        run.annotations = [*run.annotations, *output.get("annotations", ())]


# -- what is refused --------------------------------------------------------------------------


def _state(body: Mapping[str, Any], *, default: str) -> tuple[str, str | None]:
    """The status and conclusion that a body asks for."""
    status, conclusion = body.get("status", default), body.get("conclusion")
    for value in (status, conclusion):
        if value in RESERVED:
            raise invalid("CheckRun", "status", f"{value} can only be set by GitHub")
    if status not in STATUSES:
        raise ApiError(422, f"Invalid request.\n\n{status} is not a member of {list(STATUSES)}.")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise ApiError(
            422, f"Invalid request.\n\n{conclusion} is not a member of {list(CONCLUSIONS)}."
        )
    if conclusion is not None:
        return "completed", conclusion
    if status == "completed" and "status" in body:
        raise missing("conclusion")
    return status, None


def _check(body: Json) -> None:
    output = body.get("output")
    if output is not None:
        _check_output(output)
    actions = body.get("actions", [])
    if len(actions) > ACTIONS:
        raise ApiError(
            422, f"Invalid request.\n\nNo more than {ACTIONS} items are allowed; {len(actions)}"
            " were supplied."
        )  # fmt: skip
    for action in actions:
        for field, limit in ACTION_LIMITS.items():
            if len(needs(action, field)) > limit:
                raise invalid(
                    "CheckRun", f"actions.{field}", f"{field} is too long (maximum is {limit})"
                )


def _check_output(output: Json) -> None:
    for field in ("title", "summary"):
        if output.get(field) is None:
            raise missing(f"output.{field}")
    for field in ("summary", "text"):
        _bytes("CheckRun", field, output.get(field) or "", TEXT_BYTES)
    notes = output.get("annotations", [])
    if len(notes) > NOTES_A_REQUEST:
        raise ApiError(
            422,
            f"Invalid request.\n\nNo more than {NOTES_A_REQUEST} items are allowed;"
            f" {len(notes)} were supplied.",
        )
    for note in notes:
        _check_note(note)


def _check_note(note: Json) -> None:
    for field in ("path", "start_line", "end_line", "annotation_level", "message"):
        if note.get(field) is None:
            raise missing(f"annotations.{field}")
    if note["annotation_level"] not in LEVELS:
        raise invalid("CheckAnnotation", "annotation_level", "is not included in the list")
    columns = note.get("start_column") is not None or note.get("end_column") is not None
    if columns and note["start_line"] != note["end_line"]:
        raise invalid("CheckAnnotation", "start_column", "needs start_line equal to end_line")
    if len(note.get("title") or "") > 255:
        raise invalid("CheckAnnotation", "title", "title is too long (maximum is 255 characters)")
    for field in ("message", "raw_details"):
        _bytes("CheckAnnotation", field, note.get(field) or "", NOTE_BYTES)


def _bytes(resource: str, field: str, text: str, limit: int) -> None:
    if len(text.encode()) > limit:
        raise invalid(resource, field, f"{field} exceeds a maximum bytesize of {limit}")
