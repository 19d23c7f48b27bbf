"""What of a request's body may change an object: not its identity, and its status only apart."""

from collections.abc import Sequence
from typing import Any

from ghapp.demo.kube import status
from ghapp.demo.kube.causes import Cause
from ghapp.demo.kube.objects import Entry, Object
from ghapp.demo.kube.resources import Resource

SERVER_SET = frozenset(
    {
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    }
)
"""Metadata that a client sends in vain."""


_TEXTS = ("name", "generateName", "namespace", "uid", "resourceVersion")


def typed(resource: Resource, body: Any) -> Object:
    """The body as an object of this resource; a client may leave out apiVersion and kind."""
    if not isinstance(body, dict):
        raise status.bad_request("the body is no Kubernetes object, which is a map")
    for key, expected in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if body.get(key) not in (None, "", expected):
            raise status.bad_request(
                f"the {key} in the data ({body[key]}) does not match the expected one ({expected})"
            )
    return {
        **body,
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": _metadata(resource, body.get("metadata") or {}),
    }


def _metadata(resource: Resource, given: Any) -> Object:
    """The metadata of a body; nulls are left out, as Go's decoder does."""
    if not isinstance(given, dict):
        raise status.undecodable(resource, "metadata is no map")
    metadata = {key: value for key, value in given.items() if value is not None}
    for key in _TEXTS:
        if not isinstance(metadata.get(key, ""), str):
            raise status.undecodable(resource, f"metadata.{key} is no string")
    finalizers = metadata.get("finalizers", [])
    if not isinstance(finalizers, list) or not all(isinstance(one, str) for one in finalizers):
        raise status.undecodable(resource, "metadata.finalizers is no list of strings")
    return metadata


def placed(resource: Resource, namespace: str, metadata: Object) -> Object:
    """The metadata with the namespace of the URL, which it may not contradict."""
    if not resource.namespaced:
        return {key: value for key, value in metadata.items() if key != "namespace"}
    if metadata.get("namespace", namespace) not in ("", namespace):
        raise status.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return {**metadata, "namespace": namespace}


def check_identity(resource: Resource, before: Entry, given: Object, *, whole: bool) -> None:
    """May this metadata change that object? Name, uid and version say so."""
    known = before.object["metadata"]
    name = known["name"]
    if given.get("name") != name:
        raise status.bad_request(
            f"the name of the object ({given.get('name')}) does not match "
            f"the name on the URL ({name})"
        )
    if given.get("uid") not in (None, "", known["uid"]):
        raise status.failed_precondition(resource, name, "UID", given["uid"], known["uid"])
    version = given.get("resourceVersion")
    if whole and resource.needs_version and not version:
        message = "Invalid value: 0: must be specified for an update"
        cause = Cause(field="metadata.resourceVersion", message=message)
        raise status.invalid(resource, name, [cause])
    if version not in (None, "", known["resourceVersion"]):
        raise status.modified(resource, name)


def merged(resource: Resource, before: Object, after: Object, subresource: str | None) -> Object:
    """The parts of `after` that this request may write, the rest from `before`."""
    if subresource is not None:
        return {**before, "status": after.get("status") or {}}
    known = before["metadata"]
    metadata = {key: value for key, value in after["metadata"].items() if key not in SERVER_SET}
    metadata |= {key: known[key] for key in SERVER_SET if key in known}
    _check_finalizers(resource, known, metadata)
    whole = {**after, "metadata": metadata}
    if resource.has_status:
        whole.pop("status", None)
        whole |= {"status": before["status"]} if "status" in before else {}
    return whole


def _check_finalizers(resource: Resource, known: Object, metadata: Object) -> None:
    added = set(metadata.get("finalizers") or ()) - set(known.get("finalizers") or ())
    if added and "deletionTimestamp" in known:
        message = "Forbidden: no new finalizers can be added if the object is being deleted"
        cause = Cause(field="metadata.finalizers", message=message, reason="FieldValueForbidden")
        raise status.invalid(resource, known["name"], [cause])


def counted(resource: Resource, before: Object, after: Object) -> Object:
    """With the next generation where something was asked for, not only reported."""
    told = {"apiVersion", "metadata"} | ({"status"} if resource.has_status else set())
    keys = (before.keys() | after.keys()) - told
    if not resource.generation or all(before.get(key) == after.get(key) for key in keys):
        return after
    generation = before["metadata"].get("generation", 0) + 1
    return {**after, "metadata": {**after["metadata"], "generation": generation}}


def check_strict(resource: Resource, unknown: Sequence[str]) -> None:
    """Refuse fields that the schema does not know."""
    if unknown:
        fields = ", ".join(f'unknown field "{field}"' for field in unknown)
        raise status.undecodable(resource, f"strict decoding error: {fields}")
