"""Deployments and their statuses, environments, and the dispatch events that start workflows."""

from __future__ import annotations

import json

from . import checks, events, render, statuses
from .errors import ApiError, Json, invalid, missing, needs
from .model import Account, App, Deployment, DeploymentStatus, Repository
from .world import World

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
DESCRIPTION_LIMIT = 140
EVENT_TYPE_LIMIT = 100
PAYLOAD_KEYS = 10
PAYLOAD_BYTES = 64 * 1024


def create(
    world: World, repo: Repository, body: Json, creator: Account, app: App | None
) -> Deployment:
    """POST .../deployments. By default every check must have passed: 409 otherwise."""
    ref = needs(body, "ref")
    sha = repo.git.resolve(ref)
    if sha is None:
        raise ApiError(422, f"No ref found for: {ref}")
    _description(body)
    _contexts(world, repo, sha, body.get("required_contexts"))
    environment = body.get("environment") or "production"
    deployment = Deployment(
        id=world.next_id(large=True),
        sha=sha,
        ref=ref,
        task=body.get("task", "deploy"),
        environment=environment,
        payload=body.get("payload", {}),
        description=body.get("description"),
        creator=creator,
        app=app,
        born=world.clock(),
        transient=body.get("transient_environment", False),
        production=body.get("production_environment", environment == "production"),
    )
    repo.deployments[deployment.id] = deployment
    repo.environments.setdefault(environment, world.next_id())
    events.happened(
        world,
        repo,
        "deployment",
        creator,
        action="created",
        deployment=render_deployment(world, repo, deployment),
        workflow=None,
        workflow_run=None,
    )
    return deployment


def _description(body: Json) -> None:
    if len(body.get("description") or "") > DESCRIPTION_LIMIT:
        raise invalid(
            "Deployment", "description", "description is too long (maximum is 140 characters)"
        )


def _contexts(world: World, repo: Repository, sha: str, wanted: list[str] | None) -> None:
    """What is not green stops a deployment, unless the caller asked for less."""
    states = {each.context: each.state for each in statuses.latest(world, repo, sha)}
    for suite in repo.suites_by_sha.get(sha, ()):
        for run in checks.latest_runs(suite):
            good = run.conclusion in ("success", "neutral", "skipped")
            states[run.name] = "success" if good else run.conclusion or "pending"
    watched = states.keys() if wanted is None else wanted
    failing = [name for name in watched if states.get(name) != "success"]
    if failing:
        raise ApiError(409, f"Conflict: Commit status checks failed for {repo.default_branch}.")


def add_status(
    world: World, repo: Repository, deployment: Deployment, body: Json, creator: Account
) -> DeploymentStatus:
    """POST .../deployments/{id}/statuses. A success retires its predecessors."""
    state = body.get("state")
    if state is None:
        raise missing("state")
    if state not in STATES:
        raise invalid("DeploymentStatus", "state", "state is not included in the list")
    _description(body)
    if state == "success" and body.get("auto_inactive", True):
        _retire(world, repo, deployment, creator)
    return _append(world, repo, deployment, state, body, creator)


def _retire(world: World, repo: Repository, by: Deployment, creator: Account) -> None:
    for other in repo.deployments.values():
        last = other.statuses[-1].state if other.statuses else ""
        same = other.environment == by.environment and not other.production and not other.transient
        if other is not by and same and last == "success":
            _append(world, repo, other, "inactive", {}, creator)


def _append(
    world: World, repo: Repository, deployment: Deployment, state: str, body: Json, who: Account
) -> DeploymentStatus:
    log_url = body.get("log_url") or body.get("target_url") or ""
    status = DeploymentStatus(
        id=world.next_id(large=True),
        state=state,
        description=body.get("description") or "",
        environment=body.get("environment") or deployment.environment,
        environment_url=body.get("environment_url") or "",
        log_url=log_url,
        target_url=log_url,
        creator=who,
        born=world.clock(),
    )
    deployment.statuses.append(status)
    events.happened(
        world,
        repo,
        "deployment_status",
        who,
        action="created",
        deployment=render_deployment(world, repo, deployment),
        deployment_status=render_status(world, repo, deployment, status),
        workflow=None,
        workflow_run=None,
        check_run=None,
    )
    return status


def render_deployment(world: World, repo: Repository, which: Deployment) -> Json:
    url = f"{render.repository_url(world, repo)}/deployments/{which.id}"
    return {
        "id": which.id,
        "node_id": render.node_id("Deployment", which.id),
        "url": url,
        "sha": which.sha,
        "ref": which.ref,
        "task": which.task,
        "payload": which.payload,
        "original_environment": which.environment,
        "environment": which.environment,
        "description": which.description,
        "creator": render.account(world, which.creator),
        "created_at": world.iso(which.born),
        "updated_at": world.iso(which.born),
        "statuses_url": f"{url}/statuses",
        "repository_url": render.repository_url(world, repo),
        "transient_environment": which.transient,
        "production_environment": which.production,
        "performed_via_github_app": render.app(world, which.app) if which.app else None,
    }


def render_status(
    world: World, repo: Repository, deployment: Deployment, which: DeploymentStatus
) -> Json:
    url = f"{render.repository_url(world, repo)}/deployments/{deployment.id}"
    return {
        "id": which.id,
        "node_id": render.node_id("DeploymentStatus", which.id),
        "url": f"{url}/statuses/{which.id}",
        "state": which.state,
        "creator": render.account(world, which.creator),
        "description": which.description,
        "environment": which.environment,
        "target_url": which.target_url,
        "environment_url": which.environment_url,
        "log_url": which.log_url,
        "created_at": world.iso(which.born),
        "updated_at": world.iso(which.born),
        "deployment_url": url,
        "repository_url": render.repository_url(world, repo),
        "performed_via_github_app": None,
    }


# -- dispatch ---------------------------------------------------------------------------------


def dispatch(world: World, repo: Repository, body: Json, sender: Account) -> None:
    """POST .../dispatches: an event of one's own; `repository.dispatches` keeps it."""
    name, payload = needs(body, "event_type"), body.get("client_payload", {})
    if len(name) > EVENT_TYPE_LIMIT:
        raise ApiError(422, "Invalid request.\n\nevent_type is too long (maximum is 100).")
    if len(payload) > PAYLOAD_KEYS:
        raise ApiError(
            422, "Invalid request.\n\nNo more than 10 properties are allowed; "
            f"{len(payload)} were supplied."
        )  # fmt: skip
    if len(json.dumps(payload).encode()) >= PAYLOAD_BYTES:
        raise ApiError(422, "client_payload is too large.")
    repo.dispatches.append({"event_type": name, "client_payload": payload})
    events.happened(
        world,
        repo,
        "repository_dispatch",
        sender,
        action=name,
        branch=repo.default_branch,
        client_payload=payload,
    )
