"""Posted events, with real HTTP: Flux' and Tekton's, of clusters that are not watched.

What an event is turned into is tested in `tests/core/test_posted.py`.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from ghapp import discovery, settings
from ghapp.app import Checkrail
from ghapp.core.decide import Rules, decide
from ghapp.core.effects import EmitEvent
from ghapp.core.posted import BODY_LIMIT
from ghapp.core.source import Adapter, Context
from ghapp.ports import Delivery
from ghapp.secret import Secret
from tests.core.builders import EVERYBODY
from tests.engine.test_inbox import worked_off
from tests.world import World, ago, until, world

SECRET = "leaf clusters' secret"
SECRETS = (Secret(SECRET), Secret("a previous one"))
UID = "7d0cdc51-ddcf-4743-b223-83ca5c699632"


def event(w: World, reason: str, message: str = "so it is", **more: Any) -> dict[str, Any]:
    """What helm-controller has notification-controller send."""
    metadata = {"revision": "6.6.1", "commit": w.commit, "repository": "acme/shop"}
    return {
        "involvedObject": {
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "name": "podinfo",
            "namespace": "apps",
            "uid": UID,
        },
        "severity": "error" if reason.endswith("Failed") else "info",
        "timestamp": ago(60),
        "reason": reason,
        "message": message,
        "reportingController": "helm-controller",
        "metadata": {**metadata, **more.pop("metadata", {})},
        **more,
    }


def applied(w: World, reason: str, revision: str, **more: Any) -> dict[str, Any]:
    """What kustomize-controller has sent."""
    made = event(w, reason, metadata={"revision": revision, "commit": "", **more.pop("said", {})})
    involved = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    made["involvedObject"] |= involved
    return made | more


async def post(
    w: World,
    body: bytes | Mapping[str, Any],
    *,
    path: str = "/flux/events?cluster=leaf",
    secret: str = SECRET,
    algorithm: str = "sha256",
    headers: Mapping[str, str] | None = None,
) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    digest = hmac.new(secret.encode(), raw, getattr(hashlib, algorithm)).hexdigest()
    given = {"X-Signature": f"{algorithm}={digest}"} if headers is None else headers
    url = f"{w.url}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=BytesIO(raw), headers=given) as answer,
    ):
        assert "message" in await answer.json()
        return answer.status


def counted(product: Checkrail, result: str, source: str = "flux") -> float:
    labels = {"source": source, "result": result}
    found = product.metrics.registry.get_sample_value("checkrail_posted_total", labels)
    return found or 0.0


NAME = "leaf / flux / apps/podinfo"
WITH = "for release apps/podinfo.v2 with chart podinfo@6.6.1"


async def test_an_event_of_a_leaf_cluster_becomes_a_check_and_an_event(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS) as product:
        body = event(w, "UpgradeSucceeded", f"Helm upgrade succeeded {WITH}")
        assert await post(w, body) == 202
        check = await until(lambda: w.check(NAME))
        await until(lambda: len(w.consumer.events) == 1)
        assert (check.conclusion, check.suite.head_sha) == ("success", w.commit)
        assert not check.actions, "nothing can be asked of a cluster that we are not connected to"
        (told,) = w.consumer.events
        assert told["context"]["source"] == "/clusters/leaf"
        assert told["subject"]["content"]["artifactId"] == "pkg:helm/podinfo@6.6.1"
        assert w.consumer.types == ["service.upgraded"]
        assert counted(product, "told") == 1


async def test_one_event_counts_once_however_often_it_comes(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS) as product:
        body = event(w, "UpgradeSucceeded", f"Helm upgrade succeeded {WITH}")
        for _ in range(3):
            assert await post(w, body) == 202
        await until(lambda: w.check(NAME) and len(w.consumer.events) == 1)
        assert (counted(product, "accepted"), counted(product, "repeat")) == (1, 2)


async def test_a_failed_upgrade_that_is_rolled_back_stays_failed_until_one_succeeds(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS):
        failed = event(w, "UpgradeFailed", f"Helm upgrade failed: {WITH}", timestamp=ago(90))
        back = event(
            w,
            "RollbackSucceeded",
            "Helm rollback to previous release apps/podinfo.v3 with chart podinfo@6.6.0 succeeded",
            timestamp=ago(80),
            metadata={"revision": "6.6.0"},
        )
        await post(w, failed)
        check = await until(lambda: w.check(NAME))
        assert check.conclusion == "failure"
        await post(w, back)
        await until(lambda: len(w.consumer.events) == 2)
        assert w.consumer.types == ["incident.detected", "service.rolledback"]
        assert [one.conclusion for one in w.checks()] == ["failure"]
        mended = event(w, "UpgradeSucceeded", metadata={"revision": "6.6.2"}, timestamp=ago(70))
        await post(w, mended)
        await until(lambda: len(w.checks()) == 2 and w.checks()[1].conclusion == "success")
        await until(lambda: len(w.consumer.events) == 4)
        assert set(w.consumer.types[2:]) == {"service.upgraded", "incident.resolved"}


async def test_a_kustomization_tells_its_commit_by_its_revision(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS):
        revision = f"main@sha1:{w.commit}"
        await post(w, applied(w, "Progressing", revision, timestamp=ago(90)))
        check = await until(lambda: w.check(NAME))
        assert check.status == "in_progress"
        await post(w, applied(w, "ReconciliationSucceeded", revision, timestamp=ago(80)))
        await until(lambda: check.conclusion == "success")
        late = applied(w, "HealthCheckFailed", revision, timestamp=ago(85))
        await post(w, late)
        again = applied(w, "ReconciliationSucceeded", revision, timestamp=ago(20))
        await post(w, again | {"message": "Reconciliation finished in 2s, next run in 10m0s"})
        await until(lambda: w.consumer.types == ["environment.modified"])
        assert check.conclusion == "success", "an event that comes late takes nothing back"
        assert len(w.checks()) == 1


async def test_an_event_without_a_repository_is_told_without_a_check(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS):
        await post(w, event(w, "InstallSucceeded", metadata={"repository": ""}))
        await until(lambda: w.consumer.types == ["service.deployed"])
        assert w.checks() == []


async def test_of_a_cluster_that_is_watched_an_event_is_only_a_hint(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS) as product:
        body = event(w, "UpgradeSucceeded")
        assert await post(w, body, path="/flux/events?cluster=default") == 202
        await until(lambda: counted(product, "watched") == 1)
        assert (w.checks(), w.consumer.events) == ([], [])


async def test_the_cluster_may_stand_in_the_events_metadata(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS):
        body = event(w, "InstallSucceeded", metadata={"cluster": "leaf"})
        assert await post(w, body, path="/flux/events") == 202
        await until(lambda: w.check(NAME))
        assert await post(w, event(w, "InstallSucceeded"), path="/flux/events") == 422
        wrong = "/flux/events?cluster=a%20b"
        assert await post(w, event(w, "InstallSucceeded"), path=wrong) == 422


@pytest.mark.parametrize("algorithm", ["sha224", "sha256", "sha384", "sha512"])
async def test_every_algorithm_of_flux_is_taken_and_every_secret(
    tmp_path: Path, algorithm: str
) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS):
        body = event(w, "InstallSucceeded")
        assert await post(w, body, algorithm=algorithm) == 202
        assert await post(w, body, algorithm=algorithm, secret="a previous one") == 202
        assert await post(w, body, algorithm=algorithm, secret="a guess") == 401


async def test_who_does_not_know_the_secret_is_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS) as product:
        body = event(w, "InstallSucceeded")
        bearer = {"Authorization": f"Bearer {SECRET}"}
        assert await post(w, body, headers={}) == 401
        assert await post(w, b"{", headers={}) == 401
        assert await post(w, body, headers={"Authorization": "Bearer guess"}) == 401
        assert await post(w, body, headers={"X-Signature": "sha256=", **bearer}) == 401
        assert await post(w, body, algorithm="sha1") == 401
        assert await post(w, body, headers=bearer) == 202
        assert await post(w, b"{", headers=bearer) == 400
        assert await post(w, b"[]", headers=bearer) == 400
        assert await post(w, b" " * (BODY_LIMIT + 1), headers=bearer) == 413
        assert counted(product, "forged") == 5
        assert counted(product, "too_large") == 1


async def test_without_a_secret_nothing_can_be_posted(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(), aiohttp.ClientSession() as session:
        for path in ("/flux/events", "/tekton/events"):
            async with session.post(f"{w.url}{path}?cluster=leaf", data=b"{}") as answer:
                assert answer.status == 404


async def test_events_are_told_where_no_app_is_set(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS, github=None):
        await post(w, event(w, "InstallSucceeded"))
        await until(lambda: w.consumer.types == ["service.deployed"])


async def test_what_was_accepted_is_told_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        body = event(w, "InstallSucceeded")
        async with w.running(flux_secrets=SECRETS):
            await post(w, body)
        async with w.running(flux_secrets=SECRETS):
            await post(w, body)
            check = await until(lambda: w.check(NAME))
            await until(lambda: check.conclusion == "success")
        assert len(w.checks()) == 1


def run(w: World, status: str, reason: str, **more: Any) -> dict[str, Any]:
    """A body of Tekton's CloudEvents."""
    notes = {"checkrail.dev/repository": "acme/shop", "checkrail.dev/commit": w.commit}
    condition = {"type": "Succeeded", "status": status, "reason": reason, "message": "so it is"}
    return {
        "pipelineRun": {
            "metadata": {
                "name": "build-1",
                "namespace": "ci",
                "uid": "e2d9a3a2-6e7e-4f0e-9f6c-0a5a3f6f8f10",
                "creationTimestamp": ago(100),
                "annotations": notes,
            },
            "spec": {"pipelineRef": {"name": "build"}},
            "status": {"conditions": [condition], "startTime": ago(90), **more},
        }
    }


async def test_tektons_events_are_taken_in_any_order(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS) as product:
        ended = run(w, "True", "Succeeded", completionTime=ago(30))
        headers = {
            "Authorization": f"Bearer {SECRET}",
            "Content-Type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": "1",
            "ce-type": "dev.tekton.event.pipelinerun.successful.v1",
            "ce-source": "/apis/namespaces/ci/build-1",
        }
        path = "/tekton/events?cluster=leaf"
        assert await post(w, ended, path=path, headers=headers) == 202
        check = await until(lambda: w.check("leaf / tekton / build"))
        await until(lambda: check.conclusion == "success")
        assert await post(w, run(w, "Unknown", "Running"), path=path, headers=headers) == 202
        await until(lambda: counted(product, "unchanged", "tekton") == 1)
        await until(lambda: len(w.consumer.events) == 3)
        assert (len(w.checks()), check.conclusion) == (1, "success")


@pytest.mark.parametrize(("source", "told"), [("", 1), ("provider/team/mine", 0)])
async def test_whoever_signs_for_an_app_cannot_post_as_a_cluster(
    tmp_path: Path, source: str, told: int
) -> None:
    """A tenant's own App has a door of its own, and a secret that the tenant knows."""
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS) as product:
        body = json.dumps(run(w, "True", "Succeeded", completionTime=ago(30))).encode()
        at = datetime.now(UTC)
        delivery = Delivery(guid="g", event="tekton/leaf", body=body, received=at, source=source)
        await product.store.accept(delivery)
        await worked_off(product)
        assert len(w.checks()) == told


# -- against the watched truth -------------------------------------------------------------------


def emitted(adapter: Adapter[Any], manifest: Mapping[str, Any]) -> list[str]:
    """The ids of the CDEvents that a first look at an object owes."""
    found = msgspec.json.decode(json.dumps(manifest), type=adapter.reads)
    look = adapter.observe(found, Context(cluster="leaf"))
    assert look
    rules = Rules(born=look.created, horizon=look.created - timedelta(days=1))
    effects = decide(None, look, audience=EVERYBODY, rules=rules).effects
    return [effect.id for effect in effects if isinstance(effect, EmitEvent)]


async def test_ids_are_those_that_watching_would_have_given(tmp_path: Path) -> None:
    adapters = {one.resource.kind: one for one in discovery.adapters()}
    async with world(tmp_path) as w, w.running(flux_secrets=SECRETS):
        revision = f"main@sha1:{w.commit}"
        posted = applied(w, "ReconciliationSucceeded", revision)
        await post(w, posted)
        ended = run(w, "False", "Failed", completionTime=ago(30))
        bearer = {"Authorization": f"Bearer {SECRET}"}
        await post(w, ended, path="/tekton/events?cluster=leaf", headers=bearer)
        await until(lambda: len(w.consumer.events) == 4)
        told = {event["context"]["id"] for event in w.consumer.events}
    said = {"reason": "ReconciliationSucceeded", "message": f"Applied revision: {revision}"}
    watched = {
        "metadata": {
            "name": "podinfo",
            "namespace": "apps",
            "uid": UID,
            "generation": 7,
            "creationTimestamp": ago(90_000),
        },
        "spec": {"sourceRef": {"kind": "GitRepository", "name": "fleet"}, "interval": "10m"},
        "status": {
            "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": ago(61), **said}
            ],
            "lastAppliedRevision": revision,
            "lastAttemptedRevision": revision,
        },
    }
    expected = {
        *emitted(adapters["Kustomization"], watched),
        *emitted(adapters["PipelineRun"], ended["pipelineRun"]),
    }
    assert told == expected


def test_the_secrets_are_read_from_a_file_one_a_line(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("current\n\nprevious\n")
    chosen = settings.read({"CHECKRAIL_FLUX_SECRET_FILE": str(tmp_path / "secrets")})
    assert chosen.flux_secrets == (Secret("current"), Secret("previous"))
    assert settings.read({}).flux_secrets == ()
