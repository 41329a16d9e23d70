-- privileges: nothing for PUBLIC, and nobody sees another tenant's rows
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '
CREATE ROLE regress_spotai_stranger;
CREATE ROLE regress_spotai_user;

-- two tenants with a song each
SELECT spotai.ingest(pg_temp.sine(440, 9000, 4000, 1, 8000), 'ours') AS ours \gset
INSERT INTO spotai.tenant (id, name) VALUES ('00000000-0000-0000-0000-000000000002', 'other');
INSERT INTO spotai.audio (tenant_id, id, kind, format, codec, sample_rate_hz, channels, frames, duration_s, bytes, sha256, peak_db, rms_db)
SELECT '00000000-0000-0000-0000-000000000002', '11111111-0000-0000-0000-000000000001', kind, format, codec, sample_rate_hz,
       channels, frames, duration_s, bytes, sha256, peak_db, rms_db FROM spotai.audio;
INSERT INTO spotai.audio_chunk (tenant_id, audio_id, seq, data)
SELECT '00000000-0000-0000-0000-000000000002', '11111111-0000-0000-0000-000000000001', seq, data FROM spotai.audio_chunk;
INSERT INTO spotai.track (tenant_id, id, audio_id, title)
VALUES ('00000000-0000-0000-0000-000000000002', '22222222-0000-0000-0000-000000000001',
        '11111111-0000-0000-0000-000000000001', 'theirs');

-- a role to which nothing was granted
SET ROLE regress_spotai_stranger;
SELECT spotai.version();
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM spotai.track;
\echo :LAST_ERROR_SQLSTATE
CALL _spotai.secure_tables();
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
-- seeing the schema is not enough
GRANT USAGE ON SCHEMA spotai TO regress_spotai_stranger;
SET ROLE regress_spotai_stranger;
SELECT spotai.version();
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM spotai.track;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
REVOKE ALL ON SCHEMA spotai FROM regress_spotai_stranger;

-- what the roles may do
SELECT grantee, privileges, string_agg(relation, ', ' ORDER BY relation COLLATE "C") AS relations
FROM (SELECT r.rolname AS grantee, c.relname AS relation, string_agg(a.privilege_type, ',' ORDER BY a.privilege_type COLLATE "C") AS privileges
      FROM pg_class c CROSS JOIN aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee AND r.oid <> c.relowner
      WHERE c.relnamespace = 'spotai'::regnamespace GROUP BY 1, 2) g GROUP BY grantee, privileges ORDER BY grantee COLLATE "C", privileges COLLATE "C";
SELECT relname AS granted_to_nobody FROM pg_class c
WHERE relnamespace = 'spotai'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
  AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner) ORDER BY relname COLLATE "C";
SELECT grantees, string_agg(DISTINCT routine, ', ' ORDER BY routine) AS routines
FROM (SELECT p.proname::text COLLATE "C" AS routine, coalesce(string_agg(r.rolname, ', ' ORDER BY r.rolname COLLATE "C"), 'nobody') AS grantees
      FROM pg_proc p LEFT JOIN LATERAL (SELECT r.rolname FROM aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee AND r.oid <> p.proowner) r ON true
      WHERE p.pronamespace = 'spotai'::regnamespace GROUP BY p.oid, 1) g GROUP BY grantees ORDER BY grantees COLLATE "C";
SELECT p.oid::regprocedure AS helper, a.grantee::regrole FROM pg_proc p CROSS JOIN aclexplode(p.proacl) a
WHERE p.pronamespace = '_spotai'::regnamespace AND a.grantee <> p.proowner ORDER BY p.proname, a.grantee::regrole::text COLLATE "C";

-- a role that an administrator lets in, and a program that logs in
GRANT spotai_user TO regress_spotai_user;
SELECT spotai.create_api_key('program', '{track:write,stems:write}', '1 day') AS key \gset
SET ROLE regress_spotai_user;
SELECT count(*) AS of_nobody FROM spotai.track;
SELECT spotai.login_api_key(:'key') IS NOT NULL AS logged_in;
SELECT title FROM spotai.track ORDER BY title;
SELECT count(*) AS tenants FROM spotai.tenant;
SELECT spotai.ingest(pg_temp.sine(220, 9000, 4000, 1, 8000), 'mine') IS NOT NULL AS ingested;
SELECT spotai.remix(:'ours', '{"vocals": null}') IS NOT NULL AS remixed
FROM (SELECT count(*) FROM spotai.separate(:'ours', 2)) separated;
SELECT title FROM spotai.track ORDER BY title;

-- another tenant's ids are answered as ids that do not exist
SELECT * FROM pg_temp.failure($$ SELECT spotai.audio_content('11111111-0000-0000-0000-000000000001') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.audio_content('33333333-0000-0000-0000-000000000001') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.waveform_svg('11111111-0000-0000-0000-000000000001') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.waveform_svg('33333333-0000-0000-0000-000000000001') $$);
SELECT * FROM pg_temp.failure($$ SELECT * FROM spotai.separate('22222222-0000-0000-0000-000000000001') $$);
SELECT * FROM pg_temp.failure($$ SELECT * FROM spotai.separate('33333333-0000-0000-0000-000000000001') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.remix('22222222-0000-0000-0000-000000000001', '{}') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.remix('33333333-0000-0000-0000-000000000001', '{}') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.sdr('11111111-0000-0000-0000-000000000001', '11111111-0000-0000-0000-000000000001') $$);
SELECT * FROM pg_temp.failure($$ SELECT spotai.sdr('33333333-0000-0000-0000-000000000001', '33333333-0000-0000-0000-000000000001') $$);

-- nor are its rows written, moved or deleted
INSERT INTO spotai.track (tenant_id, audio_id, title)
VALUES ('00000000-0000-0000-0000-000000000002', '11111111-0000-0000-0000-000000000001', 'planted');
UPDATE spotai.track SET tenant_id = '00000000-0000-0000-0000-000000000002' WHERE title = 'ours';
WITH gone AS (DELETE FROM spotai.track WHERE title = 'theirs' RETURNING 1) SELECT count(*) AS deleted FROM gone;
UPDATE spotai.tenant SET name = 'mine' WHERE true;

-- files and the table layer are not theirs
SELECT * FROM pg_temp.failure($$ SELECT spotai.ingest_file('/etc/hostname') $$);
SELECT * FROM pg_temp.failure(format($$ SELECT spotai.export_audio(%L, '/tmp/x.flac') $$,
    (SELECT audio_id FROM spotai.track WHERE title = 'mine')));
CALL spotai.migrate();
\echo :LAST_ERROR_SQLSTATE
SELECT spotai.logout();
RESET ROLE;
SELECT title FROM spotai.track ORDER BY title;

DROP OWNED BY regress_spotai_user, regress_spotai_stranger;
DROP ROLE regress_spotai_user, regress_spotai_stranger;
\i :end
