"""A GraphQL request of a page begins a trace, but only if the web app's server records traces."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Request

from tests import stack
from tests.collector import Collector, traced_site
from tests.e2e.person import Newcomer, Person

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[stack.Site, Collector]]:
    with traced_site(tmp_path_factory.mktemp("traced")) as running:
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
    traced: tuple[stack.Site, Collector], newcomer: Newcomer
) -> None:
    site, collector = traced
    ada = newcomer(site)
    ada.has_an_account()
    [header] = traceparents(ada)
    assert header
    _, trace, _, _ = header.split("-")
    collector.wait("statement", trace)
    root = "bearer-tasks-api: mutation CreateTasks"
    assert collector.has_statement(trace, "bearer-tasks-api: execute", root, root=root)


def test_page_sends_no_traceparent_if_traces_are_off(site: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(site)
    ada.has_an_account()
    assert traceparents(ada) == [None]
    assert 'name="traces"' not in ada.page.content()
