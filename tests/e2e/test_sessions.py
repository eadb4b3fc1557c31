"""The sessions of a user on the account page."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route, expect

from tests import stack
from tests.conftest import run
from tests.contract.people import ROUTES_OFF
from tests.e2e.account import (
    NEW_PASSWORD,
    api_status,
    changes_password,
    is_sent_to_sign_in,
    second_browser,
    sessions,
)
from tests.e2e.person import PASSWORD, TOKEN, Newcomer, Person


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
