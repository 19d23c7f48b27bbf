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


class GitHubApp(Value, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A GitHub App other than the one that the process is set up with; its key is in the Secret."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    """The App's id or client id."""
    api_url: HttpsUrl = "https://api.github.com"
    """Of an Enterprise Server: ``https://HOST/api/v3``."""


class ProviderRef(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names a provider."""

    name: Name
    kind: ProviderKind | None = None
    """Of the referring document's own scope where it is left out: a Notification means a Provider,
    a ClusterNotification a ClusterProvider."""
    namespace: Name | None = None
    """Of a Provider; another than one's own only where a TrustPolicy lets it."""


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


def provider_id(kind: str, namespace: str, name: str) -> str:
    """Of a declared provider."""
    return "/".join(part for part in (kind.lower(), namespace, name) if part)
