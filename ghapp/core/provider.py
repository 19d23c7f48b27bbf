"""What a Provider is: a place that effects go to, as somebody declared it.

`spec.type` names a sink that the code has; the block of that name holds the settings of that sink,
whose shape only the sink knows. Credentials are never in the document: `secretRef` names a Secret
in the Provider's own namespace.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta

from ghapp.core.model import Value
from ghapp.core.pipeline import HttpsUrl, Name

ProviderKind = Literal["Provider", "ClusterProvider"]

Pattern = Annotated[str, Meta(min_length=1, max_length=253)]
"""Text in which ``*`` stands for any characters and ``?`` for one."""


class SecretRef(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Secret in the same namespace; of a ClusterProvider, in the one that checkrail runs in."""

    name: Name
    """Name of the Secret. Which keys it must have depends on the type."""


class GitHubApp(Value, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A GitHub App other than the one that the process is set up with; its key is in the Secret."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    """Id or client id of the App."""
    api_url: HttpsUrl = "https://api.github.com"
    """URL of GitHub's API; of an Enterprise Server: ``https://HOST/api/v3``."""


class ProviderRef(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names a provider."""

    name: Name
    """Name of the Provider or ClusterProvider."""
    kind: ProviderKind | None = None
    """Provider or ClusterProvider. Where it is left out, a Notification means a Provider and a
    ClusterNotification a ClusterProvider."""
    namespace: Name | None = None
    """Where the Provider is. A Notification may name another namespace than its own only where a
    TrustPolicy lets it."""


class AnyProviderSpec(Value, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What every Provider says, whatever its type; beside it stands the block of its type."""

    type: str
    """What kind of place it is; the block of the same name holds its settings."""
    secret_ref: SecretRef | None = None
    """The Secret with its credentials, in the Provider's own namespace; of a ClusterProvider, in
    the namespace that checkrail runs in."""
    suspend: bool = False
    """Deliver nothing for now; what is owed waits."""


class Provider(Value, frozen=True, kw_only=True):
    """A declared place, read."""

    id: str
    """Of its sink, in the store and in metrics: ``provider/NAMESPACE/NAME``,
    ``clusterprovider/NAME``; of one that the environment declares, its type's name."""
    kind: ProviderKind
    namespace: str
    """Empty: a ClusterProvider."""
    name: str
    type: str
    settings: dict[str, Any]
    secret: str = ""
    """Name of the Secret with its credentials; empty: it needs none."""
    suspend: bool = False
    """Nothing is delivered; what is owed waits."""
    place: str = ""
    """Id of what the environment sets up, where this is the same place; empty: it is another."""


def provider_id(kind: str, namespace: str, name: str) -> str:
    """Of a declared provider."""
    return "/".join(part for part in (kind.lower(), namespace, name) if part)
