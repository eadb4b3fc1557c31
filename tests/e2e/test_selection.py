"""Several tasks are selected, and edited together."""

import re

from playwright.sync_api import expect

from tests.e2e.person import Person
from tests.e2e.tasks import rows, titles, wait_until_saved


def selected(person: Person) -> list[str]:
    """Return the titles of the selected tasks, in their order."""
    boxes = person.page.get_by_role("checkbox", name=re.compile("^Select: "))
    named: list[str] = boxes.evaluate_all(
        "boxes => boxes.filter(box => box.checked).map(box => box.ariaLabel.slice(8))"
    )
    return named


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


def test_bulk_edits_can_be_made_and_undone(ada: Person) -> None:
    ada.pastes("- milk\n- eggs #shop\n\n- [ ] bread")
    expect(ada.page.get_by_role("dialog", name="Add 3 tasks?")).to_be_visible()
    assert ada.violations() == []
    ada.page.keyboard.press("Enter")
    expect(rows(ada)).to_have_count(3)
    wait_until_saved(ada)
    assert titles(ada) == ["milk", "eggs", "bread"]
    ada.clicks("Select several")
    ada.clicks("Select: milk", "checkbox")
    ada.clicks("Select: bread", "checkbox")
    bar = ada.page.get_by_role("toolbar", name="Selected tasks")
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Due date").click()
    ada.dialog().get_by_role("button", name="Tomorrow").click()
    bar.get_by_label("Set priority").select_option(label="Urgent")
    bar.get_by_label("Add label").fill("shop")
    bar.get_by_label("Add label").press("Enter")
    for title in ("milk", "bread"):
        for said in ("Tomorrow", "Urgent", "shop"):
            expect(ada.task(title)).to_contain_text(said)
    bar.get_by_label("Remove label").select_option(label="shop")
    expect(ada.task("milk")).not_to_contain_text("shop")
    wait_until_saved(ada)
    assert ada.violations() == []
    ada.clicks("Undo")
    expect(ada.task("milk")).to_contain_text("shop")
    bar.get_by_role("button", name="Complete").click()
    bar.get_by_role("button", name="Trash").click()
    expect(rows(ada)).to_have_count(1)
    ada.clicks("Undo")
    wait_until_saved(ada)
    ada.clicks("shop", "link")
    ada.is_at("/tasks?label=shop")
    expect(rows(ada)).to_have_count(1)
    ada.clicks("Completed", "link")
    expect(rows(ada)).to_have_count(2)
