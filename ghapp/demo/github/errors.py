"""The answers with which GitHub says no, in GitHub's own shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

DOCUMENTATION = "https://docs.github.com/rest"


class ApiError(Exception):
    """A refusal: an HTTP status and the body that goes with it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: list[Json] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def body(self) -> Json:
        body: Json = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        return body | {"documentation_url": DOCUMENTATION, "status": str(self.status)}


def not_found() -> ApiError:
    return ApiError(404, "Not Found")


def no_commit(sha: str) -> ApiError:
    return ApiError(422, f"No commit found for SHA: {sha}")


def missing(field: str) -> ApiError:
    return ApiError(422, f'Invalid request.\n\n"{field}" wasn\'t supplied.')


def invalid(resource: str, field: str, message: str, *, code: str = "custom") -> ApiError:
    """A value that was understood and refused."""
    error = {"resource": resource, "field": field, "code": code, "message": message}
    return ApiError(422, "Validation Failed", errors=[error])


def needs(body: Mapping[str, Any], field: str) -> str:
    """The text under a required key, or GitHub's refusal."""
    value = body.get(field)
    if value is None or value == "":
        raise missing(field)
    if not isinstance(value, str):
        raise ApiError(422, f"Invalid request.\n\nFor '{field}', {value!r} is not a string.")
    return value
