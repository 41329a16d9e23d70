-- models of neural networks and their weights

CREATE TABLE spotai.model (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._:+-]{0,62}$' AND name <> 'classical'),
    version text NOT NULL CHECK (version ~ '^[A-Za-z0-9][A-Za-z0-9._:+-]{0,62}$'),
    architecture text NOT NULL CHECK (architecture <> ''),
    params jsonb NOT NULL CHECK (jsonb_typeof(params) = 'object'),
    stems text[] NOT NULL CHECK (cardinality(stems) BETWEEN 1 AND 8),
    sample_rate_hz integer NOT NULL CHECK (sample_rate_hz > 0),
    licence text,
    source text,
    format text NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    dtype text NOT NULL CHECK (dtype IN ('f32', 'bf16')),
    parameters bigint NOT NULL CHECK (parameters > 0),
    bytes bigint NOT NULL CHECK (bytes > 0),
    metrics jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metrics) = 'object'),
    active boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name, version)
);
-- a name means one version at a time
CREATE UNIQUE INDEX model_active_key ON spotai.model (tenant_id, name) WHERE active;
COMMENT ON INDEX spotai.model_active_key IS 'one active version of each model';
COMMENT ON TABLE spotai.model IS 'installed models, made by spotai.model_import(); the numbers are in spotai.model_tensor and spotai.model_chunk';
COMMENT ON COLUMN spotai.model.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.model.id IS 'identifier';
COMMENT ON COLUMN spotai.model.name IS 'name by which it is asked for, for example spleeter:4stems';
COMMENT ON COLUMN spotai.model.version IS 'version of the weights under that name';
COMMENT ON COLUMN spotai.model.architecture IS 'kind of network, which knows what the tensors mean';
COMMENT ON COLUMN spotai.model.params IS 'hyper-parameters of the architecture, all of them: sample rate, transform, bins, activations, ...';
COMMENT ON COLUMN spotai.model.stems IS 'what it separates, in the order of its outputs';
COMMENT ON COLUMN spotai.model.sample_rate_hz IS 'sample rate that it was trained for';
COMMENT ON COLUMN spotai.model.licence IS 'licence of the weights; null when nobody said';
COMMENT ON COLUMN spotai.model.source IS 'where the weights come from; null when nobody said';
COMMENT ON COLUMN spotai.model.format IS 'format that was imported: tensorflow, safetensors or npz';
COMMENT ON COLUMN spotai.model.sha256 IS 'SHA-256 of what was imported: the data file of a TensorFlow checkpoint, else the whole file';
COMMENT ON COLUMN spotai.model.dtype IS 'how the numbers are stored: f32, or bf16 (kernels and matrices; vectors stay f32)';
COMMENT ON COLUMN spotai.model.parameters IS 'how many numbers there are';
COMMENT ON COLUMN spotai.model.bytes IS 'how many bytes they take in spotai.model_chunk';
COMMENT ON COLUMN spotai.model.metrics IS 'how good it is, for choosing: {"sdr": {stem: dB, ...}}; the mean decides; set from publications at import, or by hand';
COMMENT ON COLUMN spotai.model.active IS 'whether the name means this version';
COMMENT ON COLUMN spotai.model.created_at IS 'when it was imported';
COMMENT ON COLUMN spotai.model.updated_at IS 'when the row was last changed';

CREATE TABLE spotai.model_tensor (
    tenant_id uuid NOT NULL,
    model_id uuid NOT NULL,
    seq integer NOT NULL CHECK (seq >= 0),
    name text NOT NULL CHECK (name <> ''),
    dtype text NOT NULL CHECK (dtype IN ('f32', 'bf16')),
    shape bigint[] NOT NULL,
    crc32c bigint NOT NULL CHECK (crc32c BETWEEN 0 AND 4294967295),
    PRIMARY KEY (tenant_id, model_id, seq),
    UNIQUE (tenant_id, model_id, name),
    FOREIGN KEY (tenant_id, model_id) REFERENCES spotai.model (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE spotai.model_tensor IS 'the named arrays of numbers that a model consists of';
COMMENT ON COLUMN spotai.model_tensor.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.model_tensor.model_id IS 'model that it belongs to';
COMMENT ON COLUMN spotai.model_tensor.seq IS 'position in the order of names, from 0 without gaps';
COMMENT ON COLUMN spotai.model_tensor.name IS 'name, as the imported file has it';
COMMENT ON COLUMN spotai.model_tensor.dtype IS 'how its numbers are stored: f32 or bf16, little-endian';
COMMENT ON COLUMN spotai.model_tensor.shape IS 'lengths of its dimensions, the last one varying fastest; empty for a single number';
COMMENT ON COLUMN spotai.model_tensor.crc32c IS 'CRC-32C of its bytes, verified whenever it is read';

CREATE TABLE spotai.model_chunk (
    tenant_id uuid NOT NULL,
    model_id uuid NOT NULL,
    tensor integer NOT NULL,
    seq integer NOT NULL CHECK (seq >= 0),
    data bytea NOT NULL CHECK (octet_length(data) BETWEEN 1 AND 1048576),
    PRIMARY KEY (tenant_id, model_id, tensor, seq),
    FOREIGN KEY (tenant_id, model_id, tensor) REFERENCES spotai.model_tensor (tenant_id, model_id, seq) ON DELETE CASCADE
);
-- weights do not compress: do not try
ALTER TABLE spotai.model_chunk ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE spotai.model_chunk IS 'the bytes of spotai.model_tensor, in pieces of at most 1 MiB';
COMMENT ON COLUMN spotai.model_chunk.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.model_chunk.model_id IS 'model that the bytes belong to';
COMMENT ON COLUMN spotai.model_chunk.tensor IS 'tensor of the model that the bytes belong to, by its seq';
COMMENT ON COLUMN spotai.model_chunk.seq IS 'position of the piece, from 0 without gaps';
COMMENT ON COLUMN spotai.model_chunk.data IS 'the bytes';
