"""HelmReleases: which run it is, its phase, what happened to the service, its steps and requests.

No stream of helm-controller was recorded: these states follow its source, and are valid against
its CRD. Hostile input is in test_hostile.
"""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from ghapp.core.model import Conclusion, Observation, Phase, Subject, Verb
from ghapp.core.source import Asked, Patch
from ghapp.errors import Refused
from tests.adapters.recorded import ADAPTERS, observe

T0, T1, T2 = "2026-05-07T05:00:00Z", "2026-05-07T05:01:00Z", "2026-05-07T05:02:00Z"
CRD = Path(__file__).parents[3] / "shared/data/crds/flux/helm.toolkit.fluxcd.io_helmreleases.yaml"
DIGEST = "sha256:0cc9a8446c950e8d9b6a4d1a6d5e4a1d0d5a3b1b9f5c7e1f2a3b4c5d6e7f8091"


def cond(type_: str, status: str, reason: str, message: str = "", at: str = T2) -> dict[str, str]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at,
    }


def snapshot(version: int, status: str, chart: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "podinfo",
        "namespace": "apps",
        "version": version,
        "status": status,
        "chartName": "podinfo",
        "chartVersion": chart,
        "configDigest": "sha256:c",
        "digest": f"sha256:{version}{status}",
        "firstDeployed": T0,
        "lastDeployed": T1,
        **more,
    }


def release(
    *conditions: dict[str, str],
    history: list[dict[str, Any]] | None = None,
    attempted: str = "6.6.1",
    metadata: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    chart = {
        "chart": "podinfo",
        "version": "6.x",
        "sourceRef": {"kind": "HelmRepository", "name": "p"},
    }
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {
            "name": "podinfo",
            "namespace": "apps",
            "uid": "u1",
            "generation": 2,
            "creationTimestamp": T0,
            **(metadata or {}),
        },
        "spec": {"interval": "5m", "chart": {"spec": chart}, **(spec or {})},
        "status": {
            "conditions": list(conditions),
            "history": history or [],
            "lastAttemptedGeneration": 2,
            **({"lastAttemptedRevision": attempted} if attempted else {}),
            **status,
        },
    }


def exact(version: str) -> dict[str, Any]:
    source = {"kind": "HelmRepository", "name": "p"}
    return {"chart": {"spec": {"chart": "podinfo", "version": version, "sourceRef": source}}}


READY = cond("Ready", "True", "UpgradeSucceeded", "Helm upgrade succeeded")
RELEASED = cond("Released", "True", "UpgradeSucceeded", "Helm upgrade succeeded")
LOOKING = cond("Reconciling", "True", "Progressing", "Fulfilling prerequisites")
UPGRADING = cond(
    "Reconciling", "True", "Progressing", "Running 'upgrade' action with timeout of 5m0s"
)
PENDING = cond("Ready", "Unknown", "Progressing", "Running 'upgrade' action with timeout of 5m0s")
FAILED = cond("Released", "False", "UpgradeFailed", "Helm upgrade failed: timed out", T1)
NOT_READY = cond("Ready", "False", "UpgradeFailed", "Helm upgrade failed: timed out")
ROLLED_BACK = cond("Remediated", "True", "RollbackSucceeded", "Helm rollback succeeded")
BACK = cond("Ready", "False", "RollbackSucceeded", "Helm rollback succeeded")
STALLED = cond("Stalled", "True", "RetriesExceeded", "Failed to upgrade after 1 attempt(s)")
NOW = [snapshot(2, "deployed", "6.6.1"), snapshot(1, "superseded", "6.6.0")]
BROKEN = [snapshot(2, "failed", "6.6.1"), snapshot(1, "deployed", "6.6.0")]
AFTER_ROLLBACK = [snapshot(3, "deployed", "6.6.0"), *BROKEN[:1]]

STATES: dict[str, tuple[dict[str, Any], Phase]] = {
    "not looked at yet": (release(attempted=""), Phase.QUEUED),
    "looking around before the first install": (release(LOOKING, attempted=""), Phase.QUEUED),
    "dependency": (
        release(LOOKING, cond("Ready", "False", "DependencyNotReady", "dep"), attempted=""),
        Phase.QUEUED,
    ),
    "chart being fetched": (
        release(
            LOOKING,
            cond("Ready", "False", "SourceNotReady", "latest generation has not been reconciled"),
        ),
        Phase.QUEUED,
    ),
    "upgrading": (release(UPGRADING, PENDING, history=BROKEN[1:]), Phase.RUNNING),
    "unknown without more": (
        release(cond("Ready", "Unknown", "Progressing"), history=NOW),
        Phase.RUNNING,
    ),
    "testing": (
        release(
            cond("Reconciling", "True", "Progressing", "Running 'test' action with timeout of 5m"),
            PENDING,
            RELEASED,
            history=NOW,
        ),
        Phase.RUNNING,
    ),
    "retrying": (
        release(
            cond("Reconciling", "True", "ProgressingWithRetry", "Helm upgrade failed"),
            NOT_READY,
            FAILED,
            history=BROKEN,
        ),
        Phase.RUNNING,
    ),
    "deployed": (release(READY, RELEASED, history=NOW), Phase.SUCCEEDED),
    "deployed, looking around": (release(LOOKING, READY, RELEASED, history=NOW), Phase.SUCCEEDED),
    "attempted, Ready still of the one before": (
        release(LOOKING, READY, RELEASED, history=NOW[1:]),
        Phase.QUEUED,
    ),
    "failed": (release(NOT_READY, FAILED, history=BROKEN), Phase.FAILED),
    "failed, looking around": (release(LOOKING, NOT_READY, FAILED, history=BROKEN), Phase.QUEUED),
    "rolled back": (
        release(BACK, FAILED, ROLLED_BACK, STALLED, history=AFTER_ROLLBACK),
        Phase.FAILED,
    ),
    "tests failed": (
        release(
            cond("Ready", "False", "TestFailed", "2 hooks"),
            RELEASED,
            cond("TestSuccess", "False", "TestFailed", "2 hooks"),
            history=NOW,
        ),
        Phase.FAILED,
    ),
    "no access": (
        release(
            cond("Ready", "False", "AccessDenied", "no"), cond("Stalled", "True", "AccessDenied")
        ),
        Phase.ERRORED,
    ),
    "no chart": (release(LOOKING, cond("Ready", "False", "ArtifactFailed", "404")), Phase.ERRORED),
    "no such chart": (
        release(LOOKING, cond("Ready", "False", "SourceNotReady", "does not have an artifact")),
        Phase.ERRORED,
    ),
    "bad values": (release(LOOKING, cond("Ready", "False", "ValuesError", "no")), Phase.ERRORED),
    "overtaken": (release(cond("Ready", "False", "HealthCheckCanceled", "new")), Phase.CANCELLED),
}


def look(manifest: dict[str, Any], *, deleted: bool = False) -> Observation:
    found = observe(manifest, deleted=deleted)
    assert found is not None
    return found


def happened(manifest: dict[str, Any], *, deleted: bool = False) -> list[tuple[str, str]]:
    found = look(manifest, deleted=deleted).occurrences
    return [(one.type, one.artifact) for one in found]


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft7Validator:
    if not CRD.exists():
        pytest.skip("Flux' CRDs (shared data) are not here")
    versions = YAML(typ="safe").load(CRD)["spec"]["versions"]
    (v2,) = (one for one in versions if one["name"] == "v2")
    return jsonschema.Draft7Validator(v2["schema"]["openAPIV3Schema"])


@pytest.mark.parametrize("state", STATES)
def test_our_states_are_valid_helm_releases(state: str, schema: jsonschema.Draft7Validator) -> None:
    schema.validate(STATES[state][0])


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_phase(state: str) -> None:
    manifest, phase = STATES[state]
    found = look(manifest)
    assert found.phase is phase
    assert (found.finished is not None) == phase.finished
    assert found.living
    assert (found.name, found.check_name) == ("podinfo", "flux / apps/podinfo")
    if found.started and found.finished:
        assert found.started <= found.finished


def test_what_was_overtaken_is_nobodys_failure() -> None:
    assert look(STATES["overtaken"][0]).conclusion is Conclusion.NEUTRAL


def test_the_condition_tells_reason_and_sentence() -> None:
    found = look(STATES["rolled back"][0])
    assert found.reason == "RollbackSucceeded"
    assert found.message.splitlines() == [
        "Helm upgrade failed: timed out",
        "",
        "Helm rollback succeeded",
        "",
        "Failed to upgrade after 1 attempt(s)",
    ]


def test_a_run_is_named_by_the_version_that_was_attempted() -> None:
    found = look(STATES["deployed"][0])
    assert (found.subject.revision, found.version) == ("6.6.1", "6.6.1")
    assert found.subject.external_id == "HelmRelease/apps/podinfo/u1@6.6.1"


@pytest.mark.parametrize(
    ("spec", "revision"),
    [(exact("6.6.1"), "6.6.1"), ({}, "generation-2"), (exact(">=6.0"), "generation-2")],
)
def test_before_any_attempt_an_exact_version_or_the_generation_names_it(
    spec: dict[str, Any], revision: str
) -> None:
    assert look(release(LOOKING, attempted="", spec=spec)).subject.revision == revision


def test_a_newer_version_that_is_asked_for_waits_as_a_run_of_its_own() -> None:
    wanted: dict[str, Any] = {"metadata": {"generation": 3}, "spec": exact("6.7.0")}
    found = look(release(READY, RELEASED, history=NOW, **wanted))
    assert (found.subject.revision, found.phase) == ("6.7.0", Phase.QUEUED)
    missing = cond("Ready", "False", "ArtifactFailed", "no 6.7.0")
    found = look(release(LOOKING, missing, RELEASED, history=NOW, **wanted))
    assert (found.subject.revision, found.phase) == ("6.7.0", Phase.ERRORED)


def test_new_values_for_the_same_version_leave_the_verdict() -> None:
    changed = release(
        LOOKING, READY, RELEASED, history=NOW, metadata={"generation": 3}, spec=exact("6.6.1")
    )
    assert look(changed).phase is Phase.SUCCEEDED


def test_times_are_those_of_the_attempt() -> None:
    done = look(STATES["deployed"][0])
    assert done.started is not None
    assert done.finished is not None
    assert (done.started.minute, done.finished.minute) == (1, 2)
    running = look(STATES["upgrading"][0])
    assert running.started is not None
    assert running.started.minute == 2


# --- occurrences --------------------------------------------------------------------------------


def test_an_install_deploys_and_an_upgrade_upgrades() -> None:
    installed = cond("Released", "True", "InstallSucceeded")
    first = release(READY, installed, history=[snapshot(1, "deployed", "6.6.1")])
    assert happened(first) == [("service.deployed", "pkg:helm/podinfo@6.6.1")]
    assert happened(STATES["deployed"][0]) == [("service.upgraded", "pkg:helm/podinfo@6.6.1")]


def test_a_rollback_tells_the_incident_and_then_what_runs_again() -> None:
    found = happened(STATES["rolled back"][0])
    assert found == [
        ("incident.detected", "pkg:helm/podinfo@6.6.1"),
        ("service.rolledback", "pkg:helm/podinfo@6.6.0"),
    ]
    assert look(STATES["rolled back"][0]).version == "6.6.0"


def test_a_failed_rollback_is_one_more_incident() -> None:
    failed = cond("Remediated", "False", "RollbackFailed", "Helm rollback failed")
    found = look(release(cond("Ready", "False", "RollbackFailed"), FAILED, failed, history=BROKEN))
    assert [one.type for one in found.occurrences] == ["incident.detected"] * 2
    assert len({one.key for one in found.occurrences}) == 2
    assert found.occurrences[0].description == "Helm upgrade failed: timed out"


@pytest.mark.parametrize("state", ["tests failed", "no chart", "bad values", "dependency"])
def test_what_never_came_to_helm_is_no_incident(state: str) -> None:
    assert "incident.detected" not in dict(happened(STATES[state][0]))


def test_a_running_attempt_does_not_inherit_the_failure_before() -> None:
    found = happened(release(UPGRADING, PENDING, FAILED, history=BROKEN, attempted="6.7.0"))
    assert found == []


def test_keys_are_the_same_at_every_look_at_the_same_thing() -> None:
    def keys(manifest: dict[str, Any]) -> set[str]:
        return {one.key for one in look(manifest).occurrences}

    retested = [{**NOW[0], "digest": "sha256:changed-by-tests"}]
    assert keys(release(READY, RELEASED, history=retested)) == keys(STATES["deployed"][0])
    failed = keys(STATES["failed"][0])
    assert failed < keys(STATES["rolled back"][0])
    renamed = release(READY, RELEASED, history=AFTER_ROLLBACK, attempted="6.6.0")
    assert keys(renamed) < keys(STATES["rolled back"][0])


def test_a_reinstall_under_the_same_helm_revision_is_news() -> None:
    again = [snapshot(2, "deployed", "6.6.1", lastDeployed=T2)]
    (first,) = look(STATES["deployed"][0]).occurrences
    (second,) = look(release(READY, RELEASED, history=again)).occurrences
    assert first.key != second.key


def test_a_failure_that_left_no_helm_revision_names_what_was_planned() -> None:
    bad = release(NOT_READY, FAILED, history=NOW, attempted="6.7.0-rc.1+build 1")
    kinds = happened(bad)
    assert kinds == [("incident.detected", "pkg:helm/podinfo@6.7.0-rc.1%2Bbuild%201")]


def test_an_oci_chart_is_named_by_its_digest() -> None:
    made = snapshot(2, "deployed", "6.6.1+0cc9a8446c95", ociDigest=DIGEST)
    manifest = release(READY, RELEASED, history=[made], attempted="6.6.1+0cc9a8446c95")
    found = look(manifest)
    purl = f"pkg:oci/podinfo@{DIGEST.replace(':', '%3A')}?tag=6.6.1"
    assert [one.artifact for one in found.occurrences] == [purl]
    assert (found.version, found.subject.revision) == ("6.6.1", "6.6.1+0cc9a8446c95")


GONE = {"deletionTimestamp": T2, "finalizers": ["finalizers.fluxcd.io"]}
UNINSTALLED = (
    cond("Ready", "False", "UninstallSucceeded", "Helm uninstall succeeded"),
    cond("Released", "False", "UninstallSucceeded", "Helm uninstall succeeded"),
)


def test_a_deleted_release_is_removed() -> None:
    manifest = release(*UNINSTALLED, metadata=GONE)
    found = look(manifest, deleted=True)
    assert happened(manifest, deleted=True) == [("service.removed", "pkg:helm/podinfo@6.6.1")]
    assert (found.phase, found.verbs) == (Phase.CANCELLED, ())


def test_a_suspended_release_stays_when_its_object_goes() -> None:
    manifest = release(READY, RELEASED, history=NOW, spec={"suspend": True})
    assert [kind for kind, _ in happened(manifest, deleted=True)] == ["service.upgraded"]
    assert look(manifest, deleted=True).phase is Phase.SUCCEEDED


def test_what_never_came_up_is_not_removed() -> None:
    assert happened(release(LOOKING, attempted=""), deleted=True) == []
    found = look(release(LOOKING, attempted=""), deleted=True)
    assert (found.phase, found.conclusion) == (Phase.CANCELLED, Conclusion.CANCELLED)


SUSPENDED = {"suspend": True}


def test_a_release_that_is_suspended_on_its_way_waits_for_a_person() -> None:
    for state in (
        release(LOOKING, attempted="", spec=SUSPENDED),
        release(STATES["retrying"][0]["status"]["conditions"][0], NOT_READY, spec=SUSPENDED),
    ):
        found = look(state)
        assert (found.phase, found.conclusion) == (Phase.CANCELLED, Conclusion.ACTION_REQUIRED)
        assert (found.reason, found.verbs) == ("Suspended", ())


def test_suspending_neither_stops_an_action_nor_takes_a_verdict_back() -> None:
    assert look(release(UPGRADING, PENDING, spec=SUSPENDED)).phase is Phase.RUNNING
    done = look(release(READY, RELEASED, history=NOW, spec=SUSPENDED))
    assert (done.phase, done.conclusion) == (Phase.SUCCEEDED, None)


# --- tests of the chart, drift ------------------------------------------------------------------

HOOKS = {
    "podinfo-grpc": {"lastStarted": T1, "lastCompleted": T2, "phase": "Succeeded"},
    "podinfo-jwt": {"lastStarted": T1, "lastCompleted": T2, "phase": "Failed"},
}
TESTED = [snapshot(2, "deployed", "6.6.1", testHooks=HOOKS), NOW[1]]
TESTS_FAILED = cond("TestSuccess", "False", "TestFailed", "1 hook failed")


def suites(manifest: dict[str, Any]) -> list[tuple[str, str, Phase | None]]:
    found = look(manifest).occurrences
    return [
        (one.subject, one.key, one.outcome) for one in found if one.type == "testsuiterun.finished"
    ]


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        (cond("TestSuccess", "True", "TestSucceeded", "no test hooks"), Phase.SUCCEEDED),
        (TESTS_FAILED, Phase.FAILED),
    ],
)
def test_the_tests_of_a_chart_are_told_once_they_ran(
    condition: dict[str, str], outcome: Phase
) -> None:
    ((subject, key, told),) = suites(release(READY, RELEASED, condition, history=TESTED))
    assert (subject, told) == ("podinfo.v2/helm-test", outcome)
    assert key == "v2/2026-05-07T05:01:00+00:00/tests/2026-05-07T05:02:00+00:00"


@pytest.mark.parametrize(
    "manifest",
    [
        release(READY, RELEASED, cond("TestSuccess", "Unknown", "AwaitingTests"), history=TESTED),
        release(UPGRADING, PENDING, TESTS_FAILED, history=TESTED),
        release(READY, RELEASED, history=TESTED),
    ],
    ids=["due", "of the attempt before", "switched off"],
)
def test_tests_that_did_not_run_on_this_attempt_are_not_told(manifest: dict[str, Any]) -> None:
    assert suites(manifest) == []


def test_after_a_rollback_the_tests_are_still_those_of_what_failed() -> None:
    history = [snapshot(3, "deployed", "6.6.0"), *TESTED]
    ((subject, _, _),) = suites(release(BACK, RELEASED, TESTS_FAILED, ROLLED_BACK, history=history))
    assert subject == "podinfo.v2/helm-test"


def test_each_test_of_the_chart_is_a_step() -> None:
    steps = look(
        release(cond("Ready", "False", "TestFailed"), RELEASED, TESTS_FAILED, history=TESTED)
    ).steps
    assert [(step.name, step.phase, step.tolerated) for step in steps] == [
        ("upgrade", Phase.SUCCEEDED, False),
        ("test", Phase.FAILED, False),
        ("test podinfo-grpc", Phase.SUCCEEDED, False),
        ("test podinfo-jwt", Phase.FAILED, False),
    ]


def test_tests_that_may_fail_leave_a_neutral_check() -> None:
    lenient: dict[str, Any] = {"test": {"enable": True, "ignoreFailures": True}}
    found = look(release(READY, RELEASED, TESTS_FAILED, history=TESTED, spec=lenient))
    assert (found.phase, found.conclusion) == (Phase.SUCCEEDED, Conclusion.NEUTRAL)
    assert all(step.tolerated for step in found.steps if step.phase is Phase.FAILED)


def test_drift_is_shown_and_fails_nothing() -> None:
    drifted = cond("Drifted", "True", "DriftDetected", "Deployment/apps/podinfo changed")
    found = look(release(READY, RELEASED, drifted, history=NOW))
    assert found.phase is Phase.SUCCEEDED
    (_, drift) = found.steps
    assert (drift.name, drift.tolerated) == ("drift", True)
    assert drift.detail == "Deployment/apps/podinfo changed"
    (_, happened) = found.occurrences
    assert (happened.type, happened.description) == ("flux-helmrelease.drifted", drift.detail)
    corrected = cond("Drifted", "False", "NoDriftDetected")
    assert len(look(release(READY, RELEASED, corrected, history=NOW)).steps) == 1


# --- which run it was ---------------------------------------------------------------------------


def test_each_action_of_helm_is_another_turn_and_looking_around_is_none() -> None:
    done = look(release(READY, RELEASED, history=NOW))
    assert look(release(LOOKING, READY, RELEASED, history=NOW)).turn == done.turn
    again = [snapshot(3, "deployed", "6.6.1", lastDeployed=T2), *NOW]
    assert look(release(READY, RELEASED, history=again)).turn != done.turn
    assert look(release(UPGRADING, PENDING, history=NOW)).turn == ""


@pytest.mark.parametrize(
    ("state", "generation"),
    [
        (release(READY, RELEASED, history=NOW, metadata={"generation": 3}), 2),
        (release(LOOKING, cond("Ready", "False", "ValuesError"), metadata={"generation": 3}), 3),
        (release(UPGRADING, PENDING, metadata={"generation": 3}), 2),
        (release(LOOKING, attempted="", lastAttemptedGeneration=0), 2),
    ],
    ids=["deployed", "not attempted", "running", "waiting"],
)
def test_a_verdict_is_about_the_spec_that_was_attempted(
    state: dict[str, Any], generation: int
) -> None:
    assert look(state).generation == generation


# --- names, steps, requests ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"releaseName": "pi"}, "pi"),
        ({"targetNamespace": "prod"}, "prod-podinfo"),
        ({"releaseName": "pi", "targetNamespace": "prod"}, "pi"),
    ],
)
def test_the_release_is_named_as_helm_knows_it(spec: dict[str, Any], name: str) -> None:
    assert look(release(spec=spec)).name == name


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        ("upgrading", [("upgrade", Phase.RUNNING)]),
        ("testing", [("upgrade", Phase.SUCCEEDED), ("test", Phase.RUNNING)]),
        ("deployed", [("upgrade", Phase.SUCCEEDED)]),
        ("tests failed", [("upgrade", Phase.SUCCEEDED), ("test", Phase.FAILED)]),
        ("rolled back", [("upgrade", Phase.FAILED), ("rollback", Phase.SUCCEEDED)]),
        ("dependency", []),
    ],
)
def test_steps_are_the_actions_of_helm(state: str, steps: list[tuple[str, Phase]]) -> None:
    assert [(step.name, step.phase) for step in look(STATES[state][0]).steps] == steps


def test_what_may_be_asked_depends_on_the_state() -> None:
    assert look(STATES["deployed"][0]).verbs == (Verb.RECONCILE,)
    assert look(STATES["failed"][0]).verbs == (Verb.RECONCILE, Verb.RERUN)
    suspended = release(READY, RELEASED, history=NOW, spec={"suspend": True})
    assert look(suspended).verbs == ()


def test_flux_and_we_name_the_commit_together() -> None:
    sha = "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b"
    notes = {
        "checkrail.dev/repository": "acme/shop",
        "event.toolkit.fluxcd.io/commit": f"main@sha1:{sha}",
        "checkrail.dev/environment": "prod",
    }
    found = look(release(READY, metadata={"annotations": notes}))
    assert found.revision is not None
    assert (found.revision.commit, found.environment) == (sha, "prod")


SUBJECT = Subject(kind="HelmRelease", cluster="default", namespace="apps", name="podinfo", uid="u1")
ASKED = Asked(login="octocat", token="guid-1", at=T2)
AT, FORCE, RESET = (f"reconcile.fluxcd.io/{mark}" for mark in ("requestedAt", "forceAt", "resetAt"))


@pytest.mark.parametrize(
    ("state", "reconcile", "rerun"),
    [
        ("deployed", {AT}, {AT, FORCE}),
        ("failed", {AT, FORCE, RESET}, {AT, FORCE, RESET}),
        ("rolled back", {AT, FORCE, RESET}, {AT, FORCE, RESET}),
    ],
)
def test_one_token_marks_all_that_is_requested(
    state: str, reconcile: set[str], rerun: set[str]
) -> None:
    adapter = ADAPTERS["HelmRelease"]
    for plan, marks in ((adapter.reconcile, reconcile), (adapter.rerun, rerun)):
        assert plan is not None
        write = plan(STATES[state][0], SUBJECT, ASKED)
        assert isinstance(write, Patch)
        assert write == plan(STATES[state][0], SUBJECT, ASKED)
        notes = write.body["metadata"]["annotations"]
        assert set(notes) == marks
        assert len(set(notes.values())) == 1
        assert write.body["metadata"]["uid"] == write.uid == "u1"


def test_a_suspended_release_is_not_asked() -> None:
    plan = ADAPTERS["HelmRelease"].reconcile
    assert plan is not None
    with pytest.raises(Refused, match="suspended"):
        plan(release(spec={"suspend": True}), SUBJECT, ASKED)
