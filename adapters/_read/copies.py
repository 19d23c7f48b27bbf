"""Writes: a clean copy of an object that runs again, and a patch of exactly the object meant.

What the server, a controller or an earlier report put on an object must not come along: Tekton
adopts the old TaskRuns if it finds them listed, Chains and Pipelines-as-Code take a copy that looks
signed or completed for finished, Argo CD and Flux would prune what they think is theirs.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec

from adapters._read.meta import (
    CANCELLED_BY,
    REQUEST,
    REQUESTED_BY,
    RERUN_NAME,
    RERUN_OF,
    RERUN_OF_UID,
    Metadata,
    origin,
)
from ghapp.core.model import Subject
from ghapp.core.source import Asked, Create, Patch, Resource
from ghapp.errors import Refused

T = TypeVar("T")

NAME_LIMIT: Final = 57
"""Names become label values (63) and pod names; an indexed Job's pods add their index to it."""
_HASH_LENGTH: Final = 8

_DROPPED: Final = frozenset({
    "kubectl.kubernetes.io/last-applied-configuration",
    "pipeline.tekton.dev/release",
    "results.tekton.dev/result",
    "results.tekton.dev/record",
    "results.tekton.dev/log",
    "pipelinesascode.tekton.dev/state",
    "pipelinesascode.tekton.dev/check-run-id",
    "pipelinesascode.tekton.dev/log-url",
    "pipelinesascode.tekton.dev/scm-reporting-plr-started",
    "pipelinesascode.tekton.dev/execution-order",
    "github.integrations.tekton.dev/checkrun",
    "integrations.tekton.ornew.io/last-status",
    "argocd.argoproj.io/tracking-id",
    "batch.kubernetes.io/job-tracking",
    "batch.kubernetes.io/cronjob-scheduled-timestamp",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
    RERUN_OF,
    RERUN_OF_UID,
    RERUN_NAME,
    CANCELLED_BY,
    REQUESTED_BY,
    REQUEST,
})  # fmt: skip
_DROPPED_PREFIXES: Final = (
    "chains.tekton.dev/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
)
_TRACKING: Final = "argocd.argoproj.io/tracking-id"
_INSTANCE: Final = "app.kubernetes.io/instance"


def same_object(manifest: Mapping[str, Any], subject: Subject, reads: type[T]) -> T:
    """`manifest`, decoded, if it still is the object that was asked about; else Refused."""
    try:
        decoded = msgspec.convert(manifest, reads)
    except msgspec.ValidationError as error:
        raise Refused(f"{subject.kind} {subject.name} cannot be read: {error}.") from error
    if _metadata(manifest).get("uid") != subject.uid:
        raise Refused(
            f"{subject.kind} {subject.name} is not the one this was asked of any more: "
            "it was deleted, and another of that name exists now.",
            status=409,
        )
    return decoded


def patch(resource: Resource, subject: Subject, body: Mapping[str, Any]) -> Patch:
    """A patch of exactly this object: the API refuses a body whose uid is another's."""
    metadata = {"uid": subject.uid, **body.get("metadata", {})}
    return Patch(
        resource=resource.id,
        namespace=subject.namespace,
        name=subject.name,
        uid=subject.uid,
        body={**body, "metadata": metadata},
    )


def copy_name(name: str, asked: Asked, *, of_copy: bool) -> str:
    """A name made from the request, so that the same click twice is the same object twice."""
    suffix = f"-r-{short_hash(asked.token)}"
    root = origin(name, copy=of_copy)[: NAME_LIMIT - len(suffix)]
    return (root.rstrip("-.") or "run") + suffix


def short_hash(text: str) -> str:
    """Eight hex digits of it."""
    return sha256(text.encode()).hexdigest()[:_HASH_LENGTH]


def copy(
    manifest: Mapping[str, Any],
    spec: Mapping[str, Any],
    *,
    resource: Resource,
    subject: Subject,
    asked: Asked,
    runs: str,
    keep: Callable[[str], bool],
) -> Create:
    """A new object that does what `manifest` did: its clean metadata and `spec`.

    `runs` is what it is a run of; `keep` says which of its annotations this kind keeps. Tekton's
    own labels never stay: with the old ``tekton.dev/pipeline`` a copy would bear a wrong name.
    """
    metadata = _metadata(manifest)
    labels, annotations = _texts(metadata, "labels"), _texts(metadata, "annotations")
    if _TRACKING in annotations:
        labels.pop(_INSTANCE, None)
    marks = {
        RERUN_OF: subject.name,
        RERUN_OF_UID: subject.uid,
        RERUN_NAME: runs,
        REQUESTED_BY: asked.login,
        REQUEST: asked.token,
    }
    clean = {
        "name": copy_name(subject.name, asked, of_copy=RERUN_OF in annotations),
        "namespace": subject.namespace,
        "annotations": {**_kept(annotations, keep), **marks},
        "labels": _kept(labels, not_tekton),
    }
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": clean,
        "spec": dict(spec),
    }
    return Create(resource=resource.id, namespace=subject.namespace, manifest=body)


def user_owned(key: str) -> bool:
    """Whether a label or annotation is its author's, not put there by a controller."""
    return key not in _DROPPED and not key.startswith(_DROPPED_PREFIXES)


def refuse_child(metadata: Metadata, *, kind: str) -> None:
    """A part of another run cannot be run alone: refused, saying what to re-run instead."""
    for owner in metadata.owner_references or ():
        if owner.controller and owner.kind == kind:
            raise Refused(
                f"{metadata.name} is a part of the {kind} {owner.name}; re-run that instead."
            )


def _metadata(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _texts(metadata: Mapping[str, Any], field: str) -> dict[str, str]:
    found = metadata.get(field)
    return dict(found) if isinstance(found, Mapping) else {}


def _kept(texts: Mapping[str, str], keep: Callable[[str], bool]) -> dict[str, str]:
    return {key: text for key, text in texts.items() if user_owned(key) and keep(key)}


def not_tekton(key: str) -> bool:
    """Whether an annotation or label is not Tekton's own."""
    return not key.startswith("tekton.dev/")


def plain(manifest: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The object under `field`, to be changed; empty where there is none."""
    found = manifest.get(field)
    return dict(found) if isinstance(found, Mapping) else {}
