"""GraphQL over HTTP: which requests are accepted, and what each kind of response looks like."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query
from starlette.types import Message, Scope

from api.graphql.documents import Documents, Execution, Operation
from api.graphql.http import GraphQLEndpoint
from api.graphql.operations import Operations
from api.graphql.sessions import Sessions
from api.graphql.sse import EventStreams
from api.schema import schema
from tests import plain, stack
from tests.conftest import SITE, Caller, mint
from tests.graphql.ticks import Claims

VIEWER = '{"query":"{ viewer { id } }"}'
GRAPHQL = "application/graphql-response+json"


def send(api: stack.Server, method: str = "POST", **kwargs: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {mint('ada')}", "Content-Type": "application/json"}
    kwargs["headers"] = headers | kwargs.get("headers", {})
    return plain.request(method, f"{api.url}/graphql", **kwargs)


def error(response: httpx.Response) -> Any:
    body = response.json()
    assert "data" not in body
    [error] = body["errors"]
    return error


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, application/json;q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.1, application/json", "application/json"),
        (f"{GRAPHQL};q=0, */*", "application/json"),
        (f"application/json, {GRAPHQL}", GRAPHQL),
        ("text/csv, */*;q=0.1", "application/json"),
    ],
)
def test_response_has_a_media_type_of_the_accept_header(
    api: stack.Server, accept: str | None, answered: str
) -> None:
    with plain.Client() as client:
        headers = {"Authorization": f"Bearer {mint('ada')}", "Content-Type": "application/json"}
        request = client.build_request(
            "POST", f"{api.url}/graphql", headers=headers, content=VIEWER
        )
        del request.headers["accept"]  # httpx sets one itself
        if accept:
            request.headers["accept"] = accept
        response = client.send(request)
    assert response.headers["content-type"] == answered
    assert response.json() == {"data": {"viewer": {"id": "ada"}}}


@pytest.mark.parametrize(
    "accept", ["text/csv", f"{GRAPHQL};q=0", "image/*", "application/json;q=0, */*"]
)
def test_unsupported_accept_header_is_answered_406(api: stack.Server, accept: str) -> None:
    response = send(api, content=VIEWER, headers={"Accept": accept})
    assert (response.status_code, error(response)["extensions"]["code"]) == (406, "BAD_REQUEST")


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_repeated_list_headers_are_joined(api: stack.Server, places: tuple[int, int]) -> None:
    sent = [[("Accept", "text/csv"), ("Accept-Encoding", "br")]]
    sent.append([("Accept", GRAPHQL), ("Accept-Encoding", "gzip")])
    others = {"Authorization": f"Bearer {mint('ada')}", "Content-Type": "application/json"}
    headers = [*others.items(), *sent[places[0]], *sent[places[1]]]
    content = json.dumps({"query": get_introspection_query()})
    response = plain.post(f"{api.url}/graphql", headers=headers, content=content)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == GRAPHQL
    assert response.headers["content-encoding"] == "gzip"


def test_first_of_two_content_types_counts(api: stack.Server) -> None:
    types = ["application/json", "text/plain"]
    for sent, answered in ((types, 200), (types[::-1], 415)):
        headers = [("Authorization", f"Bearer {mint('ada')}")]
        headers += [("Content-Type", value) for value in sent]
        response = plain.post(f"{api.url}/graphql", headers=headers, content=VIEWER)
        assert response.status_code == answered


def test_long_accept_header_is_read_in_part(api: stack.Server) -> None:
    types = ",".join(f"text/{number}" for number in range(2000))
    for accept, status in ((f"{GRAPHQL},{types}", 200), (f"{types},{GRAPHQL}", 406)):
        assert send(api, content=VIEWER, headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("{a" * 1000, {}, "GRAPHQL_PARSE_FAILED"),
        ("{ tasks(first: " + "9" * 5000 + ") { totalCount } }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { x }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query ($id: ID!) { task(id: $id) { id } }", {}, "BAD_USER_INPUT"),
        ("query ($id: ID!) { task(id: $id) { id } }", {"id": 1.5}, "BAD_USER_INPUT"),
        ("query ($n: Int) { tasks(first: $n) { totalCount } }", {"n": 2**31}, "BAD_USER_INPUT"),
        ("query ($n: Int) { tasks(first: $n) { totalCount } }", {"n": "\ud800"}, "BAD_USER_INPUT"),
    ],
)
def test_invalid_operation_is_answered_400_or_200_for_application_json(
    api: stack.Server, query: str, variables: dict[str, Any], code: str
) -> None:
    for accept, status in ((GRAPHQL, 400), ("application/json", 200)):
        content = json.dumps({"query": query, "variables": variables})
        response = send(api, content=content, headers={"Accept": accept})
        assert response.status_code == status
        assert error(response)["extensions"]["code"] == code


def test_variable_of_the_wrong_type_is_named_in_the_error(ada: Caller) -> None:
    query = "mutation ($i: CreateTaskInput!) { createTask(input: $i) { task { id } } }"
    assert list(ada.error(query, i={"title": 7})["extensions"]["fields"]) == ["i"]
    query = 'mutation ($t: String = "x") { createTask(input: {title: $t}) { task { id } } }'
    failed = ada.error(query, t=None)
    assert failed["extensions"]["code"] == "BAD_USER_INPUT"
    assert list(failed["extensions"]["fields"]) == ["createTask"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[]",
        '"query"',
        "{}",
        '{"query": null}',
        '{"query": ""}',
        '{"query": 7}',
        '{"query": "{ viewer { id } }", "variables": []}',
        '{"query": "{ viewer { id } }", "variables": "x"}',
        '{"query": "{ viewer { id } }", "operationName": 7}',
        '{"query": "{ viewer { id } }", "operationName": "other"}',
        '{"query": "{ viewer { id } }", "extensions": []}',
        '{"query": "{ viewer { id } }", "variables": {"x": NaN}}',
        '{"query": "{ viewer { id } }", "variables": {"x": NaN, "y": "\\ud800"}}',
        "[" * 100_000,
        b'{"query": "{ viewer { id } }", "variables": {"x": "\xff"}}',
    ],
)
def test_malformed_request_body_is_answered_400(api: stack.Server, content: str | bytes) -> None:
    response = send(api, content=content)
    assert (response.status_code, error(response)["extensions"]["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/graphql",
        "application/json; charset=latin-1",
        'application/json; charset="latin-1"',
        'application/json; charset="utf-8',
        "application/json; charset=utf-8; charset=latin-1",
        "application/json; charset",
        "multipart/form-data",
        "",
    ],
)
def test_unsupported_content_type_is_answered_415(api: stack.Server, content_type: str) -> None:
    response = send(api, content=VIEWER, headers={"Content-Type": content_type})
    assert (response.status_code, error(response)["extensions"]["code"]) == (415, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=UTF-8",
        'application/json; charset="utf-8"',
        'Application/JSON;Charset="UTF-8"',
        'application/json ; x="a;charset=latin-1" ; charset=utf-8',
        "application/json;",
    ],
)
def test_charset_parameter_may_only_be_utf_8(api: stack.Server, content_type: str) -> None:
    response = send(api, content=VIEWER, headers={"Content-Type": content_type})
    assert response.status_code == 200


def test_request_body_may_have_one_mebibyte_and_no_more(api: stack.Server) -> None:
    fits = VIEWER + " " * (1024 * 1024 - len(VIEWER))
    assert send(api, content=fits).status_code == 200
    response = send(api, content=fits + " ")
    assert response.status_code == 413
    assert error(response)["extensions"]["code"] == "OPERATION_TOO_LARGE"


def test_get_request_may_run_a_query(api: stack.Server) -> None:
    params = {
        "query": "query A { viewer { id } } query B($n: Int) { tasks(first: $n) { totalCount } }",
        "operationName": "B",
        "variables": '{"n": 1}',
    }
    assert send(api, "GET", params=params).json() == {"data": {"tasks": {"totalCount": 0}}}
    bad = send(api, "GET", params=params | {"variables": "{"})
    assert (bad.status_code, error(bad)["extensions"]["code"]) == (400, "BAD_REQUEST")


def test_get_request_may_not_run_a_mutation(api: stack.Server) -> None:
    query = 'mutation { createTask(input: {title: "x"}) { task { id } } }'
    response = send(api, "GET", params={"query": query})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_method_is_answered_405(api: stack.Server, method: str) -> None:
    response = send(api, method)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


def test_browser_is_redirected_to_graphiql_without_the_query(api: stack.Server) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    response = plain.get(f"{api.url}/graphql", params={"query": "{ x }"}, headers=browser)
    assert (response.status_code, response.headers["location"]) == (303, f"{SITE}/graphiql")
    assert "Accept" in response.headers["vary"]


def test_failed_mutation_does_not_affect_the_others_of_its_document(ada: Caller) -> None:
    body = ada.post(
        """mutation {
          a: createTask(input: {title: "a"}) { task { title } }
          b: createTask(input: {title: ""}) { task { title } }
          c: createTask(input: {title: "c"}) { task { title } }
        }"""
    ).json()
    assert body["data"] == {"a": {"task": {"title": "a"}}, "b": None, "c": {"task": {"title": "c"}}}
    assert [failed["path"] for failed in body["errors"]] == [["b"]]


def test_responses_may_not_be_stored(api: stack.Server) -> None:
    for response in (send(api, content=VIEWER), send(api, content="{")):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_many_bad_values_are_bad_user_input_and_no_internal_error(
    ada: Caller, api: stack.Server
) -> None:
    """The error quotes the values only in part."""
    query = "query ($s: [TaskStatus!]) { tasks(filter: {status: $s}) { totalCount } }"
    for values in (["x"] * 60, ["x" * 100_000]):
        answer = ada.post(query, {"s": values})
        codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
        assert codes == {"BAD_USER_INPUT"}
        assert len(answer.content) < 60_000
    assert not [line for line in api.lines if "Too many errors" in line]


def endpoint(context: Callable[[Scope, Operation, float], Awaitable[object]]) -> GraphQLEndpoint:
    operations = Operations(Documents(schema), Execution(schema, None), context)
    sessions = Sessions(found)
    return GraphQLEndpoint(operations, EventStreams(operations, sessions), sessions)


async def found() -> None:
    """Find no new revocation."""


async def answered(by: GraphQLEndpoint, cancel_at: asyncio.Event | None = None) -> dict[str, Any]:
    """Return the status and the code of a response, and cancel the request after this event."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": VIEWER.encode()}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    state = {"claims": Claims("ada", 0)}
    scope: Scope = {"type": "http", "method": "POST", "headers": headers, "state": state}
    running = asyncio.ensure_future(by(scope, receive, send))
    if cancel_at:
        await cancel_at.wait()
        running.cancel()
    await running
    [failed] = json.loads(sent[1]["body"])["errors"]
    return {"status": sent[0]["status"], **failed["extensions"]}


def test_request_that_a_stopping_server_cancels_is_answered_503() -> None:
    async def cancelled() -> dict[str, Any]:
        begun = asyncio.Event()

        async def never(*_: object) -> None:
            begun.set()
            await asyncio.Event().wait()

        return await answered(endpoint(never), begun)

    assert asyncio.run(cancelled()) == {"status": 503, "code": "UNAVAILABLE"}


def test_bug_outside_of_the_resolvers_has_a_request_id_that_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    told = asyncio.run(answered(endpoint(fails)))
    assert told["code"] == "INTERNAL_SERVER_ERROR"
    assert f"bug {told['requestId']}" in caplog.text
