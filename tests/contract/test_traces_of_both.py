"""One trace leads from a request to the web app, through the API, to the SQL statement."""

import secrets
from collections.abc import Iterator

import pytest

from tests import stack
from tests.collector import Collector, Span, collecting
from tests.contract.people import Browsers
from tests.waiting import wait_until

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def traced(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Site]:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with stack.site(tmp_path_factory.mktemp("traced"), **variables) as running:
        yield running


def ancestors(collector: Collector, span: Span) -> list[str]:
    """Return the names of the spans above a span, the nearest first."""
    by_id = {each.id: each for each in collector.spans}
    names = []
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(f"{span.service}: {span.name}")
    return names


def traceparent() -> tuple[str, str]:
    """Return the id of a new trace, and the header of a client that began the trace."""
    trace = secrets.token_hex(16)
    return trace, f"00-{trace}-{secrets.token_hex(8)}-01"


def is_traced(collector: Collector, trace: str, *above: str, root: str) -> bool:
    """Return whether a statement of the trace has these spans above it, up to a root."""
    found = [span for span in collector.spans if (span.name, span.trace) == ("statement", trace)]
    return any(
        names[: len(above)] == [*above] and names[-1].startswith(root)
        for names in (ancestors(collector, span) for span in found)
        if names
    )


def test_trace_leads_from_a_page_to_the_statement(
    traced: stack.Site, collector: Collector, browsers: Browsers
) -> None:
    person = browsers.sign_up(traced)
    trace, header = traceparent()
    person.client.get("/tasks", headers={"traceparent": header}).raise_for_status()
    above = (
        "bearer-tasks-api: execute",
        "bearer-tasks-api: query FirstPage",
        "bearer-tasks-web: first page",
    )
    wait_until(
        lambda: is_traced(collector, trace, *above, root="bearer-tasks-web: GET"),
        "no statement is in the trace",
    )


def test_trace_leads_from_a_sign_out_to_the_revocation(
    traced: stack.Site, collector: Collector, browsers: Browsers
) -> None:
    person = browsers.sign_up(traced)
    trace, header = traceparent()
    answer = person.client.post("/api/auth/sign-out", json={}, headers={"traceparent": header})
    answer.raise_for_status()
    above = ("bearer-tasks-api: /events", "bearer-tasks-web: push security event")
    wait_until(
        lambda: is_traced(collector, trace, *above, root="bearer-tasks-web: POST"),
        "no statement is in the trace",
    )


def test_spans_have_no_token_of_a_mailed_link(
    traced: stack.Site, collector: Collector, browsers: Browsers
) -> None:
    browser = browsers.new_browser(traced.url)
    secret = f"canary{secrets.token_hex(8)}"
    trace, header = traceparent()
    for path in (f"/reset-password?token={secret}", f"/api/auth/reset-password/{secret}"):
        browser.get(path, headers={"traceparent": header})
    wait_until(
        lambda: len([s for s in collector.spans if s.trace == trace and "GET" in s.name]) > 2,
        "no request is in the trace",
    )
    assert not [span for span in collector.spans if secret in str(span)]
