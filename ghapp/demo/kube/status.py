"""What a Kubernetes API answers when it says no: a Status document with a code and a reason.

One exception carries all of them, so that a rule can refuse from any depth and the server has one
place that turns it into bytes. The words follow a real API server's, because clients read them.
"""

from collections.abc import Iterable
from typing import Any

from ghapp.demo.kube.causes import Cause
from ghapp.demo.kube.resources import Resource


class StatusError(Exception):
    """A refusal, as a client sees it."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def document(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            answer["reason"] = self.reason
        if self.details is not None:
            answer["details"] = self.details
        return {**answer, "code": self.code}


def _details(resource: Resource, name: str = "", **more: Any) -> dict[str, Any]:
    named = {"name": name} if name else {}
    group = {"group": resource.group} if resource.group else {}
    return {**named, **group, "kind": resource.plural, **more}


def not_found(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, details=_details(resource, name))


def already_exists(resource: Resource, name: str) -> StatusError:
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details=_details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, details=_details(resource, name))


def modified(resource: Resource, name: str) -> StatusError:
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version "
        "and try again",
    )


def failed_precondition(
    resource: Resource, name: str, what: str, asked: str | None, known: str
) -> StatusError:
    why = f"Precondition failed: {what} in precondition: {asked}, {what} in object meta: {known}"
    return conflict(resource, name, why)


def invalid(resource: Resource, name: str, causes: Iterable[Cause]) -> StatusError:
    listed = list(causes)
    words = [f"{cause.field}: {cause.message}" for cause in listed]
    all_words = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
    subject = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {
        **({"name": name} if name else {}),
        **({"group": resource.group} if resource.group else {}),
        "kind": resource.kind,
        "causes": [cause.document() for cause in listed],
    }
    return StatusError(
        422, "Invalid", f'{subject} "{name}" is invalid: {all_words}', details=details
    )


def forbidden(resource: Resource, name: str, why: str) -> StatusError:
    named = f' "{name}"' if name else ""
    message = f"{resource.qualified}{named} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, details=_details(resource, name))


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def undecodable(resource: Resource, why: str) -> StatusError:
    kind, version = resource.kind, resource.version
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> StatusError:
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, details={})


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def too_large_version(asked: int, current: int) -> StatusError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {asked}, current: {current}",
        details={"causes": [cause], "retryAfterSeconds": 1},
    )


def too_large_body(limit: int) -> StatusError:
    message = f"Request entity too large: limit is {limit}"
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(accepted: Iterable[str]) -> StatusError:
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return StatusError(415, "UnsupportedMediaType", message)
