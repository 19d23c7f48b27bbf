"""`checkrail setup` in a real browser: two clicks, by mouse and by key, in light and in dark.

The command is a process of its own and GitHub is the stand-in, in a thread of this one. What is
refused and what is kept is tested in tests/test_setup.py.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.sync_api import Browser, Page, expect

from ghapp.demo.github import GitHub
from tests.browser.test_visitor import CONTRAST

pytestmark = pytest.mark.browser

WAIT = 30.0
"""Seconds."""
WEBHOOK = "https://checkrail.example.com"


class Served:
    """The stand-in, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self.github = GitHub()
        self._loop = asyncio.new_event_loop()
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(WAIT)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(WAIT)
        self._loop.close()

    async def _run(self) -> None:
        async with TestServer(self.github.app()) as server:
            self.github.base_url = str(server.make_url("/"))
            self._ready.set()
            await self._end.wait()


@dataclass
class Setup:
    """The command, and where its page is."""

    process: "subprocess.Popen[str]"
    url: str
    folder: Path

    def end(self) -> tuple[int, str]:
        """Exit code, and all that it said after the address."""
        _, said = self.process.communicate(timeout=WAIT)
        return self.process.returncode, said


@pytest.fixture
def github() -> Iterator[GitHub]:
    served = Served()
    served.start()
    yield served.github
    served.stop()


@pytest.fixture
def setup(github: GitHub, tmp_path: Path) -> Iterator[Setup]:
    """`checkrail setup` for an organisation, without an address."""
    github.create_org("acme")
    options = ["--github", github.base_url, "--organization", "acme", "--port", "0"]
    command = [sys.executable, "-m", "ghapp", "setup", *options, "--output", str(tmp_path)]
    environ = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stderr
        line = process.stderr.readline()
        try:
            yield Setup(process, line.split()[1], tmp_path)
        finally:
            process.kill()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(error.message))
    page.on("console", lambda message: complaints.append(message.text))
    yield page
    context.close()
    assert complaints == []


def fill(page: Page, setup: Setup) -> None:
    page.goto(setup.url)
    page.get_by_label("Public address of checkrail").fill(WEBHOOK)
    page.get_by_role("button", name="Continue").click()


def test_two_clicks_and_an_address_make_an_app(page: Page, setup: Setup, github: GitHub) -> None:
    fill(page, setup)
    expect(page.get_by_role("heading", name="Create the GitHub App")).to_be_visible()
    expect(page.get_by_text("pull_requests: write")).to_be_visible()
    page.get_by_role("button", name="Create it at").click()
    page.get_by_label("GitHub App name").fill("acme checks")
    page.get_by_role("button", name="Create GitHub App for acme").click()
    expect(page.get_by_role("heading", name="The App is there")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("acme checks exists")
    install = page.get_by_role("link", name="Install it on your repositories")
    page_of_app = f"{github.base_url}/apps/acme-checks"
    expect(install).to_have_attribute("href", f"{page_of_app}/installations/new")
    code, said = setup.end()
    assert code == 0
    assert "acme checks exists" in said
    (app,) = github.world.apps.values()
    kept = setup.folder / "github" / "private-key.pem"
    assert kept.read_text() == app.private_key
    assert app.webhook_url == f"{WEBHOOK}/github/webhook"
    styled = "getComputedStyle(document.querySelector('main')).borderRadius"
    assert page.evaluate(styled) == "12px", "the last page needs nothing from a server that is gone"


def test_the_flow_works_without_a_mouse(page: Page, setup: Setup, github: GitHub) -> None:
    page.goto(setup.url)
    expect(page.get_by_label("Public address of checkrail")).to_be_focused()
    page.keyboard.type(WEBHOOK)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Create the GitHub App")).to_be_visible()
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Create it at")
    expect(button).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_label("GitHub App name").press("Enter")
    expect(page.get_by_role("heading", name="The App is there")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Install it")).to_be_focused()
    assert setup.end()[0] == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_can_be_read_and_nothing_is_wider_than_the_window(
    page: Page, setup: Setup, scheme: Any, width: int
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 860})
    page.goto(setup.url)
    assert page.evaluate(CONTRAST) == []
    fill(page, setup)
    expect(page.get_by_role("button", name="Create it at")).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
