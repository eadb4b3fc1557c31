"""The whole product: a real browser, the production build of the web app, and its API."""

import asyncio
import os
import re
import signal
import time
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
import jwt
import pytest
from playwright.sync_api import Route, expect

from dev.postgres import Postgres
from tests import plain, stack
from tests.conftest import run
from tests.e2e.conftest import NARROW, WAITING, WIDE, Newcomer, Person

EDITS = int(os.environ.get("EDITS", "40"))
"""The number of edits made offline, half of them new tasks."""


def test_two_users_see_only_their_own_tasks(site: stack.Site, newcomer: Newcomer) -> None:
    ada, bob = newcomer(site), newcomer(site)
    ada.signs_up()
    bob.has_an_account()

    ada.adds("Call the bank")
    ada.adds("Water the plants")
    ada.page.get_by_role("checkbox", name="Completed: Water the plants").check()
    ada.renames("Call the bank", "Write to the bank")
    expect(ada.task("Write to the bank")).to_be_visible()

    ada.clicks("Move to trash: Write to the bank")
    expect(ada.task("Write to the bank")).to_have_count(0)
    ada.clicks("Undo")
    expect(ada.task("Write to the bank")).to_be_visible()

    expect(bob.page.get_by_text("No open tasks")).to_be_visible()
    bob.page.reload()
    expect(bob.page.get_by_text("No open tasks")).to_be_visible()

    ada.signs_out()
    ada.goes_to("/tasks")
    ada.is_at("/sign-in?next=%2Ftasks")
    ada.submits("Sign in")
    ada.is_at("/tasks")
    expect(ada.task("Write to the bank")).to_be_visible()
    ada.clicks("Completed", "link")
    expect(ada.task("Water the plants")).to_be_visible()
    assert reached_by_id(ada, bob) == ["NOT_FOUND", "NOT_FOUND"]


def reached_by_id(owner: Person, thief: Person) -> list[str]:
    """Return the API's error codes for a user who requests the IDs of another."""
    told = []
    mine = f"Bearer {owner.page.evaluate(TOKEN)}"
    query = {"query": "{ tasks(filter: {status: [OPEN, COMPLETED]}) { nodes { id } } }"}
    url = f"{owner.site.api.url}/graphql"
    answer = plain.post(url, json=query, headers={"Authorization": mine}).json()
    for node in answer["data"]["tasks"]["nodes"]:
        stolen = {"query": "query ($id: ID!) { task(id: $id) { title } }", "variables": node}
        theirs = {"Authorization": f"Bearer {thief.page.evaluate(TOKEN)}"}
        [error] = plain.post(url, json=stolen, headers=theirs).json()["errors"]
        told.append(error["extensions"]["code"])
    return told


TOKEN = "fetch('/api/auth/token').then(r => r.json()).then(body => body.token)"


@pytest.mark.prove
def test_details_of_a_task_are_edited_and_saved(ada: Person) -> None:
    ada.adds("Plan the trip")
    ada.clicks("Edit details: Plan the trip")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Description").fill("Trains,\nthen the boat")
    dialog.get_by_label("Title").fill("Plan the journey")
    ada.clicks("Close details")
    expect(dialog).to_have_count(0)
    expect(ada.task("Plan the journey")).to_have_attribute("aria-busy", "false")
    ada.page.reload()
    expect(ada.task("Plan the journey")).to_contain_text("Trains,")
    ada.clicks("Edit details: Plan the journey")
    expect(dialog).to_contain_text("then the boat")


HOLD_AUTOSAVE = """() => {
  const { setTimeout } = window;
  window.setTimeout = (callback, delay, ...rest) =>
    delay === 1000 ? undefined : setTimeout(callback, delay, ...rest);
}"""
"""Drops the timers that save what is typed, in a page that is reloaded afterwards."""


# `test_text.py` resolves a conflict in `make test`.
@pytest.mark.prove
@pytest.mark.parametrize("keep", ["Keep mine", "Keep the other one"])
def test_conflicting_edits_show_both_versions(ada: Person, keep: str) -> None:
    ada.adds("Shared")
    ada.clicks("Edit details: Shared")
    dialog = ada.page.get_by_role("dialog", name="Task details")
    # What is typed is saved after a pause. This tab must not save before the other one, or the
    # speed of the machine would decide which of the two is first.
    ada.page.evaluate(HOLD_AUTOSAVE)
    dialog.get_by_label("Title").fill("Typed here")
    elsewhere = ada.context.new_page()
    elsewhere.goto(f"{ada.site.url}/tasks")
    expect(elsewhere.locator("[inert]")).to_have_count(0)  # the page listens by now
    elsewhere.get_by_role("listitem", name="Shared").focus()
    elsewhere.keyboard.press("e")
    elsewhere.get_by_label("Title").fill("Changed over there")
    elsewhere.get_by_label("Title").press("Enter")
    there = elsewhere.get_by_role("listitem", name="Changed over there")
    expect(there).to_have_attribute("aria-busy", "false")
    elsewhere.close()
    expect(dialog.get_by_label("Title")).to_have_value("Typed here")
    ada.clicks("Close details")
    conflict = ada.page.get_by_role("dialog", name="changed elsewhere")
    expect(conflict.get_by_role("region", name="Yours")).to_contain_text("Typed here")
    expect(conflict.get_by_role("region", name="The other one")).to_contain_text(
        "Changed over there"
    )
    assert ada.violations() == []
    ada.clicks(keep)
    expect(conflict).to_have_count(0)
    kept = ada.task("Typed here" if keep == "Keep mine" else "Changed over there")
    expect(kept).to_have_attribute("aria-busy", "false")
    ada.page.reload()
    expect(kept).to_be_visible()


def test_trashed_task_can_be_restored_or_deleted(ada: Person) -> None:
    for title in ("Keep me", "Forget me"):
        ada.adds(title)
        ada.clicks(f"Move to trash: {title}")
    ada.clicks("Trash", "link")
    ada.is_at("/tasks?view=trash")
    ada.clicks("Restore: Keep me")
    expect(ada.task("Keep me")).to_have_count(0)
    ada.task("Forget me").focus()
    ada.page.keyboard.press("Delete")
    # The dialog focuses the harmless button.
    expect(ada.page.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    ada.page.keyboard.press("Enter")
    expect(ada.task("Forget me")).to_be_visible()
    ada.clicks("Delete permanently: Forget me")
    ada.page.get_by_role("dialog").get_by_role("button", name="Delete permanently").click()
    expect(ada.page.get_by_text("The trash is empty")).to_be_visible()
    ada.clicks("All", "link")
    expect(ada.task("Keep me")).to_be_visible()


@pytest.mark.prove
def test_tokens_that_live_for_seconds_are_renewed(
    tmp_path: Path, newcomer: Newcomer, postgres: Postgres
) -> None:
    with stack.site(tmp_path, postgres, ACCESS_TOKEN_MAX_AGE="3") as site:
        ada = newcomer(site)
        ada.has_an_account()
        token = ada.page.evaluate(TOKEN)
        first = jwt.decode(token, options={"verify_signature": False})["exp"]
        number, began = 0, time.monotonic()
        while ada.page.evaluate("Date.now() / 1000") < first + 4:
            number += 1
            ada.adds(f"Task {number}")
        asked = [url for url in ada.requests if url.endswith("/api/auth/token")]
        most = time.monotonic() - began + 3
        assert 2 < len(asked) < most, "renewed when it is due, and not each time"
        ada.is_at("/tasks")


@pytest.mark.prove
def test_all_views_share_one_token(ada: Person) -> None:
    ada.requests.clear()
    ada.goes_to("/tasks")
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    ada.clicks("All", "link")
    ada.clicks("Completed", "link")
    expect(ada.page.get_by_text("Nothing completed yet")).to_be_visible()
    assert sum(url.endswith("/api/auth/token") for url in ada.requests) == 1


def reject_next_tokens(ada: Person, times: int) -> None:
    """Have the API reject the next tokens, though they are good."""
    left = times

    def answer(route: Route) -> None:
        nonlocal left
        if route.request.method != "POST" or not left:
            return route.continue_()
        left -= 1
        cors = {"Access-Control-Allow-Origin": ada.site.url}
        told = {"errors": [{"message": "no", "extensions": {"code": "UNAUTHENTICATED"}}]}
        return route.fulfill(status=401, headers=cors, json=told)

    ada.page.route("**/graphql", answer)


def test_401_is_retried_once_with_a_new_token_and_then_goes_to_sign_in(ada: Person) -> None:
    reject_next_tokens(ada, times=1)
    ada.requests.clear()
    ada.adds("Went through")
    assert sum(url.endswith("/api/auth/token") for url in ada.requests) == 1
    ada.is_at("/tasks")
    ada.page.unroute("**/graphql")
    reject_next_tokens(ada, times=1000)
    ada.page.get_by_label("New task").fill("Rejected")
    ada.page.keyboard.press("Enter")
    expect(ada.page).to_have_url(re.compile(r"/sign-in\?.*refused=1"))
    expect(ada.page.get_by_role("status")).to_contain_text("did not accept")
    ada.requests.clear()
    ada.page.reload()
    expect(ada.page).to_have_url(re.compile(r"/sign-in\?.*refused=1"))
    assert not [url for url in ada.requests if url.endswith("/graphql")]
    ada.ignores_messages("status of 401")


@pytest.mark.prove
def test_user_returns_to_the_same_view_after_the_session_has_ended(ada: Person) -> None:
    """A laptop slept until its token expired, and was signed out from another browser meanwhile."""
    ada.page.clock.install()
    ada.adds("Before")
    end = """DELETE FROM session WHERE "userId" = (SELECT id FROM "user" WHERE email = $1)"""
    run(ada.site.database, lambda connection: connection.execute(end, ada.email))
    ada.clicks("Trash", "link")
    expect(ada.page.get_by_text("The trash is empty")).to_be_visible()
    ada.page.clock.fast_forward("24:00:00")
    ada.is_at("/sign-in?next=%2Ftasks%3Fview%3Dtrash")
    ada.submits("Sign in")
    ada.is_at("/tasks?view=trash")
    ada.clicks("All", "link")
    expect(ada.task("Before")).to_be_visible()
    ada.ignores_messages("status of 401")


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
    ada.context.set_offline(False)
    written = "SELECT count(*) FROM tasks.tasks WHERE title LIKE 'Offline %'"

    async def some_are_written(connection: asyncpg.Connection) -> None:
        while await connection.fetchval(written) < EDITS // 10:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.005)

    run(site.database, some_are_written)
    os.killpg(site.api.child.process.pid, signal.SIGKILL)
    assert run(site.database, lambda connection: connection.fetchval(written)) < EDITS // 2, (
        "midway"
    )
    expect(main).to_contain_text("retrying automatically")
    site.api.stop()
    site.api = restarted_api(site, folder)
    expect(main).not_to_contain_text(re.compile(r"\d (unsaved )?changes?\b"))
    expect(ada.page.locator("[aria-busy=true]")).to_have_count(0)
    each = """SELECT title, completed FROM tasks.tasks WHERE title LIKE 'Offline %'"""
    found = run(site.database, lambda connection: connection.fetch(each))
    expected = [(f"Offline {number}", True) for number in range(EDITS // 2)]
    assert sorted((row["title"], row["completed"]) for row in found) == sorted(expected)


def test_next_user_of_the_same_browser_sees_nothing_of_the_first(ada: Person) -> None:
    ada.adds("Hers alone")
    field = ada.page.get_by_label("New task")
    ada.page.route("**/graphql", lambda route: route.abort())
    field.fill("Not saved yet")
    field.press("Enter")
    expect(ada.task("Not saved yet").get_by_label("Waiting to be saved")).to_be_visible()
    assert ada.page.evaluate(WAITING) == 1
    field.fill("half a thought")
    ada.signs_out()
    assert ada.page.evaluate(WAITING) == 0
    ada.page.unroute("**/graphql")
    ada.ignores_messages("ERR_FAILED")
    bob = ada
    bob.email = f"bob-{ada.email}"
    bob.goes_to("/sign-up")
    bob.submits("Create account")
    bob.is_at("/tasks")
    expect(bob.page.get_by_text("No open tasks")).to_be_visible()
    expect(bob.page.get_by_label("New task")).to_have_value("")
    for _ in range(3):  # sign-up, sign-in, and the first user's tasks
        bob.page.go_back()
        bob.page.wait_for_load_state("networkidle")
        expect(bob.page.get_by_text("Hers alone")).to_have_count(0)
        expect(bob.page.get_by_text("Not saved yet")).to_have_count(0)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("next_path", "lands"),
    [
        ("/tasks?view=trash", "/tasks?view=trash"),
        ("https://evil.example/", "/tasks"),
        ("//evil.example", "/tasks"),
        ("javascript:alert(1)", "/tasks"),
    ],
)
def test_next_parameter_never_leads_to_another_site(
    ada: Person, next_path: str, lands: str
) -> None:
    ada.signs_out()
    ada.goes_to(f"/sign-in?{urlencode({'next': next_path})}")
    ada.submits("Sign in")
    ada.is_at(lands)


def test_wrong_password_and_used_address_are_explained(ada: Person) -> None:
    ada.signs_out()
    ada.goes_to("/sign-up")
    ada.submits("Create account")
    expect(ada.page.get_by_role("alert").filter(has_text="account")).to_be_visible()
    # `frontend/tests/next-path.test.ts` has more paths that must not be followed.
    ada.goes_to("/sign-in?next=%2F%5Cevil.example")
    ada.submits("Sign in", password="wrong horse")
    expect(ada.page.get_by_role("alert").filter(has_text="password")).to_be_visible()
    ada.submits("Sign in")
    ada.is_at("/tasks")
    ada.ignores_messages("status of 4")


def test_token_is_kept_only_in_memory(ada: Person) -> None:
    with ada.page.expect_request(f"{ada.site.env['API_URL']}/graphql") as asked:
        ada.adds("Something")
    token = asked.value.headers["authorization"].removeprefix("Bearer ")
    kept = ada.page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    assert token.split(".")[1] not in kept
    assert token.split(".")[1] not in ada.page.content()
    assert not [url for url in ada.requests if token.split(".")[1] in url]


def test_pages_have_a_strict_content_security_policy(site: stack.Site) -> None:
    for path in ("/", "/sign-in", "/tasks", "/nowhere"):
        headers = plain.get(f"{site.url}{path}").headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
        assert "'nonce-" in policy["script-src"]
        assert "unsafe" not in policy["script-src"] + policy["style-src"]
        assert headers["x-content-type-options"] == "nosniff"
    nonces = {plain.get(f"{site.url}/sign-in").headers["content-security-policy"] for _ in "ab"}
    assert len(nonces) == 2


def test_web_app_writes_nothing_into_its_build(site: stack.Site) -> None:
    """The build may belong to another user, or be in a read-only image."""

    def written() -> dict[Path, int]:
        files = (stack.FRONTEND / ".next/standalone").rglob("*")
        return {file: file.stat().st_mtime_ns for file in files if file.is_file()}

    before = written()
    for path in ("/nowhere", "/nowhere/else", "/sign-in", "/icon.svg", "/manifest.webmanifest"):
        for _ in range(2):
            assert plain.get(f"{site.url}{path}").status_code in {200, 404}
    assert written() == before


def test_graphiql_sends_only_requested_operations_with_the_users_token(ada: Person) -> None:
    ada.adds("Seen from GraphiQL")
    ada.requests.clear()
    sent: list[str] = []
    ada.page.on("request", lambda request: sent.append(request.post_data or "IntrospectionQuery"))
    ada.goes_to("/graphiql?query=mutation%20%7B%20evil%20%7D")
    run_button = ada.page.get_by_role("button", name="Execute query")
    expect(run_button).to_be_visible()
    expect(ada.page.locator(".graphiql-query-editor .view-lines")).to_be_visible()
    assert "evil" not in ada.page.locator(".graphiql-query-editor").inner_text()
    assert all("IntrospectionQuery" in body for body in sent), "nothing else ran on load"
    run_button.click()
    expect(ada.page.locator(".result-window")).to_contain_text("Seen from GraphiQL")
    own = (ada.site.url, ada.site.env["API_URL"], "blob:", "data:")
    assert [url for url in ada.requests if not url.startswith(own)] == []


def test_graphiql_requires_a_session(site: stack.Site) -> None:
    answer = plain.get(f"{site.url}/graphiql")
    assert answer.headers["location"].endswith("/sign-in?next=%2Fgraphiql")


@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        # Many other tests run axe on wide pages with light colours.
        pytest.param("light", WIDE, id="wide-light", marks=pytest.mark.prove),
        pytest.param("dark", NARROW, id="narrow-dark"),
        pytest.param("dark", WIDE, id="wide-dark", marks=pytest.mark.prove),
        pytest.param("light", NARROW, id="narrow-light", marks=pytest.mark.prove),
    ],
)
def test_every_page_is_accessible(  # noqa: PLR0915 - every page is checked
    site: stack.Site, newcomer: Newcomer, scheme: str, size: dict[str, int]
) -> None:
    """Axe finds no violation, and nothing is cut off. The folder SCREENSHOTS gets pictures."""
    ada = newcomer(site, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    pictures = os.environ.get("SCREENSHOTS")
    kind = f"{'wide' if size == WIDE else 'narrow'}-{scheme}"
    ada.email = f"ada@{kind}.example"

    def looks(page: str) -> None:
        assert ada.violations() == [], page
        assert ada.page.evaluate("document.documentElement.scrollWidth") <= size["width"], page
        if pictures:
            path = Path(pictures) / f"{page}-{kind}.png"
            ada.page.screenshot(path=path, animations="disabled")

    for path in ("/sign-in", "/sign-up"):
        ada.goes_to(path)
        looks(path[1:])
    ada.signs_up()
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    looks("empty")
    for title in ("Return the library books", "Water the plants", "Book the train to Lisbon"):
        ada.adds(title)
    ada.adds("Write to the bank about the card")
    ada.clicks("Edit details: Write to the bank about the card")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Description").fill("Ask for **both** cards.\n\n- mine\n- the old one")
    ada.clicks("Preview")
    expect(dialog.locator("strong")).to_have_text("both")
    looks("details")
    ada.clicks("Close details")
    expect(dialog).to_have_count(0)
    ada.page.get_by_role("checkbox", name="Completed: Water the plants").check()
    ada.clicks("Close")
    field = ada.page.get_by_label("New task")
    field.fill("Call Ada on monday !high #friends")
    expect(ada.page.get_by_role("list", name="Understood").get_by_role("listitem")).to_have_count(3)
    ada.page.mouse.move(0, 0)
    looks("tasks")
    ada.page.get_by_role("heading", name="All").click()
    ada.page.keyboard.press("?")
    expect(ada.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    looks("shortcuts")
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+k")
    expect(ada.page.get_by_role("option", name="Today")).to_be_visible()
    looks("palette")
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+a")
    expect(ada.page.get_by_role("toolbar")).to_contain_text("4 selected")
    looks("selected")
    ada.page.keyboard.press("Escape")
    ada.task("Return the library books").focus()
    ada.page.keyboard.press("Delete")
    looks("undo")
    for view in ("Today", "Upcoming", "Completed", "Trash"):
        ada.shows(view)
        expect(ada.page.get_by_role("heading", name=view)).to_be_visible()
        looks(view.lower())
    expect(ada.task("Return the library books")).to_be_visible()
