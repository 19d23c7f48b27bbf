"""The CustomResourceDefinitions, derived from the Structs that read the documents."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ghapp.kinds import GROUP, VERSION, Kind, kinds
from ghapp.rbac import Json, as_yaml

__all__ = ["as_yaml", "manifests", "structural"]


def manifests() -> list[Json]:
    """Every CRD."""
    return [_crd(kind) for kind in kinds().values()]


def _crd(kind: Kind) -> Json:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {"name": name, "type": type_, "jsonPath": path} for name, type_, path in kind.columns
        ],
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


def _root(kind: Kind) -> Json:
    return {
        "type": "object",
        "description": kind.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(kind.spec),
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }


def structural(type_: type) -> Json:
    """`type_` as an OpenAPI v3 schema in the form that Kubernetes takes.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
    """
    (schema,), components = msgspec.json.schema_components([type_])
    return _structural(schema, components)


# `additionalProperties` must not stand beside `properties`: the API server prunes unknown fields,
# and kubectl's strict validation names them. `title` is our class' name.
_DROPPED: Final = frozenset({"title", "additionalProperties"})


def _structural(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Json:
    if "$ref" in schema:
        return _structural(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:  # what may be left out: the other choice is null
        (choice,) = (one for one in schema["anyOf"] if one != {"type": "null"})
        return _structural(choice, components)
    kept = {key: value for key, value in schema.items() if key not in _DROPPED}
    if kept.get("default") in ((), {}):  # nothing given is nothing: it need not be written there
        del kept["default"]
    if isinstance(kept.get("default"), tuple):
        kept["default"] = list(kept["default"])
    if "enum" in kept:
        kept = {"type": "string", **kept}
    if "items" in kept:
        kept["items"] = _structural(kept["items"], components)
    if isinstance(schema.get("additionalProperties"), dict):  # a map
        kept["additionalProperties"] = _structural(schema["additionalProperties"], components)
    if "properties" in kept:
        kept["properties"] = {
            name: _structural(one, components) for name, one in kept["properties"].items()
        }
    return kept
