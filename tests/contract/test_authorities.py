"""The web app's server trusts a private certificate authority for TLS."""

from pathlib import Path

import pytest

from dev.postgres import Postgres
from tests.authority import CANNOT_ENTER_THE_STORE, Authority
from tests.contract.people import Browsers, issuer
from tests.contract.receiver import Receiver


@pytest.mark.parametrize(
    "where", [pytest.param("a variable", marks=pytest.mark.prove), "the system's store"]
)
def test_events_reach_only_an_api_whose_authority_is_trusted(
    browsers: Browsers, tmp_path: Path, where: str, postgres: Postgres
) -> None:
    if where == "the system's store" and CANNOT_ENTER_THE_STORE:
        pytest.skip(CANNOT_ENTER_THE_STORE)
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    under = authority.in_the_systems_store() if where == "the system's store" else []
    told = {"NODE_EXTRA_CA_CERTS": str(authority.file)} if where == "a variable" else {}
    with (
        Receiver.listening(other.server) as receiver,
        issuer(postgres, under, EVENTS_URL=f"{receiver.url}/events", **told) as site,
    ):
        ada = browsers.join(site.url)
        ada.client.post("/api/auth/sign-out", json={}).raise_for_status()
        site.web.wait_for_output(
            "security events: the API does not accept them, and they stay in the outbox"
        )
        assert receiver.of(ada.id) == []
        receiver.stop()
        receiver.tls = authority.server
        receiver.start()
        receiver.wait(ada.id, 1)
