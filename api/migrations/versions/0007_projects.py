"""Add projects, and the project of a task.

PostgreSQL rewrites the table `tasks` under a lock, because it gets a generated column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "project_ids",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("input_digest", sa.LargeBinary(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("change_number", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_project_ids")),
        schema="tasks",
    )
    op.create_index(
        "project_ids_changed",
        "project_ids",
        ["owner_id", "change_number", "id"],
        unique=False,
        schema="tasks",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "project_ids_deleted",
        "project_ids",
        ["deleted_at"],
        unique=False,
        schema="tasks",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_table(
        "projects",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("change_number", sa.BigInteger(), server_default="0", nullable=False),
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
        sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column("color", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("position", sa.Text(collation="C"), nullable=False),
        sa.Column("archived", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("name_folded", sa.Text(collation="C"), nullable=False),
        sa.Column("description_folded", sa.Text(), server_default="", nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "status",
            sa.Text(),
            sa.Computed(
                "CASE WHEN trashed_at IS NOT NULL THEN 'TRASHED' WHEN archived THEN 'ARCHIVED' ELSE 'ACTIVE' END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "live_id",
            sa.Uuid(),
            sa.Computed("CASE WHEN trashed_at IS NULL THEN id END", persisted=True),
            nullable=True,
        ),
        sa.CheckConstraint(
            "id NOT IN ('00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff')",
            name=op.f("ck_projects_id"),
        ),
        sa.CheckConstraint("owner_id <> ''", name=op.f("ck_projects_owner")),
        sa.CheckConstraint(
            "position ~ '^[A-Za-z][0-9A-Za-z]{1,254}$' AND position <> 'A00000000000000000000000000' AND (char_length(position) = CASE WHEN position >= 'a' THEN ascii(position) - 95 ELSE 92 - ascii(position) END OR char_length(position) > CASE WHEN position >= 'a' THEN ascii(position) - 95 ELSE 92 - ascii(position) END AND position NOT LIKE '%0')",
            name=op.f("ck_projects_position"),
        ),
        sa.CheckConstraint(
            "archived = (archived_at IS NOT NULL)", name=op.f("ck_projects_archived")
        ),
        sa.CheckConstraint(
            "char_length(description) <= 10000", name=op.f("ck_projects_description")
        ),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 100", name=op.f("ck_projects_name")),
        sa.CheckConstraint("color BETWEEN 0 AND 8", name=op.f("ck_projects_color")),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_projects")),
        sa.UniqueConstraint("owner_id", "live_id", name="uq_projects_live_id"),
        schema="tasks",
    )
    op.create_index(
        "projects_by_created_at",
        "projects",
        ["owner_id", "status", "created_at", "id"],
        unique=False,
        schema="tasks",
    )
    op.create_index(
        "projects_by_name",
        "projects",
        ["owner_id", "status", "name_folded", "id"],
        unique=False,
        schema="tasks",
    )
    op.create_index(
        "projects_by_position",
        "projects",
        ["owner_id", "status", "position", "id"],
        unique=False,
        schema="tasks",
    )
    op.create_index(
        "projects_by_updated_at",
        "projects",
        ["owner_id", "status", "updated_at", "id"],
        unique=False,
        schema="tasks",
    )
    op.create_index(
        "projects_changed",
        "projects",
        ["owner_id", "change_number", "id"],
        unique=False,
        schema="tasks",
    )
    op.create_index(
        "projects_trashed",
        "projects",
        ["trashed_at"],
        unique=False,
        schema="tasks",
        postgresql_where=sa.text("trashed_at IS NOT NULL"),
    )
    op.add_column(
        "owners",
        sa.Column("project_count", sa.Integer(), server_default="0", nullable=False),
        schema="tasks",
    )
    op.add_column(
        "owners",
        sa.Column("project_tombstone_count", sa.Integer(), server_default="0", nullable=False),
        schema="tasks",
    )
    op.create_check_constraint(
        op.f("ck_owners_project_count"), "owners", "project_count BETWEEN 0 AND 500", schema="tasks"
    )
    op.create_check_constraint(
        op.f("ck_owners_project_id_count"),
        "owners",
        "project_count + project_tombstone_count <= 1500",
        schema="tasks",
    )
    op.create_check_constraint(
        op.f("ck_owners_project_purged"),
        "owners",
        "purged_at IS NULL OR project_count = 0",
        schema="tasks",
    )
    op.create_check_constraint(
        op.f("ck_owners_project_tombstone_count"),
        "owners",
        "project_tombstone_count >= 0",
        schema="tasks",
    )
    op.add_column("tasks", sa.Column("project_id", sa.Uuid(), nullable=True), schema="tasks")
    op.add_column(
        "tasks",
        sa.Column(
            "live_project_id",
            sa.Uuid(),
            sa.Computed("CASE WHEN trashed_at IS NULL THEN project_id END", persisted=True),
            nullable=True,
        ),
        schema="tasks",
    )
    op.add_column(
        "tasks",
        sa.Column("trashed_as_part", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="tasks",
    )
    op.create_index(
        "tasks_of_live_project_id",
        "tasks",
        ["owner_id", "live_project_id"],
        unique=False,
        schema="tasks",
        postgresql_where=sa.text("live_project_id IS NOT NULL"),
    )
    op.create_index(
        "tasks_of_project_id",
        "tasks",
        ["owner_id", "project_id", "id"],
        unique=False,
        schema="tasks",
        postgresql_where=sa.text("project_id IS NOT NULL"),
    )
    # PostgreSQL checks the foreign keys for every owner's rows. `env` forces row security again.
    op.execute("ALTER TABLE tasks.tasks NO FORCE ROW LEVEL SECURITY")
    op.create_foreign_key(
        "fk_tasks_project_id",
        "tasks",
        "projects",
        ["owner_id", "project_id"],
        ["owner_id", "id"],
        source_schema="tasks",
        referent_schema="tasks",
    )
    op.create_foreign_key(
        "fk_tasks_live_project_id",
        "tasks",
        "projects",
        ["owner_id", "live_project_id"],
        ["owner_id", "live_id"],
        source_schema="tasks",
        referent_schema="tasks",
    )
    op.create_check_constraint(
        op.f("ck_tasks_trashed_as_part"),
        "tasks",
        "NOT trashed_as_part OR (trashed_at IS NOT NULL AND project_id IS NOT NULL)",
        schema="tasks",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_tasks_trashed_as_part"), "tasks", schema="tasks", type_="check")
    op.drop_constraint("fk_tasks_live_project_id", "tasks", schema="tasks", type_="foreignkey")
    op.drop_constraint("fk_tasks_project_id", "tasks", schema="tasks", type_="foreignkey")
    op.drop_index(
        "tasks_of_project_id",
        table_name="tasks",
        schema="tasks",
        postgresql_where=sa.text("project_id IS NOT NULL"),
    )
    op.drop_index(
        "tasks_of_live_project_id",
        table_name="tasks",
        schema="tasks",
        postgresql_where=sa.text("live_project_id IS NOT NULL"),
    )
    op.drop_column("tasks", "trashed_as_part", schema="tasks")
    op.drop_column("tasks", "live_project_id", schema="tasks")
    op.drop_column("tasks", "project_id", schema="tasks")
    op.drop_constraint(
        op.f("ck_owners_project_tombstone_count"), "owners", schema="tasks", type_="check"
    )
    op.drop_constraint(op.f("ck_owners_project_purged"), "owners", schema="tasks", type_="check")
    op.drop_constraint(op.f("ck_owners_project_id_count"), "owners", schema="tasks", type_="check")
    op.drop_constraint(op.f("ck_owners_project_count"), "owners", schema="tasks", type_="check")
    op.drop_column("owners", "project_tombstone_count", schema="tasks")
    op.drop_column("owners", "project_count", schema="tasks")
    op.drop_index(
        "projects_trashed",
        table_name="projects",
        schema="tasks",
        postgresql_where=sa.text("trashed_at IS NOT NULL"),
    )
    op.drop_index("projects_changed", table_name="projects", schema="tasks")
    op.drop_index("projects_by_updated_at", table_name="projects", schema="tasks")
    op.drop_index("projects_by_position", table_name="projects", schema="tasks")
    op.drop_index("projects_by_name", table_name="projects", schema="tasks")
    op.drop_index("projects_by_created_at", table_name="projects", schema="tasks")
    op.drop_table("projects", schema="tasks")
    op.drop_index(
        "project_ids_deleted",
        table_name="project_ids",
        schema="tasks",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.drop_index(
        "project_ids_changed",
        table_name="project_ids",
        schema="tasks",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.drop_table("project_ids", schema="tasks")
