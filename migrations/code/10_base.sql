-- base: version, tenant, table layer

CREATE FUNCTION spotai.version() RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'spotai_version';
COMMENT ON FUNCTION spotai.version() IS
'version of the loaded spotai library, for example 0.1.0';

CREATE FUNCTION _spotai.require_tables() RETURNS void
LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_require_tables';
COMMENT ON FUNCTION _spotai.require_tables() IS
'raises 42P01 when CALL spotai.migrate() has not been run yet, 55000 when it must be run again';

CREATE PROCEDURE _spotai.create_migration_table()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass('spotai.schema_migration') IS NOT NULL THEN
        RETURN;
    END IF;
    CREATE TABLE spotai.schema_migration (
        version integer PRIMARY KEY,
        name text NOT NULL,
        extension_version text NOT NULL,
        applied_by text NOT NULL DEFAULT session_user,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE spotai.schema_migration IS 'steps of the table layer that have been applied';
    COMMENT ON COLUMN spotai.schema_migration.version IS 'number of the step; steps are applied in order, forward only';
    COMMENT ON COLUMN spotai.schema_migration.name IS 'what the step is about';
    COMMENT ON COLUMN spotai.schema_migration.extension_version IS 'version of the extension that applied it';
    COMMENT ON COLUMN spotai.schema_migration.applied_by IS 'role that applied it';
    COMMENT ON COLUMN spotai.schema_migration.applied_at IS 'when it was applied';
END
$$;
COMMENT ON PROCEDURE _spotai.create_migration_table() IS
'makes spotai.schema_migration where it does not exist';

-- Policies and defaults refer to the extension's functions, so DROP EXTENSION
-- ... CASCADE takes them (never the rows).  Row security then denies everything
-- until migrate() puts them back.
CREATE PROCEDURE _spotai.secure_tables()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tenant_table regclass;
BEGIN
    FOR tenant_table IN
        SELECT c.oid
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p')
          AND a.attname = 'tenant_id' AND NOT a.attisdropped
    LOOP
        -- only where it is not so yet: ALTER TABLE waits for everybody
        IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = tenant_table AND attname = 'tenant_id' AND atthasdef) THEN
            EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id SET DEFAULT spotai.current_tenant()', tenant_table);
        END IF;
        IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = tenant_table) THEN
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
        END IF;
        -- also for programs that connect as the owner; but he runs the queue, for all tenants
        IF (SELECT relname NOT IN ('job', 'schedule') AND NOT relforcerowsecurity FROM pg_class WHERE oid = tenant_table) THEN
            EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = tenant_table AND polname = 'tenant_isolation') THEN
            EXECUTE format('CREATE POLICY tenant_isolation ON %s '
                           'USING (tenant_id = (SELECT spotai.current_tenant())) '
                           'WITH CHECK (tenant_id = (SELECT spotai.current_tenant()))', tenant_table);
        END IF;
        CALL _spotai.permit_table(tenant_table);
    END LOOP;
    IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = 'spotai.tenant'::regclass) THEN
        ALTER TABLE spotai.tenant ENABLE ROW LEVEL SECURITY;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = 'spotai.tenant'::regclass AND polname = 'tenant_isolation') THEN
        CREATE POLICY tenant_isolation ON spotai.tenant FOR SELECT
            USING (id = (SELECT spotai.current_tenant()));
    END IF;
END
$$;
COMMENT ON PROCEDURE _spotai.secure_tables() IS
'row-level security on every table with a tenant_id, through spotai.current_tenant(), and the permissions of _spotai.table_permission(); safe to repeat';

CREATE PROCEDURE spotai.migrate()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest_known integer := (SELECT max(k.version) FROM _spotai.known_migration() k);
    newest_applied integer;
    step record;
BEGIN
    -- one migration at a time in this database; the key is 'spotai' in ASCII
    PERFORM pg_advisory_xact_lock(x'73706f746169'::bigint);
    CALL _spotai.make_roles();
    CALL _spotai.create_migration_table();
    SELECT max(m.version) INTO newest_applied FROM spotai.schema_migration m;
    IF newest_applied > newest_known THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the tables of spotai are at step %s, but this version of the extension knows only %s',
                             newest_applied, newest_known),
            HINT = 'Install the newer version of spotai and run ALTER EXTENSION spotai UPDATE.';
    END IF;
    FOR step IN
        SELECT k.version, k.name FROM _spotai.known_migration() k
        WHERE NOT EXISTS (SELECT FROM spotai.schema_migration m WHERE m.version = k.version)
        ORDER BY k.version
    LOOP
        EXECUTE format('CALL _spotai.migration_%s()', to_char(step.version, 'FM0000'));
        INSERT INTO spotai.schema_migration (version, name, extension_version)
        VALUES (step.version, step.name, spotai.version());
    END LOOP;
    CALL _spotai.secure_tables();
    -- what a room does once its tables are there
    FOR step IN
        SELECT p.proname FROM pg_proc p
        WHERE p.pronamespace = '_spotai'::regnamespace AND p.proname ~ '^migrated_' ORDER BY p.proname
    LOOP
        EXECUTE format('CALL _spotai.%I()', step.proname);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE spotai.migrate() IS
'creates or upgrades the tables of spotai, forward only, in the caller''s transaction, and installs the model that comes with the extension; running it again changes nothing';
