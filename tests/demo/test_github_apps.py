"""Apps at the stand-in: the JWT, installations, tokens with scope and end, and what they open."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import jwt
import pytest
from yarl import URL

from ghapp.demo.github import App, GitHub, Installation
from ghapp.demo.github.apps import new_private_key
from tests.github_contract import Contract
from tests.github_fixtures import ALL_PERMISSIONS, Api, Clock, Inbox, app_jwt

RUN = {"name": "build", "head_sha": "f" * 40}


@pytest.fixture
def github_clock() -> Clock:
    return Clock()


async def test_an_app_learns_who_it_is_and_where_it_is_installed(
    api: Api, github_app: App, github_installation: Installation
) -> None:
    about = await api.get("/app", token=api.jwt())
    assert (about.body["slug"], about.body["installations_count"]) == ("checkrail", 1)
    listed = await api.get("/app/installations", token=api.jwt())
    assert [each["id"] for each in listed.body] == [github_installation.id]
    for path in (
        f"/app/installations/{github_installation.id}",
        "/repos/acme/shop/installation",
        "/orgs/acme/installation",
    ):
        found = await api.get(path, token=api.jwt())
        assert found.body["id"] == github_installation.id
    assert (await api.get("/app/installations/1", token=api.jwt())).status == 404
    assert (await api.get("/repos/acme/nope/installation", token=api.jwt())).status == 404


@pytest.mark.parametrize("issuer", ["id", "client_id"])
async def test_the_issuer_is_the_app_id_or_the_client_id(
    api: Api, github_app: App, issuer: str
) -> None:
    token = api.jwt(iss=str(getattr(github_app, issuer)))
    assert (await api.get("/app", token=token)).status == 200


@pytest.mark.parametrize(
    ("claims", "status", "words"),
    [
        ({"exp": 1_800_000_601}, 401, "too far in the future"),
        ({"exp": 1_799_999_999}, 401, "'Expiration time' claim ('exp') must be"),
        ({"exp": "soon"}, 401, "'Expiration time' claim ('exp') must be"),
        ({"iat": 1_800_000_001}, 401, "'Issued at' claim ('iat') must be"),
        ({"iss": "999"}, 404, "Integration not found"),
        ({"iss": None}, 401, "Missing 'issuer' claim"),
    ],
)
async def test_a_wrong_claim_is_refused_by_its_name(
    api: Api, github_app: App, claims: dict[str, Any], status: int, words: str
) -> None:
    standard = {"iat": 1_799_999_940, "exp": 1_800_000_600, "iss": str(github_app.id)}
    wanted = {key: value for key, value in {**standard, **claims}.items() if value is not None}
    token = jwt.api_jws.encode(
        json.dumps(wanted).encode(), github_app.private_key, algorithm="RS256"
    )
    refused = await api.get("/app", token=token)
    assert refused.status == status
    assert words in refused.body["message"]


async def test_a_jwt_of_another_key_or_algorithm_or_none_is_refused(
    api: Api, github_app: App
) -> None:
    foreign = app_jwt_of(github_app, new_private_key(), "RS256")
    symmetric = app_jwt_of(github_app, "x" * 32, "HS256")
    for token in (foreign, symmetric, "not.a.jwt", "nonsense", api.token):
        refused = await api.get("/app", token=token)
        assert refused.status == 401
        assert refused.body["message"] == "A JSON web token could not be decoded"


def app_jwt_of(app: App, key: str, algorithm: str) -> str:
    claims = {"iat": 1_799_999_940, "exp": 1_800_000_300, "iss": str(app.id)}
    return jwt.encode(claims, key, algorithm=algorithm)


# -- tokens -----------------------------------------------------------------------------------


async def test_tokens_come_in_both_formats(api: Api, github_installation: Installation) -> None:
    path = f"/app/installations/{github_installation.id}/access_tokens"
    made = {}
    for form in ("enabled", "disabled"):
        headers = {"X-GitHub-Stateless-S2S-Token": form}
        answer = await api.post(path, {}, token=api.jwt(), headers=headers)
        made[form] = answer.body["token"]
        assert (await api.get("/repos/acme/shop", token=made[form])).status == 200
    assert len(made["disabled"]) == 40
    assert made["enabled"].startswith(f"ghs_{github_installation.app.id}_")
    assert made["enabled"].count(".") == 2
    assert 450 < len(made["enabled"]) < 600


async def test_a_token_ends_after_an_hour(api: Api, github_clock: Clock) -> None:
    github_clock.advance(3599)
    assert (await api.get("/repos/acme/shop")).status == 200
    github_clock.advance(1)
    refused = await api.get("/repos/acme/shop")
    assert (refused.status, refused.body["message"]) == (401, "Bad credentials")


async def test_a_token_can_be_revoked(api: Api) -> None:
    assert (await api.delete("/installation/token")).status == 204
    assert (await api.get("/repos/acme/shop")).status == 401


async def test_a_token_is_no_wider_than_asked_and_says_what_is_missing(api: Api) -> None:
    narrow = await api.mint(permissions={"checks": "read"})
    assert (await api.get("/repos/acme/shop", token=narrow)).status == 200
    refused = await api.post("/repos/acme/shop/check-runs", RUN, token=narrow)
    assert refused.status == 403
    assert refused.body["message"] == "Resource not accessible by integration"
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "checks=write"


async def test_a_token_cannot_ask_for_more_than_was_granted(
    api: Api, github_installation: Installation
) -> None:
    github_installation.permissions["checks"] = "read"
    path = f"/app/installations/{github_installation.id}/access_tokens"
    refused = await api.post(path, {"permissions": {"checks": "write"}}, token=api.jwt())
    assert refused.status == 422


async def test_a_token_reaches_only_the_repositories_it_names(github: GitHub, api: Api) -> None:
    github.create_repository("acme/public")
    secret = github.create_repository("acme/secret", private=True)
    github.create_repository("acme/named", private=True)
    token = await api.mint(repositories=["named"])
    listed = await api.get("/installation/repositories", token=token)
    assert [each["full_name"] for each in listed.body["repositories"]] == ["acme/named"]
    assert (await api.get("/repos/acme/named", token=token)).status == 200
    assert (await api.get("/repos/acme/secret", token=token)).status == 404
    assert (await api.get("/repos/acme/public", token=token)).status == 200
    assert (await api.post("/repos/acme/public/check-runs", RUN, token=token)).status == 403
    by_id = await api.mint(repository_ids=[secret.id])
    assert (await api.get("/repos/acme/secret", token=by_id)).status == 200
    path = f"/app/installations/{api.installation.id}/access_tokens"
    unknown = await api.post(path, {"repositories": ["nope"]}, token=api.jwt())
    assert unknown.status == 422


async def test_the_number_of_a_repository_opens_no_more_than_its_name(
    github: GitHub, api: Api
) -> None:
    other = github.create_repository("acme/public")
    token = await api.mint(repositories=["shop"])
    numbered = f"/repositories/{other.id}"
    assert (await api.get(numbered, token=token)).status == 200
    assert (await api.post(f"{numbered}/check-runs", RUN, token=token)).status == 403
    other.private = True
    assert (await api.get(numbered, token=token)).status == 404


async def test_a_jwt_opens_nothing_but_the_apps_own_routes(api: Api) -> None:
    assert (await api.get("/repos/acme/shop", token=api.jwt())).status == 403


async def test_an_installation_on_chosen_repositories_sees_no_others(
    github: GitHub, api: Api, github_private_key: str
) -> None:
    github.create_repository("acme/secret", private=True)
    app = github.create_app("narrow", ALL_PERMISSIONS, private_key=github_private_key)
    api.installation = github.install(app, "acme", ["acme/shop"])
    await api.renew()
    assert (await api.get("/repos/acme/secret")).status == 404
    assert (await api.get("/repos/acme/shop")).status == 200


async def test_nothing_works_while_suspended_and_all_does_again_after(
    github: GitHub, api: Api, github_installation: Installation, github_inbox: Inbox
) -> None:
    github.suspend(github_installation, "ann")
    path = f"/app/installations/{github_installation.id}/access_tokens"
    for refused in (
        await api.post(path, {}, token=api.jwt()),
        await api.get("/repos/acme/shop"),
    ):
        assert refused.status == 403
        assert refused.body["message"] == "This installation has been suspended"
    github.push("acme/shop", "main", {"x": "x"}, "unheard", "dev")
    github.unsuspend(github_installation, "ann")
    assert (await api.get("/repos/acme/shop")).status == 200
    await github.settled()
    assert github_inbox.actions("installation") == ["created", "suspend", "unsuspend"]
    assert github_inbox.actions("push") == []


@pytest.mark.parametrize("by_api", [True, False])
async def test_after_uninstalling_everything_is_gone(
    github: GitHub,
    api: Api,
    github_installation: Installation,
    github_inbox: Inbox,
    by_api: bool,
) -> None:
    path = f"/app/installations/{github_installation.id}"
    if by_api:
        assert (await api.delete(path, token=api.jwt())).status == 204
    else:
        github.uninstall(github_installation, "ann")
    assert (await api.post(f"{path}/access_tokens", {}, token=api.jwt())).status == 404
    assert (await api.get("/repos/acme/shop")).status == 401
    await github.settled()
    assert github_inbox.actions("installation")[-1] == "deleted"


async def test_the_app_hears_of_repositories_and_permissions_that_change(
    github: GitHub, api: Api, github_installation: Installation, github_inbox: Inbox
) -> None:
    github.create_repository("acme/more")
    github.change_repositories(github_installation, remove=["acme/more"])
    github.change_repositories(github_installation, add=["acme/more"])
    github.accept_permissions(github_installation, "ann")
    await github.settled()
    assert github_inbox.actions("installation_repositories") == ["removed", "added"]
    assert github_inbox.actions("installation")[-1] == "new_permissions_accepted"


async def test_the_answer_carries_the_date_of_githubs_own_clock(api: Api) -> None:
    """So that a client whose clock is wrong can mend its JWT."""
    refused = await api.get("/app", token=api.jwt(exp=1_800_009_999))
    assert refused.headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


async def test_without_credentials_private_things_stay_shut(github: GitHub, api: Api) -> None:
    async with api.session.get(f"{github.base_url}/repos/acme/shop") as response:
        assert response.status == 401
    async with api.session.get(f"{github.base_url}/meta") as response:
        assert response.status == 200


async def test_a_manifest_code_is_worth_one_app(github: GitHub, api: Api, github_app: App) -> None:
    code = github.manifest_code(github_app)
    made = await api.post(f"/app-manifests/{code}/conversions")
    assert made.status == 201
    assert made.body["pem"] == github_app.private_key
    assert made.body["webhook_secret"] == github_app.webhook_secret
    assert (await api.post(f"/app-manifests/{code}/conversions")).status == 404


async def test_a_manifest_code_ends_after_an_hour(
    github: GitHub, api: Api, github_app: App, github_clock: Clock
) -> None:
    code = github.manifest_code(github_app)
    github_clock.advance(3601)
    await api.renew()
    assert (await api.post(f"/app-manifests/{code}/conversions")).status == 404


MANIFEST = {
    "name": "From a manifest",
    "url": "https://example.com",
    "hook_attributes": {"url": "https://example.com/hook"},
    "redirect_url": "http://127.0.0.1:1/callback",
    "default_permissions": {"checks": "write"},
    "default_events": ["repository"],
}


async def posted(github: GitHub, path: str, **fields: str) -> tuple[int, str, str]:
    """Status, text, and where the browser is sent."""
    async with aiohttp.ClientSession() as session:
        url = f"{github.base_url}{path}"
        async with session.post(url, data=fields, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("Location", "")


async def test_a_manifest_becomes_an_app_after_a_click(github: GitHub, api: Api) -> None:
    asked = json.dumps(MANIFEST)
    status, text, _ = await posted(github, "/settings/apps/new?state=s%26t", manifest=asked)
    assert (status, "Create GitHub App for octocat" in text, "s&amp;t" in text) == (200, True, True)
    made = {"manifest": asked, "name": "Other name", "state": "s&t"}
    status, _, target = await posted(github, "/settings/apps/manifest", **made)
    query = dict(URL(target).query)
    assert (status, query["state"]) == (302, "s&t")
    answer = await api.post(f"/app-manifests/{query['code']}/conversions")
    assert (answer.body["name"], answer.body["slug"]) == ("Other name", "other-name")
    assert answer.body["permissions"] == {"checks": "write", "metadata": "read"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": ""}, "url is missing"),
        ({"name": "x" * 35}, "too long"),
        ({"name": "CheckRail"}, "taken"),
        ({"hook_attributes": {"active": True}}, "blank"),
        ({"hook_attributes": {"url": "http://localhost/"}}, "public Internet"),
        ({"default_events": ["installation"]}, "unsupported"),
        ({"default_permissions": {"checks": "all"}}, "not included"),
        ({"more": 1}, "unknown"),
    ],
)
async def test_a_manifest_that_github_refuses_makes_no_app(
    github: GitHub, github_app: App, change: dict[str, Any], said: str
) -> None:
    manifest = json.dumps({**MANIFEST, **change})
    status, text, _ = await posted(github, "/settings/apps/new", manifest=manifest)
    assert (status, said in text) == (422, True), text
    assert list(github.world.apps) == [github_app.id]


async def test_what_is_no_manifest_and_who_is_no_organisation_is_refused(
    github: GitHub, api: Api
) -> None:
    for nonsense in ("", "[]", "{"):
        assert (await posted(github, "/settings/apps/new", manifest=nonsense))[0] == 422
    for owner, status in (("nobody", 404), ("dev", 404), ("acme", 200)):
        address = f"/organizations/{owner}/settings/apps/new"
        assert (await posted(github, address, manifest=json.dumps(MANIFEST)))[0] == status


async def test_an_app_may_have_two_keys_while_one_is_exchanged(api: Api, github_app: App) -> None:
    old, before = github_app.private_key, api.jwt()
    github_app.private_key = new_private_key()
    assert (await api.get("/app", token=before)).status == 401
    github_app.further_keys.append(old)
    for token in (before, api.jwt()):
        assert (await api.get("/app", token=token)).status == 200


async def test_the_webhook_settings_can_be_read_and_changed_but_not_the_secret_read(
    api: Api, github_app: App
) -> None:
    shown = await api.get("/app/hook/config", token=api.jwt())
    assert shown.body["secret"] == "********"
    wish = {"url": "https://example.com/hook", "secret": "other"}
    changed = await api.patch("/app/hook/config", wish, token=api.jwt())
    assert changed.body["url"] == wish["url"]
    assert (github_app.webhook_url, github_app.webhook_secret) == (wish["url"], "other")


async def test_an_unknown_api_version_and_a_missing_user_agent_are_refused(
    api: Api, github_contract_held: Contract | None
) -> None:
    old = await api.get("/repos/acme/shop", headers={"X-GitHub-Api-Version": "2020-01-01"})
    assert old.status == 400
    nameless = await api.get("/repos/acme/shop", headers={"User-Agent": ""})
    assert nameless.status == 403


def test_the_jwt_of_the_fixtures_is_what_github_documents(github_app: App) -> None:
    claims = jwt.decode(
        app_jwt(github_app, 1000.0), options={"verify_signature": False, "verify_exp": False}
    )
    assert claims == {"iat": 940, "exp": 1540, "iss": github_app.client_id}
