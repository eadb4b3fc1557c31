"""The page of tasks is sent without tasks if the API does not answer in time."""

import socket
import time

from dev.postgres import Postgres
from tests.contract.people import Browsers, issuer
from tests.waiting import SLACK


def test_page_does_not_wait_for_an_api_that_does_not_answer(
    postgres: Postgres, browsers: Browsers
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with issuer(postgres, API_URL=f"http://127.0.0.1:{port}") as site:
            ada = browsers.join(site.url)
            began = time.monotonic()
            page = ada.client.get("/tasks")
            assert page.status_code == 200
            assert time.monotonic() - began < 2 + SLACK
            site.web.wait_for_output("a page was sent without its tasks")
