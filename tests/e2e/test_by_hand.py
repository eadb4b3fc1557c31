"""Use by keyboard, by mouse with Shift, by touch and with the Back button."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests import stack
from tests.e2e.conftest import NARROW, WIDE, Newcomer, Person
from tests.e2e.test_tasks import create_many, rows, titles, wait_until_saved

PHONE: dict[str, Any] = {"viewport": NARROW, "has_touch": True, "is_mobile": True}


@pytest.fixture
def phone(site: stack.Site, newcomer: Newcomer) -> Person:
    person = newcomer(site, **PHONE)
    person.has_an_account()
    return person


def writes(person: Person, line: str) -> None:
    """Add a task by a line with a date, a priority or labels in it."""
    field = person.page.get_by_label("New task")
    field.fill(line)
    field.press("Enter")
    wait_until_saved(person)


def overlap(one: Locator, other: Locator) -> bool:
    """Return whether two elements share a pixel."""
    a, b = one.bounding_box(), other.bounding_box()
    assert a
    assert b
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


def selected(person: Person) -> list[str]:
    """Return the titles of the selected tasks, in their order."""
    boxes = person.page.get_by_role("checkbox", name=re.compile("^Select: "))
    named: list[str] = boxes.evaluate_all(
        "boxes => boxes.filter(box => box.checked).map(box => box.ariaLabel.slice(8))"
    )
    return named


@pytest.mark.prove
def test_enter_after_a_paste_of_several_lines_adds_them(ada: Person) -> None:
    ada.pastes("milk\neggs\nbread")
    expect(ada.page.get_by_role("dialog", name="Add 3 tasks?")).to_be_visible()
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    expect(rows(ada)).to_have_count(3)
    wait_until_saved(ada)
    assert titles(ada) == ["milk", "eggs", "bread"]
    ada.pastes("one\ntwo")
    ada.page.keyboard.press("Escape")
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    expect(rows(ada)).to_have_count(3)
    expect(ada.page.get_by_label("New task")).to_be_focused()


def test_shift_selects_a_range(ada: Person) -> None:
    for title in ("five", "four", "three", "two", "one"):
        ada.adds(title)
    ada.task("two").click(modifiers=["Control"])
    ada.task("four").click(modifiers=["Shift"])
    assert selected(ada) == ["two", "three", "four"]
    assert ada.page.evaluate("getSelection().toString()") == ""
    ada.page.keyboard.press("Escape")
    # A click with Shift on the checkbox itself selects a range too.
    ada.clicks("Select several")
    ada.clicks("Select: one", "checkbox")
    ada.page.get_by_label("Select: three").click(modifiers=["Shift"])
    assert selected(ada) == ["one", "two", "three"]
    ada.page.keyboard.press("Escape")
    # By keyboard, the range begins at the focused row.
    ada.task("two").focus()
    ada.page.keyboard.press("Shift+ArrowDown")
    ada.page.keyboard.press("Shift+ArrowDown")
    assert selected(ada) == ["two", "three", "four"]
    expect(ada.task("four")).to_be_focused()
    ada.page.keyboard.press("Shift+ArrowUp")
    assert selected(ada) == ["two", "three"]
    ada.page.keyboard.press("Escape")
    # Without a selection, a range begins at the row that was used last.
    ada.task("one").focus()
    ada.task("three").click(modifiers=["Shift"])
    assert selected(ada) == ["one", "two", "three"]
    ada.page.keyboard.press("Escape")
    # Shift on the checkbox "Completed" completes the task, and selects nothing.
    ada.page.get_by_label("Completed: five").click(modifiers=["Shift"])
    expect(ada.page.get_by_label("Completed: five")).to_be_checked()
    assert selected(ada) == []


def test_key_acts_only_on_the_focused_row(ada: Person) -> None:
    ada.adds("Stay as you are")
    for key in ("Backspace", "Delete", "#", "Space", "e", "x", "Enter"):
        ada.task("Stay as you are").focus()
        ada.page.keyboard.press("/")
        ada.page.keyboard.press("Escape")
        assert ada.page.evaluate("document.activeElement === document.body"), key
        ada.page.keyboard.press(key)
        ada.page.keyboard.press("j")
        expect(ada.task("Stay as you are"), key).to_be_focused()
        expect(ada.page.get_by_label("Completed: Stay as you are"), key).not_to_be_checked()
        expect(ada.page.get_by_role("toolbar"), key).to_have_count(0)
        expect(ada.page.get_by_role("dialog"), key).to_have_count(0)


@pytest.mark.prove
def test_focused_row_has_a_visible_outline(ada: Person) -> None:
    ada.adds("Call the bank")
    outline = "row => getComputedStyle(row).outlineStyle"
    ada.page.mouse.move(0, 0)
    assert ada.task("Call the bank").evaluate(outline) == "none"
    ada.clicks("Edit details: Call the bank")
    ada.clicks("Close details")
    expect(ada.task("Call the bank")).to_be_focused()
    assert ada.task("Call the bank").evaluate(outline) == "solid"
    ada.page.get_by_label("Search").focus()
    assert ada.task("Call the bank").evaluate(outline) == "none"
    ada.page.get_by_label("Completed: Call the bank").click()
    assert ada.task("Call the bank").evaluate(outline) == "solid"
    ada.page.keyboard.press("Backspace")
    expect(ada.task("Call the bank")).to_have_count(0)


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
    row = phone.task("Call the bank").bounding_box()
    assert row
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


def commands(person: Person, words: str) -> None:
    person.page.keyboard.press("Control+k")
    expect(person.page.get_by_placeholder("Find a task")).to_be_focused()
    person.page.keyboard.type(words)


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


@pytest.mark.prove
def test_filter_within_a_list_keeps_the_heading_and_the_current_link(ada: Person) -> None:
    writes(ada, "Now !high #home today")
    current = ada.page.locator("nav [aria-current=page]")
    ada.clicks("Today", "link")
    ada.chooses_in_filter_menu("High")
    ada.is_at("/tasks?view=today&priority=HIGH")
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Today")
    expect(current).to_contain_text("Today")
    expect(ada.page).to_have_title("Today · Bearer Tasks")
    ada.goes_to("/tasks?view=today&label=home")
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Today · home")
    expect(current).to_have_count(1)
    expect(current).to_contain_text("Today")
    ada.goes_to("/tasks?priority=HIGH")
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("All")
    expect(current).to_contain_text("All")
    ada.goes_to("/tasks?label=home&priority=HIGH")
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("home")
    expect(current).to_have_text("home")


@pytest.mark.prove
def test_repeated_word_is_shown_as_one_chip(ada: Person) -> None:
    field = ada.page.get_by_label("New task")
    chips = ada.page.get_by_role("list", name="Understood").get_by_role("listitem")
    field.press_sequentially("Sweep #home #home !high !high")
    expect(chips).to_have_text(["home", "High"])
    ada.page.get_by_role("button", name="keep “#home” as plain words").press("Enter")
    expect(chips).to_have_text(["High"])
    field.press("Enter")
    expect(ada.task("Sweep #home #home")).to_be_visible()


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


@pytest.mark.prove
def test_printed_page_has_the_whole_list(ada: Person) -> None:
    long = " ".join(["Read"] * 40)
    ada.adds(long)
    create_many(ada, 100)
    ada.page.reload()
    ada.has_read_all()
    assert rows(ada).count() < 60
    ada.page.keyboard.press("Control+a")
    expect(ada.page.get_by_role("toolbar")).to_contain_text("101 selected")
    ada.page.evaluate(
        """addEventListener("beforeprint", () => {
            window.printed = document.querySelectorAll("[data-id]").length;
        })"""
    )
    ada.page.pdf()
    assert ada.page.evaluate("window.printed") == 101
    expect(rows(ada).nth(70)).to_have_count(0)
    ada.page.emulate_media(media="print")
    main = ada.page.get_by_role("main")
    expect(main.get_by_role("heading", name="All")).to_be_visible()
    expect(ada.task("Task 0")).to_be_visible()
    for hidden in ("Search", "New task", "Filter and sort"):
        expect(main.get_by_label(hidden, exact=True)).to_be_hidden()
    # Paper has no dialog for a shortened title, so the page prints the whole title.
    title = ada.page.get_by_text(long)
    assert title.evaluate("title => title.scrollWidth <= title.clientWidth")
    roles: tuple[Any, ...] = ("banner", "navigation", "toolbar")
    for role in roles:
        expect(ada.page.get_by_role(role)).to_have_count(0)


def test_palette_finds_completed_and_trashed_tasks(ada: Person) -> None:
    for title in ("Bank statement", "Bank letter", "Bank holiday"):
        ada.adds(title)
    ada.page.get_by_role("checkbox", name="Completed: Bank statement").check()
    ada.clicks("Move to trash: Bank letter")
    wait_until_saved(ada)
    commands(ada, "bank")
    tasks = ada.page.get_by_role("group", name="Tasks").get_by_role("option")
    expect(tasks).to_have_text(["Bank holiday", "Bank statementCompleted", "Bank letterTrash"])
    assert ada.violations() == []
    ada.page.keyboard.press("ArrowDown")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_label("Title")).to_have_value("Bank statement")


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
def test_theme_colour_follows_the_chosen_appearance(site: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(site, color_scheme="light")
    ada.has_an_account()

    def bar() -> str:
        colour: str = ada.page.evaluate(
            """[...document.querySelectorAll("meta[name=theme-color]")]
                .find(meta => matchMedia(meta.media || "all").matches).content"""
        )
        return colour

    light = bar()
    ada.chooses_appearance("Light")
    assert bar() == light
    ada.chooses_appearance("Dark")
    dark = bar()
    assert dark != light
    for path in ("/tasks", "/account"):
        ada.goes_to(path)
        assert bar() == dark, path
    ada.page.emulate_media(color_scheme="dark")
    ada.chooses_appearance("System")
    assert bar() == dark
    ada.page.emulate_media(color_scheme="light")
    assert bar() == light
