"""The far sides in this process, on loopback, and the product in a process of its own.

The Kubernetes stand-in is served by TLS to a mounted service account, as in a cluster; the GitHub
stand-in tells of every request before it answers, and takes as long for it as GitHub does.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ghapp.demo.github import App, GitHub
from ghapp.demo.github.apps import new_private_key
from ghapp.demo.kube import KubeApi

TOKEN: Final = "kube-token"
SECRET: Final = "webhook-secret"
REPOSITORIES: Final = 10
"""In one account, so behind one installation."""
START_LIMIT: Final = 20.0
"""Seconds to wait for the product to be ready, or to stop."""
_CUSTOM: Final = (
    ("tekton.dev", "v1", "pipelineruns", "PipelineRun"),
    ("tekton.dev", "v1", "taskruns", "TaskRun"),
    ("tekton.dev", "v1beta1", "customruns", "CustomRun"),
    ("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease"),
)
_PERMISSIONS: Final = {"checks": "write", "metadata": "read"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that reached GitHub."""

    at: float
    """By the monotonic clock, before anything was done with it."""
    method: str
    path: str
    body: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class World:
    """The far sides."""

    folder: Path
    kube: KubeApi
    kube_port: int
    github: GitHub
    app: App
    commits: dict[str, str]
    """The head of each repository."""
    latency: float = 0.0
    """Seconds that GitHub takes for an answer."""
    asked: list[Asked] = field(default_factory=list)
    """Every request to GitHub, in the order in which they came."""

    @property
    def checks(self) -> list[Asked]:
        """The requests that are about checks; there are also those for tokens and webhooks."""
        return [one for one in self.asked if "/check-runs" in one.path]

    @contextlib.asynccontextmanager
    async def product(self, **settings: str) -> AsyncIterator["Product"]:
        """The product, ready; stopped at the end."""
        port = _free_port()
        environ = {
            "PATH": os.environ.get("PATH", ""),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.kube_port),
            "CHECKRAIL_LISTEN": f"127.0.0.1:{port}",
            "CHECKRAIL_STORE": f"sqlite:///{self.folder}/checkrail.db",
            "CHECKRAIL_GITHUB_API_URL": self.github.base_url,
            "CHECKRAIL_GITHUB_APP_ID": str(self.app.id),
            "CHECKRAIL_GITHUB_PRIVATE_KEY": self.app.private_key,
            "CHECKRAIL_GITHUB_WEBHOOK_SECRET": SECRET,
            **settings,
        }
        log = (self.folder / "product.log").open("ab")
        command = (sys.executable, "-m", "bench._pod", str(self.folder / "mount"), "run")
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=log)
        product = Product(process=process, url=f"http://127.0.0.1:{port}")
        try:
            async with aiohttp.ClientSession(product.url) as product.session:
                await self._ready(product)
                product.seconds_to_ready = time.monotonic() - began
                yield product
        finally:
            await _stop(process)
            log.close()

    async def _ready(self, product: "Product") -> None:
        if not await until(product.ready, limit=START_LIMIT, every=0.01):
            log = (self.folder / "product.log").read_text(encoding="utf-8")
            raise SystemExit(f"the product is not ready after {START_LIMIT:.0f} s:\n{log}")


@dataclass(slots=True, kw_only=True)
class Product:
    """The product's process, seen from outside."""

    process: asyncio.subprocess.Process
    url: str
    seconds_to_ready: float = 0.0
    session: aiohttp.ClientSession = field(init=False)

    async def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            async with self.session.get("/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def metrics(self) -> dict[str, float]:
        """The values of /metrics by name and labels, as they are written there."""
        async with self.session.get("/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def resident(self) -> float:
        """MB, of which 1024 * 1024 bytes."""
        return self._status("VmRSS")

    def most_resident(self) -> float:
        """MB; the most that it ever was."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        line = next(each for each in status.splitlines() if each.startswith(name))
        return int(line.split()[1]) / 1024


async def until(true: Callable[[], Awaitable[bool]], *, limit: float, every: float) -> bool:
    """Whether it became true within `limit` seconds; asks `every` so many."""
    try:
        async with asyncio.timeout(limit):
            while not await true():  # noqa: ASYNC110 - in another process: nobody tells us
                await asyncio.sleep(every)
    except TimeoutError:
        return False
    return True


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(START_LIMIT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """The far sides, answering."""
    # A product that is stopped leaves requests behind; that is no error of the stand-in's.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    made = _world(folder)
    async with contextlib.AsyncExitStack() as stack:
        tls = _service_account(folder / "mount")
        kube = made.kube.app()
        kube.middlewares.append(_remembering(made))
        made.kube_port = await _serve(stack, kube, tls)
        github = web.Application()
        github.add_subapp("/github", made.github.app([_telling(made)]))
        made.github.base_url = f"http://127.0.0.1:{await _serve(stack, github, None)}/github"
        try:
            yield made
        finally:
            made.kube.close_watches()


def _world(folder: Path) -> World:
    kube, github = KubeApi(token=TOKEN, keep=20_000), GitHub()
    for group, version, plural, kind in _CUSTOM:
        kube.serve(group, version, plural, kind)
    app = github.create_app(
        "checkrail", _PERMISSIONS, (), webhook_secret=SECRET, private_key=new_private_key()
    )
    github.create_org("acme", owners=("ann",))
    names = [f"acme/shop-{number}" for number in range(REPOSITORIES)]
    for name in names:
        github.create_repository(name)
    github.install(app, "acme")
    commits = {name: github.push(name, "main", {"a": "a"}, "A change", "ann") for name in names}
    return World(folder=folder, kube=kube, kube_port=0, github=github, app=app, commits=commits)


def _telling(made: World) -> Any:
    """A middleware that notes every request when it comes, and makes it last."""

    @web.middleware
    async def tell(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        at = time.monotonic()
        body = await request.json() if request.can_read_body else {}
        made.asked.append(Asked(at=at, method=request.method, path=request.path, body=body))
        answer = await handler(request)
        await asyncio.sleep(max(0.0, at + made.latency - time.monotonic()))
        return answer

    return tell


def _remembering(made: World) -> Any:
    """A middleware that writes each page of a list once, as long as nothing changes.

    The stand-in looks through all of its objects for every page, which a real server, whose watch
    cache is sorted, does not: for forty thousand objects that is longer than the product takes.
    """
    pages: dict[tuple[str, int], bytes] = {}

    @web.middleware
    async def remember(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        page = (request.path_qs, made.kube.store.version)
        if "limit" not in request.query:
            return await handler(request)
        if page in pages:
            return web.Response(body=pages[page], content_type="application/json")
        answer = await handler(request)
        if answer.status != 200 or not isinstance(answer, web.Response):
            return answer
        if isinstance(answer.body, bytes):
            pages[page] = answer.body
        return answer

    return remember


async def _serve(
    stack: contextlib.AsyncExitStack, app: web.Application, tls: ssl.SSLContext | None
) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening, ssl_context=tls).start()
    return int(listening.getsockname()[1])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _service_account(mount: Path) -> ssl.SSLContext:
    """What a kubelet mounts into a pod; returns what the API server shows."""
    mount.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = _certificate(key).public_bytes(serialization.Encoding.PEM)
    (mount / "token").write_text(TOKEN)
    (mount / "namespace").write_text("checkrail")
    (mount / "ca.crt").write_bytes(certificate)
    (mount / "server.pem").write_bytes(private + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(mount / "server.pem")
    return context


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
