-- secrets: values under keys that are not in the database
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never

-- without a key: one clear error, and nothing is kept
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_put('mail', 'correct horse') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_rotate('mail', 'correct horse') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_get('mail') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.rekey() $$);
SELECT spotai.secret_delete('mail') AS deleted, (SELECT count(*) FROM spotai.secrets()) AS secrets,
       (SELECT count(*) FROM spotai.data_key) AS keys;

-- a key from a command; a reload has reached this session when its next statement begins
ALTER SYSTEM SET spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
SELECT spotai.secret_put('mail', 'correct horse');
SELECT spotai.secret_get('mail');
SELECT kek_id, current FROM spotai.data_keys();
SELECT spotai.secret_rotate('mail', 'battery staple');
SELECT spotai.secret_get('mail');
SELECT spotai.secret_put('Ångström ✓ ''"; --', E'two\nlines and a \t tab') AS version;
SELECT spotai.secret_get('Ångström ✓ ''"; --') = E'two\nlines and a \t tab' AS same;
SELECT name, version FROM spotai.secrets();
-- what is stored does not hold it, and has no length but its own
SELECT name, position('battery'::bytea IN sealed) AS at, octet_length(sealed) - 46 AS bytes FROM spotai.secret ORDER BY name COLLATE "C";
SELECT count(*) AS keys FROM spotai.data_key;

-- the owner's own triggers run with nobody's search path, and leave nothing behind
CREATE FUNCTION pg_temp.leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'search_path %', current_setting('search_path');
    EXECUTE 'CREATE TEMP TABLE left_behind ()';
    RETURN NULL;
END
$$;
CREATE TRIGGER leave AFTER UPDATE ON spotai.secret EXECUTE FUNCTION pg_temp.leave();
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.secret_rotate('mail', 'battery staple') $$);
DROP TRIGGER leave ON spotai.secret;
SELECT current_setting('search_path') AS as_before;

-- names and values
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_put('mail', 'again') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_rotate('male', 'again') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_get('male') $$);
SELECT code, message FROM unnest(ARRAY['NULL', '''''', '''x'' || chr(10)', 'repeat(''é'', 128)', 'chr(127)']) name,
       LATERAL pg_temp.failure(format('SELECT spotai.secret_put(%s, ''v'')', name));
SELECT code, message FROM unnest(ARRAY['NULL', '''''', 'repeat(''x'', 1048577)', 'repeat(''é'', 524289)']) value,
       LATERAL pg_temp.failure(format('SELECT spotai.secret_put(''v'', %s)', value));
SELECT code FROM unnest(ARRAY['rotate(NULL, ''x'')', 'rotate(''mail'', NULL)', 'get(NULL)', 'get('''')', 'delete(NULL)']) call,
       LATERAL pg_temp.failure('SELECT spotai.secret_' || call);
SELECT spotai.secret_put(repeat('n', 255), repeat('é', 524288)) AS version;
SELECT spotai.secret_get(repeat('n', 255)) = repeat('é', 524288) AS same;
-- a value that is stored compressed before it gets here
CREATE TEMP TABLE given AS SELECT repeat('compressible ', 8000) AS value;
SELECT pg_column_size(value) < 50000 AS compressed, spotai.secret_rotate(repeat('n', 255), value) AS version FROM given;
SELECT spotai.secret_get(repeat('n', 255)) = value AS same FROM given;
SELECT spotai.secret_delete(repeat('n', 255)) AS first, spotai.secret_delete(repeat('n', 255)) AS again;

-- what is rolled back takes its data key with it
BEGIN;
DELETE FROM spotai.secret;
DELETE FROM spotai.data_key;
SAVEPOINT before;
SELECT spotai.secret_put('mail', 'lost');
ROLLBACK TO before;
SELECT spotai.secret_put('mail', 'kept');
SELECT spotai.secret_get('mail') AS value, (SELECT count(*) FROM spotai.data_key) AS keys;
ROLLBACK;
SELECT spotai.secret_get('mail');

-- after a quarter of a year there is another data key, and the older one still opens
UPDATE spotai.data_key SET created_at = now() - interval '91 days';
SELECT spotai.secret_put('chat', 'tr0ub4dor');
SELECT name, spotai.secret_get(name) AS value FROM spotai.secrets() WHERE name IN ('mail', 'chat');
SELECT count(*) AS keys FROM spotai.data_key;

-- the statement is withheld from pg_stat_activity
SELECT spotai.secret_put('seen', 'unseen') AS version, (SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS query;

-- rows that were changed or moved do not open, and the error says nothing of the value
CREATE FUNCTION pg_temp.opens(change text, name text DEFAULT 'mail', OUT code text, OUT message text, OUT detail text)
LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE change;
        SELECT f.code, f.message, f.detail INTO code, message, detail
        FROM pg_temp.failure(format('SELECT spotai.secret_get(%L)', name)) f;
        RAISE EXCEPTION 'undo' USING ERRCODE = 'PT000';
    EXCEPTION WHEN SQLSTATE 'PT000' THEN
        NULL;
    END;
END
$$;
INSERT INTO spotai.tenant (id, name) VALUES ('00000000-0000-0000-0000-000000000002', 'other');
SELECT what, o.* FROM (VALUES
    (1, 'nothing', 'SELECT 1'),
    (2, 'a bit', 'UPDATE spotai.secret SET sealed = set_bit(sealed, 46 * 8, 1 - get_bit(sealed, 46 * 8)) WHERE name = ''mail'''),
    (3, 'the tag', 'UPDATE spotai.secret SET sealed = set_byte(sealed, octet_length(sealed) - 1, get_byte(sealed, octet_length(sealed) - 1) # 1) WHERE name = ''mail'''),
    (4, 'its form', 'UPDATE spotai.secret SET sealed = set_byte(sealed, 0, 2) WHERE name = ''mail'''),
    (5, 'its kind', 'UPDATE spotai.secret SET sealed = set_byte(sealed, 1, 2) WHERE name = ''mail'''),
    (6, 'its key', 'UPDATE spotai.secret SET sealed = set_byte(sealed, 2, get_byte(sealed, 2) # 1) WHERE name = ''mail'''),
    (7, 'its nonce', 'UPDATE spotai.secret SET sealed = set_byte(sealed, 18, get_byte(sealed, 18) # 1) WHERE name = ''mail'''),
    (8, 'cut short', 'UPDATE spotai.secret SET sealed = substring(sealed FROM 1 FOR octet_length(sealed) - 1) WHERE name = ''mail'''),
    (9, 'cut to 46', 'UPDATE spotai.secret SET sealed = substring(sealed FROM 1 FOR 46) WHERE name = ''mail'''),
    (10, 'cut to 45', 'UPDATE spotai.secret SET sealed = substring(sealed FROM 1 FOR 45) WHERE name = ''mail'''),
    (11, 'emptied', 'UPDATE spotai.secret SET sealed = '''' WHERE name = ''mail'''),
    (12, 'longer', 'UPDATE spotai.secret SET sealed = sealed || ''\x00'' WHERE name = ''mail'''),
    (13, 'its version', 'UPDATE spotai.secret SET version = 1 WHERE name = ''mail'''),
    (14, 'its id', 'UPDATE spotai.secret SET id = gen_random_uuid() WHERE name = ''mail'''),
    (15, 'its name', 'DELETE FROM spotai.secret WHERE name = ''mail''; UPDATE spotai.secret SET name = ''mail'' WHERE name = ''chat'''),
    (16, 'another value', 'UPDATE spotai.secret SET sealed = (SELECT sealed FROM spotai.secret WHERE name = ''seen'') WHERE name = ''mail'''),
    (17, 'no data key', 'DELETE FROM spotai.data_key'),
    (18, 'a data key as value', 'UPDATE spotai.secret SET sealed = (SELECT wrapped FROM spotai.data_key LIMIT 1) WHERE name = ''mail'''),
    (19, 'the data key, a bit', 'UPDATE spotai.data_key SET wrapped = set_bit(wrapped, 46 * 8, 1 - get_bit(wrapped, 46 * 8))'),
    (20, 'the data keys exchanged', 'UPDATE spotai.data_key d SET wrapped = e.wrapped FROM spotai.data_key e WHERE e.id <> d.id'),
    (21, 'the data key of nobody', 'UPDATE spotai.data_key SET tenant_id = ''00000000-0000-0000-0000-000000000002''')
) v (n, what, change), LATERAL pg_temp.opens(change) o ORDER BY n;
SELECT code, message, detail FROM pg_temp.opens('UPDATE spotai.data_key SET wrapped = set_byte(wrapped, 0, 0)');

-- nor do rows of another tenant, even together with its data key
INSERT INTO spotai.principal (tenant_id, name, kind) VALUES ('00000000-0000-0000-0000-000000000002', 'program', 'service') RETURNING id AS program \gset
SELECT spotai.create_api_key('program', '{secret:*}', '1 day', :'program') AS key \gset
BEGIN;
SELECT spotai.login_api_key(:'key') = :'program' AS logged_in;
SELECT count(*) AS secrets FROM spotai.secrets();
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_get('mail') $$);
SELECT spotai.secret_delete('mail') AS deleted;
SELECT spotai.secret_put('mail', 'of the other tenant');
SELECT spotai.secret_get('mail');
-- the other's row
SELECT o.* FROM pg_temp.opens('UPDATE spotai.secret s SET sealed = t.sealed, version = t.version FROM spotai.secret t WHERE s.name = ''mail'' AND s.tenant_id = spotai.current_tenant() AND t.name = ''mail'' AND t.tenant_id <> s.tenant_id') o;
SELECT o.* FROM pg_temp.opens('DELETE FROM spotai.secret WHERE tenant_id = spotai.current_tenant(); UPDATE spotai.secret SET tenant_id = spotai.current_tenant()') o;
-- and the key with it
SELECT o.* FROM pg_temp.opens('DELETE FROM spotai.secret WHERE tenant_id = spotai.current_tenant(); UPDATE spotai.secret SET tenant_id = spotai.current_tenant(); UPDATE spotai.data_key SET tenant_id = spotai.current_tenant()') o;
ROLLBACK;
SELECT spotai.secret_get('mail');

-- who may what
CREATE ROLE regress_spotai_writer;
CREATE ROLE regress_spotai_reader;
CREATE ROLE regress_spotai_stranger;
GRANT spotai_admin TO regress_spotai_writer;
GRANT spotai_admin, spotai_secret_reader TO regress_spotai_reader;
SELECT g.role, string_agg(p.proname, ', ' ORDER BY p.proname COLLATE "C") AS may
FROM unnest(ARRAY['spotai_admin', 'spotai_secret_reader', 'regress_spotai_stranger']) g (role)
LEFT JOIN pg_proc p ON p.pronamespace = 'spotai'::regnamespace
     AND p.proname IN ('secret_put', 'secret_rotate', 'secret_delete', 'secret_get', 'secrets', 'rekey', 'data_keys')
     AND has_function_privilege(g.role, p.oid, 'EXECUTE')
GROUP BY g.role ORDER BY g.role;
SET ROLE regress_spotai_writer;
SELECT spotai.secret_put('by the writer', 'write-only') AS version;
SELECT name, version FROM spotai.secrets() WHERE name = 'by the writer';
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.secret_get('by the writer') $$);
SELECT code, message FROM pg_temp.failure($$ SELECT * FROM spotai.secret $$);
SELECT code, message FROM pg_temp.failure($$ SELECT * FROM spotai.data_key $$);
SELECT code, message FROM pg_temp.failure($$ DELETE FROM spotai.secret $$);
SELECT code FROM pg_temp.failure('SHOW spotai.key_command');
SET ROLE regress_spotai_reader;
SELECT spotai.secret_get('by the writer');
SELECT code, message FROM pg_temp.failure($$ SELECT sealed FROM spotai.secret $$);
SET ROLE regress_spotai_stranger;
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.secret_get('by the writer') $$);
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.secret_put('x', 'y') $$);
RESET ROLE;
DROP ROLE regress_spotai_writer, regress_spotai_reader, regress_spotai_stranger;
-- whatever a caller has in his search_path, ours is what runs
CREATE SCHEMA regress_spotai_trap;
CREATE FUNCTION regress_spotai_trap.equal(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR regress_spotai_trap.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = regress_spotai_trap.equal);
SET search_path = regress_spotai_trap, pg_catalog;
SELECT spotai.secret_get('mail');
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_spotai_trap CASCADE;
RESET client_min_messages;

-- another key-encryption key: both are there while the data keys are sealed anew
ALTER SYSTEM SET spotai.key_command = 'echo "# of today"; echo ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=; echo; echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
SELECT DISTINCT kek_id, current FROM spotai.data_keys();
SELECT spotai.secret_get('mail');
SELECT spotai.rekey() AS sealed_anew;
SELECT spotai.rekey() AS sealed_anew;
SELECT DISTINCT kek_id, current FROM spotai.data_keys();
SELECT name, spotai.secret_get(name) AS value FROM spotai.secrets() WHERE name IN ('mail', 'chat');
-- the new one alone
ALTER SYSTEM SET spotai.key_command = 'echo ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
SELECT spotai.secret_get('mail');
-- the old one alone is named as the wrong one
ALTER SYSTEM SET spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
\x on
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_get('mail') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_put('new', 'value') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.rekey() $$);
\x off

-- what a command may not do
ALTER SYSTEM SET spotai.key_command = 'echo a passphrase; exit 0';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_get('mail') $$);
ALTER SYSTEM SET spotai.key_command = 'exit 3';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
SELECT * FROM pg_temp.failure($$ SELECT spotai.secret_get('mail') $$);

ALTER SYSTEM RESET spotai.key_command;
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
\i :end
