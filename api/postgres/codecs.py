"""Text codecs for timestamps, dates and UUIDs, in place of asyncpg's binary codecs.

Python parses the text of a timestamp or a date faster than asyncpg decodes its binary form. For a
page of fifty rows, these values are most of what asyncpg decodes. All other code handles ids as
text, so ids need no conversion at all.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg


async def set_text_codecs(connection: "asyncpg.Connection[Any]") -> None:
    """Make this connection exchange timestamps, dates and UUIDs with PostgreSQL as text."""
    async with connection.transaction():
        for name, encoder, decoder in (
            ("timestamptz", _timestamp_as_text, datetime.fromisoformat),
            ("date", str, date.fromisoformat),
        ):
            await connection.set_type_codec(
                name, schema="pg_catalog", encoder=encoder, decoder=decoder
            )
        await connection.set_builtin_type_codec(
            "uuid", schema="pg_catalog", codec_name="text", format="text"
        )


def _timestamp_as_text(timestamp: datetime) -> str:
    """Return the text of a timestamp that has a time zone.

    As in asyncpg's own codec, `datetime.min` and `datetime.max` without a time zone are infinite.
    """
    if timestamp.tzinfo is not None:
        return timestamp.isoformat()
    return {datetime.min: "-infinity", datetime.max: "infinity"}[timestamp]  # noqa: DTZ901 - they have no time zone on purpose
