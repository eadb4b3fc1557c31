"""Create `revocations` and its counter. Add `owners.purged_at`, for owners that were deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    counter = op.create_table(
        "revocation_counter",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("single", name=op.f("ck_revocation_counter_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_revocation_counter")),
        schema="tasks",
    )
    op.execute(counter.insert().values(number=0))
    op.create_table(
        "revocations",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('SESSION', 'OWNER')", name=op.f("ck_revocations_kind")),
        sa.PrimaryKeyConstraint("issuer", "jti", name=op.f("pk_revocations")),
        schema="tasks",
    )
    op.create_index("revocations_in_order", "revocations", ["number"], unique=True, schema="tasks")
    op.create_index(
        "revocations_expiring", "revocations", ["expires_at"], unique=False, schema="tasks"
    )
    op.add_column(
        "owners",
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        schema="tasks",
    )
    op.create_check_constraint(
        op.f("ck_owners_purged"), "owners", "purged_at IS NULL OR task_count = 0", schema="tasks"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_owners_purged"), "owners", schema="tasks", type_="check")
    op.drop_column("owners", "purged_at", schema="tasks")
    op.drop_table("revocations", schema="tasks")
    op.drop_table("revocation_counter", schema="tasks")
