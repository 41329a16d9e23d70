-- neural: songs through models; which one, and what the settings do
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\set models :root '/tests/fixtures/models/'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '

SELECT spotai.version() IS NOT NULL AS loaded;
SELECT name, setting, vartype, min_val, max_val, enumvals, context FROM pg_settings
WHERE name ~ '^spotai\.(nn_|stems_)|^spotai\.threads' ORDER BY name COLLATE "C";

-- a second and a half of stereo: a bass note, clicks, a wandering voice in the middle
SELECT spotai.ingest(pg_temp.wav(array_agg(s ORDER BY n, c), 2, 44100), 'étude', 'the machines') AS track
FROM (SELECT n, c, (6000 * sin(2 * pi() * 80 * n / 44100)
                    + CASE WHEN n % 22050 < 60 THEN 9000 * ((n * 7919) % 101 - 50) / 50.0 ELSE 0 END
                    + (3000 + 1000 * c) * sin(2 * pi() * (300 + 40 * sin(n / 5000.0)) * n / 44100))::integer AS s
      FROM generate_series(0, 66149) n, generate_series(1, 2) c) x \gset
SELECT audio_id AS song FROM spotai.track WHERE id = :'track' \gset
-- one channel, another rate
SELECT spotai.ingest(pg_temp.sine(440, 9000, 12001, 1, 8000), 'mono') AS mono \gset
-- too high for the small models below
SELECT spotai.ingest(pg_temp.sine(10000, 9000, 30000, 2, 44100), 'whistle') AS whistle \gset

-- without any model but the one that comes with the extension
SELECT DISTINCT stems, model FROM (VALUES (2), (4), (5)) v(stems), LATERAL spotai.separate(:'mono', stems) s ORDER BY 1;

-- patches of 0.2 s, so that a short song has joins
SELECT '{"fft_size": 512, "hop": 128, "frames": 64, "bins": 64}' AS small \gset
SELECT count(spotai.model_import(:'models' || file, name, params => :'small'))
FROM (VALUES ('tiny-2stems.npz', 'tiny2'), ('tiny-4stems.safetensors', 'tiny4'), ('tiny-5stems.tar.gz', 'tiny5')) v(file, name);

-- each number of stems, by name: names in order, as long as the song, and their sum is the song bit for bit
CREATE FUNCTION pg_temp.digest(track uuid, model text) RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(stem || encode(sha256, 'hex'), ' ' ORDER BY stem)) FROM spotai.audio WHERE track_id = $1 AND model = $2
$$;
SELECT stems, string_agg(s.stem, ', ' ORDER BY s.n) AS names, bool_and(s.duration_s = 1.5) AS same_length,
       round(sum(s.energy_share)::numeric, 3) AS shares, string_agg(DISTINCT s.model, ', ') AS model,
       bool_and(s.peak_db > -80) AS sound
FROM (VALUES (2), (4), (5)) v(stems),
     LATERAL (SELECT row_number() OVER () AS n, * FROM spotai.separate(:'track', stems, 'tiny' || stems)) s
GROUP BY stems ORDER BY stems;
SELECT model, stem_count, count(*), bool_and(codec = 'pcm_16') AS as_the_song,
       bool_and(channels = 2 AND sample_rate_hz = 44100 AND frames = 66150) AS shape
FROM spotai.audio WHERE kind = 'stem' AND track_id = :'track' GROUP BY 1, 2 ORDER BY 2;
SELECT spotai.remix(:'track', '{"vocals": 0, "accompaniment": 0}') AS two, spotai.remix(:'track', '{"drums": 0}') AS four,
       spotai.remix(:'track', '{"piano": 0}') AS five \gset
SELECT spotai.sdr(:'song', :'two') AS two, spotai.sdr(:'song', :'four') AS four, spotai.sdr(:'song', :'five') AS five;

-- other rates, one channel
SELECT stem, duration_s, model FROM spotai.separate(:'mono', 4, 'tiny4');
SELECT DISTINCT channels, sample_rate_hz, frames, codec FROM spotai.audio WHERE track_id = :'mono' AND model = 'tiny4';
SELECT spotai.sdr((SELECT audio_id FROM spotai.track WHERE id = :'mono'), spotai.remix(:'mono', '{"drums": 0}')) AS sum;

-- again, with other threads, without keeping: the same ids and the same bits
CREATE TEMP TABLE first AS SELECT id, sha256 FROM spotai.audio WHERE track_id = :'track' AND model = 'tiny4';
SET spotai.nn_precision = 'f32';
SELECT count(*) FROM spotai.separate(:'track', 4, 'tiny4');
SELECT pg_temp.digest(:'track', 'tiny4') AS digest \gset
SET spotai.threads = 1;
SELECT count(*), pg_temp.digest(:'track', 'tiny4') = :'digest' AS same_bits FROM spotai.separate(:'track', 4, 'tiny4');
SET spotai.threads = 4;
SET spotai.nn_keep_model = off;
SELECT count(*), pg_temp.digest(:'track', 'tiny4') = :'digest' AS same_bits FROM spotai.separate(:'track', 4, 'tiny4');
SELECT count(*) AS same_ids FROM first f JOIN spotai.audio a USING (id) WHERE track_id = :'track' AND model = 'tiny4';
RESET spotai.threads;
RESET spotai.nn_keep_model;

-- bf16 is near f32, and not f32: the same weights under another name.  A CPU
-- without AVX-512 refuses it, and then there is nothing to compare.
SELECT spotai.model_import(:'models' || 'tiny-4stems.safetensors', 'rounded4', params => :'small') IS NOT NULL AS imported;
SET spotai.nn_precision = 'bf16';
SELECT set_config('test.track', :'track', false) IS NOT NULL AS ready;
DO $$ BEGIN
    PERFORM spotai.separate(current_setting('test.track')::uuid, 4, 'rounded4');
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
RESET spotai.nn_precision;
CREATE VIEW pg_temp.distance AS
SELECT b.model, min(spotai.sdr(a.id, b.id)) AS sdr FROM spotai.audio a JOIN spotai.audio b USING (track_id, stem)
WHERE a.model = 'tiny4' AND b.model <> 'tiny4' AND b.stem_count = 4 AND a.track_id = :'track' GROUP BY 1;
SELECT coalesce(bool_and(sdr > 30), true) AS near, coalesce(bool_and(sdr < 200), true) AS not_the_same
FROM pg_temp.distance WHERE model = 'rounded4';

-- as published: no cross-fades, and the sum is what it is
SET spotai.nn_precision = 'f32';
SELECT spotai.model_import(:'models' || 'tiny-4stems.safetensors', 'exact4', params => :'small') IS NOT NULL AS imported;
SET spotai.stems_exact = on;
SELECT count(*), pg_temp.digest(:'track', 'exact4') = :'digest' AS same_bits FROM spotai.separate(:'track', 4, 'exact4');
SELECT sdr > 5 AS near, sdr < 100 AS not_the_same FROM pg_temp.distance WHERE model = 'exact4';
SELECT spotai.sdr(:'song', spotai.remix(:'track', '{"drums": 0}')) BETWEEN 5 AND 80 AS nearly_the_song;
RESET spotai.stems_exact;

-- the multichannel filter
SELECT spotai.model_import(:'models' || 'tiny-4stems.safetensors', 'wiener4', params => :'small') IS NOT NULL AS imported;
SET spotai.stems_wiener = on;
SELECT count(*), pg_temp.digest(:'track', 'wiener4') = :'digest' AS same_bits FROM spotai.separate(:'track', 4, 'wiener4');
SELECT sdr > 0 AS related, sdr < 100 AS not_the_same FROM pg_temp.distance WHERE model = 'wiener4';
SELECT spotai.sdr(:'song', spotai.remix(:'track', '{"drums": 0}')) AS sum;
RESET spotai.stems_wiener;

-- above a model's frequencies: nothing, or the average; exact mode has nothing
CREATE FUNCTION pg_temp.whistle(track uuid) RETURNS TABLE (extension text, exact text, silent bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('spotai.stems_sum_to_mix', 'off', true);
    FOR extension, exact IN SELECT * FROM unnest('{auto,zeros,average}'::text[]) e CROSS JOIN unnest('{off,on}'::text[]) x
    LOOP
        PERFORM set_config('spotai.stems_mask_extension', extension, true), set_config('spotai.stems_exact', exact, true);
        SELECT count(*) FILTER (WHERE rms_db < -50) INTO silent FROM spotai.separate(track, 4, 'tiny4');
        RETURN NEXT;
    END LOOP;
END
$$;
SELECT * FROM pg_temp.whistle(:'whistle');
-- with the sum, the last stem gets what nobody has
BEGIN;
SET LOCAL spotai.stems_mask_extension = 'zeros';
SELECT stem, rms_db > -20 AS loud FROM spotai.separate(:'whistle', 4, 'tiny4');
COMMIT;
RESET spotai.nn_precision;

-- which model, when none is named: measured quality, then the newest; the active version
CREATE FUNCTION pg_temp.chosen(stems integer) RETURNS text LANGUAGE sql AS $$
    SELECT DISTINCT model FROM spotai.separate((SELECT id FROM spotai.track WHERE title = 'mono'), stems)
$$;
SELECT pg_temp.chosen(2), pg_temp.chosen(4), pg_temp.chosen(5);
UPDATE spotai.model SET metrics = '{"sdr": {"vocals": 6, "drums": 5}}' WHERE name = 'exact4';
UPDATE spotai.model SET metrics = '{"sdr": {"vocals": 5, "drums": 6.5}}' WHERE name = 'tiny4';
SELECT pg_temp.chosen(4);
UPDATE spotai.model SET metrics = '{"sdr": "excellent"}' WHERE name = 'tiny4';
SELECT pg_temp.chosen(4);
SET spotai.stems_model = 'wiener4';
SELECT pg_temp.chosen(4), pg_temp.chosen(2) AS of_another_number;
SET spotai.stems_model = 'classical';
SELECT pg_temp.chosen(4), pg_temp.chosen(2);
SELECT DISTINCT model FROM spotai.separate(:'mono', 4, 'tiny4');
SET spotai.stems_model = 'vanished';
\x on
SELECT (pg_temp.failure($$ SELECT pg_temp.chosen(4) $$)).*;
RESET spotai.stems_model;
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 3) $$, :'mono'))).*;
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 5, 'tiny4') $$, :'mono'))).*;
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 2, 'spleeter:2stems') $$, :'mono'))).*;
SELECT (pg_temp.failure($$ SET spotai.nn_precision = 'f16' $$)).*;
SELECT (pg_temp.failure($$ SET spotai.threads = 65 $$)).*;
SELECT (pg_temp.failure($$ SET spotai.stems_mask_extension = 'mirror' $$)).*;
SELECT (pg_temp.failure($$ SET spotai.nn_keep_models = off $$)).code;
\x off

-- stems of other names
SELECT spotai.model_import(:'models' || 'tiny-2stems.npz', 'pair', params => '{"stems": ["speech", "noise"], "fft_size": 512, "hop": 128, "frames": 64, "bins": 64}') IS NOT NULL AS imported;
SELECT stem, model FROM spotai.separate(:'mono', 2, 'pair');

-- another version that is made active is noticed at once
SELECT count(*) FROM spotai.separate(:'track', 4, 'tiny4');
SELECT pg_temp.digest(:'track', 'tiny4') AS digest \gset
SELECT spotai.model_import(:'models' || 'tiny-4stems.safetensors', 'tiny4', version => '2', params => '{"fft_size": 512, "hop": 128, "frames": 128, "bins": 64}') IS NOT NULL AS imported;
SELECT count(*), pg_temp.digest(:'track', 'tiny4') = :'digest' AS same_bits FROM spotai.separate(:'track', 4, 'tiny4');
SELECT spotai.model_activate('tiny4', '1');
SELECT count(*), pg_temp.digest(:'track', 'tiny4') = :'digest' AS same_bits FROM spotai.separate(:'track', 4, 'tiny4');

-- damaged rows: one clear error, the tensor's name, and nothing stored or changed
CREATE FUNCTION pg_temp.damage(damage text) RETURNS TABLE (code text, message text, detail text, as_before boolean) LANGUAGE plpgsql AS $$
DECLARE
    track uuid := (SELECT id FROM spotai.track WHERE title = 'whistle');
    before text := pg_temp.digest(track, 'tiny4');
BEGIN
    EXECUTE damage;
    SELECT f.code, f.message, f.detail INTO code, message, detail
    FROM pg_temp.failure(format('SELECT * FROM spotai.separate(%L, 4, %L)', track, 'tiny4')) f;
    as_before := before = pg_temp.digest(track, 'tiny4');
    RETURN NEXT;
    RAISE SQLSTATE 'DAMAG';
EXCEPTION WHEN SQLSTATE 'DAMAG' THEN
    RETURN;
END
$$;
SELECT count(*) FROM spotai.separate(:'whistle', 4, 'tiny4');
SET spotai.nn_keep_model = off;
SELECT count(*) FROM spotai.separate(:'mono', 4, 'tiny4');
SELECT d.* FROM (VALUES
    (1, $$UPDATE spotai.model_chunk SET data = set_byte(data, 2, get_byte(data, 2) # 1) WHERE tensor = 7 AND$$),
    (2, $$DELETE FROM spotai.model_chunk WHERE tensor = 3 AND$$),
    (3, $$DELETE FROM spotai.model_tensor WHERE seq = 295 AND$$),
    (4, $$UPDATE spotai.model_tensor SET name = 'zzz' WHERE seq = 2 AND$$),
    (5, $$UPDATE spotai.model_tensor SET crc32c = 0 WHERE seq = 2 AND$$)
) v(n, statement) CROSS JOIN LATERAL pg_temp.damage(statement
    || $$ model_id = (SELECT id FROM spotai.model WHERE name = 'tiny4' AND active)$$) d ORDER BY n;
SELECT d.* FROM (VALUES
    (1, $$UPDATE spotai.model SET params = '{"beans": 3}' WHERE$$),
    (2, $$UPDATE spotai.model SET params = params || '{"frames": 100}' WHERE$$),
    (3, $$UPDATE spotai.model SET params = params || '{"hop": 100}' WHERE$$),
    (4, $$UPDATE spotai.model SET params = params || '{"stems": ["a", "b"]}' WHERE$$),
    (5, $$UPDATE spotai.model SET params = params || '{"bins": 1000000}' WHERE$$),
    (6, $$UPDATE spotai.model SET params = params || '{"fft_size": 2147483647}' WHERE$$),
    (7, $$UPDATE spotai.model SET params = params || '{"mask": "relu"}' WHERE$$),
    (8, $$UPDATE spotai.model SET architecture = 'openunmix' WHERE$$),
    (9, $$UPDATE spotai.model SET architecture = 'hal9000' WHERE$$),
    (10, $$UPDATE spotai.model SET stems = '{a,b,c,d}' WHERE$$)
) v(n, statement) CROSS JOIN LATERAL pg_temp.damage(statement || $$ name = 'tiny4' AND active$$) d ORDER BY n;
BEGIN;
UPDATE spotai.model SET stems = '{a,b}' WHERE name = 'tiny4';
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 2, 'tiny4') $$, :'mono'))).*;
ROLLBACK;
SELECT DISTINCT model FROM spotai.separate(:'mono', 4, 'tiny4');
RESET spotai.nn_keep_model;

-- a separation within another: the outer one's network is forgotten, not freed, until it is done
CREATE FUNCTION pg_temp.nested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM spotai.separate(NEW.track_id, 2, 'tiny2');
    RETURN NEW;
END
$$;
CREATE TRIGGER nested AFTER INSERT OR UPDATE ON spotai.audio FOR EACH ROW WHEN (NEW.model = 'tiny5') EXECUTE FUNCTION pg_temp.nested();
DELETE FROM spotai.audio WHERE model = 'tiny2';
SELECT count(*) FROM spotai.separate(:'mono', 5, 'tiny5');
SELECT count(*) FROM spotai.audio WHERE model = 'tiny2';
DROP TRIGGER nested ON spotai.audio;
SELECT a.stem, count(*) FROM spotai.separate(:'mono', 2, 'tiny2') a, LATERAL spotai.separate(:'mono', 5, 'tiny5') b GROUP BY 1 ORDER BY 1;

-- stems stay when their model goes
SELECT spotai.model_drop('tiny5');
SELECT count(*) FROM spotai.audio WHERE model = 'tiny5';
SELECT pg_temp.chosen(5);
\i :end
