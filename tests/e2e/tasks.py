"""The tasks of a user, as a test creates and reads them on the page and by the API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, Request, expect

from tests.e2e.person import Person

FIELDS = "id version title description dueOn completed labels"
PASTE = """(field, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}"""


def create_many(person: Person, count: int) -> None:
    """Create this number of tasks by the API."""
    create = """mutation ($inputs: [CreateTaskInput!]!) {
        createTasks(inputs: $inputs) { __typename }
    }"""
    for start in range(0, count, 100):
        person.asks(create, inputs=[{"title": f"Task {start + n}"} for n in range(100)])


def rows(person: Person) -> Locator:
    """Return the rows of all groups of the list."""
    return person.page.get_by_role("main").locator("li[data-id]")


def titles(person: Person) -> list[str]:
    """Return the titles of the rows, in their order."""
    named: list[str] = rows(person).evaluate_all("rows => rows.map(row => row.ariaLabel)")
    return named


def wait_until_saved(person: Person) -> None:
    """Wait until the server has every edit, also the edits of rows that are out of view."""
    expect(person.page.locator("main[data-saved=true]")).to_be_attached()


def saved(person: Person) -> dict[str, Any]:
    """Return the user's tasks as the API has them, by title."""
    query = f"{{ tasks(filter: {{status: [OPEN, COMPLETED]}}) {{ nodes {{ {FIELDS} }} }} }}"
    return {node["title"]: node for node in person.asks(query)["tasks"]["nodes"]}


def create_task(person: Person, **given: Any) -> dict[str, Any]:
    """Create a task by the API, and wait until the page has it."""
    query = f"""mutation ($input: CreateTaskInput!) {{
        createTask(input: $input) {{ task {{ {FIELDS} }} }}
    }}"""
    task: dict[str, Any] = person.asks(query, input=given)["createTask"]["task"]
    person.page.reload()
    person.has_read_all()
    return task


def update_task(person: Person, task: dict[str, Any], **patch: Any) -> None:
    """Change a task by the API."""
    query = """mutation ($id: ID!, $patch: TaskPatch!) {
        updateTask(id: $id, patch: $patch) { __typename }
    }"""
    person.asks(query, id=task["id"], patch=patch)


def panel(person: Person) -> Locator:
    return person.page.get_by_role("dialog", name="Task details")


@contextmanager
def mutations(page: Page) -> Iterator[list[dict[str, Any]]]:
    """Collect the variables of the mutations that the page sends."""
    sent: list[dict[str, Any]] = []

    def see(request: Request) -> None:
        if request.url.endswith("/graphql") and request.method == "POST":
            body = json.loads(request.post_data or "{}")
            if "patch" in body.get("variables", {}) or "inputs" in body.get("variables", {}):
                sent.append(body["variables"])

    page.on("request", see)
    yield sent
    page.remove_listener("request", see)


def writes(person: Person, line: str) -> None:
    """Add a task by a line with a date, a priority or labels in it."""
    field = person.page.get_by_label("New task")
    field.fill(line)
    field.press("Enter")
    wait_until_saved(person)


def commands(person: Person, words: str) -> None:
    person.page.keyboard.press("Control+k")
    expect(person.page.get_by_placeholder("Find a task")).to_be_focused()
    person.page.keyboard.type(words)
