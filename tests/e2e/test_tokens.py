"""Access tokens in the browser: shared, renewed, retried after a 401, and kept only in memory."""

import re
import time
from pathlib import Path

import jwt
import pytest
from playwright.sync_api import Route, expect

from dev.postgres import Postgres
from tests import stack
from tests.e2e.person import TOKEN, Newcomer, Person


@pytest.mark.prove
def test_tokens_that_live_for_seconds_are_renewed(
    tmp_path: Path, newcomer: Newcomer, postgres: Postgres
) -> None:
    with stack.site(tmp_path, postgres, ACCESS_TOKEN_MAX_AGE="3") as site:
        ada = newcomer(site)
        ada.has_an_account()
        token = ada.page.evaluate(TOKEN)
        first = jwt.decode(token, options={"verify_signature": False})["exp"]
        number, began = 0, time.monotonic()
        while ada.page.evaluate("Date.now() / 1000") < first + 4:
            number += 1
            ada.adds(f"Task {number}")
        asked = [url for url in ada.requests if url.endswith("/api/auth/token")]
        most = time.monotonic() - began + 3
        assert 2 < len(asked) < most, "renewed when it is due, and not each time"
        ada.is_at("/tasks")


@pytest.mark.prove
def test_all_views_share_one_token(ada: Person) -> None:
    ada.requests.clear()
    ada.goes_to("/tasks")
    expect(ada.page.get_by_text("No open tasks")).to_be_visible()
    ada.clicks("All", "link")
    ada.clicks("Completed", "link")
    expect(ada.page.get_by_text("Nothing completed yet")).to_be_visible()
    assert sum(url.endswith("/api/auth/token") for url in ada.requests) == 1


def reject_next_tokens(ada: Person, times: int) -> None:
    """Have the API reject the next tokens, though they are good."""
    left = times

    def answer(route: Route) -> None:
        nonlocal left
        if route.request.method != "POST" or not left:
            return route.continue_()
        left -= 1
        cors = {"Access-Control-Allow-Origin": ada.site.url}
        told = {"errors": [{"message": "no", "extensions": {"code": "UNAUTHENTICATED"}}]}
        return route.fulfill(status=401, headers=cors, json=told)

    ada.page.route("**/graphql", answer)


def test_401_is_retried_once_with_a_new_token_and_then_goes_to_sign_in(ada: Person) -> None:
    reject_next_tokens(ada, times=1)
    ada.requests.clear()
    ada.adds("Went through")
    assert sum(url.endswith("/api/auth/token") for url in ada.requests) == 1
    ada.is_at("/tasks")
    ada.page.unroute("**/graphql")
    reject_next_tokens(ada, times=1000)
    ada.page.get_by_label("New task").fill("Rejected")
    ada.page.keyboard.press("Enter")
    expect(ada.page).to_have_url(re.compile(r"/sign-in\?.*refused=1"))
    expect(ada.page.get_by_role("status")).to_contain_text("did not accept")
    ada.requests.clear()
    ada.page.reload()
    expect(ada.page).to_have_url(re.compile(r"/sign-in\?.*refused=1"))
    assert not [url for url in ada.requests if url.endswith("/graphql")]
    ada.ignores_messages("status of 401")


def test_token_is_kept_only_in_memory(ada: Person) -> None:
    with ada.page.expect_request(f"{ada.site.env['API_URL']}/graphql") as asked:
        ada.adds("Something")
    token = asked.value.headers["authorization"].removeprefix("Bearer ")
    kept = ada.page.evaluate(
        "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    )
    assert token.split(".")[1] not in kept
    assert token.split(".")[1] not in ada.page.content()
    assert not [url for url in ada.requests if token.split(".")[1] in url]
