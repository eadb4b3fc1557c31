"""The clocks of the API and of PostgreSQL differ, while clients write."""

import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev.postgres import Postgres
from tests import shared, stack
from tests.conftest import Caller, mint, run, trusting
from tests.events import push, revoked
from tests.faults.writers import writing
from tests.waiting import SLACK

pytestmark = pytest.mark.prove

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
VIEWER = "{ viewer { id } }"


def clock(seconds: int) -> dict[str, str]:
    """Return the variables that put the clock of a program this many seconds forward.

    Its monotonic clock is the machine's. Skip the test if the machine does not have faketime.
    """
    if not LIBRARIES:
        pytest.skip("needs libfaketime: apt-get install faketime")
    faked = {"LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME": f"{seconds:+d}s"}
    return {**faked, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("seconds", [3600, -25])
def test_clock_of_the_api_is_wrong(postgres: Postgres, tmp_path: Path, seconds: int) -> None:
    env = trusting(postgres.url, **clock(seconds))
    api = stack.api(tmp_path, env, "--no-migrate")
    with writing(f"clock of the API {seconds:+d} s", api.url, postgres) as writers:
        writers.repaired()
    assert not writers.answers()[503]
    api.stop()


def test_clock_of_the_api_is_an_hour_slow(postgres: Postgres, tmp_path: Path) -> None:
    """New tokens are refused, because they seem to be issued in the future. Older ones are not."""
    env = trusting(postgres.url, **clock(-3600))
    api = stack.api(tmp_path, env, "--no-migrate")
    now = int(time.time())
    assert Caller(api.url, "ada", mint("ada")).post(VIEWER).status_code == 401
    api.wait_for_output("token rejected: nbf or iat is in the future")
    older = mint("ada", iat=now - 3600)
    assert Caller(api.url, "ada", older).post(VIEWER).status_code == 200
    doctor = [sys.executable, "-m", "api", "doctor"]
    said = subprocess.run(
        doctor, env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert re.search(r"database.*clock|clock.*database", said.stdout), said
    api.stop()


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_clock_of_postgresql_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    with monkeypatch.context() as only_here, ExitStack() as until_the_end:
        for name, value in clock(seconds).items():
            only_here.setenv(name, value)
        server = until_the_end.enter_context(shared.server({"fsync": "off"}))
        only_here.undo()
        told = run(server, lambda c: c.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
        assert abs(float(told) - time.time() - seconds) < SLACK
        api = stack.api(tmp_path, trusting(server.url))
        until_the_end.callback(api.stop)
        with writing(f"clock of PostgreSQL {seconds:+d} s", api.url, server) as writers:
            writers.repaired()
        assert not writers.answers()[503]
        session = Caller(api.url, "ada", mint("ada", sid="hers"))
        assert session.post(VIEWER).status_code == 200
        assert push(api.url, revoked("ada", "hers")).status_code == 202
        assert session.post(VIEWER).status_code == 401
