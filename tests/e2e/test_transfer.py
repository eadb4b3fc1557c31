"""Tasks are exported to a file and imported from a file on the account page."""

from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.person import Newcomer, Person


@pytest.mark.prove
# `test_projects.py` exports and imports JSON in `make test`.
@pytest.mark.parametrize("kind", ["JSON", "CSV"])
def test_exported_tasks_can_be_imported_repeatedly(
    ada: Person, newcomer: Newcomer, kind: str, tmp_path: Path
) -> None:
    for title in ("Hers !high #home", "Also hers"):
        ada.page.get_by_label("New task").fill(title)
        ada.page.get_by_label("New task").press("Enter")
    expect(ada.task("Hers")).to_have_attribute("aria-busy", "false")
    ada.adds("A third")
    ada.goes_to("/account")
    file = ada.exports(kind, tmp_path)
    ada.chooses(file)
    expect(ada.dialog()).to_contain_text("3 tasks already exist and stay unchanged.")
    ada.clicks("Close")
    bob = newcomer(ada.site)
    bob.has_an_account()
    bob.goes_to("/account")
    bob.chooses(file)
    expect(bob.dialog()).to_contain_text("3 tasks will be added.")
    assert bob.violations() == []
    bob.clicks("Import 3 tasks")
    expect(bob.page.get_by_text("Imported 3 tasks.")).to_be_visible()
    bob.page.reload()
    bob.chooses(file)
    expect(bob.dialog()).to_contain_text("3 tasks already exist")
    bob.goes_to("/tasks")
    expect(bob.task("Hers")).to_contain_text("home")
    expect(bob.page.get_by_text("3 tasks")).to_be_visible()


def test_file_with_one_invalid_row_imports_nothing(ada: Person, tmp_path: Path) -> None:
    ada.goes_to("/account")
    file = tmp_path / "tasks.csv"
    rows = [f"Task {number}" for number in range(2, 152)]
    file.write_text("\n".join(["title", *rows[:118], "x" * 201, *rows[119:]]))
    ada.chooses(file)
    expect(ada.dialog()).to_contain_text("Row 120: the title has 201 characters, of 200 at most.")
    assert ada.violations() == []
    ada.clicks("Close")
    assert ada.counts_tasks() == 0

    file.write_text("\n".join(["title", *rows]))
    for said in ("150 tasks will be added.", "150 tasks are in your trash and will be restored."):
        ada.chooses(file)
        expect(ada.dialog()).to_contain_text(said)
        ada.clicks("Import 150 tasks")
        expect(ada.page.get_by_text("Imported 150 tasks.")).to_be_visible()
        assert ada.counts_tasks() == 150
        ada.clicks("Undo")
        expect(ada.page.get_by_text("Moved 150 tasks to the trash.")).to_be_visible()
        assert ada.counts_tasks() == 0


@pytest.mark.prove
def test_import_asks_about_an_ambiguous_encoding_and_date(ada: Person, tmp_path: Path) -> None:
    ada.goes_to("/account")
    file = tmp_path / "tasks.csv"
    file.write_bytes("title;dueOn\r\nÖl kaufen;01/02/2026\r\n".encode("cp1252"))
    ada.chooses(file)
    expect(ada.dialog()).to_contain_text("Which of these reads right?")
    assert ada.violations() == []
    ada.page.get_by_role("button", name="Öl Western European", exact=True).click()
    expect(ada.dialog()).to_contain_text("01/02/2026. Which day is that?")
    assert ada.violations() == []
    ada.clicks("1 February 2026")
    ada.clicks("Import 1 task")
    expect(ada.page.get_by_text("Imported 1 task.")).to_be_visible()
    ada.goes_to("/tasks")
    expect(ada.task("Öl kaufen")).to_contain_text("1 Feb")


@pytest.mark.prove
def test_import_continues_when_the_server_answers_again(ada: Person, tmp_path: Path) -> None:
    ada.goes_to("/account")
    file = tmp_path / "tasks.csv"
    file.write_text("\n".join(["title", *(f"Task {number}" for number in range(150))]))
    answers: list[int] = []

    def fails_once(route: Route) -> None:
        if "CreateTasks" not in (route.request.post_data or ""):
            return route.fallback()
        answers.append(200 if len(answers) != 1 else 503)
        if answers[-1] == 200:
            return route.fallback()
        cors = {"Access-Control-Allow-Origin": ada.site.url}
        told = {"errors": [{"message": "no", "extensions": {"code": "UNAVAILABLE"}}]}
        return route.fulfill(status=503, headers=cors, json=told)

    ada.page.route("**/graphql", fails_once)
    ada.chooses(file)
    ada.clicks("Import 150 tasks")
    expect(ada.dialog()).to_contain_text("not ready right now")
    expect(ada.page.get_by_text("Imported 150 tasks.")).to_be_visible()
    assert answers == [200, 503, 200]
    assert ada.counts_tasks() == 150
    ada.ignores_messages("status of 503")
