"""The account page in a real browser: sessions, password, address, export and deletion."""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from playwright.sync_api import Locator, Route, expect

from tests import plain, stack
from tests.conftest import run
from tests.contract.people import ROUTES_OFF
from tests.e2e.conftest import NARROW, PASSWORD, WIDE, Newcomer, Person

TOKEN = "fetch('/api/auth/token').then(r => r.json()).then(body => body.token)"
NEW_PASSWORD = "battery staple"


def api_status(site: stack.Site, token: str) -> int:
    """Return the status of an API request with this token."""
    query = {"query": "{ viewer { id } }"}
    headers = {"Authorization": f"Bearer {token}"}
    return plain.post(f"{site.api.url}/graphql", json=query, headers=headers).status_code


def second_browser(person: Person, newcomer: Newcomer, **options: Any) -> Person:
    """Sign in the same user on another device."""
    other = newcomer(person.site, **options)
    other.email = person.email
    other.has_signed_in()
    other.goes_to("/tasks")
    other.has_read_all()
    return other


def sessions(person: Person) -> Locator:
    """Return the list of sessions on the account page."""
    return person.page.get_by_role("list", name="Sessions").get_by_role("listitem")


def post_from_page(person: Person, path: str, body: Any) -> Any:
    """Send a request from a script in the page, and return its status and text."""
    script = """([path, body]) => fetch(`/api/auth/${path}`, {
        method: "POST", body, headers: {"Content-Type": "application/json"},
    }).then(async answer => [answer.status, await answer.text()])"""
    return person.page.evaluate(script, [path, json.dumps(body)])


def is_sent_to_sign_in(person: Person) -> None:
    expect(person.page).to_have_url(re.compile(r"/sign-in"))
    expect(person.page.get_by_role("heading", name="Welcome back")).to_be_visible()


def changes_password(person: Person, current: str, new: str) -> None:
    person.page.get_by_label("Current password").fill(current)
    person.page.get_by_label("New password").fill(new)
    person.clicks("Change password")


def test_session_can_be_ended_from_another_browser(site: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(site, user_agent="Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/133.0")
    ada.has_an_account()
    phone = second_browser(
        ada,
        newcomer,
        user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/6",
    )
    phone.adds("From the phone")
    tablet = second_browser(ada, newcomer)
    tablet.goes_to("/account")
    expect(sessions(tablet)).to_have_count(3)
    ada.chooses_in_account_menu("Account")
    ada.is_at("/account")
    expect(sessions(ada)).to_have_count(3)
    expect(sessions(ada).first).to_contain_text("Firefox on Windows")
    expect(sessions(ada).first).to_contain_text("This browser")
    expect(sessions(ada).first.get_by_role("button")).to_have_count(0)

    token = phone.page.evaluate(TOKEN)
    assert api_status(site, token) == 200
    ada.clicks("Sign out there: Safari on iPhone")
    expect(sessions(ada)).to_have_count(2)
    assert api_status(site, token) == 401
    is_sent_to_sign_in(phone)
    tablet.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(sessions(tablet)).to_have_count(2)
    ada.clicks("Sign out everywhere else")
    expect(sessions(ada)).to_have_count(1)
    tablet.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    is_sent_to_sign_in(tablet)
    for person in (phone, tablet):  # the page asks for a token after its socket was closed
        person.ignores_messages("status of 401")


@pytest.mark.prove
def test_account_page_of_an_ended_session_goes_to_sign_in(ada: Person, newcomer: Newcomer) -> None:
    other = second_browser(ada, newcomer)
    for person in (ada, other):
        person.goes_to("/account")
        expect(sessions(person)).to_have_count(2)
    ada.clicks("Sign out everywhere else")
    expect(sessions(ada)).to_have_count(1)
    changes_password(other, PASSWORD, NEW_PASSWORD)
    other.is_at("/sign-in?next=%2Faccount")
    other.submits("Sign in")
    other.is_at("/account")
    other.ignores_messages("status of 401")


@pytest.mark.prove
def test_no_response_that_a_page_can_read_contains_the_session_token(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    read: dict[str, str] = {}

    def record(route: Route) -> None:
        own_address = {**route.request.headers, "x-forwarded-for": "192.0.2.1"}
        answer = route.fetch(headers=own_address, max_redirects=0)
        read[urlsplit(route.request.url).path] = answer.text()
        route.fulfill(response=answer)

    for pages in ("/api/auth/**", "/account"):
        ada.page.route(f"{site.url}{pages}", record)
    tokens = []

    def notes_token() -> None:
        find = """SELECT token FROM session
            WHERE "userId" = (SELECT id FROM "user" WHERE email = $1)"""
        tokens.append(run(site.database, lambda connection: connection.fetchval(find, ada.email)))

    ada.signs_up()
    notes_token()
    ada.goes_to("/account")
    ada.page.evaluate("fetch('/api/auth/get-session').then(r => r.text())")
    changes_password(ada, PASSWORD, NEW_PASSWORD)
    expect(ada.page.get_by_text("Your password is changed.")).to_be_visible()
    notes_token()
    ada.signs_out()
    ada.submits("Sign in", NEW_PASSWORD)
    ada.is_at("/tasks")
    notes_token()
    assert {"sign-up/email", "get-session", "change-password", "sign-in/email"} <= {
        path.removeprefix("/api/auth/") for path in read
    }
    assert "/account" in read
    assert len({*tokens}) == 3
    shown = [(path, text) for path, text in read.items() if any(t in text for t in tokens)]
    assert shown == []
    for path in ROUTES_OFF:
        assert ada.page.evaluate(f"fetch('/api/auth/{path}').then(r => r.status)") == 404
    ada.ignores_messages("status of 404")


def test_password_change_signs_out_all_other_browsers(ada: Person, newcomer: Newcomer) -> None:
    other = second_browser(ada, newcomer)
    ada.goes_to("/account")
    changes_password(ada, "wrong horse", NEW_PASSWORD)
    current = ada.page.get_by_label("Current password")
    expect(current).to_be_focused()
    expect(ada.page.get_by_text("This is not your password.")).to_be_visible()
    changes_password(ada, PASSWORD, NEW_PASSWORD)
    expect(ada.page.get_by_text("You are signed out everywhere else.")).to_be_visible()
    expect(current).to_have_value("")
    is_sent_to_sign_in(other)
    ada.goes_to("/tasks")
    ada.adds("Still here")
    other.submits("Sign in")
    expect(other.page.get_by_text("Incorrect email or password")).to_be_visible()
    other.submits("Sign in", NEW_PASSWORD)
    other.is_at("/tasks")
    for person in (ada, other):
        person.ignores_messages("status of 400", "status of 401")


@pytest.mark.prove
def test_password_change_may_keep_other_browsers_signed_in(ada: Person, newcomer: Newcomer) -> None:
    other = second_browser(ada, newcomer)
    ada.goes_to("/account")
    ada.page.get_by_label("Sign out everywhere else").uncheck()
    changes_password(ada, PASSWORD, NEW_PASSWORD)
    expect(ada.page.get_by_text("Your password is changed.")).to_be_visible()
    other.page.reload()
    other.is_at("/tasks")


def test_deleted_account_leaves_no_tasks_and_cannot_sign_in(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    ada.has_an_account()
    ada.adds("Hers")
    other_tab = ada.context.new_page()
    other_tab.goto(f"{site.url}/tasks")
    expect(other_tab.get_by_role("listitem", name="Hers")).to_be_visible()
    token = ada.page.evaluate(TOKEN)
    ada.goes_to("/account")
    assert post_from_page(ada, "delete-user", {})[0] == 400, "not without the password"
    ada.clicks("Delete account")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Your password").fill("wrong horse")
    dialog.get_by_label("to confirm").fill("delete")
    dialog.get_by_role("button", name="Delete permanently").click()
    expect(dialog).to_contain_text("This is not your password.")
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_label("to confirm").fill("yes")
    dialog.get_by_role("button", name="Delete permanently").click()
    ada.is_at("/account")
    dialog.get_by_label("to confirm").fill("delete")
    dialog.get_by_role("button", name="Delete permanently").click()
    ada.is_at("/sign-up?deleted=1")
    told = "Your account and all its tasks were deleted."
    expect(ada.page.get_by_role("status")).to_contain_text(told)
    expect(other_tab).to_have_url(f"{site.url}/sign-in")
    assert api_status(site, token) == 401
    owner = jwt.decode(token, options={"verify_signature": False})["user_id"]
    left = "SELECT count(*) FROM tasks.tasks WHERE owner_id = $1"
    assert run(site.database, lambda connection: connection.fetchval(left, owner)) == 0
    ada.goes_to("/sign-in")
    ada.submits("Sign in")
    expect(ada.page.get_by_text("Incorrect email or password")).to_be_visible()
    ada.ignores_messages("status of 400", "status of 401")


def test_name_is_changed_at_once_and_address_by_a_link_sent_to_the_new_address(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada, elsewhere = newcomer(site), newcomer(site)
    ada.has_signed_up()
    before, elsewhere.email = ada.email, f"new-{ada.email}"
    ada.goes_to("/account")
    ada.page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    ada.clicks("Save the name")
    expect(ada.page.get_by_text("Your name is changed.")).to_be_visible()
    expect(ada.page.get_by_role("main")).to_contain_text(f"as {before}, which is not confirmed yet")
    ada.page.get_by_label("New email").fill(elsewhere.email)
    email = ada.page.locator("form").filter(has=ada.page.get_by_label("New email"))
    email.get_by_label("Your password").fill("wrong horse")
    email.get_by_role("button").click()
    expect(email.get_by_text("This is not your password.")).to_be_visible()
    email.get_by_label("Your password").fill(PASSWORD)
    email.get_by_role("button").click()
    expect(ada.page.get_by_text(f"A link is on its way to {elsewhere.email}.")).to_be_visible()
    link = link_to(elsewhere)
    elsewhere.page.goto(link)
    elsewhere.is_at("/confirm-email")
    expect(elsewhere.page.get_by_role("main")).to_contain_text(f"sign in as {elsewhere.email}")
    elsewhere.clicks("Confirm the address")
    expect(elsewhere.page.get_by_role("heading", name="is confirmed")).to_be_visible()
    elsewhere.page.goto(link)
    expect(elsewhere.page.get_by_role("heading", name="no longer works")).to_be_visible()
    elsewhere.has_signed_in()
    ada.page.reload()
    expect(ada.page.get_by_label("Name", exact=True)).to_have_value("Ada Lovelace")
    expect(ada.page.get_by_role("main")).to_contain_text(
        f"as {elsewhere.email}, which you have confirmed"
    )
    ada.ignores_messages("status of 400")


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
    with ada.page.expect_download() as told:
        ada.clicks(f"Export as {kind}")
    file = tmp_path / f"tasks.{kind.lower()}"
    told.value.save_as(file)

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


def test_account_page_without_a_network_shows_a_notification_and_keeps_the_tasks(
    ada: Person,
) -> None:
    told = ada.page.get_by_role("region", name="Notifications").get_by_role("alert")
    ada.context.set_offline(True)
    ada.page.get_by_label("New task").fill("Typed offline")
    ada.page.get_by_label("New task").press("Enter")
    ada.chooses_in_account_menu("Account")
    expect(told).to_contain_text("Your account needs the server")
    ada.is_at("/tasks")
    expect(ada.task("Typed offline")).to_be_visible()
    ada.context.set_offline(False)
    told.get_by_role("button", name="Try again").click()
    ada.is_at("/account")
    expect(sessions(ada)).to_have_count(1)

    ada.context.set_offline(True)
    ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    ada.clicks("Back to your tasks", "link")
    expect(told).to_contain_text("The list of your tasks needs the server")
    ada.is_at("/account")
    ada.context.set_offline(False)
    told.get_by_role("button", name="Try again").click()
    expect(ada.task("Typed offline")).to_be_visible()
    ada.ignores_messages("ERR_INTERNET_DISCONNECTED")


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


def link_to(person: Person, mail: int = 1) -> str:
    """Return the link in the first or a later mail to the user, as the web app printed it."""
    mails = rf"^To: {re.escape(person.email)}\n(?:(?!To: ).*\n)*?(http.*)\n"
    return person.site.web.wait_for_output(mails, mail)[1]


def request_reset_link(person: Person) -> None:
    person.goes_to("/sign-in")
    person.clicks("Forgot your password?", "link")
    person.is_at("/forgot-password")
    person.page.get_by_label("Email").fill(person.email)
    person.clicks("Send the link")
    told = f"If there is an account for {person.email}, the link is on its way."
    expect(person.page.get_by_role("status")).to_contain_text(told)


def test_forgotten_password_can_be_replaced_by_a_link(site: stack.Site, newcomer: Newcomer) -> None:
    ada, stranger = newcomer(site), newcomer(site)
    ada.has_signed_up()
    stranger.email = ada.email
    url = f"{site.url}/api/auth/request-password-reset"
    stranger.context.request.post(url, data={"email": ada.email}, headers={"Origin": site.url})
    first = link_to(stranger)
    request_reset_link(stranger)
    link = link_to(stranger, 2)
    assert first != link

    stranger.requests.clear()
    referrers: list[str] = []
    stranger.page.on("request", lambda r: referrers.append(r.headers.get("referer", "")))
    stranger.page.goto(link)
    stranger.is_at("/reset-password")
    token = link.partition("token=")[2]
    assert [url for url in stranger.requests if token in url] == [link]
    assert not [url for url in referrers if token in url]
    stranger.page.get_by_label("New password").fill(NEW_PASSWORD)
    stranger.clicks("Save the new password")
    stranger.is_at("/sign-in?changed=1")
    expect(stranger.page.get_by_role("status")).to_contain_text("Your password is changed.")
    stranger.submits("Sign in", NEW_PASSWORD)
    stranger.is_at("/tasks")
    ada.goes_to("/tasks")
    is_sent_to_sign_in(ada)

    for worthless in (link, first):
        assert "This link no longer works" in ada.context.request.get(worthless).text()
    ada.page.goto(first)
    expect(ada.page.get_by_role("heading", name="no longer works")).to_be_visible()
    ada.clicks("Request a new link", "link")
    ada.is_at("/forgot-password")


@pytest.mark.parametrize(
    ("scheme", "size"),
    [pytest.param("light", WIDE, marks=pytest.mark.prove), ("dark", NARROW)],
)
def test_every_page_of_the_account_is_accessible(
    site: stack.Site, newcomer: Newcomer, scheme: str, size: dict[str, int]
) -> None:
    ada = newcomer(site, color_scheme=scheme, viewport=size, reduced_motion="reduce")
    kind = f"{'wide' if size == WIDE else 'narrow'}-{scheme}"
    pictures = os.environ.get("SCREENSHOTS")

    def looks(page: str) -> None:
        assert ada.violations() == [], page
        assert ada.page.evaluate("document.documentElement.scrollWidth") <= size["width"], page
        if pictures:
            path = Path(pictures) / f"{page}-{kind}.png"
            ada.page.screenshot(path=path, animations="disabled", full_page=True)

    ada.has_signed_up()
    second = newcomer(site)
    second.email = ada.email
    second.has_signed_in()
    ada.goes_to("/account")
    expect(ada.page.get_by_role("button", name="Sign out everywhere else")).to_be_enabled()
    looks("account")
    changes_password(ada, "wrong horse", NEW_PASSWORD)
    expect(ada.page.get_by_text("This is not your password.")).to_be_visible()
    looks("account-problem")
    ada.clicks("Delete account")
    looks("delete-account")
    ada.goes_to("/forgot-password")
    ada.page.get_by_label("Email").fill(ada.email)
    ada.clicks("Send the link")
    expect(ada.page.get_by_role("status")).to_contain_text("on its way")
    looks("forgot-password")
    ada.page.goto(link_to(ada))
    expect(ada.page.get_by_label("New password")).to_be_enabled()
    looks("reset-password")
    ada.page.reload()
    expect(ada.page.get_by_role("heading", name="Open the emailed link again")).to_be_visible()
    looks("reset-password-again")
    ada.goes_to("/account")
    ada.clicks("Send a link to confirm it")
    expect(ada.page.get_by_text(f"A link is on its way to {ada.email}.")).to_be_visible()
    looks("account-email")
    ada.page.goto(link_to(ada, 2))
    expect(ada.page.get_by_role("button", name="Confirm the address")).to_be_enabled()
    looks("confirm-email")
    ada.clicks("Confirm the address")
    expect(ada.page.get_by_role("heading", name="is confirmed")).to_be_visible()
    looks("confirmed-email")
    ada.ignores_messages("status of 400")
