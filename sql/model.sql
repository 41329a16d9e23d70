-- model: which networks there are, and their weights
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\set models :root '/tests/fixtures/models/'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '

-- what there is without any import, and what could be had
SELECT name, version, architecture, stems, active FROM spotai.models();
SELECT name, stems, bandwidth_hz, licence, url, bytes, left(encode(sha256, 'hex'), 8) AS sha256, left(encode(archive_sha256, 'hex'), 8) AS archive_sha256, installed FROM spotai.model_catalog();
SELECT how FROM spotai.model_catalog() WHERE name LIKE 'spleeter:4%';

-- a model that is not installed says how to get it; one that does not exist, what does
SELECT spotai.ingest(pg_temp.sine(440, 9000, 16000, 2, 16000), 'song') AS track \gset
\x on
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 4, 'spleeter:4stems') $$, :'track'))).*;
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 4, 'spleeter:4stems-16kHz') $$, :'track'))).*;
SELECT (pg_temp.failure(format($$ SELECT * FROM spotai.separate(%L, 4, 'spleetre') $$, :'track'))).*;
\x off

-- what separates: nothing is installed
CREATE FUNCTION pg_temp.chosen(stems integer, model text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(DISTINCT s.model, ', ') FROM spotai.track t, spotai.separate(t.id, stems, model) s
$$;
SELECT n AS stems, pg_temp.chosen(n) FROM unnest(ARRAY[2, 4, 5]) n;

-- three formats, told by content; the same weights are the same rows
CREATE TEMP TABLE file AS
SELECT name, pg_read_binary_file(:'models' || name) AS content
FROM (VALUES ('tiny-2stems.tar.gz'), ('tiny-2stems.npz'), ('tiny-4stems.safetensors'), ('tiny-5stems.tar.gz')) v(name);
CREATE FUNCTION pg_temp.file(name text) RETURNS bytea LANGUAGE sql AS $$ SELECT content FROM file f WHERE f.name = $1 $$;
SELECT spotai.model_import(:'models' || 'tiny-2stems.tar.gz', 'tiny2', licence => 'CC0-1.0', source => 'seeded noise') AS two \gset
SELECT spotai.model_import(content => pg_temp.file('tiny-2stems.npz'), name => 'tiny2', version => 'npz', activate => false) IS NOT NULL AS imported;
SELECT spotai.model_import(pg_temp.file('tiny-4stems.safetensors'), 'tiny4') IS NOT NULL AS imported;
SELECT spotai.model_import(pg_temp.file('tiny-5stems.tar.gz'), 'tiny5', dtype => 'bf16') IS NOT NULL AS imported;
SELECT name, version, architecture, stems, sample_rate_hz, bandwidth_hz, dtype, parameters, bytes, licence, source, active
FROM spotai.models() WHERE version IS NOT NULL;
SELECT name, version, format, params - 'stems' AS params, metrics, updated_at = created_at AS fresh FROM spotai.model ORDER BY 1, 2;
CREATE FUNCTION pg_temp.tensors(name text, version text) RETURNS TABLE (tensor text, dtype text, shape bigint[], crc32c bigint)
LANGUAGE sql AS $$
    SELECT t.name, t.dtype, t.shape, t.crc32c
    FROM spotai.model m JOIN spotai.model_tensor t ON t.model_id = m.id WHERE m.name = $1 AND m.version = $2
$$;
SELECT count(*) FROM pg_temp.tensors('tiny2', '1');
SELECT * FROM pg_temp.tensors('tiny2', '1') EXCEPT SELECT * FROM pg_temp.tensors('tiny2', 'npz');
SELECT * FROM pg_temp.tensors('tiny2', '1') WHERE tensor IN ('conv2d/kernel', 'conv2d_transpose_11/bias') ORDER BY 1;
SELECT dtype, array_length(shape, 1) AS dimensions, count(*) FROM pg_temp.tensors('tiny5', '1') GROUP BY 1, 2 ORDER BY 2;
-- the bytes are those of the file
SELECT t.name, substring(f.content FROM 1 + 8 + (h.header -> t.name -> 'data_offsets' ->> 0)::integer + h.length FOR octet_length(c.data)) = c.data AS same
FROM spotai.model m JOIN spotai.model_tensor t ON t.model_id = m.id
JOIN spotai.model_chunk c ON c.model_id = m.id AND c.tensor = t.seq,
     file f, LATERAL (SELECT get_byte(f.content, 0) + 256 * get_byte(f.content, 1) + 65536 * get_byte(f.content, 2) AS length) l,
     LATERAL (SELECT l.length, convert_from(substring(f.content FROM 9 FOR l.length), 'UTF8')::jsonb AS header) h
WHERE m.name = 'tiny4' AND f.name = 'tiny-4stems.safetensors' AND t.name IN ('conv2d/kernel', 'conv2d_27/bias') ORDER BY 1;

-- the same again is the same; something else needs another version
SELECT spotai.model_import(:'models' || 'tiny-2stems.tar.gz', 'tiny2') = :'two' AS same_id;
\x on
SELECT (pg_temp.failure($$ SELECT spotai.model_import(pg_temp.file('tiny-4stems.safetensors'), 'tiny2') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_import(pg_temp.file('tiny-2stems.tar.gz'), 'tiny2', dtype => 'bf16') $$)).*;
\x off
-- hyper-parameters can be given, and are stored whole
SELECT spotai.model_import(pg_temp.file('tiny-2stems.tar.gz'), 'tiny2', version => 'wide', params => '{"bins": 1536, "stems": ["voice", "rest"]}') IS NOT NULL AS imported;
SELECT version, stems, bandwidth_hz, active FROM spotai.models() WHERE name = 'tiny2';

-- which version a name means
SELECT spotai.model_activate('tiny2', '1');
SELECT version, active FROM spotai.model WHERE name = 'tiny2' ORDER BY 1;
\x on
SELECT (pg_temp.failure($$ SELECT spotai.model_activate('tiny2', '2') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_activate('tiny3') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_drop('tiny2') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_drop('tiny2', '1') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_drop('classical') $$)).*;
\x off
SELECT spotai.model_drop('tiny2', 'wide');
SELECT spotai.model_drop('tiny2', 'npz');
SELECT version, active FROM spotai.model WHERE name = 'tiny2' ORDER BY 1;
SELECT count(*) AS orphans FROM spotai.model_chunk c WHERE NOT EXISTS (SELECT FROM spotai.model m WHERE m.id = c.model_id);

-- out and in again: numbers, parameters, licence and source; also of what is stored as bf16
SELECT current_setting('data_directory') || '/regress_spotai.safetensors' AS path \gset
SELECT spotai.model_export('tiny2', :'path', overwrite => true) = octet_length(spotai.model_content('tiny2')) AS as_content,
       pg_read_binary_file(:'path') = spotai.model_content('tiny2') AS same_bytes;
SELECT action, object FROM spotai.audit_log WHERE action = 'model.export';
SELECT code, detail FROM pg_temp.failure(format($$ SELECT spotai.model_export('tiny2', %L) $$, :'path'));
SELECT code FROM pg_temp.failure(format($$ SELECT spotai.model_import(%L) $$, :'path'));
SELECT spotai.model_import(:'path', version => 'again') IS NOT NULL AS imported;
SELECT a.params = b.params AS params, b.licence, b.source, b.format FROM spotai.model a, spotai.model b
WHERE a.name = 'tiny2' AND a.version = '1' AND b.version = 'again';
SELECT * FROM pg_temp.tensors('tiny2', '1') EXCEPT SELECT * FROM pg_temp.tensors('tiny2', 'again');
SELECT spotai.model_import(spotai.model_content('tiny5'), version => 'again', dtype => 'bf16') IS NOT NULL AS imported;
SELECT * FROM pg_temp.tensors('tiny5', '1') EXCEPT SELECT * FROM pg_temp.tensors('tiny5', 'again');

-- a name of the catalogue means weights that people know; another file is welcome, not silently
SELECT spotai.model_import(pg_temp.file('tiny-4stems.safetensors'), 'spleeter:4stems') IS NOT NULL AS imported;
-- its variant comes along without room of its own, and can be made a model of its own
SELECT name, bandwidth_hz, bytes, weights_of FROM spotai.models() WHERE name LIKE 'spleeter%';
SELECT name, installed FROM spotai.model_catalog() WHERE installed;
SELECT spotai.model_import(spotai.model_content('spleeter:4stems-16kHz')) IS NOT NULL AS imported;
SELECT name, bandwidth_hz, bytes, weights_of FROM spotai.models() WHERE name LIKE 'spleeter%';
SELECT spotai.model_drop('spleeter:4stems-16kHz');
SELECT spotai.model_drop('spleeter:4stems');

-- what separates: what is installed and active, if it has that number of stems
SELECT n AS stems, pg_temp.chosen(n) FROM unnest(ARRAY[2, 4, 5]) n;
SELECT pg_temp.chosen(4, 'classical');
-- the newest, unless one is known to be better
SELECT spotai.model_import(pg_temp.file('tiny-4stems.safetensors'), 'newer4') IS NOT NULL AS imported;
SELECT pg_temp.chosen(4);
UPDATE spotai.model SET metrics = '{"sdr": {"vocals": 5, "drums": 3, "bass": null}}' WHERE name = 'tiny4';
UPDATE spotai.model SET metrics = '{"sdr": {"vocals": 3.9, "drums": 4}}' WHERE name = 'newer4';
SELECT pg_temp.chosen(4);
UPDATE spotai.model SET metrics = '{"sdr": "high"}' WHERE name = 'tiny4';
SELECT pg_temp.chosen(4);
-- then the catalogue's; a variant is used by name only
SET client_min_messages = error;
SELECT spotai.model_import(pg_temp.file('tiny-4stems.safetensors'), 'spleeter:4stems') IS NOT NULL AS imported;
RESET client_min_messages;
SELECT spotai.model_drop('newer4');
SELECT pg_temp.chosen(4), pg_temp.chosen(4, 'spleeter:4stems-16kHz') AS variant;
-- the setting, where it fits
SET spotai.stems_model = 'tiny2';
SELECT pg_temp.chosen(2) AS fits, pg_temp.chosen(4) AS does_not_fit;
SET spotai.stems_model = 'classical';
SELECT pg_temp.chosen(4);
SET spotai.stems_model = 'nothing';
SELECT code, message FROM pg_temp.failure('SELECT pg_temp.chosen(4)');
RESET spotai.stems_model;
-- by name: no other model in silence
SELECT code, message, hint FROM pg_temp.failure($$ SELECT pg_temp.chosen(4, 'tiny2') $$);
SELECT code, message, hint FROM pg_temp.failure($$ SELECT pg_temp.chosen(3) $$);
UPDATE spotai.model SET active = false WHERE name = 'tiny2';
SELECT code, message, hint FROM pg_temp.failure($$ SELECT pg_temp.chosen(2, 'tiny2') $$);
SELECT pg_temp.chosen(2);
SELECT spotai.model_activate('tiny2');
UPDATE spotai.model SET architecture = 'of tomorrow' WHERE name = 'tiny2';
SELECT code, message FROM pg_temp.failure($$ SELECT pg_temp.chosen(2, 'tiny2') $$);
SELECT pg_temp.chosen(2);
UPDATE spotai.model SET architecture = 'spleeter' WHERE name = 'tiny2';
-- stems stay when their model goes
SELECT spotai.model_drop('spleeter:4stems');
SELECT DISTINCT model FROM spotai.audio WHERE model LIKE 'spleeter%' ORDER BY 1;

-- each wrong import: one clear error, and nothing is stored
CREATE TEMP TABLE before AS SELECT (SELECT count(*) FROM spotai.model) AS models, (SELECT count(*) FROM spotai.model_tensor) AS tensors;
CREATE FUNCTION pg_temp.edit(name text, old text, new text) RETURNS bytea LANGUAGE sql AS $$
    SELECT overlay(content PLACING new::bytea FROM position(old::bytea IN content) FOR octet_length(new::bytea)) FROM file f WHERE f.name = $1
$$;
\x on
SELECT what, e.* FROM (VALUES
    (1, 'null', $$NULL::bytea, 'x'$$),
    (2, 'empty', $$''::bytea, 'x'$$),
    (3, 'noise', $$repeat('abc', 1000)::bytea, 'x'$$),
    (4, 'no name', $$pg_temp.file('tiny-2stems.npz')$$),
    (5, 'invalid name', $$pg_temp.file('tiny-2stems.npz'), 'a b'$$),
    (6, 'reserved name', $$pg_temp.file('tiny-2stems.npz'), 'classical'$$),
    (7, 'invalid version', $$pg_temp.file('tiny-2stems.npz'), 'x', version => ''$$),
    (8, 'unknown architecture', $$pg_temp.file('tiny-2stems.npz'), 'x', 'hal9000'$$),
    (9, 'unknown dtype', $$pg_temp.file('tiny-2stems.npz'), 'x', dtype => 'f16'$$),
    (10, 'params are no object', $$pg_temp.file('tiny-2stems.npz'), 'x', params => '[1]'$$),
    (11, 'an unknown parameter', $$pg_temp.file('tiny-2stems.npz'), 'x', params => '{"beans": 3}'$$),
    (12, 'an impossible parameter', $$pg_temp.file('tiny-2stems.npz'), 'x', params => '{"bins": 1000}'$$),
    (13, 'another number of stems', $$pg_temp.file('tiny-2stems.npz'), 'x', params => '{"stems": ["a", "b", "c", "d"]}'$$),
    (14, 'a tensor is missing', $$pg_temp.edit('tiny-4stems.safetensors', 'conv2d_3/kernel', 'conv2d_3/kernex'), 'x'$$),
    (15, 'a tensor is there twice', $$pg_temp.edit('tiny-4stems.safetensors', 'conv2d_1/kernel', 'conv2d_2/kernel'), 'x'$$),
    (16, 'a header of 2^60 bytes', $$overlay(pg_temp.file('tiny-4stems.safetensors') PLACING '\x0000000000000010' FROM 1), 'x'$$),
    (17, 'truncated safetensors', $$substring(pg_temp.file('tiny-4stems.safetensors') FOR 40000), 'x'$$),
    (18, 'truncated archive', $$substring(pg_temp.file('tiny-2stems.tar.gz') FOR 9000), 'x'$$),
    (19, 'truncated npz', $$substring(pg_temp.file('tiny-2stems.npz') FOR 50000), 'x'$$),
    (20, 'not a number, before the counter at the end', $$overlay(pg_temp.file('tiny-4stems.safetensors') PLACING '\x0000c07f' FROM octet_length(pg_temp.file('tiny-4stems.safetensors')) - 11), 'x'$$),
    (21, 'relative path', $$'model.npz'$$),
    (22, 'no such file', $$'/nonexistent/model.npz', 'x'$$),
    (23, 'neither file nor folder', $$'/dev/null', 'x'$$)
) v(n, what, args)
CROSS JOIN LATERAL pg_temp.failure(format('SELECT spotai.model_import(%s)', args)) e ORDER BY n;
\x off
SET spotai.model_max_bytes = 10000;
SELECT (pg_temp.failure($$ SELECT spotai.model_import(pg_temp.file('tiny-2stems.tar.gz'), 'x') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_import(pg_temp.file('tiny-4stems.safetensors'), 'x') $$)).*;
RESET spotai.model_max_bytes;
SELECT (SELECT count(*) FROM spotai.model) - models AS models, (SELECT count(*) FROM spotai.model_tensor) - tensors AS tensors FROM before;

-- nothing to export
SELECT (pg_temp.failure($$ SELECT spotai.model_content('nothing') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_content('classical') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_export('tiny2', 'model.safetensors') $$)).*;

-- what was damaged in the tables is noticed when it is used
CREATE FUNCTION pg_temp.damage(damage text) RETURNS TABLE (code text, message text, detail text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE damage;
    SELECT f.code, f.message, f.detail INTO code, message, detail FROM pg_temp.failure($f$ SELECT spotai.model_content('tiny4') $f$) f;
    RETURN NEXT;
    RAISE SQLSTATE 'DAMAG';
EXCEPTION WHEN SQLSTATE 'DAMAG' THEN
    RETURN;
END
$$;
SELECT spotai.model_import(pg_temp.file('tiny-4stems.safetensors'), 'tiny4') = id AS same_id FROM spotai.model WHERE name = 'tiny4';
SELECT d.* FROM (VALUES
    (1, $$UPDATE spotai.model_chunk SET data = set_byte(data, 2, get_byte(data, 2) # 1)$$),
    (2, $$DELETE FROM spotai.model_chunk WHERE tensor = 3$$),
    (3, $$UPDATE spotai.model_chunk SET data = data || '\x00000000' WHERE tensor = 3$$),
    (4, $$UPDATE spotai.model_chunk SET data = substring(data FROM 2) WHERE tensor = 3$$),
    (5, $$DELETE FROM spotai.model_tensor WHERE seq = 0$$),
    (6, $$DELETE FROM spotai.model_tensor$$),
    (6, $$DELETE FROM spotai.model_tensor WHERE seq = 295$$),
    (7, $$UPDATE spotai.model_tensor SET shape = '{4611686018427387904,4611686018427387904}' WHERE seq = 2$$),
    (8, $$UPDATE spotai.model_tensor SET shape = '{-1}' WHERE seq = 2$$),
    (9, $$UPDATE spotai.model_tensor SET shape = '{1,1,1,1,1,1,1,1,1,1}' WHERE seq = 2$$),
    (10, $$UPDATE spotai.model_tensor SET name = 'zzz' WHERE seq = 2$$)
) v(n, statement) CROSS JOIN LATERAL pg_temp.damage(statement || CASE WHEN statement LIKE '%WHERE%' THEN ' AND' ELSE ' WHERE' END
    || $$ model_id = (SELECT id FROM spotai.model WHERE name = 'tiny4')$$) d ORDER BY n;

-- another tenant's models do not exist; files are the operator's to grant
INSERT INTO spotai.tenant (id, name) VALUES ('22222222-2222-2222-2222-222222222222', 'other');
INSERT INTO spotai.model (tenant_id, name, version, architecture, params, stems, sample_rate_hz, format, sha256, dtype, parameters, bytes, active)
SELECT '22222222-2222-2222-2222-222222222222', 'theirs', version, architecture, params, stems, sample_rate_hz, format, sha256, dtype, parameters, bytes, active
FROM spotai.model WHERE name = 'tiny4';
SELECT count(*) FROM spotai.models() WHERE name = 'theirs';
SELECT (pg_temp.failure($$ SELECT spotai.model_content('theirs') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_drop('theirs') $$)).code;
CREATE ROLE regress_spotai_user;
GRANT USAGE ON SCHEMA spotai, _spotai TO regress_spotai_user;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA spotai, _spotai TO regress_spotai_user;
SET ROLE regress_spotai_user;
SELECT code FROM pg_temp.failure($$ SELECT * FROM spotai.models() $$);
RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA spotai TO regress_spotai_user;
GRANT SELECT ON pg_temp.file TO regress_spotai_user;
SELECT spotai.create_api_key('reader', '{model:write}', '1 day') AS key \gset
SET ROLE regress_spotai_user;
SELECT count(*) AS of_nobody FROM spotai.models() WHERE version IS NOT NULL;
SELECT spotai.login_api_key(:'key') IS NOT NULL AS logged_in;
SELECT name, version, active FROM spotai.models() WHERE version IS NOT NULL;
SELECT name FROM spotai.model ORDER BY name, version;
SELECT octet_length(spotai.model_content('tiny4')) > 16000 AS readable;
SELECT (pg_temp.failure($$ SELECT spotai.model_import('/etc/hostname', 'x') $$)).*;
SELECT (pg_temp.failure($$ SELECT spotai.model_export('tiny4', '/tmp/x.safetensors') $$)).*;
SELECT code FROM pg_temp.failure($$ SELECT spotai.model_import(pg_temp.file('tiny-2stems.npz'), 'x') $$);
SELECT code FROM pg_temp.failure($$ SELECT spotai.model_drop('tiny4') $$);
SELECT spotai.logout();
RESET ROLE;
DROP OWNED BY regress_spotai_user;
DROP ROLE regress_spotai_user;
\i :end
