"""`x-kubernetes-validations`: which rules of a CRD's schema does an object break?

As the API server does it: an object whose shape is wrong in a way that rules could trip over is not
asked at all, which the answer says; and a CRD with a rule that is none is refused.
Rules about the state before (`oldSelf`) are taken and not asked.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ghapp.demo.kube import expressions
from ghapp.demo.kube.causes import Cause
from ghapp.demo.kube.objects import Object

KEY = "x-kubernetes-validations"

_BLOCKING = ("FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong")
_BLOCKING_WORDS = ("items", "chars long", "properties")
_UNCHECKED = Cause(
    field="<nil>",
    message=(
        "Invalid value: null: some validation rules were not checked because the object was "
        "invalid; correct the existing errors to complete validation"
    ),
)


def mistakes(value: Any, schema: Object, shape: Sequence[Cause]) -> Iterator[Cause]:
    """The rules that the value breaks; `shape` is what is wrong with it already."""
    if any(_blocks(cause) for cause in shape):
        yield _UNCHECKED
        return
    yield from _broken(value, schema, "")


def ruled(schema: Object | None) -> bool:
    """Whether there are rules; asked once, since a schema may be large."""
    return any(True for _ in rules(schema or {}))


def _blocks(cause: Cause) -> bool:
    return cause.reason in _BLOCKING or cause.message.endswith(_BLOCKING_WORDS)


def rules(schema: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    """Every rule in a schema, with the way to it as the API server spells it."""
    for index, rule in enumerate(schema.get(KEY) or ()):
        yield f"{path}.{KEY}[{index}]", rule
    for name, child in (schema.get("properties") or {}).items():
        yield from rules(child, f"{path}.properties[{name}]")
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from rules(schema[word], f"{path}.{word}")


def _broken(value: Any, schema: Object, path: str) -> Iterator[Cause]:
    for rule in schema.get(KEY) or ():
        yield from _asked(rule, value, schema, path)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _broken(item, schema.get("items") or {}, f"{path}[{index}]")
    if isinstance(value, dict):
        fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
        rest = others if isinstance(others, dict) else {}
        for key, child in value.items():
            below = f"{path}.{key}" if path else key
            yield from _broken(child, fields.get(key, rest), below)


def _asked(rule: Object, value: Any, schema: Object, path: str) -> Iterator[Cause]:
    if expressions.about_the_past(rule["rule"]):
        return
    said = rule.get("message") or f"failed rule: {rule['rule']}"
    try:
        held = expressions.holds(rule["rule"], value, schema)
    except expressions.Unfit as error:
        yield _cause(path, schema, f"{error} evaluating rule: {said}")
        return
    if not held:
        yield _cause(path + rule.get("fieldPath", ""), schema, said, rule.get("reason", ""))


def _cause(path: str, schema: Object, said: str, reason: str = "") -> Cause:
    """In the API server's words; a type stands for the value, which may be large."""
    heads = {"FieldValueRequired": "Required value", "FieldValueForbidden": "Forbidden"}
    head = heads.get(reason, f'Invalid value: "{schema.get("type", "")}"')
    field = path.removeprefix(".") or "<nil>"
    return Cause(field=field, message=f"{head}: {said}", reason=reason or "FieldValueInvalid")


# --- a definition's own rules ---------------------------------------------------------------------


def definition_mistakes(schema: Object, path: str) -> Iterator[Cause]:
    """What is wrong with the rules themselves."""
    for where, rule in rules(schema):
        try:
            expressions.check(rule["rule"])
        except expressions.Unfit as error:
            message = f'Invalid value: "{rule["rule"]}": compilation failed: {error}'
            yield Cause(field=f"{path}{where}.rule", message=message)
