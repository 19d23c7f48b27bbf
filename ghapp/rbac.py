"""The permissions in the cluster, derived from what the code does with it: never more.

An adapter's resource is read, its children and neighbours are watched, and what its plans write is
read off their return types: a plan that says ``-> Create`` creates, ``-> Patch`` patches. mypy
holds them to it. What a sink reads in the cluster it declares itself (`SinkType.access`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from typing import Any, Final, get_args, get_type_hints

from ruamel.yaml import YAML

from ghapp.core.source import Adapter, Create, Patch, Resource
from ghapp.errors import CheckrailError
from ghapp.ports import SinkType

NAME: Final = "checkrail"
LABELS: Final = {"app.kubernetes.io/name": NAME}

LOOK: Final = ("get", "list", "watch")
"""get: before a button changes a run, its object is read as it is now."""
FOLLOW: Final = ("list", "watch")
WRITES: Final = {Create: "create", Patch: "patch"}
ORDER: Final = (*LOOK, "create", "patch")

Json = dict[str, Any]


def manifests(
    namespaces: Sequence[str],
    adapters: Iterable[Adapter[Any]],
    sinks: Iterable[SinkType] = (),
    *,
    namespace: str = NAME,
) -> list[Json]:
    """ServiceAccount, roles and bindings; `namespace` is where checkrail itself runs.

    Without `namespaces` it may look into all of them (a ClusterRole), else into these alone.
    """
    account = _object("v1", "ServiceAccount", namespace=namespace)
    found = rules(adapters, sinks)
    if not namespaces:
        return [account, *_pair("Cluster", found, namespace, {})]
    roles = [_pair("", found, namespace, {"namespace": one}) for one in sorted(set(namespaces))]
    return [account, *(document for pair in roles for document in pair)]


def rules(adapters: Iterable[Adapter[Any]], sinks: Iterable[SinkType] = ()) -> list[Json]:
    """The rules of a role: one for each resource, ordered, so that a diff shows what changed."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for resource, needed in _needs(adapters):
        verbs.setdefault((resource.group, resource.plural), set()).update(needed)
    for access in (access for sink in sinks for access in sink.access):
        verbs.setdefault((access.group, access.resource), set()).update(access.verbs)
    return [
        {
            "apiGroups": [group],
            "resources": [plural],
            "verbs": [verb for verb in ORDER if verb in needed],
        }
        for (group, plural), needed in sorted(verbs.items())
    ]


def _needs(adapters: Iterable[Adapter[Any]]) -> Iterator[tuple[Resource, Iterable[str]]]:
    for adapter in adapters:
        yield adapter.resource, LOOK
        for part in adapter.parts:
            yield part.resource, FOLLOW
        for plan in (adapter.rerun, adapter.cancel, adapter.reconcile):
            if plan is not None:
                yield adapter.resource, _writes(plan)


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


def _pair(prefix: str, found: list[Json], namespace: str, inside: Json) -> list[Json]:
    """A role, and its binding to our account."""
    group = "rbac.authorization.k8s.io"
    role = _object(f"{group}/v1", f"{prefix}Role", **inside) | {"rules": found}
    binding = _object(f"{group}/v1", f"{prefix}RoleBinding", **inside) | {
        "roleRef": {"apiGroup": group, "kind": f"{prefix}Role", "name": NAME},
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
