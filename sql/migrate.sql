-- migrate: the table layer, forward only, in one transaction, safe to repeat
\getenv root PG_ABS_SRCDIR
\set facts :root '/sql/include/facts.sql'
\set end :root '/sql/include/end.sql'
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE EXTENSION spotai;
\i :facts

-- before: what needs tables says how to get them
SELECT _spotai.require_tables();
\echo :LAST_ERROR_SQLSTATE
SELECT spotai.ingest('x');
\echo :LAST_ERROR_SQLSTATE

-- from nothing, all at once
CALL spotai.migrate();
SELECT _spotai.require_tables();
CREATE TEMP TABLE at_once AS SELECT * FROM pg_temp.table_facts();
SELECT count(*) > 50 AS many_facts FROM at_once;
SELECT count(*) = max(k.version) AS without_gaps, bool_and(m.name = k.name) AS all_recorded,
       bool_and(m.extension_version = spotai.version()) AS by_this_version, bool_and(m.applied_by = session_user) AS by_me
FROM _spotai.known_migration() k LEFT JOIN spotai.schema_migration m USING (version);

-- again: nothing changes, and nobody who is reading or writing has to wait
BEGIN;
CALL spotai.migrate();
SELECT relation::regclass, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'spotai'::regnamespace)
  AND mode NOT IN ('AccessShareLock', 'RowShareLock');
COMMIT;
CALL spotai.migrate();
(TABLE at_once EXCEPT SELECT * FROM pg_temp.table_facts()) UNION ALL (SELECT * FROM pg_temp.table_facts() EXCEPT TABLE at_once);

-- step by step, as a library that lived through every version; the rows stay
DROP SCHEMA spotai CASCADE;
CREATE EXTENSION spotai;
DO $$
DECLARE
    step record;
BEGIN
    CALL _spotai.create_migration_table();
    FOR step IN SELECT * FROM _spotai.known_migration() k ORDER BY k.version LOOP
        EXECUTE format('CALL _spotai.migration_%s()', to_char(step.version, 'FM0000'));
        INSERT INTO spotai.schema_migration (version, name, extension_version) VALUES (step.version, step.name, 'older');
        COMMIT;
        -- what every release does at its end
        CALL _spotai.secure_tables();
        COMMIT;
    END LOOP;
END
$$;
CALL spotai.migrate();
(TABLE at_once EXCEPT SELECT * FROM pg_temp.table_facts()) UNION ALL (SELECT * FROM pg_temp.table_facts() EXCEPT TABLE at_once);
SELECT DISTINCT extension_version FROM spotai.schema_migration;

-- the comparison notices drift
BEGIN;
ALTER TABLE spotai.track ALTER COLUMN title SET NOT NULL;
DROP INDEX spotai.track_audio_idx;
SELECT count(*) FROM (TABLE at_once EXCEPT SELECT * FROM pg_temp.table_facts()) lost;
ROLLBACK;

-- the user's own policies, indexes and grants survive another run
CREATE ROLE regress_spotai_listener;
GRANT SELECT ON spotai.track TO regress_spotai_listener;
CREATE INDEX my_titles ON spotai.track (lower(title));
CREATE POLICY my_policy ON spotai.track AS RESTRICTIVE USING (title <> 'secret');
CALL spotai.migrate();
SELECT has_table_privilege('regress_spotai_listener', 'spotai.track', 'SELECT') AS granted,
       to_regclass('spotai.my_titles') IS NOT NULL AS indexed,
       (SELECT count(*) FROM pg_policy WHERE polrelid = 'spotai.track'::regclass) AS policies;
DROP POLICY my_policy ON spotai.track;
REVOKE ALL ON spotai.track FROM regress_spotai_listener;
DROP ROLE regress_spotai_listener;

-- tables newer than the extension: refused, nothing done
INSERT INTO spotai.schema_migration (version, name, extension_version) VALUES (9999, 'future', '99.0.0');
DO $$
BEGIN
    CALL spotai.migrate();
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE WARNING '%', regexp_replace(SQLERRM, '\d+$', '(newest)');
END
$$;
DELETE FROM spotai.schema_migration WHERE version = 9999;

-- a step that fails takes everything of its run with it
DROP SCHEMA spotai CASCADE;
CREATE EXTENSION spotai;
BEGIN;
CREATE OR REPLACE FUNCTION _spotai.known_migration(OUT version integer, OUT name text) RETURNS SETOF record
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ VALUES (1, 'base'), (9001, 'broken') $$;
CREATE OR REPLACE PROCEDURE _spotai.migration_9001() LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE spotai.half (); PERFORM 1 / 0; END $$;
SAVEPOINT before;
CALL spotai.migrate();
ROLLBACK TO before;
SELECT count(*) AS relations FROM pg_class WHERE relnamespace = 'spotai'::regnamespace;
ROLLBACK;
CALL spotai.migrate();
(TABLE at_once EXCEPT SELECT * FROM pg_temp.table_facts()) UNION ALL (SELECT * FROM pg_temp.table_facts() EXCEPT TABLE at_once);

-- DROP EXTENSION takes policies and defaults, but no table and no row; row-level
-- security stays on, so nobody but the owner sees anything
INSERT INTO spotai.tenant (id, name) VALUES ('00000000-0000-0000-0000-000000000002', 'other');
DROP EXTENSION spotai CASCADE;
SELECT name FROM spotai.tenant ORDER BY name;
SELECT count(*) AS policies_left FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relnamespace = 'spotai'::regnamespace AND p.polname = 'tenant_isolation';
SELECT count(*) AS unprotected FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity;
CREATE EXTENSION spotai;
CALL spotai.migrate();
(TABLE at_once EXCEPT SELECT * FROM pg_temp.table_facts()) UNION ALL (SELECT * FROM pg_temp.table_facts() EXCEPT TABLE at_once);
\i :end
