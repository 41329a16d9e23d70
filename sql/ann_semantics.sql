-- ann_semantics: an index of embeddings gives what a sequential scan gives, whatever happened to the rows
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set end :root '/sql/include/end.sql'
\i :begin
SET search_path = public, spotai;
SET jit = off;
-- every list is looked at, so that nothing here is an approximation
SET spotai.vector_probes = 10000;

-- n decides the numbers; every tenth n is a multiple of another, so that cosines tie
CREATE FUNCTION vec(n integer, dims integer DEFAULT 4) RETURNS embedding LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg((sin(n / 10 * 7.3 + i * 1.7) + CASE n % 10 WHEN 0 THEN 0 ELSE cos(n * 3.1 * i) / 5 END)::real ORDER BY i)::embedding
    FROM generate_series(1, dims) i
$$;

-- Rows of a statement that gives id and distance, and whether a scan of an index gave their order.
CREATE FUNCTION rows_of(statement text, by_index boolean, OUT ids text[], OUT distances text[], OUT used boolean)
LANGUAGE plpgsql AS $$
DECLARE
    line text;
    r record;
BEGIN
    PERFORM set_config('enable_seqscan', CASE WHEN by_index THEN 'off' ELSE 'on' END, true),
            set_config('enable_sort', CASE WHEN by_index THEN 'off' ELSE 'on' END, true),
            set_config('enable_bitmapscan', 'off', true),
            set_config('enable_indexscan', CASE WHEN by_index THEN 'on' ELSE 'off' END, true);
    used := true;
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || statement LOOP
        used := used AND line !~ 'Seq Scan|Sort$';
    END LOOP;
    ids := '{}';
    distances := '{}';
    FOR r IN EXECUTE statement LOOP
        ids := ids || coalesce(r.id::text, 'NULL');
        distances := distances || coalesce(round(r.distance::numeric, 4)::text, 'NULL');
    END LOOP;
    PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true), set_config('enable_indexscan', 'on', true);
END
$$;

-- The same rows, each once; those without direction behind those with one, NULLs last.
CREATE FUNCTION agree(relation text, query text, operator text DEFAULT '<->', condition text DEFAULT 'true', tail text DEFAULT '', expression text DEFAULT 'v')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    statement text := format('SELECT id, %s %s %L::embedding AS distance FROM %s WHERE %s ORDER BY %1$s %2$s %3$L::embedding %6$s',
                             expression, operator, query, relation, condition, tail);
    one record;
    other record;
    difference text;
    kinds text;
BEGIN
    SELECT * INTO one FROM rows_of(statement, true);
    SELECT * INTO other FROM rows_of(statement, false);
    IF NOT one.used THEN
        RETURN 'no index is used';
    END IF;
    SELECT string_agg(coalesce('+' || a.id, '-' || b.id), ' ' ORDER BY coalesce(a.id, b.id)) INTO difference
    FROM (SELECT id, count(*) FROM unnest(one.ids) x(id) GROUP BY id) a
    FULL JOIN (SELECT id, count(*) FROM unnest(other.ids) x(id) GROUP BY id) b USING (id, count) WHERE a.id IS NULL OR b.id IS NULL;
    SELECT string_agg(CASE d WHEN 'NULL' THEN 'c' WHEN 'NaN' THEN 'b' ELSE 'a' END, '' ORDER BY n) INTO kinds FROM unnest(one.distances) WITH ORDINALITY x(d, n);
    RETURN cardinality(one.ids) || ' rows' || coalesce(', not the same: ' || difference, '') || CASE WHEN kinds !~ '^a*b*c*$' THEN ', NULLs not last' ELSE '' END;
END
$$;

CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'taken: ' || statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN format('%s %s%s', SQLSTATE, SQLERRM, CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END);
END
$$;
\pset format unaligned
\pset tuples_only on

-- three ways to measure, built from rows and filled later; ties, NULLs, a zero vector
CREATE TABLE plain (id integer, note text, v embedding(4)) WITH (fillfactor = 50);
INSERT INTO plain SELECT n, 'old', vec(n) FROM generate_series(1, 300) n;
INSERT INTO plain SELECT 1000 + n, 'tie', vec(42) FROM generate_series(1, 30) n;
INSERT INTO plain SELECT 2000 + n, 'null', NULL FROM generate_series(1, 5) n;
INSERT INTO plain VALUES (3000, 'zero', '[0,0,0,0]');
CREATE TABLE later (LIKE plain);
CREATE INDEX plain_l2 ON plain USING spotai_ann (v embedding_l2_ops);
CREATE INDEX plain_cosine ON plain USING spotai_ann (v embedding_cosine_ops);
CREATE INDEX plain_ip ON plain USING spotai_ann (v embedding_ip_ops) WITH (rerank = 'index');
CREATE INDEX later_l2 ON later USING spotai_ann (v embedding_l2_ops) WITH (rerank = 'index', bits = 4);
CREATE INDEX later_cosine ON later USING spotai_ann (v embedding_cosine_ops) WITH (bits = 2);
CREATE INDEX later_ip ON later USING spotai_ann (v embedding_ip_ops);
SELECT agree('later', vec(1)::text, o) AS empty FROM (VALUES ('<->'), ('<=>'), ('<#>')) x(o);
INSERT INTO later SELECT * FROM plain;
SELECT r, o, agree(r, q, o) FROM (VALUES ('plain'), ('later')) a(r), (VALUES ('<->'), ('<=>'), ('<#>')) b(o),
    (VALUES (vec(7)::text), (vec(42)::text), ('[100,-100,100,-100]'), ('[1e-20,0,0,0]')) c(q) ORDER BY r DESC, o, q;
-- a query of zeros has no direction
SELECT o, agree('plain', '[0,0,0,0]', o) FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);
-- last: what has no direction, then what is unknown
SET enable_seqscan = off;
SET enable_sort = off;
SELECT id, v <=> vec(3) AS distance FROM plain ORDER BY v <=> vec(3) OFFSET 330;
SELECT id FROM later ORDER BY v <-> vec(3) OFFSET 331;
RESET enable_seqscan;
RESET enable_sort;

-- rows of this transaction, and those that it takes back
BEGIN;
INSERT INTO plain SELECT 400 + n, 'mine', vec(400 + n) FROM generate_series(1, 20) n;
SELECT agree('plain', vec(405)::text) AS inserted;
UPDATE plain SET v = vec(id + 500) WHERE id <= 20;
SELECT agree('plain', vec(505)::text) AS updated, agree('plain', vec(5)::text, '<=>');
DELETE FROM plain WHERE id BETWEEN 21 AND 40;
SELECT agree('plain', vec(30)::text) AS deleted;
SAVEPOINT a;
INSERT INTO plain SELECT 450 + n, 'taken back', vec(450 + n) FROM generate_series(1, 20) n;
DELETE FROM plain WHERE id BETWEEN 41 AND 60;
SELECT agree('plain', vec(455)::text) AS in_savepoint;
ROLLBACK TO a;
SELECT agree('plain', vec(455)::text) AS behind_savepoint;
DO $$ BEGIN INSERT INTO plain VALUES (480, 'failed', vec(480)); RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END $$;
SELECT agree('plain', vec(480)::text) AS caught;
ROLLBACK;
SELECT agree('plain', vec(5)::text) AS rolled_back;

-- updates that touch no index, in the page and on to another; then pruned
UPDATE plain SET note = 'once' WHERE id <= 100;
UPDATE plain SET note = 'twice' WHERE id <= 50;
SELECT agree('plain', vec(9)::text) AS hot, agree('plain', vec(9)::text, '<=>', $$note = 'twice'$$);
UPDATE plain SET note = repeat('long', 500) WHERE id BETWEEN 60 AND 90;
SELECT agree('plain', vec(9)::text) AS moved;
VACUUM plain;
SELECT agree('plain', vec(9)::text) AS pruned;

-- other rows in the place of deleted ones
DELETE FROM plain WHERE id % 3 = 0;
SELECT agree('plain', vec(9)::text) AS dead;
VACUUM plain;
SELECT agree('plain', vec(9)::text, o) AS vacuumed FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);
INSERT INTO plain SELECT n, 'new', vec(n) FROM generate_series(601, 760) n;
SELECT agree('plain', vec(9)::text, o) AS filled FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);
DELETE FROM plain;
VACUUM plain;
SELECT agree('plain', vec(9)::text, o) AS emptied FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);
INSERT INTO plain SELECT * FROM later;
SELECT agree('plain', vec(9)::text, o) AS refilled FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);

-- pages of a result: ties keep their order, so nothing is twice and nothing is lost
CREATE FUNCTION pages(size integer) RETURNS SETOF integer LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
    FOR page IN 0..400 / size LOOP
        RETURN QUERY EXECUTE format('SELECT id FROM plain ORDER BY v <-> vec(42) LIMIT %s OFFSET %s', size, page * size);
    END LOOP;
END
$$;
SELECT count(*), count(DISTINCT id) FROM pages(7) p(id);
SELECT count(DISTINCT a) AS orders FROM (SELECT array_agg(id) AS a FROM (SELECT k, pages(11) AS id FROM generate_series(1, 3) k) p GROUP BY k) s;
SELECT agree('plain', vec(42)::text, tail => 'LIMIT 1000 OFFSET 400'), agree('plain', vec(42)::text, tail => 'LIMIT 0');

-- cursors
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
DECLARE forward NO SCROLL CURSOR FOR SELECT id FROM plain WHERE id < 1000 ORDER BY v <-> vec(100);
FETCH 1 FROM forward;
MOVE 5 FROM forward;
INSERT INTO plain VALUES (999, 'after the cursor', vec(100));
MOVE ALL FROM forward;
SAVEPOINT a;
FETCH BACKWARD 1 FROM forward;
ROLLBACK TO a;
DECLARE either SCROLL CURSOR FOR SELECT id FROM plain WHERE id < 999 ORDER BY v <-> vec(100);
FETCH 1 FROM either;
MOVE 10 FROM either;
FETCH ABSOLUTE 1 FROM either;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM plain WHERE id < 999 ORDER BY v <-> vec(100) LIMIT 3;
FETCH 1 FROM held;
DELETE FROM plain WHERE id = 999;
COMMIT;
MOVE ALL FROM held;
CLOSE held;

-- the index made again
REINDEX INDEX plain_l2;
SELECT agree('plain', vec(8)::text) AS reindexed;
REINDEX TABLE CONCURRENTLY plain;
SELECT agree('plain', vec(8)::text, o) AS concurrently FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);
DROP INDEX plain_l2;
CREATE INDEX CONCURRENTLY plain_l2 ON plain USING spotai_ann (v embedding_l2_ops) WITH (lists = 5);
SELECT agree('plain', vec(8)::text) AS again;
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indrelid = 'plain'::regclass ORDER BY 1::text COLLATE "C";
VACUUM FULL plain;
SELECT agree('plain', vec(8)::text) AS full;
ALTER TABLE plain ADD COLUMN stamp timestamptz DEFAULT clock_timestamp();
SELECT agree('plain', vec(8)::text) AS rewritten;
TRUNCATE plain;
SELECT agree('plain', vec(8)::text, o) AS truncated FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);
INSERT INTO plain SELECT id, note, v FROM later;
SELECT agree('plain', vec(8)::text, o) AS then_filled FROM (VALUES ('<->'), ('<=>'), ('<#>')) b(o);
BEGIN;
TRUNCATE plain;
INSERT INTO plain VALUES (1, 'alone', vec(1));
SELECT agree('plain', vec(8)::text) AS alone;
ROLLBACK;
SELECT agree('plain', vec(8)::text) AS not_truncated;

-- partitions
CREATE TABLE parted (id integer, v embedding(4)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (5000);
CREATE INDEX ON parted USING spotai_ann (v embedding_cosine_ops);
INSERT INTO parted SELECT id, v FROM later;
CREATE TABLE parted_3 PARTITION OF parted DEFAULT;
INSERT INTO parted VALUES (9000, vec(9000)), (9001, NULL), (9002, '[0,0,0,0]');
SELECT agree('parted', vec(8)::text, '<=>'), agree('parted', vec(8)::text, '<=>', 'id < 100');
UPDATE parted SET id = id + 6000 WHERE id < 50;
SELECT agree('parted', vec(8)::text, '<=>') AS moved;
DROP TABLE parted_1;
SELECT agree('parted', vec(8)::text, '<=>') AS dropped;

-- tables without WAL, tables of this session
CREATE UNLOGGED TABLE unlogged (id integer, v embedding(4));
CREATE INDEX ON unlogged USING spotai_ann (v embedding_l2_ops);
INSERT INTO unlogged SELECT id, v FROM later;
SELECT agree('unlogged', vec(8)::text);
ALTER TABLE unlogged SET LOGGED;
SELECT agree('unlogged', vec(8)::text) AS logged;
CREATE TEMPORARY TABLE temporary_ (id integer, v embedding(4)) ON COMMIT DELETE ROWS;
CREATE INDEX ON temporary_ USING spotai_ann (v embedding_l2_ops) WITH (rerank = 'index');
BEGIN;
INSERT INTO temporary_ SELECT id, v FROM later;
SELECT agree('temporary_', vec(8)::text);
COMMIT;
SELECT agree('temporary_', vec(8)::text) AS committed;

-- an expression; a part of the rows
CREATE TABLE mixed (id integer, v embedding);
INSERT INTO mixed SELECT n, vec(n, 3 + n % 2) FROM generate_series(1, 100) n;
CREATE INDEX mixed_3 ON mixed USING spotai_ann ((v::embedding(3)) embedding_l2_ops) WHERE dims(v) = 3;
CREATE INDEX mixed_part ON mixed USING spotai_ann ((subvector(v, 1, 2)::embedding(2)) embedding_cosine_ops) WHERE id > 50;
INSERT INTO mixed SELECT n, vec(n, 3 + n % 2) FROM generate_series(101, 140) n;
SELECT agree('mixed', vec(8, 3)::text, '<->', 'dims(v) = 3', expression => 'v::embedding(3)');
SELECT agree('mixed', vec(8, 2)::text, '<=>', 'id > 50', expression => 'subvector(v, 1, 2)::embedding(2)');
SELECT agree('mixed', vec(8, 2)::text, '<=>', 'id > 100', expression => 'subvector(v, 1, 2)::embedding(2)');
SELECT agree('mixed', vec(8, 2)::text, '<=>', 'id > 10', expression => 'subvector(v, 1, 2)::embedding(2)') AS not_covered;

-- a label beside the embedding
CREATE TABLE labelled (id integer, market integer, tenant smallint, v embedding(4));
INSERT INTO labelled SELECT n, CASE WHEN n % 11 <> 0 THEN n % 7 - 2 END, n % 3, vec(n) FROM generate_series(1, 200) n;
CREATE INDEX by_market ON labelled USING spotai_ann (v embedding_cosine_ops, market);
CREATE INDEX by_tenant ON labelled USING spotai_ann (v embedding_l2_ops, tenant) WITH (rerank = 'index');
INSERT INTO labelled SELECT n, CASE WHEN n % 11 <> 0 THEN n % 7 - 2 END, n % 3, vec(n) FROM generate_series(201, 300) n;
INSERT INTO labelled VALUES (301, 3, 1, NULL), (302, 3, 1, '[0,0,0,0]'), (303, NULL, NULL, NULL), (304, 2147483647, 32767, vec(304)), (305, -2147483648, -32768, vec(305));
SELECT c, agree('labelled', vec(8)::text, '<=>', c) FROM (VALUES (1, 'true'), (2, 'market = 3'), (3, 'market = ANY (''{3,-1}'')'), (4, 'market IN (0, 1, 99)'), (5, 'market = ANY (''{}'')'),
    (6, 'market = ANY (''{3,NULL}'')'), (7, 'market = ANY (NULL)'), (8, 'market = 12345'), (9, 'market IS NULL'), (10, 'market > 2'), (11, 'market = ANY (''{3}'') AND market = 4'),
    (12, 'market = 3 AND id < 100'), (13, 'market = 2147483647'), (14, 'market = -2147483648'), (15, 'market = 4294967299'), (16, 'market = 3::smallint')) x(n, c) ORDER BY n;
SELECT c, agree('labelled', vec(8)::text, '<->', c) FROM (VALUES (1, 'tenant = 1'), (2, 'tenant = 1::smallint'), (3, 'tenant = ANY (''{1,2}''::smallint[])'), (4, 'tenant = -32768'), (5, 'tenant = 32767')) x(n, c) ORDER BY n;
SET enable_seqscan = off;
SET enable_sort = off;
-- (from 17 on a list of values is a condition here, too)
EXPLAIN (COSTS off) SELECT id FROM labelled WHERE market = 3 ORDER BY v <=> '[1,0,0,0]' LIMIT 3;
EXPLAIN (COSTS off) SELECT id FROM labelled WHERE tenant = 1 ORDER BY v <-> '[1,0,0,0]' LIMIT 3;
UPDATE labelled SET market = 3 WHERE id <= 30;
DELETE FROM labelled WHERE id BETWEEN 31 AND 60;
VACUUM labelled;
SELECT agree('labelled', vec(8)::text, '<=>', 'market = 3') AS relabelled;
-- in front of the embedding a list of values is one in every version
DROP INDEX by_market;
CREATE INDEX by_market ON labelled USING spotai_ann (market, v embedding_cosine_ops);
INSERT INTO labelled SELECT n, CASE WHEN n % 11 <> 0 THEN n % 7 - 2 END, n % 3, vec(n) FROM generate_series(401, 450) n;
SELECT c, agree('labelled', vec(8)::text, '<=>', c) FROM (VALUES (1, 'true'), (2, 'market = 3'), (3, 'market = ANY (''{3,-1}'')'), (4, 'market IN (0, 1, 99)'), (5, 'market = ANY (''{}'')'),
    (6, 'market = ANY (''{3,NULL}'')'), (7, 'market = ANY (NULL)'), (8, 'market = 12345'), (9, 'market IS NULL'), (10, 'market > 2'), (11, 'market = ANY (''{3}'') AND market = 4'),
    (12, 'market = 3 AND id < 100'), (13, 'market = 2147483647'), (14, 'market = -2147483648'), (15, 'market = 4294967299'), (16, 'market = 3::smallint')) x(n, c) ORDER BY n;
EXPLAIN (COSTS off) SELECT id FROM labelled WHERE market = 3 ORDER BY v <=> '[1,0,0,0]' LIMIT 3;
EXPLAIN (COSTS off) SELECT id FROM labelled WHERE market = ANY ('{1,2}') ORDER BY v <=> '[1,0,0,0]' LIMIT 3;

-- the inner side of a join; parameters, among them none
CREATE TABLE asked AS SELECT id, v FROM later WHERE id <= 40 OR id > 2000;
SELECT count(*), count(*) FILTER (WHERE a.v = s.v) AS found FROM asked a, LATERAL (SELECT l.v FROM later l ORDER BY l.v <-> a.v LIMIT 1) s;
SELECT count(*) FROM asked a LEFT JOIN LATERAL (SELECT l.id FROM labelled l WHERE l.market = a.id % 7 ORDER BY l.v <=> a.v LIMIT 2) s ON true;
SELECT count(*), count(DISTINCT id) FROM (SELECT (SELECT l.id FROM later l WHERE l.id <> a.id AND l.id <= 300 ORDER BY l.v <-> a.v LIMIT 1) AS id FROM asked a WHERE id <= 40) s;
SET plan_cache_mode = force_generic_plan;
PREPARE nearest(embedding) AS SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM later ORDER BY v <-> $1) s;
-- (18 says of a plan that was switched off that it is)
CREATE FUNCTION plan_of(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || statement LOOP
        IF line !~ 'Disabled: true' THEN RETURN NEXT line; END IF;
    END LOOP;
END
$$;
-- (16 sorts for the aggregate)
SELECT btrim(line, ' ->') FROM plan_of('EXECUTE nearest(vec(1))') line WHERE line ~ 'Index Scan|Order By';
EXECUTE nearest(vec(1));
EXECUTE nearest(NULL);
EXECUTE nearest('[1,2,3]');
EXECUTE nearest('[1,2,3,4]');
PREPARE market(embedding, integer) AS SELECT count(*) FROM (SELECT id FROM labelled WHERE market = $2 ORDER BY v <=> $1) s;
EXECUTE market(vec(1), 3);
EXECUTE market(vec(1), NULL);
EXECUTE market(NULL, 3);
PREPARE markets(integer[]) AS SELECT count(*) FROM (SELECT id FROM labelled WHERE market = ANY ($1) ORDER BY v <=> vec(1)) s;
EXECUTE markets('{3,4}');
EXECUTE markets('{3,3,3}');
EXECUTE markets(NULL);
SELECT count(*) FROM (SELECT id FROM later ORDER BY v <-> vec(1, 5) LIMIT 1) s;
SELECT count(*) FROM (SELECT id FROM later ORDER BY v <-> NULL LIMIT 1000) s;
DEALLOCATE ALL;
RESET plan_cache_mode;
-- locks on what is found
BEGIN;
SELECT count(*) FROM (SELECT id FROM later ORDER BY v <-> vec(1) LIMIT 10 FOR UPDATE) s;
ROLLBACK;

-- settings as they are: no row is ever dropped
RESET spotai.vector_probes;
CREATE TABLE many AS SELECT n AS id, vec(n, 16)::embedding(16) AS v FROM generate_series(1, 4000) n;
ALTER TABLE many ALTER COLUMN v TYPE embedding(16);
CREATE INDEX many_v ON many USING spotai_ann (v embedding_cosine_ops) WITH (lists = 60);
SELECT count(*), count(DISTINCT id), bool_and(id IS NOT NULL) FROM (SELECT id FROM many ORDER BY v <=> vec(1, 16)) s;
SELECT k, count(*), count(DISTINCT id) FROM (VALUES (1), (10), (100), (1000), (3999), (5000)) l(k), LATERAL (SELECT id FROM many ORDER BY v <=> vec(k, 16) LIMIT k) s GROUP BY k ORDER BY k;
SELECT count(*) FROM (SELECT id FROM many WHERE id % 400 = 7 ORDER BY v <=> vec(77, 16) LIMIT 10) s;
SELECT count(*) FROM (SELECT id FROM many WHERE id % 4000 = 7 ORDER BY v <=> vec(77, 16) LIMIT 10) s;
-- a fixed number of lists before the first row
CREATE FUNCTION lists_of(probes integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := (SELECT lists FROM vector_counters());
BEGIN
    PERFORM set_config('spotai.vector_probes', probes::text, true);
    PERFORM id FROM many ORDER BY v <=> vec(77, 16) LIMIT 1;
    RETURN (SELECT lists FROM vector_counters()) - before;
END
$$;
SELECT n, lists_of(n) FROM (VALUES (1), (7), (60), (1000)) x(n);
SET spotai.vector_probes = 1;
SELECT count(*) FROM (SELECT id FROM many WHERE id % 400 = 7 ORDER BY v <=> vec(77, 16) LIMIT 10) s;
-- but where a limit is set, which is said
SET spotai.vector_max_scan = 200;
SET client_min_messages = warning; -- the number in its words is not the same everywhere
SELECT count(*) BETWEEN 1 AND 3999 AS some FROM (SELECT id FROM many ORDER BY v <=> vec(1, 16)) s;
RESET client_min_messages;
SELECT stopped FROM vector_counters();
RESET spotai.vector_max_scan;
RESET spotai.vector_probes;
RESET enable_seqscan;
RESET enable_sort;

-- all of them are sound
SELECT indexrelid::regclass AS index, (index_check(indexrelid, 0)).* FROM pg_index JOIN pg_opclass c ON c.oid = indclass[0] JOIN pg_am a ON a.oid = c.opcmethod
WHERE a.amname = 'spotai_ann' AND indrelid NOT IN (SELECT partrelid FROM pg_partitioned_table) ORDER BY indexrelid::regclass::text COLLATE "C";
SELECT (index_check('many_v', 20)).recall > 0.8 AS finds;
SELECT index, rows, without_distance, lists > 0 AS lists, advice FROM (VALUES ('plain_l2'), ('later_l2'), ('later_cosine'), ('many_v')) x(index), index_stats(index);
CREATE TABLE grown (id integer, v embedding(16));
CREATE INDEX grown_v ON grown USING spotai_ann (v embedding_l2_ops);
SELECT advice AS empty FROM index_stats('grown_v');
INSERT INTO grown SELECT * FROM many;
SELECT agree('grown', vec(1, 16)::text) AS grown;
SELECT rows, lists, rows_at_build, advice IS NOT NULL AS advised FROM index_stats('grown_v');
REINDEX INDEX grown_v;
SELECT rows, lists > 1 AS lists, rows_at_build, advice FROM index_stats('grown_v');
DELETE FROM later;
VACUUM later;
SELECT rows, without_distance, (index_check('later_cosine')).* FROM index_stats('later_cosine');

-- what is refused, and as what
SELECT refused(s) FROM (VALUES
    ('CREATE INDEX ON mixed USING spotai_ann (v embedding_l2_ops)'), ('CREATE INDEX ON later USING spotai_ann (v)'), ('CREATE INDEX ON later USING spotai_ann (id)'),
    ('CREATE UNIQUE INDEX ON later USING spotai_ann (v embedding_l2_ops)'), ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops, v embedding_l2_ops)'),
    ('CREATE INDEX ON labelled USING spotai_ann (market, tenant)'), ('CREATE INDEX ON labelled USING spotai_ann (market)'),
    ('CREATE INDEX ON labelled USING spotai_ann (v embedding_l2_ops, market, tenant)'), ('CREATE INDEX ON labelled USING spotai_ann (v embedding_l2_ops) INCLUDE (id)'),
    ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops DESC)'), ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops NULLS FIRST)'),
    ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops) WITH (lists = -1)'), ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops) WITH (bits = 0)'),
    ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops) WITH (bits = 3)'), ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops) WITH (rerank = ''nothing'')'),
    ('CREATE INDEX ON later USING spotai_ann (v embedding_l2_ops) WITH (fillfactor = 50)'), ('ALTER TABLE later CLUSTER ON later_l2'),
    ('ALTER TABLE later ADD EXCLUDE USING spotai_ann (v WITH =)'), ('SET spotai.vector_probes = -1'), ('SET spotai.vector_recall = 1.5'), ('SET spotai.vector_max_scan = -1'),
    ('SELECT * FROM index_stats(''later'')'), ('SELECT * FROM index_stats(''pg_class_oid_index'')'), ('SELECT * FROM index_check(''later'')'),
    ('SELECT * FROM index_check(''pg_class_oid_index'')'), ('SELECT * FROM index_check(''later_l2'', -1)')) x(s);
-- what an index is not asked
EXPLAIN (COSTS off) SELECT id FROM later WHERE v = vec(1);
SET enable_seqscan = off;
SELECT plan_of($$SELECT id FROM later ORDER BY v <-> '[1,2,3,4]' DESC LIMIT 1$$);
SELECT plan_of('SELECT id FROM labelled WHERE market = 3');
SELECT plan_of('SELECT count(*) FROM later');
RESET enable_seqscan;
DROP TABLE plain, later, parted, unlogged, temporary_, mixed, labelled, asked, many, grown;
DROP FUNCTION plan_of, vec, rows_of, agree, refused, pages, lists_of;
\i :end
