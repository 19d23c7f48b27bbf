"""Takes the pictures of the README: `python -m tests.browser.screenshots [FOLDER]`.

It plays the demo's story as a visitor would, and takes a picture of what there is to see.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.chromium import launched
from tests.browser.demo_process import Demo, checks, environment, running

DOCS = Path(__file__).parents[2] / "docs"
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 400, "height": 860}
LIMIT = 300_000
"""Bytes of a picture."""
PATIENCE = 40_000.0
"""Milliseconds."""


@contextmanager
def visit(
    browser: Browser, demo: Demo, size: ViewportSize, scheme: Literal["light", "dark"]
) -> Iterator[Page]:
    """The page in a window of its own."""
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(demo.url)
        expect(page.locator("body")).to_have_attribute("data-ready", "true")
        yield page
    finally:
        context.close()


def take(page: Page, folder: Path, name: str) -> None:
    """A picture of the window, and a complaint if it is too large for a README."""
    page.evaluate("document.querySelectorAll('.toast').forEach((toast) => toast.remove())")
    path = folder / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size < LIMIT, f"{path} has {path.stat().st_size} bytes"
    print(path)


def is_under_way(state: dict[str, Any]) -> bool:
    """Whether there is something to see going on, beside the history."""
    return any(check["runs"][-1]["status"] == "in_progress" for _, check in checks(state))


def is_annotated(state: dict[str, Any]) -> bool:
    """Whether a failed check says which line is to blame."""
    return any(check["runs"][-1]["notes"] for _, check in checks(state))


def failed_check(browser: Browser, demo: Demo, folder: Path) -> None:
    """What a visitor sees first: a failed check, and a commit on its way."""
    demo.until(is_annotated, "a log that was read")
    demo.until(is_under_way, "a run on its way")
    for scheme in ("light", "dark"):
        with visit(browser, demo, WIDE, scheme) as page:
            take(page, folder, f"demo-{scheme}")
    with visit(browser, demo, NARROW, "light") as page:
        take(page, folder, "demo-narrow")
    with visit(browser, demo, WIDE, "light") as page:
        expect(page.locator("#documents")).to_contain_text("Denied")
        page.locator("#notes").evaluate("node => scrollTo(0, node.offsetTop - 300)")
        take(page, folder, "demo-log")


def promotion(browser: Browser, demo: Demo, folder: Path) -> None:
    """A pull request that was opened by a click, and staging after it was merged."""
    with visit(browser, demo, WIDE, "light") as page:
        page.get_by_label("bob").check()
        page.locator("#rerun").click()
        expect(page.locator("#summary blockquote")).to_contain_text("bob")
        take(page, folder, "demo-refused")
        page.get_by_label("alice").check()
        page.get_by_role("button", name="Promote to staging what runs in dev").click()
        page.get_by_role("group", name="Actions of checkrail").get_by_role(
            "button", name="Promote to staging"
        ).click()
        expect(page.get_by_role("button", name="Merge pull request")).to_be_visible()
        take(page, folder, "demo-promotion")
        page.get_by_role("button", name="Merge pull request").click()
        demo.until(lambda state: environment(state, "staging")["state"] == "working", "an upgrade")
        take(page, folder, "demo-rollout")


def main(folder: Path) -> None:
    """All pictures."""
    with running(speed=1) as demo, launched() as browser:
        failed_check(browser, demo, folder)
        promotion(browser, demo, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
