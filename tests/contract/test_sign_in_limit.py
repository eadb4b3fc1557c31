"""Sign-ins are limited by account as well as by address, in the database of all processes."""

import httpx

from tests import plain, stack
from tests.conftest import run
from tests.contract.people import Browsers, Issuer, mailed

PASSWORD, WRONG = "correct horse", "wrong horse"
MINUTES_MORE = "UPDATE sign_in_limit SET full_at = full_at + $1::int * interval '1 minute'"


def sign_in(
    browsers: Browsers, site: Issuer, email: str, password: str = WRONG, process: str = ""
) -> httpx.Response:
    """Sign in from a new address, by default at the first process of the site."""
    given = {"email": email, "password": password}
    return browsers.new_browser(site.url).post(f"{process}/api/auth/sign-in/email", json=given)


def test_account_has_a_limit_for_failed_sign_ins_from_all_addresses(
    alone: Issuer, second: stack.Server, browsers: Browsers
) -> None:
    ada, bob = browsers.join(alone.url), browsers.join(alone.url)

    def count_more(minutes: int) -> None:
        """Count as many more failed sign-ins, since one is forgotten each minute."""
        run(alone.database, lambda c: c.execute(MINUTES_MORE, minutes))

    for email in (ada.email, "nobody@example.com"):
        assert sign_in(browsers, alone, email).status_code == 401
        count_more(98)
        assert sign_in(browsers, alone, email.upper()).status_code == 401, "the hundredth"
        limited = sign_in(browsers, alone, email, PASSWORD)
        assert limited.status_code == 429
        assert limited.json()["code"] == "TOO_MANY_SIGN_INS"
        assert limited.headers["retry-after"] == "60"
        assert "set-cookie" not in limited.headers
        assert sign_in(browsers, alone, bob.email, PASSWORD).status_code == 200
        kept = run(
            alone.database,
            lambda c: c.fetchval("SELECT string_agg(s::text, ' ') FROM sign_in_limit s"),
        )
        assert email not in kept

        elsewhere = sign_in(browsers, alone, email, process=second.url)
        assert elsewhere.status_code == 429, "all processes share the limit"
        count_more(-1)
        assert sign_in(browsers, alone, email).status_code == 401, "a minute allows one more"
        run(alone.database, lambda c: c.execute("DELETE FROM sign_in_limit"))

    assert sign_in(browsers, alone, ada.email).status_code == 401
    count_more(98)
    assert sign_in(browsers, alone, ada.email, PASSWORD).status_code == 200
    assert run(alone.database, lambda c: c.fetchval("SELECT count(*) FROM sign_in_limit")) == 0

    assert sign_in(browsers, alone, ada.email).status_code == 401
    count_more(99)
    assert sign_in(browsers, alone, ada.email, PASSWORD).status_code == 429
    stranger = browsers.new_browser(alone.url)
    stranger.post("/api/auth/request-password-reset", json={"email": ada.email})
    reset = {"token": mailed(alone.web, ada.email), "newPassword": "battery staple"}
    assert stranger.post("/api/auth/reset-password", json=reset).status_code == 200
    assert sign_in(browsers, alone, ada.email, "battery staple").status_code == 200
    run(alone.database, lambda c: c.execute("DELETE FROM sign_in_limit"))


def test_sign_ins_from_one_address_are_counted_by_all_processes(
    alone: Issuer, second: stack.Server, browsers: Browsers
) -> None:
    browser = browsers.new_browser(alone.url)
    headers = {name: browser.headers[name] for name in ("origin", "x-forwarded-for")}
    statuses = [
        plain.post(
            f"{url}/api/auth/sign-in/email",
            json={"email": "ada@example.com", "password": WRONG},
            headers=headers,
        ).status_code
        for url in (alone.url, second.url) * 2
    ]
    assert statuses == [401, 401, 401, 429]
