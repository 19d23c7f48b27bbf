"""What is wrong with a field, in the words of a Status, and the mistakes that many kinds share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One field that is wrong."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def document(self) -> Object:
        return {"reason": self.reason, "message": self.message, "field": self.field}


def required(field: str, words: str = "Required value") -> Cause:
    return Cause(field=field, reason="FieldValueRequired", message=words)


def changed_fields(before: Object, after: Object, names: tuple[str, ...]) -> Iterator[Cause]:
    """Fields of a spec that may not change and did."""
    for name in names:
        if before.get(name) != after.get(name):
            yield Cause(field=f"spec.{name}", message="Invalid value: field is immutable")


def pod_mistakes(pod_spec: Object, field: str) -> Iterator[Cause]:
    """A pod needs containers, and they need names."""
    containers = pod_spec.get("containers")
    if not containers:
        yield required(f"{field}.containers")
    for index, container in enumerate(containers or ()):
        if not container.get("name"):
            yield required(f"{field}.containers[{index}].name")
