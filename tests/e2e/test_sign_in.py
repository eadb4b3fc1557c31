"""The forms to sign up and to sign in."""

from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests import stack
from tests.conftest import run
from tests.e2e.person import PASSWORD, Newcomer, Person
from tests.e2e.tasks import rows, wait_until_saved


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


def test_first_run_has_a_password_check_a_focused_field_and_samples(
    site: stack.Site, newcomer: Newcomer
) -> None:
    ada = newcomer(site)
    ada.goes_to("/sign-up")
    ada.submits("Create account", password="password")
    told = ada.page.get_by_role("alert").filter(has_text="This password is easy to guess")
    expect(told).to_be_visible()
    expect(ada.page.get_by_label("Password")).to_be_focused()
    assert ada.violations() == []
    ada.page.get_by_label("Password").fill(PASSWORD)
    ada.page.keyboard.press("Enter")
    ada.has_no_tasks_yet()
    ada.ignores_messages("status of 400")
    expect(ada.page.get_by_label("New task")).to_be_focused()
    ada.clicks("Try it with four sample tasks")
    expect(rows(ada)).to_have_count(4)
    wait_until_saved(ada)
    assert ada.violations() == []
    ada.adds("My own")
    ada.clicks("Move the samples to the trash")
    expect(rows(ada)).to_have_count(1)
    expect(ada.page.get_by_role("button", name="Move the samples to the trash")).to_have_count(0)
    ada.clicks("Undo")
    expect(rows(ada)).to_have_count(5)
