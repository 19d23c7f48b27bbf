"""`checkrail setup`, end to end on loopback: the page, the clicks, the code, and what is kept.

The GitHub stand-in plays GitHub's pages; every answer of its API is held against GitHub's own
description. How it looks, and a real browser, is tests/browser/test_setup_page.py.
"""

import asyncio
import base64
import errno
import json
import os
import re
import shutil
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from ruamel.yaml import YAML

from ghapp import app_manifest, discovery, settings
from ghapp.demo.github import App, GitHub, Kind
from ghapp.demo.kube import KubeApi
from ghapp.engine.kube import KubeClient
from ghapp.engine.kube import open_session as open_kube_session
from ghapp.engine.kube_identity import Connection, Fixed, Identity
from ghapp.errors import CheckrailError, ConfigError
from ghapp.http import open_session
from ghapp.secret import Secret
from ghapp.setup.cluster_secret import ClusterSecret, Stdout
from ghapp.setup.command import Keeper
from ghapp.setup.places import Folder
from ghapp.setup.rotation import announce, renew
from ghapp.setup.wish import wish
from tests.process import ROOT
from tests.setup_rig import WEBHOOK, Flow, begun, form, playing, query, wished
from tests.world import until, world

NAMESPACE, NAME = "checkrail", "checkrail-github"


@pytest.fixture
async def kube() -> AsyncIterator[tuple[KubeApi, KubeClient]]:
    """A cluster with a namespace, and our client there."""
    api = KubeApi()
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    async with TestServer(api.app()) as server, open_kube_session() as session:
        url = str(server.make_url("/")).rstrip("/")
        connection = Connection(base_url=url, credentials=Fixed(Identity(headers={})))
        yield api, KubeClient(session=session, connection=connection)


def the_app(github: GitHub) -> App:
    (only,) = github.world.apps.values()
    return only


async def played(flow: Flow) -> str:
    """Both clicks and the way back; the last page."""
    answer = await flow.get(await flow.back())
    assert answer.status == 200, answer.text
    await flow.task
    return answer.text


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- all goes well ------------------------------------------------------------------------------


async def test_two_clicks_make_an_app_whose_secrets_are_where_the_overlay_looks(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        await played(flow)
    app, folder = the_app(github), tmp_path / "github"
    assert app.owner.login == "octocat"
    assert (folder / "private-key.pem").read_text() == app.private_key
    assert (folder / "webhook-secret").read_text() == f"{app.webhook_secret}\n"
    shipped = Path(__file__).parent.parent / "kustomize/overlays/standalone/github"
    names = {"private-key.pem", "webhook-secret", "app.env"}
    assert {path.name for path in shipped.iterdir()} == names
    assert {path.name for path in folder.iterdir()} == names | {".gitignore"}
    assert {mode(path) for path in folder.iterdir()} == {0o600}


async def test_settings_that_somebody_keeps_beside_the_app_outlive_a_rotation(
    github: GitHub, tmp_path: Path
) -> None:
    place = Folder(path=tmp_path)
    async with begun(wished(github), place) as flow:
        await played(flow)
    env = tmp_path / "github" / "app.env"
    env.write_text(env.read_text() + "# ours\nCHECKRAIL_PUBLIC_URL=https://checkrail.example\n")
    before = env.read_text()
    await place.store(await place.load())
    assert env.read_text() == before


async def test_what_is_kept_are_settings_that_the_product_starts_with(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        await played(flow)
    lines = (tmp_path / "github" / "app.env").read_text().splitlines()
    environ = dict(line.split("=", 1) for line in lines)
    files = {"PRIVATE_KEY": "private-key.pem", "WEBHOOK_SECRET": "webhook-secret"}
    for name, file in files.items():
        environ[f"CHECKRAIL_GITHUB_{name}_FILE"] = str(tmp_path / "github" / file)
    read = settings.read(environ).github
    assert read is not None
    assert read.app_id == str(the_app(github).id)
    assert read.api_url == f"{github.base_url}/api/v3"


async def test_the_app_is_what_app_yml_says(github: GitHub, tmp_path: Path) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        await played(flow)
    app = the_app(github)
    asked = app_manifest.base(discovery.sinks())
    assert app.permissions == {name: level for name, (level, _) in asked.items()}
    assert app.events == tuple(app_manifest.EVENTS)
    assert app.webhook_url == WEBHOOK
    assert app.name == "checkrail-test"


async def test_an_organisation_owns_the_app_where_it_is_named(
    github: GitHub, tmp_path: Path
) -> None:
    github.create_org("acme")
    async with begun(wished(github, organization="acme"), Folder(path=tmp_path)) as flow:
        await played(flow)
    assert the_app(github).owner.login == "acme"


async def test_what_to_do_next_is_said_on_the_page_and_in_the_terminal(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        page = await played(flow)
    install = f"{github.world.web_url}/apps/checkrail-test/installations/new"
    for said in (page, flow.everything):
        assert install in said
        assert "checkrail doctor" in said
        assert f"CHECKRAIL_GITHUB_APP_ID={the_app(github).id}" in said


async def test_no_secret_is_on_a_page_or_in_the_terminal(
    github: GitHub, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        page = await played(flow)
    app, printed = the_app(github), "".join(capfd.readouterr())
    assert app.webhook_secret
    key = app.private_key.splitlines()[1]
    for text in (page, flow.everything, printed):
        assert app.webhook_secret not in text
        assert key not in text
        assert app.client_secret not in text


async def test_the_key_goes_into_a_secret_of_the_cluster(
    github: GitHub, kube: tuple[KubeApi, KubeClient]
) -> None:
    api, client = kube
    place = ClusterSecret(kube=client, namespace=NAMESPACE, secret=NAME)
    async with begun(wished(github), place) as flow:
        await played(flow)
    data = api.get("Secret", NAMESPACE, NAME)["data"]
    kept = {key: base64.b64decode(value).decode() for key, value in data.items()}
    app = the_app(github)
    assert kept == {
        "private-key.pem": app.private_key,
        "webhook-secret": f"{app.webhook_secret}\n",
        "app-id": str(app.id),
        "api-url": f"{github.base_url}/api/v3",
    }


async def test_a_secret_as_yaml_is_one_that_a_cluster_takes(github: GitHub) -> None:
    written: list[str] = []
    async with begun(wished(github), Stdout(write=written.append)) as flow:
        await played(flow)
    document = YAML(typ="safe").load("".join(written))
    api = KubeApi()
    created = api.create({**document, "metadata": {"name": NAME, "namespace": "default"}})
    key = base64.b64decode(created["data"]["private-key.pem"]).decode()
    assert key == the_app(github).private_key


async def test_a_webhook_secret_that_github_did_not_make_is_made_by_us(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        back = await flow.back()
        the_app(github).webhook_secret = None
        await flow.get(back)
        await flow.task
    kept = (tmp_path / "github" / "webhook-secret").read_text().strip()
    assert len(kept) == 64
    assert the_app(github).webhook_secret == kept


BRIEF = (0.0, 0.0, 0.0)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_secret_that_github_does_not_take_at_once_is_offered_again(
    github: GitHub, tmp_path: Path, times: int
) -> None:
    fault = github.faults.add(Kind.STATUS, path="/app/hook/config$", status=502, times=times)
    async with begun(wished(github), Folder(path=tmp_path), pauses=BRIEF) as flow:
        back = await flow.back()
        the_app(github).webhook_secret = None
        assert (await flow.get(back)).status == 200
        await flow.task
    assert fault.hits == times
    kept = (tmp_path / "github" / "webhook-secret").read_text().strip()
    assert the_app(github).webhook_secret == kept


async def test_where_github_takes_no_secret_the_way_on_is_told_and_works(
    github: GitHub, tmp_path: Path
) -> None:
    folder = tmp_path / "my overlay"
    github.faults.add(Kind.STATUS, path="/app/hook/config$", status=502, times=4)
    async with begun(wished(github), Folder(path=folder), pauses=BRIEF) as flow:
        back = await flow.back()
        app = the_app(github)
        app.webhook_secret = None
        page = await flow.get(back)
        with pytest.raises(CheckrailError, match="GitHub answered 502") as caught:
            await flow.task
    said = str(caught.value)
    assert page.status == 500
    assert f"App id {app.id}, and {folder / 'github'} has its key" in said
    assert f"`checkrail setup --rotate-webhook-secret --output '{folder}'`" in said
    assert (folder / "github" / "private-key.pem").read_text() == app.private_key
    code, _ = await command("--rotate-webhook-secret", "--output", str(folder), says=b"y\n")
    lines = (folder / "github" / "webhook-secret").read_text().splitlines()
    assert (code, the_app(github).webhook_secret) == (0, lines[0])
    assert not [line for line in lines if line in said + page.text]


async def test_where_nothing_is_kept_the_page_that_takes_the_secret_is_named(
    github: GitHub,
) -> None:
    github.faults.add(Kind.STATUS, path="/app/hook/config$", status=502, times=4)
    written: list[str] = []
    async with begun(wished(github), Stdout(write=written.append), pauses=BRIEF) as flow:
        back = await flow.back()
        the_app(github).webhook_secret = None
        await flow.get(back)
        with pytest.raises(CheckrailError, match="/settings/apps/checkrail-test"):
            await flow.task
    assert written


# --- the page -----------------------------------------------------------------------------------


async def test_the_page_asks_where_checkrail_is_where_nobody_said_it(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github, webhook_url=""), Folder(path=tmp_path)) as flow:
        asked = await flow.get(flow.url)
        assert "Where does GitHub reach checkrail?" in asked.text
        wrong = await flow.get(f"{flow.url}?webhook=ftp://x%3Cb%3E")
        assert wrong.status == 400
        assert "ftp://x&lt;b&gt;" in wrong.text
        offered = await flow.get(f"{flow.url}?webhook=https://checkrail.example.org")
        manifest = json.loads(form(offered.text)[1]["manifest"])
    assert manifest["hook_attributes"]["url"] == "https://checkrail.example.org/github/webhook"
    assert manifest["url"] == "https://checkrail.example.org"


async def test_the_page_works_without_a_script_and_allows_none(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        page = await flow.get(flow.url)
    assert "<script" not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"


async def test_under_another_name_there_is_no_page(github: GitHub, tmp_path: Path) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        answer = await flow.get(flow.url, Host="evil.example.com")
    assert answer.status == 421
    assert "manifest" not in answer.text


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["", "wrong", "ümlaut"])
async def test_a_code_with_another_state_is_refused_and_ours_still_works(
    github: GitHub, tmp_path: Path, state: str
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        code = query(await flow.back())["code"]
        forged = await flow.get(f"{flow.url}callback?code={code}&state={state}")
        assert forged.status == 403
        assert not (tmp_path / "github" / "private-key.pem").exists()
        right = query(form((await flow.get(flow.url)).text)[0])["state"]
        assert (await flow.get(f"{flow.url}callback?code={code}&state={right}")).status == 200
        await flow.task
    assert "state differs" in flow.everything


async def test_an_expired_code_is_told_with_what_to_do_and_the_next_one_works(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        back = await flow.back()
        code = query(back)["code"]
        app, made = github.world.manifest_codes[code]
        github.world.manifest_codes[code] = (app, made - 3601)
        answer = await flow.get(back)
        assert answer.status == 502
        assert "within an hour" in answer.text
        assert f"{github.base_url}/settings/apps" in answer.text
        assert code not in flow.everything
        github.world.apps.clear()  # as it says
        await played(flow)


async def test_a_code_that_was_used_already_is_told(github: GitHub, tmp_path: Path) -> None:
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        back = await flow.back()
        github.world.manifest_codes.clear()
        assert (await flow.get(back)).status == 502
    assert "works once" in flow.everything


async def test_an_answer_that_came_twice_is_taken_once(github: GitHub, tmp_path: Path) -> None:
    fault = github.faults.add(Kind.HANG, path="/conversions$")
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        back = await flow.back()
        first = asyncio.create_task(flow.get(back))
        await until(lambda: fault.hits)
        second = await flow.get(back)
        assert (second.status, "taken already" in second.text) == (409, True)
        github.faults.release()
        await first
        await flow.task


async def test_a_github_that_is_down_is_asked_again_by_reloading(
    github: GitHub, tmp_path: Path
) -> None:
    github.faults.add(Kind.STATUS, path="/conversions$", status=503)
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        back = await flow.back()
        answer = await flow.get(back)
        assert (answer.status, "reload this page" in answer.text) == (502, True)
        assert (await flow.get(back)).status == 200
        await flow.task


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"id": "x", "pem": "-----BEGIN"}', b"x" * 2_000_000]
)
async def test_an_answer_that_is_no_app_is_told_without_showing_it(
    github: GitHub, tmp_path: Path, body: bytes
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=201)

    strange = web.Application()
    strange.router.add_post("/app-manifests/{code}/conversions", answer)
    async with TestServer(strange) as server:
        api_url = str(server.make_url("/"))
        async with begun(wished(github, api_url=api_url), Folder(path=tmp_path)) as flow:
            page = await flow.get(await flow.back())
    assert page.status == 502
    assert "BEGIN" not in page.text + flow.everything


async def test_nobody_waits_for_ever(github: GitHub, tmp_path: Path) -> None:
    async with begun(wished(github), Folder(path=tmp_path), patience=0.05) as flow:
        with pytest.raises(CheckrailError, match="within an hour"):
            await flow.task


# --- what is there already ----------------------------------------------------------------------


@pytest.mark.parametrize("file", ["private-key.pem", "webhook-secret"])
async def test_a_key_that_is_there_is_kept_and_nobody_is_asked(
    github: GitHub, tmp_path: Path, file: str
) -> None:
    kept = tmp_path / "github" / file
    kept.parent.mkdir()
    kept.write_text("of another App")
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        with pytest.raises(ConfigError, match="--force"):
            await flow.task
    assert kept.read_text() == "of another App"
    async with begun(wished(github), Folder(path=tmp_path, force=True)) as flow:
        await played(flow)
    assert kept.read_text() != "of another App"
    assert mode(kept) == 0o600


async def test_empty_files_of_the_overlay_are_filled(github: GitHub, tmp_path: Path) -> None:
    (tmp_path / "github").mkdir()
    (tmp_path / "github" / "private-key.pem").touch(mode=0o644)
    (tmp_path / "kustomization.yaml").touch()
    async with begun(wished(github), Folder(path=tmp_path)) as flow:
        await played(flow)
    assert mode(tmp_path / "github" / "private-key.pem") == 0o600
    assert f"kubectl apply -k {tmp_path}" in flow.everything


async def test_a_secret_that_is_there_is_kept_and_only_ours_of_its_keys_are_replaced(
    github: GitHub, kube: tuple[KubeApi, KubeClient]
) -> None:
    api, client = kube
    there = {"private-key.pem": base64.b64encode(b"other").decode(), "more": "YQ=="}
    metadata = {"name": NAME, "namespace": NAMESPACE}
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": there})
    place = ClusterSecret(kube=client, namespace=NAMESPACE, secret=NAME)
    async with begun(wished(github), place) as flow:
        with pytest.raises(ConfigError, match="--force"):
            await flow.task
    assert api.get("Secret", NAMESPACE, NAME)["data"] == there
    forced = ClusterSecret(kube=client, namespace=NAMESPACE, secret=NAME, force=True)
    async with begun(wished(github), forced) as flow:
        await played(flow)
    data = api.get("Secret", NAMESPACE, NAME)["data"]
    assert data["more"] == "YQ=="
    assert base64.b64decode(data["private-key.pem"]).decode() == the_app(github).private_key


async def test_a_namespace_that_is_not_there_is_told_before_an_app_is_made(
    github: GitHub, kube: tuple[KubeApi, KubeClient]
) -> None:
    place = ClusterSecret(kube=kube[1], namespace="nowhere", secret=NAME)
    async with begun(wished(github), place) as flow:
        with pytest.raises(ConfigError, match="kubectl create namespace nowhere"):
            await flow.task


async def test_a_key_that_the_cluster_does_not_take_is_not_lost(
    github: GitHub, kube: tuple[KubeApi, KubeClient]
) -> None:
    api, client = kube
    place = ClusterSecret(kube=client, namespace=NAMESPACE, secret=NAME)
    async with begun(wished(github), place) as flow:
        back = await flow.back()
        api.deny("create", "secrets")
        page = await flow.get(back)
        with pytest.raises(CheckrailError, match="did not take the key") as caught:
            await flow.task
    assert page.status == 500
    named = re.search(r"it is in (\S+), which only you can read", str(caught.value))
    assert named
    folder = Path(named[1])
    try:
        assert (folder / "private-key.pem").read_text() == the_app(github).private_key
        assert mode(folder) == mode(folder.parent) == 0o700
    finally:
        shutil.rmtree(folder.parent)


def only(folder: Path) -> Path:
    """What is in it."""
    (one,) = folder.iterdir()
    return one


def no_room(_: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_key_that_no_folder_takes_ends_the_command_and_is_not_shown(
    github: GitHub, tmp_path: Path
) -> None:
    rescue = tmp_path / "nowhere"
    async with begun(wished(github), Stdout(write=no_room), rescue=rescue) as flow:
        page = await flow.get(await flow.back())
        with pytest.raises(CheckrailError, match="so it is lost; delete the App") as caught:
            await flow.task
    app = the_app(github)
    assert page.status == 500
    assert "No space left on device" in page.text
    assert f"{github.base_url}/settings/apps" in str(caught.value)
    for secret in (app.private_key.splitlines()[1], str(app.webhook_secret)):
        assert secret not in page.text + flow.everything + str(caught.value)


async def test_a_key_in_the_folder_of_last_resort_is_one_that_github_signs_for(
    github: GitHub, tmp_path: Path
) -> None:
    async with begun(wished(github), Stdout(write=no_room), rescue=tmp_path) as flow:
        back = await flow.back()
        the_app(github).webhook_secret = None
        await flow.get(back)
        with pytest.raises(CheckrailError, match="move it to where it belongs"):
            await flow.task
    kept = (only(tmp_path) / "github" / "webhook-secret").read_text().strip()
    assert the_app(github).webhook_secret == kept


# --- the command ---------------------------------------------------------------------------------


async def test_the_command_finds_the_cluster_by_its_kubeconfig_and_rotates_there_later(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        w.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        keeper = Keeper(
            environ=w.settings().environ,
            output=".",
            to_cluster=f"{NAMESPACE}/{NAME}",
            force=False,
        )
        wanted = wished(w.github, organization="acme", name="")
        async with playing(lambda tell: keeper.register(wanted, port=0, tell=tell)) as flow:
            await played(flow)
        app = next(app for app in w.github.world.apps.values() if app.name == "checkrail-acme")
        before, said = app.webhook_secret, list[str]()
        await keeper.renew(tell=said.append)
        assert app.webhook_secret == before
        await keeper.announce(tell=said.append)
        kept = base64.b64decode(w.kube.get("Secret", NAMESPACE, NAME)["data"]["webhook-secret"])
    assert kept.decode().split() == [app.webhook_secret, before]
    assert app.webhook_secret != before
    assert str(app.webhook_secret) not in "".join(said)


async def command(*arguments: str, says: bytes = b"") -> tuple[int, str]:
    """Runs `checkrail setup` as a process; exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ghapp", "setup", *arguments),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(40):
        said, _ = await process.communicate(says)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_github_is_told_of_a_new_secret_when_a_person_says_so(
    github: GitHub, tmp_path: Path
) -> None:
    app = await filled(Folder(path=tmp_path), github)
    before = app.webhook_secret
    options = ("--rotate-webhook-secret", "--output", str(tmp_path))
    code, said = await command(*options, says=b"n\n")
    assert (code, "GitHub was not told" in said, app.webhook_secret) == (0, True, before)
    code, said = await command(*options)  # nobody there to ask
    assert (code, app.webhook_secret) == (130, before)
    code, said = await command(*options, says=b"y\n")
    assert (code, "GitHub signs with the new secret" in said) == (0, True)
    lines = (tmp_path / "github" / "webhook-secret").read_text().splitlines()
    assert (lines[0], lines[-1]) == (app.webhook_secret, before)
    assert not [line for line in lines if line in said]


async def test_ctrl_c_ends_the_command_and_says_that_it_is_not_done(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ghapp", "setup", "--port", "0", "--output", str(tmp_path)),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    async with asyncio.timeout(40):
        assert b"Open http://127.0.0.1" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130


# --- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("github_url", "api_url"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://github.com/", "https://api.github.com"),
        ("https://octo.ghe.com", "https://api.octo.ghe.com"),
        ("https://github.example.com/", "https://github.example.com/api/v3"),
    ],
)
def test_the_api_is_known_by_the_address_of_the_pages(github_url: str, api_url: str) -> None:
    found = wish(
        github=github_url,
        api_url="",
        organization="",
        name="checkrail",
        webhook_url="",
        public=False,
    )
    assert found.api_url == api_url


def test_wrong_options_are_told_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        wish(
            github="github.com",
            api_url="nonsense",
            organization="../acme",
            name="x" * 35,
            webhook_url="https://user:word@example.com",
            public=False,
        )
    assert len(caught.value.mistakes) == 5
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1/github/webhook"])
def test_github_com_cannot_reach_this_computer(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be reached from github"):
        wish(
            github="https://github.com",
            api_url="",
            organization="",
            name="checkrail",
            webhook_url=url,
            public=False,
        )


# --- rotation -----------------------------------------------------------------------------------


async def filled(place: Folder, github: GitHub) -> App:
    async with begun(wished(github), place) as flow:
        await played(flow)
    return the_app(github)


async def test_a_rotated_secret_is_known_to_us_before_github_signs_with_it(
    github: GitHub, tmp_path: Path
) -> None:
    place, file = Folder(path=tmp_path), tmp_path / "github" / "webhook-secret"
    app = await filled(place, github)
    before = app.webhook_secret
    async with open_session() as session:
        await renew(place, session)
        new, old = file.read_text().splitlines()
        assert (old, app.webhook_secret) == (before, before)
        await announce(place, session)
    assert app.webhook_secret == new != before
    assert file.read_text().splitlines() == [new, old]
    assert mode(file) == 0o600


async def test_a_rotation_that_was_interrupted_begins_again(github: GitHub, tmp_path: Path) -> None:
    place = Folder(path=tmp_path)
    app = await filled(place, github)
    before = Secret(str(app.webhook_secret))
    async with open_session() as session:
        await renew(place, session)
        await renew(place, session)
        assert before in (await place.load()).webhook_secrets
        await announce(place, session)
    kept = (await place.load()).webhook_secrets
    assert (len(kept), kept[0]) == (3, Secret(str(app.webhook_secret)))


async def test_nothing_is_changed_where_github_does_not_know_the_key(
    github: GitHub, tmp_path: Path, github_private_key: str
) -> None:
    place = Folder(path=tmp_path)
    await filled(place, github)
    (tmp_path / "github" / "private-key.pem").write_text(github_private_key)
    before = (tmp_path / "github" / "webhook-secret").read_text()
    async with open_session() as session:
        with pytest.raises(CheckrailError, match="does not accept App"):
            await renew(place, session)
    assert (tmp_path / "github" / "webhook-secret").read_text() == before
