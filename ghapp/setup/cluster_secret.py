"""A Secret of the cluster that keeps an App's credentials, or the same Secret as YAML."""

import base64
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML

from ghapp.core.source import Resource
from ghapp.engine.kube import KubeClient
from ghapp.errors import ConfigError, Reject
from ghapp.setup.places import API_URL, APP_ID, KEY, WEBHOOK, Credentials, credentials_of

SECRET: Final = Resource("", "v1", "secrets", "Secret")
NAMESPACE: Final = Resource("", "v1", "namespaces", "Namespace")
NAME: Final = "checkrail-github"
"""As kustomize/overlays/standalone calls it."""


def manifest(credentials: Credentials, *, name: str = NAME, namespace: str = "") -> dict[str, Any]:
    """The Secret, with everything in it."""
    values = {
        KEY: credentials.private_key.reveal(),
        WEBHOOK: credentials.lines,
        APP_ID: credentials.app_id,
        API_URL: credentials.api_url,
    }
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": data,
    }


_MOUNTED: Final = (
    "`kustomize/overlays/standalone` without its secretGenerator mounts the Secret "
    f"`{NAME}`; set {{settings}} there, in `github/app.env`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSecret:
    """A Secret in the cluster that KUBECONFIG points to."""

    kube: KubeClient
    namespace: str
    secret: str
    force: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return f"the Secret {self.namespace}/{self.secret}"

    def use(self, settings: str) -> str:
        """How the product gets at them."""
        return _MOUNTED.format(settings=settings)

    @property
    def options(self) -> str:
        """Names the Secret."""
        return f"--to-cluster {self.namespace}/{self.secret}"

    async def check(self) -> None:
        """Raises where there is a key already, no namespace, or no access."""
        found = await self._find()
        if found and _kept(found).keys() & {KEY, WEBHOOK} and not self.force:
            raise ConfigError(
                f"{self.name} has a key already, which would be lost; choose another name, "
                "or say --force"
            )
        if found is None and not await self._has_namespace():
            raise ConfigError(
                f"there is no namespace {self.namespace}; `kubectl create namespace "
                f"{self.namespace}` makes it"
            )

    async def store(self, credentials: Credentials) -> None:
        """Creates the Secret, or changes our keys in it and no others."""
        wanted, found = manifest(credentials, name=self.secret), await self._find()
        if found is None:
            await self.kube.create(SECRET, self.namespace, wanted)
            return
        change = {"metadata": {"uid": found["metadata"]["uid"]}, "data": wanted["data"]}
        await self.kube.patch(SECRET, self.namespace, self.secret, change)

    async def load(self) -> Credentials:
        """What the Secret says."""
        found = await self._find()
        if found is None:
            raise ConfigError(f"there is no {self.name.removeprefix('the ')}")
        return credentials_of(self.name, _kept(found))

    async def _find(self) -> Mapping[str, Any] | None:
        try:
            return await self.kube.get(SECRET, self.namespace, self.secret)
        except Reject as error:
            if error.status == 404:
                return None
            raise

    async def _has_namespace(self) -> bool:
        """Who may not ask is believed to know."""
        try:
            await self.kube.get(NAMESPACE, "", self.namespace)
        except Reject as error:
            return error.status != 404
        return True


def _kept(secret: Mapping[str, Any]) -> dict[str, str]:
    data = secret.get("data") or {}
    try:
        texts = {
            key: base64.b64decode(data.get(key, "")).decode().strip()
            for key in (KEY, WEBHOOK, APP_ID, API_URL)
        }
    except ValueError as error:
        raise ConfigError("the Secret holds something else than text") from error
    return {key: text for key, text in texts.items() if text}


# --- standard output ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdout:
    """A Secret as YAML, for a pipe: ``| kubectl -n NAMESPACE apply -f -``, ``| sops -e …``."""

    write: Callable[[str], object] = sys.stdout.write

    @property
    def name(self) -> str:
        """For people."""
        return "standard output"

    def use(self, settings: str) -> str:
        """How the product gets at them."""
        return _MOUNTED.format(settings=settings)

    @property
    def options(self) -> str:
        """Nothing comes back from there."""
        return ""

    async def check(self) -> None:
        """A key on a screen stays in its scrollback."""
        if sys.stdout.isatty():
            raise ConfigError(
                "--output - writes the key to standard output: pipe it, such as into "
                "`kubectl -n checkrail apply -f -`, or choose a folder"
            )

    async def store(self, credentials: Credentials) -> None:
        """Writes the document."""
        stream = StringIO()
        YAML().dump(manifest(credentials), stream)
        self.write(stream.getvalue())

    async def load(self) -> Credentials:
        """Nothing comes back from there."""
        raise ConfigError("standard output keeps nothing; name a folder or a Secret")
