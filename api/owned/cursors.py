"""Encode and verify keyset cursors: the position of a row in a list, as a string.

A cursor has the sort key of its row, a digest of everything that the list depends on (its owner,
its order, its filter), and a checksum. So a cursor of another list is rejected, and so is a cursor
with a changed character. Cursors are not signed: a client that forges one can still read only its
own rows.
"""

import hashlib
from binascii import a2b_base64, b2a_base64
from struct import Struct
from zlib import crc32

from api.errors import BadUserInput

DEFAULT_SIZE = 50
"""The size of a page of a list, unless the client asks for another."""
MAX_SIZE = 100
"""The most rows of a page."""

_HEAD = Struct(">8sI")
"""The head of a cursor: the digest of its list, and the checksum of the sort key that follows."""
_LONGEST = 2_000
"""The most characters of a cursor. The longest sort key is a title of 200 characters: some of them
become three characters when they are case-folded."""


class InvalidCursor(BadUserInput):
    """The value of `after` is not a cursor of this list."""

    def __init__(self) -> None:
        super().__init__({"after": "is not a cursor of this list"})


def size(first: int | None, default: int) -> int:
    """Return the most rows of a page: `first`, or the default. Raises BadUserInput."""
    if first is None:
        return default
    if not 1 <= first <= MAX_SIZE:
        raise BadUserInput({"first": f"must be 1 to {MAX_SIZE}"})
    return first


class Cursors:
    """Encodes and decodes the cursors of one list, which `scope` describes."""

    def __init__(self, scope: str) -> None:
        self._digest = hashlib.sha256(scope.encode()).digest()[:8]

    def encode(self, *key: str) -> str:
        """Return the cursor of the row with this sort key."""
        position = "\x1f".join(key).encode()
        octets = _HEAD.pack(self._digest, crc32(position)) + position
        return b2a_base64(octets, newline=False).decode("ascii")

    def decode(self, cursor: str) -> list[str]:
        """Return the sort key in a cursor. Raises InvalidCursor if it is not one of this list."""
        if len(cursor) > _LONGEST:
            raise InvalidCursor
        try:
            position = a2b_base64(cursor, strict_mode=True)[_HEAD.size :]
            key = position.decode().split("\x1f")
        except ValueError:
            raise InvalidCursor from None
        if self.encode(*key) != cursor:
            raise InvalidCursor
        return key
