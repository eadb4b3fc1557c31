"""The Back button of the browser closes dialogs, or returns to the previous view."""

import pytest
from playwright.sync_api import expect

from tests.e2e.person import Person
from tests.e2e.tasks import commands


@pytest.mark.parametrize(
    "dialogs",
    [("details",), pytest.param(("palette", "shortcuts", "paste"), marks=pytest.mark.prove)],
    ids=["details", "others"],
)
def test_back_closes_only_the_open_dialog(phone: Person, dialogs: tuple[str, ...]) -> None:
    phone.adds("Call the bank")
    dialog = phone.page.get_by_role("dialog")
    for opened in dialogs:
        phone.shows("Upcoming")
        phone.shows("All")
        phone.page.get_by_role("heading", name="All").click()
        for _ in range(2):  # closed by Back, and before that by Escape
            opens(phone, opened)
            expect(dialog, opened).to_be_visible()
            phone.page.keyboard.press("Escape")
            expect(dialog, opened).to_have_count(0)
            opens(phone, opened)
            expect(dialog, opened).to_be_visible()
            phone.page.go_back()
            expect(dialog, opened).to_have_count(0)
            phone.is_at("/tasks")
            expect(phone.task("Call the bank"), opened).to_be_visible()
        opens(phone, opened)
        phone.page.keyboard.press("Escape")
        expect(dialog, opened).to_have_count(0)
        phone.page.go_back()
        phone.is_at("/tasks?view=upcoming")
        phone.page.go_back()
        phone.is_at("/tasks")


def opens(person: Person, what: str) -> None:
    if what == "details":  # not by a tap: two taps at the same place are a double click
        person.task("Call the bank").focus()
        person.page.keyboard.press("Enter")
    elif what == "palette":
        person.opens_sidebar()
        person.page.get_by_role("button", name="Search", exact=True).tap()
    elif what == "shortcuts":
        person.page.keyboard.press("?")
    else:
        person.pastes("one\ntwo")


@pytest.mark.prove
def test_back_closes_the_confirmation_before_the_sheet(phone: Person) -> None:
    phone.adds("Call the bank")
    phone.page.get_by_label("Edit details: Call the bank").tap()
    phone.clicks("Move to trash")
    phone.shows("Trash")
    phone.page.get_by_label("Edit details: Call the bank").tap()
    phone.clicks("Delete permanently")
    question = phone.page.get_by_role("dialog", name="Delete permanently?")
    expect(question).to_be_visible()
    phone.page.go_back()
    expect(question).to_have_count(0)
    expect(phone.page.get_by_role("dialog", name="Task details")).to_be_visible()
    phone.page.go_back()
    expect(phone.page.get_by_role("dialog")).to_have_count(0)
    phone.is_at("/tasks?view=trash")
    phone.page.go_back()
    phone.is_at("/tasks")


@pytest.mark.prove
def test_back_after_a_command_returns_to_the_previous_view(ada: Person) -> None:
    commands(ada, "upcoming")
    ada.page.keyboard.press("Enter")
    ada.is_at("/tasks?view=upcoming")
    ada.page.go_back()
    ada.is_at("/tasks")
    commands(ada, "account")
    ada.page.keyboard.press("Enter")
    ada.is_at("/account")
    ada.page.go_back()
    ada.is_at("/tasks")


@pytest.mark.prove
def test_back_closes_a_dialog_of_the_account_page(ada: Person) -> None:
    ada.goes_to("/account")
    ada.page.get_by_role("button", name="Delete").click()
    expect(ada.page.get_by_role("dialog")).to_be_visible()
    ada.page.go_back()
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    ada.is_at("/account")
