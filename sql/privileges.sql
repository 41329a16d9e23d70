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

-- a role that an administrator lets in
GRANT USAGE ON SCHEMA spotai, _spotai TO regress_spotai_user;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA spotai, _spotai TO regress_spotai_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA spotai TO regress_spotai_user;
SET ROLE regress_spotai_user;
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
RESET ROLE;
SELECT title FROM spotai.track ORDER BY title;

DROP OWNED BY regress_spotai_user, regress_spotai_stranger;
DROP ROLE regress_spotai_user, regress_spotai_stranger;
\i :end
