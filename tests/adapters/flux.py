"""Flux objects for tests, as the controllers write them: valid against their CRDs."""

from typing import Any

T0, T1, T2, T3 = (f"2026-05-07T05:0{minute}:00Z" for minute in range(4))
SHA = "8f4b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8b"
OTHER = "84a71e84d846d78ecca1f964fdbc5cf2899fbc00"
MAIN = f"main@sha1:{SHA}"
NEXT = f"main@sha1:{OTHER}"
DIGEST = "sha256:0cc9a8446c950e8d9b6a4d1a6d5e4a1d0d5a3b1b9f5c7e1f2a3b4c5d6e7f8091"

Json = dict[str, Any]


def cond(type_: str, status: str, reason: str, message: str = "", at: str = T2) -> dict[str, str]:
    """A condition."""
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at,
    }


def _object(kind: str, api: str, name: str, **parts: Any) -> Json:
    metadata = {"name": name, "namespace": "flux-system", "uid": f"{kind}-{name}"}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **parts}


def artifact(revision: str, at: str = T1, metadata: dict[str, str] | None = None) -> Json:
    """What a source holds."""
    made = {
        "revision": revision,
        "digest": DIGEST,
        "lastUpdateTime": at,
        "path": "gitrepository/flux-system/apps/x.tar.gz",
        "url": "http://source-controller/x.tar.gz",
    }
    return {**made, "metadata": metadata} if metadata else made


def git(url: str = "ssh://git@github.com/acme/fleet", revision: str = MAIN, at: str = T1) -> Json:
    """A GitRepository `apps`."""
    spec = {"url": url, "interval": "1m"}
    status = {"artifact": artifact(revision, at)}
    return _object("GitRepository", "source.toolkit.fluxcd.io/v1", "apps", spec=spec, status=status)


def oci(revision: str = f"latest@{DIGEST}", upstream: dict[str, str] | None = None) -> Json:
    """An OCIRepository `apps`."""
    spec = {"url": "oci://ghcr.io/acme/fleet", "interval": "1m"}
    status = {"artifact": artifact(revision, metadata=upstream)}
    return _object("OCIRepository", "source.toolkit.fluxcd.io/v1", "apps", spec=spec, status=status)


def chart(*, strategy: str = "Revision", kind: str = "GitRepository", revision: str = MAIN) -> Json:
    """A HelmChart `apps-podinfo`."""
    reference = {"kind": kind, "name": "apps"}
    spec = {"chart": "./chart", "sourceRef": reference, "interval": "1m"}
    return _object(
        "HelmChart",
        "source.toolkit.fluxcd.io/v1",
        "apps-podinfo",
        spec={**spec, "reconcileStrategy": strategy},
        status={"observedSourceArtifactRevision": revision},
    )


UPSTREAM = {
    "org.opencontainers.image.revision": MAIN,
    "org.opencontainers.image.source": "https://github.com/acme/fleet.git",
}


def kustomization(
    *conditions: dict[str, str],
    metadata: Json | None = None,
    spec: Json | None = None,
    source: str = "GitRepository",
    attempted: str = MAIN,
    applied: str = MAIN,
    **status: Any,
) -> Json:
    """A Kustomization `apps`."""
    made = _object("Kustomization", "kustomize.toolkit.fluxcd.io/v1", "apps")
    made["metadata"] |= {"generation": 1, "creationTimestamp": T0, **(metadata or {})}
    made["spec"] = {
        "interval": "10m",
        "prune": True,
        "path": "./apps",
        "sourceRef": {"kind": source, "name": "apps"},
        **(spec or {}),
    }
    made["status"] = {
        "conditions": list(conditions),
        **({"lastAttemptedRevision": attempted} if attempted else {}),
        **({"lastAppliedRevision": applied} if applied else {}),
        **status,
    }
    return made


def snapshot(revision: str = MAIN, status: str = "ReconciliationSucceeded", at: str = T1) -> Json:
    """An entry of a Kustomization's history."""
    return {
        "digest": DIGEST,
        "firstReconciled": at,
        "lastReconciled": at,
        "lastReconciledDuration": "1.2s",
        "lastReconciledStatus": status,
        "totalReconciliations": 1,
        "metadata": {"revision": revision},
    }


def applied(revision: str = MAIN, at: str = T2) -> dict[str, str]:
    """Ready, with what was applied."""
    return cond("Ready", "True", "ReconciliationSucceeded", f"Applied revision: {revision}", at)


BUSY = cond("Ready", "Unknown", "Progressing", "Reconciliation in progress")


def doing(what: str, revision: str = MAIN, at: str = T2) -> dict[str, str]:
    """Reconciling, and how far."""
    message = f"{what} for revision {revision} with a timeout of 9m30s"
    return cond("Reconciling", "True", "Progressing", message, at)


RETRYING = cond("Reconciling", "True", "ProgressingWithRetry", "Reconciliation failed: retrying")


def failed(reason: str, message: str = "no", at: str = T2) -> dict[str, str]:
    """Not ready."""
    return cond("Ready", "False", reason, message, at)
