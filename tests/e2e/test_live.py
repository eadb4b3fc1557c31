"""Changes appear in other browsers and tabs as they happen, over one socket for each browser."""

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dev.postgres import Postgres
from tests import stack
from tests.e2e.person import Newcomer, Person, place

log = logging.getLogger(__name__)

CREATE = """mutation ($title: String!, $position: String) {
  createTask(input: {title: $title, position: $position}) { task { id } }
}"""
TOP = "Z0"
"""A position before those that the web app has given to a few tasks."""
UPDATE = (
    "mutation ($id: ID!, $patch: TaskPatch!) { updateTask(id: $id, patch: $patch) { task { id } } }"
)
WITHOUT_NETWORK = ("ERR_INTERNET_DISCONNECTED", "ERR_CONNECTION_REFUSED", "WebSocket connection")


@pytest.fixture
def phone(ada: Person, newcomer: Newcomer) -> Person:
    """Return another browser of Ada. Both receive changes."""
    ada.is_live()
    return ada.has_another_browser(newcomer)


def polls(person: Person) -> list[str]:
    """Return the requests that a browser has sent to the API since they were cleared."""
    return [url for url in person.requests if url.startswith(person.site.env["API_URL"])]


def test_every_edit_appears_in_another_browser(ada: Person, phone: Person) -> None:
    phone.requests.clear()
    spans: list[float] = []

    def appears(check: Callable[[], None]) -> None:
        began = time.monotonic()
        check()
        spans.append(time.monotonic() - began)

    ada.page.get_by_label("New task").fill("Call the bank")
    ada.page.keyboard.press("Enter")
    appears(lambda: expect(phone.task("Call the bank")).to_be_visible())
    ada.renames("Call the bank", "Write to the bank")
    appears(lambda: expect(phone.task("Write to the bank")).to_be_visible())
    ada.clicks("New project")
    ada.page.get_by_label("Name of the new project").fill("Home")
    ada.page.keyboard.press("Enter")
    appears(lambda: expect(phone.page.get_by_role("link", name="Home")).to_be_visible())
    ada.shows("All")
    ada.page.get_by_role("checkbox", name="Completed: Write to the bank").check()
    appears(lambda: expect(phone.task("Write to the bank")).to_have_count(0))
    phone.shows("Completed")
    ada.shows("Completed")
    ada.clicks("Move to trash: Write to the bank")
    appears(lambda: expect(phone.task("Write to the bank")).to_have_count(0))
    log.info("an edit appeared after %s ms", [round(span * 1000) for span in spans])
    assert polls(phone) == []
    assert min(spans) < 1, "a busy machine may delay some of them"


def test_tabs_share_one_socket_until_its_tab_is_closed(ada: Person) -> None:
    ada.is_live()
    others = [ada.context.new_page() for _ in range(2)]
    for page in others:
        page.goto(f"{ada.site.url}/tasks")
        ada.has_read_all(page)
    ada.asks(CREATE, title="Milk")
    for page in (ada.page, *others):
        expect(page.get_by_role("listitem", name="Milk")).to_be_visible()
    ada.is_live()
    assert len(ada.sockets) == 1
    ada.page.close()
    ada.page = others[0]
    ada.is_live()
    ada.asks(CREATE, title="Bread")
    for page in others:
        expect(page.get_by_role("listitem", name="Bread")).to_be_visible()
    assert len(ada.sockets) == 2


def test_browser_without_a_network_misses_nothing(ada: Person, phone: Person) -> None:
    phone.context.set_offline(True)
    expect(phone.page.get_by_role("main")).to_contain_text("You are offline.")
    phone.is_live(sockets=0)
    for title in ("Milk", "Bread"):
        ada.adds(title)
    ada.clicks("Move to trash: Milk")
    expect(ada.task("Milk")).to_have_count(0)
    phone.context.set_offline(False)
    expect(phone.task("Bread")).to_be_visible()
    expect(phone.task("Milk")).to_have_count(0)
    phone.is_live()
    ada.adds("Tea")
    expect(phone.task("Tea")).to_be_visible()
    phone.ignores_messages(*WITHOUT_NETWORK)


@pytest.fixture
def own_site(tmp_path: Path, postgres: Postgres) -> Iterator[stack.Site]:
    """Run a product whose API a test may stop."""
    with stack.site(tmp_path, postgres) as running:
        yield running


@pytest.mark.prove
def test_browser_misses_nothing_during_a_deployment(
    own_site: stack.Site, newcomer: Newcomer, tmp_path: Path
) -> None:
    ada = newcomer(own_site)
    ada.has_an_account()
    ada.is_live()
    other = stack.api(tmp_path, own_site.env, "--no-migrate")
    try:
        current, port = own_site.api, int(own_site.api.url.rpartition(":")[2])
        current.stop()
        own_site.api = other
        ada.asks(CREATE, title="While the API was away")
        own_site.api = stack.api(tmp_path, own_site.env, "--no-migrate", port=port)
    finally:
        other.stop()
    expect(ada.task("While the API was away")).to_be_visible()
    ada.is_live()
    ada.asks(CREATE, title="After that")
    expect(ada.task("After that")).to_be_visible()
    ada.leaves()
    ada.ignores_messages(*WITHOUT_NETWORK)


def test_change_from_elsewhere_leaves_text_and_caret(ada: Person) -> None:
    ada.is_live()
    id = ada.asks(CREATE, title="Plan the trip")["createTask"]["task"]["id"]
    ada.clicks("Edit details: Plan the trip")
    title = ada.page.get_by_role("dialog").get_by_label("Title")
    title.focus()
    caret = "element => [element.value, element.selectionStart, element === document.activeElement]"
    ada.page.keyboard.press("Home")
    for _ in range(4):
        ada.page.keyboard.press("ArrowRight")
    ada.asks(UPDATE, id=id, patch={"title": "Plan the journey"})
    expect(title).to_have_value("Plan the journey")
    assert title.evaluate(caret) == ["Plan the journey", 4, True]

    ada.page.keyboard.type("X")
    ada.asks(UPDATE, id=id, patch={"priority": "HIGH"})
    expect(ada.page.get_by_label("Priority")).to_have_value("HIGH")
    assert title.evaluate(caret) == ["PlanX the journey", 5, True]
    ada.page.keyboard.type("Y")
    assert title.evaluate(caret) == ["PlanXY the journey", 6, True]


@pytest.mark.prove
def test_row_that_is_renamed_stays_in_its_place(ada: Person) -> None:
    ada.adds("Milk")
    ada.adds("Bread")
    ada.is_live()
    ada.task("Milk").focus()
    ada.page.keyboard.press("e")
    field = ada.page.get_by_label("Title")
    field.fill("Oat milk")
    field.evaluate("element => element.setSelectionRange(3, 3)")
    before = place(field)
    ada.asks(CREATE, title="From elsewhere", position=TOP)
    bread = ada.asks('{ tasks(filter: {search: "Bread"}) { nodes { id } } }')["tasks"]["nodes"][0]
    ada.asks(UPDATE, id=bread["id"], patch={"title": "Rye bread"})
    expect(ada.task("Rye bread")).to_be_visible()
    assert place(field) == before
    ada.page.keyboard.type("x")
    expect(field).to_have_value("Oatx milk")
    ada.page.keyboard.press("Enter")
    titles = ada.page.get_by_role("listitem").locator("[data-title]")
    expect(titles).to_have_text(["From elsewhere", "Rye bread", "Oatx milk"])


def test_row_that_is_dragged_stays_in_its_place(ada: Person) -> None:
    for title in ("Third", "Second", "First"):
        ada.adds(title)
    ada.is_live()
    box, target = place(ada.task("Third")), place(ada.task("First"))
    mouse = ada.page.mouse
    mouse.move(box["x"] + 100, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(target["x"] + 100, target["y"] + 10, steps=5)
    mouse.move(target["x"] + 100, target["y"] + 4, steps=2)
    first = ada.asks('{ tasks(filter: {search: "First"}) { nodes { id } } }')["tasks"]["nodes"][0]
    ada.asks(CREATE, title="From elsewhere", position=TOP)
    ada.asks(UPDATE, id=first["id"], patch={"title": "Number one"})
    expect(ada.task("Number one")).to_be_visible()
    assert place(ada.task("Number one"))["y"] == target["y"]
    mouse.up()
    expect(ada.task("From elsewhere")).to_be_visible()
    titles = ada.page.get_by_role("listitem").locator("[data-title]")
    expect(titles).to_have_text(["From elsewhere", "Third", "Number one", "Second"])


@pytest.mark.prove
def test_next_person_at_a_browser_receives_nothing_of_the_first(ada: Person, phone: Person) -> None:
    ada.signs_out()
    ada.sockets.clear()
    ada.email = f"next-{ada.email}"
    ada.has_an_account()
    ada.is_live()
    phone.adds("Only for the first person")
    ada.asks(CREATE, title="Only for the second person")
    expect(ada.task("Only for the second person")).to_be_visible()
    received = "".join(ada.sockets[0].received)
    assert "Only for the second person" in received
    assert "Only for the first person" not in received + ada.page.content()


def test_graphiql_runs_a_subscription(ada: Person) -> None:
    cursor = ada.asks("{ viewer { changeCursor } }")["viewer"]["changeCursor"]
    ada.page.goto(f"{ada.site.env['API_URL']}/graphql?query={{x}}")
    ada.is_at("/graphiql")  # the API redirects a browser
    editor = ada.page.locator(".graphiql-query-editor")
    expect(editor.locator(".view-lines")).to_be_visible()
    editor.click()
    ada.page.keyboard.press("Control+a")
    follow = f'subscription {{ taskChanges(after: "{cursor}") {{ task {{ title }} }} }}'
    ada.page.keyboard.insert_text(follow)
    ada.sockets.clear()
    ada.page.get_by_role("button", name="Execute query").click()
    ada.asks(CREATE, title="Seen as it happens")
    expect(ada.page.locator(".result-window")).to_contain_text("Seen as it happens")
    [one] = ada.sockets
    assert one.socket.url == ada.site.env["API_URL"].replace("http", "ws", 1) + "/graphql"
    ada.page.get_by_role("button", name="Stop query").click()
    ada.waits_until(one.socket.is_closed, "the socket is open")


WATCH = """() => {
  window.seen = {};
  const note = () => {
    for (const row of document.querySelectorAll("li[aria-label]")) {
      const name = row.getAttribute("aria-label");
      window.seen[name] ??= performance.timeOrigin + performance.now();
    }
  };
  new MutationObserver(note).observe(document.body, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["aria-label"],
  });
}"""
"""Records when the page first has a row with a name."""
PRESSED = """() => addEventListener("keydown", ({ key, timeStamp }) => {
  if (key === "Enter") window.pressed = performance.timeOrigin + timeStamp;
}, true)"""


@pytest.mark.prove
def test_delay_from_a_key_press_to_another_browser(ada: Person, phone: Person) -> None:
    phone.page.evaluate(WATCH)
    ada.page.evaluate(PRESSED)
    delays = []
    for number in range(50):
        title = f"Task {number}"
        ada.adds(title)
        expect(phone.task(title)).to_be_visible()
        pressed = ada.page.evaluate("window.pressed")
        delays.append(phone.page.evaluate("title => window.seen[title]", title) - pressed)
    median, worst = statistics.median(delays), max(delays)
    log.info("from a key press to another browser: median %d ms, worst %d ms", median, worst)
    assert median < 500
