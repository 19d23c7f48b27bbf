"""The CustomResourceDefinition of `Pipeline`, derived from the Struct that reads the documents.

checkrail reads Pipelines from files (CHECKRAIL_CONFIG), not from the cluster: the CRD serves those
who keep the documents beside their other manifests and want them checked by the API server, an
editor or a CI job. No deployment of ours installs it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ghapp.core.pipeline import PipelineSpec
from ghapp.rbac import Json, as_yaml

__all__ = ["as_yaml", "manifests", "structural"]

GROUP: Final = "checkrail.dev"
VERSION: Final = "v1alpha1"


def manifests() -> list[Json]:
    """Every CRD; so far one."""
    return [_crd("Pipeline", "pipelines", ["cpl"], PipelineSpec, PIPELINE_COLUMNS)]


PIPELINE_COLUMNS: Final = (
    {"name": "Kind", "type": "string", "jsonPath": ".spec.appRef.kind"},
    {"name": "App", "type": "string", "jsonPath": ".spec.appRef.name"},
    {"name": "Environments", "type": "string", "jsonPath": ".spec.environments[*].name"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)


def _crd(
    kind: str, plural: str, short: list[str], spec: type, columns: tuple[dict[str, str], ...]
) -> Json:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [dict(column) for column in columns],
        "schema": {"openAPIV3Schema": _root(spec)},
    }
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": short,
        "categories": ["checkrail"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _root(spec: type) -> Json:
    return {
        "type": "object",
        "description": (
            "What is promoted, where to, and how. checkrail reads these documents from files "
            "(CHECKRAIL_CONFIG), not from the cluster."
        ),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(spec),
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
    if "enum" in kept:
        kept = {"type": "string", **kept}
    if "items" in kept:
        kept["items"] = _structural(kept["items"], components)
    if "properties" in kept:
        kept["properties"] = {
            name: _structural(one, components) for name, one in kept["properties"].items()
        }
    return kept
