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

from api.errors import BadUserInput

DEFAULT_SIZE = 50
MAX_SIZE = 100

_DIGEST = 9  # bytes: 12 characters of base64, and no padding inside a cursor
_SHAPE = re.compile(r"[\w-]{13,2000}", re.ASCII)
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


def cursor(scope: str, key: Sequence[str]) -> str:
    """The cursor of the row with this sort key, in the list that `scope` describes."""
    position = "\x1f".join(key).encode()
    return urlsafe_b64encode(_digest(scope, position) + position).rstrip(b"=").decode()


def position(scope: str, given: str) -> list[str]:
    """The sort key in a cursor. Raises NoCursor when it was not made for this list."""
    if not _SHAPE.fullmatch(given) or len(given) % 4 == 1:
        raise NoCursor
    octets = urlsafe_b64decode(given + "=" * (-len(given) % 4))
    key = octets[_DIGEST:].decode(errors="replace").split("\x1f")
    if cursor(scope, key) != given:
        raise NoCursor
    return key


def _digest(scope: str, position: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + position).digest()[:_DIGEST]
