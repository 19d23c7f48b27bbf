"""Where the cluster is and who we are there: mounted files, kubeconfigs, and their rotation.

Servers and certificates are real, on loopback. Left to others: requests (test_kube).
"""

import base64
import datetime as dt
import ipaddress
import json
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ghapp.engine.kube import KubeClient, Times, open_session
from ghapp.engine.kube_account import ServiceAccount, in_cluster
from ghapp.engine.kube_config import KubeconfigLogin, load
from ghapp.engine.kube_identity import Connection
from ghapp.errors import ConfigError, Retry
from tests.engine.kube_rig import RUNS

# --- certificates -------------------------------------------------------------------------------

Key = ec.EllipticCurvePrivateKey


def certificate(name: str, key: Key, issuer: str, signer: Key, *, authority: bool = False) -> bytes:
    """A certificate for 127.0.0.1, as PEM; without the key identifiers that Python 3.13 wants."""
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("kube.internal")]
            ),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Pki:
    """A CA, a server and a client, as files."""

    def __init__(self, folder: Path) -> None:
        ca, server, client = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.ca, self.server, self.client = folder / "ca.crt", folder / "tls.pem", folder / "me.crt"
        self.client_key = folder / "me.key"
        self.ca.write_bytes(certificate("test ca", ca, "test ca", ca, authority=True))
        self.server.write_bytes(pem(server) + certificate("kube", server, "test ca", ca))
        self.client.write_bytes(certificate("me", client, "test ca", ca))
        self.client_key.write_bytes(pem(client))

    def server_context(self, *, wants_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        context.load_cert_chain(self.server)
        context.verify_mode = ssl.CERT_REQUIRED if wants_certificate else ssl.CERT_NONE
        return context


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


Connect = Callable[[str], Awaitable[Connection]]
"""The server's address to a connection."""


async def who_am_i(
    connect: Connect, *, tls: ssl.SSLContext | None = None, refused: str = ""
) -> str:
    """What a server hears of who connects: the Authorization header, the certificate's name."""

    async def answer(request: web.Request) -> web.Response:
        said = request.headers.get("Authorization", "nobody")
        assert request.transport is not None
        subject = (request.transport.get_extra_info("peercert") or {}).get("subject", ())
        names = [value for part in subject for key, value in part if key == "commonName"]
        return web.json_response({"who": [said, *names]}, status=401 if said == refused else 200)

    app = web.Application()
    app.router.add_get(RUNS.path("ci", "a"), answer)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    try:
        connection = await connect(str(server.make_url("")).rstrip("/"))
        async with open_session() as session:
            client = KubeClient(session=session, connection=connection, times=Times(request=5))
            return " ".join((await client.get(RUNS, "ci", "a"))["who"])
    finally:
        await server.close()


def kubeconfig(
    path: Path, server: str, user: dict[str, Any], *, cluster: dict[str, Any] | None = None
) -> Path:
    """A kubeconfig with one context; JSON is YAML."""
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [
                    {
                        "name": "here",
                        "context": {"cluster": "c", "user": "u", "namespace": "builds"},
                    }
                ],
                "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
                "users": [{"name": "u", "user": user}],
            }
        )
    )
    return path


def by_kubeconfig(path: Path, user: dict[str, Any], **cluster: Any) -> Connect:
    """Connects as the user of a kubeconfig that is written once the address is known."""

    async def connect(url: str) -> Connection:
        return await load({"KUBECONFIG": str(kubeconfig(path, url, user, cluster=cluster))})

    return connect


# --- inside a cluster ---------------------------------------------------------------------------


@pytest.fixture
def mount(tmp_path: Path, pki: Pki) -> Path:
    """What the kubelet mounts: links into a folder that is swapped as a whole."""
    (tmp_path / "..first").mkdir()
    (tmp_path / "..first" / "token").write_text("first\n")
    (tmp_path / "..data").symlink_to("..first")
    (tmp_path / "token").symlink_to("..data/token")
    (tmp_path / "ca.crt").write_bytes(pki.ca.read_bytes())
    (tmp_path / "namespace").write_text("checkrail\n")
    return tmp_path


def rotate(mount: Path, token: str) -> None:
    """As the kubelet does it."""
    folder = mount / f"..{token}"
    folder.mkdir()
    (folder / "token").write_text(token)
    (mount / "..new").symlink_to(folder.name)
    (mount / "..new").rename(mount / "..data")


def in_pod(host: str, port: str = "6443") -> dict[str, str]:
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.96.0.1", "https://10.96.0.1:6443"),
        ("fd00:10:96::1", "https://[fd00:10:96::1]:6443"),
        ("kubernetes.default.svc", "https://kubernetes.default.svc:6443"),
    ],
)
def test_the_address_comes_from_the_environment(mount: Path, host: str, url: str) -> None:
    connection = in_cluster(in_pod(host), mount)
    assert connection.base_url == url
    assert connection.namespace == "checkrail"


async def test_a_pod_speaks_with_its_token_and_trusts_only_the_clusters_ca(
    mount: Path, pki: Pki
) -> None:
    async def connect(url: str) -> Connection:
        return in_cluster(in_pod("127.0.0.1", url.rpartition(":")[2]), mount)

    assert await who_am_i(connect, tls=pki.server_context()) == "Bearer first"
    (mount / "ca.crt").write_bytes(Pki(mount).ca.read_bytes())
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        await who_am_i(connect, tls=pki.server_context())


async def test_a_rotated_token_is_seen_by_the_next_request(mount: Path) -> None:
    account = ServiceAccount(mount)
    before = await account.identity()
    assert await account.identity() is before
    rotate(mount, "second")
    assert (await account.identity()).headers == {"Authorization": "Bearer second"}


async def test_a_rejected_token_is_read_again_even_if_the_file_looks_the_same(mount: Path) -> None:
    account = ServiceAccount(mount)
    before = await account.identity()
    after = await account.identity(rejected=before)
    assert after is not before
    assert await account.identity(rejected=before) is after


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_pod_without_a_service_account_is_told_what_to_do(mount: Path, name: str) -> None:
    (mount / name).unlink()
    with pytest.raises(ConfigError, match="automountServiceAccountToken"):
        in_cluster(in_pod("10.96.0.1"), mount)


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_an_empty_file_is_a_mistake_not_a_crash(mount: Path, name: str) -> None:
    (mount / name).write_bytes(b"")
    with pytest.raises(ConfigError, match="service account"):
        in_cluster(in_pod("10.96.0.1"), mount)


async def test_load_takes_the_service_account_in_a_pod_without_a_kubeconfig() -> None:
    with pytest.raises(ConfigError, match=r"serviceaccount.*automountServiceAccountToken"):
        await load(in_pod("10.96.0.1"))


def test_a_token_is_never_printed(mount: Path) -> None:
    connection = in_cluster(in_pod("10.96.0.1"), mount)
    assert "first" not in repr(ServiceAccount(mount).read())
    assert "first" not in repr(connection)


# --- by kubeconfig ------------------------------------------------------------------------------


async def test_a_kubeconfig_with_a_token(tmp_path: Path) -> None:
    assert await who_am_i(by_kubeconfig(tmp_path / "c", {"token": "t0k3n"})) == "Bearer t0k3n"


async def test_a_kubeconfig_with_a_password(tmp_path: Path) -> None:
    connect = by_kubeconfig(tmp_path / "c", {"username": "u", "password": "p"})
    assert await who_am_i(connect) == f"Basic {base64.b64encode(b'u:p').decode()}"


async def test_a_kubeconfig_without_credentials(tmp_path: Path) -> None:
    assert await who_am_i(by_kubeconfig(tmp_path / "c", {})) == "nobody"


async def test_namespace_and_path_prefix_are_the_kubeconfigs(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "c", "http://127.0.0.1:8080/kube/", {})
    connection = await load({"KUBECONFIG": str(path)})
    assert connection.base_url == "http://127.0.0.1:8080/kube"
    assert connection.namespace == "builds"
    assert connection.proxy is None


async def test_a_proxy_and_a_server_name_are_passed_on(tmp_path: Path) -> None:
    more = {"proxy-url": "http://proxy:3128", "tls-server-name": "kube.internal"}
    path = kubeconfig(tmp_path / "c", "http://127.0.0.1:1", {}, cluster=more)
    connection = await load({"KUBECONFIG": str(path)})
    assert connection.proxy == "http://proxy:3128"
    assert connection.server_hostname == "kube.internal"


async def test_a_client_certificate_is_presented(tmp_path: Path, pki: Pki) -> None:
    user = {"client-certificate": str(pki.client), "client-key": str(pki.client_key)}
    connect = by_kubeconfig(tmp_path / "c", user, **{"certificate-authority": str(pki.ca)})
    assert await who_am_i(connect, tls=pki.server_context(wants_certificate=True)) == "nobody me"


async def test_certificates_may_be_inline_and_the_server_called_by_another_name(
    tmp_path: Path, pki: Pki
) -> None:
    user = {"client-certificate-data": b64(pki.client), "client-key-data": b64(pki.client_key)}
    cluster = {"certificate-authority-data": b64(pki.ca), "tls-server-name": "kube.internal"}
    connect = by_kubeconfig(tmp_path / "c", user, **cluster)
    assert await who_am_i(connect, tls=pki.server_context(wants_certificate=True)) == "nobody me"


def b64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


async def test_an_unknown_authority_is_refused_unless_the_kubeconfig_says_otherwise(
    tmp_path: Path, pki: Pki
) -> None:
    strict = by_kubeconfig(tmp_path / "strict", {"token": "t"})
    lax = by_kubeconfig(tmp_path / "lax", {"token": "t"}, **{"insecure-skip-tls-verify": True})
    with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
        await who_am_i(strict, tls=pki.server_context())
    assert await who_am_i(lax, tls=pki.server_context()) == "Bearer t"


async def test_several_files_are_one_and_absent_ones_are_passed_over(tmp_path: Path) -> None:
    users = kubeconfig(tmp_path / "users", "http://127.0.0.1:1", {"token": "t"})
    clusters = kubeconfig(tmp_path / "clusters", "http://127.0.0.1:2", {})
    whole = json.loads(users.read_text())
    users.write_text(json.dumps(whole | {"clusters": None}))
    joined = f"{tmp_path / 'absent'}:{users}::{clusters}"
    connection = await load({"KUBECONFIG": joined})
    assert connection.base_url == "http://127.0.0.1:2"
    assert (await connection.credentials.identity()).headers == {"Authorization": "Bearer t"}


async def test_a_kubeconfig_wins_over_the_pod_and_home_comes_last(tmp_path: Path) -> None:
    chosen = kubeconfig(tmp_path / "chosen", "http://127.0.0.1:1", {})
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", "http://127.0.0.1:2", {})
    home = {"HOME": str(tmp_path)}
    both = await load({**home, **in_pod("10.96.0.1"), "KUBECONFIG": str(chosen)})
    assert both.base_url == "http://127.0.0.1:1"
    assert (await load(home)).base_url == "http://127.0.0.1:2"
    with pytest.raises(ConfigError, match="service account"):
        await load({**home, **in_pod("10.96.0.1")})


# --- what changes and expires -------------------------------------------------------------------


async def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    user = {"tokenFile": str(tmp_path / "token")}
    now = [1000.0]
    login = KubeconfigLogin(
        (kubeconfig(tmp_path / "c", "http://127.0.0.1:1", user),), clock=lambda: now[0]
    )
    assert (await login.identity()).headers == {"Authorization": "Bearer first"}
    (tmp_path / "token").write_text("second\n")
    assert (await login.identity()).headers == {"Authorization": "Bearer first"}
    now[0] += 61
    assert (await login.identity()).headers == {"Authorization": "Bearer second"}


PLUGIN = """
import json, os, pathlib, sys
runs = pathlib.Path(sys.argv[1])
count = len(runs.read_text()) + 1 if runs.exists() else 1
runs.write_text("x" * count)
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
status = {"token": f"token-{count}"}
if len(sys.argv) > 2:
    status["expirationTimestamp"] = sys.argv[2]
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


def plugin(folder: Path, *more: str, script: str = PLUGIN) -> dict[str, Any]:
    """A user whose token comes from a program, which counts its runs."""
    (folder / "plugin.py").write_text(script)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(folder / "plugin.py"), str(folder / "runs"), *more],
            "interactiveMode": "Never",
        }
    }


async def test_an_exec_plugin_is_asked_once_and_again_when_its_token_is_refused(
    tmp_path: Path,
) -> None:
    connect = by_kubeconfig(tmp_path / "c", plugin(tmp_path))
    assert await who_am_i(connect) == "Bearer token-1"
    assert await who_am_i(connect, refused="Bearer token-2") == "Bearer token-3"


async def test_an_exec_plugin_is_asked_again_before_its_token_expires(tmp_path: Path) -> None:
    user = plugin(tmp_path, "2030-01-01T00:10:00Z")
    path = kubeconfig(tmp_path / "c", "http://127.0.0.1:1", user)
    now = [dt.datetime(2030, 1, 1, tzinfo=dt.UTC).timestamp()]
    login = KubeconfigLogin((path,), clock=lambda: now[0])
    tokens = []
    for seconds in (0, 500, 45):
        now[0] += seconds
        tokens.append((await login.identity()).headers["Authorization"])
    assert tokens == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def test_a_jwt_is_renewed_before_the_time_that_it_names_itself(tmp_path: Path) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 2000}).encode()).decode().rstrip("=")
    user = {"token": f"e30.{claims}.c2ln"}
    path = kubeconfig(tmp_path / "c", "http://127.0.0.1:1", user)
    now = [1000.0]
    login = KubeconfigLogin((path,), clock=lambda: now[0])
    first = await login.identity()
    now[0] = 1930
    assert await login.identity() is first
    now[0] = 1941
    assert await login.identity() is not first


async def test_a_token_that_only_looks_like_a_jwt_is_just_a_token(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "c", "http://127.0.0.1:1", {"token": "a.%%%.c"})
    login = KubeconfigLogin((path,), clock=lambda: 0.0)
    assert (await login.identity()).headers == {"Authorization": "Bearer a.%%%.c"}


# --- mistakes -----------------------------------------------------------------------------------


async def test_nothing_to_connect_to_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no cluster.*set KUBECONFIG"):
        await load({"HOME": str(tmp_path)})


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"KUBECONFIG: .*absent: no such file"):
        await load({"KUBECONFIG": str(tmp_path / "absent")})


def document(**cluster: Any) -> str:
    """A kubeconfig without a user."""
    return json.dumps(
        {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
        }
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "\x00",
        "a: b",
        "current-context: here",
        '{"current-context": "x", "contexts": [{"name": "x"}], "clusters": [], "users": []}',
        '{"current-context": "x", "contexts": 7}',
        document(server="kube.example"),
        document(server=7),
        document(),
    ],
)
async def test_a_kubeconfig_of_no_use_is_named_whatever_is_in_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "c").write_text(text)
    with pytest.raises(ConfigError, match=f"{tmp_path / 'c'}: "):
        await load({"KUBECONFIG": str(tmp_path / "c")})


@pytest.mark.parametrize(
    "script", ["print('{}')", "import sys; sys.exit('no login')", "print(1/0)"]
)
async def test_a_plugin_that_fails_is_a_mistake_with_its_reason(
    tmp_path: Path, script: str
) -> None:
    user = plugin(tmp_path, script=script)
    path = kubeconfig(tmp_path / "c", "http://127.0.0.1:1", user)
    with pytest.raises(ConfigError, match="exec: "):
        await load({"KUBECONFIG": str(path)})


async def test_no_mistake_shows_a_token(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "c", "http://127.0.0.1:1", {})
    odd = json.loads(path.read_text()) | {"users": [{"name": "u", "token": "s3cret"}]}
    path.write_text(json.dumps(odd))
    with pytest.raises(ConfigError) as caught:
        await load({"KUBECONFIG": str(path)})
    assert "s3cret" not in str(caught.value)


async def test_a_certificate_of_no_use_is_a_mistake(tmp_path: Path, pki: Pki) -> None:
    (tmp_path / "odd").write_text("not a certificate")
    user = {"client-certificate": str(tmp_path / "odd"), "client-key": str(pki.client_key)}
    path = kubeconfig(tmp_path / "c", "https://127.0.0.1:1", user)
    with pytest.raises(ConfigError, match="certificates"):
        await load({"KUBECONFIG": str(path)})


def test_the_kubernetes_library_is_not_imported_inside_a_cluster() -> None:
    program = "import sys, ghapp.engine.kube_follow; print('kubernetes_asyncio' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert said.stdout.strip() == "False"
