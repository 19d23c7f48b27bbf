"""What people ask for, done in a cluster: exactly once, to exactly the object they meant.

Against the Kubernetes stand-in. Left to others: what a copy or a patch looks like (adapters), the
answers of an API server in general (engine/test_kube).
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ghapp.core import cdevents
from ghapp.core.effects import Cancel, Effect, Reconcile, Rerun
from ghapp.core.model import Milestone, Subject
from ghapp.core.source import Create, Patch
from ghapp.demo.kube import KubeApi
from ghapp.errors import DeliveryError, Reject, Retry
from ghapp.ports import Slot
from ghapp.sinks.cluster import REQUEST, SINK, Cluster, finished
from tests.core.builders import run_look
from tests.engine.kube_rig import RUNS, client, kube_api, run, served


@pytest.fixture
def api() -> KubeApi:
    return kube_api()


@pytest.fixture
async def sink(api: KubeApi) -> AsyncIterator[Cluster]:
    async with served(api.app()) as url, client(url) as kube:
        yield Cluster(clusters={"prod": kube}, resources={RUNS.id: RUNS})


def subject(uid: str, cluster: str = "prod") -> Subject:
    return Subject(kind="PipelineRun", cluster=cluster, namespace="ci", name="a", uid=uid)


def rerun(name: str = "a-r-1", *, token: str = "t1", resource: str = RUNS.id) -> Rerun:
    write = Create(resource=resource, namespace="ci", manifest=run(name))
    return Rerun(subject=subject("u"), login="octocat", token=token, write=write)


def patch_of(uid: str) -> Patch:
    body = {"spec": {"status": "Cancelled"}}
    return Patch(resource=RUNS.id, namespace="ci", name="a", uid=uid, body=body)


def cancel(uid: str) -> Cancel:
    return Cancel(subject=subject(uid), login="octocat", token="t1", write=patch_of(uid))


async def deliver(sink: Cluster, effect: Effect) -> str:
    receipt = await sink.deliver(effect, key="key", slot=Slot())
    assert receipt is not None
    assert receipt.slot is None
    return receipt.notice


async def refusal(sink: Cluster, effect: Effect) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await deliver(sink, effect)
    return caught.value


def names(api: KubeApi) -> list[str]:
    return [one["metadata"]["name"] for one in api.list("pipelineruns")]


def test_it_takes_what_changes_a_run_and_nothing_else() -> None:
    sink = Cluster(clusters={}, resources={})
    reconcile = Reconcile(subject=subject("u"), login="o", token="t", write=patch_of("u"))
    assert all(sink.accepts(one) for one in (rerun(), cancel("u"), reconcile))
    event = cdevents.milestone_event(run_look(), Milestone.STARTED, "chain")
    assert event is not None
    assert not sink.accepts(event)
    assert SINK.name == "cluster"
    assert SINK.build is Cluster


# --- copies -------------------------------------------------------------------------------------


async def test_a_copy_is_made_and_signed_with_its_request(api: KubeApi, sink: Cluster) -> None:
    assert await deliver(sink, rerun()) == "Re-run as `a-r-1`, asked by **octocat**."
    made = api.get("pipelineruns", "ci", "a-r-1")
    assert made["metadata"]["annotations"] == {REQUEST: "t1"}


async def test_the_adapters_own_signature_is_kept(api: KubeApi, sink: Cluster) -> None:
    manifest = run("b")
    manifest["metadata"]["annotations"] = {REQUEST: "theirs", "x": "y"}
    write = Create(resource=RUNS.id, namespace="ci", manifest=manifest)
    effect = Rerun(subject=subject("u"), login="octocat", token="t1", write=write)
    await deliver(sink, effect)
    await deliver(sink, effect)
    made = api.get("pipelineruns", "ci", "b")
    assert made["metadata"]["annotations"] == {REQUEST: "theirs", "x": "y"}


async def test_delivered_twice_it_is_made_once(api: KubeApi, sink: Cluster) -> None:
    first = await deliver(sink, rerun())
    assert await deliver(sink, rerun()) == first
    assert names(api) == ["a-r-1"]


async def test_an_answer_that_was_lost_does_not_make_a_second_copy(
    api: KubeApi, sink: Cluster
) -> None:
    api.faults.drop_next_answer(verb="create")
    error = await refusal(sink, rerun())
    assert isinstance(error, Retry)
    assert error.uncertain
    assert await deliver(sink, rerun()) == "Re-run as `a-r-1`, asked by **octocat**."
    assert names(api) == ["a-r-1"]


@pytest.mark.parametrize("annotations", [None, {REQUEST: "another"}])
async def test_somebody_elses_object_of_that_name_is_not_taken_for_ours(
    api: KubeApi, sink: Cluster, annotations: dict[str, str] | None
) -> None:
    foreign = run("a-r-1")
    foreign["metadata"]["annotations"] = annotations
    api.create(foreign)
    error = await refusal(sink, rerun())
    assert (type(error), error.status) == (Reject, 409)
    assert "was not made for this request" in error.reason


async def test_an_object_that_vanishes_while_we_look_is_made_by_the_next_try(
    api: KubeApi, sink: Cluster
) -> None:
    api.faults.fail_next(code=409, verb="create")
    assert isinstance(await refusal(sink, rerun()), Retry)
    await deliver(sink, rerun())
    assert names(api) == ["a-r-1"]


async def test_a_namespace_that_is_gone_is_said_to_be(api: KubeApi, sink: Cluster) -> None:
    api.auto_namespaces = False
    error = await refusal(sink, rerun())
    assert (type(error), error.status) == (Reject, 404)
    assert "namespace ci or the resource itself is gone" in error.reason


@pytest.mark.parametrize("verb", ["create", "get"])
async def test_want_of_rights_says_how_to_mend_it(api: KubeApi, sink: Cluster, verb: str) -> None:
    api.create(run("a-r-1"))
    api.deny(verb, "pipelineruns")
    error = await refusal(sink, rerun())
    assert (type(error), error.status) == (Reject, 403)
    assert "checkrail rbac" in error.reason


# --- patches ------------------------------------------------------------------------------------


async def test_a_cancel_changes_the_run_that_was_meant(api: KubeApi, sink: Cluster) -> None:
    uid = api.create(run("a"))["metadata"]["uid"]
    assert await deliver(sink, cancel(uid)) == "Cancelled, asked by **octocat**."
    assert await deliver(sink, cancel(uid)) == "Cancelled, asked by **octocat**."
    assert api.get("pipelineruns", "ci", "a")["spec"] == {"status": "Cancelled"}


async def test_a_reconcile_keeps_the_annotations_that_the_adapter_asks_for(
    api: KubeApi, sink: Cluster
) -> None:
    uid = api.create(run("a"))["metadata"]["uid"]
    body = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "t1"}}}
    write = Patch(resource=RUNS.id, namespace="ci", name="a", uid=uid, body=body)
    effect = Reconcile(subject=subject(uid), login="octocat", token="t1", write=write)
    assert await deliver(sink, effect) == "Reconciliation requested, asked by **octocat**."
    annotations = api.get("pipelineruns", "ci", "a")["metadata"]["annotations"]
    assert annotations == {"reconcile.fluxcd.io/requestedAt": "t1"}


async def test_a_rerun_may_be_a_patch(api: KubeApi, sink: Cluster) -> None:
    uid = api.create(run("a"))["metadata"]["uid"]
    effect = Rerun(subject=subject(uid), login="octocat", token="t1", write=patch_of(uid))
    assert await deliver(sink, effect) == "Re-run, asked by **octocat**."


async def test_another_object_of_that_name_is_left_alone(api: KubeApi, sink: Cluster) -> None:
    api.create(run("a"))
    error = await refusal(sink, cancel("the-uid-of-yesterday"))
    assert (type(error), error.status) == (Reject, 404)
    assert error.reason == "PipelineRun ci/a (uid the-uid-of-yesterday) is gone"
    assert "spec" not in api.get("pipelineruns", "ci", "a")


async def test_a_run_that_is_gone_is_said_to_be(sink: Cluster) -> None:
    error = await refusal(sink, cancel("u"))
    assert (type(error), error.status) == (Reject, 404)
    assert error.reason.endswith("is gone")


def with_condition(api: KubeApi, type_: str, status: str) -> str:
    uid: str = api.create(run("a"))["metadata"]["uid"]
    conditions = {"conditions": [{"type": type_, "status": status}]}
    api.patch("pipelineruns", "ci", "a", {"status": conditions}, subresource="status")
    return uid


@pytest.mark.parametrize("code", [400, 409, 422])
async def test_a_run_that_had_finished_needs_no_cancelling(
    api: KubeApi, sink: Cluster, code: int
) -> None:
    uid = with_condition(api, "Succeeded", "False")
    api.faults.fail_next(code=code, verb="patch")
    notice = await deliver(sink, cancel(uid))
    assert notice == "Nothing to cancel: it had finished already, asked by **octocat**."


async def test_a_run_that_goes_on_and_cannot_be_cancelled_is_the_servers_refusal(
    api: KubeApi, sink: Cluster
) -> None:
    uid = with_condition(api, "Succeeded", "Unknown")
    api.faults.fail_next(code=422, verb="patch")
    error = await refusal(sink, cancel(uid))
    assert (type(error), error.status) == (Reject, 422)


async def test_a_finished_object_that_cannot_be_reconciled_is_a_refusal(
    api: KubeApi, sink: Cluster
) -> None:
    uid = with_condition(api, "Succeeded", "True")
    api.faults.fail_next(code=422, verb="patch")
    effect = Reconcile(subject=subject(uid), login="octocat", token="t1", write=patch_of(uid))
    assert (await refusal(sink, effect)).status == 422


@pytest.mark.parametrize("code", [404, 403])
async def test_a_refused_patch_whose_object_cannot_be_read_is_a_refusal(
    api: KubeApi, sink: Cluster, code: int
) -> None:
    uid = api.create(run("a"))["metadata"]["uid"]
    api.faults.fail_next(code=422, verb="patch")
    api.faults.fail_next(code=code, verb="get")
    error = await refusal(sink, cancel(uid))
    assert (type(error), error.status) == (Reject, 404 if code == 404 else 422)


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_server_in_trouble_is_tried_again(api: KubeApi, sink: Cluster, code: int) -> None:
    uid = api.create(run("a"))["metadata"]["uid"]
    api.faults.fail_next(code=code, verb="patch")
    assert isinstance(await refusal(sink, cancel(uid)), Retry)
    assert await deliver(sink, cancel(uid))


@pytest.mark.parametrize(
    ("status", "over"),
    [
        (None, False),
        ({}, False),
        ({"conditions": None}, False),
        ({"conditions": [{"type": "Succeeded", "status": "Unknown"}]}, False),
        ({"conditions": [{"type": "Succeeded", "status": "True"}]}, True),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, False),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, False),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, True),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, True),
    ],
)
def test_finished_is_what_the_object_says(status: dict[str, Any] | None, over: bool) -> None:
    assert finished({"status": status}) is over


# --- mistakes -----------------------------------------------------------------------------------


async def test_a_cluster_that_is_not_ours_is_named() -> None:
    error = await refusal(Cluster(clusters={}, resources={RUNS.id: RUNS}), cancel("u"))
    assert isinstance(error, Reject)
    assert "'prod'" in error.reason


async def test_a_resource_that_no_adapter_writes_is_named(sink: Cluster) -> None:
    error = await refusal(sink, rerun(resource="apps/v1/deployments"))
    assert isinstance(error, Reject)
    assert "apps/v1/deployments" in error.reason
