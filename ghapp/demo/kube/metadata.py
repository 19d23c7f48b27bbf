"""Is an object's metadata allowed? Names, labels, annotations and owners, by Kubernetes' rules."""

import re
from collections.abc import Iterator
from typing import Any

from ghapp.demo.kube.causes import Cause
from ghapp.demo.kube.resources import Resource

Object = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")
_KEY = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)")
_VALUE = re.compile(r"(([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?)")

MOST_ANNOTATIONS = 256 * 1024
"""Bytes of all keys and values together."""

_DNS_LABELS = frozenset({("", "namespaces"), ("", "services")})


def mistakes(resource: Resource, metadata: Object) -> Iterator[Cause]:
    name = metadata["name"]
    pattern, longest = _name_rule(resource)
    if not pattern.fullmatch(name) or len(name) > longest:
        words = f"a lowercase RFC 1123 name of at most {longest} characters is required"
        yield Cause(field="metadata.name", message=f'Invalid value: "{name}": {words}')
    yield from label_mistakes(metadata.get("labels"), "metadata.labels")
    yield from _annotation_mistakes(metadata.get("annotations"))
    yield from _owner_mistakes(metadata.get("ownerReferences"))


def _name_rule(resource: Resource) -> tuple[re.Pattern[str], int]:
    if resource.group == "rbac.authorization.k8s.io":
        return _SEGMENT, 253
    return (_LABEL, 63) if resource.key in _DNS_LABELS else (_SUBDOMAIN, 253)


def label_mistakes(labels: Any, field: str) -> Iterator[Cause]:
    for key, value in _strings(labels):
        if value is None or not _is_key(key):
            yield Cause(field=field, message=f'Invalid value: "{key}": name part must consist of '
                        "alphanumeric characters, '-', '_' or '.', and begin and end with an "
                        "alphanumeric one; the value must be a string")  # fmt: skip
        elif len(value) > 63 or not _VALUE.fullmatch(value):
            yield Cause(field=field, message=f'Invalid value: "{value}": a valid label must be an '
                        "empty string or at most 63 alphanumeric characters, '-', '_' or '.', and "
                        "must start and end with an alphanumeric one")  # fmt: skip


def _annotation_mistakes(annotations: Any) -> Iterator[Cause]:
    size = 0
    for key, value in _strings(annotations):
        size += len(key.encode()) + len((value or "").encode())
        if value is None or not _is_key(key.lower()):
            yield Cause(field="metadata.annotations", message=f'Invalid value: "{key}": name part '
                        "must be a qualified name, and the value a string")  # fmt: skip
    if size > MOST_ANNOTATIONS:
        yield Cause(field="metadata.annotations", reason="FieldValueTooLong",
                    message=f"Too long: may not be more than {MOST_ANNOTATIONS} bytes")  # fmt: skip


def _strings(pairs: Any) -> Iterator[tuple[str, str | None]]:
    """Keys with their values; None for what is no string."""
    for key, value in (pairs or {}).items():
        yield key, value if isinstance(value, str) else None


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (not _SUBDOMAIN.fullmatch(prefix) or len(prefix) > 253):
        return False
    return len(name) <= 63 and _KEY.fullmatch(name) is not None


def _owner_mistakes(owners: Any) -> Iterator[Cause]:
    for index, owner in enumerate(owners or ()):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                field = f"metadata.ownerReferences[{index}].{key}"
                yield Cause(field=field, reason="FieldValueRequired", message="Required value")
