"""The door to CEL: one rule asked about one value, as an API server does it.

Not `ghapp.cel`, which is a small and bounded part of the language for whoever writes documents: who
writes a CRD may use all of CEL. Kubernetes' own functions (`url`, `quantity`, `optional`) are not
there; a rule that needs them is refused with its CRD.
"""

import re
from functools import cache, lru_cache
from typing import Any

from ghapp.demo.kube.objects import Object

KEYWORDS = frozenset(
    """as break const continue else false for function if import in let loop namespace null package
    return true var void while""".split()  # noqa: SIM905 - one can read it
)
_SPELLED = {".": "__dot__", "-": "__dash__", "/": "__slash__"}


class Unfit(Exception):
    """A rule that is no rule, or cannot be asked about this value; the message says why."""


def check(rule: str) -> None:
    """Whether it is a rule; raises Unfit."""
    if _compiled(rule).return_type().name() not in ("BOOL", "DYN"):
        raise Unfit("must evaluate to a bool")


def holds(rule: str, value: Any, schema: Object) -> bool:
    """Whether the value satisfies the rule; raises Unfit."""
    try:
        found = _compiled(rule).eval(data={"self": _spelled(value, schema)})
    except (RuntimeError, ValueError, TypeError) as error:
        raise Unfit(str(error).partition("\n")[0]) from error
    if found.type().name() != "BOOL":
        raise Unfit(_worded(str(found.value())))
    return bool(found.value())


_NO_KEY = re.compile(r'NOT_FOUND: Key not found in map : "(.+)"')


def _worded(said: str) -> str:
    """In the words of the API server's engine, where they are known."""
    return _NO_KEY.sub(r"no such key: \1", said.partition("\n")[0])


def about_the_past(rule: str) -> bool:
    """Whether it compares with the state before, which is not done here."""
    return "oldSelf" in rule


@lru_cache(maxsize=1024)
def _compiled(rule: str) -> Any:
    try:
        return _environment().compile(rule)
    except RuntimeError as error:
        raise Unfit(str(error)) from error


@cache
def _environment() -> Any:
    from cel_expr_python import cel

    variables = "variables:\n  - {name: self, type: dyn}\n  - {name: oldSelf, type: dyn}\n"
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(variables))


def _spelled(value: Any, schema: Object) -> Any:
    """With the names of fields as rules spell them; keys of maps stay as they are."""
    if isinstance(value, list):
        return [_spelled(item, schema.get("items") or {}) for item in value]
    if not isinstance(value, dict):
        return value
    fields, others = schema.get("properties") or {}, schema.get("additionalProperties")
    rest = others if isinstance(others, dict) else {}
    return {
        _name(key) if key in fields else key: _spelled(one, fields.get(key, rest))
        for key, one in value.items()
    }


def _name(field: str) -> str:
    """https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules"""
    if field in KEYWORDS:
        return f"__{field}__"
    field = field.replace("__", "__underscores__")
    return "".join(_SPELLED.get(letter, letter) for letter in field)
