-- audio: songs in, songs out
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '

-- one second of a tone: what is measured about it
SELECT spotai.ingest(pg_temp.sine(440, 16384, 8000, 2, 8000), 'A', 'tuning fork') AS track \gset
SELECT title, artist, provenance, deleted_at FROM spotai.track WHERE id = :'track';
SELECT a.kind, a.format, a.codec, a.sample_rate_hz, a.channels, a.frames, a.duration_s, a.bytes,
       round(a.peak_db::numeric, 2) AS peak_db, round(a.rms_db::numeric, 2) AS rms_db
FROM spotai.audio a JOIN spotai.track t ON t.audio_id = a.id WHERE t.id = :'track';

-- the bytes are kept as they are, and their hash is right
SELECT audio_id FROM spotai.track WHERE id = :'track' \gset
SELECT spotai.audio_content(:'audio_id', 'wav') = pg_temp.sine(440, 16384, 8000, 2, 8000) AS same_bytes,
       sha256 = sha256(pg_temp.sine(440, 16384, 8000, 2, 8000)) AS same_hash
FROM spotai.audio WHERE id = :'audio_id';

-- the same bytes again: another track, no more audio
SELECT spotai.ingest(pg_temp.sine(440, 16384, 8000, 2, 8000), 'again') <> :'track' AS another_track;
SELECT count(*) AS tracks, count(DISTINCT audio_id) AS audios FROM spotai.track;
SELECT count(*) AS audios FROM spotai.audio;

-- more than one chunk
SELECT spotai.ingest(pg_temp.wav(array_agg((n * 7919 % 20011 - 10000)::integer ORDER BY n), 2, 8000), 'noise') AS noise
FROM generate_series(1::bigint, 1200000) n \gset
SELECT c.seq, octet_length(c.data) FROM spotai.audio_chunk c JOIN spotai.track t USING (audio_id)
WHERE t.id = :'noise' ORDER BY seq;
SELECT sha256(spotai.audio_content(audio_id, 'wav')) = sha256 AS whole
FROM spotai.track t JOIN spotai.audio a ON a.id = t.audio_id WHERE t.id = :'noise';

-- every format out; each comes in again as what it is, as long as it was
CREATE TEMP TABLE copy AS
SELECT f, spotai.ingest(spotai.audio_content(:'audio_id', f), f) AS track
FROM (VALUES ('flac'), ('wav'), ('ogg'), ('opus'), ('mp3')) v(f);
SELECT f AS format, a.format AS told, a.codec, a.sample_rate_hz, a.channels,
       abs(a.duration_s - 1) < 0.06 AS duration_kept, abs(a.rms_db - -9.03) < 0.3 AS level_kept
FROM copy JOIN spotai.track t ON t.id = copy.track JOIN spotai.audio a ON a.id = t.audio_id ORDER BY f;

-- flac loses nothing
SELECT spotai.sdr(:'audio_id', t.audio_id) AS lossless
FROM spotai.track t WHERE title = 'flac';

-- large objects, which are left alone
SELECT lo_from_bytea(0, pg_temp.sine(220, 8192, 8000, 1, 8000)) AS lo \gset
SELECT spotai.ingest_large_object(:lo, 'from a large object') AS track \gset
SELECT a.channels, a.frames, a.bytes FROM spotai.audio a JOIN spotai.track t ON t.audio_id = a.id WHERE t.id = :'track';
SELECT octet_length(lo_get(:lo)) > 0 AS still_there;
SELECT (pg_temp.failure('SELECT spotai.ingest_large_object(4294967295)')).*;
SELECT lo_unlink(:lo);

-- a picture
SELECT x::text ~ '^<svg[^>]* width="600" height="120"' AS svg, xpath_exists('//*[local-name()=''path'']', x) AS drawn
FROM (SELECT spotai.waveform_svg(:'audio_id', 600, 120)::xml) s(x);

-- silence has no level
SELECT spotai.ingest(pg_temp.wav(array_fill(0, ARRAY[800]), 1, 8000), 'silence') AS silence \gset
SELECT a.peak_db, a.rms_db FROM spotai.audio a JOIN spotai.track t ON t.audio_id = a.id WHERE t.id = :'silence';

SELECT count(*) AS audios, (SELECT count(*) FROM spotai.track) AS tracks,
       (SELECT count(*) FROM spotai.audio_chunk) AS chunks FROM spotai.audio;

-- bad content: one clear error each, and nothing is left behind
\x on
SELECT what, e.* FROM (VALUES
    (1, 'empty', $$''::bytea$$),
    (2, 'text', $$'all work and no play makes jack a dull boy'::bytea$$),
    (3, 'zip', $$'PK'::bytea || '\x0304140000000800'::bytea || repeat('x', 100)::bytea$$),
    (4, 'm4a', $$'\x00000020667479704d344120000000004d344120'::bytea || repeat('x', 100)::bytea$$),
    (5, 'no frames', $$pg_temp.wav_header(1, 2, 44100, 16, 0)$$),
    (6, 'truncated', $$substring(pg_temp.sine(440, 1000, 8000, 1, 8000) FROM 1 FOR 9000)$$),
    (7, 'header only', $$substring(pg_temp.sine(440, 1000, 8000, 1, 8000) FROM 1 FOR 20)$$),
    (8, 'no channels', $$pg_temp.wav_header(1, 0, 44100, 16, 4000) || decode(repeat('00', 4000), 'hex')$$),
    (9, '255 channels', $$pg_temp.wav_header(1, 255, 44100, 16, 5100) || decode(repeat('00', 5100), 'hex')$$),
    (10, '1 Hz', $$pg_temp.wav_header(1, 1, 1, 16, 4000) || decode(repeat('00', 4000), 'hex')$$),
    (11, '4 GHz', $$pg_temp.wav_header(1, 1, 4000000000, 16, 4000) || decode(repeat('00', 4000), 'hex')$$),
    (12, 'not a number', $$pg_temp.wav_header(3, 1, 8000, 32, 4000) || decode(repeat('0000c07f', 1000), 'hex')$$),
    (13, 'infinity', $$pg_temp.wav_header(3, 1, 8000, 32, 4000) || decode(repeat('00000000', 500) || repeat('0000807f', 500), 'hex')$$)
) v(n, what, content)
CROSS JOIN LATERAL pg_temp.failure('SELECT spotai.ingest(' || content || ')') e ORDER BY n;

-- limits
SET spotai.audio_max_bytes = '1kB';
SELECT (pg_temp.failure('SELECT spotai.ingest(pg_temp.sine(440, 1, 8000, 1, 8000))')).*;
RESET spotai.audio_max_bytes;
SET spotai.audio_max_duration_s = '500ms';
SELECT (pg_temp.failure('SELECT spotai.ingest(pg_temp.sine(440, 1, 8000, 1, 8000))')).*;
RESET spotai.audio_max_duration_s;
SET spotai.audio_max_channels = 1;
SELECT (pg_temp.failure('SELECT spotai.ingest(pg_temp.sine(440, 1, 800, 2, 8000))')).*;
RESET spotai.audio_max_channels;

-- bad arguments
SELECT what, e.* FROM (VALUES
    (1, 'null content', $$SELECT spotai.ingest(NULL)$$),
    (2, 'bad provenance', $$SELECT spotai.ingest('x', provenance => 'My Own')$$),
    (3, 'unknown audio', $$SELECT spotai.audio_content('11111111-1111-1111-1111-111111111111')$$),
    (4, 'unknown format', $$SELECT spotai.audio_content((SELECT id FROM spotai.audio LIMIT 1), 'aac')$$),
    (5, 'picture too small', $$SELECT spotai.waveform_svg((SELECT id FROM spotai.audio LIMIT 1), 1, 1)$$),
    (6, 'relative path', $$SELECT spotai.ingest_file('song.wav')$$),
    (7, 'no such file', $$SELECT spotai.ingest_file('/nonexistent/song.wav')$$),
    (8, 'a folder', $$SELECT spotai.ingest_file('/tmp')$$),
    (9, 'export, unknown ending', $$SELECT spotai.export_audio((SELECT id FROM spotai.audio LIMIT 1), '/tmp/spotai.xyz')$$),
    (10, 'export, no such folder', $$SELECT spotai.export_audio((SELECT id FROM spotai.audio WHERE format = 'wav' LIMIT 1), '/nonexistent/spotai.wav')$$)
) v(n, what, statement)
CROSS JOIN LATERAL pg_temp.failure(statement) e ORDER BY n;
\x off

-- an audio of another tenant is no audio at all, even for a superuser
INSERT INTO spotai.tenant (id, name) VALUES ('22222222-2222-2222-2222-222222222222', 'other');
INSERT INTO spotai.audio (tenant_id, id, kind, format, codec, sample_rate_hz, channels, frames, duration_s, bytes, sha256, peak_db, rms_db)
SELECT '22222222-2222-2222-2222-222222222222', '33333333-3333-3333-3333-333333333333', kind, format, codec, sample_rate_hz,
       channels, frames, duration_s, bytes, sha256, peak_db, rms_db
FROM spotai.audio WHERE id = :'audio_id';
SELECT (pg_temp.failure($$SELECT spotai.audio_content('33333333-3333-3333-3333-333333333333')$$)).*;

SELECT count(*) AS audios, (SELECT count(*) FROM spotai.track) AS tracks,
       (SELECT count(*) FROM spotai.audio_chunk) AS chunks FROM spotai.audio;
\i :end
-- before the tables exist
CREATE EXTENSION spotai;
SELECT spotai.ingest('x');
DROP EXTENSION spotai;
DROP SCHEMA spotai;
