"""A request, its execution and its statements have spans in the trace of the client."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest

from api.telemetry.records import Observers
from api.telemetry.traces import Traces
from dev.postgres import ROOT
from tests import plain, stack, websocket
from tests.collector import Collector, Span, collecting
from tests.conftest import Caller

TASKS = "query Tasks($s: String) { tasks(filter: { search: $s }) { nodes { title } } }"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[stack.Server]:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    running = stack.api(tmp_path_factory.mktemp("traced"), settings | env)
    yield running
    running.stop()


@pytest.fixture
def eve(server: stack.Server) -> Caller:
    return Caller.new(server.url)


def is_inside(inner: Span, outer: Span) -> bool:
    """Return whether a span is a child of another one, and within its time."""
    return inner.parent == outer.id and outer.began <= inner.began <= inner.ended <= outer.ended


def test_trace_of_the_client_goes_on_to_the_statement(eve: Caller, collector: Collector) -> None:
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    plain.post(
        f"{eve.url}/graphql",
        json={"query": TASKS, "variables": {"s": "secret"}},
        headers={
            "Authorization": f"Bearer {eve.token}",
            "traceparent": f"00-{trace}-{parent}-01",
        },
    )
    [request] = collector.wait("query Tasks", trace)
    [execution] = collector.wait("execute", trace)
    statements = collector.wait("statement", trace)
    assert request.parent == parent
    assert request.service == "bearer-tasks-api"
    assert is_inside(execution, request)
    [statement] = [one for one in statements if is_inside(one, execution)]
    assert "FROM tasks.tasks" in str(statement.attributes["db.query.text"])
    assert all(is_inside(one, request) for one in statements if one is not statement)
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["http.route"] == "/graphql"
    kept = str(collector.spans)
    assert not [value for value in ("secret", eve.user, eve.token) if value in kept]


def test_request_without_a_trace_begins_one(eve: Caller, collector: Collector) -> None:
    name = f"Begins{secrets.token_hex(4)}"
    with websocket.subscribed(eve, f"query {name} {{ viewer {{ id }} }}") as socket:
        socket.next()
    [span] = collector.wait(f"query {name}")
    assert span.parent == ""
    assert span.attributes["network.protocol.name"] == "websocket"


def test_unsampled_trace_is_not_exported(eve: Caller, collector: Collector) -> None:
    trace, sampled = secrets.token_hex(16), secrets.token_hex(16)
    for each, flag in ((trace, "00"), (sampled, "01")):
        headers = {"traceparent": f"00-{each}-{secrets.token_hex(8)}-{flag}"}
        plain.get(f"{eve.url}/health/live", headers=headers)
    collector.wait("/health/live", sampled)
    assert not [span for span in collector.spans if span.trace == trace]


@pytest.mark.parametrize(
    ("sampler", "is_recorded"), [("parentbased_traceidratio", True), ("traceidratio", False)]
)
def test_flag_of_a_client_decides_unless_the_sampler_ignores_it(
    sampler: str, *, is_recorded: bool, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a ratio of 0, the API samples no trace that begins in it."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    own, sampled = f"/{secrets.token_hex(8)}", f"/{secrets.token_hex(8)}"
    header = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01".encode()

    async def requests() -> None:
        async with Traces(collector.url, str) as traces:
            observers = Observers([traces])
            observers.begin_request("GET", own, []).end()
            observers.begin_request("GET", sampled, [(b"traceparent", header)]).end()

    asyncio.run(requests())
    recorded = [span.name for span in collector.spans]
    assert (own in recorded, sampled in recorded) == (False, is_recorded)


def test_packages_of_opentelemetry_are_not_imported_without_an_endpoint() -> None:
    program = "import sys, api.app; assert 'opentelemetry.sdk' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
