"""Which runs are watched, by their labels; and whether one that is not heard of any more is gone.

To a watch with a selector, an object whose labels changed is DELETED, with the same bytes as if it
were: only the API server knows. It is asked once for each run that leaves and is not told to its
end, which costs nothing as long as nobody changes labels.
"""

from dataclasses import dataclass

from ghapp import log as logs
from ghapp.core.source import Resource
from ghapp.errors import Reject
from ghapp.ports import Kube

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The runs of one cluster that are watched."""

    selector: str
    """As Kubernetes writes it: ``team=shop,tier notin (batch)``."""
    kube: Kube

    async def left(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        """Whether the object is still there, so that it only is not selected any more.

        Raises Retry where that cannot be learnt now. Where it must not be read, it counts as there:
        an open check is better than one that says that something was deleted which runs on.
        """
        for version in resource.versions:  # where one is not served, another may be
            try:
                found = await self.kube.get(version, namespace, name)
            except Reject as error:
                if error.status == 404:
                    continue
                log.warning("cannot see whether an object is gone", name=name, reason=error.reason)
                return True
            if found.get("metadata", {}).get("uid") == uid:
                log.info(
                    "not selected any more", kind=resource.kind, namespace=namespace, name=name
                )
                return True
        return False
