"""Tasks by keyboard, mouse and touch: quick, undoable, and correct on bad networks."""

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests import plain, stack
from tests.e2e.conftest import NARROW, WIDE, Newcomer, Person

TOKEN = "fetch('/api/auth/token').then(r => r.json()).then(body => body.token)"


def asks(person: Person, query: str, **variables: Any) -> Any:
    """Send a query to the API with the user's token, and return the data."""
    answer = plain.post(
        f"{person.site.api.url}/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {person.page.evaluate(TOKEN)}"},
    ).json()
    assert "errors" not in answer, answer
    return answer["data"]


def create_many(person: Person, count: int) -> None:
    """Create this number of tasks by the API."""
    create = """mutation ($inputs: [CreateTaskInput!]!) {
        createTasks(inputs: $inputs) { __typename }
    }"""
    for start in range(0, count, 100):
        asks(person, create, inputs=[{"title": f"Task {start + n}"} for n in range(100)])


def rows(person: Person) -> Locator:
    """Return the rows of all groups of the list."""
    return person.page.get_by_role("main").locator("li[data-id]")


def titles(person: Person) -> list[str]:
    """Return the titles of the rows, in their order."""
    named: list[str] = rows(person).evaluate_all("rows => rows.map(row => row.ariaLabel)")
    return named


def wait_until_saved(person: Person) -> None:
    """Wait until the server has every edit."""
    expect(person.page.locator("[aria-busy=true]")).to_have_count(0)


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


@pytest.mark.prove
def test_dragged_task_keeps_its_position(ada: Person) -> None:
    for title in ("third", "second", "first"):
        ada.adds(title)
    ada.task("third").drag_to(ada.task("first"), target_position={"x": 200, "y": 4})
    wait_until_saved(ada)
    assert titles(ada) == ["third", "first", "second"]
    ada.page.reload()
    assert titles(ada) == ["third", "first", "second"]


def test_long_list_renders_only_visible_rows(ada: Person) -> None:
    create_many(ada, 500)
    ada.page.reload()
    ada.has_read_all()
    expect(ada.page.get_by_text("500 tasks")).to_be_visible()
    assert rows(ada).count() < 60
    expect(rows(ada).first).to_have_attribute("aria-setsize", "500")
    ada.requests.clear()
    ada.page.mouse.wheel(0, 100_000)
    expect(ada.task("Task 499")).to_be_visible()
    assert rows(ada).count() < 60
    ada.page.get_by_label("Search").fill("Task 42")
    expect(ada.task("Task 420")).to_be_visible()
    expect(ada.page.get_by_text("15 tasks")).to_be_visible()
    ada.clicks("Completed", "link")
    # Polls are excluded, and scripts that every page loads a moment later.
    apart = re.compile(r"/graphql$|/_next/static/")
    assert [url for url in ada.requests if not apart.search(url)] == [], "a view costs no request"


@pytest.mark.prove
def test_change_in_another_tab_appears(ada: Person) -> None:
    other = ada.context.new_page()
    # Without timers, the tab polls only when the first tab tells it to.
    other.add_init_script("window.setInterval = (work) => { (window.polls ??= []).push(work); }")
    other.goto(f"{ada.site.url}/tasks")
    ada.has_read_all(other)
    ada.adds("From the first tab")
    expect(other.get_by_role("listitem", name="From the first tab")).to_be_visible()
    create = 'mutation { createTask(input: {title: "From elsewhere"}) { task { id } } }'
    asks(ada, create)
    other.evaluate("window.polls.forEach((poll) => poll())")
    expect(other.get_by_role("listitem", name="From elsewhere")).to_be_visible()
    other.get_by_role("checkbox", name="Completed: From elsewhere").check()
    expect(ada.task("From elsewhere")).to_have_count(0)


@pytest.mark.prove
def test_offline_edits_are_sent_in_order_when_the_network_returns(ada: Person) -> None:
    ada.adds("Before")
    ada.context.set_offline(True)
    expect(ada.page.get_by_role("main")).to_contain_text("You are offline.")
    field = ada.page.get_by_label("New task")
    for number in range(3):
        field.fill(f"Offline {number}")
        field.press("Enter")
    ada.page.get_by_role("checkbox", name="Completed: Offline 1").check()
    ada.renames("Offline 2", "Renamed offline")
    expect(ada.page.get_by_role("main")).to_contain_text("5 unsaved changes")
    ada.context.set_offline(False)
    wait_until_saved(ada)
    expect(ada.page.get_by_role("main")).not_to_contain_text("unsaved change")
    found = asks(ada, "{ tasks { nodes { title completed version } } }")["tasks"]["nodes"]
    assert {(task["title"], task["completed"], task["version"]) for task in found} == {
        ("Before", False, 1),
        ("Offline 0", False, 1),
        ("Offline 1", True, 2),
        ("Renamed offline", False, 2),
    }
    ada.ignores_messages("ERR_INTERNET_DISCONNECTED")


SHOW = """path => {
    history.pushState(null, "", path);
    dispatchEvent(new PopStateEvent("popstate"));
}"""
"""Shows another view in the open page, as the Back button does."""


def test_each_view_shows_its_tasks_and_has_a_url(ada: Person) -> None:
    today = ada.page.evaluate("new Date().toLocaleDateString('sv')")
    day = date.fromisoformat(today)
    given: list[dict[str, Any]] = [
        {
            "title": "Late",
            "dueOn": str(day - timedelta(days=1)),
            "priority": "LOW",
            "labels": ["home"],
        },
        {"title": "Now", "dueOn": today, "labels": ["home"]},
        {"title": "Soon", "dueOn": str(day + timedelta(days=3)), "priority": "URGENT"},
        {"title": "Any day", "labels": ["Home", "deep"], "description": "needle"},
        {"title": "Done", "completed": True, "priority": "URGENT"},
        {"title": "Gone", "dueOn": today},
    ]
    create = """mutation ($inputs: [CreateTaskInput!]!) {
        createTasks(inputs: $inputs) { tasks { id } }
    }"""
    made = asks(ada, create, inputs=given)["createTasks"]["tasks"]
    asks(ada, "mutation ($id: ID!) { trashTasks(ids: [$id]) { __typename } }", id=made[-1]["id"])
    shown = {
        "/tasks": ["Late", "Now", "Soon", "Any day"],
        "/tasks?view=today": ["Late", "Now"],
        "/tasks?view=upcoming": ["Soon"],
        "/tasks?view=completed": ["Done"],
        "/tasks?view=trash": ["Gone"],
        "/tasks?label=home": ["Late", "Now", "Any day"],
        "/tasks?priority=URGENT": ["Soon"],
        "/tasks?q=NEEDLE": ["Any day"],
        "/tasks?view=today&label=home": ["Late", "Now"],
        "/tasks?label=home&priority=LOW&q=late": ["Late"],
        "/tasks?sort=due": ["Late", "Now", "Soon", "Any day"],
        "/tasks?sort=priority": ["Soon", "Late", "Now", "Any day"],
        "/tasks?sort=title": ["Any day", "Late", "Now", "Soon"],
        "/tasks?sort=newest": ["Any day", "Soon", "Now", "Late"],
        "/tasks?view=nonsense&sort=nonsense&priority=nonsense": ["Late", "Now", "Soon", "Any day"],
    }
    cookies = {cookie["name"]: cookie["value"] for cookie in ada.context.cookies()}
    for path, expected in shown.items():
        html = plain.get(f"{ada.site.url}{path}", cookies=cookies).text
        items = re.findall(r"<li[^>]* data-id=[^>]*>", html)
        labels = re.findall(r' aria-label="([^"]*)"', "".join(items))
        assert labels == expected, f"{path} as the server renders it"
        assert "eyJ" not in html, "no token in it"
    for path in ("/tasks?view=today&label=home", "/tasks?sort=due"):
        ada.goes_to(path)
        assert titles(ada) == shown[path], f"{path} as the browser shows it first"
        ada.has_read_all()
        assert titles(ada) == shown[path], path
    for path, expected in shown.items():
        ada.page.evaluate(SHOW, path)
        expect(rows(ada).locator("[data-title]"), path).to_have_text(expected)
    ada.goes_to("/tasks")
    ada.has_read_all()
    for link, path in (("Upcoming", "?view=upcoming"), ("deep", "?label=deep")):
        ada.page.get_by_role("link", name=link).click()
        ada.is_at(f"/tasks{path}")
    ada.chooses_in_filter_menu("Title")
    ada.is_at("/tasks?label=deep&sort=title")
    ada.chooses_in_filter_menu("Urgent")
    ada.is_at("/tasks?label=deep&priority=URGENT&sort=title")
    expect(ada.page.get_by_role("main")).to_contain_text("0 tasks")
    for path in ("?label=deep&sort=title", "?label=deep", "?view=upcoming", ""):
        ada.page.go_back()
        ada.is_at(f"/tasks{path}")
    expect(rows(ada)).to_have_count(4)


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
def test_edits_are_shown_at_once_on_a_slow_network(ada: Person) -> None:
    ada.adds("Before")
    slow = ada.context.new_cdp_session(ada.page)
    slow.send("Network.enable")
    slow.send("Network.setCacheDisabled", {"cacheDisabled": True})
    seconds, bytes_a_second = 1.5, 100_000
    conditions = {"offline": False, "latency": seconds * 1000}
    conditions |= dict.fromkeys(("downloadThroughput", "uploadThroughput"), bytes_a_second)
    slow.send("Network.emulateNetworkConditions", conditions)
    ada.page.reload(wait_until="commit")
    expect(ada.task("Before")).to_be_visible()
    assert ada.page.evaluate("document.querySelector('main').inert"), "no script is there yet"
    ada.has_read_all()
    field = ada.page.get_by_label("New task")
    for title in ("First", "Second"):
        field.fill(title)
        field.press("Enter")
    ada.page.get_by_role("checkbox", name="Completed: Before").check()
    ada.renames("Second", "Second, renamed")
    renamed = ada.task("Second, renamed")
    expect(renamed).to_have_attribute("aria-busy", "true")
    ada.page.reload()  # while all edits are being sent
    expect(renamed).to_be_visible()
    wait_until_saved(ada)
    found = asks(ada, "{ tasks { nodes { title completed version } } }")["tasks"]["nodes"]
    assert sorted((task["title"], task["completed"]) for task in found) == [
        ("Before", True),
        ("First", False),
        ("Second, renamed", False),
    ]
    # An edit whose response is lost in the reload is sent again, and counts as another write.
    versions = {task["title"]: task["version"] for task in found}
    assert versions.pop("First") == 1
    assert {*versions.values()} <= {2, 3}


SAID = {
    "BAD_USER_INPUT": "the server's own words",
    "INTERNAL_SERVER_ERROR": "Something went wrong on the server.",
    "OPERATION_TOO_LARGE": "Something went wrong on the server.",
    "UNAVAILABLE": "The server is not ready right now.",
    "RATE_LIMITED": "Too many requests.",
}


@pytest.mark.parametrize(
    "codes",
    [("INTERNAL_SERVER_ERROR", "UNAVAILABLE"), pytest.param(tuple(SAID), marks=pytest.mark.prove)],
    ids=["two", "all"],
)
def test_failing_api_is_explained_and_no_edit_is_lost(ada: Person, codes: tuple[str, ...]) -> None:
    for code in codes:
        check_failure_is_explained(code, ada, f"Water the plants: {code}")


def check_failure_is_explained(code: str, ada: Person, title: str) -> None:
    """Complete a task while the API answers with an error, and again afterwards."""
    ada.clicks("All", "link")
    ada.adds(title)
    status = {"UNAVAILABLE": 503, "RATE_LIMITED": 429}.get(code, 200)

    def fails(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        if "UpdateTasks" not in str(body.get("operationName") or body.get("query")):
            return route.fallback()
        told = {"errors": [{"message": SAID[code], "extensions": {"code": code}}], "data": None}
        cors = {"Access-Control-Allow-Origin": ada.site.url}
        return route.fulfill(status=status, headers=cors, json=told)

    ada.page.route("**/graphql", fails)
    box = ada.page.get_by_role("checkbox", name=f"Completed: {title}")
    box.click()
    expect(ada.page.get_by_text(SAID[code]), code).to_be_visible()
    if status == 200:
        expect(box, code).not_to_be_checked()
        ada.page.unroute("**/graphql")
        ada.page.get_by_role("alert").get_by_role("button", name="Try again").click()
    else:
        expect(box, code).to_be_checked()
        expect(ada.task(title).get_by_label("Waiting"), code).to_be_visible()
        ada.page.unroute("**/graphql")
        ada.tries_now()
    expect(box, code).to_be_checked()
    wait_until_saved(ada)
    completed = asks(ada, "{ tasks(filter: {status: COMPLETED}) { nodes { title } } }")
    assert {"title": title} in completed["tasks"]["nodes"], code
    ada.ignores_messages("status of 503", "status of 429")


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


def test_web_app_can_be_installed(site: stack.Site) -> None:
    manifest = plain.get(f"{site.url}/manifest.webmanifest").json()
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        answer = plain.get(f"{site.url}{icon['src']}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(icon["type"])
