"""The account page in a real browser: name, address, deletion, and use without a network."""

import jwt
from playwright.sync_api import expect

from tests import stack
from tests.conftest import run
from tests.e2e.account import api_status, link_to, post_from_page, sessions
from tests.e2e.person import PASSWORD, TOKEN, Newcomer, Person


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
