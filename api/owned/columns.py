"""Validation rules for the columns of nouns: texts, ids, labels and positions."""

import re
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Union, get_args, get_origin
from uuid import UUID

from annotated_types import Len
from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import ErrorDetails, PydanticCustomError

NIL = str(UUID(int=0))
"""The nil UUID, which replaces a malformed id. No row has it, and the same query looks for it."""
MAX = str(UUID(int=2**128 - 1))
"""An id that no row has and that sorts after every other (RFC 9562 §5.10)."""
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Return whether a text is a UUID in its canonical spelling, the only one that is accepted.

    The spelling is that of RFC 9562 §4, in lower case.
    """
    return _ID.fullmatch(text) is not None


def id_or_nil(text: str) -> str:
    """Return the id, or the nil UUID for a malformed one, so that both run the same query."""
    return text if is_id(text) else NIL


def _without_controls(allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed for c in value):
            raise PydanticCustomError("control_character", "must not contain control characters")
        return value

    return AfterValidator(check)


ONE_LINE = _without_controls("")
"""A rule for a text without control characters."""
PARAGRAPHS = _without_controls("\n\r\t")
"""A rule for a text without control characters other than line breaks and tabs."""


def null_is(default: object) -> BeforeValidator:
    """Return a rule that stores `default` when a client sends null."""
    return BeforeValidator(lambda value: default if value is None else value)


@dataclass(frozen=True)
class MaxOctets:
    """The most bytes of a value in JSON, for a column whose other rules do not limit them."""

    octets: int


def max_octets(annotation: object, rules: Sequence[object] = ()) -> int | None:
    """Return the most bytes in JSON of the texts in a value; None if it has no texts.

    A character takes up to 4 bytes in UTF-8, and a control character 6 bytes in JSON. Raises
    TypeError if the size of the texts is not known, because that of a response could not be
    estimated.
    """
    known = [rule.octets for rule in rules if isinstance(rule, MaxOctets)]
    parts = get_args(annotation)
    if known:
        return known[0]
    if hasattr(annotation, "__value__"):  # an alias of a type, in Python 3.12 and later
        return max_octets(annotation.__value__, rules)
    if get_origin(annotation) is Annotated:
        return max_octets(parts[0], [*parts[1:], *rules])
    if get_origin(annotation) in {Union, UnionType}:
        return max((n for n in (max_octets(part, rules) for part in parts) if n), default=None)
    if get_origin(annotation) is list:
        item = max_octets(parts[0])
        return item and 2 + (item + 1) * _limit(rules)
    if annotation is str:
        return 2 + (4 if ONE_LINE in rules or PARAGRAPHS in rules else 6) * _limit(rules)
    if any(part is str or max_octets(part) for part in parts):
        raise TypeError("texts in such a container need MaxOctets")
    return None


def _limit(rules: Sequence[object]) -> int:
    """Return the smallest `max_length` of these rules."""
    lengths = [getattr(rule, "max_length", None) for rule in rules]
    limits = [length for length in lengths if isinstance(length, int)]
    if not limits:
        raise TypeError("a text or a list of texts needs a max_length, or MaxOctets")
    return min(limits)


def folded(text: str) -> str:
    """Return a text case-folded, as it is searched and sorted."""
    return text.casefold()


def reason(error: ErrorDetails) -> str:
    """Return what is wrong with a value, as a clause of a sentence."""
    return error["msg"][0].lower() + error["msg"][1:]


def label_text(text: str) -> str:
    """Return a label as it is stored: composed (NFC), in lower case, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def _label(text: str) -> str:
    label = label_text(text)
    if not 1 <= len(label) <= MAX_LABEL:
        raise PydanticCustomError("label", f"a label must have 1 to {MAX_LABEL} characters")
    return label


def _label_set(labels: Iterable[str]) -> list[str]:
    unique = sorted(set(labels))
    if len(unique) > MAX_LABELS:
        raise PydanticCustomError("labels", f"must be at most {MAX_LABELS} labels")
    return unique


MAX_LABELS = 20
"""The most labels of one row."""
MAX_LABEL = 50
"""The most characters of a label."""
MAX_RAW_LABEL = 4 * MAX_LABEL
"""The most characters of a label as it is sent, with all its spaces.

Python puts combining characters into their order in quadratic time: to normalize 500,000 of them
would take many minutes.
"""
Labels = Annotated[
    list[
        Annotated[
            str, StringConstraints(max_length=MAX_RAW_LABEL), ONE_LINE, AfterValidator(_label)
        ]
    ],
    Len(max_length=1_000),
    AfterValidator(_label_set),
    MaxOctets(2 + MAX_LABELS * (4 * MAX_LABEL + 3)),
    null_is([]),
]
"""A set of labels: normalized by `label_text`, sorted, and without duplicates."""

_LOWEST_POSITION = "A" + "0" * 26
_POSITION = re.compile(r"[A-Za-z][0-9A-Za-z]{1,254}", re.ASCII)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = "CASE WHEN position >= 'a' THEN ascii(position) - 95 ELSE 92 - ascii(position) END"
POSITION_CHECK = (
    f"position ~ '^[A-Za-z][0-9A-Za-z]{{1,254}}$' AND position <> '{_LOWEST_POSITION}'"
    f" AND (char_length(position) = {_LENGTH}"
    f" OR char_length(position) > {_LENGTH} AND position NOT LIKE '%0')"
)
"""The rule of `position_key` in SQL, for a column `position`. `_LENGTH` is its `length`."""


def position_key(key: str) -> str:
    """Return a fractional index key, as the npm package fractional-indexing makes them in base 62.

    Its first letter determines the length of the integer part: from 2 characters for `a` and `Z` to
    27 for `z` and `A`. A fraction may follow, which does not end in 0. Raises PydanticCustomError.
    """
    if _POSITION.fullmatch(key) and key != _LOWEST_POSITION:
        length = ord(key[0]) - 95 if key[0] >= "a" else 92 - ord(key[0])
        if len(key) == length or (len(key) > length and not key.endswith("0")):
            return key
    raise PydanticCustomError("position", "must be a fractional index key, such as a0 or a0V")


Position = Annotated[str, AfterValidator(position_key), MaxOctets(2 + 255)]
"""The position of a row in a manual order."""


def position_now(index: int) -> str:
    """Return a position after all earlier ones. `index` distinguishes the rows of one request.

    The position is the time in microseconds, so that new rows follow the rows before them.
    """
    number, digits = time.time_ns() // 1000 + index, ""
    for _ in range(9):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return f"i{digits}"
