"""Typed and pasted text: shown as it will be saved, saved as typed, and never truncated."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Locator, Page, Request, expect

from tests import stack
from tests.e2e.conftest import Newcomer, Person
from tests.e2e.test_tasks import asks, rows, titles, wait_until_saved

PASTE = """(field, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}"""
FIELDS = "id version title description dueOn completed labels"


def saved(person: Person) -> dict[str, Any]:
    """Return the user's tasks as the API has them, by title."""
    query = f"{{ tasks(filter: {{status: [OPEN, COMPLETED]}}) {{ nodes {{ {FIELDS} }} }} }}"
    return {node["title"]: node for node in asks(person, query)["tasks"]["nodes"]}


def create_task(person: Person, **given: Any) -> dict[str, Any]:
    """Create a task by the API, and wait until the page has it."""
    query = f"""mutation ($input: CreateTaskInput!) {{
        createTask(input: $input) {{ task {{ {FIELDS} }} }}
    }}"""
    task: dict[str, Any] = asks(person, query, input=given)["createTask"]["task"]
    person.page.reload()
    person.has_read_all()
    return task


def update_task(person: Person, task: dict[str, Any], **patch: Any) -> None:
    """Change a task by the API."""
    query = """mutation ($id: ID!, $patch: TaskPatch!) {
        updateTask(id: $id, patch: $patch) { __typename }
    }"""
    asks(person, query, id=task["id"], patch=patch)


def panel(person: Person) -> Locator:
    return person.page.get_by_role("dialog", name="Task details")


@contextmanager
def mutations(page: Page) -> Iterator[list[dict[str, Any]]]:
    """Collect the variables of the mutations that the page sends."""
    sent: list[dict[str, Any]] = []

    def see(request: Request) -> None:
        if request.url.endswith("/graphql") and request.method == "POST":
            body = json.loads(request.post_data or "{}")
            if "patch" in body.get("variables", {}) or "inputs" in body.get("variables", {}):
                sent.append(body["variables"])

    page.on("request", see)
    yield sent
    page.remove_listener("request", see)


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


class InputMethod:
    """An input method as in Chromium: a composition, and keys that the input method handles."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: CDPSession = page.context.new_cdp_session(page)
        page.evaluate(
            """() => {
                window.composed = [];
                document.addEventListener("compositionupdate", ({ data }) => composed.push(data));
            }"""
        )

    def composes(self, text: str) -> None:
        """Compose a text without committing it."""
        ends = {"selectionStart": len(text), "selectionEnd": len(text)}
        self.session.send("Input.imeSetComposition", {"text": text, **ends})
        assert text in self.page.evaluate("composed")

    def presses(self, key: str, code: int) -> None:
        """Press a key during the composition."""
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **event})
        self.session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def commits(self, text: str) -> None:
        """Commit this text."""
        self.session.send("Input.insertText", {"text": text})


def test_keys_of_an_input_method_are_ignored_by_shortcuts(ada: Person) -> None:
    ada.adds("Milk")
    ada.adds("Bread")
    method = InputMethod(ada.page)
    press = ada.page.keyboard.press

    def composes(text: str, field: Locator) -> None:
        method.composes(text)
        for key, code in (("Enter", 13), ("Escape", 27), ("Enter", 229), ("Escape", 229)):
            method.presses(key, code)
        expect(field).to_be_focused()
        expect(field).to_have_value(text)
        method.commits(text)

    ada.task("Milk").focus()
    press("e")
    press("Control+a")
    title = ada.page.get_by_label("Title")
    composes("ぎゅうにゅう", title)
    press("Enter")
    expect(ada.task("ぎゅうにゅう")).to_be_visible()
    press("Enter")
    title = panel(ada).get_by_label("Title")
    title.focus()
    press("Control+a")
    composes("牛乳", title)
    label = panel(ada).get_by_label("Add a label")
    label.focus()
    composes("みせ", label)
    press("Enter")
    expect(panel(ada)).to_contain_text("みせ")
    press("Escape")
    ada.page.get_by_label("New task").focus()
    composes("パン", ada.page.get_by_label("New task"))
    press("Enter")
    expect(ada.task("パン")).to_be_visible()
    ada.page.get_by_label("Search", exact=True).focus()
    composes("牛", ada.page.get_by_label("Search", exact=True))
    expect(rows(ada)).to_have_count(1)
    press("Escape")
    press("Control+k")
    find = ada.page.get_by_placeholder("Find a task")
    expect(find).to_be_focused()
    composes("牛", find)
    press("Escape")
    wait_until_saved(ada)
    assert {title: task["version"] for title, task in saved(ada).items()} == {
        "Bread": 1,
        "パン": 1,
        "牛乳": 4,  # created, renamed twice, labelled
    }


def test_due_date_is_typed_or_chosen_in_its_picker(ada: Person) -> None:
    press = ada.page.keyboard.press
    ada.adds("Taxes")
    ada.clicks("Edit details: Taxes")
    due = panel(ada).get_by_role("button", name="Due: ")
    picker = ada.page.get_by_role("dialog", name="Due date")
    with mutations(ada.page) as sent:
        due.focus()
        press("Enter")
        expect(picker.get_by_label("Type a date")).to_be_focused()
        ada.page.keyboard.type("soon")
        press("Enter")
        expect(picker.get_by_text("This is not a date.")).to_be_visible()
        press("Control+a")
        ada.page.keyboard.type("31 may 2027")
        expect(picker.get_by_role("grid", name="May 2027")).to_be_visible()
        assert ada.violations() == []
        press("ArrowDown")
        press("ArrowRight")
        expect(picker.get_by_role("button", name="Tuesday, June 1, 2027")).to_be_focused()
        press("Enter")
        expect(due).to_be_focused()
        expect(due).to_have_text("1 Jun 2027")
        # Escape closes only the picker.
        press("Enter")
        ada.page.keyboard.type("tomorrow")
        press("Escape")
        expect(picker).to_have_count(0)
        expect(due).to_be_focused()
        press("Enter")
        picker.get_by_role("button", name="No date").click()
        expect(due).to_have_text("No date")
        wait_until_saved(ada)
        assert [one["patch"] for one in sent] == [{"dueOn": "2027-06-01"}, {"dueOn": None}]


DIRECTIONS = r"""() => {
    const bad = [];
    const isWrong = (text, element) =>
        /^[^\p{L}]*[\u0590-\u08ff]/u.test(text) && getComputedStyle(element).direction !== "rtl";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        const text = node.data;
        if (element.closest("script, title") || !/[\u0590-\u08ff]/.test(text)) continue;
        // Within a sentence of ours it is isolated.
        const isSentence = /^[^\u0590-\u08ff]*\p{Script=Latin}/u.test(text);
        const isIsolated = /^[^\u0590-\u08ff]*\u2068/.test(text);
        if (!isIsolated && (isSentence || isWrong(text, element))) bad.push(text);
    }
    for (const field of document.querySelectorAll("input, textarea")) {
        if (isWrong(field.value, field)) bad.push(`field: ${field.value}`);
    }
    return bad;
}"""


@pytest.mark.prove
def test_text_has_its_own_direction_everywhere(ada: Person) -> None:
    hebrew, arabic = "לקנות חלב!", "اتصل بالبنك!"
    create_task(ada, title=hebrew, labels=["בית"], description=f"{arabic}\n\n- {hebrew}")
    create_task(ada, title=arabic)

    def is_right() -> None:
        assert ada.page.evaluate(DIRECTIONS) == []

    is_right()
    field = ada.page.get_by_label("New task")
    field.fill(f"{hebrew} #בית")
    is_right()
    field.fill("")
    field.evaluate(PASTE, f"{hebrew} #בית\n{arabic}")
    is_right()
    ada.page.keyboard.press("Escape")
    ada.clicks(f"Edit details: {hebrew}")
    is_right()
    expect(ada.page.locator(".prose li")).to_have_text(hebrew)
    ada.clicks("Edit description")
    is_right()
    ada.clicks("Close details")
    ada.task(arabic).focus()
    ada.page.keyboard.press("e")
    is_right()
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("x")
    ada.clicks("Complete")
    expect(ada.page.get_by_role("status").filter(has_text="Completed")).to_be_visible()
    is_right()
    ada.page.keyboard.press("Control+k")
    ada.page.get_by_placeholder("Find a task").fill(hebrew)
    expect(ada.page.get_by_role("option", name=hebrew)).to_be_visible()
    is_right()
    ada.page.keyboard.press("Escape")
    ada.clicks("בית", "link")
    expect(ada.page.get_by_role("heading", name="בית")).to_be_visible()
    is_right()
    ada.clicks(f"Move to trash: {hebrew}")
    is_right()
    ada.clicks("Trash", "link")
    ada.clicks(f"Delete permanently: {hebrew}")
    is_right()


@pytest.mark.prove
def test_hindi_word_can_be_a_label(ada: Person) -> None:
    ada.page.get_by_label("New task").fill("दूध #हिन्दी")
    ada.page.get_by_label("New task").press("Enter")
    wait_until_saved(ada)
    assert saved(ada)["दूध"]["labels"] == ["हिन्दी"]


@pytest.mark.prove
def test_shortcuts_work_with_a_cyrillic_layout(ada: Person) -> None:
    ada.adds("Second")
    ada.adds("First")
    ada.page.keyboard.press("Escape")
    session = ada.context.new_cdp_session(ada.page)

    def presses(key: str, code: str, modifiers: int = 0) -> None:
        event = {"key": key, "code": code, "modifiers": modifiers}
        session.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **event})
        session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    presses("\N{CYRILLIC SMALL LETTER O}", "KeyJ")  # j
    expect(ada.task("First")).to_be_focused()
    presses("\N{CYRILLIC SMALL LETTER O}", "KeyJ")
    expect(ada.task("Second")).to_be_focused()
    presses("№", "Digit3", 8)  # Shift and 3: #
    expect(ada.task("Second")).to_have_count(0)
    presses("я", "KeyZ", 2)  # Ctrl z
    expect(ada.task("Second")).to_be_visible()
    presses("л", "KeyK", 2)  # Ctrl k
    expect(ada.page.get_by_placeholder("Find a task")).to_be_focused()
    ada.page.keyboard.press("Escape")
    presses("\N{CYRILLIC SMALL LETTER ES}", "KeyC")  # c
    expect(ada.page.get_by_label("New task")).to_be_focused()


# `test_app.py` keeps the other version.
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
    ada.clicks("Edit details: Letter")
    ada.clicks("Edit description")
    field = panel(ada).get_by_label("Description")
    with mutations(ada.page) as sent:
        field.press("End")
        for part in (", how are", " you?"):
            field.press_sequentially(part)
            expect(panel(ada)).to_contain_text("Not saved yet")
            expect(panel(ada)).to_contain_text("Saved automatically")  # after a pause
            expect(field).to_be_focused()
        wait_until_saved(ada)
        assert [one["patch"]["description"] for one in sent] == [
            "Dear Bob, how are",
            "Dear Bob, how are you?",
        ]
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


@pytest.mark.parametrize(
    ("locale", "day"),
    [pytest.param("en-US", "12 Jan 2031", marks=pytest.mark.prove), ("de-DE", "1 Dec 2031")],
)
def test_dates_are_parsed_in_the_users_locale(
    site: stack.Site, newcomer: Newcomer, locale: str, day: str
) -> None:
    ada = newcomer(site, locale=locale)
    ada.has_an_account()
    chips = ada.page.get_by_role("list", name="Understood").get_by_role("listitem")
    ada.page.get_by_label("New task").fill("Rechnung 01.12.2031")
    expect(chips).to_have_text(["1 Dec 2031"])
    ada.page.get_by_label("New task").fill("Invoice 01/12/2031")
    expect(chips).to_have_text([day])
