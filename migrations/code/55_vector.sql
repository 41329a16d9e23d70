-- vector: embeddings, how far they are apart

-- Words and bytes are those of pgvector's type vector, so that drivers and dumps need no translation.
CREATE TYPE spotai.embedding;

CREATE FUNCTION spotai.embedding_in(cstring, oid, integer) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_in';
COMMENT ON FUNCTION spotai.embedding_in(cstring, oid, integer) IS 'input of type embedding: [1, 2.5, -3e4]';

CREATE FUNCTION spotai.embedding_out(spotai.embedding) RETURNS cstring
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_out';
COMMENT ON FUNCTION spotai.embedding_out(spotai.embedding) IS 'output of type embedding: the shortest decimals that are read back as the same';

CREATE FUNCTION spotai.embedding_recv(internal, oid, integer) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_recv';
COMMENT ON FUNCTION spotai.embedding_recv(internal, oid, integer) IS 'binary input of type embedding: int16 dimensions, int16 0, then float4 values';

CREATE FUNCTION spotai.embedding_send(spotai.embedding) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_send';
COMMENT ON FUNCTION spotai.embedding_send(spotai.embedding) IS 'binary output of type embedding';

CREATE FUNCTION spotai.embedding_typmod_in(cstring[]) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_typmod_in';
COMMENT ON FUNCTION spotai.embedding_typmod_in(cstring[]) IS 'modifier of type embedding: its dimensions, 1 to 16000';

CREATE TYPE spotai.embedding (
    INPUT = spotai.embedding_in,
    OUTPUT = spotai.embedding_out,
    RECEIVE = spotai.embedding_recv,
    SEND = spotai.embedding_send,
    TYPMOD_IN = spotai.embedding_typmod_in,
    STORAGE = 'external'
);
COMMENT ON TYPE spotai.embedding IS 'a vector of 1 to 16000 numbers of type real, as in ''[0.1, -2, 3e-4]''; embedding(n) holds those of n dimensions alone';

-- casts

CREATE FUNCTION spotai.embedding(spotai.embedding, integer, boolean) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_resize';
COMMENT ON FUNCTION spotai.embedding(spotai.embedding, integer, boolean) IS 'cast to embedding(n): an error unless it has n dimensions';
CREATE CAST (spotai.embedding AS spotai.embedding)
    WITH FUNCTION spotai.embedding(spotai.embedding, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (spotai.embedding AS spotai.embedding) IS 'checks the dimensions of embedding(n)';

CREATE FUNCTION spotai.embedding(real[], integer, boolean) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_array_to_embedding';
COMMENT ON FUNCTION spotai.embedding(real[], integer, boolean) IS 'cast of an array';
CREATE CAST (real[] AS spotai.embedding)
    WITH FUNCTION spotai.embedding(real[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (real[] AS spotai.embedding) IS 'an array of one dimension, without nulls';

CREATE FUNCTION spotai.embedding(double precision[], integer, boolean) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_array_to_embedding';
COMMENT ON FUNCTION spotai.embedding(double precision[], integer, boolean) IS 'cast of an array';
CREATE CAST (double precision[] AS spotai.embedding)
    WITH FUNCTION spotai.embedding(double precision[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (double precision[] AS spotai.embedding) IS 'an array of one dimension, without nulls, rounded to real';

CREATE FUNCTION spotai.embedding(integer[], integer, boolean) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_array_to_embedding';
COMMENT ON FUNCTION spotai.embedding(integer[], integer, boolean) IS 'cast of an array';
CREATE CAST (integer[] AS spotai.embedding)
    WITH FUNCTION spotai.embedding(integer[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (integer[] AS spotai.embedding) IS 'an array of one dimension, without nulls';

CREATE FUNCTION spotai.embedding(numeric[], integer, boolean) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_array_to_embedding';
COMMENT ON FUNCTION spotai.embedding(numeric[], integer, boolean) IS 'cast of an array';
CREATE CAST (numeric[] AS spotai.embedding)
    WITH FUNCTION spotai.embedding(numeric[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (numeric[] AS spotai.embedding) IS 'an array of one dimension, without nulls, rounded to real';

CREATE FUNCTION spotai.to_array(spotai.embedding) RETURNS real[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_to_array';
COMMENT ON FUNCTION spotai.to_array(spotai.embedding) IS 'the numbers of an embedding';
CREATE CAST (spotai.embedding AS real[])
    WITH FUNCTION spotai.to_array(spotai.embedding) AS ASSIGNMENT;
COMMENT ON CAST (spotai.embedding AS real[]) IS 'the numbers of an embedding';

-- distances

CREATE FUNCTION spotai.l2_distance(spotai.embedding, spotai.embedding) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_l2_distance';
COMMENT ON FUNCTION spotai.l2_distance(spotai.embedding, spotai.embedding) IS 'Euclidean distance; operator <->';

CREATE FUNCTION spotai.inner_product(spotai.embedding, spotai.embedding) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_inner_product';
COMMENT ON FUNCTION spotai.inner_product(spotai.embedding, spotai.embedding) IS 'sum of products';

CREATE FUNCTION spotai.negative_inner_product(spotai.embedding, spotai.embedding) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_negative_inner_product';
COMMENT ON FUNCTION spotai.negative_inner_product(spotai.embedding, spotai.embedding) IS 'inner product with the other sign, so that near ones come first; operator <#>';

CREATE FUNCTION spotai.cosine_similarity(spotai.embedding, spotai.embedding) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_cosine_similarity';
COMMENT ON FUNCTION spotai.cosine_similarity(spotai.embedding, spotai.embedding) IS 'cosine of the angle between them, -1 to 1; NaN when one is all zeros';

CREATE FUNCTION spotai.cosine_distance(spotai.embedding, spotai.embedding) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_cosine_distance';
COMMENT ON FUNCTION spotai.cosine_distance(spotai.embedding, spotai.embedding) IS '1 - cosine similarity; NaN, which sorts last, when one is all zeros; operator <=>';

CREATE OPERATOR spotai.<-> (
    LEFTARG = spotai.embedding, RIGHTARG = spotai.embedding, FUNCTION = spotai.l2_distance, COMMUTATOR = OPERATOR(spotai.<->)
);
COMMENT ON OPERATOR spotai.<-> (spotai.embedding, spotai.embedding) IS 'Euclidean distance';
CREATE OPERATOR spotai.<#> (
    LEFTARG = spotai.embedding, RIGHTARG = spotai.embedding, FUNCTION = spotai.negative_inner_product, COMMUTATOR = OPERATOR(spotai.<#>)
);
COMMENT ON OPERATOR spotai.<#> (spotai.embedding, spotai.embedding) IS 'negative inner product';
CREATE OPERATOR spotai.<=> (
    LEFTARG = spotai.embedding, RIGHTARG = spotai.embedding, FUNCTION = spotai.cosine_distance, COMMUTATOR = OPERATOR(spotai.<=>)
);
COMMENT ON OPERATOR spotai.<=> (spotai.embedding, spotai.embedding) IS 'cosine distance';

-- equality, without an order: embeddings have none that means anything

CREATE FUNCTION spotai.embedding_eq(spotai.embedding, spotai.embedding) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_eq';
COMMENT ON FUNCTION spotai.embedding_eq(spotai.embedding, spotai.embedding) IS 'as many dimensions and the same numbers';
CREATE FUNCTION spotai.embedding_ne(spotai.embedding, spotai.embedding) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_ne';
COMMENT ON FUNCTION spotai.embedding_ne(spotai.embedding, spotai.embedding) IS 'other dimensions or other numbers';
CREATE FUNCTION spotai.embedding_hash(spotai.embedding) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_hash';
COMMENT ON FUNCTION spotai.embedding_hash(spotai.embedding) IS 'for DISTINCT, GROUP BY and joins by hash';

CREATE OPERATOR spotai.= (
    LEFTARG = spotai.embedding, RIGHTARG = spotai.embedding, FUNCTION = spotai.embedding_eq,
    COMMUTATOR = OPERATOR(spotai.=), NEGATOR = OPERATOR(spotai.<>), RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel, HASHES
);
COMMENT ON OPERATOR spotai.= (spotai.embedding, spotai.embedding) IS 'equal';
CREATE OPERATOR spotai.<> (
    LEFTARG = spotai.embedding, RIGHTARG = spotai.embedding, FUNCTION = spotai.embedding_ne,
    COMMUTATOR = OPERATOR(spotai.<>), NEGATOR = OPERATOR(spotai.=), RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR spotai.<> (spotai.embedding, spotai.embedding) IS 'not equal';
CREATE OPERATOR FAMILY spotai.embedding_hash_ops USING hash;
COMMENT ON OPERATOR FAMILY spotai.embedding_hash_ops USING hash IS 'equality of embeddings';
CREATE OPERATOR CLASS spotai.embedding_hash_ops DEFAULT FOR TYPE spotai.embedding USING hash FAMILY spotai.embedding_hash_ops AS
    OPERATOR 1 spotai.= (spotai.embedding, spotai.embedding),
    FUNCTION 1 spotai.embedding_hash(spotai.embedding);
COMMENT ON OPERATOR CLASS spotai.embedding_hash_ops USING hash IS 'equality of embeddings';

-- one embedding, and many

CREATE FUNCTION spotai.dims(spotai.embedding) RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_dims';
COMMENT ON FUNCTION spotai.dims(spotai.embedding) IS 'number of dimensions';
CREATE FUNCTION spotai.l2_norm(spotai.embedding) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_l2_norm';
COMMENT ON FUNCTION spotai.l2_norm(spotai.embedding) IS 'Euclidean length';
CREATE FUNCTION spotai.normalize(spotai.embedding) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_normalize';
COMMENT ON FUNCTION spotai.normalize(spotai.embedding) IS 'the same direction with length 1; zeros stay zeros';
CREATE FUNCTION spotai.subvector(spotai.embedding, start integer, count integer) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_subvector';
COMMENT ON FUNCTION spotai.subvector(spotai.embedding, integer, integer) IS 'count dimensions from start, which begins with 1; fewer where it ends before';

CREATE FUNCTION _spotai.embedding_add(double precision[], spotai.embedding) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_add';
COMMENT ON FUNCTION _spotai.embedding_add(double precision[], spotai.embedding) IS 'step of sum and avg';
CREATE FUNCTION _spotai.embedding_combine(double precision[], double precision[]) RETURNS double precision[]
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_combine';
COMMENT ON FUNCTION _spotai.embedding_combine(double precision[], double precision[]) IS 'joins what parallel workers summed';
CREATE FUNCTION _spotai.embedding_sum(double precision[]) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_sum';
COMMENT ON FUNCTION _spotai.embedding_sum(double precision[]) IS 'end of sum';
CREATE FUNCTION _spotai.embedding_avg(double precision[]) RETURNS spotai.embedding
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'spotai_embedding_avg';
COMMENT ON FUNCTION _spotai.embedding_avg(double precision[]) IS 'end of avg';

CREATE AGGREGATE spotai.sum(spotai.embedding) (
    SFUNC = _spotai.embedding_add, STYPE = double precision[], INITCOND = '{0}',
    COMBINEFUNC = _spotai.embedding_combine, FINALFUNC = _spotai.embedding_sum, PARALLEL = 'safe'
);
COMMENT ON AGGREGATE spotai.sum(spotai.embedding) IS 'sum by dimension, in double precision; null of no rows';
CREATE AGGREGATE spotai.avg(spotai.embedding) (
    SFUNC = _spotai.embedding_add, STYPE = double precision[], INITCOND = '{0}',
    COMBINEFUNC = _spotai.embedding_combine, FINALFUNC = _spotai.embedding_avg, PARALLEL = 'safe'
);
COMMENT ON AGGREGATE spotai.avg(spotai.embedding) IS 'mean by dimension, in double precision; null of no rows';

-- pgvector

-- The same bytes, so vector is cast by doing nothing, which PostgreSQL allows to
-- superusers; others, and halfvec, go through text.  They are members of neither
-- extension, so dropping one wants CASCADE.
CREATE PROCEDURE _spotai.migrated_vector()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ours constant regtype := 'spotai.embedding';
    theirs record;
    way text;
BEGIN
    FOR theirs IN
        SELECT t.oid, t.typname
        FROM pg_extension e
        JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
                        AND d.classid = 'pg_type'::regclass AND d.deptype = 'e'
        JOIN pg_type t ON t.oid = d.objid
        WHERE e.extname = 'vector' AND t.typname IN ('vector', 'halfvec')
          AND NOT EXISTS (SELECT FROM pg_cast c WHERE c.castsource = t.oid AND c.casttarget = ours)
    LOOP
        way := CASE WHEN theirs.typname = 'vector' AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                    THEN 'WITHOUT FUNCTION' ELSE 'WITH INOUT' END;
        EXECUTE format('CREATE CAST (%s AS spotai.embedding) %s AS ASSIGNMENT', theirs.oid::regtype, way);
        EXECUTE format('CREATE CAST (spotai.embedding AS %s) %s AS ASSIGNMENT', theirs.oid::regtype, way);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE _spotai.migrated_vector() IS
'casts from and to the types of pgvector, where it is installed; run CALL spotai.migrate() again after installing it';
