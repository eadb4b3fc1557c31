"""The secret is rotated without signing anyone out."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from dev.postgres import Postgres
from tests import plain, stack
from tests.contract.people import Browsers, Issuer, issuer
from tests.contract.test_key_set import key_set, kid_of, verified

COOKIE = "better-auth.session_token"


@pytest.fixture(scope="module")
def shared_secret(postgres: Postgres) -> Iterator[Issuer]:
    with issuer(postgres) as running:
        yield running


@pytest.fixture(scope="module")
def key_pairs(postgres: Postgres) -> Iterator[Issuer]:
    with issuer(postgres, TOKEN_SIGNING="key-set") as running:
        yield running


# Cookies are signed alike in both modes. With key pairs, the secret also encrypts the private keys.
@pytest.fixture(params=[pytest.param("shared_secret", marks=pytest.mark.prove), "key_pairs"])
def site(request: pytest.FixtureRequest) -> Issuer:
    found: Issuer = request.getfixturevalue(request.param)
    return found


def rotate(site: Issuer) -> None:
    """Give the site a new secret, and the old one as the previous one."""
    site.restart(
        {
            "BETTER_AUTH_SECRET_PREVIOUS": site.env["BETTER_AUTH_SECRET"],
            "BETTER_AUTH_SECRET": secrets.token_urlsafe(32),
        }
    )


def signed(token: str, secret: str) -> str:
    """Return the value of a cookie as Better Auth signs it."""
    digest = hmac.digest(secret.encode(), token.encode(), hashlib.sha256)
    return quote(f"{token}.{base64.b64encode(digest).decode()}", safe="")


def cookies_of(answer: httpx.Response) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the values and attributes of the cookies that a response sets."""
    found = {}
    for line in answer.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            found[name] = (morsel.value, {k: v for k, v in morsel.items() if v})
    return found


def get(site: Issuer, path: str, cookie: str) -> httpx.Response:
    """Send a request with only this session cookie."""
    return plain.get(f"{site.url}{path}", headers={"Cookie": f"{COOKIE}={cookie}"})


def test_session_survives_two_rotations_and_forged_cookies_are_rejected(
    site: Issuer, browsers: Browsers
) -> None:
    signing_in = browsers.new_browser(site.url)
    ada = browsers.join(site.url)
    password = {"email": ada.email, "password": "correct horse"}
    first = signing_in.post("/api/auth/sign-in/email", json=password)
    was, attributes = cookies_of(first)[COOKIE]
    secret = site.env["BETTER_AUTH_SECRET"]
    token = unquote(was).rpartition(".")[0]
    assert was == signed(token, secret), "signed as this test signs"
    held = ada.token()

    rotate(site)
    for page in ("/tasks", "/"):  # read by a server component, which cannot set a cookie
        answer = signing_in.get(page)
        assert answer.headers.get("location", "/tasks") == "/tasks"
        assert "set-cookie" not in answer.headers
    answer = signing_in.get("/api/auth/token")
    assert answer.status_code == 200
    now, replaced = cookies_of(answer)[COOKIE]
    assert now == signed(token, site.env["BETTER_AUTH_SECRET"])
    left = int(replaced.pop("max-age"))
    assert 0 <= int(attributes.pop("max-age")) - left < 60
    assert replaced == attributes
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in signing_in.get("/api/auth/token").headers, "once is enough"
    if site.env.get("TOKEN_SIGNING") == "key-set":
        assert kid_of(held) == kid_of(answer.json()["token"])
    check_forged_cookies_are_rejected(site, browsers, old=secret)

    rotate(site)
    answer = signing_in.get("/api/auth/token")
    assert answer.status_code == 200
    if site.env.get("TOKEN_SIGNING") == "key-set":
        assert kid_of(held) == kid_of(answer.json()["token"]), "it was encrypted again"
    assert get(site, "/api/auth/token", was).status_code == 401, "its secret was removed"


def check_forged_cookies_are_rejected(site: Issuer, browsers: Browsers, old: str) -> None:
    """Send cookies that were signed with neither of the two secrets of the site."""
    ada = browsers.join(site.url)
    [cookie] = [c.value for c in ada.client.cookies.jar if c.name == COOKIE]
    assert cookie
    token = unquote(cookie).rpartition(".")[0]
    new = site.env["BETTER_AUTH_SECRET"]
    for secret in (old, new):
        good = get(site, "/api/auth/token", signed(token, secret))
        assert good.status_code == 200, "the door that is tried does open"
    real = signed(token, old)
    for forged in (
        signed(token, secrets.token_urlsafe(32)),
        signed(token, ""),
        token,
        f"{token}.",
        real[:-4] + ("E%3D" if real.endswith("A%3D") else "A%3D"),
        signed(token[:-1] + ("a" if token[-1] != "a" else "b"), old),
        signed("", old),
        signed(token + ".x", old),
    ):
        answer = get(site, "/api/auth/token", forged)
        assert answer.status_code == 401, forged
        assert cookies_of(answer).get(COOKIE, ("", {}))[0] == "", (
            "none is given, or it is taken away"
        )
    page = get(site, "/tasks", signed(token, "x" * 32))
    assert page.headers["location"].startswith("/sign-in")

    answer = ada.client.post("/api/auth/sign-out", json={})
    assert cookies_of(answer)[COOKIE][0] == ""
    assert get(site, "/api/auth/token", signed(token, new)).status_code == 401, "the session ended"


def test_key_encrypted_with_a_lost_secret_signs_nothing(
    key_pairs: Issuer, browsers: Browsers
) -> None:
    ada = browsers.join(key_pairs.url)
    old = ada.token()
    lost = {"BETTER_AUTH_SECRET": secrets.token_urlsafe(32), "BETTER_AUTH_SECRET_PREVIOUS": ""}
    key_pairs.restart(lost)
    keys = key_set(key_pairs)
    assert kid_of(old) not in keys
    assert ada.client.get("/api/auth/token").status_code == 401
    eve = browsers.join(key_pairs.url)
    verified(eve.token(), keys, key_pairs)


@pytest.mark.prove
def test_processes_with_the_two_secrets_in_either_order_accept_the_same_cookies(
    key_pairs: Issuer, browsers: Browsers
) -> None:
    """A rollout sets a new secret in one process after the other: first as the previous secret."""
    ada = browsers.join(key_pairs.url)
    kid = kid_of(ada.token())
    old, new = key_pairs.env["BETTER_AUTH_SECRET"], secrets.token_urlsafe(32)
    elsewhere = f"http://localhost:{stack.free_port()}"
    not_yet = {"BETTER_AUTH_SECRET_PREVIOUS": new, "NEXT_PUBLIC_BETTER_AUTH_URL": elsewhere}
    other = stack.web(key_pairs.env | not_yet)
    try:
        key_pairs.restart({"BETTER_AUTH_SECRET": new, "BETTER_AUTH_SECRET_PREVIOUS": old})
        for url in (key_pairs.url, other.url) * 3:
            answer = ada.client.get(f"{url}/api/auth/token")
            assert answer.status_code == 200
            assert kid_of(answer.json()["token"]) == kid
            assert COOKIE in cookies_of(answer), "each process signs the cookie with its own secret"
    finally:
        other.stop()
