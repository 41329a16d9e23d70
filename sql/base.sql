-- base: the model that comes with the extension
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\set models :root '/tests/fixtures/models/'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '

-- migrate() installed it; once more changes nothing
SELECT name, architecture, stems, sample_rate_hz, licence IS NOT NULL AS licence, source IS NOT NULL AS source, active
FROM spotai.models() WHERE name = 'spotai-base';
SELECT spotai.model_install_base() AS fresh;
SELECT m.sha256 = sha256(pg_read_binary_file(c.setting || '/extension/spotai-base.safetensors')) AS as_installed, m.bytes < 12000000 AS small
FROM spotai.model m, pg_config c WHERE c.name = 'SHAREDIR';

-- five seconds of stereo: a bass note, clicks, a wandering voice in the middle
SELECT spotai.ingest(pg_temp.wav(array_agg(s ORDER BY n, c), 2, 44100), 'étude', 'the machines') AS track
FROM (SELECT n, c, (6000 * sin(2 * pi() * 80 * n / 44100)
                    + CASE WHEN n % 22050 < 60 THEN 9000 * ((n * 7919) % 101 - 50) / 50.0 ELSE 0 END
                    + 4000 * sin(2 * pi() * (300 + 40 * sin(n / 5000.0)) * n / 44100))::integer AS s
      FROM generate_series(0, 5 * 44100 - 1) n, generate_series(1, 2) c) x \gset
SELECT audio_id AS song FROM spotai.track WHERE id = :'track' \gset

-- the default for two and four stems; there is no piano in it
SELECT stems, string_agg(s.stem, ', ' ORDER BY s.n) AS names, string_agg(DISTINCT s.model, ', ') AS model,
       bool_and(s.duration_s = 5) AS same_length, round(sum(s.energy_share)::numeric, 3) AS shares
FROM (VALUES (2), (4), (5)) v(stems),
     LATERAL (SELECT row_number() OVER () AS n, * FROM spotai.separate(:'track', stems)) s
GROUP BY stems ORDER BY stems;
\x on
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 5, 'spotai-base') $$, :'track'))).*;
\x off

-- stems sum to the song bit for bit, and the voice of two is the voice of four
SELECT spotai.remix(:'track', '{"vocals": 0, "accompaniment": 0}') AS two, spotai.remix(:'track', '{"vocals": 0, "drums": 0, "bass": 0, "other": 0}') AS four \gset
SELECT spotai.sdr(:'song', :'two') AS two, spotai.sdr(:'song', :'four') AS four;
SELECT spotai.sdr(a.id, b.id) > 80 AS same_voice FROM spotai.audio a JOIN spotai.audio b USING (track_id, stem, model)
WHERE a.stem = 'vocals' AND a.model = 'spotai-base' AND a.stem_count = 2 AND b.stem_count = 4;

-- content that was stored while it was computed is what was hashed: ten seconds of noise make pieces enough
SELECT spotai.ingest(pg_temp.wav(array_agg(hashint4(n) % 20000 ORDER BY n), 2, 44100), 'noise') AS noise FROM generate_series(1, 882000) n \gset
SET spotai.stems_bits = '24';
SELECT count(*) FROM spotai.separate(:'noise', 2);
RESET spotai.stems_bits;
SELECT max(seq) > 1 AS pieces FROM spotai.audio_chunk c JOIN spotai.audio a ON a.id = c.audio_id WHERE a.track_id = :'noise';
SELECT count(*) AS stems, bool_and(a.bytes = c.bytes AND a.sha256 = c.sha256) AS whole
FROM spotai.audio a, LATERAL (SELECT sum(octet_length(data)) AS bytes, sha256(string_agg(data, ''::bytea ORDER BY seq)) AS sha256
                              FROM spotai.audio_chunk WHERE audio_id = a.id) c
WHERE a.kind = 'stem';

-- mono, silence, less than a frame, 8 kHz and 192 kHz
SELECT title, count(*) AS stems, bool_and(s.model = 'spotai-base') AS base, round(min(s.duration_s)::numeric, 4) AS duration_s,
       max(s.peak_db) > -20 AS sound, bool_and(s.peak_db <= 0) AS in_range
FROM (SELECT 'mono' AS title, spotai.ingest(pg_temp.sine(440, 9000, 30000, 1, 44100), 'mono') AS id
      UNION ALL SELECT 'silence', spotai.ingest(pg_temp.wav(array_fill(0, ARRAY[60000]), 2, 44100), 'silence')
      UNION ALL SELECT 'short', spotai.ingest(pg_temp.sine(440, 9000, 100, 2, 44100), 'short')
      UNION ALL SELECT 'slow', spotai.ingest(pg_temp.sine(440, 9000, 12001, 1, 8000), 'slow')
      UNION ALL SELECT 'fast', spotai.ingest(pg_temp.sine(440, 9000, 96000, 2, 192000), 'fast')) t,
     LATERAL spotai.separate(t.id, 4) s
GROUP BY title ORDER BY title COLLATE "C";

-- what others installed goes first; the setting, before that
SELECT '{"fft_size": 512, "hop": 128, "frames": 64, "bins": 64}' AS small \gset
SELECT spotai.model_import(:'models' || 'tiny-4stems.safetensors', 'tiny4', params => :'small') IS NOT NULL AS imported;
SELECT DISTINCT model FROM spotai.separate(:'track', 4);
SELECT DISTINCT model FROM spotai.separate(:'track', 2);
SET spotai.stems_model = 'spotai-base';
SELECT DISTINCT model FROM spotai.separate(:'track', 4);
SET spotai.stems_model = 'classical';
SELECT DISTINCT model FROM spotai.separate(:'track', 4);
RESET spotai.stems_model;

-- dropped, it comes back when it is needed
SELECT spotai.model_drop('tiny4');
SELECT spotai.model_drop('spotai-base');
SELECT count(*) AS installed FROM spotai.model;
SELECT DISTINCT model FROM spotai.separate(:'track', 5);
SELECT count(*) AS installed FROM spotai.model;
SELECT DISTINCT model FROM spotai.separate(:'track', 2);
SELECT count(*) AS installed FROM spotai.model;
SELECT spotai.model_drop('spotai-base');
SELECT DISTINCT model FROM spotai.separate(:'track', 4, 'spotai-base');

-- weights that are missing, damaged or of another model: an error that names them, and another way
SELECT spotai.model_drop('spotai-base');
SET spotai.model_base_file = '/nowhere/spotai-base.safetensors';
\x on
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 4) $$, :'track'))).*;
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 2, 'spotai-base') $$, :'track'))).*;
\x off
SELECT DISTINCT model FROM spotai.separate(:'track', 4, 'classical');
SELECT set_config('spotai.model_base_file', :'models' || 'tiny-4stems.safetensors', false) IS NOT NULL AS another;
SELECT (pg_temp.failure('SELECT spotai.model_install_base()')).code;
SELECT set_config('spotai.model_base_file', :'models' || 'tiny-2stems.tar.gz', false) IS NOT NULL AS another;
SELECT (pg_temp.failure('SELECT spotai.model_install_base()')).code;
-- migrate() goes on without them
\set VERBOSITY terse
SET spotai.model_base_file = '/nowhere/spotai-base.safetensors';
CALL spotai.migrate();
\set VERBOSITY default
RESET spotai.model_base_file;
CALL spotai.migrate();
SELECT count(*) AS installed FROM spotai.model;

-- damaged numbers are noticed before they are used
SET spotai.nn_keep_model = off;
UPDATE spotai.model_chunk SET data = set_byte(data, 7, get_byte(data, 7) # 1) WHERE tensor = 3 AND seq = 0;
\x on
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 4) $$, :'track'))).*;
\x off
SELECT DISTINCT model FROM spotai.separate(:'track', 4, 'classical');
\i :end
