"""The projects of the sidebar, by keyboard and by thumb."""

from playwright.sync_api import expect

from tests import stack
from tests.e2e.person import NARROW, Newcomer, Person
from tests.e2e.sidebar import project, projects
from tests.e2e.tasks import wait_until_saved


def test_projects_are_used_by_keyboard(ada: Person) -> None:  # noqa: PLR0915 - one session
    press, text = ada.page.keyboard.press, ada.page.keyboard.type

    def menu(name: str, *entries: str) -> None:
        """Choose the last of these entries of a project's menu, by default Rename.

        A letter moves the focus to the next entry that begins with it. Several letters form a word
        only if they are typed within a second, which a slow machine may need for two of them.
        """
        ada.page.get_by_role("button", name=f"Change the project {name}").focus()
        press("Enter")
        focused = ada.page.locator("[role=menu] :focus")
        expect(focused).to_contain_text("Rename")
        for entry in entries:
            press(entry[0])
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

    menu("Work")
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

    menu("Home", "Add a description", "Archive")
    expect(project(ada, "Office")).to_be_focused()
    press("Control+z")
    expect(project(ada, "Home")).to_be_visible()
    wait_until_saved(ada)
    ada.page.reload()
    ada.has_read_all()
    assert projects(ada) == ["Garden", "Home", "Office"]
    query = "{ projects { nodes { name color description } } }"
    saved = {one["name"]: one for one in ada.asks(query)["projects"]["nodes"]}
    assert saved["Office"]["color"] == "PURPLE"
    assert saved["Office"]["description"] == "Meetings and **mail**"

    project(ada, "Garden").press("Enter")
    menu("Garden", "Move up", "Move down", "Move to trash")
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
