"""The rest of the REST API: statuses, deployments, people, dispatches, addresses, completeness."""

from __future__ import annotations

from typing import Any

import pytest

from ghapp.demo.github import GitHub
from ghapp.demo.github.routes import ROUTES
from tests import github_contract
from tests.github_contract import Contract
from tests.github_fixtures import Api

REPO = "/repos/acme/shop"


@pytest.fixture
def sha(github: GitHub, api: Api) -> str:
    return github.repository("acme/shop").git.refs["refs/heads/main"]


@pytest.mark.skipif(not github_contract.is_available(), reason=github_contract.NO_DATA)
def test_every_operation_of_the_description_is_served() -> None:
    served = {f"{route.method} {route.path}" for route in ROUTES}
    assert set(github_contract.operations()) <= served


def test_no_route_is_there_twice() -> None:
    served = [(route.method, route.path) for route in ROUTES]
    assert len(set(served)) == len(served)


# -- statuses ---------------------------------------------------------------------------------


async def test_the_newest_status_of_a_context_counts(api: Api, sha: str) -> None:
    url = f"{REPO}/statuses/{sha}"
    assert (await api.get(f"{REPO}/commits/{sha}/status")).body["state"] == "pending"
    for state in ("pending", "failure"):
        made = await api.post(url, {"state": state, "context": "ci/build", "description": "x"})
        assert made.status == 201
        assert made.body["creator"]["login"] == "checkrail[bot]"
    assert (await api.get(f"{REPO}/commits/main/status")).body["state"] == "failure"
    await api.post(url, {"state": "success", "context": "CI/Build"})
    combined = (await api.get(f"{REPO}/commits/main/status")).body
    assert (combined["state"], combined["total_count"]) == ("success", 1)
    listed = (await api.get(f"{REPO}/commits/main/statuses")).body
    assert [each["state"] for each in listed] == ["success", "failure", "pending"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"state": "success", "description": "x" * 141}, "maximum is 140 characters"),
        ({"state": "success", "context": "x" * 256}, "maximum is 255 characters"),
        ({"state": "done"}, "state is not included in the list"),
    ],
)
async def test_a_wrong_status_is_refused(
    api: Api,
    sha: str,
    github_contract_held: Contract | None,
    body: dict[str, str],
    words: str,
) -> None:
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    refused = await api.post(f"{REPO}/statuses/{sha}", body)
    assert refused.status == 422
    assert words in refused.body["errors"][0]["message"]


async def test_a_status_needs_a_known_commit(api: Api) -> None:
    refused = await api.post(f"{REPO}/statuses/{'f' * 40}", {"state": "success"})
    assert refused.body["message"] == f"No commit found for SHA: {'f' * 40}"


async def test_a_context_takes_a_thousand_statuses(github: GitHub, api: Api, sha: str) -> None:
    await api.post(f"{REPO}/statuses/{sha}", {"state": "pending", "context": "a"})
    kept = github.repository("acme/shop").statuses[sha]
    kept += kept * 999
    refused = await api.post(f"{REPO}/statuses/{sha}", {"state": "success", "context": "A"})
    assert refused.status == 422
    other = await api.post(f"{REPO}/statuses/{sha}", {"state": "success", "context": "b"})
    assert other.status == 201


# -- deployments ------------------------------------------------------------------------------


async def test_a_deployment_waits_for_green_checks_unless_told_otherwise(
    github: GitHub, api: Api, sha: str
) -> None:
    url = f"{REPO}/deployments"
    await api.post(f"{REPO}/check-runs", {"name": "build", "head_sha": sha})
    assert (await api.post(url, {"ref": "main"})).status == 409
    made = await api.post(
        url, {"ref": "main", "environment": "staging", "required_contexts": [], "payload": {"a": 1}}
    )
    assert (made.status, made.body["sha"], made.body["payload"]) == (201, sha, {"a": 1})
    assert (await api.get(f"{url}/{made.body['id']}")).body == made.body
    assert len((await api.get(f"{url}?environment=staging")).body) == 1
    assert (await api.get(f"{url}?environment=prod")).body == []
    shown = await api.get(f"{REPO}/environments")
    assert [each["name"] for each in shown.body["environments"]] == ["staging"]
    assert (await api.post(url, {"ref": "nope"})).status == 422


async def test_a_success_retires_the_deployment_before_it(api: Api, sha: str) -> None:
    urls = []
    for _ in range(2):
        wish = {"ref": sha, "environment": "staging", "required_contexts": []}
        made = await api.post(f"{REPO}/deployments", wish)
        urls.append(f"{REPO}/deployments/{made.body['id']}/statuses")
        body = {"state": "success", "log_url": "https://logs.test/1"}
        assert (await api.post(urls[-1], body)).status == 201
    states = [[each["state"] for each in (await api.get(url)).body] for url in urls]
    assert states == [["inactive", "success"], ["success"]]


async def test_dispatches_are_kept_and_bounded(github: GitHub, api: Api) -> None:
    url = f"{REPO}/dispatches"
    body = {"event_type": "promote", "client_payload": {"checkrail": {"id": "x"}}}
    assert (await api.post(url, body)).status == 204
    assert github.repository("acme/shop").dispatches == [body]
    wide = {"event_type": "e", "client_payload": {str(n): n for n in range(10)}}
    assert (await api.post(url, wide)).status == 204
    big = {"event_type": "e", "client_payload": {"x": "x" * 65536}}
    assert (await api.post(url, big)).status == 422


@pytest.mark.parametrize(
    "body",
    [
        {"event_type": "x" * 101},
        {"event_type": "e", "client_payload": {str(n): n for n in range(11)}},
        {},
    ],
)
async def test_a_wrong_dispatch_is_refused(
    api: Api, github_contract_held: Contract | None, body: dict[str, Any]
) -> None:
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    assert (await api.post(f"{REPO}/dispatches", body)).status == 422


async def test_workflows_are_dispatched_and_gates_answered(api: Api) -> None:
    url = f"{REPO}/actions/workflows/build.yml/dispatches"
    assert (await api.post(url, {"ref": "main"})).status == 204
    told = await api.post(url, {"ref": "main", "return_run_details": True})
    assert told.body["workflow_run_id"] > 2**32
    assert (await api.post(url, {"ref": "nope"})).status == 422
    gate = f"{REPO}/actions/runs/7/deployment_protection_rule"
    body = {"environment_name": "prod", "state": "approved", "comment": "ok"}
    assert (await api.post(gate, body)).status == 204


# -- people -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "permission", "role"),
    [
        ("ann", "admin", "admin"),
        ("mia", "write", "maintain"),
        ("dev", "write", "write"),
        ("tom", "read", "triage"),
        ("eve", "read", "read"),
        ("stranger", "read", "read"),
    ],
)
async def test_a_permission_is_told_with_its_role(
    github: GitHub, api: Api, login: str, permission: str, role: str
) -> None:
    github.create_user("stranger")
    github.set_role("acme/shop", "mia", "maintain")
    github.set_role("acme/shop", "tom", "triage")
    told = (await api.get(f"{REPO}/collaborators/{login}/permission")).body
    assert (told["permission"], told["role_name"]) == (permission, role)


async def test_a_stranger_has_no_permission_on_a_private_repository(
    github: GitHub, api: Api
) -> None:
    github.create_user("stranger")
    github.repository("acme/shop").private = True
    told = await api.get(f"{REPO}/collaborators/stranger/permission")
    assert told.body["permission"] == "none"
    assert (await api.get(f"{REPO}/collaborators/nobody/permission")).status == 404


async def test_teams_and_members_are_found_in_any_case(github: GitHub, api: Api) -> None:
    github.create_team("acme", "platform", ("Mia",))
    found = await api.get("/orgs/Acme/teams/platform/memberships/mia")
    assert (found.body["state"], found.body["role"]) == ("active", "member")
    assert (await api.get("/orgs/acme/teams/platform/memberships/dev")).status == 404
    assert (await api.get("/orgs/acme/teams/nope/memberships/mia")).status == 404
    assert (await api.get("/orgs/acme/members/mia")).status == 204
    assert (await api.get("/orgs/acme/members/dev")).status == 404


async def test_a_person_may_do_what_their_role_allows(github: GitHub, api: Api) -> None:
    dev, eve = github.create_user_token("dev"), github.create_user_token("eve")
    assert (await api.get("/user", token=dev)).body["login"] == "dev"
    assert (await api.get(REPO, token=eve)).body["permissions"]["push"] is False
    sha = github.repository("acme/shop").git.refs["refs/heads/main"]
    wish = {"ref": "refs/heads/x", "sha": sha}
    assert (await api.post(f"{REPO}/git/refs", wish, token=eve)).status == 403
    assert (await api.post(f"{REPO}/git/refs", wish, token=dev)).status == 201
    run = {"name": "build", "head_sha": sha}
    refused = await api.post(f"{REPO}/check-runs", run, token=dev)
    assert refused.body["message"] == "You must authenticate via a GitHub App."


async def test_the_rules_of_a_branch_are_what_was_set(github: GitHub, api: Api) -> None:
    rule: dict[str, Any] = {
        "type": "required_status_checks",
        "parameters": {
            "required_status_checks": [{"context": "build"}],
            "strict_required_status_checks_policy": False,
        },
        "ruleset_source_type": "Repository",
        "ruleset_source": "acme/shop",
        "ruleset_id": 7,
    }
    github.repository("acme/shop").rules["release/1"] = [rule]
    assert (await api.get(f"{REPO}/rules/branches/release/1")).body == [rule]
    assert (await api.get(f"{REPO}/rules/branches/main")).body == []


# -- addresses --------------------------------------------------------------------------------


async def test_an_enterprise_client_finds_the_same_api_below_api_v3(
    github: GitHub, api: Api, sha: str
) -> None:
    plain = await api.get(REPO)
    assert (await api.get(f"/api/v3{REPO}")).body == plain.body
    made = await api.post(f"/api/v3{REPO}/check-runs", {"name": "b", "head_sha": sha})
    assert made.status == 201
    assert made.body["url"].startswith(f"{github.base_url}/repos/acme/shop/check-runs/")


async def test_what_is_not_served_is_404_in_githubs_shape(api: Api) -> None:
    for path in ("/repos/acme/shop/wiki", "/api/v3/nothing", "/x"):
        missing = await api.get(path)
        assert (missing.status, missing.body["message"]) == (404, "Not Found")


async def test_a_body_that_is_not_json_is_400(
    api: Api, github: GitHub, github_contract_held: Contract | None
) -> None:
    if github_contract_held is not None:
        github_contract_held.expect_bad_requests()
    for text in ("{", "7"):
        async with api.session.post(
            f"{github.base_url}{REPO}/dispatches",
            data=text,
            headers={"Authorization": f"Bearer {api.token}"},
        ) as response:
            assert response.status == 400


async def test_addresses_in_answers_lead_back_here(github: GitHub, api: Api) -> None:
    shown = (await api.get(REPO)).body
    assert shown["url"] == f"{github.base_url}{REPO}"
    github.world.web_url = "https://git.example.com/"
    shown = (await api.get(REPO)).body
    assert shown["html_url"] == "https://git.example.com/acme/shop"
    assert shown["clone_url"] == "https://git.example.com/acme/shop.git"


async def test_the_old_word_token_is_understood(github: GitHub, api: Api) -> None:
    headers = {"Authorization": f"token {api.token}"}
    async with api.session.get(f"{github.base_url}{REPO}", headers=headers) as response:
        assert response.status == 200
