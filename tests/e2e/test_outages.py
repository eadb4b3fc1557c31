"""The web app on a slow network, without a network, and while the API fails: no edit is lost."""

import json
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from dev.postgres import Postgres
from tests import stack
from tests.conftest import run
from tests.e2e.person import Newcomer, Person
from tests.e2e.tasks import wait_until_saved
from tests.waiting import wait_until

EDITS = int(os.environ.get("EDITS", "40"))
"""The number of edits made offline, half of them new tasks."""


def test_outage_keeps_typed_text_and_signs_nobody_out(
    tmp_path: Path, newcomer: Newcomer, postgres: Postgres
) -> None:
    with stack.site(tmp_path, postgres) as site:
        ada = newcomer(site)
        ada.has_an_account()
        ada.adds("Before")
        site.api.stop()
        ada.page.get_by_label("New task").fill("Typed in the dark")
        ada.page.get_by_label("New task").press("Enter")
        waiting = ada.task("Typed in the dark")
        expect(waiting.get_by_label("Waiting to be saved")).to_be_visible()
        expect(ada.page.get_by_role("main")).to_contain_text("1 unsaved change,")
        assert ada.violations() == []
        ada.page.reload()  # rendered without the API, from the browser's storage
        expect(waiting).to_be_visible()
        ada.is_at("/tasks")
        site.api = restarted_api(site, tmp_path)
        ada.tries_now()
        expect(waiting).to_have_attribute("aria-busy", "false")
        expect(ada.page.get_by_role("main")).not_to_contain_text("unsaved change")
        ada.page.reload()
        ada.has_read_all()
        expect(waiting).to_have_count(1)
        expect(ada.task("Before")).to_be_visible()
        check_edits_survive_a_killed_api(ada, tmp_path)
        ada.leaves()
        ada.ignores_messages("ERR_")


def restarted_api(site: stack.Site, folder: Path) -> stack.Server:
    """Start the API of a site again, at the same address."""
    port = int(site.env["API_URL"].rpartition(":")[2])
    return stack.api(folder, site.env, "--no-migrate", port=port)


def check_edits_survive_a_killed_api(ada: Person, folder: Path) -> None:
    """Kill the API while edits made offline are sent. Each edit must be saved exactly once."""
    site = ada.site
    ada.context.set_offline(True)
    field = ada.page.get_by_label("New task")
    for number in range(EDITS // 2):
        field.fill(f"Offline {number}")
        field.press("Enter")
    field.press("Escape")
    main = ada.page.get_by_role("main")
    expect(main).to_contain_text(f"{EDITS // 2} unsaved changes")
    for _ in range(EDITS // 2):
        ada.page.keyboard.press("j")
        ada.page.keyboard.press("Space")
    expect(main).to_contain_text(f"{EDITS} unsaved changes")

    def written() -> int:
        count = "SELECT count(*) FROM tasks.tasks WHERE title LIKE 'Offline %'"
        return int(run(site.database, lambda connection: connection.fetchval(count)))

    def kill_midway(route: Route) -> None:
        """Pass a request on. Kill the API as soon as the API has written a fifth of the new tasks.

        The page sends nothing else while this handler runs.
        """
        before = written()
        route.continue_()
        is_create = "CreateTasks" in (route.request.post_data or "")
        if is_create and before == EDITS // 10 - 1 and not site.api.has_stopped():
            wait_until(lambda: written() > before, "the API wrote no further task")
            os.killpg(site.api.child.process.pid, signal.SIGKILL)
            assert written() < EDITS // 2, "all edits were sent before the API was killed"

    ada.page.route("**/graphql", kill_midway)
    ada.context.set_offline(False)
    expect(main).to_contain_text("retrying automatically")
    ada.page.unroute("**/graphql")
    site.api.stop()
    site.api = restarted_api(site, folder)
    expect(main).not_to_contain_text(re.compile(r"\d (unsaved )?changes?\b"))
    wait_until_saved(ada)
    each = """SELECT title, completed FROM tasks.tasks WHERE title LIKE 'Offline %'"""
    found = run(site.database, lambda connection: connection.fetch(each))
    expected = [(f"Offline {number}", True) for number in range(EDITS // 2)]
    assert sorted((row["title"], row["completed"]) for row in found) == sorted(expected)


def test_unsaved_edits_are_shown_again_when_the_person_returns_to_the_page(ada: Person) -> None:
    ada.adds("Before")
    ada.page.route("**/graphql", lambda route: route.abort())
    ada.page.get_by_label("New task").fill("Unsaved")
    ada.page.get_by_label("New task").press("Enter")
    main = ada.page.get_by_role("main")
    expect(main).to_contain_text("1 unsaved change")
    for _ in range(2):
        ada.chooses_in_account_menu("Account")
        expect(ada.page.get_by_role("heading", name="Account", exact=True)).to_be_visible()
        ada.clicks("Back to your tasks", "link")
        expect(ada.task("Unsaved")).to_have_attribute("aria-busy", "true")
        expect(main).to_contain_text("1 unsaved change")
    ada.page.keyboard.press("Control+z")
    expect(ada.task("Unsaved")).to_have_count(0)
    ada.page.keyboard.press("Control+y")
    ada.renames("Unsaved", "Renamed")
    ada.page.unroute("**/graphql")
    ada.tries_now()
    wait_until_saved(ada)
    expect(ada.task("Renamed")).to_have_attribute("aria-busy", "false")
    found = ada.asks("{ tasks { nodes { title } } }")["tasks"]["nodes"]
    assert [task["title"] for task in found] == ["Renamed", "Before"]
    ada.ignores_messages("ERR_FAILED")


@pytest.mark.prove
def test_offline_edits_are_sent_in_order_when_the_network_returns(ada: Person) -> None:
    ada.adds("Before")
    ada.context.set_offline(True)
    expect(ada.page.get_by_role("main")).to_contain_text("You are offline.")
    field = ada.page.get_by_label("New task")
    for number in range(3):
        field.fill(f"Offline {number}")
        field.press("Enter")
    ada.page.get_by_role("checkbox", name="Completed: Offline 1").check()
    ada.renames("Offline 2", "Renamed offline")
    expect(ada.page.get_by_role("main")).to_contain_text("5 unsaved changes")
    ada.context.set_offline(False)
    wait_until_saved(ada)
    expect(ada.page.get_by_role("main")).not_to_contain_text("unsaved change")
    found = ada.asks("{ tasks { nodes { title completed version } } }")["tasks"]["nodes"]
    assert {(task["title"], task["completed"], task["version"]) for task in found} == {
        ("Before", False, 1),
        ("Offline 0", False, 1),
        ("Offline 1", True, 2),
        ("Renamed offline", False, 2),
    }
    ada.ignores_messages("ERR_INTERNET_DISCONNECTED")


@pytest.mark.prove
def test_edits_are_shown_at_once_on_a_slow_network(ada: Person) -> None:
    ada.adds("Before")
    slow = ada.context.new_cdp_session(ada.page)
    slow.send("Network.enable")
    slow.send("Network.setCacheDisabled", {"cacheDisabled": True})
    seconds, bytes_a_second = 1.5, 100_000
    conditions = {"offline": False, "latency": seconds * 1000}
    conditions |= dict.fromkeys(("downloadThroughput", "uploadThroughput"), bytes_a_second)
    slow.send("Network.emulateNetworkConditions", conditions)
    ada.page.reload(wait_until="commit")
    expect(ada.task("Before")).to_be_visible()
    assert ada.page.evaluate("document.querySelector('main').inert"), "no script is there yet"
    ada.has_read_all()
    field = ada.page.get_by_label("New task")
    for title in ("First", "Second"):
        field.fill(title)
        field.press("Enter")
    ada.page.get_by_role("checkbox", name="Completed: Before").check()
    ada.renames("Second", "Second, renamed")
    renamed = ada.task("Second, renamed")
    expect(renamed).to_have_attribute("aria-busy", "true")
    ada.page.reload()  # while all edits are being sent
    expect(renamed).to_be_visible()
    wait_until_saved(ada)
    found = ada.asks("{ tasks { nodes { title completed version } } }")["tasks"]["nodes"]
    assert sorted((task["title"], task["completed"]) for task in found) == [
        ("Before", True),
        ("First", False),
        ("Second, renamed", False),
    ]
    # An edit whose response is lost in the reload is sent again, and counts as another write.
    versions = {task["title"]: task["version"] for task in found}
    assert versions.pop("First") == 1
    assert {*versions.values()} <= {2, 3}


SAID = {
    "BAD_USER_INPUT": "the server's own words",
    "INTERNAL_SERVER_ERROR": "Something went wrong on the server.",
    "OPERATION_TOO_LARGE": "Something went wrong on the server.",
    "UNAVAILABLE": "The server is not ready right now.",
    "RATE_LIMITED": "Too many requests.",
}


@pytest.mark.parametrize(
    "codes",
    [("INTERNAL_SERVER_ERROR", "UNAVAILABLE"), pytest.param(tuple(SAID), marks=pytest.mark.prove)],
    ids=["two", "all"],
)
def test_failing_api_is_explained_and_no_edit_is_lost(ada: Person, codes: tuple[str, ...]) -> None:
    for code in codes:
        check_failure_is_explained(code, ada, f"Water the plants: {code}")


def check_failure_is_explained(code: str, ada: Person, title: str) -> None:
    """Complete a task while the API answers with an error, and again afterwards."""
    ada.clicks("All", "link")
    ada.adds(title)
    status = {"UNAVAILABLE": 503, "RATE_LIMITED": 429}.get(code, 200)

    def fails(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        if "UpdateTasks" not in str(body.get("operationName") or body.get("query")):
            return route.fallback()
        told = {"errors": [{"message": SAID[code], "extensions": {"code": code}}], "data": None}
        cors = {"Access-Control-Allow-Origin": ada.site.url}
        return route.fulfill(status=status, headers=cors, json=told)

    ada.page.route("**/graphql", fails)
    box = ada.page.get_by_role("checkbox", name=f"Completed: {title}")
    box.click()
    expect(ada.page.get_by_text(SAID[code]), code).to_be_visible()
    if status == 200:
        expect(box, code).not_to_be_checked()
        ada.page.unroute("**/graphql")
        ada.page.get_by_role("alert").get_by_role("button", name="Try again").click()
    else:
        expect(box, code).to_be_checked()
        expect(ada.task(title).get_by_label("Waiting"), code).to_be_visible()
        ada.page.unroute("**/graphql")
        ada.tries_now()
    expect(box, code).to_be_checked()
    wait_until_saved(ada)
    completed = ada.asks("{ tasks(filter: {status: COMPLETED}) { nodes { title } } }")
    assert {"title": title} in completed["tasks"]["nodes"], code
    ada.ignores_messages("status of 503", "status of 429")
