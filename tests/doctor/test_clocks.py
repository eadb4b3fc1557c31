"""The doctor finds out which of the clocks of an installation is wrong."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from api.doctor.clocks import Clocks
from tests import issuer
from tests.issuer import Issuer
from tests.test_doctor import examined, wrong


def test_clock_that_differs_from_most_others_is_wrong() -> None:
    def found(**ahead: float) -> str:
        clocks = Clocks()
        for whose, seconds in ahead.items():
            clocks.record(whose, time.time() + seconds, 0.1)
        return "".join(str(finding) for finding in clocks.findings())

    assert found() == ""
    agreeing = found(a=14, b=1)
    assert agreeing == "ok     clock: the clocks of this machine, a and b agree within 13.9 s"
    own = found(database=-60, issuer=-60)
    assert "the clock of this machine is 60 s ahead of those of database and issuer" in own
    assert "synchronize the clock of this machine by NTP" in own
    undecided = found(database=60)
    assert "the clock of database is 60 s ahead of that of this machine" in undecided
    assert "synchronize the clocks of this machine and database by NTP" in undecided
    two = found(database=60, issuer=60, api=-60)
    assert "the clock of api is 60 s behind that of this machine" in two
    assert "synchronize the clocks of this machine, database, issuer and api" in two


def test_wrong_clock_of_the_running_api_is_named(settings: dict[str, str]) -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    response = issuer.responding(b'{"err":"invalid_request"}', "400 Bad Request", Date=date)
    with Issuer(response) as served, Issuer(issuer.responding(b"{}")) as web:
        env = {"NEXT_PUBLIC_BETTER_AUTH_URL": web.origin, "EVENTS_URL": f"{served.origin}/events"}
        found = examined(settings | env)
    assert wrong(found) == ["clock"]
    assert "the clock of the API is 3" in found["clock"].detail
    assert "behind those of this machine and the database" in found["clock"].detail
