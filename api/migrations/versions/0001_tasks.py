"""Create `tasks`, `task_ids` with the used ids, and `owners` with the number of tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "owners",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("task_count", sa.Integer(), nullable=False),
        sa.CheckConstraint("task_count BETWEEN 0 AND 10000", name=op.f("ck_owners_task_count")),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_owners")),
        schema="tasks",
    )
    op.create_table(
        "task_ids",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("input_digest", sa.LargeBinary(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_task_ids")),
        schema="tasks",
    )
    op.create_table(
        "tasks",
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column("completed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Text(),
            sa.Computed(
                "CASE WHEN trashed_at IS NOT NULL THEN 'TRASHED' WHEN completed THEN 'COMPLETED' ELSE 'OPEN' END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "id <> '00000000-0000-0000-0000-000000000000'", name=op.f("ck_tasks_id")
        ),
        sa.CheckConstraint("owner_id <> ''", name=op.f("ck_tasks_owner")),
        sa.CheckConstraint("char_length(description) <= 10000", name=op.f("ck_tasks_description")),
        sa.CheckConstraint("char_length(title) BETWEEN 1 AND 200", name=op.f("ck_tasks_title")),
        sa.CheckConstraint(
            "completed = (completed_at IS NOT NULL)", name=op.f("ck_tasks_completed")
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_tasks")),
        schema="tasks",
    )
    op.create_index(
        "tasks_newest_first",
        "tasks",
        ["owner_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
        schema="tasks",
    )


def downgrade() -> None:
    op.drop_index("tasks_newest_first", table_name="tasks", schema="tasks")
    op.drop_table("tasks", schema="tasks")
    op.drop_table("task_ids", schema="tasks")
    op.drop_table("owners", schema="tasks")
