"""Write rows of one owner. A method writes all of its rows in one statement, or none."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import asyncpg
import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from uuid_utils.compat import uuid7

from api.errors import BadUserInput, Conflict, NotFound, Unauthenticated
from api.owned import delete_sql, read_sql, retention, write_sql
from api.owned.columns import MAX, NIL, folded, id_or_nil, reason
from api.owned.owner import Owned
from api.owned.reads import Reads
from api.owned.resource import Resource
from api.owned.walls import Statement
from api.postgres.tables import Row
from api.postgres.violations import violated_constraint

MAX_AT_ONCE = 100
"""The most ids or inputs in one list, not counting repeated ids."""


class Writes:
    """Writes one owner's rows of a resource. No method takes an owner."""

    def __init__(self, owned: Owned, resource: Resource) -> None:
        self._owned = owned
        self._resource = resource
        self._reads = Reads(owned, resource)

    async def create(self, given: Mapping[str, object]) -> Row:
        """Create a row, and return it. Return the existing row if the same input created it before.

        Raises BadUserInput; NotFound if a reference names a row that does not exist; Conflict if
        another input created the row with this id, or if that row was deleted; Unauthenticated if
        the account was purged in the meantime.
        """
        return (await self._create([_New(self._resource, given)], "input"))[0]

    async def create_all(self, given: Sequence[Mapping[str, object]]) -> list[Row]:
        """Create a row for each input, or none at all. Raises the same errors as `create`."""
        if len(given) > MAX_AT_ONCE:
            raise BadUserInput({"inputs": f"must be at most {MAX_AT_ONCE}"})
        new: list[_New] = []
        reasons: dict[str, str] = {}
        for index, input in enumerate(given):
            try:
                new.append(_New(self._resource, input, index))
            except BadUserInput as invalid:
                reasons |= {f"inputs.{index}.{name}": why for name, why in invalid.fields.items()}
        for index, row in enumerate(new if not reasons else []):
            if row.id in {other.id for other in new[:index]}:
                reasons[f"inputs.{index}.id"] = "is also the id of another input"
        if reasons:
            raise BadUserInput(reasons)
        return await self._create(new, "inputs") if new else []

    async def _create(self, new: Sequence["_New"], argument: str) -> list[Row]:
        """Create the rows that do not exist yet, and return all rows.

        If another request has created one of the rows in the meantime, read the rows again and
        retry. If the owner has too many tombstones, delete old ones and retry once. `argument` is
        the name by which the error about a limit refers to the input.
        """
        resource = self._resource
        existing: dict[str, Row] = {}
        made_room = False
        while missing := [row for row in new if row.id not in existing]:
            records = orjson.dumps([row.record for row in missing]).decode()
            try:
                rows = await self._write(
                    write_sql.create(resource), given=records, how_many=len(missing)
                )
            except asyncpg.UniqueViolationError:
                existing = await self._created_before(new)
            except asyncpg.CheckViolationError as violation:
                violated = violated_constraint(violation)
                if violated == resource.purged:
                    raise Unauthenticated(token_sent=True) from None
                full = resource.full.get(violated or "")
                if full is None:
                    raise  # pragma: no cover - every other check has been made in Python
                found = await self._created_before(new)
                if len(found) > len(existing):  # the same request, sent before, reached the limit
                    existing = found
                elif violated == resource.id_bound and not made_room:
                    await self._owned.rows(retention.delete_oldest_tombstones(resource))
                    made_room = True
                else:
                    raise BadUserInput({argument: full}) from None
            else:
                existing |= {row["id"]: row for row in rows}
        return [existing[row.id] for row in new]

    async def _created_before(self, new: Sequence["_New"]) -> dict[str, Row]:
        """Return the rows that these inputs created. Raises Conflict if others used an id."""
        ids = [row.id for row in new]
        taken = await self._owned.rows(write_sql.digests(self._resource), ids=ids)
        digests = {row["id"]: row["input_digest"] for row in taken}
        there = await self._reads.several(ids)
        for each in new:
            row = there.get(each.id)
            if each.id in digests and (row is None or digests[each.id] != each.digest):
                one = self._resource.one
                raise Conflict(
                    f"This id was used for a {one} with another input.",
                    row["version"] if row else None,
                )
        return there

    async def update(self, id: str, patch: Mapping[str, object], expected: int | None) -> Row:
        """Write the fields of the patch into the row, and return it. An empty patch writes nothing.

        Raises BadUserInput; NotFound, also for a reference; and Conflict if the row does not have
        the `expected` version.
        """
        resource = self._resource
        values = self.checked(patch)
        if values:
            given = write_sql.patch_values(resource, values, resource.fields.model_fields)
            rows = await self._write(
                write_sql.change(resource), id=id_or_nil(id), expected_version=expected, **given
            )
            if rows:
                return rows[0]
            if expected is None:
                raise NotFound(resource.one)
        current = await self._reads.get(id)
        if values or expected not in {None, current["version"]}:
            message = f"The {resource.one} has been changed since that version."
            raise Conflict(message, current["version"])
        return current

    async def update_all(self, ids: Sequence[str], patch: Mapping[str, object]) -> list[Row]:
        """Write a patch of the columns in `bulk` into all of the rows, or into none.

        Raises NotFound, and BadUserInput.
        """
        values = self.checked(patch)
        if not values:
            return await self.each(read_sql.several(self._resource), ids)
        given = write_sql.patch_values(self._resource, values, self._resource.bulk)
        return await self.each(write_sql.change_all(self._resource), ids, **given)

    async def trash(self, ids: Sequence[str]) -> list[Row]:
        """Move all of the rows into the trash. Raises NotFound, and BadUserInput for too many."""
        return await self._move(ids, trash=True)

    async def restore(self, ids: Sequence[str]) -> list[Row]:
        """Move all of the rows out of the trash. Raises NotFound, and BadUserInput for too many."""
        return await self._move(ids, trash=False)

    async def _move(self, ids: Sequence[str], *, trash: bool) -> list[Row]:
        move = write_sql.move(self._resource, trash=trash)
        return await self._all(ids, partial(self._owned.with_references, move))

    async def delete(self, ids: Sequence[str]) -> list[str]:
        """Delete all of the rows, and return their ids. Raises the same errors as `trash`."""
        run = partial(self._owned.with_references, delete_sql.remove(self._resource))
        return [row["id"] for row in await self._all(ids, run)]

    async def each(self, statement: Statement, ids: Sequence[str], **values: object) -> list[Row]:
        """Run a statement that returns a row for each id, and return them in the order of the ids.

        Raises NotFound if one of them does not exist, and BadUserInput for too many.
        """
        return await self._all(ids, partial(self._write, statement, **values))

    async def _all(self, ids: Sequence[str], run: Callable[..., Awaitable[list[Row]]]) -> list[Row]:
        if len(set(ids)) > MAX_AT_ONCE:
            raise BadUserInput({"ids": f"must be at most {MAX_AT_ONCE}"})
        wanted = list(dict.fromkeys(id_or_nil(id) for id in ids))
        rows = {row["id"]: row for row in await run(ids=wanted)}
        if len(rows) != len(wanted):
            raise NotFound(self._resource.one)
        return [rows[id] for id in wanted]

    def checked(
        self, patch: Mapping[str, object], rules: Mapping[str, TypeAdapter[Any]] | None = None
    ) -> dict[str, Any]:
        """Validate a patch, and return the values to store. Raises BadUserInput.

        `rules` are the rules of fields of the patch that are not columns.
        """
        values, reasons = {}, {}
        for name, value in self._resource.with_ids(patch).items():
            rule = self._resource.rules.get(name) or (rules or {})[name]
            try:
                values[name] = rule.validate_python(value)
            except ValidationError as error:
                reasons[to_camel(name)] = reason(error.errors()[0])
        if reasons:
            raise BadUserInput(reasons)
        return values

    async def _write(self, statement: Statement, **values: object) -> list[Row]:
        """Run a statement. Raises NotFound for a reference to a row that does not exist."""
        try:
            return await self._owned.rows(statement, **values)
        except asyncpg.ForeignKeyViolationError as violation:
            missing = self._resource.violated_reference(violated_constraint(violation))
            if missing is None:
                raise  # pragma: no cover - no other foreign key depends on an input
            raise NotFound(missing.one) from None


class _New:
    """A row to create from an input. Raises BadUserInput if the input is not valid."""

    def __init__(self, resource: Resource, given: Mapping[str, object], index: int = 0) -> None:
        sent = {name: value for name, value in given.items() if value is not None}
        self.id = _new_id(sent.pop("id", None))
        try:
            fields = resource.fields.model_validate(resource.with_ids(sent))
        except ValidationError as error:
            reasons = {to_camel(str(e["loc"][0])): reason(e) for e in error.errors()}
            raise BadUserInput(reasons) from None
        # Default values are left out, so that adding a field to the noun changes no digest.
        content = orjson.dumps(
            fields.model_dump(exclude_defaults=True), option=orjson.OPT_SORT_KEYS
        )
        self.digest = hashlib.sha256(content).digest()
        values = fields.model_dump()
        for name, fill in resource.filled.items():
            values[name] = values[name] or fill(index)
        self.record = {
            "id": self.id,
            "input_digest": f"\\x{self.digest.hex()}",
            **values,
            **{into: folded(values[name]) for name, into in resource.folded.items()},
        }


def _new_id(chosen: object) -> str:
    if chosen is None:
        return str(uuid7())
    if (id := id_or_nil(str(chosen))) in {NIL, MAX}:
        raise BadUserInput({"id": "must be a UUID in lower case, with its hyphens"})
    return id
