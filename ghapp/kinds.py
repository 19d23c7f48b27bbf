"""The kinds of documents: what each is for, the shape of its spec, what the shape cannot say.

One table for all who have to know them: whoever reads files or watches the cluster (`config`), the
CRDs that are generated (`crds`), the permissions (`rbac`) and the documentation.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from ghapp import discovery, document_rules
from ghapp.core.access import AccessPolicySpec
from ghapp.core.notification import NotificationSpec, Written
from ghapp.core.pipeline import PipelineSpec
from ghapp.core.provider import SecretRef
from ghapp.core.source import Resource
from ghapp.core.trust import TrustPolicySpec
from ghapp.documents import Mistake
from ghapp.ports import SinkType

GROUP: Final = "checkrail.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

Rules = Callable[[Mapping[str, Any]], Iterator[Mistake]]
"""A whole document, which may be misshapen -> what is wrong with it beside its shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of document."""

    name: str
    plural: str
    short: tuple[str, ...]
    description: str
    spec: type[Struct]
    rules: Rules
    namespaced: bool = True
    also: tuple[str, ...] = ()
    """API versions under which files may spell it, beside our own."""
    columns: tuple[tuple[str, str, str], ...] = ()
    """Of `kubectl get`: name, type, JSON path."""
    conditions: tuple[str, ...] = ("Ready",)
    """Of its status."""

    @property
    def resource(self) -> Resource:
        """Where the API server serves it."""
        return Resource(GROUP, VERSION, self.plural, self.name)

    @property
    def api_versions(self) -> tuple[str, ...]:
        """Under which it may be written."""
        return (API_VERSION, *self.also)


@cache
def provider_types() -> Mapping[str, SinkType]:
    """The sinks that a Provider may declare, by `spec.type`."""
    return {sink.provider: sink for sink in discovery.sinks() if sink.provider}


@cache
def provider_spec() -> type[Struct]:
    """The spec of a Provider: a type, and a block of settings for each type that there is."""
    types = provider_types()
    blocks = [(name, sink.settings | None, None) for name, sink in types.items()]
    return msgspec.defstruct(
        "ProviderSpec",
        [
            ("type", Literal[tuple(types)]),
            ("secret_ref", SecretRef | None, None),
            ("suspend", bool, False),
            *blocks,
        ],
        bases=(Written,),
        namespace={"__doc__": "A place that effects go to, and how to get in."},
        frozen=True,
        kw_only=True,
    )


_READY: Final = ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status')
_STATUS: Final = ("Status", "string", '.status.conditions[?(@.type=="Ready")].message')
_AGE: Final = ("Age", "date", ".metadata.creationTimestamp")


@cache
def kinds() -> Mapping[str, Kind]:
    """All kinds, by name."""
    return {
        kind.name: kind
        for kind in (
            *_provider_kinds(),
            *_notification_kinds(),
            Kind(
                name="TrustPolicy",
                plural="trustpolicies",
                short=("trust",),
                description=(
                    "Which namespaces may speak for which repositories, and whose Providers they "
                    "may use. Without any, every namespace is trusted; the first one turns that "
                    "round."
                ),
                spec=TrustPolicySpec,
                rules=document_rules.trust_policy,
                namespaced=False,
                columns=(
                    ("Namespaces", "string", ".spec.namespaces"),
                    ("Repositories", "string", ".spec.repositories"),
                    _AGE,
                ),
            ),
            Kind(
                name="AccessPolicy",
                plural="accesspolicies",
                short=("access",),
                description=(
                    "Who may do what to which runs and environments. Without any, whoever may "
                    "write to the repository may do everything; several have all to be satisfied."
                ),
                spec=AccessPolicySpec,
                rules=document_rules.access_policy,
                namespaced=False,
                columns=(
                    ("Actions", "string", ".spec.rules[*].actions"),
                    ("Environments", "string", ".spec.environments"),
                    _AGE,
                ),
            ),
            Kind(
                name="Pipeline",
                plural="pipelines",
                short=("cpl",),
                description="What is promoted, where to, and how.",
                spec=PipelineSpec,
                rules=document_rules.pipeline,
                also=(document_rules.WEAVE,),
                columns=(
                    ("Kind", "string", ".spec.appRef.kind"),
                    ("App", "string", ".spec.appRef.name"),
                    ("Environments", "string", ".spec.environments[*].name"),
                    _READY,
                    _AGE,
                ),
            ),
        )
    }


def _provider_rules(value: Mapping[str, Any]) -> Iterator[Mistake]:
    blocks = {name: sink.settings for name, sink in provider_types().items()}
    return document_rules.provider(value, blocks)


def _provider_kinds() -> tuple[Kind, Kind]:
    columns = (
        ("Type", "string", ".spec.type"),
        _READY,
        _STATUS,
        ("Delivered", "integer", ".status.delivered"),
        ("Waiting", "integer", ".status.waiting"),
        ("Parked", "integer", ".status.parked"),
        ("Suspended", "boolean", ".spec.suspend"),
        _AGE,
    )
    what = "A place that checks and events go to: an App on a GitHub, a receiver of CDEvents."
    return (
        Kind(
            name="Provider",
            plural="providers",
            short=("prov",),
            description=f"{what} For the Notifications of its own namespace.",
            spec=provider_spec(),
            rules=_provider_rules,
            columns=columns,
        ),
        Kind(
            name="ClusterProvider",
            plural="clusterproviders",
            short=("cprov",),
            description=f"{what} For all namespaces that may use it.",
            spec=provider_spec(),
            rules=_provider_rules,
            namespaced=False,
            columns=columns,
        ),
    )


def _notification_kinds() -> tuple[Kind, Kind]:
    columns = (
        ("Providers", "string", ".spec.providerRefs[*].name"),
        _READY,
        _STATUS,
        ("Priority", "integer", ".spec.priority"),
        ("Suspended", "boolean", ".spec.suspend"),
        _AGE,
    )
    what = "Which runs are told to which Providers, and how they look there."
    return (
        Kind(
            name="Notification",
            plural="notifications",
            short=("notif",),
            description=f"{what} About the runs of its own namespace.",
            spec=NotificationSpec,
            rules=document_rules.notification,
            columns=columns,
        ),
        Kind(
            name="ClusterNotification",
            plural="clusternotifications",
            short=("cnotif",),
            description=f"{what} About the runs of all namespaces.",
            spec=NotificationSpec,
            rules=document_rules.cluster_notification,
            namespaced=False,
            columns=columns,
        ),
    )
