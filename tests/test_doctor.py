"""What the doctor finds, with the real clients against the stand-ins."""

import base64
import re
import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from ghapp.demo.github import App
from ghapp.demo.github.apps import new_private_key
from ghapp.doctor import examine
from ghapp.doctor import github as ward
from ghapp.doctor.finding import Finding
from ghapp.documents import crds
from tests.world import World, private_key, world


async def findings(w: World) -> list[Finding]:
    return [finding async for finding in examine(w.settings())]


def ill(found: list[Finding]) -> str:
    return "\n".join(f"{finding.what}: {finding.mend}" for finding in found if not finding.well)


async def test_where_all_is_well_nothing_has_to_be_mended(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w, w.running():
        w.github.install(w.app, "acme")
        await w.github.settled()
        found = await findings(w)
    said = "\n".join(finding.what for finding in found)
    assert ill(found) == ""
    assert "PipelineRuns are served" in said
    assert "may do all it needs everywhere" in said
    assert "installed on acme" in said
    assert "webhooks reach" in said
    assert f"the App checkrail (id {w.app.id}) of octo-org is known" in said
    assert "the App asks for the permissions it needs" in said
    assert "our clock agrees with GitHub's" in said


async def test_a_missing_right_is_named_with_what_grants_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("create", "jobs")
        found = ill(await findings(w))
    assert "may not create jobs everywhere" in found
    assert "checkrail rbac" in found


async def test_rights_to_logs_are_missed_only_where_logs_are_shown(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("get", "pods/log")
        assert "may not get pods/log everywhere" in ill(await findings(w))
        without = [finding async for finding in examine(w.settings(logs=False))]
    assert "pods/log" not in ill(without)


async def test_what_is_not_installed_is_no_illness(tmp_path: Path) -> None:
    async with world(tmp_path, crds=False) as w:
        found = [finding.what for finding in await findings(w) if finding.about == "cluster"]
    assert "PipelineRuns are not installed; watched once they are" in found


async def test_without_our_kinds_only_files_count_and_nobody_needs_rights_to_them(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.kube.deny("list", "providers")
        found = await findings(w)
    said = "\n".join(finding.what for finding in found if finding.about == "cluster")
    assert "our own kinds are not installed; only documents in files count" in said
    assert "checkrail crds" in said
    assert "providers" not in ill(found)


async def test_missing_rights_to_our_kinds_are_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for crd in crds.manifests():
            w.kube.create(crd)
        w.kube.deny("list", "providers")
        w.kube.deny("patch", "trustpolicies/status")
        w.kube.deny("create", "events", namespace="default")
        found = await findings(w)
        in_one = [one async for one in examine(w.settings(namespaces=("ci",)))]
    said = "\n".join(finding.what for finding in found)
    assert "documents are read from files and from the cluster" in said
    assert "may not list providers, patch trustpolicies/status everywhere" in said
    assert "may not list providers in ci" in ill(in_one)
    assert "may not create events in default" in ill(in_one)
    assert "may not patch trustpolicies/status everywhere" in ill(in_one)


async def test_some_of_our_kinds_are_not_all(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.kube.create(crds.manifests()[0])
        said = "\n".join(finding.what for finding in await findings(w))
    assert "our own kinds are not installed: ClusterProvider, " in said


async def test_webhooks_that_do_not_arrive_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:  # nobody serves the webhook URL
        await w.github.settled()
        found = ill(await findings(w))
    assert "did not reach" in found


async def test_an_app_that_is_installed_nowhere_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w:
        found = ill(await findings(w))
    assert "installed nowhere" in found
    assert "/apps/checkrail/installations/new" in found


# --- the App ------------------------------------------------------------------------------------


async def test_a_permission_that_the_app_lacks_is_named_with_the_page_that_adds_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.github.create_org("octo-org")
        del w.app.permissions["contents"]
        w.app.permissions["checks"] = "read"
        found = ill(await findings(w))
    assert "the App lacks checks: write, contents: write" in found
    assert "/settings/apps/checkrail/permissions" in found


async def test_what_an_installation_has_not_accepted_is_named_with_the_link_that_accepts_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, installed=False) as w:
        wanted = dict(w.app.permissions)
        w.app.permissions = wanted | {"contents": "read", "pull_requests": "read"}
        there = w.github.install(w.app, "acme")
        w.app.permissions = wanted
        found = ill(await findings(w))
        link = f"/organizations/acme/settings/installations/{there.id}/permissions/update"
        assert "acme has not accepted contents: write, pull_requests: write" in found
        assert link in found
        w.github.accept_permissions(there, "ann")
        assert "has not accepted" not in ill(await findings(w))


async def test_what_the_app_itself_lacks_is_told_once_and_not_of_each_installation(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, installed=False) as w:
        del w.app.permissions["contents"]
        w.github.install(w.app, "acme")
        found = ill(await findings(w))
    assert "the App lacks contents: write" in found
    assert "has not accepted" not in found


async def test_an_event_that_the_app_does_not_hear_is_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.app.events = ()
        found = ill(await findings(w))
    assert "does not hear of issue_comment, pull_request, repository: subscribe to them at" in found


async def test_a_suspended_installation_is_named_with_its_page(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        (there,) = w.github.world.installations.values()
        w.github.suspend(there, "ann")
        found = ill(await findings(w))
    assert "suspended by acme: unsuspend it at" in found
    assert f"/settings/installations/{there.id}" in found


async def test_many_illnesses_of_one_kind_are_not_all_told(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w:
        for number in range(13):
            w.github.create_org(f"org-{number:02}")
            w.github.suspend(w.github.install(w.app, f"org-{number:02}"), "ann")
        found = await findings(w)
    assert ill(found).count("suspended by") == 10
    assert "3 more such findings" in ill(found)
    assert any("org-09 and 3 more" in finding.what for finding in found)


async def test_an_app_that_github_does_not_know_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        settings = w.settings()
        w.app.private_key = new_private_key()
        found = ill([finding async for finding in examine(settings)])
    assert found.count("check CHECKRAIL_GITHUB_APP_ID and the private key") == 1


async def test_without_an_app_the_way_to_one_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        found = [finding async for finding in examine(w.settings(github=None))]
    assert "checkrail setup" in ill(found)


async def test_an_answer_that_is_not_githubs_is_told(tmp_path: Path) -> None:
    @web.middleware
    async def strange(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        return web.json_response([1]) if request.path.endswith("/app") else answer

    async with world(tmp_path, middlewares=[strange]) as w:
        assert "something unexpected" in ill(await findings(w))


# --- what Providers need ------------------------------------------------------------------------

PROVIDERS = """
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: rollouts}
spec: {type: githubDeployments}
---
apiVersion: checkrail.dev/v1alpha1
kind: Provider
metadata: {name: more, namespace: ci}
spec: {type: githubDeployments}
---
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: comment}
spec: {type: githubPullRequestComment}
---
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: by-token}
spec: {type: githubStatus, secretRef: {name: token}}
---
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: later}
spec: {type: githubStatus, suspend: true}
"""
IN_THE_CLUSTER = {
    "apiVersion": "checkrail.dev/v1alpha1",
    "kind": "ClusterProvider",
    "metadata": {"name": "statuses"},
    "spec": {"type": "githubStatus"},
}


async def with_providers(w: World, text: str) -> list[Finding]:
    file = w.folder / "providers.yaml"
    file.write_text(text)
    return [finding async for finding in examine(w.settings(config=file))]


async def test_what_a_declared_provider_needs_is_named_with_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.github.create_org("octo-org")
        found = ill(await with_providers(w, PROVIDERS))
        w.app.permissions["deployments"] = "write"
        (there,) = w.github.world.installations.values()
        offered = ill(await with_providers(w, PROVIDERS))
        w.github.accept_permissions(there, "ann")
        assert "deployments" not in ill(await with_providers(w, PROVIDERS))
    needed = "deployments: write (for ClusterProvider rollouts and Provider ci/more)"
    assert f"the App lacks {needed}: add them at" in found
    assert "/settings/apps/checkrail/permissions" in found
    assert f"acme has not accepted {needed}" in offered


async def test_providers_in_the_cluster_count_and_a_file_of_their_name_before_them(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        for crd in crds.manifests():
            w.kube.create(crd)
        w.kube.create(IN_THE_CLUSTER)
        lacking = "the App lacks statuses: write (for ClusterProvider statuses)"
        assert lacking in ill(await findings(w))
        same = PROVIDERS.replace("name: later", "name: statuses")
        assert "statuses: write" not in ill(await with_providers(w, same))
        w.kube.deny("list", "clusterproviders")
        found = ill(await findings(w))
    assert "ClusterProviders in the cluster cannot be read, so what they need is not" in found
    assert lacking not in found


OWN = """
apiVersion: checkrail.dev/v1alpha1
kind: ClusterProvider
metadata: {name: ghe}
spec:
  type: github
  secretRef: {name: ghe-app}
  github: {app: {id: "APP", apiUrl: "URL"}}
---
apiVersion: checkrail.dev/v1alpha1
kind: Provider
metadata: {name: rollouts, namespace: ci}
spec:
  type: githubDeployments
  secretRef: {name: ghe-app}
  githubDeployments: {app: {id: "APP", apiUrl: "URL"}}
"""


def owned(w: World, app: App) -> str:
    return OWN.replace("APP", str(app.id)).replace("URL", w.github.base_url)


def keep(w: World, namespace: str, key: str) -> None:
    coded = {"private-key": base64.b64encode(key.encode()).decode()}
    metadata = {"name": "ghe-app", "namespace": namespace}
    w.kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": coded})


async def test_the_app_of_a_provider_is_examined_with_the_key_in_its_secret(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        granted = {**w.app.permissions, "contents": "read", "checks": "read"}
        app = w.github.create_app("edge", granted, (), private_key=private_key())
        w.github.install(app, "acme")
        keep(w, "ci", app.private_key)
        found = [one for one in await with_providers(w, owned(w, app)) if "ghe" in one.about]
    assert {one.about for one in found} == {"GitHub, ClusterProvider ghe"}
    assert any("the App edge" in one.what and one.well for one in found)
    assert (
        "the App lacks checks: write (for ClusterProvider ghe), "
        "deployments: write (for Provider ci/rollouts): add them at"
    ) in ill(found)
    assert "contents" not in ill(found)
    assert "does not hear of issue_comment, pull_request, repository" in ill(found)


async def test_an_app_whose_key_cannot_be_had_is_said_to_be_not_examined(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        app = w.github.create_app("edge", w.app.permissions, (), private_key=private_key())
        text = owned(w, app)
        not_there = ill(await with_providers(w, text))
        w.kube.deny("get", "secrets", namespace="ci")
        denied = ill(await with_providers(w, text))
        w.kube.allow("get", "secrets", namespace="ci")
        keep(w, "checkrail", "no key")
        no_key = ill(await with_providers(w, text))
    unknown = f"its App {app.id} was not examined: "
    assert f"{unknown}there is no Secret ci/ghe-app" in not_there
    assert f"{unknown}Secret ci/ghe-app cannot be read" in denied
    assert unknown in no_key
    assert "no key" not in no_key


@pytest.mark.parametrize(
    ("api_url", "permissions", "events", "said"),
    [
        ("https://api.github.com", {}, [], "lacks merge_queues: read and the event merge_group"),
        ("https://api.github.com", {"merge_queues": "read"}, [], "lacks the event merge_group"),
        ("https://api.octo.ghe.com", {"merge_queues": "read"}, ["merge_group"], ""),
        ("https://git.example/api/v3", {}, [], ""),
    ],
)
def test_what_a_merge_queue_needs_is_a_hint_where_there_are_any(
    api_url: str, permissions: dict[str, str], events: list[str], said: str
) -> None:
    about = ward.App(id=1, name="x", slug="x", permissions=permissions, events=events)
    found = list(ward.queue(about, api_url))
    assert [said in one.what and one.well for one in found] == ([True] if said else [])


# --- webhooks -----------------------------------------------------------------------------------


async def test_a_wrong_webhook_secret_is_told_by_what_we_answered(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w, w.running():
        w.app.webhook_secret = "another one"
        w.github.install(w.app, "acme")
        await w.github.settled()
        found = ill(await findings(w))
    assert "1 of the last 1 webhooks did not reach" in found
    assert "1 x 401" in found
    assert "CHECKRAIL_GITHUB_WEBHOOK_SECRET_FILE" in found


async def test_failures_that_are_over_are_no_illness(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w, w.running():
        w.github.hooks.drop(1)
        w.github.install(w.app, "acme")
        (there,) = w.github.world.installations.values()
        for _ in range(5):
            assert "1 of the last" in ill(await findings(w))
            w.github.accept_permissions(there, "ann")
            await w.github.settled()
        found = await findings(w)
    assert ill(found) == ""
    assert any("1 of the last 6 webhooks" in finding.what for finding in found)


async def test_that_no_webhook_was_ever_sent_is_said(tmp_path: Path) -> None:
    async with world(tmp_path, installed=False) as w:
        w.app.webhook_url, url = None, w.app.webhook_url
        w.github.install(w.app, "acme")
        assert "no webhook URL is set" in ill(await findings(w))
        w.app.webhook_url = url
        found = await findings(w)
    assert ill(found) == ""
    assert any("GitHub sent no webhook to" in finding.what for finding in found)


async def test_webhooks_that_nobody_signs_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.app.webhook_secret = None
        found = ill(await findings(w))
    assert "GitHub signs no webhook" in found


# --- the clock ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "said"), [(120, "behind"), (-120, "ahead of")])
async def test_a_wrong_clock_is_told(tmp_path: Path, offset: float, said: str) -> None:
    options = {"clock": lambda: time.time() + offset}
    async with world(tmp_path, github_options=options) as w:
        found = ill(await findings(w))
    (told,) = (line for line in found.splitlines() if line.startswith("our clock"))
    assert re.match(rf"our clock is 1[12]\d s {said} GitHub's: set it, by NTP", told)


async def test_a_cluster_that_does_not_answer_does_not_hide_github(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        settings = w.settings()
        (tmp_path / "kubeconfig").write_text(
            (tmp_path / "kubeconfig").read_text().replace(w.kube_url, "http://127.0.0.1:9")
        )
        found = [finding async for finding in examine(settings)]
    assert any(not finding.well and finding.about == "cluster" for finding in found)
    assert any("installed on acme" in finding.what for finding in found)
