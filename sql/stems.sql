-- stems: a song taken apart, put together again, and judged
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '

-- the engine that needs no weights; sql/base.sql is about the one that is the default
SET spotai.stems_model = 'classical';

-- four seconds of stereo: a bass note, clicks, a wandering voice in the middle
SELECT spotai.ingest(pg_temp.wav(array_agg(s ORDER BY n, c), 2, 16000), 'études', 'the machines') AS track
FROM (SELECT n, c, (6000 * sin(2 * pi() * 80 * n / 16000)
                    + CASE WHEN n % 8000 < 20 THEN 9000 * ((n * 7919) % 101 - 50) / 50.0 ELSE 0 END
                    + 4000 * sin(2 * pi() * (300 + 40 * sin(n / 5000.0)) * n / 16000))::integer AS s
      FROM generate_series(0, 63999) n, generate_series(1, 2) c) x \gset
SELECT audio_id AS song FROM spotai.track WHERE id = :'track' \gset

-- each number of stems: names in order, aligned, sums to the song bit for bit
SELECT stems, string_agg(s.stem, ', ' ORDER BY s.n) AS names, bool_and(s.duration_s = 4) AS same_length,
       round(sum(s.energy_share)::numeric, 3) AS shares
FROM (VALUES (2), (4), (5)) v(stems),
     LATERAL (SELECT row_number() OVER () AS n, * FROM spotai.separate(:'track', stems)) s
GROUP BY stems ORDER BY stems;
SELECT stem_count, count(*), bool_and(model = 'classical') AS classical, bool_and(codec = 'pcm_16') AS as_the_song,
       bool_and(channels = 2 AND sample_rate_hz = 16000 AND frames = 64000) AS shape
FROM spotai.audio WHERE kind = 'stem' GROUP BY stem_count ORDER BY stem_count;
SELECT spotai.remix(:'track', '{}') AS same \gset
SELECT spotai.sdr(:'song', :'same') AS all_stems_at_0_db;

-- separating again keeps the ids
CREATE TEMP TABLE first_ids AS SELECT id FROM spotai.audio WHERE kind = 'stem' AND stem_count = 4;
SELECT count(*) AS same_ids FROM spotai.separate(:'track', 4, 'classical') s JOIN first_ids f ON f.id = s.audio_id;
SELECT count(*) AS stems FROM spotai.audio WHERE kind = 'stem';

-- the newest set that has the stems is used; karaoke and vocals sum to the song
SELECT spotai.remix(:'track', '{"vocals": null}') AS karaoke, spotai.remix(:'track', '{"piano": null, "vocals": -200}') AS five \gset
SELECT kind, gains, duration_s FROM spotai.audio WHERE id IN (:'karaoke', :'five') ORDER BY gains::text;
SELECT spotai.sdr(:'song', :'karaoke') BETWEEN 0 AND 40 AS something_is_missing;
SELECT spotai.remix(:'track', '{"vocals": 6.0205999, "drums": 6.0205999, "bass": 6.0205999, "other": 6.0205999}') AS twice \gset
SELECT round((b.rms_db - a.rms_db)::numeric, 2) AS louder_db FROM spotai.audio a, spotai.audio b WHERE a.id = :'song' AND b.id = :'twice';

-- plain SDR: infinite for itself, 6 dB for half of it; other rates and mono are adapted
SELECT spotai.sdr(:'song', :'song') AS itself;
SELECT spotai.ingest(pg_temp.sine(1000, 16000, 16000, 1, 16000)) AS t \gset
SELECT audio_id AS tone FROM spotai.track WHERE id = :'t' \gset
SELECT spotai.ingest(pg_temp.sine(1000, 8000, 16000, 1, 16000)) AS t \gset
SELECT audio_id AS half FROM spotai.track WHERE id = :'t' \gset
SELECT spotai.ingest(pg_temp.sine(1000, 16000, 32000, 2, 32000)) AS t \gset
SELECT audio_id AS wide FROM spotai.track WHERE id = :'t' \gset
SELECT spotai.ingest(pg_temp.sine(1000, 8000, 20000, 1, 16000)) AS t \gset
SELECT audio_id AS longer FROM spotai.track WHERE id = :'t' \gset
SELECT round(spotai.sdr(:'tone', :'half')::numeric, 2) AS half, spotai.sdr(:'tone', :'wide') > 40 AS resampled;
SELECT round(spotai.sdr(:'tone', :'longer')::numeric, 2) AS first_second;

-- BSS Eval: a gain is no distortion of the source, and nothing leaks
SELECT source, round(isr::numeric, 1) AS isr, sir > 40 AS no_interference, sar > 40 AS no_artifacts
FROM spotai.bss_eval(ARRAY[:'tone']::uuid[], ARRAY[:'half']::uuid[]);

-- silence and mono
SELECT spotai.ingest(pg_temp.wav(array_fill(0, ARRAY[8000]), 1, 8000), 'silence') AS silence \gset
SELECT * FROM (SELECT stem, duration_s, peak_db, rms_db, energy_share, model FROM spotai.separate(:'silence', 4)) s;

-- 24 bits on request
SET spotai.stems_bits = '24';
SELECT count(*) FROM spotai.separate(:'track', 2);
SELECT DISTINCT codec FROM spotai.audio WHERE kind = 'stem' AND stem_count = 2 AND track_id = :'track';
RESET spotai.stems_bits;

-- each wrong request: one clear error
\x on
SELECT what, e.* FROM (VALUES
    (1, 'unknown track', $$SELECT * FROM spotai.separate('11111111-1111-1111-1111-111111111111')$$),
    (2, 'null track', $$SELECT * FROM spotai.separate(NULL)$$),
    (3, 'three stems', format($$SELECT * FROM spotai.separate(%L, 3)$$, :'track')),
    (4, 'unknown model', format($$SELECT * FROM spotai.separate(%L, 4, 'spleeter')$$, :'track')),
    (5, 'remix before separation', $$SELECT spotai.remix(spotai.ingest(pg_temp.sine(500, 500, 800, 1, 8000)), '{"vocals": null}')$$),
    (6, 'remix of an unknown stem', format($$SELECT spotai.remix(%L, '{"kazoo": null}')$$, :'track')),
    (7, 'gains are no object', format($$SELECT spotai.remix(%L, '[1]')$$, :'track')),
    (8, 'a gain is no number', format($$SELECT spotai.remix(%L, '{"vocals": "loud"}')$$, :'track')),
    (9, 'a gain is out of range', format($$SELECT spotai.remix(%L, '{"vocals": 1e300}')$$, :'track')),
    (10, 'sdr of nothing', $$SELECT spotai.sdr('11111111-1111-1111-1111-111111111111', '11111111-1111-1111-1111-111111111111')$$),
    (11, 'bss_eval, unequal', format($$SELECT * FROM spotai.bss_eval(ARRAY[%1$L]::uuid[], ARRAY[%1$L, %1$L]::uuid[])$$, :'song')),
    (12, 'bss_eval, none', $$SELECT * FROM spotai.bss_eval('{}', '{}')$$),
    (13, 'bss_eval, null', $$SELECT * FROM spotai.bss_eval('{NULL}', '{NULL}')$$),
    (14, 'three stems of a model that cannot', format($$SELECT * FROM spotai.separate(%L, 3, 'classical')$$, :'track'))
) v(n, what, statement)
CROSS JOIN LATERAL pg_temp.failure(statement) e ORDER BY n;
\x off

-- another tenant's track, and a deleted one, are no tracks
INSERT INTO spotai.tenant (id, name) VALUES ('22222222-2222-2222-2222-222222222222', 'other');
INSERT INTO spotai.audio (tenant_id, id, kind, format, codec, sample_rate_hz, channels, frames, duration_s, bytes, sha256, peak_db, rms_db)
SELECT '22222222-2222-2222-2222-222222222222', '33333333-3333-3333-3333-333333333333', kind, format, codec, sample_rate_hz,
       channels, frames, duration_s, bytes, sha256, peak_db, rms_db FROM spotai.audio WHERE id = :'song';
INSERT INTO spotai.track (tenant_id, id, audio_id) VALUES
    ('22222222-2222-2222-2222-222222222222', '44444444-4444-4444-4444-444444444444', '33333333-3333-3333-3333-333333333333');
SELECT (pg_temp.failure($$SELECT * FROM spotai.separate('44444444-4444-4444-4444-444444444444')$$)).*;
UPDATE spotai.track SET deleted_at = now() WHERE id = :'silence';
SELECT code FROM pg_temp.failure(format($$SELECT * FROM spotai.separate(%L)$$, :'silence'));

-- deleting a track takes its stems along, and leaves the original that others may share
DELETE FROM spotai.track WHERE id = :'track';
SELECT kind, count(*) FROM spotai.audio WHERE track_id = :'track' OR id = :'song' GROUP BY kind;
\i :end
