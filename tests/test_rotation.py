"""Secrets that change while the product runs: nothing is lost, and nonsense changes nothing.

The product and GitHub are real servers on loopback; the files are swapped as the kubelet swaps a
mounted Secret. `checkrail setup --rotate-webhook-secret` is tests/test_setup.py.
"""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ghapp.app import Checkrail
from ghapp.core.webhook import SIGNATURE_HEADER, sign
from ghapp.demo.github.apps import new_private_key
from ghapp.errors import Retry
from ghapp.rotation import FILE_LIMIT, Watched
from ghapp.secret import Secret
from tests.world import SECRETS, World, private_key, until, world

BODY = b'{"zen": "Keep it logically awesome."}'
GUIDS = itertools.count(1)


@dataclass
class Mount:
    """A mounted Secret: files that are links into a folder which is swapped as a whole."""

    folder: Path
    _versions: "itertools.count[int]" = field(default_factory=itertools.count)

    def write(self, **files: str | bytes) -> None:
        """The kubelet's way: a new folder, and then one rename."""
        version = self.folder / f"..{next(self._versions)}"
        version.mkdir(parents=True)
        for name, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            (version / name).write_bytes(raw)
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(version.name)
        fresh.replace(self.folder / "..data")


@dataclass
class Rig:
    """A product whose secrets are mounted."""

    w: World
    mount: Mount
    product: Checkrail

    async def post(self, secret: str) -> int:
        """A webhook that is signed with `secret`; the status."""
        headers = {
            "X-GitHub-Event": "ping",
            "X-GitHub-Delivery": f"guid-{next(GUIDS)}",
            SIGNATURE_HEADER: sign(BODY, secret.encode()),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.w.url}/github/webhook", data=BODY, headers=headers) as answer,
        ):
            return answer.status

    def counted(self, file: str, result: str) -> int:
        labels = {"file": file, "result": result}
        name = "checkrail_secret_changes_total"
        return int(self.product.metrics.registry.get_sample_value(name, labels) or 0)

    def watched(self, name: str) -> Watched:
        (found,) = (one for one in self.product.rotation.watched if one.name == name)
        return found

    async def looked(self, name: str) -> None:
        """One look at a file, now."""
        await self.product.rotation.look(self.watched(name))


def often(product: Checkrail) -> None:
    product.rotation.every = 0.01


def never(product: Checkrail) -> None:
    product.rotation.every = 3600.0


@contextlib.asynccontextmanager
async def rig(
    folder: Path, tune: Callable[[Checkrail], None] = often, **changes: Any
) -> AsyncIterator[Rig]:
    mount = Mount(folder / "mount")
    files = {"webhook": "\n".join(SECRETS), "key": private_key()}
    mount.write(**files)
    async with world(folder) as w:
        github = w.settings().github
        assert github is not None
        github = replace(
            github,
            private_key=Secret(private_key().strip()),
            private_key_file=mount.folder / "key",
            webhook_secret_file=mount.folder / "webhook",
        )
        async with w.running(tune=tune, github=github, **changes) as product:
            yield Rig(w, mount, product)


# --- webhook secrets ----------------------------------------------------------------------------


async def test_a_webhook_secret_is_exchanged_without_a_lost_webhook(tmp_path: Path) -> None:
    new, old = "the next one", SECRETS[0]
    async with rig(tmp_path) as r:
        assert (await r.post(new), await r.post(old)) == (401, 202)
        r.mount.write(webhook=f"{new}\n{old}\n", key=private_key())
        while await r.post(new) != 202:
            assert await r.post(old) == 202
        assert await r.post(old) == 202
        assert await r.post(SECRETS[1]) == 401
        r.mount.write(webhook=new, key=private_key())
        await until(lambda: r.counted("webhook_secret", "used") == 2)
        assert (await r.post(new), await r.post(old)) == (202, 401)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00", b"x" * (FILE_LIMIT + 1)])
async def test_what_is_no_secret_is_told_once_and_the_old_one_stays_in_use(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig(tmp_path, never) as r:
        r.mount.write(webhook=content, key=private_key())
        for _ in range(3):
            await r.looked("webhook_secret")
        assert r.counted("webhook_secret", "refused") == 1
        assert caplog.text.count("of no use") == 1
        assert await r.post(SECRETS[0]) == 202
        r.mount.write(webhook="good again", key=private_key())
        await r.looked("webhook_secret")
        assert await r.post("good again") == 202
        r.mount.write(webhook=content, key=private_key())
        await r.looked("webhook_secret")
        assert r.counted("webhook_secret", "refused") == 2


async def test_a_file_that_vanishes_changes_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path, never) as r:
        (r.mount.folder / "webhook").unlink()
        await r.looked("webhook_secret")
        assert await r.post(SECRETS[0]) == 202
        assert r.counted("webhook_secret", "refused") == 1


async def test_what_did_not_change_is_not_counted(tmp_path: Path) -> None:
    async with rig(tmp_path, never) as r:
        r.mount.write(webhook=f"\n{SECRETS[0]} \n\n{SECRETS[1]}\n", key=f"{private_key()}\n\n")
        for name in ("webhook_secret", "private_key"):
            await r.looked(name)
            assert (r.counted(name, "used"), r.counted(name, "refused")) == (0, 0)


async def test_no_secret_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="ghapp")
    async with rig(tmp_path, never) as r:
        r.mount.write(webhook="a very new secret", key="-----BEGIN RSA PRIVATE KEY-----\nabc")
        await r.looked("webhook_secret")
        await r.looked("private_key")
    assert "a secret was read again" in caplog.text
    assert "very new" not in caplog.text
    assert "BEGIN" not in caplog.text
    assert "very new" not in repr(r.product.rotation)


# --- posted events ------------------------------------------------------------------------------


async def test_the_secret_of_posted_events_is_exchanged_too(tmp_path: Path) -> None:
    file = tmp_path / "flux"
    file.write_text("before")
    async with (
        rig(tmp_path, flux_secrets=(Secret("before"),), flux_secret_file=file) as r,
        aiohttp.ClientSession() as session,
    ):

        async def post(secret: str) -> int:
            url = f"{r.w.url}/flux/events?cluster=leaf"
            headers = {"Authorization": f"Bearer {secret}"}
            async with session.post(url, data=b"{}", headers=headers) as answer:
                return answer.status

        assert (await post("after") == 401, await post("before") == 401) == (True, False)
        file.write_text("after\nbefore")
        await until(lambda: r.counted("flux_secret", "used"))
        assert 401 not in (await post("after"), await post("before"))


# --- the private key ----------------------------------------------------------------------------


async def test_a_private_key_is_exchanged_without_a_lost_check(tmp_path: Path) -> None:
    other = new_private_key()
    async with rig(tmp_path) as r:
        first = r.w.pipelinerun()
        await until(lambda: r.w.checks())
        r.w.app.further_keys.append(other)  # made in the App's settings
        r.mount.write(webhook="\n".join(SECRETS), key=other)
        await until(lambda: r.counted("private_key", "used"))
        r.w.app.private_key, r.w.app.further_keys = other, []  # the old one is deleted there
        r.w.run_through(first)
        await until(lambda: r.w.checks()[0].conclusion)
        r.w.github.world.tokens.clear()  # so that a new one is asked for, signed with the new key
        r.w.run_through(r.w.pipelinerun())
        await until(lambda: len(r.w.checks()) == 2 and r.w.checks()[1].conclusion)


async def test_a_key_that_github_does_not_know_is_not_used_until_it_does(tmp_path: Path) -> None:
    other = new_private_key()
    async with rig(tmp_path, never) as r:
        r.mount.write(webhook="\n".join(SECRETS), key=other)
        for _ in range(2):
            await r.looked("private_key")
        assert r.counted("private_key", "refused") == 1
        r.w.run_through(r.w.pipelinerun())
        await until(lambda: r.w.checks() and r.w.checks()[0].conclusion)
        r.w.app.further_keys.append(other)
        await r.looked("private_key")
        assert r.counted("private_key", "used") == 1


@pytest.mark.parametrize("content", ["no key", "-----BEGIN RSA PRIVATE KEY-----\nabc"])
async def test_what_is_no_key_is_not_used(tmp_path: Path, content: str) -> None:
    async with rig(tmp_path, never) as r:
        r.mount.write(webhook="\n".join(SECRETS), key=content)
        await r.looked("private_key")
        assert r.counted("private_key", "refused") == 1
        r.w.run_through(r.w.pipelinerun())
        await until(lambda: r.w.checks() and r.w.checks()[0].conclusion)


async def test_a_key_waits_while_github_cannot_be_asked(tmp_path: Path) -> None:
    other = new_private_key()
    async with rig(tmp_path, never) as r:
        r.w.app.further_keys.append(other)
        r.mount.write(webhook="\n".join(SECRETS), key=other)
        r.w.github.faults.add("status", path="^/app$", status=503)
        with pytest.raises(Retry):
            await r.looked("private_key")
        assert r.counted("private_key", "refused") == 0
        await r.looked("private_key")
        assert r.counted("private_key", "used") == 1


async def test_who_serves_no_webhooks_reads_no_webhook_secret(tmp_path: Path) -> None:
    async with rig(tmp_path, never, role="controller") as r:
        assert [one.name for one in r.product.rotation.watched] == ["private_key"]
