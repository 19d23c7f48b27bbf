"""How a client learns what is served: group and version lists, resource lists, OpenAPI.

The OpenAPI documents say that writes take `fieldValidation`, which is all that kubectl looks for
before it sends a manifest; the validation itself happens here. Of custom resources they hold the
schemas, for `kubectl explain`; of built-in kinds they name no fields.
"""

from collections.abc import Iterable, Iterator

from ghapp.demo.kube.resources import Object, Registry, Resource

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+checkrail",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "python/any",
}


def document(registry: Registry, path: list[str]) -> Object | None:
    """What is at a path that is no object; None when nothing is."""
    match path:
        case [] | [""]:
            return {"paths": ["/api", "/api/v1", "/apis", "/openapi/v2", "/openapi/v3", "/version"]}
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = [_group(registry, group) for group in registry.groups()]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["api", version]:
            return _resources(registry, "", version)
        case ["apis", group] if group in registry.groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, group)}
        case ["apis", group, version]:
            return _resources(registry, group, version)
        case ["openapi", *rest]:
            return _openapi(registry, rest)
    return None


def _group(registry: Registry, group: str) -> Object:
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version}
        for version in registry.versions(group)
    ]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _in(registry: Registry, group: str, version: str) -> list[Resource]:
    return [r for r in registry if (r.group, r.version) == (group, version)]


def _resources(registry: Registry, group: str, version: str) -> Object | None:
    served = _in(registry, group, version)
    if not served:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].api_version,
        "resources": [entry for resource in served for entry in _entries(resource)],
    }


def _entries(resource: Resource) -> Iterator[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular or resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for sub in resource.subresources:
        yield {
            "name": f"{resource.plural}/{sub}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": ["get"] if sub == "log" else ["get", "patch", "update"],
        }


# --- OpenAPI ------------------------------------------------------------------------------------

_INFO: Object = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
_METADATA: Object = {"type": "object", "description": "Standard metadata of an object."}
_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


def _openapi(registry: Registry, path: list[str]) -> Object | None:
    match path:
        case ["v2"]:
            return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}
        case ["v3"]:
            urls = {
                _prefix(r): {"serverRelativeURL": f"/openapi/v3/{_prefix(r)}"} for r in registry
            }
            return {"paths": urls}
        case ["v3", "api", version]:
            return _operations(_in(registry, "", version))
        case ["v3", "apis", group, version]:
            return _operations(_in(registry, group, version))
    return None


def _prefix(resource: Resource) -> str:
    return f"{'apis' if resource.group else 'api'}/{resource.api_version}"


def _operations(resources: Iterable[Resource]) -> Object:
    served = list(resources)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {path: acts for resource in served for path, acts in _paths(resource)},
        "components": {"schemas": {_model(r): _schema(r) for r in served if r.schema}},
    }


def _paths(resource: Resource) -> Iterator[tuple[str, Object]]:
    places = "namespaces/{namespace}/" if resource.namespaced else ""
    path = f"/{_prefix(resource)}/{places}{resource.plural}"
    read: Object = {"x-kubernetes-group-version-kind": _kind(resource)}
    write = {"parameters": _PARAMETERS, **read}
    yield (
        path,
        {
            "get": {**read, "x-kubernetes-action": "list"},
            "post": {**write, "x-kubernetes-action": "post"},
        },
    )
    yield (
        f"{path}/{{name}}",
        {
            "get": {**read, "x-kubernetes-action": "get"},
            "put": {**write, "x-kubernetes-action": "put"},
            "patch": {**write, "x-kubernetes-action": "patch"},
        },
    )


def _kind(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _model(resource: Resource) -> str:
    """``dev.checkrail.v1alpha1.Provider``, as the API server names schemas."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _schema(resource: Resource) -> Object:
    schema = resource.schema or {}
    properties = {**(schema.get("properties") or {}), "metadata": _METADATA}
    kinds = [_kind(resource)]
    return {**schema, "properties": properties, "x-kubernetes-group-version-kind": kinds}
