"""The name of a violated constraint."""

import asyncpg
import pytest

from api.postgres.violations import violated_constraint


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (
            'new row for relation "owners_102034" violates check constraint "ck_owners_task_count"',
            "ck_owners_task_count",
        ),
        ("neue Zeile verletzt Check-Constraint »ck_tasks_labels«", "ck_tasks_labels"),
        ("something else is wrong", None),
    ],
)
def test_constraint_is_found_in_the_message_if_the_error_does_not_name_it(
    message: str, name: str | None
) -> None:
    violation = asyncpg.CheckViolationError(message)
    assert violated_constraint(violation) == name
    violation.constraint_name = "ck_tasks_id"
    assert violated_constraint(violation) == "ck_tasks_id"
