"""Tasks by keyboard."""

import pytest
from playwright.sync_api import expect

from tests import stack
from tests.e2e.person import NARROW, WIDE, Newcomer, Person
from tests.e2e.tasks import commands, rows, titles, wait_until_saved


@pytest.mark.parametrize(
    "size", [WIDE, pytest.param(NARROW, marks=pytest.mark.prove)], ids=["wide", "narrow"]
)
def test_everything_can_be_done_by_keyboard(  # noqa: PLR0915 - one session of one user
    site: stack.Site, newcomer: Newcomer, size: dict[str, int]
) -> None:
    ada = newcomer(site, viewport=size)
    ada.has_an_account()
    ada.has_read_all()
    press, text = ada.page.keyboard.press, ada.page.keyboard.type
    press("Escape")  # leaves the field, which has the focus on the first visit
    press("c")
    expect(ada.page.get_by_label("New task")).to_be_focused()
    text("Water the plants today #home")
    expect(ada.page.get_by_role("list", name="Understood")).to_contain_text("Today")
    press("Enter")
    for line in ("Call the bank tomorrow !high", "Read the lease"):
        text(line)
        press("Enter")
    wait_until_saved(ada)
    assert titles(ada) == ["Read the lease", "Call the bank", "Water the plants"]
    expect(ada.task("Call the bank")).to_contain_text("High")
    press("Escape")
    press("j")
    expect(ada.task("Read the lease")).to_be_focused()
    press("Alt+ArrowDown")
    expect(ada.task("Read the lease")).to_be_focused()
    wait_until_saved(ada)
    assert titles(ada) == ["Call the bank", "Read the lease", "Water the plants"]
    press("e")
    press("Control+a")
    text("Read the lease twice")
    press("Enter")
    expect(ada.task("Read the lease twice")).to_be_focused()
    press("Enter")
    panel = ada.page.get_by_role("dialog", name="Task details")
    panel.get_by_label("Priority").select_option("LOW")
    panel.get_by_label("Add a label").press_sequentially("flat")
    press("Enter")
    ada.sets_due("Due: No date", "2031-01-05")
    press("Escape")
    expect(panel).to_have_count(0)
    lease = ada.task("Read the lease twice")
    expect(lease).to_be_focused()
    for said in ("flat", "Low", "5 Jan 2031"):
        expect(lease.get_by_text(said).filter(visible=True)).to_be_visible()
    press("ArrowDown")
    press("Space")
    expect(ada.page.get_by_label("Completed: Water the plants")).to_be_checked()
    press("Control+z")
    expect(ada.page.get_by_label("Completed: Water the plants")).not_to_be_checked()
    press("Control+y")
    expect(ada.page.get_by_label("Completed: Water the plants")).to_be_checked()
    press("Delete")
    expect(ada.task("Water the plants")).to_have_count(0)
    expect(lease).to_be_focused()
    press("/")
    text("bank")
    expect(rows(ada)).to_have_count(1)
    ada.is_at("/tasks?q=bank")
    press("Escape")
    press("Control+k")
    expect(ada.page.get_by_placeholder("Find a task")).to_be_focused()
    text("trash")
    press("Enter")
    ada.is_at("/tasks?view=trash")
    expect(ada.task("Water the plants")).to_be_visible()
    ada.page.go_back()
    expect(ada.task("Call the bank")).to_be_visible()
    press("?")
    expect(ada.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    press("Escape")
    wait_until_saved(ada)
    ada.page.reload()
    ada.has_read_all()
    assert titles(ada) == ["Call the bank", "Read the lease twice"]


@pytest.mark.prove
def test_no_key_is_lost_after_a_shortcut_on_a_slow_machine(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    ada.has_an_account()
    ada.has_read_all()
    press, text = ada.page.keyboard.press, ada.page.keyboard.type
    press("Escape")  # leaves the field, which has the focus on the first visit
    slow = ada.context.new_cdp_session(ada.page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    press("c")
    for n in range(10):
        text(f"Read page {n}")
        press("Enter")
    wait_until_saved(ada)
    press("Escape")
    press("j")
    search = ada.page.get_by_label("Search", exact=True)
    for left in reversed(range(2, 10)):
        press("Delete")
        press("/")
        text("page")
        expect(search).to_have_value("page")
        expect(search).to_be_focused()
        expect(rows(ada)).to_have_count(left)
        press("Escape")
        press("j")


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


def test_file_that_is_not_chosen_in_a_dialog_leaves_the_dialog_open(ada: Person) -> None:
    """A file input sends the event `cancel` then, as a dialog does for Escape."""
    ada.page.keyboard.press("Control+k")
    field = ada.page.get_by_placeholder("Find a task")
    expect(field).to_be_focused()
    field.dispatch_event("cancel", {"bubbles": True})
    expect(field).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(field).to_have_count(0)
