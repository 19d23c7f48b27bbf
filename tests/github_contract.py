"""Holds every exchange with the GitHub stand-in against GitHub's own published descriptions.

A middleware validates each request body received and each answer given; an observer validates
each webhook body. What fails is recorded with its JSON path, and `check` raises it. The
descriptions are read in place from ../shared; without them there is no contract.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
from aiohttp import web
from aiohttp.typedefs import Handler

from ghapp.demo.github import Delivery
from ghapp.demo.github.server import ROUTE

DESCRIPTIONS = Path(__file__).parents[2] / "shared" / "data" / "github"
NO_DATA = "GitHub's API descriptions are not in ../shared/data/github"
UNDESCRIBED = (301, 304, 307)  # not modified, and the way to a renamed repository
# Where the descriptions are at odds with GitHub itself: merge_group is not in their list of an
# App's events, and nothing can be both of the kinds that the account of an installation must be.
GAPS = re.compile(r" check_suite/app/events/\d+$|^GET /app/installations 200 \d+/account$")
# GitHub answers "" for the URLs that a deployment status lacks; an App's bot has an address that
# the schema's own format forbids; some refusals fit two schemas of which they shall fit one.
ODD = re.compile(
    r'^"" is not a "uri"|\[bot\]@users.noreply.github.com" is not a "email"'
    r"|is valid under more than one of the schemas"
)
SAMPLES = {
    "repository_dispatch": "webhook-repository-dispatch-sample",
    "deployment_status": "webhook-deployment-status-created",
    "push": "webhook-push",
    "ping": "webhook-ping",
}


def is_available() -> bool:
    return (DESCRIPTIONS / "openapi-slim.json").is_file()


class ContractError(AssertionError):
    """Something was said that GitHub's description does not allow."""


class Contract:
    """Collects what was wrong; `seen` counts what was validated, by operation and status."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.seen: dict[str, int] = {}
        self._bad_requests_expected = False

    def expect_bad_requests(self) -> None:
        """For tests that send nonsense on purpose: request bodies are not judged any more."""
        self._bad_requests_expected = True

    def check(self) -> None:
        if self.failures:
            raise ContractError("\n".join(self.failures))

    # -- REST --------------------------------------------------------------------------------

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def hold(request: web.Request, handler: Handler) -> web.StreamResponse:
            raw = await request.read()
            response = await handler(request)
            route = request.get(ROUTE)
            lost = request.transport is None or request.transport.is_closing()
            if route is not None and isinstance(response, web.Response) and not lost:
                self._request(route.method, route.path, raw)
                self._response(route.method, route.path, response)
            return response

        return hold

    def _request(self, method: str, path: str, raw: bytes) -> None:
        validator = request_validator(method, path)
        if self._bad_requests_expected or validator is None:
            return
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            self.failures.append(f"{method} {path} request: not JSON")
            return
        self._judge(f"{method} {path} request", validator, body)

    def _response(self, method: str, path: str, response: web.Response) -> None:
        where = f"{method} {path} {response.status}"
        known = operation(method, path)
        if known is None or response.status in UNDESCRIBED:
            return
        self.seen[where] = self.seen.get(where, 0) + 1
        if response.status < 400 and str(response.status) not in known["responses"]:
            self.failures.append(f"{where}: the description has no such answer")
            return
        validator = response_validator(method, path, response.status)
        raw = response.body
        if validator is None or not isinstance(raw, bytes | bytearray) or not raw:
            return
        self._judge(where, validator, json.loads(bytes(raw)))

    # -- webhooks ----------------------------------------------------------------------------

    def delivery(self, delivery: Delivery) -> None:
        """An observer for `github.hooks.observers`."""
        where = f"webhook {delivery.event}.{delivery.action}"
        self.seen[where] = self.seen.get(where, 0) + 1
        validator = webhook_validator(delivery.event, delivery.action)
        if validator is not None:
            self._judge(where, validator, json.loads(delivery.body))

    def _judge(self, where: str, validator: jsonschema_rs.Draft7Validator, body: Any) -> None:
        for error in validator.iter_errors(body):
            path = "/".join(str(step) for step in error.instance_path)
            if GAPS.search(f"{where} {path}") or ODD.search(error.message):
                continue
            self.failures.append(f"{where}: at /{path}: {error.message[:300]}")


# -- the descriptions -------------------------------------------------------------------------


def to_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema needs a null type."""
    if isinstance(node, list):
        return [to_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: to_json_schema(value) for key, value in node.items()}
    if not node.pop("nullable", False):
        return node
    if "enum" in node and None not in node["enum"]:
        node["enum"] = [*node["enum"], None]
    if isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
    elif node.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
        node = {"anyOf": [node, {"type": "null"}]}
    return node


@functools.cache
def _rest() -> dict[str, Any]:
    described: dict[str, Any] = json.loads((DESCRIPTIONS / "openapi-slim.json").read_text())
    return described


@functools.cache
def _rest_components() -> Any:
    return to_json_schema(_rest()["components"])


@functools.cache
def _webhooks() -> dict[str, Any]:
    described: dict[str, Any] = json.loads((DESCRIPTIONS / "webhook-schemas-slim.json").read_text())
    return described


def operation(method: str, path: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = _rest()["paths"].get(path, {}).get(method.lower())
    return found


def operations() -> list[str]:
    return [f"{verb.upper()} {path}" for path, verbs in _rest()["paths"].items() for verb in verbs]


@functools.cache
def request_validator(method: str, path: str) -> jsonschema_rs.Draft7Validator | None:
    content = ((operation(method, path) or {}).get("requestBody") or {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return None if schema is None else _validator(schema)


@functools.cache
def response_validator(method: str, path: str, status: int) -> jsonschema_rs.Draft7Validator | None:
    responses = (operation(method, path) or {}).get("responses", {})
    response = responses.get(str(status))
    if response is None:
        name = "validation-error" if status == 422 else "basic-error"
        return _validator({"$ref": f"#/components/schemas/{name}"})
    if "$ref" in response:
        response = _rest()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response.get("content", {}).get("application/json", {}).get("schema")
    return None if schema is None else _validator(schema)


def _validator(schema: Any) -> jsonschema_rs.Draft7Validator:
    whole = {**to_json_schema(schema), "components": _rest_components()}
    return jsonschema_rs.Draft7Validator(whole, validate_formats=True)


@functools.cache
def webhook_validator(event: str, action: str | None) -> Any:
    """None for the events whose schema is not in the cut."""
    name = f"{event}-{action}".replace("_", "-")
    name = SAMPLES.get(event, f"webhook-{name}")
    schemas = _webhooks()["components"]["schemas"]
    if name not in schemas:
        return None
    whole = {**schemas[name], "components": _webhooks()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
