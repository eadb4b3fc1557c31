"""One trace leads from a request to the web app, through the API, to the SQL statement."""

import secrets
from collections.abc import Iterator

import pytest

from tests import stack
from tests.collector import Collector, traced_site
from tests.contract.people import Browsers
from tests.waiting import wait_until

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[stack.Site, Collector]]:
    with traced_site(tmp_path_factory.mktemp("traced")) as running:
        yield running


def traceparent() -> tuple[str, str]:
    """Return the id of a new trace, and the header of a client that began the trace."""
    trace = secrets.token_hex(16)
    return trace, f"00-{trace}-{secrets.token_hex(8)}-01"


def test_trace_leads_from_a_page_to_the_statement(
    traced: tuple[stack.Site, Collector], browsers: Browsers
) -> None:
    site, collector = traced
    person = browsers.sign_up(site)
    trace, header = traceparent()
    person.client.get("/tasks", headers={"traceparent": header}).raise_for_status()
    above = (
        "bearer-tasks-api: execute",
        "bearer-tasks-api: query FirstPage",
        "bearer-tasks-web: first page",
    )
    wait_until(
        lambda: collector.has_statement(trace, *above, root="bearer-tasks-web: GET"),
        "no statement is in the trace",
    )


def test_trace_leads_from_a_sign_out_to_the_revocation(
    traced: tuple[stack.Site, Collector], browsers: Browsers
) -> None:
    site, collector = traced
    person = browsers.sign_up(site)
    trace, header = traceparent()
    answer = person.client.post("/api/auth/sign-out", json={}, headers={"traceparent": header})
    answer.raise_for_status()
    above = ("bearer-tasks-api: /events", "bearer-tasks-web: push security event")
    wait_until(
        lambda: collector.has_statement(trace, *above, root="bearer-tasks-web: POST"),
        "no statement is in the trace",
    )


def test_spans_have_no_token_of_a_mailed_link(
    traced: tuple[stack.Site, Collector], browsers: Browsers
) -> None:
    site, collector = traced
    browser = browsers.new_browser(site.url)
    secret = f"canary{secrets.token_hex(8)}"
    trace, header = traceparent()
    for path in (f"/reset-password?token={secret}", f"/api/auth/reset-password/{secret}"):
        browser.get(path, headers={"traceparent": header})
    wait_until(
        lambda: len([s for s in collector.spans if s.trace == trace and "GET" in s.name]) > 2,
        "no request is in the trace",
    )
    assert not [span for span in collector.spans if secret in str(span)]
