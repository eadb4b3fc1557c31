"""Trusted documents run by their hashes. With TRUSTED_DOCUMENTS_ONLY nothing else runs."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import plain, stack
from tests.conftest import SITE, mint

VIEWER = "query Viewer { viewer { id } }"
PAGES = "query Pages($n: Int) { tasks(first: $n) { nodes { id } } }"
RENAME = 'mutation Add { createTask(input: {title: "x"}) { task { title } } }'


def identifier(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def manifest(folder: Path, *documents: str) -> str:
    """Write a manifest of these documents, and return its path."""
    path = folder / "persisted-documents.json"
    path.write_text(json.dumps({identifier(text): text for text in documents}))
    return str(path)


@pytest.fixture(scope="module", params=["beside others", "only"])
def trusting(
    settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory, request: Any
) -> Iterator[tuple[stack.Server, bool]]:
    """Start an API with three trusted documents, and yield whether it runs only these."""
    folder = tmp_path_factory.mktemp("trusting")
    only = request.param == "only"
    variables = {
        "TRUSTED_DOCUMENTS": manifest(folder, VIEWER, PAGES, RENAME),
        "TRUSTED_DOCUMENTS_ONLY": str(int(only)),
    }
    server = stack.api(folder, settings | variables)
    yield server, only
    server.stop()


def send(server: stack.Server, method: str = "POST", **given: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {mint('ada')}", "Accept": "application/json"}
    sent = {"json": given} if method == "POST" else {"params": given}
    url = f"{server.url}/graphql"
    return plain.request(method, url, headers=headers, **sent)  # type: ignore[arg-type]  # either


def persisted(text: str, **further: object) -> dict[str, Any]:
    """Return the extension as the clients of Apollo and urql write it."""
    return {"persistedQuery": {"version": 1, "sha256Hash": identifier(text), **further}}


def test_trusted_document_runs_by_its_identifier(trusting: tuple[stack.Server, bool]) -> None:
    server, _ = trusting
    ada = {"data": {"viewer": {"id": "ada"}}}
    assert send(server, documentId=identifier(VIEWER)).json() == ada
    assert send(server, "GET", documentId=identifier(VIEWER), operationName="").json() == ada
    assert send(server, documentId=identifier(VIEWER), operationName="Viewer").json() == ada
    assert send(server, extensions=persisted(VIEWER)).json() == ada
    bare = {"persistedQuery": {"version": 1, "sha256Hash": identifier(VIEWER)[7:]}}
    assert send(server, extensions=bare).json() == ada
    web_app = send(server, query=VIEWER, extensions=persisted(VIEWER, miss=True))
    assert web_app.json() == ada
    page = send(server, documentId=identifier(PAGES), variables={"n": 1}).json()
    assert page == {"data": {"tasks": {"nodes": []}}}


def test_unknown_identifier_is_not_found_and_is_not_registered(
    trusting: tuple[stack.Server, bool],
) -> None:
    server, only = trusting
    unknown = "{ viewer { email } }"
    for _ in range(2):
        for given in ({"documentId": identifier(unknown)}, {"extensions": persisted(unknown)}):
            answer = send(server, **given)
            [error] = answer.json()["errors"]
            assert answer.status_code == 400
            assert error["message"] == "PersistedQueryNotFound"
            assert error["extensions"] == {"code": "BAD_REQUEST", "reason": "DOCUMENT_NOT_TRUSTED"}
        # The request of a client that wants to register the document.
        answer = send(server, query=unknown, extensions=persisted(unknown))
        assert answer.status_code == (400 if only else 200)


def test_untrusted_document_runs_unless_only_trusted_ones_may(
    trusting: tuple[stack.Server, bool],
) -> None:
    server, only = trusting
    for text in ("{ viewer { email } }", "{ __schema { queryType { name } } }", VIEWER + " "):
        answer = send(server, query=text)
        assert answer.status_code == (400 if only else 200), text
        assert ("errors" in answer.json()) == only


def test_text_next_to_a_trusted_identifier_is_ignored(
    trusting: tuple[stack.Server, bool],
) -> None:
    server, _ = trusting
    answer = send(server, query="{ viewer { email } }", documentId=identifier(VIEWER))
    assert answer.json() == {"data": {"viewer": {"id": "ada"}}}


def test_trusted_documents_are_subject_to_all_other_rules(
    trusting: tuple[stack.Server, bool],
) -> None:
    server, _ = trusting
    refused = send(server, "GET", documentId=identifier(RENAME))
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    large = send(server, documentId=identifier(PAGES), variables={"n": 1, "x": [1] * 20_000})
    assert large.json()["errors"][0]["extensions"]["code"] == "OPERATION_TOO_LARGE"
    assert send(server, documentId=7).status_code == 400
    stranger = plain.post(f"{server.url}/graphql", json={"documentId": identifier(VIEWER)})
    assert stranger.status_code == 401


def test_graphiql_is_unavailable_if_only_trusted_documents_run(
    trusting: tuple[stack.Server, bool],
) -> None:
    server, only = trusting
    answer = plain.get(f"{server.url}/graphql", headers={"Accept": "text/html"})
    assert answer.status_code == (404 if only else 303)
    assert answer.headers.get("location") == (None if only else f"{SITE}/graphiql")


def test_api_without_trusted_documents_answers_not_supported(api: stack.Server) -> None:
    answer = send(api, documentId=identifier(VIEWER))
    assert answer.json()["errors"][0]["message"] == "PersistedQueryNotSupported"
    assert send(api, query=VIEWER, extensions=persisted(VIEWER, miss=True)).status_code == 200
