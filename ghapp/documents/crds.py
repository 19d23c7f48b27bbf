"""The CustomResourceDefinitions, derived from the Structs that read the documents.

Names, types and bounds are the Structs', descriptions what stands beneath their fields
(`meanings`), rules beyond that `validations`. Defaults are sparse: what the API server fills in,
it writes into people's objects. So it fills in only what says that nothing is asked for (false,
0), which makes a column readable; every other default is part of the description.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, inspect

from ghapp import rbac
from ghapp.documents import meanings
from ghapp.documents.kinds import GROUP, VERSION, Column, Kind, kinds
from ghapp.documents.validations import Validation
from ghapp.rbac import Json


def as_yaml(comment: str = "") -> str:
    """Every CRD, as a manifest."""
    return rbac.as_yaml(manifests(), comment=comment, block=True)


def manifests() -> list[Json]:
    """Every CRD."""
    return [_crd(kind) for kind in kinds().values()]


def _crd(kind: Kind) -> Json:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(one) for one in kind.columns],
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _root(kind)},
    }
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": list(kind.short),
        "categories": ["checkrail"],
    }
    scope = "Namespaced" if kind.namespaced else "Cluster"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": scope, "names": names, "versions": [version]},
    }


def _column(column: Column) -> Json:
    wide = {"priority": 1} if column.wide else {}
    told = {"description": column.description} if column.description else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **told, **wide}


_HEAD: Final[Json] = {
    "apiVersion": {
        "type": "string",
        "description": "Group and version of the kind, as every Kubernetes object names them.",
    },
    "kind": {"type": "string", "description": "What kind of document it is."},
    "metadata": {"type": "object"},
}


def _root(kind: Kind) -> Json:
    parts = {
        "spec": structural(kind.spec, at="spec", validations=kind.validations),
        "status": structural(kind.status, at="status"),
    }
    return {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {**_HEAD, **parts},
    }


# --- schemas --------------------------------------------------------------------------------------

Rules: TypeAlias = Mapping[str, list[Json]]
"""Way to a part of a document -> the rules about it."""


def structural(type_: type, *, at: str = "", validations: Iterable[Validation] = ()) -> Json:
    """`type_` as an OpenAPI v3 schema in the form that Kubernetes takes; it stands at `at`.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
    """
    rules: dict[str, list[Json]] = {}
    for one in validations:
        rules.setdefault(one.at, []).append(dict(one.document()))
    return _schema(inspect.type_info(type_), at, rules)


def _schema(type_: Any, at: str, rules: Rules) -> Json:
    made = _SCHEMAS[type(type_)](type_, at, rules)
    return made | ({"x-kubernetes-validations": rules[at]} if at in rules else {})


def _struct(type_: inspect.StructType, at: str, rules: Rules) -> Json:
    """Unknown fields are pruned by the API server, and named by kubectl's strict validation."""
    properties = {
        one.encode_name: _field(one, type_.cls, _joined(at, one.encode_name), rules)
        for one in type_.fields
    }
    required = [one.encode_name for one in type_.fields if one.required]
    return {
        "type": "object",
        "description": meanings.summary(type_.cls),
        **({"required": required} if required else {}),
        "properties": properties,
    }


def _joined(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _field(field: inspect.Field, owner: type[Struct], at: str, rules: Rules) -> Json:
    made = _schema(field.type, at, rules)
    meaning = meanings.of(owner).get(field.name) or made.get("description", "")
    if not isinstance(field.default, bool | int | str) or field.default == "":
        return _described(made, meaning)
    if field.default:
        return _described(made, f"{meaning} (Default: {_shown(field.default)}.)")
    return _described(made, meaning) | {"default": field.default}


def _shown(default: bool | int | str) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _described(made: Json, meaning: str) -> Json:
    rest = {key: value for key, value in made.items() if key != "description"}
    return {"description": meaning, **rest} if meaning else rest


def _metadata(type_: inspect.Metadata, at: str, rules: Rules) -> Json:
    """A title is for messages of ours; editors would show it in the place of the field's name."""
    more = {key: one for key, one in (type_.extra_json_schema or {}).items() if key != "title"}
    return _SCHEMAS[type(type_.type)](type_.type, at, rules) | more


def _optional(type_: inspect.UnionType, at: str, rules: Rules) -> Json:
    """What may be left out; no field takes one of several types."""
    (one,) = (each for each in type_.types if not isinstance(each, inspect.NoneType))
    return _SCHEMAS[type(one)](one, at, rules)


def _list(type_: inspect.VarTupleType | inspect.ListType, at: str, rules: Rules) -> Json:
    limits = {"minItems": type_.min_length, "maxItems": type_.max_length}
    return _limited("array", limits) | {"items": _schema(type_.item_type, f"{at}[]", rules)}


def _map(type_: inspect.DictType, at: str, rules: Rules) -> Json:
    limits = {"minProperties": type_.min_length, "maxProperties": type_.max_length}
    values = _schema(type_.value_type, f"{at}[]", rules)
    return _limited("object", limits) | {"additionalProperties": values}


def _text(type_: inspect.StrType, at: str, rules: Rules) -> Json:
    limits = {
        "minLength": type_.min_length,
        "maxLength": type_.max_length,
        "pattern": type_.pattern,
    }
    return _limited("string", limits)


def _number(type_: inspect.IntType, at: str, rules: Rules) -> Json:
    return _limited("integer", {"minimum": type_.ge, "maximum": type_.le, "format": "int64"})


def _limited(type_: str, limits: Mapping[str, Any]) -> Json:
    return {"type": type_, **{key: value for key, value in limits.items() if value is not None}}


def _literal(type_: inspect.LiteralType, at: str, rules: Rules) -> Json:
    return {"type": "string", "enum": list(type_.values)}


def _enum(type_: inspect.EnumType, at: str, rules: Rules) -> Json:
    return {"type": "string", "enum": [one.value for one in type_.cls]}


def _bool(type_: inspect.BoolType, at: str, rules: Rules) -> Json:
    return {"type": "boolean"}


def _time(type_: inspect.DateTimeType, at: str, rules: Rules) -> Json:
    return {"type": "string", "format": "date-time"}


_SCHEMAS: Final[Mapping[type, Callable[[Any, str, Rules], Json]]] = {
    inspect.StructType: _struct,
    inspect.Metadata: _metadata,
    inspect.UnionType: _optional,
    inspect.VarTupleType: _list,
    inspect.ListType: _list,
    inspect.DictType: _map,
    inspect.StrType: _text,
    inspect.IntType: _number,
    inspect.LiteralType: _literal,
    inspect.EnumType: _enum,
    inspect.BoolType: _bool,
    inspect.DateTimeType: _time,
}
