"""Keyset cursors, for any order: where a page ends, as a string bound to its list.

A cursor holds the sort key of its row, a digest of everything the list depends on (whose it is, its
order, its filter), and a checksum. So a cursor of another list, and one with a single character
changed, are refused instead of paging from somewhere else. It is no secret and needs none: whoever
forges one still reads nothing but rows of their own.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from zlib import crc32

from api.errors import BadUserInput

DEFAULT_SIZE = 50
MAX_SIZE = 100

_DIGEST, _CHECKSUM = 8, 4  # bytes: together 16 characters of base64, and no padding in a cursor
_SHAPE = re.compile(r"[\w-]{17,2000}", re.ASCII)
"""The longest is of a title of 200 characters, some of which are three when folded."""


class NoCursor(BadUserInput):
    """What was given as `after` is no cursor that this API wrote for this list."""

    def __init__(self) -> None:
        super().__init__({"after": "is not a cursor of this list"})


def size(first: int | None, default: int) -> int:
    """How many rows a page may have. Raises BadUserInput."""
    if first is None:
        return default
    if not 1 <= first <= MAX_SIZE:
        raise BadUserInput({"first": f"must be 1 to {MAX_SIZE}"})
    return first


class Cursors:
    """Of one list, which `scope` describes."""

    def __init__(self, scope: str) -> None:
        self._digest = hashlib.sha256(scope.encode()).digest()[:_DIGEST]

    def at(self, *key: str) -> str:
        """Of the row with this sort key."""
        place = "\x1f".join(key).encode()
        checksum = crc32(place).to_bytes(_CHECKSUM, "big")
        return urlsafe_b64encode(self._digest + checksum + place).rstrip(b"=").decode()

    def key(self, cursor: str) -> list[str]:
        """The sort key in a cursor. Raises NoCursor when it was not made for this list."""
        if not _SHAPE.fullmatch(cursor) or len(cursor) % 4 == 1:
            raise NoCursor
        octets = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        key = octets[_DIGEST + _CHECKSUM :].decode(errors="replace").split("\x1f")
        if self.at(*key) != cursor:
            raise NoCursor
        return key
