"""Request bodies: how large they may be, and which languages are understood (JSON and YAML)."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from ghapp.demo.kube import patch, status
from ghapp.demo.kube.objects import Object, decode
from ghapp.demo.kube.resources import Resource

LARGEST = 3 * 1024 * 1024

_JSON, _YAML = "application/json", "application/yaml"
APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


async def read(request: web.Request) -> bytes:
    """The body, if it is not too large."""
    if (request.content_length or 0) > LARGEST:
        raise status.too_large_body(LARGEST)
    parts, size = [], 0
    async for part in request.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise status.too_large_body(LARGEST)
    return b"".join(parts)


async def read_object(request: web.Request) -> Object:
    """A JSON or YAML map. Protobuf and CBOR, which Go clients may send, are a 415."""
    body = await read(request)
    if not body:
        return {}
    if request.content_type not in (_JSON, _YAML, "application/octet-stream", "*/*"):
        raise status.unsupported_media_type([_JSON, _YAML])
    found = _yaml(body) if request.content_type == _YAML else _json(body)
    if not isinstance(found, dict):
        raise status.bad_request("the body is no Kubernetes object, which is a map")
    return found


def _json(body: bytes) -> Any:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise status.bad_request(f"unable to decode the body: {wrong}") from wrong


def _yaml(body: bytes) -> Any:
    if body.lstrip()[:1] == b"{":
        return _json(body)  # what kubectl sends as YAML
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Plain
    try:
        return yaml.load(body)
    except YAMLError as wrong:
        raise status.bad_request(f"unable to decode the body: {wrong}") from wrong


class _Plain(SafeConstructor):
    """YAML as JSON has it: a time is a string."""


_Plain.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


async def read_patch(request: web.Request, resource: Resource) -> Callable[[Object], Object]:
    """The change that a PATCH asks for."""
    kind = request.content_type
    accepted = [_JSON_PATCH, _MERGE, *([] if resource.custom else [_STRATEGIC]), APPLY]
    if kind not in accepted:
        raise status.unsupported_media_type(accepted)
    body = await read(request)
    change = _yaml(body) if kind == APPLY else _json(body)
    return lambda obj: _patched(resource, kind, obj, change)


def _patched(resource: Resource, kind: str, obj: Object, change: Any) -> Object:
    try:
        changed = _apply(resource, kind, obj, change)
    except patch.PatchTestFailed as unfit:
        message = f"the server rejected our request due to an error in our request: {unfit}"
        raise status.StatusError(422, "Invalid", message) from unfit
    except patch.PatchError as wrong:
        raise status.bad_request(str(wrong)) from wrong
    if not isinstance(changed, dict):
        raise status.bad_request("the patched object is no object")
    return changed


def _apply(resource: Resource, kind: str, obj: Object, change: Any) -> Any:
    if kind == _JSON_PATCH:
        return patch.json_patch(obj, change)
    if not isinstance(change, dict):
        raise patch.PatchError("the patch must be a map")
    if kind == _MERGE:
        return patch.merge(obj, change)
    if kind == APPLY:
        return patch.apply(obj, change, custom=resource.custom)
    return patch.strategic(obj, change)
