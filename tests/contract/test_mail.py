"""Mail is limited by recipient, and responses do not reveal whether a mail was sent."""

import re
import secrets

import httpx

from dev.postgres import Postgres
from tests import stack
from tests.conftest import run
from tests.contract.people import Browsers, Issuer, Member, mailed

PASSWORD = "correct horse"
MOST = 3
"""Mails of one kind for one recipient at once."""
ALL_HELD = "SELECT string_agg(mail_limit::text, ' ') FROM mail_limit"
HOURS_PASS = "UPDATE mail_limit SET full_at = full_at - $1::int * interval '1 hour'"


def request_password_reset(
    browsers: Browsers, url: str, email: str, process: stack.Server | None = None
) -> httpx.Response:
    """Request a password reset from a new address, by default at the first process of the site."""
    wish = {"email": email}
    to = process.url if process else ""
    return browsers.new_browser(url).post(f"{to}/api/auth/request-password-reset", json=wish)


def request_email_change(member: Member, email: str) -> httpx.Response:
    wish = {"email": email, "password": PASSWORD}
    return member.client.post("/api/auth/request-email", json=wish)


def sent_mails(
    browsers: Browsers,
    site: stack.Site | Issuer,
    email: str,
    process: stack.Server | None = None,
) -> int:
    """Return how many mails a process has sent to an address, after all earlier requests."""
    web = process or site.web
    last = browsers.join(site.url)
    assert request_password_reset(browsers, site.url, last.email, process).status_code == 200
    mailed(web, last.email)
    return web.lines.count(f"To: {email}")


def hours_pass(database: Postgres, hours: int) -> None:
    run(database, lambda connection: connection.execute(HOURS_PASS, hours))


def test_forty_requests_for_one_password_reset_send_three_mails(
    browsers: Browsers, alone: Issuer, second: stack.Server
) -> None:
    ada, stranger = browsers.join(alone.url), f"{secrets.token_hex(6)}@example.com"
    nobody = request_password_reset(browsers, alone.url, stranger)
    for n in range(40):
        email = ada.email.upper() if n % 2 else ada.email
        answer = request_password_reset(browsers, alone.url, email)
        assert (answer.status_code, answer.text) == (nobody.status_code, nobody.text)
    assert sent_mails(browsers, alone, ada.email) == MOST
    assert sent_mails(browsers, alone, stranger) == 0
    links = "SELECT count(*) FROM verification WHERE value LIKE '%' || $1 || '%'"
    assert run(alone.database, lambda c: c.fetchval(links, ada.id)) == MOST
    held = run(alone.database, lambda connection: connection.fetchval(ALL_HELD))
    assert held
    assert ada.email not in held

    def sent_by_second() -> int:
        """Return how many mails the second process has sent to Ada."""
        return sent_mails(browsers, alone, ada.email, second)

    request_password_reset(browsers, alone.url, ada.email, second)
    assert sent_by_second() == 0, "all processes share the limit"
    hours_pass(alone.database, 1)
    for _ in range(MOST):
        request_password_reset(browsers, alone.url, ada.email, second)
    assert sent_by_second() == 1, "each hour, the limit allows one more mail"
    hours_pass(alone.database, 3)
    request_password_reset(browsers, alone.url, f"{secrets.token_hex(4)}@example.com", second)
    assert sent_by_second() == 1
    kept = run(alone.database, lambda c: c.fetchval("SELECT count(*) FROM mail_limit"))
    assert kept == 1, "an address that may get all mails again has no row"


def test_many_accounts_cannot_send_many_links_to_one_address(
    site: stack.Site, browsers: Browsers
) -> None:
    name = secrets.token_hex(6)
    addresses = [f"{name}{tag}@example.com" for tag in ("", "+a", "+b", "+c", "")]
    for address in addresses:
        answer = request_email_change(browsers.join(site.url), address)
        assert (answer.status_code, answer.json()) == (200, {"status": True})
    sent = sum(sent_mails(browsers, site, address) for address in set(addresses))
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
