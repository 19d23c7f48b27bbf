"""Puts the product together: builds each object once, runs the loops, shuts down in order.

The only module that knows all the others. `Checkrail.open` builds and touches nothing outside but
the store and the credentials; `run` watches, judges and delivers until it is cancelled; `close`
stops claiming, lets deliveries finish, and closes the store last.
"""

import asyncio
import contextlib
import random
import typing
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from ghapp import config, discovery, rotation
from ghapp import log as logs
from ghapp.compiled import compile_documents
from ghapp.core.decide import Rules
from ghapp.core.model import Verb
from ghapp.core.provider import GitHubApp, Provider
from ghapp.core.source import Adapter, Resource
from ghapp.core.wishes import Plans
from ghapp.engine.clusters import Fleet
from ghapp.engine.configuration import Configuration
from ghapp.engine.desk import Desk
from ghapp.engine.gather import Runs
from ghapp.engine.inbox import Inbox
from ghapp.engine.kube import KubeClient
from ghapp.engine.kube import open_session as open_kube_session
from ghapp.engine.kube_config import load as load_connection
from ghapp.engine.kube_follow import Pace
from ghapp.engine.outbox import Outbox
from ghapp.engine.posted import Postbox
from ghapp.engine.providers import Credentials, Providers
from ghapp.engine.reach import Reach
from ghapp.engine.reconcile import Source
from ghapp.engine.requests import Requests
from ghapp.engine.selection import Selection
from ghapp.engine.statuses import Statuses
from ghapp.engine.upkeep import Upkeep
from ghapp.engine.watch import Watch
from ghapp.errors import ConfigError
from ghapp.github.absent import AbsentGitHub
from ghapp.github.apps import PRIVATE_KEY, Apps
from ghapp.github.client import GitHubClient
from ghapp.github.session import open_session as open_github_session
from ghapp.github.token_client import TokenClient
from ghapp.http import HttpClient
from ghapp.http import open_session as open_http_session
from ghapp.kinds import kinds, provider_types
from ghapp.metrics import Metrics
from ghapp.ports import Clock, Clusters, Sink, SinkType, Store
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


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


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
        settings, clock = self.settings, self.clock
        metrics = Metrics()
        adapters = discovery.adapters()
        resources = {each.id: each for adapter in adapters for each in adapter.resource.versions}
        github = await self.github(metrics)
        apps = Apps(github or AbsentGitHub(), partial(self._client, metrics))
        metrics.github_standings(apps.standings)
        self.stack.push_async_callback(apps.close)
        kube = await self.kube()
        fleet = self._fleet(kube, metrics)
        clusters: Clusters = fleet.clusters if fleet else {settings.cluster: kube}
        ports = await self._ports(github, clusters, resources, metrics)
        ports["runs"] = store
        sinks = self._sinks(ports)
        told = tuple(name for name in sinks if _is_provider(name))
        providers = Providers(
            built_in=sinks,
            make=partial(make_sink, ports, apps),
            gone=apps.drop,
            lacks=lacks,
            kube=kube,
            secrets_namespace=settings.secrets_namespace,
            store=store,
            clock=clock,
        )
        statuses = Statuses(
            kube=kube,
            store=store,
            providers=providers,
            clock=clock,
            kinds=_KINDS_OF[self.role],
        )
        providers.changed = statuses.note
        compiled = compile_documents(documents, told, cluster=settings.cluster)
        rules = Rules(
            born=store.born,
            horizon=store.born - HISTORY,
            pipelines=documents.pipelines,
            trust=documents.trust,
            access=documents.access,
            listening=compiled.listening,
            dashboard_url=settings.dashboard_url,
        )
        desk = Desk(
            store=store,
            standing=rules,
            sinks=providers,
            clock=clock,
            progress_interval=settings.progress_interval,
            blame=statuses.blame,
            denied=statuses.denied,
        )
        configuration = Configuration(
            files=documents,
            path=settings.config,
            kinds=tuple(kinds().values()),
            namespaces=settings.namespaces or ("",),
            cluster=settings.cluster,
            built_in=told,
            api=kube,
            desk=desk,
            providers=providers,
            metrics=metrics,
            pace=PACE,
            tell=statuses.tell,
        )
        watches = _Watches(settings=settings, adapters=adapters, metrics=metrics, desk=desk)
        if fleet is not None and self.role != "app":
            fleet.watch = watches.run
        secrets = settings.github.webhook_secrets if settings.github else ()
        if self.role == "controller":
            secrets = ()  # webhooks belong to who works on them
        metrics.expect(
            resources=(resource.id for adapter in adapters for resource in watched(adapter)),
            kinds=(adapter.resource.kind for adapter in adapters),
            sinks=sinks,
        )
        server = Server(
            store=store,
            metrics=metrics,
            clock=clock,
            secrets=secrets,
            secrets_of=apps.secrets if self.role != "controller" else _no_secrets,
            ready=lambda: (),
        )
        posting = Posting(
            store=store,
            metrics=metrics,
            clock=clock,
            secrets=() if self.role == "controller" else settings.flux_secrets,
        )
        checkrail = Checkrail(
            settings=settings,
            role=self.role,
            store=store,
            metrics=metrics,
            server=server,
            posting=posting,
            outbox=Outbox(
                desk=desk,
                metrics=metrics,
                jitter=random.random,
                paused=providers.paused,
                heard=providers.heard,
            ),
            configuration=configuration,
            statuses=statuses,
            inbox=self._inbox(desk, apps, clusters, adapters, resources, metrics),
            watch=None if self.role == "app" else watches.of(settings.cluster, kube, PACE),
            fleet=fleet,
            upkeep=Upkeep(
                desk=desk,
                apps=None if self.role == "controller" else apps,
                clock=clock,
                close_overdue=self.role != "app",
            ),
            rotation=self._rotation(server, posting, github, metrics),
            stack=self.stack,
        )
        checkrail.server.ready = lambda: _unready(checkrail)
        return checkrail

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
        self,
        github: GitHubClient | None,
        clusters: Clusters,
        resources: Mapping[str, Resource],
        metrics: Metrics,
    ) -> dict[str, Any]:
        """What sinks are built from, by the names of their fields."""
        session = await self.stack.enter_async_context(open_http_session())
        found = self.settings.github
        to_github = await self.stack.enter_async_context(
            open_github_session(ca=found.ca, proxy=found.proxy) if found else open_github_session()
        )
        ports: dict[str, Any] = {
            "http": HttpClient(session, clock=self.clock),
            "clusters": clusters,
            "resources": resources,
            "clock": self.clock,
            "with_token": partial(_with_token, to_github, self.clock, metrics),
        }
        if github is not None:
            ports["github"] = github
        return ports

    def _sinks(self, ports: Mapping[str, Any]) -> dict[str, Sink]:
        """What the environment sets up, and what does what people ask for."""
        chosen: dict[str, Mapping[str, Any]] = {"cluster": {}}
        if "github" in ports:
            chosen |= {"github-check": {}, "github-reply": {}, "promotion": {}}
            chosen |= {"logs": {}} if self.settings.logs else {}
        if self.settings.cdevents_sink:
            chosen["cdevents"] = {"url": self.settings.cdevents_sink}
        types = {sink.name: sink for sink in discovery.sinks()}
        return {name: build_sink(types[name], given, ports) for name, given in chosen.items()}

    def _inbox(
        self,
        desk: Desk,
        apps: Apps,
        clusters: Clusters,
        adapters: Sequence[Adapter[Any]],
        resources: Mapping[str, Resource],
        metrics: Metrics,
    ) -> Inbox | None:
        if self.role == "controller":
            return None
        every = [(adapter, each) for adapter in adapters for each in adapter.resource.versions]
        runs = Runs(
            store=desk.store,
            clusters=clusters,
            resources=resources,
            plans={each.id: plans_of(adapter) for adapter, each in every},
            pieces={each.id: adapter.pieces for adapter, each in every if adapter.pieces},
        )
        return Inbox(
            desk=desk,
            apps=apps,
            requests=Requests(desk=desk, github=apps.home, runs=runs, metrics=metrics),
            postbox=Postbox.of(adapters, desk=desk, clusters=clusters, metrics=metrics),
            jitter=random.random,
        )

    def _rotation(
        self, server: Server, posting: Posting, github: GitHubClient | None, metrics: Metrics
    ) -> Rotation:
        settings, app = self.settings, self.settings.github
        posted = settings.flux_secret_file, posting.secrets, posting.use
        watched = rotation.lines("flux_secret", *posted)
        if github is not None and app is not None:
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


@dataclass(slots=True, kw_only=True)
class _Watches:
    """Makes the watches of one cluster after the other: each has sources of its own."""

    settings: Settings
    adapters: Sequence[Adapter[Any]]
    metrics: Metrics
    desk: Desk

    async def run(self, cluster: str, kube: KubeClient, pace: Pace) -> None:
        """Watches a cluster until cancelled."""
        await self.of(cluster, kube, pace).run()

    def of(self, cluster: str, kube: KubeClient, pace: Pace) -> Watch:
        """Everything that is followed in one cluster."""
        desk, metrics, selector = self.desk, self.metrics, self.settings.selector
        selection = Selection(selector=selector, kube=kube) if selector else None
        metrics.cluster(cluster, up=False)
        return Watch(
            sources=tuple(
                Source(
                    adapter=adapter,
                    cluster=cluster,
                    desk=desk,
                    metrics=metrics,
                    selection=selection,
                )
                for adapter in self.adapters
            ),
            desk=desk,
            namespaces=self.settings.namespaces or ("",),
            api=Reach(api=kube, tell=lambda up: metrics.cluster(cluster, up=up)),
            metrics=metrics,
            pace=pace,
        )


@contextlib.asynccontextmanager
async def clients(settings: Settings) -> AsyncIterator[tuple[KubeClient, GitHubClient | None]]:
    """The clients alone, as the product would use them: for the doctor."""
    async with contextlib.AsyncExitStack() as stack:
        builder = _Builder(settings, "all", utc_now, stack)
        yield await builder.kube(), await builder.github(Metrics())


def build_sink(kind: SinkType, given: Mapping[str, Any], ports: Mapping[str, Any]) -> Sink:
    """A sink with its settings decoded and its other fields filled from `ports`, by name."""
    settings = msgspec.convert(dict(given), kind.settings)
    wanted = [each for each in fields(typing.cast("Any", kind.build)) if each.init]
    values = {**ports, "settings": settings}
    return kind.build(
        **{
            each.name: values[each.name]
            for each in wanted
            if each.name in values or each.default is each.default_factory is MISSING
        }
    )


def make_sink(
    ports: Mapping[str, Any], apps: Apps, provider: Provider, credentials: Credentials
) -> Sink:
    """The sink of a declared Provider; raises ConfigError."""
    kind = provider_types().get(provider.type)
    if kind is None:
        raise ConfigError(f"there is no type {provider.type}")
    own: dict[str, Any] = {"secret": credentials, "provider": provider.id}
    try:
        app = app_of(provider)
        if app is not None:
            own["github"] = apps.declare(
                provider.id, api_url=app.api_url, app=app.id, credentials=credentials
            )
        return build_sink(kind, provider.settings, {**ports, **own})
    except msgspec.ValidationError as error:
        raise ConfigError(f"spec.{provider.type}: {error}") from error
    except KeyError as error:
        raise ConfigError(f"{provider.type} needs {error.args[0]}, which is not set up") from error


def lacks(provider: Provider, credentials: Credentials) -> str:
    """What the Provider's Secret misses; empty: nothing."""
    kind = provider_types().get(provider.type)
    needed = kind.required_keys if kind else ()
    if provider.settings.get("app"):
        needed = (*needed, PRIVATE_KEY)
    missing = [key for key in needed if key not in credentials]
    return f"its Secret has no {' and no '.join(missing)}" if missing else ""


def app_of(provider: Provider) -> GitHubApp | None:
    """The GitHub App that a Provider declares; raises ValidationError."""
    given = provider.settings.get("app")
    return msgspec.convert(given, GitHubApp) if given is not None else None


def _no_secrets(source: str) -> tuple[Secret, ...]:
    """Webhooks belong to who works on them."""
    return ()


def _is_provider(sink: str) -> bool:
    return any(kind.name == sink for kind in provider_types().values())


_KINDS_OF: Final[Mapping[str, frozenset[str]]] = {
    "all": frozenset(kinds()),
    "app": frozenset({"Provider", "ClusterProvider"}),
    "controller": frozenset(kinds()) - {"Provider", "ClusterProvider"},
}
"""Whose statuses a role writes: whoever delivers knows how Providers do."""


def watched(adapter: Adapter[Any]) -> Sequence[Resource]:
    """All that is followed for the sake of a source."""
    return [adapter.resource, *(part.resource for part in adapter.parts)]


def plans_of(adapter: Adapter[Any]) -> Plans:
    """What can be done to a source's objects, by verb."""
    plans = {
        Verb.RERUN: adapter.rerun,
        Verb.RERUN_FAILED: adapter.rerun_failed,
        Verb.CANCEL: adapter.cancel,
        Verb.RECONCILE: adapter.reconcile,
    }
    return {verb: plan for verb, plan in plans.items() if plan is not None}


def _with_token(
    session: aiohttp.ClientSession, clock: Clock, metrics: Metrics, api_url: str, token: Secret
) -> TokenClient:
    return TokenClient(
        session,
        api_url=api_url,
        token=token,
        clock=clock,
        waited=metrics.github_wait,
        observe=lambda method, route, status, _: metrics.github_request(method, route, status),
    )


def _unready(checkrail: Checkrail) -> Sequence[str]:
    return () if checkrail.running else ("not running (yet, or any more)",)
