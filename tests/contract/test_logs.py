"""No client can fill the log of the web app's server, whichever code writes the line."""

import time
from collections.abc import Callable, Mapping

import httpx

from tests.contract.people import Browsers, Issuer

MANY = 15
"""Invalid requests of each kind. If each wrote a line, there would be more lines than allowed."""

Ask = Callable[[httpx.Client], httpx.Response]


def post(path: str, body: str, **headers: str) -> Ask:
    def ask(browser: httpx.Client) -> httpx.Response:
        given = {"Content-Type": "application/json", **headers}
        return browser.post(path, content=body, headers=given)

    return ask


WRONG: Mapping[str, Ask] = {
    "a password": post(
        "/api/auth/sign-in/email", '{"email": "nobody@example.com", "password": "wrong horse"}'
    ),
    "an origin": post("/api/auth/sign-in/email", "{}", Origin="https://evil.example", Cookie="a=b"),
    "no JSON": post("/api/auth/sign-in/email", "{"),
    "a callback": post(
        "/api/auth/sign-in/email",
        '{"email": "a@b.example", "password": "x", "callbackURL": "https://evil.example"}',
    ),
    "an action": post("/sign-in", "[]", **{"Next-Action": "0" * 42}),
    "an address": lambda browser: browser.get("/%c0%af%"),
    "a page": lambda browser: browser.get("/nowhere"),
    "an endpoint": lambda browser: browser.get("/api/auth/nowhere"),
    "a cookie": lambda browser: browser.get(
        "/tasks", headers={"Cookie": "better-auth.session_token=x.y"}
    ),
}


def test_invalid_requests_to_the_web_app_are_logged_at_most_once_a_second(
    browsers: Browsers, alone: Issuer
) -> None:
    for name, ask in WRONG.items():
        lines, began = len(alone.web.lines), time.monotonic()
        for _ in range(MANY):
            ask(browsers.new_browser(alone.url))
        seconds = time.monotonic() - began
        added = alone.web.lines[lines:]
        # An error has three lines, and its place is in the last of them.
        assert len(added) <= 3 * (seconds + 2), (name, added)
