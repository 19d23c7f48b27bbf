"""Kustomizations: which revision, its phase, what became of the environment, steps, requests.

No stream of kustomize-controller was recorded: these states follow its source, and are valid
against its CRD. Which commit a revision is, is test_flux_revision's matter; that intervals tell
nothing is test_told's.
"""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from ghapp.core.model import Conclusion, Observation, Phase, Subject, SubjectType, Verb
from ghapp.core.source import Asked, Patch
from ghapp.errors import Refused
from tests.adapters.flux import (
    BUSY,
    MAIN,
    NEXT,
    OTHER,
    RETRYING,
    SHA,
    T1,
    T2,
    T3,
    applied,
    cond,
    doing,
    failed,
    git,
    kustomization,
    snapshot,
)
from tests.adapters.recorded import ADAPTERS, observe

CRD = (
    Path(__file__).parents[3]
    / "shared/data/crds/flux/kustomize.toolkit.fluxcd.io_kustomizations.yaml"
)
HEALTHY = cond("Healthy", "True", "Succeeded", "Health check passed in 1.2s")
SICK = cond("Healthy", "False", "HealthCheckFailed", "timeout waiting for: [Deployment/apps/shop]")
STALLED = cond("Stalled", "True", "InvalidCELExpression", "no")
WAITS = {"wait": True}
DEPENDENCY = failed("DependencyNotReady", "dependency 'flux-system/infra' is not ready")
FETCHING = failed("ArtifactFailed", "Source artifact not found, retrying in 30s")

STATES: dict[str, tuple[dict[str, Any], Phase]] = {
    "not looked at yet": (kustomization(attempted="", applied=""), Phase.QUEUED),
    "dependency": (kustomization(DEPENDENCY, attempted="", applied=""), Phase.QUEUED),
    "source being fetched": (kustomization(FETCHING, attempted="", applied=""), Phase.QUEUED),
    "fetching": (
        kustomization(BUSY, doing("Fetching manifests"), attempted="", applied=""),
        Phase.RUNNING,
    ),
    "building": (kustomization(BUSY, doing("Building manifests"), applied=""), Phase.RUNNING),
    "health checks": (
        kustomization(BUSY, doing("Running health checks"), applied="", spec=WAITS),
        Phase.RUNNING,
    ),
    "applied": (kustomization(applied(), history=[snapshot()]), Phase.SUCCEEDED),
    "applied and healthy": (kustomization(applied(), HEALTHY, spec=WAITS), Phase.SUCCEEDED),
    "build failed": (
        kustomization(failed("BuildFailed"), RETRYING, applied=""),
        Phase.FAILED,
    ),
    "apply failed": (
        kustomization(failed("ReconciliationFailed"), RETRYING, applied=""),
        Phase.FAILED,
    ),
    "prune failed": (kustomization(failed("PruneFailed"), RETRYING, applied=""), Phase.FAILED),
    "unhealthy": (
        kustomization(failed("HealthCheckFailed"), SICK, RETRYING, applied="", spec=WAITS),
        Phase.FAILED,
    ),
    "a reason newer than we are": (
        kustomization(failed("Exploded"), RETRYING, applied=""),
        Phase.FAILED,
    ),
    "no source": (kustomization(failed("ArtifactFailed", "Source 'x' not found")), Phase.ERRORED),
    "no access": (kustomization(failed("AccessDenied")), Phase.ERRORED),
    "a feature that is off": (kustomization(failed("FeatureGateDisabled")), Phase.ERRORED),
    "no folder": (kustomization(failed("DirectoryCreationFailed")), Phase.ERRORED),
    "stalled": (kustomization(failed("InvalidCELExpression"), STALLED), Phase.ERRORED),
    "overtaken": (
        kustomization(failed("HealthCheckCanceled", "New reconciliation"), applied=""),
        Phase.CANCELLED,
    ),
    "suspended while it waits": (
        kustomization(DEPENDENCY, attempted="", applied="", spec={"suspend": True}),
        Phase.CANCELLED,
    ),
}


def look(manifest: dict[str, Any], *around: dict[str, Any], deleted: bool = False) -> Observation:
    found = observe(manifest, around=around or (git(),), deleted=deleted)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft7Validator:
    if not CRD.exists():
        pytest.skip("Flux' CRDs (shared data) are not here")
    (v1,) = YAML(typ="safe").load(CRD)["spec"]["versions"]
    return jsonschema.Draft7Validator(v1["schema"]["openAPIV3Schema"])


@pytest.mark.parametrize("state", STATES)
def test_our_states_are_valid_kustomizations(
    state: str, schema: jsonschema.Draft7Validator
) -> None:
    schema.validate(STATES[state][0])


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_phase(state: str) -> None:
    manifest, phase = STATES[state]
    found = look(manifest)
    assert found.phase is phase
    assert (found.finished is not None) == phase.finished
    assert (found.living, found.type) == (True, SubjectType.ENVIRONMENT)
    assert (found.name, found.check_name) == ("apps", "flux / flux-system/apps")
    assert found.finished is None or found.finished >= found.created


@pytest.mark.parametrize(
    ("state", "conclusion"),
    [
        ("overtaken", Conclusion.NEUTRAL),
        ("suspended while it waits", Conclusion.ACTION_REQUIRED),
        ("applied", None),
        ("unhealthy", None),
    ],
)
def test_what_nobody_did_wrong_is_nobodys_failure(
    state: str, conclusion: Conclusion | None
) -> None:
    assert look(STATES[state][0]).conclusion is conclusion


def test_suspending_takes_no_verdict_back() -> None:
    found = look(kustomization(applied(), spec={"suspend": True}))
    assert (found.phase, found.verbs) == (Phase.SUCCEEDED, ())


# --- which revision -----------------------------------------------------------------------------


def test_a_run_is_named_by_the_revision_that_is_attempted() -> None:
    found = look(STATES["applied"][0])
    assert found.subject.external_id == f"Kustomization/flux-system/apps/Kustomization-apps@{MAIN}"
    assert found.revision is not None
    assert (found.revision.commit, found.revision.ref) == (SHA, "main")


def test_a_new_revision_is_the_run_from_its_first_step_on() -> None:
    fetching = kustomization(BUSY, doing("Fetching manifests", NEXT))
    found = look(fetching, git(revision=NEXT))
    assert (found.subject.revision, found.phase) == (NEXT, Phase.RUNNING)
    assert found.revision is not None
    assert found.revision.commit == OTHER


@pytest.mark.parametrize(
    "condition", [DEPENDENCY, FETCHING, failed("ArtifactFailed", "kustomization path not found")]
)
def test_what_keeps_it_from_an_attempt_concerns_what_the_source_holds(
    condition: dict[str, str],
) -> None:
    assert look(kustomization(condition), git(revision=NEXT)).subject.revision == NEXT


def test_a_later_revision_of_the_source_does_not_move_a_verdict() -> None:
    assert look(kustomization(applied()), git(revision=NEXT)).subject.revision == MAIN
    assert look(kustomization(failed("BuildFailed")), git(revision=NEXT)).subject.revision == MAIN


def test_before_anything_is_known_the_generation_names_it() -> None:
    found = observe(kustomization(attempted="", applied=""))
    assert found is not None
    assert (found.subject.revision, found.revision) == ("generation-1", None)


# --- what became of the environment -------------------------------------------------------------


def test_what_was_applied_modified_the_environment() -> None:
    (occurrence,) = look(STATES["applied"][0]).occurrences
    assert (occurrence.type, occurrence.key) == ("environment.modified", f"modified/{MAIN}")
    assert occurrence.at.minute == 1  # when it was first applied, not when it was last confirmed


def test_an_interval_later_it_is_the_same_occurrence() -> None:
    later = kustomization(applied(at=T3), history=[snapshot()])
    assert look(later).occurrences == look(STATES["applied"][0]).occurrences


@pytest.mark.parametrize("state", ["build failed", "apply failed", "prune failed", "unhealthy"])
def test_what_went_wrong_with_it_is_an_incident(state: str) -> None:
    (occurrence,) = look(STATES[state][0]).occurrences
    assert occurrence.type == "incident.detected"
    assert occurrence.artifact == f"pkg:github/acme/fleet@{SHA}"


@pytest.mark.parametrize(
    "state", ["dependency", "no source", "overtaken", "stalled", "a reason newer than we are"]
)
def test_what_never_came_to_applying_is_none(state: str) -> None:
    assert look(STATES[state][0]).occurrences == ()


def test_without_a_commit_an_incident_names_the_revision() -> None:
    found = observe(kustomization(failed("BuildFailed"), source="Bucket", attempted="sha256:0a"))
    assert found is not None
    assert [one.artifact for one in found.occurrences] == ["pkg:generic/apps@sha256%3A0a"]


# --- times, steps, requests ---------------------------------------------------------------------


def test_it_began_when_its_revision_was_fetched() -> None:
    done = look(kustomization(applied()), git(at=T1))
    assert done.created.minute == 1
    running = look(STATES["building"][0])
    assert running.started is not None
    assert running.started.minute == 2


def test_a_clock_that_is_behind_does_not_end_it_before_it_began() -> None:
    found = look(kustomization(applied(at=T1)), git(at=T2))
    assert found.finished == found.created


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        ("dependency", []),
        ("building", [("apply", Phase.RUNNING, "Building manifests")]),
        ("health checks", [("apply", Phase.SUCCEEDED, ""), ("health checks", Phase.RUNNING, "")]),
        ("applied", [("apply", Phase.SUCCEEDED, "")]),
        (
            "applied and healthy",
            [("apply", Phase.SUCCEEDED, ""), ("health checks", Phase.SUCCEEDED, "")],
        ),
        ("build failed", [("apply", Phase.FAILED, "BuildFailed")]),
        (
            "unhealthy",
            [("apply", Phase.SUCCEEDED, ""), ("health checks", Phase.FAILED, "HealthCheckFailed")],
        ),
    ],
)
def test_steps_are_applying_and_the_health_checks(
    state: str, steps: list[tuple[str, Phase, str]]
) -> None:
    found = look(STATES[state][0]).steps
    assert [(step.name, step.phase, step.detail) for step in found] == steps


def test_what_was_applied_is_counted() -> None:
    entries = [{"id": f"apps_shop-{n}_apps_Deployment", "v": "v1"} for n in range(3)]
    (step,) = look(kustomization(applied(), inventory={"entries": entries})).steps
    assert step.detail == "3 objects"


def test_deleted_on_its_way_it_is_cancelled_and_after_its_end_it_stays() -> None:
    gone = {"deletionTimestamp": T3}
    found = look(kustomization(BUSY, applied="", metadata=gone), deleted=True)
    assert (found.phase, found.conclusion, found.reason) == (
        Phase.CANCELLED,
        Conclusion.CANCELLED,
        "Deleted",
    )
    assert found.finished is not None
    assert found.finished.minute == 3
    done = look(kustomization(applied(), metadata=gone), deleted=True)
    assert (done.phase, done.verbs) == (Phase.SUCCEEDED, ())


def test_its_author_may_ask_us_not_to_look() -> None:
    ignored = {"annotations": {"checkrail.dev/ignore": "true"}}
    assert observe(kustomization(applied(), metadata=ignored)) is None
    assert observe(kustomization(cond("Ready", "Perhaps", "x"))) is None


SUBJECT = Subject(
    kind="Kustomization",
    cluster="default",
    namespace="flux-system",
    name="apps",
    uid="Kustomization-apps",
)
ASKED = Asked(login="octocat", token="guid-1", at=T2)


def test_it_can_be_asked_to_look_again_unless_it_is_suspended() -> None:
    plan = ADAPTERS["Kustomization"].reconcile
    assert plan is not None
    assert look(STATES["applied"][0]).verbs == (Verb.RECONCILE,)
    write = plan(STATES["applied"][0], SUBJECT, ASKED)
    assert isinstance(write, Patch)
    assert list(write.body["metadata"]["annotations"]) == ["reconcile.fluxcd.io/requestedAt"]
    with pytest.raises(Refused, match="suspended"):
        plan(kustomization(applied(), spec={"suspend": True}), SUBJECT, ASKED)
