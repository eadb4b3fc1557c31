"""What a test does and reads on the account page."""

import json
import re
from typing import Any

from playwright.sync_api import Locator, expect

from tests import plain, stack
from tests.e2e.person import Newcomer, Person

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
