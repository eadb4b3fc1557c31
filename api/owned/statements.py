"""Build every statement about the resources before the first request."""

from api.owned import changes, delete_sql, live, read_sql, retention, write_sql
from api.owned.resource import RESOURCES, Resource
from api.owned.walls import Statement
from api.postgres.statement import Compiled


def of(resource: Resource) -> list[Statement]:
    """Return the statements of a resource, except the pages of its lists, which are too many."""
    return [
        read_sql.one(resource),
        read_sql.several(resource),
        *(read_sql.count(resource, filtered=filtered) for filtered in (False, True)),
        *(read_sql.nested_count(resource, reference) for reference in resource.references),
        write_sql.create(resource),
        write_sql.digests(resource),
        write_sql.change(resource),
        write_sql.change_all(resource),
        *(write_sql.move(resource, trash=trash) for trash in (False, True)),
        delete_sql.remove(resource),
        changes.since(resource),
        retention.empty_trash(resource),
        retention.delete_old_tombstones(resource),
        retention.delete_oldest_tombstones(resource),
    ]


def build() -> list[Compiled]:
    """Build every statement, so that an error shows when the API starts.

    Raises UnscopedStatement for a statement that is not restricted to its owner.
    """
    return [
        *(statement for resource in RESOURCES for statement in of(resource)),
        *(retention.mark_purged(), retention.delete_everything(), retention.due()),
        *(retention.DROP_OWNER, changes.STATE, live.NUMBERS),
    ]
