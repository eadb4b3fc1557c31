"""An address is changed and confirmed by a link that is sent to it, and by nothing else."""

import re
import secrets

import httpx
import pytest

from tests import stack
from tests.conftest import run
from tests.contract.people import Browsers, Member

PASSWORD = "correct horse"
STORED = 'SELECT email, "emailVerified" FROM "user" WHERE id = $1'


def new_address() -> str:
    return f"{secrets.token_hex(6)}@example.com"


def asks(member: Member, email: object, password: object = PASSWORD) -> httpx.Response:
    wish = {"email": email, "password": password}
    return member.client.post("/api/auth/request-email", json=wish)


def sent(site: stack.Site, email: str) -> str:
    """The token of the link in the mail to this address, which the web app prints."""
    mail = rf"^To: {re.escape(email)}\n(?:(?!To: ).*\n)*?http.*token=(.*)\n"
    return site.web.said(mail)[1]


def opens(browser: httpx.Client, token: object) -> tuple[int, str | None]:
    """Whoever they are that open it."""
    answer = browser.post("/api/auth/confirm-email", json={"token": token})
    return answer.status_code, answer.json().get("code")


def stored(site: stack.Site, member: Member) -> tuple[str, bool]:
    [row] = run(site.database, lambda connection: connection.fetch(STORED, member.id))
    return row["email"], row["emailVerified"]


def signs_in(browsers: Browsers, site: stack.Site, email: str) -> int:
    known = {"email": email, "password": PASSWORD}
    browser = browsers.stranger(site.url)
    return browser.post("/api/auth/sign-in/email", json=known).status_code


def test_a_link_works_once_and_is_nowhere_in_the_database(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, wanted = browsers.join(site.url), new_address()
    assert asks(ada, wanted.upper()).json() == {"status": True}
    token = sent(site, wanted)
    assert stored(site, ada) == (ada.email, False), "nothing changes until it is opened"
    held = run(
        site.database, lambda c: c.fetch("SELECT identifier || value AS text FROM verification")
    )
    assert not [row for row in held if token in row["text"]]
    elsewhere = browsers.stranger(site.url)
    assert opens(elsewhere, token) == (200, None)
    assert stored(site, ada) == (wanted, True)
    assert opens(elsewhere, token) == (400, "INVALID_TOKEN")
    assert (signs_in(browsers, site, wanted), signs_in(browsers, site, ada.email)) == (200, 401)
    assert ada.client.get("/api/auth/token").status_code == 200, "nobody is signed out by it"
    told = rf"^To: {re.escape(ada.email)}\nSubject: Your address was changed$"
    assert site.web.said(told)


def test_one_own_address_is_confirmed_for_the_asking(site: stack.Site, browsers: Browsers) -> None:
    ada = browsers.join(site.url)
    assert asks(ada, ada.email, None).status_code == 200
    assert opens(ada.client, sent(site, ada.email)) == (200, None)
    assert stored(site, ada) == (ada.email, True)


@pytest.mark.parametrize(
    ("email", "password", "code"),
    [
        ("new@example.com", "wrong horse", "INVALID_PASSWORD"),
        ("new@example.com", None, "INVALID_PASSWORD"),
        ("new@example.com", "x" * 60_000, "INVALID_PASSWORD"),
        ("new@example.com", {"$ne": ""}, "INVALID_PASSWORD"),
        ("not an address", PASSWORD, "INVALID_EMAIL"),
        ("a@example.com\nBcc: b@example.com", PASSWORD, "INVALID_EMAIL"),
        ("a@example.com, b@example.com", PASSWORD, "INVALID_EMAIL"),
        (f"{'x' * 250}@example.com", PASSWORD, "INVALID_EMAIL"),
        (None, PASSWORD, "INVALID_EMAIL"),
    ],
)
def test_a_wrong_wish_sends_nothing(
    email: object, password: object, code: str, site: stack.Site, browsers: Browsers
) -> None:
    ada = browsers.join(site.url)
    answer = asks(ada, email, password)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    mine = "SELECT count(*) FROM verification WHERE value LIKE '%' || $1 || '%'"
    assert run(site.database, lambda connection: connection.fetchval(mine, ada.id)) == 0


def test_nobody_else_asks(site: stack.Site, browsers: Browsers) -> None:
    wish = {"email": new_address(), "password": PASSWORD}
    answer = browsers.stranger(site.url).post("/api/auth/request-email", json=wish)
    assert answer.status_code == 401


def test_it_is_not_told_whether_somebody_has_the_address(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, bob = browsers.join(site.url), browsers.join(site.url)
    answer = asks(ada, bob.email)
    assert (answer.status_code, answer.json()) == (200, {"status": True})
    assert opens(ada.client, sent(site, bob.email)) == (400, "USER_ALREADY_EXISTS")
    assert stored(site, ada) == (ada.email, False)
    assert stored(site, bob) == (bob.email, False)


def test_a_new_password_ends_the_links_that_were_asked_for_under_the_old_one(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, thiefs = browsers.join(site.url), new_address()
    asks(ada, thiefs).raise_for_status()
    token = sent(site, thiefs)
    change = {"currentPassword": PASSWORD, "newPassword": "battery staple"}
    ada.client.post("/api/auth/change-password", json=change).raise_for_status()
    assert opens(browsers.stranger(site.url), token) == (400, "INVALID_TOKEN")
    assert stored(site, ada) == (ada.email, False)


def test_a_new_address_ends_the_links_to_and_from_the_old_one(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, first, second = browsers.join(site.url), new_address(), new_address()
    asks(ada, first).raise_for_status()
    asks(ada, second).raise_for_status()
    reset = {"email": ada.email}
    ada.client.post("/api/auth/request-password-reset", json=reset).raise_for_status()
    by_old_mail = sent(site, ada.email)
    assert opens(ada.client, sent(site, first)) == (200, None)
    assert opens(ada.client, sent(site, second)) == (400, "INVALID_TOKEN")
    given = {"token": by_old_mail, "newPassword": "thief thief"}
    answer = browsers.stranger(site.url).post("/api/auth/reset-password", json=given)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_TOKEN")
    assert stored(site, ada) == (first, True)


def test_a_link_ends_after_an_hour(site: stack.Site, browsers: Browsers) -> None:
    ada, wanted = browsers.join(site.url), new_address()
    asks(ada, wanted).raise_for_status()
    token = sent(site, wanted)
    hour = """UPDATE verification SET "expiresAt" = "expiresAt" - interval '1 hour'
        WHERE value LIKE '%' || $1 || '%'"""
    run(site.database, lambda connection: connection.execute(hour, ada.id))
    assert opens(ada.client, token) == (400, "INVALID_TOKEN")
    assert stored(site, ada) == (ada.email, False)


@pytest.mark.parametrize("token", ["", "guessed", "a\0b", None, {"x": 1}])
def test_what_is_no_link_changes_nothing(
    token: object, site: stack.Site, browsers: Browsers
) -> None:
    assert opens(browsers.stranger(site.url), token) == (400, "INVALID_TOKEN")
