"""Documents at work in the whole product: declared in the cluster, changed while it runs.

How documents are read is in `tests/test_config.py`, how they are merged in
`tests/core/test_audience.py`, how a status is put in `tests/engine/test_statuses.py`.
"""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ghapp.app import Checkrail
from ghapp.documents import crds
from tests.world import Consumer, World, until, world

API = "checkrail.dev/v1alpha1"


def install(w: World) -> None:
    """Our CRDs."""
    for document in crds.manifests():
        w.kube.create(document)


def document(kind: str, name: str, spec: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, **place}, "spec": spec}


def events_to(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "cdevents", "cdevents": {"url": url}, **more}


def ready(w: World, kind: str, namespace: str, name: str) -> tuple[str, str, str]:
    """Status, reason and message of its condition Ready."""
    status = w.kube.get(kind, namespace, name).get("status") or {}
    for condition in status.get("conditions", ()):
        if condition["type"] == "Ready":
            return condition["status"], condition["reason"], condition["message"]
    return "", "", ""


def impatient(product: Checkrail) -> None:
    product.statuses.soon = 0.01
    product.statuses.providers.reread_every = 0.05
    product.configuration.reread_every = 0.05
    product.configuration.pace = replace(product.configuration.pace, missing_interval=0.05)


async def test_a_provider_and_a_notification_of_the_cluster_take_effect_at_once(
    tmp_path: Path,
) -> None:
    second = Consumer()
    app = web.Application()
    app.router.add_post("/events", second.take)
    async with TestServer(app) as server, world(tmp_path) as w, w.running(tune=impatient):
        url = str(server.make_url("/events"))
        w.run_through(w.pipelinerun("before"))
        await until(lambda: w.consumer.types.count("pipelinerun.finished") == 1)
        install(w)
        w.kube.create(document("Provider", "mine", events_to(url), "ci"))
        spec = {"providerRefs": [{"name": "mine"}], "filter": {"milestones": ["finished"]}}
        w.kube.create(document("Notification", "ends", spec, "ci"))
        await until(lambda: ready(w, "Notification", "ci", "ends")[0] == "True")
        w.run_through(w.pipelinerun("after"))
        await until(lambda: second.types == ["pipelinerun.finished"])
        await until(lambda: w.consumer.types.count("pipelinerun.finished") == 2)
        await until(lambda: ready(w, "Provider", "ci", "mine") == ("True", "Ready", "delivers"))


async def test_a_run_that_is_open_looks_anew_when_a_document_changes(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(tune=impatient):
        install(w)
        run = w.pipelinerun("slow")
        w.step(run, "Running")
        await until(lambda: w.check("tekton / build"))
        spec = {"message": "{{ run.pipeline }} is at work", "buttons": []}
        w.kube.create(document("Notification", "words", spec, "ci"))
        await until(lambda: w.checks()[0].title == "build is at work")
        assert w.checks()[0].actions == []
        w.kube.delete("Notification", "ci", "words")
        await until(lambda: w.checks()[0].title == "Running")
        assert [action["identifier"] for action in w.checks()[0].actions] == ["cancel"]


async def test_an_expression_sees_the_whole_object_of_a_run_that_was_there_before(
    tmp_path: Path,
) -> None:
    """The first document that asks about it has everything listed again."""
    async with world(tmp_path) as w, w.running(tune=impatient):
        install(w)
        for name, team in (("mine", "shop"), ("other", "pay")):
            w.step(w.pipelinerun(name, labels={"team": team}), "Running")
        await until(lambda: len(w.checks()) == 2)
        spec = {
            "filter": {"expression": "object.metadata.labels['team'] == 'shop'"},
            "message": "chosen",
        }
        w.kube.create(document("ClusterNotification", "chosen", spec))

        def titles() -> dict[str, str]:
            return {(one.external_id or "").split("/")[2]: one.title or "" for one in w.checks()}

        await until(lambda: titles() == {"mine": "chosen", "other": "Running"})


async def test_what_is_owed_waits_for_a_secret_and_is_given_up_with_its_provider(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running(tune=impatient, cdevents_sink="") as product:
        install(w)
        spec = events_to(w.consumer.url, secretRef={"name": "late"})
        w.kube.create(document("ClusterProvider", "bus", spec))
        w.kube.create(document("ClusterNotification", "all", {"providerRefs": [{"name": "bus"}]}))
        await until(lambda: ready(w, "ClusterProvider", "", "bus")[1] == "CannotDeliver")
        assert "no Secret checkrail/late" in ready(w, "ClusterProvider", "", "bus")[2]
        (event,) = await until(lambda: w.kube.list("Event", "default"))
        assert (event["reason"], event["involvedObject"]["name"]) == ("CannotDeliver", "bus")
        w.run_through(w.pipelinerun())
        await until(lambda: w.checks() and w.checks()[0].conclusion)
        assert w.consumer.received == []
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "late", "namespace": "checkrail"},
            "data": {"unused": base64.b64encode(b"x").decode()},
        }
        w.kube.create(secret)
        await until(lambda: len(w.consumer.events) == 3)
        w.kube.patch("ClusterProvider", "", "bus", {"spec": {"suspend": True}})
        await until(lambda: ready(w, "ClusterProvider", "", "bus")[1] == "Suspended")
        w.run_through(w.pipelinerun())
        await until(lambda: len(w.checks()) == 2 and w.checks()[1].conclusion)
        w.kube.delete("ClusterProvider", "", "bus")
        dead = await until(product.store.dead)
        assert {row.sink for row in dead} == {"clusterprovider/bus"}
        assert all("Provider is gone" in row.reason for row in dead)
        assert len(w.consumer.events) == 3
        await until(lambda: ready(w, "ClusterNotification", "", "all")[1] == "Incomplete")


async def test_a_wrong_document_keeps_its_last_good_state_and_says_what_is_wrong(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, w.running(tune=impatient):
        for crd in crds.manifests():  # an API server that does not check what its schema could
            schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            schema["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            w.kube.create(crd)
        w.kube.create(document("Notification", "words", {"message": "good"}, "ci"))
        await until(lambda: ready(w, "Notification", "ci", "words")[0] == "True")
        w.kube.patch("Notification", "ci", "words", {"spec": {"message": "{{ run.nmae }}"}})
        await until(lambda: ready(w, "Notification", "ci", "words")[1] == "InvalidSpec")
        assert "nmae" in ready(w, "Notification", "ci", "words")[2]
        w.step(w.pipelinerun(), "Running")
        await until(lambda: w.checks() and w.checks()[0].title == "good")


async def test_an_expression_that_fails_is_no_match_and_is_said(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.running(tune=impatient):
        install(w)
        spec = {"filter": {"expression": "run.results['nope'] == '1'"}, "message": "no"}
        w.kube.create(document("Notification", "words", spec, "ci"))
        await until(lambda: ready(w, "Notification", "ci", "words")[0] == "True")
        w.step(w.pipelinerun(), "Running")
        await until(lambda: ready(w, "Notification", "ci", "words")[1] == "EvaluationFailed")
        await until(lambda: w.checks() and w.checks()[0].title == "Running")


async def test_a_default_of_ones_own_replaces_what_the_environment_says(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        install(w)
        w.kube.create(document("ClusterNotification", "default", {"suspend": True}))
        spec = {"filter": {"phases": ["failed"]}, "providerRefs": [{"name": "bus"}]}
        w.kube.create(document("ClusterProvider", "bus", events_to(w.consumer.url)))
        w.kube.create(document("ClusterNotification", "failures", spec))
        async with w.running(tune=impatient):
            w.run_through(w.pipelinerun("well"))
            w.run_through(w.pipelinerun("ill"), "Failed")
            await until(lambda: w.consumer.types)
            assert [event["subject"]["id"].split("/")[1] for event in w.consumer.events] == ["ill"]
            assert w.checks() == []


async def test_a_local_file_counts_anew_when_it_changes_and_not_when_it_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "documents.yaml"
    text = (
        "apiVersion: checkrail.dev/v1alpha1\n"
        "kind: ClusterNotification\n"
        "metadata: {name: words}\n"
        "spec: {message: MESSAGE}\n"
    )
    file.write_text(text.replace("MESSAGE", "one"))
    async with world(tmp_path) as w, w.running(tune=impatient, config=file):
        w.step(w.pipelinerun(), "Running")
        await until(lambda: w.checks() and w.checks()[0].title == "one")
        file.write_text(text.replace("MESSAGE", "[wrong]"))
        await until(lambda: "what it said before counts" in caplog.text)
        assert w.checks()[0].title == "one"
        file.write_text(text.replace("MESSAGE", "three"))
        await until(lambda: w.checks()[0].title == "three")
        install(w)
        shadow = document("ClusterNotification", "words", {"message": "not from here"})
        w.kube.create(shadow)
        await until(lambda: ready(w, "ClusterNotification", "", "words")[1] == "NotInUse")
        assert w.checks()[0].title == "three"


def denied(w: World, namespace: str, name: str) -> str:
    """What a Notification says of commits that are not shown."""
    conditions = w.kube.get("Notification", namespace, name)["status"]["conditions"]
    return " ".join(one["message"] for one in conditions if one["type"] == "Trusted")


# --- two tenants ----------------------------------------------------------------------------------


def trust(name: str, namespaces: list[str], repositories: list[str], **more: Any) -> dict[str, Any]:
    spec = {"namespaces": namespaces, "repositories": repositories, **more}
    return document("TrustPolicy", name, spec)


async def test_two_tenants_cannot_reach_each_other(tmp_path: Path) -> None:
    """The attacker owns namespace `evil` and everything in it, and write access to acme/evil."""
    async with world(tmp_path) as w:
        install(w)
        w.github.create_repository("acme/evil")
        evil_commit = w.github.push("acme/evil", "main", {"a": "a"}, "Mine", "eve")
        w.github.set_role("acme/evil", "eve", "write")
        w.kube.create(trust("ci", ["ci"], ["acme/shop"]))
        w.kube.create(trust("evil", ["evil"], ["acme/evil"]))
        bus = events_to(w.consumer.url, secretRef={"name": "token"})
        w.kube.create(document("Provider", "bus", bus, "ci"))
        token = {"token": base64.b64encode(b"hidden-token").decode()}
        meta = {"name": "token", "namespace": "ci"}
        w.kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": token})
        async with w.running(tune=impatient, cdevents_sink="") as product:
            # Another's Provider, a ClusterProvider that is not granted, another's runs.
            refs = [{"name": "bus", "namespace": "ci"}, {"name": "bus", "kind": "ClusterProvider"}]
            w.kube.create(document("ClusterProvider", "bus", events_to(w.consumer.url)))
            w.kube.create(document("Notification", "spy", {"providerRefs": refs}, "evil"))
            await until(lambda: ready(w, "Notification", "evil", "spy")[1] == "Incomplete")
            said = ready(w, "Notification", "evil", "spy")[2]
            assert "no TrustPolicy lets namespace evil use Provider ci/bus" in said
            assert "hidden-token" not in said
            # A forged check on another's commit, under the name that its branch rule requires.
            forged = _run_of_evil("forged", "acme/shop", w.commit)
            _finish(w, w.kube.create(forged))
            honest = _run_of_evil("honest", "acme/evil", evil_commit)
            _finish(w, w.kube.create(honest))
            w.run_through(w.pipelinerun("theirs"), "Failed")
            await until(lambda: len([one for one in w.checks() if one.conclusion]) == 2)
            names = {(one.external_id or "").split("/")[1:3][1] for one in w.checks()}
            assert names == {"honest", "theirs"}
            assert w.consumer.received == []
            await until(lambda: "acme/shop" in denied(w, "evil", "spy"))
            # A click on another's check, by somebody who may write to a repository of his own.
            (check,) = [one for one in w.checks() if "theirs" in (one.external_id or "")]
            w.github.click_rerun(check.id, "eve", forged=True)
            await until(lambda: "needs write access" in (check.summary or ""))
            assert [run["metadata"]["name"] for run in w.kube.list("PipelineRun", "ci")] == [
                "theirs"
            ]
            assert not await product.store.dead()


@pytest.mark.parametrize("pod_name", ["theirs", "../../ci/pods/theirs"])
async def test_a_tenant_cannot_read_anothers_logs(tmp_path: Path, pod_name: str) -> None:
    """Its TaskRun says that its step ran in a pod, which is another namespace's."""
    async with world(tmp_path) as w:
        w.github.create_repository("acme/evil")
        commit = w.github.push("acme/evil", "main", {"a": "a"}, "Mine", "eve")
        container = {"name": "step-test", "image": "x"}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "theirs", "namespace": "ci"},
            "spec": {"containers": [container]},
        }
        w.kube.create(pod)
        w.kube.logs.set("ci", "theirs", "step-test", "what nobody else may read\n")
        run = _run_of_evil("spy", "acme/evil", commit)
        task = run | {"kind": "TaskRun", "spec": {"taskRef": {"name": "test"}}}
        async with w.running():
            made = w.kube.create(task)
            step = {"name": "test", "container": "step-test", "terminated": {"exitCode": 1}}
            at = made["metadata"]["creationTimestamp"]
            status = {
                "conditions": [
                    {"type": "Succeeded", "status": "False", "reason": "Failed", "message": "x"}
                ],
                "podName": pod_name,
                "startTime": at,
                "completionTime": at,
                "steps": [step],
            }
            w.kube.patch("TaskRun", "evil", "spy", {"status": status}, subresource="status")
            await until(lambda: w.checks() and w.checks()[0].text)
            (check,) = w.checks()
            assert "may read" not in f"{check.text}{check.summary}"


def _run_of_evil(name: str, repository: str, commit: str) -> dict[str, Any]:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": name,
            "namespace": "evil",
            "annotations": {
                "checkrail.dev/repository": repository,
                "checkrail.dev/commit": commit,
                "checkrail.dev/check-name": "tekton / build",
            },
        },
        "spec": {"pipelineRef": {"name": "build"}},
    }


def _finish(w: World, run: dict[str, Any]) -> None:
    condition = {"type": "Succeeded", "status": "True", "reason": "Succeeded", "message": "fine"}
    created = run["metadata"]["creationTimestamp"]
    status = {"conditions": [condition], "startTime": created, "completionTime": created}
    w.kube.patch(
        "PipelineRun", "evil", run["metadata"]["name"], {"status": status}, subresource="status"
    )
