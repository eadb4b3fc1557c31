"""A real Chromium, and users in it: each has a browser context, an address and an account."""

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import shared, stack
from tests.e2e.chromium import browser_server
from tests.e2e.person import NARROW, WIDE, Newcomer, Person
from tests.waiting import PATIENCE

SERVICE_WORKERS = os.environ.get("SERVICE_WORKERS", "block")
"""Whether a page may install the service worker: "allow" or "block".

An installation fetches every file of the web app, and takes as much CPU time as the rest of a short
test. `make test` allows it where a test needs it, and `make prove` in all tests.
"""


@pytest.fixture(scope="session")
def browser_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of the browser that a run shares."""
    folder = tmp_path_factory.mktemp("browser")
    with shared.once(
        "browser",
        lambda: browser_server(folder),
        stack.Server.description,
        lambda described: stack.AttachedServer(*described),
    ) as server:
        yield server.url


# Not for the session: Playwright runs an event loop, in which other tests cannot start another.
@pytest.fixture(scope="module")
def chromium(browser_url: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        connected = playwright.chromium.connect(browser_url)
        yield connected
        connected.close()


@pytest.fixture
def service_workers() -> str:
    """Return whether the pages of this test may install the service worker."""
    return SERVICE_WORKERS


@pytest.fixture
def newcomer(chromium: Browser, service_workers: str) -> Iterator[Newcomer]:
    """Return a function that opens a context for a new user. Fail if a console has errors."""
    people: list[Person] = []

    def arrive(site: stack.Site, **options: Any) -> Person:
        address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
        # Sign-ins are limited by address, and all users share one machine, so give each its own
        # address. Compression would only take time. A Playwright route could set the headers too,
        # but it takes a tenth of a test's CPU time, and turns the browser's cache off.
        headers = {"X-Forwarded-For": address, "Accept-Encoding": "identity"}
        usual = {
            "viewport": WIDE,
            "service_workers": service_workers,
            "extra_http_headers": headers,
        }
        context = chromium.new_context(**(usual | options))
        context.set_default_timeout(PATIENCE * 1000)
        people.append(Person(context, site, address))
        return people[-1]

    yield arrive
    for person in people:
        # Otherwise the next test gets the requests that are still running.
        for page in person.context.pages:
            page.unroute_all(behavior="ignoreErrors")
        person.context.unroute_all(behavior="ignoreErrors")
        person.context.close()
        # If a test stopped the site, an open page could not load any more.
        if person.site.web.has_stopped():
            person.ignores_messages("net::ERR_")
    assert [message for person in people for message in person.unexpected_messages()] == []


@pytest.fixture
def ada(site: stack.Site, newcomer: Newcomer) -> Person:
    person = newcomer(site)
    person.has_an_account()
    return person


PHONE: dict[str, Any] = {"viewport": NARROW, "has_touch": True, "is_mobile": True}


@pytest.fixture
def phone(site: stack.Site, newcomer: Newcomer) -> Person:
    person = newcomer(site, **PHONE)
    person.has_an_account()
    return person
