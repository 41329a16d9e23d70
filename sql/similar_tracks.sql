-- similar_tracks: embeddings of tracks, and which tracks are near each other
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never

-- track n of the tests has the id ...n
CREATE FUNCTION public.id(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT format('aaaaaaaa-0000-0000-0000-%s', lpad(n::text, 12, '0'))::uuid $$;
CREATE FUNCTION public.nth(id uuid) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT right(id::text, 12)::integer $$;
SELECT spotai.ingest(pg_temp.sine(440, 9000, 4000, 1, 8000), 'song') IS NOT NULL AS ingested;
INSERT INTO spotai.track (id, audio_id, title) SELECT id(n), t.audio_id, 'track ' || n FROM spotai.track t, generate_series(1, 12) n;

-- ---- the nearest first, equal ones by their ids, never the track itself

SELECT count(spotai.set_embedding(id(n), 'plane', v::spotai.embedding)) AS stored FROM (VALUES
    (1, '[1,0]'), (2, '[5,0]'), (3, '[3,4]'), (4, '[0,1]'), (5, '[-2,0]'), (6, '[6,8]'), (7, '[1,1]'), (8, '[3,-4]')) x(n, v);
SELECT name, dims, is_default FROM spotai.embedding_space;
SELECT space, dims, embedding, updated_at = created_at AS fresh FROM spotai.track_embedding WHERE track_id = id(8);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1));
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 3);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(k => 1, track_id => id(4), space => 'plane');
SELECT pg_typeof(track_id), pg_typeof(similarity) FROM spotai.similar_tracks(id(1), 1);
SELECT nth(t.id) AS track, string_agg(nth(s.track_id)::text, ' ' ORDER BY s.similarity DESC, s.track_id) AS nearest
FROM spotai.track t JOIN spotai.track_embedding e ON e.track_id = t.id, LATERAL spotai.similar_tracks(t.id, 2) s GROUP BY t.id ORDER BY t.id;

-- as many dimensions as one likes, and as in arithmetic
INSERT INTO spotai.track (id, audio_id) SELECT id(1000 + n), t.audio_id FROM spotai.track t, generate_series(1, 300) n WHERE t.title = 'song';
SELECT count(spotai.set_embedding(id(1000 + n), 'noise', v::spotai.embedding)) AS stored
FROM (SELECT n, array_agg((hashint4(n * 1000 + i) % 1000)::real ORDER BY i) AS v
      FROM generate_series(1, 300) n, generate_series(1, 700) i GROUP BY n) x;
CREATE TEMP TABLE noise AS SELECT track_id, embedding FROM spotai.track_embedding WHERE space = 'noise';
CREATE TEMP TABLE truth AS
SELECT a, b, similarity, row_number() OVER (PARTITION BY a ORDER BY similarity DESC) AS place
FROM (SELECT a.track_id AS a, b.track_id AS b, (SELECT sum(x::float8 * y) / sqrt(sum(x::float8 * x) * sum(y::float8 * y)) FROM unnest(a.embedding, b.embedding) u(x, y)) AS similarity
      FROM noise a JOIN noise b ON a.track_id <> b.track_id WHERE nth(a.track_id) <= 1020) x;
SELECT count(*) AS places, bool_and(t.b = s.track_id) AS same, max(abs(t.similarity - s.similarity)) < 1e-6 AS close
FROM (SELECT DISTINCT a FROM truth) q, LATERAL spotai.similar_tracks(q.a, 25) WITH ORDINALITY s JOIN truth t ON t.place = s.ordinality WHERE t.a = q.a;
SELECT count(*) AS all_others FROM spotai.similar_tracks(id(1001), 10000);

-- ---- stored again: replaced, or left alone

UPDATE spotai.track_embedding SET updated_at = 'epoch' WHERE space = 'plane';
SELECT count(spotai.set_embedding(id(n), 'plane', v::spotai.embedding)) FROM (VALUES (2, '[5,0]'), (7, '[-1,0.1]')) x(n, v);
SELECT nth(track_id) AS replaced, embedding FROM spotai.track_embedding WHERE space = 'plane' AND updated_at > 'epoch';
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1));
SELECT spotai.set_embedding(id(7), 'plane', '[1,1]');

-- zeros have no direction: they are similar to nothing, and nothing to them
SELECT spotai.set_embedding(id(4), 'plane', '[0,0]');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1));
SELECT count(*) FROM spotai.similar_tracks(id(4));
SELECT spotai.set_embedding(id(4), 'plane', '[0,1]');

-- ---- several spaces

SELECT count(spotai.set_embedding(id(n), 'line', v::spotai.embedding)) AS stored FROM (VALUES (1, '[1]'), (2, '[-1]'), (3, '[2]'), (9, '[3]')) x(n, v);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), space => 'line');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(9));
\x on
SELECT (pg_temp.failure('SELECT * FROM spotai.similar_tracks(id(1))')).*;
UPDATE spotai.embedding_space SET is_default = true WHERE name = 'line';
\x off
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 2);
-- the only one of a track is not the default
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(4), 1);
SELECT code, message FROM pg_temp.failure('UPDATE spotai.embedding_space SET is_default = true');
UPDATE spotai.embedding_space SET is_default = false;

-- ---- what is deleted, and what is nobody's to learn from

BEGIN;
UPDATE spotai.track SET deleted_at = now() WHERE id = id(2);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 2, 'plane');
SELECT code, message FROM unnest(ARRAY['SELECT * FROM spotai.similar_tracks(id(2))', 'SELECT spotai.set_embedding(id(2), ''plane'', ''[1,0]'')']) s, LATERAL pg_temp.failure(s);
UPDATE spotai.track SET deleted_at = NULL WHERE id = id(2);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 1, 'plane');
DELETE FROM spotai.track WHERE id IN (id(2), id(3));
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 2, 'plane');
SELECT count(*) AS left_over FROM spotai.track_embedding WHERE track_id IN (id(2), id(3));
DELETE FROM spotai.embedding_space WHERE name = 'plane';
SELECT nth(track_id), space FROM spotai.track_embedding WHERE space <> 'noise' ORDER BY 1;
ROLLBACK;

SHOW spotai.excluded_provenance;
UPDATE spotai.track SET provenance = 'spotify' WHERE id IN (id(2), id(6));
UPDATE spotai.track SET provenance = 'licensed' WHERE id = id(3);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 3, 'plane');
\x on
SELECT f.* FROM unnest(ARRAY['SELECT * FROM spotai.similar_tracks(id(2), 3, ''plane'')', 'SELECT spotai.set_embedding(id(2), ''plane'', ''[1,0]'')']) s, LATERAL pg_temp.failure(s) f;
\x off
SET spotai.excluded_provenance = '';
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 3, 'plane');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(2), 3, 'plane');
SET spotai.excluded_provenance = 'radio, licensed,	spotify';
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 3, 'plane');
SELECT code, message FROM pg_temp.failure('SELECT * FROM spotai.similar_tracks(id(3))');
RESET spotai.excluded_provenance;

-- ---- two tenants: the same names, other dimensions, nothing in common

SELECT tenant AS other, administrator FROM spotai.create_tenant('other') \gset
SELECT spotai.create_api_key('other', '{*}', '1 day', :'administrator') AS theirs,
       spotai.create_api_key('writer', '{vector:write}', '1 day') AS writer,
       spotai.create_api_key('reader', '{track:write}', '1 day') AS reader \gset
CREATE ROLE regress_spotai_listener;
GRANT spotai_user TO regress_spotai_listener;
SET ROLE regress_spotai_listener;
SELECT spotai.login_api_key(:'theirs') IS NOT NULL AS logged_in;
SELECT spotai.ingest(pg_temp.sine(220, 9000, 4000, 1, 8000), 'theirs') IS NOT NULL AS ingested;
INSERT INTO spotai.track (id, audio_id) SELECT id(n), t.audio_id FROM spotai.track t, (VALUES (1), (21)) x(n);
SELECT count(spotai.set_embedding(id(n), 'plane', v::spotai.embedding)) AS stored FROM (VALUES (1, '[1,0,0]'), (21, '[1,2,2]')) x(n, v);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1));
SELECT code, message FROM unnest(ARRAY['SELECT * FROM spotai.similar_tracks(id(2))', 'SELECT spotai.set_embedding(id(2), ''plane'', ''[1,0,0]'')',
    'SELECT spotai.embedding_index(''line'')',
    'INSERT INTO spotai.track_embedding (track_id, space, embedding) VALUES (id(2), ''plane'', ''{1,0,0}'')',
    'INSERT INTO spotai.track_embedding (tenant_id, track_id, space, embedding) VALUES (''00000000-0000-0000-0000-000000000001'', id(10), ''plane'', ''{1,0}'')']) s, LATERAL pg_temp.failure(s);
SELECT count(*) AS embeddings FROM spotai.track_embedding;
-- the setting is not theirs
SELECT code, message FROM pg_temp.failure('SET spotai.excluded_provenance = ''''');
-- of the first tenant, with vector:write alone, and without
SELECT spotai.login_api_key(:'writer') IS NOT NULL AS logged_in;
SELECT spotai.set_embedding(id(10), 'plane', '[-1,0]');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(10));
UPDATE spotai.track_embedding SET embedding = '{1,0}' WHERE track_id = id(10);
DELETE FROM spotai.track_embedding WHERE track_id = id(10);
SELECT count(*) AS spaces FROM spotai.embedding_space;
SELECT spotai.login_api_key(:'reader') IS NOT NULL AS logged_in;
SELECT count(*) FROM spotai.similar_tracks(id(7));
SELECT code, message FROM unnest(ARRAY['SELECT spotai.set_embedding(id(10), ''plane'', ''[1,0]'')', 'UPDATE spotai.track_embedding SET embedding = ''{1,0}''',
    'DELETE FROM spotai.track_embedding', 'INSERT INTO spotai.embedding_space (name, dims) VALUES (''x'', 1)', 'UPDATE spotai.embedding_space SET is_default = true',
    'DELETE FROM spotai.embedding_space']) s, LATERAL pg_temp.failure(s);
-- nobody
SELECT set_config('spotai.token', '', false);
SELECT code, message FROM unnest(ARRAY['SELECT * FROM spotai.similar_tracks(id(1))', 'SELECT spotai.set_embedding(id(10), ''plane'', ''[1,0]'')',
    'SELECT spotai.embedding_index(''plane'')']) s, LATERAL pg_temp.failure(s);
SELECT count(*) AS embeddings FROM spotai.track_embedding;
SELECT spotai.logout();
RESET ROLE;
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 3, 'plane');

-- ---- with an index: the same question, the same guarantees

SELECT spotai.embedding_index('plane') AS own, spotai.embedding_index('plane', true) AS everybodys;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
SET spotai.vector_recall = 1;
SELECT spotai.embedding_index('plane', true) \gexec
SELECT spotai.embedding_index('noise') \gexec
CREATE FUNCTION public.scans() RETURNS bigint LANGUAGE sql AS 'SELECT scans FROM spotai.vector_counters()';
SELECT scans() AS before \gset
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 10, 'plane');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 3, 'plane');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(5), 10, 'plane');
SELECT count(*) AS places, count(DISTINCT (q.a, s.track_id)) AS tracks, count(*) FILTER (WHERE t.place <= 25) >= 475 AS found, bool_and(abs(t.similarity - s.similarity) < 1e-6) AS true_similarity
FROM (SELECT DISTINCT a FROM truth) q, LATERAL spotai.similar_tracks(q.a, 25) s JOIN truth t ON t.b = s.track_id WHERE t.a = q.a;
SELECT scans() - :before AS by_index;
-- zeros come last, and are left out; copies of one song are all equally near
BEGIN;
SELECT spotai.set_embedding(id(4), 'plane', '[0,0]');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 10, 'plane');
SELECT count(*) FROM spotai.similar_tracks(id(4), 10, 'plane');
SELECT count(spotai.set_embedding(id(1000 + n), 'plane', '[7,0]')) FROM generate_series(1, 40) n;
SELECT string_agg((nth(track_id) - 1000)::text, ' ' ORDER BY similarity DESC, track_id) AS copies, min(similarity) FROM spotai.similar_tracks(id(1), 12, 'plane');
ROLLBACK;
-- a tenth is left: filters are passed until there are enough
BEGIN;
UPDATE spotai.track SET deleted_at = now() WHERE title IS NULL AND nth(id) % 2 = 0;
UPDATE spotai.track SET provenance = 'spotify' WHERE title IS NULL AND nth(id) % 10 NOT IN (0, 1);
SELECT count(*) AS places, count(DISTINCT s.track_id) AS tracks, bool_and(nth(s.track_id) % 10 = 1) AS alive, bool_and(s.similarity = spotai.cosine_similarity(a.embedding::spotai.embedding, b.embedding::spotai.embedding)::real) AS true_similarity
FROM spotai.similar_tracks(id(1001), 29) s JOIN spotai.track_embedding b ON b.track_id = s.track_id AND b.space = 'noise', spotai.track_embedding a WHERE a.track_id = id(1001) AND a.space = 'noise';
-- what this transaction stores, replaces and removes
SELECT spotai.set_embedding(id(1011), 'noise', (SELECT embedding FROM noise WHERE track_id = id(1001))::spotai.embedding);
DELETE FROM spotai.track WHERE id = id(1021);
SELECT nth(track_id), similarity > 0.999999 AS same FROM spotai.similar_tracks(id(1001), 1);
SELECT count(*) AS places, count(*) FILTER (WHERE track_id = id(1021)) AS deleted FROM spotai.similar_tracks(id(1001), 100);
ROLLBACK;
-- another tenant's rows under the same name: of other dimensions, then of as many
SET ROLE regress_spotai_listener;
SELECT spotai.login_api_key(:'theirs') IS NOT NULL AS logged_in;
SELECT spotai.set_embedding(id(21), 'plane', '[2,1,2]');
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1));
DELETE FROM spotai.embedding_space;
SELECT count(spotai.set_embedding(id(n), 'plane', v::spotai.embedding)) AS stored FROM (VALUES (1, '[1,0]'), (21, '[1,1]')) x(n, v);
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1));
SELECT spotai.logout();
RESET ROLE;
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 10, 'plane');
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_sort;
RESET spotai.vector_recall;

-- ---- bad input

\pset tuples_only on
SELECT s, code, message, hint FROM unnest(ARRAY[
    'similar_tracks(NULL)', 'similar_tracks(id(1), NULL)', 'similar_tracks(id(1), 0)', 'similar_tracks(id(1), -1)', 'similar_tracks(id(1), 10001)',
    'similar_tracks(id(1), 1, ''Plane'')', 'similar_tracks(id(1), 1, '''')', 'similar_tracks(id(1), 1, ''x'''' OR true --'')', 'similar_tracks(id(77))', 'similar_tracks(id(12))',
    'similar_tracks(id(12), 1, ''plane'')',
    'set_embedding(NULL, ''plane'', ''[1,0]'')', 'set_embedding(id(1), NULL, ''[1,0]'')', 'set_embedding(id(1), ''plane'', NULL)',
    'set_embedding(id(77), ''plane'', ''[1,0]'')', 'set_embedding(id(1), ''plane'', ''[1]'')', 'set_embedding(id(1), ''plane'', ''[1,0,0]'')',
    'set_embedding(id(1), ''plane'', ''[1,NaN]'')', 'set_embedding(id(1), '''', ''[1]'')', 'set_embedding(id(1), ''a b'', ''[1]'')', 'set_embedding(id(1), ''-a'', ''[1]'')',
    'set_embedding(id(1), repeat(''a'', 64), ''[1]'')', 'set_embedding(id(1), repeat(''ä'', 50), ''[1]'')',
    'embedding_index(''nothing'')']) s, LATERAL pg_temp.failure('SELECT * FROM spotai.' || s);
SELECT count(*) FROM spotai.embedding_space;
SELECT s, code, message FROM unnest(ARRAY['{}', '{NaN,1}', '{1,Infinity}', '{-Infinity,1}', '{1,NULL}', '{{1,2}}', '{1}', '{1,2,3}']) s,
    LATERAL pg_temp.failure(format('INSERT INTO spotai.track_embedding (track_id, space, embedding) VALUES (id(12), ''plane'', %L)', s));
SELECT code, message FROM pg_temp.failure('INSERT INTO spotai.track_embedding (track_id, space, embedding) VALUES (id(12), ''new'', ''{1}'')');
SELECT code, message FROM pg_temp.failure('INSERT INTO spotai.track_embedding (track_id, space, embedding) VALUES (id(12), ''new'', array_fill(1, ARRAY[16001]))');
SELECT code, message FROM unnest(ARRAY['UPDATE spotai.embedding_space SET dims = 3 WHERE name = ''plane''', 'INSERT INTO spotai.embedding_space (name, dims) VALUES (''a b'', 1)',
    'INSERT INTO spotai.embedding_space (name, dims) VALUES (''a'', 16001)']) s, LATERAL pg_temp.failure(s);
\pset tuples_only off
-- most dimensions
SELECT spotai.set_embedding(id(n), 'wide', ('[' || n || repeat(',1', 15999) || ']')::spotai.embedding) FROM (VALUES (1), (5)) x(n);
SELECT nth(track_id), round(similarity::numeric, 5) FROM spotai.similar_tracks(id(1), space => 'wide');

-- ---- the extension goes, the embeddings stay

SET client_min_messages = warning;
DROP EXTENSION spotai CASCADE;
SELECT space, count(*) FROM spotai.track_embedding GROUP BY space ORDER BY space;
SELECT count(*) AS indexes_left FROM pg_index WHERE indrelid = 'spotai.track_embedding'::regclass;
CREATE EXTENSION spotai;
CALL spotai.migrate();
RESET client_min_messages;
SELECT nth(track_id), similarity FROM spotai.similar_tracks(id(1), 3, 'plane');

DROP OWNED BY regress_spotai_listener;
DROP ROLE regress_spotai_listener;
DROP FUNCTION public.id, public.nth, public.scans;
\i :end
