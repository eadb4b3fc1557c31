"""The projects in the sidebar, as a test reads and creates them."""

from playwright.sync_api import Locator, expect

from tests.e2e.person import Person


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
