"""core.posted: what events of Flux and Tekton are turned into, and who may post them.

That they become checks is tested in `tests/e2e/test_posted.py`.
"""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghapp.core.posted import Posted, cluster_of, genuine, guid_of, parse

SHA = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"

# https://github.com/fluxcd/notification-controller internal/notifier/forwarder_test.go
KEY = b"7152fed34dd6149a7c75a276c510da27cb6f82b0"
VECTOR = (
    b'{"involvedObject":{"kind":"GitRepository","namespace":"gitops-system","name":"webapp"},'
    b'"severity":"info","timestamp":"2022-09-30T06:40:29Z","message":"message","reason":"reason",'
    b'"metadata":{"test":"metadata"},"reportingController":"source-controller",'
    b'"reportingInstance":"source-controller-xyz"}'
)
SIGNATURE = "sha256=65b018549b1254e7226d1c08f9567ee45bc9de0fc4e7b1a40253f9a018b08be7"

RELEASED: dict[str, Any] = {
    "involvedObject": {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "name": "podinfo",
        "namespace": "default",
        "uid": "7d0cdc51-ddcf-4743-b223-83ca5c699632",
    },
    "severity": "info",
    "timestamp": "2026-05-07T05:02:34Z",
    "reason": "UpgradeSucceeded",
    "message": "Helm upgrade succeeded for release podinfo/podinfo.v2 with chart "
    "podinfo@6.6.1+0cc9a8446c95",
    "metadata": {
        "revision": "6.6.1+0cc9a8446c95",
        "app-version": "6.6.1",
        "oci-digest": "sha256:0cc9",
    },
    "reportingController": "helm-controller",
}


def read(event: dict[str, Any]) -> Posted | None:
    return parse("flux/leaf", json.dumps(event).encode())


def with_metadata(**metadata: str) -> dict[str, Any]:
    return RELEASED | {"metadata": metadata}


# -- who may -------------------------------------------------------------------------------------


def test_flux_own_vector_is_genuine_and_nothing_near_it() -> None:
    def asks(body: bytes, signature: str, *secrets: bytes) -> bool:
        return genuine(body, signature=signature, bearer="", secrets=secrets)

    assert asks(VECTOR, SIGNATURE, KEY)
    assert asks(VECTOR, SIGNATURE, b"another", KEY)
    assert not asks(VECTOR, SIGNATURE)
    assert not asks(VECTOR, SIGNATURE, b"another")
    assert not asks(VECTOR + b" ", SIGNATURE, KEY)
    assert not asks(VECTOR, SIGNATURE.replace("sha256", "sha512"), KEY)
    assert not asks(VECTOR, SIGNATURE.replace("sha256", "md5"), KEY)


@given(body=st.binary(), signature=st.text(), bearer=st.text())
def test_what_nobody_signed_is_not_genuine(body: bytes, signature: str, bearer: str) -> None:
    assert not genuine(body, signature=signature, bearer=bearer, secrets=[b"a long secret here"])
    assert not genuine(body, signature=signature, bearer=bearer, secrets=[])


# -- garbage -------------------------------------------------------------------------------------

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=20,
)


@given(source=st.sampled_from(["flux", "tekton"]), body=st.binary() | TREES.map(json.dumps))
def test_garbage_is_nothing_or_our_own_error(source: str, body: bytes | str) -> None:
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        assert parse(f"{source}/leaf", raw) is None or source == "tekton"
    assert guid_of(f"{source}/leaf", raw)
    with contextlib.suppress(ValueError):
        assert isinstance(cluster_of(raw), str)


@given(st.sampled_from(sorted(RELEASED)), TREES)
def test_an_event_with_anything_in_a_field_is_one_or_our_own_error(field: str, value: Any) -> None:
    raw = json.dumps(RELEASED | {field: value}).encode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        assert isinstance(parse("flux/leaf", raw), Posted | None)
    assert guid_of("flux/leaf", raw)


# -- Flux ----------------------------------------------------------------------------------------


def test_the_official_sample_tells_of_the_release_and_helms_revision() -> None:
    posted = read(RELEASED)
    assert posted
    assert (posted.cluster, posted.kind, posted.latest) == ("leaf", "HelmRelease", False)
    (made,) = posted.manifest["status"]["history"]
    assert (made["version"], made["chartName"]) == (2, "podinfo")
    assert made["chartVersion"] == "6.6.1+0cc9a8446c95"
    assert made["ociDigest"] == "sha256:0cc9"


@pytest.mark.parametrize(
    "change",
    [
        {"severity": "trace"},
        {"reason": "DriftDetected"},
        {"reason": "AReasonOfTheFuture"},
        {"involvedObject": RELEASED["involvedObject"] | {"kind": "GitRepository"}},
        {"involvedObject": RELEASED["involvedObject"] | {"apiVersion": "apps/v1"}},
    ],
)
def test_what_changes_no_verdict_is_nothing(change: dict[str, Any]) -> None:
    assert read(RELEASED | change) is None


def test_an_event_that_does_not_say_of_what_it_is_refused() -> None:
    nameless = RELEASED["involvedObject"] | {"uid": ""}
    with pytest.raises(ValueError, match="which object"):
        read(RELEASED | {"involvedObject": nameless})


@pytest.mark.parametrize(
    ("metadata", "commit"),
    [
        ({"commit": SHA}, SHA),
        ({"commit": SHA, "revision": f"main@sha1:{'f' * 40}"}, SHA),
        ({"event.toolkit.fluxcd.io/commit": SHA}, SHA),
        ({"originRevision": f"main@sha1:{SHA}", "revision": "latest@sha256:" + "a" * 64}, SHA),
        ({"kustomize.toolkit.fluxcd.io/revision": f"main@sha1:{SHA}"}, SHA),
        ({"revision": f"main/{SHA}"}, SHA),
        ({"revision": f"sha1:{SHA}"}, SHA),
        ({"revision": "latest@sha256:" + "a" * 64}, ""),
        ({"revision": "6.6.1+0cc9a8446c95"}, ""),
        ({"commit": SHA[:12]}, ""),
        ({}, ""),
    ],
)
def test_the_commit_is_found_as_flux_finds_it(metadata: dict[str, str], commit: str) -> None:
    posted = read(with_metadata(repository="acme/shop", **metadata))
    assert posted
    notes = posted.manifest["metadata"]["annotations"]
    assert notes.get("checkrail.dev/commit", "") == commit


def test_without_a_repository_there_is_no_claim() -> None:
    posted = read(with_metadata(commit=SHA, revision="1.0.0"))
    assert posted
    assert posted.manifest["metadata"]["annotations"] == {}


def test_an_event_without_a_revision_is_about_the_newest_run() -> None:
    failed = with_metadata() | {"reason": "ValuesError", "severity": "error"}
    posted = read(failed)
    assert posted
    assert posted.latest


def test_an_uninstall_is_a_removal_unless_it_mends_something() -> None:
    gone = read(RELEASED | {"reason": "UninstallSucceeded", "message": "Helm uninstall succeeded"})
    mended = "Helm uninstall remediation for release a/b.v1 with chart b@1 succeeded"
    kept = read(RELEASED | {"reason": "UninstallSucceeded", "message": mended})
    assert gone
    assert kept
    assert (gone.removed, kept.removed) == (True, False)


def test_an_event_has_one_guid_and_another_event_another() -> None:
    def guid(cluster: str = "leaf", **change: Any) -> str:
        return guid_of(f"flux/{cluster}", json.dumps(RELEASED | change).encode())

    assert guid() == guid(reportingInstance="another pod of the same controller")
    others = [
        guid(reason="UpgradeFailed"),
        guid(timestamp="2026-05-07T05:02:35Z"),
        guid(message="another"),
        guid(metadata={"revision": "2"}),
        guid("another"),
    ]
    assert len({guid(), *others}) == 6


def test_the_cluster_is_read_from_the_metadata() -> None:
    assert cluster_of(json.dumps(with_metadata(cluster="leaf")).encode()) == "leaf"
    assert cluster_of(b"{}") == ""
    assert cluster_of(b'{"metadata": {"cluster": 7}}') == ""


# -- Tekton --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "kind"),
    [("pipelineRun", "PipelineRun"), ("taskRun", "TaskRun"), ("customRun", "CustomRun")],
)
def test_the_run_of_a_tekton_event_is_taken_as_it_is(key: str, kind: str) -> None:
    run = {"metadata": {"name": "a", "namespace": "ci", "uid": "u"}, "spec": {}}
    posted = parse("tekton/leaf", json.dumps({key: run}).encode())
    assert posted
    assert (posted.kind, posted.group, posted.manifest) == (kind, "tekton.dev", run)


def test_a_tekton_event_of_anything_else_is_nothing() -> None:
    assert parse("tekton/leaf", b"{}") is None
    assert parse("tekton/leaf", b'{"run": {"metadata": {}}}') is None
    with pytest.raises(ValueError, match="unknown shape"):
        parse("tekton/leaf", b'{"taskRun": {"metadata": {}}}')
