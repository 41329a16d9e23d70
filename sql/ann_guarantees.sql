-- ann_guarantees: what every search by index promises, whatever it finds: as many rows as there
-- are, each once, none that does not belong there, in the order of their distance
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set end :root '/sql/include/end.sql'
\i :begin
SET search_path = public, spotai;
SELECT setseed(0.25);
CREATE TABLE guaranteed (id integer, part integer, tag text, v embedding(24));
INSERT INTO guaranteed SELECT n, n % 50, chr(97 + n % 7),
    (SELECT array_agg((random() - 0.5 + (n % 13 = d % 13)::integer * 2)::real) FROM generate_series(1, 24) d WHERE n > 0)::embedding
FROM generate_series(1, 4000) n;
CREATE INDEX g_l2 ON guaranteed USING spotai_ann (v embedding_l2_ops) WITH (lists = 40);
CREATE INDEX g_cosine ON guaranteed USING spotai_ann (part, v embedding_cosine_ops) WITH (lists = 25, bits = 4);
CREATE INDEX g_ip ON guaranteed USING spotai_ann (v embedding_ip_ops) WITH (lists = 60, bits = 2, rerank = 'index');
INSERT INTO guaranteed SELECT 4000 + id, part, tag, v FROM guaranteed WHERE id % 3 = 0;
DELETE FROM guaranteed WHERE id % 11 = 0;
VACUUM ANALYZE guaranteed;
SET jit = off;

-- One query in both ways; what is wrong with the answer by index.
CREATE FUNCTION wrong(operator text, condition text, query embedding, wanted integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    statement constant text := format('SELECT array_agg(id), array_agg(d) FROM (SELECT id, v OPERATOR(spotai.%s) %L AS d FROM guaranteed WHERE %s ORDER BY v OPERATOR(spotai.%1$s) %2$L LIMIT %4$s) s',
                                      operator, query, condition, wanted);
    plan text;
    many bigint;
    ids integer[];
    distances double precision[];
    foreigners bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM guaranteed WHERE %s', condition) INTO many;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO plan;
    IF plan !~ '"Order By"' THEN RETURN 'no index'; END IF;
    EXECUTE statement INTO ids, distances;
    EXECUTE format('SELECT count(*) FROM unnest($1) i WHERE NOT EXISTS (SELECT FROM guaranteed g WHERE g.id = i AND (%s))', condition) INTO foreigners USING ids;
    RETURN nullif(concat_ws(', ',
        CASE WHEN coalesce(cardinality(ids), 0) <> least(many, wanted) THEN format('%s rows of %s', cardinality(ids), least(many, wanted)) END,
        CASE WHEN (SELECT count(DISTINCT i) FROM unnest(ids) i) <> cardinality(ids) THEN 'twice' END,
        CASE WHEN foreigners > 0 THEN 'foreign' END,
        -- copies in half precision are in the order of their own distances
        CASE WHEN wanted < many AND EXISTS (SELECT FROM unnest(distances) WITH ORDINALITY a (d, n) JOIN unnest(distances) WITH ORDINALITY b (d, n) ON b.n = a.n + 1
                          WHERE a.d > b.d + CASE operator WHEN '<#>' THEN 0.02 ELSE 0 END) THEN 'not in order' END), '');
END
$$;
-- The twenty nearest by index are as near as those of a sort; copies in half precision, nearly.
CREATE FUNCTION exact(operator text, query embedding) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    statement constant text := format('SELECT array_agg(d) FROM (SELECT v OPERATOR(spotai.%s) %L AS d FROM guaranteed ORDER BY 1 LIMIT 20) s', operator, query);
    by_index double precision[];
    sorted double precision[];
BEGIN
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_sort = off;
    EXECUTE statement INTO by_index;
    SET LOCAL enable_indexscan = off;
    EXECUTE statement INTO sorted;
    RESET enable_indexscan;
    RESET enable_sort;
    RETURN (SELECT bool_and(abs(a - b) <= CASE operator WHEN '<#>' THEN 0.02 ELSE 0 END) FROM unnest(by_index, sorted) x(a, b));
END
$$;
SELECT coalesce(w, 'as promised'), count(*) FROM (
    SELECT wrong((ARRAY['<->', '<=>', '<#>'])[1 + n % 3],
                 (ARRAY['true', 'part = 7', 'part IN (1, 2, 30)', 'tag = ''c''', 'part < 25', 'id % 97 = 5', 'part = 99', 'part = 3 AND tag > ''b'''])[1 + (random() * 7.99)::integer % 8],
                 (SELECT array_agg(((random() - 0.5) * (1 + n % 4) + (n % 17 = d)::integer)::real) FROM generate_series(1, 24) d WHERE n > 0)::embedding,
                 (ARRAY[1, 3, 10, 40, 300, 10000])[1 + (random() * 5.99)::integer % 6]) AS w
    FROM generate_series(1, 400) n) x GROUP BY 1;
-- and of other recalls
SET spotai.vector_recall = 0.5;
SELECT coalesce(w, 'as promised'), count(*) FROM (SELECT wrong('<->', 'part < 10', (SELECT v FROM guaranteed g WHERE g.id = n), 20) AS w FROM generate_series(1, 100) n WHERE n % 11 <> 0) x GROUP BY 1;
SET spotai.vector_recall = 1;
SELECT coalesce(w, 'as promised'), count(*) FROM (SELECT wrong('<=>', 'part = 10', (SELECT v FROM guaranteed g WHERE g.id = n), 20) AS w FROM generate_series(1, 30) n WHERE n % 11 <> 0) x GROUP BY 1;
-- where nothing may be missed, nothing is
SELECT operator, count(*) FILTER (WHERE n_equal) AS as_sorted FROM (VALUES ('<->'), ('<=>'), ('<#>')) o(operator), generate_series(1, 60) n,
    LATERAL (SELECT exact(operator, (SELECT array_agg(((random() - 0.5) * (1 + n % 4) + (n % 17 = d)::integer)::real) FROM generate_series(1, 24) d WHERE n > 0)::embedding) AS n_equal) e GROUP BY 1 ORDER BY 1;
-- a row is the nearest to itself, though lists lie closer together than centroids of a byte a dimension tell
SELECT setseed(0.5);
RESET spotai.vector_recall;
CREATE TABLE close (id integer GENERATED ALWAYS AS IDENTITY, v embedding(64));
INSERT INTO close (v) SELECT (SELECT array_agg((x + 0.05 * y + 0.03 * (random() - 0.5))::real) FROM unnest(a, b) u(x, y) WHERE n > 0)::embedding
FROM (SELECT array_agg(random() - 0.5) AS a FROM generate_series(1, 40) g, generate_series(1, 64) GROUP BY g) far,
    LATERAL (SELECT array_agg(random() - 0.5) AS b FROM generate_series(1, 4) g, generate_series(1, 64) WHERE a IS NOT NULL GROUP BY g) near, generate_series(1, 15) n;
CREATE INDEX close_l2 ON close USING spotai_ann (v embedding_l2_ops) WITH (lists = 160);
CREATE INDEX close_cosine ON close USING spotai_ann (v embedding_cosine_ops) WITH (lists = 160);
INSERT INTO close (v) SELECT (SELECT array_agg((x + 0.001 * (random() - 0.5))::real) FROM unnest(v::real[]) x)::embedding FROM close WHERE id % 3 = 0;
SET enable_seqscan = off;
SELECT count(*) AS rows, count(*) FILTER (WHERE by_l2 = id) AS nearest_to_itself, count(*) FILTER (WHERE by_cosine = id) AS by_cosine FROM (
    SELECT id, (SELECT o.id FROM close o ORDER BY o.v <-> c.v LIMIT 1) AS by_l2, (SELECT o.id FROM close o ORDER BY o.v <=> c.v LIMIT 1) AS by_cosine FROM close c) s;
RESET enable_seqscan;
DROP TABLE close;
-- more lists than rows, and than maintenance_work_mem has a sample for: fewer lists, sound all the same
CREATE TABLE small AS SELECT * FROM guaranteed WHERE id <= 30;
CREATE INDEX small_v ON small USING spotai_ann (v embedding_l2_ops) WITH (lists = 1000);
SELECT lists <= rows AS no_more_lists_than_rows FROM index_stats('small_v');
SELECT ok FROM index_check('small_v', 0);
SET maintenance_work_mem = '1MB';
CREATE INDEX g_many ON guaranteed USING spotai_ann (v embedding_l2_ops) WITH (lists = 2000);
RESET maintenance_work_mem;
SELECT lists < 2000 AS fewer_lists, ok FROM index_stats('g_many'), index_check('g_many', 0);
DROP TABLE small;
DROP TABLE guaranteed;
DROP FUNCTION wrong(text, text, embedding, integer), exact(text, embedding);
\i :end
