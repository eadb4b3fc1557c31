"""Requests that Better Auth alone would accept, and that this app rejects."""

import asyncio
import secrets

import asyncpg
import httpx
import pytest

from tests import plain, stack
from tests.conftest import run
from tests.contract.people import ROUTES_OFF, Browsers, mailed

AWAY = ("/.//evil.example", "/x/..//evil.example", "/..//evil.example")


def test_no_link_of_this_app_redirects_to_another_site(site: stack.Site) -> None:
    link = f"{site.url}/api/auth/reset-password/none"
    for callback in AWAY:
        answer = plain.get(link, params={"token": "none", "callbackURL": callback})
        assert answer.status_code == 403, callback
        assert "location" not in answer.headers
    answer = plain.get(link, params={"token": "none", "callbackURL": "/tasks"})
    assert answer.status_code == 302
    assert httpx.URL(link).join(answer.headers["location"]).copy_with(query=None) == (
        f"{site.url}/tasks"
    )


def test_no_endpoint_says_whether_a_password_is_correct(
    site: stack.Site, browsers: Browsers
) -> None:
    ada = browsers.join(site.url)
    answer = ada.client.post("/api/auth/verify-password", json={"password": "correct horse"})
    assert answer.status_code == 404


def test_user_cannot_end_the_session_of_another_user(site: stack.Site, browsers: Browsers) -> None:
    ada, bob = browsers.join(site.url).client, browsers.join(site.url).client
    mine = ada.get("/api/auth/get-session").json()["session"]["id"]
    for id in (mine, "of-nobody"):
        answer = bob.post("/api/auth/end-session", json={"id": id})
        assert (answer.status_code, answer.text) == (200, '{"status":true}')
    assert ada.get("/api/auth/token").status_code == 200
    for junk in ({}, {"id": {"operator": "ne"}}, {"id": [mine]}):
        assert ada.post("/api/auth/end-session", json=junk).status_code == 400
    assert ada.get("/api/auth/token").status_code == 200


def test_no_response_to_a_page_contains_the_session_token(
    site: stack.Site, browsers: Browsers
) -> None:
    """`tests/e2e/test_sessions.py` checks the same for all requests that the pages send."""
    email, password, new = f"{secrets.token_hex(6)}@example.com", "correct horse", "battery staple"
    known = {"email": email, "name": "Ada"}
    change = {"currentPassword": password, "newPassword": new}
    browser, texts, tokens = browsers.new_browser(site.url), [], set()
    for path, body in (
        ("sign-up/email", {**known, "password": password}),
        ("change-password", change),
        ("sign-in/email", {**known, "password": new}),
    ):
        texts.append(browser.post(f"/api/auth/{path}", json=body).raise_for_status().text)
        texts += [browser.get(page).text for page in ("/api/auth/get-session", "/account")]
        [cookie] = [c.value for c in browser.cookies.jar if "session_token" in c.name]
        tokens.add(str(cookie).partition(".")[0])
    assert len(tokens) == 3
    assert not [text for text in texts if any(token in text for token in tokens)]
    for path in ROUTES_OFF:
        assert browser.get(f"/api/auth/{path}").status_code == 404


@pytest.mark.parametrize("size", [65_536, 2_000_000])
def test_long_name_is_rejected(size: int, site: stack.Site, browsers: Browsers) -> None:
    browser = browsers.new_browser(site.url)
    email = f"{secrets.token_hex(6)}@example.com"
    given = {"email": email, "name": "x" * size, "password": "correct horse"}
    assert browser.post("/api/auth/sign-up/email", json=given).status_code == 400
    given["name"] = "x" * 1000
    assert browser.post("/api/auth/sign-up/email", json=given).status_code == 200, (
        "the address was not used by the rejected request"
    )


def test_text_that_cannot_be_stored_is_answered_400(site: stack.Site, browsers: Browsers) -> None:
    ada = browsers.join(site.url).client
    nul = "a\0b"
    for path, body in {
        "end-session": {"id": nul},
        "update-user": {"name": nul},
    }.items():
        answer = ada.post(f"/api/auth/{path}", json=body)
        assert (answer.status_code, answer.text) == (400, '{"code":"UNSTORABLE_TEXT"}'), path
    page = ada.get("/reset-password", params={"token": nul})
    assert page.status_code == 200
    assert "This link no longer works" in page.text


def test_long_path_is_answered_414(site: stack.Site) -> None:
    for path, status in (("ok", 200), ("x" * 2048, 414)):
        assert plain.get(f"{site.url}/api/auth/{path}").status_code == status


RESET = """UPDATE account SET password = 'another', "updatedAt" = now() WHERE "userId" = $1"""
END = 'DELETE FROM session WHERE "userId" = $1'
HOLD = 'SELECT FROM "user" WHERE id = $1 FOR UPDATE'
CHANGES = {
    "reset before it is written": (RESET, [], 400, "INVALID_PASSWORD", 1),
    "reset before a new session": (HOLD, [RESET, END], 401, "UNAUTHORIZED", 0),
    "signed out meanwhile": (END, [], 401, "UNAUTHORIZED", 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_password_change_during_a_reset_or_sign_out_fails(
    change: str, site: stack.Site, browsers: Browsers
) -> None:
    """The locked row delays the thief's request between its check of the password and its end."""
    first, then, status, code, sessions = CHANGES[change]
    ada = browsers.join(site.url)
    wish = {
        "currentPassword": "correct horse",
        "newPassword": "thief thief",
        "revokeOtherSessions": True,
    }
    waits = """SELECT EXISTS (
        SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"""
    stored = 'SELECT password FROM account WHERE "userId" = $1'

    async def owner(connection: asyncpg.Connection) -> tuple[str, httpx.Response]:
        before = await connection.fetchval(stored, ada.id)
        async with connection.transaction():
            await connection.execute(first, ada.id)
            stealing = asyncio.create_task(
                asyncio.to_thread(ada.client.post, "/api/auth/change-password", json=wish)
            )
            while not await connection.fetchval(waits):
                assert not stealing.done(), stealing.result().text
            for statement in then:
                await connection.execute(statement, ada.id)
        return before, await stealing

    before, answer = run(site.database, owner)
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert "set-cookie" not in answer.headers
    kept = "another" if RESET in (first, *then) else before
    assert run(site.database, lambda c: c.fetchval(stored, ada.id)) == kept
    count = 'SELECT count(*) FROM session WHERE "userId" = $1'
    assert run(site.database, lambda c: c.fetchval(count, ada.id)) == sessions


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"currentPassword": "wrong horse"}, "INVALID_PASSWORD"),
        ({"currentPassword": None}, "INVALID_PASSWORD"),
        ({"newPassword": "short"}, "PASSWORD_TOO_SHORT"),
        ({"newPassword": None}, "PASSWORD_TOO_SHORT"),
        ({"newPassword": "x" * 129}, "PASSWORD_TOO_LONG"),
    ],
)
def test_invalid_password_change_changes_nothing(
    wrong: dict[str, object], code: str, site: stack.Site, browsers: Browsers
) -> None:
    ada = browsers.join(site.url)
    right = {"currentPassword": "correct horse", "newPassword": "battery staple"}
    answer = ada.client.post("/api/auth/change-password", json=right | wrong)
    assert (answer.status_code, answer.json().get("code")) == (400, code)
    known = {"email": ada.email, "password": "correct horse"}
    again = browsers.new_browser(site.url).post("/api/auth/sign-in/email", json=known)
    assert again.status_code == ada.client.get("/api/auth/token").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["password", "PassWord", "qwerty123", "12121212", "{email}", "{name}"]
)
def test_common_password_is_rejected_at_sign_up(
    wanted: str, site: stack.Site, browsers: Browsers
) -> None:
    stranger, name = browsers.new_browser(site.url), secrets.token_hex(6)
    email = f"{name}@example.com"
    given = {"email": email, "name": "Ada"}
    wanted = wanted.format(email=email, name=name)
    path = "/api/auth/sign-up/email"
    answer = stranger.post(path, json=given | {"password": wanted})
    assert (answer.status_code, answer.json()) == (400, {"code": "PASSWORD_TOO_COMMON"})
    stranger.post(path, json=given | {"password": "correct horse"}).raise_for_status()


def test_common_password_is_rejected_at_change_and_reset_and_uses_up_no_link(
    site: stack.Site, browsers: Browsers
) -> None:
    ada = browsers.join(site.url)
    refusal = (400, {"code": "PASSWORD_TOO_COMMON"})
    change = {"currentPassword": "correct horse", "newPassword": "iloveyou"}
    answer = ada.client.post("/api/auth/change-password", json=change)
    assert (answer.status_code, answer.json()) == refusal
    ada.client.post("/api/auth/request-password-reset", json={"email": ada.email})
    reset = {"token": mailed(site.web, ada.email), "newPassword": "iloveyou"}
    answer = ada.client.post("/api/auth/reset-password", json=reset)
    assert (answer.status_code, answer.json()) == refusal
    assert ada.client.get("/api/auth/token").status_code == 200
    reset["newPassword"] = "battery staple"
    ada.client.post("/api/auth/reset-password", json=reset).raise_for_status()
    known = {"email": ada.email, "password": "battery staple"}
    again = browsers.new_browser(site.url).post("/api/auth/sign-in/email", json=known)
    assert again.status_code == 200


@pytest.mark.parametrize("others", [200, 401])
def test_password_change_invalidates_a_stolen_cookie(
    others: int, site: stack.Site, browsers: Browsers
) -> None:
    ada, elsewhere, thief = browsers.join(site.url), *(browsers.new_browser(site.url) for _ in "ab")
    known = {"email": ada.email, "password": "correct horse"}
    elsewhere.post("/api/auth/sign-in/email", json=known).raise_for_status()
    thief.cookies.update(ada.client.cookies)
    change = {"currentPassword": "correct horse", "newPassword": "battery staple"}
    ada.client.post(
        "/api/auth/change-password", json=change | {"revokeOtherSessions": others == 401}
    ).raise_for_status()
    answers = [client.get("/api/auth/token") for client in (ada.client, thief, elsewhere)]
    assert [answer.status_code for answer in answers] == [200, 401, others]


def test_password_replaced_during_its_check_begins_no_session(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, eve, thief = (
        browsers.join(site.url),
        browsers.join(site.url),
        browsers.new_browser(site.url),
    )
    known = {"email": ada.email, "password": "correct horse"}
    another = {"currentPassword": "correct horse", "newPassword": "battery staple"}
    eve.client.post("/api/auth/change-password", json=another).raise_for_status()

    async def replace(connection: asyncpg.Connection) -> httpx.Response:
        """Replace the password as a reset does, after the thief's password was found correct."""
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = $1::regclass AND NOT granted)"
        async with connection.transaction():
            await connection.execute("LOCK TABLE session IN SHARE MODE")
            stealing = asyncio.create_task(
                asyncio.to_thread(thief.post, "/api/auth/sign-in/email", json=known)
            )
            while not await connection.fetchval(waits, "session"):
                assert not stealing.done()
            await connection.execute(
                """UPDATE account SET "updatedAt" = now(),
                    password = (SELECT password FROM account WHERE "userId" = $2)
                WHERE "userId" = $1""",
                ada.id,
                eve.id,
            )
            await connection.execute('DELETE FROM session WHERE "userId" = $1', ada.id)
        return await stealing

    answer = run(site.database, replace)
    assert answer.status_code == 401
    assert answer.json()["code"] == "INVALID_EMAIL_OR_PASSWORD"
    assert thief.get("/api/auth/token").status_code == 401
    count = 'SELECT count(*) FROM session WHERE "userId" = $1'
    assert run(site.database, lambda c: c.fetchval(count, ada.id)) == 0
    known["password"] = "battery staple"
    assert thief.post("/api/auth/sign-in/email", json=known).status_code == 200
