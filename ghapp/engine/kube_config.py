"""Where the API is, and what to show at its door: by kubeconfig, or as the pod that we are.

kubernetes-asyncio reads kubeconfigs (exec plugins, OIDC, certificates). It is imported only when
one is used: it costs 110 MB and up to 2.7 s. It lets through whatever goes wrong inside; here all
of that becomes a ConfigError without secrets. Nothing here talks to the API.
"""

import asyncio
import base64
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from ghapp.engine.kube_account import in_cluster
from ghapp.engine.kube_identity import Connection, Identity, tls_context
from ghapp.errors import ConfigError

PLUGIN_TIMEOUT: Final = 60.0
"""Seconds for an exec plugin or an OIDC provider to answer; some ask a cloud's metadata service."""

MARGIN: Final = 60.0
"""A token is renewed so many seconds before it expires; token files are read again as often."""


async def load(env: Mapping[str, str]) -> Connection:
    """KUBECONFIG where it is set, else the service account, else ~/.kube/config; or ConfigError.

    The order is controller-runtime's: what somebody set on purpose wins over what is mounted.
    """
    files = _kubeconfig_files(env.get("KUBECONFIG", ""))
    if not files and "KUBERNETES_SERVICE_HOST" in env:
        return in_cluster(env)
    default = Path(env.get("HOME", "/nonexistent")) / ".kube" / "config"
    if not files and default.is_file():
        files = (default,)
    if not files:
        raise ConfigError(
            "no cluster to connect to: not inside a pod (KUBERNETES_SERVICE_HOST is not set), "
            f"KUBECONFIG is not set and {default} does not exist; "
            "set KUBECONFIG to a kubeconfig file, or run inside the cluster"
        )
    return await from_kubeconfig(files)


def _kubeconfig_files(setting: str) -> tuple[Path, ...]:
    """The files of KUBECONFIG that exist, as kubectl takes them; it is a mistake if none does."""
    named = [Path(part).expanduser() for part in setting.split(":") if part]
    found = tuple(path for path in named if path.is_file())
    if named and not found:
        raise ConfigError(f"KUBECONFIG: {setting}: no such file; name a kubeconfig or unset it")
    return found


async def from_kubeconfig(files: tuple[Path, ...]) -> Connection:
    """The cluster of the current context; several files are merged as kubectl does.

    Logs in, but does not ask the cluster anything; raises ConfigError.
    """
    login = KubeconfigLogin(files)
    cluster = await login.login()
    return Connection(
        base_url=cluster.host.rstrip("/"),
        credentials=login,
        namespace=cluster.namespace,
        server_hostname=cluster.tls_server_name,
        proxy=cluster.proxy,
    )


@dataclass(slots=True)
class _Cluster:
    """What a kubeconfig says of its current context; kubernetes-asyncio sets these attributes."""

    api_key: dict[str, str] = field(default_factory=dict, repr=False)
    host: str = ""
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    namespace: str = "default"


class KubeconfigLogin:
    """The current context of a kubeconfig, logged in again before its token expires.

    Each login reads the files anew, so that a changed token file or certificate is seen too.
    """

    def __init__(self, files: tuple[Path, ...], *, clock: Callable[[], float] = time.time) -> None:
        self._files = ":".join(map(str, files))
        self._clock = clock
        self._lock = asyncio.Lock()
        self._identity: Identity | None = None
        self._renew_at: float | None = None

    async def identity(self, rejected: Identity | None = None) -> Identity:
        """The present identity, renewed when it is due or was rejected; one login at a time."""
        async with self._lock:
            due = self._renew_at is not None and self._clock() >= self._renew_at
            if self._identity is None or due or rejected is self._identity:
                await self.login()
            assert self._identity is not None
            return self._identity

    async def login(self) -> _Cluster:
        """Logs in, and says where to."""
        cluster, loader = await _read_kubeconfig(self._files)
        authorization = cluster.api_key.get("BearerToken", "").strip()  # a file ends in a newline
        self._renew_at = _renew_at(loader, authorization, self._clock())
        self._identity = Identity(
            headers={"Authorization": authorization} if authorization else {},
            tls=self._tls(cluster) if cluster.host.startswith("https:") else True,
        )
        return cluster

    def _tls(self, cluster: _Cluster) -> ssl.SSLContext:
        try:
            return tls_context(
                cafile=cluster.ssl_ca_cert,
                certificate=cluster.cert_file,
                key=cluster.key_file,
                verify=cluster.verify_ssl,
            )
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self._files}: its certificates are of no use: {error}") from error


async def _read_kubeconfig(files: str) -> tuple[_Cluster, Any]:
    """What kubernetes-asyncio makes of the current context, plugins and all."""
    cluster = _Cluster()
    try:
        library = await asyncio.to_thread(_library)
        async with asyncio.timeout(PLUGIN_TIMEOUT):
            loader = await library(config_file=files, client_configuration=cluster)
        context = (loader.current_context or {})["context"]
    except TimeoutError as error:
        raise ConfigError(
            f"{files}: the login did not answer within {PLUGIN_TIMEOUT:.0f} s; "
            "try `kubectl auth whoami`"
        ) from error
    except Exception as error:
        # The library lets YAMLError, KeyError, TypeError and AssertionError of a malformed file
        # through, and whatever a plugin causes: all of it means that the file is of no use.
        raise ConfigError(
            f"{files}: {_said(error)}; `kubectl config view` shows what is read"
        ) from error
    cluster.namespace = context.get("namespace") or "default"
    if not re.match(r"https?://[^/]", cluster.host):
        raise ConfigError(f"{files}: its cluster's server {cluster.host!r} is not an http(s) URL")
    return cluster, loader


def _library() -> Callable[..., Awaitable[Any]]:
    """Imported on first use, beside the loop: others are being watched already."""
    from kubernetes_asyncio.config import load_kube_config  # only here: it costs 110 MB

    return cast("Callable[..., Awaitable[Any]]", load_kube_config)


def _said(error: Exception) -> str:
    """The library names the place of a mistake by printing it, with the token that stands there."""
    return f"{type(error).__name__}: {str(error).partition('{')[0].strip()}"


def _renew_at(loader: Any, authorization: str, now: float) -> float | None:
    """When to log in again (epoch seconds), or None: only when the token is rejected.

    An exec plugin says when its token expires, a JWT says so itself; a token file may change at any
    time, so client-go reads it every minute, and so do we.
    """
    ends = [end for end in (_plugin_expiry(loader), _jwt_expiry(authorization)) if end is not None]
    if ends:
        return max(min(ends) - MARGIN, now + MARGIN / 6)
    user = getattr(loader, "_user", None)
    return now + MARGIN if user is not None and "tokenFile" in user else None


def _plugin_expiry(loader: Any) -> float | None:
    expiry = getattr(loader, "exec_plugin_expiry", None)
    return None if expiry is None else float(expiry.timestamp())


class _Claims(msgspec.Struct):
    exp: float | None = None


def _jwt_expiry(authorization: str) -> float | None:
    """``exp`` of a bearer token that happens to be a JWT; its signature is not our business."""
    parts = authorization.strip().split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=_Claims).exp
    except (ValueError, msgspec.MsgspecError):
        return None  # not a JWT after all: then a 401 tells when it has expired
