"""The layout of the tasks page: the sidebar with projects, the URL of a task, and groups."""

import gzip
import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import Locator, expect

from tests import plain, stack
from tests.e2e.conftest import NARROW, PASSWORD, WIDE, Newcomer, Person
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


@pytest.mark.prove
def test_list_keeps_its_place_when_a_task_opens(ada: Person) -> None:
    ada.adds("Call the bank")
    before = ada.task("Call the bank").bounding_box()
    ada.clicks("Edit details: Call the bank")
    expect(ada.page.get_by_role("dialog", name="Task details")).to_be_visible()
    assert ada.task("Call the bank").bounding_box() == before


def test_appearance_is_kept_and_rendered_by_the_server(ada: Person) -> None:
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = ada.page.evaluate(paper)
    ada.chooses_appearance("Dark")
    assert ada.page.evaluate(paper) != light
    sidebar = ada.page.get_by_role("complementary", name="Sidebar")
    ada.page.get_by_role("heading", level=1).click()
    ada.page.keyboard.press("m")
    expect(sidebar).to_be_hidden()
    ada.chooses_in_filter_menu("Compact")
    cookies = {cookie["name"]: cookie["value"] for cookie in ada.context.cookies()}
    html = plain.get(f"{ada.site.url}/tasks", cookies=cookies).text
    tag = re.search(r"<html[^>]*>", html)
    assert tag
    assert 'data-theme="dark"' in tag.group()
    assert 'data-sidebar="hidden"' in tag.group()
    assert 'data-density="compact"' in tag.group()
    ada.page.reload()
    expect(sidebar).to_be_hidden()
    ada.clicks("Show the sidebar")
    expect(sidebar).to_be_visible()


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


def test_first_run_has_a_password_check_a_focused_field_and_samples(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    ada.goes_to("/sign-up")
    ada.submits("Create account", password="password")
    told = ada.page.get_by_role("alert").filter(has_text="This password is easy to guess")
    expect(told).to_be_visible()
    expect(ada.page.get_by_label("Password")).to_be_focused()
    assert ada.violations() == []
    ada.page.get_by_label("Password").fill(PASSWORD)
    ada.page.keyboard.press("Enter")
    ada.has_no_tasks_yet()
    ada.ignores_messages("status of 400")
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


def test_projects_are_used_by_keyboard(ada: Person) -> None:  # noqa: PLR0915 - one session
    press, text = ada.page.keyboard.press, ada.page.keyboard.type

    def menu(name: str, entry: str) -> None:
        """Choose an entry of a project's menu by the first letters of the entry."""
        ada.page.get_by_role("button", name=f"Change the project {name}").focus()
        press("Enter")
        focused = ada.page.locator("[role=menu] :focus")
        expect(focused).to_contain_text("Rename")
        # A letter moves the focus to the next entry that begins with the letter. So typing "Rename"
        # here would move the focus to "Red", before or after the focus is checked.
        if entry != "Rename":
            text(entry)
            expect(focused).to_contain_text(entry)
        press("Enter")

    for name in ("Home", "Work", "Garden"):
        ada.page.get_by_role("button", name="New project").focus()
        press("Enter")
        expect(ada.page.get_by_label("Name of the new project")).to_be_focused()
        text(name)
        press("Enter")
        expect(ada.page.get_by_role("heading", level=1)).to_have_text(name)
        expect(project(ada, name)).to_be_focused()
    press("c")
    text("Sow the beans")
    press("Enter")
    expect(project(ada, "Garden")).to_contain_text("1")
    project(ada, "Garden").focus()
    press("Alt+ArrowUp")
    press("Alt+ArrowUp")
    expect(project(ada, "Garden")).to_be_focused()
    assert projects(ada) == ["Garden", "Home", "Work"]

    menu("Work", "Rename")
    expect(ada.page.get_by_label("Name", exact=True)).to_be_focused()
    text("Office")
    press("Enter")
    expect(project(ada, "Office")).to_be_focused()
    menu("Office", "Purple")
    assert ada.violations() == []
    press("Escape")
    changes = ada.page.get_by_role("button", name="Change the project Office")
    expect(changes).to_be_focused()
    menu("Office", "Add a description")
    expect(ada.page.get_by_role("textbox", name="Description")).to_be_focused()
    text("Meetings and **mail**")
    assert ada.violations() == []
    press("Escape")
    expect(changes).to_be_focused()
    project(ada, "Office").press("Enter")
    expect(ada.page.get_by_role("main").locator("strong")).to_have_text("mail")

    menu("Home", "Archive")
    expect(project(ada, "Office")).to_be_focused()
    press("Control+z")
    expect(project(ada, "Home")).to_be_visible()
    wait_until_saved(ada)
    ada.page.reload()
    ada.has_read_all()
    assert projects(ada) == ["Garden", "Home", "Office"]
    query = "{ projects { nodes { name color description } } }"
    saved = {one["name"]: one for one in asks(ada, query)["projects"]["nodes"]}
    assert saved["Office"]["color"] == "PURPLE"
    assert saved["Office"]["description"] == "Meetings and **mail**"

    project(ada, "Garden").press("Enter")
    menu("Garden", "Move to trash")
    expect(project(ada, "Home")).to_be_focused()
    expect(ada.task("Sow the beans")).to_have_count(0)
    press("Control+z")
    expect(project(ada, "Garden")).to_be_visible()
    expect(ada.task("Sow the beans")).to_be_visible()
    # Move the task to another project.
    press("j")
    expect(ada.task("Sow the beans")).to_be_focused()
    press("Control+k")
    expect(ada.page.get_by_placeholder("Find a task")).to_be_focused()
    text("move to a project")
    press("Enter")
    expect(ada.page.get_by_placeholder("Move to which project?")).to_be_focused()
    text("home")
    press("Enter")
    expect(ada.task("Sow the beans")).to_have_count(0)
    project(ada, "Home").press("Enter")
    expect(ada.task("Sow the beans")).to_be_visible()


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


@pytest.mark.prove
def test_selected_tasks_are_dragged_together(ada: Person) -> None:
    creates_project(ada, "Home")
    ada.clicks("All", "link")
    for title in ("fourth", "third", "second", "first"):
        ada.adds(title)
    ada.clicks("Select several")
    for title in ("first", "third"):
        ada.clicks(f"Select: {title}", "checkbox")
    ada.task("third").drag_to(ada.task("fourth"), target_position={"x": 200, "y": 40})
    assert titles(ada) == ["second", "fourth", "first", "third"]
    ada.task("first").drag_to(project(ada, "Home"))
    for title in ("first", "third"):
        expect(ada.task(title)).to_contain_text("Home")
    wait_until_saved(ada)
    ada.page.keyboard.press("Control+z")
    ada.page.keyboard.press("Control+z")
    expect(ada.task("first")).not_to_contain_text("Home")
    assert titles(ada) == ["first", "second", "third", "fourth"]


def test_tasks_are_dragged_by_a_long_press(site: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(site, viewport=WIDE, has_touch=True)
    ada.has_an_account()
    creates_project(ada, "Home")
    ada.clicks("All", "link")
    for title in ("third", "second", "first"):
        ada.adds(title)
    touches = ada.context.new_cdp_session(ada.page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        given = [{"x": x, "y": y} for x, y in points]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": given})

    def point(of: Locator, at: float) -> tuple[float, float]:
        box = of.bounding_box()
        assert box
        return box["x"] + box["width"] / 2, box["y"] + box["height"] * at

    def drag(title: str, to: Locator, at: float) -> None:
        touch("touchStart", point(ada.task(title), 0.5))
        expect(ada.task(title)).to_have_attribute("data-dragged", "")
        touch("touchMove", point(to, at))
        touch("touchEnd")

    drag("third", ada.task("first"), 0.2)
    assert titles(ada) == ["third", "first", "second"]
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    drag("second", project(ada, "Home"), 0.5)
    expect(ada.task("second")).to_contain_text("Home")
    # A finger that moves at once scrolls the page.
    x, y = point(ada.task("third"), 0.5)
    touch("touchStart", (x, y))
    touch("touchMove", (x, y - 40))
    touch("touchEnd")
    wait_until_saved(ada)
    assert titles(ada) == ["third", "first", "second"]


@pytest.mark.prove
def test_row_that_leaves_collapses_unless_motion_is_reduced(ada: Person) -> None:
    ada.adds("Last")
    collapsed = """() => {
        window.collapsed = 0;
        const count = ({ addedNodes }) => [...addedNodes].forEach(node => {
            if (node.classList?.contains("task-leaving")) window.collapsed += 1;
        });
        new MutationObserver(changes => changes.forEach(count))
            .observe(document.querySelector("main"), { childList: true, subtree: true });
    }"""
    ada.page.evaluate(collapsed)
    ada.task("Last").press("Delete")
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    expect(ada.page.locator(".task-leaving")).to_have_count(0)
    assert ada.page.evaluate("collapsed") == 1
    ada.page.emulate_media(reduced_motion="reduce")
    ada.clicks("Undo")
    ada.task("Last").press("Delete")
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    assert ada.page.evaluate("collapsed") == 1


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
    ada.page.get_by_role("button", name="Edit details: Paint the fence").tap()
    ada.page.get_by_role("button", name="Due: No date").tap()
    ada.page.get_by_role("dialog", name="Due date").wait_for()
    assert ada.violations() == []
    # Back closes the topmost dialog.
    ada.page.go_back()
    expect(ada.page.get_by_role("dialog", name="Due date")).to_have_count(0)
    expect(ada.page.get_by_role("dialog", name="Task details")).to_be_visible()
    ada.page.go_back()
    expect(ada.dialog()).to_have_count(0)
    ada.opens_sidebar()
    ada.page.get_by_role("button", name="Change the project Home").tap()
    # In the dialog: elements outside of a modal dialog are behind it.
    ada.dialog().get_by_role("menuitem", name="Move to trash").tap()
    ada.page.get_by_role("button", name="Undo").tap()
    expect(project(ada, "Home")).to_be_visible()
    assert ada.violations() == []


@pytest.mark.prove
def test_nothing_is_cut_off_at_any_width(ada: Person) -> None:
    ada.adds("Prepare the quarterly review " * 6)
    for width in (320, 768, 1024, 1200, 2560):
        ada.page.set_viewport_size({"width": width, "height": 800})
        if width in {320, 2560}:  # the styles do not depend on the width at which a page loads
            ada.page.reload()
            ada.has_read_all()
        ada.clicks("Filter and sort")
        menu = ada.page.get_by_role("menu").bounding_box()
        assert menu
        assert menu["x"] >= 0
        assert menu["x"] + menu["width"] <= width
        ada.page.keyboard.press("Escape")
        assert ada.page.evaluate("document.documentElement.scrollWidth") <= width


def test_scripts_of_the_tasks_page_have_less_than_240_kb(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    ada.has_signed_up()
    cookies = {cookie["name"]: cookie["value"] for cookie in ada.context.cookies()}
    html = plain.get(f"{ada.site.url}/tasks", cookies=cookies).text
    # Old browsers also load a script of polyfills.
    old = set(re.findall(r'src="([^"]+)"[^>]*noModule', html))
    scripts = set(re.findall(r"/_next/static/chunks/[^\"\\ ]+\.js", html)) - old
    assert len(scripts) > 5
    files = [plain.get(f"{ada.site.url}{script}").text.encode() for script in scripts]
    assert sum(len(gzip.compress(file)) for file in files) < 240_000
