"""The cells of `kubectl get`: a small JSONPath, and ages as people say them."""

import re
from datetime import datetime
from typing import Any

from ghapp.demo.kube.objects import encode
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
    if column.type == "date":
        return age(str(found), now)
    return encode(found).decode() if isinstance(found, dict | list) else found


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

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3_600, 86_400, 31_536_000
_SCALE = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)
"""Below so many seconds an age is told in these units: size and letter, once or twice."""


def age(since: str, now: datetime) -> str:
    """`42s`, `7m30s`, `3h`, `12d`: as precise as kubectl thinks one wants to know."""
    try:
        seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    except (ValueError, TypeError):
        return "<unknown>"
    for below, size, unit, small, small_unit in _SCALE:
        if seconds < below:
            rest = seconds % size // small if small else 0
            return f"{seconds // size}{unit}" + (f"{rest}{small_unit}" if rest else "")
    return f"{seconds // _YEAR}y"
