-- pgvector: casts from and to its types; skipped where it is not installed
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set end :root '/sql/include/end.sql'
\i :begin
SET search_path = public, spotai;
-- installed after us: the next migrate() makes the casts, and once more changes nothing
CREATE EXTENSION vector;
SELECT count(*) AS casts FROM pg_cast WHERE 'embedding'::regtype IN (castsource, casttarget) AND castmethod <> 'f';
SET client_min_messages = warning;
CALL spotai.migrate();
CALL spotai.migrate();
RESET client_min_messages;
SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod
FROM pg_cast WHERE 'embedding'::regtype IN (castsource, casttarget) AND castmethod <> 'f'
ORDER BY castsource::regtype::text, casttarget::regtype::text;

SELECT '[1,-2.5,3e4]'::vector::embedding AS ours, '[1,-2.5,3e4]'::embedding::vector AS theirs;
SELECT '[1,-2.5,0.1]'::halfvec::embedding AS ours, '[1,-2.5,0.1]'::embedding::halfvec AS theirs;
SELECT '[1,2]'::vector::embedding(3);
CREATE TABLE moved (id integer, v embedding(100));
INSERT INTO moved SELECT n, (SELECT array_agg(sin(n * i)::real ORDER BY i) FROM generate_series(1, 100) i)::vector FROM generate_series(1, 500) n;
SELECT count(*), bool_and(vector_dims(v::vector) = dims(v)) AS dims,
       max(abs((v::vector <-> q::vector) - (v <-> q::embedding))) < 1e-6 AS distances
FROM moved, (SELECT '[1' || repeat(',0', 99) || ']') x(q);
-- a column becomes ours in one statement, and the bytes are the same
CREATE TABLE theirs AS SELECT id, v::vector(100) AS v FROM moved;
ALTER TABLE theirs ALTER COLUMN v TYPE embedding(100);
SELECT count(*), bool_and(t.v = m.v) AS same FROM theirs t JOIN moved m USING (id);
DROP TABLE moved, theirs;

-- the casts go with pgvector
SET client_min_messages = warning;
DROP EXTENSION vector CASCADE;
RESET client_min_messages;
SELECT count(*) AS casts FROM pg_cast WHERE 'embedding'::regtype IN (castsource, casttarget) AND castmethod <> 'f';
\i :end
