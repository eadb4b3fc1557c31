"""Add priority, due day, labels and position, change numbers, and an index for each sort order."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NIL, MAX = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
WHOLE = "CASE WHEN position >= 'a' THEN ascii(position) - 95 ELSE 92 - ascii(position) END"
ORDERS = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "due_on": "due_on",
    "priority": "priority",
    "position": "position",
    "title": "title_folded",
}
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Existing tasks get a position from their time of creation, as the API does for new tasks.
CREATED_AT = "(extract(epoch FROM created_at) * 1000000)::bigint"
POSITION = " || ".join(
    [
        "'i'",
        *(
            f"substr('{DIGITS}', 1 + ({CREATED_AT} / {62**n} % 62)::int, 1)"
            for n in range(8, -1, -1)
        ),
    ]
)


def upgrade() -> None:
    for added in (
        sa.Column("priority", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("position", sa.Text(collation="C"), nullable=True),
        sa.Column("title_folded", sa.Text(collation="C"), nullable=True),
        sa.Column("description_folded", sa.Text(), server_default="", nullable=False),
        sa.Column("change_number", sa.BigInteger(), server_default="0", nullable=False),
    ):
        op.add_column("tasks", added, schema="tasks")
    # `lower` differs from the API's case folding for some characters. The next write of a task
    # replaces it.
    op.execute(
        f"UPDATE tasks.tasks SET position = {POSITION},"  # noqa: S608 - of constants
        " title_folded = lower(title), description_folded = lower(description)"
    )
    for name in ("position", "title_folded"):
        op.alter_column("tasks", name, nullable=False, schema="tasks")
    for name, condition in {
        "priority": "priority BETWEEN 0 AND 4",
        "labels": "cardinality(labels) <= 20",
        "position": "position ~ '^[A-Za-z][0-9A-Za-z]{1,254}$'"
        f" AND position <> 'A{'0' * 26}' AND (char_length(position) = {WHOLE}"
        f" OR char_length(position) > {WHOLE} AND position NOT LIKE '%0')",
    }.items():
        op.create_check_constraint(op.f(f"ck_tasks_{name}"), "tasks", condition, schema="tasks")
    op.drop_constraint(op.f("ck_tasks_id"), "tasks", schema="tasks", type_="check")
    op.create_check_constraint(
        op.f("ck_tasks_id"), "tasks", f"id NOT IN ('{NIL}', '{MAX}')", schema="tasks"
    )

    op.drop_index("tasks_newest_first", table_name="tasks", schema="tasks")
    for name, column in ORDERS.items():
        op.create_index(
            f"tasks_by_{name}", "tasks", ["owner_id", "status", column, "id"], schema="tasks"
        )
    op.create_index("tasks_changed", "tasks", ["owner_id", "change_number", "id"], schema="tasks")
    op.create_index(
        "tasks_trashed",
        "tasks",
        ["trashed_at"],
        schema="tasks",
        postgresql_where=sa.text("trashed_at IS NOT NULL"),
    )

    op.add_column(
        "task_ids",
        sa.Column("change_number", sa.BigInteger(), server_default="0", nullable=False),
        schema="tasks",
    )
    deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index(
        "task_ids_deleted", "task_ids", ["deleted_at"], schema="tasks", postgresql_where=deleted
    )
    op.create_index(
        "task_ids_changed",
        "task_ids",
        ["owner_id", "change_number", "id"],
        schema="tasks",
        postgresql_where=deleted,
    )
    for name in ("change_number", "forgotten_number"):
        op.add_column(
            "owners",
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False),
            schema="tasks",
        )

    op.execute(
        """
        CREATE FUNCTION tasks.relabelled(labels text[], removed text[], added text[])
        RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
          SELECT coalesce(
            array_agg(DISTINCT label COLLATE "C" ORDER BY label COLLATE "C"), '{}'
          )
          FROM unnest(labels || added) AS label WHERE label <> ALL (removed)
        $$
        """
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION tasks.relabelled")
    for name in ("change_number", "forgotten_number"):
        op.drop_column("owners", name, schema="tasks")
    op.drop_column("task_ids", "change_number", schema="tasks")
    op.drop_index("task_ids_deleted", table_name="task_ids", schema="tasks")
    for name in (*(f"tasks_by_{name}" for name in ORDERS), "tasks_trashed"):
        op.drop_index(name, table_name="tasks", schema="tasks")
    op.create_index(
        "tasks_newest_first",
        "tasks",
        ["owner_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        schema="tasks",
    )
    op.drop_constraint(op.f("ck_tasks_id"), "tasks", schema="tasks", type_="check")
    op.create_check_constraint(op.f("ck_tasks_id"), "tasks", f"id <> '{NIL}'", schema="tasks")
    for name in (
        *("change_number", "description_folded", "title_folded"),
        *("position", "labels", "due_on", "priority"),
    ):
        op.drop_column("tasks", name, schema="tasks")
