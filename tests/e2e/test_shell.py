"""The layout and the appearance of the tasks page."""

import re

import pytest
from playwright.sync_api import expect

from tests import plain
from tests.e2e.person import Person, place


@pytest.mark.prove
def test_list_keeps_its_place_when_a_task_opens(ada: Person) -> None:
    ada.adds("Call the bank")
    before = place(ada.task("Call the bank"))
    ada.clicks("Edit details: Call the bank")
    expect(ada.page.get_by_role("dialog", name="Task details")).to_be_visible()
    assert place(ada.task("Call the bank")) == before


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
