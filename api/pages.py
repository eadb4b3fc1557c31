"""Keyset cursors, for any order: where a page ends, as a string bound to its list.

A cursor holds the sort key of its row, and a digest of that key together with everything the list
depends on (whose it is, its order, its filter). So a cursor of another list, and one with a single
character changed, are refused instead of paging from somewhere else. It is no secret and needs
none: whoever forges one still reads nothing but rows of their own.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

DEFAULT_SIZE = 50
MAX_SIZE = 100

_DIGEST = 9  # bytes: 12 characters of base64, and no padding inside a cursor
_SHAPE = re.compile(r"[\w-]{13,1000}", re.ASCII)


def cursor(scope: str, key: Sequence[str]) -> str:
    """The cursor of the row with this sort key, in the list that `scope` describes."""
    position = "\x1f".join(key).encode()
    return urlsafe_b64encode(_digest(scope, position) + position).rstrip(b"=").decode()


def position(scope: str, given: str) -> list[str] | None:
    """The sort key in a cursor, or None when it was not made for this list."""
    if not _SHAPE.fullmatch(given) or len(given) % 4 == 1:
        return None
    octets = urlsafe_b64decode(given + "=" * (-len(given) % 4))
    key = octets[_DIGEST:].decode(errors="replace").split("\x1f")
    return key if cursor(scope, key) == given else None


def _digest(scope: str, position: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + position).digest()[:_DIGEST]
