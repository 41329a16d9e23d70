-- privacy: consent, export, erasure, legal holds, retention, purging
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never
ALTER SYSTEM SET spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
SET timezone = 'UTC';

-- ---- the registry: no table is forgotten

CREATE FUNCTION pg_temp.forgotten() RETURNS TABLE (what text, object text) LANGUAGE sql AS $$
    -- every table says what it holds
    SELECT 'not in _spotai.built_in_table()', c.oid::regclass::text
    FROM pg_class c
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM _spotai.built_in_table() b WHERE b.relation = 'spotai.' || c.relname)
    UNION ALL
    -- a column that is by its name or its foreign key a person's is registered
    SELECT 'column is not registered', format('%s.%s', c.oid::regclass, a.attname)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
      AND a.atttypid = 'uuid'::regtype
      AND (a.attname ~ '(^|_)(subject|principal|person|user|member|owner)(_id)?$'
           OR EXISTS (SELECT FROM pg_constraint k, unnest(k.conkey, k.confkey) u (mine, theirs)
                      JOIN pg_attribute r ON r.attrelid = 'spotai.principal'::regclass AND r.attnum = u.theirs
                      WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = 'spotai.principal'::regclass
                        AND u.mine = a.attnum AND r.attname = 'id'))
      AND NOT EXISTS (SELECT FROM _spotai.built_in_table() b
                      WHERE b.relation = 'spotai.' || c.relname AND b.subject_column = a.attname AND b.erase <> 'none')
    UNION ALL
    -- what is deleted softly is purged
    SELECT 'spotai.purge() does not know it', c.oid::regclass::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'deleted_at' AND NOT a.attisdropped
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname NOT IN ('track', 'principal', 'tenant')
    UNION ALL
    -- what is in the registry exists
    SELECT 'no such table', b.relation FROM _spotai.built_in_table() b WHERE to_regclass(b.relation) IS NULL
    UNION ALL
    SELECT 'no such column', format('%s.%s', b.relation, x)
    FROM _spotai.built_in_table() b,
         LATERAL (SELECT b.subject_column UNION SELECT b.time_column UNION SELECT unnest(b.exported)
                  UNION SELECT jsonb_object_keys(b.anonymise)) v (x)
    WHERE x IS NOT NULL AND NOT (b.relation = 'spotai.audit_entry' AND x = 'detail')
      AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(b.relation) AND a.attname = x AND NOT a.attisdropped)
    UNION ALL
    -- an export shows nothing that is hashed or sealed
    SELECT 'a secret is exported', format('%s.%s', b.relation, x) FROM _spotai.built_in_table() b, unnest(b.exported) x
    WHERE x ~ 'hash|sealed|secret|wrapped|private'
       OR (x <> 'detail' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(b.relation) AND a.attname = x
                                     AND a.atttypid = 'bytea'::regtype))
    UNION ALL
    SELECT 'does not hold together', concat_ws('.', b.relation, b.subject_column) FROM _spotai.built_in_table() b
    WHERE (b.erase = 'none') <> (b.subject_column IS NULL) OR (b.erase = 'anonymise') <> (b.anonymise IS NOT NULL)
       OR b.erase NOT IN ('delete', 'anonymise', 'key', 'keep', 'none') OR b.reason = ''
    UNION ALL
    SELECT 'twice', concat_ws('.', b.relation, b.subject_column) FROM _spotai.built_in_table() b
    GROUP BY b.relation, b.subject_column HAVING count(*) > 1
    ORDER BY 1, 2
$$;
SELECT * FROM pg_temp.forgotten();
SELECT count(*) >= 35 AS some_tables FROM _spotai.built_in_table();
-- each of these can fail
BEGIN;
CREATE TABLE spotai.forgotten (tenant_id uuid, subject_id uuid, fan uuid, deleted_at timestamptz,
                               FOREIGN KEY (tenant_id, fan) REFERENCES spotai.principal (tenant_id, id));
ALTER TABLE spotai.track ADD COLUMN uploaded_by_principal_id uuid;
ALTER TABLE spotai.api_key RENAME COLUMN principal_id TO person_id;
ALTER TABLE spotai.totp RENAME COLUMN failures TO failed;
SELECT * FROM pg_temp.forgotten();
ROLLBACK;

-- ---- consent

SELECT tenant AS acme, administrator AS root_of_acme FROM spotai.create_tenant('acme') \gset
SELECT spotai.issue_token(:'root_of_acme') AS root_token, gen_random_uuid() AS nobody \gset
SELECT spotai.create_principal('ann') AS ann, spotai.create_principal('bob') AS bob \gset
SELECT spotai.has_consent(:'ann', 'recommend') AS has;
SELECT spotai.consent_give(:'ann', 'recommend', '2026-01', '{"form": "signup", "ip": "192.0.2.7"}') IS NOT NULL AS given;
SELECT spotai.has_consent(:'ann', 'recommend') AS has, spotai.has_consent(:'ann', 'Recommend') AS other_purpose,
       spotai.has_consent(:'bob', 'recommend') AS other_person, spotai.has_consent(NULL, 'recommend') AS of_null,
       spotai.has_consent(:'ann', NULL) AS for_null, spotai.has_consent(:'nobody', '') AS of_nobody;
SELECT spotai.consent_withdraw(:'ann', 'recommend') AS withdrawn, spotai.consent_withdraw(:'ann', 'recommend') AS again,
       spotai.consent_withdraw(:'bob', 'recommend') AS never_given;
SELECT spotai.has_consent(:'ann', 'recommend') AS has;
-- in one transaction, and with a clock that was set back, the order stays
BEGIN;
SELECT spotai.consent_give(:'ann', 'recommend', '2026-02') IS NOT NULL AS given, spotai.consent_withdraw(:'ann', 'recommend') AS withdrawn;
SELECT spotai.consent_give(:'ann', 'recommend', '2026-03') IS NOT NULL AS given;
UPDATE spotai.consent_event SET occurred_at = occurred_at + interval '1 hour';
SELECT spotai.consent_withdraw(:'ann', 'recommend') AS withdrawn;
SELECT spotai.has_consent(:'ann', 'recommend') AS has;
SELECT event, text_version, evidence ->> 'form' AS form, principal_id IS NULL AS by_operator FROM spotai.consent_event ORDER BY occurred_at;
ROLLBACK;
SELECT action, object = :'ann' AS about_ann, convert_from(detail, 'UTF8')::jsonb -> 'event' ->> 'purpose' AS purpose
FROM spotai.audit_entry WHERE action LIKE 'consent.%' ORDER BY id;
SELECT code, message FROM unnest(ARRAY['NULL, ''p'', ''v''', format('%L, NULL, ''v''', :'ann'::text), format('%L, ''p'', NULL', :'ann'::text),
    format('%L, '''', ''v''', :'ann'::text), format('%L, ''p'', ''''', :'ann'::text), format('%L, repeat(''é'', 128), ''v''', :'ann'::text),
    format('%L, ''p'', repeat(''x'', 256)', :'ann'::text)]) args,
    LATERAL pg_temp.failure(format('SELECT spotai.consent_give(%s)', args));
SELECT code, message FROM unnest(ARRAY['NULL, ''p''', format('%L, NULL', :'ann'::text), format('%L, ''''', :'ann'::text)]) args,
    LATERAL pg_temp.failure(format('SELECT spotai.consent_withdraw(%s)', args));

-- entry points ask for it when they are told to
SELECT * FROM pg_temp.failure(format('SELECT _spotai.require_consent(%L, %L)', :'ann'::text, 'recommend'));
SET spotai.require_consent = on;
SELECT * FROM pg_temp.failure(format('SELECT _spotai.require_consent(%L, %L)', :'ann'::text, 'recommend'));
SELECT code FROM pg_temp.failure(format('SELECT _spotai.require_consent(NULL, %L)', 'recommend'));
SELECT spotai.consent_give(:'ann', 'recommend', '2026-04') IS NOT NULL AS given;
SELECT * FROM pg_temp.failure(format('SELECT _spotai.require_consent(%L, %L)', :'ann'::text, 'recommend'));
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.audit(''play'', ''song'', ''{}'', %L)', :'bob'::text));
SELECT code FROM pg_temp.failure('SELECT spotai.audit(''play'', ''song'')');
SELECT spotai.consent_give(:'bob', 'audit', '1') IS NOT NULL AS given;
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.audit(''play'', ''song'', ''{}'', %L)', :'bob'::text));
RESET spotai.require_consent;

-- ---- a table of the user's own

CREATE ROLE regress_spotai_app;
CREATE SCHEMA regress_shop AUTHORIZATION regress_spotai_app;
CREATE TABLE regress_shop.play (tenant_id uuid NOT NULL, listener uuid, song text NOT NULL, at timestamptz NOT NULL DEFAULT now(), mood text);
CREATE TABLE regress_shop.customer (of_tenant uuid, id uuid PRIMARY KEY, email text NOT NULL UNIQUE, age integer, size integer NOT NULL DEFAULT 1);
CREATE TABLE regress_shop.note (about uuid, "the ""text""" text, by_whom uuid);
ALTER TABLE regress_shop.play OWNER TO regress_spotai_app;
ALTER TABLE regress_shop.play ENABLE ROW LEVEL SECURITY;
ALTER TABLE regress_shop.play FORCE ROW LEVEL SECURITY;
SELECT spotai.register_personal_data('regress_shop.play', 'listener', exported => '{song,at}');
SELECT spotai.register_personal_data('regress_shop.customer', 'id', 'anonymise', '{email,age}', NULL, 'of_tenant');
SELECT spotai.register_personal_data('regress_shop.note', 'about', tenant_column => NULL);
SELECT spotai.register_personal_data('regress_shop.note', 'by_whom', 'anonymise', '{by_whom}', tenant_column => NULL);
SELECT relation, subject_column, erase, replace(anonymise::text, :'ann', 'ANN') AS anonymise, exported, tenant_column, fixed_tenant IS NOT NULL AS fixed FROM _spotai.personal_table(:'ann')
WHERE rank < 0 ORDER BY rank;
SELECT replace(message, :'ann', 'ann') AS message, code FROM unnest(ARRAY[
    'NULL, ''x''', '''regress_shop.play'', NULL', '''regress_shop.play'', ''listener'', NULL', '''regress_shop.play'', ''song''',
    '''regress_shop.play'', ''nothing''', '''regress_shop.play'', ''listener'', ''forget''', '''regress_shop.play'', ''listener'', ''anonymise''',
    '''regress_shop.play'', ''listener'', ''anonymise'', ''{}''', '''regress_shop.play'', ''listener'', ''anonymise'', ''{song,nothing}''',
    '''regress_shop.play'', ''listener'', ''anonymise'', ''{tenant_id}''', '''regress_shop.play'', ''listener'', ''anonymise'', ''{at}''',
    '''regress_shop.play'', ''listener'', ''delete'', ''{song}''', '''regress_shop.play'', ''listener'', exported => ''{nothing}''',
    '''regress_shop.note'', ''about''', '''regress_shop.customer'', ''id'', ''anonymise'', ''{size}'', NULL, ''of_tenant''',
    '''spotai.track'', ''id''', '''pg_catalog.pg_class'', ''oid''', '''regress_shop.customer_pkey'', ''id''']) args,
    LATERAL pg_temp.failure(format('SELECT spotai.register_personal_data(%s)', args));

INSERT INTO regress_shop.play VALUES
    ('00000000-0000-0000-0000-000000000001', :'ann', 'Ann''s song', '2026-01-01', 'blue'), ('00000000-0000-0000-0000-000000000001', :'bob', 'Bob''s song', '2026-01-02', 'red'),
    ('00000000-0000-0000-0000-000000000001', NULL, 'nobody''s', '2026-01-03', NULL), (:'acme', :'ann', 'of acme', '2026-01-04', 'green');
INSERT INTO regress_shop.customer VALUES ('00000000-0000-0000-0000-000000000001', :'ann', 'ann@example.org', 30), ('00000000-0000-0000-0000-000000000001', :'bob', 'bob@example.org', 40);
INSERT INTO regress_shop.note VALUES (:'ann', 'about ann', :'bob'), (:'bob', 'about bob', :'ann');

-- ---- export

SELECT spotai.create_role('editor', '{stems:write}') IS NOT NULL AS role, spotai.grant_role(:'ann', 'editor');
SELECT spotai.create_api_key('ann''s laptop', '{stems:write}', '1 day', :'ann') IS NOT NULL AS key;
SELECT spotai.totp_enroll(:'ann') IS NOT NULL AS totp \gset
SELECT cardinality(spotai.totp_recovery_codes(:'ann', 3)) AS codes;
SELECT spotai.issue_refresh_token(:'ann') IS NOT NULL AS refresh_token;
SELECT spotai.audit('note', 'a thing', '{"note": "ann likes blue"}', :'ann') AS entry \gset
SELECT spotai.audit('note', 'a thing', '{"note": "bob likes red"}', :'bob') AS bobs_entry \gset
SELECT spotai.subject_export(:'ann') AS export \gset
SELECT key, value ->> 'rows' AS rows FROM jsonb_each(:'export'::jsonb -> 'manifest' -> 'tables') ORDER BY key COLLATE "C";
SELECT :'export'::jsonb -> 'tables' -> 'regress_shop.play.listener' AS plays, :'export'::jsonb -> 'tables' -> 'regress_shop.note.about' -> 0 ->> 'the "text"' AS note;
SELECT :'export'::jsonb -> 'tables' -> 'spotai.audit_entry.subject_id' -> 0 -> 'detail' ->> 'data' AS detail;
-- nothing that opens anything, and nothing of anybody else
SELECT position(encode(hash, 'hex') IN :'export') AS hash FROM spotai.api_key UNION ALL
SELECT position(encode(secret, 'hex') IN :'export') FROM spotai.totp UNION ALL
SELECT position(encode(hash, 'hex') IN :'export') FROM spotai.refresh_token;
SELECT position('of acme' IN :'export') AS acme, position('bob likes' IN :'export') AS bob, position('Bob''s' IN :'export') AS his;
-- the manifest is what it says, and the same again, whatever the session's settings
SELECT bool_and(m.value ->> 'sha256' = encode(sha256(convert_to((:'export'::jsonb -> 'tables' -> m.key)::text, 'UTF8')), 'hex')
                AND (m.value ->> 'rows')::integer = jsonb_array_length(:'export'::jsonb -> 'tables' -> m.key)) AS tables_match
FROM jsonb_each(:'export'::jsonb -> 'manifest' -> 'tables') m;
SELECT encode(sha256(convert_to(:'export'::jsonb -> 'manifest' ->> 'lines', 'UTF8')), 'hex') = :'export'::jsonb -> 'manifest' ->> 'sha256' AS total_matches;
SELECT spotai.subject_export(:'ann') -> 'manifest' = :'export'::jsonb -> 'manifest' AS same;
BEGIN;
SET LOCAL timezone = 'Asia/Tokyo';
SET LOCAL datestyle = 'German';
SET LOCAL intervalstyle = 'sql_standard';
SET LOCAL bytea_output = 'escape';
SET LOCAL extra_float_digits = -15;
SELECT spotai.subject_export(:'ann') -> 'manifest' = :'export'::jsonb -> 'manifest' AS same;
UPDATE regress_shop.play SET song = song || '!' WHERE listener = :'ann';
SELECT spotai.subject_export(:'ann') -> 'manifest' ->> 'sha256' = :'export'::jsonb -> 'manifest' ->> 'sha256' AS same;
ROLLBACK;
SELECT sum((value ->> 'rows')::integer) AS rows_of_nobody FROM jsonb_each(spotai.subject_export(:'nobody') -> 'manifest' -> 'tables');
SELECT code, message FROM pg_temp.failure('SELECT spotai.subject_export(NULL)');
SELECT action, object = :'ann' AS about_ann, subject_id IS NULL AS readable FROM spotai.audit_entry WHERE action = 'privacy.export' LIMIT 1;

-- ---- legal holds

SELECT spotai.hold_place(:'ann', 'a court asked') AS hold \gset
SELECT replace(hint, :'hold', '...') AS hint, code, message FROM pg_temp.failure(format('SELECT spotai.subject_erase(%L)', :'ann'::text));
SELECT spotai.hold_release(:'nobody') AS unknown, spotai.hold_release(NULL) AS of_null;
SELECT code, message FROM unnest(ARRAY['NULL, ''r''', format('%L, NULL', :'ann'::text), format('%L, ''''', :'ann'::text), format('%L, repeat(''x'', 8193)', :'ann'::text)]) args,
    LATERAL pg_temp.failure(format('SELECT spotai.hold_place(%s)', args));
-- it is the tenant's own
SELECT spotai.login(:'root_token') = :'root_of_acme' AS acme;
SELECT spotai.hold_release(:'hold') AS released;
SELECT spotai.subject_erase(:'ann') ->> 'rows' AS rows;
SELECT spotai.logout();
SELECT song FROM regress_shop.play ORDER BY at;

-- ---- erasure

SELECT code, message FROM pg_temp.failure('SELECT spotai.subject_erase(NULL)');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT code, message, hint FROM pg_temp.failure(format('SELECT spotai.subject_erase(%L)', :'bob'::text));
ROLLBACK;
SELECT spotai.hold_release(:'hold') AS released, spotai.hold_release(:'hold') AS again;
SELECT spotai.audit_seal() > 0 AS sealed;
CREATE TEMP TABLE proven AS SELECT e.id, spotai.audit_inclusion_proof(e.id) AS proof FROM spotai.audit_entry e;
-- triggers of the table's owner run, and run as the owner
CREATE TABLE regress_shop.seen (who name, op text);
CREATE FUNCTION regress_shop.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO regress_shop.seen VALUES (current_user, TG_OP); RETURN coalesce(NEW, OLD); END $$;
ALTER TABLE regress_shop.seen OWNER TO regress_spotai_app;
CREATE TRIGGER see BEFORE DELETE ON regress_shop.play FOR EACH ROW EXECUTE FUNCTION regress_shop.see();
SELECT spotai.subject_erase(:'ann') AS erased \gset
SELECT key, value FROM jsonb_each_text(:'erased'::jsonb -> 'tables') UNION ALL
SELECT key, value FROM jsonb_each_text(:'erased'::jsonb - 'tables' - 'subject') ORDER BY 1, 2;
SELECT * FROM regress_shop.seen;
SELECT song FROM regress_shop.play ORDER BY at;
SELECT replace(email, :'ann', 'ANN') AS email, age FROM regress_shop.customer ORDER BY age;
SELECT about = :'bob' AS about_bob, by_whom IS NULL AS by_nobody FROM regress_shop.note;
SELECT replace(name, :'ann', 'ANN') AS name, deleted_at IS NOT NULL AS deleted FROM spotai.principal WHERE tenant_id = spotai.current_tenant() ORDER BY name;
SELECT event, evidence IS NULL AS no_evidence FROM spotai.consent_event WHERE subject_id = :'ann' ORDER BY occurred_at;
SELECT spotai.has_consent(:'ann', 'recommend') AS ann, spotai.has_consent(:'bob', 'audit') AS bob;
SELECT spotai.audit_detail(:'entry') IS NULL AS gone, spotai.audit_detail(:'bobs_entry') -> 'data' ->> 'note' AS bobs;
SELECT count(*) AS keys FROM spotai.subject_key WHERE subject_id = :'ann';
-- every proof still holds
SELECT bool_and(spotai.audit_inclusion_proof(p.id, c.tree_size) = p.proof) AS proofs_hold FROM proven p, (SELECT min(tree_size) AS tree_size FROM spotai.audit_checkpoint) c;
SELECT spotai.audit_seal() > 0 AS sealed;
SELECT ok FROM spotai.audit_verify();
-- the event says what was done, and nothing of whom but the id
SELECT object = :'ann' AS about_ann, subject_id IS NULL AS readable, convert_from(detail, 'UTF8')::jsonb -> 'event' ->> 'rows' AS rows,
       position('blue' IN convert_from(detail, 'UTF8')) + position('Ann' IN convert_from(detail, 'UTF8')) AS personal
FROM spotai.audit_entry WHERE action = 'privacy.erase' AND tenant_id = spotai.current_tenant();
-- code of others that the operator happens to run may not what the operator may
CREATE FUNCTION regress_shop.trap() RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$ SELECT spotai.subject_erase(gen_random_uuid()) $$;
ALTER FUNCTION regress_shop.trap() OWNER TO regress_spotai_app;
GRANT spotai_user TO regress_spotai_app;
SELECT code, message FROM pg_temp.failure('SELECT regress_shop.trap()');
-- nor does anybody become the owner of a table by a helper that was granted by mistake
GRANT USAGE ON SCHEMA _spotai TO regress_spotai_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA _spotai TO regress_spotai_app;
SET ROLE regress_spotai_app;
SELECT code, message FROM pg_temp.failure('SELECT _spotai.as_table_owner(''pg_catalog.pg_authid'', ''SELECT to_jsonb(current_user)'', NULL)');
SELECT _spotai.as_table_owner('regress_shop.play', 'SELECT to_jsonb(current_user) FROM regress_shop.play LIMIT 1', NULL);
SELECT code, message FROM pg_temp.failure('SELECT _spotai.as_table_owner(''regress_shop.play'', ''SELECT to_jsonb(count(*)) FROM regress_shop.seen'', NULL)');
SELECT f.code FROM unnest(ARRAY['subject_erase(gen_random_uuid())', 'hold_place(gen_random_uuid(), ''r'')']) call,
       LATERAL pg_temp.failure('SELECT _spotai.' || call) f;
RESET ROLE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA _spotai FROM regress_spotai_app;
REVOKE USAGE ON SCHEMA _spotai FROM regress_spotai_app;
REVOKE spotai_user FROM regress_spotai_app;
-- an audited table whose owner's triggers do not know the operator
BEGIN;
SELECT spotai.audit_enable('regress_shop.play', subject_column => 'listener');
SELECT f.* FROM pg_temp.failure(format('SELECT spotai.subject_erase(%L)', :'bob'::text)) f;
GRANT spotai_admin TO regress_spotai_app;
SELECT e ->> 'rows' AS rows, e ->> 'audit_keys' AS keys FROM spotai.subject_erase(:'bob') e;
SELECT count(*) AS keys FROM spotai.subject_key WHERE subject_id = :'bob';
ROLLBACK;
-- again: nothing
SELECT e ->> 'rows' AS rows, e ->> 'audit_keys' AS keys, e ->> 'consents_withdrawn' AS withdrawn FROM spotai.subject_erase(:'ann') e;
SELECT e ->> 'rows' AS rows, e ->> 'audit_keys' AS keys FROM spotai.subject_erase(:'nobody') e;
-- a registered table that is gone is not passed over
BEGIN;
DROP TABLE regress_shop.note;
SELECT f.* FROM unnest(ARRAY['erase', 'export']) v, LATERAL pg_temp.failure(format('SELECT spotai.subject_%s(%L)', v, :'bob'::text)) f;
SELECT spotai.unregister_personal_data('regress_shop.note') AS done, spotai.unregister_personal_data('regress_shop.note') AS again;
SELECT e ->> 'rows' AS rows FROM spotai.subject_erase(:'bob') e;
ROLLBACK;
SELECT * FROM spotai.erase_cleanup();

-- ---- retention

SELECT code, message, hint FROM unnest(ARRAY['NULL, ''1 day''', '''spotai.login_attempt'', NULL', '''spotai.login_attempt'', ''-1 day''', '''spotai.login_attempt'', ''1001 years''',
    '''spotai.audit_entry'', ''1 day''', '''spotai.track'', ''1 day''', '''spotai.login_attempt'', ''1 day'', ''created_at''', '''regress_shop.seen'', ''1 day''',
    '''regress_shop.play'', ''1 day''', '''regress_shop.play'', ''1 day'', ''mood''', '''pg_catalog.pg_class'', ''1 day''']) args,
    LATERAL pg_temp.failure(format('SELECT spotai.retention_set(%s)', args));
SELECT spotai.retention_set('regress_shop.play', '1000 years', 'at'), spotai.retention_set('spotai.login_attempt', '1 year');
SELECT spotai.retention_run() AS removed;
SELECT spotai.retention_set('regress_shop.play', '1 day', 'at');
SELECT relation, time_column, keep, last_run_at IS NOT NULL AS has_run FROM spotai.retention_policy ORDER BY relation;
SELECT spotai.hold_place(:'bob', 'keep') AS hold \gset
INSERT INTO regress_shop.play SELECT '00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'x', '2026-01-01' FROM generate_series(1, 100);
INSERT INTO regress_shop.play VALUES ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'young', now());
SELECT code, message FROM unnest(ARRAY['0', 'NULL', '-1']) n, LATERAL pg_temp.failure(format('SELECT spotai.retention_run(%s)', n));
SELECT spotai.retention_run(7) AS removed;
SELECT song FROM regress_shop.play ORDER BY at;
SELECT count(*) AS batches FROM spotai.audit_entry WHERE action = 'privacy.retention';
-- as a job, in the tenant of the job
SELECT spotai.hold_release(:'hold') AS released;
SELECT spotai.submit('retention') AS job \gset
CALL spotai.run_jobs();
SELECT state, result FROM spotai.job WHERE id = :'job';
SELECT spotai.submit('retention', '{"batch": 0}') AS job \gset
CALL spotai.run_jobs();
SELECT state, error FROM spotai.job WHERE id = :'job';
SELECT song FROM regress_shop.play ORDER BY at;
SELECT spotai.retention_drop('regress_shop.play') AS done, spotai.retention_drop('regress_shop.play') AS again, spotai.retention_drop(NULL) AS of_null;
-- a policy is the tenant's, and so is its job
INSERT INTO regress_shop.play VALUES (:'acme', gen_random_uuid(), 'acme''s', '2026-01-01'), ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'ours', '2026-01-01');
BEGIN;
SELECT set_config('spotai.token', :'root_token', true) IS NOT NULL AS acme;
SELECT spotai.retention_set('regress_shop.play', '1 day', 'at');
SELECT spotai.submit('retention') AS job \gset
SELECT spotai.retention_drop('spotai.login_attempt') AS of_others;
COMMIT;
CALL spotai.run_jobs();
SELECT state, result FROM spotai.job WHERE id = :'job';
SELECT song FROM regress_shop.play ORDER BY at;
DELETE FROM regress_shop.play WHERE song = 'ours';
-- a policy for a table that is not registered any more removes nothing
SELECT spotai.retention_set('regress_shop.play', '0', 'at');
SELECT spotai.unregister_personal_data('regress_shop.play') AS done;
SELECT spotai.retention_run() AS removed;
-- partitions
CREATE TABLE regress_shop.log (tenant_id uuid, who uuid, created_at timestamptz) PARTITION BY RANGE (created_at);
CREATE TABLE regress_shop.log_1 PARTITION OF regress_shop.log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE regress_shop.log_2 PARTITION OF regress_shop.log FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO regress_shop.log SELECT '00000000-0000-0000-0000-000000000001', :'bob', d FROM generate_series('2026-01-20'::timestamptz, '2026-02-10', '1 day') d;
SELECT spotai.register_personal_data('regress_shop.log', 'who');
SELECT spotai.retention_set('regress_shop.log', '0');
SELECT spotai.retention_run(5) AS removed;
SELECT count(*) AS left_over FROM regress_shop.log;

-- ---- purging

SELECT spotai.ingest(pg_temp.sine(440, 9000, 4000, 1, 8000), 'old') AS old \gset
SELECT spotai.ingest(pg_temp.sine(440, 9000, 4000, 1, 8000), 'shares the audio') AS shared \gset
SELECT spotai.ingest(pg_temp.sine(220, 9000, 4000, 1, 8000), 'young') AS young \gset
UPDATE spotai.track SET deleted_at = now() - interval '31 days' WHERE id = :'old';
UPDATE spotai.track SET deleted_at = now() - interval '29 days' WHERE id = :'young';
SELECT spotai.create_principal('carl') AS carl, spotai.create_principal('dora') AS dora \gset
UPDATE spotai.principal SET deleted_at = now() - interval '31 days' WHERE id IN (:'carl', :'dora');
SELECT spotai.hold_place(:'dora', 'keep') IS NOT NULL AS held;
SELECT code, message FROM unnest(ARRAY['NULL', '''-1 s''', '''1001 years''']) t, LATERAL pg_temp.failure(format('SELECT spotai.purge(%s)', t));
SELECT * FROM spotai.purge();
SELECT title FROM spotai.track ORDER BY title;
SELECT count(*) AS originals FROM spotai.audio;
SELECT name FROM spotai.principal WHERE name IN ('carl', 'dora');
UPDATE spotai.track SET deleted_at = now() - interval '1 s' WHERE id = :'shared';
SELECT * FROM spotai.purge('0');
SELECT count(*) AS originals FROM spotai.audio;
-- who has the permission may erase himself, and is gone from the next transaction on
SELECT spotai.create_principal('hugo') AS hugo, spotai.create_role('self-eraser', '{privacy:write,privacy:read}') IS NOT NULL AS role \gset
SELECT spotai.grant_role(:'hugo', 'self-eraser'), set_config('regress.token', spotai.issue_token(:'hugo'), false) IS NOT NULL AS token;
SELECT spotai.login(current_setting('regress.token')) = :'hugo' AS hugo;
SELECT e ->> 'rows' AS rows FROM spotai.subject_erase(:'hugo') e;
SELECT spotai.current_principal() IS NULL AS nobody, spotai.current_tenant() IS NULL AS of_no_tenant;
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.subject_export(%L)', :'hugo'::text));
SELECT spotai.logout();
-- a foreign key of the user's keeps a row, and does not stop the others
CREATE TABLE regress_shop.keeps (tenant_id uuid, who uuid, FOREIGN KEY (tenant_id, who) REFERENCES spotai.principal (tenant_id, id));
SELECT spotai.create_principal('emil') AS emil, spotai.create_principal('fred') AS fred \gset
INSERT INTO regress_shop.keeps VALUES ('00000000-0000-0000-0000-000000000001', :'emil');
UPDATE spotai.principal SET deleted_at = now() - interval '1 s' WHERE id IN (:'emil', :'fred');
SELECT principals FROM spotai.purge('0');
SELECT name FROM spotai.principal WHERE name IN ('emil', 'fred');
-- a tenant's own administrator purges the tenant's rows, and no tenants
SELECT spotai.login(:'root_token') = :'root_of_acme' AS acme;
SELECT spotai.create_principal('gina') AS gina \gset
SELECT spotai.deactivate_principal(:'gina') AS done;
SELECT pg_sleep(0.01) IS NOT NULL AS slept;
SELECT * FROM spotai.purge('0');
SELECT spotai.logout();
-- a whole tenant; one with a hold stays
SELECT tenant AS gone, administrator AS root_of_gone FROM spotai.create_tenant('gone') \gset
SELECT tenant AS kept, administrator AS root_of_kept FROM spotai.create_tenant('kept') \gset
BEGIN;
SELECT set_config('spotai.token', spotai.issue_token(:'root_of_gone'), true) IS NOT NULL AS gone;
SELECT spotai.ingest(pg_temp.sine(330, 9000, 4000, 1, 8000), 'theirs') IS NOT NULL AS track, spotai.secret_put('a', 'b') AS secret,
       spotai.consent_give(:'root_of_gone', 'x', '1') IS NOT NULL AS consent, spotai.submit('noop') IS NOT NULL AS job,
       spotai.audit('note', 'x', '{"a": 1}', :'root_of_gone') IS NOT NULL AS audited;
COMMIT;
BEGIN;
SELECT set_config('spotai.token', spotai.issue_token(:'root_of_kept'), true) IS NOT NULL AS kept;
SELECT spotai.hold_place(:'root_of_kept', 'keep') IS NOT NULL AS held;
COMMIT;
SELECT spotai.deactivate_tenant(:'gone') AS one, spotai.deactivate_tenant(:'kept') AS two, pg_sleep(0.01) IS NOT NULL AS slept;
SELECT tenants FROM spotai.purge('0');
SELECT name FROM spotai.tenant ORDER BY name;
SELECT (SELECT count(*) FROM spotai.track WHERE tenant_id = :'gone') + (SELECT count(*) FROM spotai.audio_chunk WHERE tenant_id = :'gone')
     + (SELECT count(*) FROM spotai.data_key WHERE tenant_id = :'gone') + (SELECT count(*) FROM spotai.consent_event WHERE tenant_id = :'gone') AS rows_of_gone;
SELECT spotai.audit_seal() > 0 AS sealed;
SELECT ok FROM spotai.audit_verify();

-- ---- who may

GRANT spotai_user TO regress_spotai_app;
SELECT spotai.create_role('eraser', '{privacy:write}') IS NOT NULL AS role, spotai.create_role('lawyer', '{privacy:hold}') IS NOT NULL AS role,
       spotai.create_role('reader', '{privacy:read}') IS NOT NULL AS role;
SELECT spotai.create_principal('erik') AS erik, spotai.create_principal('lena') AS lena, spotai.create_principal('rita') AS rita,
       spotai.create_principal('plain') AS plain \gset
SELECT spotai.grant_role(:'erik', 'eraser'), spotai.grant_role(:'lena', 'lawyer'), spotai.grant_role(:'rita', 'reader');
CREATE TEMP TABLE tokens AS SELECT p.name, spotai.issue_token(p.id) AS token FROM spotai.principal p WHERE p.name IN ('erik', 'lena', 'rita', 'plain')
                            UNION ALL SELECT 'root of acme', :'root_token';
GRANT SELECT ON tokens TO regress_spotai_app;
CREATE FUNCTION pg_temp.may(OUT who text, OUT what text, OUT answer text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    t record;
    call text;
BEGIN
    FOR t IN SELECT * FROM pg_temp.tokens LOOP
        FOREACH call IN ARRAY ARRAY['consent_give(gen_random_uuid(), ''p'', ''v'')', 'consent_withdraw(gen_random_uuid(), ''p'')',
            'has_consent(gen_random_uuid(), ''p'')', 'subject_export(gen_random_uuid())', 'subject_erase(gen_random_uuid())',
            'hold_place(gen_random_uuid(), ''r'')', 'hold_release(gen_random_uuid())', 'retention_set(''spotai.login_attempt'', ''9 years'')',
            'retention_drop(''none'')', 'retention_run()', 'purge()', 'register_personal_data(''regress_shop.play'', ''listener'')',
            'unregister_personal_data(''x'')'] LOOP
            PERFORM set_config('spotai.token', t.token, true);
            who := t.name;
            what := split_part(call, '(', 1);
            BEGIN
                EXECUTE 'SELECT spotai.' || call;
                answer := 'yes';
            EXCEPTION WHEN OTHERS THEN
                answer := concat_ws(' ', SQLSTATE, SQLERRM);
            END;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;
SELECT spotai.audit('song.played', '1', '{"song": "Ännchen"}', :'plain') IS NOT NULL AS written;
SET ROLE regress_spotai_app;
BEGIN;
SELECT what, string_agg(who, ', ' ORDER BY who) AS may FROM pg_temp.may() WHERE answer = 'yes' GROUP BY what ORDER BY what;
ROLLBACK;
-- nobody
SELECT f.code, f.message FROM unnest(ARRAY['consent_give(gen_random_uuid(), ''p'', ''v'')', 'subject_export(gen_random_uuid())', 'subject_erase(gen_random_uuid())',
    'hold_place(gen_random_uuid(), ''r'')', 'purge()', 'retention_run()']) call, LATERAL pg_temp.failure('SELECT spotai.' || call) f;
SELECT spotai.has_consent(gen_random_uuid(), 'x') AS nobody_asks;
-- one's own needs no permission
BEGIN;
SELECT set_config('spotai.token', token, true) IS NOT NULL AS plain FROM tokens WHERE name = 'plain';
SELECT spotai.has_permission('audit:read') AS reads_log, spotai.subject_export(spotai.current_principal())::text ~ 'Ännchen' AS played;
SELECT spotai.consent_give(spotai.current_principal(), 'mail', '1') IS NOT NULL AS given;
SELECT spotai.has_consent(spotai.current_principal(), 'mail') AS has;
SELECT spotai.subject_export(spotai.current_principal()) -> 'tables' -> 'spotai.principal.id' -> 0 ->> 'name' AS name;
SELECT code, message FROM pg_temp.failure('SELECT spotai.subject_erase(spotai.current_principal())');
ROLLBACK;
-- but a key that is limited to something else is not enough
RESET ROLE;
SELECT spotai.create_api_key('for stems', '{stems:read}', '1 day', :'plain') AS key \gset
SET ROLE regress_spotai_app;
BEGIN;
SELECT set_config('spotai.token', :'key', true) IS NOT NULL AS plain;
SELECT spotai.current_principal() = :'plain' AS plain;
SELECT f.code, f.message FROM unnest(ARRAY['subject_export(spotai.current_principal())', 'consent_give(spotai.current_principal(), ''p'', ''v'')']) call,
       LATERAL pg_temp.failure('SELECT spotai.' || call) f;
ROLLBACK;
-- the tables are for functions alone
SELECT f.code FROM unnest(ARRAY['INSERT INTO spotai.consent_event (subject_id, purpose, event, text_version, occurred_at) VALUES (gen_random_uuid(), ''p'', ''given'', ''v'', now())',
    'UPDATE spotai.consent_event SET event = ''given''', 'DELETE FROM spotai.consent_event', 'DELETE FROM spotai.legal_hold',
    'UPDATE spotai.retention_policy SET keep = ''0''', 'DELETE FROM spotai.personal_data', 'TRUNCATE spotai.consent_event',
    'SELECT _spotai.as_table_owner(''pg_class'', ''SELECT 1'', NULL)', 'SELECT _spotai.erase_rows(NULL, NULL, NULL, NULL, NULL, NULL)']) s, LATERAL pg_temp.failure(s) f;
RESET ROLE;
GRANT USAGE ON SCHEMA regress_shop TO spotai_admin;
-- an administrator reads them, and changes them no more than others
SET ROLE spotai_admin;
SELECT count(*) > 0 AS events FROM spotai.consent_event;
SELECT f.code, f.message FROM unnest(ARRAY['UPDATE spotai.consent_event SET event = ''given''', 'DELETE FROM spotai.legal_hold']) s, LATERAL pg_temp.failure(s) f;
-- and registers only what is the administrator's
SELECT code, message FROM pg_temp.failure('SELECT spotai.register_personal_data(''regress_shop.note'', ''about'', tenant_column => NULL)');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA regress_shop CASCADE;
DROP OWNED BY regress_spotai_app;
RESET client_min_messages;
DROP ROLE regress_spotai_app;
ALTER SYSTEM RESET spotai.key_command;
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
\i :end
