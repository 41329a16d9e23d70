-- ann: an index for embeddings

CREATE FUNCTION _spotai.ann_handler(internal) RETURNS index_am_handler
LANGUAGE C AS 'MODULE_PATHNAME', 'spotai_ann_handler';
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
    OUT scans bigint, OUT lists bigint, OUT codes bigint, OUT fetches bigint, OUT stopped bigint
) LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'spotai_vector_counters';
COMMENT ON FUNCTION spotai.vector_counters() IS
'what scans of spotai_ann indexes have done in this session: scans, lists and codes they looked at, exact distances they fetched, and how many stopped at spotai.vector_max_scan before they had enough';
