"""A resource: what a noun declares about its table, and all else follows from.

Declaring a resource registers it. Purge, retention, the checks of the walls and the tests iterate
over `RESOURCES`, so a noun cannot be forgotten by one of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from pydantic import StringConstraints, TypeAdapter
from pydantic.alias_generators import to_camel
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
)
from sqlmodel import SQLModel

from api.owned.columns import MAX, NIL, id_or_nil
from api.owned.filters import ColumnFilter, Filter, Search
from api.owned.tables import OwnedRow, id_table, owners
from api.postgres.tables import SCHEMA, Row, metadata

RESOURCES: Final[list["Resource"]] = []
"""Every resource, in the order of their declarations."""

TRASHED = "TRASHED"
"""The status of a row in the trash. Every resource has it."""
ACTIVE_OR_TRASHED: Final = {TRASHED: "trashed_at IS NOT NULL", "ACTIVE": None}
NEWEST_FIRST: Final = {"created_at": "created_at", "updated_at": "updated_at"}
_HIDDEN = {"owner_id", "status", "change_number"}


class Record(Row):
    """A row of a resource. It begins with the columns that clients see."""

    __slots__ = ()
    places: ClassVar[Mapping[str, int]] = {}
    """The place of each of these columns in the row."""


class Resource:
    """A noun whose rows belong to owners.

    `example` is an input that creates a row, for `doctor` and the tests. `most` bounds the rows of
    an owner, and `most_ids` the rows and the tombstones together. `statuses` maps each status to
    its condition in SQL; the first that holds is the status of a row, and the condition of the last
    is None. `sorted_by` maps each order of a list to the column that sorts.
    `filters` and `bulk` name the filters of a list and the columns that many rows can be given at
    once. `listed` are filters by columns that are all three: they filter a list, sort it, and can
    be given to many rows at once. `folded` maps texts to the column that holds them case-folded.
    `since` maps a boolean to the column that holds when it became true. `filled` computes a column
    that a client left out. `references` maps columns to the resource that they refer to: deleting a
    row that is referred to sets them to null. `bulky` maps long columns, which are read only if a
    client selects them, to the most bytes of their values in JSON. `prefix` begins the names of
    this resource's columns in `owners`.
    """

    def __init__(  # noqa: PLR0913 - a declaration: each is an aspect of a noun
        self,
        model: type[OwnedRow],
        fields: type[SQLModel],
        *,
        example: Mapping[str, object],
        most: int = 10_000,
        most_ids: int = 30_000,
        statuses: Mapping[str, str | None] = ACTIVE_OR_TRASHED,
        sorted_by: Mapping[str, str] = NEWEST_FIRST,
        filters: Mapping[str, Filter] = {},
        bulk: Sequence[str] = (),
        listed: Mapping[str, ColumnFilter] = {},
        folded: Mapping[str, str] = {},
        since: Mapping[str, str] = {},
        filled: Mapping[str, Callable[[int], object]] = {},
        references: Mapping[str, "Resource"] = {},
        bulky: Mapping[str, int] = {},
        prefix: str | None = None,
    ) -> None:
        self.type_name = model.__name__
        """The name of the GraphQL type, such as `Task`."""
        self.one = model.__name__.lower()
        """The noun in the singular, for error messages."""
        self.name = str(model.__tablename__)
        """The noun in the plural, which is the name of its table."""
        self.fields, self.example = fields, example
        self.most, self.most_ids = most, most_ids
        columns = {each.column: each.column for each in listed.values()}
        self.statuses, self.sorted_by = statuses, {**sorted_by, **columns}
        self.filters, self.bulk = {**filters, **listed}, (*bulk, *columns)
        self.folded, self.since, self.filled = folded, since, filled
        self.references, self.bulky = references, frozenset(bulky)
        self.bulky_fields = {column: to_camel(column) for column in bulky}
        """The bulky columns, and the GraphQL fields that show them."""
        self.octets = {**_octets(fields), **bulky}
        """The most bytes of the long columns in JSON. A character has at most four in UTF-8."""
        self.shown_statuses = sorted(str(each) for each in statuses if each != TRASHED)
        """The statuses of a list that asks for none: all but the trash."""
        self.searches = [f"filter_{n}" for n, each in filters.items() if isinstance(each, Search)]
        """The parameters of statements that search the text of the owner."""
        self.rules = {
            name: TypeAdapter[Any](Annotated[field.annotation, field])  # type: ignore[arg-type]  # made at run time
            for name, field in fields.model_fields.items()
        }
        """What may stand in each column that clients write."""

        self.table = metadata.tables[f"{SCHEMA}.{self.name}"]
        self.ids = id_table(self.one)
        self._complete_table()
        prefix = f"{self.one}_" if prefix is None else prefix
        self.count = f"{self.one}_count"
        self.tombstone_count = f"{prefix}tombstone_count"
        self.full = {
            f"ck_owners_{self.count}": f"makes more than the {most} {self.name} one may keep, trash"
            " and all",
            f"ck_owners_{prefix}id_count": f"makes more than {most_ids} {self.name}, with those "
            "that were deleted within the last day: try again later",
        }
        """The error messages of the constraints that bound an owner, by their names."""
        self.id_bound = f"ck_owners_{prefix}id_count"
        self.purged = f"ck_owners_{prefix}purged"
        self._count_in_owners(prefix)

        self.shown = [c for c in self.table.c if c.name not in {*_HIDDEN, *folded.values()}]
        """The columns that clients see."""
        self.written = [*fields.model_fields, *folded.values()]
        """The columns that a create or an update sets from its input."""
        places = {column.name: place for place, column in enumerate(self.shown)}
        self.record: type[Record] = type(
            f"{self.type_name}Record", (Record,), {"__slots__": (), "places": places}
        )
        RESOURCES.append(self)

    def referring(self) -> list[tuple["Resource", str]]:
        """Return the resources, and their columns, that refer to this one."""
        return [
            (resource, column)
            for resource in RESOURCES
            for column, target in resource.references.items()
            if target is self
        ]

    def with_ids(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return an input whose references are ids. The nil UUID stands for a malformed one.

        A malformed reference then fails as one that does not exist, by the same statement.
        """
        ids = {
            name: id_or_nil(str(given[name]))
            for name in self.references
            if given.get(name) is not None
        }
        return {**given, **ids}

    def violated_reference(self, constraint: str | None) -> "Resource | None":
        """Return the resource of which a row does not exist, by the name of a foreign key."""
        for column, target in self.references.items():
            if constraint == f"fk_{self.name}_{column}":
                return target
        return None

    def _complete_table(self) -> None:
        """Add what follows from the declaration: the status, checks, foreign keys and indexes.

        Each order of a list has its index, and each status its stretch of it: a page reads what it
        shows. Text is sorted by its bytes, since collations differ between servers.
        """
        table = self.table
        cases = " ".join(f"WHEN {on} THEN '{status}'" for status, on in self.statuses.items() if on)
        *_, otherwise = self.statuses
        status = Computed(f"CASE {cases} ELSE '{otherwise}' END", persisted=True)
        table.append_column(Column("status", Text, status, nullable=False))
        table.append_constraint(CheckConstraint("owner_id <> ''", name="owner"))
        table.append_constraint(CheckConstraint(f"id NOT IN ('{NIL}', '{MAX}')", name="id"))
        for column, target in self.references.items():
            table.append_constraint(
                ForeignKeyConstraint(
                    ["owner_id", column],
                    [target.table.c.owner_id, target.table.c.id],
                    name=f"fk_{self.name}_{column}",
                )
            )
            Index(f"{self.name}_of_{column}", table.c.owner_id, table.c[column], table.c.id)
        for order, column in self.sorted_by.items():
            key = (table.c.owner_id, table.c.status, table.c[column], table.c.id)
            Index(f"{self.name}_by_{order}", *key)
        Index(f"{self.name}_changed", table.c.owner_id, table.c.change_number, table.c.id)
        trashed_at = table.c.trashed_at
        Index(f"{self.name}_trashed", trashed_at, postgresql_where=trashed_at.is_not(None))

    def _count_in_owners(self, prefix: str) -> None:
        """Add the columns and checks of `owners` that bound the rows and the ids of an owner."""
        count, tombstones = self.count, self.tombstone_count
        for name in (count, tombstones):
            owners.append_column(Column(name, Integer, nullable=False, server_default="0"))
        for name, check in {
            count: f"{count} BETWEEN 0 AND {self.most}",
            tombstones: f"{tombstones} >= 0",
            f"{prefix}id_count": f"{count} + {tombstones} <= {self.most_ids}",
            f"{prefix}purged": f"purged_at IS NULL OR {count} = 0",
        }.items():
            owners.append_constraint(CheckConstraint(check, name=name))


def _octets(fields: type[SQLModel]) -> dict[str, int]:
    return {
        name: 4 * rule.max_length
        for name, field in fields.model_fields.items()
        for rule in field.metadata
        if isinstance(rule, StringConstraints) and rule.max_length
    }
