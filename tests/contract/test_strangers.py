"""What Better Auth would do for anybody who asks, and this app does not."""

import secrets

import httpx
import pytest

from tests import stack
from tests.contract.people import Browsers

AWAY = ("/.//evil.example", "/x/..//evil.example", "/..//evil.example")


@pytest.mark.parametrize("path", ["verify-email", "reset-password/none"])
def test_no_link_of_this_app_leads_to_another_site(path: str, site: stack.Site) -> None:
    link = f"{site.url}/api/auth/{path}"
    for callback in AWAY:
        answer = httpx.get(link, params={"token": "none", "callbackURL": callback})
        assert answer.status_code == 403, callback
        assert "location" not in answer.headers
    answer = httpx.get(link, params={"token": "none", "callbackURL": "/tasks"})
    assert answer.status_code == 302
    assert httpx.URL(link).join(answer.headers["location"]).copy_with(query=None) == (
        f"{site.url}/tasks"
    )


def test_a_password_cannot_be_guessed_by_asking_whether_it_is_right(
    site: stack.Site, browsers: Browsers
) -> None:
    ada = browsers.join(site.url)
    answer = ada.client.post("/api/auth/verify-password", json={"password": "correct horse"})
    assert answer.status_code == 404


@pytest.mark.parametrize("size", [65_536, 2_000_000])
def test_nothing_long_is_stored(size: int, site: stack.Site, browsers: Browsers) -> None:
    browser = browsers.stranger(site.url)
    email = f"{secrets.token_hex(6)}@example.com"
    given = {"email": email, "name": "x" * size, "password": "correct horse"}
    assert browser.post("/api/auth/sign-up/email", json=given).status_code == 400
    given["name"] = "x" * 1000
    assert browser.post("/api/auth/sign-up/email", json=given).status_code == 200, (
        "it was not taken"
    )


def test_a_long_address_is_not_remembered(site: stack.Site) -> None:
    for path, status in (("ok", 200), ("x" * 2048, 414)):
        assert httpx.get(f"{site.url}/api/auth/{path}").status_code == status
