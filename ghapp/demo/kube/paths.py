"""Where a URL points: `/apis/batch/v1/namespaces/ci/jobs/build/status` in its parts."""

from dataclasses import dataclass

from ghapp.demo.kube.resources import Registry, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A resource, and the part of it that a request is about."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def place(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def words(self) -> str:
        """The resource as RBAC names it: `pods/log`."""
        return self.resource.plural + (f"/{self.subresource}" if self.subresource else "")


def target(registry: Registry, path: list[str]) -> Target | None:
    """The target of a path under `/api/v1` or `/apis/GROUP/VERSION`; None where there is none."""
    match path:
        case ["api", version, *rest] if rest:
            return _target(registry, "", version, rest)
        case ["apis", group, version, *rest] if rest:
            return _target(registry, group, version, rest)
    return None


_NAMESPACE_PARTS = ("status",)


def _target(registry: Registry, group: str, version: str, rest: list[str]) -> Target | None:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_PARTS:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "")[:3]
    resource = registry.at(group, version, plural)
    if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
        return None
    if subresource and subresource not in resource.subresources:
        return None
    if name and resource.namespaced and not namespace:
        return None
    return Target(resource=resource, namespace=namespace, name=name, subresource=subresource)
