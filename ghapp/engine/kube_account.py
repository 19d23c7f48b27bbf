"""The cluster that this pod runs in: a mounted token and CA, small enough to need no library."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ghapp.engine.kube_identity import Connection, Identity, tls_context
from ghapp.errors import ConfigError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts token, ca.crt and namespace; client-go has it hard-coded too."""


def in_cluster(env: Mapping[str, str], mount: Path = SERVICE_ACCOUNT) -> Connection:
    """The cluster that this pod runs in."""
    host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
    account = ServiceAccount(mount)
    account.read()
    namespace = mount / "namespace"
    return Connection(
        base_url=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        credentials=account,
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
    )


class ServiceAccount:
    """A mounted token and CA, read again when the files change: projected tokens live an hour.

    A look at the files before each request is two stat calls on a tmpfs; client-go instead trusts
    its copy for a minute.
    """

    def __init__(self, mount: Path) -> None:
        self._token, self._ca = mount / "token", mount / "ca.crt"
        self._stamp: tuple[int, ...] = ()
        self._identity: Identity | None = None

    async def identity(self, rejected: Identity | None = None) -> Identity:
        """What the files say now."""
        if rejected is not None and rejected is self._identity:
            self._stamp = ()
        return self.read()

    def read(self) -> Identity:
        """What the files say now; raises ConfigError when they cannot be read."""
        try:
            stamp = (*_stamp(self._token), *_stamp(self._ca))
            if self._identity is None or stamp != self._stamp:
                token = self._token.read_text().strip()
                context = tls_context(cafile=str(self._ca))
                self._identity = Identity(headers=bearer(token), tls=context)
                self._stamp = stamp
        except (OSError, ValueError, ssl.SSLError) as error:
            raise ConfigError(
                f"the pod's service account cannot be read ({error}); "
                "mount it (automountServiceAccountToken: true) or set KUBECONFIG"
            ) from error
        return self._identity


def _stamp(path: Path) -> tuple[int, int, int]:
    """Changes when the file does, even if it is swapped through a symbolic link."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def bearer(token: str) -> Mapping[str, str]:
    """The header for a token; raises ValueError where there is none."""
    if not token:
        raise ValueError("the token file is empty")
    return {"Authorization": f"Bearer {token}"}
