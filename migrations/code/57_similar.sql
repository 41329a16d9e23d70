-- similar: embeddings of tracks, and which are near each other

CREATE FUNCTION spotai.set_embedding(track_id uuid, space text, embedding spotai.embedding)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_set_embedding';
COMMENT ON FUNCTION spotai.set_embedding(uuid, text, spotai.embedding) IS
'stores the embedding of a track, or replaces it. The space is the name of what made it, for example openl3; it comes into being with its first embedding, and all of it have as many dimensions: 22000. Needs vector:write. 42704 for a track that does not exist, 55000 for one of an excluded provenance, 22023 for a name that is none, 22004 for nulls';

CREATE FUNCTION spotai.similar_tracks(track_id uuid, k integer DEFAULT 10, space text DEFAULT NULL)
RETURNS TABLE (track_id uuid, similarity real)
LANGUAGE C STABLE PARALLEL RESTRICTED COST 10000 ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_similar_tracks';
COMMENT ON FUNCTION spotai.similar_tracks(uuid, integer, text) IS
'the k tracks whose embeddings are nearest to that of a track, by cosine similarity, best first, equal ones in the order of their ids; at most 10000. Left out are the track itself, deleted tracks, tracks of an excluded provenance (spotai.excluded_provenance), and zeros, which are similar to nothing. Without a space it is the only one of the track, or of several the default one: 42P08 when there is none. With an index (spotai.embedding_index()) the nearest are found without looking at all. 42704 for a track that does not exist or has no embedding there, 55000 for one of an excluded provenance, 22023 for a k out of range, 22004 for nulls';

CREATE FUNCTION spotai.embedding_index(space text, all_tenants boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    into_index record;
BEGIN
    SELECT s.tenant_id, s.dims INTO into_index FROM spotai.embedding_space s
    WHERE s.tenant_id = spotai.current_tenant() AND s.name = space;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('embedding space "%s" does not exist', space),
            HINT = 'It comes into being with its first embedding: spotai.set_embedding().';
    END IF;
    RETURN format('CREATE INDEX ON spotai.track_embedding USING spotai_ann '
                  '((embedding::spotai.embedding(%s)) spotai.embedding_cosine_ops) WHERE %sspace = %L AND dims = %s;',
                  into_index.dims, CASE WHEN NOT all_tenants THEN format('tenant_id = %L AND ', into_index.tenant_id) END, space, into_index.dims);
END
$$;
COMMENT ON FUNCTION spotai.embedding_index(text, boolean) IS
'the statement that makes the index by which spotai.similar_tracks() finds the nearest in a space; for the tenant alone, or one for all tenants that have a space of that name and as many dimensions. In psql: SELECT spotai.embedding_index(''openl3'') \gexec; as the owner of the table. 42704 for a space that does not exist';
