"""The logs of both servers have one format, the same request ids, and no text of users."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests import stack
from tests.contract.people import Browsers
from tests.waiting import wait_until


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Site]:
    folder = tmp_path_factory.mktemp("logged")
    variables = {"LOG_FORMAT": "json", "ACCESS_LOG": "1"}
    with stack.shared_site(folder, "logged-site", **variables) as running:
        yield running


def lines(server: stack.Server, **members: object) -> list[dict[str, Any]]:
    """Return the lines with these members. Each line must be a JSON object."""
    objects = [dict(json.loads(line)) for line in server.lines if not is_banner(line)]
    return [line for line in objects if members.items() <= line.items()]


def is_banner(line: str) -> bool:
    """Return whether Next wrote a line before it ran any code of this app (docs/settings.md)."""
    return line == "" or line.startswith(("▲ Next.js", "- Local:", "- Network:", "✓ "))


def line_of(server: stack.Server, **members: object) -> dict[str, Any]:
    """Wait for a line with these members, and return it."""
    wait_until(lambda: bool(lines(server, **members)), f"no line has {members}")
    return lines(server, **members)[0]


def test_sign_out_has_one_request_id_in_both_servers(
    logged: stack.Site, browsers: Browsers
) -> None:
    person = browsers.sign_up(logged)
    response = person.client.post("/api/auth/sign-out", json={}, headers={"X-Request-Id": "mine"})
    assert response.headers.get_list("x-request-id") == ["mine"]
    line = line_of(logged.web, request_id="mine", logger="web.access")
    assert line.pop("duration_ms") > 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "web.access",
        "message": "request",
        "request_id": "mine",
        "method": "POST",
        "route": "/api/auth/sign-out",
        "status": 200,
    }
    pushed = line_of(logged.api, request_id="mine", logger="api.access")
    assert (pushed["route"], pushed["status"]) == ("/events", 202)


def test_page_sends_its_request_id_to_the_api(logged: stack.Site, browsers: Browsers) -> None:
    person = browsers.sign_up(logged)
    person.client.get("/tasks", headers={"X-Request-Id": "page"}).raise_for_status()
    assert line_of(logged.api, request_id="page")["operation"] == "FirstPage"


def test_unsafe_request_id_is_replaced(logged: stack.Site, browsers: Browsers) -> None:
    browser = browsers.new_browser(logged.url)
    response = browser.get("/api/auth/ok", headers={"X-Request-Id": "<script>"})
    assert len(response.headers["x-request-id"]) == 16


def test_neither_log_has_a_password_an_address_a_name_or_a_token(
    logged: stack.Site, browsers: Browsers
) -> None:
    canaries: list[str] = []

    def canary() -> str:
        canaries.append(f"canary{secrets.token_hex(8)}")
        return canaries[-1]

    browser = browsers.new_browser(logged.url)
    email, password = f"{canary()}@{canary()}.example", canary()
    account = {"email": email, "password": password, "name": canary()}
    for body in (account, account, account | {"email": canary()}):
        browser.post("/api/auth/sign-up/email", json=body)
    token = browser.get("/api/auth/token").raise_for_status().json()["token"]
    browser.post("/api/auth/change-password", json={"currentPassword": canary()})
    browser.post("/api/auth/sign-out", json={})
    for address in (email, f"{canary()}@example.com", canary()):
        wrong = {"email": address, "password": canary(), "callbackURL": f"https://evil/{canary()}"}
        browser.post("/api/auth/sign-in/email", json=wrong)
        wrong = {"email": address, "password": canary()}
        browsers.new_browser(logged.url).post("/api/auth/sign-in/email", json=wrong)
    browser.post("/api/auth/sign-in/email", content=canary())
    headers = {"Origin": f"https://evil/{canary()}", "Cookie": f"a={canary()}"}
    browser.post("/api/auth/sign-in/email", json=account, headers=headers)
    browser.get(f"/api/auth/reset-password/{canary()}?callbackURL={canary()}")
    browser.get(f"/api/auth/{canary()}?token={canary()}")
    browser.get(f"/{canary()}?search={canary()}")
    browser.get("/tasks", headers={"Cookie": f"better-auth.session_token={canary()}.{canary()}"})
    browser.post("/sign-in", content=canary(), headers={"Next-Action": "0" * 42})
    browser.get("/api/health", headers={"X-Request-Id": "last"})
    line_of(logged.web, request_id="last")
    printed = logged.web.lines + logged.api.lines
    hidden = [*canaries, "canary", token, "eyJ", logged.env["BETTER_AUTH_SECRET"], "@"]
    assert not [line for line in printed if any(value in line for value in hidden)]
    assert lines(logged.web)
