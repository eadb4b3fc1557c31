"""How values are written into responses and messages."""

import json
from datetime import UTC, date, datetime

from api.graphql.results import encoded


def test_times_are_written_alike_beside_a_lone_surrogate() -> None:
    """The client may choose a lone surrogate as the id of an operation of its socket."""
    times = {"createdAt": datetime(2026, 1, 2, 3, 4, 5, 678, UTC), "dueOn": date(2026, 1, 2)}
    written = {"createdAt": "2026-01-02T03:04:05.000678Z", "dueOn": "2026-01-02"}
    for id in ("a", "\ud800"):
        assert json.loads(encoded({"id": id, "data": times})) == {"id": id, "data": written}
