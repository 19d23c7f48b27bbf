"""What an HTTP request means: which verb it is, and how its query says the verb is to be done."""

from collections.abc import Mapping

from aiohttp import web

from ghapp.demo.kube import status
from ghapp.demo.kube.endings import DeleteOptions
from ghapp.demo.kube.objects import Object
from ghapp.demo.kube.paths import Target
from ghapp.demo.kube.status import StatusError
from ghapp.demo.kube.watching import flag
from ghapp.demo.kube.writes import Options

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def verb(request: web.Request, target: Target) -> str:
    if request.method in ("GET", "HEAD"):
        if target.name:
            return "get"
        return "watch" if flag(request.query, "watch") else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    verb = _VERBS.get(request.method, "")
    if (verb == "create") is bool(target.name) or (target.subresource == "log"):
        raise status.method_not_allowed()
    return verb


def options(query: Mapping[str, str], subresource: str = "") -> Options:
    return Options(
        dry_run=query.get("dryRun") == "All",
        strict=query.get("fieldValidation") == "Strict",
        subresource=subresource or None,
    )


def delete_options(query: Mapping[str, str], body: Object) -> DeleteOptions:
    conditions = body.get("preconditions") or {}
    if not isinstance(conditions, dict):
        raise status.bad_request("preconditions are a map of uid and resourceVersion")
    propagation = query.get("propagationPolicy") or body.get("propagationPolicy") or "Background"
    return DeleteOptions(
        dry_run=query.get("dryRun") == "All" or body.get("dryRun") == ["All"],
        propagation=propagation,
        uid=conditions.get("uid"),
        version=conditions.get("resourceVersion"),
    )


def check_field_manager(query: Mapping[str, str]) -> None:
    if not query.get("fieldManager"):
        message = (
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
            "is required for apply patch"
        )
        raise StatusError(422, "Invalid", message)


def check_name(target: Target, body: Object) -> None:
    """A PUT that creates still has to name what its URL names."""
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name != target.name:
        raise status.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )


def check_is_new(target: Target, applied: Object) -> None:
    """An apply that names a uid or a version means an object that was there."""
    named = {"uid", "resourceVersion"} & applied["metadata"].keys()
    if named:
        raise status.conflict(
            target.resource, target.name, f"{named} is set and the object is gone"
        )
