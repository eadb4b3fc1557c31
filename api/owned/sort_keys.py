"""The sort keys of lists: their form in a cursor, and a bound below and above all values."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Date, DateTime, SmallInteger, Text, bindparam

from api.caching import cached


@dataclass(frozen=True, slots=True)
class SortKey:
    """The sort key of a list: its form in a cursor, and its lowest and highest value."""

    parameter: ColumnElement[Any]
    lowest: object
    highest: object
    write: Callable[[Any], str]
    read: Callable[[str], object]
    """Raises ValueError for a text that `write` cannot have written."""


@cached
def sort_key(column: Column[Any]) -> SortKey:
    """Return the sort key of a column, by its type. Raises TypeError for a type that has none."""
    for kind, key in _KEYS.items():
        if isinstance(column.type, kind):
            return key
    raise TypeError(f"no list can be sorted by a column of type {column.type}")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SMALL = range(-(2**15), 2**15)


def _written_timestamp(timestamp: datetime) -> str:
    """Return the microseconds since 1970 as text. `isoformat` would take four times as long."""
    since = timestamp - _EPOCH
    return str((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _read_timestamp(text: str) -> datetime:
    try:
        return _EPOCH + int(text) * _MICROSECOND
    except OverflowError:
        raise ValueError(text) from None


def _read_small(text: str) -> int:
    number = int(text)
    if number not in _SMALL:
        raise ValueError(text)
    return number


def _read_text(text: str) -> str:
    if "\0" in text:  # PostgreSQL has no such text
        raise ValueError(text)
    return text


_KEYS: dict[type, SortKey] = {
    # The codec sends `datetime.min` and `datetime.max` without a time zone as infinite.
    DateTime: SortKey(
        bindparam("after", type_=DateTime(timezone=True)),
        datetime.min,  # noqa: DTZ901 - see above
        datetime.max,  # noqa: DTZ901 - see above
        _written_timestamp,
        _read_timestamp,
    ),
    Date: SortKey(bindparam("after", type_=Date), "-infinity", "infinity", str, date.fromisoformat),
    SmallInteger: SortKey(
        bindparam("after", type_=SmallInteger), _SMALL[0], _SMALL[-1], str, _read_small
    ),
    # The highest value repeats the last character of Unicode, and is longer than any sorted text.
    Text: SortKey(bindparam("after", type_=Text), "", "\U0010ffff" * 256, str, _read_text),
}
