"""The doctor pushes an event without effect to the running API, as the web app would."""

import asyncio
import json

import pytest

from api.doctor.clocks import Clocks
from api.doctor.events import check
from tests import stack
from tests.test_doctor import examined, settings_of, wrong
from tests.waiting import PATIENCE

CALLED = {"API_URL": "http://localhost:8000"}
"""The variable of the API that tests share. Security events name this URL as their audience."""


def test_doctor_pushes_an_event_without_effect_to_the_running_api(
    settings: dict[str, str], api: stack.Server
) -> None:
    found = examined(settings | CALLED | {"EVENTS_URL": f"{api.url}/events"})
    assert wrong(found) == []
    assert "accepts events that the web app signs" in found["events"].detail
    assert "this machine, the database and the API agree" in found["clock"].detail


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("BETTER_AUTH_SECRET", "another secret of more than 32 characters", "invalid_key"),
        ("JWT_ISSUER", "https://another.example", "invalid_issuer"),
        ("API_URL", "https://another.example", "invalid_audience"),
    ],
)
def test_settings_that_differ_from_those_of_the_running_api_are_reported(
    settings: dict[str, str], api: stack.Server, variable: str, value: str, error: str
) -> None:
    found = examined(settings | CALLED | {"EVENTS_URL": f"{api.url}/events", variable: value})
    assert wrong(found) == ["events"]
    assert error in found["events"].detail
    assert variable in str(found["events"].fix)


def test_events_url_that_is_not_the_apis_is_reported(
    settings: dict[str, str], api: stack.Server
) -> None:
    for url in (f"http://{stack.NOBODY}/events", f"{api.url}/health/live"):
        found = examined(settings | {"EVENTS_URL": url})
        assert wrong(found) == ["events"]
        assert "EVENTS_URL" in str(found["events"].fix)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"err": ["invalid_request"]}).encode(),
        json.dumps({"err": None}).encode(),
        b'["invalid_request"]',
        b"[" * 4000,
        b'{"err": "invalid_request", "more": "' + b"x" * 60_000_000,
    ],
    ids=["list", "null", "array", "deep", "huge"],
)
def test_response_of_another_program_is_reported_without_reading_all_of_it(
    settings: dict[str, str], body: bytes
) -> None:
    """The program sends its response until the doctor closes the connection."""
    sent = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body))
        try:
            for start in range(0, len(body), 65_536):
                writer.write(body[start : start + 65_536])
                await writer.drain()
                sent = start
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def found() -> list[str]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            config = settings_of(settings | {"EVENTS_URL": f"http://127.0.0.1:{port}/events"})
            findings = [one async for one in check(config, Clocks(), PATIENCE)]
        return [one.detail for one in findings]

    [detail] = asyncio.run(found())
    assert "responds with 400, and not as the API's /events does" in detail
    assert sent < 50_000_000, "the system buffers a few megabytes"
