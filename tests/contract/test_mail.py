"""Mail is limited by recipient, and responses do not reveal whether a mail was sent."""

import re
import secrets

import httpx

from dev.postgres import Postgres
from tests import stack
from tests.conftest import run
from tests.contract.people import Browsers, Member, issuer, mailed

PASSWORD = "correct horse"
MOST = 3
"""Mails of one kind for one recipient at once."""
ALL_HELD = "SELECT string_agg(mail_limit::text, ' ') FROM mail_limit"
HOURS_PASS = "UPDATE mail_limit SET full_at = full_at - $1::int * interval '1 hour'"


def request_password_reset(browsers: Browsers, url: str, email: str) -> httpx.Response:
    """Request a password reset from a new address."""
    wish = {"email": email}
    return browsers.new_browser(url).post("/api/auth/request-password-reset", json=wish)


def request_email_change(member: Member, email: str) -> httpx.Response:
    wish = {"email": email, "password": PASSWORD}
    return member.client.post("/api/auth/request-email", json=wish)


def sent_mails(browsers: Browsers, web: stack.Server, url: str, email: str) -> int:
    """Return how many mails were sent to an address, after all earlier requests were processed."""
    last = browsers.join(url)
    assert request_password_reset(browsers, url, last.email).status_code == 200
    mailed(web, last.email)
    return web.lines.count(f"To: {email}")


def hours_pass(database: Postgres, hours: int) -> None:
    run(database, lambda connection: connection.execute(HOURS_PASS, hours))


def test_forty_requests_for_one_password_reset_send_three_mails(
    browsers: Browsers, postgres: Postgres
) -> None:
    with issuer(postgres) as running:
        ada = browsers.join(running.url)
        nobody = request_password_reset(browsers, running.url, "nobody@example.com")
        for n in range(40):
            email = ada.email.upper() if n % 2 else ada.email
            answer = request_password_reset(browsers, running.url, email)
            assert (answer.status_code, answer.text) == (nobody.status_code, nobody.text)
        assert sent_mails(browsers, running.web, running.url, ada.email) == MOST
        links = "SELECT count(*) FROM verification WHERE value LIKE '%' || $1 || '%'"
        assert run(running.database, lambda c: c.fetchval(links, ada.id)) == MOST
        held = run(running.database, lambda connection: connection.fetchval(ALL_HELD))
        assert held
        assert ada.email not in held

        running.restart({})
        request_password_reset(browsers, running.url, ada.email)
        assert sent_mails(browsers, running.web, running.url, ada.email) == 0
        hours_pass(running.database, 1)
        for _ in range(MOST):
            request_password_reset(browsers, running.url, ada.email)
        assert sent_mails(browsers, running.web, running.url, ada.email) == 1, (
            "one comes back an hour"
        )
        hours_pass(running.database, 3)
        request_password_reset(browsers, running.url, f"{secrets.token_hex(4)}@example.com")
        assert sent_mails(browsers, running.web, running.url, ada.email) == 1
        kept = run(running.database, lambda c: c.fetchval("SELECT count(*) FROM mail_limit"))
        assert kept == 1, "what is full again is forgotten"


def test_many_accounts_cannot_send_many_links_to_one_address(
    site: stack.Site, browsers: Browsers
) -> None:
    name = secrets.token_hex(6)
    addresses = [f"{name}{tag}@example.com" for tag in ("", "+a", "+b", "+c", "")]
    for address in addresses:
        answer = request_email_change(browsers.join(site.url), address)
        assert (answer.status_code, answer.json()) == (200, {"status": True})
    sent = sum(sent_mails(browsers, site.web, site.url, address) for address in set(addresses))
    assert sent == MOST


def test_warning_is_sent_though_the_limit_of_links_is_reached(
    site: stack.Site, browsers: Browsers
) -> None:
    ada, wanted = browsers.join(site.url), f"{secrets.token_hex(6)}@example.com"
    for _ in range(MOST + 1):
        request_password_reset(browsers, site.url, ada.email)
        request_email_change(browsers.join(site.url), ada.email)
    request_email_change(ada, wanted).raise_for_status()
    token = mailed(site.web, wanted)
    opened = ada.client.post("/api/auth/confirm-email", json={"token": token})
    assert opened.status_code == 200
    site.web.wait_for_output(rf"^To: {re.escape(ada.email)}\nSubject: Your address was changed$")
