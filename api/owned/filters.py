"""The filters of a list: the SQL condition of each, and the values that it accepts."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import StringConstraints, TypeAdapter
from pydantic_core import PydanticCustomError
from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, all_, any_, bindparam, cast, func, or_

from api.owned.columns import MAX, NIL, PARAGRAPHS, folded, is_id, label_text

if TYPE_CHECKING:
    from api.owned.resource import Resource

MAX_WORDS = 10
"""The most words of one search. Each word is searched for in all text of the owner."""
MAX_REFERENCES = 100
"""The most ids in a filter by references."""
LITERAL = "***="
"""The prefix of a literal regular expression (PostgreSQL, "Regular Expression Metasyntax").

The time that PostgreSQL needs to match such an expression depends only on the length of the text.
`LIKE` and `strpos` may compare the whole word at each position of the text: for 2,000 tasks of
10,000 letters they took seconds.
"""

_search = TypeAdapter[str](Annotated[str, StringConstraints(max_length=200), PARAGRAPHS])


class Filter(ABC):
    """A condition that a client may set on a list. The value None sets no condition."""

    @abstractmethod
    def condition(self, resource: "Resource", parameter: str) -> ColumnElement[bool]:
        """Return the condition in SQL. It is true when the value of the parameter is NULL."""

    @abstractmethod
    def value(self, resource: "Resource", given: Any) -> object:
        """Return the value of the parameter. Raises ValueError for a value that is not valid."""


@dataclass(frozen=True, slots=True)
class ColumnFilter(Filter):
    """A condition by the values of one column."""

    column: str

    def value(self, resource: "Resource", given: Any) -> object:
        """Return the value of the parameter. Raises ValueError if the column cannot have it.

        PostgreSQL could not even read a number that is too large for the type of the column.
        """
        if rule := resource.rules.get(self.column):
            rule.validate_python(given)
        return given


@dataclass(frozen=True, slots=True)
class AnyOf(ColumnFilter):
    """The column has one of the given values."""

    def condition(self, resource: "Resource", parameter: str) -> ColumnElement[bool]:
        """Return `column = ANY (values)`."""
        column = resource.table.c[self.column]
        values = bindparam(parameter, type_=ARRAY(column.type))
        return or_(values.is_(None), column == any_(values))

    def value(self, resource: "Resource", given: Any) -> object:
        """Return the distinct values, sorted. Raises ValueError if there is none, or a bad one."""
        for each in not_empty(given):
            ColumnFilter.value(self, resource, each)
        return sorted({*given})


@dataclass(frozen=True, slots=True)
class AnyReference(ColumnFilter):
    """The column refers to one of the given rows. A given None selects rows without a reference."""

    def condition(self, resource: "Resource", parameter: str) -> ColumnElement[bool]:
        """Return `coalesce(column, nil) = ANY (ids)`."""
        ids = bindparam(parameter, type_=ARRAY(Uuid))
        reference = func.coalesce(resource.table.c[self.column], cast(NIL, Uuid))
        return or_(ids.is_(None), reference == any_(ids))

    def value(self, _: "Resource", given: Any) -> object:
        """Return the distinct ids, sorted. Raises ValueError for no id, or too many.

        The nil UUID replaces None. The max UUID, which no row has, replaces a malformed id.
        """
        if len(not_empty(given)) > MAX_REFERENCES:
            raise PydanticCustomError("ids", f"must be at most {MAX_REFERENCES} ids")
        known = {NIL if id is None else id if is_id(id) and id != NIL else MAX for id in given}
        return sorted(known)


@dataclass(frozen=True, slots=True)
class AllOf(ColumnFilter):
    """The column is an array that has each of the given values."""

    def condition(self, resource: "Resource", parameter: str) -> ColumnElement[bool]:
        """Return `column @> values`."""
        column = resource.table.c[self.column]
        values = bindparam(parameter, type_=column.type)
        return or_(values.is_(None), column.contains(values))

    def value(self, resource: "Resource", given: Any) -> object:
        """Return the values as the column stores them. Raises ValueError."""
        return resource.rules[self.column].validate_python(not_empty(given))


@dataclass(frozen=True, slots=True)
class From(ColumnFilter):
    """The column has the given value or a greater one."""

    def condition(self, resource: "Resource", parameter: str) -> ColumnElement[bool]:
        """Return `column >= value`."""
        column = resource.table.c[self.column]
        least = bindparam(parameter, type_=column.type)
        return or_(least.is_(None), column >= least)


@dataclass(frozen=True, slots=True)
class To(ColumnFilter):
    """The column has the given value or a lower one."""

    def condition(self, resource: "Resource", parameter: str) -> ColumnElement[bool]:
        """Return `column <= value`."""
        column = resource.table.c[self.column]
        most = bindparam(parameter, type_=column.type)
        return or_(most.is_(None), column <= most)


class Search(Filter):
    """Each word of the given text occurs in one of the columns, whatever its case."""

    def __init__(self, *columns: str) -> None:
        self._columns = columns

    def condition(self, resource: "Resource", parameter: str) -> ColumnElement[bool]:
        """Return `text ~ ALL (patterns)`, on the columns joined by line breaks."""
        first, *others = (_text(resource, name) for name in self._columns)
        text = first
        for other in others:
            text = text + "\n" + other
        patterns = bindparam(parameter, type_=ARRAY(Text))
        return or_(patterns.is_(None), text.regexp_match(all_(patterns)))

    def value(self, _: "Resource", given: Any) -> object:
        """Return a pattern for each word, or None if there is no word. Raises ValueError."""
        words = sorted({*_search.validate_python(given).split()})
        if len(words) > MAX_WORDS:
            raise PydanticCustomError("words", f"must be at most {MAX_WORDS} words")
        return [_pattern(word) for word in words] or None


def not_empty(given: Any) -> Any:
    """Return a list of values. Raises ValueError if it is empty: it would match nothing."""
    if not given:
        raise PydanticCustomError("empty", "must contain a value, or be left out")
    return given


def _text(resource: "Resource", name: str) -> ColumnElement[str]:
    column = resource.table.c[resource.folded.get(name, name)]
    return func.array_to_string(column, "\n") if isinstance(column.type, ARRAY) else column


def _pattern(word: str) -> str:
    """Return a regular expression for a word, folded as texts are or normalized as labels are."""
    text, label = folded(word), label_text(word)
    if text == label:
        return LITERAL + text
    return "|".join(re.sub(r"(\W)", r"\\\1", each) for each in (text, label))
