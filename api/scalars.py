"""The GraphQL scalars for timestamps and days."""

import re
from datetime import UTC, date, datetime

import strawberry

from api.graphql.execution import Exactly


def _utc(timestamp: datetime) -> str:
    return timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")


DateTime = strawberry.scalar(
    name="DateTime",
    description="A timestamp in UTC (RFC 3339), with up to six decimals of a second.",
    specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
    serialize=_utc,
    parse_value=datetime.fromisoformat,
)

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a day is written YYYY-MM-DD")
    return date.fromisoformat(value)


Date = strawberry.scalar(
    name="Date",
    description="A calendar day without a time zone: YYYY-MM-DD.",
    specified_by_url="https://scalars.graphql.org/andimarek/local-date.html",
    serialize=date.isoformat,
    parse_value=_day,
)

PASSTHROUGH = {"DateTime": Exactly(datetime, tzinfo=UTC), "Date": Exactly(date)}
"""The values of each scalar that orjson, with OPT_UTC_Z, writes as the scalar would."""
