"""Puts the product together: builds each object once, runs the loops, shuts down in order.

The only module that knows all the others. `Checkrail.open` builds and touches nothing outside but
the store and the credentials; `run` watches, judges and delivers until it is cancelled; `close`
stops claiming, lets deliveries finish, and closes the store last.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp import web

from ghapp import discovery, plugs, rotation
from ghapp import log as logs
from ghapp.core.decide import Rules
from ghapp.core.source import Adapter, Resource
from ghapp.documents import config
from ghapp.documents.compiled import compile_documents
from ghapp.documents.kinds import kinds
from ghapp.engine.clusters import Fleet
from ghapp.engine.configuration import Configuration
from ghapp.engine.desk import Desk
from ghapp.engine.gather import Runs
from ghapp.engine.healing import Healing
from ghapp.engine.inbox import Inbox
from ghapp.engine.kube import KubeClient
from ghapp.engine.kube import open_session as open_kube_session
from ghapp.engine.kube_config import load as load_connection
from ghapp.engine.kube_follow import Pace
from ghapp.engine.outbox import Outbox
from ghapp.engine.posted import Postbox
from ghapp.engine.providers import Providers
from ghapp.engine.pulls import Pulls
from ghapp.engine.requests import Requests
from ghapp.engine.statuses import Statuses
from ghapp.engine.upkeep import Upkeep
from ghapp.engine.watch import Watch
from ghapp.engine.watches import Watches
from ghapp.github.absent import AbsentGitHub
from ghapp.github.apps import Apps
from ghapp.github.client import GitHubClient
from ghapp.github.session import Ways
from ghapp.github.session import open_session as open_github_session
from ghapp.github.token_client import TokenClient
from ghapp.http import HttpClient, utc_now
from ghapp.http import open_session as open_http_session
from ghapp.metrics import Metrics
from ghapp.ports import Clock, Clusters, Sink, Store
from ghapp.posting import Posting
from ghapp.rotation import Rotation
from ghapp.secret import Secret
from ghapp.server import Server
from ghapp.settings import Settings
from ghapp.store import open_store

log = logs.get(__name__)

GRACE: Final = 10.0
"""Seconds that deliveries get to finish when the process is told to stop."""
HISTORY: Final = timedelta(hours=1)
"""A fresh store tells of runs that finished up to this long before it was made."""

MISSING_EVERY: Final = 20.0
"""Seconds between two looks for a kind that is not installed: one small GET each."""

PACE: Final = Pace(missing_interval=MISSING_EVERY)

ROLES: Final = ("all", "app", "controller")
"""app serves webhooks and delivers; controller watches; all does both."""


@dataclass(slots=True, kw_only=True)
class Checkrail:
    """The product, built."""

    settings: Settings
    role: str
    store: Store
    metrics: Metrics
    server: Server
    posting: Posting
    outbox: Outbox
    inbox: Inbox | None
    configuration: Configuration
    statuses: Statuses
    watch: Watch | None
    """Of the cluster at home."""
    fleet: Fleet | None
    """The other clusters, if a folder for them is set."""
    upkeep: Upkeep
    rotation: Rotation
    stack: contextlib.AsyncExitStack
    running: bool = field(default=False)

    @classmethod
    async def open(
        cls, settings: Settings, *, role: str = "all", clock: Clock = utc_now
    ) -> "Checkrail":
        """Opens the store and builds; raises ConfigError for wrong settings or documents."""
        documents = config.load(settings.config)
        store = await open_store(settings.store, now=clock())
        try:
            return await cls.build(settings, documents, store, role=role, clock=clock)
        except BaseException:
            await store.close()
            raise

    @classmethod
    async def build(
        cls,
        settings: Settings,
        documents: config.Config,
        store: Store,
        *,
        role: str = "all",
        clock: Clock = utc_now,
    ) -> "Checkrail":
        """Builds on a store that is open; `close` closes it."""
        async with contextlib.AsyncExitStack() as stack:
            built = await _Builder(settings, role, clock, stack).build(documents, store)
            built.stack = stack.pop_all()
        return built

    def routes(self) -> list[web.RouteDef]:
        """The product's endpoints, for whoever owns the web server."""
        return [*self.server.routes(), *self.posting.routes()]

    async def run(self) -> None:
        """Works until cancelled."""
        self.running = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.upkeep.run(), name="upkeep")
                group.create_task(self.configuration.run(), name="configuration")
                group.create_task(self.statuses.run(), name="statuses")
                group.create_task(self.rotation.run(), name="rotation")
                if self.role != "controller":
                    group.create_task(self.outbox.run(), name="outbox")
                # Who may do what is said by documents, so nobody looks or judges before those.
                await self.configuration.ready.wait()
                if self.inbox is not None:
                    group.create_task(self.inbox.run(), name="inbox")
                if self.watch is not None:
                    group.create_task(self._watch_home(self.watch), name="watch")
                if self.fleet is not None:
                    group.create_task(self.fleet.run(), name="fleet")
        finally:
            self.running = False

    async def _watch_home(self, watch: Watch) -> None:
        with logs.bind(cluster=self.settings.cluster):
            await watch.run()

    async def close(self) -> None:
        """Lets what is under way finish, then lets go of everything; the store comes last."""
        await self.outbox.drain(GRACE)
        await self.stack.aclose()
        await self.store.close()


@dataclass(slots=True)
class _Builder:
    """Builds in order of need; whatever is opened goes on the stack."""

    settings: Settings
    role: str
    clock: Clock
    stack: contextlib.AsyncExitStack

    async def build(self, documents: config.Config, store: Store) -> Checkrail:
        metrics = Metrics()
        far = await self._far(store, metrics)
        desk, configuration, statuses = self._documents(documents, store, far, metrics)
        watches = Watches(
            adapters=far.adapters,
            namespaces=self._namespaces,
            selector=self.settings.selector,
            metrics=metrics,
            desk=desk,
        )
        watching, serving = self.role != "app", self.role != "controller"
        if far.fleet is not None and watching:
            far.fleet.watch = watches.run
        server, posting = self._doors(store, far.apps, metrics, serving=serving)
        home = self.settings.cluster
        checkrail = Checkrail(
            settings=self.settings,
            role=self.role,
            store=store,
            metrics=metrics,
            server=server,
            posting=posting,
            outbox=self._outbox(desk, statuses.providers, metrics),
            configuration=configuration,
            statuses=statuses,
            inbox=self._inbox(desk, far, metrics) if serving else None,
            watch=watches.of(home, far.kube, PACE) if watching else None,
            fleet=far.fleet,
            upkeep=Upkeep(
                desk=desk,
                apps=far.apps if serving else None,
                clock=self.clock,
                close_overdue=watching,
            ),
            rotation=self._rotation(server, posting, far.apps, metrics),
            stack=self.stack,
        )
        checkrail.server.ready = lambda: _unready(checkrail)
        return checkrail

    @property
    def _namespaces(self) -> tuple[str, ...]:
        return self.settings.namespaces or ("",)

    # -- the far sides -----------------------------------------------------------------------------

    async def _far(self, store: Store, metrics: Metrics) -> "_Far":
        adapters = discovery.adapters()
        resources = {each.id: each for adapter in adapters for each in adapter.resource.versions}
        github = await self.github(metrics)
        ways = self._ways()
        apps = Apps(github or AbsentGitHub(), partial(self._client, metrics), ways)
        metrics.github_standings(apps.standings)
        self.stack.push_async_callback(apps.close)
        kube = await self.kube()
        fleet = self._fleet(kube, metrics)
        clusters: Clusters = fleet.clusters if fleet else {self.settings.cluster: kube}
        ports = await self._ports(github, ways, metrics)
        ports |= {"clusters": clusters, "resources": resources, "runs": store, "githubs": apps}
        return _Far(
            adapters=adapters,
            resources=resources,
            apps=apps,
            kube=kube,
            fleet=fleet,
            clusters=clusters,
            ports=ports,
        )

    async def github(self, metrics: Metrics) -> GitHubClient | None:
        settings = self.settings.github
        if settings is None:
            log.warning("no GitHub App is set, so no checks are made")
            return None
        session = await self.stack.enter_async_context(
            open_github_session(ca=settings.ca, proxy=settings.proxy)
        )
        github = self._client(
            metrics, session, settings.api_url, settings.app_id, settings.private_key
        )
        self.stack.push_async_callback(github.close)
        return github

    def _ways(self) -> Ways:
        """To every GitHub that a document may name."""
        settings, found = self.settings, self.settings.github
        ways = Ways(
            environ=settings.environ,
            home=found.api_url if found else settings.github_url,
            ca=found.ca if found else settings.github_ca,
        )
        self.stack.push_async_callback(ways.close)
        return ways

    def _client(
        self, metrics: Metrics, session: aiohttp.ClientSession, api_url: str, app: str, key: Secret
    ) -> GitHubClient:
        return GitHubClient(
            session,
            api_url=api_url,
            app=app,
            key=key,
            clock=self.clock,
            waited=metrics.github_wait,
            observe=lambda method, route, status, _: metrics.github_request(method, route, status),
        )

    async def kube(self) -> KubeClient:
        connection = await load_connection(self.settings.environ)
        session = await self.stack.enter_async_context(open_kube_session())
        return KubeClient(session=session, connection=connection, clock=self.clock)

    async def _ports(
        self, github: GitHubClient | None, ways: Ways, metrics: Metrics
    ) -> dict[str, Any]:
        """What sinks are built from, by the names of their fields."""
        session = await self.stack.enter_async_context(open_http_session())
        ports: dict[str, Any] = {
            "http": HttpClient(session, clock=self.clock),
            "clock": self.clock,
            "with_token": partial(_with_token, ways, self.clock, metrics),
        }
        if github is not None:
            ports["github"] = github
        return ports

    def _sinks(self, ports: Mapping[str, Any]) -> dict[str, Sink]:
        """What the environment sets up, and what does what people ask for."""
        chosen: dict[str, Mapping[str, Any]] = {"cluster": {}}
        chosen |= {"logs": {}} if self.settings.logs else {}
        chosen |= {"github-reply": {}, "promotion": {}}
        chosen |= {"github-check": {}} if "github" in ports else {}
        if self.settings.cdevents_sink:
            chosen["cdevents"] = {"url": self.settings.cdevents_sink}
        types = {sink.name: sink for sink in discovery.sinks()}
        return {name: plugs.build_sink(types[name], given, ports) for name, given in chosen.items()}

    # -- what documents say ------------------------------------------------------------------------

    def _documents(
        self, documents: config.Config, store: Store, far: "_Far", metrics: Metrics
    ) -> tuple[Desk, Configuration, Statuses]:
        settings, sinks = self.settings, self._sinks(far.ports)
        told = tuple(name for name in sinks if plugs.is_provider(name))
        providers = Providers(
            built_in=sinks,
            make=partial(plugs.make_sink, far.ports, far.apps),
            gone=far.apps.drop,
            lacks=plugs.lacks,
            kube=far.kube,
            secrets_namespace=settings.secrets_namespace,
            store=store,
            clock=self.clock,
        )
        statuses = Statuses(
            kube=far.kube,
            store=store,
            providers=providers,
            clock=self.clock,
            kinds=_KINDS_OF[self.role],
        )
        providers.changed = statuses.note

        def denied(namespace: str, reason: str) -> None:
            metrics.skipped("not_trusted")
            statuses.denied(namespace, reason)

        desk = Desk(
            store=store,
            standing=self._rules(documents, told, store),
            sinks=providers,
            clock=self.clock,
            progress_interval=settings.progress_interval,
            blame=statuses.blame,
            denied=denied,
        )
        configuration = Configuration(
            files=documents,
            path=settings.config,
            kinds=tuple(kinds().values()),
            namespaces=self._namespaces,
            cluster=settings.cluster,
            built_in=told,
            api=far.kube,
            desk=desk,
            providers=providers,
            metrics=metrics,
            pace=PACE,
            tell=statuses.tell,
        )
        metrics.expect(
            resources=(one.id for adapter in far.adapters for one in plugs.watched(adapter)),
            kinds=(adapter.resource.kind for adapter in far.adapters),
            sinks=sinks,
        )
        return desk, configuration, statuses

    def _rules(self, documents: config.Config, told: tuple[str, ...], store: Store) -> Rules:
        """As files say, until the cluster's documents are known."""
        compiled = compile_documents(documents, told, cluster=self.settings.cluster)
        return Rules(
            born=store.born,
            horizon=store.born - HISTORY,
            pipelines=documents.pipelines,
            trust=documents.trust,
            access=documents.access,
            listening=compiled.listening,
            dashboard_url=self.settings.dashboard_url,
            public_url=self.settings.public_url,
        )

    # -- who comes in, and what goes out -----------------------------------------------------------

    def _doors(
        self, store: Store, apps: Apps, metrics: Metrics, *, serving: bool
    ) -> tuple[Server, Posting]:
        """Webhooks and posted events belong to who works on them."""
        settings = self.settings
        secrets = settings.github.webhook_secrets if settings.github and serving else ()
        server = Server(
            store=store,
            metrics=metrics,
            clock=self.clock,
            secrets=secrets,
            secrets_of=apps.secrets if serving else _no_secrets,
            ready=lambda: (),
        )
        posting = Posting(
            store=store,
            metrics=metrics,
            clock=self.clock,
            secrets=settings.flux_secrets if serving else (),
        )
        return server, posting

    def _outbox(self, desk: Desk, providers: Providers, metrics: Metrics) -> Outbox:
        return Outbox(
            desk=desk,
            metrics=metrics,
            jitter=random.random,
            paused=providers.paused,
            heard=providers.heard,
        )

    def _inbox(self, desk: Desk, far: "_Far", metrics: Metrics) -> Inbox:
        every = [(adapter, each) for adapter in far.adapters for each in adapter.resource.versions]
        runs = Runs(
            store=desk.store,
            clusters=far.clusters,
            resources=far.resources,
            plans={each.id: plugs.plans_of(adapter) for adapter, each in every},
            pieces={each.id: adapter.pieces for adapter, each in every if adapter.pieces},
        )
        return Inbox(
            desk=desk,
            apps=far.apps,
            requests=Requests(desk=desk, github=far.apps.home, runs=runs, metrics=metrics),
            healing=Healing(desk=desk, metrics=metrics),
            pulls=Pulls(desk=desk),
            postbox=Postbox.of(far.adapters, desk=desk, clusters=far.clusters, metrics=metrics),
            jitter=random.random,
        )

    def _rotation(self, server: Server, posting: Posting, apps: Apps, metrics: Metrics) -> Rotation:
        settings, app, github = self.settings, self.settings.github, apps.home
        posted = settings.flux_secret_file, posting.secrets, posting.use
        watched = rotation.lines("flux_secret", *posted)
        if app is not None and isinstance(github, GitHubClient):
            webhook = app.webhook_secret_file, server.secrets, server.use
            watched += rotation.lines("webhook_secret", *webhook)
            watched += rotation.key(app.private_key_file, app.private_key, github.use_key)
        return Rotation(watched=watched, metrics=metrics)

    def _fleet(self, kube: KubeClient, metrics: Metrics) -> Fleet | None:
        if self.settings.clusters is None:
            return None
        fleet = Fleet(
            folder=self.settings.clusters,
            home=self.settings.cluster,
            metrics=metrics,
            clock=self.clock,
            pace=PACE,
        )
        fleet.settle(kube)
        return fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class _Far:
    """What the product talks to, and the plug-ins that say how."""

    adapters: Sequence[Adapter[Any]]
    resources: Mapping[str, Resource]
    apps: Apps
    kube: KubeClient
    """Of the cluster at home."""
    fleet: Fleet | None
    clusters: Clusters
    ports: Mapping[str, Any]
    """What sinks are built from, by the names of their fields."""


@contextlib.asynccontextmanager
async def clients(settings: Settings) -> AsyncIterator[tuple[KubeClient, GitHubClient | None]]:
    """The clients alone, as the product would use them: for the doctor."""
    async with contextlib.AsyncExitStack() as stack:
        builder = _Builder(settings, "all", utc_now, stack)
        yield await builder.kube(), await builder.github(Metrics())


def _no_secrets(source: str) -> tuple[Secret, ...]:
    """Webhooks belong to who works on them."""
    return ()


_KINDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "all": frozenset(kinds()),
    "app": frozenset({"Provider", "ClusterProvider"}),
    "controller": frozenset(kinds()) - {"Provider", "ClusterProvider"},
}
"""Whose statuses a role writes: whoever delivers knows how Providers do."""


def _with_token(
    ways: Ways, clock: Clock, metrics: Metrics, api_url: str, token: Secret
) -> TokenClient:
    return TokenClient(
        ways.shared(api_url),
        api_url=api_url,
        token=token,
        clock=clock,
        waited=metrics.github_wait,
        observe=lambda method, route, status, _: metrics.github_request(method, route, status),
    )


def _unready(checkrail: Checkrail) -> Sequence[str]:
    return () if checkrail.running else ("not running (yet, or any more)",)
