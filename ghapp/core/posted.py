"""What do others post of clusters that are not watched? Bytes in, an object to look at out.

Flux' notification-controller posts one event for each thing that happened, Tekton's events
controller the whole object. An event is turned into as much of the object as it tells of, so that
the same adapter that looks at watched objects looks at this one: same check name, same phases, same
ids wherever they do not depend on what an event leaves out (see docs/adr/0011).

Sources: fluxcd/pkg apis/event/v1beta1, fluxcd/helm-controller and kustomize-controller internal/;
https://tekton.dev/docs/pipelines/events/. `genuine` works on raw bytes, before anything is parsed.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from ghapp.core.model import Value, commit_sha

BODY_LIMIT: Final = 3 * 2**20
"""What notification-controller itself takes; messages have 39,000 characters at most."""
SIGNATURE_HEADER: Final = "X-Signature"
_ALGORITHMS: Final = frozenset({"sha224", "sha256", "sha384", "sha512"})
_NAMESPACE: Final = UUID("3f0f5e0c-0d0a-5c55-9f43-52a8b5a1c2de")

Json: TypeAlias = dict[str, Any]


def genuine(body: bytes, *, signature: str, bearer: str, secrets: Sequence[bytes]) -> bool:
    """Whether a secret signed the bytes (``sha256=<hex>``), or came along as ``Bearer <secret>``.

    Takes the same time whichever secret it was. Without secrets nothing is genuine.
    """
    algorithm, _, digest = signature.strip().partition("=")
    if algorithm in _ALGORITHMS:
        said = [hmac.new(secret, body, getattr(hashlib, algorithm)) for secret in secrets]
        expected = [one.hexdigest().encode() for one in said]
        given = digest.lower().encode("utf-8", "replace")
    else:
        scheme, _, token = bearer.strip().partition(" ")
        expected = list(secrets) if scheme.lower() == "bearer" else []
        given = token.strip().encode("utf-8", "replace")
    matches = [hmac.compare_digest(one, given) for one in expected]
    return any(matches)


class Posted(Value, frozen=True, kw_only=True):
    """An object, as far as somebody told of it."""

    cluster: str
    group: str
    kind: str
    manifest: Json
    at: datetime | None = None
    """When the event was emitted; None: the object says itself how far it is."""
    latest: bool = False
    """It says nothing of a revision of its own: it is about the newest run that we know."""
    removed: bool = False


# --- Flux ---------------------------------------------------------------------------------------


class _Involved(Struct, rename="camel"):
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    api_version: str = ""


class _Event(Struct, rename="camel"):
    involved_object: _Involved
    severity: str
    timestamp: datetime
    reason: str
    message: str = ""
    metadata: dict[str, str] | None = None

    def said(self, key: str) -> str:
        """Of the metadata; controllers' own keys come with their group in front, or without it."""
        known = self.metadata or {}
        prefixed = (value for name, value in known.items() if name.endswith(f".fluxcd.io/{key}"))
        return known.get(key, "") or next(prefixed, "")


_HELM: Final = ("helm.toolkit.fluxcd.io", "HelmRelease")
_KUSTOMIZE: Final = ("kustomize.toolkit.fluxcd.io", "Kustomization")
_RELEASED: Final = re.compile(r"\.v(\d{1,9})\b[^\n]{0,600}? with chart (\S{1,300}?)@")

_Conditions: TypeAlias = Mapping[str, str]
"""Type to status."""
_GOOD: Final[_Conditions] = {"Ready": "True"}
_BAD: Final[_Conditions] = {"Ready": "False"}
_OF_RELEASES: Final[Mapping[str, _Conditions]] = {
    "InstallSucceeded": {"Ready": "True", "Released": "True"},
    "UpgradeSucceeded": {"Ready": "True", "Released": "True"},
    "TestSucceeded": {"Ready": "True", "TestSuccess": "True"},
    "InstallFailed": {"Ready": "False", "Released": "False"},
    "UpgradeFailed": {"Ready": "False", "Released": "False"},
    "TestFailed": {"Ready": "False", "TestSuccess": "False"},
    "RollbackSucceeded": {"Ready": "False", "Remediated": "True"},
    "RollbackFailed": {"Ready": "False", "Remediated": "False"},
    "UninstallSucceeded": {"Ready": "False", "Remediated": "True"},
    "UninstallFailed": {"Ready": "False", "Remediated": "False"},
    **dict.fromkeys(
        ("ArtifactFailed", "ValuesError", "AccessDenied", "InvalidCELExpression"), _BAD
    ),
    **dict.fromkeys(("DependencyNotReady", "HealthCheckCanceled"), _BAD),
}
"""What helm-controller writes along with the event; drift and the like change no verdict."""
_OF_KUSTOMIZATIONS: Final[Mapping[str, _Conditions]] = {
    "ReconciliationSucceeded": _GOOD,
    "Progressing": {"Ready": "Unknown", "Reconciling": "True"},
    **dict.fromkeys(
        (
            "ReconciliationFailed", "BuildFailed", "ArtifactFailed", "PruneFailed",
            "HealthCheckFailed", "HealthCheckCanceled", "DependencyNotReady", "AccessDenied",
            "InvalidCELExpression", "FeatureGateDisabled", "DirectoryCreationFailed",
        ),
        _BAD,
    ),
}  # fmt: skip
_ROLLBACKS: Final = frozenset({"RollbackSucceeded", "RollbackFailed"})
"""Their revision is the one rolled back *to*; the verdict is about the one that failed."""


def _flux(cluster: str, event: _Event) -> Posted | None:
    involved = event.involved_object
    group = involved.api_version.partition("/")[0]
    if event.severity == "trace" or (group, involved.kind) not in (_HELM, _KUSTOMIZE):
        return None
    if not (involved.uid and involved.name):
        raise ValueError("an event that does not say which object it is about (name, uid)")
    release = (group, involved.kind) == _HELM
    said = (_OF_RELEASES if release else _OF_KUSTOMIZATIONS).get(event.reason)
    if said is None:
        return None
    revision = event.said("revision")
    removed = event.reason == "UninstallSucceeded" and "remediation" not in event.message
    status = _release_status(event, revision) if release else _kustomization_status(event, revision)
    status["conditions"] = [_condition(event, type_, value) for type_, value in said.items()]
    return Posted(
        cluster=cluster,
        group=group,
        kind=involved.kind,
        manifest={"metadata": _metadata(event, removed=removed), "spec": {}, "status": status},
        at=event.timestamp,
        latest=not revision or removed or event.reason in _ROLLBACKS,
        removed=removed,
    )


def _condition(event: _Event, type_: str, status: str) -> Json:
    return {
        "type": type_,
        "status": status,
        "reason": event.reason,
        "message": event.message,
        "lastTransitionTime": event.timestamp.isoformat(),
    }


def _metadata(event: _Event, *, removed: bool) -> Json:
    involved, at = event.involved_object, event.timestamp.isoformat()
    commit = _commit(event)
    notes = {"checkrail.dev/repository": event.said("repository"), "checkrail.dev/commit": commit}
    return {
        "name": involved.name,
        "namespace": involved.namespace,
        "uid": involved.uid,
        "creationTimestamp": at,
        "annotations": notes if all(notes.values()) else {},
        **({"deletionTimestamp": at} if removed else {}),
    }


def _commit(event: _Event) -> str:
    """Flux' own order; the digest of an OCI artifact (sha256) is no commit, a chart's version too.

    https://fluxcd.io/flux/components/notification/providers/#git-commit-status-updates
    """
    named = event.said("commit")
    for text in (named, event.said("originRevision"), event.said("revision")):
        algorithm, colon, value = text.rpartition("@")[2].rpartition(":")
        sha = commit_sha(value if colon else value.rpartition("/")[2])
        if sha and (algorithm in {"", "sha1"} or text == named):
            return sha
    return ""


def _release_status(event: _Event, revision: str) -> Json:
    """What the message tells of Helm's revision: ``… release ns/name.v2 with chart a@1.0 …``."""
    status: Json = {"lastAttemptedRevision": revision}
    found = _RELEASED.search(event.message)
    if event.reason.startswith(("Install", "Upgrade")) and event.reason.endswith("Failed"):
        return status  # as if Helm had written none: the message does not say
    status["history"] = [
        {
            # Of the same number before a re-install only the chart's version tells it apart.
            "digest": revision,
            "name": event.involved_object.name,
            "version": int(found[1]) if found else _SECOND.get(event.reason, 0),
            "status": "deployed",
            "chartName": found[2] if found else event.involved_object.name,
            "chartVersion": revision,
            "ociDigest": event.said("oci-digest"),
        }
    ]
    return status


_SECOND: Final = {"UpgradeSucceeded": 2}
"""At least: an upgrade is never Helm's first revision."""


def _kustomization_status(event: _Event, revision: str) -> Json:
    applied = revision if event.reason == "ReconciliationSucceeded" else ""
    return {"lastAttemptedRevision": revision, "lastAppliedRevision": applied}


# --- Tekton -------------------------------------------------------------------------------------

_TEKTON: Final = {"pipelineRun": "PipelineRun", "taskRun": "TaskRun", "customRun": "CustomRun"}


class _Metadata(Struct):
    name: str
    uid: str


class _Headed(Struct):
    metadata: _Metadata


def _tekton(cluster: str, body: bytes) -> Posted | None:
    """The body of Tekton's CloudEvents: the run under the name of its kind."""
    parts = _read(body, dict[str, Any])
    for key, kind in _TEKTON.items():
        if isinstance(run := parts.get(key), dict):
            msgspec.convert(run, _Headed)
            return Posted(cluster=cluster, group="tekton.dev", kind=kind, manifest=run)
    return None


# --- both ---------------------------------------------------------------------------------------


def parse(event: str, body: bytes) -> Posted | None:
    """What a stored delivery tells of; `event` is ``SOURCE/CLUSTER``. None: nothing that we tell.

    Raises ValueError for a body that is not shaped as its sender describes it.
    """
    source, _, cluster = event.partition("/")
    try:
        return _flux(cluster, _read(body, _Event)) if source == "flux" else _tekton(cluster, body)
    except msgspec.MsgspecError as error:
        raise ValueError(f"a {source} event of an unknown shape: {error}") from error


def is_posted(event: str) -> bool:
    """Whether a stored delivery is one of these."""
    return event.startswith(("flux/", "tekton/"))


def name_of(source: str, cluster: str) -> str:
    """The event of a delivery: who posted, and of which cluster."""
    return f"{source}/{cluster}"


class _Named(Struct):
    metadata: dict[str, Any] | None = None


def cluster_of(body: bytes) -> str:
    """The cluster that an event names in its metadata, or nothing; raises ValueError."""
    try:
        said = (_read(body, _Named).metadata or {}).get("cluster")
    except msgspec.MsgspecError as error:
        raise ValueError(f"the body is no event: {error}") from error
    return said if isinstance(said, str) else ""


def guid_of(event: str, body: bytes) -> str:
    """The same for the same event however often it is posted; Flux gives its events no id."""
    digest = sha256(body).hexdigest()
    parts = [event, digest]
    if event.startswith("flux/"):
        try:
            one = _read(body, _Event)
        except msgspec.MsgspecError:
            return str(uuid5(_NAMESPACE, "|".join(parts)))
        message = sha256(one.message.encode("utf-8", "replace")).hexdigest()
        at = one.timestamp.isoformat()
        parts = [event, one.involved_object.uid, one.reason, at, one.said("revision"), message]
    return str(uuid5(_NAMESPACE, "|".join(parts)))


def _read(body: bytes, type_: Any) -> Any:
    """Decodes; raises MsgspecError for anything else."""
    try:
        return msgspec.json.decode(body, type=type_)
    except (RecursionError, UnicodeDecodeError) as error:
        raise msgspec.DecodeError(str(error)) from error
