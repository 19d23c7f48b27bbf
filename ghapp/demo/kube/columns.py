"""The cells of `kubectl get`: a small JSONPath, and ages as people say them."""

import re
from datetime import datetime
from typing import Any

from ghapp.demo.kube.resources import Column, Object, Resource

_NAME = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "Unique in its namespace.",
    "priority": 0,
}
_AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date")


def definitions(resource: Resource) -> list[Object]:
    shown = [
        {
            "name": column.name,
            "type": "string" if column.type == "date" else column.type,
            "format": "",
            "description": column.description,
            "priority": column.priority,
        }
        for column in _columns(resource)
    ]
    return [_NAME, *shown]


def cells(resource: Resource, obj: Object, now: datetime) -> list[Any]:
    shown = [_cell(column, obj, now) for column in _columns(resource)]
    return [obj["metadata"]["name"], *shown]


def _columns(resource: Resource) -> tuple[Column, ...]:
    """A CRD that names its columns names Age too, if it wants it."""
    own = resource.columns
    return own if own and resource.custom else (*own, _AGE)


def _cell(column: Column, obj: Object, now: datetime) -> Any:
    found = at(obj, column.path)
    if found is None:
        return "" if column.type == "string" else None
    return age(str(found), now) if column.type == "date" else found


# --- JSONPath -----------------------------------------------------------------------------------

_STEP = re.compile(
    r"\.(?P<key>(?:[^.\[\\]|\\.)+)"
    r"|\[(?P<index>\d+|\*)\]"
    r"|\['(?P<quoted>[^']+)'\]"
    r"|\[\?\(@\.(?P<field>\w+)\s*==\s*[\"'](?P<value>[^\"']*)[\"']\)\]"
)


def at(obj: Any, path: str) -> Any:
    """First match of `.a.b`, `[0]`, `[*]`, `['k']`, `a\\.b`, `[?(@.type=="Ready")]`, or None."""
    found = [obj]
    for step in _STEP.finditer(path):
        found = [below for value in found for below in _below(value, step)]
    return found[0] if found else None


def _below(value: Any, step: re.Match[str]) -> list[Any]:
    key = step["quoted"] or (step["key"] or "").replace("\\", "")
    if isinstance(value, dict) and key:
        return [value[key]] if key in value else []
    if not isinstance(value, list):
        return []
    if step["index"]:
        return value if step["index"] == "*" else value[int(step["index"]) :][:1]
    return [item for item in value if isinstance(item, dict) and _fits(item, step)]


def _fits(item: Object, step: re.Match[str]) -> bool:
    return step["field"] is not None and item.get(step["field"]) == step["value"]


# --- ages ---------------------------------------------------------------------------------------

_UNITS = ((31_536_000, "y"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def age(since: str, now: datetime) -> str:
    """`42s`, `7m`, `3h`, `12d`: one unit, as `kubectl` rounds it from two of the smaller one on."""
    try:
        seconds = int((now - datetime.fromisoformat(since)).total_seconds())
    except ValueError:
        return "<unknown>"
    for size, unit in _UNITS:
        if seconds >= 2 * size or size == 1:
            return f"{max(seconds, 0) // size}{unit}"
    raise AssertionError("the smallest unit always fits")
