"""An Enterprise Server: below /api/v3, with a private CA, no limits, and perhaps behind a proxy.

Its name exists nowhere but in the proxy, so what arrives there cannot have come another way. Which
proxy the environment means is in tests/core/test_proxy.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ghapp import settings
from ghapp.app import clients
from ghapp.core.model import Repository
from ghapp.demo.github import App, GitHub
from ghapp.demo.github.limits import OFF
from ghapp.errors import ConfigError, Retry
from ghapp.github import GitHubClient
from ghapp.github.absent import AbsentGitHub
from ghapp.github.apps import CA, PRIVATE_KEY, Apps
from ghapp.github.deliveries import Sweep
from ghapp.github.session import Ways, open_session
from ghapp.github.token_client import TokenClient
from ghapp.http import utc_now
from ghapp.secret import Secret
from ghapp.setup.command import Keeper
from ghapp.setup.wish import Wish
from tests.setup_rig import Answer, Flow, playing, wished

HOST = "git.acme.example"
SHOP = Repository(host=HOST, owner="acme", name="shop")


# --- the parts ------------------------------------------------------------------------------------


@dataclass
class Authority:
    """A CA that no system knows, and what it signed for `HOST`."""

    ca: str
    server: ssl.SSLContext


def authority(folder: Path) -> Authority:
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Acme CA")])
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, authority=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    certificate = _certificate(name, ca_name, key.public_key(), ca_key, authority=False)
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return Authority(ca.public_bytes(serialization.Encoding.PEM).decode(), context)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


@dataclass
class Proxy:
    """Knows one host, tunnels to it and passes on to it; keeps what it was asked."""

    target: int
    status: int = 200
    url: str = ""
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """`Proxy-Authorization`, where it was given."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            await self._answer(head, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # one side has gone
        finally:
            writer.close()

    async def _answer(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, target, _ = head.split(" ", 2)
        self.asked.append(f"{method} {target}")
        for line in head.splitlines():
            if line.lower().startswith("proxy-authorization:"):
                self.said.append(line.partition(":")[2].strip())
        if self.status != 200:
            writer.write(f"HTTP/1.1 {self.status} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = target.partition("://")[2].partition("/")[2]
            far_writer.write(head.replace(target, f"/{path}", 1).encode())
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, far_writer))
            group.create_task(_pass_on(far_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@dataclass
class Server:
    """An Enterprise Server with an App in it, and the proxy that leads there."""

    github: GitHub
    app: App
    authority: Authority
    proxy: Proxy
    port: int

    @contextlib.asynccontextmanager
    async def client(
        self, *, ca: str = "", proxy: str | None = None
    ) -> AsyncIterator[GitHubClient]:
        url = Secret(proxy) if proxy else None
        async with open_session(ca=ca, proxy=url) as session:
            client = GitHubClient(
                session,
                api_url=self.github.base_url,
                app=str(self.app.id),
                key=Secret(self.app.private_key),
                clock=utc_now,
                timeout=10,
            )
            yield client
            await client.close()


@contextlib.asynccontextmanager
async def enterprise(folder: Path, private_key: str, *, tls: bool = True) -> AsyncIterator[Server]:
    known = authority(folder)
    scheme = "https" if tls else "http"
    github = GitHub(
        base_url=f"{scheme}://{HOST}/api/v3",
        web_url=f"{scheme}://{HOST}",
        limits=OFF,
        stateless_tokens=False,
    )
    github.create_org("acme", owners=("ann",))
    github.create_repository("acme/shop")
    app = github.create_app("checkrail", {"checks": "write"}, private_key=private_key)
    github.install(app, "acme")
    runner = web.AppRunner(github.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=known.server if tls else None).start()
    port = runner.addresses[0][1]
    proxy = Proxy(target=port)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield Server(github, app, known, proxy, port)
    finally:
        listening.close()
        await runner.cleanup()


@pytest.fixture
async def server(tmp_path: Path, github_private_key: str) -> AsyncIterator[Server]:
    async with enterprise(tmp_path, github_private_key) as one:
        yield one


async def told(server: Server, client: GitHubClient) -> None:
    """A check goes from beginning to end."""
    sha = server.github.repository("acme/shop").git.refs["refs/heads/main"]
    runs = "/repos/acme/shop/check-runs"
    made = await client.request("POST", runs, {"name": "x", "head_sha": sha}, repository=SHOP)
    done = {"status": "completed", "conclusion": "success"}
    await client.request("PATCH", f"{runs}/{made['id']}", done, repository=SHOP)
    (run,) = server.github.check_runs("acme/shop", sha)
    assert run.conclusion == "success"


# --- the server -----------------------------------------------------------------------------------


async def test_a_check_is_told_below_api_v3_with_a_private_ca(server: Server) -> None:
    async with server.client(ca=server.authority.ca, proxy=server.proxy.url) as client:
        assert client.serves(SHOP)
        assert not client.serves(Repository(host="github.com", owner="acme", name="shop"))
        await told(server, client)
        (token,) = server.github.world.tokens.values()
        assert len(token.value) == 40, "the old form of tokens serves as well"


async def test_where_nothing_is_limited_nothing_is_held_back(server: Server) -> None:
    async with server.client(ca=server.authority.ca, proxy=server.proxy.url) as client:
        for _ in range(200):
            await client.request("GET", "/repos/acme/shop", repository=SHOP)
        assert client.standings() == {}


async def test_what_it_could_not_deliver_is_fetched_there_too(server: Server) -> None:
    server.github.hooks.drop()
    server.app.webhook_url = "http://127.0.0.1:9/nowhere"
    server.github.hooks.send(server.app, "star", {})
    async with server.client(ca=server.authority.ca, proxy=server.proxy.url) as client:

        async def none(_: object) -> frozenset[str]:
            return frozenset()

        (found,) = await Sweep(client).missed(none, now=utc_now())
        assert found.event == "star"


async def test_without_its_ca_it_is_not_trusted_and_the_setting_is_named(server: Server) -> None:
    async with server.client(proxy=server.proxy.url) as client:
        with pytest.raises(Retry, match="CHECKRAIL_GITHUB_CA_FILE") as caught:
            await client.identify()
    assert "certificate verify failed" in caught.value.reason
    assert not caught.value.uncertain


async def test_what_the_system_trusts_is_trusted_still() -> None:
    async with open_session(ca=authority_pem()) as session:
        trusted = session.connector._ssl.get_ca_certs()  # type: ignore[union-attr]
    system = ssl.create_default_context().get_ca_certs()
    assert len(trusted) == len(system) + 1


def authority_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Acme CA")])
    certificate = _certificate(name, name, key.public_key(), key, authority=True)
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


# --- the proxy ------------------------------------------------------------------------------------


async def test_all_of_it_goes_through_the_proxy_s_tunnel(server: Server) -> None:
    url = server.proxy.url.replace("://", "://us:p%40ss@")
    async with server.client(ca=server.authority.ca, proxy=url) as client:
        await told(server, client)
    assert set(server.proxy.asked) == {f"CONNECT {HOST}:443"}
    assert set(server.proxy.said) == {"Basic " + base64.b64encode(b"us:p@ss").decode()}


async def test_without_tls_the_proxy_passes_it_on(tmp_path: Path, github_private_key: str) -> None:
    async with (
        enterprise(tmp_path, github_private_key, tls=False) as server,
        server.client(proxy=server.proxy.url) as client,
    ):
        await told(server, client)
        assert f"GET http://{HOST}/api/v3/repos/acme/shop/installation" in server.proxy.asked


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_is_named_and_nothing_was_done(
    server: Server, status: int
) -> None:
    server.proxy.status = status
    async with server.client(ca=server.authority.ca, proxy=server.proxy.url) as client:
        with pytest.raises(Retry, match=f"the proxy answered {status}") as caught:
            await client.request("POST", "/app", {}, repository=None)
    assert not caught.value.uncertain


async def test_a_proxy_that_is_away_is_waited_for(server: Server, unused_tcp_port: int) -> None:
    url = f"http://us:secret@127.0.0.1:{unused_tcp_port}"
    async with server.client(ca=server.authority.ca, proxy=url) as client:
        with pytest.raises(Retry, match="cannot be reached") as caught:
            await client.identify()
    assert str(unused_tcp_port) in caught.value.reason
    assert "secret" not in caught.value.reason


# --- as it is set ---------------------------------------------------------------------------------


async def test_the_product_is_set_up_by_its_environment(server: Server, tmp_path: Path) -> None:
    ca, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    ca.write_text(server.authority.ca)
    key.write_text(server.app.private_key)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    chosen = settings.read(
        {
            "KUBECONFIG": str(kubeconfig),
            "HTTPS_PROXY": server.proxy.url,
            "CHECKRAIL_GITHUB_API_URL": server.github.base_url,
            "CHECKRAIL_GITHUB_APP_ID": server.app.client_id,
            "CHECKRAIL_GITHUB_PRIVATE_KEY_FILE": str(key),
            "CHECKRAIL_GITHUB_WEBHOOK_SECRET": "secret",
            "CHECKRAIL_GITHUB_CA_FILE": str(ca),
        }
    )
    async with clients(chosen) as (_, github):
        assert github is not None
        assert await github.identify() == server.app.id


@pytest.fixture
async def ways(server: Server, tmp_path: Path) -> AsyncIterator[Ways]:
    """As the environment sets them up where it has no App."""
    ca = tmp_path / "ca.pem"
    ca.write_text(server.authority.ca)
    chosen = settings.read(
        {
            "HTTPS_PROXY": server.proxy.url,
            "CHECKRAIL_GITHUB_API_URL": server.github.base_url,
            "CHECKRAIL_GITHUB_CA_FILE": str(ca),
        }
    )
    assert chosen.github is None
    ways = Ways(environ=chosen.environ, home=chosen.github_url, ca=chosen.github_ca)
    yield ways
    await ways.close()


async def test_a_status_by_token_goes_by_the_proxy_and_trusts_the_ca(
    server: Server, ways: Ways
) -> None:
    sha = server.github.repository("acme/shop").git.refs["refs/heads/main"]
    client = TokenClient(
        ways.shared(server.github.base_url),
        api_url=server.github.base_url,
        token=Secret(server.github.create_user_token("ann")),
        clock=utc_now,
        timeout=10,
    )
    path = f"/repos/acme/shop/statuses/{sha}"
    await client.request("POST", path, {"state": "success"}, repository=SHOP)
    assert server.proxy.asked == [f"CONNECT {HOST}:443"]


@pytest.mark.parametrize("own_ca", [False, True])
async def test_a_declared_app_goes_by_the_proxy(server: Server, ways: Ways, own_ca: bool) -> None:
    def make(session: aiohttp.ClientSession, api_url: str, app: str, key: Secret) -> GitHubClient:
        return GitHubClient(session, api_url=api_url, app=app, key=key, clock=utc_now, timeout=10)

    if own_ca:
        ways.ca = ""
    apps = Apps(AbsentGitHub(), make, ways)
    credentials = {PRIVATE_KEY: Secret(server.app.private_key)}
    credentials |= {CA: Secret(server.authority.ca)} if own_ca else {}
    github = apps.declare(
        "clusterprovider/ghe",
        api_url=server.github.base_url,
        app=str(server.app.id),
        credentials=credentials,
    )
    assert await github.identify() == server.app.id
    assert server.proxy.asked == [f"CONNECT {HOST}:443"]
    await apps.close()


async def test_each_address_has_its_own_way() -> None:
    ca = authority_pem()
    home = "https://git.acme.example/api/v3"
    environ = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "direct.example"}
    ways = Ways(environ=environ, home=home, ca=ca)
    try:
        session = ways.shared(home)
        assert ways.shared("https://git.acme.example:443/other") is session
        dotcom = ways.shared("https://api.github.com")
        assert ways.shared("https://elsewhere.example/api/v3") is dotcom is not session
        direct = ways.shared("https://direct.example/api/v3")
        assert ways.shared("https://git.direct.example") is direct is not dotcom
        assert ways.shared("http://elsewhere.example") is direct
        own = ways.open("https://api.github.com")
        assert own is not dotcom
        await own.close()
    finally:
        await ways.close()


@pytest.mark.parametrize(
    ("proxy", "url", "said"),
    [
        ("socks5://us:pass@proxy:1080", "https://api.github.com", "HTTPS_PROXY: not an http"),
        ("http://proxy:3128", "https://git.acme.example:99999", "git.acme.example:99999: Port"),
    ],
)
async def test_a_way_that_is_none_is_a_mistake(proxy: str, url: str, said: str) -> None:
    ways = Ways(environ={"https_proxy": proxy})
    with pytest.raises(ConfigError, match=said) as caught:
        ways.open(url)
    assert "pass" not in str(caught.value)


def way_there(server: Server, folder: Path) -> dict[str, str]:
    """The settings that say how the server is reached."""
    ca = folder / "ca.pem"
    ca.write_text(server.authority.ca)
    return {"HTTPS_PROXY": server.proxy.url, "CHECKRAIL_GITHUB_CA_FILE": str(ca)}


def an_app(server: Server) -> Wish:
    wanted = wished(server.github, api_url=server.github.base_url)
    return replace(wanted, github=server.github.world.web_url)


def keeper(folder: Path, environ: dict[str, str]) -> Keeper:
    return Keeper(environ=environ, output=str(folder), to_cluster="", force=False)


async def clicked(server: Server, flow: Flow) -> Answer:
    """Both clicks: the person's browser has its own way to GitHub."""
    page = await flow.get(flow.url)
    url = Secret(server.proxy.url)
    async with open_session(ca=server.authority.ca, proxy=url) as far:
        github = Flow(flow.task, flow.said, far)
        answer = await github.submit(await github.submit(page), follow=False)
    return await flow.get(str(answer.headers["Location"]))


async def test_an_app_is_made_and_its_secret_rotated_on_the_way_that_the_product_takes(
    server: Server, tmp_path: Path
) -> None:
    wanted = an_app(server)
    ours = keeper(tmp_path, way_there(server, tmp_path))
    async with playing(lambda tell: ours.register(wanted, port=0, tell=tell)) as flow:
        answer = await clicked(server, flow)
        assert answer.status == 200, answer.text
        await flow.task
    (app,) = (app for app in server.github.world.apps.values() if app.name == wanted.name)
    before = app.webhook_secret
    await ours.renew(tell=flow.said.append)
    await ours.announce(tell=flow.said.append)
    kept = (tmp_path / "github" / "webhook-secret").read_text().split()
    assert kept == [app.webhook_secret, before]
    assert app.webhook_secret != before


async def test_without_the_ca_the_setting_is_named_and_the_code_is_good_still(
    server: Server, tmp_path: Path
) -> None:
    wanted = an_app(server)
    ours = keeper(tmp_path, {"HTTPS_PROXY": server.proxy.url})
    async with playing(lambda tell: ours.register(wanted, port=0, tell=tell)) as flow:
        answer = await clicked(server, flow)
    assert answer.status == 502
    assert "CHECKRAIL_GITHUB_CA_FILE" in flow.everything
    assert "reload this page to ask again" in flow.everything
    (code,) = server.github.world.manifest_codes
    assert code not in flow.everything


async def test_a_wrong_way_is_a_mistake_before_an_app_is_made(
    server: Server, tmp_path: Path
) -> None:
    wanted = an_app(server)
    environ = {"HTTPS_PROXY": "ftp://us:word@x", "CHECKRAIL_GITHUB_CA_FILE": "/nowhere"}
    with pytest.raises(ConfigError) as caught:
        await keeper(tmp_path, environ).register(wanted, port=0, tell=print)
    assert len(caught.value.mistakes) == 2
    assert "word" not in str(caught.value)


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: x
clusters: [{name: x, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: x, user: {token: x}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not readable"),
        (b"", "is empty"),
        (b"\xff", "is not a text file"),
        (b"hello", "has no CA certificates in PEM in it"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "has no CA"),
    ],
)
def test_a_file_that_holds_no_ca_is_a_mistake_in_the_settings(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        settings.read({"CHECKRAIL_GITHUB_CA_FILE": str(file)})
    assert str(caught.value).startswith(f"CHECKRAIL_GITHUB_CA_FILE: {file}")
