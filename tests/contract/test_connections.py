"""The web app's connections to PostgreSQL: a locked table does not accumulate backends."""

import json
import secrets
import subprocess
from typing import Any

import pytest

from dev.postgres import ROOT, Postgres
from tests import pooler, stack
from tests.waiting import PATIENCE


def under_a_lock(url: str, watched: str) -> dict[str, Any]:
    """Return what `lock.mjs` observed with connections to `url`, by a connection to `watched`."""
    table = f"locked_{secrets.token_hex(6)}"
    script = ROOT / "tests/contract/lock.mjs"
    command = [str(stack.NODE), str(script), url, watched, table]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen


def test_locked_table_occupies_no_backend_longer_than_the_timeout(postgres: Postgres) -> None:
    seen = under_a_lock(postgres.url, postgres.url)
    assert 1 <= seen["most"] <= 4
    assert seen["left"] == 0
    assert seen["codes"] == ["57014"], "PostgreSQL cancelled each of them"
    assert seen["timeout"] == "300ms", "a setting of the session, without a transaction for each"
    assert seen["rows"] == [{"id": 2}]


@pytest.mark.skipif(pooler.BINARY is None, reason=pooler.WHY_NOT)
def test_timeout_applies_behind_a_transaction_pooler(postgres: Postgres) -> None:
    with pooler.pooler(postgres.url) as url:
        seen = under_a_lock(url, postgres.url)
    assert 1 <= seen["most"] <= pooler.SERVER_CONNECTIONS
    assert seen["left"] == 0
    assert seen["codes"] == ["57014"]
    assert seen["rows"] == [{"id": 2}]
