-- Divide every table that has an `owner_id` into `app.partitions` hash partitions by owner. With 1,
-- make it an ordinary table again. PostgreSQL cannot do that in place, so each table is created anew
-- under the same name, with its rows, constraints, indexes, triggers and grants. Afterwards
-- `row_security.sql` restores row security (wall 3). A table that already has this number of
-- partitions is not changed.
DO $partitions$
DECLARE
  number CONSTANT int := current_setting('app.partitions');
  remade CONSTANT oid[] := ARRAY(
    SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'tasks'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition AND a.attname = 'owner_id' AND NOT a.attisdropped
      AND number <> greatest(1, (SELECT count(*) FROM pg_inherits WHERE inhparent = c.oid))
    ORDER BY c.oid
  );
  referring CONSTANT text[] := ARRAY(
    SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                  conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY (remade || ARRAY(
      SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY (remade)))
      AND (conrelid = ANY (remade) OR confrelid = ANY (remade))
    ORDER BY oid
  );
  existing pg_class;
  again text[];
  columns text;
  command text;
BEGIN
  IF cardinality(remade) > 0 AND EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
    RAISE EXCEPTION 'tables are divided by Citus here, not into partitions';
  END IF;
  -- The locks prevent writes to a table while it is copied.
  FOR existing IN SELECT * FROM pg_class WHERE oid = ANY (remade) ORDER BY oid LOOP
    EXECUTE format('LOCK TABLE tasks.%I IN ACCESS EXCLUSIVE MODE', existing.relname);
  END LOOP;
  FOR command IN
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint
    WHERE contype = 'f' AND conparentid = 0
      AND (conrelid = ANY (remade) OR confrelid = ANY (remade))
  LOOP
    EXECUTE command;
  END LOOP;

  FOR existing IN SELECT * FROM pg_class WHERE oid = ANY (remade) ORDER BY oid LOOP
    again := ARRAY(
      SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                    conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint WHERE conrelid = existing.oid AND contype IN ('p', 'u')
      UNION ALL
      SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
      FROM pg_index
      WHERE indrelid = existing.oid
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
      UNION ALL
      SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = existing.oid AND NOT tgisinternal
      UNION ALL
      SELECT format('GRANT %s ON tasks.%I TO %s', privilege_type, existing.relname,
                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(grantee::regrole::text) END)
      FROM aclexplode(existing.relacl) WHERE grantee <> existing.relowner
    );
    columns := (
      SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
      WHERE attrelid = existing.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    );

    EXECUTE format('CREATE TABLE tasks.remade (LIKE tasks.%I INCLUDING ALL EXCLUDING INDEXES)',
                   existing.relname)
      || CASE WHEN number > 1 THEN ' PARTITION BY HASH (owner_id)' ELSE '' END;
    IF number > 1 THEN
      FOR remainder IN 0..number - 1 LOOP
        EXECUTE format(
          'CREATE TABLE tasks.%I PARTITION OF tasks.remade FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
          format('%s_%s_of_%s', existing.relname, remainder, number), number, remainder);
      END LOOP;
    END IF;
    -- Row security must not hide any owner's rows from the copy.
    EXECUTE format('ALTER TABLE tasks.%I NO FORCE ROW LEVEL SECURITY', existing.relname);
    EXECUTE format('INSERT INTO tasks.remade (%s) SELECT %1$s FROM tasks.%I',
                   columns, existing.relname);
    EXECUTE format('DROP TABLE tasks.%I', existing.relname);
    EXECUTE format('ALTER TABLE tasks.remade RENAME TO %I', existing.relname);
    FOREACH command IN ARRAY again LOOP
      EXECUTE command;
    END LOOP;
    EXECUTE format('ALTER TABLE tasks.%I OWNER TO %s', existing.relname, existing.relowner::regrole);
    EXECUTE format('ANALYZE tasks.%I', existing.relname);
  END LOOP;
  FOREACH command IN ARRAY referring LOOP
    EXECUTE command;
  END LOOP;
END
$partitions$;
