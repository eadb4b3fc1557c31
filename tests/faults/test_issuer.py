"""The issuer of the tokens cannot be reached, while clients write."""

import logging
import time
from pathlib import Path

import pytest

from dev.postgres import Postgres
from tests import issuer, stack
from tests.conftest import SITE, Caller, trusting
from tests.faults.test_postgres import is_ready
from tests.faults.writers import writing
from tests.issuer import Issuer
from tests.waiting import wait_until
from tests.wrong_tokens import Case

log = logging.getLogger(__name__)

SIGNER = issuer.eddsa()
VIEWER = "{ viewer { id } }"


def token(owner: str, header: dict[str, str] | None = None) -> str:
    """Return a token that the key set's issuer has signed."""
    return Case(SIGNER, int(time.time()), SITE).token(header, sub=owner, user_id=owner)


@pytest.mark.prove
def test_issuer_is_gone(postgres: Postgres, tmp_path: Path) -> None:
    with Issuer(issuer.serving(SIGNER.jwk)) as served:
        env = trusting(postgres.url, JWKS_URL=served.url)
        api = stack.api(tmp_path, env, "--no-migrate")
        with writing("the issuer is gone", api.url, postgres, token) as writers:
            served.behaviour = issuer.resetting
            # A token that names an unknown key cannot be checked now.
            assert (
                Caller(api.url, "ada", token("ada", {"kid": "new"})).post(VIEWER).status_code == 503
            )
            writers.wait_until_each_wrote(10)
            assert is_ready(api)
            late = stack.api(tmp_path, env, "--no-migrate")
            ada = Caller(late.url, "ada", token("ada"))
            assert ada.post(VIEWER).status_code == 503
            served.behaviour = issuer.serving(SIGNER.jwk)
            writers.repaired()
            began = time.monotonic()
            wait_until(lambda: ada.post(VIEWER).status_code != 503, "the keys are not fetched")
            recovered = time.monotonic() - began
            assert ada(VIEWER) == {"viewer": {"id": "ada"}}
        assert not writers.answers()[503], "the keys are cached"
    log.warning("| API started without its issuer | 503 | nothing to lose | %.2f | |", recovered)
    api.stop()
    late.stop()
