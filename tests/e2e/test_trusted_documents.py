"""The web app with an API that runs only the web app's documents."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from dev.postgres import Postgres
from tests import plain, stack
from tests.e2e.person import TOKEN, Newcomer

MANIFEST = stack.FRONTEND / "gql/persisted-documents.json"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[stack.Site]:
    only = {"TRUSTED_DOCUMENTS": str(MANIFEST), "TRUSTED_DOCUMENTS_ONLY": "1"}
    with stack.site(tmp_path_factory.mktemp("closed"), postgres, **only) as running:
        yield running


@pytest.mark.prove
def test_web_app_needs_no_other_documents(closed: stack.Site, newcomer: Newcomer) -> None:
    ada = newcomer(closed)
    ada.signs_up()
    ada.adds("Call the bank")
    ada.page.get_by_role("checkbox", name="Completed: Call the bank").check()
    ada.clicks("Completed", "link")
    expect(ada.task("Call the bank")).to_be_visible()
    received = ada.sockets[0].received
    ada.waits_until(lambda: "Call the bank" in "".join(received), "no change has arrived")

    headers = {"Authorization": f"Bearer {ada.page.evaluate(TOKEN)}"}
    asked: Any = {"query": "{ __schema { queryType { name } } }"}
    url = f"{closed.api.url}/graphql"
    answer = plain.post(url, json=asked, headers=headers)
    assert answer.json()["errors"][0]["extensions"]["reason"] == "DOCUMENT_NOT_TRUSTED"
    status = ada.page.evaluate("fetch('/graphiql').then(answer => answer.status)")
    assert status == 404
    ada.ignores_messages("status of 404")
