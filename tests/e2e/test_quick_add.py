"""The field for a new task: pasted lines, and words that are dates, labels or priorities."""

import pytest
from playwright.sync_api import expect

from tests.e2e.person import Person
from tests.e2e.tasks import PASTE, rows, saved, titles, wait_until_saved


def test_pasted_lines_become_one_line_or_the_tasks_of_the_preview(ada: Person) -> None:
    long = " ".join(["longer"] * 49)
    lines = [
        "1/2 cup sugar",
        "24/7 support number",
        "buy sun cream",
        "1.5 kg flour",
        "- [x] milk",
        "- [ ] call tomorrow #home",
        "write to Bob tomorrow",
        long,
    ]
    field = ada.page.get_by_label("New task")
    field.fill("Buy for dinner")
    field.evaluate("field => field.setSelectionRange(4, 4)")
    field.evaluate(PASTE, "- milk \n- eggs ")
    ada.clicks("Paste as one line")
    expect(field).to_have_value("Buy - milk - eggsfor dinner")
    field.fill("")
    field.evaluate(PASTE, "\n".join(lines))
    preview = ada.page.get_by_role("dialog", name="Add 8 tasks?").get_by_role("list").first
    shown = preview.locator(":scope > li")
    for number, line in enumerate([*lines[:4], "milk"]):
        expect(shown.nth(number)).to_contain_text(line)
        expect(shown.nth(number).get_by_role("button")).to_have_count(0)
    expect(shown.nth(4)).to_contain_text("Completed")
    expect(shown.nth(5).get_by_role("listitem")).to_have_text(["Tomorrow", "home"])
    shown.nth(6).get_by_role("button", name="Tomorrow").click()
    expect(shown.nth(6)).to_have_text("write to Bob tomorrow")
    expect(shown.nth(7)).to_contain_text("The whole line will be the description.")
    assert ada.violations() == []
    ada.clicks("Add 8 tasks")
    wait_until_saved(ada)
    tasks = saved(ada)
    [cut] = [title for title in tasks if title.startswith("longer")]
    assert tasks.keys() - {cut} == {*lines[:4], "milk", "call", "write to Bob tomorrow"}
    assert [title for title, task in tasks.items() if task["completed"]] == ["milk"]
    assert [title for title, task in tasks.items() if task["dueOn"]] == ["call"]
    assert tasks["call"]["labels"] == ["home"]
    assert tasks[cut]["description"] == long
    assert len(cut) <= 200
    assert cut.endswith("…")


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


def test_parsed_words_of_a_line_are_shown_and_can_be_kept_as_text(ada: Person) -> None:
    field = ada.page.get_by_label("New task")
    chips = ada.page.get_by_role("list", name="Understood").get_by_role("listitem")
    field.fill("Call the bank tomorrow !high #home")
    expect(chips).to_have_text(
        ["Tomorrow", "High", "home"]
    )  # dates appear once their parser is loaded
    chips.get_by_role("button", name="keep “#home” as plain words").click()
    expect(chips).to_have_count(2)
    expect(field).to_be_focused()
    field.press("Enter")
    row = ada.task("Call the bank #home")
    expect(row.get_by_text("Tomorrow").filter(visible=True)).to_be_visible()
    field.fill("Meet on the 99th !whatever # 25:99")
    expect(chips).to_have_count(0)
    field.press("Enter")
    expect(ada.task("Meet on the 99th !whatever # 25:99")).to_be_visible()


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
