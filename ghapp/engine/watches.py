"""Makes the watches of one cluster after the other: each has sources of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ghapp.core.source import Adapter
from ghapp.engine.desk import Desk
from ghapp.engine.kube import KubeClient
from ghapp.engine.kube_follow import Pace
from ghapp.engine.reach import Reach
from ghapp.engine.reconcile import Source
from ghapp.engine.selection import Selection
from ghapp.engine.watch import Watch
from ghapp.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Watches:
    """What is watched everywhere, and for whom."""

    adapters: Sequence[Adapter[Any]]
    namespaces: tuple[str, ...]
    """To watch; ("",) means all of them."""
    selector: str
    """Of the sources' own objects; empty: all of them."""
    metrics: Metrics
    desk: Desk

    async def run(self, cluster: str, kube: KubeClient, pace: Pace) -> None:
        """Watches a cluster until cancelled."""
        await self.of(cluster, kube, pace).run()

    def of(self, cluster: str, kube: KubeClient, pace: Pace) -> Watch:
        """Everything that is followed in one cluster."""
        metrics, selector = self.metrics, self.selector
        selection = Selection(selector=selector, kube=kube) if selector else None
        metrics.cluster(cluster, up=False)
        return Watch(
            sources=tuple(
                Source(
                    adapter=adapter,
                    cluster=cluster,
                    desk=self.desk,
                    metrics=metrics,
                    selection=selection,
                )
                for adapter in self.adapters
            ),
            desk=self.desk,
            namespaces=self.namespaces,
            api=Reach(api=kube, tell=lambda up: metrics.cluster(cluster, up=up)),
            metrics=metrics,
            pace=pace,
        )
