"""Tokens that a real Better Auth issues, and other tokens that it signs, sent to the API."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
import pytest

from tests import plain, stack
from tests.contract.people import VIEWER, Browsers, Person


@pytest.fixture(params=["site", "key_set_site"])
def ada(request: pytest.FixtureRequest, browsers: Browsers) -> Person:
    site: stack.Site = request.getfixturevalue(request.param)
    return browsers.sign_up(site)


@pytest.fixture
def bob(site: stack.Site, browsers: Browsers) -> Person:
    """Return a user for a test in which the signature of tokens does not matter."""
    return browsers.sign_up(site)


def session_token(person: Person) -> str:
    """Return the token of the session for Better Auth, which only the cookie contains."""
    [cookie] = [c for c in person.client.cookies.jar if "session_token" in c.name]
    return unquote(cookie.value or "").partition(".")[0]


def test_issued_token_has_exactly_the_claims_of_the_contract(ada: Person) -> None:
    token = ada.token()
    claims = ada.verified(token)
    session = ada.client.get("/api/auth/get-session").json()["session"]
    assert claims == {
        "user_id": ada.id,
        "sub": ada.id,
        "email": ada.email,
        "sid": session["id"],
        "iss": ada.site.url,
        "aud": ada.site.url,
        "iat": claims["iat"],
        "exp": claims["iat"] + 24 * 60 * 60,
    }
    assert abs(claims["iat"] - time.time()) < 30
    assert session_token(ada) not in token


def test_api_accepts_an_issued_token_and_identifies_the_user(ada: Person) -> None:
    assert ada.ask(ada.token()).json() == {"data": {"viewer": {"id": ada.id, "email": ada.email}}}


def test_session_lasts_seven_days(bob: Person) -> None:
    session = bob.client.get("/api/auth/get-session").json()["session"]
    lasts = _moment(session["expiresAt"]) - _moment(session["createdAt"])
    assert abs(lasts - 7 * 86_400) < 60


def _moment(text: str) -> float:
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def test_no_token_is_issued_without_a_session(bob: Person, browsers: Browsers) -> None:
    bob.client.post("/api/auth/sign-out", json={}).raise_for_status()
    assert bob.client.get("/api/auth/token").status_code == 401
    assert browsers.new_browser(bob.site.url).get("/api/auth/token").status_code == 401


def test_session_cookie_is_no_access_token(ada: Person) -> None:
    [cookie] = [c for c in ada.client.cookies.jar if "session_token" in c.name]
    session = ada.client.get("/api/auth/get-session").json()["session"]
    for value in (cookie.value or "", session_token(ada), session["id"]):
        answer = ada.ask(value.replace("%", ""))
        assert answer.status_code == 401
    sent = {"Cookie": f"{cookie.name}={cookie.value}"}
    answer = plain.post(f"{ada.site.api.url}/graphql", json=VIEWER, headers=sent)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


SEND_EMAIL = """
import { createEmailVerificationToken } from "better-auth/api";
const [secret, email, ...updates] = process.argv.slice(2);
for (const updateTo of [undefined, ...updates])
  console.log(await createEmailVerificationToken(secret, email, updateTo));
"""


def email_tokens(site: stack.Site, email: str, update_to: str) -> list[str]:
    """Return a token that verifies an address and one that changes it, made by Better Auth."""
    command = [
        str(stack.NODE),
        "--input-type=module",
        "-",
        site.env["BETTER_AUTH_SECRET"],
        email,
        update_to,
    ]
    done = subprocess.run(
        command,
        input=SEND_EMAIL,
        cwd=stack.FRONTEND,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_email_token_is_no_access_token_and_signs_nobody_in(
    ada: Person, browsers: Browsers
) -> None:
    """An API with a key set cannot sign access tokens, but still knows the secret."""
    tokens = email_tokens(ada.site, ada.email, "eve@example.com")
    stranger = browsers.new_browser(ada.site.url)
    for token in tokens:
        claims = jwt.decode(token, ada.site.env["BETTER_AUTH_SECRET"], ["HS256"])
        assert claims["email"] == ada.email, "really one of Better Auth's"
        assert ada.ask(token).status_code == 401
        answer = stranger.get("/api/auth/verify-email", params={"token": token})
        assert (answer.status_code, answer.headers.get("set-cookie")) == (404, None)
    assert len(tokens) == 2
    assert not ada.client.get("/api/auth/get-session").json()["user"]["emailVerified"]


def test_access_token_verifies_no_email_address(ada: Person) -> None:
    """Better Auth accepts every token that the secret itself signed as an email token."""
    with pytest.raises((jwt.InvalidSignatureError, jwt.InvalidAlgorithmError)):
        jwt.decode(
            ada.token(),
            ada.site.env["BETTER_AUTH_SECRET"],
            ["HS256"],
            options={"verify_aud": False},
        )


def test_responses_about_sessions_may_not_be_stored(bob: Person, browsers: Browsers) -> None:
    for path in ("token", "get-session", "nowhere", "error"):
        for browser in (bob.client, browsers.new_browser(bob.site.url)):
            assert browser.get(f"/api/auth/{path}").headers["cache-control"] == "no-store"


def test_page_of_another_origin_can_neither_sign_out_nor_read_a_token(bob: Person) -> None:
    evil = {"Origin": "https://evil.example"}
    assert bob.client.post("/api/auth/sign-out", json={}, headers=evil).status_code == 403
    answer = bob.client.get("/api/auth/token", headers=evil)
    assert "access-control-allow-origin" not in answer.headers


def test_client_cannot_choose_the_address_of_its_rate_limit(site: stack.Site) -> None:
    """Send forged headers to a second web app of the site, which has no trusted proxies."""
    direct = {name: value for name, value in site.env.items() if name != "TRUSTED_PROXIES"}
    port = stack.free_port()
    web = stack.web(direct, port)
    try:
        statuses = []
        for attempt in range(4):
            forged = dict.fromkeys(
                ("X-Forwarded-For", "X-Client-Address", "X-Real-IP", "Forwarded"),
                f"203.0.113.{attempt}",
            )
            answer = plain.post(
                f"http://127.0.0.1:{port}/api/auth/sign-in/email",
                json={"email": "ada@example.com", "password": "wrong horse"},
                headers={"Origin": site.url, **forged},
            )
            statuses.append(answer.status_code)
        assert statuses == [401, 401, 401, 429]
    finally:
        web.stop()


def test_web_app_without_its_database_answers_503_and_logs_no_secret(
    tmp_path: Path, browsers: Browsers
) -> None:
    """No session ends. The secrets are those of requests that succeeded and of ones that failed."""
    with stack.site(tmp_path) as site:
        person = browsers.sign_up(site)
        first = person.token()
        assert person.ask(first).status_code == 200
        person.client.post(
            "/api/auth/sign-in/email", json={"email": "x", "password": "hunter2 x 4"}
        )
        site.database.stop()
        for path in ("token", "get-session"):
            answer = person.client.get(f"/api/auth/{path}")
            assert answer.status_code == 503
            assert "set-cookie" not in answer.headers
            assert int(answer.headers["retry-after"]) > 0
        assert person.client.get("/api/health").status_code == 503
        with site.database:
            second = person.token()
            assert person.ask(second).status_code == 200
        [cookie] = [c.value for c in person.client.cookies.jar if "session_token" in c.name]
    printed = json.dumps(site.web.lines + site.api.lines)
    hidden: list[Any] = [token.split(".")[1] for token in (first, second)]
    hidden += [cookie, "correct horse", "hunter2 x 4", site.env["BETTER_AUTH_SECRET"]]
    assert not [value for value in hidden if value and value in printed]
