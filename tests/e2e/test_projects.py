"""Projects in a real browser: by keyboard, offline, in conflict, undone, and in files."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests import stack
from tests.e2e.person import Newcomer, Person
from tests.e2e.tasks import wait_until_saved


def link(person: Person, name: str) -> Locator:
    """Return the link of a project in the sidebar."""
    projects = person.page.get_by_role("list", name="Projects", exact=True)
    return projects.get_by_role("listitem", name=name, exact=True).get_by_role("link")


def opens_palette(person: Person) -> None:
    """Open the command palette by its key, and wait until it takes the next keys."""
    person.page.keyboard.press("Control+k")
    expect(person.page.get_by_placeholder("Find a task")).to_be_focused()


def creates(person: Person, name: str) -> None:
    """Create a project in the command palette, by keyboard. Its view is shown then."""
    press, text = person.page.keyboard.press, person.page.keyboard.type
    opens_palette(person)
    text("new project")
    press("Enter")
    expect(person.page.get_by_placeholder("Name of the new project")).to_be_focused()
    text(name)
    press("Enter")
    expect(person.page.get_by_role("heading", level=1)).to_have_text(name)
    expect(link(person, name)).to_be_visible()


def chooses_in_menu(person: Person, name: str, entry: str) -> None:
    """Choose an entry in the menu of a project."""
    person.clicks(f"Change the project {name}")
    person.clicks(entry, "menuitem")


def projects(person: Person) -> dict[str, list[str]]:
    """Return the names of the active projects, each with the titles of its tasks, by the API."""
    query = "{ projects { nodes { name tasks { nodes { title } } } } }"
    return {
        node["name"]: [task["title"] for task in node["tasks"]["nodes"]]
        for node in person.asks(query)["projects"]["nodes"]
    }


@pytest.mark.prove
def test_unknown_project_is_not_created_by_a_line(ada: Person) -> None:
    ada.adds("Call +Plumber")
    ada.page.reload()
    expect(ada.task("Call +Plumber")).to_be_visible()
    assert projects(ada) == {}


def test_task_is_moved_in_its_panel_and_several_by_the_bar(ada: Person) -> None:
    creates(ada, "Garden")
    ada.shows("All")
    ada.adds("Rake the leaves")
    ada.adds("Sweep")
    ada.task("Sweep").focus()
    ada.page.keyboard.press("Enter")
    panel = ada.page.get_by_role("dialog", name="Task details")
    panel.get_by_label("Project").select_option("Garden")
    ada.page.keyboard.press("Escape")
    wait_until_saved(ada)
    assert projects(ada) == {"Garden": ["Sweep"]}
    ada.page.keyboard.press("Control+a")
    ada.page.get_by_label("Move to project").select_option("Garden")
    wait_until_saved(ada)
    assert sorted(projects(ada)["Garden"]) == ["Rake the leaves", "Sweep"]
    ada.page.get_by_label("Move to project").select_option("No project")
    wait_until_saved(ada)
    assert projects(ada) == {"Garden": []}


# React stores the latest properties of each element it has rendered under this name.
PROPERTIES = """() => [...document.querySelectorAll("aside *")].map(element =>
    element[Object.keys(element).find(name => name.startsWith("__reactProps$"))])"""


def test_sidebar_is_not_rendered_when_a_title_is_edited(ada: Person) -> None:
    creates(ada, "Garden")
    ada.adds("Rake the leaves")
    expect(link(ada, "Garden")).to_contain_text("1")
    wait_until_saved(ada)
    ada.task("Rake the leaves").focus()
    ada.page.keyboard.press("Enter")
    title = ada.page.get_by_role("dialog", name="Task details").get_by_label("Title")
    title.fill("Swee")  # The first edit keeps the order of the lists, which renders them once.
    expect(ada.task("Swee")).to_be_visible()
    before = ada.page.evaluate_handle(PROPERTIES)

    def rendered() -> int:
        """Return how many elements of the sidebar were rendered after `before`."""
        script = f"before => ({PROPERTIES})().filter((now, at) => now !== before[at]).length"
        return int(ada.page.evaluate(script, before))

    assert ada.page.evaluate("before => before.every(Boolean)", before)
    title.fill("Sweep")
    expect(ada.task("Sweep")).to_be_visible()
    wait_until_saved(ada)
    assert rendered() == 0
    ada.task("Sweep").get_by_role("checkbox").check()
    expect(link(ada, "Garden")).not_to_contain_text("1")
    assert rendered() > 0


def test_trashed_project_takes_its_tasks_and_brings_them_back(ada: Person) -> None:
    creates(ada, "Garden")
    for title in ("Rake the leaves", "Sweep"):
        ada.adds(title)
    html = ada.context.request.get(ada.page.url).text()
    assert 'aria-label="Rake the leaves"' in html, "the server renders the project's tasks"
    ada.task("Sweep").focus()
    ada.page.keyboard.press("Delete")
    expect(ada.task("Sweep")).to_have_count(0)
    chooses_in_menu(ada, "Garden", "Move to trash")
    expect(link(ada, "Garden")).to_have_count(0)
    ada.shows("All")
    expect(ada.task("Rake the leaves")).to_have_count(0)
    wait_until_saved(ada)
    assert (projects(ada), ada.counts_tasks()) == ({}, 0)
    ada.shows("Trash")
    expect(ada.task("Rake the leaves")).to_be_visible()

    ada.page.keyboard.press("Control+z")
    expect(link(ada, "Garden")).to_be_visible()
    expect(ada.task("Rake the leaves")).to_have_count(0)
    expect(ada.task("Sweep")).to_be_visible()
    wait_until_saved(ada)
    assert projects(ada) == {"Garden": ["Rake the leaves"]}
    ada.page.reload()
    expect(ada.task("Sweep")).to_be_visible()


def test_edits_of_both_nouns_made_offline_are_sent_in_order(ada: Person) -> None:
    ada.context.set_offline(True)
    expect(ada.page.get_by_role("main")).to_contain_text("You are offline.")
    ada.clicks("New project")
    ada.page.keyboard.type("Garden")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Garden")
    field = ada.page.get_by_label("New task")
    for title in ("Rake the leaves", "Sweep"):
        field.fill(title)
        field.press("Enter")
    expect(ada.task("Sweep")).to_be_visible()
    expect(link(ada, "Garden")).to_contain_text("2")
    expect(ada.page.get_by_role("main")).to_contain_text("3 unsaved changes")
    ada.context.set_offline(False)
    wait_until_saved(ada)
    expect(ada.page.get_by_role("main")).not_to_contain_text("unsaved change")
    assert {name: sorted(tasks) for name, tasks in projects(ada).items()} == {
        "Garden": ["Rake the leaves", "Sweep"]
    }
    ada.ignores_messages("net::ERR_INTERNET_DISCONNECTED")


@pytest.mark.prove
@pytest.mark.parametrize(
    ("choice", "name"), [("Keep mine", "Balcony"), ("Keep the other one", "Yard")]
)
def test_project_renamed_on_two_devices_asks_which_name_to_keep(
    ada: Person, choice: str, name: str
) -> None:
    creates(ada, "Garden")
    wait_until_saved(ada)
    [node] = ada.asks("{ projects { nodes { id } } }")["projects"]["nodes"]
    rename = """mutation ($id: ID!) {
        updateProject(id: $id, patch: {name: "Yard"}) { __typename }
    }"""
    ada.page.get_by_role("listitem", name="Garden", exact=True).hover()
    chooses_in_menu(ada, "Garden", "Rename")
    ada.asks(rename, id=node["id"])
    ada.page.get_by_label("Name", exact=True).fill("Balcony")
    ada.page.keyboard.press("Enter")
    dialog = ada.page.get_by_role("dialog", name="This project was changed elsewhere")
    expect(dialog.get_by_label("Yours")).to_contain_text("Balcony")
    expect(dialog.get_by_label("The other one")).to_contain_text("Yard")
    ada.clicks(choice)
    expect(link(ada, name)).to_be_visible()
    wait_until_saved(ada)
    assert projects(ada) == {name: []}


@pytest.mark.prove
def test_project_of_another_device_appears_with_its_tasks(ada: Person) -> None:
    create = """mutation ($id: ID!) {
        createProject(input: {id: $id, name: "Garden", color: GREEN}) { __typename }
        createTask(input: {title: "Rake the leaves", projectId: $id}) { __typename }
    }"""
    ada.asks(create, id="0190a5d0-0000-7000-8000-00000000000a")
    link(ada, "Garden").click()
    ada.is_at("/tasks?project=0190a5d0-0000-7000-8000-00000000000a")
    expect(ada.task("Rake the leaves")).to_be_visible()
    expect(ada.page).to_have_title("Garden · Bearer Tasks")
    ada.page.go_back()
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("All")


@pytest.mark.prove
def test_address_of_a_project_is_rendered_with_its_tasks(ada: Person) -> None:
    creates(ada, "Garden")
    ada.adds("Rake the leaves")
    ada.shows("All")
    ada.adds("Elsewhere")
    link(ada, "Garden").click()
    expect(ada.task("Elsewhere")).to_have_count(0)
    html = ada.context.request.get(ada.page.url).text()
    assert 'aria-label="Rake the leaves"' in html
    assert 'aria-label="Elsewhere"' not in html
    assert "Garden" in html


# `test_transfer.py` exports CSV.
@pytest.mark.parametrize("kind", ["JSON", pytest.param("CSV", marks=pytest.mark.prove)])
def test_exported_projects_are_created_in_another_account_once(
    site: stack.Site, newcomer: Newcomer, ada: Person, tmp_path: Path, kind: str
) -> None:
    creates(ada, "House, move")
    ada.adds("Pack the books")
    ada.goes_to("/account")
    file = ada.exports(kind, tmp_path)
    expect(ada.page.get_by_text("Exported 1 task and 1 project.")).to_be_visible()
    if kind == "JSON":
        assert json.loads(file.read_text())["projects"][0]["name"] == "House, move"

    eve = newcomer(site)
    eve.has_an_account()
    eve.goes_to("/account")
    eve.chooses(file)
    expect(eve.dialog()).to_contain_text("1 project will be created")
    expect(eve.dialog()).to_contain_text("House, move")
    eve.clicks("Import 1 task")
    expect(eve.page.get_by_text("Imported 1 task and 1 project.")).to_be_visible()
    assert projects(eve) == {"House, move": ["Pack the books"]}
    eve.chooses(file)
    expect(eve.dialog()).to_contain_text("1 task already exists")
    expect(eve.dialog()).not_to_contain_text("will be created")
    eve.clicks("Close")
    assert projects(eve) == {"House, move": ["Pack the books"]}
