"""The details of a task: saved during typing, and both versions shown after a conflict."""

import pytest
from playwright.sync_api import expect

from tests.e2e.person import Person
from tests.e2e.tasks import (
    create_task,
    mutations,
    panel,
    rows,
    saved,
    titles,
    update_task,
    wait_until_saved,
)


@pytest.mark.prove
def test_details_of_a_task_are_edited_and_saved(ada: Person) -> None:
    ada.adds("Plan the trip")
    ada.clicks("Edit details: Plan the trip")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Description").fill("Trains,\nthen the boat")
    dialog.get_by_label("Title").fill("Plan the journey")
    ada.clicks("Close details")
    expect(dialog).to_have_count(0)
    expect(ada.task("Plan the journey")).to_have_attribute("aria-busy", "false")
    ada.page.reload()
    expect(ada.task("Plan the journey")).to_contain_text("Trains,")
    ada.clicks("Edit details: Plan the journey")
    expect(dialog).to_contain_text("then the boat")


HOLD_AUTOSAVE = """() => {
  const { setTimeout } = window;
  window.setTimeout = (callback, delay, ...rest) =>
    delay === 1000 ? undefined : setTimeout(callback, delay, ...rest);
}"""
"""Drops the timers that save what is typed, in a page that is reloaded afterwards."""


# `test_escape_does_not_decide_a_conflict` resolves one in `make test`.
@pytest.mark.prove
@pytest.mark.parametrize("keep", ["Keep mine", "Keep the other one"])
def test_conflicting_edits_show_both_versions(ada: Person, keep: str) -> None:
    ada.adds("Shared")
    ada.clicks("Edit details: Shared")
    dialog = ada.page.get_by_role("dialog", name="Task details")
    # What is typed is saved after a pause. This tab must not save before the other one, or the
    # speed of the machine would decide which of the two is first.
    ada.page.evaluate(HOLD_AUTOSAVE)
    dialog.get_by_label("Title").fill("Typed here")
    elsewhere = ada.context.new_page()
    elsewhere.goto(f"{ada.site.url}/tasks")
    expect(elsewhere.locator("[inert]")).to_have_count(0)  # the page listens by now
    elsewhere.get_by_role("listitem", name="Shared").focus()
    elsewhere.keyboard.press("e")
    elsewhere.get_by_label("Title").fill("Changed over there")
    elsewhere.get_by_label("Title").press("Enter")
    there = elsewhere.get_by_role("listitem", name="Changed over there")
    expect(there).to_have_attribute("aria-busy", "false")
    elsewhere.close()
    expect(dialog.get_by_label("Title")).to_have_value("Typed here")
    ada.clicks("Close details")
    conflict = ada.page.get_by_role("dialog", name="changed elsewhere")
    expect(conflict.get_by_role("region", name="Yours")).to_contain_text("Typed here")
    expect(conflict.get_by_role("region", name="The other one")).to_contain_text(
        "Changed over there"
    )
    assert ada.violations() == []
    ada.clicks(keep)
    expect(conflict).to_have_count(0)
    kept = ada.task("Typed here" if keep == "Keep mine" else "Changed over there")
    expect(kept).to_have_attribute("aria-busy", "false")
    ada.page.reload()
    expect(kept).to_be_visible()


def test_markdown_runs_no_script_and_fetches_nothing(ada: Person) -> None:
    ada.adds("Evil")
    ada.clicks("Edit details: Evil")
    ada.page.get_by_label("Description").fill(
        "<img src=x onerror=alert(1)> <script>alert(2)</script>\n\n"
        "[run](javascript:alert(3)) ![seen](https://elsewhere.example/pixel.png) **bold**"
    )
    ada.requests.clear()
    ada.clicks("Preview")
    text = ada.page.locator(".prose")
    expect(text.locator("strong")).to_have_text("bold")
    assert text.locator("img, script").count() == 0
    assert "javascript:" not in text.inner_html()
    assert not [url for url in ada.requests if "elsewhere" in url]


def test_title_may_have_200_characters_in_any_encoding(ada: Person) -> None:
    field = ada.page.get_by_label("New task")
    fits = "a" * 199 + "🏠"
    field.fill(fits)
    field.press("Enter")
    wait_until_saved(ada)
    assert titles(ada) == [fits]
    too_long = "b" * 344
    field.fill(too_long)
    field.press("Enter")
    expect(ada.page.get_by_role("main").get_by_role("alert")).to_have_text(
        "A title can have 200 characters. This one has 344."
    )
    expect(field).to_have_value(too_long)
    field.fill("")
    rows(ada).first.focus()
    ada.page.keyboard.press("e")
    title = ada.page.get_by_label("Title")
    title.fill(too_long)
    title.press("Enter")
    expect(rows(ada).first.get_by_role("alert")).to_contain_text("This one has 344.")
    expect(title).to_have_value(too_long)
    title.press("Escape")
    ada.page.keyboard.press("Enter")
    title = panel(ada).get_by_label("Title")
    title.fill(too_long)
    title.press("Escape")
    expect(panel(ada).get_by_role("alert")).to_contain_text("This one has 344.")
    expect(title).to_have_value(too_long)
    expect(title).to_be_focused()
    title.fill(f"{fits[1:]}🏠")
    description = panel(ada).get_by_label("Description")
    description.fill("🏠" * 10_001)
    expect(panel(ada).get_by_role("alert")).to_contain_text("can have 10,000 characters")
    description.fill("🏠" * 9_998 + "\x0bx\x07")
    expect(panel(ada).get_by_role("alert")).to_have_count(0)
    label = panel(ada).get_by_label("Add a label")
    label.fill("c" * 51)
    label.press("Enter")
    expect(panel(ada).get_by_role("alert")).to_contain_text("A label can have 50 characters.")
    expect(label).to_have_value("c" * 51)
    label.fill("🏠" * 50)
    label.press("Enter")
    description.press("Escape")
    wait_until_saved(ada)
    expect(ada.page.get_by_role("main").get_by_role("alert")).to_have_count(0)
    [task] = saved(ada).values()
    assert (task["title"], task["labels"]) == (f"{fits[1:]}🏠", ["🏠" * 50])
    assert task["description"] == "🏠" * 9_998 + "\nx"


# `test_projects.py` keeps the other version.
@pytest.mark.parametrize(
    "keep", ["Keep mine", pytest.param("Keep the other one", marks=pytest.mark.prove)]
)
def test_escape_does_not_decide_a_conflict(ada: Person, keep: str) -> None:
    task = create_task(ada, title="Shared", description="Before")
    ada.clicks("Edit details: Shared")
    ada.clicks("Edit description")
    field = panel(ada).get_by_label("Description")
    field.press("End")
    field.press_sequentially(", typed")
    update_task(ada, task, description="From elsewhere", title="Shared there")
    expect(ada.task("Shared there")).to_be_visible()
    question = ada.page.get_by_role("dialog", name="changed elsewhere")
    field.press_sequentially(" here")
    expect(question).to_have_count(0)  # no dialog appears while the user types
    expect(field).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(question.get_by_role("region", name="Yours")).to_contain_text("Before, typed here")
    ada.page.keyboard.press("Enter")
    expect(question).to_be_visible()  # Enter chooses neither version
    ada.page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    assert saved(ada)["Shared there"]["description"] == "From elsewhere"
    assert ada.violations() == []
    ada.page.reload()  # the browser stores the text
    expect(question.get_by_role("region", name="Yours")).to_contain_text("Before, typed here")
    ada.page.keyboard.press("Escape")
    ada.clicks("Choose a text")
    ada.clicks(keep)
    expect(question).to_have_count(0)
    wait_until_saved(ada)
    mine, theirs = "Before, typed here", "From elsewhere"
    is_mine = keep == "Keep mine"
    assert saved(ada)["Shared there"]["description"] == (mine if is_mine else theirs)
    ada.task("Shared there").focus()
    ada.page.keyboard.press("Control+z")
    expect(ada.page.get_by_text("Undone: Kept")).to_be_visible()
    wait_until_saved(ada)
    assert saved(ada)["Shared there"]["description"] == (theirs if is_mine else mine)
    ada.page.reload()
    ada.has_read_all()
    expect(question).to_have_count(0)
    expect(ada.page.get_by_role("button", name="Choose a text")).to_have_count(0)


def test_text_is_saved_during_typing_and_undone_in_one_step(ada: Person) -> None:
    create_task(ada, title="Letter", description="Dear Bob")
    ada.stops_clock()  # otherwise a slow machine would save the text between two keys
    clock = ada.page.clock
    ada.clicks("Edit details: Letter")
    ada.clicks("Edit description")
    field = panel(ada).get_by_label("Description")
    with mutations(ada.page) as sent:
        field.press("End")
        for part in (", how are", " you?"):
            field.press_sequentially(part)
            expect(panel(ada)).to_contain_text("Not saved yet")
            clock.run_for(1000)
            expect(panel(ada)).to_contain_text("Saved automatically")
            expect(field).to_be_focused()
        wait_until_saved(ada)
        assert [one["patch"]["description"] for one in sent] == [
            "Dear Bob, how are",
            "Dear Bob, how are you?",
        ]
    clock.resume()
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+z")
    wait_until_saved(ada)
    assert saved(ada)["Letter"]["description"] == "Dear Bob"


@pytest.mark.parametrize("place", ["panel", pytest.param("row", marks=pytest.mark.prove)])
def test_closing_a_tab_during_typing_loses_nothing(ada: Person, place: str) -> None:
    create_task(ada, title="Letter")
    close_a_tab_during_typing(ada, place)
    [task] = saved(ada).values()
    if place == "panel":
        assert task["description"] == "Dear Bob, how are you?"
    else:
        assert task["title"] == "Letter to Bob"


def close_a_tab_during_typing(ada: Person, place: str) -> None:
    """Type in the panel or in the row of a task, and close the tab before the text is saved."""
    tab = ada.context.new_page()
    tab.goto(f"{ada.site.url}/tasks")
    ada.has_read_all(tab)
    if place == "panel":
        tab.get_by_role("button", name="Edit details: Letter").click()
        tab.get_by_label("Description").press_sequentially("Dear Bob, how are you?")
    else:
        tab.get_by_role("listitem", name="Letter").focus()
        tab.keyboard.press("e")
        tab.get_by_label("Title").press_sequentially("Letter to Bob")
    # No request of this tab reaches the server any more: only the browser can keep the text.
    tab.route("**/graphql", lambda route: route.abort())
    tab.close()
    ada.page.reload()
    ada.has_read_all()
    wait_until_saved(ada)
