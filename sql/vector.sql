-- vector: the type, its operators, what it refuses
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set end :root '/sql/include/end.sql'
\i :begin
SET search_path = public, spotai;

-- text and bytes, there and back
SELECT v::embedding, dims(v::embedding) FROM (VALUES ('[1]'), (' [ 1,-2.5 , 3e4 ] '), ('[0.1,1e-45,3.4028235e38,-0]')) x(v);
SELECT encode(embedding_send('[1,-2]'), 'hex') AS as_pgvector_sends_it;
CREATE TABLE wire (id integer, v embedding);
INSERT INTO wire SELECT n, array_agg(sin(n * i)::real ORDER BY i)::embedding
FROM generate_series(1, 50) n, generate_series(1, 100 * n) i GROUP BY n;
INSERT INTO wire VALUES (51, NULL);
SELECT current_setting('data_directory') || '/spotai_wire' AS file \gset
COPY wire TO :'file' (FORMAT binary);
CREATE TABLE back (LIKE wire);
COPY back FROM :'file' (FORMAT binary);
COPY wire TO :'file';
COPY back FROM :'file';
SELECT format('cat > /dev/null; rm %L', :'file') AS remove \gset
COPY (SELECT) TO PROGRAM :'remove';
SELECT count(*), count(DISTINCT id), bool_and(w.v = b.v) AS same FROM back b JOIN wire w USING (id);
SELECT attstorage FROM pg_attribute WHERE attrelid = 'wire'::regclass AND attname = 'v';

-- dimensions of a column
CREATE TABLE three (v embedding(3));
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'three'::regclass AND attname = 'v';
INSERT INTO three VALUES ('[1,2,3]'), (ARRAY[1, 2.5, 3]), ('{4,5,6}'::real[]), ('{7,8,9}'::integer[]), ('{1,1,1}'::double precision[]), (NULL);
SELECT v, v::real[] FROM three;

-- what is refused, and as what
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
SELECT refused(format('SELECT %L::embedding', v)) FROM (VALUES
    (''), ('1,2'), ('{1,2}'), ('['), ('[1'), ('[1,]'), ('[1]x'), ('[a]'), ('[]'), ('[NaN]'), ('[1,-Infinity]'), ('[1e39]'),
    ('[1' || repeat(',1', 16000) || ']'), (repeat('ä', 300))) x(v);
SELECT length((SELECT v::embedding FROM (VALUES ('[1' || repeat(',1', 15999) || ']')) x(v))::text) AS most;
SELECT refused(s) FROM (VALUES
    ('SELECT ''[1]''::embedding(0)'), ('SELECT ''[1]''::embedding(16001)'), ('SELECT ''[1]''::embedding(1, 2)'), ('SELECT ''[1]''::embedding(-1)'),
    ('SELECT ''[1,2]''::embedding(3)'), ('INSERT INTO three VALUES (''[1]'')'), ('SELECT ''{1,2}''::real[]::embedding(3)'),
    ('SELECT ''{}''::real[]::embedding'), ('SELECT ''{1,NULL}''::real[]::embedding'), ('SELECT ''{{1},{2}}''::real[]::embedding'),
    ('SELECT ''{NaN}''::real[]::embedding'), ('SELECT ''{1e60}''::double precision[]::embedding'), ('SELECT ''{Infinity}''::double precision[]::embedding'),
    ('SELECT array_fill(1::real, ARRAY[16001])::embedding'),
    ('SELECT ''[1,2]''::embedding <-> ''[1]'''), ('SELECT ''[1,2]''::embedding <=> ''[1]'''), ('SELECT ''[1,2]''::embedding <#> ''[1]'''),
    ('SELECT subvector(''[1,2]'', 3, 1)'), ('SELECT subvector(''[1,2]'', 1, 0)'), ('SELECT subvector(''[1,2]'', -5, 2)'),
    ('SELECT subvector(''[1,2]'', 2147483647, 2147483647)'),
    ('SELECT ''[1]''::embedding < ''[2]'''), ('SELECT ''[1]''::embedding ORDER BY 1 LIMIT 1'), ('CREATE INDEX ON three (v)'),
    ('SELECT sum(v) FROM (VALUES (''[1]''::embedding), (''[1,2]'')) x(v)'), ('SELECT sum(v) FROM (VALUES (''[3e38]''::embedding), (''[3e38]'')) x(v)'),
    ('SELECT _spotai.embedding_sum(''{}'')'), ('SELECT _spotai.embedding_add(''{1,NULL}'', ''[1]'')'), ('SELECT _spotai.embedding_add(''{1,2,3}'', ''[1]'')')
) x(s);
-- bytes that nobody sent
CREATE FUNCTION take(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    -- signature, flags, one row of two columns, the end
    file bytea := '\x5047434f50590aff0d0a00000000000000000000020000000400000001'::bytea || int4send(length(bytes)) || bytes || '\xffff'::bytea;
    octal text := (SELECT string_agg(format('\0%s%s%s', c / 64, c / 8 % 8, c % 8), '' ORDER BY i)
                   FROM (SELECT i, get_byte(file, i) AS c FROM generate_series(0, length(file) - 1) i) x);
BEGIN
    EXECUTE format('COPY back FROM PROGRAM $p$printf %%b ''%s''$p$ (FORMAT binary)', octal);
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT take(b) FROM (VALUES ('\x000100003f800000'::bytea), ('\x00000000'), ('\xffff0000'), ('\x3e810000'), ('\x000100013f800000'), ('\x000100007fc00000'),
                            ('\x00010000ff800000'), ('\x000200003f800000'), ('\x000100003f80000000'), ('\x00')) x(b);
\pset tuples_only off
\pset format aligned

-- distances
SELECT a::embedding <-> b::embedding AS l2, a::embedding <#> b::embedding AS minus_ip, a::embedding <=> b::embedding AS cosine, inner_product(a::embedding, b::embedding),
       cosine_similarity(a::embedding, b::embedding)
FROM (VALUES ('[3,4]', '[0,0]'), ('[1,2]', '[1,2]'), ('[1,0]', '[0,1]'), ('[1,0]', '[-2,0]'), ('[3e38,3e38]', '[-3e38,-3e38]'), ('[1e-30]', '[2e-30]')) x(a, b);
SELECT l2_norm('[3,4]'), normalize('[3,4]'), normalize('[0,0]'), subvector('[1,2,3,4,5]', 2, 3), subvector('[1,2,3]', 3, 100), subvector('[1,2,3]', -1, 3);
SELECT l2_distance(NULL, '[1]') IS NULL AS null_in_null_out;
-- near ones first, zero vectors last
SELECT v FROM (VALUES ('[0,0]'::embedding), ('[0,1]'), ('[2,0.1]'), (NULL), ('[-1,0]')) x(v) ORDER BY v <=> '[1,0]', v::text;

-- equality without an order
SELECT '[1,-0]'::embedding = '[1,0]' AS zeros, '[1]'::embedding = '[1,0]' AS shorter, '[1]'::embedding <> '[2]' AS other;
SELECT v, count(*) FROM (VALUES ('[1,0]'::embedding), ('[1,-0]'), ('[2]'), ('[2]'), ('[3]')) x(v) GROUP BY v ORDER BY v::text;
SELECT count(*) FROM (SELECT DISTINCT v FROM wire) x;

-- sums
SELECT sum(v), avg(v) FROM three;
SELECT sum(v), avg(v) FROM three WHERE false;
CREATE TABLE many AS SELECT array_agg((n % 7 + i)::real ORDER BY i)::embedding AS v, n % 3 AS g FROM generate_series(1, 20000) n, generate_series(1, 8) i GROUP BY n;
ANALYZE many;
SELECT g, avg(v), subvector(sum(v), 1, 2) FROM many GROUP BY g ORDER BY g;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT avg(v) FROM many;
SELECT avg(v), sum(v) FROM many;
SELECT count(*) FROM many WHERE v <-> '[1,2,3,4,5,6,7,8]' < 1;
-- a window, whose state goes on after it was asked
SELECT avg(v) OVER (ORDER BY v::text) FROM three;

DROP TABLE wire, back, three, many;
DROP FUNCTION refused(text), take(bytea);
\i :end
