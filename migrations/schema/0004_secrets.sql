-- keys of the tenants, and secrets

CREATE TABLE spotai.data_key (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL,
    wrapped bytea NOT NULL CHECK (octet_length(wrapped) = 94),
    -- where the envelope has it (core/crypto/envelope.h), so that the two never disagree
    kek_id bytea NOT NULL GENERATED ALWAYS AS (substring(wrapped FROM 3 FOR 16)) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    wrapped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE spotai.data_key ALTER COLUMN wrapped SET STORAGE PLAIN;
COMMENT ON TABLE spotai.data_key IS 'keys that the values of a tenant are sealed with, each sealed with a key that is outside the database (spotai.key_file); made when they are needed, a new one each quarter of a year. Without the rows, or without the key outside, what they sealed cannot be read';
COMMENT ON COLUMN spotai.data_key.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.data_key.id IS 'identifier, which sealed values name';
COMMENT ON COLUMN spotai.data_key.wrapped IS 'the key, sealed; bound to the tenant';
COMMENT ON COLUMN spotai.data_key.kek_id IS 'id of the key-encryption key that it is sealed with; spotai.rekey() changes it';
COMMENT ON COLUMN spotai.data_key.created_at IS 'when the key was made';
COMMENT ON COLUMN spotai.data_key.wrapped_at IS 'when it was last sealed';

CREATE TABLE spotai.secret (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name <> '' AND octet_length(name) <= 255),
    version bigint NOT NULL CHECK (version > 0),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
-- ciphertext does not compress: do not try
ALTER TABLE spotai.secret ALTER COLUMN sealed SET STORAGE EXTERNAL;
COMMENT ON TABLE spotai.secret IS 'passwords, tokens and keys of other services, encrypted; written by spotai.secret_put(), spotai.secret_rotate() and spotai.secret_delete()';
COMMENT ON COLUMN spotai.secret.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.secret.id IS 'identifier; a secret that is deleted and put again is another one';
COMMENT ON COLUMN spotai.secret.name IS 'name, unique in the tenant';
COMMENT ON COLUMN spotai.secret.version IS 'number of the value, from 1; rotating adds 1';
COMMENT ON COLUMN spotai.secret.sealed IS 'the value, sealed with a key of spotai.data_key and bound to tenant, id, name and version';
COMMENT ON COLUMN spotai.secret.created_at IS 'when the secret was put';
COMMENT ON COLUMN spotai.secret.updated_at IS 'when its value was last changed';
