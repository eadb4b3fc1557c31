"""The messages after an edit, which offer to undo it."""

import pytest
from playwright.sync_api import Locator, expect

from tests import stack
from tests.e2e.person import NARROW, WIDE, Newcomer, Person, place
from tests.e2e.tasks import writes


def overlap(one: Locator, other: Locator) -> bool:
    """Return whether two elements share a pixel."""
    a, b = place(one), place(other)
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


@pytest.mark.parametrize(
    "size", [pytest.param(WIDE, marks=pytest.mark.prove), NARROW], ids=["wide", "narrow"]
)
def test_toast_covers_no_control(
    site: stack.Site, newcomer: Newcomer, size: dict[str, int]
) -> None:
    ada = newcomer(site, viewport=size)
    ada.has_an_account()
    for title in ("Call the bank #home", "Water the plants"):
        writes(ada, title)
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+a")
    bar = ada.page.get_by_role("toolbar", name="Selected tasks")
    bar.get_by_label("Set priority").select_option(label="High")
    toast = ada.page.get_by_role("status").filter(has_text="Priority High")
    expect(toast).to_be_visible()
    expect(bar).to_be_visible()
    assert not overlap(toast, bar)
    bar.get_by_role("button", name="Complete").click()
    ada.clicks("Undo")
    expect(ada.page.get_by_label("Select: Water the plants")).to_be_checked()


def test_action_in_the_sheet_of_a_phone_can_be_undone_there(phone: Person) -> None:
    phone.adds("Call the bank")
    # The row has no invisible button at its end: a tap there opens the task.
    expect(phone.page.get_by_label("Move to trash: Call the bank")).to_be_hidden()
    row = place(phone.task("Call the bank"))
    x, y = row["x"] + row["width"] - 20, row["y"] + row["height"] / 2
    phone.page.touchscreen.tap(x, y)
    sheet = phone.page.get_by_role("dialog", name="Task details")
    sheet.get_by_role("button", name="Complete").tap()
    expect(sheet.get_by_role("button", name="Reopen")).to_be_visible()
    undo = phone.page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    for name in ("Reopen", "Move to trash"):
        assert not overlap(undo, sheet.get_by_role("button", name=name)), name
    assert phone.violations() == []
    undo.tap()
    expect(sheet.get_by_role("button", name="Complete")).to_be_visible()
    expect(phone.page.get_by_role("region", name="Notifications")).to_have_count(1)


def test_notification_names_the_view_of_a_task_that_is_not_shown(ada: Person) -> None:
    ada.clicks("Today", "link")
    writes(ada, "Pay the rent tomorrow")
    told = ada.page.get_by_role("status").filter(
        has_text="Added “\u2068Pay the rent\u2069”. It is in Upcoming."
    )
    expect(told).to_be_visible()
    expect(ada.task("Pay the rent")).to_have_count(0)
    assert ada.violations() == []
    ada.clicks("Show")
    ada.is_at("/tasks?view=upcoming")
    expect(ada.task("Pay the rent")).to_be_focused()
    # The task does not match the search. "Show" leads to the list without the search.
    ada.clicks("All", "link")
    ada.page.get_by_label("Search").fill("rent")
    writes(ada, "Buy milk")
    expect(ada.page.get_by_text("Added “\u2068Buy milk\u2069”. It is in All.")).to_be_visible()
    ada.clicks("Show")
    ada.is_at("/tasks")
    expect(ada.task("Buy milk")).to_be_focused()
    # One of several tasks is in another view.
    ada.clicks("Today", "link")
    ada.pastes("now\nlater tomorrow")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_text("Added 2 tasks. 1 is in Upcoming.")).to_be_visible()
    # A change moves the task to another view.
    ada.clicks("Edit details: now")
    ada.sets_due("Due: Today", "2091-01-05")
    expect(ada.page.get_by_text("“\u2068now\u2069”. It is in Upcoming.")).to_be_visible()
    # A task that stays visible causes no notification.
    ada.page.keyboard.press("Escape")
    ada.clicks("All", "link")
    ada.adds("Stays")
    expect(ada.page.get_by_text("Added “\u2068Stays\u2069”")).to_have_count(0)
