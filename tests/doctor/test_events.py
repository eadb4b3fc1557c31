"""The doctor pushes an event without effect to the running API, as the web app would."""


import pytest

from tests import stack
from tests.test_doctor import examined, wrong

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
