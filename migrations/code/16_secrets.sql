-- secrets: values that nobody reads from a table, a dump or a log

CREATE FUNCTION spotai.secret_put(name text, value text)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_secret_put';
COMMENT ON FUNCTION spotai.secret_put(text, text) IS
'stores a new secret of the tenant, encrypted, and answers its version, 1. Send the value as a parameter ($2): a literal is part of the statement, which has passed through the client''s history and pg_stat_activity before this function can withhold it. 42710 when there is one of that name, 55000 without spotai.key_file or spotai.key_command, 54000 above 1 MiB. Needs secret:write';

CREATE FUNCTION spotai.secret_rotate(name text, value text)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_secret_rotate';
COMMENT ON FUNCTION spotai.secret_rotate(text, text) IS
'replaces the value of a secret, and answers its new version; the old value is gone when the transaction commits. 42704 when there is none of that name; otherwise as spotai.secret_put(). Needs secret:write';

CREATE FUNCTION spotai.secret_delete(name text)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_secret_delete';
COMMENT ON FUNCTION spotai.secret_delete(text) IS
'removes a secret of the tenant; false when there is none of that name. Needs no key-encryption key. Needs secret:write';

CREATE FUNCTION spotai.secret_get(name text)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_secret_get';
COMMENT ON FUNCTION spotai.secret_get(text) IS
'the value of a secret of the tenant. For members of the role spotai_secret_reader alone; what the extension itself does with secrets needs nobody to read them. 42704 when there is none of that name, 22000 when its row was changed or moved, 55000 without the key that it was sealed under. Needs secret:read';

CREATE FUNCTION spotai.secrets(OUT name text, OUT version bigint, OUT created_at timestamptz, OUT updated_at timestamptz)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_secrets';
COMMENT ON FUNCTION spotai.secrets() IS
'secrets of the tenant by name, without their values';

CREATE FUNCTION spotai.rekey()
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_rekey';
COMMENT ON FUNCTION spotai.rekey() IS
'seals the data keys of all tenants with the current key-encryption key, the first line of spotai.key_file, and answers how many were not; values stay as they are, and nobody waits. First write the new key above the old one, reload, call this until it answers 0, then remove the old line. 55000 when a data key needs a key that is not there; nothing is changed then. Whoever has logged in needs secret:write';

CREATE FUNCTION spotai.data_keys(
    OUT tenant_id uuid, OUT id uuid, OUT kek_id text, OUT current boolean, OUT created_at timestamptz,
    OUT wrapped_at timestamptz)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_data_keys';
COMMENT ON FUNCTION spotai.data_keys() IS
'data keys of all tenants, the id of the key-encryption key that each is sealed with, and whether that is the current one; an old line of spotai.key_file that no row names is needed no more, but for older backups';

CREATE PROCEDURE _spotai.migrated_secrets()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
    granted record;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['spotai_admin', 'spotai_secret_reader'] LOOP
        IF to_regrole(wanted) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN insufficient_privilege THEN
                RAISE WARNING USING
                    MESSAGE = format('role %s does not exist, and %s may not make it', wanted, current_user),
                    HINT = format('As a superuser: CREATE ROLE %s NOLOGIN; then CALL spotai.migrate() again.', wanted);
            END;
        END IF;
    END LOOP;
    -- only what is not so yet: another run changes nothing
    FOR granted IN
        SELECT g.grantee, f.oid::regprocedure AS function
        FROM (VALUES ('spotai_admin', 'secret_put'), ('spotai_admin', 'secret_rotate'), ('spotai_admin', 'secret_delete'),
                     ('spotai_admin', 'secrets'), ('spotai_admin', 'rekey'), ('spotai_admin', 'data_keys'),
                     ('spotai_secret_reader', 'secret_get')) g (grantee, proname)
        JOIN pg_proc f ON f.pronamespace = 'spotai'::regnamespace AND f.proname = g.proname
        WHERE to_regrole(g.grantee) IS NOT NULL
          AND NOT EXISTS (SELECT FROM aclexplode(f.proacl) a WHERE a.grantee = to_regrole(g.grantee))
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', granted.function, granted.grantee);
        IF NOT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
                       WHERE n.nspname = 'spotai' AND a.grantee = to_regrole(granted.grantee)) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA spotai TO %I', granted.grantee);
        END IF;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE _spotai.migrated_secrets() IS
'makes the roles spotai_admin and spotai_secret_reader where they are absent, and lets the first write secrets and the second read them';
