"""A GraphQL request of a page begins a trace, but only if the web app's server records traces."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Request

from tests import stack
from tests.collector import Collector, collecting
from tests.contract.test_traces_of_both import is_traced
from tests.e2e.conftest import Newcomer, Person

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


def traceparents(person: Person) -> list[str | None]:
    """Add a task, and return the `traceparent` of each mutation that the page sent."""
    sent: list[str | None] = []

    def keep(request: Request) -> None:
        if "mutation" in (request.post_data or ""):
            sent.append(request.headers.get("traceparent"))

    person.context.on("request", keep)
    person.adds("Call the bank")
    return sent


def test_trace_leads_from_a_request_of_the_page_to_the_statement(
    traced: stack.Site, collector: Collector, newcomer: Newcomer
) -> None:
    ada = newcomer(traced)
    ada.has_an_account()
    [header] = traceparents(ada)
    assert header
    _, trace, _, _ = header.split("-")
    collector.wait("statement", trace)
    root = "bearer-tasks-api: mutation CreateTasks"
    assert is_traced(collector, trace, "bearer-tasks-api: execute", root, root=root)


def test_page_sends_no_traceparent_if_traces_are_off(site: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(site)
    ada.has_an_account()
    assert traceparents(ada) == [None]
    assert 'name="traces"' not in ada.page.content()
