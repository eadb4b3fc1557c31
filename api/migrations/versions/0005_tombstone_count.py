"""Add a count of each owner's tombstones, and bound it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "owners",
        sa.Column("tombstone_count", sa.Integer(), server_default="0", nullable=False),
        schema="tasks",
    )
    # The UPDATE needs the rows of every owner. `env` forces row security again after the migration.
    for table in ("owners", "task_ids"):
        op.execute(f"ALTER TABLE tasks.{table} NO FORCE ROW LEVEL SECURITY")
    # An owner with more tombstones than the limit keeps them all; the count is set to the limit.
    op.execute(
        """
        UPDATE tasks.owners SET tombstone_count = least(found.number, 30000 - task_count)
        FROM (
          SELECT owner_id, count(*) AS number FROM tasks.task_ids
          WHERE deleted_at IS NOT NULL GROUP BY owner_id
        ) AS found
        WHERE owners.owner_id = found.owner_id
        """
    )
    op.create_check_constraint(
        op.f("ck_owners_tombstone_count"), "owners", "tombstone_count >= 0", schema="tasks"
    )
    op.create_check_constraint(
        op.f("ck_owners_id_count"),
        "owners",
        "task_count + tombstone_count <= 30000",
        schema="tasks",
    )


def downgrade() -> None:
    op.drop_column("owners", "tombstone_count", schema="tasks")
