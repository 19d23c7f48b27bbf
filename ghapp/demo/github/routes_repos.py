"""Routes of repositories themselves, of people and teams, deployments, dispatches and limits."""

from __future__ import annotations

from . import deployments, render
from .call import Call, Proof, Reply, Route, get, paged, write
from .errors import ApiError, Json, missing, needs, not_found
from .model import Deployment

REPO = "/repos/{owner}/{repo}"
LEVEL_OF_ROLE = {
    "admin": "admin",
    "maintain": "write",
    "write": "write",
    "triage": "read",
    "read": "read",
    "none": "none",
}


def _repository(call: Call) -> Reply:
    body = render.full_repository(call.world, call.repo)
    if call.token is not None:
        body["permissions"] = render.role_flags(call.world.role(call.repo, call.actor))
    return Reply(body=body)


# -- people -----------------------------------------------------------------------------------


def _permission(call: Call) -> Reply:
    person = call.world.accounts.get(call.path["username"].lower())
    if person is None:
        raise ApiError(404, f"{call.path['username']} is not a user")
    role = call.world.role(call.repo, person)
    user = render.account(call.world, person) | {
        "role_name": role,
        "permissions": render.role_flags(role),
    }
    return Reply(body={"permission": LEVEL_OF_ROLE[role], "role_name": role, "user": user})


def _member(call: Call) -> Reply:
    org = call.world.accounts.get(call.path["org"].lower())
    if org is None or not _has(org.members, call.path["username"]):
        raise not_found()
    return Reply(status=204)


def _has(members: dict[str, str], login: str) -> bool:
    return login.lower() in {each.lower() for each in members}


def _team_membership(call: Call) -> Reply:
    org, slug, login = (call.path[key] for key in ("org", "team_slug", "username"))
    team = call.world.teams.get((org.lower(), slug))
    found = {} if team is None else {name.lower(): state for name, state in team.members.items()}
    if login.lower() not in found:
        raise not_found()
    role, state = found[login.lower()]
    url = f"{call.world.base_url}/orgs/{org}/teams/{slug}/memberships/{login}"
    return Reply(body={"url": url, "role": role, "state": state})


def _user(call: Call) -> Reply:
    """GET /user: whose token is this?"""
    if call.token is None or call.token.person is None:
        raise ApiError(403, "Resource not accessible by integration")
    return Reply(body=render.account(call.world, call.token.person) | {"name": call.actor.name})


# -- deployments and environments -------------------------------------------------------------


def _deployment(call: Call) -> Deployment:
    found = call.repo.deployments.get(call.number("deployment_id"))
    if found is None:
        raise not_found()
    return found


def _deployments(call: Call) -> Reply:
    found = [
        each
        for each in reversed(call.repo.deployments.values())
        if all(
            call.query.get(key) in (None, value)
            for key, value in (
                ("environment", each.environment),
                ("sha", each.sha),
                ("ref", each.ref),
                ("task", each.task),
            )
        )
        and call.world.is_visible(each.born)
    ]
    return paged(
        call, found, lambda each: deployments.render_deployment(call.world, call.repo, each)
    )


def _get_deployment(call: Call) -> Reply:
    found = _deployment(call)
    return Reply(body=deployments.render_deployment(call.world, call.repo, found))


def _deploy(call: Call) -> Reply:
    made = deployments.create(call.world, call.repo, call.body, call.actor, call.acting_app)
    body = deployments.render_deployment(call.world, call.repo, made)
    return Reply(status=201, body=body)


def _deployment_statuses(call: Call) -> Reply:
    found = _deployment(call)
    return paged(
        call,
        found.statuses[::-1],
        lambda each: deployments.render_status(call.world, call.repo, found, each),
    )


def _add_deployment_status(call: Call) -> Reply:
    found = _deployment(call)
    status = deployments.add_status(call.world, call.repo, found, call.body, call.actor)
    body = deployments.render_status(call.world, call.repo, found, status)
    return Reply(status=201, body=body)


def _environments(call: Call) -> Reply:
    repo, world = call.repo, call.world

    def shown(name: str) -> Json:
        number = repo.environments[name]
        return {
            "id": number,
            "node_id": render.node_id("Environment", number),
            "name": name,
            "url": f"{render.repository_url(world, repo)}/environments/{name}",
            "html_url": f"{render.web_page(world, repo)}/deployments/{name}",
            "created_at": world.iso(repo.created),
            "updated_at": world.iso(repo.created),
            "protection_rules": [],
            "deployment_branch_policy": None,
        }

    return paged(call, list(repo.environments), shown, under="environments")


# -- dispatches and rules ---------------------------------------------------------------------


def _dispatch(call: Call) -> Reply:
    deployments.dispatch(call.world, call.repo, call.body, call.actor)
    return Reply(status=204)


def _workflow_dispatch(call: Call) -> Reply:
    repo, ref = call.repo, needs(call.body, "ref")
    if repo.git.resolve(ref) is None:
        raise ApiError(422, f"No ref found for: {ref}")
    if len(call.body.get("inputs", {})) > 25:
        raise ApiError(422, "you may only define up to 25 `inputs` for a `workflow_dispatch` event")
    repo.dispatches.append({"workflow": call.path["workflow_id"], **call.body})
    if not call.body.get("return_run_details"):
        return Reply(status=204)
    number = call.world.next_id(large=True)
    body = {
        "workflow_run_id": number,
        "run_url": f"{render.repository_url(call.world, repo)}/actions/runs/{number}",
        "html_url": f"{render.web_page(call.world, repo)}/actions/runs/{number}",
    }
    return Reply(body=body)


def _protection_rule(call: Call) -> Reply:
    needs(call.body, "environment_name")
    if call.body.get("state") is None and call.body.get("comment") is None:
        raise missing("state")
    call.repo.dispatches.append({"run_id": call.number("run_id"), **call.body})
    return Reply(status=204)


def _rules(call: Call) -> Reply:
    return paged(call, call.repo.rules.get(call.path["branch"], []), lambda rule: rule)


def _rate_limit(call: Call) -> Reply:
    resources = {}
    for name in ("core", "graphql", "search"):
        shown = call.meter.standing(call.caller, name, call.world.clock())
        if shown is None:
            raise ApiError(404, "Rate limiting is not enabled.")
        resources[name] = shown
    return Reply(body={"resources": resources, "rate": resources["core"]})


def _meta(call: Call) -> Reply:
    nets = ["127.0.0.0/8", "::1/128"]
    body = {"verifiable_password_authentication": False, "hooks": nets, "web": nets, "api": nets}
    return Reply(body=body)


DEPLOYMENT = f"{REPO}/deployments/{{deployment_id}}"
ROUTES = (
    get(REPO, _repository),
    get(f"{REPO}/collaborators/{{username}}/permission", _permission),
    get("/orgs/{org}/members/{username}", _member, "members=read"),
    get("/orgs/{org}/teams/{team_slug}/memberships/{username}", _team_membership, "members=read"),
    get("/user", _user, ""),
    get(f"{REPO}/deployments", _deployments, "deployments=read"),
    write("POST", f"{REPO}/deployments", _deploy, "deployments=write"),
    get(DEPLOYMENT, _get_deployment, "deployments=read"),
    get(f"{DEPLOYMENT}/statuses", _deployment_statuses, "deployments=read"),
    write("POST", f"{DEPLOYMENT}/statuses", _add_deployment_status, "deployments=write"),
    get(f"{REPO}/environments", _environments, "actions=read"),
    write("POST", f"{REPO}/dispatches", _dispatch, "contents=write"),
    write(
        "POST",
        f"{REPO}/actions/workflows/{{workflow_id}}/dispatches",
        _workflow_dispatch,
        "actions=write",
    ),
    write(
        "POST",
        f"{REPO}/actions/runs/{{run_id}}/deployment_protection_rule",
        _protection_rule,
        "deployments=write",
    ),
    get(f"{REPO}/rules/branches/{{branch}}", _rules),
    get("/rate_limit", _rate_limit, ""),
    Route(method="GET", path="/meta", run=_meta, proof=Proof.NONE),
)
