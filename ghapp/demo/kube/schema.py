"""Does an object fit its CRD's schema? Drops unknown fields, sets defaults, judges the rest.

Structural schemas as apiextensions v1 has them; rules in CEL are asked in `validations`. Of formats
only times are judged.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from ghapp.demo.kube.causes import Cause

Json = Any
Schema = dict[str, Any]

_KEEP_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
_ROOT = frozenset({"apiVersion", "kind", "metadata"})


# --- pruning and defaults -----------------------------------------------------------------------


def shaped(obj: Json, schema: Schema) -> tuple[Json, list[str]]:
    """The object with defaults and without unknown fields, and the paths of those."""
    unknown: list[str] = []
    return _shape(obj, schema, "", unknown), unknown


def _shape(value: Json, schema: Schema, path: str, unknown: list[str]) -> Json:
    if isinstance(value, dict) and schema:
        return _shape_map(value, schema, path, unknown)
    if isinstance(value, list) and "items" in schema:
        items = schema["items"]
        return [_shape(item, items, f"{path}[{i}]", unknown) for i, item in enumerate(value)]
    return value


def _shape_map(value: Schema, schema: Schema, path: str, unknown: list[str]) -> Schema:
    properties = schema.get("properties") or {}
    shaped_map: Schema = {}
    for key, child in value.items():
        below = {} if _is_root(key, path, schema) else _schema_of(key, properties, schema)
        if below is None:
            unknown.append(_dotted(path, key))
        else:
            shaped_map[key] = _shape(child, below, _dotted(path, key), unknown)
    return shaped_map | _defaults(properties, shaped_map)


def _defaults(properties: Schema, given: Schema) -> Schema:
    return {
        key: child["default"]
        for key, child in properties.items()
        if "default" in child
        and (key not in given or (given[key] is None and not child.get("nullable")))
    }


def _is_root(key: str, path: str, schema: Schema) -> bool:
    """What every object has is not the schema's business."""
    return key in _ROOT and (not path or bool(schema.get("x-kubernetes-embedded-resource")))


def _schema_of(key: str, properties: Schema, schema: Schema) -> Schema | None:
    """The schema below a key; empty where anything goes, None where nothing may be."""
    if key in properties:
        found: Schema = properties[key]
        return found
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return additional
    return {} if additional or schema.get(_KEEP_UNKNOWN) or _untyped(schema) else None


def _untyped(schema: Schema) -> bool:
    return not schema.get("type") and not schema.get("properties")


def _dotted(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


# --- validation ---------------------------------------------------------------------------------


def mistakes(value: Json, schema: Schema, path: str = "") -> Iterator[Cause]:
    """What is wrong with the value, each with its field."""
    if value is None:
        if not schema.get("nullable") and schema.get("type"):
            yield _wrong_type(value, schema, path)
        return
    if not _is_of_type(value, schema):
        yield _wrong_type(value, schema, path)
        return
    yield from _value_mistakes(value, schema, path)
    if isinstance(value, dict):
        yield from _map_mistakes(value, schema, path)
    elif isinstance(value, list):
        yield from _list_mistakes(value, schema, path)


_TYPES: dict[str, Callable[[Json], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
}


def _is_of_type(value: Json, schema: Schema) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return _TYPES["integer"](value) or _TYPES["string"](value)
    wanted = schema.get("type")
    return not wanted or _TYPES[wanted](value)


def _wrong_type(value: Json, schema: Schema, path: str) -> Cause:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    seen = names.get(type(value), "integer" if isinstance(value, int) else "number")
    wanted = schema.get("type", "integer or string")
    return Cause(
        field=path or "<nil>",
        reason="FieldValueTypeInvalid",
        message=f'Invalid value: "{seen}": {path} in body must be of type {wanted}: "{seen}"',
    )


def _map_mistakes(value: Schema, schema: Schema, path: str) -> Iterator[Cause]:
    for key in schema.get("required") or ():
        if key not in value:
            field = _dotted(path, key)
            yield Cause(field=field, reason="FieldValueRequired", message="Required value")
    properties = schema.get("properties") or {}
    for key, child in value.items():
        below = _schema_of(key, properties, schema)
        if below and not _is_root(key, path, schema):
            yield from mistakes(child, below, _dotted(path, key))


def _list_mistakes(value: list[Json], schema: Schema, path: str) -> Iterator[Cause]:
    items = schema.get("items")
    if items:
        for index, item in enumerate(value):
            yield from mistakes(item, items, f"{path}[{index}]")
    yield from _repeated(value, schema, path)


def _repeated(value: list[Json], schema: Schema, path: str) -> Iterator[Cause]:
    """Of a set no item, of a map in the form of a list no key may be there twice."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    names, seen = schema.get("x-kubernetes-list-map-keys") or (), set()
    for index, item in enumerate(value):
        key = {name: item.get(name) for name in names} if kind == "map" else item
        text = json.dumps(key, sort_keys=True)
        if text in seen:
            message = f"Duplicate value: {text}"
            yield Cause(field=f"{path}[{index}]", reason="FieldValueDuplicate", message=message)
        seen.add(text)


Fits = Callable[[Json, Any], bool]
_LIMITS: dict[str, tuple[Fits, str]] = {
    "minLength": (lambda value, least: len(value) >= least, "at least {} chars long"),
    "maxLength": (lambda value, most: len(value) <= most, "at most {} chars long"),
    "minItems": (lambda value, least: len(value) >= least, "at least {} items"),
    "maxItems": (lambda value, most: len(value) <= most, "at most {} items"),
    "minProperties": (lambda value, least: len(value) >= least, "at least {} properties"),
    "maxProperties": (lambda value, most: len(value) <= most, "at most {} properties"),
    "minimum": (lambda value, least: value >= least, "greater than or equal to {}"),
    "maximum": (lambda value, most: value <= most, "less than or equal to {}"),
    "pattern": (lambda value, pattern: _finds(pattern, value), "matched by '{}'"),
    "format": (lambda value, name: name != "date-time" or _is_time(value), "of type {}"),
}


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None  # RE2 knows classes that Python does not: let it pass


def _finds(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.search(value) is not None


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _is_time(text: str) -> bool:
    """RFC 3339."""
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_TYPE_OF_LIMIT: dict[str, type | tuple[type, ...]] = {
    "Length": str,
    "Items": list,
    "Properties": dict,
    "imum": (int, float),
    "pattern": str,
    "format": str,
}


def _applies(limit: str, value: Json) -> bool:
    return any(
        limit.endswith(suffix) and isinstance(value, kind)
        for suffix, kind in _TYPE_OF_LIMIT.items()
    )


def _value_mistakes(value: Json, schema: Schema, path: str) -> Iterator[Cause]:
    choices = schema.get("enum")
    if choices is not None and value not in choices:
        supported = ", ".join(f'"{choice}"' for choice in choices)
        yield Cause(
            field=path,
            reason="FieldValueNotSupported",
            message=f'Unsupported value: "{value}": supported values: {supported}',
        )
    for limit in schema.keys() & _LIMITS.keys():
        fits, words = _LIMITS[limit]
        if _applies(limit, value) and not fits(value, schema[limit]):
            should = words.format(schema[limit])
            yield Cause(
                field=path, message=f"Invalid value: {value!r}: {path} in body should be {should}"
            )
    yield from _composed_mistakes(value, schema, path)


def _composed_mistakes(value: Json, schema: Schema, path: str) -> Iterator[Cause]:
    for part in schema.get("allOf") or ():
        yield from mistakes(value, part, path)
    fitting = {
        word: sum(1 for part in schema[word] if not any(mistakes(value, part, path)))
        for word in ("anyOf", "oneOf")
        if word in schema
    }
    if fitting.get("anyOf") == 0:
        yield Cause(field=path, message=f"{path} in body must validate at least one schema (anyOf)")
    if fitting.get("oneOf", 1) != 1:
        yield Cause(
            field=path, message=f"{path} in body must validate one and only one schema (oneOf)"
        )
    if "not" in schema and not any(mistakes(value, schema["not"], path)):
        yield Cause(field=path, message=f"{path} in body must not validate the schema (not)")
