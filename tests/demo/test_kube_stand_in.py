"""What only the stand-in can be asked: faults, expiry, denials, clean-up, logs, recordings, Tekton.

What every API server answers is in test_kube_conformance.py.
"""

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from ghapp.demo.kube import KubeApi, StatusError
from tests.demo.kube_client import LIMIT, Kube, Watching

Json = Any

RUNS = "/apis/tekton.dev/v1/namespaces/ci/pipelineruns"


@pytest.fixture
def kube_api() -> KubeApi:
    api = KubeApi()
    api.serve("tekton.dev", "v1", "pipelineruns", "PipelineRun", short_names=("pr",))
    return api


def run(name: str = "r", **more: Json) -> Json:
    metadata = {"name": name, "namespace": "ci", **more.pop("metadata", {})}
    spec = {"pipelineRef": {"name": "build"}}
    head = {"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": metadata}
    return {**head, "spec": spec, **more}


def configmap(name: str = "c", **metadata: Json) -> Json:
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    return {**head, "metadata": {"name": name, "namespace": "ci", **metadata}}


def pod(*containers: str) -> Json:
    spec = {"containers": [{"name": name, "image": "busybox"} for name in containers]}
    metadata = {"name": "p", "namespace": "ci"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def owned_by(owner: Json) -> Json:
    """An ownerReference to it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }


async def next_type(watch: Watching) -> str:
    event = await watch.next()
    assert event is not None
    kind: str = event["type"]
    return kind


# --- in process ---------------------------------------------------------------------------------


def test_an_object_is_found_by_every_name_of_its_kind(kube_api: KubeApi) -> None:
    kube_api.create(run())
    for word in ("PipelineRun", "pipelinerun", "pipelineruns", "pipelineruns.tekton.dev", "pr"):
        assert kube_api.get(word, "ci", "r")["metadata"]["name"] == "r"


def test_what_is_got_is_a_copy(kube_api: KubeApi) -> None:
    kube_api.create(run())["spec"]["pipelineRef"]["name"] = "changed"
    kube_api.get("pr", "ci", "r")["metadata"]["labels"] = {"a": "b"}
    assert kube_api.get("pr", "ci", "r")["spec"]["pipelineRef"]["name"] == "build"
    assert "labels" not in kube_api.get("pr", "ci", "r")["metadata"]


def test_an_absent_object_is_a_404(kube_api: KubeApi) -> None:
    for absent in (
        lambda: kube_api.get("pr", "ci", "absent"),
        lambda: kube_api.get("Nonsense", "ci", "x"),
        lambda: kube_api.patch("pr", "ci", "absent", {"spec": {}}),
        lambda: kube_api.delete("pr", "ci", "absent"),
        lambda: kube_api.create({"apiVersion": "no/v1", "kind": "Such", "metadata": {}}),
    ):
        with pytest.raises(StatusError) as refusal:
            absent()
        assert refusal.value.code == 404


def test_objects_are_listed_by_namespace_and_selectors(kube_api: KubeApi) -> None:
    kube_api.create(run("a", metadata={"labels": {"team": "x"}}))
    kube_api.create(run("b", metadata={"namespace": "other"}))
    listed = [item["metadata"]["name"] for item in kube_api.list("pr")]
    assert listed == ["a", "b"]
    assert [item["metadata"]["name"] for item in kube_api.list("pr", "other")] == ["b"]
    assert [item["metadata"]["name"] for item in kube_api.list("pr", labels="team=x")] == ["a"]


def test_a_script_writes_status_as_a_controller_does(kube_api: KubeApi) -> None:
    kube_api.create(run())
    changed = kube_api.patch("pr", "ci", "r", {"status": {"a": 1}}, subresource="status")
    assert changed["status"] == {"a": 1}
    changed["spec"]["status"] = "Cancelled"
    assert kube_api.replace(changed)["metadata"]["generation"] == 2


async def test_a_subscription_tells_what_is_there_and_then_every_change(kube_api: KubeApi) -> None:
    kube_api.create(run("a"))
    events = kube_api.subscribe("pr", namespace="ci")
    kube_api.create(run("b"))
    kube_api.create(run("c", metadata={"namespace": "other"}))
    kube_api.patch("pr", "ci", "a", {"metadata": {"labels": {"x": "y"}}})
    kube_api.delete("pr", "ci", "a")
    async with asyncio.timeout(LIMIT):
        seen = [await anext(events) for _ in range(4)]
    told = [(type_, obj["metadata"]["name"]) for type_, obj in seen]
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_the_same_clock_and_dice_make_the_same_objects() -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    made = [
        KubeApi(now=lambda: noon, dice=random.Random(7)).create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "c-"}}
        )
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0]["metadata"]["creationTimestamp"] == "2026-01-02T12:00:00Z"


def test_a_recording_is_replayed_as_it_was(kube_api: KubeApi) -> None:
    recorded = run(
        metadata={"uid": "u-1", "generation": 5, "resourceVersion": "7"}, status={"a": 1}
    )
    kube_api.replay("ADDED", recorded)
    replayed = kube_api.get("pr", "ci", "r")
    assert replayed["metadata"].pop("resourceVersion") != recorded["metadata"].pop(
        "resourceVersion"
    )
    assert replayed == recorded
    kube_api.replay("DELETED", recorded)
    assert kube_api.list("pr") == []


async def test_an_object_that_was_never_seen_alive_can_be_replayed_as_deleted(
    kube: Kube, kube_api: KubeApi
) -> None:
    async with kube.watch(RUNS, resourceVersion="0") as watch:
        kube_api.replay("DELETED", run(metadata={"uid": "u-1"}))
        assert await watch.kinds(2) == [("ADDED", "r"), ("DELETED", "r")]


# --- mounting and access ------------------------------------------------------------------------


async def test_it_serves_under_a_prefix(kube_api: KubeApi) -> None:
    root = web.Application()
    root.add_subapp("/kube", kube_api.app())
    async with TestServer(root) as server, ClientSession() as session:
        kube = Kube(str(server.make_url("/kube")), session)
        assert (await kube.post(RUNS, run())).code == 201
        assert kube_api.get("pr", "ci", "r")


async def test_without_the_token_one_is_not_known() -> None:
    async with TestServer(KubeApi(token="t0ken").app()) as server, ClientSession() as session:
        for sent, code in (("", 401), ("Bearer other", 401), ("Bearer t0ken", 200)):
            headers = {"Authorization": sent} if sent else {}
            async with session.get(server.make_url("/api/v1/pods"), headers=headers) as answer:
                assert answer.status == code
        async with session.get(server.make_url("/readyz")) as answer:
            assert answer.status == 200


async def test_what_is_denied_is_forbidden_in_the_words_of_rbac(
    kube: Kube, kube_api: KubeApi
) -> None:
    kube_api.deny("list", "pipelineruns.tekton.dev")
    answer = await kube.get(RUNS)
    assert (answer.code, answer.reason) == (403, "Forbidden")
    assert "pipelineruns.tekton.dev is forbidden: User" in answer.body["message"]
    assert 'in API group "tekton.dev" in the namespace "ci"' in answer.body["message"]
    assert (await kube.post(RUNS, run())).code == 201
    kube_api.allow("list", "pipelineruns.tekton.dev")
    assert (await kube.get(RUNS)).code == 200


async def test_a_denial_can_be_of_one_namespace_and_of_a_subresource(
    kube: Kube, kube_api: KubeApi
) -> None:
    kube_api.create(pod("main"))
    kube_api.deny("get", "pods/log")
    kube_api.deny("*", "secrets", namespace="ci")
    assert (await kube.get("/api/v1/namespaces/ci/pods/p/log")).code == 403
    assert (await kube.get("/api/v1/namespaces/ci/pods/p")).code == 200
    assert (await kube.get("/api/v1/namespaces/ci/secrets")).code == 403
    assert (await kube.get("/api/v1/namespaces/default/secrets")).code == 200


async def test_a_review_says_what_was_denied(kube: Kube, kube_api: KubeApi) -> None:
    kube_api.deny("patch", "jobs")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("patch", False), ("get", True)):
        attributes = {"verb": verb, "group": "batch", "resource": "jobs", "namespace": "ci"}
        answer = await kube.post(path, {"spec": {"resourceAttributes": attributes}})
        assert answer.body["status"]["allowed"] is allowed


# --- faults -------------------------------------------------------------------------------------


async def test_the_next_requests_fail_as_planned_and_no_more(kube: Kube, kube_api: KubeApi) -> None:
    kube_api.faults.fail_next(2, code=429, retry_after=3)
    answers = [await kube.get(RUNS) for _ in range(3)]
    assert [answer.code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "3"
    assert answers[0].reason == "TooManyRequests"


async def test_a_fault_waits_for_the_request_it_is_meant_for(kube: Kube, kube_api: KubeApi) -> None:
    kube_api.faults.fail_next(verb="create", resource="pipelineruns")
    assert (await kube.get(RUNS)).code == 200
    assert (await kube.post(RUNS, run())).code == 500
    assert (await kube.post(RUNS, run())).code == 201


async def test_a_dropped_request_is_not_done_and_a_dropped_answer_is(
    kube: Kube, kube_api: KubeApi
) -> None:
    kube_api.faults.drop_next()
    with pytest.raises(aiohttp.ClientError):
        await kube.post(RUNS, run())
    assert kube_api.list("pr") == []
    kube_api.faults.drop_next_answer()
    with pytest.raises(aiohttp.ClientError):
        await kube.post(RUNS, run())
    assert len(kube_api.list("pr")) == 1


async def test_latency_delays_every_request(kube: Kube, kube_api: KubeApi) -> None:
    kube_api.faults.latency = 0.05
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await kube.get(RUNS)).code == 200
    assert loop.time() - start >= 0.05
    kube_api.faults.clear()
    assert kube_api.faults.latency == 0


async def test_requests_are_counted_by_verb_and_resource(kube: Kube, kube_api: KubeApi) -> None:
    for _ in range(2):
        await kube.get(RUNS)
    assert kube_api.requests == {("list", "pipelineruns"): 2}


# --- watches ------------------------------------------------------------------------------------


async def test_closed_watches_end_cleanly_and_new_ones_open(kube: Kube, kube_api: KubeApi) -> None:
    async with kube.watch(RUNS, resourceVersion="0") as watch:
        kube_api.create(run())
        assert await next_type(watch) == "ADDED"
        kube_api.close_watches()
        assert await watch.next() is None
    async with kube.watch(RUNS, resourceVersion="0") as watch:
        assert await next_type(watch) == "ADDED"


async def test_dropped_watches_break(kube: Kube, kube_api: KubeApi) -> None:
    async with kube.watch(RUNS, resourceVersion="0") as watch:
        kube_api.create(run())
        assert await next_type(watch) == "ADDED"
        kube_api.drop_watches()
        with pytest.raises(aiohttp.ClientError):
            await watch.next()


async def test_a_watch_that_outlives_a_drop_of_others_still_ends_cleanly(
    kube: Kube, kube_api: KubeApi
) -> None:
    kube_api.drop_watches()
    async with kube.watch(RUNS, resourceVersion="0") as watch:
        kube_api.create(run())
        assert await next_type(watch) == "ADDED"
        kube_api.close_watches()
        assert await watch.next() is None


async def test_a_silent_watch_tells_nothing_until_it_may(kube: Kube, kube_api: KubeApi) -> None:
    async with kube.watch(RUNS, resourceVersion="0") as watch:
        kube_api.faults.silent_watches = True
        kube_api.create(run())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await watch.response.content.readline()
        kube_api.faults.silent_watches = False
        kube_api.patch("pr", "ci", "r", {"metadata": {"labels": {"a": "b"}}})
        assert await watch.kinds(2) == [("ADDED", "r"), ("MODIFIED", "r")]


async def test_compaction_expires_older_versions_for_watches_and_pages(
    kube: Kube, kube_api: KubeApi
) -> None:
    for name in "ab":
        kube_api.create(run(name))
    page = await kube.get(RUNS, limit="1")
    kube_api.create(run("c"))
    kube_api.compact()
    async with kube.watch(RUNS, resourceVersion=page.version) as watch:
        event = await watch.next()
        assert event is not None
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    rest = await kube.get(RUNS, limit="1", **{"continue": page.body["metadata"]["continue"]})
    assert (rest.code, rest.reason) == (410, "Expired")
    fresh = await kube.get(RUNS)
    async with kube.watch(RUNS, resourceVersion=fresh.version) as watch:
        kube_api.delete("pr", "ci", "a")
        assert await watch.kinds(1) == [("DELETED", "a")]


async def test_compaction_leaves_open_watches_alone(kube: Kube, kube_api: KubeApi) -> None:
    async with kube.watch(RUNS, resourceVersion="0") as watch:
        kube_api.create(run())
        kube_api.compact()
        assert await watch.kinds(1) == [("ADDED", "r")]


async def test_bookmarks_come_when_they_are_asked_for_and_name_the_newest_version() -> None:
    api = KubeApi(bookmark_every=0.02)
    async with TestServer(api.app()) as server, ClientSession() as session:
        kube = Kube(str(server.make_url("")).rstrip("/"), session)
        path = "/api/v1/namespaces/ci/configmaps"
        asked = {"resourceVersion": str(api.store.version), "allowWatchBookmarks": "true"}
        async with kube.watch(path, **asked) as watch:
            api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
            event: Json = {}
            async with asyncio.timeout(LIMIT):
                while event.get("object", {}).get("metadata") != {
                    "resourceVersion": str(api.store.version)
                }:
                    event = await watch.next()
            assert event["type"] == "BOOKMARK"
            assert event["object"]["kind"] == "ConfigMap"
        assert api.list("cm") == []


async def test_a_streaming_list_ends_with_a_marked_bookmark(kube: Kube, kube_api: KubeApi) -> None:
    kube_api.create(run())
    asked = {"sendInitialEvents": "true", "allowWatchBookmarks": "true"}
    async with kube.watch(RUNS, resourceVersionMatch="NotOlderThan", **asked) as watch:
        assert await watch.kinds(1) == [("ADDED", "r")]
        bookmark = await watch.next()
    assert bookmark is not None
    marks = bookmark["object"]["metadata"]["annotations"]
    assert marks == {"k8s.io/initial-events-end": "true"}


async def test_a_list_at_a_version_yet_to_come_times_out(kube: Kube) -> None:
    answer = await kube.get(RUNS, resourceVersion="99999999")
    assert (answer.code, answer.reason) == (504, "Timeout")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_watch_ends_when_its_resource_is_served_no_more(kube: Kube) -> None:
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    version = {"name": "v1", "served": True, "storage": True}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "things", "kind": "Thing"}
    spec = {
        "group": "x.dev",
        "scope": "Cluster",
        "names": names,
        "versions": [version | {"schema": schema}],
    }
    assert (await kube.post(crds, {"metadata": {"name": "things.x.dev"}, "spec": spec})).code == 201
    async with kube.watch("/apis/x.dev/v1/things", resourceVersion="0") as watch:
        await kube.post("/apis/x.dev/v1/things", {"metadata": {"name": "t"}})
        await kube.delete(f"{crds}/things.x.dev")
        assert await watch.kinds(2) == [("ADDED", "t"), ("DELETED", "t")]
        assert await watch.next() is None


# --- owners and namespaces ----------------------------------------------------------------------


def test_dependents_go_with_their_last_owner(kube_api: KubeApi) -> None:
    first, second = kube_api.create(run("first")), kube_api.create(run("second"))
    kube_api.create(configmap("one", ownerReferences=[owned_by(first)]))
    kube_api.create(configmap("both", ownerReferences=[owned_by(first), owned_by(second)]))
    child = kube_api.create(run("child", metadata={"ownerReferences": [owned_by(first)]}))
    kube_api.create(configmap("grandchild", ownerReferences=[owned_by(child)]))
    kube_api.delete("pr", "ci", "first")
    left = {item["metadata"]["name"]: item for item in kube_api.list("cm")}
    assert left["both"]["metadata"]["ownerReferences"] == [owned_by(second)]
    assert left.keys() == {"both"}
    assert [item["metadata"]["name"] for item in kube_api.list("pr")] == ["second"]


@pytest.mark.parametrize(("policy", "left"), [("Orphan", 1), ("Background", 0), ("Foreground", 0)])
async def test_propagation_decides_over_dependents(
    kube: Kube, kube_api: KubeApi, policy: str, left: int
) -> None:
    owner = kube_api.create(run())
    kube_api.create(configmap(ownerReferences=[owned_by(owner)]))
    assert (await kube.delete(f"{RUNS}/r", {"propagationPolicy": policy})).code == 200
    remaining = kube_api.list("cm")
    assert len(remaining) == left
    assert not any("ownerReferences" in item["metadata"] for item in remaining)


def test_a_finalizer_of_a_dependent_holds_only_the_dependent(kube_api: KubeApi) -> None:
    owner = kube_api.create(run())
    kube_api.create(configmap(ownerReferences=[owned_by(owner)], finalizers=["x.dev/hold"]))
    kube_api.delete("pr", "ci", "r")
    assert "deletionTimestamp" in kube_api.get("cm", "ci", "c")["metadata"]
    kube_api.patch("cm", "ci", "c", {"metadata": {"finalizers": []}})
    assert kube_api.list("cm") == []


async def test_a_namespace_goes_with_its_contents_and_waits_for_what_is_held(
    kube: Kube, kube_api: KubeApi
) -> None:
    kube_api.create(configmap("free"))
    kube_api.create(configmap("held", finalizers=["x.dev/hold"]))
    assert (await kube.delete("/api/v1/namespaces/ci")).body["status"] == {"phase": "Terminating"}
    assert [item["metadata"]["name"] for item in kube_api.list("cm")] == ["held"]
    refused = await kube.post("/api/v1/namespaces/ci/configmaps", {"metadata": {"name": "late"}})
    assert (refused.code, refused.reason) == (403, "Forbidden")
    kube_api.patch("cm", "ci", "held", {"metadata": {"finalizers": None}})
    assert (await kube.get("/api/v1/namespaces/ci")).code == 404


async def test_an_empty_namespace_goes_at_once(kube: Kube, kube_api: KubeApi) -> None:
    kube_api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "gone"}})
    assert (await kube.delete("/api/v1/namespaces/gone")).code == 200
    assert (await kube.get("/api/v1/namespaces/gone")).code == 404


def test_a_namespace_is_made_on_demand_unless_that_is_switched_off(kube_api: KubeApi) -> None:
    kube_api.create(configmap())
    assert kube_api.get("ns", "", "ci")["status"] == {"phase": "Active"}
    kube_api.auto_namespaces = False
    with pytest.raises(StatusError) as refusal:
        kube_api.create(configmap(namespace="absent"))
    assert refusal.value.message == 'namespaces "absent" not found'


# --- bodies, logs, Tekton -----------------------------------------------------------------------


async def test_protobuf_is_an_unsupported_media_type(kube: Kube) -> None:
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    async with kube.session.post(kube.url + RUNS, data=b"k8s\0", headers=headers) as answer:
        assert answer.status == 415
    unread = await kube.get(RUNS, "application/vnd.kubernetes.protobuf")
    assert (unread.code, unread.reason) == (406, "NotAcceptable")


async def test_yaml_is_understood_and_its_times_stay_text(kube: Kube, kube_api: KubeApi) -> None:
    body = "metadata: {name: r}\nspec: {at: 2026-01-02T03:04:05Z, yes: no}\n"
    headers = {"Content-Type": "application/yaml"}
    async with kube.session.post(kube.url + RUNS, data=body, headers=headers) as answer:
        assert answer.status == 201
    assert kube_api.get("pr", "ci", "r")["spec"] == {"at": "2026-01-02T03:04:05Z", "yes": "no"}


@pytest.mark.parametrize("body", [b"{", b'{"a": nope}', b"\xff\xfe", b'{"metadata": 1}'])
async def test_a_body_that_cannot_be_read_is_a_bad_request(kube: Kube, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with kube.session.post(kube.url + RUNS, data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "spec", ["text", [1], {"template": "text"}, {"template": {"spec": {"containers": "x"}}}]
)
async def test_a_job_of_a_wrong_shape_is_a_bad_request(kube: Kube, spec: Json) -> None:
    path = "/apis/batch/v1/namespaces/ci/jobs"
    answer = await kube.post(path, {"metadata": {"name": "j"}, "spec": spec})
    assert (answer.code, answer.reason) == (400, "BadRequest")


LOG = "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, LOG),
        ({"tailLines": "1"}, "three\n"),
        ({"tailLines": "9"}, LOG),
        ({"tailLines": "0"}, ""),
        ({"limitBytes": "5"}, "one\nt"),
        ({"tailLines": "2", "limitBytes": "4"}, "two\n"),
        ({"container": "main"}, LOG),
        ({"previous": "true"}, "before\n"),
    ],
)
async def test_logs_are_what_was_set(
    kube: Kube, kube_api: KubeApi, query: dict[str, str], text: str
) -> None:
    kube_api.create(pod("main"))
    kube_api.set_log("ci", "p", "main", LOG)
    kube_api.set_log("ci", "p", "main", "before\n", previous=True)
    answer = await kube.get("/api/v1/namespaces/ci/pods/p/log", **query)
    assert (answer.code, answer.body) == (200, text)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "a container name must be specified for pod p, choose one of: [a b]"),
        ({"container": "c"}, "container c is not valid for pod p"),
        ({"container": "a"}, "is waiting to start"),
        ({"container": "a", "previous": "true"}, "previous terminated container"),
    ],
)
async def test_logs_that_are_not_there_are_refused_as_a_kubelet_does(
    kube: Kube, kube_api: KubeApi, query: dict[str, str], words: str
) -> None:
    kube_api.create(pod("a", "b"))
    answer = await kube.get("/api/v1/namespaces/ci/pods/p/log", **query)
    assert (answer.code, answer.reason) == (400, "BadRequest")
    assert words in answer.body["message"]


@pytest.mark.parametrize("verdict", ["True", "False"])
async def test_a_finished_run_refuses_every_change_of_its_spec(
    kube: Kube, kube_api: KubeApi, verdict: str
) -> None:
    kube_api.create(run())
    done = {"conditions": [{"type": "Succeeded", "status": verdict, "reason": "Done"}]}
    kube_api.patch("pr", "ci", "r", {"status": done}, subresource="status")
    refused = await kube.patch(f"{RUNS}/r", {"spec": {"status": "Cancelled"}})
    assert (refused.code, refused.reason) == (400, "BadRequest")
    words = "Once the PipelineRun is complete, no updates are allowed"
    assert words in refused.body["message"]
    labelled = await kube.patch(f"{RUNS}/r", {"metadata": {"labels": {"a": "b"}}})
    assert labelled.code == 200


async def test_a_running_run_can_be_cancelled_and_not_rewritten(kube: Kube) -> None:
    await kube.post(RUNS, run())
    assert (await kube.patch(f"{RUNS}/r", {"spec": {"status": "Cancelled"}})).code == 200
    refused = await kube.patch(f"{RUNS}/r", {"spec": {"pipelineRef": {"name": "other"}}})
    assert "only status updates are allowed" in refused.body["message"]


async def test_versions_of_a_resource_share_their_objects(kube: Kube, kube_api: KubeApi) -> None:
    kube_api.serve("tekton.dev", "v1beta1", "pipelineruns", "PipelineRun")
    await kube.post(RUNS, run())
    old = RUNS.replace("/v1/", "/v1beta1/")
    answer = await kube.get(f"{old}/r")
    assert answer.body["apiVersion"] == "tekton.dev/v1beta1"
    patched = await kube.patch(f"{old}/r", {"metadata": {"labels": {"a": "b"}}})
    assert patched.body["apiVersion"] == "tekton.dev/v1beta1"
    assert kube_api.get("pr", "ci", "r")["metadata"]["labels"] == {"a": "b"}
    groups = (await kube.get("/apis/tekton.dev")).body
    assert groups["preferredVersion"]["version"] == "v1"
    assert json.dumps((await kube.get(RUNS)).body).count("v1beta1") == 0
