"""Menus by keyboard, as the WAI-ARIA Authoring Practices describe a menu button."""

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.person import Person

BURST = """async keys => {
    for (const key of keys) {
        const pressed = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
        document.activeElement.dispatchEvent(pressed);
        await null;
    }
}"""
"""A script that presses keys so fast that no timer of the page runs in between."""


@pytest.fixture
def button(ada: Person) -> Locator:
    """Return the button of a menu."""
    return ada.page.get_by_role("button", name="Filter and sort")


@pytest.fixture
def menu(ada: Person) -> Locator:
    """Return the menu of this button, which is open or not."""
    return ada.page.get_by_role("menu", name="Filter and sort")


def test_keys_that_follow_each_other_at_once_reach_the_menu_or_its_button(
    ada: Person, button: Locator, menu: Locator
) -> None:
    first = menu.get_by_role("menuitemradio", name="My order")
    button.focus()
    for _ in range(2):  # the menu is opened for the first time, and again
        ada.page.evaluate(BURST, ["Enter", "Escape", "Enter"])
        expect(first).to_be_focused()
        ada.page.evaluate(BURST, ["Escape", "Enter", "Escape"])
        expect(menu).to_have_count(0)
        expect(button).to_be_focused()


def test_menu_button_tells_its_state_and_keys_move_in_its_menu(
    ada: Person, button: Locator, menu: Locator
) -> None:
    press = ada.page.keyboard.press
    focused = menu.locator(":focus")
    for key in ("Enter", "Space", "ArrowDown"):
        expect(button).to_have_attribute("aria-expanded", "false")
        assert button.get_attribute("aria-controls") is None
        button.press(key)
        expect(focused).to_have_text("My order")
        expect(button).to_have_attribute("aria-expanded", "true")
        assert button.get_attribute("aria-controls") == menu.get_attribute("id")
        press("Escape")
        expect(button).to_be_focused()
    button.press("Enter")
    for key, entry in (
        ("End", "Compact"),
        ("ArrowDown", "My order"),
        ("ArrowUp", "Compact"),
        ("Home", "My order"),
    ):
        press(key)
        expect(focused).to_have_text(entry)
    press("Tab")
    expect(menu).to_have_count(0)
    expect(ada.page.get_by_role("button", name="Select several")).to_be_focused()
    press("Shift+Tab")
    expect(button).to_be_focused()
    press("Enter")
    press("Shift+Tab")
    expect(menu).to_have_count(0)
    expect(button).not_to_be_focused()


def test_click_outside_of_a_menu_closes_it_and_moves_the_focus_there(
    ada: Person, button: Locator, menu: Locator
) -> None:
    field = ada.page.get_by_label("New task")
    for closes in (field.click, button.click):
        button.click()
        expect(menu).to_be_focused()
        closes()
        expect(menu).to_have_count(0)
        expect(button).to_have_attribute("aria-expanded", "false")
    expect(button).to_be_focused()
    button.click()
    field.click()
    expect(field).to_be_focused()


def test_menu_is_used_by_keyboard_and_shortcuts_wait_for_it(ada: Person) -> None:
    ada.adds("Call the bank")
    button = ada.page.get_by_role("button", name="Filter and sort")
    button.press("Enter")
    menu = ada.page.get_by_role("menu", name="Filter and sort")
    expect(menu.get_by_role("menuitemradio", name="My order")).to_be_focused()
    ada.page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("menuitemradio", name="Due date")).to_be_focused()
    ada.page.keyboard.press("Enter")
    ada.is_at("/tasks?sort=due")
    ada.page.keyboard.press("c")  # types ahead in the menu
    expect(ada.page.get_by_label("New task")).not_to_be_focused()
    assert ada.violations() == []
    ada.page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(button).to_be_focused()
    ada.clicks("Sorted by due date")
    ada.is_at("/tasks")
