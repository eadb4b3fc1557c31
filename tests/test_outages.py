"""Outages are answered 503 and sign nobody out. An internal error has a request ID."""

import secrets
from pathlib import Path

import asyncpg

from tests import plain, stack
from tests.conftest import Caller, mint, run, trusting

LIST = "{ tasks { nodes { id } } }"
NOWHERE = f"postgresql://nobody@{stack.NOBODY}/nowhere"


def test_api_without_its_database_answers_503_and_recovers(tmp_path: Path) -> None:
    with stack.postgres() as server:
        api = stack.api(tmp_path, trusting(server.url))
        ada = Caller(api.url, "ada", mint("ada"))
        try:
            created = ada.create("before")
            server.stop()
            for query in (LIST, 'mutation { createTask(input: {title: "x"}) { task { id } } }'):
                response = ada.post(query)
                assert (response.status_code, response.headers["retry-after"]) == (503, "1")
                [error] = response.json()["errors"]
                assert error["extensions"] == {"code": "UNAVAILABLE"}
            assert plain.get(f"{api.url}/health/ready").status_code == 503
            assert plain.get(f"{api.url}/health/live").status_code == 200
            assert plain.post(f"{api.url}/graphql").status_code == 401, "a token is still asked for"
            with server:
                assert ada(LIST)["tasks"]["nodes"] == [{"id": created["id"]}]
                assert plain.get(f"{api.url}/health/ready").status_code == 200
        finally:
            api.stop()


def test_api_starts_while_its_database_is_unavailable(tmp_path: Path) -> None:
    api = stack.api(tmp_path, trusting(NOWHERE), "--no-migrate")
    try:
        assert plain.get(f"{api.url}/health/ready").status_code == 503
        assert Caller(api.url, "ada", mint("ada")).post(LIST).status_code == 503
    finally:
        api.stop()


def test_internal_error_has_a_request_id_that_is_in_the_log(tmp_path: Path) -> None:
    with stack.postgres() as server:
        api = stack.api(tmp_path, trusting(server.url))
        ada = Caller(api.url, "ada", mint("ada"))
        try:
            canary = f"gone_{secrets.token_hex(4)}"

            async def sabotage(connection: asyncpg.Connection) -> None:
                await connection.execute(f"ALTER TABLE tasks.tasks RENAME title TO {canary}")

            run(server, sabotage)
            response = ada.post(LIST)
            [error] = response.json()["errors"]
        finally:
            api.stop()
    assert response.status_code == 200
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "title" not in response.text
    assert any(f"bug {error['extensions']['requestId']}" in line for line in api.lines)
    assert any("UndefinedColumnError" in line for line in api.lines)
