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

from ghapp import discovery
from ghapp.core.access import AccessPolicySpec
from ghapp.core.notification import NotificationSpec
from ghapp.core.pipeline import PipelineSpec
from ghapp.core.provider import AnyProviderSpec
from ghapp.core.source import Resource
from ghapp.core.trust import TrustPolicySpec
from ghapp.documents import rules, validations
from ghapp.documents.reading import Mistake
from ghapp.documents.status import DocumentStatus, ProviderStatus
from ghapp.documents.validations import Validation
from ghapp.ports import SinkType

GROUP: Final = "checkrail.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

Rules = Callable[[Mapping[str, Any]], Iterator[Mistake]]
"""A whole document, which may be misshapen -> what is wrong with it beside its shape."""


@dataclass(frozen=True, slots=True)
class Column:
    """Of `kubectl get`."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    wide: bool = False
    """Only shown by `kubectl get -o wide`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of document."""

    name: str
    plural: str
    short: tuple[str, ...]
    description: str
    spec: type[Struct]
    rules: Rules
    validations: tuple[Validation, ...] = ()
    """Those of the rules that the API server holds, too."""
    status: type[Struct] = DocumentStatus
    namespaced: bool = True
    also: tuple[str, ...] = ()
    """API versions under which files may spell it, beside our own."""
    columns: tuple[Column, ...] = ()
    """Of `kubectl get`."""
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
        [("type", Literal[tuple(types)]), *blocks],
        bases=(AnyProviderSpec,),
        namespace={"__doc__": "A place that effects go to, and how to get in."},
        frozen=True,
        kw_only=True,
    )


_READY: Final = Column(
    "Ready", '.status.conditions[?(@.type=="Ready")].status', description="whether it is at work"
)
_STATUS: Final = Column(
    "Status",
    '.status.conditions[?(@.type=="Ready")].message',
    description="why, and what to do about it",
)
_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
_SUSPENDED: Final = Column("Suspended", ".spec.suspend", "boolean", wide=True)


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
                rules=rules.trust_policy,
                validations=validations.TRUST_POLICY,
                namespaced=False,
                columns=(
                    Column("Namespaces", ".spec.namespaces"),
                    Column("Repositories", ".spec.repositories"),
                    _READY,
                    _AGE,
                    _STATUS,
                    Column("Clusters", ".spec.clusters", wide=True),
                    Column("Providers", ".spec.providers", wide=True),
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
                rules=rules.access_policy,
                namespaced=False,
                columns=(
                    Column("Environments", ".spec.environments"),
                    _READY,
                    _STATUS,
                    _AGE,
                ),
            ),
            Kind(
                name="Pipeline",
                plural="pipelines",
                short=("cpl",),
                description="What is promoted, where to, and how.",
                spec=PipelineSpec,
                rules=rules.pipeline,
                validations=validations.PIPELINE,
                also=(rules.WEAVE,),
                columns=(
                    Column("Kind", ".spec.appRef.kind"),
                    Column("App", ".spec.appRef.name"),
                    _READY,
                    _AGE,
                    _STATUS,
                ),
            ),
        )
    }


def _provider_blocks() -> Mapping[str, type[Struct]]:
    return {name: sink.settings for name, sink in provider_types().items()}


def _provider_rules(value: Mapping[str, Any]) -> Iterator[Mistake]:
    return rules.provider(value, _provider_blocks())


def _provider_kinds() -> tuple[Kind, Kind]:
    columns = (
        Column("Type", ".spec.type"),
        _READY,
        Column("Delivered", ".status.delivered", "integer", "since checkrail started"),
        Column("Waiting", ".status.waiting", "integer", "owed to it now"),
        Column("Parked", ".status.parked", "integer", "refused by it for good"),
        _AGE,
        _STATUS,
        _SUSPENDED,
        Column("Last-Success", ".status.lastSuccess", "date", wide=True),
        Column("Last-Failure", ".status.lastFailure", "date", wide=True),
        Column("Secret", ".spec.secretRef.name", wide=True),
    )
    held = tuple(validations.provider(_provider_blocks()))
    what = "A place that checks and events go to: an App on a GitHub, a receiver of CDEvents."
    return (
        Kind(
            name="Provider",
            plural="providers",
            short=("prov",),
            description=f"{what} For the Notifications of its own namespace.",
            spec=provider_spec(),
            rules=_provider_rules,
            validations=held,
            status=ProviderStatus,
            columns=columns,
        ),
        Kind(
            name="ClusterProvider",
            plural="clusterproviders",
            short=("cprov",),
            description=f"{what} For all namespaces that may use it.",
            spec=provider_spec(),
            rules=_provider_rules,
            validations=held,
            status=ProviderStatus,
            namespaced=False,
            columns=columns,
        ),
    )


def _notification_kinds() -> tuple[Kind, Kind]:
    columns = (
        Column(
            "Provider",
            ".spec.providerRefs[0].name",
            description="the first of them; none: it only says how runs look",
        ),
        _READY,
        Column("Priority", ".spec.priority", "integer", "the higher one has the last word"),
        _AGE,
        _STATUS,
        _SUSPENDED,
        Column("Check-Name", ".spec.checkName", wide=True),
        Column("Expression", ".spec.filter.expression", wide=True),
    )
    what = "Which runs are told to which Providers, and how they look there."
    return (
        Kind(
            name="Notification",
            plural="notifications",
            short=("notif",),
            description=f"{what} About the runs of its own namespace.",
            spec=NotificationSpec,
            rules=rules.notification,
            validations=validations.NOTIFICATION,
            columns=columns,
        ),
        Kind(
            name="ClusterNotification",
            plural="clusternotifications",
            short=("cnotif",),
            description=f"{what} About the runs of all namespaces.",
            spec=NotificationSpec,
            rules=rules.cluster_notification,
            validations=validations.CLUSTER_NOTIFICATION,
            namespaced=False,
            columns=columns,
        ),
    )
