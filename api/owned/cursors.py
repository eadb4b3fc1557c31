"""Keyset cursors, for any order: where a page ends, as a string bound to its list.

A cursor holds the sort key of its row, a digest of everything the list depends on (whose it is, its
order, its filter), and a checksum. So a cursor of another list, and one with a single character
changed, are refused instead of paging from somewhere else. It is no secret and needs none: whoever
forges one still reads nothing but rows of their own.
"""

import hashlib
from binascii import a2b_base64, b2a_base64
from struct import Struct
from zlib import crc32

from api.errors import BadUserInput

DEFAULT_SIZE = 50
MAX_SIZE = 100

_HEAD = Struct(">8sI")
"""Of a cursor: its list's digest, and the checksum of the sort key that follows."""
_LONGEST = 2_000
"""Characters of a cursor: of a title of 200, some of which are three when folded."""


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
        self._digest = hashlib.sha256(scope.encode()).digest()[:8]

    def at(self, *key: str) -> str:
        """Of the row with this sort key."""
        place = "\x1f".join(key).encode()
        octets = _HEAD.pack(self._digest, crc32(place)) + place
        return b2a_base64(octets, newline=False).decode("ascii")

    def key(self, cursor: str) -> list[str]:
        """The sort key in a cursor. Raises NoCursor when it was not made for this list."""
        if len(cursor) > _LONGEST:
            raise NoCursor
        try:
            place = a2b_base64(cursor, strict_mode=True)[_HEAD.size :]
            key = place.decode().split("\x1f")
        except ValueError:
            raise NoCursor from None
        if self.at(*key) != cursor:
            raise NoCursor
        return key
