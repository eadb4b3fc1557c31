"""A request of a page begins a trace in the API, because the browser records no span."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Request

from tests import stack
from tests.collector import Collector, traced_site
from tests.e2e.conftest import Newcomer
from tests.waiting import wait_until

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[stack.Site, Collector]]:
    with traced_site(tmp_path_factory.mktemp("traced")) as running:
        yield running


def test_trace_leads_from_a_request_of_the_page_to_the_statement(
    traced: tuple[stack.Site, Collector], newcomer: Newcomer
) -> None:
    site, collector = traced
    ada = newcomer(site)
    ada.has_an_account()
    sent: list[str | None] = []

    def keep(request: Request) -> None:
        if "mutation" in (request.post_data or ""):
            sent.append(request.headers.get("traceparent"))

    ada.context.on("request", keep)
    ada.adds("Call the bank")
    assert sent == [None]
    [request] = collector.wait("mutation CreateTasks")
    assert request.parent == ""
    root = "bearer-tasks-api: mutation CreateTasks"
    wait_until(
        lambda: collector.has_statement(
            request.trace, "bearer-tasks-api: execute", root, root=root
        ),
        "no statement is in the trace",
    )
