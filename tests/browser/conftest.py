"""One browser for all of these; for each test a demo of its own, and a page without complaints.

The browser is let go of with the last of these tests: playwright's loop runs as long as it lives,
and no other loop can run beside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, ViewportSize, expect

from tests.browser import chromium
from tests.browser.demo_process import Demo, checks, running

SPEED = 6.0
"""Fast enough for a test, slow enough that a run can be seen while it runs."""
PATIENCE = 20_000.0
WIDE: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not chromium.PATH.exists():
        pytest.skip(f"there is no {chromium.PATH}: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    with chromium.launched() as launched:
        yield launched


@pytest.fixture
def demo() -> Iterator[Demo]:
    with running(speed=SPEED) as started:
        yield started


def _is_told(state: dict[str, Any]) -> bool:
    """Whether the failed check and the one that can be promoted are there."""
    runs = [check["runs"][-1] for _, check in checks(state)]
    verbs = {action["identifier"] for run in runs for action in run["actions"]}
    return "promote" in verbs and any(run["conclusion"] == "failure" for run in runs)


@pytest.fixture(scope="package")
def shared_demo() -> Iterator[Demo]:
    """For tests that only look: starting one for each would be most of their time."""
    with running(speed=SPEED) as started:
        yield started


@pytest.fixture
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    """The page, shown, of a demo of its own."""
    with _shown(browser, demo) as page:
        yield page


@pytest.fixture
def shared_page(browser: Browser, shared_demo: Demo) -> Iterator[Page]:
    """The page, shown, of a demo that nobody changes."""
    with _shown(browser, shared_demo) as page:
        yield page


@contextmanager
def _shown(browser: Browser, demo: Demo) -> Iterator[Page]:
    """Afterwards the page must have logged no error and broken no policy."""
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    def raised(error: Error) -> None:
        complaints.append(error.message)

    page.on("console", heard)
    page.on("pageerror", raised)
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " (broken) => console.error('policy', broken.violatedDirective, broken.blockedURI))"
    )
    demo.until(_is_told, "checkrail has told of the history")
    page.goto(demo.url)
    expect(page.locator("body")).to_have_attribute("data-ready", "true")
    yield page
    context.close()
    assert complaints == []
