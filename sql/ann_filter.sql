-- ann_filter: what a WHERE says of a row is asked before its distance is, and makes no difference but time
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set end :root '/sql/include/end.sql'
\i :begin
SET search_path = public, spotai;
SET jit = off;
SELECT setseed(0.5);
CREATE TABLE f (id integer PRIMARY KEY, part integer, tag text, note text, v embedding(16));
INSERT INTO f SELECT n, n % 100, CASE WHEN n % 3 > 0 THEN chr(97 + n % 7) END, repeat(md5(n::text), CASE WHEN n % 5 = 0 THEN 400 ELSE 1 END),
    (SELECT array_agg((random() - 0.5 + (n % 13 = d % 13)::integer)::real) FROM generate_series(1, 16) d WHERE n > 0)::embedding
FROM generate_series(1, 5000) n;
CREATE INDEX f_heap ON f USING spotai_ann (v embedding_l2_ops) WITH (lists = 40);
CREATE INDEX f_copy ON f USING spotai_ann (v embedding_cosine_ops) WITH (lists = 30, bits = 4, rerank = 'index');
CREATE INDEX f_label ON f USING spotai_ann (part, v embedding_ip_ops) WITH (lists = 20);
VACUUM ANALYZE f;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;

-- What a statement made of the counters; its rows do not matter.
CREATE FUNCTION counted(statement text, OUT filtered bigint, OUT fetches bigint) LANGUAGE plpgsql AS $$
DECLARE
    before record;
    ignored record;
BEGIN
    SELECT * INTO before FROM vector_counters();
    FOR ignored IN EXECUTE statement LOOP NULL; END LOOP;
    SELECT c.filtered - before.filtered, c.fetches - before.fetches INTO filtered, fetches FROM vector_counters() c;
END
$$;
-- Its rows: early, as the executor asks, and without an index.  Nothing may be missed.
CREATE FUNCTION same(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    early integer[];
    late integer[];
    sorted integer[];
BEGIN
    SET LOCAL spotai.vector_recall = 1;
    EXECUTE 'SELECT array_agg(id) FROM (' || statement || ') s' INTO early;
    SET LOCAL spotai.vector_filter_early = off;
    EXECUTE 'SELECT array_agg(id) FROM (' || statement || ') s' INTO late;
    SET LOCAL enable_sort = on;
    SET LOCAL enable_indexscan = off;
    -- of thousands of distances some are equal; by index those rows come as they lie in the table
    EXECUTE 'SELECT array_agg(id) FROM (' || regexp_replace(statement, '( LIMIT [0-9]+)?$', ', id\1') || ') s' INTO sorted;
    RESET spotai.vector_filter_early;
    RESET spotai.vector_recall;
    SET LOCAL enable_sort = off;
    SET LOCAL enable_indexscan = on;
    RETURN coalesce(cardinality(early), 0) || CASE WHEN early IS NOT DISTINCT FROM late THEN '' ELSE ', late others' END
        || CASE WHEN early IS NOT DISTINCT FROM sorted THEN '' ELSE ', sorted others' END;
END
$$;
\pset format unaligned
\pset tuples_only on

-- few distances, whatever the filter leaves
SELECT part, filtered > 10 * fetches AS filtered, fetches BETWEEN 10 AND 40 AS few
FROM (VALUES (2), (5)) p(part), counted(format('SELECT id FROM f WHERE part < %s ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT 10', part));
SELECT filtered > 10 * fetches AS filtered, fetches BETWEEN 10 AND 40 AS few FROM counted('SELECT id FROM f WHERE part < 2 ORDER BY v <=> (SELECT v FROM f WHERE id = 7) LIMIT 10');
SELECT filtered > 0 AS filtered, fetches <= 50 AS no_more_than_label_and_filter_leave FROM counted('SELECT id FROM f WHERE part = 2 AND tag = ''b'' ORDER BY v <#> (SELECT v FROM f WHERE id = 7) LIMIT 10');
SET spotai.vector_filter_early = off;
SELECT filtered, fetches > 300 AS many FROM counted('SELECT id FROM f WHERE part < 2 ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT 10');
RESET spotai.vector_filter_early;

-- nor does who wants one row pay for ten, wherever the LIMIT comes from
SELECT statement, many > 3 * few AS less FROM (VALUES ('SELECT id FROM f WHERE part < 2 ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT 1'),
    ('SELECT id FROM f WHERE part < 2 ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT (SELECT 1)'),
    ('SELECT id + 1 FROM (SELECT id FROM f WHERE part < 2 ORDER BY v <-> (SELECT v FROM f WHERE id = 7) OFFSET 0) s WHERE 1 = (SELECT 1) LIMIT 1'),
    ('SELECT id FROM f WHERE part < 2 ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT 1 FOR UPDATE')) s(statement),
    LATERAL (SELECT filtered AS few FROM counted(statement)) a,
    (SELECT filtered AS many FROM counted('SELECT id FROM f WHERE part < 2 ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT 10')) b;

-- the same rows: NULLs in it, values beside the row, arrays, the row as a whole, subqueries, parameters
SELECT same(format('SELECT id FROM f WHERE %s ORDER BY v %s (SELECT v FROM f WHERE id = 77) LIMIT %s', condition, operator, wanted)), condition
FROM (VALUES ('tag = ''b'''), ('tag IS NULL'), ('tag <> ''b'' AND part < 50'), ('note LIKE ''%0c%'''), ('length(note) > 1000'), ('id = ANY (''{5,6,70,800,4999}'')'),
    ('id NOT IN (SELECT id + 1 FROM f WHERE part = 3)'), ('(part = 4 OR EXISTS (SELECT FROM f o WHERE o.id = f.id * 2 AND o.tag = ''c''))'), ('tableoid = ''f''::regclass AND part > 90'),
    ('f::text LIKE ''(1%'''), ('part = 300'), ('tag = ''b'' IS UNKNOWN')) c(condition),
    (VALUES ('<->', 10), ('<->', 4990), ('<=>', 7), ('<#>', 5000)) o(operator, wanted) ORDER BY condition, operator, wanted;
PREPARE p(integer, text) AS SELECT count(*) FROM (SELECT id FROM f WHERE part = $1 AND tag >= $2 ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7]' LIMIT 20) s;
SET plan_cache_mode = force_generic_plan;
EXECUTE p(3, 'a');
EXECUTE p(3, 'e');
EXECUTE p(NULL, 'a');
RESET plan_cache_mode;
DEALLOCATE p;

-- a plan that scans one index twice, for one row of the other after the other: each by its own condition
SELECT count(*), count(*) FILTER (WHERE b % 100 = a % 100), count(*) FILTER (WHERE c % 100 < 3) FROM
    (SELECT a.id AS a, b.id AS b, c.id AS c FROM f a, LATERAL (SELECT id FROM f b WHERE b.part = a.part ORDER BY b.v <-> a.v LIMIT 3) b,
        LATERAL (SELECT id FROM f c WHERE c.part < 3 ORDER BY c.v <-> a.v LIMIT 2) c WHERE a.id BETWEEN 101 AND 110) s;
-- and a condition that searches the index itself
CREATE FUNCTION nearest_of(n integer, part_below integer) RETURNS integer STABLE COST 10 LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT id FROM f WHERE part < part_below ORDER BY v <-> (SELECT v FROM f WHERE id = n) LIMIT 1);
END
$$;
SELECT same('SELECT id FROM f WHERE id < 60 AND nearest_of(id, 100) = id AND nearest_of(id, 30) < 2500 ORDER BY v <-> (SELECT v FROM f WHERE id = 9) LIMIT 10');

-- rows that are not to be seen are not asked about; those that are not wanted may be
CREATE FUNCTION complain(n integer, of integer) RETURNS boolean IMMUTABLE COST 1 LANGUAGE plpgsql AS $$
BEGIN
    IF n = of THEN RAISE EXCEPTION 'asked about %', n; END IF;
    RETURN n % 50 = 3;
END
$$;
BEGIN;
DELETE FROM f WHERE id = 103;
UPDATE f SET part = 1000 WHERE id = 203;
SELECT count(*) FROM (SELECT id FROM f WHERE complain(id, 103) ORDER BY v <-> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]') s;
SELECT same('SELECT id FROM f WHERE part >= 99 ORDER BY v <-> (SELECT v FROM f WHERE id = 203) LIMIT 30');
SELECT id FROM f WHERE part = 1000 ORDER BY v <-> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' LIMIT 10;
ROLLBACK;
SELECT count(*) FROM (SELECT id FROM f WHERE complain(id, 103) ORDER BY v <-> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]') s;

-- what is volatile, or dear, is asked by the executor, of the rows that it gets
CREATE SEQUENCE asked;
CREATE FUNCTION ask(n integer) RETURNS boolean VOLATILE LANGUAGE sql AS $$ SELECT nextval('asked') > 0 AND n % 10 = 0 $$;
SELECT filtered FROM counted('SELECT id FROM f WHERE ask(id) ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT 10');
CREATE FUNCTION dear(n integer) RETURNS boolean IMMUTABLE COST 10000 LANGUAGE plpgsql AS $$ BEGIN RETURN n % 10 = 0; END $$;
SELECT filtered FROM counted('SELECT id FROM f WHERE dear(id) ORDER BY v <-> (SELECT v FROM f WHERE id = 7) LIMIT 10');

-- row security comes first, asked early or not: a condition of the user's sees only rows that the policy shows
CREATE FUNCTION leak(n integer) RETURNS boolean IMMUTABLE COST 0.1 LANGUAGE plpgsql AS $$ BEGIN IF n % 2 = 1 THEN RAISE NOTICE 'leaked %', n; END IF; RETURN true; END $$;
ALTER TABLE f ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON f USING (id % 2 = 0);
CREATE ROLE filter_reader;
GRANT SELECT ON f TO filter_reader;
GRANT USAGE ON SCHEMA spotai TO filter_reader;
GRANT EXECUTE ON FUNCTION l2_distance(embedding, embedding) TO filter_reader;
SELECT filtered AS before FROM vector_counters() \gset
SET ROLE filter_reader;
SELECT count(*) FROM (SELECT id FROM f WHERE leak(id) AND part < 10 ORDER BY v <-> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' LIMIT 10) s;
RESET ROLE;
SELECT filtered > :before AS filtered FROM vector_counters();
DROP POLICY even ON f;
ALTER TABLE f DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON SCHEMA spotai FROM filter_reader;
REVOKE ALL ON FUNCTION l2_distance(embedding, embedding) FROM filter_reader;
REVOKE ALL ON f FROM filter_reader;
DROP ROLE filter_reader;

-- of a table whose vectors change while it is asked: a statement's own snapshot
UPDATE f SET tag = 'z' WHERE id IN (SELECT id FROM f WHERE part = 8 ORDER BY v <-> (SELECT v FROM f WHERE id = 8) LIMIT 5);
SELECT same('SELECT id FROM f WHERE tag = ''z'' ORDER BY v <-> (SELECT v FROM f WHERE id = 8)');

-- a cursor that goes on, and one that is left alone; an error in the middle
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM f WHERE part = 5 ORDER BY v <-> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]';
DECLARE d CURSOR FOR SELECT id FROM f WHERE part = 6 ORDER BY v <-> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]';
MOVE 20 IN c;
MOVE 5 IN d;
MOVE ALL IN c;
SAVEPOINT s;
SELECT count(*) FROM (SELECT id FROM f WHERE 1 / (id - 7) > -1 ORDER BY v <-> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]') s;
ROLLBACK TO s;
MOVE ALL IN d;
COMMIT;

-- partitions, and what EXPLAIN says was removed
CREATE TABLE parts (id integer, part integer, v embedding(16)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (2000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (2000) TO (9000);
INSERT INTO parts SELECT id, part, v FROM f;
CREATE INDEX ON parts USING spotai_ann (v embedding_l2_ops);
SELECT same('SELECT id FROM parts WHERE part = 9 ORDER BY v <-> (SELECT v FROM f WHERE id = 77) LIMIT 40');
SELECT filtered > 100 AS filtered, fetches < 60 AS few FROM counted('SELECT id FROM parts WHERE part = 9 ORDER BY v <-> (SELECT v FROM f WHERE id = 77) LIMIT 10');
CREATE FUNCTION removed(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, TIMING off, FORMAT json) ' || statement INTO plan;
    RETURN plan -> 0 -> 'Plan' -> 'Plans' -> 0 -> 'Rows Removed by Filter';
END
$$;
SELECT removed('SELECT id FROM f WHERE part = 9 ORDER BY v <-> ''[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]'' LIMIT 100'), (SELECT count(*) FROM f WHERE part <> 9) AS all_others;
DROP TABLE parts, f;
DROP SEQUENCE asked CASCADE;
DROP FUNCTION counted(text), same(text), nearest_of(integer, integer), complain(integer, integer), dear(integer), leak(integer), removed(text), ask(integer);
\i :end
