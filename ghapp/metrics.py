"""What is counted: every metric of the product is named here, and nowhere else.

A `Metrics` is one per process and owns its registry, so that two of them in one test do not meet.
Labels with a closed set of values are Literals: the type checker refuses a new one that is not
listed here, and each listed one stands at zero from the start, so that an alert on a rate works
before the first failure (controller-runtime does the same).
"""

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, TypeAlias, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from ghapp import __version__
from ghapp.core.budget import Standing, Why
from ghapp.core.model import Verb
from ghapp.ports import Backlog

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

WatchType: TypeAlias = Literal["changed", "gone", "listed", "malformed", "missing"]
LookResult: TypeAlias = Literal["told", "unchanged", "skipped", "conflict", "failed"]
SkipReason: TypeAlias = Literal["not_a_run", "no_commit", "not_trusted", "old", "too_large"]
WebhookResult: TypeAlias = Literal["accepted", "repeat", "forged", "malformed", "too_large"]
PostedResult: TypeAlias = Literal[
    "accepted", "repeat", "forged", "malformed", "too_large",
    "told", "unchanged", "watched", "late", "ignored",
]  # fmt: skip
"""At the door, and then what came of it."""
CommandResult: TypeAlias = Literal["done", "refused", "not_ours", "failed"]
SecretName: TypeAlias = Literal["private_key", "webhook_secret", "flux_secret"]
SecretResult: TypeAlias = Literal["used", "refused"]
DeliveryResult: TypeAlias = Literal["done", "again", "parked"]

_VERBS: Final = tuple(verb.value for verb in Verb)

DELIVERY_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds. GitHub answers in 50 to 500 ms; the client gives up after 15 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: what /metrics and the documentation say of it."""

    name: str
    type: type[MetricWrapperBase]
    meaning: str
    labels: Mapping[str, tuple[str, ...]]
    """The label's values where they are a closed set; empty: they are only known at run time."""
    buckets: tuple[float, ...] = ()


WATCH_EVENTS: Final = Metric(
    name="checkrail_watch_events_total",
    type=Counter,
    meaning="What the watches of the cluster brought.",
    labels={"resource": (), "type": get_args(WatchType)},
)
CLUSTER_UP: Final = Metric(
    name="checkrail_cluster_up",
    type=Gauge,
    meaning="1 while the API of a watched cluster answers and knows us, else 0.",
    labels={"cluster": ()},
)
LOOKS: Final = Metric(
    name="checkrail_looks_total",
    type=Counter,
    meaning="Looks at an object, by what came of them.",
    labels={"kind": (), "result": get_args(LookResult)},
)
MALFORMED: Final = Metric(
    name="checkrail_malformed_total",
    type=Counter,
    meaning="Objects that could not be read.",
    labels={"resource": ()},
)
SKIPPED: Final = Metric(
    name="checkrail_skipped_total",
    type=Counter,
    meaning="Objects that were read and told nobody about, or without a check, by reason.",
    labels={"reason": get_args(SkipReason)},
)
WEBHOOKS: Final = Metric(
    name="checkrail_webhooks_total",
    type=Counter,
    meaning="Webhook deliveries from GitHub, by verdict.",
    labels={"result": get_args(WebhookResult)},
)
POSTED: Final = Metric(
    name="checkrail_posted_total",
    type=Counter,
    meaning="Posted events, by verdict at the door and by what came of them.",
    labels={"source": ("flux", "tekton"), "result": get_args(PostedResult)},
)
COMMANDS: Final = Metric(
    name="checkrail_commands_total",
    type=Counter,
    meaning="Clicks and commands in comments, by what was asked for and what became of it.",
    labels={"verb": _VERBS, "result": get_args(CommandResult)},
)
HEALED: Final = Metric(
    name="checkrail_healed_total",
    type=Counter,
    meaning="Checks that somebody else had changed, and that were told anew.",
    labels={},
)
DELIVERIES: Final = Metric(
    name="checkrail_deliveries_total",
    type=Counter,
    meaning="Tries to bring an effect to its sink.",
    labels={"sink": (), "result": get_args(DeliveryResult)},
)
DELIVERY_SECONDS: Final = Metric(
    name="checkrail_delivery_seconds",
    type=Histogram,
    meaning="How long a try took.",
    labels={"sink": ()},
    buckets=DELIVERY_BUCKETS,
)
OUTBOX_PENDING: Final = Metric(
    name="checkrail_outbox_pending",
    type=Gauge,
    meaning="Effects that wait for delivery.",
    labels={"sink": ()},
)
OUTBOX_PARKED: Final = Metric(
    name="checkrail_outbox_parked",
    type=Gauge,
    meaning="Effects that were given up and wait for a person: `checkrail dead`.",
    labels={"sink": ()},
)
INBOX_PENDING: Final = Metric(
    name="checkrail_inbox_pending",
    type=Gauge,
    meaning="Webhook deliveries that were accepted and not yet worked on.",
    labels={},
)
GITHUB_REQUESTS: Final = Metric(
    name="checkrail_github_requests_total",
    type=Counter,
    meaning="Requests to GitHub, by URL template and status; 0: no answer.",
    labels={"method": (), "route": (), "status": ()},
)
GITHUB_RATE_REMAINING: Final = Metric(
    name="checkrail_github_rate_remaining",
    type=Gauge,
    meaning="Requests that GitHub still allows the installation in this hour.",
    labels={"installation": ()},
)
GITHUB_RATE_LIMIT: Final = Metric(
    name="checkrail_github_rate_limit",
    type=Gauge,
    meaning="Requests that GitHub allows the installation in an hour.",
    labels={"installation": ()},
)
GITHUB_RATE_RESET: Final = Metric(
    name="checkrail_github_rate_reset_timestamp_seconds",
    type=Gauge,
    meaning="When the installation's hour begins anew, in Unix time.",
    labels={"installation": ()},
)
GITHUB_BUDGET: Final = Metric(
    name="checkrail_github_budget_seconds",
    type=Gauge,
    meaning="Until the hour's requests are used up at the rate of the last five minutes; +Inf: "
    "they will not be.",
    labels={"installation": ()},
)
GITHUB_POINTS: Final = Metric(
    name="checkrail_github_points",
    type=Gauge,
    meaning="Of the last minute; GitHub publishes a limit of 900.",
    labels={"installation": ()},
)
GITHUB_WAITS: Final = Metric(
    name="checkrail_github_waits_total",
    type=Counter,
    meaning="Requests to GitHub that were sent back to wait, by reason.",
    labels={"reason": tuple(why.value for why in Why)},
)
SECRETS: Final = Metric(
    name="checkrail_secret_changes_total",
    type=Counter,
    meaning="Files with secrets that changed, by whether what they say is used from then on.",
    labels={"file": get_args(SecretName), "result": get_args(SecretResult)},
)
BUILD_INFO: Final = Metric(
    name="checkrail_build_info",
    type=Gauge,
    meaning="1, with the version.",
    labels={"version": (__version__,), "python": (platform.python_version(),)},
)

METRICS: Final = (
    WATCH_EVENTS,
    CLUSTER_UP,
    LOOKS,
    MALFORMED,
    SKIPPED,
    WEBHOOKS,
    POSTED,
    COMMANDS,
    HEALED,
    DELIVERIES,
    DELIVERY_SECONDS,
    OUTBOX_PENDING,
    OUTBOX_PARKED,
    INBOX_PENDING,
    GITHUB_REQUESTS,
    GITHUB_RATE_REMAINING,
    GITHUB_RATE_LIMIT,
    GITHUB_RATE_RESET,
    GITHUB_BUDGET,
    GITHUB_POINTS,
    GITHUB_WAITS,
    SECRETS,
    BUILD_INFO,
)


_STANDINGS: Final[Mapping[str, Callable[[Standing], float]]] = {
    GITHUB_RATE_REMAINING.name: lambda standing: standing.remaining,
    GITHUB_RATE_LIMIT.name: lambda standing: standing.limit,
    GITHUB_RATE_RESET.name: lambda standing: standing.reset,
    GITHUB_BUDGET.name: lambda standing: standing.lasts,
    GITHUB_POINTS.name: lambda standing: standing.points,
}


def metrics_table() -> list[tuple[str, str, tuple[str, ...], str]]:
    """(name, type, labels, meaning) of each metric: the documentation's table."""
    return [
        (one.name, one.type.__name__.lower(), tuple(one.labels), one.meaning) for one in METRICS
    ]


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._counters = {m.name: _counter(m, self.registry) for m in METRICS if m.type is Counter}
        self._gauges = {m.name: _gauge(m, self.registry) for m in METRICS if m.type is Gauge}
        self._histograms = {
            m.name: _histogram(m, self.registry) for m in METRICS if m.type is Histogram
        }
        self._standings: Callable[[], Mapping[str, Standing]] = dict
        self._sinks: set[str] = set()
        self._expect({})
        self._gauge(BUILD_INFO, version=__version__, python=platform.python_version()).set(1)

    def expect(
        self, *, resources: Iterable[str], kinds: Iterable[str], sinks: Iterable[str]
    ) -> None:
        """What this process works with: all that can be counted about these begins at zero."""
        self._sinks.update(sinks)
        self._expect(
            {"resource": tuple(resources), "kind": tuple(kinds), "sink": tuple(self._sinks)}
        )

    def watch_event(self, resource: str, type_: WatchType) -> None:
        """A watch brought something."""
        self._counter(WATCH_EVENTS, resource=resource, type=type_).inc()

    def cluster(self, name: str, *, up: bool) -> None:
        """A watched cluster answers, or does not (any more)."""
        self._gauge(CLUSTER_UP, cluster=name).set(up)

    def cluster_gone(self, name: str) -> None:
        """A cluster is not watched any more."""
        self._gauges[CLUSTER_UP.name].remove(name)

    def look(self, kind: str, result: LookResult) -> None:
        """An object was looked at."""
        self._counter(LOOKS, kind=kind, result=result).inc()

    def malformed(self, resource: str) -> None:
        """An object could not be read."""
        self._counter(MALFORMED, resource=resource).inc()

    def skipped(self, reason: SkipReason) -> None:
        """Nobody is told of an object, or no check is made."""
        self._counter(SKIPPED, reason=reason).inc()

    def webhook(self, result: WebhookResult) -> None:
        """A delivery came in."""
        self._counter(WEBHOOKS, result=result).inc()

    def posted(self, source: str, result: PostedResult) -> None:
        """An event was posted, or worked on."""
        self._counter(POSTED, source=source, result=result).inc()

    def command(self, verb: Verb, result: CommandResult) -> None:
        """Somebody asked for something."""
        self._counter(COMMANDS, verb=verb.value, result=result).inc()

    def healed(self) -> None:
        """A check was not as it was told."""
        self._counter(HEALED).inc()

    def delivery(self, sink: str, result: DeliveryResult, seconds: float) -> None:
        """An effect was tried."""
        self._counter(DELIVERIES, sink=sink, result=result).inc()
        self._histogram(DELIVERY_SECONDS, sink=sink).observe(seconds)

    def backlog(self, backlog: Backlog) -> None:
        """What waits now; a sink that is not named has nothing waiting."""
        self._sinks.update(backlog.pending, backlog.parked)
        for sink in self._sinks:
            self._gauge(OUTBOX_PENDING, sink=sink).set(backlog.pending.get(sink, 0))
            self._gauge(OUTBOX_PARKED, sink=sink).set(backlog.parked.get(sink, 0))
        self._gauge(INBOX_PENDING).set(backlog.deliveries)

    def github_request(self, method: str, route: str, status: int) -> None:
        """GitHub answered; `route` is the URL template, never a URL: each value is a series."""
        self._counter(GITHUB_REQUESTS, method=method, route=route, status=str(status)).inc()

    def github_wait(self, why: Why) -> None:
        """A request has to wait for what GitHub allows."""
        self._counter(GITHUB_WAITS, reason=why.value).inc()

    def github_standings(self, ask: Callable[[], Mapping[str, Standing]]) -> None:
        """From now on, whenever somebody looks, `ask` says how each installation stands."""
        self._standings = ask

    def secret_read(self, file: SecretName, result: SecretResult) -> None:
        """A file with secrets has changed."""
        self._counter(SECRETS, file=file, result=result).inc()

    def render(self) -> bytes:
        """The answer of /metrics, of type `CONTENT_TYPE`."""
        self._show_standings()
        return generate_latest(_WithoutCreated(self.registry))

    def _show_standings(self) -> None:
        standings = self._standings()
        for name, read in _STANDINGS.items():
            gauge = self._gauges[name]
            gauge.clear()
            for installation, standing in standings.items():
                gauge.labels(installation=installation).set(read(standing))

    def _counter(self, metric: Metric, **labels: str) -> Counter:
        counter = self._counters[metric.name]
        return counter.labels(**labels) if labels else counter

    def _gauge(self, metric: Metric, **labels: str) -> Gauge:
        gauge = self._gauges[metric.name]
        return gauge.labels(**labels) if labels else gauge

    def _histogram(self, metric: Metric, **labels: str) -> Histogram:
        histogram = self._histograms[metric.name]
        return histogram.labels(**labels) if labels else histogram

    def _expect(self, known: Mapping[str, tuple[str, ...]]) -> None:
        """Makes each series all of whose label values are known; counting starts at zero."""
        by_name: dict[str, MetricWrapperBase] = {
            **self._counters,
            **self._gauges,
            **self._histograms,
        }
        for metric in METRICS:
            values = [closed or known.get(label, ()) for label, closed in metric.labels.items()]
            for combination in product(*values) if values else ():
                by_name[metric.name].labels(*combination)


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.meaning, tuple(metric.labels), registry=registry)


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.meaning, tuple(metric.labels), registry=registry)


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(
        metric.name,
        metric.meaning,
        tuple(metric.labels),
        registry=registry,
        buckets=metric.buckets,
    )


class _WithoutCreated(Collector):
    """Leaves out the ``_created`` twins of every series: they double the page, and the library's
    own switch for them is a global."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Family]:
        for family in self._registry.collect():
            family.samples = [s for s in family.samples if not s.name.endswith("_created")]
            yield family
