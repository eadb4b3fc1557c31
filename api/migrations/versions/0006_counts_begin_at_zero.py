"""Let a count of an owner begin at 0, so that another resource can create the owner's row."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("owners", "task_count", server_default="0", schema="tasks")


def downgrade() -> None:
    op.alter_column("owners", "task_count", server_default=None, schema="tasks")
