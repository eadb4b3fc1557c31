"""Outages are answered 503 and sign nobody out. An internal error has a request ID."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.postgres import Postgres
from tests import plain, stack
from tests.conftest import Caller, mint, run, trusting
from tests.events import push, revoked

LIST = "{ tasks { nodes { id } } }"
NOWHERE = f"postgresql://nobody@{stack.NOBODY}/nowhere"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Run a server that tests may stop, if they start it again."""
    with stack.postgres() as running:
        yield running


@pytest.fixture(scope="module")
def api(server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Server]:
    running = stack.api(tmp_path_factory.mktemp("api"), trusting(server.url))
    yield running
    running.stop()


def test_api_without_its_database_answers_503_and_recovers(
    server: Postgres, api: stack.Server
) -> None:
    ada = Caller(api.url, "ada", mint("ada"))
    created = ada.create("before")
    server.stop()
    try:
        for query in (LIST, 'mutation { createTask(input: {title: "x"}) { task { id } } }'):
            response = ada.post(query)
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            [error] = response.json()["errors"]
            assert error["extensions"] == {"code": "UNAVAILABLE"}
        event = push(api.url, revoked("bob", "elsewhere"))
        assert (event.status_code, event.headers["retry-after"]) == (503, "1")
        assert plain.get(f"{api.url}/health/ready").status_code == 503
        assert plain.get(f"{api.url}/health/live").status_code == 200
        assert plain.post(f"{api.url}/graphql").status_code == 401, "a token is still asked for"
    finally:
        server.__enter__()
    assert ada(LIST)["tasks"]["nodes"] == [{"id": created["id"]}]
    assert plain.get(f"{api.url}/health/ready").status_code == 200


def test_api_starts_while_its_database_is_unavailable(tmp_path: Path) -> None:
    api = stack.api(tmp_path, trusting(NOWHERE), "--no-migrate")
    try:
        assert plain.get(f"{api.url}/health/ready").status_code == 503
        assert Caller(api.url, "ada", mint("ada")).post(LIST).status_code == 503
    finally:
        api.stop()


def test_internal_error_has_a_request_id_that_is_in_the_log(
    server: Postgres, api: stack.Server
) -> None:
    ada = Caller(api.url, "ada", mint("ada"))
    canary = f"gone_{secrets.token_hex(4)}"

    def rename(column: str, new: str) -> None:
        sabotage = f"ALTER TABLE tasks.tasks RENAME {column} TO {new}"
        run(server, lambda connection: connection.execute(sabotage))

    rename("title", canary)
    try:
        response = ada.post(LIST)
    finally:
        rename(canary, "title")
    [error] = response.json()["errors"]
    assert response.status_code == 200
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "title" not in response.text
    api.wait_for_output(f"bug {error['extensions']['requestId']}")
    api.wait_for_output("UndefinedColumnError")
