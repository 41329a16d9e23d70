-- permissions: who has logged in may do what was given to them, by functions and by direct statements
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never

CREATE ROLE regress_spotai_app;
GRANT spotai_user TO regress_spotai_app;
CREATE ROLE regress_spotai_auditor;
GRANT spotai_auditor TO regress_spotai_auditor;
-- Credentials by what they may do; each session below takes one of them.
CREATE TABLE public.credential (may text PRIMARY KEY, key text NOT NULL);
GRANT SELECT ON public.credential TO PUBLIC;
INSERT INTO public.credential
SELECT scopes::text, spotai.create_api_key(scopes::text, scopes::text[], '1 day')
FROM unnest(ARRAY['{}', '{audit:read}', '{audit:write}', '{track:write}', '{stems:write}', '{track:write,stems:write}', '{model:write}',
                  '{job:submit}', '{job:submit,stems:write}', '{job:*,privacy:*}', '{*}']) scopes;
CREATE FUNCTION public.be(may text) RETURNS boolean LANGUAGE sql AS $$
    SELECT set_config('spotai.token', (SELECT key FROM public.credential c WHERE c.may = be.may), false) IS NOT NULL
$$;

-- ---- every function that changes something asks for a permission, or says why not

CREATE TABLE public.asks (name text PRIMARY KEY, permission text, reason text, CHECK (num_nonnulls(permission, reason) = 1));
INSERT INTO public.asks VALUES
    ('ingest', 'track:write', NULL), ('ingest_file', 'track:write', NULL), ('ingest_large_object', 'track:write', NULL),
    ('audio_content', NULL, 'reads rows of the tenant'), ('waveform_svg', NULL, 'reads rows of the tenant'),
    ('export_audio', NULL, 'reads rows of the tenant; writing files is for pg_write_server_files'),
    ('sdr', NULL, 'reads rows of the tenant'), ('bss_eval', NULL, 'reads rows of the tenant'),
    ('separate', 'stems:write', NULL), ('remix', 'stems:write', NULL),
    ('set_embedding', 'vector:write', NULL),
    ('model_import', 'model:write', NULL), ('model_install_base', 'model:write', NULL), ('model_activate', 'model:write', NULL),
    ('model_drop', 'model:write', NULL),
    ('model_export', NULL, 'reads rows of the tenant; writing files is for pg_write_server_files'),
    ('model_content', NULL, 'reads rows of the tenant'), ('models', NULL, 'reads rows of the tenant'),
    ('model_catalog', NULL, 'reads rows of the tenant'),
    ('submit', 'job:submit', NULL), ('cancel', 'job:submit', NULL), ('schedule', 'job:submit', NULL), ('unschedule', 'job:submit', NULL),
    ('wait', NULL, 'reads rows of the tenant'),
    ('run_jobs', NULL, 'what a job may do was asked when it was submitted; for spotai_worker'),
    ('audit', 'audit:write', NULL), ('audit_enable', 'audit:write', NULL), ('audit_disable', 'audit:write', NULL),
    ('audit_seal', 'audit:write', NULL), ('audit_detail', 'audit:read', NULL), ('audit_verify', 'audit:read', NULL),
    ('audit_export', 'audit:read', NULL),
    ('secret_put', 'secret:write', NULL), ('secret_rotate', 'secret:write', NULL), ('secret_delete', 'secret:write', NULL),
    ('rekey', 'secret:write', NULL), ('secret_get', 'secret:read', NULL),
    ('secrets', NULL, 'reads names'), ('data_keys', NULL, 'reads names'),
    ('login', NULL, 'proves who one is'), ('login_api_key', NULL, 'proves who one is'), ('logout', NULL, 'makes one less'),
    ('refresh', NULL, 'the token proves who one is'), ('rate_limit', NULL, 'counts calls of the tenant'),
    ('create_tenant', NULL, 'for the operator alone'), ('deactivate_tenant', NULL, 'for the operator alone'),
    ('issue_token', 'identity:issue', NULL), ('issue_refresh_token', 'identity:issue', NULL),
    ('totp_verify', 'identity:issue', NULL), ('totp_enroll', 'identity:write', NULL), ('totp_recovery_codes', 'identity:write', NULL),
    ('revoke_tokens', 'identity:write', NULL), ('rotate_signing_key', 'identity:write', NULL), ('trust_issuer', 'identity:write', NULL),
    ('distrust_issuer', 'identity:write', NULL), ('create_principal', 'identity:write', NULL),
    ('deactivate_principal', 'identity:write', NULL), ('create_role', 'identity:write', NULL), ('grant_role', 'identity:write', NULL),
    ('revoke_role', 'identity:write', NULL), ('create_api_key', 'identity:write', NULL),
    ('begin_session', 'identity:issue', NULL), ('api_key_token', NULL, 'the key proves who one is'),
    ('step_up', NULL, 'proves who one is, and gives no more permissions'),
    ('end_session', NULL, 'ends one''s own; of others with identity:write or identity:issue, else it finds none'),
    ('revoke_api_key', NULL, 'ends one''s own; of others with identity:write, else it finds none'),
    ('consent_give', 'privacy:write', NULL), ('consent_withdraw', 'privacy:write', NULL), ('subject_export', 'privacy:read', NULL),
    ('subject_erase', 'privacy:write', NULL), ('hold_place', 'privacy:hold', NULL), ('hold_release', 'privacy:hold', NULL),
    ('retention_set', 'privacy:write', NULL), ('retention_drop', 'privacy:write', NULL), ('retention_run', 'privacy:write', NULL),
    ('purge', 'privacy:write', NULL), ('register_personal_data', NULL, 'for the operator alone'), ('unregister_personal_data', NULL, 'for the operator alone'),
    ('index_check', NULL, 'reads an index, for the operator alone'),
    ('migrate', NULL, 'for the owner of the tables');

-- What may change something is volatile; the rest the server keeps from writing.
CREATE FUNCTION public.forgotten() RETURNS TABLE (what text, object text) LANGUAGE sql AS $$
    SELECT 'no word on its permission', p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'spotai'::regnamespace AND p.provolatile = 'v' AND NOT EXISTS (SELECT FROM public.asks a WHERE a.name = p.proname)
    UNION ALL
    SELECT 'no such function', a.name FROM public.asks a
    WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'spotai'::regnamespace AND p.proname = a.name)
    UNION ALL
    SELECT 'does not say what it needs', p.oid::regprocedure::text FROM pg_proc p JOIN public.asks a ON a.name = p.proname
    WHERE p.pronamespace = 'spotai'::regnamespace AND position(a.permission IN obj_description(p.oid, 'pg_proc')) = 0
    UNION ALL
    -- a table that others than its owner may write to has a policy for it
    SELECT 'nobody asks for a permission', format('%s of %s', a.privilege_type, c.oid::regclass)
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
    WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p') AND a.grantee <> c.relowner
      AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
      AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polroles = '{0}'
                      AND p.polcmd = CASE a.privilege_type WHEN 'INSERT' THEN 'a' WHEN 'UPDATE' THEN 'w' WHEN 'DELETE' THEN 'd' END::"char"
                      AND p.polname = 'permitted_' || lower(a.privilege_type))
    GROUP BY 1, 2
    UNION ALL
    SELECT 'has no permission that is asked for', format('%s of %s', t.command, t.relation) FROM _spotai.table_permission() t
    WHERE concat(t.old_row, t.new_row) !~ '_spotai\.permitted\(''[a-z]+:[a-z]+''\)'
    ORDER BY 1, 2
$$;
SELECT * FROM public.forgotten();
SELECT count(*) > 70 AS many_functions, count(*) FILTER (WHERE permission IS NULL) < 30 AS few_without FROM public.asks;
-- the walk can fail
BEGIN;
CREATE FUNCTION spotai.forgotten() RETURNS void LANGUAGE sql AS 'DELETE FROM spotai.track';
GRANT UPDATE, TRUNCATE ON spotai.tenant TO regress_spotai_app;
DROP POLICY permitted_delete ON spotai.track;
DELETE FROM public.asks WHERE name = 'audit_seal';
SELECT * FROM public.forgotten();
ROLLBACK;

-- called with whatever fits, by a superuser with a key that may do nothing: they refuse before they look at it
CREATE FUNCTION public.call_of(fn pg_proc) RETURNS text LANGUAGE sql AS $$
    SELECT format(CASE fn.prokind WHEN 'p' THEN 'CALL spotai.%I(%s)' ELSE 'SELECT * FROM spotai.%I(%s)' END, fn.proname,
        string_agg(format('%s::%s', CASE t::regtype::text
            WHEN 'uuid' THEN '''11111111-1111-1111-1111-111111111111''' WHEN 'jsonb' THEN '''{}''' WHEN 'interval' THEN '''1 day'''
            WHEN 'regclass' THEN '''spotai.track''' WHEN 'bytea' THEN '''\x00''' WHEN 'boolean' THEN 'true'
            WHEN 'timestamp with time zone' THEN 'now()' WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1' WHEN 'oid' THEN '1'
            WHEN 'spotai.embedding' THEN '''[1]'''
            ELSE CASE WHEN t::regtype::text LIKE '%[]' THEN '''{}''' ELSE '''x''' END END, t::regtype), ', ' ORDER BY n))
    FROM unnest(fn.proargtypes) WITH ORDINALITY u (t, n)
$$;
SELECT public.be('{}');
SELECT count(*) AS asked FROM pg_proc p JOIN public.asks a ON a.name = p.proname WHERE p.pronamespace = 'spotai'::regnamespace AND a.permission IS NOT NULL;
SELECT p.oid::regprocedure AS "does not ask first", f.code, f.message FROM pg_proc p JOIN public.asks a ON a.name = p.proname,
    LATERAL pg_temp.failure(public.call_of(p)) f
WHERE p.pronamespace = 'spotai'::regnamespace AND a.permission IS NOT NULL
  AND (f.code, f.message) IS DISTINCT FROM ('42501', format('permission "%s" is required', a.permission)) ORDER BY 1;
-- in the same way nobody is let in, but by what PostgreSQL's privileges alone decide on
SELECT set_config('spotai.token', '', false);
SELECT a.name, f.code, f.message FROM pg_proc p JOIN public.asks a ON a.name = p.proname, LATERAL pg_temp.failure(public.call_of(p)) f
WHERE p.pronamespace = 'spotai'::regnamespace AND a.permission IS NOT NULL AND f.message <> 'this session belongs to no tenant'
  AND a.name NOT IN ('audit_enable', 'audit_disable') ORDER BY 1;
SELECT spotai.logout();

-- ---- a key that may read the audit log, and a role that may call everything that users may

SELECT spotai.ingest(pg_temp.sine(440, 9000, 16000, 2, 8000), 'song') AS song \gset
SELECT count(*) AS stems FROM spotai.separate(:'song', 2, 'classical');
SELECT audio_id AS original FROM spotai.track \gset
SELECT id AS stem FROM spotai.audio WHERE stem = 'vocals' \gset
SELECT spotai.submit('noop', run_at => now() + interval '1 year') AS job \gset
SET ROLE regress_spotai_app;
SELECT public.be('{audit:read}');
SELECT code, message, hint FROM unnest(ARRAY['spotai.ingest(pg_temp.sine(220, 9000, 4000, 1, 8000))', format('spotai.separate(%L)', :'song'),
    format('spotai.remix(%L, ''{}'')', :'song'), 'spotai.submit(''noop'')', format('spotai.cancel(%L)', :'job'),
    'spotai.schedule(''s'', ''* * * * *'', ''noop'')', 'spotai.unschedule(''s'')', 'spotai.audit(''a'', ''b'')']) call, LATERAL pg_temp.failure('SELECT ' || call);
SELECT code, message FROM unnest(ARRAY['DELETE FROM spotai.track', 'UPDATE spotai.audio SET energy_share = 0 WHERE kind <> ''original''',
    'INSERT INTO spotai.job (kind) VALUES (''noop'')', 'UPDATE spotai.job SET state = ''queued''', 'SELECT FROM spotai.track FOR UPDATE']) what, LATERAL pg_temp.failure(what);
SELECT title, octet_length(spotai.audio_content(audio_id, 'wav')) > 64000 AS readable FROM spotai.track;
SELECT count(*) > 0 AS models FROM spotai.models();
RESET ROLE;
SELECT message FROM unnest(ARRAY['spotai.model_import(''\x00''::bytea)', 'spotai.model_drop(''spotai-base'')', 'spotai.model_activate(''spotai-base'')',
    'spotai.secret_put(''a'', ''b'')', 'spotai.audit_enable(''spotai.track'')']) call, LATERAL pg_temp.failure('SELECT ' || call);
SELECT spotai.logout();

-- ---- direct statements: each permission opens its own tables

CREATE FUNCTION public.try(what text, given text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format(what, VARIADIC string_to_array(given, ' '));
    GET DIAGNOSTICS n = ROW_COUNT;
    RAISE EXCEPTION 'undo' USING ERRCODE = 'PT000';
EXCEPTION
    WHEN SQLSTATE 'PT000' THEN RETURN n || ' rows';
    WHEN OTHERS THEN RETURN regexp_replace(SQLERRM, '^permission "(.*)" is required$', 'needs \1');
END
$$;
CREATE TABLE public.statement (n serial, what text, statement text);
GRANT SELECT ON public.statement TO PUBLIC;
-- With which credentials a statement finds its rows, and how the others are answered.
CREATE FUNCTION public.matrix(given text, OUT what text, OUT lets_in text, OUT refuses text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    s public.statement;
    c public.credential;
    outcome text;
BEGIN
    FOR s IN SELECT * FROM public.statement ORDER BY n LOOP
        what := s.what;
        lets_in := '';
        refuses := '';
        FOR c IN SELECT * FROM public.credential WHERE may <> '{audit:write}' ORDER BY may COLLATE "C" LOOP
            PERFORM set_config('spotai.token', c.key, true);
            outcome := public.try(s.statement, given);
            IF outcome ~ '^[1-9]' THEN
                lets_in := concat_ws(' ', nullif(lets_in, ''), c.may);
            ELSIF position(outcome IN refuses) = 0 THEN
                refuses := concat_ws('; ', nullif(refuses, ''), outcome);
            END IF;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;
INSERT INTO public.statement (what, statement) VALUES
    ('insert track', 'INSERT INTO spotai.track (audio_id) VALUES (%1$L)'), ('update track', 'UPDATE spotai.track SET title = ''x'''),
    ('delete track', 'DELETE FROM spotai.track'), ('lock track', 'SELECT FROM spotai.track FOR KEY SHARE'),
    ('merge track, update', 'MERGE INTO spotai.track t USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET title = ''y'''),
    ('merge track, delete', 'MERGE INTO spotai.track t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE'),
    ('merge track, insert', 'MERGE INTO spotai.track t USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT (audio_id) VALUES (%1$L)'),
    ('upsert track', 'INSERT INTO spotai.track AS t (id, audio_id) SELECT id, audio_id FROM spotai.track ON CONFLICT (tenant_id, id) DO UPDATE SET title = ''z'''),
    ('with a track', 'WITH t AS (DELETE FROM spotai.track RETURNING id) SELECT * FROM t'),
    ('insert original', 'INSERT INTO spotai.audio SELECT (jsonb_populate_record(a, jsonb_build_object(''id'', gen_random_uuid(), ''sha256'', sha256(''x'')))).* FROM spotai.audio a WHERE id = %1$L'),
    ('update original', 'UPDATE spotai.audio SET peak_db = 0 WHERE id = %1$L'),
    ('original to stem', 'UPDATE spotai.audio a SET kind = ''stem'', stem = ''bass'', track_id = s.track_id, model = s.model, stem_count = s.stem_count FROM spotai.audio s WHERE a.id = %1$L AND s.id = %2$L'),
    ('update stem', 'UPDATE spotai.audio SET peak_db = 0 WHERE id = %2$L'), ('delete stem', 'DELETE FROM spotai.audio WHERE id = %2$L'),
    ('insert remix', 'INSERT INTO spotai.audio SELECT (jsonb_populate_record(a, jsonb_build_object(''id'', gen_random_uuid(), ''kind'', ''remix'', ''gains'', ''{}''::jsonb, ''stem'', NULL, ''model'', NULL, ''stem_count'', NULL))).* FROM spotai.audio a WHERE id = %2$L'),
    ('insert bytes of original', 'INSERT INTO spotai.audio_chunk (audio_id, seq, data) VALUES (%1$L, 99, ''x'')'),
    ('update bytes of original', 'UPDATE spotai.audio_chunk SET data = ''x'' WHERE audio_id = %1$L'),
    ('delete bytes of original', 'DELETE FROM spotai.audio_chunk WHERE audio_id = %1$L'),
    ('insert bytes of stem', 'INSERT INTO spotai.audio_chunk (audio_id, seq, data) VALUES (%2$L, 99, ''x'')'),
    ('update bytes of stem', 'UPDATE spotai.audio_chunk SET data = ''x'' WHERE audio_id = %2$L'),
    ('bytes of stem to original', 'UPDATE spotai.audio_chunk SET audio_id = %1$L, seq = 99 WHERE audio_id = %2$L AND seq = 0'),
    ('delete bytes of stem', 'DELETE FROM spotai.audio_chunk WHERE audio_id = %2$L'),
    ('update model', 'UPDATE spotai.model SET active = false'), ('update weights', 'UPDATE spotai.model_chunk SET data = data WHERE tensor = 0 AND seq = 0'),
    ('insert noop', 'INSERT INTO spotai.job (kind) VALUES (''noop'')'), ('insert separate', 'INSERT INTO spotai.job (kind) VALUES (''separate'')'),
    ('insert retention', 'INSERT INTO spotai.job (kind) VALUES (''retention'')'), ('insert of the future', 'INSERT INTO spotai.job (kind) VALUES (''sing'')'),
    ('update noop', 'UPDATE spotai.job SET priority = 1'), ('noop to separate', 'UPDATE spotai.job SET kind = ''separate'''),
    ('delete noop', 'DELETE FROM spotai.job'),
    ('schedule noop', 'INSERT INTO spotai.schedule (name, cron, kind, next_run_at) VALUES (''n'', ''* * * * *'', ''noop'', now())'),
    ('schedule separate', 'INSERT INTO spotai.schedule (name, cron, kind, next_run_at) VALUES (''n'', ''* * * * *'', ''separate'', now())');
SELECT spotai.model_install_base() IS NOT NULL AS installed;
UPDATE spotai.job SET submitted_by = 'regress_spotai_app';
SET ROLE regress_spotai_app;
SELECT * FROM public.matrix(:'original' || ' ' || :'stem');
-- nobody is answered by the policy on the tenant, as before
SELECT set_config('spotai.token', '', false);
SELECT s.what, public.try(s.statement, :'original' || ' ' || :'stem') AS outcome FROM public.statement s WHERE s.what !~ '^merge' ORDER BY s.n;
RESET ROLE;
SELECT spotai.logout();

-- rows of another tenant, which the scan passes, change nothing in the answer
SELECT tenant AS other, administrator FROM spotai.create_tenant('other') \gset
SELECT spotai.create_api_key('all', '{*}', '1 day', :'administrator') AS all_of_other,
       spotai.create_api_key('helpless', '{}', '1 day', :'administrator') AS helpless \gset
SET ROLE regress_spotai_app;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT spotai.login_api_key(:'helpless') IS NOT NULL AS logged_in;
DELETE FROM spotai.track;
UPDATE spotai.audio SET peak_db = 0;
DELETE FROM spotai.audio_chunk;
INSERT INTO spotai.track (tenant_id, audio_id) VALUES ('00000000-0000-0000-0000-000000000001', :'original');
RESET enable_indexscan;
RESET enable_bitmapscan;
SELECT spotai.logout();
RESET ROLE;

-- ---- jobs: asked when they are submitted, and then held to what their kind needs

SELECT kind, permission FROM spotai.job_kinds();
SET ROLE regress_spotai_app;
SELECT public.be('{job:*,privacy:*}');
SELECT kind, f.code, f.message FROM unnest(ARRAY['noop', 'export', 'separate', 'retention', 'sing']) kind,
    LATERAL pg_temp.failure(format('SELECT spotai.submit(%L, run_at => ''infinity'')', kind)) f;
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.schedule('s', '* * * * *', 'separate') $$);
SELECT public.be('{stems:write}');
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.submit('separate') $$);
SELECT public.be('{job:submit,stems:write}');
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.submit('separate', run_at => 'infinity') $$);
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.submit('retention') $$);
SELECT spotai.cancel(id) AS canceled FROM spotai.job WHERE kind IN ('noop', 'separate') AND run_at = 'infinity' AND state = 'queued' ORDER BY id;
SELECT spotai.schedule('nightly', '0 3 * * *', 'separate') IS NOT NULL AS scheduled;
-- code that a job meets has the job's permission alone
RESET ROLE;
CREATE TABLE public.seen (may text PRIMARY KEY);
GRANT INSERT, SELECT ON public.seen TO PUBLIC;
CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen SELECT p FROM unnest(ARRAY['stems:write', 'track:write', 'job:submit', 'privacy:write', '*']) p WHERE spotai.has_permission(p) ON CONFLICT DO NOTHING;
    INSERT INTO public.seen VALUES (public.try('DELETE FROM spotai.track', '')), (public.try('INSERT INTO spotai.job (kind) VALUES (''retention'')', '')) ON CONFLICT DO NOTHING;
    RETURN NEW;
END
$$;
CREATE TRIGGER look AFTER INSERT ON spotai.audio FOR EACH ROW EXECUTE FUNCTION public.look();
SET ROLE regress_spotai_app;
SELECT spotai.submit('separate', jsonb_build_object('track_id', :'song', 'stems', 4, 'model', 'classical')) AS separation \gset
SELECT public.be('{job:submit}');
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.cancel(%L)', :'separation'));
SELECT spotai.unschedule('nightly');
RESET ROLE;
SELECT spotai.logout();
-- it runs also after whoever submitted it has lost everything
UPDATE spotai.principal SET deleted_at = now() WHERE name = '{job:submit,stems:write}';
CALL spotai.run_jobs();
SELECT spotai.wait(:'separation');
SELECT state, error FROM spotai.job WHERE id = :'separation';
SELECT count(*) AS stems FROM spotai.audio WHERE stem_count = 4;
SELECT may FROM public.seen ORDER BY may COLLATE "C";
DROP TRIGGER look ON spotai.audio;

-- whoever runs jobs in a session of his own changes their rows in his own name
CREATE ROLE regress_spotai_worker;
GRANT spotai_worker TO regress_spotai_worker;
SET ROLE regress_spotai_worker;
SELECT public.be('{*}');
SELECT spotai.submit('noop', '{"seconds": 0.001}') AS own \gset
SELECT public.be('{track:write}');
CALL spotai.run_jobs();
SELECT public.be('{job:submit}');
CALL spotai.run_jobs();
SELECT state FROM spotai.job WHERE id = :'own';
RESET ROLE;
SELECT spotai.logout();
DROP OWNED BY regress_spotai_worker;
DROP ROLE regress_spotai_worker;

-- ---- the model that comes with the extension is there for those who may not change models

SELECT spotai.login_api_key(:'all_of_other') IS NOT NULL AS logged_in;
SELECT spotai.create_api_key('mixer', '{track:write,stems:write}', '1 day') AS mixer \gset
SET ROLE regress_spotai_app;
SELECT spotai.login_api_key(:'mixer') IS NOT NULL AS logged_in;
SELECT count(*) AS installed FROM spotai.models() WHERE version IS NOT NULL;
SELECT spotai.ingest(pg_temp.sine(330, 9000, 16000, 2, 8000), 'theirs') AS theirs \gset
SELECT DISTINCT model FROM spotai.separate(:'theirs', 2);
SELECT name, active FROM spotai.models() WHERE version IS NOT NULL;
UPDATE spotai.model SET active = false;
RESET ROLE;
SELECT spotai.logout();

-- ---- the audit log: audit:read for those who have logged in

SET ROLE regress_spotai_auditor;
SELECT public.be('{audit:read}');
SELECT count(*) > 0 AS entries FROM spotai.audit_log;
SELECT id AS entry FROM spotai.audit_log LIMIT 1 \gset
SELECT spotai.audit_detail(:'entry') IS NOT NULL AS detail;
SELECT public.be('{track:write}');
SELECT f.code, f.message FROM unnest(ARRAY['spotai.audit_log', 'spotai.audit_entry', format('spotai.audit_detail(%L)', :'entry'), 'spotai.audit_verify()',
    'spotai.audit_export(0, 0)', 'spotai.audit_seal()']) what, LATERAL pg_temp.failure('SELECT * FROM ' || what) f;
-- nobody has what the role has: the whole log by functions, no tenant's rows
SELECT set_config('spotai.token', '', false);
SELECT count(*) AS entries FROM spotai.audit_entry;
SELECT ok FROM spotai.audit_verify();
RESET ROLE;
SELECT spotai.logout();
-- the months to come, too
SELECT _spotai.audit_make_partition(now() + interval '70 days') AS month \gset
SELECT string_agg(polname, ', ' ORDER BY polname) AS policies FROM pg_policy WHERE polrelid = :'month'::regclass;

-- ---- what changes within a transaction is seen in it

SELECT spotai.login_api_key(:'all_of_other') IS NOT NULL AS logged_in;
SELECT spotai.create_principal('ann') AS ann, spotai.create_role('deputy', '{identity:write,track:write}') IS NOT NULL AS deputy,
       spotai.create_role('uploader', '{track:write}') IS NOT NULL AS uploader \gset
SELECT spotai.grant_role(:'ann', 'deputy');
SELECT spotai.create_api_key('of ann', '{*}', '1 day', :'ann') AS ann_key \gset
BEGIN;
SELECT spotai.login_api_key(:'ann_key') = :'ann' AS ann;
SELECT spotai.has_permission('track:write') AS uploads, spotai.has_permission('identity:write') AS manages;
SELECT spotai.grant_role(:'ann', 'uploader'), spotai.revoke_role(:'ann', 'deputy') AS revoked;
SELECT spotai.has_permission('track:write') AS uploads, spotai.has_permission('identity:write') AS manages;
ROLLBACK;
SELECT spotai.logout();

-- ---- migrate() puts right what was made by another version

SELECT count(*) AS policies FROM pg_policy WHERE polname ~ '^permitted_';
SELECT oid AS old FROM pg_policy WHERE polname = 'permitted_update' AND polrelid = 'spotai.track'::regclass \gset
CALL spotai.migrate();
SELECT oid = :old AS the_same FROM pg_policy WHERE polname = 'permitted_update' AND polrelid = 'spotai.track'::regclass;
ALTER POLICY permitted_update ON spotai.track USING (true) WITH CHECK (true);
COMMENT ON POLICY permitted_update ON spotai.track IS 'of an earlier version';
DROP POLICY permitted_delete ON spotai.track;
CALL spotai.migrate();
SELECT polname, pg_get_expr(polqual, polrelid) ~ 'track:write' AS asks FROM pg_policy WHERE polname ~ '^permitted_(update|delete)' AND polrelid = 'spotai.track'::regclass ORDER BY 1;

DROP TABLE public.credential, public.asks, public.statement, public.seen;
DROP FUNCTION public.be, public.forgotten, public.matrix, public.call_of, public.try, public.look;
DROP OWNED BY regress_spotai_app, regress_spotai_auditor;
DROP ROLE regress_spotai_app, regress_spotai_auditor;
\i :end
