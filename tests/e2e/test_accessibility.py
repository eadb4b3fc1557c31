"""The pages for people who use a screen reader, the keyboard alone or little motion."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import stack
from tests.e2e.account import NEW_PASSWORD, changes_password, link_to
from tests.e2e.person import NARROW, WIDE, Newcomer, Person
from tests.e2e.tasks import wait_until_saved, writes


@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        # Many other tests run axe on wide pages with light colours.
        pytest.param("light", WIDE, id="wide-light", marks=pytest.mark.prove),
        pytest.param("dark", NARROW, id="narrow-dark"),
        pytest.param("dark", WIDE, id="wide-dark", marks=pytest.mark.prove),
        pytest.param("light", NARROW, id="narrow-light", marks=pytest.mark.prove),
    ],
)
def test_every_page_is_accessible(  # noqa: PLR0915 - every page is checked
    site: stack.Site, newcomer: Newcomer, scheme: str, size: dict[str, int]
) -> None:
    """Axe finds no violation, and nothing is cut off. The folder SCREENSHOTS gets pictures."""
    ada = newcomer(site, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    pictures = os.environ.get("SCREENSHOTS")
    kind = f"{'wide' if size == WIDE else 'narrow'}-{scheme}"
    ada.email = f"ada@{kind}.example"

    def looks(page: str) -> None:
        assert ada.violations() == [], page
        assert ada.page.evaluate("document.documentElement.scrollWidth") <= size["width"], page
        if pictures:
            path = Path(pictures) / f"{page}-{kind}.png"
            ada.page.screenshot(path=path, animations="disabled")

    for path in ("/sign-in", "/sign-up"):
        ada.goes_to(path)
        looks(path[1:])
    ada.signs_up()
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    looks("empty")
    for title in ("Return the library books", "Water the plants", "Book the train to Lisbon"):
        ada.adds(title)
    ada.adds("Write to the bank about the card")
    ada.clicks("Edit details: Write to the bank about the card")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Description").fill("Ask for **both** cards.\n\n- mine\n- the old one")
    ada.clicks("Preview")
    expect(dialog.locator("strong")).to_have_text("both")
    looks("details")
    ada.clicks("Close details")
    expect(dialog).to_have_count(0)
    ada.page.get_by_role("checkbox", name="Completed: Water the plants").check()
    ada.clicks("Close")
    field = ada.page.get_by_label("New task")
    field.fill("Call Ada on monday !high #friends")
    expect(ada.page.get_by_role("list", name="Understood").get_by_role("listitem")).to_have_count(3)
    ada.page.mouse.move(0, 0)
    looks("tasks")
    ada.page.get_by_role("heading", name="All").click()
    ada.page.keyboard.press("?")
    expect(ada.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    heading = ada.page.get_by_role("heading", name="Keyboard shortcuts")
    expect(heading).to_be_in_viewport(ratio=1)
    looks("shortcuts")
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+k")
    expect(ada.page.get_by_role("option", name="Today")).to_be_visible()
    looks("palette")
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+a")
    expect(ada.page.get_by_role("toolbar")).to_contain_text("4 selected")
    looks("selected")
    ada.page.keyboard.press("Escape")
    ada.task("Return the library books").focus()
    ada.page.keyboard.press("Delete")
    looks("undo")
    for view in ("Today", "Upcoming", "Completed", "Trash"):
        ada.shows(view)
        expect(ada.page.get_by_role("heading", name=view)).to_be_visible()
        looks(view.lower())
    expect(ada.task("Return the library books")).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "size"),
    [pytest.param("light", WIDE, marks=pytest.mark.prove), ("dark", NARROW)],
)
def test_every_page_of_the_account_is_accessible(
    site: stack.Site, newcomer: Newcomer, scheme: str, size: dict[str, int]
) -> None:
    ada = newcomer(site, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    kind = f"{'wide' if size == WIDE else 'narrow'}-{scheme}"
    pictures = os.environ.get("SCREENSHOTS")

    def looks(page: str) -> None:
        assert ada.violations() == [], page
        assert ada.page.evaluate("document.documentElement.scrollWidth") <= size["width"], page
        if pictures:
            path = Path(pictures) / f"{page}-{kind}.png"
            ada.page.screenshot(path=path, animations="disabled", full_page=True)

    ada.has_signed_up()
    second = newcomer(site)
    second.email = ada.email
    second.has_signed_in()
    ada.goes_to("/account")
    expect(ada.page.get_by_role("button", name="Sign out everywhere else")).to_be_enabled()
    looks("account")
    changes_password(ada, "wrong horse", NEW_PASSWORD)
    expect(ada.page.get_by_text("This is not your password.")).to_be_visible()
    looks("account-problem")
    ada.clicks("Delete account")
    looks("delete-account")
    ada.goes_to("/forgot-password")
    ada.page.get_by_label("Email").fill(ada.email)
    ada.clicks("Send the link")
    expect(ada.page.get_by_role("status")).to_contain_text("on its way")
    looks("forgot-password")
    ada.page.goto(link_to(ada))
    expect(ada.page.get_by_label("New password")).to_be_enabled()
    looks("reset-password")
    ada.page.reload()
    expect(ada.page.get_by_role("heading", name="Open the emailed link again")).to_be_visible()
    looks("reset-password-again")
    ada.goes_to("/account")
    ada.clicks("Send a link to confirm it")
    expect(ada.page.get_by_text(f"A link is on its way to {ada.email}.")).to_be_visible()
    looks("account-email")
    ada.page.goto(link_to(ada, 2))
    expect(ada.page.get_by_role("button", name="Confirm the address")).to_be_enabled()
    looks("confirm-email")
    ada.clicks("Confirm the address")
    expect(ada.page.get_by_role("heading", name="is confirmed")).to_be_visible()
    looks("confirmed-email")
    ada.ignores_messages("status of 400")


@pytest.mark.prove
def test_no_animation_is_endless_if_reduced_motion_is_preferred(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site, reduced_motion="reduce")
    ada.has_an_account()
    ada.context.set_offline(True)
    field = ada.page.get_by_label("New task")
    field.fill("Waits")
    field.press("Enter")
    expect(ada.task("Waits").get_by_label("Waiting to be saved")).to_be_visible()
    endless = """document.getAnimations()
        .filter(one => one.effect.getComputedTiming().iterations === Infinity).length"""
    assert ada.page.evaluate(endless) == 0
    ada.context.set_offline(False)
    wait_until_saved(ada)
    ada.ignores_messages("ERR_INTERNET_DISCONNECTED")


def test_row_describes_its_task_to_a_screen_reader(ada: Person) -> None:
    writes(ada, "Call the bank tomorrow !high #home #money")
    row = ada.task("Call the bank")
    said = "High priority. Due tomorrow. Labels: \u2068home\u2069, \u2068money\u2069."
    expect(row).to_have_accessible_description(said)
    row.focus()
    ada.page.keyboard.press("Space")
    expect(row).to_have_accessible_description(f"Completed. {said}")
    ada.page.keyboard.press("x")
    expect(row).to_have_accessible_description(f"Selected. Completed. {said}")
    ada.adds("Water the plants")
    expect(ada.task("Water the plants")).not_to_have_attribute("aria-describedby", re.compile("."))


@pytest.mark.parametrize("path", [pytest.param("/tasks", marks=pytest.mark.prove), "/account"])
def test_first_tab_key_offers_to_skip_to_the_content(ada: Person, path: str) -> None:
    link = ada.page.get_by_role("link", name="Skip to the content")
    ada.goes_to(path)
    assert ada.violations() == []
    ada.page.keyboard.press("Tab")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("main")).to_be_focused()
    ada.page.keyboard.press("Tab")
    assert ada.page.evaluate("document.activeElement.closest('main') !== null")
    expect(link).not_to_be_in_viewport()


@pytest.mark.prove
def test_row_that_leaves_collapses_unless_motion_is_reduced(ada: Person) -> None:
    ada.adds("Last")
    collapsed = """() => {
        window.collapsed = 0;
        const count = ({ addedNodes }) => [...addedNodes].forEach(node => {
            if (node.classList?.contains("task-leaving")) window.collapsed += 1;
        });
        new MutationObserver(changes => changes.forEach(count))
            .observe(document.querySelector("main"), { childList: true, subtree: true });
    }"""
    ada.page.evaluate(collapsed)
    ada.task("Last").press("Delete")
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    expect(ada.page.locator(".task-leaving")).to_have_count(0)
    assert ada.page.evaluate("collapsed") == 1
    ada.page.emulate_media(reduced_motion="reduce")
    ada.clicks("Undo")
    ada.task("Last").press("Delete")
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    assert ada.page.evaluate("collapsed") == 1
