"""What any Kubernetes API server answers, asked over HTTP: the stand-in has to answer the same.

With CHECKRAIL_TEST_KUBE_URL (and CHECKRAIL_TEST_KUBE_TOKEN; certificates are not verified) the same
tests run against a real API server: each makes a namespace and a CRD of its own and deletes them.
They need no controllers and no kubelet. Our own definitions stay installed: deleting them would
delete people's documents. What only the stand-in can be asked (faults, expiry on
demand, garbage collection without a controller, Tekton's webhook) is in test_kube_stand_in.py.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestServer

from ghapp import rbac
from ghapp.demo.kube import KubeApi
from ghapp.documents import crds
from ghapp.documents.kinds import kinds
from tests import examples, generated
from tests.demo.kube_client import APPLY, JSON_PATCH, STRATEGIC, Answer, Kube

Json = Any

URL = os.environ.get("CHECKRAIL_TEST_KUBE_URL", "").rstrip("/")
TOKEN = os.environ.get("CHECKRAIL_TEST_KUBE_TOKEN", "")

SCHEMA: Json = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "list": {"type": "array", "items": {"type": "string"}},
                "set": {
                    "type": "array",
                    "items": {"type": "string"},
                    "x-kubernetes-list-type": "set",
                },
                "parts": {
                    "type": "array",
                    "maxItems": 5,
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "maxLength": 9},
                            "namespace": {"type": "string", "maxLength": 9},
                            "of-wood": {"type": "boolean"},
                        },
                        "x-kubernetes-validations": [
                            {
                                "rule": "!has(self.of__dash__wood) || has(self.__namespace__)",
                                "message": "wood has a namespace",
                                "fieldPath": ".namespace",
                                "reason": "FieldValueRequired",
                            }
                        ],
                    },
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
                "since": {"type": "string", "format": "date-time"},
            },
            "x-kubernetes-validations": [
                {"rule": "!has(self.code) || self.size > 1", "message": "a code needs two"},
                {"rule": "self.size != 8"},
            ],
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


@pytest.fixture
async def server() -> AsyncIterator[Kube]:
    """The API server that is asked."""
    if URL:
        authorized = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}
        connector = TCPConnector(ssl=False)
        async with ClientSession(connector=connector, headers=authorized) as session:
            yield Kube(URL, session)
        return
    api = KubeApi()
    api.auto_namespaces = False
    async with TestServer(api.app()) as served, ClientSession() as session:
        yield Kube(str(served.make_url("")).rstrip("/"), session)


@pytest.fixture
async def kube(server: Kube) -> AsyncIterator[Kube]:
    """The server, seen from a namespace of its own."""
    metadata = {"generateName": "checkrail-conformance-"}
    made = await server.post("/api/v1/namespaces", {"metadata": metadata})
    assert made.code == 201, made.body
    name = made.body["metadata"]["name"]
    yield Kube(server.url, server.session, name)
    assert (await server.delete(f"/api/v1/namespaces/{name}")).code == 200


@pytest.fixture
async def widgets(kube: Kube) -> AsyncIterator[str]:
    """The path of a custom resource with a schema and a status, in the test's namespace."""
    group = f"{kube.namespace}.example.com"
    crd = definition(group)
    made = await kube.post(CRDS, crd)
    assert made.code == 201, made.body
    path = kube.path("widgets", group=f"{group}/v1")
    async with asyncio.timeout(30):
        while (await kube.get(path)).code == 404:  # a real server serves it a moment later
            pass
    yield path
    assert (await kube.delete(f"{CRDS}/widgets.{group}")).code in (200, 404)


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(group: str) -> Json:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": SCHEMA},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
                    ],
                }
            ],
        },
    }


def widget(path: str, name: str = "w", **more: Json) -> Json:
    group = path.split("/")[2]
    metadata = {"name": name, **more.pop("metadata", {})}
    spec = {"size": 1}
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": metadata,
        "spec": spec,
    } | more


def configmap(name: str = "c", **metadata: Json) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def is_refused(answer: Answer, code: int, reason: str) -> bool:
    """Whether it is a Status of that code and reason, in the body as in the head."""
    body = answer.body
    seen = answer.code, body.get("code"), body.get("kind"), body.get("status"), answer.reason
    return seen == (code, code, "Status", "Failure", reason)


def names(answer: Answer) -> list[str]:
    return [item["metadata"]["name"] for item in answer.body["items"]]


# --- discovery ----------------------------------------------------------------------------------


async def test_the_version_and_the_groups_are_told(server: Kube) -> None:
    assert "gitVersion" in (await server.get("/version")).body
    assert "v1" in (await server.get("/api")).body["versions"]
    groups = {group["name"] for group in (await server.get("/apis")).body["groups"]}
    assert {"apps", "batch", "coordination.k8s.io", "apiextensions.k8s.io"} <= groups


async def test_a_created_definition_is_discovered_with_its_status(kube: Kube, widgets: str) -> None:
    root = "/".join(widgets.split("/")[:4])
    served = {entry["name"]: entry for entry in (await kube.get(root)).body["resources"]}
    assert served["widgets"]["kind"] == "Widget"
    assert set(served["widgets"]["verbs"]) >= {"create", "delete", "get", "list", "patch", "watch"}
    assert "widgets/status" in served


async def test_a_definition_says_that_it_is_established(kube: Kube, widgets: str) -> None:
    crd = await kube.get(f"{CRDS}/widgets.{widgets.split('/')[2]}")
    conditions = {c["type"]: c["status"] for c in crd.body["status"]["conditions"]}
    assert conditions["Established"] == "True"


async def test_a_definition_with_another_name_than_its_own_is_invalid(kube: Kube) -> None:
    wrong = definition(f"{kube.namespace}.example.com")
    wrong["metadata"]["name"] = f"gadgets.{kube.namespace}.example.com"
    assert is_refused(await kube.post(CRDS, wrong), 422, "Invalid")


async def test_what_is_not_served_is_a_404_in_plain_text(kube: Kube) -> None:
    answer = await kube.get("/apis/not.served.example.com/v1/namespaces/default/things")
    assert (answer.code, answer.body) == (404, "404 page not found\n")


# --- create -------------------------------------------------------------------------------------


async def test_a_new_object_gets_what_only_the_server_can_give(kube: Kube, widgets: str) -> None:
    made = await kube.post(widgets, widget(widgets))
    metadata = made.body["metadata"]
    assert made.code == 201
    assert len(metadata["uid"]) == 36
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["namespace"] == kube.namespace


async def test_generate_name_is_continued_by_five_characters(kube: Kube) -> None:
    made = await kube.post(kube.path("configmaps"), {"metadata": {"generateName": "run-"}})
    name = made.body["metadata"]["name"]
    assert name.startswith("run-")
    assert len(name) == len("run-") + 5


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"name": "Upper"},
        {"name": "under_score"},
        {"name": "x" * 254},
        {"name": "x", "labels": {"a": "b c"}},
        {"name": "x", "labels": {"a": "x" * 64}},
        {"name": "x", "labels": {"-a": "b"}},
        {"name": "x", "annotations": {"a b": "c"}},
        {"name": "x", "annotations": {"a": "x" * 262_144}},
        {"name": "x", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]},
    ],
    ids=lambda metadata: str(metadata)[:40],
)
async def test_metadata_that_breaks_a_rule_is_invalid(kube: Kube, metadata: Json) -> None:
    answer = await kube.post(kube.path("configmaps"), {"metadata": metadata})
    assert is_refused(answer, 422, "Invalid")
    assert answer.body["details"]["causes"]


async def test_a_second_object_of_a_name_already_exists(kube: Kube) -> None:
    await kube.post(kube.path("configmaps"), configmap())
    again = await kube.post(kube.path("configmaps"), configmap())
    assert is_refused(again, 409, "AlreadyExists")
    assert again.body["details"] == {"name": "c", "kind": "configmaps"}


async def test_an_object_in_a_namespace_that_does_not_exist_is_not_found(server: Kube) -> None:
    path = "/api/v1/namespaces/checkrail-never-made/configmaps"
    assert is_refused(await server.post(path, configmap()), 404, "NotFound")


@pytest.mark.parametrize(
    "body",
    [
        {**configmap(), "kind": "Secret"},
        {**configmap(), "apiVersion": "v2"},
        configmap(namespace="another"),
        "text",
        [],
    ],
    ids=["kind", "version", "namespace", "text", "list"],
)
async def test_a_body_that_contradicts_its_url_is_a_bad_request(kube: Kube, body: Json) -> None:
    assert is_refused(await kube.post(kube.path("configmaps"), body), 400, "BadRequest")


async def test_a_body_above_the_limit_is_too_large(kube: Kube) -> None:
    large = {**configmap(), "data": {"x": "x" * (3 * 1024 * 1024 + 1)}}
    answer = await kube.post(kube.path("configmaps"), large)
    assert is_refused(answer, 413, "RequestEntityTooLarge")


async def test_a_dry_run_answers_and_stores_nothing(kube: Kube, widgets: str) -> None:
    dry = await kube.post(widgets, widget(widgets), dryRun="All")
    assert dry.code == 201
    assert dry.body["metadata"]["uid"]
    assert (await kube.get(f"{widgets}/w")).code == 404


async def test_plain_strings_of_a_secret_are_encoded(kube: Kube) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"token": "geheim"}}
    made = await kube.post(kube.path("secrets"), secret)
    assert made.body["data"] == {"token": "Z2VoZWlt"}
    assert made.body["type"] == "Opaque"
    assert "stringData" not in made.body


# --- get and list -------------------------------------------------------------------------------


async def test_an_absent_object_is_not_found_by_name_group_and_plural(
    kube: Kube, widgets: str
) -> None:
    group = widgets.split("/")[2]
    answer = await kube.get(f"{widgets}/absent")
    assert is_refused(answer, 404, "NotFound")
    assert answer.body["message"] == f'widgets.{group} "absent" not found'
    assert answer.body["details"] == {"name": "absent", "group": group, "kind": "widgets"}


async def test_a_list_has_the_kind_the_version_and_its_items_in_order(
    kube: Kube, widgets: str
) -> None:
    for name in ("b", "c", "a"):
        await kube.post(widgets, widget(widgets, name))
    listed = await kube.get(widgets)
    assert listed.body["kind"] == "WidgetList"
    assert int(listed.version) > 0
    assert names(listed) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("app=shop", ["one", "two"]),
        ("app=shop,tier!=db", ["one"]),
        ("tier in (db,web)", ["one", "two"]),
        ("tier notin (db)", ["bare", "one"]),
        ("!app", ["bare"]),
        ("app,tier=db", ["two"]),
    ],
)
async def test_label_selectors_select(kube: Kube, selector: str, selected: list[str]) -> None:
    path = kube.path("configmaps")
    await kube.post(path, configmap("one", labels={"app": "shop", "tier": "web"}))
    await kube.post(path, configmap("two", labels={"app": "shop", "tier": "db"}))
    await kube.post(path, configmap("bare"))
    found = await kube.get(
        path, labelSelector=selector, fieldSelector="metadata.name!=kube-root-ca.crt"
    )
    assert names(found) == selected


async def test_a_field_selector_selects_by_name(kube: Kube, widgets: str) -> None:
    for name in ("a", "b"):
        await kube.post(widgets, widget(widgets, name))
    assert names(await kube.get(widgets, fieldSelector="metadata.name=b")) == ["b"]


@pytest.mark.parametrize(
    "query",
    [
        {"labelSelector": "a b"},
        {"fieldSelector": "spec.size=1"},
        {"limit": "x"},
        {"continue": "abc", "limit": "1"},
    ],
    ids=lambda query: next(iter(query)),
)
async def test_a_query_that_means_nothing_is_a_bad_request(
    kube: Kube, widgets: str, query: dict[str, str]
) -> None:
    assert is_refused(await kube.get(widgets, **query), 400, "BadRequest")


async def test_pages_are_of_one_version_whatever_happens_between_them(
    kube: Kube, widgets: str
) -> None:
    for name in "abcde":
        await kube.post(widgets, widget(widgets, name))
    first = await kube.get(widgets, limit="2")
    assert names(first) == ["a", "b"]
    assert first.body["metadata"]["remainingItemCount"] == 3
    await kube.post(widgets, widget(widgets, "bb"))
    await kube.delete(f"{widgets}/c")
    second = await kube.get(widgets, limit="5", **{"continue": first.body["metadata"]["continue"]})
    assert names(second) == ["c", "d", "e"]
    assert second.version == first.version
    assert not second.body["metadata"].get("continue")


async def test_only_metadata_is_listed_when_that_is_asked_for(kube: Kube, widgets: str) -> None:
    await kube.post(widgets, widget(widgets))
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    listed = await kube.get(widgets, accept)
    assert listed.body["kind"] == "PartialObjectMetadataList"
    assert [set(item) for item in listed.body["items"]] == [{"kind", "apiVersion", "metadata"}]


async def test_a_table_has_the_columns_of_the_definition(kube: Kube, widgets: str) -> None:
    await kube.post(widgets, widget(widgets, spec={"size": 7}))
    table = (await kube.get(widgets, "application/json;as=Table;v=v1;g=meta.k8s.io")).body
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Size"]
    assert [row["cells"] for row in table["rows"]] == [["w", 7]]


# --- update -------------------------------------------------------------------------------------


async def test_a_put_of_an_old_version_conflicts(kube: Kube, widgets: str) -> None:
    made = await kube.post(widgets, widget(widgets))
    newer = await kube.put(f"{widgets}/w", made.body | {"spec": {"size": 2}})
    assert newer.code == 200
    stale = await kube.put(f"{widgets}/w", made.body | {"spec": {"size": 3}})
    assert is_refused(stale, 409, "Conflict")
    assert "the object has been modified" in stale.body["message"]


async def test_a_put_without_a_version_is_invalid_for_custom_resources_and_leases(
    kube: Kube, widgets: str
) -> None:
    leases = kube.path("leases", group="coordination.k8s.io/v1")
    await kube.post(widgets, widget(widgets))
    await kube.post(leases, {"metadata": {"name": "l"}})
    blind = widget(widgets, spec={"size": 2})
    assert is_refused(await kube.put(f"{widgets}/w", blind), 422, "Invalid")
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
    assert is_refused(await kube.put(f"{leases}/l", lease), 422, "Invalid")


async def test_a_put_without_a_version_overwrites_a_configmap(kube: Kube) -> None:
    path = kube.path("configmaps", "c")
    await kube.post(kube.path("configmaps"), configmap())
    answer = await kube.put(path, {**configmap(), "data": {"a": "b"}})
    assert (answer.code, answer.body["data"]) == (200, {"a": "b"})


async def test_a_put_of_an_absent_lease_creates_it_and_of_a_configmap_does_not(kube: Kube) -> None:
    lease = kube.path("leases", "l", group="coordination.k8s.io/v1")
    assert (await kube.put(lease, {"metadata": {"name": "l"}})).code == 201
    absent = await kube.put(kube.path("configmaps", "c"), configmap())
    assert is_refused(absent, 404, "NotFound")


async def test_a_put_under_another_name_is_a_bad_request(kube: Kube) -> None:
    await kube.post(kube.path("configmaps"), configmap())
    answer = await kube.put(kube.path("configmaps", "c"), configmap("other"))
    assert is_refused(answer, 400, "BadRequest")


async def test_generation_counts_changes_of_the_spec_only(kube: Kube, widgets: str) -> None:
    await kube.post(widgets, widget(widgets))
    path = f"{widgets}/w"
    labelled = await kube.patch(path, {"metadata": {"labels": {"a": "b"}}})
    reported = await kube.patch(f"{path}/status", {"status": {"phase": "Done"}})
    changed = await kube.patch(path, {"spec": {"size": 2}})
    generations = [a.body["metadata"]["generation"] for a in (labelled, reported, changed)]
    assert generations == [1, 1, 2]


async def test_a_status_is_written_through_its_subresource_only(kube: Kube, widgets: str) -> None:
    path = f"{widgets}/w"
    made = await kube.post(widgets, widget(widgets, status={"phase": "Sneaked"}))
    assert "status" not in made.body
    sneaked = await kube.patch(path, {"status": {"phase": "Sneaked"}})
    assert "status" not in sneaked.body
    body = {"status": {"phase": "Done"}, "spec": {"size": 5}, "metadata": {"labels": {"a": "b"}}}
    reported = await kube.patch(f"{path}/status", body)
    assert reported.body["status"] == {"phase": "Done"}
    assert reported.body["spec"]["size"] == 1
    kept = await kube.put(path, reported.body | {"status": {}, "spec": {"size": 3}})
    assert (kept.body["status"], kept.body["spec"]["size"]) == ({"phase": "Done"}, 3)


async def test_what_the_server_gave_cannot_be_changed(kube: Kube) -> None:
    made = await kube.post(kube.path("configmaps"), configmap())
    path = kube.path("configmaps", "c")
    since = made.body["metadata"]["creationTimestamp"]
    changed = configmap(creationTimestamp="2001-01-01T00:00:00Z", generation=7)
    answer = await kube.put(path, {**changed, "data": {"a": "b"}})
    assert answer.body["metadata"]["uid"] == made.body["metadata"]["uid"]
    assert answer.body["metadata"]["creationTimestamp"] == since


# --- patch --------------------------------------------------------------------------------------


async def test_a_merge_patch_sets_and_removes(kube: Kube) -> None:
    await kube.post(kube.path("configmaps"), {**configmap(), "data": {"a": "1", "b": "2"}})
    answer = await kube.patch(kube.path("configmaps", "c"), {"data": {"a": None, "c": "3"}})
    assert answer.body["data"] == {"b": "2", "c": "3"}


async def test_a_patch_that_changes_nothing_changes_no_version(kube: Kube, widgets: str) -> None:
    made = await kube.post(widgets, widget(widgets))
    again = await kube.patch(f"{widgets}/w", {"spec": {"size": 1}})
    assert (again.code, again.version) == (200, made.version)


@pytest.mark.parametrize(
    "metadata",
    [{"uid": "00000000-0000-0000-0000-000000000000"}, {"resourceVersion": "1"}],
    ids=["uid", "version"],
)
async def test_a_patch_meant_for_another_object_or_version_conflicts(
    kube: Kube, widgets: str, metadata: Json
) -> None:
    await kube.post(widgets, widget(widgets))
    answer = await kube.patch(f"{widgets}/w", {"metadata": metadata, "spec": {"size": 2}})
    assert is_refused(answer, 409, "Conflict")


async def test_a_json_patch_is_all_or_nothing(kube: Kube) -> None:
    path = kube.path("configmaps", "c")
    await kube.post(kube.path("configmaps"), {**configmap(), "data": {"a": "1"}})
    change = {"op": "add", "path": "/data/b", "value": "2"}
    good = [{"op": "test", "path": "/data/a", "value": "1"}, change]
    assert (await kube.patch(path, good, JSON_PATCH)).body["data"] == {"a": "1", "b": "2"}
    bad = [{"op": "remove", "path": "/data/b"}, {"op": "test", "path": "/data/a", "value": "9"}]
    assert is_refused(await kube.patch(path, bad, JSON_PATCH), 422, "Invalid")
    assert (await kube.get(path)).body["data"] == {"a": "1", "b": "2"}


async def test_a_map_sent_as_a_json_patch_is_a_bad_request(kube: Kube, widgets: str) -> None:
    await kube.post(widgets, widget(widgets))
    answer = await kube.patch(f"{widgets}/w", {"spec": {"size": 2}}, JSON_PATCH)
    assert is_refused(answer, 400, "BadRequest")


@pytest.mark.parametrize("kind", [STRATEGIC, "application/json"])
async def test_a_patch_of_a_kind_that_is_not_taken_is_unsupported(
    kube: Kube, widgets: str, kind: str
) -> None:
    await kube.post(widgets, widget(widgets))
    answer = await kube.patch(f"{widgets}/w", {}, kind)
    assert is_refused(answer, 415, "UnsupportedMediaType")


async def test_a_strategic_merge_patch_merges_containers_by_name(kube: Kube) -> None:
    pod = {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}
    labels = {"app": "x"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    path = kube.path("deployments", group="apps/v1")
    assert (await kube.post(path, {"metadata": {"name": "d"}, "spec": spec})).code == 201
    change = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}}}
    answer = await kube.patch(f"{path}/d", change, STRATEGIC)
    containers = answer.body["spec"]["template"]["spec"]["containers"]
    assert [container["image"] for container in containers] == ["a:1", "b:2"]


async def test_an_apply_creates_then_changes(kube: Kube, widgets: str) -> None:
    path, applied = f"{widgets}/w", widget(widgets)
    made = await kube.patch(path, applied, APPLY, fieldManager="test")
    assert made.code == 201
    changed = await kube.patch(path, applied | {"spec": {"size": 4}}, APPLY, fieldManager="test")
    assert (changed.code, changed.body["spec"]["size"]) == (200, 4)


async def test_an_apply_without_a_field_manager_is_invalid(kube: Kube, widgets: str) -> None:
    answer = await kube.patch(f"{widgets}/w", widget(widgets), APPLY)
    assert is_refused(answer, 422, "Invalid")


async def test_a_patch_of_what_is_absent_is_not_found(kube: Kube, widgets: str) -> None:
    assert is_refused(await kube.patch(f"{widgets}/w", {"spec": {"size": 2}}), 404, "NotFound")


# --- schemas ------------------------------------------------------------------------------------


async def test_defaults_are_set_and_unknown_fields_dropped(kube: Kube, widgets: str) -> None:
    spec = {"size": 1, "unknown": 1, "free": {"any": {"thing": 1}}, "tags": {"a": "b"}}
    made = await kube.post(widgets, widget(widgets, spec=spec))
    kept = {"size": 1, "color": "red", "free": {"any": {"thing": 1}}, "tags": {"a": "b"}}
    assert made.body["spec"] == kept


async def test_unknown_fields_are_refused_when_validation_is_strict(
    kube: Kube, widgets: str
) -> None:
    body = widget(widgets, spec={"size": 1, "unknown": 1})
    answer = await kube.post(widgets, body, fieldValidation="Strict")
    assert is_refused(answer, 400, "BadRequest")
    assert 'unknown field "spec.unknown"' in answer.body["message"]


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({}, "spec.size", "FieldValueRequired"),
        ({"size": "1"}, "spec.size", "FieldValueTypeInvalid"),
        ({"size": 0}, "spec.size", "FieldValueInvalid"),
        ({"size": 10}, "spec.size", "FieldValueInvalid"),
        ({"size": 1, "color": "green"}, "spec.color", "FieldValueNotSupported"),
        ({"size": 1, "code": "A"}, "spec.code", "FieldValueInvalid"),
        ({"size": 1, "tags": {"a": 1}}, "spec.tags.a", "FieldValueTypeInvalid"),
        ({"size": 1, "list": ["a", 1]}, "spec.list[1]", "FieldValueTypeInvalid"),
        ("text", "spec", "FieldValueTypeInvalid"),
        ({"size": 1, "set": ["a", "a"]}, "spec.set[1]", "FieldValueDuplicate"),
        ({"size": 1, "parts": [{"name": "a"}] * 2}, "spec.parts[1]", "FieldValueDuplicate"),
        ({"size": 1, "since": "today"}, "spec.since", "FieldValueInvalid"),
        ({"size": 1, "code": "a"}, "spec", "FieldValueInvalid"),
        (
            {"size": 1, "parts": [{"name": "a", "of-wood": True}]},
            "spec.parts[0].namespace",
            "FieldValueRequired",
        ),
        ({"code": "a"}, "<nil>", "FieldValueInvalid"),
    ],
)
async def test_a_value_that_breaks_the_schema_is_invalid_with_its_field(
    kube: Kube, widgets: str, spec: Json, field: str, reason: str
) -> None:
    answer = await kube.post(widgets, widget(widgets, spec=spec))
    assert is_refused(answer, 422, "Invalid")
    causes = {cause["field"]: cause["reason"] for cause in answer.body["details"]["causes"]}
    assert causes.get(field) == reason


async def test_a_rule_is_answered_in_its_own_words_or_as_it_stands(
    kube: Kube, widgets: str
) -> None:
    async def said(**spec: Json) -> str:
        answer = await kube.post(widgets, widget(widgets, spec=spec))
        message: str = answer.body["message"]
        return message.partition(" is invalid: ")[2]

    assert await said(size=1, code="a") == 'spec: Invalid value: "object": a code needs two'
    assert await said(size=8) == 'spec: Invalid value: "object": failed rule: self.size != 8'
    wood = [{"name": "a", "of-wood": True}]
    assert await said(size=1, parts=wood) == (
        "spec.parts[0].namespace: Required value: wood has a namespace"
    )
    assert "some validation rules were not checked" in await said(code="a")


async def test_what_satisfies_all_rules_is_taken(kube: Kube, widgets: str) -> None:
    parts = [{"name": "a", "namespace": "n", "of-wood": True}, {"name": "b"}]
    spec = {"size": 2, "code": "a", "parts": parts, "set": ["a", "b"], "since": SINCE}
    assert (await kube.post(widgets, widget(widgets, spec=spec))).code == 201


SINCE = "2026-05-01T12:00:00Z"


async def test_a_definition_with_a_rule_that_is_none_is_invalid(kube: Kube) -> None:
    group = f"{kube.namespace}.example.com"
    for rule in ("self.", "size(self.spec)"):
        wrong = {**SCHEMA, "x-kubernetes-validations": [{"rule": rule}]}
        answer = await kube.post(CRDS, with_schema(definition(group), wrong))
        assert is_refused(answer, 422, "Invalid")
        assert "x-kubernetes-validations[0].rule" in answer.body["message"]


def with_schema(crd: Json, schema: Json) -> Json:
    (version,) = crd["spec"]["versions"]
    versions = [{**version, "schema": {"openAPIV3Schema": schema}}]
    return {**crd, "spec": {**crd["spec"], "versions": versions}}


# --- our own documents --------------------------------------------------------------------------

OURS = "/apis/checkrail.dev/v1alpha1"
MANAGER = {"fieldManager": "checkrail-conformance", "force": "true"}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture
async def ours(kube: Kube) -> Kube:
    """A server in which our definitions are installed."""
    for crd in crds.manifests():
        path = f"{CRDS}/{crd['metadata']['name']}"
        made = await kube.patch(path, crd, APPLY, **MANAGER)
        assert made.code in (200, 201), made.body
        async with asyncio.timeout(30):
            while (await kube.get(collection(crd["spec"]["names"]["kind"], kube))).code == 404:
                pass
    return kube


def collection(kind: str, kube: Kube) -> str:
    """Where documents of this kind are."""
    found = kinds()[kind]
    if found.namespaced:
        return kube.path(found.plural, group="checkrail.dev/v1alpha1")
    return f"{OURS}/{found.plural}"


def moved(document: Json, kube: Kube) -> Json:
    """The document in the test's own namespace, or under a name of its own."""
    metadata = dict(document["metadata"])
    if "namespace" in metadata:
        metadata["namespace"] = kube.namespace
    else:
        metadata["name"] = f"{kube.namespace}-{metadata['name']}"
    return {**document, "metadata": metadata}


async def test_it_takes_our_definitions_twice(ours: Kube) -> None:
    for crd in crds.manifests():
        path = f"{CRDS}/{crd['metadata']['name']}"
        again = await ours.patch(path, crd, APPLY, **MANAGER)
        assert again.code == 200, again.body


async def test_it_takes_our_roles(kube: Kube) -> None:
    for namespaces in ((), (kube.namespace,)):
        needs = generated.needs()
        for one in rbac.manifests(needs, namespaces, namespace=kube.namespace):
            group, _, version = one["apiVersion"].rpartition("/")
            root = f"/apis/{group}/{version}" if group else f"/api/{version}"
            plural = f"{one['kind'].lower()}s"
            where = one["metadata"].get("namespace")
            place = f"/namespaces/{where}" if where else ""
            path = f"{root}{place}/{plural}/{one['metadata']['name']}"
            made = await kube.patch(path, one, APPLY, dryRun="All", **MANAGER)
            assert made.code in (200, 201), made.body


@pytest.mark.parametrize("name", examples.FILES)
async def test_it_takes_our_examples(ours: Kube, name: str) -> None:
    for document in examples.documents(name):
        one = moved(document, ours)
        made = await ours.post(
            collection(one["kind"], ours), one, dryRun="All", fieldValidation="Strict"
        )
        assert made.code == 201, made.body


@pytest.mark.parametrize("wrong", examples.WRONG, ids=lambda one: f"{one.kind} {one.field}")
async def test_it_refuses_wrong_documents_by_our_rules(ours: Kube, wrong: examples.Wrong) -> None:
    one = moved(examples.document(wrong.kind, wrong.spec), ours)
    answer = await ours.post(collection(wrong.kind, ours), one, dryRun="All")
    assert is_refused(answer, 422, "Invalid")
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == [wrong.field]


@pytest.mark.parametrize(("kind", "spec"), examples.RIGHT)
async def test_it_takes_what_is_near_a_rule(ours: Kube, kind: str, spec: Json) -> None:
    one = moved(examples.document(kind, spec), ours)
    made = await ours.post(collection(kind, ours), one, dryRun="All", fieldValidation="Strict")
    assert made.code == 201, made.body


BUS: Json = {"type": "cdevents", "cdevents": {"url": "http://bus.ci.svc"}}
STATUS: Json = {
    "observedGeneration": 1,
    "delivered": 12,
    "waiting": 0,
    "parked": 1,
    "lastFailureMessage": "410 Gone",
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "DeliveryFailed",
            "message": "410 Gone",
            "observedGeneration": 1,
            "lastTransitionTime": SINCE,
        }
    ],
}


async def test_a_status_of_ours_is_written_and_shown_as_columns(ours: Kube) -> None:
    path = collection("Provider", ours)
    made = await ours.post(path, moved(examples.document("Provider", BUS), ours))
    assert made.body["spec"] == {**BUS, "suspend": False}
    told = await ours.patch(f"{path}/x/status", {"status": STATUS})
    assert (told.code, told.body["status"]) == (200, STATUS)
    assert told.body["metadata"]["generation"] == 1
    table = (await ours.get(path, TABLE)).body
    shown = {
        column["name"]: cell
        for column, cell in zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
        if column["name"] != "Age" and not column["priority"]
    }
    assert shown == {
        "Name": "x",
        "Type": "cdevents",
        "Ready": "False",
        "Delivered": 12,
        "Waiting": 0,
        "Parked": 1,
        "Status": "410 Gone",
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"delivered": -1}, "status.delivered"),
        ({"lastSuccess": "yesterday"}, "status.lastSuccess"),
        ({"conditions": STATUS["conditions"] * 2}, "status.conditions[1]"),
        ({"conditions": [{"type": "Ready"}]}, "status.conditions[0].reason"),
    ],
)
async def test_a_status_that_means_nothing_is_refused(ours: Kube, change: Json, field: str) -> None:
    path = collection("Provider", ours)
    await ours.post(path, moved(examples.document("Provider", BUS), ours))
    answer = await ours.patch(f"{path}/x/status", {"status": change})
    assert is_refused(answer, 422, "Invalid")
    assert field in [cause["field"] for cause in answer.body["details"]["causes"]]


async def test_our_documents_are_explained(ours: Kube) -> None:
    async with asyncio.timeout(30):
        while (schemas := await described(ours)).keys() < kinds().keys():
            pass
    for name, schema in schemas.items():
        assert schema["description"] == kinds()[name].description
        spec = schema["properties"]["spec"]["properties"]
        assert all(field["description"] for field in spec.values())


async def described(kube: Kube) -> dict[str, Json]:
    """Kind -> its schema, as `kubectl explain` asks for it."""
    answer = await kube.get("/openapi/v3" + OURS)
    if answer.code == 404:
        return {}
    schemas = answer.body["components"]["schemas"].values()
    return {
        kind["kind"]: schema
        for schema in schemas
        for kind in schema.get("x-kubernetes-group-version-kind", ())
        if kind["kind"] in kinds() and kind["group"] == "checkrail.dev"
    }


# --- watch --------------------------------------------------------------------------------------


async def test_a_watch_from_a_lists_version_tells_every_change_after_it(
    kube: Kube, widgets: str
) -> None:
    await kube.post(widgets, widget(widgets, "old"))
    listed = await kube.get(widgets)
    await kube.post(widgets, widget(widgets))
    await kube.patch(f"{widgets}/w", {"spec": {"size": 2}})
    async with kube.watch(widgets, resourceVersion=listed.version) as watch:
        await kube.patch(f"{widgets}/w/status", {"status": {"phase": "Done"}})
        await kube.delete(f"{widgets}/w")
        events = [await watch.next() for _ in range(4)]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]  # type: ignore[index]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]  # type: ignore[index]
    assert versions == sorted(set(versions))
    assert events[3]["object"]["status"] == {"phase": "Done"}  # type: ignore[index]


async def test_a_watch_from_version_0_begins_with_what_is_there(kube: Kube, widgets: str) -> None:
    for name in ("b", "a"):
        await kube.post(widgets, widget(widgets, name))
    async with kube.watch(widgets, resourceVersion="0") as watch:
        assert sorted(await watch.kinds(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await kube.delete(f"{widgets}/a")
        assert await watch.kinds(1) == [("DELETED", "a")]


async def test_a_watch_from_a_version_long_gone_is_told_so_inside_the_stream(
    kube: Kube, widgets: str
) -> None:
    async with kube.watch(widgets, resourceVersion="1") as watch:
        event = await watch.next()
        assert event is not None
        told = event["object"]
        assert watch.response.status == 200
        assert (event["type"], told["code"], told["reason"]) == ("ERROR", 410, "Expired")
        assert told["message"].startswith("too old resource version: 1 (")
        assert await watch.next() is None


async def test_leaving_a_label_selection_is_a_deletion_and_entering_an_addition(
    kube: Kube, widgets: str
) -> None:
    path = f"{widgets}/w"
    made = await kube.post(widgets, widget(widgets))
    query = {"resourceVersion": made.version, "labelSelector": "ci=on"}
    async with kube.watch(widgets, **query) as watch:
        await kube.patch(path, {"metadata": {"labels": {"ci": "on"}}})
        await kube.patch(path, {"spec": {"size": 2}})
        left = await kube.patch(path, {"metadata": {"labels": {"ci": "off"}}})
        await kube.patch(path, {"spec": {"size": 3}})
        await kube.patch(path, {"metadata": {"labels": {"ci": "on"}}})
        events = [await watch.next() for _ in range(4)]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]  # type: ignore[index]
    gone = events[2]["object"]["metadata"]  # type: ignore[index]
    assert (gone["labels"]["ci"], gone["resourceVersion"]) == ("on", left.version)


async def test_a_watch_of_one_name_tells_of_that_name_only(kube: Kube, widgets: str) -> None:
    listed = await kube.get(widgets)
    query = {"resourceVersion": listed.version, "fieldSelector": "metadata.name=b"}
    async with kube.watch(widgets, **query) as watch:
        for name in "abc":
            await kube.post(widgets, widget(widgets, name))
        await kube.delete(f"{widgets}/b")
        assert await watch.kinds(2) == [("ADDED", "b"), ("DELETED", "b")]


async def test_a_watch_ends_cleanly_when_its_time_is_up(kube: Kube, widgets: str) -> None:
    listed = await kube.get(widgets)
    async with kube.watch(widgets, resourceVersion=listed.version, timeoutSeconds="1") as watch:
        assert await watch.next() is None


async def test_a_change_that_changes_nothing_is_no_event(kube: Kube, widgets: str) -> None:
    made = await kube.post(widgets, widget(widgets))
    async with kube.watch(widgets, resourceVersion=made.version) as watch:
        await kube.patch(f"{widgets}/w", {"spec": {"size": 1}})
        await kube.delete(f"{widgets}/w")
        assert await watch.kinds(1) == [("DELETED", "w")]


async def test_a_watch_can_tell_metadata_only(kube: Kube, widgets: str) -> None:
    await kube.post(widgets, widget(widgets))
    accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    asked = {"watch": "1", "resourceVersion": "0", "timeoutSeconds": "1"}
    answer = await kube.session.get(kube.url + widgets, params=asked, headers={"Accept": accept})
    async with answer:
        line = await answer.content.readline()
    assert b'"kind":"PartialObjectMetadata"' in line
    assert b'"spec":' not in line


# --- delete -------------------------------------------------------------------------------------


async def test_deleting_a_custom_resource_answers_a_status(kube: Kube, widgets: str) -> None:
    made = await kube.post(widgets, widget(widgets))
    gone = await kube.delete(f"{widgets}/w")
    assert (gone.code, gone.body["kind"], gone.body["status"]) == (200, "Status", "Success")
    assert gone.body["details"]["uid"] == made.body["metadata"]["uid"]
    assert is_refused(await kube.delete(f"{widgets}/w"), 404, "NotFound")


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(kube: Kube, widgets: str) -> None:
    path = f"{widgets}/w"
    held = widget(widgets, metadata={"finalizers": ["example.com/hold"]})
    made = await kube.post(widgets, held)
    asked = await kube.delete(path)
    assert asked.body["kind"] == "Widget"
    assert "deletionTimestamp" in (await kube.get(path)).body["metadata"]
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert is_refused(await kube.patch(path, more), 422, "Invalid")
    async with kube.watch(widgets, resourceVersion=made.version) as watch:
        assert await watch.kinds(1) == [("MODIFIED", "w")]
        await kube.patch(path, {"metadata": {"finalizers": None}})
        assert await watch.kinds(1) == [("DELETED", "w")]
    assert (await kube.get(path)).code == 404


@pytest.mark.parametrize("condition", ["uid", "resourceVersion"])
async def test_a_delete_meant_for_another_object_conflicts(kube: Kube, condition: str) -> None:
    await kube.post(kube.path("configmaps"), configmap())
    conditions = {"preconditions": {condition: "00000000-0000-0000-0000-000000000000"}}
    answer = await kube.delete(kube.path("configmaps", "c"), conditions)
    assert is_refused(answer, 409, "Conflict")


async def test_a_collection_is_deleted_by_its_selector(kube: Kube, widgets: str) -> None:
    for name, team in (("a", "x"), ("b", "y"), ("c", "x")):
        await kube.post(widgets, widget(widgets, name, metadata={"labels": {"team": team}}))
    assert (await kube.delete(widgets, labelSelector="team=x")).code == 200
    assert names(await kube.get(widgets)) == ["b"]


async def test_a_dry_deletion_deletes_nothing(kube: Kube) -> None:
    await kube.post(kube.path("configmaps"), configmap())
    assert (await kube.delete(kube.path("configmaps", "c"), dryRun="All")).code == 200
    assert (await kube.get(kube.path("configmaps", "c"))).code == 200


async def test_a_definition_that_is_deleted_takes_its_objects_along(
    kube: Kube, widgets: str
) -> None:
    await kube.post(widgets, widget(widgets))
    assert (await kube.delete(f"{CRDS}/widgets.{widgets.split('/')[2]}")).code == 200
    async with asyncio.timeout(30):
        while (await kube.get(f"{widgets}/w")).code != 404:
            pass
        while (await kube.get(widgets)).code != 404:
            pass


@pytest.mark.parametrize(("method", "name"), [("POST", "c"), ("PUT", ""), ("PATCH", "")])
async def test_a_method_that_makes_no_sense_is_not_allowed(
    kube: Kube, method: str, name: str
) -> None:
    path = kube.url + kube.path("configmaps", name)
    async with kube.session.request(method, path, json=configmap()) as answer:
        body = await answer.json()
    assert (answer.status, body["reason"]) == (405, "MethodNotAllowed")


# --- jobs, leases, access -----------------------------------------------------------------------


def job(**template_labels: str) -> Json:
    pod = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}
    template = {"metadata": {"labels": template_labels}, "spec": pod}
    return {"metadata": {"name": "j"}, "spec": {"template": template}}


async def test_a_job_gets_a_selector_and_labels_of_its_own(kube: Kube) -> None:
    made = await kube.post(kube.path("jobs", group="batch/v1"), job(app="shop"))
    uid, spec = made.body["metadata"]["uid"], made.body["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["template"]["metadata"]["labels"] == {
        "app": "shop",
        "controller-uid": uid,
        "batch.kubernetes.io/controller-uid": uid,
        "job-name": "j",
        "batch.kubernetes.io/job-name": "j",
    }
    assert made.body["metadata"]["labels"] == {"app": "shop"}
    defaults = {key: spec[key] for key in ("backoffLimit", "completions", "parallelism", "suspend")}
    assert defaults == {"backoffLimit": 6, "completions": 1, "parallelism": 1, "suspend": False}


async def test_a_copied_job_that_brings_the_old_labels_is_invalid(kube: Kube) -> None:
    copied = job(**{"controller-uid": "00000000-0000-0000-0000-000000000000"})
    answer = await kube.post(kube.path("jobs", group="batch/v1"), copied)
    assert is_refused(answer, 422, "Invalid")
    fields = [cause["field"] for cause in answer.body["details"]["causes"]]
    assert any(field.startswith("spec.template.metadata.labels") for field in fields)


async def test_a_jobs_template_cannot_change_but_it_can_be_suspended(kube: Kube) -> None:
    path = kube.path("jobs", "j", group="batch/v1")
    await kube.post(kube.path("jobs", group="batch/v1"), job())
    change = {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}
    refused = await kube.patch(path, change)
    assert is_refused(refused, 422, "Invalid")
    assert refused.body["details"]["causes"][0]["field"] == "spec.template"
    suspended = await kube.patch(path, {"spec": {"suspend": True}})
    assert (suspended.code, suspended.body["metadata"]["generation"]) == (200, 2)


async def test_a_job_without_containers_is_invalid(kube: Kube) -> None:
    body = {"metadata": {"name": "j"}, "spec": {"template": {"spec": {"restartPolicy": "Never"}}}}
    assert is_refused(await kube.post(kube.path("jobs", group="batch/v1"), body), 422, "Invalid")


async def test_a_lease_changes_hands_only_at_the_version_that_was_seen(kube: Kube) -> None:
    leases = kube.path("leases", group="coordination.k8s.io/v1")
    spec = {"holderIdentity": "a", "renewTime": "2026-01-02T03:04:05.000006Z"}
    made = await kube.post(leases, {"metadata": {"name": "l"}, "spec": spec})
    mine = made.body | {"spec": {**spec, "holderIdentity": "b"}}
    theirs = made.body | {"spec": {**spec, "holderIdentity": "c"}}
    assert (await kube.put(f"{leases}/l", mine)).code == 200
    assert is_refused(await kube.put(f"{leases}/l", theirs), 409, "Conflict")
    assert (await kube.get(f"{leases}/l")).body["spec"]["holderIdentity"] == "b"


@pytest.mark.parametrize(
    ("spec", "code", "reason"),
    [
        ({"renewTime": "2026-01-02T03:04:05Z"}, 400, "BadRequest"),
        ({"leaseDurationSeconds": 0}, 422, "Invalid"),
    ],
    ids=["time", "duration"],
)
async def test_a_lease_with_a_value_that_is_none_is_refused(
    kube: Kube, spec: Json, code: int, reason: str
) -> None:
    leases = kube.path("leases", group="coordination.k8s.io/v1")
    answer = await kube.post(leases, {"metadata": {"name": "l"}, "spec": spec})
    assert is_refused(answer, code, reason)


async def test_one_may_ask_what_one_may_do(kube: Kube) -> None:
    attributes = {"verb": "list", "resource": "configmaps", "namespace": kube.namespace}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await kube.post(path, {"spec": {"resourceAttributes": attributes}})
    assert (answer.code, answer.body["status"]["allowed"]) == (201, True)
