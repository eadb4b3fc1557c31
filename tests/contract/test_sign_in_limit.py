"""Sign-ins are limited by account as well as by address, in the database of all processes."""

from collections.abc import Iterator

import httpx
import pytest

from dev.postgres import Postgres
from tests import plain, stack
from tests.conftest import run
from tests.contract.people import Browsers, Issuer, issuer, mailed

PASSWORD, WRONG = "correct horse", "wrong horse"
MINUTES_MORE = "UPDATE sign_in_limit SET full_at = full_at + $1::int * interval '1 minute'"


@pytest.fixture(scope="module")
def running(postgres: Postgres) -> Iterator[Issuer]:
    with issuer(postgres) as site:
        yield site


@pytest.fixture(scope="module")
def second(running: Issuer) -> Iterator[str]:
    """Return the address of another process of the same site."""
    port = stack.free_port()
    web = stack.web(running.env, port)
    yield f"http://127.0.0.1:{port}"
    web.stop()


def sign_in(
    browsers: Browsers, site: Issuer, email: str, password: str = WRONG, process: str = ""
) -> httpx.Response:
    """Sign in from a new address, by default at the first process of the site."""
    given = {"email": email, "password": password}
    return browsers.new_browser(site.url).post(f"{process}/api/auth/sign-in/email", json=given)


def test_account_has_a_limit_for_failed_sign_ins_from_all_addresses(
    running: Issuer, second: str, browsers: Browsers
) -> None:
    ada, bob = browsers.join(running.url), browsers.join(running.url)

    def count_more(minutes: int) -> None:
        """Count as many more failed sign-ins, since one is forgotten each minute."""
        run(running.database, lambda c: c.execute(MINUTES_MORE, minutes))

    for email in (ada.email, "nobody@example.com"):
        assert sign_in(browsers, running, email).status_code == 401
        count_more(98)
        assert sign_in(browsers, running, email.upper()).status_code == 401, "the hundredth"
        limited = sign_in(browsers, running, email, PASSWORD)
        assert limited.status_code == 429
        assert limited.json()["code"] == "TOO_MANY_SIGN_INS"
        assert limited.headers["retry-after"] == "60"
        assert "set-cookie" not in limited.headers
        assert sign_in(browsers, running, bob.email, PASSWORD).status_code == 200
        kept = run(
            running.database,
            lambda c: c.fetchval("SELECT string_agg(s::text, ' ') FROM sign_in_limit s"),
        )
        assert email not in kept

        elsewhere = sign_in(browsers, running, email, process=second)
        assert elsewhere.status_code == 429, "other processes know"
        count_more(-1)
        assert sign_in(browsers, running, email).status_code == 401, "one comes back each minute"
        run(running.database, lambda c: c.execute("DELETE FROM sign_in_limit"))

    assert sign_in(browsers, running, ada.email).status_code == 401
    count_more(98)
    assert sign_in(browsers, running, ada.email, PASSWORD).status_code == 200
    assert run(running.database, lambda c: c.fetchval("SELECT count(*) FROM sign_in_limit")) == 0

    assert sign_in(browsers, running, ada.email).status_code == 401
    count_more(99)
    assert sign_in(browsers, running, ada.email, PASSWORD).status_code == 429
    stranger = browsers.new_browser(running.url)
    stranger.post("/api/auth/request-password-reset", json={"email": ada.email})
    reset = {"token": mailed(running.web, ada.email), "newPassword": "battery staple"}
    assert stranger.post("/api/auth/reset-password", json=reset).status_code == 200
    assert sign_in(browsers, running, ada.email, "battery staple").status_code == 200
    run(running.database, lambda c: c.execute("DELETE FROM sign_in_limit"))


def test_sign_ins_from_one_address_are_counted_by_all_processes(
    running: Issuer, second: str, browsers: Browsers
) -> None:
    browser = browsers.new_browser(running.url)
    headers = {name: browser.headers[name] for name in ("origin", "x-forwarded-for")}
    statuses = [
        plain.post(
            f"{url}/api/auth/sign-in/email",
            json={"email": "ada@example.com", "password": WRONG},
            headers=headers,
        ).status_code
        for url in (running.url, second) * 2
    ]
    assert statuses == [401, 401, 401, 429]
