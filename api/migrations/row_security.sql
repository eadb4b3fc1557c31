-- Create what is missing of row-level security (wall 3) after each run of the migrations. Every
-- table with an `owner_id` then shows and accepts only the rows of the caller.
--
-- A statement's `$1` is of the domain `tasks.caller`. PostgreSQL evaluates the CHECK of the domain
-- when it receives the value, before it plans the statement. The CHECK sets two things until the end
-- of the transaction: the owner whose rows are visible, and a role that cannot bypass row security.
-- If that role cannot be used, the CHECK sets only the owner, and the API logs at its start that
-- wall 3 is off. A wall that was on is never turned off here: without its role the statements fail.
--
-- If the role `bearer_tasks_api` exists (see `deploy/roles.sql`), the API may log in as one of its
-- members. The members own nothing, and inherit no rights on the rows of owners. They read who owns
-- rows and when these changed. They do everything else as `bearer_tasks_caller`.
DO $wall$
DECLARE
  caller CONSTANT name := 'bearer_tasks_caller'; -- shared by all databases of this server
  api CONSTANT name := 'bearer_tasks_api'; -- shared as well
  -- A node of Citus connects to the other nodes as this role, which therefore needs LOGIN there.
  login CONSTANT text := CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')
    THEN 'LOGIN' ELSE 'NOLOGIN' END;
  before CONSTANT text := current_setting('role');
  all_owned CONSTANT regclass[] := ARRAY(
    SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'tasks'::regnamespace AND c.relkind IN ('r', 'p')
      AND a.attname = 'owner_id' AND NOT a.attisdropped
    ORDER BY c.oid
  );
  owned regclass;
  unowned regclass;
  stands boolean;
BEGIN
  BEGIN
    IF to_regrole(caller) IS NULL THEN
      EXECUTE format('CREATE ROLE %I %s', caller, login);
    ELSIF login = 'LOGIN' AND NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = caller) THEN
      EXECUTE format('ALTER ROLE %I LOGIN', caller);
    END IF;
  EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- another database's migration was faster
    WHEN insufficient_privilege THEN NULL;
  END;

  IF to_regrole(caller) IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA tasks TO %I', caller);
  END IF;
  FOREACH owned IN ARRAY all_owned LOOP
    IF NOT (SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = owned) THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', owned);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = owned AND polname = 'caller') THEN
      -- After a transaction that set it, the setting is '', not NULL.
      EXECUTE format(
        'CREATE POLICY caller ON %s'
        ' USING (owner_id = nullif(current_setting(''app.owner_id'', true), ''''))', owned);
    END IF;
    -- For the queries about the rows of all owners, which only these two roles may run.
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = owned AND polname = 'everyone') THEN
      EXECUTE format(
        'CREATE POLICY everyone ON %s FOR SELECT TO CURRENT_USER'
        ' USING (current_setting(''app.everyone'', true) = ''on'')', owned);
    END IF;
    IF to_regrole(api) IS NOT NULL THEN
      IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = owned AND polname = 'api') THEN
        EXECUTE format(
          'CREATE POLICY api ON %s FOR SELECT TO %I'
          ' USING (current_setting(''app.everyone'', true) = ''on'')', owned, api);
      END IF;
      EXECUTE (
        SELECT format('GRANT SELECT (%s) ON %s TO %I', string_agg(attname, ', '), owned, api)
        FROM pg_attribute
        WHERE attrelid = owned
          AND attname IN ('owner_id', 'change_number', 'trashed_at', 'deleted_at'));
    END IF;
    IF to_regrole(caller) IS NOT NULL THEN
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', owned, caller);
    END IF;
  END LOOP;

  IF to_regrole(api) IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA tasks TO %I', api);
    FOR unowned IN
      SELECT c.oid FROM pg_class c
      WHERE c.relnamespace = 'tasks'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.oid = ANY (all_owned)
    LOOP
      EXECUTE format('GRANT %s ON %s TO %I',
        CASE WHEN unowned = 'tasks.alembic_version'::regclass THEN 'SELECT'
             ELSE 'SELECT, INSERT, UPDATE, DELETE' END, unowned, api);
    END LOOP;
  END IF;

  FOR attempt IN 1..2 LOOP
    BEGIN
      PERFORM set_config('role', caller, true);
      SELECT bool_and(row_security_active(held)) INTO stands FROM unnest(all_owned) held;
      PERFORM set_config('role', before, true);
      EXIT;
    EXCEPTION
      WHEN insufficient_privilege OR invalid_parameter_value THEN
        stands := false;
    END;
    BEGIN
      EXECUTE format('GRANT %I TO CURRENT_USER', caller);
    EXCEPTION
      WHEN insufficient_privilege OR undefined_object THEN EXIT;
    END;
  END LOOP;

  IF EXISTS (SELECT FROM pg_constraint
             WHERE contypid = 'tasks.caller'::regtype AND conname = 'wall') THEN
    RETURN;
  ELSIF stands THEN
    EXECUTE format(
      'ALTER DOMAIN tasks.caller ADD CONSTRAINT wall CHECK ('
      'set_config(''app.owner_id'', VALUE, true) = VALUE'
      ' AND set_config(''role'', %L, true) = %1$L)', caller);
    ALTER DOMAIN tasks.caller DROP CONSTRAINT IF EXISTS no_wall;
  ELSIF NOT EXISTS (SELECT FROM pg_constraint
                    WHERE contypid = 'tasks.caller'::regtype AND conname = 'no_wall') THEN
    ALTER DOMAIN tasks.caller
      ADD CONSTRAINT no_wall CHECK (set_config('app.owner_id', VALUE, true) = VALUE);
  END IF;
END
$wall$;
