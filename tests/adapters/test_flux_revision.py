"""Which commit a Flux object is about: each way there, their order, and what leads nowhere.

The objects are valid against Flux' CRDs. Annotations of other tools are test_revision's matter.
"""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from adapters._read import flux
from ghapp.core.model import Repository, Revision
from ghapp.core.source import Context
from tests.adapters import recorded
from tests.adapters.flux import (
    BUSY,
    DIGEST,
    MAIN,
    NEXT,
    OTHER,
    SHA,
    T1,
    T2,
    T3,
    UPSTREAM,
    applied,
    chart,
    cond,
    doing,
    git,
    kustomization,
    oci,
)
from tests.adapters.recorded import observe
from tests.adapters.test_flux_helmrelease import READY, release

CRDS = Path(__file__).parents[3] / "shared/data/crds/flux"
FLEET = Repository(host="github.com", owner="acme", name="fleet")
ANNOTATION = "event.toolkit.fluxcd.io/commit"
OWNED = {
    "kustomize.toolkit.fluxcd.io/name": "apps",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
CHILD = {
    "helm.toolkit.fluxcd.io/name": "parent",
    "helm.toolkit.fluxcd.io/namespace": "apps",
}

Json = dict[str, Any]


def podinfo(
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    spec: Json | None = None,
    **status: Any,
) -> Json:
    """A HelmRelease that is well."""
    metadata: Json = {"labels": labels or {}, "annotations": annotations or {}}
    return release(READY, metadata=metadata, spec=spec, **status)


def claim(manifest: Json, *around: Json) -> Revision | None:
    found = observe(manifest, around=around)
    assert found is not None
    return found.revision


def rule(manifest: Json, *around: Json) -> str:
    found = claim(manifest, *around)
    return found.rule if found else ""


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (git(), "source.toolkit.fluxcd.io_gitrepositories"),
        (oci(), "source.toolkit.fluxcd.io_ocirepositories"),
        (oci(upstream=UPSTREAM), "source.toolkit.fluxcd.io_ocirepositories"),
        (chart(), "source.toolkit.fluxcd.io_helmcharts"),
        (kustomization(applied()), "kustomize.toolkit.fluxcd.io_kustomizations"),
        (podinfo(OWNED), "helm.toolkit.fluxcd.io_helmreleases"),
    ],
)
def test_our_objects_are_valid(made: Json, name: str) -> None:
    path = CRDS / f"{name}.yaml"
    if not path.exists():
        pytest.skip("Flux' CRDs (shared data) are not here")
    (version,) = YAML(typ="safe").load(path)["spec"]["versions"]
    jsonschema.Draft7Validator(version["schema"]["openAPIV3Schema"]).validate(made)


# --- revisions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revision", "commit", "pointer"),
    [
        (MAIN, SHA, "main"),
        (f"v1.0.0@sha1:{SHA}", SHA, "v1.0.0"),
        (f"feature/x@sha1:{SHA}", SHA, "feature/x"),
        (f"refs/pull/42/head@sha1:{SHA}", SHA, "refs/pull/42/head"),
        (f"sha1:{SHA}", SHA, ""),
        (f"main/{SHA}", SHA, "main"),
        (f"HEAD/{SHA}", SHA, ""),
        (f"main@{DIGEST}", DIGEST.removeprefix("sha256:"), "main"),
        ("", "", ""),
    ],
)
def test_a_revision_of_git_names_commit_and_branch(
    revision: str, commit: str, pointer: str
) -> None:
    assert flux.commit_of(revision, git=True) == commit
    assert flux.pointer_of(revision) == pointer


@pytest.mark.parametrize("revision", [f"latest@{DIGEST}", DIGEST])
def test_the_digest_of_an_artifact_is_no_commit(revision: str) -> None:
    assert flux.commit_of(revision, git=False) == ""


# --- Kustomizations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("https://github.com/acme/fleet", FLEET),
        ("https://token:s3cret@github.com/acme/fleet.git", FLEET),
        ("ssh://git@github.com/acme/fleet.git", FLEET),
        ("ssh://git@ssh.github.com:443/acme/fleet", FLEET),
        (
            "ssh://git@gitlab.example.com:2222/books/anarchism/fleet.git",
            Repository(host="gitlab.example.com", owner="books/anarchism", name="fleet"),
        ),
    ],
)
def test_the_source_names_the_repository_in_all_spellings(url: str, repository: Repository) -> None:
    expected = Revision(
        repository=repository, commit=SHA, ref="main", rule="source.toolkit.fluxcd.io"
    )
    assert claim(kustomization(applied()), git(url)) == expected


def test_a_pull_request_that_is_deployed_is_named() -> None:
    preview = f"refs/pull/42/head@sha1:{SHA}"
    one = kustomization(applied(preview), attempted=preview, applied=preview)
    found = claim(one, git(revision=preview))
    assert found is not None
    assert found.pull_request == 42


def test_an_oci_artifact_names_the_commit_that_it_was_made_of() -> None:
    held = f"latest@{DIGEST}"
    one = kustomization(applied(held), source="OCIRepository", attempted=held, applied=held)
    assert claim(one, oci(upstream=UPSTREAM)) == Revision(
        repository=FLEET, commit=SHA, ref="main", rule="source.toolkit.fluxcd.io"
    )
    assert claim(one, oci()) is None


def test_what_flux_remembers_of_an_artifact_needs_a_repository_of_ours() -> None:
    held = f"latest@{DIGEST}"
    one = kustomization(
        applied(held),
        metadata={"annotations": {"checkrail.dev/repository": "acme/fleet"}},
        source="OCIRepository",
        attempted=held,
        applied=held,
        lastAppliedOriginRevision=MAIN,
    )
    found = claim(one, oci(revision=f"latest@sha256:{'1' * 64}", upstream=UPSTREAM))
    assert found is not None
    assert (found.commit, found.repository) == (SHA, FLEET)


def test_a_bucket_has_no_commits() -> None:
    assert claim(kustomization(applied(), source="Bucket", attempted=DIGEST), git()) is None


# --- HelmReleases, in the documented order ------------------------------------------------------


@pytest.mark.parametrize("commit", [SHA, f"sha1:{SHA}", f"main@sha1:{SHA}", f"main/{SHA}"])
def test_flux_names_the_commit_and_we_the_repository(commit: str) -> None:
    notes = {
        ANNOTATION: commit,
        "event.toolkit.fluxcd.io/change_request": "12",
        "checkrail.dev/repository": "acme/fleet",
    }
    expected = Revision(
        repository=FLEET, commit=SHA, pull_request=12, rule="event.toolkit.fluxcd.io"
    )
    assert claim(podinfo(annotations=notes)) == expected


def test_the_repository_of_an_annotated_commit_may_be_the_owners() -> None:
    found = claim(podinfo(OWNED, {ANNOTATION: OTHER}), kustomization(applied()), git())
    assert found == Revision(repository=FLEET, commit=OTHER, rule="event.toolkit.fluxcd.io")


@pytest.mark.parametrize(
    "notes",
    [
        {ANNOTATION: SHA},
        {ANNOTATION: f"latest@{DIGEST}", "checkrail.dev/repository": "acme/fleet"},
        {"checkrail.dev/repository": "acme/fleet"},
    ],
    ids=["no repository", "an image's digest", "no commit"],
)
def test_an_annotation_alone_makes_no_claim(notes: dict[str, str]) -> None:
    assert claim(podinfo(annotations=notes)) is None


def test_the_kustomization_that_applied_it_names_the_commit() -> None:
    found = claim(podinfo(OWNED), kustomization(applied()), git())
    assert found == Revision(
        repository=FLEET, commit=SHA, ref="main", rule="kustomize.toolkit.fluxcd.io"
    )


def test_it_is_the_revision_that_is_attempted_not_the_one_applied_before() -> None:
    owner = kustomization(BUSY, doing("Detecting drift", NEXT), attempted=NEXT, applied=MAIN)
    found = claim(podinfo(OWNED), owner, git(revision=NEXT))
    assert found is not None
    assert found.commit == OTHER


def touched(at: str) -> Json:
    """A release that kustomize-controller changed then."""
    made = podinfo(OWNED)
    made["metadata"]["managedFields"] = [
        {"manager": "kustomize-controller", "operation": "Apply", "time": at},
        {"manager": "helm-controller", "operation": "Update", "subresource": "status", "time": T3},
    ]
    return made


def test_a_state_from_before_the_release_was_changed_names_nothing() -> None:
    stale, source = kustomization(applied(at=T1)), git()
    assert claim(touched(T2), stale, source) is None
    assert claim(touched(T1), stale, source) is not None
    busy = kustomization(cond("Ready", "Unknown", "Progressing", at=T1), attempted=MAIN)
    assert claim(touched(T2), busy, source) is not None


FROM_GIT: Json = {"helmChart": "flux-system/apps-podinfo"}


def test_a_chart_out_of_git_names_the_commit_it_was_packaged_from() -> None:
    assert claim(podinfo(**FROM_GIT), chart(), git()) == Revision(
        repository=FLEET, commit=SHA, ref="main", rule="source.toolkit.fluxcd.io"
    )
    by_name = {
        "chartRef": {"kind": "HelmChart", "name": "apps-podinfo", "namespace": "flux-system"}
    }
    assert rule(podinfo(spec=by_name), chart(), git()) == "source.toolkit.fluxcd.io"


@pytest.mark.parametrize(
    "made", [chart(strategy="ChartVersion"), chart(kind="HelmRepository"), chart(kind="Bucket")]
)
def test_a_chart_that_follows_versions_names_no_commit(made: Json) -> None:
    assert claim(podinfo(**FROM_GIT), made, git()) is None


def test_a_chart_in_a_registry_names_the_commit_if_it_says_so() -> None:
    reference = {"kind": "OCIRepository", "name": "apps", "namespace": "flux-system"}
    manifest = podinfo(spec={"chartRef": reference}, lastAttemptedRevisionDigest=DIGEST)
    assert rule(manifest, oci(upstream=UPSTREAM)) == "source.toolkit.fluxcd.io"
    later = oci(revision=f"latest@sha256:{'1' * 64}", upstream=UPSTREAM)
    assert claim(manifest, later) is None


def parent(**more: Any) -> Json:
    """The release that made another."""
    made = podinfo(OWNED, **more)
    made["metadata"] |= {"name": "parent", "uid": "u0"}
    return made


def test_a_release_inside_a_release_is_about_its_commit() -> None:
    found = claim(podinfo(CHILD), parent(), kustomization(applied()), git())
    assert found is not None
    assert (found.commit, found.rule) == (SHA, "helm.toolkit.fluxcd.io")


def test_releases_that_name_each_other_end_somewhere() -> None:
    ring = parent()
    ring["metadata"]["labels"] = CHILD | {"helm.toolkit.fluxcd.io/name": "podinfo"}
    assert claim(podinfo(CHILD), ring, podinfo(CHILD)) is None
    itself = CHILD | {"helm.toolkit.fluxcd.io/name": "podinfo"}
    assert claim(podinfo(itself), podinfo(itself)) is None


ORDER = [
    "checkrail.dev",
    "event.toolkit.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
]


def asked(manifest: Json, *around: Json) -> dict[str, tuple[bool, str]]:
    adapter = recorded.ADAPTERS[manifest["kind"]]
    assert adapter.resolution is not None
    context = Context(cluster="default", find=recorded.finder(adapter, around))
    found = adapter.resolution(recorded.decode(manifest, adapter.reads), context)
    return {one.rule: (one.matched, one.why) for one in found}


def test_each_way_is_tried_in_the_documented_order() -> None:
    ours = {"checkrail.dev/repository": "acme/shop", "checkrail.dev/commit": OTHER}
    everything = (kustomization(applied()), git(), chart(), parent())
    labels = OWNED | CHILD
    steps: list[Json] = [
        podinfo(labels, ours | {ANNOTATION: SHA}, **FROM_GIT),
        podinfo(labels, {ANNOTATION: SHA}, **FROM_GIT),
        podinfo(labels, **FROM_GIT),
        podinfo(CHILD, **FROM_GIT),
        podinfo(CHILD),
    ]
    assert [rule(step, *everything) for step in steps] == ORDER
    for count, step in enumerate(steps, start=1):
        assert list(asked(step, *everything)) == ORDER[:count]


def test_where_nothing_leads_to_a_commit_each_way_says_why() -> None:
    assert asked(podinfo(OWNED | CHILD)) == {
        "checkrail.dev": (False, "it says nothing"),
        "event.toolkit.fluxcd.io": (False, "it is not annotated with a commit"),
        "kustomize.toolkit.fluxcd.io": (
            False,
            "the Kustomization flux-system/apps was not seen",
        ),
        "source.toolkit.fluxcd.io": (False, "its chart was not seen"),
        "helm.toolkit.fluxcd.io": (False, "the HelmRelease apps/parent was not seen"),
    }
    assert asked(podinfo(OWNED), kustomization(applied()))["kustomize.toolkit.fluxcd.io"] == (
        False,
        "the GitRepository apps was not seen",
    )
    bucket = kustomization(applied(), source="Bucket")
    assert asked(bucket)["source.toolkit.fluxcd.io"] == (False, "a Bucket has no commits")


def test_a_kustomization_is_about_what_it_attempts() -> None:
    assert asked(kustomization(applied()), git()) == {
        "checkrail.dev": (False, "it says nothing"),
        "event.toolkit.fluxcd.io": (False, "it is not annotated with a commit"),
        "source.toolkit.fluxcd.io": (True, f"github.com/acme/fleet at {SHA}"),
    }
