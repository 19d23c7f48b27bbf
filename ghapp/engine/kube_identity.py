"""How a cluster is reached and who we are there, as values; `kube_config` finds them."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are to the API server at this moment."""

    headers: Mapping[str, str] = field(repr=False)
    """The Authorization header, where there is one."""
    tls: ssl.SSLContext | bool = field(default=True, repr=False)
    """Trusts the cluster's CA, and may hold a client certificate; True: the system's CAs."""


class Credentials(Protocol):
    """Where an identity comes from. Tokens rotate, so it is asked before every request."""

    async def identity(self, rejected: Identity | None = None) -> Identity:
        """The present identity; a new one if the present one is the `rejected`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """All that is needed to reach one cluster."""

    base_url: str
    """Without a trailing slash; it may have a path: ``http://127.0.0.1:8080/kube``."""
    credentials: Credentials
    namespace: str = "default"
    """Ours in a cluster, else the context's."""
    server_hostname: str | None = None
    """The name in the server's certificate, where it is not the address's."""
    proxy: str | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """Credentials that never change; by default none at all."""

    value: Identity = field(default_factory=lambda: Identity(headers={}))

    async def identity(self, rejected: Identity | None = None) -> Identity:
        """Always the same."""
        return self.value


def tls_context(
    *,
    cafile: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
    verify: bool = True,
) -> ssl.SSLContext:
    """Trusts one CA (None: the system's); may present a client certificate.

    Python 3.13 checks certificates more strictly than Go does and refuses the CAs of many clusters
    ("Missing Authority Key Identifier"), so that check is taken out.
    """
    context = ssl.create_default_context(cafile=cafile)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if certificate:
        context.load_cert_chain(certificate, key)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
