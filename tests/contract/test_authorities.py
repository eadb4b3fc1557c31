"""The web app's server trusts a private certificate authority for TLS."""

from pathlib import Path

import pytest

from tests.authority import CANNOT_ENTER_THE_STORE, Authority
from tests.contract.people import Browsers, issuer
from tests.contract.receiver import Receiver


@pytest.mark.parametrize("where", ["nowhere", "a variable", "the system's store"])
def test_events_reach_an_api_whose_authority_is_trusted(
    browsers: Browsers, tmp_path: Path, where: str
) -> None:
    if where == "the system's store" and CANNOT_ENTER_THE_STORE:
        pytest.skip(CANNOT_ENTER_THE_STORE)
    authority = Authority(tmp_path)
    under = authority.in_the_systems_store() if where == "the system's store" else []
    told = {"NODE_EXTRA_CA_CERTS": str(authority.file)} if where == "a variable" else {}
    with (
        Receiver.listening(authority.server) as receiver,
        issuer(under, EVENTS_URL=f"{receiver.url}/events", **told) as site,
    ):
        ada = browsers.join(site.url)
        ada.client.post("/api/auth/sign-out", json={}).raise_for_status()
        if where == "nowhere":
            site.web.wait_for_output(
                "security events: the API does not accept them, and they stay in the outbox"
            )
            assert receiver.of(ada.id) == []
        else:
            receiver.wait(ada.id, 1)
