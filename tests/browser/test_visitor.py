"""A visitor of the demo in a real browser: sees, clicks, is refused, promotes; by mouse and by key.

The demo is a process of its own, faster than life. What its parts do is tested elsewhere
(tests/e2e/test_demo.py, tests/browser/test_page.py); here counts what a person sees.
"""

import json
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ghapp.demo.shop import PASSWORD
from tests.browser.demo_process import Demo, environment

pytestmark = pytest.mark.browser

CONTRAST = """
() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[0-9.]+/g).map(Number);
    return [r, g, b, a];
  };
  const shine = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const colour = parse(style.backgroundColor);
      if (style.backgroundImage !== "none") return null;
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (node.closest(".hidden, :disabled, script, .skip")) continue;
    const under = ground(node);
    if (!under) continue;
    const [one, other] = [shine(parse(getComputedStyle(node).color)), shine(under)];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const what = `${node.className} ${node.textContent.slice(0, 30)}`;
    if (ratio < 4.5) poor.add(`${ratio.toFixed(2)} ${what}`);
  }
  return [...poor];
}
"""


def commit(page: Page, title: str) -> Locator:
    return page.get_by_role("listbox", name="Commits").get_by_role("option").filter(has_text=title)


def card(page: Page, name: str) -> Locator:
    return page.locator(".environment").filter(has=page.get_by_role("heading", name=name))


def actions(page: Page) -> Locator:
    return page.get_by_role("group", name="Actions of checkrail")


def test_a_visitor_sees_commits_and_why_a_check_failed(shared_page: Page) -> None:
    page = shared_page
    commit(page, "Retry the stock lookup once").click()
    expect(page.locator("#detail-name")).to_have_text("tekton / shop-ci")
    expect(page.locator("#detail-title")).to_contain_text("Failed: test")
    rows = page.locator("#summary tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("exited with code 1")
    commit(page, "Show delivery times at checkout").click()
    expect(page.locator("#check-list .name")).to_have_text(
        ["tekton / shop-ci", "job / e2e", "flux / dev/shop"]
    )
    expect(page.get_by_role("img", name="succeeded").first).to_be_visible()


def test_a_visitor_sees_when_each_step_ran(shared_page: Page) -> None:
    page = shared_page
    commit(page, "Retry the stock lookup once").click()
    picture = page.get_by_role("img", name=re.compile("When each of [0-9]+ steps ran"))
    expect(picture).to_be_visible()
    drawn = "image => image.decode().then(() => image.naturalWidth)"
    assert picture.evaluate(drawn) == 640


def log_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Log")


def test_a_visitor_sees_the_log_of_what_failed_and_no_password_in_it(shared_page: Page) -> None:
    page = shared_page
    commit(page, "Retry the stock lookup once").click()
    expect(log_of(page)).to_contain_text("E   TimeoutError: no answer from the stock in 2 s")
    expect(log_of(page)).to_contain_text("signed in to the test shop as ci, password ***")
    assert PASSWORD not in page.content()
    page.locator("#text summary").click()
    expect(log_of(page)).to_be_hidden()
    page.keyboard.press("Enter")
    expect(log_of(page)).to_be_visible()
    page.keyboard.press("Tab")
    expect(log_of(page)).to_be_focused()


def test_a_visitor_sees_which_line_of_which_file_is_to_blame(shared_page: Page) -> None:
    page = shared_page
    commit(page, "Retry the stock lookup once").click()
    note = page.locator("#note-list li")
    expect(note).to_have_count(1)
    expect(note.locator(".where")).to_have_text("Check failure on line 7 in stock/lookup.py")
    expect(note.get_by_role("heading")).to_have_text("test_a_visitor_buys_tea")
    expect(note.locator("pre")).to_be_hidden()
    note.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(note.locator("pre")).to_contain_text("stock/lookup.py:7: in buy")
    commit(page, "Show delivery times at checkout").click()
    expect(page.locator("#notes")).to_be_hidden()
    expect(page.locator("#text")).to_be_hidden()


def test_documents_say_how_they_do_and_lead_to_their_yaml(shared_page: Page) -> None:
    page = shared_page
    expect(page.locator("#documents li")).to_have_count(8)
    first = page.locator("#documents li").first
    expect(first).to_contain_text("playground/mine")
    expect(first).to_contain_text("Denied: no TrustPolicy lets namespace playground speak for")
    page.keyboard.press("d")
    expect(first.get_by_role("link")).to_be_focused()
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    expect(opened.value.locator("body")).to_contain_text("All is well, believe me")
    opened.value.close()


def test_documents_are_live(page: Page, demo: Demo) -> None:
    provider = page.locator("#documents li").filter(has_text="ClusterProvider")
    expect(provider).to_contain_text("delivers")
    expect(provider.locator(".state")).to_have_text("ready")
    answer = page.request.patch(
        f"{demo.url}/kube/apis/checkrail.dev/v1alpha1/clusterproviders/events",
        data=json.dumps({"spec": {"suspend": True}}),
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert answer.ok
    expect(provider).to_contain_text("Suspended: nothing is delivered; what is owed waits")
    expect(provider.locator(".state")).to_have_text("not ready")


def test_re_run_of_a_failed_check_makes_a_new_run_that_passes(page: Page) -> None:
    expect(commit(page, "Retry the stock lookup once")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Re-run check").click()
    runs = page.get_by_role("group", name="Runs of this check").get_by_role("button")
    expect(runs).to_have_count(2)
    expect(page.locator("#detail-line")).to_contain_text("Succeeded")
    runs.first.click()
    expect(page.locator("#detail-line")).to_contain_text("Failed")
    expect(page.locator("#guide-rerun")).to_have_attribute("data-done", "true")


def test_the_buttons_of_a_check_are_those_that_checkrail_gave_it(page: Page) -> None:
    expect(actions(page).get_by_role("button")).to_have_text(["Re-run"])
    actions(page).get_by_role("button", name="Re-run").click()
    runs = page.get_by_role("group", name="Runs of this check").get_by_role("button")
    expect(runs).to_have_count(2)
    expect(actions(page).get_by_role("button")).to_have_text(["Cancel"])
    expect(page.get_by_role("button", name="Re-run check")).to_be_disabled()
    actions(page).get_by_role("button", name="Cancel").click()
    expect(page.locator("#detail-line")).to_contain_text("Cancelled")


def test_who_may_only_read_is_refused_and_sees_why(page: Page) -> None:
    page.get_by_label("bob").check()
    page.get_by_role("button", name="Re-run check").click()
    said = page.locator("#summary blockquote")
    expect(said).to_contain_text("bob")
    expect(said).to_contain_text("write access to acme/shop")
    expect(page.locator("#attempts")).to_be_hidden()


def test_a_promotion_goes_from_a_click_to_staging_and_then_to_prod(page: Page) -> None:
    page.locator("#guide-promote").click()
    promoted = page.locator("#detail-name")
    expect(promoted).to_have_text("flux / dev/shop")
    actions(page).get_by_role("button", name="Promote to staging").click()
    expect(page.locator(".pull .added")).to_contain_text("version: 1.4.")
    version = page.locator(".pull .added").inner_text().split("version: ")[1].split()[0]
    expect(page.locator(".pull .removed")).to_contain_text("version: 1.4.0")
    page.get_by_role("button", name="Merge pull request").click()
    expect(card(page, "staging").locator(".version")).to_have_text(version)
    expect(card(page, "staging").locator(".word")).to_have_text("healthy")
    expect(card(page, "prod").locator(".version")).to_have_text("1.4.0")
    card(page, "staging").locator(".commit").click()
    page.get_by_role("option").filter(has_text="flux / staging/shop").click()
    expect(actions(page).get_by_role("button", name="Promote to prod")).to_be_visible()


def test_events_are_listed_and_open_as_json(shared_page: Page) -> None:
    page = shared_page
    first = page.locator("#events li").filter(has_text="pipelinerun.finished").first
    first.locator("summary").click()
    expect(first.locator("pre")).to_contain_text('"specversion": "0.5.1"')


def test_a_pushed_commit_is_tested_before_ones_eyes(page: Page) -> None:
    page.get_by_role("button", name="Push a commit").click()
    new = commit(page, "Add a gift message to orders")
    expect(new).to_be_visible()
    expect(new).to_contain_text("alice")
    expect(new.locator(".state")).to_contain_text("Succeeded")


def test_the_whole_story_works_without_a_mouse(page: Page, demo: Demo) -> None:
    keys = page.keyboard
    keys.press("c")
    expect(commit(page, "Retry the stock lookup once")).to_be_focused()
    keys.press("j")
    expect(commit(page, "Show delivery times at checkout")).to_be_focused()
    keys.press("ArrowUp")
    keys.press("Enter")
    expect(page.locator("#check-list .option").first).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#detail-name")).to_be_focused()
    keys.press("a")
    expect(actions(page).get_by_role("button", name="Re-run")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#attempts button")).to_have_count(2)
    keys.press("Escape")
    for _ in range(30):
        keys.press("Shift+Tab")
        if page.evaluate("document.activeElement.id") == "guide-promote":
            break
    keys.press("Enter")
    expect(actions(page).get_by_role("button", name="Promote to staging")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("button", name="Merge pull request")).to_be_visible()
    keys.press("p")
    expect(page.get_by_role("button", name="Merge pull request")).to_be_focused()
    keys.press("Enter")
    demo.until(lambda state: environment(state, "staging")["version"] != "1.4.0", "staging follows")


def test_keys_are_explained_and_escape_closes_the_explanation(shared_page: Page) -> None:
    page = shared_page
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_tab_enters_each_list_once_and_focus_is_always_visible(shared_page: Page) -> None:
    page = shared_page
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.closest('ul')?.id || ''"))
        invisible = page.evaluate(
            "() => { const at = document.activeElement.matches('.people input')"
            " ? document.activeElement.nextElementSibling : document.activeElement;"
            " return at !== document.body && getComputedStyle(at).outlineStyle === 'none' }"
        )
        assert not invisible
    assert seen.count("commits") <= 1
    assert seen.count("check-list") <= 1


@pytest.mark.parametrize("width", [400, 760, 1100, 1280])
def test_nothing_is_wider_than_the_window(shared_page: Page, width: int) -> None:
    page = shared_page
    page.set_viewport_size({"width": width, "height": 860})
    expect(page.get_by_role("button", name="Re-run check")).to_be_visible()
    expect(log_of(page)).to_be_visible()
    expect(page.locator("#documents")).to_contain_text("Denied")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(shared_page: Page, scheme: str) -> None:
    page = shared_page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    expect(page.locator("#summary table")).to_be_visible()
    expect(page.locator("#note-list li")).to_be_visible()
    expect(log_of(page)).to_be_visible()
    expect(page.locator("#documents")).to_contain_text("Denied")
    assert page.evaluate(CONTRAST) == []


def test_the_page_goes_on_by_polling_when_it_cannot_hold_a_stream(
    browser: Browser, shared_demo: Demo
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/demo/stream", lambda route: route.abort())
    page.goto(shared_demo.url)
    expect(page.locator("#link-text")).to_have_text("polling")
    expect(commit(page, "Retry the stock lookup once")).to_be_visible()
    expect(commit(page, "Translate the order mail")).to_be_visible()
    context.close()


def test_foreign_text_is_shown_as_text(page: Page, demo: Demo) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    context = {"id": "1", "source": "/x", "type": f"dev.cdevents.{hostile}.queued.0"}
    envelope = {"specversion": "1.0", "subject": f"{hostile}/{hostile}", "time": "never", **context}
    event = {**envelope, "data": {"context": context, "subject": {"content": {"outcome": hostile}}}}
    sent = page.request.post(
        f"{demo.url}/events",
        data=json.dumps(event),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    assert sent.status == 202
    shown = page.locator("#events li").filter(has_text=hostile)
    expect(shown).to_be_visible()
    shown.locator("summary").click()
    expect(shown.locator("pre")).to_contain_text(hostile)
    expect(page.locator("#events img")).to_have_count(0)
