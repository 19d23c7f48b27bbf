"""Which resources the stand-in serves: the built-in ones, and those that a CRD or a test adds.

A `Resource` is one plural in one version; versions of the same plural share their objects, and the
objects are converted by writing another `apiVersion` (conversion webhooks are not called).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ghapp.demo.kube import validations

Object = dict[str, Any]

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CREATE_ONLY = ("create",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A plural in one version, and what is special about it."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = READ_WRITE
    subresources: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    fields: tuple[str, ...] = ()
    """Field selectors besides metadata.name and metadata.namespace."""
    custom: bool = False
    generation: bool = True
    needs_version: bool = False
    """A PUT without resourceVersion is refused."""
    put_creates: bool = False
    """A PUT of an absent object creates it."""
    returned: bool = False
    """DELETE answers the object, not a Status."""
    storage: bool = True
    """The version that is preferred when only the kind is named."""
    schema: Object | None = None
    ruled: bool = False
    """Its schema has rules in CEL."""

    @property
    def key(self) -> tuple[str, str]:
        return self.group, self.plural

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


def _core(plural: str, kind: str, *short: str, **more: Any) -> Resource:
    return Resource(group="", version="v1", plural=plural, kind=kind, short_names=short, **more)


def _named(api_version: str, plural: str, kind: str, *short: str, **more: Any) -> Resource:
    group, _, version = api_version.partition("/")
    return Resource(
        group=group, version=version, plural=plural, kind=kind, short_names=short, **more
    )


_STATUS = ("status",)
_RBAC = "rbac.authorization.k8s.io/v1"
_POD_FIELDS = ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase")
_EVENT_FIELDS = (
    *(
        f"involvedObject.{field}"
        for field in ("apiVersion", "fieldPath", "kind", "name", "namespace", "uid")
    ),
    "reason",
    "reportingComponent",
    "type",
)

BUILT_IN: tuple[Resource, ...] = (
    _core(
        "namespaces", "Namespace", "ns",
        namespaced=False, generation=False, returned=True, subresources=_STATUS,
        fields=("status.phase",), columns=(Column(name="Status", path=".status.phase"),),
    ),
    _core(
        "pods", "Pod", "po",
        subresources=("status", "log"), fields=_POD_FIELDS, categories=("all",), returned=True,
        columns=(Column(name="Status", path=".status.phase"),),
    ),
    _core(
        "secrets", "Secret",
        generation=False, fields=("type",), columns=(Column(name="Type", path=".type"),),
    ),
    _core("configmaps", "ConfigMap", "cm", generation=False),
    _core(
        "events", "Event", "ev",
        generation=False, put_creates=True, fields=_EVENT_FIELDS,
        columns=(
            Column(name="Type", path=".type"),
            Column(name="Reason", path=".reason"),
            Column(name="Object", path=".involvedObject.name"),
            Column(name="Message", path=".message"),
        ),
    ),
    _core("serviceaccounts", "ServiceAccount", "sa", generation=False, returned=True),
    _core("services", "Service", "svc", generation=False, subresources=_STATUS, returned=True),
    _core(
        "persistentvolumeclaims", "PersistentVolumeClaim", "pvc",
        generation=False, subresources=_STATUS, returned=True,
    ),
    _named("apps/v1", "deployments", "Deployment", "deploy", subresources=_STATUS,
           categories=("all",)),
    _named(
        "batch/v1", "jobs", "Job",
        subresources=_STATUS, fields=("status.successful",), categories=("all",),
        columns=(
            Column(name="Succeeded", path=".status.succeeded", type="integer"),
            Column(name="Failed", path=".status.failed", type="integer"),
        ),
    ),
    _named("batch/v1", "cronjobs", "CronJob", "cj", subresources=_STATUS, categories=("all",),
           columns=(Column(name="Schedule", path=".spec.schedule"),)),
    _named(
        "coordination.k8s.io/v1", "leases", "Lease",
        generation=False, needs_version=True, put_creates=True,
        columns=(Column(name="Holder", path=".spec.holderIdentity"),),
    ),
    _named(_RBAC, "roles", "Role", generation=False, put_creates=True),
    _named(_RBAC, "rolebindings", "RoleBinding", generation=False, put_creates=True),
    _named(_RBAC, "clusterroles", "ClusterRole",
           generation=False, put_creates=True, namespaced=False),
    _named(_RBAC, "clusterrolebindings", "ClusterRoleBinding",
           generation=False, put_creates=True, namespaced=False),
    _named("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition",
           "crd", "crds", namespaced=False, subresources=_STATUS),
    _named("authorization.k8s.io/v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
           namespaced=False, verbs=CREATE_ONLY),
    _named("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb",
           subresources=_STATUS),
    _named("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", "netpol"),
    _named("networking.k8s.io/v1", "ingresses", "Ingress", "ing", subresources=_STATUS),
)  # fmt: skip


class Registry:
    """The resources served now, by path and by name."""

    def __init__(self, resources: Iterable[Resource] = BUILT_IN) -> None:
        self._served: dict[tuple[str, str, str], Resource] = {}
        for resource in resources:
            self.add(resource)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._served.values())

    def add(self, resource: Resource) -> None:
        self._served[resource.group, resource.version, resource.plural] = resource

    def drop(self, group: str, plural: str) -> None:
        for path in [path for path in self._served if (path[0], path[2]) == (group, plural)]:
            del self._served[path]

    def at(self, group: str, version: str, plural: str) -> Resource | None:
        return self._served.get((group, version, plural))

    def of(self, obj: Object) -> Resource | None:
        """The resource that an object's own apiVersion and kind name."""
        api_version, kind = obj.get("apiVersion"), obj.get("kind")
        for resource in self:
            if resource.kind == kind and resource.api_version == api_version:
                return resource
        return None

    def named(self, word: str) -> Resource | None:
        """By kind, plural, singular, short name or `plural.group`, as kubectl lets one write."""
        found = [resource for resource in self if _answers_to(resource, word)]
        return min(found, key=lambda resource: not resource.storage, default=None)

    def versions(self, group: str) -> list[str]:
        """Served versions of a group, most stable and newest first."""
        return sorted({r.version for r in self if r.group == group}, key=_maturity)

    def groups(self) -> list[str]:
        return sorted({resource.group for resource in self} - {""})


def _answers_to(resource: Resource, word: str) -> bool:
    names = (resource.kind, resource.plural, resource.qualified, resource.kind.lower())
    return word in names or word in resource.short_names


_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def _maturity(version: str) -> tuple[int, int, int, str]:
    parts = _VERSION.fullmatch(version)
    if parts is None:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[parts[2]]
    return stage, -int(parts[1]), -int(parts[3] or 0), version


def from_crd(crd: Object) -> list[Resource]:
    """The resources that a CustomResourceDefinition serves, one a version."""
    spec = crd["spec"]
    names = spec["names"]
    return [
        Resource(
            group=spec["group"],
            version=version["name"],
            plural=names["plural"],
            kind=names["kind"],
            singular=names.get("singular") or names["kind"].lower(),
            namespaced=spec.get("scope", "Namespaced") == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=_STATUS if "status" in (version.get("subresources") or {}) else (),
            columns=tuple(_columns(version)),
            fields=tuple(
                field["jsonPath"].removeprefix(".")
                for field in version.get("selectableFields") or ()
            ),
            custom=True,
            needs_version=True,
            storage=bool(version.get("storage")),
            schema=schema,
            ruled=validations.ruled(schema),
        )
        for version in spec["versions"]
        for schema in [(version.get("schema") or {}).get("openAPIV3Schema")]
        if version.get("served")
    ]


def _columns(version: Object) -> Iterator[Column]:
    for column in version.get("additionalPrinterColumns") or ():
        yield Column(
            name=column["name"],
            path=column["jsonPath"],
            type=column["type"],
            priority=column.get("priority", 0),
            description=column.get("description", ""),
        )
