"""The permissions in the cluster, derived from what the code does with it: never more.

An adapter's resource is read, its children and neighbours are watched, and what its plans write is
read off their return types: a plan that says ``-> Create`` creates, ``-> Patch`` patches. mypy
holds them to it. What a sink reads in the cluster it declares itself (`SinkType.access`). Documents
are followed, their statuses written, what is wrong with them told as Events, and the Secrets read
that Providers refer to.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final, get_args, get_type_hints

from ruamel.yaml import YAML

from ghapp.core.source import Adapter, Create, Patch
from ghapp.documents.kinds import GROUP, Kind
from ghapp.errors import CheckrailError
from ghapp.ports import Access, SinkType

NAME: Final = "checkrail"
LABELS: Final = {"app.kubernetes.io/name": NAME}

LOOK: Final = ("get", "list", "watch")
"""get: before a button changes a run, its object is read as it is now."""
FOLLOW: Final = ("list", "watch")
WRITES: Final = {Create: "create", Patch: "patch"}
ORDER: Final = (*LOOK, "create", "patch")

SECRETS: Final = Access(group="", resource="secrets", verbs=("get",))
"""Those that Providers name. RBAC cannot say "those that are named", so it is all of a namespace;
whoever wants less leaves this out and grants single Secrets by `resourceNames`."""
EVENTS: Final = Access(group="", resource="events", verbs=("create",))
CLUSTER_EVENTS: Final = "default"
"""The namespace of Events about what belongs to none, as Kubernetes does it."""
EVERYWHERE: Final = ""
"""The place of a ClusterRole."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What is set up, and so what it has to be allowed."""

    adapters: Collection[Adapter[Any]] = ()
    sinks: Collection[SinkType] = ()
    kinds: Collection[Kind] = ()
    """Of documents that are read in the cluster."""
    without: Collection[str] = ()
    """Resources that are not granted all the same: ``secrets``."""

    def rules(self, namespaces: Collection[str], own: str) -> Mapping[str, list[Json]]:
        """Namespace, or `EVERYWHERE` -> the rules of a role there.

        Without `namespaces` all of it is granted everywhere, else in these alone. `own` is where
        checkrail itself runs, and the Secrets of ClusterProviders are.
        """
        if not namespaces:
            return {EVERYWHERE: self._granted([*self._in_namespaces(), *self._in_none()])}
        places: dict[str, list[Access]] = {one: self._in_namespaces() for one in sorted(namespaces)}
        if self.kinds:
            places.setdefault(own, []).append(SECRETS)
            places.setdefault(CLUSTER_EVENTS, []).append(EVENTS)
        places[EVERYWHERE] = self._in_none()
        return {place: rules for place, found in places.items() if (rules := self._granted(found))}

    def _in_namespaces(self) -> list[Access]:
        used = [*_sources(self.adapters), *(one for sink in self.sinks for one in sink.access)]
        if self.kinds:
            used += [*_documents(one for one in self.kinds if one.namespaced), SECRETS, EVENTS]
        return used

    def _in_none(self) -> list[Access]:
        return list(_documents(one for one in self.kinds if not one.namespaced))

    def _granted(self, used: Iterable[Access]) -> list[Json]:
        return rules(one for one in used if one.resource not in self.without)


def manifests(needs: Needs, namespaces: Sequence[str] = (), *, namespace: str = NAME) -> list[Json]:
    """ServiceAccount, roles and bindings; `namespace` is where checkrail itself runs."""
    account = _object("v1", "ServiceAccount", namespace=namespace)
    places = needs.rules(namespaces, namespace)
    pairs = [
        _pair("Role", found, namespace, {"namespace": place})
        if place
        else _pair("ClusterRole", found, namespace, {})
        for place, found in places.items()
    ]
    return [account, *(document for pair in pairs for document in pair)]


def rules(used: Iterable[Access]) -> list[Json]:
    """The rules of a role: one for each resource, ordered, so that a diff shows what changed."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for access in used:
        verbs.setdefault((access.group, access.resource), set()).update(access.verbs)
    return [
        {
            "apiGroups": [group],
            "resources": [plural],
            "verbs": [verb for verb in ORDER if verb in needed],
        }
        for (group, plural), needed in sorted(verbs.items())
    ]


def _documents(kinds: Iterable[Kind]) -> Iterator[Access]:
    for kind in kinds:
        yield Access(group=GROUP, resource=kind.plural, verbs=FOLLOW)
        yield Access(group=GROUP, resource=f"{kind.plural}/status", verbs=("patch",))


def _sources(adapters: Iterable[Adapter[Any]]) -> Iterator[Access]:
    for adapter in adapters:
        own = adapter.resource
        yield Access(group=own.group, resource=own.plural, verbs=LOOK)
        for part in adapter.parts:
            one = part.resource
            yield Access(group=one.group, resource=one.plural, verbs=FOLLOW)
        for plan in (adapter.rerun, adapter.cancel, adapter.reconcile):
            if plan is not None:
                yield Access(group=own.group, resource=own.plural, verbs=tuple(_writes(plan)))


def _writes(plan: Callable[..., Any]) -> list[str]:
    """What a plan may do, by its return type: Create, Patch or both."""
    returned = get_type_hints(plan).get("return")
    kinds = get_args(returned) or (returned,)
    if not set(kinds) <= WRITES.keys():
        raise CheckrailError(
            f"{plan.__module__}.{plan.__qualname__}: its return type has to say what it writes: "
            "Create, Patch or both"
        )
    return [WRITES[kind] for kind in kinds]


def _pair(kind: str, found: list[Json], namespace: str, inside: Json) -> list[Json]:
    """A role, and its binding to our account."""
    group = "rbac.authorization.k8s.io"
    role = _object(f"{group}/v1", kind, **inside) | {"rules": found}
    binding = _object(f"{group}/v1", f"{kind}Binding", **inside) | {
        "roleRef": {"apiGroup": group, "kind": kind, "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
    }
    return [role, binding]


def _object(version: str, kind: str, **metadata: str) -> Json:
    named = {"name": NAME, **metadata, "labels": dict(LABELS)}
    return {"apiVersion": version, "kind": kind, "metadata": named}


def as_yaml(documents: Iterable[Json], *, comment: str = "", block: bool = False) -> str:
    """The documents as one YAML text, in the order of their fields.

    Small lists and maps stand on one line, as in ``[get, list, watch]``; in `block` style none do,
    which is easier to read where there is much text.
    """
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    yaml.default_flow_style = False if block else None
    yaml.representer.ignore_aliases = lambda _: True  # a list that two roles share is written twice
    stream = StringIO()
    stream.writelines(f"# {line}\n" for line in comment.splitlines())
    for index, document in enumerate(documents):
        stream.write("---\n" if index else "")
        yaml.dump(document, stream)
    return stream.getvalue()
