"""A password is changed, or replaced by a link after it was forgotten."""

import pytest
from playwright.sync_api import expect

from tests import stack
from tests.e2e.account import (
    NEW_PASSWORD,
    changes_password,
    is_sent_to_sign_in,
    link_to,
    request_reset_link,
    second_browser,
)
from tests.e2e.person import PASSWORD, Newcomer, Person


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
