-- the audit log: entries, and the Merkle tree over them

-- Rows of all tables here are written by the extension's C code alone, which
-- passes by the triggers that refuse everybody else (_spotai.audit_secure()).
CREATE TABLE spotai.audit_entry (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    principal_id uuid,
    action text NOT NULL,
    object text NOT NULL,
    subject_id uuid,
    detail bytea NOT NULL,
    PRIMARY KEY (tenant_id, id, occurred_at)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX audit_entry_subject_idx ON spotai.audit_entry (tenant_id, subject_id) WHERE subject_id IS NOT NULL;
COMMENT ON TABLE spotai.audit_entry IS 'who did what, when, to what; one partition a month (UTC); written by spotai.audit(), the triggers of spotai.audit_enable() and the extension itself, never changed';
COMMENT ON COLUMN spotai.audit_entry.tenant_id IS 'tenant that the entry belongs to; all zeros when nobody was logged in';
COMMENT ON COLUMN spotai.audit_entry.id IS 'identifier: a UUID of version 7, so that ids are in the order of time';
COMMENT ON COLUMN spotai.audit_entry.occurred_at IS 'when the statement ran';
COMMENT ON COLUMN spotai.audit_entry.principal_id IS 'who had logged in; null when nobody had';
COMMENT ON COLUMN spotai.audit_entry.action IS 'what was done, for example login, row.update or track.delete';
COMMENT ON COLUMN spotai.audit_entry.object IS 'what it was done to: for rows the table and, as JSON, its primary key';
COMMENT ON COLUMN spotai.audit_entry.subject_id IS 'person whose data the detail is; null when it is nobody''s';
COMMENT ON COLUMN spotai.audit_entry.detail IS 'JSON in UTF-8; with a subject, that encrypted under the subject''s key';
COMMENT ON INDEX spotai.audit_entry_subject_idx IS 'what is about a person';

-- Written with each entry and read by the sealer alone, so that no writer waits
-- for another.  Nothing is looked up here, so there is no index.
CREATE TABLE spotai.audit_pending (
    entry_tenant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    leaf bytea NOT NULL
) WITH (
    -- every row is deleted within a second or so: clean up by count
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_threshold = -1
);
COMMENT ON TABLE spotai.audit_pending IS 'leaves of entries that have no position in the log yet; the sealer moves them to spotai.audit_leaf';
COMMENT ON COLUMN spotai.audit_pending.entry_tenant_id IS 'tenant of the entry';
COMMENT ON COLUMN spotai.audit_pending.entry_id IS 'the entry';
COMMENT ON COLUMN spotai.audit_pending.occurred_at IS 'its time';
COMMENT ON COLUMN spotai.audit_pending.leaf IS 'its leaf hash, made in the transaction that wrote it';

CREATE TABLE spotai.audit_leaf (
    position bigint PRIMARY KEY CHECK (position >= 0),
    entry_tenant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    leaf bytea NOT NULL
);
CREATE INDEX audit_leaf_entry_idx ON spotai.audit_leaf (entry_id);
COMMENT ON TABLE spotai.audit_leaf IS 'the log: the leaf hash at each position, and the entry that it is of';
COMMENT ON COLUMN spotai.audit_leaf.position IS 'position in the log, from 0 without gaps';
COMMENT ON COLUMN spotai.audit_leaf.entry_tenant_id IS 'tenant of the entry';
COMMENT ON COLUMN spotai.audit_leaf.entry_id IS 'the entry';
COMMENT ON COLUMN spotai.audit_leaf.occurred_at IS 'its time';
COMMENT ON COLUMN spotai.audit_leaf.leaf IS 'its leaf hash (RFC 9162)';
COMMENT ON INDEX spotai.audit_leaf_entry_idx IS 'the position of an entry';

CREATE TABLE spotai.audit_node (
    level smallint CHECK (level BETWEEN 1 AND 62),
    first_index bigint CHECK (first_index >= 0),
    hashes bytea NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 1024) CHECK (octet_length(hashes) % 32 = 0),
    PRIMARY KEY (level, first_index)
);
-- hashes do not compress: do not try
ALTER TABLE spotai.audit_node ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE spotai.audit_node IS 'complete nodes of the Merkle tree above its leaves, in runs that never change; a run does not cross a multiple of 32';
COMMENT ON COLUMN spotai.audit_node.level IS 'level of the nodes: each covers 2^level leaves';
COMMENT ON COLUMN spotai.audit_node.first_index IS 'number of the first node of the run at its level, from 0';
COMMENT ON COLUMN spotai.audit_node.hashes IS 'the hashes of the run, 32 bytes each';

CREATE TABLE spotai.audit_key (
    id uuid PRIMARY KEY,
    origin text NOT NULL CHECK (origin <> ''),
    verifier text NOT NULL UNIQUE,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE spotai.audit_key IS 'keys that sign checkpoints; the newest is in use';
COMMENT ON COLUMN spotai.audit_key.id IS 'identifier';
COMMENT ON COLUMN spotai.audit_key.origin IS 'name of the log, the first line of its checkpoints';
COMMENT ON COLUMN spotai.audit_key.verifier IS 'verifier key (c2sp.org/signed-note): hand it to those who verify';
COMMENT ON COLUMN spotai.audit_key.sealed IS 'private key, encrypted under the key-encryption key';
COMMENT ON COLUMN spotai.audit_key.created_at IS 'when the key was made';

CREATE TABLE spotai.audit_checkpoint (
    tree_size bigint PRIMARY KEY CHECK (tree_size >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    note text NOT NULL,
    key_id uuid NOT NULL REFERENCES spotai.audit_key (id),
    sealed_at timestamptz NOT NULL
);
COMMENT ON TABLE spotai.audit_checkpoint IS 'signed checkpoints; the largest is the state of the log';
COMMENT ON COLUMN spotai.audit_checkpoint.tree_size IS 'entries that the checkpoint covers';
COMMENT ON COLUMN spotai.audit_checkpoint.root IS 'root of the Merkle tree over them';
COMMENT ON COLUMN spotai.audit_checkpoint.note IS 'the checkpoint (c2sp.org/tlog-checkpoint): keep copies of it outside of the database';
COMMENT ON COLUMN spotai.audit_checkpoint.key_id IS 'key that signed it';
COMMENT ON COLUMN spotai.audit_checkpoint.sealed_at IS 'when it was signed';

-- No foreign key to spotai.tenant: what happens before a login is nobody's.
CREATE TABLE spotai.subject_key (
    tenant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    id uuid NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, subject_id, id)
) WITH (
    -- what is deleted here shall be gone
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 0
);
ALTER TABLE spotai.subject_key ALTER COLUMN sealed SET STORAGE PLAIN;
COMMENT ON TABLE spotai.subject_key IS 'keys under which the details of audit entries about a person are encrypted; deleting them makes the details unreadable and leaves the log as it is';
COMMENT ON COLUMN spotai.subject_key.tenant_id IS 'tenant of the entries';
COMMENT ON COLUMN spotai.subject_key.subject_id IS 'the person';
COMMENT ON COLUMN spotai.subject_key.id IS 'identifier, which encrypted details name';
COMMENT ON COLUMN spotai.subject_key.sealed IS 'the key, encrypted under the tenant''s data key';
COMMENT ON COLUMN spotai.subject_key.created_at IS 'when the key was made';

CREATE VIEW spotai.audit_log WITH (security_invoker = true, security_barrier = true) AS
SELECT e.tenant_id, e.id, e.occurred_at, e.principal_id, e.action, e.object, e.subject_id,
       CASE WHEN e.subject_id IS NULL THEN convert_from(e.detail, 'UTF8')::jsonb END AS detail,
       l.position
FROM spotai.audit_entry e
LEFT JOIN spotai.audit_leaf l ON l.entry_id = e.id;
COMMENT ON VIEW spotai.audit_log IS 'the audit log for reading, with the position of each entry';
COMMENT ON COLUMN spotai.audit_log.tenant_id IS 'tenant that the entry belongs to';
COMMENT ON COLUMN spotai.audit_log.id IS 'identifier';
COMMENT ON COLUMN spotai.audit_log.occurred_at IS 'when the statement ran';
COMMENT ON COLUMN spotai.audit_log.principal_id IS 'who had logged in; null when nobody had';
COMMENT ON COLUMN spotai.audit_log.action IS 'what was done';
COMMENT ON COLUMN spotai.audit_log.object IS 'what it was done to';
COMMENT ON COLUMN spotai.audit_log.subject_id IS 'person whose data the detail is';
COMMENT ON COLUMN spotai.audit_log.detail IS 'role: the database role that did it; client: the address that an event came from, unless by a Unix socket; data: what spotai.audit() was given; event: of the extension itself, which nobody else can write; old and new: of a row. Null when it is a person''s, which is encrypted: spotai.audit_detail()';
COMMENT ON COLUMN spotai.audit_log.position IS 'position in the sealed log; null while it is not sealed';

CREATE VIEW spotai.audit_unsealed WITH (security_invoker = true) AS
SELECT p.entries, p.oldest, coalesce(extract(epoch FROM clock_timestamp() - p.oldest), 0)::double precision AS lag_s,
       coalesce(c.tree_size, 0) AS tree_size, c.sealed_at
FROM (SELECT count(*) AS entries, min(occurred_at) AS oldest FROM spotai.audit_pending) p
LEFT JOIN (SELECT tree_size, sealed_at FROM spotai.audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c ON true;
COMMENT ON VIEW spotai.audit_unsealed IS 'the window in which an entry could be changed unseen: what is committed and not sealed yet';
COMMENT ON COLUMN spotai.audit_unsealed.entries IS 'entries that are not sealed';
COMMENT ON COLUMN spotai.audit_unsealed.oldest IS 'time of the oldest of them';
COMMENT ON COLUMN spotai.audit_unsealed.lag_s IS 'its age in seconds; 0 when everything is sealed';
COMMENT ON COLUMN spotai.audit_unsealed.tree_size IS 'entries that are sealed';
COMMENT ON COLUMN spotai.audit_unsealed.sealed_at IS 'when the last checkpoint was signed; null when there is none';
