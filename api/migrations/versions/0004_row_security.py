"""Create the domain `tasks.caller`, on which row security is based.

`row_security.sql` adds its constraint and the policies after each run of the migrations.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE DOMAIN tasks.caller AS text NOT NULL CHECK (VALUE <> '')")


def downgrade() -> None:
    # The role is not dropped: another database of this server may use it.
    op.execute(
        """
        DO $$
        DECLARE
          owned regclass;
        BEGIN
          FOR owned IN SELECT polrelid FROM pg_policy JOIN pg_class c ON c.oid = polrelid
            WHERE polname = 'caller' AND relnamespace = 'tasks'::regnamespace
          LOOP
            EXECUTE format('DROP POLICY caller ON %s', owned);
            EXECUTE format('DROP POLICY everyone ON %s', owned);
            EXECUTE format('DROP POLICY IF EXISTS api ON %s', owned);
            EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', owned);
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', owned);
            IF to_regrole('bearer_tasks_caller') IS NOT NULL THEN
              EXECUTE format('REVOKE ALL ON %s FROM bearer_tasks_caller', owned);
            END IF;
          END LOOP;
          IF to_regrole('bearer_tasks_caller') IS NOT NULL THEN
            REVOKE USAGE ON SCHEMA tasks FROM bearer_tasks_caller;
          END IF;
        END
        $$
        """
    )
    op.execute("DROP DOMAIN tasks.caller")
