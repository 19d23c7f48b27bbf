"""The status of a HelmRelease while helm-controller works on it, and when it has worked.

Pure: each function answers the next status from the one before. The shapes are helm-controller's
(v1.6: api/v2, internal/reconcile): conditions newest first, `history` newest first and cut at five.
"""

import hashlib
from datetime import datetime
from typing import Any, Final

from ghapp.demo.tekton_model import stamp

Object = dict[str, Any]

REQUESTED: Final = "reconcile.fluxcd.io/requestedAt"
FORCED: Final = "reconcile.fluxcd.io/forceAt"
_KEPT: Final = 5
_LOGS: Final = (
    "\n\nLast Helm logs:\n\n"
    "Deployment/shop: 0 of 2 replicas ready\n"
    "pod shop-7d4f9: readiness probe failed: HTTP 503 from /healthz: payment provider unreachable"
)


def version_of(release: Object) -> str:
    """The chart version that is asked for."""
    version: str = release["spec"]["chart"]["spec"]["version"]
    return version


def looking(release: Object, now: datetime) -> Object:
    """It has noticed a change and looks whether all is there."""
    message = "Fulfilling prerequisites"
    reconciling = _condition("Reconciling", "True", "Progressing", message, now)
    return _status(release) | {"conditions": [reconciling, *_kept(release, "Ready", "Released")]}


def acting(release: Object, action: str, now: datetime) -> Object:
    """A Helm action runs."""
    message = f"Running '{action}' action with timeout of 5m0s"
    status = _status(release) | {
        "lastAttemptedGeneration": release["metadata"]["generation"],
        "lastAttemptedRevision": version_of(release),
        "lastAttemptedReleaseAction": "install" if action == "install" else "upgrade",
        "lastAttemptedConfigDigest": _digest(version_of(release)),
    }
    return status | {
        "conditions": [
            _condition("Reconciling", "True", "Progressing", message, now),
            _condition("Ready", "Unknown", "Progressing", message, now),
            *_kept(release, "Released"),
        ]
    }


def deployed(release: Object, now: datetime) -> Object:
    """The version runs."""
    before = _history(release)
    action = "upgrade" if before else "install"
    number = before[0]["version"] + 1 if before else 1
    done = "UpgradeSucceeded" if before else "InstallSucceeded"
    made = _snapshot(release, number, version_of(release), "deployed", action, now)
    message = f"Helm {action} succeeded for release {_title(release, made)}"
    return _settled(release) | {
        "history": [made, *map(_superseded, before)][:_KEPT],
        "conditions": [
            _condition("Ready", "True", done, message, now),
            _condition("Released", "True", done, message, now),
        ],
    }


def failed(release: Object, now: datetime) -> Object:
    """The new version does not come up, and it is rolled back."""
    before = _history(release)
    made = _snapshot(
        release, before[0]["version"] + 1, version_of(release), "failed", "upgrade", now
    )
    running = "Running 'rollback' action with timeout of 5m0s"
    return _status(release) | {
        "failures": 1,
        "upgradeFailures": 1,
        "history": [made, *before][:_KEPT],
        "conditions": [
            _condition("Reconciling", "True", "Progressing", running, now),
            _condition("Ready", "False", "UpgradeFailed", _broken(release), now),
            _condition("Released", "False", "UpgradeFailed", _broken(release), now),
        ],
    }


def rolled_back(release: Object, now: datetime) -> Object:
    """What ran before runs again; the controller waits for a person."""
    broken, *before = _history(release)
    good = next(one for one in before if one["status"] == "deployed")
    number = broken["version"] + 1
    made = _snapshot(release, number, good["chartVersion"], "deployed", "rollback", now)
    message = f"Helm rollback to previous release {_title(release, good)} succeeded"
    return _settled(release) | {
        "failures": 1,
        "upgradeFailures": 1,
        "history": [made, broken, *map(_superseded, before)][:_KEPT],
        "conditions": [
            _condition("Ready", "False", "RollbackSucceeded", message, now),
            _condition(
                "Stalled", "True", "RetriesExceeded", "Failed to upgrade after 1 attempt(s)", now
            ),
            *_kept(release, "Released"),
            _condition("Remediated", "True", "RollbackSucceeded", message, now),
        ],
    }


def handled(release: Object, status: Object) -> Object:
    """`status` with the requests of people marked as done."""
    notes = release["metadata"].get("annotations", {})
    marks = {"lastHandledReconcileAt": REQUESTED, "lastHandledForceAt": FORCED}
    return status | {mark: notes[note] for mark, note in marks.items() if note in notes}


def settled_again(release: Object) -> Object:
    """After looking around for nothing: the verdict of before, without the looking."""
    return _settled(release) | {
        "conditions": _kept(release, "Ready", "Stalled", "Released", "Remediated")
    }


# --- parts ----------------------------------------------------------------------------------------


def _status(release: Object) -> Object:
    return dict(release.get("status") or {})


def _settled(release: Object) -> Object:
    return _status(release) | {
        "observedGeneration": release["metadata"]["generation"],
        "lastAttemptedGeneration": release["metadata"]["generation"],
    }


def _history(release: Object) -> list[Object]:
    found: list[Object] = _status(release).get("history") or []
    return found


def _kept(release: Object, *types: str) -> list[Object]:
    return [one for one in _status(release).get("conditions", ()) if one["type"] in types]


def _superseded(made: Object) -> Object:
    return made | {"status": "superseded"} if made["status"] == "deployed" else made


def _broken(release: Object) -> str:
    meta = release["metadata"]
    return (
        f"Helm upgrade failed for release {meta['namespace']}/{meta['name']} with chart "
        f"{_chart(release)}@{version_of(release)}: context deadline exceeded{_LOGS}"
    )


def _title(release: Object, made: Object) -> str:
    meta = release["metadata"]
    name = f"{meta['namespace']}/{meta['name']}.v{made['version']}"
    return f"{name} with chart {made['chartName']}@{made['chartVersion']}"


def _chart(release: Object) -> str:
    chart: str = release["spec"]["chart"]["spec"]["chart"]
    return chart


def _snapshot(
    release: Object, number: int, version: str, status: str, action: str, now: datetime
) -> Object:
    meta = release["metadata"]
    begun = next((one["lastTransitionTime"] for one in _kept(release, "Reconciling")), stamp(now))
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "version": number,
        "status": status,
        "action": action,
        "chartName": _chart(release),
        "chartVersion": version,
        "appVersion": version,
        "digest": f"sha256:{_digest(f'{meta}{number}{status}')}",
        "configDigest": _digest(version),
        "firstDeployed": begun,
        "lastDeployed": begun,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _condition(kind: str, state: str, reason: str, message: str, now: datetime) -> Object:
    return {
        "type": kind,
        "status": state,
        "reason": reason,
        "message": message,
        "lastTransitionTime": stamp(now),
    }
