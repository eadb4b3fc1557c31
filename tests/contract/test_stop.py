"""The web app stops in time."""

import signal
import socket

import pytest

from dev.postgres import Postgres
from tests.contract.people import issuer
from tests.waiting import SLACK


@pytest.mark.prove
def test_web_app_stops_though_a_client_keeps_a_connection_without_a_request(
    postgres: Postgres,
) -> None:
    with issuer(postgres) as site:
        port = int(site.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            site.web.child.ask_to_stop()
            assert site.web.child.process.wait(9 + SLACK) == 128 + signal.SIGTERM
