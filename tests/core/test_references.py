"""Which Providers a Notification means, and what is said of those that it may not use."""

from typing import Any

import msgspec

from ghapp.core.audience import CLUSTER, LOCAL_FILE, NAMESPACE
from ghapp.core.notification import Notification, NotificationSpec
from ghapp.core.provider import Provider, provider_id
from ghapp.core.references import Resolved, resolve
from ghapp.core.trust import TrustPolicy, TrustPolicySpec


def provider(name: str, namespace: str = "") -> Provider:
    kind: Any = "Provider" if namespace else "ClusterProvider"
    return Provider(
        id=provider_id(kind, namespace, name),
        kind=kind,
        namespace=namespace,
        name=name,
        type="cdevents",
        settings={},
    )


KNOWN = (provider("bus"), provider("bus", "ci"), provider("bus", "platform"))
GRANT = TrustPolicy(
    name="ci",
    spec=TrustPolicySpec(
        namespaces=("ci",), repositories=("*",), providers=("platform/bus", "nowhere/bus")
    ),
)


def resolved(
    *refs: dict[str, str],
    namespace: str = "ci",
    rank: int = NAMESPACE,
    trust: tuple[TrustPolicy, ...] = (),
) -> Resolved:
    spec = msgspec.convert({"providerRefs": list(refs)}, NotificationSpec)
    kind: Any = "Notification" if namespace else "ClusterNotification"
    document = Notification(kind=kind, namespace=namespace, name="n", spec=spec, rank=rank)
    return resolve(document, KNOWN, trust, cluster="default")


def test_a_plain_name_is_of_the_documents_own_scope() -> None:
    assert resolved({"name": "bus"}).providers == ("provider/ci/bus",)
    assert resolved({"name": "bus"}, namespace="", rank=CLUSTER).providers == (
        "clusterprovider/bus",
    )


def test_what_is_named_twice_is_meant_once() -> None:
    found = resolved({"name": "bus"}, {"name": "bus", "kind": "Provider"})
    assert found == Resolved(providers=("provider/ci/bus",))


def test_one_that_is_not_there_takes_nothing_from_the_others() -> None:
    found = resolved({"name": "gone"}, {"name": "bus"})
    assert found.providers == ("provider/ci/bus",)
    assert found.problems == ("there is no Provider ci/gone",)


def test_another_namespace_needs_a_grant() -> None:
    ref = {"name": "bus", "namespace": "platform"}
    assert resolved(ref).providers == ()
    assert resolved(ref, trust=(GRANT,)).providers == ("provider/platform/bus",)


def test_who_may_not_ask_does_not_learn_what_there_is() -> None:
    here = resolved({"name": "bus", "namespace": "platform"}).problems[0]
    gone = resolved({"name": "bus", "namespace": "nowhere"}).problems[0]
    assert here.replace("platform", "nowhere") == gone


def test_whoever_may_write_for_the_whole_cluster_may_refer_to_everything() -> None:
    ref = {"name": "bus", "namespace": "platform", "kind": "Provider"}
    assert resolved(ref, namespace="", rank=CLUSTER).providers == ("provider/platform/bus",)
    assert resolved(ref, rank=LOCAL_FILE).providers == ("provider/platform/bus",)
