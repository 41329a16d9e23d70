-- ann: an index for embeddings

CREATE FUNCTION _spotai.ann_handler(internal) RETURNS index_am_handler
LANGUAGE C IMMUTABLE AS 'MODULE_PATHNAME', 'spotai_ann_handler';
COMMENT ON FUNCTION _spotai.ann_handler(internal) IS 'the access method spotai_ann';
CREATE ACCESS METHOD spotai_ann TYPE INDEX HANDLER _spotai.ann_handler;
COMMENT ON ACCESS METHOD spotai_ann IS 'nearest neighbours: inverted lists with RaBitQ codes';

CREATE FUNCTION _spotai.ann_metric_l2() RETURNS integer
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_ann_metric_l2';
COMMENT ON FUNCTION _spotai.ann_metric_l2() IS 'tells spotai_ann that it is about Euclidean distance';
CREATE FUNCTION _spotai.ann_metric_cosine() RETURNS integer
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_ann_metric_cosine';
COMMENT ON FUNCTION _spotai.ann_metric_cosine() IS 'tells spotai_ann that it is about cosine distance';
CREATE FUNCTION _spotai.ann_metric_ip() RETURNS integer
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_ann_metric_ip';
COMMENT ON FUNCTION _spotai.ann_metric_ip() IS 'tells spotai_ann that it is about inner products';

CREATE OPERATOR FAMILY spotai.embedding_l2_ops USING spotai_ann;
COMMENT ON OPERATOR FAMILY spotai.embedding_l2_ops USING spotai_ann IS 'Euclidean distance, <->';
CREATE OPERATOR CLASS spotai.embedding_l2_ops FOR TYPE spotai.embedding USING spotai_ann FAMILY spotai.embedding_l2_ops AS
    OPERATOR 1 spotai.<-> (spotai.embedding, spotai.embedding) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _spotai.ann_metric_l2();
COMMENT ON OPERATOR CLASS spotai.embedding_l2_ops USING spotai_ann IS 'Euclidean distance, <->';

CREATE OPERATOR FAMILY spotai.embedding_cosine_ops USING spotai_ann;
COMMENT ON OPERATOR FAMILY spotai.embedding_cosine_ops USING spotai_ann IS 'cosine distance, <=>';
CREATE OPERATOR CLASS spotai.embedding_cosine_ops FOR TYPE spotai.embedding USING spotai_ann FAMILY spotai.embedding_cosine_ops AS
    OPERATOR 1 spotai.<=> (spotai.embedding, spotai.embedding) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _spotai.ann_metric_cosine();
COMMENT ON OPERATOR CLASS spotai.embedding_cosine_ops USING spotai_ann IS 'cosine distance, <=>';

CREATE OPERATOR FAMILY spotai.embedding_ip_ops USING spotai_ann;
COMMENT ON OPERATOR FAMILY spotai.embedding_ip_ops USING spotai_ann IS 'negative inner product, <#>';
CREATE OPERATOR CLASS spotai.embedding_ip_ops FOR TYPE spotai.embedding USING spotai_ann FAMILY spotai.embedding_ip_ops AS
    OPERATOR 1 spotai.<#> (spotai.embedding, spotai.embedding) FOR ORDER BY pg_catalog.float_ops,
    FUNCTION 1 _spotai.ann_metric_ip();
COMMENT ON OPERATOR CLASS spotai.embedding_ip_ops USING spotai_ann IS 'negative inner product, <#>';

-- a column beside the embedding, for conditions that are checked in the index
CREATE OPERATOR FAMILY spotai.label_ops USING spotai_ann;
COMMENT ON OPERATOR FAMILY spotai.label_ops USING spotai_ann IS 'labels: = and = ANY';
CREATE OPERATOR CLASS spotai.int4_label_ops DEFAULT FOR TYPE integer USING spotai_ann FAMILY spotai.label_ops AS
    OPERATOR 1 pg_catalog.= (integer, integer),
    OPERATOR 1 pg_catalog.= (integer, smallint),
    OPERATOR 1 pg_catalog.= (integer, bigint);
COMMENT ON OPERATOR CLASS spotai.int4_label_ops USING spotai_ann IS 'labels: = and = ANY';
CREATE OPERATOR CLASS spotai.int2_label_ops DEFAULT FOR TYPE smallint USING spotai_ann FAMILY spotai.label_ops AS
    OPERATOR 1 pg_catalog.= (smallint, smallint),
    OPERATOR 1 pg_catalog.= (smallint, integer),
    OPERATOR 1 pg_catalog.= (smallint, bigint);
COMMENT ON OPERATOR CLASS spotai.int2_label_ops USING spotai_ann IS 'labels: = and = ANY';

CREATE FUNCTION spotai.vector_counters(
    OUT scans bigint, OUT lists bigint, OUT codes bigint, OUT filtered bigint, OUT fetches bigint, OUT stopped bigint
) LANGUAGE C STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'spotai_vector_counters';
COMMENT ON FUNCTION spotai.vector_counters() IS
'what scans of spotai_ann indexes have done in this session: scans, lists and codes they looked at, rows that the WHERE dismissed before their distance was fetched, exact distances they fetched, and how many stopped at spotai.vector_max_scan before they had enough';

CREATE FUNCTION spotai.index_stats(
    index regclass,
    OUT rows bigint, OUT without_distance bigint, OUT lists integer, OUT empty_lists integer, OUT largest_list bigint,
    OUT imbalance double precision, OUT rows_at_build bigint, OUT drift double precision,
    OUT pages bigint, OUT empty_pages bigint, OUT advice text
) LANGUAGE C STABLE STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'spotai_ann_stats';
COMMENT ON FUNCTION spotai.index_stats(regclass) IS
'what a spotai_ann index looks like: rows, those without a distance (NULL, zeros under cosine), lists; imbalance 1 when all lists are as long, drift 1 when rows are as near to their centroids as when it was built; advice, or null';

CREATE FUNCTION _spotai.index_problems(index regclass) RETURNS text[]
LANGUAGE C VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'spotai_ann_problems';
COMMENT ON FUNCTION _spotai.index_problems(regclass) IS
'pages, rows and codes of a spotai_ann index that are not as they should be; nobody writes to the table meanwhile';

-- Exactly, and by the index: rows no farther than the tenth of the truth count.
CREATE FUNCTION _spotai.index_recall(index regclass, queries integer) RETURNS double precision
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_indexscan = on SET enable_seqscan = on AS $$
DECLARE
    i record;
    query record;
    truth double precision[];
    found double precision[];
    good bigint := 0;
    wanted bigint := 0;
BEGIN
    SELECT x.indrelid::regclass AS tab, pg_get_indexdef(x.indexrelid, k.at, false) AS value, o.oprname AS operator,
           coalesce(' AND (' || pg_get_expr(x.indpred, x.indrelid) || ')', '') AS condition
    INTO i
    FROM pg_index x
    CROSS JOIN generate_series(1, x.indnkeyatts) k (at)
    JOIN pg_opclass c ON c.oid = x.indclass[k.at - 1]
    JOIN pg_amop a ON a.amopfamily = c.opcfamily AND a.amoppurpose = 'o'
    JOIN pg_operator o ON o.oid = a.amopopr
    WHERE x.indexrelid = index_recall.index;
    FOR query IN EXECUTE format('SELECT (%1$s) AS v FROM %2$s WHERE (%1$s) IS NOT NULL%3$s ORDER BY random() LIMIT $1',
                                i.value, i.tab, i.condition) USING queries LOOP
        FOR exact IN 0..1 LOOP
            PERFORM set_config(CASE exact WHEN 0 THEN 'enable_seqscan' ELSE 'enable_indexscan' END, 'off', true);
            EXECUTE format('SELECT array_agg(d) FROM (SELECT (%1$s) OPERATOR(spotai.%2$s) $1 AS d FROM %3$s WHERE true%4$s
                            ORDER BY (%1$s) OPERATOR(spotai.%2$s) $1 LIMIT 10) x', i.value, i.operator, i.tab, i.condition)
            INTO truth USING query.v;
            PERFORM set_config(CASE exact WHEN 0 THEN 'enable_seqscan' ELSE 'enable_indexscan' END, 'on', true);
            found := CASE exact WHEN 0 THEN truth ELSE found END;
        END LOOP;
        wanted := wanted + cardinality(truth);
        good := good + (SELECT count(*) FROM unnest(found) d
                        WHERE d <= truth[cardinality(truth)] + 1e-6 * abs(truth[cardinality(truth)]));
    END LOOP;
    RETURN good / nullif(wanted, 0)::double precision;
END
$$;
COMMENT ON FUNCTION _spotai.index_recall(regclass, integer) IS
'share of the ten nearest that the index finds, for so many rows of the table as queries';

CREATE FUNCTION spotai.index_check(
    index regclass, queries integer DEFAULT 20, OUT ok boolean, OUT recall double precision, OUT problems text[]
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF queries IS NULL OR queries NOT BETWEEN 0 AND 10000 THEN
        RAISE EXCEPTION 'queries must be from 0 to 10000' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    problems := _spotai.index_problems(index);
    ok := cardinality(problems) = 0;
    IF ok AND queries > 0 THEN
        recall := _spotai.index_recall(index, queries);
    END IF;
END
$$;
COMMENT ON FUNCTION spotai.index_check(regclass, integer) IS
'whether a spotai_ann index holds each row of its table once, with its code, in sound lists; and recall@10 for a sample of rows as queries, null without rows; nobody writes to the table meanwhile';
