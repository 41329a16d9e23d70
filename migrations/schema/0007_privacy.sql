-- consent, legal holds, retention, tables with personal data

CREATE TABLE spotai.consent_event (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    subject_id uuid NOT NULL,
    purpose text NOT NULL CHECK (purpose <> '' AND octet_length(purpose) <= 255),
    event text NOT NULL CHECK (event IN ('given', 'withdrawn')),
    text_version text CHECK (text_version <> '' AND octet_length(text_version) <= 255),
    evidence jsonb,
    occurred_at timestamptz NOT NULL,
    principal_id uuid,
    PRIMARY KEY (tenant_id, id),
    CHECK ((text_version IS NOT NULL) = (event = 'given'))
);
-- the order of a person's events is never in doubt
CREATE UNIQUE INDEX consent_event_order_key ON spotai.consent_event (tenant_id, subject_id, purpose, occurred_at);
CREATE INDEX consent_event_principal_idx ON spotai.consent_event (tenant_id, principal_id) WHERE principal_id IS NOT NULL;
COMMENT ON INDEX spotai.consent_event_order_key IS 'what a person has agreed to: the newest event of a purpose says';
COMMENT ON INDEX spotai.consent_event_principal_idx IS 'what a principal has recorded';
COMMENT ON TABLE spotai.consent_event IS 'consent ledger: rows are added by spotai.consent_give() and spotai.consent_withdraw() and never changed, but for the evidence, which an erasure removes';
COMMENT ON COLUMN spotai.consent_event.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.consent_event.id IS 'identifier';
COMMENT ON COLUMN spotai.consent_event.subject_id IS 'person whose consent it is: a principal, or an id of the application''s own';
COMMENT ON COLUMN spotai.consent_event.purpose IS 'what the data may be used for, in the operator''s words; best a short name, such as recommend';
COMMENT ON COLUMN spotai.consent_event.event IS 'given or withdrawn';
COMMENT ON COLUMN spotai.consent_event.text_version IS 'version of the text that the person agreed to; null for a withdrawal';
COMMENT ON COLUMN spotai.consent_event.evidence IS 'how it is known, for example the form and the time that it was sent; null when there is none, and after an erasure';
COMMENT ON COLUMN spotai.consent_event.occurred_at IS 'when it was recorded';
COMMENT ON COLUMN spotai.consent_event.principal_id IS 'who recorded it; null for the operator';

CREATE TABLE spotai.legal_hold (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    subject_id uuid NOT NULL,
    reason text NOT NULL CHECK (reason <> '' AND octet_length(reason) <= 8192),
    placed_at timestamptz NOT NULL DEFAULT now(),
    placed_by_principal_id uuid,
    released_at timestamptz,
    released_by_principal_id uuid,
    PRIMARY KEY (tenant_id, id),
    CHECK (released_at IS NOT NULL OR released_by_principal_id IS NULL)
);
CREATE INDEX legal_hold_subject_idx ON spotai.legal_hold (tenant_id, subject_id);
COMMENT ON INDEX spotai.legal_hold_subject_idx IS 'is a person''s data under a hold?';
COMMENT ON TABLE spotai.legal_hold IS 'whose data must be kept, and why; a hold in force stops erasure, retention and purging. Rows stay when it is released';
COMMENT ON COLUMN spotai.legal_hold.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.legal_hold.id IS 'identifier';
COMMENT ON COLUMN spotai.legal_hold.subject_id IS 'person whose data is kept';
COMMENT ON COLUMN spotai.legal_hold.reason IS 'why, for people; an erasure after the release blanks it';
COMMENT ON COLUMN spotai.legal_hold.placed_at IS 'since when';
COMMENT ON COLUMN spotai.legal_hold.placed_by_principal_id IS 'who placed it; null for the operator';
COMMENT ON COLUMN spotai.legal_hold.released_at IS 'until when; null while it is in force';
COMMENT ON COLUMN spotai.legal_hold.released_by_principal_id IS 'who released it; null for the operator, and while it is in force';

CREATE TABLE spotai.retention_policy (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    relation text NOT NULL CHECK (relation <> ''),
    time_column name NOT NULL CHECK (time_column <> ''),
    keep interval NOT NULL CHECK (keep >= '0' AND keep <= '1000 years'),
    last_run_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, relation)
);
COMMENT ON TABLE spotai.retention_policy IS 'how long rows of a table are kept; carried out by spotai.retention_run() and by jobs of the kind retention';
COMMENT ON COLUMN spotai.retention_policy.tenant_id IS 'owner: the policy is about the rows of this tenant';
COMMENT ON COLUMN spotai.retention_policy.id IS 'identifier';
COMMENT ON COLUMN spotai.retention_policy.relation IS 'table, with its schema';
COMMENT ON COLUMN spotai.retention_policy.time_column IS 'column that says how old a row is';
COMMENT ON COLUMN spotai.retention_policy.keep IS 'age at which rows are removed';
COMMENT ON COLUMN spotai.retention_policy.last_run_at IS 'when nothing was left to remove; null before the first time';
COMMENT ON COLUMN spotai.retention_policy.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.retention_policy.updated_at IS 'when the policy was last changed';

-- Of the database, not of a tenant: the operator says what his tables hold.
CREATE TABLE spotai.personal_data (
    relation text NOT NULL CHECK (relation <> ''),
    subject_column name NOT NULL CHECK (subject_column <> ''),
    erase text NOT NULL CHECK (erase IN ('delete', 'anonymise')),
    blanked name[] CHECK ((blanked IS NOT NULL) = (erase = 'anonymise') AND cardinality(blanked) > 0),
    exported name[] CHECK (cardinality(exported) > 0),
    tenant_column name,
    fixed_tenant uuid CHECK ((fixed_tenant IS NULL) = (tenant_column IS NOT NULL)),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (relation, subject_column)
);
COMMENT ON TABLE spotai.personal_data IS 'tables of the user''s own that hold personal data, made by spotai.register_personal_data(); those of the extension are in _spotai.personal_table()';
COMMENT ON COLUMN spotai.personal_data.relation IS 'table, with its schema';
COMMENT ON COLUMN spotai.personal_data.subject_column IS 'column, of type uuid, that says whose a row is';
COMMENT ON COLUMN spotai.personal_data.erase IS 'what an erasure does with the person''s rows: delete or anonymise';
COMMENT ON COLUMN spotai.personal_data.blanked IS 'columns that an erasure blanks when it anonymises';
COMMENT ON COLUMN spotai.personal_data.exported IS 'columns that an export shows; null: all';
COMMENT ON COLUMN spotai.personal_data.tenant_column IS 'column, of type uuid, that says which tenant a row belongs to; null: all rows belong to fixed_tenant';
COMMENT ON COLUMN spotai.personal_data.fixed_tenant IS 'tenant that all rows belong to, where no column says';
COMMENT ON COLUMN spotai.personal_data.created_at IS 'when the table was registered';
