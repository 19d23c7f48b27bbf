"""What is special about a kind: what the server fills in, and what it refuses.

A rule has two parts: `complete` answers the object with what a real server adds, `mistakes` says
what is wrong with it. Both see the state before the write (None when the object is new).
Kinds without a rule are stored as they come.
"""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ghapp.demo.kube import jobs, validations
from ghapp.demo.kube.causes import Cause, changed_fields, pod_mistakes, required
from ghapp.demo.kube.resources import from_crd
from ghapp.demo.kube.status import StatusError

Object = dict[str, Any]


def _as_it_is(obj: Object, _: Object | None) -> Object:
    return obj


def _nothing(_: Object, __: Object | None) -> Iterator[Cause]:
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    complete: Callable[[Object, Object | None], Object] = _as_it_is
    mistakes: Callable[[Object, Object | None], Iterator[Cause]] = _nothing


# --- pods, namespaces, secrets, events, leases --------------------------------------------------


def _complete_pod(pod: Object, before: Object | None) -> Object:
    return pod if before else {**pod, "status": {"phase": "Pending", "qosClass": "BestEffort"}}


def _pod_spec_mistakes(pod: Object, before: Object | None) -> Iterator[Cause]:
    if before is None:
        yield from pod_mistakes(pod.get("spec") or {}, "spec")


def _complete_namespace(namespace: Object, before: Object | None) -> Object:
    metadata = namespace["metadata"]
    named = {"kubernetes.io/metadata.name": metadata["name"]}
    labels = {**(metadata.get("labels") or {}), **named}
    completed = {**namespace, "metadata": {**metadata, "labels": labels}}
    if before is not None:
        return completed
    return {**completed, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _complete_secret(secret: Object, _: Object | None) -> Object:
    plain = secret.get("stringData") or {}
    coded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
    completed = {key: value for key, value in secret.items() if key != "stringData"}
    if coded:
        completed["data"] = {**(secret.get("data") or {}), **coded}
    return {**completed, "type": secret.get("type") or "Opaque"}


def _event_mistakes(event: Object, _: Object | None) -> Iterator[Cause]:
    involved = (event.get("involvedObject") or {}).get("namespace", "")
    if (involved or "default") != event["metadata"]["namespace"]:
        message = f'Invalid value: "{involved}": does not match event.namespace'
        yield Cause(field="involvedObject.namespace", message=message)


_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


def _complete_lease(lease: Object, _: Object | None) -> Object:
    """Times must have exactly six decimals: Go's decoder refuses all else before any validation."""
    for key in ("acquireTime", "renewTime"):
        time = (lease.get("spec") or {}).get(key)
        if time is not None and not _MICRO_TIME.fullmatch(str(time)):
            layout = "2006-01-02T15:04:05.000000Z07:00"
            raise ValueError(f'parsing time "{time}" as "{layout}"')
    return lease


def _lease_mistakes(lease: Object, _: Object | None) -> Iterator[Cause]:
    spec = lease.get("spec") or {}
    for key, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        if spec.get(key) is not None and spec[key] < least:
            message = f"Invalid value: {spec[key]}: must be greater than or equal to {least}"
            yield Cause(field=f"spec.{key}", message=message)


# --- custom resource definitions ----------------------------------------------------------------


def _complete_crd(crd: Object, before: Object | None) -> Object:
    """Established at once: nothing else has to agree."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    kind = str(names.get("kind") or "")
    names = {"singular": kind.lower(), "listKind": f"{kind}List", **names}
    versions = spec.get("versions") or []
    since = crd["metadata"]["creationTimestamp"]
    stored = (before or {}).get("status", {}).get("storedVersions", [])
    current = [version["name"] for version in versions if version.get("storage")]
    status = {
        "acceptedNames": names,
        "conditions": [
            _condition("NamesAccepted", "NoConflicts", since),
            _condition("Established", "InitialNamesAccepted", since),
        ],
        "storedVersions": [*stored, *(name for name in current if name not in stored)],
    }
    return {**crd, "spec": {**spec, "names": names}, "status": status}


def _condition(type_: str, reason: str, since: str) -> Object:
    return {"type": type_, "status": "True", "reason": reason, "lastTransitionTime": since}


def _crd_mistakes(crd: Object, before: Object | None) -> Iterator[Cause]:
    spec = crd["spec"]
    names = spec["names"]
    for key in ("group", "versions", "scope"):
        if not spec.get(key):
            yield required(f"spec.{key}")
    for key in ("plural", "kind"):
        if not names.get(key):
            yield required(f"spec.names.{key}")
    name = crd["metadata"]["name"]
    if name != f"{names.get('plural')}.{spec.get('group')}":
        words = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        yield Cause(field="metadata.name", message=words)
    yield from _version_mistakes(spec.get("versions") or [])
    if before is not None:
        yield from changed_fields(before["spec"], spec, ("group", "scope"))
    for resource in from_crd(crd):  # what cannot be read here could not be served later
        _check_texts(resource.group, resource.version, resource.plural, resource.kind)


def _version_mistakes(versions: list[Object]) -> Iterator[Cause]:
    if sum(1 for version in versions if version.get("storage")) != 1:
        message = "Invalid value: must have exactly one version marked as storage version"
        yield Cause(field="spec.versions", message=message)
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}].schema.openAPIV3Schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema:
            yield from validations.definition_mistakes(schema, path)
        else:
            yield required(path)


def _check_texts(*words: Any) -> None:
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"{word!r} is no string")


# --- Tekton -------------------------------------------------------------------------------------


def _tekton_webhook(run: Object, before: Object | None) -> Object:
    """What Tekton's admission webhook says to a change of a run's spec."""
    if before is None or before.get("spec") == run.get("spec"):
        return run
    kind = run["kind"]
    if _finished(before):
        raise _denied(f"Once the {kind} is complete, no updates are allowed")
    if _without_status(before) != _without_status(run):
        raise _denied(f"Once the {kind} has started, only status updates are allowed")
    return run


def _finished(run: Object) -> bool:
    conditions = (run.get("status") or {}).get("conditions") or ()
    return any(
        condition.get("type") == "Succeeded" and condition.get("status") in ("True", "False")
        for condition in conditions
    )


def _without_status(run: Object) -> Object:
    ignored = ("status", "statusMessage")
    return {key: value for key, value in (run.get("spec") or {}).items() if key not in ignored}


def _denied(why: str) -> StatusError:
    message = (
        'admission webhook "validation.webhook.pipeline.tekton.dev" denied the request: '
        f"validation failed: invalid value: {why}: spec"
    )
    return StatusError(400, "BadRequest", message)


# --- the table ----------------------------------------------------------------------------------

_TEKTON = Rule(complete=_tekton_webhook)

RULES: dict[tuple[str, str], Rule] = {
    ("", "events"): Rule(mistakes=_event_mistakes),
    ("", "namespaces"): Rule(complete=_complete_namespace),
    ("", "pods"): Rule(complete=_complete_pod, mistakes=_pod_spec_mistakes),
    ("", "secrets"): Rule(complete=_complete_secret),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Rule(
        complete=_complete_crd, mistakes=_crd_mistakes
    ),
    ("batch", "jobs"): Rule(complete=jobs.complete, mistakes=jobs.mistakes),
    ("coordination.k8s.io", "leases"): Rule(complete=_complete_lease, mistakes=_lease_mistakes),
    ("tekton.dev", "pipelineruns"): _TEKTON,
    ("tekton.dev", "taskruns"): _TEKTON,
}

PLAIN = Rule()


def of(key: tuple[str, str]) -> Rule:
    return RULES.get(key, PLAIN)
