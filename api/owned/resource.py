"""Declare a noun's table as a `Resource`, from which all statements of the noun are built.

Declaring a resource registers it in `RESOURCES`. Account purge, retention, the checks of the walls
and the tests iterate over this list, so none of them can forget a noun.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
)
from sqlmodel import SQLModel

from api.owned.columns import MAX, NIL, id_or_nil, max_octets
from api.owned.filters import AnyReference, ColumnFilter, Filter, Search
from api.owned.tables import OwnedRow, id_table, owners
from api.postgres.tables import SCHEMA, Row, metadata

RESOURCES: Final[list["Resource"]] = []
"""Every resource, in the order of declaration."""

TRASHED = "TRASHED"
"""The status of a row in the trash. Every resource has it."""
ACTIVE_OR_TRASHED: Final = {TRASHED: "trashed_at IS NOT NULL", "ACTIVE": None}
"""The statuses of a resource that declares none."""
BY_TIME: Final = {"created_at": "created_at", "updated_at": "updated_at"}
"""The orders of the lists of a resource that declares none."""
_HIDDEN = {"owner_id", "status", "change_number", "trashed_as_part"}


class Record(Row):
    """A row of a resource. Its first columns are those that clients see."""

    __slots__ = ()
    indexes: ClassVar[Mapping[str, int]] = {}
    """The index of each of these columns in the row."""


class Resource:
    """A noun whose rows belong to owners.

    - `model`: the table.
    - `fields`: the columns that clients write, with their rules.
    - `example`: an input that creates a row, for `doctor` and the tests.
    - `most`: the most rows of an owner.
    - `most_ids`: the most rows and tombstones of an owner, together.
    - `statuses`: the SQL condition of each status. A row has the first status whose condition is
      true. The condition of the last status is None.
    - `shown`: the statuses in a list whose filter has no status. By default, all except the trash.
    - `sorted_by`: the orders of a list, and the column that each one sorts by.
    - `filters`: the filters of a list.
    - `bulk`: the columns that clients can change in many rows at once.
    - `listed`: filters by columns that also sort a list, and that clients can change in bulk.
    - `folded`: for each text that is searched or sorted, the column with its case-folded form.
    - `since`: for each boolean, the column with the time at which it became true.
    - `filled`: for each column that a client may leave out, a function that computes its value from
      the index of the input in a list of inputs.
    - `references`: for each column that refers to rows of a resource, that resource. Deleting a row
      sets the references to it to null.
    - `part_of`: the reference to the whole row of which a row is a part, such as the project of a
      task. A part is trashed, restored and deleted together with its whole row.
    - `bulky`: the long columns. Each is read only if a client selects it.
    - `prefix`: the beginning of the names of its tombstone count and its CHECK constraints in
      `owners`. By default it is the noun and an underscore.
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
        shown: Sequence[str] | None = None,
        sorted_by: Mapping[str, str] = BY_TIME,
        filters: Mapping[str, Filter] = {},
        bulk: Sequence[str] = (),
        listed: Mapping[str, ColumnFilter] = {},
        folded: Mapping[str, str] = {},
        since: Mapping[str, str] = {},
        filled: Mapping[str, Callable[[int], object]] = {},
        references: Mapping[str, "Resource"] = {},
        part_of: str | None = None,
        bulky: Sequence[str] = (),
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
        self.references, self.part_of = references, part_of
        self.bulky = frozenset(bulky)
        self.bulky_fields = {column: to_camel(column) for column in bulky}
        """The bulky columns, and the GraphQL fields that show them."""
        self.octets = _octets(fields)
        """The most bytes in JSON of each column that has texts."""
        shown = [each for each in statuses if each != TRASHED] if shown is None else shown
        self.shown_statuses = sorted(map(str, shown))
        self.searches = [f"filter_{n}" for n, each in filters.items() if isinstance(each, Search)]
        """The parameters of statements that search all texts of an owner."""
        self.rules = {
            name: TypeAdapter[Any](Annotated[field.annotation, field])  # type: ignore[arg-type]  # made at run time
            for name, field in fields.model_fields.items()
        }
        """The validation rule of each column that clients write."""

        self.table = metadata.tables[f"{SCHEMA}.{self.name}"]
        self.ids = id_table(self.one)
        self._complete_table()
        prefix = f"{self.one}_" if prefix is None else prefix
        self.count = f"{self.one}_count"
        self.tombstone_count = f"{prefix}tombstone_count"
        self.full = {
            f"ck_owners_{self.count}": f"would exceed the limit of {most} {self.name}, including "
            "those in the trash",
            f"ck_owners_{prefix}id_count": f"would exceed the limit of {most_ids} {self.name}, "
            "including those that were deleted within the last day: try again later",
        }
        """For each constraint on the number of an owner's rows and ids, the error message."""
        self.id_bound = f"ck_owners_{prefix}id_count"
        self.purged = f"ck_owners_{prefix}purged"
        self._count_in_owners(prefix)

        hidden = {*_HIDDEN, *folded.values(), f"live_{part_of}"}
        self.shown = [column for column in self.table.c if column.name not in hidden]
        """The columns that clients see."""
        self.written = [*fields.model_fields, *folded.values()]
        """The columns that a create or an update sets from its input."""
        indexes = {column.name: index for index, column in enumerate(self.shown)}
        self.record: type[Record] = type(
            f"{self.type_name}Record", (Record,), {"__slots__": (), "indexes": indexes}
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

    def parts(self) -> list[tuple["Resource", str]]:
        """Return the resources whose rows are parts of these rows, each with its reference."""
        return [(each, column) for each, column in self.referring() if column == each.part_of]

    def parameter_of(self, reference: str) -> str:
        """Return the parameter of the filter by a reference; without a filter, the reference.

        A nested list and a list that is filtered by the parent thus accept the same cursors.
        """
        by_reference = AnyReference(reference)
        names = (name for name, each in self.filters.items() if each == by_reference)
        return next((f"filter_{name}" for name in names), reference)

    def with_ids(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return an input, with the nil UUID in place of each malformed reference.

        It then fails in the same statement as a reference to a row that does not exist.
        """
        ids = {
            name: id_or_nil(str(given[name]))
            for name in self.references
            if given.get(name) is not None
        }
        return {**given, **ids}

    def violated_reference(self, constraint: str | None) -> "Resource | None":
        """Return the resource that a foreign key of this table refers to; None for another name."""
        for column, target in self.references.items():
            if constraint in {f"fk_{self.name}_{column}", f"fk_{self.name}_live_{column}"}:
                return target
        return None

    def _complete_table(self) -> None:
        """Add the status, the checks, the foreign keys and the indexes to the table.

        Each order of a list has an index, in which the status precedes the sorted column. So a page
        reads only the rows that it shows. Texts are sorted by their bytes, because collations
        differ between servers.
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
            Index(
                f"{self.name}_of_{column}",
                *(table.c.owner_id, table.c[column], table.c.id),
                postgresql_where=table.c[column].is_not(None),
            )
        if self.part_of:
            self._bind_to_whole(self.part_of, self.references[self.part_of].table)
        for order, column in self.sorted_by.items():
            key = (table.c.owner_id, table.c.status, table.c[column], table.c.id)
            Index(f"{self.name}_by_{order}", *key)
        Index(f"{self.name}_changed", table.c.owner_id, table.c.change_number, table.c.id)
        trashed_at = table.c.trashed_at
        Index(f"{self.name}_trashed", trashed_at, postgresql_where=trashed_at.is_not(None))

    def _bind_to_whole(self, reference: str, whole: Table) -> None:
        """Make PostgreSQL refuse a row outside the trash that is a part of a row in the trash.

        The whole row gets the generated column `live_id`: its id, or NULL in the trash. A part gets
        the column `live_…`: its reference, or NULL in the trash. A foreign key connects the two.
        PostgreSQL checks it at the end of each statement, also against rows that other requests
        wrote after the snapshot of the statement.
        """
        table, live = self.table, f"live_{reference}"
        id_if_live = Computed("CASE WHEN trashed_at IS NULL THEN id END", persisted=True)
        if "live_id" not in whole.c:  # pragma: no branch - no second noun has the same whole
            whole.append_column(Column("live_id", Uuid, id_if_live))
            key = UniqueConstraint("owner_id", "live_id", name=f"uq_{whole.name}_live_id")
            whole.append_constraint(key)
        if_live = Computed(f"CASE WHEN trashed_at IS NULL THEN {reference} END", persisted=True)
        table.append_column(Column(live, Uuid, if_live))
        table.append_constraint(
            ForeignKeyConstraint(
                ["owner_id", live],
                [whole.c.owner_id, whole.c.live_id],
                name=f"fk_{self.name}_{live}",
            )
        )
        is_live = table.c[live].is_not(None)
        Index(f"{self.name}_of_{live}", table.c.owner_id, table.c[live], postgresql_where=is_live)
        # Whether the row went into the trash with the row that it is a part of.
        table.append_column(
            Column("trashed_as_part", Boolean, nullable=False, server_default=false())
        )
        check = f"NOT trashed_as_part OR (trashed_at IS NOT NULL AND {reference} IS NOT NULL)"
        table.append_constraint(CheckConstraint(check, name="trashed_as_part"))

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
    """Return the most bytes in JSON of each column that has texts. Raises TypeError."""
    sizes = {}
    for name, field in fields.model_fields.items():
        try:
            size = max_octets(field.annotation, field.metadata)
        except TypeError as error:
            raise TypeError(f"{fields.__name__}.{name}: {error}") from None
        if size is not None:
            sizes[name] = size
    return sizes
