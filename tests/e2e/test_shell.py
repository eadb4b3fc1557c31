"""The layout of the tasks page: the sidebar with projects, the URL of a task, and groups."""

import gzip
import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import Locator, expect

from tests import plain, stack
from tests.e2e.conftest import NARROW, WIDE, Newcomer, Person
from tests.e2e.test_tasks import asks, rows, titles, wait_until_saved


def projects(person: Person) -> list[str]:
    """Return the names of the projects in the sidebar, in their order."""
    items = person.page.get_by_role("list", name="Projects", exact=True).get_by_role("listitem")
    named: list[str] = items.evaluate_all("items => items.map(item => item.ariaLabel)")
    return named


def project(person: Person, name: str) -> Locator:
    """Return the link of a project in the sidebar."""
    return person.page.get_by_role("navigation").get_by_role("link", name=name, exact=True)


def creates_project(person: Person, name: str) -> None:
    person.clicks("New project")
    person.page.keyboard.type(name)
    person.page.keyboard.press("Enter")
    expect(person.page.get_by_role("heading", level=1)).to_have_text(name)


def changes_project(person: Person, name: str, entry: str, role: str = "menuitem") -> None:
    """Choose an entry of a project's menu by keyboard."""
    button = person.page.get_by_role("button", name=f"Change the project {name}")
    button.press("Enter")
    person.clicks(entry, role)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_link_to_a_task_opens_it_and_back_closes_it(
    site: stack.Site, newcomer: Newcomer, size: dict[str, int]
) -> None:
    ada = newcomer(site, viewport=size)
    ada.has_an_account()
    ada.adds("Call the bank")
    ada.shows("Upcoming")
    ada.shows("All")
    panel = ada.page.get_by_role("dialog", name="Task details")
    ada.clicks("Edit details: Call the bank")
    expect(panel).to_be_visible()
    address = ada.page.url
    assert re.search(r"/tasks\?task=[0-9a-f-]{36}$", address)
    ada.page.go_back()
    expect(panel).to_have_count(0)
    ada.is_at("/tasks")
    ada.page.go_forward()
    expect(panel.get_by_label("Title")).to_have_value("Call the bank")
    ada.page.keyboard.press("Escape")
    ada.is_at("/tasks")
    ada.page.go_back()
    ada.is_at("/tasks?view=upcoming")
    # The URL opens the task when it is a link, and after a reload.
    ada.page.goto(address)
    expect(panel.get_by_label("Title")).to_have_value("Call the bank")
    ada.page.reload()
    expect(panel.get_by_label("Title")).to_have_value("Call the bank")
    ada.page.go_back()
    expect(panel).to_have_count(0)
    ada.is_at("/tasks")
    ada.goes_to("/tasks?task=00000000-0000-4000-8000-000000000000")
    expect(ada.page.get_by_text("This task no longer exists.")).to_be_visible()
    ada.is_at("/tasks")


def test_list_keeps_its_place_when_a_task_opens(ada: Person) -> None:
    ada.adds("Call the bank")
    before = ada.task("Call the bank").bounding_box()
    ada.clicks("Edit details: Call the bank")
    expect(ada.page.get_by_role("dialog", name="Task details")).to_be_visible()
    assert ada.task("Call the bank").bounding_box() == before


def test_hidden_sidebar_and_density_are_rendered_by_the_server(ada: Person) -> None:
    sidebar = ada.page.get_by_role("complementary", name="Sidebar")
    ada.page.get_by_role("heading", level=1).click()
    ada.page.keyboard.press("m")
    expect(sidebar).to_be_hidden()
    ada.chooses_in_filter_menu("Compact")
    cookies = {cookie["name"]: cookie["value"] for cookie in ada.context.cookies()}
    html = plain.get(f"{ada.site.url}/tasks", cookies=cookies).text
    tag = re.search(r"<html[^>]*>", html)
    assert tag
    assert 'data-sidebar="hidden"' in tag.group()
    assert 'data-density="compact"' in tag.group()
    ada.page.reload()
    expect(sidebar).to_be_hidden()
    ada.clicks("Show the sidebar")
    expect(sidebar).to_be_visible()


def test_menu_is_used_by_keyboard_and_shortcuts_wait_for_it(ada: Person) -> None:
    ada.adds("Call the bank")
    button = ada.page.get_by_role("button", name="Filter and sort")
    button.press("Enter")
    menu = ada.page.get_by_role("menu", name="Filter and sort")
    expect(menu.get_by_role("menuitemradio", name="My order")).to_be_focused()
    ada.page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("menuitemradio", name="Due date")).to_be_focused()
    ada.page.keyboard.press("Enter")
    ada.is_at("/tasks?sort=due")
    ada.page.keyboard.press("c")  # types ahead in the menu
    expect(ada.page.get_by_label("New task")).not_to_be_focused()
    assert ada.violations() == []
    ada.page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(button).to_be_focused()
    ada.clicks("Sorted by due date")
    ada.is_at("/tasks")


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
    asks(ada, create, inputs=given)
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
    assert titles(ada) == ["Now", "Late", "Done"]


def test_first_run_has_a_focused_field_and_samples_that_can_be_trashed(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    ada.signs_up()
    expect(ada.page.get_by_label("New task")).to_be_focused()
    ada.clicks("Try it with four sample tasks")
    expect(rows(ada)).to_have_count(4)
    wait_until_saved(ada)
    assert ada.violations() == []
    ada.adds("My own")
    ada.clicks("Move the samples to the trash")
    expect(rows(ada)).to_have_count(1)
    expect(ada.page.get_by_role("button", name="Move the samples to the trash")).to_have_count(0)
    ada.clicks("Undo")
    expect(rows(ada)).to_have_count(5)


def test_projects_are_made_changed_and_ordered_by_keyboard(ada: Person) -> None:
    for name in ("Home", "Work", "Garden"):
        creates_project(ada, name)
    ada.adds("Sow the beans")
    expect(project(ada, "Garden")).to_contain_text("1")
    project(ada, "Garden").focus()
    ada.page.keyboard.press("Alt+ArrowUp")
    ada.page.keyboard.press("Alt+ArrowUp")
    expect(project(ada, "Garden")).to_be_focused()
    assert projects(ada) == ["Garden", "Home", "Work"]
    changes_project(ada, "Work", "Rename")
    expect(ada.page.get_by_label("Name", exact=True)).to_be_focused()
    ada.page.keyboard.type("Office")
    ada.page.keyboard.press("Enter")
    changes_project(ada, "Office", "Purple", "menuitemradio")
    assert ada.violations() == []
    ada.page.keyboard.press("Escape")
    wait_until_saved(ada)
    ada.page.reload()
    ada.has_read_all()
    assert projects(ada) == ["Garden", "Home", "Office"]
    query = "{ projects { nodes { name color } } }"
    colors = {one["name"]: one["color"] for one in asks(ada, query)["projects"]["nodes"]}
    assert colors["Office"] == "PURPLE"
    changes_project(ada, "Home", "Archive")
    expect(project(ada, "Home")).to_have_count(0)
    ada.clicks("Undo")
    expect(project(ada, "Home")).to_be_visible()
    changes_project(ada, "Garden", "Move to trash")
    ada.clicks("All", "link")
    expect(ada.task("Sow the beans")).to_have_count(0)
    ada.clicks("Trash", "link")
    expect(ada.task("Sow the beans")).to_be_visible()
    ada.clicks("Restore the project Garden")
    ada.clicks("Garden", "link")
    expect(ada.task("Sow the beans")).to_be_visible()
    ada.page.keyboard.press("Control+z")
    expect(project(ada, "Garden")).to_have_count(0)


def test_projects_and_tasks_are_dragged_to_projects(ada: Person) -> None:
    for name in ("Home", "Work"):
        creates_project(ada, name)
    project(ada, "Work").drag_to(project(ada, "Home"), target_position={"x": 60, "y": 4})
    wait_until_saved(ada)
    assert projects(ada) == ["Work", "Home"]
    ada.clicks("All", "link")
    ada.adds("Paint the fence")
    ada.task("Paint the fence").drag_to(project(ada, "Home"))
    expect(ada.task("Paint the fence")).to_contain_text("Home")
    wait_until_saved(ada)
    project(ada, "Home").click()
    expect(ada.task("Paint the fence")).to_be_visible()
    ada.page.keyboard.press("Control+z")
    expect(rows(ada)).to_have_count(0)


def test_projects_are_used_by_thumb(site: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(site, viewport=NARROW, has_touch=True, is_mobile=True)
    ada.has_an_account()
    ada.opens_sidebar()
    ada.page.get_by_role("button", name="New project").tap()
    ada.page.get_by_label("Name of the new project").fill("Home")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("dialog", name="Sidebar")).to_have_count(0)
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Home")
    ada.adds("Paint the fence")
    ada.opens_sidebar()
    ada.page.get_by_role("button", name="Change the project Home").tap()
    # In the dialog: elements outside of a modal dialog are behind it.
    ada.dialog().get_by_role("menuitem", name="Move to trash").tap()
    ada.page.get_by_role("button", name="Undo").tap()
    expect(project(ada, "Home")).to_be_visible()
    assert ada.violations() == []


@pytest.mark.parametrize("width", [320, 768, 1024, 1200, 2560])
def test_nothing_is_cut_off_at_any_width(site: stack.Site, newcomer: Newcomer, width: int) -> None:
    ada = newcomer(site, viewport={"width": width, "height": 800})
    ada.has_an_account()
    ada.adds("Prepare the quarterly review " * 6)
    ada.clicks("Filter and sort")
    menu = ada.page.get_by_role("menu").bounding_box()
    assert menu
    assert menu["x"] >= 0
    assert menu["x"] + menu["width"] <= width
    ada.page.keyboard.press("Escape")
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= width


def test_scripts_of_the_tasks_page_have_less_than_240_kb(ada: Person) -> None:
    cookies = {cookie["name"]: cookie["value"] for cookie in ada.context.cookies()}
    html = plain.get(f"{ada.site.url}/tasks", cookies=cookies).text
    # Old browsers also load a script of polyfills.
    old = set(re.findall(r'src="([^"]+)"[^>]*noModule', html))
    scripts = set(re.findall(r"/_next/static/chunks/[^\"\\ ]+\.js", html)) - old
    assert len(scripts) > 5
    files = [plain.get(f"{ada.site.url}{script}").text.encode() for script in scripts]
    assert sum(len(gzip.compress(file)) for file in files) < 240_000
