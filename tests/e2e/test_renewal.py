"""Access tokens in browsers: shared by tabs, timed by the server's clock, and kept in outages."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests import plain
from tests.conftest import run
from tests.e2e.person import Person

TOKEN = "fetch('/api/auth/token').then(r => r.json()).then(body => body.token)"

# Simulates a return to the page, and counts the requests that this causes.
RETURN = """async () => {
    const { fetch } = window;
    let count = 0;
    window.fetch = (...asked) => { count += 1; return fetch(...asked); };
    document.dispatchEvent(new Event("visibilitychange"));
    await new Promise(resolve => setTimeout(resolve));
    window.fetch = fetch;
    return count;
}"""


def fetches(person: Person) -> int:
    """Return how often any tab has requested a token."""
    return sum(url.endswith("/api/auth/token") for url in person.requests)


def shows_tasks(page: Page) -> None:
    """Wait until the page has read the tasks from the API, with a token of the browser."""
    expect(page.get_by_text("No open tasks")).to_be_visible()
    expect(page.locator("main[data-complete=true]")).to_be_visible()


def end_sessions(person: Person) -> None:
    """Delete the sessions in the database, so that no event reaches the API."""
    end = """DELETE FROM session WHERE "userId" = (SELECT id FROM "user" WHERE email = $1)"""
    run(person.site.database, lambda connection: connection.execute(end, person.email))


@pytest.mark.prove
def test_tabs_share_one_token(ada: Person) -> None:
    second = ada.context.new_page()
    ada.requests.clear()
    second.goto(f"{ada.site.url}/tasks")
    shows_tasks(second)
    assert fetches(ada) == 0, "the first tab had one to give"
    ada.page.goto("about:blank")
    second.goto("about:blank")
    pages = [ada.page, second, ada.context.new_page()]
    for page in pages:
        page.goto(f"{ada.site.url}/tasks", wait_until="commit")
    for page in pages:
        shows_tasks(page)
    assert fetches(ada) == 1, "they took turns"


@pytest.mark.parametrize(
    "clock",
    [pytest.param("2001-01-01T00:00:00Z", marks=pytest.mark.prove), "2031-01-01T00:00:00Z"],
)
def test_laptop_with_a_wrong_clock_keeps_its_token(ada: Person, clock: str) -> None:
    ada.page.clock.set_fixed_time(clock)
    ada.page.reload()
    shows_tasks(ada.page)
    ada.requests.clear()
    for number in range(3):
        ada.adds(f"Task {number}")
    assert fetches(ada) == 0
    ada.is_at("/tasks")


@pytest.mark.prove
def test_laptop_that_slept_overnight_renews_its_token(ada: Person) -> None:
    ada.page.clock.install()
    ada.adds("In the evening")
    ada.requests.clear()
    ada.page.clock.fast_forward("30:00:00")
    ada.adds("In the morning")
    assert fetches(ada) == 1
    expect(ada.page.get_by_role("main").get_by_role("alert")).to_have_count(0)


@pytest.mark.prove
def test_laptop_that_wakes_before_its_network_shows_no_error(ada: Person) -> None:
    token = ada.page.evaluate(TOKEN)
    create = 'mutation { createTask(input: {title: "From elsewhere"}) { task { id } } }'
    plain.post(
        f"{ada.site.api.url}/graphql",
        json={"query": create},
        headers={"Authorization": f"Bearer {token}"},
    ).raise_for_status()
    ada.context.set_offline(True)
    assert ada.page.evaluate(RETURN) == 0, "nothing is asked that could only fail"
    ada.context.set_offline(False)
    expect(ada.task("From elsewhere")).to_be_visible()
    expect(ada.page.get_by_role("main").get_by_role("alert")).to_have_count(0)
    ada.ignores_messages("ERR_INTERNET_DISCONNECTED")  # scripts that the page was still loading


@pytest.mark.prove
def test_unavailable_api_costs_neither_token_nor_session(ada: Person) -> None:
    def unavailable(route: Route) -> None:
        told = {"errors": [{"message": "no", "extensions": {"code": "UNAVAILABLE"}}]}
        cors = {"Access-Control-Allow-Origin": ada.site.url}
        route.fulfill(status=503, headers={**cors, "Retry-After": "2"}, json=told)

    ada.page.route("**/graphql", unavailable)
    ada.requests.clear()
    ada.page.get_by_label("New task").fill("Later")
    ada.page.get_by_label("New task").press("Enter")
    expect(ada.page.get_by_role("main")).to_contain_text("not ready right now")
    expect(ada.task("Later").get_by_label("Waiting to be saved")).to_be_visible()
    assert fetches(ada) == 0
    ada.is_at("/tasks")
    ada.ignores_messages("status of 503")


def test_sign_out_in_one_tab_signs_out_every_tab(ada: Person) -> None:
    ada.is_live()
    second = ada.context.new_page()
    second.goto(f"{ada.site.url}/tasks")
    second.get_by_label("New task").fill("half a thought")
    ada.signs_out()
    expect(second).to_have_url(f"{ada.site.url}/sign-in")
    assert second.evaluate("sessionStorage.length") == 0
    ada.is_live(sockets=0)


def test_typed_text_is_restored_after_the_same_user_signs_in(ada: Person) -> None:
    ada.adds("Plan the trip")
    ada.clicks("Edit details: Plan the trip")
    ada.page.get_by_label("Description").fill("Trains, then the boat")
    end_sessions(ada)
    ada.page.clock.install()
    ada.page.clock.fast_forward("30:00:00")
    expect(ada.page).to_have_url(re.compile("/sign-in\\?next=%2Ftasks"))
    ada.submits("Sign in")
    dialog = ada.page.get_by_role("dialog")
    expect(dialog.get_by_label("Description")).to_have_value("Trains, then the boat")
    ada.clicks("Close details")
    expect(ada.task("Plan the trip")).to_contain_text("Trains, then the boat")
    expect(ada.task("Plan the trip")).to_have_attribute("aria-busy", "false")
    ada.page.reload()
    expect(ada.task("Plan the trip")).to_contain_text("Trains, then the boat")
    expect(dialog).to_have_count(0)
    ada.ignores_messages("status of 401")


# `test_isolation.py` also tests a user who signs out.
@pytest.mark.parametrize(
    "leaves_by",
    [pytest.param("signing out", marks=pytest.mark.prove), "another signing in"],
)
def test_unsaved_edits_are_deleted_for_the_next_user(ada: Person, leaves_by: str) -> None:
    ada.page.route("**/graphql", lambda route: route.abort())
    ada.page.get_by_label("New task").fill("Hers alone")
    ada.page.get_by_label("New task").press("Enter")
    expect(ada.task("Hers alone").get_by_label("Waiting to be saved")).to_be_visible()
    ada.keeps_edits(1)
    if leaves_by == "signing out":
        ada.signs_out()
        ada.keeps_edits(0)
    else:
        end_sessions(ada)
    ada.page.unroute("**/graphql")
    bob = ada
    bob.email = f"bob-{ada.email}"
    bob.goes_to("/sign-up")
    bob.submits("Create account")
    shows_tasks(bob.page)
    bob.keeps_edits(0)
    bob.ignores_messages("ERR_FAILED", "status of 401")
