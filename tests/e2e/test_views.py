"""The views of the tasks page, such as "Today". Each view has a URL."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests import plain
from tests.e2e.person import Person
from tests.e2e.tasks import (
    create_many,
    mutations,
    panel,
    rows,
    titles,
    wait_until_saved,
    writes,
)

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
    made = ada.asks(create, inputs=given)["createTasks"]["tasks"]
    ada.asks("mutation ($id: ID!) { trashTasks(ids: [$id]) { __typename } }", id=made[-1]["id"])
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
    ada.asks(create)
    other.evaluate("window.polls.forEach((poll) => poll())")
    expect(other.get_by_role("listitem", name="From elsewhere")).to_be_visible()
    other.get_by_role("checkbox", name="Completed: From elsewhere").check()
    expect(ada.task("From elsewhere")).to_have_count(0)


def test_today_has_groups_and_a_message_after_the_last_task(ada: Person) -> None:
    day = date.fromisoformat(ada.page.evaluate("new Date().toLocaleDateString('sv')"))
    given = [
        {"title": "Late", "dueOn": str(day - timedelta(days=1))},
        {"title": "Now", "dueOn": str(day)},
        {"title": "Soon", "dueOn": str(day + timedelta(days=1))},
        {"title": "Done", "completed": True},
    ]
    create = """mutation ($inputs: [CreateTaskInput!]!) {
        createTasks(inputs: $inputs) { __typename }
    }"""
    ada.asks(create, inputs=given)
    ada.goes_to("/tasks?view=today")
    ada.has_read_all()
    groups = ada.page.get_by_role("main").get_by_role("heading", level=2)
    expect(groups).to_have_text(["Overdue1", "Today1"])
    expect(ada.page.get_by_text("Done today1")).to_be_visible()
    assert ada.violations() == []
    for title in ("Late", "Now"):
        expect(ada.page.get_by_text("All done for today")).to_have_count(0)
        ada.page.get_by_label(f"Completed: {title}").check()
    expect(ada.page.get_by_text("All done for today")).to_be_visible()
    expect(ada.page.get_by_text("You completed 3 tasks today.")).to_be_visible()
    ada.clicks("Upcoming", "link")
    expect(groups).to_have_text([re.compile("^Tomorrow · .*1$")])
    ada.clicks("Completed", "link")
    expect(groups).to_have_text(["Today3"])
    # Sorted by completion. The order may change when the server answers with its own times.
    expect(rows(ada).locator("[data-title]")).to_have_text(["Now", "Late", "Done"])


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


def test_trashed_task_can_be_restored_or_deleted(ada: Person) -> None:
    for title in ("Keep me", "Forget me"):
        ada.adds(title)
        ada.clicks(f"Move to trash: {title}")
    ada.clicks("Trash", "link")
    ada.is_at("/tasks?view=trash")
    ada.clicks("Restore: Keep me")
    expect(ada.task("Keep me")).to_have_count(0)
    ada.task("Forget me").focus()
    ada.page.keyboard.press("Delete")
    # The dialog focuses the harmless button.
    expect(ada.page.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    ada.page.keyboard.press("Enter")
    expect(ada.task("Forget me")).to_be_visible()
    ada.clicks("Delete permanently: Forget me")
    ada.page.get_by_role("dialog").get_by_role("button", name="Delete permanently").click()
    expect(ada.page.get_by_text("The trash is empty")).to_be_visible()
    ada.clicks("All", "link")
    expect(ada.task("Keep me")).to_be_visible()


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
        ada.page.keyboard.type("31 may 2091")
        expect(picker.get_by_role("grid", name="May 2091")).to_be_visible()
        assert ada.violations() == []
        press("ArrowDown")
        press("ArrowRight")
        expect(picker.get_by_role("button", name="Friday, June 1, 2091")).to_be_focused()
        press("Enter")
        expect(due).to_be_focused()
        expect(due).to_have_text("1 Jun 2091")
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
        assert [one["patch"] for one in sent] == [{"dueOn": "2091-06-01"}, {"dueOn": None}]
