-- embeddings of tracks

CREATE TABLE spotai.embedding_space (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    name text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._:+-]{0,62}$'),
    dims integer NOT NULL CHECK (dims BETWEEN 1 AND 16000),
    is_default boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name),
    -- for track_embedding to refer to
    UNIQUE (tenant_id, name, dims)
);
CREATE UNIQUE INDEX embedding_space_default_key ON spotai.embedding_space (tenant_id) WHERE is_default;
COMMENT ON INDEX spotai.embedding_space_default_key IS 'one default of each tenant';
COMMENT ON TABLE spotai.embedding_space IS 'what embeddings of tracks can be compared with each other: those that the same program made; rows are added by spotai.set_embedding(), and deleting one deletes its embeddings';
COMMENT ON COLUMN spotai.embedding_space.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.embedding_space.name IS 'name of what made the embeddings, for example openl3 or clap:630k';
COMMENT ON COLUMN spotai.embedding_space.dims IS 'how many dimensions its embeddings have';
COMMENT ON COLUMN spotai.embedding_space.is_default IS 'whether spotai.similar_tracks() takes it for tracks that are in several, when it is given none';
COMMENT ON COLUMN spotai.embedding_space.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.embedding_space.updated_at IS 'when the row was last changed';

-- The column is no spotai.embedding: that type is the extension's, and DROP
-- EXTENSION ... CASCADE would take the column with it.  An index is made on the
-- cast, for a space of so many dimensions (spotai.embedding_index()).
CREATE TABLE spotai.track_embedding (
    tenant_id uuid NOT NULL,
    track_id uuid NOT NULL,
    space text NOT NULL,
    embedding real[] NOT NULL CHECK (
        array_ndims(embedding) = 1 AND cardinality(embedding) BETWEEN 1 AND 16000 AND array_position(embedding, NULL) IS NULL
        AND 'NaN' <> ALL (embedding) AND 'Infinity' <> ALL (embedding) AND '-Infinity' <> ALL (embedding)),
    -- known without fetching the numbers
    dims integer NOT NULL GENERATED ALWAYS AS (cardinality(embedding)) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, track_id, space),
    FOREIGN KEY (tenant_id, track_id) REFERENCES spotai.track (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, space, dims) REFERENCES spotai.embedding_space (tenant_id, name, dims) ON DELETE CASCADE
);
-- Embeddings do not compress: do not try.  Up to 2,000 dimensions they stay in
-- their row: searching fetches many, and a piece elsewhere costs five times as much.
ALTER TABLE spotai.track_embedding ALTER COLUMN embedding SET STORAGE EXTERNAL;
ALTER TABLE spotai.track_embedding SET (toast_tuple_target = 8160);
CREATE INDEX track_embedding_space_idx ON spotai.track_embedding (tenant_id, space, dims);
COMMENT ON INDEX spotai.track_embedding_space_idx IS 'the embeddings of a space';
COMMENT ON TABLE spotai.track_embedding IS 'what programs made of tracks to compare them by, stored by spotai.set_embedding(); near ones are found by spotai.similar_tracks()';
COMMENT ON COLUMN spotai.track_embedding.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.track_embedding.track_id IS 'track that it describes';
COMMENT ON COLUMN spotai.track_embedding.space IS 'what made it; embeddings of one space are compared';
COMMENT ON COLUMN spotai.track_embedding.embedding IS 'the numbers; cast them to spotai.embedding to compute with them';
COMMENT ON COLUMN spotai.track_embedding.dims IS 'how many there are';
COMMENT ON COLUMN spotai.track_embedding.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.track_embedding.updated_at IS 'when the embedding was last replaced';
