"""Texts, keyboards and dates of many languages."""

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect

from tests import stack
from tests.e2e.person import Newcomer, Person
from tests.e2e.tasks import PASTE, create_task, panel, rows, saved, wait_until_saved


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
