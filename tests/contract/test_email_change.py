"""An email address is changed and confirmed only by a link that is sent to it."""

import asyncio
import re
import secrets
from typing import Any

import asyncpg
import httpx
import pytest

from tests import stack
from tests.conftest import run
from tests.contract.people import Browsers, Member, mailed

PASSWORD = "correct horse"
STORED = 'SELECT email, "emailVerified" FROM "user" WHERE id = $1'


def new_address() -> str:
    return f"{secrets.token_hex(6)}@example.com"


def asks(member: Member, email: object, password: object = PASSWORD) -> httpx.Response:
    wish = {"email": email, "password": password}
    return member.client.post("/api/auth/request-email", json=wish)


def opens(browser: httpx.Client, token: object) -> tuple[int, str | None]:
    """Open a link in any browser. Return the status and the error code."""
    answer = browser.post("/api/auth/confirm-email", json={"token": token})
    return answer.status_code, answer.json().get("code")


def stored(site: stack.Site, member: Member) -> tuple[str, bool]:
    [row] = run(site.database, lambda connection: connection.fetch(STORED, member.id))
    return row["email"], row["emailVerified"]


def signs_in(browsers: Browsers, site: stack.Site, email: str) -> int:
    known = {"email": email, "password": PASSWORD}
    browser = browsers.new_browser(site.url)
    return browser.post("/api/auth/sign-in/email", json=known).status_code


def test_link_works_once_and_is_not_stored_in_the_database(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, wanted = browsers.join(site.url), new_address()
    assert asks(ada, wanted.upper()).json() == {"status": True}
    token = mailed(site.web, wanted)
    assert stored(site, ada) == (ada.email, False), "nothing changes until it is opened"
    held = run(
        site.database, lambda c: c.fetch("SELECT identifier || value AS text FROM verification")
    )
    assert not [row for row in held if token in row["text"]]
    elsewhere = browsers.new_browser(site.url)
    assert opens(elsewhere, token) == (200, None)
    assert stored(site, ada) == (wanted, True)
    assert opens(elsewhere, token) == (400, "INVALID_TOKEN")
    assert (signs_in(browsers, site, wanted), signs_in(browsers, site, ada.email)) == (200, 401)
    assert ada.client.get("/api/auth/token").status_code == 200, "nobody is signed out by it"
    site.web.wait_for_output(rf"^To: {re.escape(ada.email)}\nSubject: Your address was changed$")
    mine = "SELECT count(*) FROM verification WHERE value LIKE '%' || $1 || '%'"
    asks(ada, ada.email).raise_for_status()
    gone = ada.client.post("/api/auth/delete-user", json={"password": PASSWORD})
    assert gone.status_code == 200
    assert run(site.database, lambda connection: connection.fetchval(mine, ada.id)) == 0


def test_mail_to_another_address_contains_no_text_of_its_sender(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, stranger = browsers.join(site.url), new_address()
    name = {"name": "You have won: http://lottery.example"}
    ada.client.post("/api/auth/update-user", json=name).raise_for_status()
    asks(ada, stranger).raise_for_status()
    mailed(site.web, stranger)
    assert not [line for line in site.web.lines if "lottery.example" in line]


def test_own_address_can_be_confirmed_without_the_password(
    site: stack.Site, browsers: Browsers
) -> None:
    ada = browsers.join(site.url)
    assert asks(ada, ada.email, None).status_code == 200
    assert opens(ada.client, mailed(site.web, ada.email)) == (200, None)
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
def test_invalid_request_for_a_change_sends_no_mail(
    email: object, password: object, code: str, site: stack.Site, browsers: Browsers
) -> None:
    ada = browsers.join(site.url)
    answer = asks(ada, email, password)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    mine = "SELECT count(*) FROM verification WHERE value LIKE '%' || $1 || '%'"
    assert run(site.database, lambda connection: connection.fetchval(mine, ada.id)) == 0


def test_request_without_a_session_is_answered_401(site: stack.Site, browsers: Browsers) -> None:
    wish = {"email": new_address(), "password": PASSWORD}
    answer = browsers.new_browser(site.url).post("/api/auth/request-email", json=wish)
    assert answer.status_code == 401


def test_response_does_not_reveal_whether_an_address_has_an_account(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, bob = browsers.join(site.url), browsers.join(site.url)
    answer = asks(ada, bob.email)
    assert (answer.status_code, answer.json()) == (200, {"status": True})
    assert opens(ada.client, mailed(site.web, bob.email)) == (400, "USER_ALREADY_EXISTS")
    assert stored(site, ada) == (ada.email, False)
    assert stored(site, bob) == (bob.email, False)


def test_new_password_invalidates_earlier_links(site: stack.Site, browsers: Browsers) -> None:
    ada, thiefs = browsers.join(site.url), new_address()
    asks(ada, thiefs).raise_for_status()
    token = mailed(site.web, thiefs)
    change = {"currentPassword": PASSWORD, "newPassword": "battery staple"}
    ada.client.post("/api/auth/change-password", json=change).raise_for_status()
    assert opens(browsers.new_browser(site.url), token) == (400, "INVALID_TOKEN")
    assert stored(site, ada) == (ada.email, False)


def test_new_address_invalidates_links_to_and_from_the_old_one(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, first, second = browsers.join(site.url), new_address(), new_address()
    asks(ada, first).raise_for_status()
    asks(ada, second).raise_for_status()
    reset = {"email": ada.email}
    ada.client.post("/api/auth/request-password-reset", json=reset).raise_for_status()
    by_old_mail = mailed(site.web, ada.email)
    assert opens(ada.client, mailed(site.web, first)) == (200, None)
    assert opens(ada.client, mailed(site.web, second)) == (400, "INVALID_TOKEN")
    given = {"token": by_old_mail, "newPassword": "thief thief"}
    answer = browsers.new_browser(site.url).post("/api/auth/reset-password", json=given)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_TOKEN")
    assert stored(site, ada) == (first, True)


HOLD = 'SELECT FROM account WHERE "userId" = $1 FOR UPDATE'
# A transaction reads `pg_stat_activity` once, so later connections would be missing there.
WAIT = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        ("reset-password", "confirm-email", 400),
        pytest.param("reset-password", "change-password", 400, marks=pytest.mark.prove),
        ("confirm-email", "reset-password", 400),
        pytest.param("confirm-email", "change-password", 200, marks=pytest.mark.prove),
        pytest.param("change-password", "confirm-email", 400, marks=pytest.mark.prove),
        ("change-password", "reset-password", 200),
    ],
)
def test_concurrent_changes_of_an_account_are_serialized(
    first: str, second: str, status: int, site: stack.Site, browsers: Browsers
) -> None:
    """A thief may read the old address's mail or know the password while the address is changed."""
    ada, wanted = browsers.join(site.url), new_address()
    asks(ada, wanted).raise_for_status()
    reset = {"email": ada.email}
    ada.client.post("/api/auth/request-password-reset", json=reset).raise_for_status()
    bodies: dict[str, dict[str, Any]] = {
        "confirm-email": {"token": mailed(site.web, wanted)},
        "reset-password": {
            "token": mailed(site.web, ada.email),
            "newPassword": "thief thief",
        },
        "change-password": {"currentPassword": PASSWORD, "newPassword": "battery staple"},
    }

    async def together(connection: asyncpg.Connection) -> list[httpx.Response]:
        racing: list[asyncio.Task[httpx.Response]] = []
        async with connection.transaction():
            await connection.execute(HOLD, ada.id)
            for path in (first, second):
                post = asyncio.to_thread(ada.client.post, f"/api/auth/{path}", json=bodies[path])
                racing.append(asyncio.create_task(post))
                while await connection.fetchval(WAIT) < len(racing):
                    assert not racing[-1].done(), racing[-1].result().text
        return [await each for each in racing]

    told = [answer.status_code for answer in run(site.database, together)]
    # A reset ends every session, even one that a password change has just begun.
    resets = (first, second) == ("change-password", "reset-password")
    assert told in ([[200, 200], [401, 200]] if resets else [[200, status]])
    assert stored(site, ada) == ((wanted, True) if first == "confirm-email" else (ada.email, False))


def test_signed_in_user_cannot_send_many_mails(site: stack.Site, browsers: Browsers) -> None:
    ada = browsers.join(site.url)
    told = []
    for _ in range(7):  # from several addresses, so that the limit by address does not apply
        elsewhere = browsers.new_browser(site.url)
        elsewhere.cookies.update(ada.client.cookies)
        wish = {"email": new_address(), "password": PASSWORD}
        told.append(elsewhere.post("/api/auth/request-email", json=wish).status_code)
    assert told == [200] * 5 + [429] * 2


def test_link_expires_after_an_hour(site: stack.Site, browsers: Browsers) -> None:
    ada, wanted = browsers.join(site.url), new_address()
    asks(ada, wanted).raise_for_status()
    token = mailed(site.web, wanted)
    hour = """UPDATE verification SET "expiresAt" = "expiresAt" - interval '1 hour'
        WHERE value LIKE '%' || $1 || '%'"""
    run(site.database, lambda connection: connection.execute(hour, ada.id))
    assert opens(ada.client, token) == (400, "INVALID_TOKEN")
    assert stored(site, ada) == (ada.email, False)


@pytest.mark.parametrize("token", ["", "guessed", "a\0b", None, {"x": 1}])
def test_invalid_token_of_a_link_changes_nothing(
    token: object, site: stack.Site, browsers: Browsers
) -> None:
    assert opens(browsers.new_browser(site.url), token) == (400, "INVALID_TOKEN")
