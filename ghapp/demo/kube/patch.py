"""The four ways to change part of a Kubernetes object; pure functions that never touch their input.

- merge patch, RFC 7386;
- JSON patch, RFC 6902, with `test`;
- strategic merge patch, a subset: lists of maps are merged by the key in `MERGE_KEYS`, `finalizers`
  as a set, every other list is replaced; of the directives `$patch: delete|replace`,
  `$setElementOrder/…`, `$deleteFromPrimitiveList/…` and `$retainKeys`;
- server-side apply, simplified: a strategic merge without removal. Nobody owns a field, so there
  are no conflicts, and what an earlier apply set and this one leaves out stays.
"""

from collections.abc import Callable
from typing import Any

Json = Any


class PatchError(ValueError):
    """The patch is no patch: 400."""


class PatchTestFailed(PatchError):
    """The patch is well formed and does not fit this object: 422."""


# --- merge patch --------------------------------------------------------------------------------


def merge(target: Json, patch: Json) -> Json:
    """RFC 7386: maps are merged, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


# --- JSON patch ---------------------------------------------------------------------------------


def json_patch(target: Json, operations: Json) -> Json:
    """RFC 6902: all operations or none."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch is a list of operations")
    for operation in operations:
        target = _operate(target, operation)
    return target


def _operate(target: Json, operation: Json) -> Json:
    try:
        act = _OPERATIONS[operation["op"]]
        path = _pointer(operation["path"])
        return act(target, path, operation)
    except (KeyError, TypeError, AttributeError) as missing:
        raise PatchError(f"{operation!r} is no JSON patch operation: {missing}") from missing


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise PatchError(f"{text!r} is no JSON pointer: it does not begin with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _add(target: Json, path: list[str], operation: Json) -> Json:
    return _put(target, path, operation["value"])


def _remove(target: Json, path: list[str], _: Json) -> Json:
    return _without(target, path)


def _replace(target: Json, path: list[str], operation: Json) -> Json:
    value = operation["value"]
    if not path:
        return value
    if isinstance(_at(target, path[:-1]), list):
        return _put(_without(target, path), path, value)
    _at(target, path)
    return _put(target, path, value)


def _move(target: Json, path: list[str], operation: Json) -> Json:
    source = _pointer(operation["from"])
    if path[: len(source)] == source and path != source:
        raise PatchTestFailed(f"{operation['from']} cannot move into itself")
    return _put(_without(target, source), path, _at(target, source))


def _copy(target: Json, path: list[str], operation: Json) -> Json:
    return _put(target, path, _at(target, _pointer(operation["from"])))


def _test(target: Json, path: list[str], operation: Json) -> Json:
    if not _same(_at(target, path), operation["value"]):
        raise PatchTestFailed(f"testing value {operation['path']} failed")
    return target


_OPERATIONS: dict[str, Callable[[Json, list[str], Json], Json]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON, where true is not 1 (in Python it is)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _at(target: Json, path: list[str]) -> Json:
    for part in path:
        target = target[_key(target, part)]
    return target


def _key(holder: Json, part: str) -> Any:
    """The part as a key of what is really there."""
    if isinstance(holder, dict) and part in holder:
        return part
    if isinstance(holder, list) and _is_index(part) and int(part) < len(holder):
        return int(part)
    raise PatchTestFailed(f"nothing is at {part!r}")


def _is_index(part: str) -> bool:
    return len(part) < 10 and part.isascii() and part.isdigit() and str(int(part)) == part


def _changed(target: Json, path: list[str], change: Callable[[Json, str], Json]) -> Json:
    """The target with the holder of `path` replaced by `change(holder, last part)`."""
    if len(path) == 1:
        return change(target, path[0])
    key = _key(target, path[0])
    below = _changed(target[key], path[1:], change)
    changed = target.copy()
    changed[key] = below
    return changed


def _put(target: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value

    def put(holder: Json, part: str) -> Json:
        if isinstance(holder, dict):
            return {**holder, part: value}
        if isinstance(holder, list) and part == "-":
            return [*holder, value]
        if isinstance(holder, list) and _is_index(part) and int(part) <= len(holder):
            return [*holder[: int(part)], value, *holder[int(part) :]]
        raise PatchTestFailed(f"nothing can be added at {part!r}")

    return _changed(target, path, put)


def _without(target: Json, path: list[str]) -> Json:
    if not path:
        raise PatchTestFailed("the whole object cannot be removed")

    def cut(holder: Json, part: str) -> Json:
        key, rest = _key(holder, part), holder.copy()
        del rest[key]
        return rest

    return _changed(target, path, cut)


# --- strategic merge patch ----------------------------------------------------------------------

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""By which key the items of a list are the same item; the first that the patch's items have."""

SETS = frozenset({"finalizers"})
_ORDER, _DROP = "$setElementOrder/", "$deleteFromPrimitiveList/"


def strategic(target: Json, patch: Json) -> Json:
    """Strategic merge patch, the subset that the head of this file names."""
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch is a map")
    try:
        return _strategic(target, patch)
    except (KeyError, TypeError, AttributeError) as unfit:
        raise PatchError(f"unable to apply strategic merge patch: {unfit!r}") from unfit


def _strategic(target: Json, patch: dict[str, Json]) -> Json:
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        _merge_field(merged, key, value)
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    return _ordered(merged, patch)


def _merge_field(merged: dict[str, Json], key: str, value: Json) -> None:
    if key.startswith(_DROP):
        field = key.removeprefix(_DROP)
        merged[field] = [item for item in merged.get(field) or [] if item not in value]
    elif key.startswith("$"):
        return
    elif value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        merged[key] = _strategic(merged.get(key), value)
    elif isinstance(value, list):
        merged[key] = _merge_list(key, merged.get(key) or [], value)
    else:
        merged[key] = value


def _merge_list(field: str, old: list[Json], new: list[Json]) -> list[Json]:
    if field in SETS:
        return [*old, *(item for item in new if item not in old)]
    if {"$patch": "replace"} in new:
        return [item for item in new if item != {"$patch": "replace"}]
    key = _merge_key(field, [*old, *new])
    if key is None:
        return new
    items = {item[key]: item for item in old}
    for item in new:
        if item.get("$patch") == "delete":
            items.pop(item[key], None)
        else:
            items[item[key]] = _strategic(items.get(item[key]), item)
    return list(items.values())


def _merge_key(field: str, items: list[Json]) -> str | None:
    for key in MERGE_KEYS.get(field, ()):
        if all(isinstance(item, dict) and key in item for item in items):
            return key
    return None


def _ordered(merged: dict[str, Json], patch: dict[str, Json]) -> dict[str, Json]:
    """Lists in the order that `$setElementOrder/…` asks for; what it does not name goes last."""
    for directive, wanted in patch.items():
        field = directive.removeprefix(_ORDER)
        if not directive.startswith(_ORDER) or field not in merged:
            continue
        key = _merge_key(field, wanted)
        order = [item[key] if key else item for item in wanted]
        merged[field] = sorted(merged[field], key=lambda item: _rank(item, key, order))
    return merged


def _rank(item: Json, key: str | None, order: list[Json]) -> int:
    identity = item.get(key) if key else item
    return order.index(identity) if identity in order else len(order)


# --- server-side apply --------------------------------------------------------------------------


def apply(target: Json, applied: Json, *, custom: bool) -> Json:
    """What is there, with what was applied laid over it; lists of custom resources are replaced."""
    if not isinstance(applied, dict):
        raise PatchError("only a map can be applied")
    return merge(target, applied) if custom else strategic(target, applied)
