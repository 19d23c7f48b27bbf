"""Does a cluster's API answer? What its watches hear, and nothing that would be asked for this.

A cluster is up as long as anything that is followed there is answered: a resource that may not be
listed, or whose conversion webhook is broken, does not make the cluster down. That is logged where
it happens.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Final

from ghapp import log as logs
from ghapp.core.source import Resource
from ghapp.engine.kube_follow import Api
from ghapp.engine.kube_wire import Page
from ghapp.errors import DeliveryError

log = logs.get(__name__)

UNKNOWN: Final = 401
"""It answers, and does not know us: the credentials are wrong or have expired."""


@dataclass(slots=True, kw_only=True)
class Reach:
    """An API, and whether it answers: the `Api` that `kube_follow` is given."""

    api: Api
    tell: Callable[[bool], None]
    """Called with each answer or failure: whether the cluster is up."""
    _well: dict[tuple[str, str], bool] = field(default_factory=dict)
    """By what is followed: plural and group, whatever the version, and namespace."""
    _up: bool | None = None

    async def served(self, resource: Resource) -> bool:
        """Whether the API server knows the resource."""
        with self._heard(resource, *self._namespaces(resource)):
            return await self.api.served(resource)

    async def page(self, resource: Resource, namespace: str, *, after: str, selector: str) -> Page:
        """A page of the list."""
        with self._heard(resource, namespace):
            return await self.api.page(resource, namespace, after=after, selector=selector)

    async def watch(
        self, resource: Resource, namespace: str, version: str, *, selector: str
    ) -> AsyncGenerator[list[bytes | None]]:
        """The lines of a watch; it is well once it says anything, or ends in order."""
        with self._heard(resource, namespace):
            stream = self.api.watch(resource, namespace, version, selector=selector)
            async with aclosing(stream) as batches:
                async for batch in batches:
                    self._note(resource, namespace, well=True)
                    yield batch

    def _namespaces(self, resource: Resource) -> list[str]:
        return [namespace for known, namespace in self._well if known == _kind(resource)]

    @contextmanager
    def _heard(self, resource: Resource, *namespaces: str) -> Iterator[None]:
        try:
            yield
        except DeliveryError as error:
            answered = error.status is not None and error.status < 500 and error.status != UNKNOWN
            self._note(resource, *namespaces, well=answered)
            raise
        self._note(resource, *namespaces, well=True)

    def _note(self, resource: Resource, *namespaces: str, well: bool) -> None:
        for namespace in namespaces:
            self._well[_kind(resource), namespace] = well
        up = any(self._well.values())
        if up is not self._up:
            log.info("the cluster answers") if up else log.warning("the cluster does not answer")
            self._up = up
        self.tell(up)


def _kind(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}"
