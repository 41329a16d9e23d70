-- tenants, tracks and audio

CREATE TABLE spotai.tenant (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);
COMMENT ON TABLE spotai.tenant IS 'units of isolation: every other row belongs to exactly one tenant';
COMMENT ON COLUMN spotai.tenant.id IS 'identifier';
COMMENT ON COLUMN spotai.tenant.name IS 'name for people';
COMMENT ON COLUMN spotai.tenant.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.tenant.updated_at IS 'when the row was last changed';
COMMENT ON COLUMN spotai.tenant.deleted_at IS 'when the tenant was deleted; null while it is alive';
INSERT INTO spotai.tenant (id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'default');

CREATE TABLE spotai.audio (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('original', 'stem', 'remix')),
    track_id uuid CHECK ((track_id IS NULL) = (kind = 'original')),
    stem text CHECK ((stem IS NOT NULL) = (kind = 'stem')),
    model text CHECK ((model IS NOT NULL) = (kind = 'stem')),
    stem_count smallint CHECK ((stem_count IS NOT NULL) = (kind = 'stem')),
    gains jsonb CHECK ((gains IS NOT NULL) = (kind = 'remix')),
    format text NOT NULL,
    codec text NOT NULL,
    sample_rate_hz integer NOT NULL CHECK (sample_rate_hz > 0),
    channels smallint NOT NULL CHECK (channels > 0),
    frames bigint NOT NULL CHECK (frames > 0),
    duration_s double precision NOT NULL,
    bytes bigint NOT NULL CHECK (bytes > 0),
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    peak_db real NOT NULL,
    rms_db real NOT NULL,
    energy_share real,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id)
);
-- the same bytes are kept once a tenant, whoever ingests them
CREATE UNIQUE INDEX audio_original_sha256_key ON spotai.audio (tenant_id, sha256) WHERE kind = 'original';
-- separating again with the same model replaces the content, not the identity
CREATE UNIQUE INDEX audio_stem_key ON spotai.audio (tenant_id, track_id, model, stem_count, stem) WHERE kind = 'stem';
CREATE INDEX audio_track_idx ON spotai.audio (tenant_id, track_id) WHERE track_id IS NOT NULL;
COMMENT ON TABLE spotai.audio IS 'audio content: ingested originals, separated stems, remixes; the bytes are in spotai.audio_chunk';
COMMENT ON COLUMN spotai.audio.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.audio.id IS 'identifier';
COMMENT ON COLUMN spotai.audio.kind IS 'original (as ingested), stem (separated from a track) or remix (mixed from stems)';
COMMENT ON COLUMN spotai.audio.track_id IS 'track that a stem or remix was made from; null for an original, which several tracks may share';
COMMENT ON COLUMN spotai.audio.stem IS 'vocals, accompaniment, drums, bass, piano or other';
COMMENT ON COLUMN spotai.audio.model IS 'model that separated the stem';
COMMENT ON COLUMN spotai.audio.stem_count IS 'number of stems in the set that the stem belongs to: 2, 4 or 5';
COMMENT ON COLUMN spotai.audio.gains IS 'gain of each stem in the remix, in dB; null = muted';
COMMENT ON COLUMN spotai.audio.format IS 'container, told from the content: wav, flac, ogg, opus, mp3, aiff or caf';
COMMENT ON COLUMN spotai.audio.codec IS 'sample encoding, for example pcm_16, pcm_24, float, vorbis, opus, mp3';
COMMENT ON COLUMN spotai.audio.sample_rate_hz IS 'frames a second';
COMMENT ON COLUMN spotai.audio.channels IS 'samples a frame';
COMMENT ON COLUMN spotai.audio.frames IS 'length, counted by decoding all of it';
COMMENT ON COLUMN spotai.audio.duration_s IS 'length in seconds';
COMMENT ON COLUMN spotai.audio.bytes IS 'length of the stored content';
COMMENT ON COLUMN spotai.audio.sha256 IS 'SHA-256 of the stored content';
COMMENT ON COLUMN spotai.audio.peak_db IS 'largest sample relative to full scale; -Infinity for silence';
COMMENT ON COLUMN spotai.audio.rms_db IS 'root mean square of all samples relative to full scale; -Infinity for silence';
COMMENT ON COLUMN spotai.audio.energy_share IS 'share of a stem in the energy of all stems of its set, 0 to 1';
COMMENT ON COLUMN spotai.audio.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.audio.updated_at IS 'when the content was last replaced';

CREATE TABLE spotai.audio_chunk (
    tenant_id uuid NOT NULL,
    audio_id uuid NOT NULL,
    seq integer NOT NULL CHECK (seq >= 0),
    data bytea NOT NULL CHECK (octet_length(data) BETWEEN 1 AND 1048576),
    PRIMARY KEY (tenant_id, audio_id, seq),
    FOREIGN KEY (tenant_id, audio_id) REFERENCES spotai.audio (tenant_id, id) ON DELETE CASCADE
);
-- audio does not compress: do not try
ALTER TABLE spotai.audio_chunk ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE spotai.audio_chunk IS 'the bytes of spotai.audio, in pieces of at most 1 MiB';
COMMENT ON COLUMN spotai.audio_chunk.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.audio_chunk.audio_id IS 'audio that the bytes belong to';
COMMENT ON COLUMN spotai.audio_chunk.seq IS 'position of the piece, from 0 without gaps';
COMMENT ON COLUMN spotai.audio_chunk.data IS 'the bytes';

CREATE TABLE spotai.track (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    audio_id uuid NOT NULL,
    title text,
    artist text,
    provenance text NOT NULL DEFAULT 'own' CHECK (provenance ~ '^[a-z][a-z0-9_]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, audio_id) REFERENCES spotai.audio (tenant_id, id)
);
CREATE INDEX track_audio_idx ON spotai.track (tenant_id, audio_id);
COMMENT ON TABLE spotai.track IS 'songs';
COMMENT ON COLUMN spotai.track.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.track.id IS 'identifier';
COMMENT ON COLUMN spotai.track.audio_id IS 'the song as it was ingested';
COMMENT ON COLUMN spotai.track.title IS 'title, as the user gave it';
COMMENT ON COLUMN spotai.track.artist IS 'artist, as the user gave it';
COMMENT ON COLUMN spotai.track.provenance IS 'where the content comes from: own, spotify, ...; rows from spotify are left out of machine learning';
COMMENT ON COLUMN spotai.track.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.track.updated_at IS 'when the row was last changed';
COMMENT ON COLUMN spotai.track.deleted_at IS 'when the track was deleted; null while it is alive';

ALTER TABLE spotai.audio ADD FOREIGN KEY (tenant_id, track_id)
    REFERENCES spotai.track (tenant_id, id) ON DELETE CASCADE;
