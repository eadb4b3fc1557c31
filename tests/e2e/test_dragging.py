"""Tasks and projects are dragged with a mouse and by touch."""

import pytest
from playwright.sync_api import Locator, expect

from tests import stack
from tests.e2e.person import WIDE, Newcomer, Person, place
from tests.e2e.sidebar import creates_project, project, projects
from tests.e2e.tasks import rows, titles, wait_until_saved


@pytest.mark.prove
def test_dragged_task_keeps_its_position(ada: Person) -> None:
    for title in ("third", "second", "first"):
        ada.adds(title)
    ada.task("third").drag_to(ada.task("first"), target_position={"x": 200, "y": 4})
    wait_until_saved(ada)
    assert titles(ada) == ["third", "first", "second"]
    ada.page.reload()
    assert titles(ada) == ["third", "first", "second"]


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
        box = place(of)
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
    # If the finger moves before the press counts as a long press, the page scrolls.
    x, y = point(ada.task("third"), 0.5)
    ada.stops_clock()
    touch("touchStart", (x, y))
    touch("touchMove", (x, y - 40))
    touch("touchEnd")
    ada.page.clock.resume()
    wait_until_saved(ada)
    assert titles(ada) == ["third", "first", "second"]
