"""The web app logs how an outage of the API ends, though the API refuses another security event."""

import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dev.postgres import ROOT
from tests import stack
from tests.conftest import run
from tests.waiting import PATIENCE

LIFETIME = timedelta(days=1)
BEGINS = "security events: the API does not accept them, and they stay in the outbox (503)"
ACCEPTS = "security events: the API accepts them again"
REFUSES = "security events: the API responds again, but refuses an event"


class Event:
    """The end of a session, for which the outbox may have a row."""

    def __init__(self, age: timedelta = timedelta(0)) -> None:
        self.jti, self.ended_at = str(uuid.uuid4()), datetime.now(UTC) - age

    def described(self) -> dict[str, str]:
        """Return the event as the web app reads it from the outbox."""
        return {"jti": self.jti, "sessionId": "one", "endedAt": self.ended_at.isoformat()}


Outcome = tuple[str, Event]
"""Whether an event was `taken`, `refused` or `failed`."""


def logged(site: stack.Site, *deliveries: list[Outcome]) -> list[list[str]]:
    """Return the lines that the web app logs after each delivery, without their durations."""
    told = []
    for outcomes in deliveries:
        by_outcome: dict[str, object] = {"problem": "503", "wait": 0}
        for kind in ("taken", "refused", "failed"):
            by_outcome[kind] = [event.jti for outcome, event in outcomes if outcome == kind]
        told.append(by_outcome | {"events": [event.described() for _, event in outcomes]})
    script = str(ROOT / "tests/contract/deliveries.mjs")
    lifetime = str(int(LIFETIME.total_seconds()))
    command = [str(stack.NODE), script, site.database.url, lifetime, json.dumps(told)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    lines: list[list[str]] = json.loads(re.sub(r", after \d+ s", "", ran.stdout))
    return lines


@pytest.fixture
def refused(site: stack.Site) -> Iterator[Event]:
    """Return an event that the API has refused once. No process retries it during the test."""
    event = Event()
    insert = """
        INSERT INTO security_event_outbox (jti, user_id, session_id, attempts, due_at)
        VALUES ($1, 'nobody', 'one', 1, now() + interval '1 day')"""
    run(site.database, lambda c: c.execute(insert, event.jti))
    yield event
    delete = "DELETE FROM security_event_outbox WHERE jti = $1"
    run(site.database, lambda c: c.execute(delete, event.jti))


def test_expired_event_ends_no_problem_while_others_wait(site: stack.Site, refused: Event) -> None:
    expired = Event(age=LIFETIME + timedelta(hours=1))
    fresh = Event()
    lines = logged(
        site,
        [("failed", expired)],
        [],
        [("refused", refused)],
        [("taken", fresh), ("refused", refused)],
        [("taken", Event())],
    )
    assert lines == [[BEGINS], [], [], [ACCEPTS], []]


def test_refused_event_does_not_hide_that_the_event_that_failed_was_delivered(
    site: stack.Site, refused: Event
) -> None:
    # Its row is gone before it has expired, so another process has delivered it.
    delivered = Event(age=timedelta(hours=1))
    assert logged(site, [("failed", delivered)], [("refused", refused)]) == [[BEGINS], [ACCEPTS]]


def test_problem_of_an_event_lasts_while_the_event_waits(site: stack.Site, refused: Event) -> None:
    waits, other = refused, Event()
    lines = logged(site, [("failed", waits)], [("taken", other)], [], [("refused", waits)])
    assert lines == [[BEGINS], [], [], [REFUSES]]
