"""Watch streams of Flux objects, as the controllers write them one after the other.

None was recorded; each event follows the source of helm-controller and kustomize-controller, and
the objects are those of the official examples. A stream names the events that may be missed: those
that a later one tells of as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.adapters.flux import (
    BUSY,
    NEXT,
    RETRYING,
    applied,
    cond,
    doing,
    failed,
    git,
    kustomization,
    snapshot,
)
from tests.adapters.recorded import Event
from tests.adapters.test_flux_helmrelease import (
    AFTER_ROLLBACK,
    BACK,
    BROKEN,
    FAILED,
    GONE,
    LOOKING,
    NOT_READY,
    NOW,
    PENDING,
    READY,
    RELEASED,
    ROLLED_BACK,
    STALLED,
    TESTED,
    TESTS_FAILED,
    UNINSTALLED,
    UPGRADING,
    release,
)
from tests.adapters.test_flux_helmrelease import snapshot as helm_snapshot
from tests.adapters.test_flux_revision import OWNED

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stream:
    """Events in order; `passing` are the places of those that only tell of progress."""

    events: tuple[Event, ...]
    passing: frozenset[int]


def stream(*manifests: Json | tuple[Json]) -> Stream:
    """A tuple of one marks an event that may be missed."""
    events = tuple(
        {"type": "MODIFIED", "object": one[0] if isinstance(one, tuple) else one}
        for one in manifests
    )
    passing = {at for at, one in enumerate(manifests) if isinstance(one, tuple)}
    return Stream(events, frozenset(passing))


def deleted(of: Stream) -> Stream:
    """The same, with the last event as the object's deletion."""
    return Stream((*of.events[:-1], {**of.events[-1], "type": "DELETED"}), of.passing)


def generation(number: int) -> Json:
    """Metadata of a release that a Kustomization applied."""
    return {"labels": OWNED, "generation": number}


def at(minute: int, condition: dict[str, str]) -> dict[str, str]:
    """The same condition, said later."""
    return condition | {"lastTransitionTime": f"2026-05-07T05:{minute:02}:00Z"}


INSTALLING = cond(
    "Reconciling", "True", "Progressing", "Running 'install' action with timeout of 5m0s"
)
INSTALLED = cond("Released", "True", "InstallSucceeded", "Helm install succeeded")
FIRST = [helm_snapshot(1, "deployed", "6.6.1")]
SECOND = [
    helm_snapshot(2, "deployed", "6.6.1", lastDeployed="2026-05-07T05:20:00Z"),
    helm_snapshot(1, "superseded", "6.6.1"),
]
A, B = kustomization(applied()), kustomization(applied(NEXT), attempted=NEXT, applied=NEXT)
SOURCE = git()
G1: Json = {"metadata": generation(1), "lastAttemptedGeneration": 1}
G2: Json = {"metadata": generation(2), "lastAttemptedGeneration": 2}


def _helm() -> Iterator[tuple[str, Stream]]:
    waiting = release(LOOKING, attempted="", **G1)
    installing = release(INSTALLING, PENDING, **G1)
    done = release(READY, INSTALLED, history=FIRST, **G1)
    upgrading = release(UPGRADING, PENDING, history=FIRST, **G2)
    upgraded = release(at(21, READY), at(21, RELEASED), history=SECOND, **G2)
    looking = release(at(30, LOOKING), at(21, READY), at(21, RELEASED), history=SECOND, **G2)
    yield "helm-install", stream(SOURCE, A, (waiting,), (installing,), done)
    yield (
        "helm-upgrade-by-values",
        stream(SOURCE, A, (waiting,), (installing,), done, B, (upgrading,), upgraded, (looking,)),
    )
    yield (
        "helm-commits-that-change-nothing",
        stream(SOURCE, A, (installing,), done, B, release(READY, INSTALLED, history=FIRST, **G1)),
    )
    broken = release(NOT_READY, FAILED, STALLED, history=BROKEN)
    repaired = [helm_snapshot(3, "deployed", "6.6.1"), *BROKEN]
    yield (
        "helm-failure-and-recovery",
        stream((release(UPGRADING, PENDING),), broken, release(READY, RELEASED, history=repaired)),
    )
    rolling = cond("Reconciling", "True", "Progressing", "Running 'rollback' action with timeout")
    yield (
        "helm-rollback",
        stream(
            (release(UPGRADING, PENDING, history=BROKEN[1:]),),
            (release(rolling, FAILED, NOT_READY, history=BROKEN),),
            release(BACK, FAILED, ROLLED_BACK, STALLED, history=AFTER_ROLLBACK),
        ),
    )
    testing = cond("Reconciling", "True", "Progressing", "Running 'test' action with timeout of 5m")
    yield (
        "helm-tests-failed",
        stream(
            (release(testing, PENDING, RELEASED, history=NOW),),
            release(cond("Ready", "False", "TestFailed"), RELEASED, TESTS_FAILED, history=TESTED),
        ),
    )
    removing = cond("Reconciling", "True", "Progressing", "Running 'uninstall' action with timeout")
    gone = release(*UNINSTALLED, metadata={**generation(2), **GONE})
    yield (
        "helm-uninstalled",
        deleted(
            stream(
                release(READY, INSTALLED, history=FIRST, **G1),
                (release(removing, READY, history=FIRST, metadata={**generation(2), **GONE}),),
                gone,
            )
        ),
    )
    drifted = cond("Drifted", "True", "DriftDetected", "Deployment/apps/podinfo changed")
    yield (
        "helm-drift",
        stream((installing,), done, release(READY, INSTALLED, drifted, history=FIRST, **G1)),
    )
    suspended = release(LOOKING, attempted="", spec={"suspend": True}, **G1)
    yield "helm-suspended-while-it-waits", stream(SOURCE, A, (waiting,), suspended)


def _kustomizations() -> Iterator[tuple[str, Stream]]:
    fetching = kustomization(at(2, BUSY), at(2, doing("Fetching manifests")), applied="")
    building = kustomization(at(2, BUSY), at(2, doing("Building manifests")), applied="")
    done = kustomization(at(3, applied()), history=[snapshot(at="2026-05-07T05:03:00Z")])
    confirming = kustomization(at(12, BUSY), at(12, doing("Detecting drift")))
    confirmed = kustomization(at(13, applied()), history=[snapshot(at="2026-05-07T05:03:00Z")])
    yield "kustomization-applied", stream(SOURCE, (fetching,), (building,), done)
    yield (
        "kustomization-intervals",
        stream(SOURCE, (fetching,), done, (confirming,), (confirmed,), (confirming,), confirmed),
    )
    moved = git(revision=NEXT)
    attempting = kustomization(at(22, BUSY), at(22, doing("Fetching manifests", NEXT)))
    newer = kustomization(at(23, applied(NEXT)), attempted=NEXT, applied=NEXT)
    yield (
        "kustomization-next-revision",
        stream(SOURCE, (fetching,), done, moved, (attempting,), newer),
    )
    sick = kustomization(
        at(5, failed("HealthCheckFailed", "timeout after 30s")), RETRYING, applied=""
    )
    still = kustomization(
        at(9, failed("HealthCheckFailed", "timeout after 31s")), RETRYING, applied=""
    )
    retrying = kustomization(at(8, BUSY), at(8, doing("Running health checks")), applied="")
    well = kustomization(at(11, applied()))
    yield (
        "kustomization-failure-and-recovery",
        stream(SOURCE, (building,), sick, (retrying,), (still,), (retrying,), well),
    )
    yield (
        "kustomization-overtaken",
        stream(
            SOURCE,
            (building,),
            kustomization(at(4, failed("HealthCheckCanceled")), applied=""),
            moved,
            newer,
        ),
    )


FLUX: dict[str, Stream] = dict([*_helm(), *_kustomizations()])
