"""What is written when somebody asks: clean copies, and patches of exactly the object meant."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._read.copies import NAME_LIMIT, copy_name
from ghapp.core.model import Subject
from ghapp.core.source import Asked, Create, Patch
from ghapp.errors import Refused
from tests.adapters import recorded
from tests.adapters.recorded import ADAPTERS

ASKED = Asked(login="octocat", token="guid-1", at="2026-05-04T02:00:00Z")
OBJECTS = list(recorded.objects())


def subject_of(manifest: dict[str, Any]) -> Subject:
    metadata = manifest["metadata"]
    return Subject(
        kind=manifest["kind"],
        cluster="default",
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
    )


def rerun(manifest: dict[str, Any], asked: Asked = ASKED) -> dict[str, Any]:
    plan = ADAPTERS[manifest["kind"]].rerun
    assert plan is not None
    write = plan(manifest, subject_of(manifest), asked)
    assert isinstance(write, Create)
    return write.manifest


def cancel(manifest: dict[str, Any], subject: Subject | None = None) -> Patch:
    plan = ADAPTERS[manifest["kind"]].cancel
    assert plan is not None
    write = plan(manifest, subject or subject_of(manifest), ASKED)
    assert isinstance(write, Patch)
    return write


def recorded_runs() -> Iterator[dict[str, Any]]:
    for manifest in OBJECTS:
        owned = "ownerReferences" in manifest["metadata"] and manifest["kind"] == "TaskRun"
        if manifest["kind"] in ADAPTERS and not owned:
            yield manifest


RUNS = list(recorded_runs())
RUN_IDS = [f"{run['kind']}-{run['metadata']['name']}" for run in RUNS]


def named(name: str) -> dict[str, Any]:
    found = next(run for run in RUNS if run["metadata"]["name"].startswith(name))
    return dict(json.loads(json.dumps(found)))


FOREIGN = re.compile(
    r"^(tekton\.dev/(?!git-|status-)|chains\.|pipeline\.tekton|kustomize\.|helm\.toolkit"
    r"|batch\.kubernetes|controller-uid|job-name|kubectl\.|argocd\.argoproj\.io/tracking"
    r"|pipelinesascode\.tekton\.dev/(state|check-run-id|log-url))"
)


@pytest.mark.parametrize("run", RUNS, ids=RUN_IDS)
def test_a_copy_has_nothing_that_server_or_controllers_set(run: dict[str, Any]) -> None:
    before = json.dumps(run)
    copy = rerun(run)
    assert set(copy) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(copy["metadata"]) == {"name", "namespace", "labels", "annotations"}
    keys = [*copy["metadata"]["labels"], *copy["metadata"]["annotations"]]
    assert not [key for key in keys if FOREIGN.match(key)]
    text = json.dumps({**copy, "metadata": {**copy["metadata"], "annotations": {}}})
    assert run["metadata"]["uid"] not in text
    assert "status" not in copy["spec"]
    assert json.dumps(run) == before, "the original is not touched"


@pytest.mark.parametrize("run", RUNS, ids=RUN_IDS)
def test_a_copy_says_whose_it_is_and_runs_under_the_same_check_name(run: dict[str, Any]) -> None:
    copy = rerun(run)
    notes = copy["metadata"]["annotations"]
    assert notes["checkrail.dev/rerun-of"] == run["metadata"]["name"]
    assert notes["checkrail.dev/rerun-of-uid"] == run["metadata"]["uid"]
    assert notes["checkrail.dev/requested-by"] == "octocat"
    assert notes["checkrail.dev/request"] == "guid-1"
    copy["metadata"]["uid"] = "new"
    original, again = recorded.observe(run, deleted=False), recorded.observe(copy)
    assert original is not None
    assert again is not None
    assert (again.name, again.rerun_of) == (original.name, run["metadata"]["uid"])
    if original.revision is None or "tekton.dev" not in original.revision.rule:
        assert again.check_name == original.check_name


@pytest.mark.parametrize("run", RUNS, ids=RUN_IDS)
def test_a_copy_of_a_copy_is_as_clean_and_keeps_the_name(run: dict[str, Any]) -> None:
    first = rerun(run)
    first["metadata"]["uid"] = "second"
    second = rerun(first, Asked(login="hubot", token="guid-2", at=ASKED.at))
    names = [one["metadata"]["name"] for one in (first, second)]
    assert len(set(names)) == 2
    assert {name.rpartition("-r-")[0] for name in names} == {names[0].rpartition("-r-")[0]}
    assert second["spec"] == first["spec"]
    assert second["metadata"]["labels"] == first["metadata"]["labels"]
    assert second["metadata"]["annotations"]["checkrail.dev/requested-by"] == "hubot"


def test_the_same_click_twice_is_the_same_copy() -> None:
    assert rerun(RUNS[0]) == rerun(RUNS[0])


@given(st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?", fullmatch=True), st.text())
def test_every_name_is_a_label_and_two_requests_have_two(name: str, token: str) -> None:
    asked = Asked(login="octocat", token=token, at=ASKED.at)
    made = copy_name(name, asked, of_copy=False)
    assert len(made) <= NAME_LIMIT
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", made)
    assert copy_name(made, asked, of_copy=True) == made


def test_a_copy_of_a_task_run_keeps_the_commit_that_its_author_named() -> None:
    run = named("go-test")
    run["metadata"].setdefault("annotations", {}).update(
        {
            "tekton.dev/git-status": "true",
            "tekton.dev/git-repo": "acme/shop",
            "tekton.dev/git-revision": "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b",
        }
    )
    copy = rerun(run)
    copy["metadata"]["uid"] = "new"
    original, again = recorded.observe(run), recorded.observe(copy)
    assert original is not None
    assert again is not None
    assert again.revision == original.revision is not None


@pytest.mark.parametrize("name", ["build-and-test", "go-test"])
def test_an_object_of_the_version_before_is_copied_and_cancelled_in_it(name: str) -> None:
    run = named(name) | {"apiVersion": "tekton.dev/v1beta1"}
    assert rerun(run)["apiVersion"] == "tekton.dev/v1beta1"
    run["status"] = {}
    assert cancel(run).resource.startswith("tekton.dev/v1beta1/")


def test_a_git_status_annotation_stays_on_a_pipeline_run() -> None:
    run = next(r for r in RUNS if "tekton.dev/git-status" in r["metadata"].get("annotations", {}))
    assert rerun(run)["metadata"]["annotations"]["tekton.dev/git-status"] == "true"


def test_what_argo_cd_and_flux_track_is_not_theirs_any_more() -> None:
    run = named("build-and-test")
    run["metadata"]["labels"] = {
        "app.kubernetes.io/instance": "shop",
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "team": "cart",
    }
    run["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "shop:x", "note": "kept"}
    copy = rerun(run)["metadata"]
    assert copy["labels"] == {"team": "cart"}
    assert copy["annotations"]["note"] == "kept"


def test_a_copy_of_a_job_leaves_pods_and_suspension_to_the_server() -> None:
    job = named("report-td5xq")
    spec = rerun(job)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert "selector" not in spec
    assert spec["suspend"] is False
    assert not [key for key in labels if "controller-uid" in key or "job-name" in key]


def test_what_cannot_be_run_again_is_refused_in_words() -> None:
    job = named("db-migrate")
    job["spec"]["manualSelector"] = True
    with pytest.raises(Refused, match="manualSelector"):
        rerun(job)
    job = named("db-migrate")
    job["metadata"]["ownerReferences"] = [{"kind": "JobSet", "name": "train", "controller": True}]
    with pytest.raises(Refused, match="JobSet train; re-run that"):
        rerun(job)
    run = named("build-and-test")
    run["metadata"]["ownerReferences"] = [
        {"kind": "PipelineRun", "name": "parent", "controller": True}
    ]
    with pytest.raises(Refused, match="PipelineRun parent; re-run that"):
        rerun(run)


RUNNING = {"conditions": [{"type": "Succeeded", "status": "Unknown", "reason": "Running"}]}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("build-and-test", {"spec": {"status": "Cancelled"}}),
        ("lint", {"spec": {"status": "TaskRunCancelled"}}),
    ],
)
def test_tekton_is_told_to_cancel(name: str, body: dict[str, Any]) -> None:
    run = {**named(name), "status": RUNNING}
    write, uid = cancel(run), run["metadata"]["uid"]
    assert (write.uid, write.name) == (uid, run["metadata"]["name"])
    assert write.body == {**body, "metadata": {"uid": uid}}


def test_a_job_is_suspended_in_somebodys_name() -> None:
    job = {**named("db-migrate"), "status": {"active": 1}}
    assert cancel(job).body == {
        "metadata": {
            "uid": job["metadata"]["uid"],
            "annotations": {"checkrail.dev/cancelled-by": "octocat"},
        },
        "spec": {"suspend": True},
    }


@pytest.mark.parametrize("name", ["build-and-test-47qsr", "lint", "db-migrate-v9d5x"])
def test_what_has_finished_cannot_be_cancelled(name: str) -> None:
    with pytest.raises(Refused, match="already finished") as refused:
        cancel(named(name))
    assert refused.value.status == 409


@pytest.mark.parametrize("name", ["build-and-test", "lint", "db-migrate"])
def test_another_object_of_that_name_is_left_alone(name: str) -> None:
    run = named(name)
    subject = subject_of(run)
    run["metadata"]["uid"] = "another"
    plans = (ADAPTERS[run["kind"]].rerun, ADAPTERS[run["kind"]].cancel)
    for plan in plans:
        assert plan is not None
        with pytest.raises(Refused, match="not the one"):
            plan(run, subject, ASKED)


def test_an_object_that_cannot_be_read_is_refused() -> None:
    run = named("build-and-test")
    subject = subject_of(run)
    run["spec"] = "gone"
    with pytest.raises(Refused, match="cannot be read"):
        cancel(run, subject)
